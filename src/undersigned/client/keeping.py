"""What a client writes down for its person: attempts before they are sent, receipts as they grow. Never half a file."""

from pathlib import Path
from typing import TypeVar

import msgspec

from undersigned.client.signing import Attempt, Unsent
from undersigned.durable import replace_file
from undersigned.errors import Malformed, Unavailable
from undersigned.protocol.receipt import MAX_RECEIPT_BYTES, Receipt, encode_receipt, read_receipt

T = TypeVar("T")


def write_whole(path: Path, data: bytes) -> None:
    """Write a private file (0600): to a temporary file, fsync, rename; the old one stays until the new one is whole."""
    try:
        replace_file(path, data)
    except OSError as error:
        raise Unavailable(f"{path} cannot be written: {error.strerror}") from None


def read_whole(path: Path, *, what: str, at_most: int = MAX_RECEIPT_BYTES) -> bytes:
    """Read a file of a bounded size; Unavailable or Malformed."""
    try:
        with path.open("rb") as file:
            data = file.read(at_most + 1)
    except OSError as error:
        raise Unavailable(f"{path} cannot be read: {error.strerror}") from None
    if len(data) > at_most:
        raise Malformed(f"{path} is too long to be {what}")
    return data


def save_receipt(path: Path, receipt: Receipt) -> None:
    """Keep a receipt."""
    write_whole(path, encode_receipt(receipt))


def load_receipt(path: Path) -> Receipt:
    """Read a receipt kept before."""
    return read_receipt(read_whole(path, what="a receipt"))


def save_begun(path: Path, begun: Attempt | Unsent) -> None:
    """Keep what was made before anything is said, so that a broken connection costs nothing."""
    write_whole(path, msgspec.json.encode(begun))


def load_begun(path: Path) -> Attempt | Unsent | None:
    """What was kept before; None when nothing was."""
    if not path.exists():
        return None
    data = read_whole(path, what="a begun signature")
    begun = _read(data, Unsent) or _read(data, Attempt)
    if begun is None:
        raise Malformed(f"{path} is not a begun signature: move it away and sign again")
    return begun


def _read(data: bytes, kind: type[T]) -> T | None:
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
