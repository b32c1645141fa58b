"""The list behind an opening or an abort: who is to be named, who was dropped and why, who left. spec/opening.md."""

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from undersigned.errors import Malformed
from undersigned.protocol.encoding import from_jcs, sha256, to_jcs
from undersigned.protocol.entry import Part, Uint, Withdrawal

MAX_LIST_BYTES = 64 * 1024 * 1024

Reason: TypeAlias = Literal["missing", "envelope", "shares", "box", "identity"]


class Dropped(Part, frozen=True, kw_only=True):
    """A member of the frozen set whose envelope cannot be opened, by reason:

    missing: no blob, as a `missing` entry says; envelope: its bytes; shares: fewer than k fit, or the sharing is
    inconsistent; box: keys or plaintext; identity: card or certificates.
    """

    index: Uint
    reason: Reason


class OpeningList(Part, frozen=True, kw_only=True):
    """Indexes ascending, dropped by index, withdrawals taken outside the log by key."""

    indexes: Annotated[list[Uint], Meta(max_length=10_000_000)]
    dropped: list[Dropped]
    left: list[Withdrawal]


_DECODER = msgspec.json.Decoder(OpeningList)


def read_opening_list(data: bytes) -> OpeningList:
    """Read a list strictly: sorted, distinct, and nobody in it twice; Malformed."""
    if len(data) > MAX_LIST_BYTES:
        raise Malformed(f"an opening list has at most {MAX_LIST_BYTES} bytes, and this one has {len(data)}")
    listed = from_jcs(_DECODER, data, what="an opening list")
    dropped = [item.index for item in listed.dropped]
    keys = [item.key for item in listed.left]
    if any(column != sorted(set(column)) for column in (listed.indexes, dropped)) or keys != sorted(set(keys)):
        raise Malformed("this is not an opening list: its rows must be ascending and distinct")
    if set(listed.indexes) & set(dropped):
        raise Malformed("this is not an opening list: it both names and drops one signature")
    return listed


def encode_opening_list(listed: OpeningList) -> bytes:
    """Its JCS bytes."""
    return to_jcs(listed)


def opening_list_hash(data: bytes) -> bytes:
    """`list_hash` of an opening or abort, 32 bytes."""
    return sha256(b"undersigned/v1/opening-list\0", data)
