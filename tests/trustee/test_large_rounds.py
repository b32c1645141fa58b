"""A round of the size people have in mind: hundreds of names in seconds."""

import time
from pathlib import Path

from support.letters import make_letter
from support.trustees import council


def test_five_hundred_names_are_opened_by_three_trustees_in_seconds(tmp_path: Path) -> None:
    table = council(make_letter(tiers=(500,), eligible=770), tmp_path)
    members = {table.sealed(1) for _ in range(500)}
    table.freeze(1)
    begins = time.process_time()
    table.rounds(3, [1, 2, 3])
    assert table.opened() == members
    assert time.process_time() - begins < 30
