"""Tiles and bundles of entries: paths, layouts and bytes."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from undersigned.errors import Malformed, Unavailable
from undersigned.transparency.merkle import Tree, leaf_hash, root_hash
from undersigned.transparency.tiles import (
    EntriesId,
    TileId,
    decode_entries,
    encode_entries,
    entries_layout,
    entries_path,
    layout,
    parse_tile_path,
    tile_bytes,
    tile_path,
)

LEAVES = [leaf_hash(b"entry %d" % index) for index in range(1100)]
TREE = Tree(LEAVES)

indexes = st.integers(0, 2**63 - 1) | st.integers(0, 2_000_000)
tiles = st.builds(TileId, level=st.integers(0, 63), index=indexes, width=st.integers(1, 256))
bundles = st.builds(EntriesId, index=indexes, width=st.integers(1, 256))


@pytest.mark.parametrize(
    ("level", "index", "width", "path"),
    [
        (0, 0, 256, "tile/0/000"),
        (0, 0, 1, "tile/0/000.p/1"),
        (0, 999, 256, "tile/0/999"),
        (0, 1000, 256, "tile/0/x001/000"),
        (1, 1_234, 256, "tile/1/x001/234"),
        (0, 1_234_067, 255, "tile/0/x001/x234/067.p/255"),
        (63, 2**63 - 1, 256, "tile/63/x009/x223/x372/x036/x854/x775/807"),
    ],
)
def test_a_tile_lies_where_the_standard_says(level, index, width, path):
    assert tile_path(level, index, width) == path
    assert parse_tile_path(path) == TileId(level=level, index=index, width=width)
    bundle = path.replace(f"tile/{level}/", "tile/entries/")
    assert entries_path(index, width) == bundle
    assert parse_tile_path(bundle) == EntriesId(index=index, width=width)


@given(tiles | bundles)
def test_every_tile_is_found_again_by_its_path(tile):
    assert parse_tile_path(tile.path) == tile


@given(tiles | bundles, st.data())
def test_a_path_with_one_character_changed_is_refused_or_another_tile(tile, data):
    at = data.draw(st.integers(0, len(tile.path) - 1))
    changed = tile.path[:at] + data.draw(st.characters(max_codepoint=0x7F)) + tile.path[at + 1 :]
    try:
        other = parse_tile_path(changed)
    except Malformed:
        return
    assert other.path == changed
    assert (other == tile) == (changed == tile.path)


@given(st.text())
@example("tile/0/x001/x234/067.p/255")
def test_any_text_is_malformed_or_a_path_that_is_written_the_same(text):
    try:
        tile = parse_tile_path(text)
    except Malformed:
        return
    assert tile.path == text


@pytest.mark.parametrize(
    "make",
    [
        lambda: TileId(level=64, index=0),
        lambda: TileId(level=-1, index=0),
        lambda: TileId(level=0, index=-1),
        lambda: TileId(level=0, index=0, width=0),
        lambda: TileId(level=0, index=0, width=257),
        lambda: EntriesId(index=2**63),
    ],
)
def test_a_tile_that_no_log_can_have_cannot_be_made(make):
    with pytest.raises(Malformed):
        make()


def test_the_example_of_the_standard_is_laid_out_as_it_says():
    tiles = layout(70_000)
    by_level = {level: [tile for tile in tiles if tile.level == level] for level in range(4)}
    assert [tile.width for tile in by_level[0]] == [256] * 273 + [112]
    assert [tile.width for tile in by_level[1]] == [256, 17]
    assert [tile.width for tile in by_level[2]] == [1]
    assert by_level[3] == []
    assert [tile.path for tile in layout(256)] == ["tile/0/000", "tile/1/000.p/1"]
    assert layout(0) == entries_layout(0) == []
    assert [bundle.path for bundle in entries_layout(300)] == ["tile/entries/000", "tile/entries/001.p/44"]


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 511, 512, 513, 1024, 1100])
def test_a_tree_is_rebuilt_from_its_tiles(size):
    tree = Tree(LEAVES[:size])
    by_tile = {tile: tile_bytes(tree, tile) for tile in layout(size)}
    assert all(len(data) == 32 * tile.width for tile, data in by_tile.items())
    rows = {}
    for tile, data in by_tile.items():
        rows.setdefault(tile.level, []).extend(data[at : at + 32] for at in range(0, len(data), 32))
    assert rows[0] == LEAVES[:size]
    for level in range(1, len(rows)):
        below = rows[level - 1]
        assert rows[level] == [root_hash(below[at : at + 256]) for at in range(0, len(below) // 256 * 256, 256)]
    assert Tree(rows[0]).root() == TREE.root(size)


@given(st.integers(1, 1100))
def test_partial_tiles_of_an_earlier_size_are_the_beginnings_of_later_ones(size):
    early = Tree(LEAVES[:size])
    for tile in layout(size):
        assert tile_bytes(early, tile) == tile_bytes(TREE, tile)


def test_a_tile_that_the_tree_has_not_reached_is_unavailable():
    tree = Tree(LEAVES[:300])
    for level, index, width in ((0, 1, 45), (0, 2, 1), (1, 0, 2), (2, 0, 1)):
        with pytest.raises(Unavailable):
            tile_bytes(tree, TileId(level=level, index=index, width=width))


@given(st.lists(st.binary(max_size=40), max_size=8))
def test_entries_written_and_read_are_the_same_entries(entries):
    assert decode_entries(encode_entries(entries), len(entries)) == entries


@given(st.binary(max_size=30), st.integers(0, 8))
def test_any_bundle_is_malformed_or_written_as_the_same_bytes(data, width):
    try:
        entries = decode_entries(data, width)
    except Malformed:
        return
    assert len(entries) == width
    assert encode_entries(entries) == data


def test_the_longest_entry_fits_and_one_byte_more_does_not():
    longest = bytes(65_535)
    assert decode_entries(encode_entries([longest]), 1) == [longest]
    with pytest.raises(Malformed):
        encode_entries([longest + b"\0"])
