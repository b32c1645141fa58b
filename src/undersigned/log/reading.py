"""What anybody may read of a letter's log: checkpoint, tiles, blobs, proofs, figures, the dossier."""

import asyncio
import dataclasses
import hashlib
import json
from typing import TYPE_CHECKING

from undersigned.errors import Malformed, Refused, Unavailable
from undersigned.log.letter_log import LetterLog
from undersigned.protocol.dossier import build_dossier, write_zip
from undersigned.protocol.figures import figures
from undersigned.transparency import tiles
from undersigned.transparency.proof import TlogProof
from undersigned.web import Answer, NotFound, Request, Router, json_answer, text_answer

if TYPE_CHECKING:
    from undersigned.log.room import LogRoom

_FOREVER = {"cache-control": "public, max-age=31536000, immutable"}
_BRIEFLY = {"cache-control": "public, max-age=1"}
_HASH = "(?P<hash>[0-9a-f]{64})"


class Reading:
    """The GET routes of the log."""

    def __init__(self, room: "LogRoom") -> None:
        self._room = room
        self._figures: dict[str, tuple[float, bytes]] = {}

    def add_to(self, router: Router) -> None:
        """Add every route; `base` is the letter's own address."""
        base = "/l/(?P<slug>[a-z0-9-]+)"
        router.add("GET", "/letters", self._letters)
        router.add("GET", f"{base}/checkpoint", self._checkpoint)
        router.add("GET", f"{base}/(?P<tile>tile/.+)", self._tile)
        router.add("GET", f"{base}/checkpoints", self._notes)
        router.add("GET", f"{base}/checkpoints/(?P<name>[0-9]+\\.(first|last))", self._note)
        router.add("GET", f"{base}/blobs/{_HASH}", self._blob)
        router.add("GET", f"{base}/opened/(?P<index>[0-9]{{1,15}})", self._opened)
        router.add("GET", f"{base}/lists/{_HASH}", self._list)
        router.add("GET", f"{base}/proof/{_HASH}", self._proof)
        router.add("GET", f"{base}/counts.json", self._counts)
        router.add("GET", f"{base}/letter.dossier", self._dossier)

    def _log(self, request: Request) -> LetterLog:
        return self._room.log(request.part["slug"])

    def _letters(self, request: Request) -> Answer:
        found = [
            {"slug": one.slug, "title": one.publication.title, "lid": one.lid.hex()} for one in self._room.letters()
        ]
        return json_answer({"letters": found}, headers=_BRIEFLY)

    def _checkpoint(self, request: Request) -> Answer:
        return Answer(body=self._log(request).published, type="text/plain; charset=utf-8", headers=_BRIEFLY)

    def _tile(self, request: Request) -> Answer:
        log = self._log(request)
        try:
            tile = tiles.parse_tile_path(request.part["tile"])
            body = self._entries(log, tile) if isinstance(tile, tiles.EntriesId) else _hashes(log, tile)
        except (Malformed, Unavailable):
            raise NotFound("this log has no such tile") from None
        return Answer(body=body, headers=_FOREVER)

    def _entries(self, log: LetterLog, bundle: tiles.EntriesId) -> bytes:
        start = bundle.index * tiles.FULL_WIDTH
        if start + bundle.width > log.head_size:
            raise Unavailable("the log is not as long yet")
        return tiles.encode_entries(self._room.storage.entries(log.number, start, start + bundle.width))

    def _notes(self, request: Request) -> Answer:
        names = sorted(self._room.storage.notes(self._log(request).number), key=_by_size)
        return json_answer({"names": names}, headers=_BRIEFLY)

    def _note(self, request: Request) -> Answer:
        note = self._room.storage.notes(self._log(request).number).get(request.part["name"])
        return _found(note, "the log keeps no such checkpoint", type_="text/plain; charset=utf-8")

    def _blob(self, request: Request) -> Answer:
        log = self._log(request)
        blob = self._room.storage.public_blob(log.number, bytes.fromhex(request.part["hash"]))
        return _found(blob, "there is no such text here, or it was erased")

    def _opened(self, request: Request) -> Answer:
        log = self._log(request)
        return _found(self._room.storage.opened(log.number, int(request.part["index"])), "this name is not opened")

    def _list(self, request: Request) -> Answer:
        log = self._log(request)
        listed = self._room.storage.opening_list(log.number, bytes.fromhex(request.part["hash"]))
        return _found(listed, "there is no such list here")

    def _proof(self, request: Request) -> Answer:
        log = self._log(request)
        has_quorum = log.letter.policy.has_quorum
        note, size = (log.cosigned, log.cosigned_size) if has_quorum else (log.published, log.published_size)
        included = self._room.storage.included(log.number, bytes.fromhex(request.part["hash"]))
        if note is None or included is None or included.index >= size:
            raise NotFound("this entry is not in a witnessed checkpoint yet: try again later")
        hashes = tuple(log.tree.inclusion_proof(included.index, size))
        return text_answer(TlogProof(index=included.index, hashes=hashes, checkpoint=note).encode().decode())

    def _counts(self, request: Request) -> Answer:
        """Counted anew at most every second, however many ask."""
        log, now = self._log(request), self._room.clock()
        slug = request.part["slug"]
        made, body = self._figures.get(slug, (0.0, b""))
        if not body or not made <= now < made + 1:
            body = counts(log)
            self._figures[slug] = (now, body)
        tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        headers = {"etag": tag, "cache-control": "public, max-age=1"}
        if request.headers.get("if-none-match") == tag:
            return Answer(status=304, type="application/json", headers=headers)
        return Answer(body=body, type="application/json", headers=headers)

    async def _dossier(self, request: Request) -> Answer:
        body = await asyncio.to_thread(make_dossier, self._log(request), self._room)
        return Answer(body=body, type="application/zip", headers={"cache-control": "public, max-age=60"})


