"""`undersigned sign`, `withdraw`, `condition`, `consent`: a signatory at a terminal. They show the text, and ask."""

import secrets
import time
from dataclasses import dataclass
from pathlib import Path

import click

from undersigned.client import signing
from undersigned.client.follow import LogClient
from undersigned.client.keeping import load_attempt, load_receipt, save_attempt, save_receipt, write_whole
from undersigned.client.publishing import text_of
from undersigned.client.signing import Attempt, Proof
from undersigned.client.source import HttpSource, NotThere, post_json
from undersigned.crypto import ed25519
from undersigned.errors import Refused
from undersigned.protocol.entry import Mode, Withdrawal
from undersigned.protocol.letter import Letter
from undersigned.protocol.receipt import (
    Receipt,
    Secret,
    lock_secret,
    receipt_letter,
    signature_of,
    unlock_card,
    unlock_secret,
)

_PASSPHRASE = click.option(
    "--passphrase",
    envvar="UNDERSIGNED_PASSPHRASE",
    prompt="Passphrase for the receipt",
    hide_input=True,
    help="Locks the key in the receipt; asked for when not given.",
)


@dataclass(frozen=True, slots=True)
class _Place:
    """The addresses of one letter: its log and its registrar."""

    log: HttpSource
    registrar: HttpSource


def place_of(url: str) -> _Place:
    """From a letter's address, `https://host/l/slug`."""
    base = url.rstrip("/")
    host, found, slug = base.rpartition("/l/")
    if not found or "/" in slug:
        raise click.BadParameter("a letter's address looks like https://host/l/slug", param_hint="URL")
    log = HttpSource(base)
    return _Place(log, HttpSource(f"{host}/r/{slug}"))


@click.command()
@click.argument("url")
@click.option("--public", "mode", flag_value="public", help="Your name appears at once.")
@click.option("--anonymous", "mode", flag_value="anonymous", help="Only your class appears; never counts for others.")
@click.option("--sealed", "mode", flag_value="sealed", help="Your name is locked until your tier is reached (default).")
@click.option("--if-at-least", "at_least", type=int, help="Count me in if at least so many sign: one of the tiers.")
@click.option("--class", "class_id", type=int, default=1, show_default=True, help="The class you belong to.")
@click.option("--name", help="Your name as the letter will print it.")
@click.option("--title", help="Your role, may be empty.")
@click.option("--code", help="Your roster code; - asks for it, so that no shell remembers it.")
@click.option("--mail", help="Your address: a code is sent to it.")
@click.option("--receipt", "path", type=click.Path(path_type=Path), help="Where to keep the receipt.")
@click.option("--wait", default=90, show_default=True, help="Seconds to wait for the proof of inclusion.")
@click.option("--yes", is_flag=True, help="Do not ask: the text was read elsewhere.")
@_PASSPHRASE
def sign(
    url: str,
    mode: Mode | None,
    at_least: int | None,
    class_id: int,
    name: str | None,
    title: str | None,
    code: str | None,
    mail: str | None,
    path: Path | None,
    wait: int,
    yes: bool,
    passphrase: str,
) -> None:
    """Sign the letter at URL: read the exact text, seal your name here, keep a receipt."""
    place = place_of(url)
    client = LogClient(place.log)
    client.refresh()
    show_text(client, ask=not yes)
    if code == "-":
        code = click.prompt("Your roster code")
    path = path or Path(f"receipt-{client.letter.slug}.json")
    if path.exists():
        raise Refused(f"{path} exists already: give --receipt another name")
    mode = mode or "sealed"
    tier = _tier(client.letter, mode, at_least)
    attempt = _attempt(path, client.letter, class_id, mode, name, title, code, place)
    proof = _proof(place, class_id, code, mail)
    registrars = {issuer.registrar.id: place.registrar for issuer in client.letter.issuing[class_id]}
    right = signing.request_right(attempt, proof, letter=client.letter, registrars=registrars)
    card = signing.card_of(right) if mode == "sealed" else None
    secret = lock_secret(attempt.seed, passphrase=passphrase, randbytes=secrets.token_bytes, card=card)
    receipt = signing.sign_and_submit(
        right,
        client=client,
        tier=tier,
        text_hash=client.state.text_hash,
        randbytes=secrets.token_bytes,
        secret=secret,
    )
    save_receipt(path, receipt)
    _begun(path).unlink(missing_ok=True)
    click.echo(f"Received and promised. Your receipt is {path}: keep it, it proves your signature without the host.")
    _wait_for_proof(receipt, path, place, client.letter, wait)


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--to", type=click.Path(path_type=Path), help="Write it to this file, to hand to a trustee; send nothing."
)
@_PASSPHRASE
def withdraw(file: Path, yes: bool, to: Path | None, passphrase: str) -> None:
    """Leave the letter, for good. Before an opening, a withdrawn name is never opened."""
    seed = unlock_secret(_secret(load_receipt(file)), passphrase=passphrase)
    if not yes:
        click.confirm("Leaving cannot be undone: your right to sign is spent. Withdraw?", abort=True)
    if to is not None:
        entry = Withdrawal(key=ed25519.public_key(seed))
        write_whole(to, signing.sign_entry(entry, seed=seed, letter=receipt_letter(load_receipt(file))))
        click.echo(f"Your withdrawal is in {to}: hand it to a trustee, who drops your name and tells the log.")
        return
    _, place, client = _from_receipt(file)
    signing.withdraw(seed, source=place.log, letter=client.letter)
    click.echo("Your withdrawal is received and promised. You no longer stand under this letter.")


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--if-at-least", "at_least", type=int, help="Another tier of the letter.")
@click.option("--public", is_flag=True, help="Put your name under the letter now.")
@_PASSPHRASE
def condition(file: Path, at_least: int | None, public: bool, passphrase: str) -> None:
    """Change the condition of a sealed signature, or go public."""
    if public == (at_least is not None):
        raise click.UsageError("say either --if-at-least N or --public")
    receipt, _, client = _from_receipt(file)
    secret = _secret(receipt)
    seed = unlock_secret(secret, passphrase=passphrase)
    card = unlock_card(secret, passphrase=passphrase)
    if card is None:
        raise Refused("only a sealed signature has a condition to change")
    tier = 0 if public else _tier(client.letter, "sealed", at_least)
    signing.change_condition(seed, card, tier, client=client, randbytes=secrets.token_bytes)
    click.echo("Your name is public now." if public else f"You now stand if at least {at_least} do.")
    click.echo("Received and promised; the receipt you have stays good.")


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--yes", is_flag=True, help="Do not ask: the text was read elsewhere.")
@_PASSPHRASE
def consent(file: Path, yes: bool, passphrase: str) -> None:
    """Stand under the letter's current text as well, after an amendment."""
    receipt, place, client = _from_receipt(file)
    seed = unlock_secret(_secret(receipt), passphrase=passphrase)
    show_text(client, ask=not yes)
    signing.consent(seed, client.state.text_hash, source=place.log, letter=client.letter)
    click.echo("You stand under this text as well. Received and promised.")


