"""Codes on their way to the mail server: sealed rows, deleted as soon as the server has them."""

import asyncio
import logging

import msgspec

from undersigned.errors import Refused, Unavailable
from undersigned.registrar.letters import Desk, Letters
from undersigned.registrar.mail import CodeMail
from undersigned.registrar.office import Office
from undersigned.registrar.storage import MailRow

AT_ONCE = 50
AGAIN_SECONDS = 20
_CONTEXT = b"mail\0"
_log = logging.getLogger("undersigned")


def seal_mail(mail: CodeMail, *, desk: Desk, identifier: bytes, nonce: bytes) -> bytes:
    """The mail under the letter's column key. One without address is never sent: it is there to look the same."""
    data = msgspec.json.encode([mail.to, mail.code])
    return desk.column.seal(data, context=_CONTEXT + identifier, nonce=nonce)


async def send_due(office: Office, letters: Letters) -> bool:
    """Send up to 50 mails in a worker thread; True when more may be waiting."""
    rows = office.storage.mails(now=office.now(), at_most=AT_ONCE)
    mails = {row.id: mail for row in rows if (mail := _open(office, letters, row)) is not None}
    due = {identifier: mail for identifier, mail in mails.items() if mail.to}
    for row in rows:
        if row.id not in due:
            office.storage.mail_done(row.id)
    try:
        done = await asyncio.to_thread(office.mail.send, list(due.values())) if due else []
    except Unavailable as refusal:
        _log.warning("%s", refusal)
        done = [False] * len(due)
    for identifier, is_done in zip(due, done, strict=True):
        if is_done:
            office.storage.mail_done(identifier)
        else:
            office.storage.mail_later(identifier, office.now() + AGAIN_SECONDS)
    return len(rows) == AT_ONCE


def _open(office: Office, letters: Letters, row: MailRow) -> CodeMail | None:
    try:
        desk = letters.desk_of(row.lid)
        to, code = msgspec.json.decode(desk.column.open(row.mail, context=_CONTEXT + row.id), type=tuple[str, str])
    except (Refused, Unavailable):  # the letter was forgotten meanwhile: nothing to send, and nothing to read any more
        return None
    return CodeMail(to=to, code=code)
