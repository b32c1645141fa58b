"""The log room: all letters of one host, on one disk, with one task that keeps them going."""

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from undersigned.crypto import ed25519
from undersigned.errors import Refused, Unavailable, UndersignedError
from undersigned.log.asgi import make_router
from undersigned.log.cosigning import WITNESS_SECONDS, Cosigning, Post
from undersigned.log.duties import Duties
from undersigned.log.intake import Admitted, Intake, Submission
from undersigned.log.letter_log import LetterLog, load_letter_log, new_letter_log
from undersigned.log.sequencer import Sequencer
from undersigned.log.storage import LogStorage
from undersigned.log.storage.sqlite import SqliteStorage
from undersigned.log.writer import Writer
from undersigned.protocol.letter import Letter
from undersigned.protocol.state import LetterState
from undersigned.web import NotFound

_log = logging.getLogger("undersigned.log")


class LogRoom:
    """Every letter log of a host. `seed` signs heads and log entries, `promise_seed` promises (32 bytes each).

    `post` reaches witnesses: a URL and a body in, a status and a body out.
    """

    def __init__(
        self,
        *,
        directory: Path,
        host: str,
        seed: bytes,
        promise_seed: bytes,
        publish_code: str,
        clock: Callable[[], float] = time.time,
        post: Post | None = None,
        tick_seconds: float = 0.5,
        storage: LogStorage | None = None,
    ) -> None:
        """Read every letter from disk. Unavailable when another log runs here, or when a log is not as it signed it."""
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.host, self.publish_code, self.clock = host, publish_code, clock
        self.storage = storage or SqliteStorage(directory / "log.sqlite")
        self.writer = Writer(self.storage)
        self._seed = seed
        self._keys = ed25519.public_key(seed), ed25519.public_key(promise_seed)
        self._tick_seconds = tick_seconds
        self._own_post = None if post else _HttpPost()
        self._sequencer = Sequencer(writer=self.writer, seed=seed)
        self._duties = Duties(storage=self.storage, writer=self.writer, sequencer=self._sequencer, seed=seed)
        self._cosigning = Cosigning(writer=self.writer, post=post or self._own_post or _HttpPost(), clock=clock)
        self._intake = Intake(
            storage=self.storage,
            writer=self.writer,
            sequencer=self._sequencer,
            promise_seed=promise_seed,
            clock=clock,
        )
        self._logs: dict[str, LetterLog] = {}
        self._numbers = 0
        self._publishing: set[str] = set()
        self._unsure = False  # whether a letter may be on disk that is not in memory
        try:
            self.storage.lead()
            self._load()
        except UndersignedError:
            self._let_go()
            raise
        self.router = make_router(self)

    def letters(self) -> list[Letter]:
        """The letters published here, in the order of their publication."""
        return [log.letter for log in self._logs.values()]

    def log(self, slug: str) -> LetterLog:
        """One letter's log; NotFound."""
        if slug not in self._logs:
            raise NotFound("there is no such letter here")
        return self._logs[slug]

    def state(self, slug: str) -> LetterState:
        """What the letter's log says now; do not change it. NotFound."""
        return self.log(slug).state

    def entries(self, slug: str, start: int, stop: int) -> list[bytes]:
        """The bytes of entries `start` to `stop`, as far as there are any."""
        return self.storage.entries(self.log(slug).number, start, stop)

    def blob(self, slug: str, blob_hash: bytes) -> bytes | None:
        """A published blob by its 32-byte hash: never a sealed envelope."""
        return self.storage.public_blob(self.log(slug).number, blob_hash)

    def opened(self, slug: str, index: int) -> bytes | None:
        """open_key(32) || envelope of an opened signature."""
        return self.storage.opened(self.log(slug).number, index)

    async def publish(self, data: bytes) -> Letter:
        """Begin the log of a letter from entry 0. Malformed, VerificationError, Refused, Unavailable."""
        letter = Letter.from_entry(data)
        self._check_own(letter)
        if letter.slug in self._logs or letter.slug in self._publishing:
            raise Refused("there is a letter at this address already: choose another one")
        self._publishing.add(letter.slug)
        try:
            self._numbers += 1
            log, change = new_letter_log(self._numbers, letter, seed=self._seed)
            await self.writer.write(change)
            self._logs[letter.slug] = log
        except Unavailable:
            self._unsure = True
            raise
        finally:
            self._publishing.discard(letter.slug)
        return letter

    async def submit(
        self, slug: str, entry: bytes, *, blob: bytes | None = None, opening_list: bytes | None = None
    ) -> Admitted:
        """Admit one entry with what belongs beside it; it is on disk when this returns."""
        submission = Submission(entry=entry, blob=blob, opening_list=opening_list)
        return await self._intake.receive(submission, log=self.log(slug))

    async def tick(self) -> None:
        """One step of every letter: read anew what broke, append what is due, do own duties, start rounds."""
        if self._unsure:
            await self._look_again()
        for slug in list(self._logs):
            try:
                await self._tick(slug)
            except UndersignedError as refusal:
                _log.error("%s: %s", slug, refusal)

    async def settle(self) -> None:
        """Wait for the rounds of cosigning that run."""
        rounds = [log.round for log in self._logs.values() if log.round is not None]
        await asyncio.gather(*rounds, return_exceptions=True)

    async def run(self) -> None:
        """Tick until cancelled; Unavailable once another log has taken over, for then this one must end."""
        while True:
            if not self.storage.leads:
                raise Unavailable("another log has taken over here: this one ends, and may be started again later")
            try:
                await self.tick()
            except Exception as error:  # noqa: BLE001  the log must go on; the operator gets the kind of fault
                _log.error("unexpected %s while ticking", type(error).__name__)
            await asyncio.sleep(self._tick_seconds)

    async def close(self) -> None:
        """Finish what is being written and let go of disk and network."""
        for log in self._logs.values():
            if log.round is not None:
                log.round.cancel()
        await self.settle()
        try:
            await self.writer.write()
        finally:
            if self._own_post:
                await self._own_post.close()
            self._let_go()

    def _let_go(self) -> None:
        self.writer.close()
        self.storage.close()

    async def _tick(self, slug: str) -> None:
        log, now = self._logs[slug], self.clock()
        if log.broken:
            await self._reload(slug)
            return
        if not (log.halted or log.gated):
            released = self._sequencer.release(log, now=now)
            written = [released] if released else []
            written += self._duties.perform(log, now=now)
            await asyncio.gather(*written)
        if self._cosigning.is_due(log, now=now):
            self._cosigning.start(log, now=now)

    async def _reload(self, slug: str) -> None:
        """Read a letter anew from disk, once nothing of it is being written."""
        old = self._logs[slug]
        if old.round is not None and not old.round.done():
            return
        await self.writer.write()
        (stored,) = [one for one in self.storage.letters() if one.letter == old.number]
        new = load_letter_log(stored, self.storage)
        new.gated, new.sure, new.known = old.gated, old.sure, old.known
        new.last_batch, new.ended, new.forgotten = old.last_batch, old.ended, old.forgotten
        self._logs[slug] = new

    async def _look_again(self) -> None:
        """Take in the letters whose first entry was kept although nobody could tell whoever published them."""
        try:
            await self.writer.write()
            self._load()
            self._unsure = False
        except UndersignedError as refusal:
            _log.error("%s", refusal)

    def _load(self) -> None:
        for stored in self.storage.letters():
            if stored.slug in self._logs or stored.slug in self._publishing:
                continue
            log = load_letter_log(stored, self.storage)
            self._check_own(log.letter)
            self._logs[stored.slug] = log
            self._numbers = max(self._numbers, stored.letter)

    def _check_own(self, letter: Letter) -> None:
        if letter.origin.split("/l/")[0] != self.host:
            raise Refused(f"the letter's address begins with another host than {self.host}")
        if (letter.log_vkey.key, letter.publication.promise_key) != self._keys:
            raise Refused("the letter names other keys than this log's own")


class _HttpPost:
    """Reaches witnesses over HTTP, with one client that is made when first needed."""

    def __init__(self) -> None:
        self._client: httpx.AsyncClient | None = None

    async def __call__(self, url: str, body: bytes) -> tuple[int, bytes]:
        if self._client is None:
            self._client = httpx.AsyncClient(timeout=WITNESS_SECONDS)
        answer = await self._client.post(url, content=body)
        return answer.status_code, answer.content

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
