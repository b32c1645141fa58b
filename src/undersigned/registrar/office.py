"""What every flow of the registrar works with: its key, its storage, its clock, its mail, and the way to the log."""

import hmac
import inspect
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from undersigned.client.signing import sign_entry
from undersigned.crypto import ed25519
from undersigned.errors import Refused
from undersigned.protocol.entry import SignedEntry
from undersigned.protocol.letter import Letter
from undersigned.registrar.mail import Mail
from undersigned.registrar.storage import Storage

Submit = Callable[
    [Letter, bytes], Awaitable[None] | None
]  # gives an entry to the letter's log; returns when it is kept
EntryAt = Callable[[Letter, int], Awaitable[bytes | None] | bytes | None]  # the entry at an index, None beyond the end


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """The registrar's things. `seed` is its 32-byte Ed25519 seed, `clock` gives Unix seconds."""

    seed: bytes = field(repr=False)
    keys: Path
    storage: Storage
    mail: Mail
    submit: Submit
    entry_at: EntryAt
    clock: Callable[[], float]
    randbytes: Callable[[int], bytes]
    asked: "DayCount"

    @property
    def public_key(self) -> bytes:
        """The 32-byte Ed25519 key that entry 0 names."""
        return ed25519.public_key(self.seed)

    def now(self) -> int:
        """Unix seconds, whole."""
        return int(self.clock())


class DayCount:
    """How often something was asked for today, by a keyed hash whose key lives a day and only in memory."""

    def __init__(self, randbytes: Callable[[int], bytes]) -> None:
        self._randbytes = randbytes
        self._day = -1
        self._key = b""
        self._counts: Counter[bytes] = Counter()

    def add(self, what: str, *, now: int) -> int:
        """Count `what` once more; the count of this UTC day, `now` in Unix seconds."""
        if now // 86_400 != self._day:
            self._day, self._key, self._counts = now // 86_400, self._randbytes(32), Counter()
        place = hmac.digest(self._key, what.encode(), "sha256")[:16]
        self._counts[place] += 1
        return self._counts[place]


async def submit(office: Office, letter: Letter, entry: SignedEntry, *, again: bool) -> bytes:
    """Sign an entry and give it to the log; its bytes.

    `again`: it may be in the log already, from an attempt whose answer was lost; then a refusal says just that.
    """
    data = sign_entry(entry, letter=letter, seed=office.seed)
    try:
        answer = office.submit(letter, data)
        if inspect.isawaitable(answer):
            await answer
    except Refused:
        if not again:
            raise
    return data
