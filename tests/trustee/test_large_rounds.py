"""A round of the size people have in mind; benchmarks/open_names.py says how long it takes."""

from pathlib import Path

from support.letters import make_letter
from support.trustees import council


def test_five_hundred_names_are_opened_by_three_trustees(tmp_path: Path) -> None:
    table = council(make_letter(tiers=(500,), eligible=770), tmp_path)
    members = {table.sealed(1) for _ in range(500)}
    table.freeze(1)
    table.rounds(3, [1, 2, 3])
    assert table.opened() == members
