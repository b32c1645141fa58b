"""The right to sign once: what is blind-signed, and what ties a name to it without anybody seeing the name.

spec/tokens.md. Blind RSA is RFC 9474, RSABSSA-SHA384-PSS-Randomized; here are only the messages of a letter and the
rule that issuer keys have 2,048 bits and e = 65537.
"""

from undersigned.crypto import blind_rsa
from undersigned.errors import Malformed, VerificationError
from undersigned.protocol.encoding import sha256

TOKEN_BYTES = 288
PREFIX_BYTES = 32
NO_COMMITMENT = bytes(32)


def read_issuer_key(spki: bytes) -> blind_rsa.PublicKey:
    """An issuer key from its DER; Malformed unless rsaEncryption, 2,048 bits, e = 65537."""
    key = blind_rsa.PublicKey.from_spki(spki)
    if key.bits != 2048 or key.e != 65537:
        raise Malformed("an issuer key must be RSA with 2,048 bits and e = 65537")
    return key


def token_message(*, lid: bytes, class_id: int, key: bytes) -> bytes:
    """The 86 bytes a token signs: the letter, the class, and the signatory's fresh key."""
    return b"undersigned/v1/token\0" + lid + bytes([class_id]) + key


def verify_token(token: bytes, *, issuer: blind_rsa.PublicKey, lid: bytes, class_id: int, key: bytes) -> None:
    """Check a 288-byte token, prefix(32) || sig(256); VerificationError when it is not this issuer's for this key."""
    if len(token) != TOKEN_BYTES:
        raise VerificationError(f"a token has {TOKEN_BYTES} bytes, and this one has {len(token)}")
    prefix, sig = token[:PREFIX_BYTES], token[PREFIX_BYTES:]
    prepared = blind_rsa.prepare(token_message(lid=lid, class_id=class_id, key=key), prefix=prefix)
    blind_rsa.verify(issuer, prepared, sig)


def commitment(*, r: bytes, key: bytes) -> bytes:
    """C, 32 bytes: ties an identity certificate to a key the registrar has not seen."""
    return sha256(b"undersigned/v1/identity\0", r, key)


def certificate_message(
    *, lid: bytes, class_id: int, method: int, attested: int, commitment: bytes, card_hash: bytes
) -> bytes:
    """What a registrar signs for a name it attests; `card_hash` is H(JCS(card)), 32 bytes."""
    head = b"undersigned/v1/identity-certificate\0" + lid
    return head + bytes([class_id, method, attested]) + commitment + card_hash


def request_hash(*, class_id: int, blinded: bytes, commitment: bytes, card_hash: bytes) -> bytes:
    """What a registrar keeps of a request, so that the same one again gets the same answer."""
    return sha256(bytes([class_id]), blinded, commitment, card_hash)
