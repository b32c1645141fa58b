"""Where the log of a test keeps what it has: each storage, with the ways to change it behind the log's back."""

import shutil
import sqlite3
from pathlib import Path
from typing import Protocol

from support.postgres import Cluster
from undersigned.log.storage import LogStorage
from undersigned.log.storage.postgres import PostgresStorage
from undersigned.log.storage.sqlite import SqliteStorage

TABLES = ("letters", "entries", "waiting", "blobs", "opened", "erasures", "lists", "notes", "messages", "lease")


class Keeper(Protocol):
    """`directory` is the log's own. Only `open` and `execute` are for a log that runs. `url`: where a database is."""

    url: str | None

    def open(self, directory: Path) -> LogStorage: ...

    def execute(self, directory: Path, query: str, *values: object) -> None:
        """One statement on the database, with `?` for each value."""

    def save(self, directory: Path) -> None:
        """Make a backup."""

    def put_back(self, directory: Path) -> None:
        """Put the backup where it was."""

    def lose(self, directory: Path) -> None:
        """Lose everything but the backup."""


class SqliteKeeper:
    """The file in the log's directory."""

    url = None

    def open(self, directory: Path) -> SqliteStorage:
        return SqliteStorage(directory / "log.sqlite")

    def execute(self, directory: Path, query: str, *values: object) -> None:
        with sqlite3.connect(directory / "log.sqlite") as database:
            database.execute(query, values)
        database.close()

    def save(self, directory: Path) -> None:
        shutil.copytree(directory, _backup(directory))

    def put_back(self, directory: Path) -> None:
        self.lose(directory)
        shutil.copytree(_backup(directory), directory)

    def lose(self, directory: Path) -> None:
        shutil.rmtree(directory)


class PostgresKeeper:
    """A database of its own at a server for tests."""

    def __init__(self, cluster: Cluster, *, serializable: bool = False) -> None:
        self.cluster = cluster
        level = "&options=-c%20default_transaction_isolation%3Dserializable"
        self.url: str | None = cluster.url + (level if serializable else "")

    def open(self, directory: Path, *, lease_seconds: float = 15) -> PostgresStorage:
        assert self.url is not None
        return PostgresStorage(self.url, directory=directory, lease_seconds=lease_seconds)

    def execute(self, directory: Path, query: str, *values: object) -> None:
        self.cluster.execute(query.replace("?", "%s"), *values)

    def save(self, directory: Path) -> None:
        for table in TABLES:
            self.cluster.execute(f"DROP TABLE IF EXISTS saved_{table}")
            self.cluster.execute(f"CREATE TABLE saved_{table} AS TABLE {table}")

    def put_back(self, directory: Path) -> None:
        self.lose(directory)
        for table in TABLES:
            self.cluster.execute(f"INSERT INTO {table} TABLE saved_{table}")

    def lose(self, directory: Path) -> None:
        if self.cluster.execute("SELECT to_regclass('lease')") != [(None,)]:
            self.cluster.execute(f"TRUNCATE {', '.join(TABLES)}")


def _backup(directory: Path) -> Path:
    return directory.with_name("backup")
