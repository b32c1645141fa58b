"""Trustees at the real log: the same steps as at a host in memory, over its own doorway and with real witnesses."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx

from support.log_rooms import SLUG, Place, make_reachable_letter
from support.trustees import keys_of
from undersigned.client.source import refusal
from undersigned.protocol import entry as entries
from undersigned.trustee.opening import Trustee
from undersigned.trustee.status import Status


class PlaceSource:
    """The letter's address in a `Place`, for software that runs in a thread beside the room's event loop."""

    def __init__(self, place: Place, loop: asyncio.AbstractEventLoop) -> None:
        self.place, self.loop = place, loop

    def get(self, path: str) -> bytes:
        return self._ask("GET", path, None)

    def post(self, path: str, body: bytes) -> bytes:
        return self._ask("POST", path, body)

    def _ask(self, method: str, path: str, body: bytes | None) -> bytes:
        asked = self.place.request(method, f"/l/{SLUG}/{path}", body=body)
        answer: httpx.Response = asyncio.run_coroutine_threadsafe(asked, self.loop).result()
        if answer.is_success:
            return answer.content
        raise refusal(answer.status_code, answer.content)


class Table:
    """A place with its trustees."""

    def __init__(self, place: Place, directory: Path) -> None:
        self.place, self.directory = place, directory
        self.trustees = {number: self.seat(number) for number in place.cast.trustees}

    def seat(self, number: int) -> Trustee:
        source = PlaceSource(self.place, asyncio.get_running_loop())
        keys = keys_of(self.place.cast, number, self.directory)
        vault = self.directory / f"vault-{number}"
        return Trustee(keys=keys, source=source, directory=vault, clock=lambda: int(self.place.clock.now))

    async def rounds(self, count: int, *ids: int) -> dict[int, Status]:
        """Every trustee (or those named) steps `count` times, the log after each."""
        said = {}
        for _ in range(count):
            for number in ids or tuple(self.trustees):
                said[number] = await asyncio.to_thread(self.trustees[number].step)
            await self.place.step(1)
        return said

    async def until_frozen(self) -> None:
        """Let the log reach, hold and freeze by itself."""
        for _ in range(20):
            await self.place.step(30)
            if self.place.state.frozen:
                return await self.place.step(70)
        raise AssertionError("the log never froze")

    def opened(self) -> set[int]:
        return set(self.place.room.storage.all_opened(self.place.room.log(SLUG).number))


def at_a_table(tmp_path: Path, story: Callable[[Table], Awaitable[None]]) -> None:
    async def whole() -> None:
        place = Place(tmp_path, make_reachable_letter(tiers=(5, 8), hold=100))
        await place.publish()
        await story(Table(place, tmp_path))
        await place.room.close()

    asyncio.run(whole())


def test_from_the_hold_to_published_names_the_log_and_three_trustees_need_nobody_else(tmp_path: Path) -> None:
    async def story(table: Table) -> None:
        people = [await table.place.sign("sealed", tier=1) for _ in range(5)]
        await table.until_frozen()
        said = await table.rounds(4, 1, 3, 5)
        state = table.place.state
        assert table.opened() == {state.records[person.key].index for person in people}
        assert {status.phase for status in said.values()} == {"quiet"}
        assert not any(status.notes for status in said.values())

    at_a_table(tmp_path, story)


def test_who_withdraws_by_a_trustee_after_the_freeze_is_out_of_the_log_and_not_named(tmp_path: Path) -> None:
    async def story(table: Table) -> None:
        people = [await table.place.sign("sealed", tier=1) for _ in range(6)]
        await table.until_frozen()
        await table.rounds(1, 1)
        leaver = table.place.cast.withdrawal(people[0])
        await asyncio.to_thread(table.trustees[1].add_withdrawal, leaver)
        await table.rounds(5)
        state = table.place.state
        assert state.records[people[0].key].withdrawn is not None
        assert table.opened() == {state.records[person.key].index for person in people[1:]}

    at_a_table(tmp_path, story)


def test_seeds_of_a_letter_that_reached_nothing_are_destroyed_and_it_is_in_the_log(tmp_path: Path) -> None:
    async def story(table: Table) -> None:
        await table.place.sign("sealed", tier=2)
        deadline = table.place.cast.letter.publication.deadline
        await table.place.step(deadline - table.place.clock.now + 1)
        await table.place.step(70)
        await table.rounds(2)
        stated = [entry for _, entry in table.place.state.destructions if entry.role == "trustee"]
        assert sorted(entry.by for entry in stated) == [1, 2, 3, 4, 5]
        assert {entry.what for entry in stated} == {"seal seeds of tiers 1, 2"}
        assert all(isinstance(entry, entries.Destruction) for entry in stated)

    at_a_table(tmp_path, story)


def test_trustees_started_anew_between_the_opening_and_its_keys_still_publish_every_name(tmp_path: Path) -> None:
    async def story(table: Table) -> None:
        for _ in range(5):
            await table.place.sign("sealed", tier=1)
        await table.until_frozen()
        for number in (1, 2, 3, 1, 2, 3, 1, 2, 3):
            if not table.place.state.rounds:
                await asyncio.to_thread(table.trustees[number].step)
        assert len(table.place.state.rounds) == 1
        table.trustees = {number: table.seat(number) for number in table.trustees}
        await table.place.step(70)
        await table.rounds(2)
        assert len(table.opened()) == 5

    at_a_table(tmp_path, story)


def test_an_envelope_leaves_the_log_for_good_when_its_key_is_published(tmp_path: Path) -> None:
    async def story(table: Table) -> None:
        for _ in range(5):
            await table.place.sign("sealed", tier=1)
        await table.until_frozen()
        await table.rounds(4)
        answer = await table.place.post_json("sealed", table.place.sealed_request(1, sorted(table.opened())))
        assert answer.json() == {"blobs": {}, "missing": []}

    at_a_table(tmp_path, story)
