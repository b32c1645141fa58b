"""What a letter's log says so far: one pass over its entries, no clock, no network. spec/rules.md.

`rules.check` asks whether an entry may come next; `LetterState.apply` takes it in and cannot fail.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import assert_never

from msgspec import UNSET

from undersigned.protocol import entry as entries
from undersigned.protocol.count import n_star, standing
from undersigned.protocol.entry import Entry, Signature
from undersigned.protocol.letter import Letter, text_hash
from undersigned.protocol.opening_list import Dropped, OpeningList


@dataclass(slots=True, kw_only=True)
class Record:
    """One signature as the log stands now.

    `changed` is the index of it or of its latest condition entry (whose blob is its blob); `chosen` of the latest
    entry by which the signatory chose to stand: those two, or a consent.
    """

    index: int
    entry: Signature
    mode: entries.Mode
    tier: int
    blob: bytes | None
    texts: frozenset[bytes]
    changed: int
    chosen: int
    withdrawn: int | None = None
    removed: int | None = None
    dropped: int | None = None
    opened: int | None = None
    disputed: bool = False

    @property
    def gone(self) -> bool:
        """Withdrawn, removed or dropped: it never counts again."""
        return self.withdrawn is not None or self.removed is not None or self.dropped is not None

    @property
    def hidden(self) -> bool:
        """Sealed and not opened: its name is nobody's business."""
        return self.mode == "sealed" and self.opened is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    """The freeze that stands now, with the indexes it fixed."""

    index: int
    tier: int
    since: int
    until: int
    members: frozenset[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """A finished opening (or abort: nobody named): what it named, skipped and dropped, by index.

    `together`: how many names stood together just after it, these and those public or opened before.
    """

    index: int
    freeze: Frozen
    named: tuple[int, ...]
    skipped: tuple[int, ...]
    dropped: tuple[Dropped, ...]
    list_hash: bytes
    together: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    index: int
    text_hash: bytes
    fields: entries.TextFields


@dataclass(slots=True)
class LetterState:
    """The rule book's memory. `late_from`: signatures and `reached` at this index or above came after the deadline."""

    letter: Letter
    late_from: int | None = None
    size: int = 1
    versions: list[Version] = field(default_factory=list)
    records: dict[bytes, Record] = field(default_factory=dict)
    by_index: dict[int, Record] = field(default_factory=dict)
    registrars: dict[int, entries.Registrar] = field(default_factory=dict)
    trustees: dict[int, entries.Trustee] = field(default_factory=dict)
    issued: dict[tuple[int, int], int] = field(default_factory=dict)
    final_issued: set[tuple[int, int]] = field(default_factory=set)
    ever: Counter[int] = field(default_factory=Counter)
    conditions: Counter[int] = field(default_factory=Counter)
    waiting: Counter[int] = field(default_factory=Counter)
    reached: dict[int, int] = field(default_factory=dict)
    frozen: Frozen | None = None
    freezes: list[Frozen] = field(default_factory=list)
    rounds: list[Round] = field(default_factory=list)
    lapses: list[tuple[int, entries.Lapse]] = field(default_factory=list)
    missing: set[int] = field(default_factory=set)
    statements: dict[int, tuple[int, entries.Statement]] = field(default_factory=dict)
    confirmations: list[tuple[int, entries.Confirmation]] = field(default_factory=list)
    remarks: list[tuple[int, entries.Remark]] = field(default_factory=list)
    standings: list[tuple[int, entries.Standing]] = field(default_factory=list)
    removals: Counter[str] = field(default_factory=Counter)
    destructions: list[tuple[int, entries.Destruction]] = field(default_factory=list)
    closed: int | None = None
    closed_by: str = ""
    client: bytes | None = None

    def __post_init__(self) -> None:
        first = self.letter.publication
        self.versions.append(Version(index=0, text_hash=self.letter.text_hash, fields=first))

    # What it says

    @property
    def text_hash(self) -> bytes:
        """The current version's hash."""
        return self.versions[-1].text_hash

    @property
    def n_star(self) -> int:
        """N*: how many stand together now."""
        return n_star(self.conditions)

    def standing(self, n: int) -> int:
        """F(n): how many would stand if `n` did."""
        return standing(self.conditions, n)

    def condition_of(self, record: Record) -> int:
        """t: 1 if public or opened, else the at_least of its tier."""
        return self.letter.at_least(record.tier) if record.hidden else 1

    def is_late(self, index: int) -> bool:
        """Whether no checkpoint witnessed by the deadline covers this index."""
        return self.late_from is not None and index >= self.late_from

    def is_effective(self, record: Record) -> bool:
        """It stands: not gone, not suspended, in time, and under the current version."""
        standing_text = self.text_hash in record.texts
        return standing_text and not (record.gone or record.disputed or self.is_late(record.index))

    def counts(self, record: Record) -> bool:
        """Whether its class counts and its mode is ever named."""
        return record.mode != "anonymous" and self.letter.classes[record.entry.class_].counts

    def effective(self) -> Iterator[Record]:
        """All signatures that stand, in log order."""
        return (record for record in self.by_index.values() if self.is_effective(record))

    def holds(self, tier: int) -> bool:
        """Whether the tier's condition holds: F(a) >= a, and somebody at a or below still waits to be opened."""
        a = self.letter.at_least(tier)
        return self.standing(a) >= a and any(people for asked, people in self.waiting.items() if asked <= a)

    def frozen_set(self, tier: int, since: int) -> frozenset[int]:
        """Whom a freeze of this tier would fix: unopened, effective, with t <= a, who chose so before size `since`."""
        a = self.letter.at_least(tier)
        return frozenset(
            record.index
            for record in self.effective()
            if record.hidden and record.chosen < since and self.condition_of(record) <= a
        )

    def support(self, members: Iterable[int]) -> Counter[int]:
        """Conditions of everyone public or opened, plus those of the `members` whose class counts."""
        people: Counter[int] = Counter()
        chosen = set(members)
        for record in self.effective():
            if self.counts(record) and (not record.hidden or record.index in chosen):
                people[self.condition_of(record)] += 1
        return people

    # Taking entries in

    def apply(self, entry: Entry, opening_list: OpeningList | None = None) -> None:
        """Take in the next entry, which `rules.check` has let through; openings and aborts come with their list."""
        index = self.size
        self.size += 1
        match entry:
            case entries.Signature():
                self._sign(index, entry)
            case entries.Consent() | entries.Condition() | entries.Withdrawal():
                self._change(index, entry)
            case entries.Amendment():
                self._amend(Version(index=index, text_hash=text_hash(entry), fields=entry))
            case entries.Dispute() | entries.Removal():
                self._suspend_or_remove(index, entry)
            case entries.Reached():
                if not self.is_late(index):
                    self.reached[entry.tier] = index
            case entries.Freeze():
                self._freeze(index, entry)
            case entries.Lapse():
                self._lapse(index, entry)
            case entries.Opening() | entries.Abort():
                assert opening_list is not None
                self._finish(index, entry, opening_list)
            case _:
                self._note(index, entry)
        self._fall_back()

    def _sign(self, index: int, entry: Signature) -> None:
        record = Record(
            index=index,
            entry=entry,
            mode=entry.mode,
            tier=entry.tier,
            blob=None if entry.blob is UNSET else entry.blob,
            texts=frozenset([entry.text_hash]),
            changed=index,
            chosen=index,
        )
        self.records[entry.key] = self.by_index[index] = record
        self.ever[entry.class_] += 1
        self._weigh(record, 1)

    def _change(self, index: int, entry: entries.Consent | entries.Condition | entries.Withdrawal) -> None:
        record = self.records[entry.key]
        self._weigh(record, -1)
        match entry:
            case entries.Consent():
                record.texts |= {entry.text_hash}
                record.chosen = index
            case entries.Condition():
                record.mode = "sealed" if entry.tier else "public"
                record.tier, record.blob = entry.tier, entry.blob
                record.changed = record.chosen = index
                self.missing.discard(record.index)
            case entries.Withdrawal():
                if not record.gone:
                    record.withdrawn = index
            case _:
                assert_never(entry)
        self._weigh(record, 1)

    def _suspend_or_remove(self, index: int, entry: entries.Dispute | entries.Removal) -> None:
        record = self.by_index[entry.index]
        self._weigh(record, -1)
        match entry:
            case entries.Dispute():
                record.disputed = entry.state == "open"
            case entries.Removal():
                record.removed = index
                self.removals[entry.code] += 1
            case _:
                assert_never(entry)
        self._weigh(record, 1)

    def _amend(self, version: Version) -> None:
        self.versions.append(version)
        self.conditions.clear()
        self.waiting.clear()
        for record in self.by_index.values():
            self._weigh(record, 1)

    def _freeze(self, index: int, entry: entries.Freeze) -> None:
        members = self.frozen_set(entry.tier, entry.since)
        self.frozen = Frozen(index=index, tier=entry.tier, since=entry.since, until=entry.until, members=members)
        self.freezes.append(self.frozen)

    def _lapse(self, index: int, entry: entries.Lapse) -> None:
        assert self.frozen is not None
        for tier in range(1, self.frozen.tier + 1):
            self.reached.pop(tier, None)
        self.lapses.append((index, entry))
        self.frozen = None

    def _finish(self, index: int, entry: entries.Opening | entries.Abort, listed: OpeningList) -> None:
        assert self.frozen is not None
        for withdrawal in listed.left:
            self._leave(index, self.records[withdrawal.key])
        for item in listed.dropped:
            self._drop(index, self.by_index[item.index])
        named = [i for i in listed.indexes if not (self.by_index[i].gone or self.by_index[i].disputed)]
        for i in named:
            self._open(index, self.by_index[i])
        self.rounds.append(
            Round(
                index=index,
                freeze=self.frozen,
                named=tuple(named),
                skipped=tuple(sorted(set(listed.indexes) - set(named))),
                dropped=tuple(listed.dropped),
                list_hash=entry.list_hash,
                together=self.standing(1),
            )
        )
        self.frozen = None

    def _leave(self, index: int, record: Record) -> None:
        self._weigh(record, -1)
        record.withdrawn = record.withdrawn if record.gone else index
        self._weigh(record, 1)

    def _drop(self, index: int, record: Record) -> None:
        self._weigh(record, -1)
        record.dropped = record.dropped if record.gone else index
        self._weigh(record, 1)

    def _open(self, index: int, record: Record) -> None:
        self._weigh(record, -1)
        record.opened = index
        self._weigh(record, 1)

    def _note(self, index: int, entry: Entry) -> None:
        match entry:
            case entries.Registrar():
                self.registrars[entry.registrar] = entry
            case entries.Trustee():
                self.trustees[entry.trustee] = entry
            case entries.Issuance():
                self.issued[entry.registrar, entry.class_] = entry.issued
                if self.closed is not None:
                    self.final_issued.add((entry.registrar, entry.class_))
            case entries.Missing():
                self.missing.update(entry.indexes)
            case entries.Statement():
                self.statements[entry.id] = (index, entry)
            case entries.Confirmation():
                self.confirmations.append((index, entry))
            case entries.Remark():
                self.remarks.append((index, entry))
            case entries.Standing():
                self.standings.append((index, entry))
            case entries.Destruction():
                self.destructions.append((index, entry))
            case entries.Client():
                self.client = entry.manifest
            case entries.Closing():
                self.closed, self.closed_by = index, entry.by
            case _:
                raise AssertionError("rules.check lets no second publication through")

    # The running count

    def _weigh(self, record: Record, sign: int) -> None:
        """Add (1) or take away (-1) what this record contributes, before and after it changes."""
        if not self.is_effective(record):
            return
        if record.hidden:
            self.waiting[self.condition_of(record)] += sign
        if self.counts(record):
            self.conditions[self.condition_of(record)] += sign

    def _fall_back(self) -> None:
        for tier in [tier for tier in self.reached if not self.holds(tier)]:
            del self.reached[tier]
