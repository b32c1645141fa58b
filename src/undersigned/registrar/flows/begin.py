"""Somebody asks for a code."""

from collections.abc import Mapping

from undersigned.registrar.attesters import Attester
from undersigned.registrar.letters import Desk
from undersigned.registrar.office import Office


def begin(
    office: Office, desk: Desk, *, attesters: Mapping[str, Attester], class_id: int, attester: str, address: str
) -> str:
    """The secret of the tab that asked. Malformed, Refused; the same for members and strangers."""
    desk.check_class(class_id, attester)
    return attesters[attester].begin(office, desk, class_id=class_id, address=address)
