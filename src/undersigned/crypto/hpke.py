"""Sealing to a public key: HPKE (RFC 9180) in base mode, single shot, with one suite and nothing to choose.

KEM 0x647a (MLKEM768-X25519, draft-ietf-hpke-pq, called X-Wing), HKDF-SHA256 (0x0001), AES-256-GCM (0x0002).
All context is in `info`; no aad. The library draws its own randomness when it seals, which no caller could do better.
"""

import hashlib

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from undersigned.errors import Malformed, VerificationError

SEED_BYTES = 32
PUBLIC_KEY_BYTES = 1216  # 1184 of ML-KEM-768, then 32 of X25519
ENC_BYTES = 1120  # 1088 of ML-KEM-768, then 32 of X25519
TAG_BYTES = 16


def public_key(seed: bytes) -> bytes:
    """The 1216-byte public key of a 32-byte seed (skR in draft-ietf-hpke-pq). Malformed if the seed is not 32 bytes."""
    mlkem, x25519 = _expand(seed)
    return mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()


def seal(*, public_key: bytes, info: bytes, plaintext: bytes) -> bytes:
    """RFC 9180 §6.1 SealBase: enc(1120) || ct(len(plaintext) + 16), different each time. Malformed for a bad key."""
    mlkem, x25519 = _parse(public_key)
    return _SUITE.encrypt(plaintext, hpke.MLKEM768X25519PublicKey(mlkem, x25519), info=info)


def open_sealed(*, seed: bytes, info: bytes, sealed: bytes) -> bytes:
    """RFC 9180 §6.1 OpenBase. VerificationError unless `sealed` was made for this key and this `info`."""
    mlkem, x25519 = _expand(seed)
    if len(sealed) < ENC_BYTES + TAG_BYTES:
        raise VerificationError(f"sealed bytes are at least {ENC_BYTES + TAG_BYTES}, and these are {len(sealed)}")
    try:
        return _SUITE.decrypt(sealed, hpke.MLKEM768X25519PrivateKey(mlkem, x25519), info=info)
    except (InvalidTag, ValueError):
        raise VerificationError("the sealed bytes were not made for this key in this place") from None


def check_public_key(key: bytes) -> None:
    """Refuse a key that nobody should seal to: wrong length, a half not canonical, X25519 of small order. Malformed."""
    _parse(key)


_SUITE = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
_MLKEM_KEY_BYTES = 1184
_P25519 = 2**255 - 19
_PROBE = X25519PrivateKey.from_private_bytes(bytes([1]) * 32)  # to ask the library whether a point has small order


def _expand(seed: bytes) -> tuple[MLKEM768PrivateKey, X25519PrivateKey]:
    """expandDecapsulationKey: SHAKE256(seed, 96) is the ML-KEM seed d || z and the X25519 private key."""
    if len(seed) != SEED_BYTES:
        raise Malformed(f"a seal seed is {SEED_BYTES} bytes, and this one is {len(seed)}")
    expanded = hashlib.shake_256(seed).digest(96)
    return MLKEM768PrivateKey.from_seed_bytes(expanded[:64]), X25519PrivateKey.from_private_bytes(expanded[64:])


def _parse(key: bytes) -> tuple[MLKEM768PublicKey, X25519PublicKey]:
    if len(key) != PUBLIC_KEY_BYTES:
        raise Malformed(f"a seal key is {PUBLIC_KEY_BYTES} bytes, and this one is {len(key)}")
    if int.from_bytes(key[_MLKEM_KEY_BYTES:], "little") >= _P25519:
        raise Malformed("the X25519 half of the seal key is not in its one canonical form")
    try:
        mlkem = MLKEM768PublicKey.from_public_bytes(key[:_MLKEM_KEY_BYTES])
        x25519 = X25519PublicKey.from_public_bytes(key[_MLKEM_KEY_BYTES:])
        _PROBE.exchange(x25519)
    except (ValueError, UnsupportedAlgorithm):
        raise Malformed("the seal key is not a key anybody can open") from None
    return mlkem, x25519
