"""A registrar for tests: its room with a clock we set, mail we read, and a log in memory that judges every entry."""

import asyncio
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.letters import START, Cast, MemoryLog, make_letter
from undersigned.client.signing import Attempt, Proof, Right, begin_attempt, request_right
from undersigned.client.source import b64, unb64
from undersigned.crypto import ed25519
from undersigned.errors import Malformed, Refused, Unavailable, UndersignedError, VerificationError
from undersigned.protocol import entry as entries
from undersigned.protocol.letter import Letter
from undersigned.registrar.asgi import RegistrarRoom
from undersigned.registrar.attesters.roster import Member
from undersigned.registrar.mail import CodeMail, Mail

PUBLISH_CODE = "a publish code"
SEED = bytes(range(32))
STAFF = {"id": 1, "attesters": ["e-mail", "roster"], "domains": ["example.org"]}
FRIENDS = {"id": 2, "attesters": ["e-mail"], "domains": ["friends.example"]}
_ERRORS: dict[int, type[UndersignedError]] = {400: Malformed, 409: Refused, 422: VerificationError, 503: Unavailable}


@dataclass
class Postbox:
    """Mail that arrives at once; `is_open` False: no server answers."""

    mails: list[CodeMail] = field(default_factory=list)
    is_open: bool = True

    def send(self, mails: Sequence[CodeMail]) -> list[bool]:
        if not self.is_open:
            raise Unavailable("the mail server does not answer: codes will go out later")
        self.mails += mails
        return [True] * len(mails)


@dataclass
class Bureau:
    """A registrar's room on a folder, with the log of one letter."""

    folder: Path
    mail: Mail = field(default_factory=Postbox)
    now: float = START
    rng: random.Random = field(default_factory=lambda: random.Random(7))
    log: MemoryLog | None = None
    down: bool = False
    room: RegistrarRoom = field(init=False)

    def __post_init__(self) -> None:
        self.open()

    def open(self) -> None:
        """Start the room, as after a restart."""
        self.room = RegistrarRoom(
            self.folder,
            seed=SEED,
            publish_code=PUBLISH_CODE,
            mail=self.mail,
            submit=self._submit,
            entry_at=lambda letter, index: self.held[index] if index < len(self.held) else None,
            clock=lambda: self.now,
            randbytes=self.rng.randbytes,
        )

    @property
    def letter(self) -> Letter:
        assert self.log is not None
        return self.log.cast.letter

    @property
    def held(self) -> list[bytes]:
        assert self.log is not None
        return self.log.log

    def kinds(self) -> list[str]:
        """What the log holds."""
        return [entries.kind_of(entries.decode_entry(data)) for data in self.held]

    def draft(self, *classes: dict[str, Any]) -> tuple[str, dict[int, bytes]]:
        """Register a draft; its id and issuer keys."""
        answer = self.ask("letters", {"slug": "board", "classes": list(classes)}, publish_code=PUBLISH_CODE)
        return answer["draft"], {int(number): unb64(spki) for number, spki in answer["issuers"].items()}

    def publish(self, *classes: dict[str, Any], eligible: int = 100, namespace: str = "mail", **changes: Any) -> Letter:
        """Draft and publish a letter with these classes."""
        classes = classes or (STAFF, FRIENDS)
        draft, issuers = self.draft(*classes)
        self.log = MemoryLog(cast=cast_for(classes, issuers, eligible=eligible, namespace=namespace, **changes))
        self.ask(f"letters/{draft}/publication", {"entry": b64(self.letter.data)}, publish_code=PUBLISH_CODE)
        return self.letter

    def post(self, path: str, body: bytes) -> bytes:
        """As a client's source below `/r/board`."""
        return json.dumps(self.ask(f"board/{path}", json.loads(body))).encode()

    def get(self, path: str) -> bytes:
        raise Unavailable("the registrar shows nothing")

    def ask(self, path: str, value: object, *, publish_code: str = "") -> Any:
        """POST JSON and read JSON; a problem becomes the error it stands for."""
        status, answer = self.raw(path, value, publish_code=publish_code)
        if status >= 400:
            raise _ERRORS.get(status, Unavailable)(answer["detail"])
        return answer

    def raw(self, path: str, value: object, *, publish_code: str = "") -> tuple[int, Any]:
        """POST JSON; status and JSON."""
        return asyncio.run(self.call(path, value, publish_code=publish_code))

    async def call(self, path: str, value: object, *, publish_code: str = "") -> tuple[int, Any]:
        """POST JSON to the ASGI application."""
        sent: list[Any] = []
        headers = [(b"authorization", b"Bearer " + publish_code.encode())] if publish_code else []
        scope = {"type": "http", "method": "POST", "path": f"/r/{path}", "headers": headers}

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": json.dumps(value).encode(), "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await self.room.router(scope, receive, send)
        return sent[0]["status"], json.loads(sent[1]["body"])

    def code_for(self, address: str, class_id: int = 1, attester: entries.Attester = "e-mail") -> Proof:
        """Ask for a code and read it in the mail."""
        tab = self.ask("board/begin", {"class": class_id, "attester": attester, "address": address})["tab"]
        assert isinstance(self.mail, Postbox)
        before = len(self.mail.mails)
        asyncio.run(self.room.send_mail())
        found = [mail.code for mail in self.mail.mails[before:] if mail.to.lower() == address.lower()]
        code = found[-1] if found else "0000-0000"
        return Proof(attester=attester, code=code, tab=tab)

    def roster(self, *rows: str, header: str = "name,title,address", class_id: int = 1) -> list[tuple[Member, str]]:
        """Import these rows."""
        data = "\n".join([header, *rows, ""]).encode()
        return self.room.import_roster(data, slug="board", class_id=class_id)

    def attempt(
        self, *, class_id: int = 1, mode: entries.Mode = "public", name: str = "Ada", title: str = ""
    ) -> Attempt:
        """Everything a browser makes before it asks."""
        randbytes: Callable[[int], bytes] = self.rng.randbytes
        return begin_attempt(self.letter, class_id=class_id, mode=mode, name=name, title=title, randbytes=randbytes)

    def right(self, attempt: Attempt, proof: Proof) -> Right:
        """Ask for a token, finalize and verify it with its certificate."""
        return request_right(attempt, proof, letter=self.letter, registrars={1: self})

    def _submit(self, letter: Letter, data: bytes) -> None:
        assert self.log is not None
        if self.down:
            raise Unavailable("the log does not answer: try again in a minute")
        assert letter.lid == self.letter.lid
        self.log.append(data)


