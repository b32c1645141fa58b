"""What the registrar is asked, as JSON: field by field, and no field more."""

from typing import Annotated, TypeVar

import msgspec

from undersigned.errors import Malformed
from undersigned.protocol import blob as blobs
from undersigned.protocol.entry import Hash, Id, Key, Uint
from undersigned.registrar.letters import DraftClass
from undersigned.web import Request

T = TypeVar("T")
Short = Annotated[str, msgspec.Meta(max_length=400)]


def read_body(kind: type[T], request: Request) -> T:
    """The body of a request; Malformed, without a word of what was in it."""
    try:
        return msgspec.json.decode(request.body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise Malformed("the request does not have the form that this address takes") from None


class _Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Any other field is refused."""


class DraftBody(_Body, frozen=True, kw_only=True):
    """A letter to be: its classes get issuer keys."""

    slug: Short
    classes: list[DraftClass]


class PublicationBody(_Body, frozen=True, kw_only=True):
    """Entry 0 of the letter."""

    entry: bytes


class BeginBody(_Body, frozen=True, kw_only=True):
    """A code is asked for."""

    class_: Id = msgspec.field(name="class")
    attester: Short
    address: Short


class AttestBody(_Body, frozen=True, kw_only=True):
    """A code is typed; `tab` is the secret of the tab that asked for it."""

    class_: Id = msgspec.field(name="class")
    attester: Short
    code: Short
    tab: Short = ""


class TokenBody(AttestBody, frozen=True, kw_only=True):
    """A code with the blinded message, C and H(card)."""

    blinded: bytes
    commitment: Hash
    card_hash: Hash
    card: blobs.Card | None = None


class DisputeBody(_Body, frozen=True, kw_only=True):
    """A code with what the disputed signature shows in public."""

    attester: Short
    code: Short
    index: Uint
    key: Key
    r: Hash
    card: blobs.Card
    tab: Short = ""
