"""Mail by real SMTP: the same words for every letter, one recipient, no link, and nothing left behind."""

import asyncio
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from hypothesis import given
from hypothesis import strategies as st

from support.registrar import FRIENDS, STAFF, Bureau, files_hold
from undersigned.client.signing import Proof
from undersigned.errors import Malformed, Unavailable
from undersigned.registrar.addresses import read_address
from undersigned.registrar.mail import CodeMail, ConsoleMail, SmtpMail, write_mail

SENDER = "codes@sender.example"


@dataclass
class Server:
    """Keeps what it is sent; refuses some recipients."""

    received: list[tuple[list[str], bytes]] = field(default_factory=list)
    refusals: dict[str, str] = field(default_factory=dict)

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        if address in self.refusals:
            return self.refusals[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.received.append((envelope.rcpt_tos, envelope.content))
        return "250 OK"


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def smtp(server: Server) -> Iterator[SmtpMail]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    controller = Controller(server, hostname="127.0.0.1", port=port)
    controller.start()
    yield SmtpMail(host="127.0.0.1", port=port, sender=SENDER, security="none", timeout=5)
    controller.stop()


def without_what_varies(message: bytes) -> bytes:
    lines = message.split(b"\r\n")
    kept = [line for line in lines if not line.startswith((b"Date:", b"Message-ID:", b"To:", b"X-"))]
    return re.sub(rb"[0-9A-Z]{4}-[0-9A-Z]{4}", b"CODE", b"\r\n".join(kept))


def test_a_code_from_the_real_mail_gives_the_right_to_sign(smtp: SmtpMail, server: Server, tmp_path: Path) -> None:
    bureau = Bureau(tmp_path, mail=smtp)
    bureau.publish()
    tab = bureau.ask("board/begin", {"class": 1, "attester": "e-mail", "address": "Ada@example.org"})["tab"]
    asyncio.run(bureau.room.send_mail())
    [(recipients, message)] = server.received
    assert recipients == ["Ada@example.org"]
    found = re.search(rb"^    (\S+)\r$", message, re.MULTILINE)
    assert found
    bureau.right(bureau.attempt(), Proof(attester="e-mail", code=found[1].decode(), tab=tab))


def test_the_mail_is_the_same_for_every_letter_and_class(smtp: SmtpMail, server: Server, tmp_path: Path) -> None:
    for number, title in enumerate(("To the board", "Against the war", "Strike on Friday")):
        bureau = Bureau(tmp_path / str(number), mail=smtp)
        bureau.publish(STAFF, FRIENDS, title=title)
        bureau.ask("board/begin", {"class": 1, "attester": "e-mail", "address": "ada@example.org"})
        bureau.ask("board/begin", {"class": 2, "attester": "e-mail", "address": "eve@friends.example"})
        asyncio.run(bureau.room.send_mail())
    assert len(server.received) == 6
    [message] = {without_what_varies(content) for _, content in server.received}
    for word in (b"letter", b"sign", b"board", b"petition", b"http", b"www", b"<a", b"Undersigned", b"war", b"Strike"):
        assert word.lower() not in message.lower()


def test_a_refused_address_is_given_up_and_a_greylisted_one_tried_again(smtp: SmtpMail, server: Server) -> None:
    server.refusals = {"gone@example.org": "550 unknown", "later@example.org": "451 come back"}
    mails = [CodeMail(to=f"{name}@example.org", code="ABCD-EFGH") for name in ("gone", "ada", "later", "grace")]
    assert smtp.send(mails) == [True, True, False, True]
    assert [recipients for recipients, _ in server.received] == [["ada@example.org"], ["grace@example.org"]]


def test_a_server_that_is_not_there_is_named_in_a_sentence_without_addresses() -> None:
    smtp = SmtpMail(host="127.0.0.1", port=1, sender=SENDER, security="none", timeout=1)
    with pytest.raises(Unavailable) as refusal:
        smtp.send([CodeMail(to="ada@example.org", code="ABCD-EFGH")])
    assert "ada" not in str(refusal.value)


@given(st.text(max_size=40) | st.from_regex(r"[a-z.+\r\n,;<>\"@ ]{1,30}@[a-z.\r\n ,]{1,20}", fullmatch=True))
def test_no_address_brings_a_second_recipient_or_header(text: str) -> None:
    try:
        address = read_address(text)
    except Malformed:
        return
    message = write_mail(CodeMail(to=address, code="ABCD-EFGH"), sender=SENDER)
    head = message.split(b"\r\n\r\n")[0].split(b"\r\n")
    assert [line for line in head if line.startswith(b"To:")] == [b"To: " + address.encode()]
    assert len([line for line in head if b"@" in line and not line.startswith(b"Message-ID:")]) == 2


def test_the_longest_address_still_fits_one_header() -> None:
    address = read_address("a" * 64 + "@" + "b" * 60 + "." + "c" * 60 + "." + "d" * 60 + ".org")
    message = write_mail(CodeMail(to=address, code="ABCD-EFGH"), sender=SENDER)
    assert address.encode() in message.replace(b"\r\n ", b"")


def test_an_outbox_row_is_unreadable_and_gone_once_sent(smtp: SmtpMail, server: Server, tmp_path: Path) -> None:
    bureau = Bureau(tmp_path, mail=smtp)
    bureau.publish()
    bureau.ask("board/begin", {"class": 1, "attester": "e-mail", "address": "ada.lovelace@example.org"})
    assert files_hold(tmp_path, [b"lovelace", b"example.org"]) == [b"example.org"]  # the class's own domain
    asyncio.run(bureau.room.send_mail())
    assert bureau.room._office.storage.mails(now=int(bureau.now), at_most=50) == []
    assert "lovelace" not in repr(CodeMail(to="ada.lovelace@example.org", code="ABCD-EFGH"))


def test_codes_on_the_console_come_with_a_warning_each_time() -> None:
    lines: list[str] = []
    mail = ConsoleMail(write=lines.append)
    mail.send([CodeMail(to="ada@example.org", code="ABCD-EFGH")])
    assert len(lines) == 2
    assert all("WARNING" in line and "protects nothing" in line for line in lines)
