"""What anybody may read of a letter's log: checkpoint, tiles, blobs, proofs, figures, the dossier."""

import asyncio
import dataclasses
import json
from typing import TYPE_CHECKING

from undersigned.errors import Malformed, Refused, Unavailable
from undersigned.log.letter_log import LetterLog
from undersigned.log.storage import LogStorage
from undersigned.protocol.dossier import build_dossier, write_zip
from undersigned.protocol.figures import figures
from undersigned.protocol.state import LetterState
from undersigned.transparency import tiles
from undersigned.transparency.proof import TlogProof
from undersigned.web import (
    Answer,
    NotFound,
    Request,
    Router,
    etag,
    has_tag,
    json_answer,
    not_modified,
    tagged,
    text_answer,
)

if TYPE_CHECKING:
    from undersigned.log.room import LogRoom

_FOREVER = {"cache-control": "public, max-age=31536000, immutable"}
_A_WHILE = {"cache-control": "public, max-age=60"}
_BRIEFLY = {"cache-control": "public, max-age=1"}
_ASK_EACH_TIME = {"cache-control": "no-cache"}
_TEXT = "text/plain; charset=utf-8"
_HASH = "(?P<hash>[0-9a-f]{64})"


class Reading:
    """The GET routes of the log."""

    def __init__(self, room: "LogRoom") -> None:
        self._room = room
        self._figures: dict[str, tuple[float, bytes]] = {}
        self._dossiers: dict[str, tuple[bytes, int, str]] = {}

    def add_to(self, router: Router) -> None:
        """Add every route; `base` is the letter's own address."""
        base = "/l/(?P<slug>[a-z0-9-]+)"
        router.add("GET", "/letters", self._letters)
        router.add("GET", f"{base}/checkpoint", self._checkpoint)
        router.add("GET", f"{base}/(?P<tile>tile/.+)", self._tile)
        router.add("GET", f"{base}/checkpoints.json", self._notes)
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
        return tagged(json_answer({"letters": found}, headers=_BRIEFLY), request)

    def _checkpoint(self, request: Request) -> Answer:
        return tagged(Answer(body=self._log(request).published, type=_TEXT, headers=_ASK_EACH_TIME), request)

    def _tile(self, request: Request) -> Answer:
        log = self._log(request)
        try:
            tile = tiles.parse_tile_path(request.part["tile"])
            body = self._entries(log, tile) if isinstance(tile, tiles.EntriesId) else _hashes(log, tile)
        except (Malformed, Unavailable):
            raise NotFound("this log has no such tile") from None
        return tagged(Answer(body=body, headers=_FOREVER if tile.width == tiles.FULL_WIDTH else _A_WHILE), request)

    def _entries(self, log: LetterLog, bundle: tiles.EntriesId) -> bytes:
        start = bundle.index * tiles.FULL_WIDTH
        if start + bundle.width > log.head_size:
            raise Unavailable("the log is not as long yet")
        return tiles.encode_entries(self._room.storage.entries(log.number, start, start + bundle.width))

    def _notes(self, request: Request) -> Answer:
        names = sorted(self._room.storage.notes(self._log(request).number), key=_by_size)
        return tagged(json_answer({"names": names}, headers=_BRIEFLY), request)

    def _note(self, request: Request) -> Answer:
        note = self._room.storage.notes(self._log(request).number).get(request.part["name"])
        return _found(request, note, "the log keeps no such checkpoint", type_=_TEXT)

    def _blob(self, request: Request) -> Answer:
        log = self._log(request)
        blob = self._room.storage.public_blob(log.number, bytes.fromhex(request.part["hash"]))
        return _found(request, blob, "there is no such text here, or it was erased")

    def _opened(self, request: Request) -> Answer:
        log = self._log(request)
        opened = self._room.storage.opened(log.number, int(request.part["index"]))
        return _found(request, opened, "this name is not opened")

    def _list(self, request: Request) -> Answer:
        log = self._log(request)
        listed = self._room.storage.opening_list(log.number, bytes.fromhex(request.part["hash"]))
        return _found(request, listed, "there is no such list here")

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
            body = counts(log.state, root=log.tree.root(log.state.size))
            self._figures[slug] = (now, body)
        return tagged(Answer(body=body, type="application/json", headers=_BRIEFLY), request)

    async def _dossier(self, request: Request) -> Answer:
        """Whoever has it is told so without building it again."""
        log, slug = self._log(request), request.part["slug"]
        key = (log.published, log.beside)
        *known, tag = self._dossiers.get(slug, (b"", 0, ""))
        if tuple(known) == key and has_tag(request, tag):
            return not_modified(tag, headers=_A_WHILE)
        body = await asyncio.to_thread(make_dossier, log, self._room)
        if key == (log.published, log.beside):
            self._dossiers[slug] = (*key, etag(body))
        return tagged(Answer(body=body, type="application/zip", headers=_A_WHILE), request)


def counts(state: LetterState, *, root: bytes) -> bytes:
    """The figures of a letter as JSON, with the size and root hash (32 bytes) of the head they are of."""
    letter = state.letter
    head = {"size": state.size, "root": root.hex(), "title": letter.publication.title, "lid": letter.lid.hex()}
    return json.dumps(dataclasses.asdict(figures(state)) | head, ensure_ascii=False).encode()


def make_dossier(log: LetterLog, room: "LogRoom") -> bytes:
    """The letter's dossier at the checkpoint readers are shown; built again if that moved on meanwhile."""
    for _ in range(5):
        note, size = log.published, log.published_size
        data = write_zip(dossier_files(log, room.storage, note=note, size=size))
        if log.published is note:
            return data
    raise Refused("the letter is changing quickly: try again in a minute")


def dossier_files(log: LetterLog, storage: LogStorage, *, note: bytes, size: int) -> dict[str, bytes]:
    """The dossier's files at a published `note` of `size` entries."""
    number = log.number
    listed = {one.list_hash for one in list(log.state.rounds) if one.index < size}
    return build_dossier(
        letter=log.letter,
        entries=storage.entries(number, 0, size),
        checkpoint=note,
        checkpoints=storage.notes(number),
        blobs=storage.public_blobs(number, size),
        opened=storage.all_opened(number),
        lists={key: data for key, data in storage.lists(number).items() if key in listed},
    )


def _hashes(log: LetterLog, tile: tiles.TileId) -> bytes:
    last = (tile.index * tiles.FULL_WIDTH + tile.width) << (8 * tile.level)
    if last > log.head_size:
        raise Unavailable("the log is not as long yet")
    return tiles.tile_bytes(log.tree, tile)


def _found(request: Request, data: bytes | None, otherwise: str, *, type_: str = "application/octet-stream") -> Answer:
    if data is None:
        raise NotFound(otherwise)
    return tagged(Answer(body=data, type=type_, headers=_BRIEFLY), request)


def _by_size(name: str) -> tuple[int, str]:
    size, _, which = name.partition(".")
    return int(size), which
