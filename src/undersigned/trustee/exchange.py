"""What trustees send one another between a freeze and an opening, through any relay. spec/exchange.md.

A message is JCS of {freeze, from, to, type, part, parts, payload, sig}; `to` is 0 for everybody.
    shares   HPKE to the recipient's seal key of the tier: rows of u64 index || 1 || share(33), or u64 index || 0
    list     a piece of an opening list's JCS bytes
    sig      list_hash(32) || sig(64) over the opening, or abort, of that list
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType, field

from undersigned.crypto import ed25519, hpke
from undersigned.errors import Malformed, Refused, VerificationError
from undersigned.protocol.encoding import Reader, from_jcs, to_jcs
from undersigned.protocol.entry import Id, Part, Sig, Uint
from undersigned.protocol.letter import Letter
from undersigned.protocol.sealing import SHARE_BYTES
from undersigned.protocol.state import Frozen
from undersigned.transparency.merkle import Tree, leaf_hash

MAX_MESSAGE_BYTES = 256 * 1024
PART_SHARES = 3_000
PART_BYTES = 180_000

MessageType: TypeAlias = Literal["shares", "list", "sig"]
Number: TypeAlias = Annotated[int, Meta(ge=1, le=4_096)]
Shares: TypeAlias = dict[int, bytes | None]
T = TypeVar("T")


class Message(Part, frozen=True, kw_only=True):
    """One message, part `part` of `parts` counted from 1; `freeze` is the index of the freeze entry."""

    freeze: Uint
    from_: Id = field(name="from")
    to: Annotated[int, Meta(ge=0, le=255)]
    type: MessageType
    part: Number
    parts: Number
    payload: bytes
    sig: Sig | UnsetType = UNSET


_DECODER = msgspec.json.Decoder(Message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """What a sealed payload is bound to: the letter, the freeze, the whole history up to it, and both ends."""

    lid: bytes
    tier: int
    freeze_leaf: bytes
    root: bytes
    sender: int
    recipient: int

    @property
    def info(self) -> bytes:
        """The HPKE info."""
        place = self.lid + bytes([self.tier]) + self.freeze_leaf + self.root
        return b"undersigned/v1/exchange\0" + place + bytes([self.sender, self.recipient])


def channel(frozen: Frozen, *, letter: Letter, entry: bytes, tree: Tree, sender: int, recipient: int) -> Channel:
    """The channel between two trustees for a freeze, whose entry has these bytes in this tree."""
    return Channel(
        lid=letter.lid,
        tier=frozen.tier,
        freeze_leaf=leaf_hash(entry),
        root=tree.root(frozen.index + 1),
        sender=sender,
        recipient=recipient,
    )


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
    if message.from_ not in letter.trustees:
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


def slices(rows: Sequence[T], size: int) -> list[Sequence[T]]:
    """`rows` cut into pieces of at most `size`, at least one."""
    return [rows[first : first + size] for first in range(0, len(rows), size)] or [rows]


def seal_shares(shares: Shares, *, channel: Channel, seal_key: bytes) -> bytes:
    """Seal one part's shares to the recipient; None says that this trustee has no share of that index."""
    rows = b"".join(_row(index, share) for index, share in sorted(shares.items()))
    return hpke.seal(public_key=seal_key, info=channel.info, plaintext=rows)


def open_shares(payload: bytes, *, channel: Channel, seed: bytes) -> Shares:
    """Open one part. VerificationError when it was sealed for another place, Malformed when a row is wrong."""
    reader = Reader(hpke.open_sealed(seed=seed, info=channel.info, sealed=payload), what="the list of shares")
    shares = dict(_rows(reader))
    if list(shares) != sorted(shares):
        raise Malformed("the list of shares is not in the order of its indexes")
    return shares


def joined(messages: Mapping[int, Message]) -> bytes | None:
    """The payloads of a sender's parts (by part) put together, None while one is missing.

    The first part says how many there are; others that disagree are left over from an earlier message.
    """
    parts = messages[1].parts if 1 in messages else 0
    found = [messages[part] for part in range(1, parts + 1) if part in messages]
    if not parts or len(found) < parts or any(message.parts != parts for message in found):
        return None
    return b"".join(message.payload for message in found)


def _row(index: int, share: bytes | None) -> bytes:
    return index.to_bytes(8, "big") + (b"\0" if share is None else b"\1" + share)


def _rows(reader: Reader) -> Iterator[tuple[int, bytes | None]]:
    seen = set()
    while not reader.at_end:
        index, marker = int.from_bytes(reader.take(8), "big"), reader.byte()
        if marker > 1 or index in seen:
            raise Malformed("the list of shares has a row that means nothing")
        seen.add(index)
        yield index, reader.take(SHARE_BYTES) if marker else None


def _check_size(data: bytes) -> None:
    if len(data) > MAX_MESSAGE_BYTES:
        raise Malformed(f"a message between trustees has at most {MAX_MESSAGE_BYTES} bytes, and this one {len(data)}")
