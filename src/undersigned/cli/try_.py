"""`undersigned try`: a whole letter on this machine, from first word to last."""

import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

import click
import uvicorn  # noqa: F401  the rooms it starts need it: better said here than by each of them

from undersigned.errors import UndersignedError
from undersigned.story.failure import Failure
from undersigned.story.letter import FULL_SIZE, Size
from undersigned.story.monday import Monday
from undersigned.story.stage import Stage
from undersigned.story.telling import Teller


@click.command(name="try")
@click.option("--story", type=click.Choice(["monday", "failure"]), default="monday", show_default=True)
@click.option("--signatories", type=click.IntRange(30, 20_000), default=FULL_SIZE, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed tells of the same people.")
@click.option("--out", type=click.Path(path_type=Path), help="Where letter.dossier and receipt.json go.")
@click.option("--no-serve", is_flag=True, help="Leave when the story is told, instead of staying up to be looked at.")
@click.option("--json", "as_json", is_flag=True, help="Nothing but the outcome, for machines.")
def try_(story: str, signatories: int, seed: int, out: Path | None, no_serve: bool, as_json: bool) -> None:
    """Play a whole letter on this machine: real rooms, witnesses and trustees on loopback, and invented people."""
    directory = Path(tempfile.mkdtemp(prefix="undersigned-"))
    stage = Stage(directory)
    teller = Teller(quiet=as_json)
    size = Size(signatories=signatories, seed=seed)
    told = (Failure if story == "failure" else Monday)(stage, size, teller, out or directory / "out")
    kept = out is None
    try:
        told.tell()
        if as_json:
            click.echo(json.dumps({"story": story, **told.outcome}, ensure_ascii=False, indent=2))
        elif not no_serve and sys.stdout.isatty():
            _stay(stage)
    except UndersignedError:
        click.echo(f"what each process said is in {directory}", err=True)
        raise
    finally:
        stage.close()
    if not kept or no_serve or as_json:
        shutil.rmtree(directory, ignore_errors=True)


def _stay(stage: Stage) -> None:
    click.echo(f"\nThe letter is at {stage.url}/l/board until you press Ctrl-C.")
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        click.echo("")
