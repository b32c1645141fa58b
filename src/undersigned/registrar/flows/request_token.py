"""The right to sign, once: a blind signature for a key the registrar does not see, and a certificate for a card it may
not see either. Kept afterwards: the person's tag and two hashes."""

from dataclasses import dataclass

from undersigned.errors import Malformed, Refused
from undersigned.protocol import blob as blobs
from undersigned.protocol.encoding import sha256
from undersigned.protocol.token import NO_COMMITMENT, request_hash
from undersigned.registrar import issuer
from undersigned.registrar.attesters import Attestation
from undersigned.registrar.letters import Desk
from undersigned.registrar.office import Office


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRequest:
    """blinded(256), commitment(32), card_hash(32); anonymous: both zeros. `card` only where names are attested."""

    blinded: bytes
    commitment: bytes
    card_hash: bytes
    card: blobs.Card | None

    @property
    def anonymous(self) -> bool:
        """No certificate is wanted."""
        return self.commitment == NO_COMMITMENT


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """blind_sig(256) and, unless anonymous, the identity certificate."""

    blind_sig: bytes
    identity: blobs.Identity | None


async def request_token(office: Office, desk: Desk, request: TokenRequest, *, attestation: Attestation) -> Issued:
    """Issue a token to somebody who has just been attested; the same request again gets the same answer.

    1. read it  2. compare the card with what the source says  3. sign blindly  4. once per person  5. make room in the
    log's bound  6. keep tag and hashes  7. certify. Malformed, Refused; Unavailable when the log does not answer.
    """
    _check_shape(request, desk)  # 1
    _check_card(request, attestation)  # 2
    class_id = attestation.class_id
    blind_sig = issuer.blind_sign(desk.issuers[class_id], request.blinded, office=office)  # 3: Malformed spends nothing
    tag = desk.tag(class_id, attestation.identity)
    asked = request_hash(
        class_id=class_id, blinded=request.blinded, commitment=request.commitment, card_hash=request.card_hash
    )
    async with desk.busy:  # 4
        kept = office.storage.kept(desk.letter.lid, tag)
        if kept is None:
            _check_open(office, desk)
            await issuer.make_room(office, desk.letter, desk.registrar, class_id)  # 5
            certificate = certificate_hash(request.commitment, request.card_hash)
            office.storage.keep(desk.letter.lid, tag, class_id, request=asked, certificate=certificate)  # 6
        elif kept[0] != asked:
            raise Refused(
                "a token was given to you before: finish with what that browser saved, or, if it was not you, dispute"
                " the signature once its name is public"
            )
    return Issued(blind_sig=blind_sig, identity=_identity(office, desk, request, attestation))  # 7


def certificate_hash(commitment: bytes, card_hash: bytes) -> bytes:
    """H(C || H(card)), 32 bytes: by it a person can be told to be the one a certificate was given to."""
    return sha256(commitment, card_hash)


def _check_shape(request: TokenRequest, desk: Desk) -> None:
    if request.anonymous != (request.card_hash == NO_COMMITMENT):
        raise Malformed("commitment and card hash are both zeros, or neither is")
    if request.anonymous and request.card is not None:
        raise Malformed("an anonymous request carries no name card")
    if request.anonymous and "anonymous" not in desk.letter.publication.modes:
        raise Refused("this letter takes no anonymous signatures")


def _check_card(request: TokenRequest, attestation: Attestation) -> None:
    if not attestation.attested:
        if request.card is not None:
            raise Malformed("the registrar must not see this name card: only its hash is sent")
        return
    if request.anonymous:
        return
    if request.card is None:
        raise Malformed("the name comes from the roster here, so the name card must be sent with the request")
    blobs.check_card(request.card)
    if blobs.card_hash(request.card) != request.card_hash:
        raise Malformed("the name card is not the one whose hash was sent")
    if (request.card.name, request.card.title) != (attestation.name, attestation.title):
        raise Refused("name and title must be just as the roster has them: ask the organizers if they are wrong there")


def _check_open(office: Office, desk: Desk) -> None:
    row = office.storage.letter_of_lid(desk.letter.lid)
    if row is None or row.state != "open":
        raise Refused("no tokens are issued for this letter now")
    if row.closed is not None or office.now() >= desk.letter.publication.deadline:
        raise Refused("the letter is closed: nobody can sign it any more")


def _identity(office: Office, desk: Desk, request: TokenRequest, attestation: Attestation) -> blobs.Identity | None:
    if request.anonymous:
        return None
    sig = issuer.certify(
        office=office,
        letter=desk.letter,
        class_id=attestation.class_id,
        method=attestation.method,
        attested=attestation.attested,
        commitment=request.commitment,
        card_hash=request.card_hash,
    )
    return blobs.Identity(registrar=desk.registrar, method=attestation.method, attested=attestation.attested, sig=sig)
