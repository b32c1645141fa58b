"""Story `failure`: the number is not reached, and everything that could name anybody is destroyed."""

from dataclasses import dataclass, field
from pathlib import Path

from undersigned.story.letter import Size
from undersigned.story.stage import Stage
from undersigned.story.telling import Teller


@dataclass(slots=True)
class Failure:
    stage: Stage
    size: Size
    teller: Teller
    out: Path
    outcome: dict[str, object] = field(default_factory=dict)

    def tell(self) -> None: ...
