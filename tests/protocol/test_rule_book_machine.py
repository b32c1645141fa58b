"""Any order of valid calls: the running counts are those of a slow recount, and nobody is named with too few.

A pool of people gets its tokens and envelopes once; a machine then signs, leaves, changes, disputes, freezes and opens.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec import UNSET

from support.letters import START, Cast, MemoryLog, Person, make_letter
from support.whole import amendment
from undersigned.errors import Refused
from undersigned.protocol import entry as entries
from undersigned.protocol import opening
from undersigned.protocol.encoding import sha256, to_jcs
from undersigned.protocol.entry import Entry
from undersigned.protocol.figures import figures
from undersigned.protocol.letter import text_hash
from undersigned.protocol.opening_list import OpeningList
from undersigned.verifier import verify_dossier

TIERS = (2, 3, 5)
POOL = 9
DAY = 86_400
HOLD = 100
SIGNS = st.sampled_from(
    [("public", 0), ("public", 0), ("anonymous", 0), *(("sealed", tier) for tier in (1, 1, 2, 2, 3, 3))]
)
TEXTS = ["We ask you to resign.", "We ask you to resign now.", "We ask you to explain."]
BLOB = b"words"


@dataclass(frozen=True, kw_only=True)
class Ready:
    """A person with everything that is slow to make."""

    person: Person
    class_id: int
    tokens: list[bytes]
    card: bytes
    envelopes: dict[int, bytes]


@cache
def letter() -> Cast:
    return make_letter(tiers=TIERS, trustees=3, quorum=2, hold=HOLD, deadline=START + 10**9, text=TEXTS[0])


@cache
def acceptances() -> list[bytes]:
    return letter().accept(issued=POOL)


@cache
def pool() -> list[Ready]:
    """Seven of the staff and two friends, whose class does not count; the last of each seals garbage."""
    cast, found = letter(), []
    for number in range(POOL):
        class_id = 2 if number >= POOL - 2 else 1
        person = cast.person(f"Person {number}")
        honest = number not in (POOL - 3, POOL - 1)
        envelopes = {
            tier: cast.envelope(person, tier, class_id) if honest else bytes([number, tier])
            for tier in range(1, len(TIERS) + 1)
        }
        found.append(
            Ready(
                person=person,
                class_id=class_id,
                tokens=cast.tokens(person, class_id),
                card=to_jcs(cast.public_blob(person, class_id)),
                envelopes=envelopes,
            )
        )
    return found


@cache
def finding(number: int, tier: int) -> opening.Finding:
    """What honest trustees find in one person's envelope; its index is filled in by the caller."""
    log = MemoryLog(cast=letter())
    for data in acceptances():
        log.append(data)
    ready = pool()[number]
    index = log.append(letter().sign(sealed(ready, tier), ready.person.seed), ready.envelopes[tier])
    blob, record = ready.envelopes[tier], log.record(index)
    shares = {trustee: log._share(record, blob, trustee) for trustee in (1, 2)}
    found = opening.examine(record, blob, shares, letter=letter().letter)
    assert found is not None
    return found


def sealed(ready: Ready, tier: int, text: bytes | None = None) -> entries.Signature:
    return entries.Signature(
        text_hash=text or letter().letter.text_hash,
        class_=ready.class_id,
        mode="sealed",
        tier=tier,
        key=ready.person.key,
        tokens=ready.tokens,
        blob=sha256(ready.envelopes[tier]),
    )


@dataclass(kw_only=True)
class Row:
    """One signature in the model: plain facts, changed as the entries say."""

    class_id: int
    asks: int  # 1 when its name is readable
    named: bool  # its mode is ever named
    hidden: bool
    texts: set[str]
    changed: int
    out: bool = False
    suspended: bool = False


