"""A code by e-mail: 40 bits, 15 minutes, five tries, typed into the tab that asked. No link.

Who can see it: whoever reads the mailbox or runs it. Who could forge it: whoever runs the mail domain.
Members and strangers get the same answers: a stranger's row exists too, with a code that nobody was sent.
"""

import hmac
from typing import Literal

from undersigned.errors import Malformed, Refused
from undersigned.protocol.entry import METHODS
from undersigned.registrar.addresses import canonical, domain_of, read_address
from undersigned.registrar.attesters import Attestation
from undersigned.registrar.codes import in_groups, read_code, write_code
from undersigned.registrar.keys import NONCE_BYTES
from undersigned.registrar.letters import Desk
from undersigned.registrar.mail import CodeMail
from undersigned.registrar.office import Office
from undersigned.registrar.outbox import seal_mail
from undersigned.registrar.storage import CodeRow, MailRow

CODE_BYTES = 5
CODE_LENGTH = 8
VALID_SECONDS = 15 * 60
TRIES = 5
CODES_A_DAY = 3
TAB_BYTES = 16
_CONTEXT = b"code\0"


class EmailCode:
    """The e-mail attester; as `open` it takes every mailbox for a member, which is why such a class never counts."""

    def __init__(self, name: Literal["e-mail", "open"]) -> None:
        self._name = name

    def begin(self, office: Office, desk: Desk, *, class_id: int, address: str) -> str:
        """Send a code to a member's address; the tab secret, 32 hex digits, whoever asks.

        1. read the address  2. count it  3. is it a member's?  4. keep a code  5. and its mail.
        Malformed for what is no address, Refused after three codes in a day.
        """
        mailbox = read_address(address)  # 1
        identity = canonical(mailbox)
        if office.asked.add(identity, now=office.now()) > CODES_A_DAY:  # 2
            raise Refused(
                f"{CODES_A_DAY} codes were asked for with this address today: use the newest one, look among your spam,"
                " or ask again tomorrow"
            )
        member = self._name == "open" or _is_member(office, desk, class_id, mailbox)  # 3
        code, tab = write_code(office.randbytes(CODE_BYTES)), office.randbytes(TAB_BYTES).hex()
        until = office.now() + VALID_SECONDS
        row = self._code_row(
            office, desk, tab=tab, code=code, class_id=class_id, until=until, who=identity if member else ""
        )
        mail = CodeMail(to=mailbox if member else "", code=in_groups(code, size=4))
        identifier = office.randbytes(16)
        sealed = seal_mail(mail, desk=desk, identifier=identifier, nonce=office.randbytes(NONCE_BYTES))
        office.storage.add_code(  # 4, 5
            row, MailRow(id=identifier, lid=desk.letter.lid, mail=sealed, until=until, after=office.now())
        )
        return tab

    def prove(self, office: Office, desk: Desk, *, tab: str, code: str) -> Attestation:
        """Whose code this is; using it does not use it up, so that a lost answer can be asked for again."""
        if not tab:
            raise Malformed("type the code into the page that asked for it")
        typed = read_code(code, length=CODE_LENGTH)
        place = desk.column.lookup(f"tab {self._name}", tab.encode())
        row = office.storage.code(place)
        if row is None or row.lid != desk.letter.lid or row.until <= office.now():
            raise Refused("this code is no longer valid, or another page asked for it: ask for a new one")
        if row.tries >= TRIES:
            raise Refused("too many wrong codes were typed here: ask for a new one")
        identity = desk.column.open(row.identity, context=_CONTEXT + place).decode()
        right = hmac.compare_digest(row.code, desk.column.lookup("code", place, typed.encode()))
        if not (right and identity):
            office.storage.tried(place)
            raise Refused("this is not the code of the newest mail for this page: compare it and type it again")
        return Attestation(class_id=row.class_id, method=METHODS[self._name], identity=identity)

    def _code_row(
        self, office: Office, desk: Desk, *, tab: str, code: str, class_id: int, until: int, who: str
    ) -> CodeRow:
        place = desk.column.lookup(f"tab {self._name}", tab.encode())
        nonce = office.randbytes(NONCE_BYTES)
        return CodeRow(
            tab=place,
            lid=desk.letter.lid,
            class_id=class_id,
            code=desk.column.lookup("code", place, code.encode()),
            identity=desk.column.seal(who.encode(), context=_CONTEXT + place, nonce=nonce),
            until=until,
            tries=0,
        )


def _is_member(office: Office, desk: Desk, class_id: int, mailbox: str) -> bool:
    """By its domain, or by an address on the roster of the class."""
    who = desk.column.lookup("who", canonical(mailbox).encode())
    on_roster = office.storage.is_on_roster(desk.letter.lid, class_id, who)
    return on_roster or domain_of(mailbox) in desk.classes[class_id].domains
