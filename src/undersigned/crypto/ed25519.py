"""Ed25519 signatures (RFC 8032), read strictly, so that every verifier gives the same answer.

S < L, canonical encodings, no A or R of small order, no cofactor. So libsodium verifies, and twice as fast as OpenSSL.
"""

from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from nacl import bindings, exceptions

from undersigned.errors import Malformed, VerificationError

SEED_BYTES = 32
PUBLIC_KEY_BYTES = 32
SIG_BYTES = 64


def public_key(seed: bytes) -> bytes:
    """The 32-byte public key A of a 32-byte private key `seed` (RFC 8032 §5.1.5). Malformed if it is not 32 bytes."""
    return _private_key(seed).public_key().public_bytes_raw()


def sign(seed: bytes, message: bytes) -> bytes:
    """The 64-byte sig R || S over `message`: the same bytes every time (RFC 8032 §5.1.6)."""
    return _private_key(seed).sign(message)


def verify(*, public_key: bytes, message: bytes, sig: bytes) -> None:
    """Check that `public_key` signed `message` (RFC 8032 §5.1.7). VerificationError if not, whatever the fault."""
    if len(public_key) != PUBLIC_KEY_BYTES or len(sig) != SIG_BYTES:
        raise VerificationError("the signature or its key has the wrong length")
    try:
        bindings.crypto_sign_open(sig + message, public_key)
    except exceptions.BadSignatureError:
        raise VerificationError("the signature does not belong to this key and these bytes") from None


def check_public_key(key: bytes) -> None:
    """Refuse a key no sig should count for: wrong length, not canonical, off the curve, small order. Malformed."""
    if len(key) != PUBLIC_KEY_BYTES:
        raise Malformed(f"an Ed25519 public key is {PUBLIC_KEY_BYTES} bytes, and this one is {len(key)}")
    y = int.from_bytes(key, "little") & _ALL_BUT_THE_SIGN
    if y >= _P:
        raise Malformed("the Ed25519 public key is not in its one canonical form")
    if y in _SMALL_ORDER_Y:
        raise Malformed("the Ed25519 public key has small order: anybody could sign for it")
    try:
        bindings.crypto_core_ed25519_add(key, _BASE_POINT)
    except exceptions.RuntimeError:
        raise Malformed("the Ed25519 public key is not a point of the curve") from None


_P = 2**255 - 19
_ALL_BUT_THE_SIGN = 2**255 - 1
_BASE_POINT = bytes([0x58]) + bytes([0x66]) * 31  # RFC 8032 §5.1: y = 4/5
_Y8 = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
_SMALL_ORDER_Y = frozenset({0, 1, _P - 1, _Y8, _P - _Y8})  # order 4; 1; 2; 8


@lru_cache(maxsize=4)  # a log signs promise upon promise, and reading its key costs thrice as much as signing
def _private_key(seed: bytes) -> Ed25519PrivateKey:
    if len(seed) != SEED_BYTES:
        raise Malformed(f"an Ed25519 private key is {SEED_BYTES} bytes, and this one is {len(seed)}")
    return Ed25519PrivateKey.from_private_bytes(seed)
