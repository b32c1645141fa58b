"""Many at once: one of them wins, on every storage, and a log has one leader."""

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support.keepers import Keeper
from support.log_rooms import Place
from undersigned.errors import Refused, Unavailable
from undersigned.log.storage import Admit, Append, KeepMessage, NewEntry, NewLetter, Waiting

WORKERS = 8
TOKENS = 1000


def admission(key: int, worker: int = 0) -> Admit:
    """Another entry of each worker for the same key."""
    waiting = Waiting(
        leaf=b"%d.%d" % (key, worker), key=b"%d" % key, kind="signature", entry=bytes(900), latest=1_900_000_000
    )
    return Admit(letter=1, waiting=waiting, blob=b"card", blob_hash=bytes(32), sealed=False)


def test_of_eight_who_use_each_of_a_thousand_tokens_at_once_exactly_one_wins_it(keeper: Keeper, tmp_path: Path):
    def race(worker: int) -> list[int]:
        storage, won = keeper.open(tmp_path / "log"), []
        for key in random.Random(worker // 2).sample(range(TOKENS), TOKENS):  # in pairs, to meet at every token
            try:
                storage.write([admission(key, worker)])
                won.append(key)
            except Refused:
                pass
        storage.close()
        return won

    storage = keeper.open(tmp_path / "log")
    with ThreadPoolExecutor(WORKERS) as threads:
        wins = list(threads.map(race, range(WORKERS)))
    assert Counter(key for won in wins for key in won) == Counter(range(TOKENS))
    kept = {(int(one.key), int(one.leaf.split(b".")[1])) for one in storage.waiting(1)}
    assert kept == {(key, worker) for worker, won in enumerate(wins) for key in won}
    storage.close()


def test_who_loses_a_race_does_not_take_down_those_whose_entries_were_written_with_theirs(run):
    async def story(place: Place) -> None:
        storage, writer = place.room.storage, place.room.writer
        storage.write([admission(3, 7)])
        futures = [writer.write(admission(key)) for key in range(6)]
        with pytest.raises(Refused, match="kept in this place first"):
            await futures[3]
        for key in (0, 1, 2, 4, 5):
            await futures[key]
        assert sorted(one.key for one in storage.waiting(1) if len(one.key) == 1) == [b"%d" % key for key in range(6)]
        place.execute("DELETE FROM waiting")

    run(story)


def test_an_entry_is_not_taken_into_the_log_when_its_admission_was_not_kept(keeper: Keeper, tmp_path: Path):
    storage = keeper.open(tmp_path / "log")
    storage.lead()
    storage.write([NewLetter(letter=1, slug="board", entry=b"0", leaf=b"leaf 0", head=b"head 1"), admission(1)])
    entries = [NewEntry(index=1 + key, leaf=b"%d.0" % key, data=b"", waiting=True, latest=1) for key in range(2)]
    with pytest.raises(Unavailable, match="memory and its disk differ"):
        storage.write([Append(letter=1, entries=entries, erasures=[], head=b"head 3")])
    assert (storage.entries(1, 0, 9), len(storage.waiting(1))) == ([b"0"], 1)
    with pytest.raises(Unavailable, match="memory and its disk differ"):
        storage.write([Append(letter=1, entries=[entries[1]], erasures=[], head=b"head 3")])
    storage.close()


def test_a_second_log_refuses_to_start_however_often_it_tries(run):
    async def story(place: Place) -> None:
        first = place.room
        for _ in range(20):
            with pytest.raises(Unavailable, match="another log is running"):
                place.start()
        place.room = first
        await place.sign()
        await place.step()
        assert place.kinds()[-1] == "signature"

    run(story)


def test_who_does_not_lead_may_admit_and_nothing_else(keeper: Keeper, tmp_path: Path):
    storage = keeper.open(tmp_path / "log")
    storage.write([admission(1)])
    message = KeepMessage(letter=1, freeze=1, place=(1, 2, "shares", 1), data=b"")
    for changes in ([message], [admission(2), message]):
        with pytest.raises(Unavailable, match="does not lead"):
            storage.write(changes)
    assert [one.key for one in storage.waiting(1)] == [b"1"]
    assert not storage.leads
    storage.close()
