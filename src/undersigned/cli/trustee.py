"""`undersigned trustee`: one key, kept by one person, used only when the letter's own rule says so."""

import json
import sys
import time
from base64 import b64encode
from pathlib import Path

import click

from undersigned.cli.sign import place_of
from undersigned.client import signing
from undersigned.client.follow import LogClient
from undersigned.client.keeping import read_whole
from undersigned.errors import Refused
from undersigned.protocol.receipt import read_receipt
from undersigned.transparency.policy import Policy, parse_policy
from undersigned.trustee.keys import keygen as make_keys
from undersigned.trustee.keys import load_keys
from undersigned.trustee.opening import Trustee
from undersigned.trustee.status import Status

_KEY = click.option("--key", "key_file", type=click.Path(path_type=Path), required=True, help="Your key file.")
_PASSPHRASE = click.option(
    "--passphrase", envvar="UNDERSIGNED_PASSPHRASE", prompt="Passphrase of your key file", hide_input=True
)
_POLICY = click.option("--policy", type=click.Path(path_type=Path), help="Witnesses of your own, asked for as well.")


@click.group()
def trustee() -> None:
    """Keep one key, and open names when the rule says so."""


@trustee.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="The public key for machines.")
@click.option(
    "--passphrase",
    envvar="UNDERSIGNED_PASSPHRASE",
    prompt="A passphrase for your key file",
    hide_input=True,
    confirmation_prompt=True,
)
def keygen(file: Path, as_json: bool, passphrase: str) -> None:
    """Make your key file; give the organizer the public key it prints."""
    key = b64encode(make_keys(file, passphrase=passphrase).public_key).decode()
    if as_json:
        click.echo(json.dumps({"public_key": key}))
        return
    click.echo(f"Your public key, for the letter's file:\n{key}")
    click.echo(f"Keep {file} and its passphrase: with too few of you left, sealed names stay shut for ever.")


@trustee.command()
@click.argument("url")
@_KEY
@click.option("--statement", default="", help="For readers: who you are, whose interests you look after.")
@_PASSPHRASE
def accept(url: str, key_file: Path, statement: str, passphrase: str) -> None:
    """Accept your part in a letter: makes a seal key for each tier, on your disk before it is sent."""
    client = LogClient(place_of(url).log)
    client.refresh()
    keys = load_keys(key_file, passphrase=passphrase)
    if keys.id_in(client.letter) in client.state.trustees:
        raise Refused("you have accepted this letter already")
    entry = keys.accept(client.letter, statement=statement)
    signing.submit(entry, None, source=client.source, letter=client.letter)
    click.echo(f"You are trustee {keys.id_in(client.letter)} of {client.letter.publication.title}.")
    click.echo(f"Run `undersigned trustee open {url} --key {key_file}` when a tier is reached, or leave it running.")


@trustee.command()
@click.argument("url")
@_KEY
@_POLICY
@_PASSPHRASE
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def status(url: str, key_file: Path, policy: Path | None, passphrase: str, as_json: bool) -> None:
    """Look once: what the log proves, and what is asked of you. Does what is safe to do, as `open` does."""
    told = _trustee(url, key_file, passphrase, policy).step()
    _show(told, as_json=as_json)
    sys.exit(1 if told.phase == "refusing" else 0)


@trustee.command(name="open")
@click.argument("url")
@_KEY
@_POLICY
@_PASSPHRASE
@click.option("--every", default=2.0, show_default=True, help="Seconds between two looks.")
@click.option("--until-quiet", is_flag=True, help="Leave when there is nothing to do, instead of going on.")
@click.option("--withdrawal", "withdrawals", multiple=True, type=click.Path(path_type=Path), help="Entries given you.")
@click.option("--envelope", "receipts", multiple=True, type=click.Path(path_type=Path), help="Receipts given to you.")
@click.option(
    "--rehearse-a-liar", is_flag=True, help="Send false shares, to see that the others notice. Never in earnest."
)
@click.option("--json", "as_json", is_flag=True, help="One line of JSON per change.")
def open_names(
    url: str,
    key_file: Path,
    policy: Path | None,
    passphrase: str,
    every: float,
    until_quiet: bool,
    withdrawals: tuple[Path, ...],
    receipts: tuple[Path, ...],
    rehearse_a_liar: bool,
    as_json: bool,
) -> None:
    """Follow the letter; when a frozen tier's rule holds in a history you checked yourself, open names with others."""
    if rehearse_a_liar:
        click.echo("WARNING: this trustee lies: it sends false shares. For rehearsals only.", err=True)
    mine = _trustee(url, key_file, passphrase, policy, lies=rehearse_a_liar)
    last = mine.step()
    for path in withdrawals:
        mine.add_withdrawal(read_whole(path, what="a withdrawal"))
    for path in receipts:
        blob = read_receipt(read_whole(path, what="a receipt")).blob
        if isinstance(blob, bytes):
            mine.add_blob(blob)
    _show(last, as_json=as_json)
    while not (until_quiet and last.phase == "quiet"):
        time.sleep(every)
        now = mine.step()
        if now != last:
            _show(now, as_json=as_json)
        last = now


def _trustee(url: str, key_file: Path, passphrase: str, policy: Path | None, *, lies: bool = False) -> Trustee:
    keys = load_keys(key_file, passphrase=passphrase)
    directory = key_file.with_name(key_file.name + ".memory")
    directory.mkdir(mode=0o700, exist_ok=True)
    return Trustee(
        keys=keys,
        source=place_of(url).log,
        directory=directory,
        clock=lambda: int(time.time()),
        policy=_read_policy(policy),
        lies=lies,
    )


def _read_policy(path: Path | None) -> Policy | None:
    return None if path is None else parse_policy(read_whole(path, what="a policy").decode("utf-8", "replace"))


def _show(told: Status, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"phase": told.phase, "says": told.says, "liars": told.liars, "notes": told.notes}))
    else:
        click.echo(f"{told.phase}: {told.says}")
        for note in told.notes:
            click.echo(f"   {note}")
        for liar in told.liars:
            click.echo(f"   trustee {liar} sent false shares: it is left out, and named here")
    sys.stdout.flush()
