"""A host's data directory whose secrets are those of a cast, with the log of a `Place` inside."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

from support.letters import Cast
from support.log_rooms import HOST, PUBLISH_CODE, Place, make_reachable_letter
from undersigned.config.hosting import HostFolder, read_folder


def write_secrets(directory: Path, cast: Cast) -> None:
    """The keys of a host, and nothing else."""
    secrets = directory / "secrets"
    secrets.mkdir(parents=True, exist_ok=True)
    for name, seed in (("log", cast.log), ("promise", cast.promise), ("registrar", cast.registrars[1])):
        (secrets / f"{name}.seed").write_bytes(seed)
    (secrets / "publish.code").write_bytes(PUBLISH_CODE.encode())


def make_host(directory: Path, cast: Cast) -> HostFolder:
    """A whole data directory, without any letter."""
    write_secrets(directory, cast)
    told = {"host": HOST, "scheme": "https", "registrar": "Registrar 1"}
    (directory / "host.json").write_text(json.dumps(told))
    (directory / "policy.txt").write_text(cast.letter.publication.policy)
    return read_folder(directory)


def play(directory: Path, story: Callable[[Place], Awaitable[None]], *, cast: Cast | None = None) -> Cast:
    """Run a host with a published letter in `directory` until the story ends; everybody in it."""

    async def whole() -> Cast:
        place = Place(directory, cast or make_reachable_letter())
        make_host(directory, place.cast)
        if not place.room.letters():
            await place.publish()
        await story(place)
        await place.room.close()
        return place.cast

    return asyncio.run(whole())
