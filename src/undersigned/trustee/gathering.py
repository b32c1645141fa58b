"""One round as one trustee sees it: the envelopes, its own shares, what the others answered, and what comes of it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from undersigned.errors import Malformed, UndersignedError, VerificationError
from undersigned.protocol import opening, sealing
from undersigned.protocol.exchange import Message
from undersigned.protocol.letter import Letter
from undersigned.protocol.opening import Finding
from undersigned.protocol.state import Frozen, Record
from undersigned.trustee.exchange import Shares

_LASTING = ("envelope", "box", "identity")


@dataclass(slots=True, kw_only=True)
class Gathering:
    """`blobs` by index, `answers` by trustee (itself too) and index; `parts` taken in, by trustee.

    `began` is this trustee's own clock (Unix s) when it first looked at the freeze.
    """

    letter: Letter
    frozen: Frozen
    trustee: int
    began: int
    blobs: dict[int, bytes] = field(default_factory=dict)
    answers: dict[int, Shares] = field(default_factory=dict)
    parts: dict[int, dict[int, int]] = field(default_factory=dict)
    findings: dict[int, Finding] = field(default_factory=dict)
    liars: set[int] = field(default_factory=set)
    sent: set[tuple[int, int]] | None = None

    @property
    def others(self) -> list[int]:
        """The ids of the other trustees."""
        return [trustee for trustee in self.letter.trustees if trustee != self.trustee]

    @property
    def unheard(self) -> list[int]:
        """Trustees of whom not every part has come, liars left out."""
        return [one for one in self.others if one not in self.liars and not self._is_complete(one)]

    def open_own(self, records: Iterable[Record], *, seed_of: Callable[[int], bytes]) -> None:
        """Open this trustee's own share of each envelope in hand; None where it does not open."""
        own = self.answers.setdefault(self.trustee, {})
        for record in records:
            if record.index in self.blobs and own.get(record.index) is None:
                own[record.index] = self._open_share(record, seed_of(record.tier))

    def take(self, message: Message, open_payload: Callable[[Message], Shares], records: Mapping[int, Record]) -> None:
        """Take in one part of another trustee's shares, which is known to be signed by it. Its lies name it."""
        seen = self.parts.setdefault(message.from_, {})
        if message.part in seen:
            return
        seen[message.part] = message.parts
        try:
            shares = open_payload(message)
            if not self.frozen.members.issuperset(shares):
                raise VerificationError("a trustee sends shares of names outside the set")
            self.answers.setdefault(message.from_, {}).update(shares)
            self._check(message.from_, shares, records)
        except (Malformed, VerificationError):
            self.liars.add(message.from_)

    def decide(self, records: Iterable[Record], *, silent: Iterable[int] = ()) -> None:
        """Look into each envelope whose fate is open; `silent` trustees are taken to have no share."""
        gone_quiet = set(silent)
        for record in records:
            known = self.findings.get(record.index)
            if known and (known.open_key or known.reason in _LASTING):
                continue
            finding = opening.examine(
                record, self.blobs.get(record.index), self._shares_of(record.index, gone_quiet), letter=self.letter
            )
            if finding:
                self.findings[record.index] = finding
                self.liars |= finding.liars

    def _shares_of(self, index: int, silent: set[int]) -> Shares:
        found: Shares = dict.fromkeys(silent)
        for trustee, shares in self.answers.items():
            if index in shares:
                found[trustee] = shares[index]
        return found

    def _open_share(self, record: Record, seed: bytes) -> bytes | None:
        key, blob = record.entry.key, self.blobs[record.index]
        try:
            envelope = sealing.read_envelope(blob, letter=self.letter, tier=record.tier)
            return sealing.open_share(envelope, letter=self.letter, trustee=self.trustee, key=key, seed=seed)
        except (Malformed, VerificationError):
            return None  # "no share here" is the answer that the others get

    def _check(self, trustee: int, shares: Shares, records: Mapping[int, Record]) -> None:
        """VerificationError when one share of a readable envelope misses its hash."""
        for index, share in shares.items():
            if share is None or index not in self.blobs:
                continue
            record = records[index]
            try:
                envelope = sealing.read_envelope(self.blobs[index], letter=self.letter, tier=record.tier)
            except UndersignedError:
                continue  # nobody can have a share of it, and `decide` will say so
            sealing.check_share(share, envelope=envelope, letter=self.letter, trustee=trustee, key=record.entry.key)

    def _is_complete(self, trustee: int) -> bool:
        seen = self.parts.get(trustee, {})
        return len(seen) > 0 and all(len(seen) >= parts for parts in seen.values())
