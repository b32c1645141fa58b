"""What trustees' messages hold: shares sealed to one recipient, and lists cut into pieces. spec/exchange.md."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from undersigned.crypto import hpke
from undersigned.errors import Malformed
from undersigned.protocol.encoding import Reader
from undersigned.protocol.exchange import Message
from undersigned.protocol.letter import Letter
from undersigned.protocol.sealing import SHARE_BYTES
from undersigned.protocol.state import Frozen
from undersigned.transparency.merkle import Tree, leaf_hash

PART_SHARES = 3_000
PART_BYTES = 180_000

Shares: TypeAlias = dict[int, bytes | None]
T = TypeVar("T")


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
