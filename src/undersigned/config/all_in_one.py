"""All rooms in one process, or the named ones: what `undersigned serve` runs."""

import asyncio
import time
from collections.abc import Coroutine, Sequence
from typing import Any, Literal, TypeAlias

from undersigned.config.hosting import HostFolder, make_registrar, open_storage, over_http, read_mail
from undersigned.config.views import LocalViews, RemoteViews
from undersigned.log.room import LogRoom
from undersigned.protocol.letter import Letter
from undersigned.registrar.asgi import HOUSEKEEPING_SECONDS, RegistrarRoom
from undersigned.registrar.office import EntryAt, Submit
from undersigned.site.asgi import SiteRoom
from undersigned.web import Answer, Request, Router, json_answer

Room: TypeAlias = Literal["log", "registrar", "site"]
ROOMS: tuple[Room, ...] = ("log", "registrar", "site")
WATCH_SECONDS = 2.0


class Rooms:
    """The chosen rooms of one data directory, as one ASGI application with the tasks that run beside it."""

    def __init__(self, folder: HostFolder, *, rooms: Sequence[Room], log_url: str | None = None) -> None:
        """`log_url`: where the log is, when it is not among the rooms."""
        self.folder = folder
        self.router = Router()
        self.log = self._open_log() if "log" in rooms else None
        self.registrar = self._open_registrar() if "registrar" in rooms else None
        shape = "one-process" if set(rooms) == set(ROOMS) else "separate"
        told = json_answer(folder.describe(shape=shape))
        self.router.add("GET", "/host.json", lambda request: told)
        if "site" in rooms:
            views = LocalViews(self.log) if self.log else RemoteViews(log_url or f"{folder.scheme}://{folder.host}")
            self.router.include(SiteRoom(view=views.view, slugs=views.slugs).router)
        self.router.add("GET", "/healthz", _healthy)

    def tasks(self) -> list[Coroutine[Any, Any, None]]:
        """What must run beside the application."""
        found: list[Coroutine[Any, Any, None]] = []
        if self.log:
            found.append(self.log.run())
        if self.registrar:
            found.append(self.registrar.run())
        if self.log and self.registrar:
            found.append(_watch_closings(self.log, self.registrar))
        return found

    async def close(self) -> None:
        """Let go of disk and network."""
        if self.log:
            await self.log.close()
        if self.registrar:
            self.registrar.close()

    def _open_log(self) -> LogRoom:
        room = LogRoom(
            directory=self.folder.directory / "log",
            host=self.folder.host,
            seed=self.folder.seeds["log"],
            promise_seed=self.folder.seeds["promise"],
            publish_code=self.folder.publish_code,
            storage=open_storage(self.folder),
        )
        self.router.include(room.router)
        return room

    def _open_registrar(self) -> RegistrarRoom:
        submit, entry_at = _in_process(self.log) if self.log else over_http(self.folder.scheme)
        room = make_registrar(self.folder, mail=read_mail(), submit_=submit, entry_at=entry_at)
        self.router.include(room.router)
        return room


def _in_process(log: LogRoom) -> tuple[Submit, EntryAt]:
    async def submit(letter: Letter, entry: bytes) -> None:
        await log.submit(letter.slug, entry)

    def entry_at(letter: Letter, index: int) -> bytes | None:
        found = log.entries(letter.slug, index, index + 1)
        return found[0] if found else None

    return submit, entry_at


async def _watch_closings(log: LogRoom, registrar: RegistrarRoom) -> None:
    """Tell the registrar when a letter closed, and call it to keep house when it is time to forget."""
    due: dict[bytes, float] = {}
    while True:
        now = time.time()
        for letter in log.letters():
            if letter.lid not in due and log.state(letter.slug).closed is not None:
                registrar.closed_at(letter.lid, int(now))
                due[letter.lid] = now + letter.publication.forget_seconds + 1
            elif now >= due.get(letter.lid, now + 1):
                due[letter.lid] = now + HOUSEKEEPING_SECONDS
                await registrar.housekeep()
        await asyncio.sleep(WATCH_SECONDS)


def _healthy(request: Request) -> Answer:
    return Answer(body=b"ok\n", type="text/plain; charset=utf-8")