def show_text(client: LogClient, *, ask: bool) -> None:
    """Print the exact text and its hash, and ask whether to sign just this."""
    click.echo(text_of(client.state.versions[-1].fields))
    click.echo(f"\nlid        {client.letter.lid.hex()}")
    click.echo(f"text hash  {client.state.text_hash.hex()}")
    click.echo(f"standing   {client.state.n_star:,} together now\n")
    if ask:
        click.confirm("Sign exactly this text?", abort=True)


def _tier(letter: Letter, mode: Mode, at_least: int | None) -> int:
    tiers = {tier.at_least: tier.id for tier in letter.publication.tiers}
    if mode != "sealed":
        if at_least is not None:
            raise click.UsageError("--if-at-least goes with --sealed")
        return 0
    if at_least is None:
        choices = click.Choice([str(number) for number in tiers])
        at_least = int(click.prompt("Count me in if at least so many sign", type=choices))
    if at_least not in tiers:
        raise click.BadParameter(f"the tiers are {', '.join(map(str, tiers))}", param_hint="--if-at-least")
    return tiers[at_least]


def _attempt(
    path: Path,
    letter: Letter,
    class_id: int,
    mode: Mode,
    name: str | None,
    title: str | None,
    code: str | None,
    place: _Place,
) -> Attempt:
    """A new attempt, kept before anything is sent; or the one begun before under the same receipt name."""
    if _begun(path).exists():
        found = load_attempt(_begun(path))
        if (found.class_id, found.mode) == (class_id, mode):
            click.echo("Going on with the signature begun before.")
            return found
        raise Refused(f"{_begun(path)} is a signature begun another way: finish that one, or move the file away")
    if mode != "anonymous" and name is None and code is not None:
        asked = {"class": class_id, "attester": "roster", "code": code}
        told = post_json(place.registrar, "attest", asked)
        name, title = str(told.get("name", "")), str(told.get("title", ""))
        click.echo(f"The roster attests: {name}{', ' + title if title else ''}")
    if mode != "anonymous" and name is None:
        name = click.prompt("Your name as the letter will print it")
        title = click.prompt("Your role", default="", show_default=False)
    attempt = signing.begin_attempt(
        letter, class_id=class_id, mode=mode, name=name or "", title=title or "", randbytes=secrets.token_bytes
    )
    save_attempt(_begun(path), attempt)
    return attempt


def _proof(place: _Place, class_id: int, code: str | None, mail: str | None) -> Proof:
    if code is not None:
        return Proof(attester="roster", code=code)
    if mail is None:
        raise click.UsageError("say how you belong: --code CODE from the roster, or --mail ADDRESS")
    begun = post_json(place.registrar, "begin", {"class": class_id, "attester": "e-mail", "address": mail})
    typed = click.prompt("A code is on its way to that address. The code")
    return Proof(attester="e-mail", code=typed, tab=str(begun["tab"]))


def _begun(path: Path) -> Path:
    return path.with_name(path.name + ".begun")


def _secret(receipt: Receipt) -> Secret:
    if not isinstance(receipt.secret, Secret):
        raise Refused("this receipt holds no key: it can prove the signature, but not change it")
    return receipt.secret


def _from_receipt(file: Path) -> tuple[Receipt, _Place, LogClient]:
    receipt = load_receipt(file)
    scheme = "http" if receipt.origin.startswith(("127.0.0.1", "localhost")) else "https"
    place = place_of(f"{scheme}://{receipt.origin}")
    client = LogClient(place.log, lid=receipt.lid)
    client.refresh()
    signature_of(receipt)
    return receipt, place, client


def _wait_for_proof(receipt: Receipt, path: Path, place: _Place, letter: Letter, seconds: int) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            save_receipt(path, signing.fetch_proof(receipt, source=place.log, letter=letter))
        except NotThere:
            time.sleep(1)
        else:
            click.echo("You have signed: the log includes your signature, and witnesses have cosigned it.")
            return
    latest = time.strftime("%Y-%m-%d %H:%M", time.localtime(receipt.promise.latest))
    click.echo(f"It will be in the log by {latest} at the latest; `undersigned receipt {path}` checks what you hold.")
