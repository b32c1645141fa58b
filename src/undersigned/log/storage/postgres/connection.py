"""Connections to the log's PostgreSQL: how long they wait, what the server must promise, and its tables."""

from importlib import resources
from typing import Any, TypeAlias

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from undersigned.errors import Malformed, Unavailable

Connection: TypeAlias = psycopg.Connection[tuple[Any, ...]]

_DEFAULTS: dict[str, Any] = {
    "application_name": "undersigned log",
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
_PROMISES = {
    "fsync": "what it calls kept is lost when the machine stops",
    "full_page_writes": "a page half written when the machine stops cannot be repaired",
    "synchronous_commit": "it answers before what it calls kept is on disk",
}


def read_url(url: str) -> str:
    """The connection string of a postgresql:// URL, with our limits where it names none; Malformed."""
    try:
        given = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        raise Malformed("the database's address must look like postgresql://user@host/database") from None
    return make_conninfo("", **{**_DEFAULTS, **given})


def connect(address: str, *, silent_seconds: float) -> Connection:
    """A connection of which each statement is a transaction; psycopg.Error.

    The server ends a transaction in which nothing came for `silent_seconds`, so that one begun by a client that was
    stopped or lost does not stand in the next one's way. (Not in pipeline mode: there a Flush after the last Sync
    switches PostgreSQL 15's timer off.) No statement has a limit: one would end a COMMIT's wait for a replica, and
    PostgreSQL would call that a success.
    """
    connection = psycopg.connect(address, autocommit=True)
    limits = {"lock_timeout": 30, "statement_timeout": 0, "idle_in_transaction_session_timeout": silent_seconds}
    for name, seconds in limits.items():
        connection.execute("SELECT set_config(%s, %s, false)", [name, f"{seconds * 1000:.0f}"])
    return connection


def check_promises(connection: Connection) -> None:
    """Unavailable when the server was told not to keep what it says is kept."""
    query = "SELECT name FROM pg_settings WHERE setting = 'off' AND name = ANY(%s)"
    for (name,) in connection.execute(query, [list(_PROMISES)]):
        raise Unavailable(f"the database has {name} off, so {_PROMISES[name]}: turn it on, then start the log again")


def make_tables(connection: Connection) -> None:
    """Make the tables unless they are there; a role that may not make any needs them made. psycopg.Error."""
    (made,) = connection.execute("SELECT to_regclass('lease') IS NOT NULL").fetchall()
    if made[0]:
        return
    try:
        with connection.transaction():
            connection.execute(resources.files(__package__).joinpath("schema.sql").read_bytes())
    except (errors.UniqueViolation, errors.DuplicateTable):
        pass  # another process has just made them
