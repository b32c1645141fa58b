"""One host's data directory, and the rooms opened from it. Nothing else composes rooms.

DIR/host.json         where the host is, and its registrar's name
DIR/policy.txt        the C2SP policy that new letters name
DIR/secrets/          log, promise and registrar seeds (32 bytes each), the publish code; 0600
DIR/log, DIR/registrar    what each room keeps for itself
"""

import json
import os
import secrets
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from undersigned.client.keeping import read_whole, write_whole
from undersigned.client.signing import submit
from undersigned.client.source import HttpSource, NotThere
from undersigned.crypto import ed25519
from undersigned.errors import Malformed, Unavailable
from undersigned.log.storage import LogStorage
from undersigned.log.storage.sqlite import SqliteStorage
from undersigned.protocol.letter import Letter
from undersigned.registrar.asgi import RegistrarRoom
from undersigned.registrar.mail import CodeMail, ConsoleMail, Mail, SmtpMail
from undersigned.registrar.office import EntryAt, Submit
from undersigned.transparency import tiles
from undersigned.transparency.checkpoint import parse_checkpoint
from undersigned.transparency.note import parse_note
from undersigned.transparency.policy import parse_policy

SEEDS = ("log", "promise", "registrar")


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFolder:
    """A data directory as read: `host` is `name[:port]`, seeds are 32 bytes."""

    directory: Path
    host: str
    scheme: str
    registrar_name: str
    policy: str
    seeds: dict[str, bytes]
    publish_code: str

    def describe(self, *, shape: str) -> dict[str, object]:
        """What /host.json tells."""
        log, promise, registrar = (b64encode(ed25519.public_key(self.seeds[name])).decode() for name in SEEDS)
        return {
            "host": self.host,
            "log_key": log,
            "promise_key": promise,
            "registrar": {"name": self.registrar_name, "key": registrar},
            "policy": self.policy,
            "shape": shape,
        }


def make_folder(directory: Path, *, base_url: str, registrar_name: str, policy: str) -> HostFolder:
    """A new data directory with fresh secrets."""
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.path not in ("", "/"):
        raise Malformed("the base address must look like https://letters.example.org")
    parse_policy(policy)
    (directory / "secrets").mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in SEEDS:
        write_whole(directory / "secrets" / f"{name}.seed", secrets.token_bytes(32))
    write_whole(directory / "secrets" / "publish.code", secrets.token_urlsafe(24).encode())
    write_whole(directory / "policy.txt", policy.encode())
    told = {"host": parts.netloc, "scheme": parts.scheme, "registrar": registrar_name}
    write_whole(directory / "host.json", json.dumps(told, ensure_ascii=False).encode())
    return read_folder(directory)


def read_folder(directory: Path) -> HostFolder:
    """An existing data directory; Unavailable when it is none."""
    if not (directory / "host.json").exists():
        raise Unavailable(f"{directory} is no data directory yet: run `undersigned serve --data {directory}` first")
    try:
        told = json.loads(read_whole(directory / "host.json", what="a host's settings"))
        host, scheme, name = str(told["host"]), str(told["scheme"]), str(told["registrar"])
    except (ValueError, KeyError, TypeError):
        raise Malformed(f"{directory / 'host.json'} is not a host's settings") from None
    keys = directory / "secrets"
    return HostFolder(
        directory=directory,
        host=host,
        scheme=scheme,
        registrar_name=name,
        policy=read_whole(directory / "policy.txt", what="a policy").decode(),
        seeds={one: read_whole(keys / f"{one}.seed", what="a seed", at_most=32) for one in SEEDS},
        publish_code=read_whole(keys / "publish.code", what="a code", at_most=256).decode(),
    )


def open_registrar(directory: Path) -> RegistrarRoom:
    """The registrar of a data directory, reaching letters' logs over HTTP: for commands beside a running server."""
    folder = read_folder(directory)
    submit_, entry_at = over_http(folder.scheme)
    return make_registrar(folder, mail=_NoMail(), submit_=submit_, entry_at=entry_at)


class _NoMail:
    """Sends nothing: the running server has the outbox."""

    def send(self, mails: Sequence[CodeMail]) -> list[bool]:
        return [False] * len(mails)


def open_storage(folder: HostFolder) -> LogStorage:
    """What the log of a data directory keeps, in one file there or where UNDERSIGNED_DATABASE_URL says; only who leads
    may write, and anybody may read beside a running log. Malformed, Unavailable.
    """
    url, directory = os.environ.get("UNDERSIGNED_DATABASE_URL", ""), folder.directory / "log"
    if not url:
        return SqliteStorage(directory / "log.sqlite")
    if not url.startswith("postgresql://"):
        raise Malformed("UNDERSIGNED_DATABASE_URL must be like postgresql://undersigned_log@host/undersigned_log")
    try:
        from undersigned.log.storage.postgres import PostgresStorage
    except ImportError:
        raise Unavailable("for PostgreSQL one more package is needed: pip install 'undersigned[postgres]'") from None
    return PostgresStorage(url, directory=directory)


def make_registrar(folder: HostFolder, *, mail: Mail, submit_: Submit, entry_at: EntryAt) -> RegistrarRoom:
    """The registrar of a data directory with its way to the log."""
    return RegistrarRoom(
        folder.directory / "registrar",
        seed=folder.seeds["registrar"],
        publish_code=folder.publish_code,
        mail=mail,
        submit=submit_,
        entry_at=entry_at,
    )


def over_http(scheme: str) -> tuple[Submit, EntryAt]:
    """How a registrar on its own reaches a letter's log: at the letter's origin."""

    def give(letter: Letter, entry: bytes) -> None:
        submit(entry, None, source=HttpSource(f"{scheme}://{letter.origin}"), letter=letter)

    def entry_at(letter: Letter, index: int) -> bytes | None:
        source = HttpSource(f"{scheme}://{letter.origin}")
        width = 256
        size = parse_checkpoint(parse_note(source.get("checkpoint")).text).size
        if index >= size:
            return None
        if index // 256 == size // 256:
            width = size % 256
        try:
            bundle = source.get(tiles.entries_path(index // 256, width))
        except NotThere:
            return None
        return tiles.decode_entries(bundle, width)[index % 256]

    return give, entry_at


def read_mail(write: Callable[[str], None] = print) -> Mail:
    """Mail by UNDERSIGNED_SMTP_URL (smtp, smtp+starttls or smtps ://user:password@host:port), else a loud stand-in."""
    url = os.environ.get("UNDERSIGNED_SMTP_URL", "")
    if not url:
        return ConsoleMail(write)
    parts = urlsplit(url)
    security = {"smtp": "none", "smtp+starttls": "starttls", "smtps": "tls"}.get(parts.scheme)
    sender = os.environ.get("UNDERSIGNED_MAIL_FROM", "")
    if security is None or not parts.hostname or "@" not in sender:
        raise Malformed(
            "UNDERSIGNED_SMTP_URL must be like smtps://user:word@host:465, and UNDERSIGNED_MAIL_FROM an address"
        )
    return SmtpMail(
        host=parts.hostname,
        port=parts.port or {"none": 25, "starttls": 587, "tls": 465}[security],
        sender=sender,
        security=security,  # type: ignore[arg-type]
        username=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )
