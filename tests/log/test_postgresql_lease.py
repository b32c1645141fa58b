"""Who leads a log in PostgreSQL, and that whoever did before can write nothing any more."""

import asyncio
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support.keepers import PostgresKeeper
from support.letters import Cast, make_letter
from support.log_rooms import HOST, SLUG, Place
from support.postgres import Cluster
from undersigned.errors import Unavailable
from undersigned.log.storage import ForgetMessages
from undersigned.log.storage.postgres import PostgresStorage
from undersigned.transparency.merkle import leaf_hash

pytestmark = pytest.mark.needs("pg_ctl")
NO_WITNESSES = {"witnesses": 0, "witness_quorum": 0, "trustees": 0, "modes": ("public", "anonymous")}
CHANGE = ForgetMessages(letter=1, freeze=1)
OVER = "UPDATE lease SET expires = clock_timestamp() - interval '1 second'"


@pytest.fixture
def kept(cluster: Cluster) -> PostgresKeeper:
    made = PostgresKeeper(cluster)
    made.lose(Path())
    return made


def test_one_log_leads_a_database_whatever_directory_the_other_has(kept, tmp_path):
    first, second = kept.open(tmp_path / "first"), kept.open(tmp_path / "second")
    first.lead()
    for _ in range(20):
        with pytest.raises(Unavailable, match="another log is running on this database"):
            second.lead()
    first.write([CHANGE])
    first.close()
    second.lead()
    second.write([CHANGE])
    second.close()


def test_an_idle_log_renews_its_lease(kept, tmp_path):
    first, second = kept.open(tmp_path / "first", lease_seconds=0.3), kept.open(tmp_path / "second")
    first.lead()
    end = time.monotonic() + 1
    while time.monotonic() < end:
        with pytest.raises(Unavailable, match="another log is running"):
            second.lead()
    assert first.leads
    first.close()
    second.close()


def test_a_log_whose_place_another_took_can_write_nothing_any_more(kept, cluster, tmp_path):
    first, second = kept.open(tmp_path / "first"), kept.open(tmp_path / "second")
    first.lead()
    cluster.execute(OVER)
    second.lead()
    for changes in ([CHANGE], []):
        with pytest.raises(Unavailable, match="taken over"):
            first.write(changes)
    assert (first.leads, second.leads) == (False, True)
    first.close()
    second.write([CHANGE])
    second.close()


def test_an_idle_log_learns_that_another_took_its_place(kept, cluster, tmp_path):
    first, second = kept.open(tmp_path / "first", lease_seconds=0.3), kept.open(tmp_path / "second")
    first.lead()
    while True:
        cluster.execute(OVER)
        try:
            second.lead()
            break
        except Unavailable:  # it was renewed in between
            continue
    end = time.monotonic() + 5
    while first.leads and time.monotonic() < end:
        time.sleep(0.02)
    assert not first.leads
    first.close()
    second.close()


def test_a_lease_past_its_end_is_good_while_nobody_took_it(kept, cluster, tmp_path):
    first = kept.open(tmp_path / "first")
    first.lead()
    cluster.execute(OVER)
    first.write([CHANGE])
    assert cluster.execute("SELECT expires > clock_timestamp() FROM lease") == [(True,)]
    first.close()


def test_a_lease_from_a_backup_brings_no_old_leader_to_life(kept, tmp_path):
    first = kept.open(tmp_path / "first")
    first.lead()
    kept.save(Path())
    kept.put_back(Path())
    first.write([CHANGE])
    kept.lose(Path())
    second = kept.open(tmp_path / "second")
    second.lead()
    with pytest.raises(Unavailable, match="taken over"):
        first.write([CHANGE])
    first.close()
    second.close()


def test_a_log_that_comes_back_on_its_directory_after_a_crash_need_not_wait(kept, tmp_path):
    first = kept.open(tmp_path / "log")
    first.lead()
    first._lease._lock.let_go()  # as when its process ends
    second = kept.open(tmp_path / "log")
    second.lead()
    with pytest.raises(Unavailable, match="taken over"):
        first.write([CHANGE])
    second.write([CHANGE])
    second.close()
    first.close()


def test_a_log_that_slept_past_its_lease_promises_nothing_when_it_wakes(kept, tmp_path):
    cast = make_letter(**NO_WITNESSES, deadline=1_900_000_000)
    people = [cast.signature(cast.person()) for _ in range(400)]
    material = tmp_path / "material"
    first = [cast.letter.data, *cast.accept()]
    material.write_bytes(pickle.dumps((HOST, cast.log, cast.promise, first, people, kept.url)))
    script = Path(__file__).with_name("kept_alive.py")
    arguments = [sys.executable, script, tmp_path / "sleeper", material]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            promised = asyncio.run(_take_over(process, tmp_path, cast, kept))
            process.wait(10)
        finally:
            process.kill()
    assert process.returncode not in (0, -signal.SIGKILL)
    assert len(promised) < len(people)


async def _take_over(process: subprocess.Popen[str], directory: Path, cast: Cast, kept: PostgresKeeper) -> list[str]:
    """What the sleeper promised, all of it in the log that its successor continues."""
    assert process.stdout is not None
    promised = [process.stdout.readline().strip() for _ in range(20)]
    process.send_signal(signal.SIGSTOP)
    time.sleep(1.2)
    place = Place(directory, cast, keeper=kept)  # no witness to ask, so it writes at once
    await place.step()
    size = place.state.size
    process.send_signal(signal.SIGCONT)
    rest = await asyncio.to_thread(process.stdout.read)
    promised += [line for line in rest.split() if len(line) == 64]
    person = await place.sign()
    await place.step()
    included = {leaf_hash(one).hex() for one in place.room.entries(SLUG, 0, 1_000)}
    assert included.issuperset(promised)
    assert place.state.size == size + 1 == place.state.records[person.key].index + 1
    await place.room.close()
    return promised


def test_a_log_that_was_stopped_in_the_middle_of_a_transaction_does_not_keep_the_next_one_waiting(kept, tmp_path):
    first, second = kept.open(tmp_path / "first", lease_seconds=1), kept.open(tmp_path / "second")
    first.lead()
    first._lease._stop.set()
    first._writer.execute("BEGIN")
    renewal = first._lease.renewal()
    first._writer.execute(renewal.query, renewal.values)
    begun = time.monotonic()
    while True:
        try:
            second.lead()
            break
        except Unavailable:
            time.sleep(0.05)
    assert time.monotonic() - begun < 5
    with pytest.raises(Unavailable):
        first.write([CHANGE])
    first.close()
    second.close()


def test_the_room_ends_when_another_log_took_over(kept, cluster, tmp_path):
    async def story() -> None:
        place = Place(tmp_path, make_letter(**NO_WITNESSES), keeper=kept)
        running = asyncio.create_task(place.room.run())
        cluster.execute(OVER)
        other = PostgresStorage(cluster.url, directory=tmp_path / "other")
        other.lead()
        with pytest.raises(Unavailable, match="taken over"):
            await place.publish()
        with pytest.raises(Unavailable, match="this one ends"):
            await asyncio.wait_for(running, 5)
        other.close()
        with pytest.raises(Unavailable, match="taken over"):
            await place.room.close()

    asyncio.run(story())
