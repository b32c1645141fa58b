"""What lies beside the log: name cards and words, salted, of which an entry carries only the hash. spec/blobs.md."""

from typing import Annotated, Literal, TypeAlias, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from undersigned.crypto import ed25519
from undersigned.errors import Malformed, VerificationError
from undersigned.protocol import text as texts
from undersigned.protocol import token as tokens
from undersigned.protocol.encoding import from_jcs, sha256, to_jcs
from undersigned.protocol.entry import METHODS, Attester, Id, Part, Sig, Uint
from undersigned.protocol.letter import Issuing, Letter

MAX_BLOB_BYTES = 16 * 1024
NAME_ATTESTED, TITLE_ATTESTED = 1, 2

Salt: TypeAlias = Annotated[bytes, Meta(min_length=32, max_length=32)]
B = TypeVar("B")


class Card(Part, frozen=True, kw_only=True):
    """A signatory's name and title as the letter will print them, with a 32-byte salt."""

    name: str
    title: str
    salt: Salt


class Identity(Part, frozen=True, kw_only=True):
    """A registrar's certificate over a card it may never have seen: method 1..6, `attested` bits 0 name, 1 title."""

    registrar: Id
    method: Annotated[int, Meta(ge=1, le=6)]
    attested: Annotated[int, Meta(ge=0, le=3)]
    sig: Sig


class PublicBlob(Part, frozen=True, kw_only=True):
    """The name under a public signature, and the content of a sealed envelope."""

    card: Card
    r: Salt
    identities: list[Identity]


class RemarkBlob(Part, frozen=True, kw_only=True):
    salt: Salt
    text: str


class StatementBlob(Part, frozen=True, kw_only=True):
    """What a named party or the organizer said, with its source and what each type adds."""

    salt: Salt
    party: str
    text: str
    source: str
    places: Uint | UnsetType = UNSET
    until: Uint | UnsetType = UNSET
    terms: str | UnsetType = UNSET
    evidence: str | UnsetType = UNSET
    demand: Id | UnsetType = UNSET
    outcome: Literal["met", "partly", "refused"] | UnsetType = UNSET
    names: list[str] | UnsetType = UNSET


class ConfirmationBlob(Part, frozen=True, kw_only=True):
    salt: Salt
    method: Attester
    proof: str


_PUBLIC = msgspec.json.Decoder(PublicBlob)
_REMARK = msgspec.json.Decoder(RemarkBlob)
_STATEMENT = msgspec.json.Decoder(StatementBlob)
_CONFIRMATION = msgspec.json.Decoder(ConfirmationBlob)


def check_card(card: Card) -> None:
    """Malformed unless name and title are clean lines of at most 200 bytes; a title may be empty."""
    texts.check_name(card.name, what="name")
    texts.check_line(card.title, what="title", at_most=texts.NAME_BYTES)


def card_hash(card: Card) -> bytes:
    """H(JCS(card)), 32 bytes."""
    return sha256(to_jcs(card))


def read_public_blob(data: bytes) -> PublicBlob:
    """Read a public blob strictly; Malformed."""
    _check_size(data)
    blob = from_jcs(_PUBLIC, data, what="a public name card")
    check_card(blob.card)
    return blob


def verify_public_blob(data: bytes, *, letter: Letter, class_id: int, key: bytes) -> PublicBlob:
    """Read a public blob and check every certificate of its class. Malformed, VerificationError."""
    blob = read_public_blob(data)
    verify_identities(blob, letter=letter, class_id=class_id, key=key)
    return blob


def verify_identities(blob: PublicBlob, *, letter: Letter, class_id: int, key: bytes) -> None:
    """One certificate of each registrar of the class, in entry-0 order, for this card and this key."""
    issuing = letter.issuing[class_id]
    if [item.registrar for item in blob.identities] != [item.registrar.id for item in issuing]:
        raise VerificationError("the name card needs one certificate of each registrar of its class")
    methods = [METHODS[attester] for attester in letter.classes[class_id].attesters]
    if any(identity.method not in methods for identity in blob.identities):
        raise VerificationError("the name card was attested by a method that its class does not offer")
    commitment = tokens.commitment(r=blob.r, key=key)
    for identity, issuer in zip(blob.identities, issuing, strict=True):
        _verify_identity(identity, issuer, blob.card, letter=letter, class_id=class_id, commitment=commitment)


def _verify_identity(
    identity: Identity, issuer: Issuing, card: Card, *, letter: Letter, class_id: int, commitment: bytes
) -> None:
    message = tokens.certificate_message(
        lid=letter.lid,
        class_id=class_id,
        method=identity.method,
        attested=identity.attested,
        commitment=commitment,
        card_hash=card_hash(card),
    )
    try:
        ed25519.verify(public_key=issuer.registrar.key, message=message, sig=identity.sig)
    except VerificationError:
        raise VerificationError("the registrar has not attested this name for this signature") from None


def read_remark(data: bytes) -> RemarkBlob:
    """Read a remark's words; Malformed."""
    _check_size(data)
    blob = from_jcs(_REMARK, data, what="a remark")
    texts.check_text(blob.text, what="remark", at_most=4096)
    return blob


def read_statement(data: bytes) -> StatementBlob:
    """Read a statement's words; Malformed."""
    _check_size(data)
    blob = from_jcs(_STATEMENT, data, what="a statement")
    texts.check_line(blob.party, what="party")
    texts.check_line(blob.source, what="source")
    texts.check_text(blob.text, what="statement", at_most=12 * 1024)
    for what in ("terms", "evidence"):
        value = getattr(blob, what)
        if isinstance(value, str):
            texts.check_text(value, what=what, at_most=4096)
    for name in blob.names if isinstance(blob.names, list) else ():
        texts.check_name(name, what="imported name")
    return blob


def read_confirmation(data: bytes) -> ConfirmationBlob:
    """Read a confirmation's proof; Malformed."""
    _check_size(data)
    blob = from_jcs(_CONFIRMATION, data, what="a confirmation")
    texts.check_text(blob.proof, what="proof", at_most=12 * 1024)
    return blob


def _check_size(data: bytes) -> None:
    if len(data) > MAX_BLOB_BYTES:
        raise Malformed(f"what lies beside an entry has at most {MAX_BLOB_BYTES} bytes, and this has {len(data)}")
