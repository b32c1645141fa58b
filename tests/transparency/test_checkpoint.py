"""Checkpoints, and the cosignatures of witnesses on them."""

import dataclasses
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from undersigned.crypto import ed25519
from undersigned.errors import Malformed, VerificationError
from undersigned.transparency.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint, sign_checkpoint
from undersigned.transparency.cosignature import cosign, cosigned_message, verify_cosignature
from undersigned.transparency.merkle import EMPTY_ROOT
from undersigned.transparency.note import (
    Note,
    NoteSignature,
    cosignature_vkey,
    ed25519_vkey,
    parse_note,
    parse_vkey,
    sign_note,
    verify_note,
)

NOTES = Path(__file__).parents[2] / "vectors" / "tlog" / "notes"
COSIGNED = next(
    case
    for case in json.loads((NOTES / "signed-notes.json").read_text())
    if case["id"] == "c2sp-cosignature-v1-message"
)
WITNESS_EXCHANGES = [
    pytest.param(file["log_vkey"], exchange["request_body"], id=f"{kind}-{number}")
    for kind in ("sigsum", "sumdb")
    for file in [json.loads((NOTES / f"witness-add-checkpoint-{kind}.json").read_text())]
    for number, exchange in enumerate(file["exchanges_in_order"])
]
# One signature there was broken in its last character, where it leaves bits that mean nothing.
NOT_CANONICAL = "6gx=\n"
SEED, WITNESS_SEED = bytes([1]) * 32, bytes([2]) * 32
VKEY = ed25519_vkey("letters.example/l/staff", ed25519.public_key(SEED))
WITNESS = cosignature_vkey("north.example/w1", ed25519.public_key(WITNESS_SEED))
CHECKPOINT = Checkpoint(origin=VKEY.name, size=11, root_hash=bytes(range(32)))
NOW = 1_760_000_000

origins = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1)
checkpoints = st.builds(
    Checkpoint,
    origin=origins,
    size=st.integers(1, 2**63 - 1),
    root_hash=st.binary(min_size=32, max_size=32),
    extensions=st.lists(origins, max_size=2).map(tuple),
)


def cosigned(timestamp: int = NOW) -> Note:
    note = sign_checkpoint(CHECKPOINT, seed=SEED)
    by_witness = cosign(note.text, name=WITNESS.name, seed=WITNESS_SEED, timestamp=timestamp)
    return Note(text=note.text, signatures=(*note.signatures, by_witness))


@given(checkpoints)
def test_a_checkpoint_written_and_read_is_the_same_checkpoint(checkpoint):
    assert parse_checkpoint(checkpoint.encode(), extensions=True) == checkpoint


def test_extension_lines_are_refused_unless_they_are_asked_for():
    text = CHECKPOINT.encode() + "one\ntwo\n"
    with pytest.raises(Malformed):
        parse_checkpoint(text)
    assert parse_checkpoint(text, extensions=True) == dataclasses.replace(CHECKPOINT, extensions=("one", "two"))
    with pytest.raises(Malformed):
        parse_checkpoint(text + "\n", extensions=True)


def test_a_signed_checkpoint_is_opened_with_the_key_of_its_log():
    note = sign_checkpoint(CHECKPOINT, seed=SEED)
    assert open_checkpoint(note.encode(), VKEY) == (CHECKPOINT, note)


def test_a_checkpoint_of_another_log_or_signed_by_another_key_is_refused():
    other = ed25519_vkey(VKEY.name, ed25519.public_key(WITNESS_SEED))
    with pytest.raises(VerificationError):
        open_checkpoint(sign_checkpoint(CHECKPOINT, seed=SEED).encode(), other)
    elsewhere = dataclasses.replace(CHECKPOINT, origin="letters.example/l/other").encode()
    note = Note(text=elsewhere, signatures=(sign_note(elsewhere, name=VKEY.name, seed=SEED),))
    verify_note(note, VKEY)
    with pytest.raises(VerificationError):
        open_checkpoint(note.encode(), VKEY)


@pytest.mark.parametrize(
    "change",
    [
        {"origin": ""},
        {"origin": "two\nlines"},
        {"size": -1},
        {"size": 2**63},
        {"size": 0},
        {"root_hash": bytes(31)},
        {"extensions": ("",)},
    ],
)
def test_a_half_valid_checkpoint_cannot_be_made(change):
    with pytest.raises(Malformed):
        dataclasses.replace(CHECKPOINT, **change)


