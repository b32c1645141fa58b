"""Shamir's sharing held against shares made elsewhere, a slow and obvious model, and every subset of the shares."""

import json
import os
import time
from functools import cache
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support import VECTORS, flip_bit
from undersigned.crypto import shamir
from undersigned.errors import Malformed

CASES = json.loads((VECTORS / "shamir/gf256-shares.json").read_text())
QUORUMS = [(1, 1), (2, 2), *((k, n) for n in range(3, 10) for k in range(2, n))]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['k']}-of-{case['n']}")
def test_every_k_shares_made_elsewhere_give_their_secret_and_all_other_shares(case):
    shares = [bytes.fromhex(share) for share in case["shares"]]
    for subset in combinations(shares, case["k"]):
        assert shamir.combine(subset).hex() == case["secret"]
        assert [shamir.share_at(subset, share[-1]) for share in shares] == shares


@settings(max_examples=60)
@given(st.sampled_from(QUORUMS), st.binary(min_size=1, max_size=64))
def test_every_k_shares_give_the_secret_and_fewer_do_not_decide_it(quorum, secret):
    """With k - 1 shares and any other secret there is a polynomial through them: they say nothing about the secret."""
    k, n = quorum
    shares = shamir.split(secret, k=k, n=n, randbytes=os.urandom)
    assert [share[-1] for share in shares] == list(range(1, n + 1))
    for subset in combinations(shares, k):
        assert shamir.combine(subset) == secret
        assert shamir.share_at(subset, 0) == secret + b"\0"
    for subset in combinations(shares, k - 1):
        other = bytes(byte ^ 0x5A for byte in secret)
        completed = [*subset, _model_share([(0, other), *_points(subset)], 200)]
        assert shamir.combine(completed) == other


@given(st.sampled_from([q for q in QUORUMS if q[0] > 1]))
def test_recombining_one_share_too_few_gives_other_bytes(quorum):
    k, n = quorum
    secret = bytes(range(32))
    shares = shamir.split(secret, k=k, n=n, randbytes=os.urandom)
    assert all(shamir.combine(subset) != secret for subset in combinations(shares, k - 1) if subset)


@given(st.data())
def test_combining_agrees_with_the_slow_and_obvious_model(data):
    xs = data.draw(st.lists(st.integers(1, 255), min_size=1, max_size=12, unique=True))
    length = data.draw(st.integers(1, 8))
    shares = [data.draw(st.binary(min_size=length, max_size=length)) + bytes([x]) for x in xs]
    x = data.draw(st.integers(0, 255))
    assert shamir.share_at(shares, x) == _model_share(_points(shares), x)


@given(st.integers(0, 255), st.integers(0, 255))
def test_the_tables_agree_with_multiplication_as_defined(a, b):
    assert shamir._TIMES[a][b] == _model_multiply(a, b)
    assert a == 0 or _model_multiply(a, shamir._INVERSE[a]) == 1


def test_a_single_share_is_the_secret_and_the_byte_one():
    assert shamir.split(b"secret", k=1, n=1, randbytes=os.urandom) == [b"secret\x01"]


@given(st.binary(min_size=32, max_size=32), st.integers(0, 33 * 8 - 1), st.integers(0, 2))
def test_a_flipped_bit_in_a_share_shows_in_the_others(secret, bit, which):
    """What trustees rely on: the polynomial through k shares gives all n, so a false one is found by their hashes."""
    shares = shamir.split(secret, k=3, n=5, randbytes=os.urandom)
    taken = shares[:3]
    taken[which] = flip_bit(taken[which], bit)
    try:
        assert [shamir.share_at(taken, x) for x in range(1, 6)] != shares
    except Malformed:
        assert bit >= 32 * 8  # the flip made x zero or the same as another's


@pytest.mark.parametrize(
    ("shares", "why"),
    [
        ([], "no shares"),
        ([b"ab\x00"], "x = 0"),
        ([b"ab\x01", b"cd\x00"], "x = 0"),
        ([b"ab\x01", b"cd\x01"], "same x"),
        ([b"ab\x01", b"c\x02"], "wrong length"),
        ([b"\x01"], "wrong length"),
        ([b""], "wrong length"),
    ],
)
def test_shares_that_cannot_be_are_malformed(shares, why):
    with pytest.raises(Malformed, match=why):
        shamir.combine(shares)
    with pytest.raises(Malformed, match=why):
        shamir.share_at(shares, 3)


@pytest.mark.parametrize("x", [-1, 256])
def test_an_x_outside_the_field_is_malformed(x):
    with pytest.raises(Malformed):
        shamir.share_at([b"ab\x01"], x)


@pytest.mark.parametrize("k", range(-1, 11))
@pytest.mark.parametrize("n", range(-1, 11))
def test_a_quorum_is_one_of_one_two_of_two_or_fewer_than_all(k, n):
    if (k, n) in QUORUMS:
        assert len(shamir.split(b"secret", k=k, n=n, randbytes=os.urandom)) == n
    else:
        with pytest.raises(Malformed):
            shamir.split(b"secret", k=k, n=n, randbytes=os.urandom)


def test_an_empty_secret_is_malformed():
    with pytest.raises(Malformed):
        shamir.split(b"", k=2, n=3, randbytes=os.urandom)


def test_the_chance_comes_from_the_caller():
    fixed = shamir.split(b"secret", k=3, n=5, randbytes=lambda count: bytes(range(count)))
    assert fixed == shamir.split(b"secret", k=3, n=5, randbytes=lambda count: bytes(range(count)))


def test_opening_505_names_by_3_of_5_takes_less_than_half_a_second():
    """Processor time of this thread, so that a busy machine does not decide."""
    sets = [shamir.split(os.urandom(32), k=3, n=5, randbytes=os.urandom) for _ in range(505)]
    start = time.thread_time()
    for shares in sets:
        shamir.combine(shares[:3])
        assert [shamir.share_at(shares[:3], x) for x in range(1, 6)] == shares
    assert time.thread_time() - start < 0.5


def _points(shares) -> list[tuple[int, bytes]]:
    return [(share[-1], share[:-1]) for share in shares]


def _model_share(points: list[tuple[int, bytes]], x: int) -> bytes:
    """Lagrange's formula as in a textbook, byte by byte, with the slow multiplication."""
    length = len(points[0][1])
    ys = []
    for i in range(length):
        y = 0
        for own, own_y in points:
            term = own_y[i]
            for other, _ in points:
                if other != own:
                    term = _model_multiply(term, _model_multiply(x ^ other, _model_inverse(own ^ other)))
            y ^= term
        ys.append(y)
    return bytes([*ys, x])


def _model_multiply(a: int, b: int) -> int:
    """Russian peasants in GF(2^8) modulo 0x11b."""
    product = 0
    while b:
        if b & 1:
            product ^= a
        a <<= 1
        if a & 0x100:
            a ^= 0x11B
        b >>= 1
    return product


@cache
def _model_inverse(a: int) -> int:
    """a^254 is 1/a in a field of 256 elements."""
    inverse = 1
    for _ in range(254):
        inverse = _model_multiply(inverse, a)
    return inverse
