"""Somebody types a code, and sees the name that the source knows, if it knows one."""

from collections.abc import Mapping

from undersigned.errors import Refused
from undersigned.registrar.attesters import Attestation, Attester
from undersigned.registrar.letters import Desk
from undersigned.registrar.office import Office


def attest(
    office: Office,
    desk: Desk,
    *,
    attesters: Mapping[str, Attester],
    class_id: int,
    attester: str,
    tab: str,
    code: str,
) -> Attestation:
    """Who typed this code, in this class. Uses nothing up. Malformed, Refused."""
    desk.check_class(class_id, attester)
    attestation = attesters[attester].prove(office, desk, tab=tab, code=code)
    if attestation.class_id != class_id:
        raise Refused("this code is for another class of signatories")
    return attestation
