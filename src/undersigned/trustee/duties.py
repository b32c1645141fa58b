"""What a trustee owes a letter beside opening it: saying what the log withholds, and destroying what is not needed."""

from collections.abc import Iterable
from typing import Final

from undersigned.protocol import entry as entries
from undersigned.protocol.letter import Letter
from undersigned.protocol.state import LetterState, Record
from undersigned.trustee.exchange import slices

MISSING_AT_ONCE: Final = 4_096
LAST_SECONDS: Final = 28 * 24 * 3600


def wanted_in_hold(state: LetterState) -> list[Record]:
    """Whose envelopes a trustee should hold by now: everybody the highest reached tier would open."""
    if not state.reached:
        return []
    members = state.frozen_set(max(state.reached), state.size)
    return [state.by_index[index] for index in sorted(members)]


def missing_entries(indexes: Iterable[int], *, trustee: int) -> list[entries.Missing]:
    """The entries that name these envelopes as withheld, unsigned."""
    rows = sorted(set(indexes))
    return [entries.Missing(trustee=trustee, indexes=list(some)) for some in slices(rows, MISSING_AT_ONCE) if some]


def tiers_to_destroy(state: LetterState, *, covered_size: int) -> list[int]:
    """Tiers whose seeds nothing can need any more: signing is over, and no tier at or above them is on its way.

    A tier above opens those below with it, so their seeds wait for it. Over means that witnesses show the deadline
    passed, or cover the closing; then what is not reached never will be.
    """
    closed = state.closed is not None and covered_size > state.closed
    if state.late_from is None and not closed:
        return []
    on_its_way = max([*state.reached, state.frozen.tier if state.frozen else 0], default=0)
    return [tier.id for tier in state.letter.publication.tiers if tier.id > on_its_way]


def is_last_day_over(letter: Letter, now: int) -> bool:
    """Whether 28 days have passed since deadline and hold: then all seeds go, whatever the log says."""
    publication = letter.publication
    return now >= publication.deadline + publication.hold_seconds + LAST_SECONDS


def destruction(tiers: Iterable[int], *, trustee: int) -> entries.Destruction:
    """The entry that states it, unsigned."""
    numbers = ", ".join(str(tier) for tier in tiers)
    return entries.Destruction(role="trustee", by=trustee, what=f"seal seeds of tiers {numbers}")


def is_stated(state: LetterState, entry: entries.Destruction) -> bool:
    """Whether the log holds this statement already."""
    return any((item.by, item.role, item.what) == (entry.by, entry.role, entry.what) for _, item in state.destructions)
