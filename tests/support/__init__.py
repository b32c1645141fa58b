"""What tests of several rooms share."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
VECTORS = ROOT / "vectors"


def flip_bit(data: bytes, bit: int) -> bytes:
    """The same bytes with one bit turned over, counted from the highest bit of the first byte."""
    place = bit // 8
    return data[:place] + bytes([data[place] ^ 0x80 >> bit % 8]) + data[place + 1 :]
