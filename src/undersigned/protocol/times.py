"""The time rules, from witnesses' timestamps alone: holds, the deadline, lapses. spec/times.md.

The rule book reads no clock. Trustees and verifiers check here what a host could otherwise pretend.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from undersigned.errors import VerificationError
from undersigned.protocol import entry as entries
from undersigned.protocol.letter import Letter
from undersigned.protocol.state import Frozen, LetterState
from undersigned.transparency.checkpoint import open_checkpoint
from undersigned.transparency.policy import Policy

LAPSE_SECONDS = 14 * 24 * 3600
OVERDUE_SECONDS = 24 * 3600


@dataclass(slots=True)
class WitnessTimes:
    """For each witnessed size: it existed by `proved_by` (Unix s), and was still the head at `shown_at`."""

    proved_by: dict[int, int] = field(default_factory=dict)
    shown_at: dict[int, int] = field(default_factory=dict)

    def add(self, size: int, timestamps: Iterable[int]) -> None:
        """Take in one note's policy timestamps: the largest proves it existed, the smallest that it was the head."""
        stamps = list(timestamps)
        self.proved_by[size] = min(max(stamps), self.proved_by.get(size, max(stamps)))
        self.shown_at[size] = max(min(stamps), self.shown_at.get(size, min(stamps)))

    @property
    def latest(self) -> int | None:
        """The latest time all of a quorum vouched for."""
        return max(self.shown_at.values(), default=None)

    def covered_by(self, moment: int) -> int | None:
        """The largest size witnessed at or before `moment`; None when no checkpoint here is that old."""
        return max((size for size, at in self.proved_by.items() if at <= moment), default=None)

    def span(self, since: int, until: int) -> int | None:
        """Seconds that certainly passed between checkpoints `since` and `until`; None when one is not here."""
        if since not in self.proved_by or until not in self.shown_at:
            return None
        return self.shown_at[until] - self.proved_by[since]


def witness_times(notes: Iterable[bytes], *, letter: Letter, policy: Policy | None = None) -> WitnessTimes:
    """Read checkpoint notes of the letter; those without a quorum add nothing. Malformed, VerificationError."""
    times = WitnessTimes()
    chosen = policy or letter.policy
    for data in notes:
        checkpoint, note = open_checkpoint(data, letter.log_vkey)
        stamps = chosen.timestamps(note)
        if chosen.has_quorum and chosen.satisfied(stamps):
            times.add(checkpoint.size, stamps.values())
    return times


def late_from(times: WitnessTimes, *, letter: Letter) -> int | None:
    """The first index that no checkpoint witnessed by the deadline covers; None while the deadline has not passed.

    Without a quorum in the policy nobody but the host knows the time, and nothing is late.
    """
    deadline = letter.publication.deadline
    if times.latest is None or times.latest <= deadline:
        return None
    covered = times.covered_by(deadline)
    return 1 if covered is None else covered


def check_freeze(frozen: Frozen, *, times: WitnessTimes, letter: Letter) -> None:
    """VerificationError unless the witnesses show the whole hold between `since` and `until`."""
    span = times.span(frozen.since, frozen.until)
    hold = letter.publication.hold_seconds
    if span is None:
        raise VerificationError("the freeze names checkpoints that no witness quorum has signed")
    if span < hold:
        raise VerificationError(
            f"the hold before the freeze lasted {span} s by the witnesses, not {hold} s as promised"
        )


def check_highest(state: LetterState, freeze: entries.Freeze, *, times: WitnessTimes) -> None:
    """VerificationError when a higher tier, reached too, had been held by then: the freeze must take that one.

    Call with the state just before the freeze.
    """
    hold = state.letter.publication.hold_seconds
    for tier, reached in state.reached.items():
        sizes = [size for size in times.proved_by if reached < size <= freeze.until]
        spans = [times.span(size, freeze.until) or 0 for size in sizes]
        if tier > freeze.tier and max(spans, default=0) >= hold and _could_freeze(state, tier, freeze.since):
            raise VerificationError("a higher tier was reached and held too, and the freeze passes it over")


def _could_freeze(state: LetterState, tier: int, since: int) -> bool:
    a = state.letter.at_least(tier)
    members = state.frozen_set(tier, since)
    return bool(members) and sum(n for t, n in state.support(members).items() if t <= a) >= a


def check_lapse(lapse: entries.Lapse, *, times: WitnessTimes) -> None:
    """VerificationError unless witnesses show 14 days between the freeze and its lapse."""
    span = times.span(lapse.since, lapse.until)
    if span is None or span < LAPSE_SECONDS:
        raise VerificationError("the freeze was given up before the witnesses show 14 days without an opening")


def check_closing(index: int, *, times: WitnessTimes, letter: Letter) -> None:
    """VerificationError unless a witnessed checkpoint before the closing shows that the deadline had passed."""
    deadline = letter.publication.deadline
    if not any(size <= index and at >= deadline for size, at in times.shown_at.items()):
        raise VerificationError("the log closed the letter before the witnesses show that its deadline had passed")


def overdue(state: LetterState, *, times: WitnessTimes) -> list[int]:
    """Tiers reached and held for a day beyond the hold, and still not frozen, by what the witnesses show."""
    if times.latest is None or state.frozen is not None:
        return []
    wait = state.letter.publication.hold_seconds + OVERDUE_SECONDS
    return [tier for tier, at in sorted(state.reached.items()) if _waited(times, at) >= wait]


def _waited(times: WitnessTimes, reached: int) -> int:
    assert times.latest is not None
    proofs = [at for size, at in times.proved_by.items() if size > reached]
    return times.latest - min(proofs) if proofs else 0
