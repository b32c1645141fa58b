"""Proofs that travel alone, verified without a connection."""

import dataclasses
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from undersigned.crypto import ed25519
from undersigned.errors import Malformed, VerificationError
from undersigned.transparency.checkpoint import Checkpoint, sign_checkpoint
from undersigned.transparency.cosignature import cosign
from undersigned.transparency.merkle import Tree, leaf_hash
from undersigned.transparency.note import Note, cosignature_vkey, ed25519_vkey
from undersigned.transparency.policy import Group, Policy, Witness
from undersigned.transparency.proof import TlogProof, parse_proof, verify_proof

MALFORMED = json.loads((Path(__file__).parents[2] / "vectors/tlog/notes/tlog-proof-malformed.json").read_text())
SEED = bytes([1]) * 32
VKEY = ed25519_vkey("letters.example/l/staff", ed25519.public_key(SEED))
WITNESS_SEEDS = {name: bytes([number]) * 32 for number, name in enumerate(("north", "south", "west"), start=2)}
WITNESSES = {
    name: Witness(name=name, vkey=cosignature_vkey(f"{name}.example", ed25519.public_key(seed)))
    for name, seed in WITNESS_SEEDS.items()
}
ALL = Policy(witnesses=WITNESSES, groups=(Group(name="all", k=3, members=tuple(WITNESSES)),), quorum="all")
LEAVES = [leaf_hash(b"entry %d" % index) for index in range(11)]
TREE = Tree(LEAVES)


def proof_of(index: int, *, witnesses: tuple[str, ...] = ("north", "south", "west")) -> TlogProof:
    note = sign_checkpoint(Checkpoint(origin=VKEY.name, size=TREE.size, root_hash=TREE.root()), seed=SEED)
    cosignatures = (
        cosign(note.text, name=f"{name}.example", seed=WITNESS_SEEDS[name], timestamp=1_760_000_000)
        for name in witnesses
    )
    cosigned = Note(text=note.text, signatures=(*note.signatures, *cosignatures))
    return TlogProof(index=index, hashes=tuple(TREE.inclusion_proof(index, TREE.size)), checkpoint=cosigned.encode())


PROOF = proof_of(3)


@pytest.mark.parametrize("case", MALFORMED, ids=lambda case: case["name"])
def test_proofs_that_others_refuse_are_refused_for_their_one_fault(case):
    good = f"c2sp.org/tlog-proof@v1\nindex 0\n\n{PROOF.checkpoint.decode()}"
    assert parse_proof(good.encode()).index == 0
    text = case["text"].removesuffix("checkpoint\n") + PROOF.checkpoint.decode()
    for data in (case["text"].encode(), text.encode()):
        with pytest.raises(Malformed):
            parse_proof(data)


@pytest.mark.parametrize("index", range(11))
def test_a_proof_shows_its_entry_in_the_witnessed_log(index):
    proof = parse_proof(proof_of(index).encode())
    assert proof == proof_of(index)
    checkpoint = verify_proof(proof, leaf_hash=LEAVES[index], vkey=VKEY, policy=ALL)
    assert (checkpoint.size, checkpoint.root_hash) == (11, TREE.root())


@given(
    st.integers(0, 2**63 - 1),
    st.lists(st.binary(min_size=32, max_size=32), max_size=63).map(tuple),
    st.none() | st.binary(min_size=1),
)
def test_a_proof_written_and_read_is_the_same_proof(index, hashes, extra):
    proof = TlogProof(index=index, hashes=hashes, checkpoint=PROOF.checkpoint, extra=extra)
    assert parse_proof(proof.encode()) == proof


def test_a_proof_with_any_one_byte_changed_is_refused():
    data = PROOF.encode()
    for at in range(len(data)):
        for mask in (0x01, 0x20):
            changed = data[:at] + bytes([data[at] ^ mask]) + data[at + 1 :]
            with pytest.raises((Malformed, VerificationError)):
                verify_proof(parse_proof(changed), leaf_hash=LEAVES[3], vkey=VKEY, policy=ALL)


@given(st.data())
def test_a_proof_with_a_byte_inserted_or_removed_is_refused(data):
    good = PROOF.encode()
    at = data.draw(st.integers(0, len(good)))
    inserted = bytes([data.draw(st.integers(0, 255))])
    for changed in (good[:at] + inserted + good[at:], good[:at] + good[at + 1 :]):
        if changed != good:
            with pytest.raises((Malformed, VerificationError)):
                verify_proof(parse_proof(changed), leaf_hash=LEAVES[3], vkey=VKEY, policy=ALL)


def test_a_proof_of_another_entry_or_another_log_is_refused():
    with pytest.raises(VerificationError):
        verify_proof(PROOF, leaf_hash=LEAVES[4], vkey=VKEY)
    with pytest.raises(VerificationError):
        verify_proof(dataclasses.replace(PROOF, index=4), leaf_hash=LEAVES[4], vkey=VKEY)
    with pytest.raises(VerificationError):
        verify_proof(PROOF, leaf_hash=LEAVES[3], vkey=ed25519_vkey("letters.example/l/other", VKEY.key))


def test_a_proof_without_enough_witnesses_passes_only_where_no_policy_asks_for_them():
    proof = proof_of(3, witnesses=("north", "west"))
    verify_proof(proof, leaf_hash=LEAVES[3], vkey=VKEY)
    verify_proof(proof, leaf_hash=LEAVES[3], vkey=VKEY, policy=Policy(witnesses=WITNESSES, quorum="none"))
    with pytest.raises(VerificationError):
        verify_proof(proof, leaf_hash=LEAVES[3], vkey=VKEY, policy=ALL)


@pytest.mark.parametrize(
    "change",
    [
        {"index": -1},
        {"index": 2**63},
        {"hashes": (bytes(31),)},
        {"hashes": (bytes(32),) * 64},
        {"extra": b""},
        {"checkpoint": b"checkpoint\n"},
    ],
)
def test_a_half_valid_proof_cannot_be_made(change):
    with pytest.raises(Malformed):
        dataclasses.replace(PROOF, **change)


def test_a_proof_of_more_than_two_mebibytes_is_neither_read_nor_written():
    with pytest.raises(Malformed):
        dataclasses.replace(PROOF, extra=bytes(2 << 20)).encode()
    with pytest.raises(Malformed):
        parse_proof(bytes((2 << 20) + 1))
