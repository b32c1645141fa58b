"""What the registrar keeps, in SQLite: per person a tag and two hashes, and for minutes codes and mails, sealed.

No table has a row number or a time of issue. Identities stand here only sealed or as keyed hashes (`keys.ColumnKey`).
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS letters (
    draft BLOB PRIMARY KEY, slug TEXT NOT NULL, classes BLOB NOT NULL, state TEXT NOT NULL,
    lid BLOB UNIQUE, entry BLOB, closed INTEGER) WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS letters_by_slug ON letters (slug) WHERE lid IS NOT NULL;
CREATE TABLE IF NOT EXISTS issuance (
    lid BLOB, class INTEGER, given INTEGER NOT NULL, announced INTEGER NOT NULL, attempted INTEGER NOT NULL,
    final TEXT NOT NULL, PRIMARY KEY (lid, class)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tags (
    lid BLOB, tag BLOB, request BLOB NOT NULL, certificate BLOB NOT NULL, PRIMARY KEY (lid, tag)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS codes (
    tab BLOB PRIMARY KEY, lid BLOB NOT NULL, class INTEGER NOT NULL, code BLOB NOT NULL, identity BLOB NOT NULL,
    until INTEGER NOT NULL, tries INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outbox (
    id BLOB PRIMARY KEY, lid BLOB NOT NULL, mail BLOB NOT NULL, until INTEGER NOT NULL, after INTEGER NOT NULL
    ) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS roster (
    lid BLOB, code BLOB, class INTEGER NOT NULL, who BLOB NOT NULL, row BLOB NOT NULL,
    PRIMARY KEY (lid, code), UNIQUE (lid, class, who)) WITHOUT ROWID;
"""
_LETTER = "SELECT draft, slug, classes, state, lid, entry, closed FROM letters"
_ISSUANCE = "SELECT class, given, announced, attempted, final FROM issuance"


@dataclass(frozen=True, slots=True)
class LetterRow:
    """A draft or a letter; `state` is draft, publishing, open, forgetting or forgotten; `closed` is Unix seconds."""

    draft: bytes
    slug: str
    classes: bytes
    state: str
    lid: bytes | None
    entry: bytes | None
    closed: int | None


@dataclass(frozen=True, slots=True)
class IssuanceRow:
    """Tokens given, the bound known to be in the log, the bound last tried; `final`: no, tried, or yes."""

    class_id: int
    given: int
    announced: int
    attempted: int
    final: str


@dataclass(frozen=True, slots=True)
class CodeRow:
    """A code that waits to be typed: `code` is a keyed hash, `identity` is sealed, `until` in Unix seconds."""

    tab: bytes
    lid: bytes
    class_id: int
    code: bytes
    identity: bytes
    until: int
    tries: int


@dataclass(frozen=True, slots=True)
class MailRow:
    """A sealed mail that waits to be sent, not before `after` and not later than `until` (Unix seconds)."""

    id: bytes
    lid: bytes
    mail: bytes
    until: int
    after: int


@dataclass(frozen=True, slots=True)
class RosterRow:
    """A roster code's keyed hash, the keyed hash of who may use it, and the sealed row."""

    code: bytes
    class_id: int
    who: bytes
    row: bytes


