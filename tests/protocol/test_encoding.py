import json
from pathlib import Path
from typing import Literal

import msgspec
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from support import VECTORS
from undersigned.errors import Malformed
from undersigned.protocol.encoding import MAX_INTEGER, Reader, from_jcs, sha256, to_jcs

CHARACTERS = st.characters(codec="utf-8")
VALUES = st.recursive(
    st.booleans() | st.integers(0, MAX_INTEGER) | st.text(CHARACTERS),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(codec="ascii"), max_size=8), inner, max_size=4)
    ),
)
ANYTHING = msgspec.json.Decoder()


def test_every_character_of_unicode_is_written_as_rfc_8785_says():
    for start in range(0, 0x110000, 0x1000):
        text = "".join(chr(point) for point in range(start, start + 0x1000) if not 0xD800 <= point <= 0xDFFF)
        assert to_jcs(text) == rfc8785.dumps(text)


@given(VALUES)
def test_whatever_an_entry_can_hold_is_written_as_rfc_8785_says(value):
    assert to_jcs(value) == rfc8785.dumps(value)


@given(VALUES)
def test_what_was_written_reads_back_to_itself(value):
    assert to_jcs(from_jcs(ANYTHING, to_jcs(value), what="a value")) == to_jcs(value)


@given(VALUES, st.integers(0, 8))
def test_no_other_spelling_of_a_value_is_read(value, indent):
    other = json.dumps(value, indent=indent, ensure_ascii=True).encode()
    if other != to_jcs(value):
        with pytest.raises(Malformed):
            from_jcs(ANYTHING, other, what="a value")


@pytest.mark.parametrize("path", sorted((VECTORS / "jcs" / "input").iterdir()), ids=lambda path: path.stem)
def test_the_library_that_judges_ours_agrees_with_the_vectors_of_rfc_8785(path: Path):
    assert rfc8785.dumps(json.loads(path.read_bytes())) == (VECTORS / "jcs" / "output" / path.name).read_bytes()


@pytest.mark.parametrize("path", sorted((VECTORS / "jcs" / "input").iterdir()), ids=lambda path: path.stem)
def test_a_vector_that_is_not_canonical_is_refused(path: Path):
    canonical = (VECTORS / "jcs" / "output" / path.name).read_bytes()
    data = path.read_bytes()
    assert data != canonical
    with pytest.raises(Malformed):
        from_jcs(ANYTHING, data, what="a value")


def test_a_refusal_does_not_repeat_what_somebody_typed():
    kinds = msgspec.json.Decoder(msgspec.defstruct("Kinds", [("mode", Literal["a", "b"])]))
    with pytest.raises(Malformed) as refusal:
        from_jcs(kinds, b'{"mode":"Jane Doe"}', what="a choice")
    assert "Jane" not in str(refusal.value)
    assert str(refusal.value) == "this is not a choice: a value is not one of those allowed, at $.mode"


def test_hashing_joins_its_parts():
    assert sha256(b"ab", b"c") == sha256(b"abc") == sha256(b"", b"abc")


def test_a_reader_takes_each_byte_once_and_wants_none_left():
    reader = Reader(b"ABCD", what="the box")
    reader.expect(b"AB", name="kind of box")
    assert reader.byte() == ord("C")
    with pytest.raises(Malformed, match="the box has bytes after its end"):
        reader.end()
    assert reader.take(1) == b"D"
    reader.end()
    with pytest.raises(Malformed, match="the box ends too early"):
        reader.take(1)


def test_a_reader_says_what_is_other_than_it_must_be():
    with pytest.raises(Malformed, match="the box carries another kind of box than it must"):
        Reader(b"XX", what="the box").expect(b"AB", name="kind of box")
