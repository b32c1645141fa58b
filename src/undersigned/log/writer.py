"""Group commit: whatever waits while one transaction runs goes to disk together in the next one."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from undersigned.errors import Refused, Unavailable, UndersignedError
from undersigned.log.storage import Change, LogStorage

AT_MOST = 500


class Writer:
    """Hands changes to the storage in the order they came, in one thread of its own."""

    def __init__(self, storage: LogStorage) -> None:
        self._storage = storage
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="log-writer")
        self._jobs: list[tuple[Sequence[Change], asyncio.Future[None]]] = []
        self._task: asyncio.Task[None] | None = None

    def write(self, *changes: Change) -> asyncio.Future[None]:
        """Queue the changes; the future is done when all of them are on disk, or fails as `LogStorage.write` does."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._jobs.append((changes, future))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._flush())
        return future

    def close(self) -> None:
        """Wait for the transaction that runs, then let the thread go."""
        self._thread.shutdown(wait=True)

    async def _flush(self) -> None:
        while self._jobs:
            batch, self._jobs = self._jobs[:AT_MOST], self._jobs[AT_MOST:]
            failure = await self._commit([change for changes, _ in batch for change in changes])
            alone = isinstance(failure, Refused) and len(batch) > 1  # one of them lost a race, and not the others
            for changes, future in batch:
                _end(future, await self._commit(changes) if alone else failure)

    async def _commit(self, changes: Sequence[Change]) -> UndersignedError | None:
        try:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._thread, self._storage.write, changes)
        except UndersignedError as failure:
            return failure
        except Exception as error:  # noqa: BLE001  a fault of ours: nobody may be told that it is kept
            return Unavailable(f"the log could not keep this ({type(error).__name__}): try again later")
        return None


def _end(future: asyncio.Future[None], failure: UndersignedError | None) -> None:
    if future.cancelled():
        return
    if failure is None:
        future.set_result(None)
    else:
        future.set_exception(failure)
