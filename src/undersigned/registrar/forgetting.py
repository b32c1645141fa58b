"""Forgetting: what could say who asked for a token is destroyed, and the log is told that it was.

Until then keys plus tags list who asked. Afterwards the rows that disks and backups may still hold cannot be read.
"""

import logging
import sqlite3

from undersigned.errors import UndersignedError
from undersigned.protocol import entry as entries
from undersigned.protocol.letter import Letter
from undersigned.registrar import keys
from undersigned.registrar.letters import Letters
from undersigned.registrar.office import Office, submit
from undersigned.registrar.storage import LetterRow

DESTROYED = "tag keys, tags, request hashes, roster rows, codes, column key and issuer keys"
_log = logging.getLogger("undersigned")


async def housekeep(office: Office, letters: Letters) -> None:
    """Expire codes, give final figures, forget what is due. A log that does not answer is asked again next time."""
    office.storage.expire(office.now())
    if office.storage.untidy:
        compact(office)
    for row in office.storage.letters():
        if row.lid is None or row.entry is None or row.state == "forgotten":
            continue
        try:
            if row.closed is not None:
                await close_letter(office, row.lid)
            if row.state == "forgetting" or office.now() >= forget_at(row):
                await forget(office, letters, row.lid)
        except UndersignedError as refusal:
            _log.warning("housekeeping of letter %s: %s", row.slug, refusal)


def forget_at(row: LetterRow) -> int:
    """When a letter is to be forgotten, Unix seconds: `forget_seconds` after closing, or after deadline and hold."""
    assert row.entry is not None
    publication = Letter.from_entry(row.entry).publication
    end = row.closed if row.closed is not None else publication.deadline + publication.hold_seconds
    return end + publication.forget_seconds


async def close_letter(office: Office, lid: bytes) -> None:
    """Tell the log how many tokens of each class were given out, once and exactly."""
    row = office.storage.letter_of_lid(lid)
    assert row is not None
    assert row.entry is not None
    letter = Letter.from_entry(row.entry)
    for class_id, counts in office.storage.issuance(lid).items():
        if counts.final == "yes":
            continue
        office.storage.set_final(lid, class_id, "tried")
        entry = entries.Issuance(registrar=_own_id(office, letter), class_=class_id, issued=counts.given)
        await submit(office, letter, entry, again=counts.final == "tried")
        office.storage.set_final(lid, class_id, "yes")


async def forget(office: Office, letters: Letters, lid: bytes) -> None:
    """Destroy all that ties people to this letter, then say so in the log; safe to repeat after a stop in between.

    1. take no more requests  2. destroy the key files  3. delete the rows  4. rewrite the database  5. tell the log.
    """
    row = office.storage.letter_of_lid(lid)
    assert row is not None
    assert row.entry is not None
    office.storage.set_state(lid, "forgetting")  # 1
    letters.close_desk(lid)
    keys.destroy(letters.folder(lid), randbytes=office.randbytes)  # 2
    office.storage.forget(lid)  # 3
    compact(office)  # 4
    letter = Letter.from_entry(row.entry)
    entry = entries.Destruction(role="registrar", by=_own_id(office, letter), what=DESTROYED)
    await submit(office, letter, entry, again=row.state == "forgetting")  # 5
    office.storage.set_state(lid, "forgotten")


def compact(office: Office) -> None:
    """Rewrite the database without deleted rows; put off when another process is using it."""
    try:
        office.storage.compact()
    except sqlite3.OperationalError:
        _log.warning("the registrar's database is in use, so deleted rows are cleared from it later")


def _own_id(office: Office, letter: Letter) -> int:
    return next(item.id for item in letter.registrars.values() if item.key == office.public_key)
