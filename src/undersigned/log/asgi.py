"""The log's doorway: publishing, submitting, and what trustees fetch and hand in. Reading is in `reading`."""

import asyncio
import hmac
from base64 import b64encode
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from undersigned.crypto import ed25519
from undersigned.errors import Malformed, VerificationError
from undersigned.log.exchange import carry
from undersigned.log.letter_log import LetterLog
from undersigned.log.reading import Reading
from undersigned.log.storage import KeepOpened
from undersigned.protocol.encoding import to_jcs
from undersigned.protocol.opening import check_open_key
from undersigned.transparency.encoding import read_base64
from undersigned.web import MAX_BODY, Answer, Forbidden, NotFound, Request, Router, json_answer

if TYPE_CHECKING:
    from undersigned.log.room import LogRoom

REQUEST_SECONDS = 300
MAX_OPENING_BODY = 8 * 1024 * 1024
T = TypeVar("T")


class _Publication(Struct, forbid_unknown_fields=True):
    entry: str


class _Submission(Struct, forbid_unknown_fields=True):
    entry: str
    blob: str | UnsetType = UNSET
    list: str | UnsetType = UNSET


class _SealedRequest(Struct, forbid_unknown_fields=True):
    trustee: Annotated[int, Meta(ge=1, le=255)]
    indexes: Annotated[list[int], Meta(max_length=100)]
    at: Annotated[int, Meta(ge=0, le=2**53 - 1)]
    sig: str


class _Keys(Struct, forbid_unknown_fields=True):
    keys: Annotated[dict[str, str], Meta(max_length=4096)]


def make_router(room: "LogRoom") -> Router:
    """Every route of the log."""
    router = Router()
    doorway = _Doorway(room)
    base = "/l/(?P<slug>[a-z0-9-]+)"
    router.add("POST", "/letters", doorway.publish)
    router.add("POST", f"{base}/submit", doorway.submit, max_body=doorway.submit_bytes)
    router.add("POST", f"{base}/sealed", doorway.sealed)
    router.add("POST", f"{base}/exchange", doorway.send)
    router.add("GET", f"{base}/exchange/(?P<freeze>[0-9]{{1,15}})/(?P<to>[0-9]{{1,3}})", doorway.messages)
    router.add("POST", f"{base}/opened", doorway.opened)
    Reading(room).add_to(router)
    return router


class _Doorway:
    def __init__(self, room: "LogRoom") -> None:
        self._room = room

    async def publish(self, request: Request) -> Answer:
        """Begin a letter's log; only who knows the publish code may."""
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode(), self._room.publish_code.encode()):
            raise Forbidden("publishing a letter here needs this host's publish code")
        letter = await self._room.publish(_bytes(_read(request, _Publication).entry, what="entry 0"))
        return json_answer({"origin": letter.origin, "lid": letter.lid.hex()}, status=201)

    async def submit(self, request: Request) -> Answer:
        """Admit one entry; the answer comes once it is on disk."""
        given = _read(request, _Submission)
        admitted = await self._room.submit(
            request.part["slug"],
            _bytes(given.entry, what="the entry"),
            blob=_bytes(given.blob, what="the blob") if isinstance(given.blob, str) else None,
            opening_list=_bytes(given.list, what="the list") if isinstance(given.list, str) else None,
        )
        answer: dict[str, object] = {"leaf": admitted.leaf.hex()}
        if admitted.promise is not None:
            promise = admitted.promise
            answer["promise"] = {"latest": promise.latest, "sig": b64encode(promise.sig).decode()}
        return json_answer(answer)

    def submit_bytes(self, part: Mapping[str, str]) -> int:
        """An opening brings its list, so bodies may be longer while names are being opened, and only then."""
        try:
            return MAX_OPENING_BODY if self._room.log(part["slug"]).state.frozen else MAX_BODY
        except NotFound:
            return MAX_BODY

    def sealed(self, request: Request) -> Answer:
        """Sealed envelopes for a trustee of the letter who signed the request within five minutes."""
        log, asked = self._log(request), _read(request, _SealedRequest)
        self._check_trustee(log, asked)
        blobs, missing = {}, []
        for index in asked.indexes:
            record = log.state.by_index.get(index)
            if record is None or record.gone or record.mode != "sealed":
                continue
            blob = self._room.storage.blob_at(log.number, record.changed)
            if blob is not None:  # an opened name's as well, until its key is published
                blobs[str(index)] = b64encode(blob).decode()
            elif record.hidden:
                missing.append(index)
        return json_answer({"blobs": blobs, "missing": missing})

    async def send(self, request: Request) -> Answer:
        """Carry one message between trustees."""
        await carry(request.body, log=self._log(request), storage=self._room.storage, writer=self._room.writer)
        return json_answer({})

    def messages(self, request: Request) -> Answer:
        """The messages to one trustee, or to all (0)."""
        freeze, to = int(request.part["freeze"]), int(request.part["to"])
        found = self._room.storage.messages(self._log(request).number, freeze, to)
        return json_answer({"messages": [b64encode(one).decode() for one in found]})

    async def opened(self, request: Request) -> Answer:
        """Keep the keys of names that a finished round opened, once witnesses cover it and the keys are right."""
        log, kept = self._log(request), []
        for text, key in _read(request, _Keys).keys.items():
            await asyncio.sleep(0)  # many keys must not keep others waiting
            index = _index(text)
            if await self._keep_opened(log, index, _bytes(key, what="a key")):
                kept.append(index)
        return json_answer({"kept": kept})

    async def _keep_opened(self, log: LetterLog, index: int, key: bytes) -> bool:
        storage, record = self._room.storage, log.state.by_index.get(index)
        if record is None or record.opened is None or record.gone or record.opened >= log.cosigned_size:
            return False
        if storage.opened(log.number, index) is not None:
            return True
        blob = storage.blob_at(log.number, record.changed)
        if blob is None or check_open_key(record, blob, key, letter=log.letter) is not None:
            return False
        change = KeepOpened(letter=log.number, index=index, blob_at=record.changed, data=key + blob)
        await asyncio.shield(self._room.writer.write(change))
        log.beside += 1
        return True

    def _check_trustee(self, log: LetterLog, asked: _SealedRequest) -> None:
        if asked.trustee not in log.letter.trustees:
            raise Forbidden("only this letter's trustees are given sealed envelopes")
        if abs(self._room.clock() - asked.at) > REQUEST_SECONDS:
            raise Forbidden("the request is older than five minutes, or its clock is wrong: sign it again")
        bare = to_jcs({"trustee": asked.trustee, "indexes": asked.indexes, "at": asked.at})
        message = b"undersigned/v1/sealed-request\0" + log.letter.lid + bare
        sig = _bytes(asked.sig, what="the signature")
        try:
            ed25519.verify(public_key=log.letter.trustees[asked.trustee].key, message=message, sig=sig)
        except VerificationError:
            raise Forbidden("only this letter's trustees are given sealed envelopes") from None

    def _log(self, request: Request) -> LetterLog:
        return self._room.log(request.part["slug"])


def _read(request: Request, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(request.body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise Malformed("the request is not the JSON that belongs to this address") from None


def _bytes(text: str, *, what: str) -> bytes:
    return read_base64(text, what=what)


def _index(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 15:
        raise Malformed("an index is a plain number")
    return int(text)
