"""Codes that people type: Crockford's base 32, read as generously as he asks, written in groups.

https://www.crockford.com/base32.html: no case, O is 0, I and L are 1; spaces and dashes mean nothing.
"""

from itertools import pairwise

from undersigned.errors import Malformed

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_SAME = str.maketrans({"O": "0", "I": "1", "L": "1"})
_NOTHING = dict.fromkeys(map(ord, " \t\r\n\u00a0-\u2010\u2011\u2012\u2013\u2014\u2212"))


def write_code(data: bytes) -> str:
    """`data` as ceil(8 * len(data) / 5) characters without groups: 5 bytes give 8, 16 bytes give 26."""
    length = -(-8 * len(data) // 5)
    value = int.from_bytes(data, "big")
    return "".join(ALPHABET[value >> 5 * place & 31] for place in reversed(range(length)))


def in_groups(code: str, *, size: int) -> str:
    """The code with dashes: groups of `size`, the last one longer rather than a stump."""
    count = max(1, len(code) // size)
    cuts = [size * number for number in range(count)] + [len(code)]
    return "-".join(code[start:end] for start, end in pairwise(cuts))


def read_code(text: str, *, length: int) -> str:
    """What somebody typed, as `write_code` would have written it. Malformed when it cannot be such a code."""
    code = text.translate(_NOTHING).upper().translate(_SAME)
    if len(code) != length or any(character not in ALPHABET for character in code):
        raise Malformed(f"a code has {length} letters and digits: compare it with what you were sent")
    return code