class Storage:
    """The registrar's database: one connection, used by one thread at a time.

    `untidy` is True when deleted rows or the order of writing may still be read from its files.
    """

    def __init__(self, path: Path) -> None:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        self._db = sqlite3.connect(path, isolation_level=None, timeout=5.0, check_same_thread=False)
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "secure_delete = ON", "temp_store = MEMORY"):
            self._db.execute(f"PRAGMA {pragma}")
        self._db.executescript(_SCHEMA)
        self.untidy = True

    def close(self) -> None:
        """Write the WAL back and let the file go."""
        self._db.close()

    @contextmanager
    def together(self) -> Iterator[None]:
        """All writes inside happen or none; durable at the end."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")
        self.untidy = True

    def compact(self) -> None:
        """Leave no deleted row and no order of writing behind: rewrite the file, empty the WAL."""
        self._db.execute("VACUUM")
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self.untidy = False

    # Letters

    def add_draft(self, *, draft: bytes, slug: str, classes: bytes) -> None:
        self._db.execute(
            "INSERT INTO letters (draft, slug, classes, state) VALUES (?, ?, ?, 'draft')", (draft, slug, classes)
        )

    def letters(self) -> list[LetterRow]:
        """Every draft and letter."""
        return [LetterRow(*row) for row in self._db.execute(_LETTER)]

    def letter_of_draft(self, draft: bytes) -> LetterRow | None:
        return next((LetterRow(*row) for row in self._db.execute(f"{_LETTER} WHERE draft = ?", (draft,))), None)

    def letter_of_slug(self, slug: str) -> LetterRow | None:
        """The letter published under this slug."""
        found = self._db.execute(f"{_LETTER} WHERE slug = ? AND lid IS NOT NULL", (slug,))
        return next((LetterRow(*row) for row in found), None)

    def letter_of_lid(self, lid: bytes) -> LetterRow | None:
        return next((LetterRow(*row) for row in self._db.execute(f"{_LETTER} WHERE lid = ?", (lid,))), None)

    def publish(self, *, draft: bytes, lid: bytes, entry: bytes, class_ids: Iterable[int]) -> None:
        """Turn a draft into a letter whose first entries are not in the log yet; to be called `together`."""
        self._db.execute(
            "UPDATE letters SET lid = ?, entry = ?, state = 'publishing' WHERE draft = ?", (lid, entry, draft)
        )
        rows = [(lid, class_id) for class_id in class_ids]
        self._db.executemany("INSERT INTO issuance VALUES (?, ?, 0, 0, 0, 'no')", rows)

    def set_state(self, lid: bytes, state: str) -> None:
        self._db.execute("UPDATE letters SET state = ? WHERE lid = ?", (state, lid))

    def set_closed(self, lid: bytes, when: int) -> None:
        """Remember the first time somebody said that the letter closed."""
        self._db.execute("UPDATE letters SET closed = ? WHERE lid = ? AND closed IS NULL", (when, lid))

    # Tokens

    def issuance(self, lid: bytes) -> dict[int, IssuanceRow]:
        """Counts by class."""
        return {row[0]: IssuanceRow(*row) for row in self._db.execute(f"{_ISSUANCE} WHERE lid = ?", (lid,))}

    def attempt(self, lid: bytes, class_id: int, bound: int) -> None:
        self._db.execute("UPDATE issuance SET attempted = ? WHERE lid = ? AND class = ?", (bound, lid, class_id))

    def announce(self, lid: bytes, class_id: int, bound: int) -> None:
        self._db.execute("UPDATE issuance SET announced = ? WHERE lid = ? AND class = ?", (bound, lid, class_id))

    def set_final(self, lid: bytes, class_id: int, final: str) -> None:
        self._db.execute("UPDATE issuance SET final = ? WHERE lid = ? AND class = ?", (final, lid, class_id))

    def kept(self, lid: bytes, tag: bytes) -> tuple[bytes, bytes] | None:
        """(request hash, certificate hash) of the token this tag got."""
        found = self._db.execute("SELECT request, certificate FROM tags WHERE lid = ? AND tag = ?", (lid, tag))
        return next(((request, certificate) for request, certificate in found), None)

    def keep(self, lid: bytes, tag: bytes, class_id: int, *, request: bytes, certificate: bytes) -> None:
        """Spend the tag and count the token, in one."""
        with self.together():
            self._db.execute("INSERT INTO tags VALUES (?, ?, ?, ?)", (lid, tag, request, certificate))
            self._db.execute("UPDATE issuance SET given = given + 1 WHERE lid = ? AND class = ?", (lid, class_id))

    # Codes and mails

    def add_code(self, code: CodeRow, mail: MailRow) -> None:
        """Keep a code and its mail."""
        with self.together():
            self._db.execute(
                "INSERT INTO codes VALUES (?, ?, ?, ?, ?, ?, ?)",
                (code.tab, code.lid, code.class_id, code.code, code.identity, code.until, code.tries),
            )
            self._db.execute(
                "INSERT INTO outbox VALUES (?, ?, ?, ?, ?)", (mail.id, mail.lid, mail.mail, mail.until, mail.after)
            )

    def code(self, tab: bytes) -> CodeRow | None:
        return next((CodeRow(*row) for row in self._db.execute("SELECT * FROM codes WHERE tab = ?", (tab,))), None)

    def tried(self, tab: bytes) -> None:
        """Count one wrong code."""
        self._db.execute("UPDATE codes SET tries = tries + 1 WHERE tab = ?", (tab,))

    def mails(self, *, now: int, at_most: int) -> list[MailRow]:
        """Mails that may go out now."""
        found = self._db.execute("SELECT * FROM outbox WHERE after <= ? AND until > ? LIMIT ?", (now, now, at_most))
        return [MailRow(*row) for row in found]

    def mail_done(self, identifier: bytes) -> None:
        self._db.execute("DELETE FROM outbox WHERE id = ?", (identifier,))

    def mail_later(self, identifier: bytes, after: int) -> None:
        self._db.execute("UPDATE outbox SET after = ? WHERE id = ?", (after, identifier))

    def expire(self, now: int) -> None:
        """Delete codes and mails whose time is over."""
        for table in ("codes", "outbox"):
            self.untidy |= self._db.execute(f"DELETE FROM {table} WHERE until <= ?", (now,)).rowcount > 0

    # Rosters

    def add_to_roster(self, lid: bytes, rows: Iterable[RosterRow]) -> None:
        with self.together():
            values = ((lid, row.code, row.class_id, row.who, row.row) for row in rows)
            self._db.executemany("INSERT INTO roster VALUES (?, ?, ?, ?, ?)", values)

    def roster_row(self, lid: bytes, code: bytes) -> RosterRow | None:
        found = self._db.execute("SELECT code, class, who, row FROM roster WHERE lid = ? AND code = ?", (lid, code))
        return next((RosterRow(*row) for row in found), None)

    def on_roster(self, lid: bytes, class_id: int) -> frozenset[bytes]:
        """The keyed hashes of everybody on the roster of a class."""
        found = self._db.execute("SELECT who FROM roster WHERE lid = ? AND class = ?", (lid, class_id))
        return frozenset(who for (who,) in found)

    def is_on_roster(self, lid: bytes, class_id: int, who: bytes) -> bool:
        found = self._db.execute("SELECT 1 FROM roster WHERE lid = ? AND class = ? AND who = ?", (lid, class_id, who))
        return found.fetchone() is not None

    def forget(self, lid: bytes) -> None:
        """Delete all that concerns people of this letter; counts stay, as the log says them anyway."""
        with self.together():
            for table in ("tags", "codes", "outbox", "roster"):
                self._db.execute(f"DELETE FROM {table} WHERE lid = ?", (lid,))
