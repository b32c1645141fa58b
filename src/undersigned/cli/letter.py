"""`undersigned letter`: an organizer at a terminal. The organizer key is made here, and no site ever holds it."""

import json
import secrets
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args
from unicodedata import normalize

import click
import msgspec

from undersigned.cli.sign import place_of
from undersigned.client import publishing
from undersigned.client.follow import LogClient
from undersigned.client.keeping import read_whole, write_whole
from undersigned.client.source import HttpSource
from undersigned.crypto import ed25519
from undersigned.draft import Draft, DraftError, read_draft
from undersigned.errors import Malformed, Refused
from undersigned.protocol.blob import StatementBlob
from undersigned.protocol.entry import Statement
from undersigned.protocol.receipt import Secret, lock_secret, unlock_secret

MAX_LETTER_BYTES = 256 * 1024
_TEMPLATE = """---
title: {title}
slug: {slug}
language: en
addressee: The board of directors
demands:
  - What you ask for, one line each.
pledge: |
  What you may do if it is refused, and when.
classes:
  - name: Current staff
    eligible: 100
    source: where the number comes from
    attesters: [e-mail]
    domains: [example.org]
    counts: yes
tiers: [10, 25, 50]
modes: [public, anonymous, sealed]
trustees:
  - name: First trustee
    key:
  - name: Second trustee
    key:
  - name: Third trustee
    key:
quorum: 2
deadline: {deadline}
# How long a tier that is reached is held, so that people can leave, before its names may be opened.
hold: 48h
# Hidden signatures go into the log in shuffled batches, at most so often and at least five at a time.
batch: 6h
# Signing ends so long before the deadline.
margin: 10m
# So long after closing the registrar destroys what says who asked for a token.
forget: 7d
---
To the board of directors,

We, the undersigned, ...
"""
_STATEMENTS = get_args(Statement.__annotations__["type"])
KEY = click.option(
    "--key", "key_file", type=click.Path(path_type=Path), required=True, help="The organizer's key file."
)
PASSPHRASE = click.option(
    "--passphrase", envvar="UNDERSIGNED_PASSPHRASE", prompt="Passphrase of the organizer's key", hide_input=True
)


@click.group()
def letter() -> None:
    """Write, check, publish, amend and close a letter."""


@letter.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--title", prompt="Title", help="The title people will know it by.")
def new(file: Path, title: str) -> None:
    """Begin a letter file that has every field, each with an example."""
    if file.exists():
        raise Refused(f"{file} exists already")
    slug = "".join(c if c.isascii() and c.isalnum() else "-" for c in title.lower()).strip("-")[:64] or "letter"
    when = datetime.fromtimestamp(datetime.now(UTC).timestamp() + publishing.DEFAULT_DEADLINE, UTC)
    text = _TEMPLATE.format(
        title=json.dumps(title, ensure_ascii=False), slug=slug, deadline=when.isoformat("T", "minutes")
    )
    write_whole(file, text.encode())
    click.echo(f"{file} is begun: write it, then run `undersigned letter check {file}`")


@letter.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Complaints for machines.")
def check(file: Path, as_json: bool) -> None:
    """Check a letter file; every complaint names its line."""
    try:
        draft = read_draft(read_whole(file, what="a letter", at_most=MAX_LETTER_BYTES))
        complaints = []
    except DraftError as error:
        complaints = error.complaints
    if as_json:
        told = [{"line": one.line, "what": one.what} for one in complaints]
        click.echo(json.dumps({"ok": not complaints, "complaints": told}, ensure_ascii=False))
    elif complaints:
        for one in complaints:
            click.echo(f"{file}:{one.line}: {one.what}", err=True)
    else:
        _show_draft(draft)
    sys.exit(1 if complaints else 0)


@letter.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--host", required=True, help="The host's address, such as https://letters.example.org.")
@click.option("--code", envvar="UNDERSIGNED_PUBLISH_CODE", prompt="Publish code", hide_input=True)
@KEY
@PASSPHRASE
def publish(file: Path, host: str, code: str, key_file: Path, passphrase: str) -> None:
    """Publish a letter: entry 0 is made and signed here, and everybody can check it from then on."""
    draft = read_draft(read_whole(file, what="a letter", at_most=MAX_LETTER_BYTES))
    seed = _organizer(key_file, passphrase, make=True)
    made = publishing.publish(draft, source=HttpSource(host, bearer=code), organizer=seed)
    click.echo(f"Published: {host.rstrip('/')}/l/{made.slug}")
    click.echo(f"lid {made.lid.hex()}")
    if made.trustees:
        click.echo("Signing begins when every trustee has accepted: ask them to run")
        click.echo(f"    undersigned trustee accept {host.rstrip('/')}/l/{made.slug} --key FILE")


