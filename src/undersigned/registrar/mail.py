"""The one mail the registrar ever sends: a code, in words that are the same for every letter.

Staff mail is filtered by keyword, and gateways follow links: so no letter's name, no link, nothing to click.
"""

import smtplib
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate
from secrets import token_hex
from typing import Literal, Protocol

from undersigned.errors import Unavailable

SUBJECT = "Your code"
TEXT = """Your code is

    {code}

Type it into the page that asked for it, within 15 minutes.
If you did not ask for a code, do nothing: without it, nothing happens.
"""
_FOR_GOOD = range(500, 600)


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeMail:
    """A code on its way: `to` is an address that `attesters.addresses` has read."""

    to: str = field(repr=False)
    code: str = field(repr=False)


class Mail(Protocol):
    """Sends codes; called in a worker thread."""

    def send(self, mails: Sequence[CodeMail]) -> list[bool]:
        """For each mail: True when there is nothing more to do about it. Unavailable when no server answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpMail:
    """Mail by SMTP; one connection for many codes. `timeout` in seconds."""

    host: str
    port: int
    sender: str
    security: Literal["none", "starttls", "tls"] = "starttls"
    username: str = ""
    password: str = field(default="", repr=False)
    timeout: float = 20.0

    def send(self, mails: Sequence[CodeMail]) -> list[bool]:
        """True once the server took the mail, or refused its address for good."""
        results: list[bool] = []
        try:
            with self._connect() as server:
                for mail in mails:
                    results.append(self._send_one(server, mail))
        except (OSError, smtplib.SMTPException):  # their words may hold an address: none of them goes further
            if not results:
                raise Unavailable("the mail server does not answer: codes will go out later") from None
        return results + [False] * (len(mails) - len(results))

    def _connect(self) -> smtplib.SMTP:
        name = self.sender.rsplit("@", 1)[1]
        if self.security == "tls":
            context = ssl.create_default_context()
            server: smtplib.SMTP = smtplib.SMTP_SSL(self.host, self.port, name, timeout=self.timeout, context=context)
        else:
            server = smtplib.SMTP(self.host, self.port, name, timeout=self.timeout)
        try:
            if self.security == "starttls":
                server.starttls(context=ssl.create_default_context())
            if self.username:
                server.login(self.username, self.password)
        except BaseException:
            server.close()
            raise
        return server

    def _send_one(self, server: smtplib.SMTP, mail: CodeMail) -> bool:
        try:
            server.sendmail(self.sender, [mail.to], write_mail(mail, sender=self.sender))
        except smtplib.SMTPRecipientsRefused as refused:
            return all(code in _FOR_GOOD for code, _ in refused.recipients.values())
        except smtplib.SMTPResponseException as refused:
            server.rset()
            return refused.smtp_code in _FOR_GOOD
        return True


class ConsoleMail:
    """A stand-in for development: prints codes instead of sending them. Protects nothing."""

    def __init__(self, write: Callable[[str], None] = print) -> None:
        self._write = write
        write("WARNING: codes are printed and not sent: whoever reads this can sign as anybody. This protects nothing.")

    def send(self, mails: Sequence[CodeMail]) -> list[bool]:
        """Print every code with its address."""
        for mail in mails:
            self._write(f"WARNING: this protects nothing. Code for {mail.to}: {mail.code}")
        return [True] * len(mails)


def write_mail(mail: CodeMail, *, sender: str) -> bytes:
    """The bytes of the mail: but for address, code, date and message id they are always the same."""
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    message["To"] = mail.to
    message["Subject"] = SUBJECT
    message["Date"] = formatdate()
    message["Message-ID"] = f"<{token_hex(16)}@{sender.rsplit('@', 1)[1]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(TEXT.format(code=mail.code), charset="us-ascii")
    return message.as_bytes()
