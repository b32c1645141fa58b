"""The promise that answers a submission: this entry will be in the log by then. spec/promise.md."""

import msgspec

from undersigned.crypto import ed25519
from undersigned.errors import VerificationError
from undersigned.protocol.encoding import from_jcs, to_jcs
from undersigned.protocol.entry import Part, Sig, Uint
from undersigned.protocol.letter import Letter
from undersigned.transparency.merkle import leaf_hash


class Promise(Part, frozen=True, kw_only=True):
    """`latest`: the last Unix second by which the entry is in the log. `sig`: by the letter's promise key."""

    latest: Uint
    sig: Sig


_DECODER = msgspec.json.Decoder(Promise)


def make_promise(entry: bytes, *, key: bytes, latest: int, letter: Letter, seed: bytes) -> Promise:
    """Promise the entry's bytes, sent by the signatory's `key`; `seed` is the promise key's."""
    message = promise_message(entry, key=key, latest=latest, lid=letter.lid)
    return Promise(latest=latest, sig=ed25519.sign(seed, message))


def verify_promise(promise: Promise, *, entry: bytes, key: bytes, letter: Letter) -> None:
    """VerificationError unless this letter's promise key promised just this entry."""
    message = promise_message(entry, key=key, latest=promise.latest, lid=letter.lid)
    try:
        ed25519.verify(public_key=letter.publication.promise_key, message=message, sig=promise.sig)
    except VerificationError:
        raise VerificationError("the promise is not the letter's own for this entry") from None


def promise_message(entry: bytes, *, key: bytes, latest: int, lid: bytes) -> bytes:
    """What is signed: letter, leaf hash, key, and `latest` as u64."""
    return b"undersigned/v1/promise\0" + lid + leaf_hash(entry) + key + latest.to_bytes(8, "big")


def read_promise(data: bytes) -> Promise:
    """Read a promise's JCS bytes; Malformed."""
    return from_jcs(_DECODER, data, what="a promise")


def encode_promise(promise: Promise) -> bytes:
    """Its JCS bytes."""
    return to_jcs(promise)
