"""Somebody finds their name under a letter they did not sign, and proves that the certificate was got in their name."""

import hmac
import inspect
from dataclasses import dataclass

from undersigned.errors import Malformed, Refused
from undersigned.protocol import blob as blobs
from undersigned.protocol import entry as entries
from undersigned.protocol.token import commitment
from undersigned.registrar.attesters import Attestation
from undersigned.registrar.flows.request_token import certificate_hash
from undersigned.registrar.letters import Desk
from undersigned.registrar.office import Office, submit
from undersigned.transparency.merkle import leaf_hash


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeRequest:
    """The signature's index and key(32), and what its public blob says: r(32) and the card."""

    index: int
    key: bytes
    r: bytes
    card: blobs.Card


async def dispute(office: Office, desk: Desk, request: DisputeRequest, *, attestation: Attestation) -> bytes:
    """Suspend a signature; the 32-byte leaf hash of the dispute's entry.

    1. the entry is that key's signature  2. its certificate was given to this very person  3. the log is told.
    Malformed, Refused; Unavailable from the log.
    """
    blobs.check_card(request.card)
    await _check_entry(office, desk, request, class_id=attestation.class_id)  # 1
    kept = office.storage.kept(desk.letter.lid, desk.tag(attestation.class_id, attestation.identity))  # 2
    claimed = certificate_hash(commitment(r=request.r, key=request.key), blobs.card_hash(request.card))
    if kept is None or not hmac.compare_digest(kept[1], claimed):
        raise Refused("this name was certified for somebody else: a complaint about it goes to the organizers")
    entry = entries.Dispute(registrar=desk.registrar, index=request.index, state="open")  # 3
    return leaf_hash(await submit(office, desk.letter, entry, again=False))


async def _check_entry(office: Office, desk: Desk, request: DisputeRequest, *, class_id: int) -> None:
    """Without this, whoever has a certificate of their own could suspend anybody's signature."""
    answer = office.entry_at(desk.letter, request.index)
    data = await answer if inspect.isawaitable(answer) else answer
    if data is None:
        raise Refused("the log has no entry at this index")
    entry = entries.decode_entry(data)
    if not isinstance(entry, entries.Signature) or entry.key != request.key:
        raise Malformed("the entry at this index is not the signature of this key")
    if entry.class_ != class_id:
        raise Refused("this signature is in another class than the one you have shown to belong to")
