"""`undersigned restore`: a letter's log back from its dossier and the host's old keys. docs/operating/recovery.md."""

from pathlib import Path

import click

from undersigned.cli.options import data_option
from undersigned.cli.verify import read_files
from undersigned.config.recovery import restore_letter


@click.command()
@click.argument("dossier", metavar="FILE|DIRECTORY|URL")
@data_option("The data directory, with the old host's secrets/ in it.")
@click.option("--scheme", type=click.Choice(["https", "http"]), default="https", help="On a new machine: the host's.")
def restore(dossier: str, data: Path, scheme: str) -> None:
    """Bring a letter's log back, on a new machine or onto an older copy, from its dossier and the old keys.

    The dossier is checked first. Nothing is signed that was not signed before, and the log asks its witnesses when it
    starts: if they know more than the dossier, it stays as it is.
    """
    done = restore_letter(data, read_files(dossier), scheme=scheme)
    click.echo(f"Restored: {done.letter.publication.title}, {done.size:,} entries, {done.added:,} of them new here.")
    if done.missing:
        click.echo(
            f"{done.missing:,} sealed envelopes are in no dossier: those names cannot be opened until their "
            "signatories hand the envelopes in again, which are in their receipts."
        )
    click.echo(f"Start it with `undersigned serve --data {data}`: it asks its witnesses before it writes anything.")
