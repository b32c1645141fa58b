"""How long a trustee works to open a frozen set: from the log's bytes to published keys, with two others in turn.

The host is in memory, so the figures are a trustee's own processor seconds: following and checking the log, fetching
and opening its shares, sealing them to the others, checking theirs, deciding every envelope, signing, publishing.
Tokens are not real here and not checked: what they cost is measured by benchmarks/issue.py.

    python benchmarks/open_names.py [--quick] [--json FILE]
"""

import sys
import tempfile
import time
from pathlib import Path
from unittest import mock

import click

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from _bench import options, report
from support.letters import Cast, make_letter
from support.trustees import council
from undersigned.protocol import verification

TARGET_SECONDS = 600.0


@click.command()
@options
def main(quick: bool, json_file: Path | None) -> None:
    """Open 10,000 names, or 700 with --quick."""
    names = 700 if quick else 10_000
    with (
        tempfile.TemporaryDirectory() as directory,
        mock.patch.object(verification, "verify_token", return_value=None),
        mock.patch.object(Cast, "tokens", return_value=[bytes(288)]),
    ):
        seconds, opened = _round(names, Path(directory))
    figures = {f"seconds_of_trustee_{number}": spent for number, spent in seconds.items()}
    report(
        "Opening names",
        ratios={"ten_minutes_over_the_slowest_trustee": TARGET_SECONDS / max(seconds.values())},
        targets={"ten_minutes_over_the_slowest_trustee": 1.0},
        figures={"names": names, "opened": opened, **figures},
        json_file=json_file,
    )


def _round(names: int, directory: Path) -> tuple[dict[int, float], int]:
    table = council(make_letter(tiers=(names,), eligible=2 * names), directory)
    for _ in range(names):
        table.sealed(1)
    table.freeze(1)
    spent = dict.fromkeys((1, 2, 3), 0.0)
    for _ in range(3):
        for number in spent:
            begins = time.process_time()
            table.trustees[number].step()
            spent[number] += time.process_time() - begins
    return spent, len(table.opened())


if __name__ == "__main__":
    main()
