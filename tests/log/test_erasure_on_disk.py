"""What is erased is gone from the disk too: from the database and from the file SQLite writes ahead."""

import asyncio
from pathlib import Path

from support.log_rooms import Place, make_reachable_letter
from undersigned.protocol import entry as entries


def on_disk(place: Place, words: bytes) -> list[str]:
    files = (path for path in (place.directory / "log").iterdir() if path.is_file())
    return sorted(path.name for path in files if words in path.read_bytes())


def test_an_erased_name_is_in_no_file_of_the_log(tmp_path: Path) -> None:
    async def story() -> None:
        place = Place(directory=tmp_path, cast=make_reachable_letter())
        await place.publish()
        leaving, removed = (place.cast.person(f"Unrepeatable Name {number}") for number in range(2))
        for person in (leaving, removed):
            await place.submit(*place.cast.signature(person))
        await place.step(60)
        assert on_disk(place, b"Unrepeatable Name 0")
        await place.submit(place.cast.withdrawal(leaving))
        index = place.room.state("board").records[removed.key].index
        await place.submit(place.cast.sign(entries.Removal(index=index, code="asked"), place.cast.log))
        await place.step(60)
        assert on_disk(place, b"Unrepeatable Name") == []
        await place.room.close()

    asyncio.run(story())
