"""Blind RSA signatures (RFC 9474), with its names: prepare, blind, blind_sign, finalize, verify.

EMSA-PSS-ENCODE and blinding are written here and judged by the RFC's vectors; `cryptography` verifies, gmpy2 does the
modular arithmetic. Any key size works here; which size a format allows is said above this floor.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256, sha384

import gmpy2
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
)
from gmpy2 import mpz

from undersigned.crypto import _known_answer
from undersigned.errors import Malformed, Unavailable, VerificationError

PREFIX_BYTES = 32
HASH_BYTES = 48  # SHA-384


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One of the four variants of RFC 9474 §5: how long the salt is, and whether `prepare` adds a random prefix."""

    name: str
    salt_bytes: int
    randomized: bool


PSS_RANDOMIZED = Variant(name="RSABSSA-SHA384-PSS-Randomized", salt_bytes=HASH_BYTES, randomized=True)
PSSZERO_RANDOMIZED = Variant(name="RSABSSA-SHA384-PSSZERO-Randomized", salt_bytes=0, randomized=True)
PSS_DETERMINISTIC = Variant(name="RSABSSA-SHA384-PSS-Deterministic", salt_bytes=HASH_BYTES, randomized=False)
PSSZERO_DETERMINISTIC = Variant(name="RSABSSA-SHA384-PSSZERO-Deterministic", salt_bytes=0, randomized=False)
VARIANTS = (PSS_RANDOMIZED, PSSZERO_RANDOMIZED, PSS_DETERMINISTIC, PSSZERO_DETERMINISTIC)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    """An issuer's public key: modulus n and exponent e. Malformed if the two cannot be an RSA key."""

    n: int
    e: int
    _key: rsa.RSAPublicKey = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.n % 2 == 0:
            raise Malformed("the RSA modulus is even")
        try:
            key = rsa.RSAPublicNumbers(self.e, self.n).public_key()
        except (ValueError, UnsupportedAlgorithm):
            raise Malformed("these numbers are not an RSA public key") from None
        object.__setattr__(self, "_key", key)

    @classmethod
    def from_spki(cls, der: bytes) -> "PublicKey":
        """Read a SubjectPublicKeyInfo: DER, rsaEncryption, the same bytes when written again. Malformed otherwise."""
        try:
            key = load_der_public_key(der)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise Malformed("the issuer key is not a DER public key") from None
        if not isinstance(key, rsa.RSAPublicKey):
            raise Malformed("the issuer key is not an RSA key")
        numbers = key.public_numbers()
        public_key = cls(n=numbers.n, e=numbers.e)
        if public_key.spki() != der:
            raise Malformed("the issuer key is not in its one DER form as an rsaEncryption key")
        return public_key

    def spki(self) -> bytes:
        """The DER SubjectPublicKeyInfo with algorithm rsaEncryption (RFC 3279 §2.3.1)."""
        return self._key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    @property
    def bits(self) -> int:
        """Length of the modulus in bits."""
        return self.n.bit_length()

    @property
    def modulus_bytes(self) -> int:
        """Length in bytes of the modulus, and so of a blinded message, a blind signature, an inverse and a sig."""
        return (self.bits + 7) // 8


class PrivateKey:
    """An issuer's private key, ready for the Chinese remainder theorem. Never printed, never compared."""

    __slots__ = ("_dp", "_dq", "_e", "_n", "_p", "_q", "_q_inverse", "public")

    public: PublicKey

    def __init__(self, *, p: int, q: int, e: int) -> None:
        if p == q or e < 3 or not (gmpy2.is_prime(p) and gmpy2.is_prime(q)):
            raise Malformed("these numbers are not an RSA private key")
        try:
            self._dp, self._dq = gmpy2.invert(e, p - 1), gmpy2.invert(e, q - 1)
        except ZeroDivisionError:
            raise Malformed("these numbers are not an RSA private key") from None
        self._p, self._q, self._q_inverse = mpz(p), mpz(q), gmpy2.invert(q, p)
        self._n, self._e = self._p * self._q, mpz(e)
        self.public = PublicKey(n=p * q, e=e)

    @classmethod
    def generate(cls, bits: int) -> "PrivateKey":
        """A fresh key, e = 65537, made by the library by its own chance. Malformed if it makes no such size."""
        try:
            numbers = rsa.generate_private_key(65537, bits).private_numbers()
        except ValueError:
            raise Malformed(f"no RSA key of {bits} bits can be made") from None
        return cls(p=numbers.p, q=numbers.q, e=numbers.public_numbers.e)

    @classmethod
    def from_numbers(cls, *, p: int, q: int, e: int = 65537) -> "PrivateKey":
        """A key from its primes and public exponent. Malformed if they are not one."""
        return cls(p=p, q=q, e=e)

    @classmethod
    def from_pkcs8(cls, der: bytes) -> "PrivateKey":
        """Read an unencrypted DER PrivateKeyInfo (RFC 5208). Malformed if it is not an RSA key."""
        try:
            key = load_der_private_key(der, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise Malformed("the private key is not an unencrypted DER key") from None
        if not isinstance(key, rsa.RSAPrivateKey):
            raise Malformed("the private key is not an RSA key")
        numbers = key.private_numbers()
        return cls(p=numbers.p, q=numbers.q, e=numbers.public_numbers.e)

    def pkcs8(self) -> bytes:
        """The unencrypted DER PrivateKeyInfo: whoever reads it can invent tokens."""
        d = gmpy2.invert(self._e, gmpy2.lcm(self._p - 1, self._q - 1))
        numbers = rsa.RSAPrivateNumbers(
            p=int(self._p),
            q=int(self._q),
            d=int(d),
            dmp1=int(self._dp),
            dmq1=int(self._dq),
            iqmp=int(self._q_inverse),
            public_numbers=rsa.RSAPublicNumbers(self.public.e, self.public.n),
        )
        return numbers.private_key().private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())

    def __repr__(self) -> str:
        return f"PrivateKey({self.public.bits} bits)"

    def __reduce__(self) -> str:
        raise TypeError("a private key is stored by pkcs8(), where somebody decides who may read it")