@letter.command()
@click.argument("url")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--summary", prompt="What changes, in a sentence")
@KEY
@PASSPHRASE
def amend(url: str, file: Path, summary: str, key_file: Path, passphrase: str) -> None:
    """Publish the file's text as a new version; nobody moves to it without consenting."""
    draft = read_draft(read_whole(file, what="a letter", at_most=MAX_LETTER_BYTES))
    client, seed = ready(url, key_file, passphrase)
    publishing.amend(draft, summary, source=client.source, letter=client.letter, organizer=seed)
    click.echo("The new version is out. Those who signed stand under the old one until they consent.")


@letter.command()
@click.argument("url")
@click.option("--type", "type_", type=click.Choice(_STATEMENTS), default="update", show_default=True)
@click.option("--party", default="The organizers", show_default=True, help="Whose words these are.")
@click.option("--source", "origin", default="", help="Where it was said.")
@click.option("--text", prompt="The words")
@KEY
@PASSPHRASE
def statement(url: str, type_: str, party: str, origin: str, text: str, key_file: Path, passphrase: str) -> None:
    """Put a statement or an update on the letter's timeline."""
    client, seed = ready(url, key_file, passphrase)
    party, text, origin = (normalize("NFC", one) for one in (party, text, origin))
    words = StatementBlob(salt=secrets.token_bytes(32), party=party, text=text, source=origin)
    number = max(client.state.statements, default=0) + 1
    publishing.state_words(number, type_, words, source=client.source, letter=client.letter, organizer=seed)
    click.echo(f"Statement {number} is received.")


@letter.command()
@click.argument("url")
@click.option("--reason", prompt="Why it closes")
@KEY
@PASSPHRASE
def close(url: str, reason: str, key_file: Path, passphrase: str) -> None:
    """Close the letter: nobody can sign any more."""
    client, seed = ready(url, key_file, passphrase)
    publishing.close(reason, source=client.source, letter=client.letter, organizer=seed)
    click.echo("The letter is closed.")


def _show_draft(draft: Draft) -> None:
    click.echo(f"{draft.title}")
    tiers = f"tiers {', '.join(map(str, draft.tiers))}" if draft.tiers else "no tiers"
    click.echo(f"demands: {len(draft.demands)}; words: {len(draft.text.split()):,}; {tiers}")
    for item in draft.classes:
        size = f"{item.eligible:,} eligible, {item.source}" if item.eligible else "size unknown"
        click.echo(f"class {item.name}: {size}, by {', '.join(item.attesters)}{'' if item.counts else ', not counted'}")
    without = [item.name for item in draft.trustees if not item.key]
    if without:
        click.echo(f"still without a key: {', '.join(without)}")
    click.echo("This file is a letter.")


def ready(url: str, key_file: Path, passphrase: str) -> tuple[LogClient, bytes]:
    """The letter as followed now, and the organizer's 32-byte seed."""
    client = LogClient(place_of(url).log)
    client.refresh()
    return client, _organizer(key_file, passphrase, make=False)


def _organizer(path: Path, passphrase: str, *, make: bool) -> bytes:
    """The 32-byte seed from the key file; made and saved first where `make` allows it and there is none."""
    if make and not path.exists():
        seed = secrets.token_bytes(32)
        locked = lock_secret(seed, passphrase=passphrase, randbytes=secrets.token_bytes)
        write_whole(path, msgspec.json.encode({"organizer": locked, "public_key": ed25519.public_key(seed)}))
        click.echo(
            f"A new organizer key is in {path}: only with it and its passphrase can the letter be amended or closed."
        )
        return seed
    try:
        locked = msgspec.convert(json.loads(read_whole(path, what="a key file"))["organizer"], Secret)
    except (ValueError, KeyError, TypeError):
        raise Malformed(f"{path} is not an organizer's key file") from None
    return unlock_secret(locked, passphrase=passphrase)
