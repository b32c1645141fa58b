"""`undersigned watch`: follow a letter as a stranger, and shout when its host breaks its word. spec/evidence.md."""

import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import click

from undersigned.cli.sign import place_of
from undersigned.cli.verify import read_policy
from undersigned.client.keeping import load_receipt
from undersigned.client.watching import Alarm, Watch
from undersigned.errors import Unavailable


@click.command()
@click.argument("url")
@click.option("--every", default=60.0, show_default=True, metavar="SECONDS", help="How often to look.")
@click.option("--once", is_flag=True, help="Look once and stop.")
@click.option("--keep", "folder", type=click.Path(path_type=Path), help="Where to keep what was seen: SLUG.watch")
@click.option("--receipt", "receipts", multiple=True, type=click.Path(path_type=Path), help="A promise to look after.")
@click.option("--policy", type=click.Path(path_type=Path), help="Witnesses of your own: a C2SP policy file.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, on standard output.")
def watch(
    url: str,
    every: float,
    once: bool,
    folder: Path | None,
    receipts: tuple[Path, ...],
    policy: Path | None,
    as_json: bool,
) -> None:
    """Follow a letter, keep what its host shows, and shout at a fork, a shrunken log or a broken promise.

    Exit code 0: all well (with --once); 1: an alarm, and the evidence is in the folder; 3: it could not be looked at.
    """
    if every <= 0:
        raise click.BadParameter("must be more than 0 seconds", param_hint="--every")
    source = place_of(url).log
    running = Watch(
        source,
        folder=folder or Path(f"{source.base.rsplit('/', 1)[1]}.watch"),
        policy=read_policy(policy),
        receipts=[load_receipt(path) for path in receipts],
    )
    told = ""
    while True:
        try:
            alarm = running.look()
        except Unavailable as refusal:
            if once:
                raise
            click.echo(f"{_now()}  {refusal}", err=True)
        else:
            if alarm is not None:
                _shout(running, alarm, as_json=as_json)
            line = _status(running, as_json=as_json)
            if line != told:
                click.echo(line if as_json else f"{_now()}  {line}")
                told = line
            if once:
                return
        time.sleep(every)


def _status(running: Watch, *, as_json: bool) -> str:
    """What was found, without the time of looking, so that only what is new is told."""
    client = running.client
    size, witnessed = client.checkpoint.size, client.covered_size
    n_star = client.state.n_star
    if as_json:
        told = {"ok": True, "size": size, "witnessed_size": witnessed, "root_hash": client.checkpoint.root_hash.hex()}
        return json.dumps(told | {"n_star": n_star})
    return f"{size:,} entries, {witnessed:,} of them witnessed, {n_star:,} stand together: one history so far"


def _shout(running: Watch, alarm: Alarm, *, as_json: bool) -> None:
    """One sentence, a bell where somebody sits at a terminal, the evidence in files; then leave."""
    paths = running.save(alarm)
    if as_json:
        told = {"ok": False, "alarm": alarm.kind, "sentence": alarm.sentence, "files": [str(path) for path in paths]}
        click.echo(json.dumps(told, ensure_ascii=False))
    else:
        bell = "\a" if sys.stderr.isatty() else ""
        click.echo(f"{bell}ALARM: {alarm.sentence}.", err=True)
        for path in paths:
            click.echo(f"{path}" + ("" if path.suffix == ".checkpoint" else f": `undersigned verify {path}`"), err=True)
    sys.exit(1)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
