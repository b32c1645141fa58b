"""Carries messages between a letter's trustees during an opening; they are sealed, and any host could carry them."""

import asyncio

import msgspec
from msgspec import UNSET, UnsetType, field

from undersigned.crypto import ed25519
from undersigned.errors import Malformed, Refused, VerificationError
from undersigned.log.letter_log import LetterLog
from undersigned.log.storage import KeepMessage, LogStorage
from undersigned.log.writer import Writer
from undersigned.protocol.encoding import from_jcs, to_jcs
from undersigned.protocol.entry import Id, Part, Sig, Uint

MAX_MESSAGE_BYTES = 256 * 1024
MAX_PARTS = 4096
_REPLACED = ("list", "sig")


class Message(Part, frozen=True, kw_only=True):
    """What the log reads of a message: whose it is, and to whom (0: every trustee)."""

    freeze: Uint
    from_: Id = field(name="from")
    to: Uint
    type: str
    part: Uint
    parts: Uint
    payload: bytes
    sig: Sig | UnsetType = UNSET


_DECODER = msgspec.json.Decoder(Message)


async def carry(data: bytes, *, log: LetterLog, storage: LogStorage, writer: Writer) -> None:
    """Keep one message for its recipient until an hour after the round. Malformed, Refused, VerificationError."""
    if len(data) > MAX_MESSAGE_BYTES:
        raise Malformed(f"a message between trustees has at most {MAX_MESSAGE_BYTES} bytes")
    message = from_jcs(_DECODER, data, what="a message between trustees")
    _check_round(message, log)
    _verify(message, log)
    place = (message.to, message.from_, message.type, message.part)
    kept = storage.message(log.number, message.freeze, place)
    if kept == data:
        return
    if kept is not None and message.type not in _REPLACED:
        raise Refused("this part of the shares was sent already, and differently")
    await asyncio.shield(writer.write(KeepMessage(letter=log.number, freeze=message.freeze, place=place, data=data)))


def _check_round(message: Message, log: LetterLog) -> None:
    live = log.state.frozen
    just_done = log.state.rounds[-1].freeze.index if log.state.rounds else None
    if not (live and live.index == message.freeze) and not (
        message.freeze == just_done and message.freeze not in log.forgotten
    ):
        raise Refused("there is no such opening under way")
    if (
        not 1 <= message.parts <= MAX_PARTS
        or not 1 <= message.part <= message.parts
        or not 1 <= len(message.type) <= 16
    ):
        raise Malformed("the parts of the message cannot be counted")
    if message.to and message.to not in log.letter.trustees:
        raise Refused("this letter has no such trustee")


def _verify(message: Message, log: LetterLog) -> None:
    if message.from_ not in log.letter.trustees:
        raise Refused("this letter has no such trustee")
    if not isinstance(message.sig, bytes):
        raise Malformed("the message carries no signature")
    bare = to_jcs(msgspec.structs.replace(message, sig=UNSET))
    signed = b"undersigned/v1/exchange-message\0" + log.letter.lid + bare
    try:
        ed25519.verify(public_key=log.letter.trustees[message.from_].key, message=signed, sig=message.sig)
    except VerificationError:
        raise VerificationError("the message is not signed by the trustee it says it is from") from None
