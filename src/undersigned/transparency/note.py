"""Signed notes: a text and the signatures under it (C2SP signed-note).

This is what is signed.

— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256

from undersigned.crypto import ed25519
from undersigned.errors import Malformed, VerificationError
from undersigned.transparency.encoding import base64_text, read_base64

ED25519 = 0x01
COSIGNATURE = 0x04
MAX_NOTE_BYTES = 1 << 20
MAX_SIGNATURES = 100

_CONTROL = re.compile("[\x00-\x09\x0b-\x1f]")
_VKEY = re.compile(r"([^+]+)\+([0-9a-f]{8})\+(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteSignature:
    """One signature line: the name of a key, its id (4 bytes) and what it signed (at least 1 byte)."""

    name: str
    key_id: bytes
    sig: bytes

    def __post_init__(self) -> None:
        check_key_name(self.name)
        if len(self.key_id) != 4 or not self.sig:
            raise Malformed("a signature line holds a key id of 4 bytes and a signature")

    def encode(self) -> str:
        """Write the line, with its newline."""
        return f"— {self.name} {base64_text(self.key_id + self.sig)}\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A text that ends in a newline, and from 1 to 100 signatures. The text means nothing until one is verified."""

    text: str
    signatures: tuple[NoteSignature, ...]

    def __post_init__(self) -> None:
        if not self.text.endswith("\n"):
            raise Malformed("the text of a note ends with a newline")
        _check_characters(self.text)
        if not 0 < len(self.signatures) <= MAX_SIGNATURES:
            raise Malformed(f"a note carries from 1 to {MAX_SIGNATURES} signatures")

    def encode(self) -> bytes:
        """Write the note, at most 1 MiB of UTF-8: text, empty line, signature lines."""
        data = (self.text + "\n" + "".join(signature.encode() for signature in self.signatures)).encode("utf-8")
        _check_note_bytes(data)
        return data


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifierKey:
    """A key that notes are verified with: its name, its algorithm (0x01 or 0x04) and an Ed25519 key of 32 bytes."""

    name: str
    algorithm: int
    key: bytes

    def __post_init__(self) -> None:
        check_key_name(self.name)
        if self.algorithm not in (ED25519, COSIGNATURE):
            raise Malformed("a verifier key is an Ed25519 key or the Ed25519 cosignature key of a witness")
        ed25519.check_public_key(self.key)

    @property
    def key_id(self) -> bytes:
        """The first 4 bytes of SHA-256(name || newline || algorithm || key)."""
        return sha256(self.name.encode("utf-8") + bytes((0x0A, self.algorithm)) + self.key).digest()[:4]

    def encode(self) -> str:
        """Write the key as `<name>+<8 hex digits of the key id>+<base64 of algorithm and key>`."""
        return f"{self.name}+{self.key_id.hex()}+{base64_text(bytes((self.algorithm,)) + self.key)}"


def parse_note(data: bytes) -> Note:
    """Read a note of at most 1 MiB, or raise Malformed. Nothing is verified yet."""
    _check_note_bytes(data)
    try:
        document = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed("the note is not UTF-8") from error
    text, separator, lines = document.rpartition("\n\n")
    if not separator or not lines.endswith("\n"):
        raise Malformed("a note is a text, an empty line and signature lines, each with its newline")
    if lines.count("\n") > MAX_SIGNATURES:
        raise Malformed(f"a note carries from 1 to {MAX_SIGNATURES} signatures")
    return Note(text=text + "\n", signatures=tuple(_parse_signature(line) for line in lines[:-1].split("\n")))


def _parse_signature(line: str) -> NoteSignature:
    dash, _, rest = line.partition(" ")
    name, space, blob = rest.partition(" ")
    if dash != "—" or not space:
        raise Malformed("a signature line is an em dash, a key name and the signature, with single spaces")
    key_id_and_sig = read_base64(blob, what="a signature in the note")
    return NoteSignature(name=name, key_id=key_id_and_sig[:4], sig=key_id_and_sig[4:])


def parse_vkey(text: str) -> VerifierKey:
    """Read a verifier key, or raise Malformed. C2SP signed-note, section "Verifier keys"."""
    match = _VKEY.fullmatch(text)
    if match is None:
        raise Malformed("a verifier key is written <name>+<key id>+<base64 of the key>")
    name, key_id, blob = match.groups()
    key = read_base64(blob, what="the verifier key")
    vkey = VerifierKey(name=name, algorithm=key[0] if key else 0, key=key[1:])
    if vkey.key_id.hex() != key_id:
        raise Malformed("the key id of the verifier key does not belong to its name and key")
    return vkey


def ed25519_vkey(name: str, public_key: bytes) -> VerifierKey:
    """Name an Ed25519 public key, 32 bytes, that signs notes (type 0x01)."""
    return VerifierKey(name=name, algorithm=ED25519, key=public_key)


def cosignature_vkey(name: str, public_key: bytes) -> VerifierKey:
    """Name an Ed25519 public key, 32 bytes, that cosigns checkpoints (type 0x04)."""
    return VerifierKey(name=name, algorithm=COSIGNATURE, key=public_key)


def sign_note(text: str, *, name: str, seed: bytes) -> NoteSignature:
    """Sign the text of a note with an Ed25519 seed of 32 bytes. C2SP signed-note, section "Ed25519 signatures"."""
    if not text.endswith("\n"):
        raise Malformed("the text of a note ends with a newline")
    _check_characters(text)
    key_id = ed25519_vkey(name, ed25519.public_key(seed)).key_id
    return NoteSignature(name=name, key_id=key_id, sig=ed25519.sign(seed, text.encode("utf-8")))


def verify_note(note: Note, vkey: VerifierKey) -> None:
    """Check that `vkey`, of type 0x01, signed the note, or raise VerificationError. Other keys are ignored."""
    if vkey.algorithm != ED25519:
        raise VerificationError("the key is for cosignatures, and a note is signed by a plain Ed25519 key")
    signature = find_signature(note, vkey)
    if signature is None:
        raise VerificationError("the note carries no signature by the expected key")
    ed25519.verify(public_key=vkey.key, message=note.text.encode("utf-8"), sig=signature.sig)


def find_signature(note: Note, vkey: VerifierKey) -> NoteSignature | None:
    """Return the one signature line with the key's name and id, unverified, or None; two are a VerificationError."""
    key_id = vkey.key_id
    found = [s for s in note.signatures if s.key_id == key_id and s.name == vkey.name]
    if len(found) > 1:
        raise VerificationError("the note carries two signatures by one key, and only one may count")
    return found[0] if found else None


def check_key_name(name: str) -> None:
    """Malformed unless the name is non-empty, without spaces (of any script), plus signs and control characters."""
    if not name or "+" in name or name.split() != [name]:
        raise Malformed("a key name is not empty and holds neither spaces nor a plus sign")
    _check_characters(name)


def _check_characters(text: str) -> None:
    if _CONTROL.search(text):
        raise Malformed("a note holds no control characters but newlines")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise Malformed("a note holds whole Unicode characters only") from error


def _check_note_bytes(data: bytes) -> None:
    if len(data) > MAX_NOTE_BYTES:
        raise Malformed("a note has at most 1 MiB")
