"""Runs ASGI applications on ports of this machine, with the rooms' own tasks beside them, until told to stop."""

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any

import uvicorn

from undersigned.web import App


async def listen(
    apps: Mapping[int, App],
    *,
    bind: str,
    tasks: Sequence[Coroutine[Any, Any, None]] = (),
    ready: Callable[[], None] | None = None,
    after: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Serve each application on its port. `tasks` run beside them; `after` is awaited when the last answer is given."""
    servers = [_Server(_settings(app, bind, port)) for port, app in apps.items()]
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    running = [asyncio.create_task(server.serve()) for server in servers]
    beside = [asyncio.create_task(task) for task in tasks]
    waiting = asyncio.create_task(stop.wait())
    try:
        while not all(server.started for server in servers) and not any(task.done() for task in running):
            await asyncio.sleep(0.01)
        if ready and all(server.started for server in servers):
            ready()
        await asyncio.wait([waiting, *running, *beside], return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
        for server in servers:
            server.should_exit = True
        await asyncio.gather(*running, return_exceptions=True)
        await _end(beside)
        if after:
            await after()


async def _end(beside: Sequence["asyncio.Task[None]"]) -> None:
    """Cancel the rooms' tasks; a task that had failed before raises here, for it should have run for ever."""
    failed = [task for task in beside if task.done() and not task.cancelled() and task.exception()]
    for task in beside:
        task.cancel()
    for task in beside:
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await task
    for task in failed:
        task.result()


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: one process may run several."""

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        yield


def _settings(app: App, bind: str, port: int) -> uvicorn.Config:
    """No access log and no proxy headers: a network address is never written down."""
    return uvicorn.Config(
        app,
        host=bind,
        port=port,
        access_log=False,
        log_level="warning",
        proxy_headers=False,
        server_header=False,
        date_header=False,
        lifespan="off",
        timeout_keep_alive=5,
        timeout_graceful_shutdown=3,
    )
