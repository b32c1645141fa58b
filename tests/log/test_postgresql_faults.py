"""The database goes away while people sign: nothing acknowledged is lost, nothing comes twice, and the log goes on.

UNDERSIGNED_FAULT_ROUNDS says how often each fault is made (3, and by `make faults` 50).
"""

import asyncio
import itertools
import os
import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from support.keepers import PostgresKeeper
from support.letters import make_letter
from support.log_rooms import SLUG, Place
from support.postgres import Cluster
from undersigned.errors import Unavailable
from undersigned.log.storage import Admit, Waiting
from undersigned.log.storage.postgres.changes import statements
from undersigned.transparency.checkpoint import open_checkpoint
from undersigned.transparency.merkle import leaf_hash

pytestmark = pytest.mark.needs("pg_ctl")
ROUNDS = int(os.environ.get("UNDERSIGNED_FAULT_ROUNDS", "3"))
BACK_SECONDS = 10
CAST = {"witnesses": 0, "witness_quorum": 0, "trustees": 0, "modes": ("public", "anonymous")}
CAST |= {"deadline": 1_900_000_000, "eligible": 1_000_000}


def kill_server(cluster: Cluster) -> None:
    cluster.kill()
    cluster.start()


def restart_server(cluster: Cluster) -> None:
    cluster.stop()
    cluster.start()


def kill_backends(cluster: Cluster) -> None:
    cluster.kill_backends()


def end_backends(cluster: Cluster) -> None:
    query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'undersigned log'"
    cluster.execute(query)


@pytest.mark.parametrize("fault", [kill_server, restart_server, kill_backends, end_backends])
@pytest.mark.parametrize("serializable", [False, True], ids=["read committed", "serializable"])
def test_nothing_acknowledged_is_lost_and_nobody_signs_twice(tmp_path, cluster: Cluster, fault, serializable: bool):
    keeper = PostgresKeeper(cluster, serializable=serializable)
    keeper.lose(Path())
    refused = asyncio.run(_play(Place(tmp_path, make_letter(**CAST), keeper=keeper), lambda: fault(cluster)))
    assert refused or fault is end_backends  # a connection lost before its COMMIT is replaced without a word


async def _play(place: Place, fault: Callable[[], None]) -> int:
    """How often somebody was told to try again."""
    await place.publish()
    crowd = Crowd(place)
    crowd.begin()
    for _ in range(ROUNDS):
        await crowd.wait_for(20)
        await asyncio.sleep(random.uniform(0, 0.05))
        await asyncio.to_thread(fault)
        begun = time.monotonic()
        await crowd.wait_for(20)
        assert time.monotonic() - begun < BACK_SECONDS
    await crowd.end()
    await place.step()
    check_history(place, crowd)
    await place.restart()
    check_history(place, crowd)
    await place.room.close()
    return crowd.refused


class Crowd:
    """Eight people at a time sign, with the same bytes until the log says yes. `acknowledged`: leaf hashes."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.acknowledged: list[bytes] = []
        self.refused = 0
        self.heads: set[bytes] = set()
        self._stop = False
        self._tasks: list[asyncio.Task[None]] = []

    def begin(self) -> None:
        self._tasks = [asyncio.create_task(self._sign()) for _ in range(8)] + [asyncio.create_task(self._tick())]

    async def wait_for(self, more: int) -> None:
        """Until so many more were acknowledged; a signer that failed fails here."""
        wanted = len(self.acknowledged) + more
        while len(self.acknowledged) < wanted:
            for task in self._tasks:
                if task.done():
                    task.result()
            await asyncio.sleep(0.005)

    async def end(self) -> None:
        self._stop = True
        await asyncio.gather(*self._tasks)

    async def _sign(self) -> None:
        while not self._stop:
            entry, blob = self.place.cast.signature(self.place.cast.person())
            for _ in itertools.count():
                try:
                    admitted = await self.place.submit(entry, blob)
                    break
                except Unavailable:
                    self.refused += 1
                    await asyncio.sleep(0.02)
            self.acknowledged.append(admitted.leaf)
            await asyncio.sleep(random.uniform(0, 0.01))

    async def _tick(self) -> None:
        while not self._stop:
            await self.place.room.tick()
            log = self.place.room.log(SLUG)
            self.heads |= {log.head, log.published}
            await asyncio.sleep(0.05)


def check_history(place: Place, crowd: Crowd) -> None:
    """Nothing lost, nothing twice, nothing that nobody sent, and every head ever shown is one of this history."""
    log = place.room.log(SLUG)
    leaves = [leaf_hash(one) for one in place.room.entries(SLUG, 0, 100_000)]
    signed = leaves[1 + len(place.cast.accept()) :]
    assert Counter(signed) == Counter(crowd.acknowledged)
    for head in crowd.heads:
        checkpoint, _ = open_checkpoint(head, place.cast.letter.log_vkey)
        assert log.tree.root(checkpoint.size) == checkpoint.root_hash


def test_a_letter_whose_publication_was_kept_although_the_answer_was_lost_is_found_again(tmp_path, cluster: Cluster):
    async def story() -> None:
        keeper = PostgresKeeper(cluster)
        keeper.lose(Path())
        place = Place(tmp_path, make_letter(**CAST), keeper=keeper)
        real = place.room.storage.write

        def lost(changes):
            real(changes)
            place.room.storage.write = real
            raise Unavailable("nobody knows")

        place.room.storage.write = lost
        with pytest.raises(Unavailable):
            await place.room.publish(place.cast.letter.data)
        assert place.room.letters() == []
        await place.step()
        assert [one.lid for one in place.room.letters()] == [place.cast.letter.lid]
        for entry in place.cast.accept():
            await place.room.submit(SLUG, entry)
        await place.sign()
        await place.step()
        assert place.kinds()[-1] == "signature"
        await place.room.close()

    asyncio.run(story())


def test_a_commit_that_ends_after_its_connection_was_lost_is_seen_by_the_next_reading(tmp_path, cluster: Cluster):
    """The old transaction still holds the lease's row, so whoever reads again after a barrier reads its outcome."""
    keeper = PostgresKeeper(cluster)
    keeper.lose(Path())
    storage = keeper.open(tmp_path / "log")
    storage.lead()
    lost = storage._writer
    assert lost is not None
    waiting = Waiting(leaf=b"leaf", key=b"key", kind="signature", entry=b"", latest=1)
    lost.execute("BEGIN")
    admit = Admit(letter=1, waiting=waiting, blob=None, blob_hash=None, sealed=False)
    for one in [storage._lease.renewal(), *statements([admit])]:
        lost.execute(one.query, one.values)
    storage._writer = None  # as if the connection were gone, and the server did not know

    async def story() -> None:
        barrier = asyncio.create_task(asyncio.to_thread(storage.write, []))
        await asyncio.sleep(0.3)
        assert not barrier.done()
        lost.execute("COMMIT")
        await barrier

    asyncio.run(story())
    assert [one.key for one in storage.waiting(1)] == [b"key"]
    lost.close()
    storage.close()