@dataclass
class Model:
    """The slow recount: no running figures, everything from the rows."""

    rows: dict[int, Row] = field(default_factory=dict)
    text: str = TEXTS[0]

    def standing(self) -> list[Row]:
        return [row for row in self.rows.values() if not (row.out or row.suspended) and self.text in row.texts]

    def asks(self) -> list[int]:
        return [row.asks for row in self.standing() if row.named and row.class_id == 1]

    def together(self, n: int) -> int:
        return sum(asked <= n for asked in self.asks())

    def holds(self, at_least: int) -> bool:
        waiting = any(row.hidden and row.asks <= at_least for row in self.standing())
        return self.together(at_least) >= at_least and waiting

    def readable(self) -> int:
        return sum(row.named and row.class_id == 1 and not row.hidden for row in self.standing())


class RuleBook(RuleBasedStateMachine):
    """Each rule makes one call that is valid where it stands, or one that must be refused and change nothing."""

    @initialize(crowd=st.lists(SIGNS, min_size=POOL - 2, max_size=POOL), tipped=st.booleans())
    def begin(self, crowd: list[tuple[entries.Mode, int]], tipped: bool) -> None:
        self.cast = letter()
        self.log = MemoryLog(cast=self.cast)
        for data in acceptances():
            self.log.append(data)
        self.model = Model()
        self.clock = START
        self.numbers: dict[int, int] = {}  # index -> place in the pool
        self.tiers: dict[int, int] = {}  # index -> the tier of its envelope
        self.left: list[entries.Withdrawal] = []
        self.draft: tuple[bytes, OpeningList] | None = None
        for number, sign in enumerate(crowd):
            self._sign(number, sign, TEXTS[0])
        if tipped:
            self.reach_the_highest_and_freeze(wait=True)

    # What people do

    @rule(number=st.integers(0, POOL - 1), sign=SIGNS, text=st.sampled_from(TEXTS))
    def sign(self, number: int, sign: tuple[entries.Mode, int], text: str) -> None:
        self._sign(number, sign, text)

    def _sign(self, number: int, sign: tuple[entries.Mode, int], text: str) -> None:
        (mode, tier), ready = sign, pool()[number]
        entry = sealed(ready, max(tier, 1), self._hash(text))
        if mode != "sealed":
            blob = UNSET if mode == "anonymous" else sha256(ready.card)
            entry = msgspec.structs.replace(entry, mode=mode, tier=0, blob=blob)
        data = self.cast.sign(entry, ready.person.seed)
        taken = number in self.numbers.values()
        if taken or text not in self._texts() or self.log.state.closed is not None:
            self._refused(data)
            return
        index = self.log.append(data, {"public": ready.card, "anonymous": None}.get(mode, ready.envelopes.get(tier)))
        self.numbers[index], self.tiers[index] = number, tier
        self.model.rows[index] = Row(
            class_id=ready.class_id,
            asks=TIERS[tier - 1] if tier else 1,
            named=mode != "anonymous",
            hidden=mode == "sealed",
            texts={text},
            changed=index,
        )

    @precondition(lambda self: self.numbers)
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        index = self._somebody(data)
        self.log.append(self.cast.withdrawal(self._person(index)))
        self.model.rows[index].out = True

    @precondition(lambda self: self.numbers)
    @rule(data=st.data(), tier=st.integers(0, 3))
    def change_condition(self, data: st.DataObject, tier: int) -> None:
        index = self._somebody(data)
        row, ready = self.model.rows[index], pool()[self.numbers[index]]
        blob = ready.envelopes[tier] if tier else ready.card
        entry = entries.Condition(key=ready.person.key, tier=tier, blob=sha256(blob))
        signed = self.cast.sign(entry, ready.person.seed)
        frozen = self.log.state.frozen
        member = frozen is not None and index in frozen.members
        if row.out or not row.hidden or member or self.log.state.closed is not None:
            self._refused(signed)
            return
        row.changed = self.log.append(signed, blob)
        row.asks, row.hidden = (TIERS[tier - 1], True) if tier else (1, False)
        self.tiers[index] = tier

    @precondition(lambda self: self.numbers)
    @rule(data=st.data(), text=st.sampled_from(TEXTS))
    def consent(self, data: st.DataObject, text: str) -> None:
        index = self._somebody(data)
        row, person = self.model.rows[index], self._person(index)
        signed = self.cast.sign(entries.Consent(key=person.key, text_hash=self._hash(text)), person.seed)
        if row.out or text in row.texts or text not in self._texts() or self.log.state.closed is not None:
            self._refused(signed)
            return
        self.log.append(signed)
        row.texts.add(text)

    @precondition(lambda self: self.numbers)
    @rule(data=st.data())
    def remark(self, data: st.DataObject) -> None:
        index = self._somebody(data)
        row, person = self.model.rows[index], self._person(index)
        words = entries.Remark(key=person.key, type="regret", blob=sha256(BLOB))
        self._append_if(not (row.out or row.hidden) and row.named, self.cast.sign(words, person.seed))

    # What offices do

    @rule(text=st.sampled_from(TEXTS))
    def amend(self, text: str) -> None:
        data = amendment(self.cast, text=text)
        state = self.log.state
        if state.frozen is not None or text == self.model.text or state.closed is not None:
            self._refused(data)
            return
        self.log.append(data)
        self.model.text = text

    @precondition(lambda self: self.numbers)
    @rule(data=st.data(), open_one=st.booleans())
    def dispute(self, data: st.DataObject, open_one: bool) -> None:
        index = self._somebody(data)
        row = self.model.rows[index]
        entry = entries.Dispute(registrar=1, index=index, state="open" if open_one else "settled")
        allowed = not row.out and not row.hidden and row.named and row.suspended != open_one
        if self._append_if(allowed, self.cast.sign(entry, self.cast.registrars[1])):
            row.suspended = open_one

    @precondition(lambda self: self.numbers)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        index = self._somebody(data)
        row, frozen = self.model.rows[index], self.log.state.frozen
        allowed = not row.out and not (frozen is not None and index in frozen.members)
        if self._append_if(allowed, self._by_log(entries.Removal(index=index, code="asked"))):
            row.out = True

    @rule(tier=st.integers(1, 3))
    def reach(self, tier: int) -> None:
        state = self.log.state
        allowed = tier not in state.reached and self.model.holds(TIERS[tier - 1]) and state.closed is None
        self._append_if(allowed, self._by_log(entries.Reached(tier=tier)))

    @precondition(lambda self: self.log.state.closed is None)
    @rule(wait=st.sampled_from([True, True, True, False]))
    def reach_the_highest_and_freeze(self, wait: bool) -> None:
        holding = [tier for tier in (3, 2, 1) if self.model.holds(TIERS[tier - 1])]
        if holding and holding[0] not in self.log.state.reached:
            self.log.append(self._by_log(entries.Reached(tier=holding[0])))
        if holding:
            self._freeze(wait)

    @precondition(lambda self: self.log.state.reached)
    @rule(wait=st.booleans())
    def hold_and_freeze(self, wait: bool) -> None:
        self._freeze(wait)

    def _freeze(self, wait: bool) -> None:
        """After the hold, by the witnesses' clocks; or, impatiently, with a `since` that does not cover `reached`."""
        state = self.log.state
        tier = max(state.reached)
        since = self.log.size if wait else state.reached[tier]
        if wait:
            self._witness(1)
            self._witness(HOLD)
        data = self._by_log(entries.Freeze(tier=tier, since=since, until=self.log.size))
        members = self._would_freeze(tier, since)
        a = TIERS[tier - 1]
        support = self.model.readable() + sum(self.model.rows[index].class_id == 1 for index in members)
        allowed = wait and state.frozen is None and bool(members) and support >= a
        if self._append_if(allowed, data):
            assert state.frozen is not None
            assert state.frozen.members == members
            self.left, self.draft = [], None

    @precondition(lambda self: self.log.state.frozen is not None)
    @rule(data=st.data())
    def leave_beside_the_log(self, data: st.DataObject) -> None:
        assert self.log.state.frozen is not None
        index = data.draw(st.sampled_from(sorted(self.log.state.frozen.members)))
        person = self._person(index)
        entry = entries.decode_entry(self.cast.withdrawal(person))
        assert isinstance(entry, entries.Withdrawal)
        if entry not in self.left:
            self.left.append(entry)

    @precondition(lambda self: self.log.state.frozen is not None)
    @rule()
    def the_quorum_signs(self) -> None:
        """A list as trustees see it now; it may be appended much later, when people have come and gone."""
        assert self.log.state.frozen is not None
        findings = [self._finding(index) for index in sorted(self.log.state.frozen.members)]
        listed, _ = opening.make_list(self.log.state, findings, self.left)
        self.draft = (self.log.quorum_entry(listed, (1, 2)), listed)

    @precondition(lambda self: self.log.state.frozen is not None)
    @rule()
    def the_quorum_opens_at_once(self) -> None:
        self.the_quorum_signs()
        self.open_names()

    @precondition(lambda self: self.log.state.frozen is not None)
    @rule(tier=st.integers(1, 3), forgotten=st.sampled_from([None, None, 0, 1]))
    def a_careless_quorum_signs(self, tier: int, forgotten: int | None) -> None:
        """A part of the set, all of it good: taken only if nobody on it would stand with too few."""
        assert self.log.state.frozen is not None
        good = [index for index in sorted(self.log.state.frozen.members) if self._finding(index).reason is None]
        chosen = [index for index in good if self.model.rows[index].asks <= TIERS[tier - 1]]
        if forgotten is not None:
            del chosen[forgotten : forgotten + 1]
        listed = OpeningList(indexes=chosen, dropped=[], left=[])
        try:
            self._finish(self.log.quorum_entry(listed, (2, 3)), listed)
        except Refused:
            return
        self.draft = None

    @precondition(lambda self: self.numbers)
    @rule(data=st.data())
    def miss_an_envelope(self, data: st.DataObject) -> None:
        index = self._somebody(data)
        entry = entries.Missing(trustee=3, indexes=[index])
        self._append_if(self.model.rows[index].hidden, self.cast.sign(entry, self.cast.trustees[3]))

    @precondition(lambda self: self.log.state.frozen is not None and self.draft)
    @rule()
    def open_names(self) -> None:
        """Append the list signed earlier; where too much has changed since, the quorum signs anew and that one fits."""
        assert self.draft is not None
        try:
            self._finish(*self.draft)
        except Refused:
            self.the_quorum_signs()
            self._finish(*self.draft)
        self.draft = None

    @precondition(lambda self: self.log.state.frozen is not None and self.log.size > 22)
    @rule()
    def lapse(self) -> None:
        assert self.log.state.frozen is not None
        index, since = self.log.state.frozen.index, self.log.size
        self._witness(1)
        self._witness(14 * DAY)
        self.log.append(self._by_log(entries.Lapse(freeze=index, since=since, until=since)))
        self.draft = None

    @rule(gap=st.integers(1, 1_000))
    def witness(self, gap: int) -> None:
        self._witness(gap)

    @precondition(lambda self: self.log.size > 30)
    @rule()
    def close(self) -> None:
        data = self.cast.sign(entries.Closing(by="organizer", reason="Agreed."), self.cast.organizer)
        self._append_if(self.log.state.closed is None, data)

    # What always holds

    @invariant()
    def the_running_counts_are_those_of_a_recount(self) -> None:
        state, asks = self.log.state, self.model.asks()
        assert state.n_star == max(n for n in range(len(asks) + 1) if self.model.together(n) >= n)
        for tier, at_least in enumerate(TIERS, 1):
            assert state.standing(at_least) == self.model.together(at_least)
            assert state.holds(tier) == self.model.holds(at_least)
        shown = figures(state)
        assert shown.signatures == len(self.model.standing())
        apart = shown.withdrawn + shown.removed + shown.dropped + shown.disputed + shown.older_version + shown.late
        assert shown.signatures + apart == len(self.model.rows)

    @invariant()
    def a_reached_tier_holds(self) -> None:
        assert all(self.model.holds(TIERS[tier - 1]) for tier in self.log.state.reached)

    def teardown(self) -> None:
        if not hasattr(self, "log"):
            return
        self._witness(1)
        verdict = verify_dossier(self._dossier())
        assert verdict.ok, [step for step in verdict.steps if not step.ok]
        assert verdict.state is not None
        assert figures(verdict.state) == figures(self.log.state)
        assert verdict.state.reached == self.log.state.reached

    # Helpers

    def _finish(self, data: bytes, listed: OpeningList) -> None:
        index = self.log.append(data, listed=listed)
        finished = self.log.state.rounds[-1]
        for item in listed.dropped:
            self.model.rows[item.index].out = True
        for withdrawal in listed.left:
            self.model.rows[self.log.state.records[withdrawal.key].index].out = True
        asked = [self.model.rows[named].asks for named in finished.named]
        for named in finished.named:
            row = self.model.rows[named]
            assert row.hidden
            assert row in self.model.standing()
            row.hidden, row.asks = False, 1
            found = self._finding(named)
            assert found.open_key is not None
            self.log.opened[named] = found.open_key + pool()[self.numbers[named]].envelopes[self.tiers[named]]
        assert all(self.model.readable() >= one for one in asked)  # nobody is named with fewer than they asked for
        assert finished.index == index

    def _finding(self, index: int) -> opening.Finding:
        found = finding(self.numbers[index], self.tiers[index])
        return opening.Finding(index=index, open_key=found.open_key, reason=found.reason, liars=found.liars)

    def _would_freeze(self, tier: int, since: int) -> frozenset[int]:
        standing = self.model.standing()
        return frozenset(
            index
            for index, row in self.model.rows.items()
            if row in standing and row.hidden and row.asks <= TIERS[tier - 1] and row.changed < since
        )

    def _dossier(self) -> dict[str, bytes]:
        """Only what is still published: no cards of who left, no opened names of who left or is suspended."""
        for index in list(self.log.opened):
            row = self.model.rows[index]
            if row.out or row.suspended:
                del self.log.opened[index]
        return self.log.dossier()

    def _append_if(self, allowed: bool, data: bytes) -> bool:
        if allowed:
            self.log.append(data)
        else:
            self._refused(data)
        return allowed

    def _refused(self, data: bytes) -> None:
        size = self.log.size
        try:
            self.log.append(data)
        except Refused:
            assert self.log.size == self.log.state.size == size
            return
        raise AssertionError(f"the rule book took what it must refuse: {data[:80]!r}")

    def _witness(self, gap: int) -> None:
        self.clock += gap
        self.log.witness(self.clock)

    def _by_log(self, entry: Entry) -> bytes:
        return self.cast.sign(entry, self.cast.log)

    def _somebody(self, data: st.DataObject) -> int:
        return data.draw(st.sampled_from(sorted(self.numbers)))

    def _person(self, index: int) -> Person:
        return pool()[self.numbers[index]].person

    def _texts(self) -> Iterable[str]:
        return {version.fields.text for version in self.log.state.versions}

    def _hash(self, text: str) -> bytes:
        return text_hash(msgspec.structs.replace(self.cast.letter.publication, text=text))


RuleBook.TestCase.settings = settings(
    max_examples=200,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestNoOrderOfValidCallsReachesAStateThatVerifyRefuses = RuleBook.TestCase
