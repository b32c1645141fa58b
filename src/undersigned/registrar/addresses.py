"""Mail addresses, read by one strict parser, and the one form in which two spellings of a mailbox are the same."""

import re

from undersigned.errors import Malformed

MAX_ADDRESS = 254  # RFC 5321 section 4.5.3.1.3, without the brackets
MAX_LOCAL = 64
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LOCAL = re.compile(rf"{_ATOM}(\.{_ATOM})*", re.ASCII)
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"({_LABEL}\.)+[a-z]([a-z0-9-]{{0,61}}[a-z0-9])?", re.ASCII)

# Hosts that say they ignore what follows a plus sign; those that also ignore dots; names of one and the same host.
_IGNORE_TAGS = frozenset(
    ["gmail.com", "outlook.com", "hotmail.com", "live.com", "icloud.com", "fastmail.com", "proton.me", "posteo.de"]
)
_IGNORE_DOTS = frozenset(["gmail.com", "proton.me"])
_SAME_HOST = {
    "googlemail.com": "gmail.com",
    "me.com": "icloud.com",
    "mac.com": "icloud.com",
    "protonmail.com": "proton.me",
    "pm.me": "proton.me",
}


def read_address(text: str) -> str:
    """The address as mail goes to it, its domain in small letters. Malformed unless it is a plain `name@domain`."""
    local, at, domain = text.strip(" ").rpartition("@")
    domain = domain.lower()
    if not at or len(local) > MAX_LOCAL or not _LOCAL.fullmatch(local) or not _DOMAIN.fullmatch(domain):
        raise Malformed("this is not a mail address: it must look like name@example.org")
    if len(local) + 1 + len(domain) > MAX_ADDRESS:
        raise Malformed("this mail address is too long")
    if "+" in local and _host(domain) not in _IGNORE_TAGS:
        raise Malformed("write your mail address without the plus sign and what follows it")
    return f"{local}@{domain}"


def read_domain(text: str) -> str:
    """A mail domain in small letters; Malformed."""
    if not _DOMAIN.fullmatch(text) or len(text) > MAX_ADDRESS:
        raise Malformed("a mail domain must look like example.org, in small letters")
    return text


def canonical(address: str) -> str:
    """One form for all spellings of a mailbox, from an address that `read_address` gave.

    No case anywhere; tags and dots go only where the host is known to ignore them, so that nobody is taken for another.
    """
    local, _, domain = address.lower().rpartition("@")
    host = _host(domain)
    if host in _IGNORE_TAGS:
        local = local.split("+", 1)[0] or local
    if host in _IGNORE_DOTS:
        local = local.replace(".", "")
    return f"{local}@{host}"


def domain_of(address: str) -> str:
    """What follows the @."""
    return address.rpartition("@")[2]


def _host(domain: str) -> str:
    return _SAME_HOST.get(domain, domain)
