"""Five trustees and a host in memory for their tests: it serves a `MemoryLog`, relays messages, and can misbehave."""

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from support.letters import START, Cast, MemoryLog, Person, begun
from undersigned.client.source import NotThere
from undersigned.crypto import ed25519
from undersigned.errors import Refused
from undersigned.protocol import entry as entries
from undersigned.protocol import opening
from undersigned.protocol.dossier import tile_files
from undersigned.protocol.encoding import to_jcs
from undersigned.protocol.entry import decode_entry
from undersigned.protocol.exchange import read_message
from undersigned.protocol.opening_list import read_opening_list
from undersigned.protocol.promise import make_promise
from undersigned.transparency.merkle import leaf_hash
from undersigned.trustee.keys import TrusteeKeys
from undersigned.trustee.opening import Trustee
from undersigned.trustee.status import Status


@dataclass(kw_only=True)
class MemoryHost:
    """A letter's host. What it takes is witnessed at once, at `now`, unless `witnessing` is off.

    `withheld`: indexes whose envelopes it does not hand over; `deaf_to`: kinds of entries it refuses;
    `submitted` is every entry it was given.
    """

    log: MemoryLog
    now: int = START
    witnessing: bool = True
    withheld: set[int] = field(default_factory=set)
    deaf_to: tuple[type, ...] = ()
    relay: dict[tuple[int, int, int, str, int], bytes] = field(default_factory=dict)
    submitted: list[bytes] = field(default_factory=list)
    _tiles: tuple[bytes, dict[str, bytes]] = (b"", {})

    @property
    def cast(self) -> Cast:
        return self.log.cast

    def get(self, path: str) -> bytes:
        match path.split("/"):
            case ["checkpoint"]:
                return self.log.head
            case ["checkpoints.json"]:
                return json.dumps({"names": list(self.log.checkpoints)}).encode()
            case ["checkpoints", name]:
                return self.log.checkpoints[name]
            case ["tile", *_]:
                return self._tile(path)
            case ["opened", index] if int(index) in self.log.opened:
                return self.log.opened[int(index)]
            case ["lists", name]:
                return self.log.lists[bytes.fromhex(name)]
            case ["exchange", freeze, to]:
                found = [data for key, data in self.relay.items() if (key[0], key[2]) == (int(freeze), int(to))]
                return json.dumps({"messages": [b64encode(data).decode() for data in found]}).encode()
        raise NotThere("there is nothing at this address")

    def post(self, path: str, body: bytes) -> bytes:
        if path == "exchange":
            self._relay(body)
            return b"{}"
        asked = json.loads(body)
        answer = {"submit": self._submit, "sealed": self._sealed, "opened": self._opened}[path](asked)
        return json.dumps(answer).encode()

    def witness(self, at: int | None = None) -> None:
        """Let the witnesses see the head, at Unix second `at` or now."""
        self.now = self.now if at is None else at
        self.log.witness(self.now)

    def _tile(self, path: str) -> bytes:
        size, root = self.log.head.split(b"\n")[1:3]
        if self._tiles[0] != root:
            self._tiles = (root, tile_files(self.log.log[: int(size)]))
        return self._tiles[1][path]

    def _submit(self, asked: dict[str, str]) -> dict[str, object]:
        data = b64decode(asked["entry"])
        entry = decode_entry(data)
        self.submitted.append(data)
        if isinstance(entry, self.deaf_to):
            raise Refused("the host does not take this")
        listed = read_opening_list(b64decode(asked["list"])) if "list" in asked else None
        self.log.append(data, listed=listed)
        if self.witnessing:
            self.witness()
        answer: dict[str, object] = {"leaf": leaf_hash(data).hex()}
        if isinstance(entry, entries.Withdrawal):
            letter = self.cast.letter
            promise = make_promise(data, key=entry.key, latest=self.now + 9, letter=letter, seed=self.cast.promise)
            answer["promise"] = {"latest": promise.latest, "sig": b64encode(promise.sig).decode()}
        return answer

    def _sealed(self, asked: dict[str, object]) -> dict[str, object]:
        bare = {name: value for name, value in asked.items() if name != "sig"}
        message = b"undersigned/v1/sealed-request\0" + self.cast.letter.lid + to_jcs(bare)
        trustee = self.cast.letter.trustees[int(str(asked["trustee"]))]
        ed25519.verify(public_key=trustee.key, message=message, sig=b64decode(str(asked["sig"])))
        indexes = asked["indexes"]
        assert isinstance(indexes, list)
        assert 0 < len(indexes) <= 100
        blobs = {index: self.log.sealed.get(self.log.record(index).blob or b"") for index in indexes}
        there = {index: blob for index, blob in blobs.items() if blob is not None and index not in self.withheld}
        return {
            "blobs": {str(index): b64encode(blob).decode() for index, blob in there.items()},
            "missing": [index for index in indexes if index not in there],
        }

    def _opened(self, asked: dict[str, dict[str, str]]) -> dict[str, object]:
        kept = []
        for name, value in asked["keys"].items():
            index, open_key = int(name), b64decode(value)
            record = self.log.record(index)
            blob = self.log.sealed[record.blob or b""]
            if record.opened is None or opening.check_open_key(record, blob, open_key, letter=self.cast.letter):
                continue
            self.log.opened.setdefault(index, open_key + blob)
            kept.append(index)
        return {"kept": kept}

    def _relay(self, data: bytes) -> None:
        message = read_message(data, letter=self.cast.letter)
        key = (message.freeze, message.from_, message.to, message.type, message.part)
        if message.type == "shares" and self.relay.get(key, data) != data:
            raise Refused("a trustee sends its shares once")
        self.relay[key] = data