def test_an_empty_log_has_the_root_of_the_empty_tree():
    empty = Checkpoint(origin="a", size=0, root_hash=EMPTY_ROOT)
    assert parse_checkpoint(empty.encode()) == empty


def test_the_published_cosignature_is_over_exactly_the_published_bytes():
    note = parse_note(COSIGNED["note"].encode())
    timestamp = int.from_bytes(note.signatures[1].sig[:8], "big")
    assert timestamp == COSIGNED["timestamp"]
    assert cosigned_message(note.text, timestamp=timestamp) == COSIGNED["signed_message"].encode()
    assert len(note.signatures[1].sig) == 72
    assert note.encode() == COSIGNED["note"].encode()
    assert parse_checkpoint(note.text).size == 20852163


@pytest.mark.parametrize(("vkey", "body"), WITNESS_EXCHANGES)
def test_checkpoints_that_other_witnesses_are_tested_with_are_read(vkey, body):
    data = body.partition("\n\n")[2].encode()
    if body.endswith(NOT_CANONICAL):
        with pytest.raises(Malformed):
            parse_note(data)
        return
    note = parse_note(data)
    checkpoint = parse_checkpoint(note.text, extensions=True)
    assert note.encode() == data
    assert checkpoint.encode() == note.text
    assert parse_vkey(vkey).encode() == vkey


def test_a_cosignature_says_when_it_was_made():
    assert verify_cosignature(parse_note(cosigned().encode()), WITNESS) == NOW


def test_a_cosigned_checkpoint_with_a_changed_byte_in_text_or_time_is_refused():
    note = cosigned()
    log, witness = note.signatures
    for at in range(len(witness.sig)):
        for mask in (0x01, 0x80):
            sig = witness.sig[:at] + bytes([witness.sig[at] ^ mask]) + witness.sig[at + 1 :]
            with pytest.raises(VerificationError):
                verify_cosignature(
                    Note(text=note.text, signatures=(log, dataclasses.replace(witness, sig=sig))), WITNESS
                )
    with pytest.raises(VerificationError):
        verify_cosignature(Note(text=note.text.replace("\n11\n", "\n12\n"), signatures=note.signatures), WITNESS)


def test_a_missing_double_or_cut_cosignature_is_refused():
    note = cosigned()
    log, witness = note.signatures
    again = cosign(note.text, name=WITNESS.name, seed=WITNESS_SEED, timestamp=NOW + 1)
    cut = dataclasses.replace(witness, sig=witness.sig[:7])
    for signatures in ((log,), (witness, again), (witness, witness), (log, cut)):
        with pytest.raises(VerificationError):
            verify_cosignature(Note(text=note.text, signatures=signatures), WITNESS)


@pytest.mark.parametrize("timestamp", [0, 2**63])
def test_a_cosignature_without_a_possible_time_is_neither_made_nor_believed(timestamp):
    text = CHECKPOINT.encode()
    with pytest.raises(Malformed):
        cosign(text, name=WITNESS.name, seed=WITNESS_SEED, timestamp=timestamp)
    sig = timestamp.to_bytes(8, "big") + ed25519.sign(WITNESS_SEED, cosigned_message(text, timestamp=timestamp))
    line = NoteSignature(name=WITNESS.name, key_id=WITNESS.key_id, sig=sig)
    with pytest.raises(VerificationError):
        verify_cosignature(Note(text=text, signatures=(line,)), WITNESS)


def test_a_plain_signature_by_a_witness_key_is_no_cosignature():
    text = CHECKPOINT.encode()
    plain = ed25519_vkey(WITNESS.name, WITNESS.key)
    note = Note(text=text, signatures=(sign_note(text, name=plain.name, seed=WITNESS_SEED),))
    with pytest.raises(VerificationError):
        verify_cosignature(note, plain)
    with pytest.raises(VerificationError):
        verify_cosignature(note, WITNESS)


def test_only_checkpoints_are_cosigned():
    with pytest.raises(Malformed):
        cosign("any text\n", name=WITNESS.name, seed=WITNESS_SEED, timestamp=NOW)