def prepare(message: bytes, *, prefix: bytes, variant: Variant = PSS_RANDOMIZED) -> bytes:
    """RFC 9474 §4.1: prefix(32) || message if randomized; the message, with an empty prefix, if not. Malformed."""
    wanted = PREFIX_BYTES if variant.randomized else 0
    if len(prefix) != wanted:
        raise Malformed(f"the prefix is {len(prefix)} bytes, and {variant.name} takes {wanted}")
    return prefix + message


def blind(
    public_key: PublicKey,
    prepared: bytes,
    *,
    randbytes: Callable[[int], bytes],
    variant: Variant = PSS_RANDOMIZED,
) -> tuple[bytes, bytes]:
    """RFC 9474 §4.2: (blinded message, inverse), each as long as the modulus. The inverse stays secret for ever."""
    salt = randbytes(variant.salt_bytes)
    r = _random_below(public_key.n, randbytes)
    return blind_with(public_key, prepared, salt=salt, r=r)


def blind_with(public_key: PublicKey, prepared: bytes, *, salt: bytes, r: int) -> tuple[bytes, bytes]:
    """`blind` with salt and r given (1 <= r < n): for known answers only. Malformed if r has no inverse modulo n."""
    n = mpz(public_key.n)
    m = _to_int(emsa_pss_encode(prepared, em_bits=public_key.bits - 1, salt=salt))
    if gmpy2.gcd(m, n) != 1 or gmpy2.gcd(r, n) != 1:
        raise Malformed("the issuer key shares a factor with what is to be signed, so it is not a sound key")
    blinded = m * gmpy2.powmod(r, public_key.e, n) % n
    return _to_bytes(blinded, public_key), _to_bytes(gmpy2.invert(r, n), public_key)


def blind_sign(
    private_key: PrivateKey, blinded: bytes, *, randbytes: Callable[[int], bytes] = secrets.token_bytes
) -> bytes:
    """RFC 9474 §4.3: the blind signature, as long as the modulus; the same for the same message.

    1. read the message  2. blind it anew  3. apply the private key  4. unblind  5. check before anything leaves.
    Malformed if the message is not below the modulus; Unavailable if the machine miscalculated.

    The blinding of step 2 is the signer's own, against timing (RFC 9474 §8.1), fresh for each message: its chance comes
    from the system by default. Secret exponents meet `powmod_sec` only (step 3), which takes the same time for all.
    """
    n, e = private_key._n, private_key._e
    m = _read_below_modulus(blinded, private_key.public, "the blinded message")  # 1
    r = mpz(_random_below(private_key.public.n, randbytes))  # 2
    mask = mpz(_random_below(private_key.public.n, randbytes))
    r_inverse = gmpy2.invert(r * mask % n, n) * mask % n  # the mask keeps the time of `invert` from telling r
    s = _private_operation(private_key, m * gmpy2.powmod(r, e, n) % n)  # 3
    s = s * r_inverse % n  # 4
    if gmpy2.powmod(s, e, n) != m:  # 5: one faulty half would give the primes away
        raise Unavailable("the blind signature came out wrong and was kept back: do not trust this machine")
    return _to_bytes(s, private_key.public)


