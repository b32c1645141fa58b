"""A scrub finds any byte that is not as the log signed it, and names what it belongs to."""

import random
import shutil
import sqlite3
from pathlib import Path

import pytest

from support import flip_bit
from support.letters import START, MemoryLog, begun, make_letter
from support.whole import whole_letter
from undersigned.errors import Unavailable
from undersigned.log.restoring import restore
from undersigned.log.scrubbing import scrub
from undersigned.log.storage import Admit, Waiting
from undersigned.log.storage.sqlite import SqliteStorage
from undersigned.protocol.encoding import sha256
from undersigned.transparency.merkle import leaf_hash
from undersigned.verifier import verify_dossier

COLUMNS = [  # what a scrub answers for: a table, its column, and a word of its sentence
    ("entries", "data", "entr"),
    ("entries", "leaf", "leaf hash kept beside entry"),
    ("notes", "note", "the kept note"),
    ("blobs", "data", "blob of entry"),
    ("blobs", "hash", "kept beside the blob of entry"),
    ("opened", "data", "opened name at index"),
    ("lists", "data", "list"),
    ("letters", "head", "the head"),
    ("letters", "published", "the note that readers are shown"),
    ("letters", "cosigned", "the last witnessed note"),
    ("waiting", "data", "a promised signature"),
]


def keep(log: MemoryLog, path: Path) -> SqliteStorage:
    """A log's database, made from its dossier."""
    files, storage = log.dossier(), SqliteStorage(path)
    storage.lead()
    verdict = verify_dossier(files)
    restore(files, verdict, storage=storage, seed=log.cast.log, promise_seed=log.cast.promise)
    return storage


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every kind of entry, opened names, lists, and one entry that waits."""
    path = tmp_path_factory.mktemp("scrubbed") / "log.sqlite"
    log = whole_letter()
    storage = keep(log, path)
    person = log.cast.person()
    entry, blob = log.cast.signature(person)
    waiting = Waiting(leaf=leaf_hash(entry), key=person.key, kind="signature", entry=entry, latest=START)
    storage.write([Admit(letter=1, waiting=waiting, blob=blob, blob_hash=sha256(blob), sealed=False)])
    storage.close()
    assert damages(path) == []
    return path


def damages(path: Path) -> list[str]:
    storage = SqliteStorage(path)
    try:
        (found,) = scrub(storage)
    finally:
        storage.close()
    return found.damages


@pytest.fixture
def copy(database: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copy(database, tmp_path / "log.sqlite"))


def change(path: Path, query: str, *values: object) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(query, values)
    connection.close()


@pytest.mark.parametrize(("table", "column", "words"), COLUMNS)
def test_a_flipped_bit_anywhere_in_what_was_signed_is_found_and_named(
    copy: Path, table: str, column: str, words: str
) -> None:
    rng = random.Random(f"{table}.{column}")
    connection = sqlite3.connect(copy, isolation_level=None)
    rowid = "rowid" if table not in ("waiting", "notes") else {"waiting": "leaf", "notes": "name"}[table]
    rows = connection.execute(f"SELECT {rowid}, {column} FROM {table} GROUP BY {column} HAVING count(*) = 1").fetchall()
    assert rows
    for _ in range(20):
        key, data = rng.choice(rows)
        spoiled = flip_bit(data, rng.randrange(8 * len(data)))
        connection.execute(f"UPDATE {table} SET {column} = ? WHERE {rowid} = ?", (spoiled, key))
        found = damages(copy)
        connection.execute(f"UPDATE {table} SET {column} = ? WHERE {rowid} = ?", (data, key))
        assert found, f"{table}.{column} of {key!r}"
        assert any(words in damage for damage in found), found
    connection.close()
    assert damages(copy) == []


def test_a_damaged_entry_is_named_by_its_index_alone(copy: Path) -> None:
    change(copy, "UPDATE entries SET data = (SELECT data FROM entries WHERE idx = 6) WHERE idx = 7")
    assert damages(copy) == ["the entries are not those the log signed, and none of them alone tells why"]
    change(copy, "UPDATE entries SET data = zeroblob(100) WHERE idx = 7")
    assert damages(copy) == ["entry 7 is damaged: not what the log signed"]
    change(copy, "DELETE FROM entries WHERE idx IN (5, 9)")
    assert damages(copy) == ["entries 5, 9 are missing"]


def test_an_entry_added_behind_the_logs_back_is_found(copy: Path) -> None:
    change(
        copy,
        "INSERT INTO entries SELECT letter, idx + 1, zeroblob(32), data, NULL FROM entries ORDER BY idx DESC LIMIT 1",
    )
    assert damages(copy) == ["there are entries after those that the head covers"]


def test_a_name_card_that_is_gone_and_one_that_was_swapped_are_found(copy: Path) -> None:
    (index,) = sqlite3.connect(copy).execute("SELECT min(idx) FROM blobs").fetchone()
    change(copy, "DELETE FROM blobs WHERE idx = ?", index)
    assert damages(copy) == [f"the name card of the signature at index {index} is missing"]


def test_an_envelope_marked_as_public_or_lost_is_found(tmp_path: Path) -> None:
    log = begun(make_letter())
    data, envelope = log.cast.signature(log.cast.person(), "sealed", tier=1)
    index = log.append(data, envelope)
    log.witness(START)
    keep(log, tmp_path / "log.sqlite").close()
    missing = [f"the envelope at index {index} is missing: its signatory can hand it in again"]
    assert damages(tmp_path / "log.sqlite") == missing
    insert = "INSERT INTO blobs VALUES (1, ?, ?, 0, ?)"
    change(tmp_path / "log.sqlite", insert, index, sha256(envelope), envelope)
    assert damages(tmp_path / "log.sqlite") == [f"the envelope of entry {index} is marked as public"]
    change(tmp_path / "log.sqlite", "UPDATE blobs SET sealed = 1")
    assert damages(tmp_path / "log.sqlite") == []


def test_any_flipped_byte_of_the_file_is_found_or_harms_nothing_that_was_signed(copy: Path, database: Path) -> None:
    """Some bytes are empty space, an index's order or a promise's time: then all that was signed is still there."""
    rng, whole = random.Random(4), database.read_bytes()
    reference = everything(database)
    found = 0
    for _ in range(150):
        for aside in copy.parent.glob("log.sqlite-*"):
            aside.unlink()
        copy.write_bytes(flip_bit(whole, rng.randrange(8 * len(whole))))
        try:
            told = damages(copy)
        except (Unavailable, sqlite3.Error):
            found += 1
            continue
        if told:
            found += 1
        else:
            assert everything(copy) == reference
    assert found > 30


def everything(path: Path) -> list[object]:
    """All that readers can be shown of the letter."""
    storage = SqliteStorage(path)
    (letter,) = storage.letters()
    entries = list(storage.all_entries(1))
    blobs = [storage.blob_at(1, index) for index in range(len(entries))]
    found: list[object] = [letter, entries, blobs, storage.notes(1), storage.lists(1), storage.all_opened(1)]
    storage.close()
    return found
