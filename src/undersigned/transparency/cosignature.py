"""Cosignatures: what a witness signs about a checkpoint, and when (C2SP tlog-cosignature, Ed25519, cosignature/v1)."""

from __future__ import annotations

from undersigned.crypto import ed25519
from undersigned.errors import Malformed, VerificationError
from undersigned.transparency.checkpoint import parse_checkpoint
from undersigned.transparency.encoding import MAX_DECIMAL
from undersigned.transparency.note import (
    COSIGNATURE,
    Note,
    NoteSignature,
    VerifierKey,
    cosignature_vkey,
    find_signature,
)

TIMESTAMP_BYTES = 8


def cosign(text: str, *, name: str, seed: bytes, timestamp: int) -> NoteSignature:
    """Cosign the text of a checkpoint at `timestamp` (Unix seconds, 1 to 2^63-1) with an Ed25519 seed of 32 bytes."""
    parse_checkpoint(text, extensions=True)
    if not 0 < timestamp <= MAX_DECIMAL:
        raise Malformed("the time of a cosignature is in seconds since 1970, and not 0")
    key_id = cosignature_vkey(name, ed25519.public_key(seed)).key_id
    sig = ed25519.sign(seed, cosigned_message(text, timestamp=timestamp))
    return NoteSignature(name=name, key_id=key_id, sig=timestamp.to_bytes(TIMESTAMP_BYTES, "big") + sig)


def verify_cosignature(note: Note, vkey: VerifierKey) -> int:
    """Return the Unix second at which `vkey`, of type 0x04, cosigned this note.

    VerificationError if its cosignature is absent, twice there, does not verify, or carries no time.
    """
    signature = find_signature(note, vkey)
    if signature is None:
        raise VerificationError("the checkpoint carries no cosignature by this witness")
    return check_cosignature(note, vkey, signature)


def check_cosignature(note: Note, vkey: VerifierKey, signature: NoteSignature) -> int:
    """Return the Unix second of a signature line that `find_signature` found on this note, or VerificationError."""
    if vkey.algorithm != COSIGNATURE:
        raise VerificationError("the key is not a witness's key for cosignatures")
    timestamp = int.from_bytes(signature.sig[:TIMESTAMP_BYTES], "big")
    if not 0 < timestamp <= MAX_DECIMAL:
        raise VerificationError("the cosignature carries no time")
    message = cosigned_message(note.text, timestamp=timestamp)
    ed25519.verify(public_key=vkey.key, message=message, sig=signature.sig[TIMESTAMP_BYTES:])
    return timestamp


def cosigned_message(text: str, *, timestamp: int) -> bytes:
    """Write the bytes that a witness signs. C2SP tlog-cosignature, section "Ed25519 signed message"."""
    return f"cosignature/v1\ntime {timestamp}\n{text}".encode()
