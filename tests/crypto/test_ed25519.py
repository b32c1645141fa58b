"""Ed25519 (RFC 8032) by libsodium, held against OpenSSL, Wycheproof and points made to tell verifiers apart."""

import hashlib
import json

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st
from nacl import bindings

from support import VECTORS, flip_bit
from undersigned.crypto import ed25519
from undersigned.errors import Malformed, VerificationError

WYCHEPROOF = json.loads((VECTORS / "wycheproof/ed25519_test.json").read_text())
CASES = [
    pytest.param(bytes.fromhex(group["publicKey"]["pk"]), case, id=f"tcId{case['tcId']}")
    for group in WYCHEPROOF["testGroups"]
    for case in group["tests"]
]
L = 2**252 + 27742317777372353535851937790883648493  # RFC 8032 §5.1: the order of the base point
P = 2**255 - 19
SMALL_ORDER = [
    bytes.fromhex(point)
    for point in (
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    )
]
ORDER_8 = SMALL_ORDER[4]


@pytest.mark.parametrize(("public_key", "case"), CASES)
def test_every_wycheproof_case_is_answered_as_wycheproof_and_openssl_answer_it(public_key, case):
    message, sig = bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"])
    assert _verifies(public_key, message, sig) == (case["result"] == "valid")
    assert _verifies(public_key, message, sig) == _openssl_verifies(public_key, message, sig)


def test_rfc_8032_test_1_gives_its_key_and_its_sig():
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    public_key = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    sig = bytes.fromhex(
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
    )
    assert ed25519.public_key(seed) == public_key
    assert ed25519.sign(seed, b"") == sig


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=100), st.data())
def test_a_sig_verifies_and_one_flipped_bit_of_key_message_or_sig_is_refused(seed, message, data):
    public_key, sig = ed25519.public_key(seed), ed25519.sign(seed, message)
    ed25519.verify(public_key=public_key, message=message, sig=sig)
    together = public_key + sig + message
    flipped = flip_bit(together, data.draw(st.integers(0, len(together) * 8 - 1)))
    with pytest.raises(VerificationError):
        ed25519.verify(public_key=flipped[:32], message=flipped[96:], sig=flipped[32:96])


@pytest.mark.parametrize("point", SMALL_ORDER, ids=bytes.hex)
def test_a_public_key_of_small_order_signs_nothing(point):
    """With A of small order, R = s*B, S = s satisfies the equation for one message in eight at least, whoever asks."""
    for s in range(1, 40):
        r = bindings.crypto_scalarmult_ed25519_base_noclamp(_scalar(s))
        assert not _verifies(point, b"anything", r + _scalar(s))
    with pytest.raises(Malformed, match="small order"):
        ed25519.check_public_key(point)


@pytest.mark.parametrize("point", SMALL_ORDER, ids=bytes.hex)
def test_an_r_of_small_order_is_refused_even_where_the_equation_holds(point):
    a = 12345
    public_key = bindings.crypto_scalarmult_ed25519_base_noclamp(_scalar(a))
    for attempt in range(16):
        message = b"attempt %d" % attempt
        assert not _verifies(public_key, message, point + _scalar(_h(point, public_key, message) * a))


@pytest.mark.parametrize(("mixed_a", "mixed_r"), [(True, False), (False, True)])
def test_the_equation_is_checked_without_the_cofactor(mixed_a, mixed_r):
    """With a component of order 8 in A or R, 8*S*B = 8*R + 8*h*A holds and S*B = R + h*A does not."""
    for attempt in range(1, 17):
        a, r, message = 1000 + attempt, 2000 + attempt, b"attempt %d" % attempt
        public_key = bindings.crypto_scalarmult_ed25519_base_noclamp(_scalar(a))
        point_r = bindings.crypto_scalarmult_ed25519_base_noclamp(_scalar(r))
        if mixed_a:
            public_key = bindings.crypto_core_ed25519_add(public_key, ORDER_8)
        if mixed_r:
            point_r = bindings.crypto_core_ed25519_add(point_r, ORDER_8)
        h = _h(point_r, public_key, message)
        sig = point_r + _scalar(r + h * a)
        assert _verifies(public_key, message, sig) == _openssl_verifies(public_key, message, sig)
        assert not _verifies(public_key, message, sig) or (mixed_a and h % 8 == 0)


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=20))
def test_s_plus_the_order_of_the_group_is_refused(seed, message):
    public_key, sig = ed25519.public_key(seed), ed25519.sign(seed, message)
    s = int.from_bytes(sig[32:], "little") + L
    assert not _verifies(public_key, message, sig[:32] + s.to_bytes(32, "little"))


@given(st.binary(min_size=32, max_size=32))
def test_the_key_of_any_seed_is_accepted(seed):
    ed25519.check_public_key(ed25519.public_key(seed))


@pytest.mark.parametrize("y", [P, P + 1, P + 3, 2**255 - 1])
@pytest.mark.parametrize("sign_bit", [0, 1])
def test_a_public_key_that_is_not_canonical_is_malformed(y, sign_bit):
    with pytest.raises(Malformed, match="canonical"):
        ed25519.check_public_key((y | sign_bit << 255).to_bytes(32, "little"))


@pytest.mark.parametrize("sign_bit", [0, 1])
def test_a_point_without_x_and_with_a_sign_is_malformed(sign_bit):
    for y in (1, P - 1):
        with pytest.raises(Malformed):
            ed25519.check_public_key((y | sign_bit << 255).to_bytes(32, "little"))


def test_a_public_key_off_the_curve_is_malformed():
    with pytest.raises(Malformed, match="curve"):
        ed25519.check_public_key((2).to_bytes(32, "little"))


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_keys_and_seeds_of_another_length_are_malformed(length):
    with pytest.raises(Malformed):
        ed25519.check_public_key(bytes(length))
    with pytest.raises(Malformed):
        ed25519.public_key(bytes(length))
    with pytest.raises(Malformed):
        ed25519.sign(bytes(length), b"")


@pytest.mark.parametrize(("key_bytes", "sig_bytes"), [(31, 64), (33, 64), (32, 63), (32, 65), (0, 0)])
def test_a_sig_or_key_of_another_length_does_not_verify(key_bytes, sig_bytes):
    assert not _verifies(bytes(key_bytes), b"", bytes(sig_bytes))


def _verifies(public_key: bytes, message: bytes, sig: bytes) -> bool:
    try:
        ed25519.verify(public_key=public_key, message=message, sig=sig)
    except VerificationError:
        return False
    return True


def _openssl_verifies(public_key: bytes, message: bytes, sig: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(sig, message)
    except InvalidSignature:
        return False
    return True


def _h(r: bytes, public_key: bytes, message: bytes) -> int:
    return int.from_bytes(hashlib.sha512(r + public_key + message).digest(), "little") % L


def _scalar(value: int) -> bytes:
    return (value % L).to_bytes(32, "little")
