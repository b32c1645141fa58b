"""`undersigned log`: what an operator does about a letter's log by hand."""

import json
import sys
from pathlib import Path

import click

from undersigned.cli.letter import KEY, PASSPHRASE, ready
from undersigned.cli.options import DATA
from undersigned.cli.verify import read_files
from undersigned.client import publishing
from undersigned.client.follow import LogClient
from undersigned.client.signing import sign_entry, submit
from undersigned.client.source import HttpSource
from undersigned.config.hosting import read_folder
from undersigned.config.recovery import scrub_letters
from undersigned.errors import Refused, VerificationError
from undersigned.protocol.entry import Removal
from undersigned.verifier import verify_dossier


@click.group()
def log() -> None:
    """Look after the log."""


@log.command()
@click.argument("slug")
@click.argument("index", type=int)
@click.option("--why", type=click.Choice(["asked", "dispute", "court", "error"]), required=True, help="The reason.")
@DATA
def remove(slug: str, index: int, why: str, data: Path) -> None:
    """Take one signature out, by its index. The log says so for ever, and every verifier counts it."""
    folder = read_folder(data)
    client = LogClient(HttpSource(f"{folder.scheme}://{folder.host}/l/{slug}"))
    client.refresh()
    entry = Removal(index=index, code=why)  # type: ignore[arg-type]
    data_signed = sign_entry(entry, seed=folder.seeds["log"], letter=client.letter)
    submit(data_signed, None, source=client.source, letter=client.letter)
    click.echo(f"Removed: the signature at index {index}, with the reason “{why}”. Its name card is erased.")


@log.command()
@DATA
@click.option("--json", "as_json", is_flag=True, help="The result for machines, on standard output.")
def scrub(data: Path, as_json: bool) -> None:
    """Compare every stored entry, note, blob and opened name with what the log signed, and name what is damaged.

    It only reads, and may run beside a running log. Exit code 0: all is as it was signed; 1: something is damaged.
    """
    found = scrub_letters(data)
    damaged = any(one.damages for one in found)
    if as_json:
        letters = [{"slug": one.slug, "size": one.size, "damages": one.damages} for one in found]
        click.echo(json.dumps({"ok": not damaged, "letters": letters}, ensure_ascii=False, indent=2))
    else:
        for one in found:
            click.echo(f"{one.slug}: {one.size:,} entries, {len(one.damages)} damaged")
            for damage in one.damages:
                click.echo(f"   - {damage}", err=True)
        if damaged:
            click.echo("Stop the log and bring back a good copy: a backup, or `undersigned restore`.", err=True)
    sys.exit(1 if damaged else 0)


@log.command()
@click.argument("dossier", metavar="FILE|DIRECTORY|URL")
@click.argument("url")
@KEY
@PASSPHRASE
def succeed(dossier: str, url: str, key_file: Path, passphrase: str) -> None:
    """State on the letter at URL which lost log it succeeds: that one's lid, origin, size and root.

    For a log whose key is lost or leaked: publish the letter anew, then run this with the old one's newest dossier.
    The organizer signs the statement, and nobody's signature moves: people sign the new letter themselves.
    """
    verdict = verify_dossier(read_files(dossier))
    if not verdict.ok or verdict.letter is None or verdict.checkpoint is None:
        raise VerificationError("the dossier does not hold: `undersigned verify` says why")
    client, seed = ready(url, key_file, passphrase)
    if client.letter.lid == verdict.letter.lid:
        raise Refused("a letter does not succeed itself: give the address of the new one")
    publishing.succeed(verdict.letter, verdict.checkpoint, source=client.source, state=client.state, organizer=seed)
    same = client.letter.publication.organizer_key == verdict.letter.publication.organizer_key
    whose = (
        "the same organizer" if same else "another organizer key than the old letter's, which readers will ask about"
    )
    click.echo(f"The letter now says that it succeeds {verdict.letter.origin}, signed by {whose}.")