def _private_operation(private_key: PrivateKey, m: mpz) -> mpz:
    """RSASP1 (RFC 8017 §5.2.1) by the Chinese remainder theorem, both halves in constant time."""
    p, q = private_key._p, private_key._q
    s_p = gmpy2.powmod_sec(m % p, private_key._dp, p)
    s_q = gmpy2.powmod_sec(m % q, private_key._dq, q)
    return s_q + q * ((s_p - s_q) * private_key._q_inverse % p)


def finalize(
    public_key: PublicKey,
    prepared: bytes,
    blind_sig: bytes,
    inverse: bytes,
    *,
    variant: Variant = PSS_RANDOMIZED,
) -> bytes:
    """RFC 9474 §4.4: the sig, as long as the modulus. VerificationError if the signer did not sign what was blinded."""
    n = mpz(public_key.n)
    s = _read_below_modulus(blind_sig, public_key, "the blind signature")
    sig = _to_bytes(s * _read_below_modulus(inverse, public_key, "the inverse") % n, public_key)
    verify(public_key, prepared, sig, variant=variant)
    return sig


def verify(public_key: PublicKey, prepared: bytes, sig: bytes, *, variant: Variant = PSS_RANDOMIZED) -> None:
    """RSASSA-PSS-VERIFY (RFC 8017 §8.1.2) with SHA-384 and MGF1. VerificationError if `sig` is not over `prepared`."""
    try:
        public_key._key.verify(sig, prepared, _padding(variant.salt_bytes), _SHA384)
    except InvalidSignature:
        raise VerificationError("the token was not signed by this issuer key for this message") from None


def emsa_pss_encode(message: bytes, *, em_bits: int, salt: bytes) -> bytes:
    """RFC 8017 §9.1.1 with SHA-384 and MGF1: ceil(em_bits / 8) bytes. Malformed if hash and salt have no room."""
    em_bytes = (em_bits + 7) // 8
    padding_bytes = em_bytes - len(salt) - HASH_BYTES - 2
    if padding_bytes < 0:
        raise Malformed("the RSA key is too short for SHA-384 with this salt")
    h = sha384(bytes(8) + sha384(message).digest() + salt).digest()
    db = bytes(padding_bytes) + b"\x01" + salt
    masked_db = bytearray(a ^ b for a, b in zip(db, _mgf1(h, len(db)), strict=True))
    masked_db[0] &= 0xFF >> (8 * em_bytes - em_bits)
    return bytes(masked_db) + h + b"\xbc"


def self_test() -> None:
    """Known answers, asked once before a private key is used: blind, blind_sign, finalize. Unavailable if wrong."""
    known = _known_answer
    private_key = PrivateKey.from_numbers(p=known.P, q=known.Q)
    blinded, inverse = blind_with(private_key.public, known.PREPARED, salt=known.SALT, r=known.R)
    blind_sig = blind_sign(private_key, blinded)
    sig = finalize(private_key.public, known.PREPARED, blind_sig, inverse)
    answers = tuple(sha256(answer).hexdigest() for answer in (blinded, blind_sig, sig))
    if answers != (known.BLINDED_SHA256, known.BLIND_SIG_SHA256, known.SIG_SHA256):
        raise Unavailable("blind signatures come out wrong on this machine: no token may be issued here")


_SHA384 = hashes.SHA384()


@cache
def _padding(salt_bytes: int) -> padding.PSS:
    return padding.PSS(mgf=padding.MGF1(_SHA384), salt_length=salt_bytes)


def _mgf1(seed: bytes, length: int) -> bytes:
    """RFC 8017 appendix B.2.1 with SHA-384."""
    blocks = (sha384(seed + counter.to_bytes(4, "big")).digest() for counter in range(-(-length // HASH_BYTES)))
    return b"".join(blocks)[:length]


def _random_below(n: int, randbytes: Callable[[int], bytes]) -> int:
    """1 <= r < n, every value as likely: draw as many bits as n has until they fit."""
    bits = n.bit_length()
    while True:
        r = int.from_bytes(randbytes((bits + 7) // 8), "big") >> (-bits % 8)
        if 1 <= r < n:
            return r


def _read_below_modulus(data: bytes, public_key: PublicKey, name: str) -> mpz:
    if len(data) != public_key.modulus_bytes:
        raise Malformed(f"{name} is {len(data)} bytes, and this key takes {public_key.modulus_bytes}")
    value = _to_int(data)
    if value >= public_key.n:
        raise Malformed(f"{name} is not below the modulus of this key")
    return value


def _to_int(data: bytes) -> mpz:
    return mpz(int.from_bytes(data, "big"))


def _to_bytes(value: mpz, public_key: PublicKey) -> bytes:
    return int(value).to_bytes(public_key.modulus_bytes, "big")
