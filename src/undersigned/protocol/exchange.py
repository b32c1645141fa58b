"""A message between trustees, from a freeze to its opening, through any relay. spec/exchange.md.

A message is JCS of {freeze, from, to, type, part, parts, payload, sig}; `to` is 0 for everybody.
    shares   HPKE to the recipient's seal key of the tier: rows of u64 index || 1 || share(33), or u64 index || 0
    list     a piece of an opening list's JCS bytes
    sig      list_hash(32) || sig(64) over the opening, or abort, of that list
"""

from collections.abc import Callable
from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType, field

from undersigned.crypto import ed25519
from undersigned.errors import Malformed, Refused, VerificationError
from undersigned.protocol.encoding import from_jcs, to_jcs
from undersigned.protocol.entry import Id, Part, Sig, Uint
from undersigned.protocol.letter import Letter

MAX_MESSAGE_BYTES: Final = 256 * 1024
EVERYBODY: Final = 0

MessageType: TypeAlias = Literal["shares", "list", "sig"]
Number: TypeAlias = Annotated[int, Meta(ge=1, le=4_096)]


class Message(Part, frozen=True, kw_only=True):
    """One message, part `part` of `parts` counted from 1; `freeze` is the index of the freeze entry."""

    freeze: Uint
    from_: Id = field(name="from")
    to: Annotated[int, Meta(ge=EVERYBODY, le=255)]
    type: MessageType
    part: Number
    parts: Number
    payload: bytes
    sig: Sig | UnsetType = UNSET


_DECODER = msgspec.json.Decoder(Message)


def sign_message(message: Message, *, sign: Callable[[bytes], bytes], letter: Letter) -> bytes:
    """The bytes of a message under its sender's signature; Malformed when they are too many."""
    signed = msgspec.structs.replace(message, sig=sign(message_to_sign(message, lid=letter.lid)))
    data = to_jcs(signed)
    _check_size(data)
    return data


def read_message(data: bytes, *, letter: Letter) -> Message:
    """Read a message and check its sender. Malformed, Refused (no such trustee), VerificationError."""
    _check_size(data)
    message = from_jcs(_DECODER, data, what="a message between trustees")
    if message.part > message.parts or not isinstance(message.sig, bytes):
        raise Malformed("this is not a message between trustees: its part or its signature is missing")
    if message.from_ not in letter.trustees or message.to not in (EVERYBODY, *letter.trustees):
        raise Refused("this letter has no such trustee")
    text = message_to_sign(message, lid=letter.lid)
    try:
        ed25519.verify(public_key=letter.trustees[message.from_].key, message=text, sig=message.sig)
    except VerificationError:
        raise VerificationError("the message is not signed by the trustee it names") from None
    return message


def message_to_sign(message: Message, *, lid: bytes) -> bytes:
    """`"undersigned/v1/exchange-message"\\0 || lid || JCS(message without sig)`."""
    return b"undersigned/v1/exchange-message\0" + lid + to_jcs(msgspec.structs.replace(message, sig=UNSET))


def _check_size(data: bytes) -> None:
    if len(data) > MAX_MESSAGE_BYTES:
        raise Malformed(f"a message between trustees has at most {MAX_MESSAGE_BYTES} bytes, and this one {len(data)}")
