"""What a trustee's software says after each step, in words for the person who runs it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Phase = Literal["quiet", "waiting", "refusing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """`quiet`: nothing to do; `waiting`: for what `says` names; `refusing`: something is wrong, and nothing is done.

    `liars`: ids of trustees whose shares were false. `notes`: what else the person should know.
    """

    phase: Phase
    says: str
    liars: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()


def count(number: int, one: str, many: str) -> str:
    """`1 name`, `2 names`."""
    return f"{number} {one if number == 1 else many}"


def trustees(ids: Iterable[int]) -> str:
    """`trustee 2`, `trustees 2, 4`."""
    numbers = sorted(ids)
    return ("trustee " if len(numbers) == 1 else "trustees ") + ", ".join(map(str, numbers))
