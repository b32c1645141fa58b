"""Canonical JSON (RFC 8785) and the few byte habits every format of a letter shares."""

import hashlib
from typing import TypeVar

import msgspec

from undersigned.errors import Malformed

T = TypeVar("T")

# msgspec sorts names and escapes strings just as RFC 8785 asks, for the JSON we allow: strings, booleans,
# integers 0..2^53-1, arrays and objects whose names are ASCII. tests/protocol/test_encoding.py holds it to rfc8785.
_ENCODER = msgspec.json.Encoder(order="sorted")

MAX_INTEGER = 2**53 - 1


def sha256(*parts: bytes) -> bytes:
    """H of the protocol: SHA-256 over the concatenation of `parts`, 32 bytes."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.digest()


def to_jcs(value: object) -> bytes:
    """The RFC 8785 bytes of a structure or of plain lists and dictionaries."""
    return _ENCODER.encode(value)


def from_jcs(decoder: msgspec.json.Decoder[T], data: bytes, *, what: str) -> T:
    """Read `data` strictly: the fields of the format, all of them, and bytes that re-encode to themselves.

    Raises Malformed, naming `what` was read.
    """
    try:
        value = decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"this is not {what}: {_plain(error)}") from None
    if _ENCODER.encode(value) != data:
        raise Malformed(f"this is not {what}: its JSON is not in the canonical form of RFC 8785")
    return value


def _plain(error: Exception) -> str:
    """msgspec's own sentence without the value that was met: a refusal must not repeat what somebody typed."""
    text = str(error)
    if isinstance(error, UnicodeDecodeError):
        return "its text is not UTF-8"
    if text.startswith(("Invalid value", "Invalid enum value")) and " - at " in text:
        return "a value is not one of those allowed, at " + text.rsplit(" - at ", 1)[1].replace("`", "")
    if "contains unknown field" in text:
        return "it holds a field that does not belong there"
    return text.replace("`", "")


class Reader:
    """A cursor over binary data that must be used up to the last byte."""

    def __init__(self, data: bytes, *, what: str) -> None:
        self._data, self._at, self._what = data, 0, what

    def take(self, count: int) -> bytes:
        """The next `count` bytes; Malformed when there are fewer."""
        end = self._at + count
        if end > len(self._data):
            raise Malformed(f"{self._what} ends too early")
        part = self._data[self._at : end]
        self._at = end
        return part

    def byte(self) -> int:
        """The next byte as an integer."""
        return self.take(1)[0]

    def expect(self, expected: bytes, *, name: str) -> None:
        """The next bytes must be `expected`."""
        if self.take(len(expected)) != expected:
            raise Malformed(f"{self._what} carries another {name} than it must")

    @property
    def at_end(self) -> bool:
        """Whether every byte has been taken."""
        return self._at == len(self._data)

    def end(self) -> None:
        """Nothing may follow."""
        if self._at != len(self._data):
            raise Malformed(f"{self._what} has bytes after its end")
