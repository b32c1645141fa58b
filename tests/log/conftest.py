"""Every test here may `run` one coroutine with a place of its own, once on each storage."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.keepers import Keeper, PostgresKeeper, SqliteKeeper
from support.letters import Cast
from support.log_rooms import Place, make_reachable_letter
from support.postgres import Cluster

Story = Callable[[Place], Awaitable[None]]
Run = Callable[..., None]

POSTGRESQL = pytest.param("postgresql", marks=pytest.mark.needs("pg_ctl"))
SERIALIZABLE = pytest.param("postgresql, serializable", marks=pytest.mark.needs("pg_ctl"))
CORE = ("test_intake", "test_sequencing", "test_races")  # what a database's transactions could get wrong


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "keeper" in metafunc.fixturenames:
        storages = ["sqlite", POSTGRESQL]
        if metafunc.module.__name__.rpartition(".")[2] in CORE:
            storages.append(SERIALIZABLE)
        metafunc.parametrize("keeper", storages, indirect=True)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL server of this test process."""
    made = Cluster()
    yield made
    made.remove()


@pytest.fixture
def keeper(request: pytest.FixtureRequest) -> Keeper:
    """The storage of a test, empty."""
    if request.param == "sqlite":
        return SqliteKeeper()
    made = PostgresKeeper(request.getfixturevalue("cluster"), serializable="serializable" in request.param)
    made.lose(Path())
    return made


@pytest.fixture
def run(tmp_path: Path, keeper: Keeper) -> Run:
    """Run a story in a place where the letter is published and everybody has accepted."""

    def play(story: Story, *, published: bool = True, cast: Cast | None = None, **changes: Any) -> None:
        async def whole() -> None:
            place = Place(tmp_path, cast or make_reachable_letter(**changes), keeper=keeper)
            if published:
                await place.publish()
            await story(place)
            await place.room.close()

        asyncio.run(whole())

    return play
