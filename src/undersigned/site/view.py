"""What a page of a letter needs: the state, its head, and the names that readers may see."""

from collections.abc import Mapping
from dataclasses import dataclass

from undersigned.protocol.blob import Card
from undersigned.protocol.state import LetterState, Record
from undersigned.transparency.checkpoint import Checkpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterView:
    """A letter as it stands at `checkpoint`. `cards`: published name cards by index; `witnessed`: by a quorum."""

    state: LetterState
    checkpoint: Checkpoint
    cards: Mapping[int, Card]
    witnessed: bool

    def standing(self) -> list[Record]:
        """Signatures that stand, in log order."""
        return list(self.state.effective())
