"""Shamir's secret sharing over GF(2^8) modulo x^8 + x^4 + x^3 + x + 1 (0x11b), byte by byte.

A share is y || x: as many bytes as the secret, then one byte that says at which x they lie. The secret lies at x = 0.
Tables are read at secret places, so keep the machine that splits or combines to yourself.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache

from undersigned.errors import Malformed


def split(secret: bytes, *, k: int, n: int, randbytes: Callable[[int], bytes]) -> list[bytes]:
    """Cut `secret` into n shares of len(secret) + 1 bytes, at x = 1..n, of which any k give it back and k - 1 nothing.

    Either n = 1, and the share is secret || 0x01; or 2 <= k <= n <= 9, and k < n when n > 2. Malformed otherwise.
    """
    check_quorum(k=k, n=n)
    if not secret:
        raise Malformed("there is no secret to share: it is empty")
    coefficients = [secret, *(randbytes(len(secret)) for _ in range(k - 1))]
    return [_evaluate(coefficients, x) + bytes([x]) for x in range(1, n + 1)]


def combine(shares: Sequence[bytes]) -> bytes:
    """The secret on the polynomial through exactly these shares: give k of them. Malformed as in `share_at`.

    Shares that do not belong together give other bytes, not an error: compare hashes.
    """
    return share_at(shares, 0)[:-1]


def share_at(shares: Sequence[bytes], x: int) -> bytes:
    """y || x at x, 0..255, on the polynomial through these shares.

    Malformed: no shares, x = 0 among them, an x twice, different lengths, no bytes of y.
    """
    if not 0 <= x <= 255:
        raise Malformed(f"x is {x}, and a share lies at 0 to 255")
    _check_shares(shares)
    weights = _lagrange_weights(tuple(share[-1] for share in shares), x)
    y = 0
    for share, weight in zip(shares, weights, strict=True):
        y ^= int.from_bytes(share[:-1].translate(_TIMES[weight]), "big")
    return y.to_bytes(len(shares[0]) - 1, "big") + bytes([x])


def check_quorum(*, k: int, n: int) -> None:
    """Malformed unless k of n is a quorum that the formats know: 1 of 1, 2 of 2, or 2 <= k < n <= 9."""
    if (k, n) == (1, 1):
        return
    if not 2 <= k <= n <= 9:
        raise Malformed(f"a quorum of {k} of {n} is not possible: it is 1 of 1, or at least 2 of at most 9")
    if k == n and n > 2:
        raise Malformed(f"a quorum of {k} of {n} would be lost with one share: ask for fewer than all")


def _check_shares(shares: Sequence[bytes]) -> None:
    if not shares:
        raise Malformed("there are no shares to combine")
    if any(len(share) != len(shares[0]) for share in shares) or len(shares[0]) < 2:
        raise Malformed("a share has the wrong length")
    xs = {share[-1] for share in shares}
    if 0 in xs:
        raise Malformed("a share lies at x = 0, where only the secret may be")
    if len(xs) != len(shares):
        raise Malformed("two shares lie at the same x")


def _evaluate(coefficients: Sequence[bytes], x: int) -> bytes:
    """Horner's rule, from the highest coefficient down to the secret."""
    y = bytes(len(coefficients[0]))
    for coefficient in reversed(coefficients):
        y = _xor(y.translate(_TIMES[x]), coefficient)
    return y


def _xor(a: bytes, b: bytes) -> bytes:
    return (int.from_bytes(a, "big") ^ int.from_bytes(b, "big")).to_bytes(len(a), "big")


@lru_cache(maxsize=4096)
def _lagrange_weights(xs: tuple[int, ...], x: int) -> tuple[int, ...]:
    """What each share's y is multiplied by: the product of (x - other) / (own - other); minus is xor."""
    weights = []
    for own in xs:
        weight = 1
        for other in xs:
            if other != own:
                weight = _divide(_TIMES[weight][x ^ other], own ^ other)
        weights.append(weight)
    return tuple(weights)


def _divide(a: int, b: int) -> int:
    return _TIMES[a][_INVERSE[b]]


def _multiply(a: int, b: int) -> int:
    """Multiplication as its definition says, bit by bit; the tables below are made of it once."""
    product = 0
    for bit in range(8):
        if b >> bit & 1:
            product ^= a << bit
    for bit in range(14, 7, -1):
        if product >> bit & 1:
            product ^= 0x11B << (bit - 8)
    return product


def _times_tables() -> tuple[bytes, ...]:
    """Table a maps b to a*b. Multiplication is linear, so each table grows from its powers of two."""
    tables = []
    for a in range(256):
        row = [0]
        for bit in range(8):
            product = _multiply(a, 1 << bit)
            row += [product ^ known for known in row]
        tables.append(bytes(row))
    return tuple(tables)


_TIMES = _times_tables()
_INVERSE = bytes([0, *(_TIMES[a].index(1) for a in range(1, 256))])
