"""Signed notes and verifier keys."""

import dataclasses
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from undersigned.crypto import ed25519
from undersigned.errors import Malformed, VerificationError
from undersigned.transparency.note import (
    Note,
    NoteSignature,
    cosignature_vkey,
    ed25519_vkey,
    find_signature,
    parse_note,
    parse_vkey,
    sign_note,
    verify_note,
)

VECTORS = json.loads((Path(__file__).parents[2] / "vectors/tlog/notes/signed-notes.json").read_text())
VERIFIABLE = [case for case in VECTORS if "vkey" in case]
SIGNABLE = [case for case in VERIFIABLE if "private_seed_hex" in case]
SEED, OTHER_SEED = bytes([1]) * 32, bytes([2]) * 32
NAME = "letters.example/l/staff"
VKEY = ed25519_vkey(NAME, ed25519.public_key(SEED))
TEXT = "Ognuno sta solo\n\nsul cuor della terra — è subito sera.\n"
SIGNED = Note(text=TEXT, signatures=(sign_note(TEXT, name=NAME, seed=SEED),))

key_names = st.text(
    st.characters(exclude_categories=("Cc", "Cs", "Z"), exclude_characters="+"), min_size=1, max_size=12
)
texts = st.text(st.characters(exclude_categories=("Cc", "Cs"), include_characters="\n")).map(lambda text: text + "\n")
signatures = st.builds(
    NoteSignature,
    name=key_names,
    key_id=st.binary(min_size=4, max_size=4),
    sig=st.binary(min_size=1, max_size=80),
)
notes = st.builds(Note, text=texts, signatures=st.lists(signatures, min_size=1, max_size=4).map(tuple))


@pytest.mark.parametrize("case", VERIFIABLE, ids=lambda case: case["id"])
def test_published_notes_verify_under_their_published_keys(case):
    vkey = parse_vkey(case["vkey"])
    note = parse_note(case["note"].encode())
    verify_note(note, vkey)
    assert note.encode() == case["note"].encode()
    assert vkey.encode() == case["vkey"]


@pytest.mark.parametrize("case", SIGNABLE, ids=lambda case: case["id"])
def test_signing_a_published_note_gives_the_published_signature(case):
    note, vkey = parse_note(case["note"].encode()), parse_vkey(case["vkey"])
    assert sign_note(note.text, name=vkey.name, seed=bytes.fromhex(case["private_seed_hex"])) == note.signatures[0]


@given(notes)
def test_a_note_written_and_read_is_the_same_note(note):
    assert parse_note(note.encode()) == note


@given(st.binary(max_size=200))
def test_any_bytes_are_malformed_or_a_note_that_is_written_as_the_same_bytes(data):
    data = data + b"\n\n\xe2\x80\x94 a AAAAAAA=\n"
    try:
        note = parse_note(data)
    except Malformed:
        return
    assert note.encode() == data


def test_a_note_with_any_one_byte_changed_is_refused():
    data = SIGNED.encode()
    for at in range(len(data)):
        for mask in (0x01, 0x20, 0x80):
            changed = data[:at] + bytes([data[at] ^ mask]) + data[at + 1 :]
            with pytest.raises((Malformed, VerificationError)):
                verify_note(parse_note(changed), VKEY)


@given(st.data())
def test_a_note_with_a_byte_inserted_or_removed_is_refused(data):
    good = SIGNED.encode()
    at = data.draw(st.integers(0, len(good) - 1))
    inserted = bytes([data.draw(st.integers(0, 255))])
    for changed in (good[:at] + good[at + 1 :], good[:at] + inserted + good[at:]):
        with pytest.raises((Malformed, VerificationError)):
            verify_note(parse_note(changed), VKEY)


def test_signatures_of_unknown_keys_are_ignored_even_with_the_same_name_or_the_same_id():
    known = SIGNED.signatures[0]
    strangers = (
        sign_note(TEXT, name=NAME, seed=OTHER_SEED),
        NoteSignature(name=NAME, key_id=b"mine", sig=known.sig),
        NoteSignature(name="elsewhere.example", key_id=known.key_id, sig=bytes(64)),
        NoteSignature(name="quantum.example", key_id=b"4444", sig=bytes(2428)),
    )
    verify_note(Note(text=TEXT, signatures=(*strangers, known)), VKEY)
    with pytest.raises(VerificationError):
        verify_note(Note(text=TEXT, signatures=strangers), VKEY)


def test_a_signature_under_a_known_name_and_key_id_must_verify():
    known = SIGNED.signatures[0]
    for sig in (bytes(64), known.sig[:-1], known.sig + b"\0", known.sig[:-1] + bytes([known.sig[-1] ^ 1])):
        broken = Note(text=TEXT, signatures=(dataclasses.replace(known, sig=sig),))
        with pytest.raises(VerificationError):
            verify_note(broken, VKEY)


def test_two_signatures_by_one_known_key_are_refused():
    with pytest.raises(VerificationError):
        verify_note(dataclasses.replace(SIGNED, signatures=SIGNED.signatures * 2), VKEY)


def test_a_witness_key_does_not_verify_the_signature_of_a_log():
    witness = cosignature_vkey(NAME, ed25519.public_key(SEED))
    sig = SIGNED.signatures[0].sig
    note = Note(text=TEXT, signatures=(NoteSignature(name=NAME, key_id=witness.key_id, sig=sig),))
    assert find_signature(note, witness)
    with pytest.raises(VerificationError):
        verify_note(note, witness)


def test_a_note_carries_one_hundred_signatures_and_no_more():
    full = dataclasses.replace(SIGNED, signatures=SIGNED.signatures * 100)
    assert parse_note(full.encode()) == full
    for many in (0, 101):
        with pytest.raises(Malformed):
            Note(text=TEXT, signatures=SIGNED.signatures * many)


def test_a_note_of_more_than_one_mebibyte_is_neither_read_nor_written():
    long = Note(text="x" * (1 << 20) + "\n", signatures=SIGNED.signatures)
    with pytest.raises(Malformed):
        long.encode()
    with pytest.raises(Malformed):
        parse_note(long.text.encode() + b"\n" + SIGNED.encode().rpartition(b"\n\n")[2])


@pytest.mark.parametrize("text", ["", "no newline", "tab\t\n", "return\r\n", "lone surrogate \ud800\n"])
def test_a_text_that_no_note_can_carry_is_not_signed(text):
    with pytest.raises(Malformed):
        sign_note(text, name=NAME, seed=SEED)
    with pytest.raises(Malformed):
        Note(text=text, signatures=SIGNED.signatures)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u00a0b", "a\u2028b", "a\nb", " a", "a\x00", "\ud800"])
def test_a_key_name_without_spaces_and_plus_signs_is_required(name):
    with pytest.raises(Malformed):
        ed25519_vkey(name, VKEY.key)
    with pytest.raises(Malformed):
        NoteSignature(name=name, key_id=b"abcd", sig=b"x")
