"""What a signatory keeps: the entry, the name card, the promise, the proof, and the secret key under a passphrase.

spec/receipt.md. The file proves the signature without the host, and it proves that its holder took part.
"""

from collections.abc import Callable

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from msgspec import UNSET, UnsetType

from undersigned.errors import Malformed, VerificationError
from undersigned.protocol import entry as entries
from undersigned.protocol.blob import PublicBlob, read_public_blob
from undersigned.protocol.encoding import from_jcs, sha256, to_jcs
from undersigned.protocol.entry import Key, Part, Uint
from undersigned.protocol.letter import Letter
from undersigned.protocol.promise import Promise, verify_promise
from undersigned.protocol.verification import verify_entry
from undersigned.transparency.checkpoint import Checkpoint
from undersigned.transparency.merkle import leaf_hash
from undersigned.transparency.policy import Policy
from undersigned.transparency.proof import parse_proof, verify_proof

ROUNDS = 600_000
MAX_RECEIPT_BYTES = 512 * 1024
_AAD = b"undersigned/v1/receipt\0"


class Secret(Part, frozen=True, kw_only=True):
    """The 32-byte Ed25519 seed, then the card if any, under AES-256-GCM.

    The key is PBKDF2-HMAC-SHA256 of the passphrase with 600,000 rounds; the nonce is 0^12.
    """

    salt: Key
    rounds: Uint
    box: bytes


class Receipt(Part, frozen=True, kw_only=True):
    """`publication` and `entry` are the exact log bytes; `proof` a C2SP tlog-proof once the entry is included."""

    v: int
    origin: str
    lid: Key
    publication: bytes
    entry: bytes
    promise: Promise
    blob: bytes | UnsetType = UNSET
    proof: str | UnsetType = UNSET
    secret: Secret | UnsetType = UNSET


_DECODER = msgspec.json.Decoder(Receipt)


def make_receipt(
    *, letter: Letter, entry: bytes, promise: Promise, blob: bytes | None, secret: Secret | None
) -> Receipt:
    """A receipt straight after the promise; `with_proof` completes it."""
    return Receipt(
        v=1,
        origin=letter.origin,
        lid=letter.lid,
        publication=letter.data,
        entry=entry,
        promise=promise,
        blob=UNSET if blob is None else blob,
        secret=UNSET if secret is None else secret,
    )


def with_proof(receipt: Receipt, proof: bytes) -> Receipt:
    """The same receipt with its inclusion proof."""
    return msgspec.structs.replace(receipt, proof=proof.decode())


def encode_receipt(receipt: Receipt) -> bytes:
    """Its JCS bytes and a line feed, a file for people to keep."""
    return to_jcs(receipt) + b"\n"


def read_receipt(data: bytes) -> Receipt:
    """Read a receipt file strictly; Malformed."""
    if len(data) > MAX_RECEIPT_BYTES:
        raise Malformed("this is not a receipt: it is far too long")
    receipt = from_jcs(_DECODER, data.removesuffix(b"\n"), what="a receipt")
    if receipt.v != 1:
        raise Malformed("this receipt is of a version that this program does not know")
    return receipt


def receipt_letter(receipt: Receipt) -> Letter:
    """The letter inside; Malformed or VerificationError when its lid or origin is not the receipt's."""
    letter = Letter.from_entry(receipt.publication)
    if letter.lid != receipt.lid or letter.origin != receipt.origin:
        raise VerificationError("the receipt names another letter than the one it holds")
    return letter


def verify_receipt(receipt: Receipt, *, policy: Policy | None = None) -> tuple[Letter, Checkpoint | None]:
    """Check letter, entry, blob, promise and, where there, the proof with its witnesses (the letter's, or `policy`).

    Returns the letter and the checkpoint that includes the entry, None while only promised.
    Raises Malformed, Refused or VerificationError.
    """
    letter = receipt_letter(receipt)
    entry = signature_of(receipt)
    verify_entry(entry, letter)
    blob_hash = None if entry.blob is UNSET else entry.blob
    if blob_hash != (None if receipt.blob is UNSET else sha256(receipt.blob)):
        raise VerificationError("the receipt's name card is not the one its entry names")
    verify_promise(receipt.promise, entry=receipt.entry, key=entry.key, letter=letter)
    if receipt.proof is UNSET:
        return letter, None
    proof = parse_proof(receipt.proof.encode())
    chosen = policy or letter.policy
    checkpoint = verify_proof(proof, leaf_hash=leaf_hash(receipt.entry), vkey=letter.log_vkey, policy=chosen)
    return letter, checkpoint


def signature_of(receipt: Receipt) -> entries.Signature:
    """The signature entry inside; Malformed when it is of another kind."""
    entry = entries.decode_entry(receipt.entry)
    if not isinstance(entry, entries.Signature):
        raise Malformed("the receipt holds an entry that is not a signature")
    return entry


def lock_secret(
    seed: bytes,
    *,
    passphrase: str,
    randbytes: Callable[[int], bytes],
    card: PublicBlob | None = None,
    rounds: int = ROUNDS,
) -> Secret:
    """Put the 32-byte seed, and of a sealed signature the name card, under a passphrase."""
    salt = randbytes(32)
    inside = seed + (b"" if card is None else to_jcs(card))
    box = AESGCM(_stretch(passphrase, salt, rounds)).encrypt(bytes(12), inside, _AAD)
    return Secret(salt=salt, rounds=rounds, box=box)


def unlock_secret(secret: Secret, *, passphrase: str) -> bytes:
    """The 32-byte seed; VerificationError for another passphrase."""
    return _unlock(secret, passphrase)[:32]


def unlock_card(secret: Secret, *, passphrase: str) -> PublicBlob | None:
    """The name card kept beside the seed, None if none was; VerificationError for another passphrase."""
    inside = _unlock(secret, passphrase)[32:]
    return read_public_blob(inside) if inside else None


def _unlock(secret: Secret, passphrase: str) -> bytes:
    if not 1 <= secret.rounds <= 10_000_000:
        raise Malformed("the receipt asks for an absurd number of rounds")
    try:
        return AESGCM(_stretch(passphrase, secret.salt, secret.rounds)).decrypt(bytes(12), secret.box, _AAD)
    except (InvalidTag, ValueError):
        raise VerificationError("this passphrase does not open the receipt") from None


def _stretch(passphrase: str, salt: bytes, rounds: int) -> bytes:
    kdf = PBKDF2HMAC(algorithm=SHA256(), length=32, salt=salt, iterations=rounds)
    return kdf.derive(passphrase.encode())
