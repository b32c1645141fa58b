"""Attesters: the ways to show that one may sign. Each is labelled with who can see its use and who could forge it."""

from dataclasses import dataclass, field
from typing import Protocol

from undersigned.protocol.blob import NAME_ATTESTED, TITLE_ATTESTED
from undersigned.registrar.letters import Desk
from undersigned.registrar.office import Office


@dataclass(frozen=True, slots=True, kw_only=True)
class Attestation:
    """Somebody has shown who they are. `identity` is canonical in its namespace; it leaves no trace of its own.

    `attested`: bit 0 the name, bit 1 the title is known by the source; where it is 0, `name` and `title` are empty.
    """

    class_id: int
    method: int
    identity: str = field(repr=False)
    attested: int = 0
    name: str = field(default="", repr=False)
    title: str = field(default="", repr=False)


class Attester(Protocol):
    """One way to show that one may sign."""

    def begin(self, office: Office, desk: Desk, *, class_id: int, address: str) -> str:
        """Send a code; the secret of the tab that asked. Malformed, Refused."""

    def prove(self, office: Office, desk: Desk, *, tab: str, code: str) -> Attestation:
        """Who typed this code. Malformed when it is none, Refused when it is wrong or late."""


NAME_AND_TITLE = NAME_ATTESTED | TITLE_ATTESTED
