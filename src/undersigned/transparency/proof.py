"""Proofs that travel alone: an inclusion proof with its checkpoint and cosignatures (C2SP tlog-proof).

c2sp.org/tlog-proof@v1
extra <base64>
index 73894
<base64 of a hash, from the leaf's sibling upwards>
...

<the signed checkpoint, as it is>
"""

from __future__ import annotations

from dataclasses import dataclass

from undersigned.errors import Malformed
from undersigned.transparency.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint
from undersigned.transparency.encoding import base64_text, check_decimal, read_base64, read_decimal, read_hash
from undersigned.transparency.merkle import HASH_BYTES, verify_inclusion
from undersigned.transparency.note import VerifierKey, parse_note
from undersigned.transparency.policy import Policy

HEADER = "c2sp.org/tlog-proof@v1"
MAX_HASHES = 63
MAX_PROOF_BYTES = 2 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class TlogProof:
    """The index of a leaf, at most 63 hashes (32 bytes each) up to the root, and the signed checkpoint as bytes.

    `extra` is whatever else travels along, at least one byte or None; nobody has signed it.
    """

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes | None = None

    def __post_init__(self) -> None:
        check_decimal(self.index, what="the index in the proof")
        if len(self.hashes) > MAX_HASHES or any(len(h) != HASH_BYTES for h in self.hashes):
            raise Malformed(f"a proof holds at most {MAX_HASHES} hashes of {HASH_BYTES} bytes")
        if self.extra == b"":
            raise Malformed("a proof without extra data has no extra line")
        parse_checkpoint(parse_note(self.checkpoint).text)

    def encode(self) -> bytes:
        """Write the proof, at most 2 MiB."""
        lines = [HEADER, f"index {self.index}", *(base64_text(h) for h in self.hashes), "", ""]
        if self.extra is not None:
            lines.insert(1, f"extra {base64_text(self.extra)}")
        data = "\n".join(lines).encode("ascii") + self.checkpoint
        _check_proof_bytes(data)
        return data


def parse_proof(data: bytes) -> TlogProof:
    """Read a proof of at most 2 MiB, or raise Malformed. Nothing is verified yet."""
    _check_proof_bytes(data)
    head, separator, checkpoint = data.partition(b"\n\n")
    if not separator or not head.isascii():
        raise Malformed("a proof is a header, an index, hashes, an empty line and a checkpoint")
    header, *lines = head.decode("ascii").split("\n")
    if header != HEADER:
        raise Malformed(f"a proof begins with the line {HEADER}")
    extra = lines.pop(0).removeprefix("extra ") if lines and lines[0].startswith("extra ") else None
    if not lines or not lines[0].startswith("index "):
        raise Malformed("the proof has no index line where it should be")
    return TlogProof(
        index=read_decimal(lines[0].removeprefix("index "), what="the index in the proof"),
        hashes=tuple(read_hash(line, what="a hash in the proof") for line in lines[1:]),
        checkpoint=checkpoint,
        extra=None if extra is None else read_base64(extra, what="the extra data of the proof"),
    )


def verify_proof(proof: TlogProof, *, leaf_hash: bytes, vkey: VerifierKey, policy: Policy | None = None) -> Checkpoint:
    """Check that the log of `vkey` holds the leaf of `leaf_hash` (32 bytes), and return the checkpoint that says so.

    1. the log's signature  2. the inclusion proof  3. the witnesses, when a policy is given.
    Raises Malformed or VerificationError.
    """
    checkpoint, note = open_checkpoint(proof.checkpoint, vkey)  # 1
    verify_inclusion(  # 2
        leaf_hash=leaf_hash,
        index=proof.index,
        size=checkpoint.size,
        proof=proof.hashes,
        root=checkpoint.root_hash,
    )
    if policy is not None:
        policy.check(note)  # 3
    return checkpoint


def _check_proof_bytes(data: bytes) -> None:
    if len(data) > MAX_PROOF_BYTES:
        raise Malformed("a proof has at most 2 MiB")