def request_body(attempt: Attempt, proof: Proof) -> dict[str, Any]:
    """A token request as the client writes it, without a card."""
    return {
        "class": attempt.class_id,
        **proof.fields(),
        "blinded": b64(attempt.blinded[0]),
        "commitment": b64(attempt.commitment),
        "card_hash": b64(attempt.card_hash),
    }


def cast_for(
    classes: Sequence[dict[str, Any]], issuers: dict[int, bytes], *, eligible: int, namespace: str, **changes: Any
) -> Cast:
    """A letter whose only registrar is ours, with these classes."""
    return make_letter(
        registrars=[entries.Party(id=1, name="Registrar", key=ed25519.public_key(SEED))],
        classes=[
            entries.Class(
                id=item["id"],
                name=f"Class {item['id']}",
                eligible=eligible,
                source="a list",
                namespace=namespace,
                attesters=item["attesters"],
                issuers=[entries.Issuer(registrar=1, spki=issuers[item["id"]])],
                counts="open" not in item["attesters"],
            )
            for item in classes
        ],
        trustees=0,
        tiers=(),
        modes=changes.pop("modes", ("public", "anonymous")),
        **changes,
    )


def files_hold(folder: Path, words: Sequence[bytes]) -> list[bytes]:
    """Which of these bytes stand anywhere in any file below the folder, in any case."""
    contents = [path.read_bytes().lower() for path in sorted(folder.rglob("*")) if path.is_file()]
    return [word for word in words if any(word.lower() in content for content in contents)]
