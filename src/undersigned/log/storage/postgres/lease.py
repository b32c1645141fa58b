"""Who leads a log in PostgreSQL: one row with a holder, a session and an end by the database's clock.

The end is a courtesy: nobody takes over from a holder that may be alive. What keeps two histories apart is the session,
16 random bytes of one lead: every transaction of the leader updates the row that carries them. Whoever takes over
writes others, and from then on nothing of the old leader commits, whatever its clock says and however long it slept.
That update also makes transactions wait for one another, so that one whose connection was lost has ended, either way,
before the next one begins. A session is compared and never ordered, so a database put back from a backup cannot
bring an old one to life again.

A log that comes back on the directory of its predecessor holds that directory's lock, so the other is dead, and it
takes over at once.
"""

import contextlib
import secrets
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import psycopg

from undersigned.errors import Unavailable
from undersigned.log.storage.lock import FileLock
from undersigned.log.storage.postgres.changes import Statement
from undersigned.log.storage.postgres.connection import Connection

TAKEN_OVER = "another log has taken over this database: this one can write nothing any more"

_TAKE = """
INSERT INTO lease(id, holder, session, expires)
VALUES (1, %(holder)s, %(session)s, clock_timestamp() + %(seconds)s * interval '1 second')
ON CONFLICT (id) DO UPDATE SET holder = excluded.holder, session = excluded.session, expires = excluded.expires
WHERE lease.expires < clock_timestamp() OR lease.holder = excluded.holder
"""
_RENEW = "UPDATE lease SET expires = clock_timestamp() + %s * interval '1 second' WHERE id = 1 AND session = %s"
_END = "UPDATE lease SET expires = clock_timestamp() - interval '1 second' WHERE id = 1 AND session = %s"


class Lease:
    """Taken once, then renewed by every transaction and, in a thread of its own, three times in `seconds`."""

    def __init__(self, open_: Callable[[], Connection], *, directory: Path, seconds: float) -> None:
        """`open_` makes the connection to renew by; `directory` stays the same from one start to the next."""
        self._open, self._seconds = open_, seconds
        self._lock = FileLock(directory / "lock")
        self._session = secrets.token_bytes(16)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="log-lease", daemon=True)
        self.taken, self.lost = False, False

    def take(self, connection: Connection) -> None:
        """Unavailable while another has it; psycopg.Error."""
        self._lock.take()
        try:
            values = {"holder": self._holder(), "session": self._session, "seconds": self._seconds}
            if connection.execute(_TAKE, values).rowcount != 1:
                raise Unavailable(
                    "another log is running on this database: two would write two histories. If it is dead, "
                    f"its lease ends within {self._seconds:g} seconds: start this one again then"
                )
        except BaseException:
            self._lock.let_go()
            raise
        self.taken = True
        self._thread.start()

    def renewal(self) -> Statement:
        """What each transaction begins with: it must find one row, or the lease is lost."""
        return Statement(_RENEW, (self._seconds, self._session), rows=1, otherwise=TAKEN_OVER)

    def let_go(self, connection: Connection | None) -> None:
        """End it, so that the next log need not wait; with no connection, it ends by itself."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        if self.taken and connection is not None:
            with contextlib.suppress(psycopg.Error):  # then it ends by itself
                connection.execute(_END, [self._session])
        self._lock.let_go()
        self.taken = False

    def _beat(self) -> None:
        connection: Connection | None = None
        while not self._stop.wait(self._seconds / 3) and not self.lost:
            try:
                connection = connection or self._open()
                self.lost = connection.execute(_RENEW, [self._seconds, self._session]).rowcount != 1
            except psycopg.errors.SerializationFailure:
                continue  # a transaction has just renewed it
            except psycopg.Error:  # the next beat tries again; should the lease be lost meanwhile, nothing is written
                if connection is not None and connection.closed:
                    connection = None
        if connection is not None:
            connection.close()

    def _holder(self) -> str:
        found = self._lock.path.stat()
        return f"{socket.gethostname()} {found.st_dev:x}:{found.st_ino:x}"
