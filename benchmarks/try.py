"""How long the whole story takes and how much memory all of its processes need: `undersigned try`, told once."""

import json
import subprocess
import sys
from pathlib import Path

import click

from _bench import options, report

SECONDS, MEGABYTES = 60.0, 500.0


@click.command()
@options
def main(quick: bool, json_file: Path | None) -> None:
    """Tell the story of 738 people (110 with --quick), and compare with a minute and 500 MB."""
    people = 110 if quick else 738
    words = ["try", "--json", "--no-serve", "--signatories", str(people)]
    done = subprocess.run([sys.executable, "-m", "undersigned", *words], capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    report(
        f"The story of {people} people",
        ratios={"time": SECONDS / told["seconds"], "memory": MEGABYTES / told["peak_megabytes"]},
        targets={"time": 1.0, "memory": 1.0},
        figures={
            "signatories": people,
            "seconds": told["seconds"],
            "peak_megabytes_of_all_processes": told["peak_megabytes"],
            "opened": told["verdict"]["opened"],
        },
        json_file=json_file,
    )


if __name__ == "__main__":
    main()
