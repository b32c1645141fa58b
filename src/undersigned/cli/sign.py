"""`undersigned sign`, `withdraw`, `condition`, `consent`: a signatory at a terminal. They show the text, and ask."""

import secrets
import time
from dataclasses import dataclass
from pathlib import Path

import click

from undersigned.client import signing
from undersigned.client.follow import LogClient
from undersigned.client.keeping import load_begun, load_receipt, save_begun, save_receipt, write_whole
from undersigned.client.publishing import text_of
from undersigned.client.signing import Attempt, Proof, Right, Unsent
from undersigned.client.source import HttpSource, post_json
from undersigned.crypto import ed25519
from undersigned.errors import Malformed, Refused, Unavailable
from undersigned.protocol.entry import Attester, Mode, Withdrawal
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
class _Wish:
    """What somebody asked for on the command line."""

    class_id: int
    mode: Mode
    at_least: int | None
    name: str | None
    title: str | None
    code: str | None
    mail: str | None

    def __post_init__(self) -> None:
        if (self.code is None) == (self.mail is None):
            raise click.UsageError("say how you belong: either --code CODE from the roster, or --mail ADDRESS")


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
    """Sign the letter at URL: read the exact text, seal your name here, keep a receipt.

    Whatever breaks off, the same command goes on where it was, until there is a receipt.
    """
    place = place_of(url)
    client = LogClient(place.log)
    client.refresh()
    path = path or Path(f"receipt-{client.letter.slug}.json")
    if path.exists():
        raise Refused(f"{path} exists already: give --receipt another name")
    begun = load_begun(_begun(path))
    if isinstance(begun, Unsent):
        click.echo("The signature made before is sent again.")
        unlock_secret(_secret(begun), passphrase=passphrase)
    else:
        show_text(client, ask=not yes)
        if code == "-":
            code = click.prompt("Your roster code")
        wish = _Wish(class_id, mode or "sealed", at_least, name, title, code, mail)
        begun = _make(wish, begun, path=path, place=place, client=client, passphrase=passphrase)
    receipt = signing.send(begun, source=place.log, letter=client.letter)
    save_receipt(path, receipt)
    _begun(path).unlink()
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


def _make(
    wish: _Wish, attempt: Attempt | None, *, path: Path, place: _Place, client: LogClient, passphrase: str
) -> Unsent:
    """A signature ready to be sent, and kept: 1. what it will be  2. may it be?  3. a token  4. the entry."""
    tier = _tier(client.letter, wish.mode, wish.at_least)
    fresh = attempt is None
    if attempt is None:
        attempt = _attempt(wish, place, client.letter)  # 1
    elif (attempt.class_id, attempt.mode) != (wish.class_id, wish.mode):
        raise Refused(f"{_begun(path)} is a signature begun another way: finish that one, or move the file away")
    else:
        click.echo("Going on with the signature begun before.")
    text_hash = client.state.text_hash
    signing.check_open(attempt, state=client.state, tier=tier, text_hash=text_hash)  # 2
    proof = _proof(wish, place, client.letter)
    save_begun(_begun(path), attempt)
    try:
        right = _right(attempt, proof, place=place, letter=client.letter)  # 3
    except Refused:
        if fresh:  # then there is no token that it could be finished with
            _begun(path).unlink()
        raise
    entry, blob = signing.make_signature(
        right, client=client, tier=tier, text_hash=text_hash, randbytes=secrets.token_bytes
    )  # 4
    card = signing.card_of(right) if wish.mode == "sealed" else None
    secret = lock_secret(attempt.seed, passphrase=passphrase, randbytes=secrets.token_bytes, card=card)
    unsent = Unsent(entry=entry, blob=blob, secret=secret)
    save_begun(_begun(path), unsent)
    return unsent


def _attempt(wish: _Wish, place: _Place, letter: Letter) -> Attempt:
    """What is made before anybody hears of it; the name as the roster has it, or as it is typed."""
    name, title = wish.name, wish.title
    if wish.code is not None and name is None and wish.mode != "anonymous":
        asked = {"class": wish.class_id, "attester": "roster", "code": wish.code}
        told = post_json(place.registrar, "attest", asked)
        name, title = str(told.get("name", "")), str(told.get("title", ""))
    elif name is None and wish.mode != "anonymous":
        name = click.prompt("Your name as the letter will print it")
        title = click.prompt("Your role", default="", show_default=False)
    attempt = signing.begin_attempt(
        letter,
        class_id=wish.class_id,
        mode=wish.mode,
        name=name or "",
        title=title or "",
        randbytes=secrets.token_bytes,
    )
    if attempt.card is not None:
        title = f", {attempt.card.title}" if attempt.card.title else ""
        click.echo(f"You sign as: {attempt.card.name}{title}")
    return attempt


def _proof(wish: _Wish, place: _Place, letter: Letter) -> Proof:
    if wish.code is not None:
        return Proof(attester="roster", code=wish.code)
    attester: Attester = "e-mail" if "e-mail" in letter.classes[wish.class_id].attesters else "open"
    begun = post_json(place.registrar, "begin", {"class": wish.class_id, "attester": attester, "address": wish.mail})
    if not isinstance(begun.get("tab"), str):
        raise Malformed("the registrar answered something else than it should")
    typed = click.prompt("A code is on its way to that address. The code")
    return Proof(attester=attester, code=typed, tab=begun["tab"])


def _right(attempt: Attempt, proof: Proof, *, place: _Place, letter: Letter) -> Right:
    registrars = {issuer.registrar.id: place.registrar for issuer in letter.issuing[attempt.class_id]}
    return signing.request_right(attempt, proof, letter=letter, registrars=registrars)


def _begun(path: Path) -> Path:
    return path.with_name(path.name + ".begun")


def _secret(receipt: Receipt | Unsent) -> Secret:
    if not isinstance(receipt.secret, Secret):
        raise Refused("this receipt holds no key: it can prove the signature, but not change it")
    return receipt.secret


def _from_receipt(file: Path) -> tuple[Receipt, _Place, LogClient]:
    receipt = load_receipt(file)
    host = receipt.origin.split("/")[0].split(":")[0]
    scheme = "http" if host in ("127.0.0.1", "localhost") else "https"
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
        except Unavailable:
            time.sleep(1)
        else:
            click.echo("You have signed: the log includes your signature, and witnesses have cosigned it.")
            return
    latest = time.strftime("%Y-%m-%d %H:%M", time.localtime(receipt.promise.latest))
    click.echo(f"It will be in the log by {latest} at the latest; `undersigned receipt {path}` checks what you hold.")
