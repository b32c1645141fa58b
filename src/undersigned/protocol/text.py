"""Which texts a letter takes: NFC, bounded, and without characters that make one line look like another."""

import unicodedata

from undersigned.errors import Malformed

NAME_BYTES = 200
LINE_BYTES = 1_000
TEXT_BYTES = 24 * 1024
MAX_COMBINING = 4

# C0 and C1, soft hyphen, bidi controls (UAX #9), zero-width and invisible marks, separators, interlinear marks, tags,
# musical and shorthand format marks, the empty Braille pattern. A fixed list and no Unicode category, so that verifiers
# of any year agree.
_REFUSED = frozenset(
    [
        *(*range(0x20), *range(0x7F, 0xA0), 0xAD, 0x34F, 0x61C, 0x115F, 0x1160, 0x17B4, 0x17B5),
        *(*range(0x180B, 0x1810), 0x200B, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2060, 0x2070)),
        *(0x2800, 0x3164, 0xFEFF, 0xFFA0, *range(0xFFF0, 0xFFFC), *range(0x1BCA0, 0x1BCA4)),
        *(*range(0x1D173, 0x1D17B), *range(0xE0000, 0xE0100), *range(0xE01F0, 0xE1000)),
    ]
)
_SELECTORS = frozenset(map(chr, [*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)]))
_LETTERS_WITHOUT_VARIANTS = 0x2000  # below lie alphabets, where a variation selector would only hide
_JOINERS = frozenset("\u200c\u200d")
_SCRIPTS_THAT_JOIN = (
    "ARABIC",
    "BENGALI",
    "DEVANAGARI",
    "GUJARATI",
    "GURMUKHI",
    "KANNADA",
    "KHMER",
    "MALAYALAM",
    "MONGOLIAN",
    "MYANMAR",
    "ORIYA",
    "SINHALA",
    "SYRIAC",
    "TAMIL",
    "TELUGU",
)


def check_name(text: str, *, what: str, at_most: int = NAME_BYTES) -> None:
    """One line as a person's name or title is: not empty, NFC, at most `at_most` UTF-8 bytes, no space at its ends.

    Raises Malformed with a sentence that names `what` and never repeats the text.
    """
    if not text:
        raise Malformed(f"the {what} is empty")
    check_line(text, what=what, at_most=at_most)


def check_line(text: str, *, what: str, at_most: int = LINE_BYTES) -> None:
    """One line that may be empty; else as `check_name`."""
    if text != text.strip():
        raise Malformed(f"the {what} has a space at its beginning or end: take it away")
    _check_characters(text, what=what, allowed=frozenset(), at_most=at_most)


def check_text(text: str, *, what: str, at_most: int = TEXT_BYTES) -> None:
    """Several lines, ended by line feeds alone; else as `check_name`."""
    if not text.strip():
        raise Malformed(f"the {what} is empty")
    _check_characters(text, what=what, allowed=frozenset([0x0A]), at_most=at_most)


def _check_characters(text: str, *, what: str, allowed: frozenset[int], at_most: int) -> None:
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > at_most:
        raise Malformed(f"the {what} is {size} bytes long, and at most {at_most} are allowed: shorten it")
    if text.isascii():
        _refuse_controls(text, what=what, allowed=allowed)
        return
    if not unicodedata.is_normalized("NFC", text):
        raise Malformed(f"the {what} is not in Unicode's composed form (NFC): type it again or paste it as plain text")
    _refuse_controls(text, what=what, allowed=allowed)
    _check_joiners(text, what=what)
    _check_selectors(text, what=what)
    _check_combining(text, what=what)


def _refuse_controls(text: str, *, what: str, allowed: frozenset[int]) -> None:
    for character in text:
        point = ord(character)
        if (point in _REFUSED and point not in allowed) or 0xD800 <= point <= 0xDFFF or point & 0xFFFE == 0xFFFE:
            raise Malformed(f"the {what} holds an invisible or direction-changing character (U+{point:04X}): remove it")


def _check_joiners(text: str, *, what: str) -> None:
    for before, character in zip(text, text[1:] + " ", strict=False):
        if character in _JOINERS and not unicodedata.name(before, "").startswith(_SCRIPTS_THAT_JOIN):
            raise Malformed(f"the {what} holds an invisible joiner where its script needs none: remove it")
    if text[0] in _JOINERS:
        raise Malformed(f"the {what} begins with an invisible joiner: remove it")


def _check_selectors(text: str, *, what: str) -> None:
    before = " "
    for character in text:
        if character in _SELECTORS and (before in _SELECTORS or ord(before) < _LETTERS_WITHOUT_VARIANTS):
            raise Malformed(f"the {what} holds an invisible variation selector where its script has none: remove it")
        before = character


def _check_combining(text: str, *, what: str) -> None:
    if unicodedata.category(text[0]) in ("Mn", "Me"):
        raise Malformed(f"the {what} begins with a mark that belongs on a letter: type it again")
    run = 0
    for character in text:
        run = run + 1 if unicodedata.category(character) in ("Mn", "Me") else 0
        if run > MAX_COMBINING:
            raise Malformed(f"the {what} piles more than {MAX_COMBINING} marks on one letter: write it plainly")
