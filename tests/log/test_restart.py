"""What was promised survives kill -9; what does not match its own past does not start, or does not write."""

import asyncio
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support.keepers import Keeper
from support.letters import make_letter
from support.log_rooms import HOST, SLUG, Clock, Place
from undersigned.errors import Refused, Unavailable
from undersigned.log.room import LogRoom
from undersigned.protocol.entry import decode_entry
from undersigned.transparency.merkle import leaf_hash


def test_every_promise_given_before_a_crash_is_kept_after_it(tmp_path: Path, keeper: Keeper) -> None:
    now = int(time.time())
    cast = make_letter(witnesses=0, witness_quorum=0, trustees=0, modes=("public", "anonymous"), deadline=now + 10**6)
    people = [cast.signature(cast.person(), "public" if one % 2 else "anonymous") for one in range(120)]
    material = tmp_path / "material"
    first = [cast.letter.data, *cast.accept()]
    material.write_bytes(pickle.dumps((HOST, cast.log, cast.promise, first, people, keeper.url)))
    script = Path(__file__).with_name("kept_alive.py")
    arguments = [sys.executable, script, tmp_path / "log", material]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        promised = [process.stdout.readline().strip() for _ in range(60)]
        process.send_signal(signal.SIGKILL)
        promised += [line.strip() for line in process.stdout.read().splitlines() if len(line.strip()) == 64]

    async def after() -> None:
        clock = Clock(now + 24 * 3600)
        room = LogRoom(
            directory=tmp_path / "log",
            host=HOST,
            seed=cast.log,
            promise_seed=cast.promise,
            publish_code="x",
            clock=clock,
            storage=keeper.open(tmp_path / "log"),
        )
        await room.tick()
        included = {leaf_hash(one).hex() for one in room.entries(SLUG, 0, 1_000)}
        assert included.issuperset(promised)
        await room.close()

    asyncio.run(after())


def test_a_restart_changes_nothing(run):
    async def story(place: Place) -> None:
        waiting = [await place.sign("anonymous") for _ in range(3)]
        for _ in range(5):
            await place.sign("sealed", tier=1)
        await place.step()
        for _ in range(2):
            await place.sign("anonymous")
        before = (await place.get("counts.json")).content, place.room.log(SLUG).times, place.kinds()
        promised = len(place.room.log(SLUG).pending)
        await place.restart()
        after = (await place.get("counts.json")).content, place.room.log(SLUG).times, place.kinds()
        assert before == after
        assert promised == len(place.room.log(SLUG).pending) == 2
        assert all(one.key in place.state.records for one in waiting)
        await place.step(1)
        for _ in range(3):
            await place.sign("anonymous")
        await place.step(60)
        assert place.state.ever[1] == 13

    run(story)


def test_a_log_whose_entries_are_not_those_it_signed_does_not_start(run):
    async def story(place: Place) -> None:
        person = await place.sign()
        await place.step()
        index = place.state.records[person.key].index
        data = place.room.entries(SLUG, index, index + 1)[0]
        await place.room.close()
        place.save()
        for query, *values in (
            ("UPDATE entries SET data = ? WHERE idx = ?", data.replace(b'"v":1', b'"v":2'), index),
            ("UPDATE entries SET data = ? WHERE idx = ?", place.cast.withdrawal(person), index),
            ("DELETE FROM entries WHERE idx = ?", index),
        ):
            place.execute(query, *values)
            with pytest.raises((Unavailable, Refused), match="good copy"):
                place.start()
            place.put_back()
        place.start()

    run(story)


def test_a_log_set_back_to_an_older_copy_writes_no_second_history(run):
    async def story(place: Place) -> None:
        await place.sign()
        await place.step(60)
        await place.room.close()
        place.save()
        place.start()
        await place.step()
        await place.sign()
        await place.step(60)
        size = place.state.size
        await place.room.close()
        place.put_back()
        place.start()
        with pytest.raises(Unavailable, match="asking its witnesses"):
            await place.sign()
        await place.step(60)
        with pytest.raises(Unavailable, match="older copy"):
            await place.sign()
        await place.step(60)
        assert place.state.size == size - 1
        assert (await place.get("checkpoint")).status_code == 200

    run(story)


def test_a_letter_begun_anew_where_witnesses_know_another_history_is_not_continued(run):
    async def story(place: Place) -> None:
        await place.sign()
        await place.step(60)
        await place.room.close()
        place.lose()
        place.start()
        await place.publish()
        with pytest.raises(Unavailable, match="older copy"):
            await place.sign()

    run(story)


def test_after_a_restart_nothing_is_written_before_a_quorum_of_witnesses_has_answered(run):
    async def story(place: Place) -> None:
        for _ in range(5):
            await place.sign("anonymous")
        await place.restart()
        place.down.update(list(place.witnesses)[:2])
        size = place.state.size
        await place.step(60)
        assert place.state.size == size
        place.down.clear()
        await place.step(60)
        await place.step(60)
        assert place.state.size == size + 5

    run(story)


def test_two_logs_cannot_share_a_directory(run):
    async def story(place: Place) -> None:
        with pytest.raises(Unavailable, match="another log is running"):
            place.start()

    run(story)


def test_the_state_keeps_no_tokens_in_memory_and_the_disk_all_of_them(run):
    async def story(place: Place) -> None:
        person = await place.sign()
        await place.step()
        record = place.state.records[person.key]
        assert record.entry.tokens == []
        assert len(decode_entry(place.room.entries(SLUG, record.index, record.index + 1)[0]).tokens) == 1

    run(story)
