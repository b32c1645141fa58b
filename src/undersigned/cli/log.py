"""`undersigned log`: what an operator does to a letter's log by hand, signed by the log's own key."""

from pathlib import Path

import click

from undersigned.client.follow import LogClient
from undersigned.client.signing import sign_entry, submit
from undersigned.client.source import HttpSource
from undersigned.config.hosting import read_folder
from undersigned.protocol.entry import Removal


@click.group()
def log() -> None:
    """Look after the log."""


@log.command()
@click.argument("slug")
@click.argument("index", type=int)
@click.option("--why", type=click.Choice(["asked", "dispute", "court", "error"]), required=True, help="The reason.")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    envvar="UNDERSIGNED_DATA_DIR",
    default=Path("undersigned-data"),
    show_default=True,
    help="The data directory of `undersigned serve`.",
)
def remove(slug: str, index: int, why: str, data: Path) -> None:
    """Take one signature out, by its index. The log says so for ever, and every verifier counts it."""
    folder = read_folder(data)
    client = LogClient(HttpSource(f"{folder.scheme}://{folder.host}/l/{slug}"))
    client.refresh()
    entry = Removal(index=index, code=why)  # type: ignore[arg-type]
    data_signed = sign_entry(entry, seed=folder.seeds["log"], letter=client.letter)
    submit(data_signed, None, source=client.source, letter=client.letter)
    click.echo(f"Removed: the signature at index {index}, with the reason “{why}”. Its name card is erased.")
