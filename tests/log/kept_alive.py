"""Run by a test as a process of its own: promise signatures until killed, and print each promise once it was given."""

import asyncio
import pickle
import sys
from pathlib import Path

from undersigned.log.room import LogRoom
from undersigned.log.storage.postgres import PostgresStorage


async def main(directory: Path, material: Path) -> None:
    host, seed, promise_seed, first, entries, url = pickle.loads(material.read_bytes())
    storage = PostgresStorage(url, directory=directory, lease_seconds=1) if url else None
    room = LogRoom(
        directory=directory, host=host, seed=seed, promise_seed=promise_seed, publish_code="x", storage=storage
    )
    letter = await room.publish(first[0])
    for entry in first[1:]:
        await room.submit(letter.slug, entry)

    async def submit(entry: bytes, blob: bytes | None) -> None:
        admitted = await room.submit(letter.slug, entry, blob=blob)
        print(admitted.leaf.hex(), flush=True)

    async with asyncio.TaskGroup() as group:
        group.create_task(room.run())
        for entry, blob in entries:
            group.create_task(submit(entry, blob))
            await asyncio.sleep(0.002)


asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
