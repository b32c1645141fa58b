"""HPKE by the library: the draft's X-Wing cases, RFC 9180's X25519 cases, and a plain reading that opens our seals."""

import hashlib
import hmac
import json

import pytest
from cryptography.hazmat.bindings._rust import openssl
from cryptography.hazmat.primitives import hpke as library
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

from support import VECTORS, flip_bit
from undersigned.crypto import hpke
from undersigned.errors import Malformed, VerificationError

PQ = json.loads((VECTORS / "hpke/hpke-pq-draft-test-vectors.json").read_text())
X_WING = [case for case in PQ if case["kem_id"] == 0x647A]
RFC9180 = json.loads((VECTORS / "hpke/rfc9180-base-subset.json").read_text())
X25519 = [case for case in RFC9180 if case["kem_id"] == 0x0020]
KDFS = {0x0001: library.KDF.HKDF_SHA256, 0x0011: library.KDF.SHAKE256}
AEADS = {1: library.AEAD.AES_128_GCM, 2: library.AEAD.AES_256_GCM, 3: library.AEAD.CHACHA20_POLY1305}
SEED = bytes(range(32))
PUBLIC_KEY = hpke.public_key(SEED)


@pytest.mark.parametrize("case", X_WING, ids=lambda case: f"kdf-{case['kdf_id']:#06x}")
def test_the_x_wing_seeds_of_the_draft_give_their_keys_and_open_their_messages(case):
    """No case of the draft has AES-256-GCM, so the library is asked with the suite of the case and our keys."""
    assert hpke.public_key(_hex(case["skRm"])) == _hex(case["pkRm"])
    hpke.check_public_key(_hex(case["pkRm"]))
    private_key = library.MLKEM768X25519PrivateKey(*hpke._expand(_hex(case["skRm"])))
    assert _open_first(case, library.KEM.MLKEM768_X25519, private_key) == _hex(case["encryptions"][0]["pt"])


@pytest.mark.parametrize("case", X_WING, ids=lambda case: f"kdf-{case['kdf_id']:#06x}")
def test_the_plain_reading_of_x_wing_gives_the_shared_secrets_of_the_draft(case):
    assert _decapsulate(_hex(case["skRm"]), _hex(case["enc"])) == _hex(case["shared_secret"])


@pytest.mark.parametrize("case", X25519, ids=lambda case: f"aead-{case['aead_id']}")
def test_the_library_opens_the_x25519_messages_of_rfc_9180(case):
    private_key = X25519PrivateKey.from_private_bytes(_hex(case["skRm"]))
    assert _open_first(case, library.KEM.X25519, private_key) == _hex(case["encryptions"][0]["pt"])


@pytest.mark.parametrize(
    "case", [c for c in RFC9180 if c["kdf_id"] == 1 and c["aead_id"] == 2], ids=lambda c: f"kem-{c['kem_id']:#06x}"
)
def test_the_plain_reading_of_the_key_schedule_gives_the_keys_of_rfc_9180(case):
    suite_id = _suite_id(case["kem_id"], case["kdf_id"], case["aead_id"])
    key, nonce = _key_schedule(_hex(case["shared_secret"]), _hex(case["info"]), suite_id)
    assert (key, nonce) == (_hex(case["key"]), _hex(case["base_nonce"]))


@settings(max_examples=30)
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=100), st.binary(max_size=300))
def test_what_we_seal_is_opened_by_us_and_by_the_plain_reading(seed, info, plaintext):
    sealed = hpke.seal(public_key=hpke.public_key(seed), info=info, plaintext=plaintext)
    assert len(sealed) == hpke.ENC_BYTES + len(plaintext) + hpke.TAG_BYTES
    assert hpke.open_sealed(seed=seed, info=info, sealed=sealed) == plaintext
    shared_secret = _decapsulate(seed, sealed[: hpke.ENC_BYTES])
    key, nonce = _key_schedule(shared_secret, info, _suite_id(0x647A, 0x0001, 0x0002))
    assert AESGCM(key).decrypt(nonce, sealed[hpke.ENC_BYTES :], None) == plaintext


@settings(max_examples=300)
@given(st.integers(0, (hpke.ENC_BYTES + 33 + hpke.TAG_BYTES) * 8 - 1))
def test_a_flipped_bit_anywhere_in_a_seal_is_refused(bit):
    sealed = flip_bit(_SEALED, bit)
    with pytest.raises(VerificationError):
        hpke.open_sealed(seed=SEED, info=b"here", sealed=sealed)


def test_the_highest_bit_of_x25519_is_part_of_the_seal_although_the_curve_ignores_it():
    """RFC 7748 masks it, X-Wing hashes the bytes as sent: so the flipped seal is refused."""
    with pytest.raises(VerificationError):
        hpke.open_sealed(seed=SEED, info=b"here", sealed=flip_bit(_SEALED, (hpke.ENC_BYTES - 1) * 8))


