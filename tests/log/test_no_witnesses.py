"""A letter whose policy asks for nobody: there is nothing to wait for."""

import asyncio
from pathlib import Path

from support.letters import make_letter
from support.log_rooms import Place


def test_a_head_that_nobody_is_asked_to_cosign_is_published_at_once(tmp_path: Path) -> None:
    async def story() -> None:
        place = Place(directory=tmp_path, cast=make_letter(witnesses=0, modes=("public",), trustees=0))
        await place.publish()
        await place.step(60)
        entry, blob = place.cast.signature(place.cast.person())
        admitted = await place.submit(entry, blob)
        await place.step(1)
        await place.step(1)
        assert (await place.get(f"proof/{admitted.leaf.hex()}")).status_code == 200
        await place.room.close()

    asyncio.run(story())
