import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.names import PARTS, SPECIAL, names
from undersigned.errors import Malformed
from undersigned.protocol import blob as blobs
from undersigned.protocol.text import NAME_BYTES, TEXT_BYTES, check_line, check_name, check_text

BIDI = [*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C]
INVISIBLE = [
    *(0x00AD, 0x034F, 0x115F, 0x1160, 0x17B4, 0x180B, 0x180E, 0x200B, 0x2028, 0x2029, 0x2060, 0x2061, 0x206A, 0x2800),
    *(0x3164, 0xFEFF, 0xFFA0, 0xFFF0, 0xFFF9, 0xFFFE, 0x1BCA0, 0x1D173, 0xE0001, 0xE0041, 0xE007F, 0xE0200, 0x10FFFF),
]
ATTACKS = [
    *(f"Ada{chr(point)} Example" for point in (*BIDI, *INVISIBLE)),
    *(f"Ada{chr(point)} Example" for point in (*range(0x20), *range(0x7F, 0xA0))),
    *(f"Ada{chr(point)}" for point in (0x00, 0x09, 0x0A, 0x0D, 0x85)),
    "\u202egnisreveR elpmaxE",
    "Ada\u200d Example",  # a joiner between Latin letters
    "A\u200cda Example",
    "\u200cعلی",
    "Ada\ufe0f Example",
    "Ада\ufe00 Пример",
    "葛\U000e0100\U000e0101城",
    "Ada\u0300\u0301\u0302\u0303\u0304\u0305 Example",
    "e\u0301 Example",  # NFD
    "\u1112\u1161\u11ab",  # NFD of a Korean syllable
    "\ufb01nal".replace("\ufb01", "A\u030a"),  # an Angstrom written in two
    "\u2126",  # OHM SIGN, whose NFC is Omega
    "\u0301Ada",
    "",
    " Ada",
    "Ada ",
    "\u00a0Ada",
    "Ada\u3000",
    "Ada\nExample",
    "Ada\r\nExample",
    "\ud800",
    "x" * 201,
    "é" * 101,
    "𠮷" * 51,
]


def test_of_3_000_names_in_more_than_thirty_scripts_none_is_refused():
    assert len(PARTS) >= 30
    refused = [name for name in names(3_000) if _is_refused(name)]
    assert refused == []


@pytest.mark.parametrize("name", SPECIAL)
def test_a_name_that_other_software_takes_for_something_else_is_a_name(name):
    check_name(name, what="name")
    salt = bytes(32)
    card = blobs.Card(name=name, title="", salt=salt)
    data = blobs.to_jcs(blobs.PublicBlob(card=card, r=salt, identities=[]))
    assert blobs.read_public_blob(data).card.name == name


@pytest.mark.parametrize("text", ATTACKS, ids=lambda text: ascii(text)[:40])
def test_a_name_that_hides_or_turns_something_is_refused(text):
    with pytest.raises(Malformed) as refusal:
        check_name(text, what="name")
    sentence = str(refusal.value)
    assert sentence.startswith("the name ")
    assert sentence.isprintable()


@pytest.mark.parametrize(
    "text", ["Jane\u202eDoe", "Jane\u200bDoe", "Jane Doe" * 30, "Jane Doe ", "Jane\u0301\u0301\u0301Doe"]
)
def test_a_refusal_never_repeats_a_name(text):
    with pytest.raises(Malformed) as refusal:
        check_name(text, what="name")
    assert "Jane" not in str(refusal.value)


@pytest.mark.parametrize("letter", ["a", "é", "ж", "字", "𠮷"])
def test_a_name_may_have_200_bytes_and_not_201(letter):
    width = len(letter.encode())
    fits = letter * (NAME_BYTES // width)
    check_name(fits + "." * (NAME_BYTES - len(fits.encode())), what="name")
    with pytest.raises(Malformed, match="at most 200 are allowed: shorten it"):
        check_name(fits + "." * (NAME_BYTES + 1 - len(fits.encode())), what="name")


@pytest.mark.parametrize("form", ["NFD", "NFKD"])
def test_a_decomposed_name_is_refused_and_its_composed_form_taken(form):
    for name in names(400):
        other = unicodedata.normalize(form, name)
        if unicodedata.normalize("NFC", other) != other:
            with pytest.raises(Malformed, match="composed form"):
                check_name(other, what="name")


def test_joiners_stand_where_their_scripts_need_them():
    for name in ("علی‌رضا", "ශ්‍රී", "क्ष्‍मा", "অর‍্যা"):
        assert "\u200c" in name or "\u200d" in name
        check_name(name, what="name")


def test_a_han_variant_keeps_its_selector():
    check_name("葛\U000e0100城", what="name")


def test_a_title_may_be_empty_and_a_name_may_not():
    check_line("", what="title")
    with pytest.raises(Malformed, match="the name is empty"):
        check_name("", what="name")


def test_a_letter_text_has_lines_and_at_most_24_kib():
    check_text("One.\n\nTwo.\n" + "x" * (TEXT_BYTES - 11), what="text")
    with pytest.raises(Malformed, match="shorten it"):
        check_text("One.\n\nTwo.\n" + "x" * (TEXT_BYTES - 10), what="text")


@pytest.mark.parametrize(
    "text", ["", " \n", "One.\r\nTwo.", "One.\tTwo.", "One.\u2028Two.", "One.\u202eTwo.", "A\x00", "\u0301A"]
)
def test_a_letter_text_is_refused_for_what_cannot_be_seen(text):
    with pytest.raises(Malformed, match="the text "):
        check_text(text, what="text")


@given(st.text(max_size=60))
def test_whatever_is_taken_is_composed_whole_and_bounded(text):
    if not _is_refused(text):
        assert unicodedata.normalize("NFC", text) == text
        assert 1 <= len(text.encode()) <= NAME_BYTES
        assert not any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in text)


def _is_refused(name: str) -> bool:
    try:
        check_name(name, what="name")
    except Malformed:
        return True
    return False
