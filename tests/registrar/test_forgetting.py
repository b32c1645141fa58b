"""What a raid on the registrar's disk finds: nothing without the keys, and nothing at all once they are destroyed."""

import asyncio
import logging
from pathlib import Path

import pytest

from support.letters import START
from support.registrar import Bureau, files_hold
from undersigned.client.signing import Proof
from undersigned.errors import Refused, Unavailable
from undersigned.protocol import entry as entries

PEOPLE = [("Ada Lovelace", "Countess", "ada.lovelace"), ("Grace Hopper", "Rear admiral", "grace.hopper")]
WORDS = [word.encode() for person in PEOPLE for word in person] + [b"mallory"]


@pytest.fixture
def bureau(tmp_path: Path) -> Bureau:
    """A letter that two people signed, one by roster, one by mail; a third asked for a code, and so did a stranger."""
    bureau = Bureau(tmp_path)
    bureau.publish()
    [(_, code), _] = bureau.roster(*(f"{name},{title},{local}@example.org" for name, title, local in PEOPLE))
    attempt = bureau.attempt(name="Ada Lovelace", title="Countess")
    bureau.right(attempt, Proof(attester="roster", code=code))
    bureau.right(bureau.attempt(name="Grace Hopper"), bureau.code_for("Grace.Hopper@example.org"))
    bureau.code_for("grace.hopper@example.org")
    for address in ("mallory@elsewhere.example", "mallory@example.org"):
        bureau.ask("board/begin", {"class": 1, "attester": "e-mail", "address": address})
    return bureau


def keep_house(bureau: Bureau) -> None:
    asyncio.run(bureau.room.housekeep())


def tags_of(bureau: Bureau) -> list[bytes]:
    """Every tag, request hash and certificate hash that is kept."""
    rows = bureau.room._office.storage._db.execute("SELECT tag, request, certificate FROM tags").fetchall()
    return [value for row in rows for value in row]


