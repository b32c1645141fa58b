"""Both signatures of a token request, and the bound on tokens that stands in the log before the token goes out."""

from undersigned.crypto import blind_rsa, ed25519
from undersigned.errors import Refused
from undersigned.protocol import entry as entries
from undersigned.protocol.letter import Letter
from undersigned.protocol.token import certificate_message
from undersigned.registrar.office import Office, submit

LEAST_STEP = 10


def next_bound(announced: int, *, eligible: int) -> int:
    """The bound to announce next: one step of max(10, ceil(5 %)) more, never above `eligible` (0: unknown).

    Steps, and not single tokens, so that no entry says when somebody asked.
    """
    bound = announced + max(LEAST_STEP, -(-eligible // 20))
    return min(bound, eligible) if eligible else bound


async def make_room(office: Office, letter: Letter, registrar: int, class_id: int) -> None:
    """See that the log knows a bound above the tokens given so far; whoever calls holds the letter's lock.

    Refused when all who are eligible have theirs; Unavailable from the log, and then nothing is given out.
    """
    row = office.storage.issuance(letter.lid)[class_id]
    if row.given < row.announced:
        return
    bound = next_bound(row.announced, eligible=letter.classes[class_id].eligible)
    if bound <= row.announced:
        raise Refused("as many tokens have been issued as people may sign: if you have none, ask the organizers")
    again = row.attempted == bound
    office.storage.attempt(letter.lid, class_id, bound)
    await submit(office, letter, entries.Issuance(registrar=registrar, class_=class_id, issued=bound), again=again)
    office.storage.announce(letter.lid, class_id, bound)


def blind_sign(key: blind_rsa.PrivateKey, blinded: bytes, *, office: Office) -> bytes:
    """256 bytes, the same for the same `blinded`; Malformed when that is no blinded message of this key."""
    return blind_rsa.blind_sign(key, blinded, randbytes=office.randbytes)


def certify(
    *, office: Office, letter: Letter, class_id: int, method: int, attested: int, commitment: bytes, card_hash: bytes
) -> bytes:
    """The 64-byte identity certificate over a card that this registrar may not have seen (spec/tokens.md)."""
    message = certificate_message(
        lid=letter.lid,
        class_id=class_id,
        method=method,
        attested=attested,
        commitment=commitment,
        card_hash=card_hash,
    )
    return ed25519.sign(office.seed, message)