def counts(log: LetterLog) -> bytes:
    """The figures of a letter as JSON, with the head they are of."""
    letter, found = log.letter, dataclasses.asdict(figures(log.state))
    size = log.state.size
    head = {"size": size, "root": log.tree.root(size).hex(), "title": letter.publication.title}
    return json.dumps(found | head | {"lid": letter.lid.hex()}, ensure_ascii=False).encode()


def make_dossier(log: LetterLog, room: "LogRoom") -> bytes:
    """The letter's dossier at the checkpoint readers are shown; built again if that moved on meanwhile."""
    for _ in range(5):
        note, size = log.published, log.published_size
        data = _pack(log, room, note, size)
        if log.published is note:
            return data
    raise Refused("the letter is changing quickly: try again in a minute")


def _pack(log: LetterLog, room: "LogRoom", note: bytes, size: int) -> bytes:
    storage, number = room.storage, log.number
    listed = {one.list_hash for one in list(log.state.rounds) if one.index < size}
    files = build_dossier(
        letter=log.letter,
        entries=storage.entries(number, 0, size),
        checkpoint=note,
        checkpoints=storage.notes(number),
        blobs=storage.public_blobs(number, size),
        opened=storage.all_opened(number),
        lists={key: data for key, data in storage.lists(number).items() if key in listed},
    )
    return write_zip(files)


def _hashes(log: LetterLog, tile: tiles.TileId) -> bytes:
    last = (tile.index * tiles.FULL_WIDTH + tile.width) << (8 * tile.level)
    if last > log.head_size:
        raise Unavailable("the log is not as long yet")
    return tiles.tile_bytes(log.tree, tile)


def _found(data: bytes | None, otherwise: str, *, type_: str = "application/octet-stream") -> Answer:
    if data is None:
        raise NotFound(otherwise)
    return Answer(body=data, type=type_, headers=_BRIEFLY)


def _by_size(name: str) -> tuple[int, str]:
    size, _, which = name.partition(".")
    return int(size), which
