"""The log's storage in one SQLite file: WAL, synchronous=FULL, one writer, and no trace of what was deleted.

Who leads holds a lock on the file `lock` beside the database. PostgreSQL has a lease with an end and a check in every
transaction; here a lock is the better lease. It ends with its holder and never before, so nobody waits after a crash,
no clock is asked, and there is no stale holder to keep from writing: a process that was stopped for an hour still has
it. This holds because SQLite in WAL mode works on a disk of this machine only, where the kernel knows who is alive.
"""

import os
import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from undersigned.errors import Refused, Unavailable
from undersigned.log.storage import (
    NOT_LEADING,
    OUT_OF_STEP,
    TAKEN,
    Admit,
    Append,
    Change,
    DestroySealed,
    ForgetMessages,
    KeepBlob,
    KeepMessage,
    KeepOpened,
    NewLetter,
    Publish,
)
from undersigned.log.storage.lock import FileLock
from undersigned.log.storage.sql import SqlReading

_SCHEMA = """
CREATE TABLE IF NOT EXISTS letters(
    letter INTEGER PRIMARY KEY, slug TEXT NOT NULL UNIQUE, head BLOB NOT NULL, published BLOB NOT NULL, cosigned BLOB
) STRICT;
CREATE TABLE IF NOT EXISTS entries(
    letter INTEGER NOT NULL, idx INTEGER NOT NULL, leaf BLOB NOT NULL, data BLOB NOT NULL, latest INTEGER,
    PRIMARY KEY (letter, idx)
) STRICT;
CREATE INDEX IF NOT EXISTS entries_by_leaf ON entries(letter, leaf);
-- Keyed by leaf hash and without row numbers, so that it does not say who came first.
CREATE TABLE IF NOT EXISTS waiting(
    letter INTEGER NOT NULL, leaf BLOB NOT NULL, key BLOB NOT NULL, kind TEXT NOT NULL, data BLOB NOT NULL,
    latest INTEGER NOT NULL, blob BLOB, blob_hash BLOB, sealed INTEGER NOT NULL,
    PRIMARY KEY (letter, leaf), UNIQUE (letter, key, kind)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS blobs(
    letter INTEGER NOT NULL, idx INTEGER NOT NULL, hash BLOB NOT NULL, sealed INTEGER NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (letter, idx)
) STRICT;
CREATE INDEX IF NOT EXISTS blobs_by_hash ON blobs(letter, hash);
CREATE TABLE IF NOT EXISTS opened(
    letter INTEGER NOT NULL, idx INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (letter, idx)
) STRICT;
CREATE TABLE IF NOT EXISTS erasures(
    letter INTEGER NOT NULL, cause INTEGER NOT NULL, idx INTEGER NOT NULL, opened INTEGER NOT NULL,
    PRIMARY KEY (letter, cause, idx, opened)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lists(
    letter INTEGER NOT NULL, hash BLOB NOT NULL, data BLOB NOT NULL, PRIMARY KEY (letter, hash)
) STRICT;
CREATE TABLE IF NOT EXISTS notes(
    letter INTEGER NOT NULL, name TEXT NOT NULL, note BLOB NOT NULL, PRIMARY KEY (letter, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS messages(
    letter INTEGER NOT NULL, "freeze" INTEGER NOT NULL, recipient INTEGER NOT NULL, sender INTEGER NOT NULL,
    type TEXT NOT NULL, part INTEGER NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (letter, "freeze", recipient, sender, type, part)
) STRICT;
"""


