"""Checkpoints: what a log signs about its tree (C2SP tlog-checkpoint).

example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
"""

from __future__ import annotations

from dataclasses import dataclass

from undersigned.errors import Malformed, VerificationError
from undersigned.transparency.encoding import base64_text, check_decimal, read_decimal, read_hash
from undersigned.transparency.merkle import EMPTY_ROOT, HASH_BYTES
from undersigned.transparency.note import Note, VerifierKey, parse_note, sign_note, verify_note


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A log's name, the number of its entries and the root hash (32 bytes) of its tree at that size.

    `extensions` are further lines that other people's logs may sign; ours have none.
    """

    origin: str
    size: int
    root_hash: bytes
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not all(line and "\n" not in line for line in (self.origin, *self.extensions)):
            raise Malformed("the origin and every further line of a checkpoint is one line, and not empty")
        check_decimal(self.size, what="the size in the checkpoint")
        if len(self.root_hash) != HASH_BYTES:
            raise Malformed("the root hash of a checkpoint has 32 bytes")
        if self.size == 0 and self.root_hash != EMPTY_ROOT:
            raise Malformed("the checkpoint of an empty log carries another root hash than that of the empty tree")

    def encode(self) -> str:
        """Write the text of the note."""
        lines = (self.origin, str(self.size), base64_text(self.root_hash), *self.extensions)
        return "\n".join(lines) + "\n"


def parse_checkpoint(text: str, *, extensions: bool = False) -> Checkpoint:
    """Read the text of a note as a checkpoint, or raise Malformed; extension lines only where they are allowed."""
    lines = text.split("\n")
    if len(lines) < 4 or lines.pop():
        raise Malformed("a checkpoint is an origin, a size and a root hash, a line each")
    origin, size, root_hash, *further = lines
    if further and not extensions:
        raise Malformed("the checkpoint has extension lines, and here it must have none")
    return Checkpoint(
        origin=origin,
        size=read_decimal(size, what="the size in the checkpoint"),
        root_hash=read_hash(root_hash, what="the root hash in the checkpoint"),
        extensions=tuple(further),
    )


def sign_checkpoint(checkpoint: Checkpoint, *, seed: bytes) -> Note:
    """Sign a checkpoint under its origin as the key name, with an Ed25519 seed of 32 bytes."""
    text = checkpoint.encode()
    return Note(text=text, signatures=(sign_note(text, name=checkpoint.origin, seed=seed),))


def open_checkpoint(data: bytes, vkey: VerifierKey) -> tuple[Checkpoint, Note]:
    """Read a signed checkpoint and check that the log named by `vkey` signed it as its own.

    Raises Malformed, or VerificationError for another log or a signature that fails. Cosignatures are left unread.
    """
    note = parse_note(data)
    checkpoint = parse_checkpoint(note.text)
    if checkpoint.origin != vkey.name:
        raise VerificationError("the checkpoint is of another log")
    verify_note(note, vkey)
    return checkpoint, note
