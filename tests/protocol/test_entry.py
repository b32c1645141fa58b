from pathlib import Path

import msgspec
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from support import flip_bit
from support.whole import whole_letter
from undersigned.errors import Malformed, UndersignedError
from undersigned.protocol import entry as entries
from undersigned.protocol.entry import decode_entry, encode_entry, kind_of, message_to_sign
from undersigned.protocol.verification import verify_entry

BAD = sorted((Path(__file__).parent / "bad").glob("*.json"))
GOOD = sorted((Path(__file__).parent / "good").glob("*.json"))
KINDS = (  # noqa: SIM905
    "publication registrar trustee issuance signature consent condition withdrawal remark standing amendment statement "
    "confirmation dispute removal reached missing freeze lapse opening abort destruction client closing"
).split()


def first_of_each_kind() -> dict[str, bytes]:
    return {kind_of(decode_entry(data)): data for data in reversed(whole_letter().log)}


def test_the_whole_letter_holds_every_kind_of_entry():
    assert set(first_of_each_kind()) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_an_entry_of_every_kind_reads_back_to_the_same_bytes(kind):
    data = first_of_each_kind()[kind]
    assert encode_entry(decode_entry(data)) == data


@pytest.mark.parametrize("kind", KINDS)
def test_an_entry_of_every_kind_is_canonical_json_by_another_library(kind):
    data = first_of_each_kind()[kind]
    assert rfc8785.dumps(msgspec.json.decode(data)) == data


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_signed_is_the_entry_without_its_signatures(kind):
    data = first_of_each_kind()[kind]
    bare = {name: value for name, value in msgspec.json.decode(data).items() if name not in ("sig", "sigs")}
    lid = bytes(range(32))
    assert message_to_sign(decode_entry(data), lid=lid) == b"undersigned/v1/entry\0" + lid + rfc8785.dumps(bare)


@pytest.mark.parametrize("kind", KINDS)
def test_an_entry_of_every_kind_with_a_field_missing_or_added_is_refused(kind):
    fields = msgspec.json.decode(first_of_each_kind()[kind])
    for name in fields:
        with pytest.raises(Malformed):
            decode_entry(rfc8785.dumps({key: value for key, value in fields.items() if key != name}))
    with pytest.raises(Malformed, match="a field that does not belong there"):
        decode_entry(rfc8785.dumps({**fields, "zeal": 1}))


@pytest.mark.parametrize("kind", KINDS)
def test_no_flipped_bit_leaves_an_entry_both_readable_and_signed(kind):
    letter, data = whole_letter().cast.letter, first_of_each_kind()[kind]
    if kind == "publication":
        return  # entry 0 signs itself: tests/protocol/test_letter.py
    for bit in range(3, 8 * len(data), 1 + len(data) // 9):
        with pytest.raises(UndersignedError):
            verify_entry(decode_entry(flip_bit(data, bit)), letter)


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_the_entries_that_the_bad_ones_were_made_from_are_read(path):
    assert kind_of(decode_entry(path.read_bytes())) == path.stem


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_a_bad_entry_is_refused_in_one_sentence(path):
    with pytest.raises(Malformed) as refusal:
        decode_entry(path.read_bytes())
    sentence = str(refusal.value)
    assert sentence.startswith("this is not an entry: ")
    assert "\n" not in sentence
    assert "codec" not in sentence


def test_an_entry_of_65_535_bytes_is_read_and_one_byte_more_is_refused():
    assert kind_of(decode_entry(_amendment_of(65_535))) == "amendment"
    with pytest.raises(Malformed, match="at most 65535 bytes, and this one has 65536"):
        decode_entry(_amendment_of(65_536))
    with pytest.raises(Malformed, match="at most 65535 bytes"):
        encode_entry(msgspec.json.decode(_amendment_of(65_536), type=entries.Amendment))


def _amendment_of(size: int) -> bytes:
    fields = msgspec.json.decode(first_of_each_kind()["amendment"])
    fields["text"] += "x" * (size - len(rfc8785.dumps(fields)))
    data = rfc8785.dumps(fields)
    assert len(data) == size
    return data


@given(st.binary(max_size=200))
def test_bytes_of_chance_are_refused_and_nothing_else_is_raised(data):
    with pytest.raises(Malformed):
        decode_entry(data)


@given(st.data())
def test_an_entry_with_a_byte_changed_cut_or_put_in_is_refused_or_read_as_just_those_bytes(data):
    kinds = first_of_each_kind()
    original = kinds[data.draw(st.sampled_from(sorted(kinds)))]
    at = data.draw(st.integers(0, len(original) - 1))
    put = data.draw(st.binary(max_size=2))
    cut = data.draw(st.integers(0, 2))
    changed = original[:at] + put + original[at + cut :]
    try:
        entry = decode_entry(changed)
    except Malformed:
        return
    assert encode_entry(entry) == changed
