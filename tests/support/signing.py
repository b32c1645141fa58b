"""A registrar and a log's desk in memory, for whoever signs: honest, until a test puts in an answer of its own."""

import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from support.letters import START, Cast
from support.trustees import MemoryHost
from undersigned.crypto import blind_rsa, ed25519
from undersigned.errors import Unavailable
from undersigned.protocol import entry as entries
from undersigned.protocol import token
from undersigned.protocol.promise import make_promise
from undersigned.transparency.merkle import leaf_hash

Answer = dict[str, Any]


@dataclass(kw_only=True)
class TokenDesk:
    """Gives everybody a token. `changed` may change the answer, `issuer` is another key for a victim."""

    cast: Cast
    changed: Callable[[Answer], Any] = lambda answer: answer
    issuer: blind_rsa.PrivateKey | None = None
    requests: list[Answer] = field(default_factory=list)

    def get(self, path: str) -> bytes:
        raise Unavailable("the registrar shows nothing")

    def post(self, path: str, body: bytes) -> bytes:
        asked = json.loads(body)
        self.requests.append(asked)
        blinded, commitment = b64decode(asked["blinded"]), b64decode(asked["commitment"])
        key = self.issuer or self.cast.issuers[1, asked["class"]]
        answer: Answer = {"blind_sig": b64encode(blind_rsa.blind_sign(key, blinded)).decode(), "identity": None}
        if any(commitment):
            card_hash = b64decode(asked["card_hash"])
            answer["identity"] = self.certificate(commitment, card_hash, class_id=asked["class"])
        return json.dumps(self.changed(answer)).encode()

    def certificate(self, commitment: bytes, card_hash: bytes, *, class_id: int = 1) -> Answer:
        """What the registrar attests."""
        message = token.certificate_message(
            lid=self.cast.letter.lid,
            class_id=class_id,
            method=2,
            attested=3,
            commitment=commitment,
            card_hash=card_hash,
        )
        sig = b64encode(ed25519.sign(self.cast.registrars[1], message)).decode()
        return {"registrar": 1, "method": 2, "attested": 3, "sig": sig}


@dataclass(kw_only=True)
class SubmitDesk(MemoryHost):
    """Takes every entry into the log and promises it. `changed` may change the answer: (answer, entry's bytes)."""

    changed: Callable[[Answer, bytes], Any] = lambda answer, entry: answer
    blobs: list[bytes] = field(default_factory=list)

    def post(self, path: str, body: bytes) -> bytes:
        asked = json.loads(body)
        data = b64decode(asked["entry"])
        blob = b64decode(asked["blob"]) if "blob" in asked else None
        self.blobs += [] if blob is None else [blob]
        self.log.append(data, blob)
        self.witness()
        answer: Answer = {"leaf": leaf_hash(data).hex()}
        key = getattr(entries.decode_entry(data), "key", None)
        if key is not None:
            answer["promise"] = self.promise(data, key)
        return json.dumps(self.changed(answer, data)).encode()

    def promise(self, data: bytes, key: bytes, *, seed: bytes | None = None) -> Answer:
        """A promise by the letter's key, or another's."""
        letter = self.cast.letter
        made = make_promise(data, key=key, latest=START + 3_600, letter=letter, seed=seed or self.cast.promise)
        return {"latest": made.latest, "sig": b64encode(made.sig).decode()}
