"""The two small readers that every format of this room needs: canonical decimals and canonical base64."""

from __future__ import annotations

import binascii
import re

from undersigned.errors import Malformed

MAX_DECIMAL = 2**63 - 1

_DECIMAL = re.compile("0|[1-9][0-9]{0,18}")


def read_decimal(text: str, *, what: str) -> int:
    """Read an ASCII decimal from 0 to 2^63-1 without sign, leading zero or separator; Malformed names `what`."""
    if _DECIMAL.fullmatch(text) is None or (number := int(text)) > MAX_DECIMAL:
        raise Malformed(f"{what} is not a plain decimal number between 0 and {MAX_DECIMAL}")
    return number


def check_decimal(number: int, *, what: str) -> None:
    """Malformed if `number` could not be written as a decimal that `read_decimal` accepts."""
    if not 0 <= number <= MAX_DECIMAL:
        raise Malformed(f"{what} is not between 0 and {MAX_DECIMAL}")


def read_base64(text: str, *, what: str) -> bytes:
    """Read standard padded base64 (RFC 4648 section 4) in its one canonical spelling; Malformed names `what`."""
    try:
        data = binascii.a2b_base64(text, strict_mode=True)
    except ValueError as error:
        raise Malformed(f"{what} is not base64") from error
    if base64_text(data) != text:
        raise Malformed(f"{what} is not in canonical base64")
    return data


def read_hash(text: str, *, what: str) -> bytes:
    """Read the base64 of a SHA-256 hash: 32 bytes; Malformed names `what`."""
    data = read_base64(text, what=what)
    if len(data) != 32:
        raise Malformed(f"{what} has {len(data)} bytes, and a hash has 32")
    return data


def base64_text(data: bytes) -> str:
    """Write standard padded base64 on one line (RFC 4648 section 4)."""
    return binascii.b2a_base64(data, newline=False).decode("ascii")