@dataclass(kw_only=True)
class Council:
    """A host, its trustees by id, and who signed: people by index of their signature."""

    host: MemoryHost
    trustees: dict[int, Trustee]
    people: dict[int, Person] = field(default_factory=dict)

    @property
    def log(self) -> MemoryLog:
        return self.host.log

    @property
    def cast(self) -> Cast:
        return self.host.cast

    def public(self, name: str = "Ada Example") -> int:
        """Somebody signs openly; the index."""
        person = self.cast.person(name)
        return self._signed(person, *self.cast.signature(person))

    def sealed(self, tier: int, *, blob: Callable[[Person], bytes] | None = None, person: Person | None = None) -> int:
        """Somebody signs under seal, with an honest envelope or with what `blob` makes; the index."""
        person = person or self.cast.person(f"Person {self.log.size}")
        made = blob(person) if blob else None
        return self._signed(person, *self.cast.signature(person, "sealed", tier=tier, blob=made))

    def freeze(self, tier: int) -> int:
        """Reached, held and frozen, with the witnesses looking on; the index of the freeze."""
        index = self.log.freeze(tier, at=self.host.now)
        self.host.now += self.cast.letter.publication.hold_seconds
        self.host.witness()
        return index

    def rounds(self, count: int, ids: Sequence[int] | None = None) -> dict[int, Status]:
        """Every trustee (or those named) steps `count` times in turn; what each said last."""
        said = {}
        for _ in range(count):
            for number in ids or list(self.trustees):
                said[number] = self.trustees[number].step()
        return said

    def opened(self) -> set[int]:
        """Indexes whose names are out."""
        return set(self.log.opened)

    def _signed(self, person: Person, entry: bytes, blob: bytes | None) -> int:
        index = self.log.append(entry, blob)
        self.people[index] = person
        return index


def keys_of(cast: Cast, trustee: int, directory: Path) -> TrusteeKeys:
    """The key file of one of the cast's trustees, with few rounds so that tests are quick."""
    seeds = dict(enumerate(cast.seal_seeds[trustee], 1))
    return TrusteeKeys(
        path=directory / f"{trustee}.keys",
        seed=cast.trustees[trustee],
        passphrase="correct horse",
        seals={cast.letter.lid: seeds},
        rounds=1,
    )


def council(cast: Cast, directory: Path, **host: object) -> Council:
    """A begun letter with its host and trustees."""
    served = MemoryHost(log=begun(cast), **host)  # type: ignore[arg-type]
    served.witness()
    trustees = {number: seat(served, number, directory) for number in cast.trustees}
    return Council(host=served, trustees=trustees)


def seat(host: MemoryHost, number: int, directory: Path, **changes: object) -> Trustee:
    """One trustee's software, started afresh on what it remembers."""
    return Trustee(
        keys=keys_of(host.cast, number, directory),
        source=host,
        directory=directory / f"vault-{number}",
        clock=lambda: host.now,
        **changes,  # type: ignore[arg-type]
    )
