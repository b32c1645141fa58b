"""Reading what the log keeps, in the SQL that SQLite and PostgreSQL share; `?` stands for each value."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

from undersigned.log.storage import Included, StoredLetter, Waiting


class SqlReading(ABC):
    """The reading half of `LogStorage`; the tables have the same names in every database."""

    @abstractmethod
    def _all(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Every row of a query, as the calling thread sees it now; Unavailable."""

    def letters(self) -> list[StoredLetter]:
        rows = self._all("SELECT letter, slug, head, published, cosigned FROM letters ORDER BY letter")
        names = ("letter", "slug", "head", "published", "cosigned")
        return [StoredLetter(**dict(zip(names, row, strict=True))) for row in rows]

    def entries(self, letter: int, start: int, stop: int) -> list[bytes]:
        query = "SELECT data FROM entries WHERE letter = ? AND idx >= ? AND idx < ? ORDER BY idx"
        return [row[0] for row in self._all(query, letter, start, stop)]

    def all_entries(self, letter: int) -> Iterator[bytes]:
        start = 0
        while chunk := self.entries(letter, start, start + 1024):
            yield from chunk
            start += len(chunk)

    def included(self, letter: int, leaf: bytes) -> Included | None:
        row = self._one("SELECT idx, latest FROM entries WHERE letter = ? AND leaf = ? ORDER BY idx DESC", letter, leaf)
        return Included(index=row[0], latest=row[1]) if row else None

    def waiting(self, letter: int) -> list[Waiting]:
        rows = self._all("SELECT leaf, key, kind, data, latest FROM waiting WHERE letter = ?", letter)
        names = ("leaf", "key", "kind", "entry", "latest")
        return [Waiting(**dict(zip(names, row, strict=True))) for row in rows]

    def blob_at(self, letter: int, index: int) -> bytes | None:
        return self._value("SELECT data FROM blobs WHERE letter = ? AND idx = ?", letter, index)

    def public_blob(self, letter: int, blob_hash: bytes) -> bytes | None:
        query = "SELECT data FROM blobs WHERE letter = ? AND hash = ? AND NOT sealed"
        return self._value(query, letter, blob_hash)

    def public_blobs(self, letter: int, size: int) -> dict[bytes, bytes]:
        return dict(self._all("SELECT hash, data FROM blobs WHERE letter = ? AND idx < ? AND NOT sealed", letter, size))

    def has_sealed(self, letter: int) -> bool:
        return self._one("SELECT 1 FROM blobs WHERE letter = ? AND sealed LIMIT 1", letter) is not None

    def opened(self, letter: int, index: int) -> bytes | None:
        return self._value("SELECT data FROM opened WHERE letter = ? AND idx = ?", letter, index)

    def all_opened(self, letter: int) -> dict[int, bytes]:
        return dict(self._all("SELECT idx, data FROM opened WHERE letter = ? ORDER BY idx", letter))

    def opening_list(self, letter: int, list_hash: bytes) -> bytes | None:
        return self._value("SELECT data FROM lists WHERE letter = ? AND hash = ?", letter, list_hash)

    def lists(self, letter: int) -> dict[bytes, bytes]:
        return dict(self._all("SELECT hash, data FROM lists WHERE letter = ?", letter))

    def notes(self, letter: int) -> dict[str, bytes]:
        return dict(self._all("SELECT name, note FROM notes WHERE letter = ?", letter))

    def message(self, letter: int, freeze: int, place: tuple[int, int, str, int]) -> bytes | None:
        where = 'letter = ? AND "freeze" = ? AND recipient = ? AND sender = ? AND type = ? AND part = ?'
        return self._value(f"SELECT data FROM messages WHERE {where}", letter, freeze, *place)

    def messages(self, letter: int, freeze: int, to: int) -> list[bytes]:
        query = (
            'SELECT data FROM messages WHERE letter = ? AND "freeze" = ? AND recipient = ? ORDER BY sender, type, part'
        )
        return [row[0] for row in self._all(query, letter, freeze, to)]

    def _one(self, query: str, *values: object) -> tuple[Any, ...] | None:
        rows = self._all(query + ("" if "LIMIT" in query else " LIMIT 1"), *values)
        return rows[0] if rows else None

    def _value(self, query: str, *values: object) -> bytes | None:
        row = self._one(query, *values)
        return None if row is None else bytes(row[0])
