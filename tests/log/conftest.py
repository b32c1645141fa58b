"""Every test here may `run` one coroutine with a place of its own."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from support.letters import Cast
from support.log_rooms import Place, make_reachable_letter

Story = Callable[[Place], Awaitable[None]]
Run = Callable[..., None]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a story in a place where the letter is published and everybody has accepted."""

    def play(story: Story, *, published: bool = True, cast: Cast | None = None, **changes: Any) -> None:
        async def whole() -> None:
            place = Place(tmp_path, cast or make_reachable_letter(**changes))
            if published:
                await place.publish()
            await story(place)
            await place.room.close()

        asyncio.run(whole())

    return play
