"""The log's storage in PostgreSQL: one transaction for each list of changes, on disk at the server before it is said.

Unique indexes decide races, and the lease's row who may write. Nothing else of PostgreSQL is leaned on: no advisory
lock, no sequence, no LISTEN, and either READ COMMITTED or SERIALIZABLE. docs/operating/postgresql.md
"""

import contextlib
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import psycopg
from psycopg import errors

from undersigned.errors import Refused, Unavailable
from undersigned.log.storage import NOT_LEADING, TAKEN, Admit, Change
from undersigned.log.storage.postgres.changes import Statement, statements
from undersigned.log.storage.postgres.connection import Connection, check_promises, connect, make_tables, read_url
from undersigned.log.storage.postgres.lease import TAKEN_OVER, Lease
from undersigned.log.storage.sql import SqlReading

LEASE_SECONDS = 15.0
AT_MOST_TRIES = 8
T = TypeVar("T")


class PostgresStorage(SqlReading):
    """`LogStorage` by a postgresql:// URL. `directory` is this log's own: a lock there tells it from its predecessor.

    Reading threads have a connection each, the writer and the lease one more.
    """

    def __init__(self, url: str, *, directory: Path, lease_seconds: float = LEASE_SECONDS) -> None:
        """Malformed; Unavailable when the server does not answer, or was told not to keep what it says is kept."""
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._address, self._silent_seconds = read_url(url), lease_seconds * 2 / 3
        self._readers = threading.local()
        self._open: list[Connection] = []
        self._writer: Connection | None = None
        self._lease = Lease(self._connect, directory=directory, seconds=lease_seconds)
        try:
            with _refusing("did not answer"):
                _persistently(lambda: make_tables(self._writing()))
        except BaseException:
            self.close()
            raise

    @property
    def leads(self) -> bool:
        return self._lease.taken and not self._lease.lost

    def lead(self) -> None:
        """Take the lease; Unavailable while another log has it."""
        with _refusing("could not give the log its lease"):
            _persistently(lambda: self._lease.take(self._writing()))

    def write(self, changes: Sequence[Change]) -> None:
        """One transaction: 1. the lease  2. the changes  3. what each must have found  4. COMMIT.

        What failed before the COMMIT was sent is tried again. When a connection is lost during it, nobody can tell what
        was kept: Unavailable, and the next transaction waits at 1 until the server has ended this one.
        """
        todo = list(statements(changes))
        if self._lease.taken:
            todo.insert(0, self._lease.renewal())
        elif not all(isinstance(change, Admit) for change in changes):
            raise Unavailable(NOT_LEADING)
        with _refusing("could not write"):
            _persistently(lambda: self._transact(todo))

    def close(self) -> None:
        self._lease.let_go(self._writer)
        for connection in self._open:
            connection.close()

    def _transact(self, todo: Sequence[Statement]) -> None:
        connection = self._writing()
        try:
            connection.execute("BEGIN")
            for statement in todo:  # 1, 2, 3
                if statement.rows not in (None, connection.execute(statement.query, statement.values).rowcount):
                    self._lease.lost = self._lease.lost or statement.otherwise == TAKEN_OVER
                    raise Unavailable(statement.otherwise)
        except BaseException as error:
            if isinstance(error, psycopg.Error) and connection.closed:
                raise _Lost from error
            _roll_back(connection)
            raise
        if connection.execute("COMMIT").statusmessage != "COMMIT":  # 4
            raise Unavailable("the log's database kept nothing of this: try again later")

    def _all(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        text = query.replace("?", "%s").encode()
        with _refusing("could not read"):
            return _persistently(lambda: self._ask(text, values))

    def _ask(self, query: bytes, values: Sequence[object]) -> list[tuple[Any, ...]]:
        connection = self._reading()
        try:
            return connection.execute(query, values, binary=True).fetchall()
        except psycopg.Error as error:
            if connection.closed:
                raise _Lost from error
            raise

    def _writing(self) -> Connection:
        """The writer's connection, a new one when the last was lost; psycopg.Error, Unavailable."""
        if self._writer is None or self._writer.closed:
            self._writer = self._connect()
            try:
                check_promises(self._writer)
            except BaseException:
                self._writer.close()
                raise
        return self._writer

    def _reading(self) -> Connection:
        """The calling thread's connection, a new one when the last was lost; psycopg.Error."""
        connection: Connection | None = getattr(self._readers, "connection", None)
        if connection is None or connection.closed:
            connection = self._readers.connection = self._connect()
        return connection

    def _connect(self) -> Connection:
        connection = connect(self._address, silent_seconds=self._silent_seconds)
        self._open.append(connection)
        return connection


class _Lost(psycopg.OperationalError):
    """The connection was lost before anything could have been kept."""


def _roll_back(connection: Connection) -> None:
    try:
        connection.execute("ROLLBACK")
    except psycopg.Error:
        connection.close()  # which does the same


def _persistently(action: Callable[[], T]) -> T:
    """Do it again, a bounded number of times, when it is certain that nothing of it was kept."""
    for _ in range(AT_MOST_TRIES - 1):
        try:
            return action()
        except _TRY_AGAIN:
            time.sleep(random.uniform(0, 0.05))
    return action()


@contextlib.contextmanager
def _refusing(what: str) -> Iterator[None]:
    """Turn what PostgreSQL says into Refused or Unavailable; nothing of the address or the values goes along."""
    try:
        yield
    except errors.UniqueViolation:
        raise Refused(TAKEN) from None
    except psycopg.Error as error:
        kind = type(error.__cause__ or error).__name__
        raise Unavailable(f"the log's database {what} ({kind}): try again later") from None


_TRY_AGAIN = (errors.SerializationFailure, errors.DeadlockDetected, _Lost)  # 40001, 40P01