def test_no_file_and_no_word_of_the_log_says_who_asked(bureau: Bureau, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        bureau.down = True
        keep_house(bureau)
        bureau.right(bureau.attempt(), bureau.code_for("ada.lovelace2@example.org"))
        bureau.raw("board/token", {"class": 1, "attester": "e-mail", "code": "ada.lovelace@example.org"})
    assert files_hold(bureau.folder, WORDS) == []
    assert not any(word.decode().lower() in caplog.text.lower() for word in WORDS)


def test_an_error_nobody_foresaw_is_logged_without_the_person(
    bureau: Bureau, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("ada.lovelace@example.org")

    monkeypatch.setattr(bureau.room._office.storage, "add_code", fail)
    body = {"class": 1, "attester": "e-mail", "address": "ada.lovelace@example.org"}
    status, answer = bureau.raw("board/begin", body)
    assert status == 500
    assert "lovelace" not in caplog.text + str(answer)


def test_per_person_there_is_a_tag_and_two_hashes_and_no_time_or_order(bureau: Bureau) -> None:
    database = bureau.room._office.storage._db
    columns = {
        table: [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
        for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    }
    assert columns.pop("tags") == ["lid", "tag", "request", "certificate"]
    assert columns.pop("roster") == ["lid", "code", "class", "who", "row"]
    assert columns.pop("codes") == ["tab", "lid", "class", "code", "identity", "until", "tries"]
    assert columns.pop("outbox") == ["id", "lid", "mail", "until", "after"]
    assert columns.pop("issuance") == ["lid", "class", "given", "announced", "attempted", "final"]
    assert columns.pop("letters") == ["draft", "slug", "classes", "state", "lid", "entry", "closed"]
    assert columns == {}
    tables = database.execute("SELECT sql FROM sqlite_master WHERE type = 'table'").fetchall()
    assert all("WITHOUT ROWID" in sql for (sql,) in tables)


def test_the_disk_does_not_keep_the_order_in_which_people_asked(bureau: Bureau) -> None:
    for number in range(20):
        bureau.right(bureau.attempt(mode="anonymous"), bureau.code_for(f"p{number}@example.org"))
    keep_house(bureau)
    content = (bureau.folder / "registrar.sqlite").read_bytes()
    tags = sorted(tags_of(bureau)[::3])
    places = [content.index(tag) for tag in tags]
    assert len(places) == 22
    assert places in (sorted(places), sorted(places, reverse=True))
    assert (bureau.folder / "registrar.sqlite-wal").stat().st_size == 0


def test_codes_and_mails_are_gone_from_the_disk_after_15_minutes(bureau: Bureau) -> None:
    rows = bureau.room._office.storage._db.execute("SELECT code, identity FROM codes").fetchall()
    kept = [value for row in rows for value in row]
    assert len(kept) == 8
    assert files_hold(bureau.folder, kept) == kept
    bureau.now += 15 * 60
    keep_house(bureau)
    assert files_hold(bureau.folder, kept) == []


def test_forgetting_leaves_no_key_no_row_and_no_trace_on_the_disk(bureau: Bureau) -> None:
    kept, folder = tags_of(bureau), bureau.folder / "keys" / bureau.letter.lid.hex()
    secrets = [path.read_bytes() for path in folder.iterdir()]
    assert files_hold(bureau.folder, kept) == kept
    asyncio.run(bureau.room.forget(bureau.letter.lid))
    assert files_hold(bureau.folder, kept + secrets + WORDS) == []
    assert not folder.exists()
    last = entries.decode_entry(bureau.held[-1])
    assert isinstance(last, entries.Destruction)
    assert (last.role, last.by) == ("registrar", 1)


def test_the_files_of_keys_are_overwritten_before_they_are_removed(bureau: Bureau) -> None:
    folder = bureau.folder / "keys" / bureau.letter.lid.hex()
    handles = {path.name: (path.read_bytes(), path.open("rb")) for path in folder.iterdir()}
    asyncio.run(bureau.room.forget(bureau.letter.lid))
    for before, handle in handles.values():
        with handle:
            after = handle.read()
        assert len(after) == len(before)
        assert after != before


def test_after_forgetting_the_registrar_can_do_nothing_for_the_letter(bureau: Bureau) -> None:
    attempt, proof = bureau.attempt(), bureau.code_for("new@example.org")
    asyncio.run(bureau.room.forget(bureau.letter.lid))
    with pytest.raises(Refused, match="destroyed its keys"):
        bureau.right(attempt, proof)
    bureau.room.close()
    bureau.open()
    with pytest.raises(Refused, match="destroyed its keys"):
        bureau.code_for("new@example.org")
    asyncio.run(bureau.room.send_mail())


def test_a_letter_is_forgotten_forget_seconds_after_closing_and_first_gives_its_exact_figures(bureau: Bureau) -> None:
    assert bureau.log is not None
    bureau.log.log_entry(entries.Closing(by="log", reason="deadline"))
    bureau.room.closed_at(bureau.letter.lid, START + 50)
    bureau.room.closed_at(bureau.letter.lid, START + 5_000)
    bureau.now = START + 50 + bureau.letter.publication.forget_seconds - 1
    keep_house(bureau)
    assert bureau.log.state.final_issued == {(1, 1), (1, 2)}
    assert bureau.log.state.issued == {(1, 1): 2, (1, 2): 0}
    assert bureau.kinds()[-3:] == ["closing", "issuance", "issuance"]
    bureau.now += 1
    keep_house(bureau)
    keep_house(bureau)
    assert bureau.kinds()[-3:] == ["issuance", "issuance", "destruction"]
    assert not (bureau.folder / "keys" / bureau.letter.lid.hex()).exists()


def test_a_letter_that_never_closes_is_forgotten_after_deadline_and_hold(bureau: Bureau) -> None:
    publication = bureau.letter.publication
    bureau.now = publication.deadline + publication.hold_seconds + publication.forget_seconds - 1
    keep_house(bureau)
    assert "destruction" not in bureau.kinds()
    bureau.now += 1
    keep_house(bureau)
    assert bureau.kinds()[-1] == "destruction"


def test_keys_are_destroyed_on_time_even_if_the_log_hears_of_it_late(bureau: Bureau) -> None:
    bureau.down = True
    with pytest.raises(Unavailable):
        asyncio.run(bureau.room.forget(bureau.letter.lid))
    assert tags_of(bureau) == []
    assert not (bureau.folder / "keys" / bureau.letter.lid.hex()).exists()
    bureau.down = False
    bureau.room.close()
    bureau.open()
    keep_house(bureau)
    keep_house(bureau)
    assert bureau.kinds().count("destruction") == 1


def test_a_final_figure_whose_answer_was_lost_is_given_once(bureau: Bureau) -> None:
    assert bureau.log is not None
    bureau.log.log_entry(entries.Closing(by="log", reason="deadline"))
    bureau.room.closed_at(bureau.letter.lid, START)
    take = bureau.log.append

    def take_and_lose_the_answer(data: bytes) -> int:
        take(data)
        raise Unavailable("the line broke")

    bureau.log.append = take_and_lose_the_answer  # type: ignore[assignment, method-assign]
    keep_house(bureau)
    bureau.log.append = take  # type: ignore[method-assign]
    keep_house(bureau)
    assert bureau.log.state.final_issued == {(1, 1), (1, 2)}
    assert bureau.log.state.issued == {(1, 1): 2, (1, 2): 0}
    assert bureau.kinds().count("issuance") == 4


def test_the_room_runs_until_it_is_stopped(bureau: Bureau) -> None:
    bureau.room.closed_at(bureau.letter.lid, START - 1_000)
    assert bureau.log is not None
    bureau.log.log_entry(entries.Closing(by="log", reason="deadline"))

    async def run_for_a_moment() -> None:
        task = asyncio.create_task(bureau.room.run())
        await asyncio.sleep(0.3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run_for_a_moment())
    assert bureau.kinds()[-1] == "destruction"
