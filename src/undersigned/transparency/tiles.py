"""Tiles: a tree and its entries as files that never change (C2SP tlog-tiles)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from undersigned.errors import Malformed
from undersigned.transparency.encoding import MAX_DECIMAL, read_decimal
from undersigned.transparency.merkle import Tree

FULL_WIDTH = 256
MAX_LEVEL = 63
MAX_ENTRY_BYTES = 0xFFFF

_INDEX = r"(?:x[0-9]{3}/){0,6}[0-9]{3}"
_PATH = re.compile(rf"tile/(?P<level>entries|[0-9]{{1,2}})/(?P<index>{_INDEX})(?:\.p/(?P<width>[0-9]+))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class TileId:
    """Tile number `index` of a level (0 to 63): `width` hashes, 256 or fewer on the right edge."""

    level: int
    index: int
    width: int = FULL_WIDTH

    def __post_init__(self) -> None:
        if not 0 <= self.level <= MAX_LEVEL:
            raise Malformed(f"the level of a tile is between 0 and {MAX_LEVEL}")
        _check_index_and_width(self.index, self.width)

    @property
    def path(self) -> str:
        """Where the tile lies under the log's prefix."""
        return tile_path(self.level, self.index, self.width)


@dataclass(frozen=True, slots=True, kw_only=True)
class EntriesId:
    """Bundle number `index` of entries: `width` of them, 256 or fewer on the right edge."""

    index: int
    width: int = FULL_WIDTH

    def __post_init__(self) -> None:
        _check_index_and_width(self.index, self.width)

    @property
    def path(self) -> str:
        """Where the bundle lies under the log's prefix."""
        return entries_path(self.index, self.width)


def _check_index_and_width(index: int, width: int) -> None:
    if not 0 <= index <= MAX_DECIMAL:
        raise Malformed("the index of a tile is not negative and below 2^63")
    if not 1 <= width <= FULL_WIDTH:
        raise Malformed(f"a tile is from 1 to {FULL_WIDTH} wide")


def tile_path(level: int, index: int, width: int = FULL_WIDTH) -> str:
    """Write the path of a tile: `tile/0/x001/x234/067`, or with `.p/<width>` when it is partial."""
    return f"tile/{level}/{_index_and_width(index, width)}"


def entries_path(index: int, width: int = FULL_WIDTH) -> str:
    """Write the path of a bundle of entries: `tile/entries/x001/x234/067`, or with `.p/<width>` when it is partial."""
    return f"tile/entries/{_index_and_width(index, width)}"


def _index_and_width(index: int, width: int) -> str:
    digits = str(index)
    digits = digits.zfill(len(digits) + -len(digits) % 3)
    *upper, last = (digits[at : at + 3] for at in range(0, len(digits), 3))
    path = "".join(f"x{group}/" for group in upper) + last
    return path if width == FULL_WIDTH else f"{path}.p/{width}"


def parse_tile_path(path: str) -> TileId | EntriesId:
    """Read the path of a tile or of a bundle of entries in its one spelling, or raise Malformed."""
    match = _PATH.fullmatch(path)
    if match is None:
        raise Malformed("this is not the path of a tile")
    index = int(re.sub("[x/]", "", match["index"]))
    width = FULL_WIDTH if match["width"] is None else read_decimal(match["width"], what="the width of the tile")
    tile = (
        EntriesId(index=index, width=width)
        if match["level"] == "entries"
        else TileId(level=read_decimal(match["level"], what="the level of the tile"), index=index, width=width)
    )
    if tile.path != path:
        raise Malformed("the path of the tile is not in its shortest form")
    return tile


def layout(size: int) -> list[TileId]:
    """List every tile of hashes of a tree of `size` leaves, from the lowest level, each once and as wide as it is."""
    tiles, level, hashes = [], 0, size
    while hashes > 0:
        tiles += [TileId(level=level, index=index, width=width) for index, width in _row(hashes)]
        level, hashes = level + 1, hashes >> 8
    return tiles


def entries_layout(size: int) -> list[EntriesId]:
    """List every bundle of entries of a log of `size` entries, each once and as wide as it is."""
    return [EntriesId(index=index, width=width) for index, width in _row(size)]


def _row(hashes: int) -> list[tuple[int, int]]:
    full, partial = divmod(hashes, FULL_WIDTH)
    return [(index, FULL_WIDTH) for index in range(full)] + ([(full, partial)] if partial else [])


def tile_bytes(tree: Tree, tile: TileId) -> bytes:
    """Return the bytes of a tile, 32 for each hash, or raise Unavailable when the tree is not that large yet."""
    return tree.nodes(8 * tile.level, tile.index * FULL_WIDTH, tile.width)


def encode_entries(entries: Iterable[bytes]) -> bytes:
    """Write a bundle: each entry, at most 65,535 bytes, after its length as a big-endian uint16."""
    bundle = bytearray()
    for entry in entries:
        if len(entry) > MAX_ENTRY_BYTES:
            raise Malformed(f"an entry of a log has at most {MAX_ENTRY_BYTES:,} bytes")
        bundle += len(entry).to_bytes(2, "big")
        bundle += entry
    return bytes(bundle)


def decode_entries(data: bytes, width: int) -> list[bytes]:
    """Read a bundle of exactly `width` entries, or raise Malformed."""
    entries: list[bytes] = []
    at = 0
    while at < len(data) and len(entries) < width:
        start = at + 2
        at = start + int.from_bytes(data[at:start], "big")
        entries.append(data[start:at])
    if at != len(data) or len(entries) != width:
        raise Malformed("the bundle does not hold exactly the entries it should")
    return entries