def test_another_key_another_place_and_other_lengths_are_refused():
    for seed, info, sealed in (
        (bytes(32), b"here", _SEALED),
        (SEED, b"there", _SEALED),
        (SEED, b"", _SEALED),
        (SEED, b"here", _SEALED[:-1]),
        (SEED, b"here", _SEALED + b"\0"),
        (SEED, b"here", b""),
        (SEED, b"here", bytes(hpke.ENC_BYTES)),
        (SEED, b"here", bytes(hpke.ENC_BYTES + 16)),
    ):
        with pytest.raises(VerificationError):
            hpke.open_sealed(seed=seed, info=info, sealed=sealed)


def test_the_same_text_is_sealed_differently_each_time():
    assert len({hpke.seal(public_key=PUBLIC_KEY, info=b"", plaintext=b"same") for _ in range(5)}) == 5


@pytest.mark.parametrize("length", [0, 31, 33, 96])
def test_a_seed_of_another_length_is_malformed(length):
    with pytest.raises(Malformed):
        hpke.public_key(bytes(length))
    with pytest.raises(Malformed):
        hpke.open_sealed(seed=bytes(length), info=b"", sealed=_SEALED)


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(b"", id="empty"),
        pytest.param(PUBLIC_KEY[:-1], id="one byte short"),
        pytest.param(PUBLIC_KEY + b"\0", id="one byte long"),
        pytest.param(b"\xff" * 1184 + PUBLIC_KEY[1184:], id="ML-KEM coefficients above q"),
        pytest.param(PUBLIC_KEY[:1184] + bytes(32), id="X25519 point of order 4"),
        pytest.param(PUBLIC_KEY[:1184] + b"\1" + bytes(31), id="X25519 point of order 1"),
        pytest.param(PUBLIC_KEY[:1184] + b"\xec" + b"\xff" * 30 + b"\x7f", id="X25519 point of order 2"),
        pytest.param(PUBLIC_KEY[:1184] + (2**255 - 19 + 9).to_bytes(32, "little"), id="X25519 above p"),
        pytest.param(PUBLIC_KEY[:-1] + bytes([PUBLIC_KEY[-1] | 0x80]), id="X25519 with its ignored bit set"),
    ],
)
def test_a_key_nobody_should_seal_to_is_malformed(key):
    with pytest.raises(Malformed):
        hpke.check_public_key(key)
    with pytest.raises(Malformed):
        hpke.seal(public_key=key, info=b"", plaintext=b"")


_SEALED = hpke.seal(public_key=PUBLIC_KEY, info=b"here", plaintext=bytes(33))


def _open_first(case, kem, private_key) -> bytes:
    """The vectors have an aad in every message, which our formats never use: hence the library's inner function."""
    first = case["encryptions"][0]
    suite = library.Suite(kem, KDFS[case["kdf_id"]], AEADS[case["aead_id"]])
    sealed = _hex(case["enc"]) + _hex(first["ct"])
    aad = _hex(first["aad"])
    return openssl.hpke._decrypt_with_aad(suite, sealed, private_key, info=_hex(case["info"]), aad=aad)


def _decapsulate(seed: bytes, enc: bytes) -> bytes:
    """draft-connolly-cfrg-xwing-kem §5.4: SHA3-256(ss_M || ss_X || ct_X || pk_X || label)."""
    mlkem, x25519 = hpke._expand(seed)
    ct_x = enc[1088:]
    ss_m = mlkem.decapsulate(enc[:1088])
    ss_x = x25519.exchange(X25519PublicKey.from_public_bytes(ct_x))
    pk_x = x25519.public_key().public_bytes_raw()
    return hashlib.sha3_256(ss_m + ss_x + ct_x + pk_x + bytes.fromhex("5c2e2f2f5e5c")).digest()


def _key_schedule(shared_secret: bytes, info: bytes, suite_id: bytes) -> tuple[bytes, bytes]:
    """RFC 9180 §5.1 with mode base, HKDF-SHA256 and a 32-byte key."""

    def extract(salt: bytes, label: bytes, ikm: bytes) -> bytes:
        return hmac.digest(salt, b"HPKE-v1" + suite_id + label + ikm, "sha256")

    def expand(prk: bytes, label: bytes, context: bytes, length: int) -> bytes:
        labeled = length.to_bytes(2, "big") + b"HPKE-v1" + suite_id + label + context
        return hmac.digest(prk, labeled + b"\x01", "sha256")[:length]

    context = b"\x00" + extract(b"", b"psk_id_hash", b"") + extract(b"", b"info_hash", info)
    secret = extract(shared_secret, b"secret", b"")
    return expand(secret, b"key", context, 32), expand(secret, b"base_nonce", context, 12)


def _suite_id(kem: int, kdf: int, aead: int) -> bytes:
    return b"HPKE" + kem.to_bytes(2, "big") + kdf.to_bytes(2, "big") + aead.to_bytes(2, "big")


def _hex(text: str) -> bytes:
    return bytes.fromhex(text)
