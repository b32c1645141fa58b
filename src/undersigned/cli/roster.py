"""`undersigned roster` and `undersigned registrar`: for whoever runs the registrar, on its own machine."""

import asyncio
import csv
import io
import sys
from pathlib import Path

import click

from undersigned.cli.options import DATA
from undersigned.client.keeping import read_whole, write_whole
from undersigned.config.hosting import open_registrar
from undersigned.errors import Malformed, Refused

MAX_ROSTER_BYTES = 32 * 1024 * 1024


@click.group()
def roster() -> None:
    """Import who may sign, and print their codes."""


@roster.command(name="import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--letter", "slug", required=True, help="The letter's slug.")
@click.option("--class", "class_id", type=int, default=1, show_default=True)
@click.option("--codes", type=click.Path(path_type=Path), required=True, help="Where the codes go, one row each.")
@DATA
def import_(file: Path, slug: str, class_id: int, codes: Path, data: Path) -> None:
    """Take in a CSV of members (name, title, address) and write one code for each, to be handed out by you.

    Only hashes of the codes are kept. Nothing is taken in unless every line is right.
    """
    if codes.exists():
        raise Refused(f"{codes} exists already: codes are never written over")
    rows = read_whole(file, what="a roster", at_most=MAX_ROSTER_BYTES)
    room = open_registrar(data)
    try:
        found = room.import_roster(rows, slug=slug, class_id=class_id)
    except Malformed as refusal:
        click.echo(f"{file}: {refusal}; nothing was imported", err=True)
        sys.exit(1)
    finally:
        room.close()
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["name", "title", "code"])
    writer.writerows([member.name, member.title, code] for member, code in found)
    write_whole(codes, text.getvalue().encode())
    click.echo(f"{len(found):,} members imported; their codes are in {codes}: hand them out, then delete that file.")


@click.group()
def registrar() -> None:
    """Look after a registrar."""


@registrar.command()
@click.argument("slug")
@click.option("--yes", is_flag=True, help="Do not ask.")
@DATA
def close(slug: str, yes: bool, data: Path) -> None:
    """Forget a letter: destroy its tags, roster, keys and issuer keys now, and say so in the log."""
    if not yes:
        click.confirm("This cannot be undone: no token can be issued for this letter any more. Forget it?", abort=True)
    room = open_registrar(data)
    try:
        asyncio.run(room.forget(room.lid_of(slug)))
    finally:
        room.close()
    click.echo("Forgotten: tags, roster, codes and keys of this letter are destroyed, and the log says so.")
