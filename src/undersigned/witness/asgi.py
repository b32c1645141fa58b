"""The witness's doorway: C2SP tlog-witness, `POST /add-checkpoint`, and what it says about itself.

old 20852014
<base64 of a hash of the consistency proof>
...

<the log's signed checkpoint>
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from undersigned.crypto import ed25519
from undersigned.errors import Malformed, UndersignedError, VerificationError
from undersigned.transparency.checkpoint import Checkpoint, parse_checkpoint
from undersigned.transparency.cosignature import cosign
from undersigned.transparency.encoding import read_decimal, read_hash
from undersigned.transparency.merkle import verify_consistency
from undersigned.transparency.note import (
    Note,
    VerifierKey,
    cosignature_vkey,
    ed25519_vkey,
    parse_note,
    verify_note,
)
from undersigned.web import Answer, Forbidden, NotFound, Receive, Request, Router, Scope, Send, json_answer, text_answer
from undersigned.witness.state import WitnessState

MAX_PROOF_LINES = 63


class Conflict(UndersignedError):
    """The witness knows another checkpoint; `size` is the number of entries of the one it cosigned last."""

    def __init__(self, size: int) -> None:
        super().__init__(f"this witness cosigned this log last at size {size}")
        self.size = size


class Witness:
    """One witness: an ASGI application, and the same in-process by `add_checkpoint`."""

    def __init__(
        self,
        *,
        directory: Path,
        name: str,
        seed: bytes,
        hosts: Mapping[str, bytes],
        logs: Mapping[str, VerifierKey],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`hosts`: log key (32 bytes) of each host whose letters it cosigns; `logs`: single origins with their key."""
        self.vkey = cosignature_vkey(name, ed25519.public_key(seed))
        self.state = WitnessState(directory)
        self._name, self._seed, self._clock = name, seed, clock
        self._hosts, self._logs = dict(hosts), dict(logs)
        self.router = Router()
        self.router.add("POST", "/add-checkpoint", self._answer)
        self.router.add("GET", "/vkey", lambda request: text_answer(self.vkey.encode() + "\n"))
        self.router.add("GET", "/origins", lambda request: json_answer({"origins": self.state.origins()}))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        await self.router(scope, receive, send)

    def add_checkpoint(self, body: bytes) -> bytes:
        """Cosign one checkpoint of a known log and return the signature line.

        1. read the request  2. find the log  3. verify its signature  4. compare sizes  5. verify the consistency proof
        6. write it down  7. cosign. Malformed (400), NotFound (404), Forbidden (403), Conflict (409),
        VerificationError (422), Unavailable (503).
        """
        old, proof, note = _read_request(body)  # 1
        checkpoint = parse_checkpoint(note.text, extensions=True)
        if old > checkpoint.size:
            raise Malformed("the old size is larger than the size of the checkpoint")
        vkey = self._log_key(checkpoint.origin)  # 2
        try:
            verify_note(note, vkey)  # 3
        except VerificationError:
            raise Forbidden("invalid signature: the checkpoint is not signed by the key of this log") from None
        with self.state.lock:
            _check_follows(self.state.last(checkpoint.origin), checkpoint, old=old, proof=proof)  # 4, 5
            self.state.keep(  # 6
                Checkpoint(origin=checkpoint.origin, size=checkpoint.size, root_hash=checkpoint.root_hash)
            )
        line = cosign(note.text, name=self._name, seed=self._seed, timestamp=int(self._clock()))  # 7
        return line.encode().encode()

    def close(self) -> None:
        """Let go of the directory."""
        self.state.close()

    def _answer(self, request: Request) -> Answer:
        try:
            return Answer(body=self.add_checkpoint(request.body), type="text/plain; charset=utf-8")
        except Conflict as conflict:
            return Answer(body=f"{conflict.size}\n".encode(), status=409, type="text/x.tlog.size")

    def _log_key(self, origin: str) -> VerifierKey:
        if origin in self._logs:
            return self._logs[origin]
        host, _, slug = origin.partition("/l/")
        if host in self._hosts and slug and "/" not in slug:
            return ed25519_vkey(origin, self._hosts[host])
        raise NotFound("unknown log: this witness is not asked to cosign it")


def make_witness(
    directory: Path,
    *,
    name: str,
    seed: bytes,
    hosts: Mapping[str, bytes] | None = None,
    logs: Mapping[str, VerifierKey] | None = None,
    clock: Callable[[], float] = time.time,
) -> Witness:
    """A witness called `name` with its 32-byte Ed25519 seed, for every letter of some hosts or for single origins."""
    return Witness(directory=directory, name=name, seed=seed, hosts=hosts or {}, logs=logs or {}, clock=clock)


def _read_request(body: bytes) -> tuple[int, list[bytes], Note]:
    """The old size, the hashes of the proof, and the signed checkpoint. C2SP tlog-witness, section "add-checkpoint"."""
    head, separator, checkpoint = body.partition(b"\n\n")
    if not separator or not head.isascii():
        raise Malformed("the request is an old size, a consistency proof, an empty line and a checkpoint")
    first, *lines = head.decode("ascii").split("\n")
    if not first.startswith("old "):
        raise Malformed("the request begins with the line: old <size>")
    if len(lines) > MAX_PROOF_LINES:
        raise Malformed(f"a consistency proof has at most {MAX_PROOF_LINES} hashes")
    old = read_decimal(first.removeprefix("old "), what="the old size")
    return old, [read_hash(line, what="a hash of the proof") for line in lines], parse_note(checkpoint)


def _check_follows(last: Checkpoint | None, checkpoint: Checkpoint, *, old: int, proof: list[bytes]) -> None:
    """Conflict unless `old` is the last size (and at it the root the same), VerificationError for a wrong proof."""
    known = last.size if last else 0
    if old != known or (last and checkpoint.size == known and checkpoint.root_hash != last.root_hash):
        raise Conflict(known)
    if last is None or known in (0, checkpoint.size):
        if proof:
            raise VerificationError("the consistency proof must be empty here")
        return
    try:
        verify_consistency(
            first_size=known,
            second_size=checkpoint.size,
            first_root=last.root_hash,
            second_root=checkpoint.root_hash,
            proof=proof,
        )
    except VerificationError as refusal:
        raise VerificationError(f"the consistency proof fails: {refusal}") from None
