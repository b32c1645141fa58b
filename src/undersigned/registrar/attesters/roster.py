"""Roster codes: the organizers' list of members, one code of 128 bits for each row, handed out beside any mailbox.

Who can see it: whoever makes and hands out the codes. Who could forge it: the same.
The names are attested: a token is given only for the name and title of the row.
"""

import csv
import io
from dataclasses import dataclass, field

import msgspec

from undersigned.errors import Malformed, Refused
from undersigned.protocol import text as texts
from undersigned.protocol.entry import METHODS
from undersigned.registrar.addresses import canonical, read_address
from undersigned.registrar.attesters import NAME_AND_TITLE, Attestation
from undersigned.registrar.codes import in_groups, read_code, write_code
from undersigned.registrar.keys import NONCE_BYTES
from undersigned.registrar.letters import Desk
from undersigned.registrar.office import Office
from undersigned.registrar.storage import RosterRow

CODE_BYTES = 16
CODE_LENGTH = 26
_HEADERS = (["name", "title"], ["name", "title", "address"])
_CONTEXT = b"roster\0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One row of a roster; `address` may be empty."""

    name: str = field(repr=False)
    title: str = field(repr=False)
    address: str = field(default="", repr=False)

    @property
    def identity(self) -> str:
        """What makes this person one person: the mailbox where the roster has it, else name and title."""
        return canonical(self.address) if self.address else f"{self.name}\0{self.title}".casefold()


class RosterCode:
    """The roster attester."""

    def begin(self, office: Office, desk: Desk, *, class_id: int, address: str) -> str:
        """Refused: nothing is sent."""
        raise Refused("a roster code comes from the organizers of the letter: nothing is sent by mail")

    def prove(self, office: Office, desk: Desk, *, tab: str, code: str) -> Attestation:
        """Whose row this code is; the code stays good until the registrar forgets."""
        place = _place(desk, read_code(code, length=CODE_LENGTH))
        row = office.storage.roster_row(desk.letter.lid, place)
        if row is None:
            raise Refused("no row of the roster has this code: compare it and type it again")
        name, title, identity = _open_row(desk, row)
        return Attestation(
            class_id=row.class_id,
            method=METHODS["roster"],
            identity=identity,
            attested=NAME_AND_TITLE,
            name=name,
            title=title,
        )


def import_roster(data: bytes, *, office: Office, desk: Desk, class_id: int) -> list[tuple[Member, str]]:
    """Take in a CSV roster for a class, all of it or nothing; each member with a fresh code, in the file's order.

    The codes stand nowhere else: hand them out, then destroy the list. Malformed names the line, Refused the rule.
    """
    item = desk.check_class(class_id, "roster")
    members = read_roster(data, with_addresses="e-mail" in item.attesters)
    known = office.storage.on_roster(desk.letter.lid, class_id)
    people = [desk.column.lookup("who", member.identity.encode()) for _, member in members]
    for (line, _), who in zip(members, people, strict=True):
        if who in known:
            raise Refused(f"line {line}: this person is on the roster already")
    eligible = desk.letter.classes[class_id].eligible
    if eligible and len(known) + len(members) > eligible:
        raise Refused(
            f"the roster would have {len(known) + len(members)} people, and the letter says {eligible} may sign"
        )
    codes = [write_code(office.randbytes(CODE_BYTES)) for _ in members]
    rows = [
        _seal_row(office, desk, class_id, member, code=code, who=who)
        for (_, member), code, who in zip(members, codes, people, strict=True)
    ]
    office.storage.add_to_roster(desk.letter.lid, rows)
    return [(member, in_groups(code, size=5)) for (_, member), code in zip(members, codes, strict=True)]


def read_roster(data: bytes, *, with_addresses: bool) -> list[tuple[int, Member]]:
    """Members with their lines, from CSV in UTF-8 with the header name,title[,address]. Malformed names the line."""
    lines = csv.reader(io.StringIO(_decode(data), newline=""), strict=True)
    found: list[tuple[int, Member]] = []
    first_seen: dict[str, int] = {}
    header: list[str] | None = None
    line = 1
    try:
        for cells in lines:
            if header is None:
                header = _read_header(cells, with_addresses=with_addresses)
            else:
                member = _read_row(cells, header, line=line, with_addresses=with_addresses)
                if member.identity in first_seen:
                    raise Malformed(f"line {line} is the same person as line {first_seen[member.identity]}")
                first_seen[member.identity] = line
                found.append((line, member))
            line = lines.line_num + 1
    except csv.Error:
        raise Malformed(f"line {line} is not CSV: look at its quotation marks") from None
    if not found:
        raise Malformed("the roster has no rows")
    return found


def _decode(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Malformed(f"line {line} is not in UTF-8: save the roster as CSV in UTF-8") from None


def _read_header(cells: list[str], *, with_addresses: bool) -> list[str]:
    if cells not in _HEADERS:
        raise Malformed("line 1 must be name,title or name,title,address, with commas between")
    if with_addresses and "address" not in cells:
        raise Malformed(
            "line 1 needs name,title,address: this class also takes e-mail codes, and nobody may sign twice"
        )
    return cells


def _read_row(cells: list[str], header: list[str], *, line: int, with_addresses: bool) -> Member:
    if len(cells) != len(header):
        raise Malformed(f"line {line} has {len(cells)} columns, and the header has {len(header)}")
    row = dict(zip(header, cells, strict=True))
    try:
        texts.check_name(row["name"], what="name")
        texts.check_line(row["title"], what="title", at_most=texts.NAME_BYTES)
        address = row.get("address", "")
        if address or with_addresses:
            address = read_address(address)
    except Malformed as fault:
        raise Malformed(f"line {line}: {fault}") from None
    return Member(name=row["name"], title=row["title"], address=address)


def _seal_row(office: Office, desk: Desk, class_id: int, member: Member, *, code: str, who: bytes) -> RosterRow:
    place = _place(desk, code)
    data = msgspec.json.encode([member.name, member.title, member.identity])
    nonce = office.randbytes(NONCE_BYTES)
    row = desk.column.seal(data, context=_CONTEXT + place, nonce=nonce)
    return RosterRow(code=place, class_id=class_id, who=who, row=row)


def _open_row(desk: Desk, row: RosterRow) -> tuple[str, str, str]:
    data = desk.column.open(row.row, context=_CONTEXT + row.code)
    return msgspec.json.decode(data, type=tuple[str, str, str])


def _place(desk: Desk, code: str) -> bytes:
    return desk.column.lookup("roster", code.encode())