class SqliteStorage(SqlReading):
    """`LogStorage` on one file, made with mode 0600. Reading threads have a connection each."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        self._path = path
        self._lock = FileLock(path.with_name("lock"))
        self._readers = threading.local()
        self._open: list[sqlite3.Connection] = []
        self._writer = self._connect()
        self._tidier = self._connect(timeout=0.2)
        self._untidy = False
        self._writer.executescript(_SCHEMA)

    @property
    def leads(self) -> bool:
        return self._lock.taken

    def lead(self) -> None:
        """Take the lock beside the database; Unavailable while another log has it."""
        self._lock.take()

    def write(self, changes: Sequence[Change]) -> None:
        """One BEGIN IMMEDIATE transaction, on disk when this returns. Refused or Unavailable, as `LogStorage` says."""
        if not self.leads and not all(isinstance(change, Admit) for change in changes):
            raise Unavailable(NOT_LEADING)
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                erased = [_WRITERS[type(change)](self._writer, change) for change in changes]
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise
        except sqlite3.IntegrityError:
            raise Refused(TAKEN) from None
        except sqlite3.Error as error:
            raise Unavailable(
                f"the log could not write to its disk ({type(error).__name__}): try again later"
            ) from None
        if self._untidy or any(erased):
            self._tidy()

    def _tidy(self) -> None:
        """What was erased must not stay readable in the write-ahead file: empty it, or try again at the next write."""
        self._untidy = bool(self._tidier.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0])

    def close(self) -> None:
        for connection in self._open:
            connection.close()
        self._lock.let_go()

    def _connect(self, *, timeout: float = 30) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=timeout)
        self._open.append(connection)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON", "cache_size=-16000"):
            connection.execute(f"PRAGMA {pragma}")
        return connection

    def _reader(self) -> sqlite3.Connection:
        if not hasattr(self._readers, "connection"):
            self._readers.connection = self._connect()
        connection: sqlite3.Connection = self._readers.connection
        return connection

    def _all(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        try:
            return self._reader().execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise Unavailable(f"the log could not read its disk ({type(error).__name__}): try again later") from None


def _new_letter(db: sqlite3.Connection, change: NewLetter) -> None:
    row = (change.letter, change.slug, change.head, change.head)
    db.execute("INSERT INTO letters(letter, slug, head, published) VALUES (?, ?, ?, ?)", row)
    entry = (change.letter, change.leaf, change.entry)
    db.execute("INSERT INTO entries(letter, idx, leaf, data) VALUES (?, 0, ?, ?)", entry)


def _admit(db: sqlite3.Connection, change: Admit) -> None:
    one = change.waiting
    row = (one.leaf, one.key, one.kind, one.entry, one.latest, change.blob, change.blob_hash, change.sealed)
    db.execute("INSERT INTO waiting VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", (change.letter, *row))


def _append(db: sqlite3.Connection, change: Append) -> None:
    letter = change.letter
    (size,) = db.execute("SELECT max(idx) + 1 FROM entries WHERE letter = ?", (letter,)).fetchone()
    if change.entries and change.entries[0].index != size:
        raise Unavailable(OUT_OF_STEP)
    rows = [(letter, one.index, one.leaf, one.data, one.latest) for one in change.entries]
    db.executemany("INSERT INTO entries VALUES (?, ?, ?, ?, ?)", rows)
    taken = [(one.index, letter, one.leaf) for one in change.entries if one.waiting]
    move = "INSERT INTO blobs SELECT letter, ?, blob_hash, sealed, blob FROM waiting WHERE letter = ? AND leaf = ?"
    db.executemany(f"{move} AND blob IS NOT NULL", taken)
    gone = db.executemany("DELETE FROM waiting WHERE letter = ? AND leaf = ?", [row[1:] for row in taken])
    if taken and gone.rowcount != len(taken):
        raise Unavailable(OUT_OF_STEP)
    given = [(letter, one.index, one.blob_hash, 0, one.blob) for one in change.entries if one.blob is not None]
    db.executemany("INSERT INTO blobs VALUES (?, ?, ?, ?, ?)", given)
    due = [(letter, one.cause, one.index, one.opened) for one in change.erasures]
    db.executemany("INSERT OR IGNORE INTO erasures VALUES (?, ?, ?, ?)", due)
    lists = [(letter, *item) for item in change.lists.items()]
    db.executemany("INSERT OR IGNORE INTO lists VALUES (?, ?, ?)", lists)
    db.execute("UPDATE letters SET head = ? WHERE letter = ?", (change.head, letter))


def _publish(db: sqlite3.Connection, change: Publish) -> bool:
    """Whether anything was erased."""
    columns = "published = ?1, cosigned = ?1" if change.cosigned else "published = ?1"
    db.execute(f"UPDATE letters SET {columns} WHERE letter = ?2", (change.note, change.letter))
    due = "(SELECT idx FROM erasures WHERE letter = ?1 AND cause < ?2 AND opened = ?3)"
    for table, opened in (("blobs", 0), ("opened", 1)):
        db.execute(f"DELETE FROM {table} WHERE letter = ?1 AND idx IN {due}", (change.letter, change.size, opened))
    erased = db.execute("DELETE FROM erasures WHERE letter = ? AND cause < ?", (change.letter, change.size)).rowcount
    kept = [(change.letter, *item) for item in change.keep.items()]
    db.executemany("INSERT OR REPLACE INTO notes VALUES (?, ?, ?)", kept)
    gone = [(change.letter, name) for name in change.forget]
    db.executemany("DELETE FROM notes WHERE letter = ? AND name = ?", gone)
    return erased > 0


def _keep_blob(db: sqlite3.Connection, change: KeepBlob) -> None:
    row = (change.letter, change.index, change.blob_hash, change.sealed, change.blob)
    db.execute("INSERT OR IGNORE INTO blobs VALUES (?, ?, ?, ?, ?)", row)


def _keep_opened(db: sqlite3.Connection, change: KeepOpened) -> None:
    db.execute("INSERT OR IGNORE INTO opened VALUES (?, ?, ?)", (change.letter, change.index, change.data))
    db.execute("DELETE FROM blobs WHERE letter = ? AND idx = ? AND sealed", (change.letter, change.blob_at))


def _keep_message(db: sqlite3.Connection, change: KeepMessage) -> None:
    row = (change.letter, change.freeze, *change.place, change.data)
    db.execute("INSERT OR REPLACE INTO messages VALUES (?, ?, ?, ?, ?, ?, ?)", row)


def _forget_messages(db: sqlite3.Connection, change: ForgetMessages) -> None:
    db.execute('DELETE FROM messages WHERE letter = ? AND "freeze" = ?', (change.letter, change.freeze))


def _destroy_sealed(db: sqlite3.Connection, change: DestroySealed) -> bool:
    """True: something was erased."""
    db.execute("DELETE FROM blobs WHERE letter = ? AND sealed", (change.letter,))
    return True


_WRITERS: dict[type, Callable[[sqlite3.Connection, Any], bool | None]] = {
    NewLetter: _new_letter,
    Admit: _admit,
    Append: _append,
    Publish: _publish,
    KeepBlob: _keep_blob,
    KeepOpened: _keep_opened,
    KeepMessage: _keep_message,
    ForgetMessages: _forget_messages,
    DestroySealed: _destroy_sealed,
}
