"""What a trustee asks of a letter's host and hands to it; nothing that comes back is believed before it is checked."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from undersigned.client import signing
from undersigned.client.source import NotThere, Source, b64, get_json, post_json, unb64
from undersigned.errors import Malformed
from undersigned.protocol.encoding import to_jcs
from undersigned.protocol.letter import Letter
from undersigned.trustee.exchange import slices

REQUEST_INDEXES = 100
KEYS_AT_ONCE = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """The log of one letter as a trustee uses it; `sign` is the trustee's, `clock` gives Unix seconds."""

    source: Source
    letter: Letter
    trustee: int
    sign: Callable[[bytes], bytes]
    clock: Callable[[], int]

    def sealed(self, indexes: Sequence[int]) -> dict[int, bytes]:
        """The sealed envelopes the host hands over for these indexes; those it leaves out it does not have."""
        found: dict[int, bytes] = {}
        for some in slices(indexes, REQUEST_INDEXES):
            if some:
                answer = post_json(self.source, "sealed", self._request(list(some)))
                found |= _read_blobs(answer, wanted=set(some))
        return found

    def messages(self, freeze: int, to: int) -> list[bytes]:
        """What the relay keeps for a trustee, or for everybody (0); not verified."""
        answer = get_json(self.source, f"exchange/{freeze}/{to}")
        messages = answer.get("messages") if isinstance(answer, dict) else None
        if not isinstance(messages, list):
            raise Malformed("the host answered something that is not a list of messages")
        return [unb64(item) for item in messages]

    def send(self, message: bytes) -> None:
        """Hand the relay one message."""
        self.source.post("exchange", message)

    def submit(self, entry: bytes, *, listed: bytes | None = None) -> None:
        """Submit an entry, an opening or abort with its list."""
        signing.submit(entry, None, source=self.source, letter=self.letter, attachment=listed)

    def publish_keys(self, keys: Mapping[int, bytes]) -> set[int]:
        """Give the log the 32-byte keys that open listed names; the indexes it has published, now or before."""
        kept: set[int] = set()
        for some in slices(sorted(keys), KEYS_AT_ONCE):
            if some:
                answer = post_json(self.source, "opened", {"keys": {str(index): b64(keys[index]) for index in some}})
                kept |= _read_kept(answer)
        return kept

    def shows_all(self, indexes: Iterable[int]) -> bool:
        """Whether the log has published each of these names."""
        try:
            return all(self.source.get(f"opened/{index}") for index in indexes)
        except NotThere:
            return False

    def _request(self, indexes: list[int]) -> dict[str, object]:
        asked: dict[str, object] = {"trustee": self.trustee, "indexes": indexes, "at": self.clock()}
        message = sealed_request_message(asked, lid=self.letter.lid)
        return asked | {"sig": b64(self.sign(message))}


def sealed_request_message(asked: Mapping[str, object], *, lid: bytes) -> bytes:
    """What a trustee signs to be given envelopes: {trustee, indexes, at}."""
    return b"undersigned/v1/sealed-request\0" + lid + to_jcs(dict(asked))


def _read_blobs(answer: object, *, wanted: set[int]) -> dict[int, bytes]:
    blobs = answer.get("blobs") if isinstance(answer, dict) else None
    if not isinstance(blobs, dict):
        raise Malformed("the host answered something that is not a set of envelopes")
    return {index: unb64(blobs[str(index)]) for index in wanted if str(index) in blobs}


def _read_kept(answer: object) -> set[int]:
    kept = answer.get("kept") if isinstance(answer, dict) else None
    if not isinstance(kept, list) or not all(isinstance(index, int) for index in kept):
        raise Malformed("the host answered something that is not a list of indexes")
    return set(kept)
