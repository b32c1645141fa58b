"""A small log written by other software: every checkpoint, tile and entry of it must be what ours would be."""

import json
from itertools import combinations
from pathlib import Path

import pytest

from undersigned.transparency.checkpoint import open_checkpoint
from undersigned.transparency.merkle import Tree, leaf_hash, verify_consistency, verify_inclusion
from undersigned.transparency.note import parse_vkey
from undersigned.transparency.tiles import (
    EntriesId,
    TileId,
    decode_entries,
    encode_entries,
    parse_tile_path,
    tile_bytes,
)

LOG = Path(__file__).parents[2] / "vectors" / "tlog" / "tessera-testdata-log"
KEYS = json.loads((LOG / "KEYS.json").read_text())
ENTRIES = [entry.encode() for entry in KEYS["leaves"]]
TREE = Tree(leaf_hash(entry) for entry in ENTRIES)
TILES = sorted(file.relative_to(LOG).as_posix() for file in (LOG / "tile").rglob("*") if file.is_file())
SIZES = range(16)


@pytest.mark.parametrize("size", SIZES)
def test_every_checkpoint_verifies_and_has_the_root_of_the_entries(size):
    data = (LOG / f"checkpoint.{size}").read_bytes()
    checkpoint, note = open_checkpoint(data, parse_vkey(KEYS["vkey"]))
    assert (checkpoint.origin, checkpoint.size, checkpoint.root_hash) == (KEYS["origin"], size, TREE.root(size))
    assert note.encode() == data


def test_the_latest_checkpoint_is_that_of_the_whole_log():
    assert (LOG / "checkpoint").read_bytes() == (LOG / "checkpoint.15").read_bytes()


@pytest.mark.parametrize("path", TILES)
def test_every_tile_and_bundle_has_the_bytes_that_ours_would_have(path):
    data = (LOG / path).read_bytes()
    match parse_tile_path(path):
        case TileId() as tile:
            assert tile_bytes(TREE, tile) == data
        case EntriesId(index=0, width=width):
            assert decode_entries(data, width) == ENTRIES[:width]
            assert encode_entries(ENTRIES[:width]) == data


def test_all_its_tiles_are_here():
    assert len(TILES) == 30


def test_every_two_checkpoints_are_joined_by_a_proof_and_every_entry_is_under_each_root():
    for first, second in combinations(SIZES[1:], 2):
        proof = TREE.consistency_proof(first, second)
        first_root, second_root = TREE.root(first), TREE.root(second)
        verify_consistency(
            first_size=first, second_size=second, first_root=first_root, second_root=second_root, proof=proof
        )
    for size in SIZES:
        for index in range(size):
            proof = TREE.inclusion_proof(index, size)
            verify_inclusion(
                leaf_hash=leaf_hash(ENTRIES[index]), index=index, size=size, proof=proof, root=TREE.root(size)
            )
