"""A log room with a letter and its witnesses in one process, and a clock that tests set."""

import json
from base64 import b64encode
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from support.keepers import Keeper, SqliteKeeper
from support.letters import ORIGIN, START, Cast, Person, make_letter
from undersigned.crypto import ed25519
from undersigned.log.intake import Admitted
from undersigned.log.room import LogRoom
from undersigned.protocol import entry as entries
from undersigned.protocol.encoding import to_jcs
from undersigned.protocol.state import LetterState
from undersigned.transparency.note import cosignature_vkey
from undersigned.witness.asgi import Witness, make_witness

HOST = ORIGIN.split("/")[0]
SLUG = ORIGIN.rsplit("/", 1)[1]
PUBLISH_CODE = "let me publish"


@dataclass
class Clock:
    now: float = START

    def __call__(self) -> float:
        return self.now


def reachable(cast_of: dict[str, bytes], quorum: int) -> str:
    """A policy whose witnesses have addresses."""
    lines = [
        f"witness {name.split('.')[0]} {cosignature_vkey(name, ed25519.public_key(seed)).encode()} https://{name}"
        for name, seed in cast_of.items()
    ]
    names = " ".join(name.split(".")[0] for name in cast_of)
    return "\n".join([*lines, f"group enough {quorum} {names}", "quorum enough", ""])


def make_reachable_letter(**changes: Any) -> Cast:
    """A letter whose four witnesses (three needed) have addresses."""
    policy = reachable(make_letter(**changes).witnesses, 3)
    return make_letter(**changes, policy=policy)


@dataclass
class Place:
    """A directory where a log and its witnesses live; `start` (again) what runs there."""

    directory: Path
    cast: Cast
    keeper: Keeper = field(default_factory=SqliteKeeper)
    clock: Clock = field(default_factory=Clock)
    down: set[str] = field(default_factory=set)
    room: LogRoom = field(init=False)
    witnesses: dict[str, Witness] = field(init=False)

    def __post_init__(self) -> None:
        self.witnesses = {
            f"https://{name}/add-checkpoint": make_witness(
                self.directory / name,
                name=name,
                seed=seed,
                hosts={HOST: ed25519.public_key(self.cast.log)},
                clock=self.clock,
            )
            for name, seed in self.cast.witnesses.items()
        }
        self.start()

    def start(self) -> None:
        """Open the log room from its directory."""
        self.room = LogRoom(
            directory=self.directory / "log",
            host=HOST,
            seed=self.cast.log,
            promise_seed=self.cast.promise,
            publish_code=PUBLISH_CODE,
            clock=self.clock,
            post=self.post,
            storage=self.keeper.open(self.directory / "log"),
        )

    def execute(self, query: str, *values: object) -> None:
        """Change what the log keeps behind its back; `?` stands for each value."""
        self.keeper.execute(self.directory / "log", query, *values)

    def save(self) -> None:
        """Make a backup of what the log keeps, while it is closed."""
        self.keeper.save(self.directory / "log")

    def put_back(self) -> None:
        """Put that backup where it was."""
        self.keeper.put_back(self.directory / "log")

    def lose(self) -> None:
        """Lose what the log keeps, but not the backup."""
        self.keeper.lose(self.directory / "log")

    async def restart(self) -> None:
        await self.room.close()
        self.start()

    async def post(self, url: str, body: bytes) -> tuple[int, bytes]:
        """Reach a witness, unless it is down."""
        if url in self.down:
            raise OSError
        transport = httpx.ASGITransport(app=self.witnesses[url])
        async with httpx.AsyncClient(transport=transport) as client:
            answer = await client.post(url, content=body)
        return answer.status_code, answer.content

    async def publish(self, *, accepted: bool = True) -> None:
        """Publish the letter, and let everybody accept."""
        await self.room.publish(self.cast.letter.data)
        for entry in self.cast.accept() if accepted else ():
            await self.room.submit(SLUG, entry)
        await self.step()

    async def step(self, seconds: float = 0) -> None:
        """Let time pass, and the log do what is due, witnesses included."""
        self.clock.now += seconds
        await self.room.tick()
        await self.room.settle()

    async def submit(self, entry: bytes, blob: bytes | None = None) -> Admitted:
        return await self.room.submit(SLUG, entry, blob=blob)

    async def sign(self, mode: entries.Mode = "public", *, tier: int = 0, class_id: int = 1) -> Person:
        """Somebody new signs."""
        person = self.cast.person()
        await self.submit(*self.cast.signature(person, mode, tier=tier, class_id=class_id))
        return person

    async def request(
        self, method: str, path: str, *, body: Any = None, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """One HTTP request; a dictionary goes as JSON, bytes as they are."""
        content = json.dumps(body).encode() if isinstance(body, dict) else body
        transport = httpx.ASGITransport(app=self.room.router)
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}") as client:
            return await client.request(method, path, content=content, headers=headers)

    async def get(self, path: str) -> httpx.Response:
        return await self.request("GET", f"/l/{SLUG}/{path}")

    async def post_json(self, path: str, body: Any) -> httpx.Response:
        return await self.request("POST", f"/l/{SLUG}/{path}", body=body)

    def sealed_request(self, trustee: int, indexes: list[int], *, at: float | None = None) -> dict[str, Any]:
        """A request for envelopes, signed by a trustee."""
        asked = {"trustee": trustee, "indexes": indexes, "at": int(self.clock.now if at is None else at)}
        message = b"undersigned/v1/sealed-request\0" + self.cast.letter.lid + to_jcs(asked)
        return asked | {"sig": text(ed25519.sign(self.cast.trustees[trustee], message))}

    @property
    def state(self) -> LetterState:
        return self.room.state(SLUG)

    def kinds(self) -> list[str]:
        """The kind of every entry after the acceptances."""
        data = self.room.entries(SLUG, 0, 10_000)
        return [entries.kind_of(entries.decode_entry(one)) for one in data]


def text(data: bytes) -> str:
    return b64encode(data).decode()
