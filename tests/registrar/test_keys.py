"""The registrar's key files, what they seal, and the codes people type."""

import hmac
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from undersigned.errors import Malformed, Unavailable
from undersigned.protocol.token import read_issuer_key
from undersigned.registrar import keys
from undersigned.registrar.codes import ALPHABET, in_groups, read_code, write_code
from undersigned.registrar.tags import InnerKey, OuterKey

RNG = random.Random(5)


def test_each_class_gets_an_issuer_key_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    keys.create(tmp_path / "letter", class_ids=[1, 2], randbytes=RNG.randbytes)
    first, second = (keys.read_issuer(tmp_path / "letter", class_id).public.spki() for class_id in (1, 2))
    assert first != second
    assert read_issuer_key(first).bits == read_issuer_key(second).bits == 2048
    assert len({keys.read(tmp_path / "letter", name) for name in ("k1", "k2", "column")}) == 3


def test_a_key_that_was_destroyed_is_not_there_and_destroying_twice_is_fine(tmp_path: Path) -> None:
    keys.create(tmp_path / "letter", class_ids=[1], randbytes=RNG.randbytes)
    for _ in range(2):
        keys.destroy(tmp_path / "letter", randbytes=RNG.randbytes)
    with pytest.raises(Unavailable, match="keys for this letter are not there"):
        keys.read(tmp_path / "letter", "k1")


@given(st.binary(max_size=1_200), st.binary(max_size=20))
def test_what_is_sealed_opens_with_the_same_key_and_place_alone(data: bytes, context: bytes) -> None:
    column = keys.ColumnKey(bytes(32))
    sealed = column.seal(data, context=context, nonce=bytes(12))
    assert column.open(sealed, context=context) == data
    assert (len(sealed) - 12 - 16) % 512 == 0
    for other, place in ((keys.ColumnKey(bytes([1]) * 32), context), (column, context + b"x")):
        with pytest.raises(Unavailable):
            other.open(sealed, context=place)


def test_every_address_takes_the_same_room() -> None:
    column = keys.ColumnKey(bytes(32))
    assert len({len(column.seal(b"a" * size, context=b"", nonce=bytes(12))) for size in range(255)}) == 1


def test_a_lookup_hash_keeps_its_parts_apart() -> None:
    column = keys.ColumnKey(bytes(32))
    assert column.lookup("code", b"ab", b"c") != column.lookup("code", b"a", b"bc") != column.lookup("tab", b"ab", b"c")


def test_a_tag_is_two_hmacs_as_the_protocol_writes_them() -> None:
    k1, k2, lid = b"1" * 32, b"2" * 32, b"l" * 32
    inner = hmac.digest(k1, lid + b"mail\0ada@example.org", "sha256")
    made = InnerKey(k1).inner(lid=lid, namespace="mail", identity="ada@example.org")
    assert made == inner
    assert OuterKey(k2).tag(made) == hmac.digest(k2, inner, "sha256")


@given(st.binary(min_size=5, max_size=16), st.randoms(use_true_random=False))
def test_a_code_survives_how_people_type(data: bytes, rng: random.Random) -> None:
    code = write_code(data)
    likenesses = {"0": "0Oo", "1": "1IiLl"}
    typed = "".join(
        rng.choice(likenesses.get(letter, letter + letter.lower())) + rng.choice(["", "-", " ", "\u2011"])
        for letter in in_groups(code, size=4)
    )
    assert read_code(typed, length=len(code)) == code


@given(st.text(max_size=12))
def test_what_is_read_as_a_code_is_one(text: str) -> None:
    try:
        code = read_code(text, length=8)
    except Malformed:
        return
    assert len(code) == 8
    assert set(code) <= set(ALPHABET)
