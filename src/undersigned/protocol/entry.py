"""Every kind of entry a letter's log may hold, and how entries become bytes and back.

spec/entries.md has an example of each. An entry is a JCS object of at most 65,535 bytes with `kind` and `v` 1;
missing, unknown or repeated fields, other base64 and other JSON are refused because re-encoding would differ.
"""

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, field

from undersigned.errors import Malformed
from undersigned.protocol.encoding import MAX_INTEGER, from_jcs, to_jcs

MAX_ENTRY_BYTES = 65_535

Hash: TypeAlias = Annotated[bytes, Meta(min_length=32, max_length=32)]
Key: TypeAlias = Annotated[bytes, Meta(min_length=32, max_length=32)]
Sig: TypeAlias = Annotated[bytes, Meta(min_length=64, max_length=64)]
Token: TypeAlias = Annotated[bytes, Meta(min_length=288, max_length=288)]
SealKey: TypeAlias = Annotated[bytes, Meta(min_length=1216, max_length=1216)]
Id: TypeAlias = Annotated[int, Meta(ge=1, le=255)]
Uint: TypeAlias = Annotated[int, Meta(ge=0, le=MAX_INTEGER)]

Mode: TypeAlias = Literal["public", "anonymous", "sealed"]
Attester: TypeAlias = Literal["e-mail", "roster", "oidc", "vouching", "dkim", "open"]
METHODS: dict[str, int] = {"e-mail": 1, "roster": 2, "oidc": 3, "vouching": 4, "dkim": 5, "open": 6}


class Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A piece of an entry."""


class Demand(Part, frozen=True, kw_only=True):
    id: Id
    text: str


class Issuer(Part, frozen=True, kw_only=True):
    """One registrar's blind-signing key for one class: `spki` is a DER SubjectPublicKeyInfo, RSA-2048, e = 65537."""

    registrar: Id
    spki: bytes


class Class(Part, frozen=True, kw_only=True):
    """Who may sign: `eligible` people by `source` (0: unknown), and whether its named signatures count."""

    id: Id
    name: str
    eligible: Uint
    source: str
    namespace: str
    attesters: list[Attester]
    issuers: list[Issuer]
    counts: bool


class Tier(Part, frozen=True, kw_only=True):
    id: Id
    at_least: Uint


class Party(Part, frozen=True, kw_only=True):
    """A trustee or a registrar: `key` is its Ed25519 public key."""

    id: Id
    name: str
    key: Key


class IssuerHash(Part, frozen=True, kw_only=True):
    class_: Id = field(name="class")
    spki_hash: Hash


class TrusteeSig(Part, frozen=True, kw_only=True):
    trustee: Id
    sig: Sig


class BaseEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """What all entries share: `v` is 1; the tag `kind` names the class."""

    v: Literal[1] = 1


class Signed(BaseEntry, frozen=True, kw_only=True):
    """An entry under one Ed25519 signature."""

    sig: Sig | UnsetType = UNSET


class TextFields(Signed, frozen=True, kw_only=True):
    """The six fields that `text_hash` covers."""

    title: str
    language: str
    text: str
    addressee: str
    demands: list[Demand]
    pledge: str


class Publication(TextFields, frozen=True, kw_only=True, tag="publication"):
    """Entry 0: the letter and all of its rules. Times are in seconds, `deadline` in Unix seconds."""

    origin: str
    log_vkey: str
    policy: str
    shape: Literal["one-process", "separate"]
    classes: list[Class]
    tiers: list[Tier]
    modes: list[Mode]
    trustees: list[Party]
    quorum: Annotated[int, Meta(ge=0, le=9)]
    deadline: Uint
    hold_seconds: Uint
    batch_seconds: Uint
    margin_seconds: Uint
    forget_seconds: Uint
    registrars: list[Party]
    promise_key: Key
    organizer_key: Key


class Registrar(Signed, frozen=True, kw_only=True, tag="registrar"):
    """A registrar accepts its part, naming the issuer keys it will use."""

    registrar: Id
    issuers: list[IssuerHash]
    attesters: list[Attester]
    statement: str


class Trustee(Signed, frozen=True, kw_only=True, tag="trustee"):
    """A trustee accepts and gives its seal keys, one per tier in tier order (X-Wing, 1,216 bytes each)."""

    trustee: Id
    seal_keys: list[SealKey]
    statement: str


class Issuance(Signed, frozen=True, kw_only=True, tag="issuance"):
    """How many tokens of a class a registrar has at most issued."""

    registrar: Id
    class_: Id = field(name="class")
    issued: Uint


class Signature(Signed, frozen=True, kw_only=True, tag="signature"):
    """One person's signature under one version of the letter. Sealed: tier >= 1; public and anonymous: tier 0."""

    text_hash: Hash
    class_: Id = field(name="class")
    mode: Mode
    tier: Annotated[int, Meta(ge=0, le=255)]
    key: Key
    tokens: list[Token]
    blob: Hash | UnsetType = UNSET
    assisted: bool | UnsetType = UNSET

    def __post_init__(self) -> None:
        if self.assisted is False:
            raise ValueError("assisted is written only where it is true")
        if (self.mode == "anonymous") != (self.blob is UNSET):
            raise ValueError("an anonymous signature has no blob, and any other has one")
        if (self.mode == "sealed") != (self.tier >= 1):
            raise ValueError("a sealed name opens at tier 1 or higher, and only a sealed one has a tier")
        if self.assisted is True and self.mode != "public":
            raise ValueError("only a public signature can be assisted")


class Consent(Signed, frozen=True, kw_only=True, tag="consent"):
    """A signatory also stands under another version."""

    key: Key
    text_hash: Hash


class Condition(Signed, frozen=True, kw_only=True, tag="condition"):
    """A sealed signatory takes another tier, or goes public (tier 0) with a public blob."""

    key: Key
    tier: Annotated[int, Meta(ge=0, le=255)]
    blob: Hash


class Withdrawal(Signed, frozen=True, kw_only=True, tag="withdrawal"):
    """A signatory leaves, for good. Signed by the key, or by a registrar for an assisted signature."""

    key: Key
    registrar: Id | UnsetType = UNSET


class Remark(Signed, frozen=True, kw_only=True, tag="remark"):
    """Words of a public or opened signatory."""

    key: Key
    type: Literal["opening", "regret", "deed"]
    blob: Hash


class Standing(Signed, frozen=True, kw_only=True, tag="standing"):
    """Marks a notable signatory; `by` is a registrar id, or 0 for the organizer."""

    index: Uint
    standing: Literal["lead", "executive", "board", "other-side", "former"]
    by: Annotated[int, Meta(ge=0, le=255)]


class Amendment(TextFields, frozen=True, kw_only=True, tag="amendment"):
    """A new version of the text."""

    summary: str


class Statement(Signed, frozen=True, kw_only=True, tag="statement"):
    """Something said by a named party or the organizer; the words are in the salted blob."""

    id: Uint
    type: Literal["response", "declined", "assurance", "correction", "erratum", "outcome", "update", "event", "import"]
    blob: Hash


class Confirmation(Signed, frozen=True, kw_only=True, tag="confirmation"):
    """The named party confirmed a statement, by an attester at its domain."""

    registrar: Id
    statement: Uint
    method: Attester
    blob: Hash


class Dispute(Signed, frozen=True, kw_only=True, tag="dispute"):
    """Somebody proved the identity that got this certificate and denies signing; suspended until settled."""

    registrar: Id
    index: Uint
    state: Literal["open", "settled"]


class Removal(Signed, frozen=True, kw_only=True, tag="removal"):
    """The log takes a signature out, and says why."""

    index: Uint
    code: Literal["asked", "dispute", "court", "error"]


class Reached(Signed, frozen=True, kw_only=True, tag="reached"):
    """A tier's condition held just before this entry."""

    tier: Id


class Missing(Signed, frozen=True, kw_only=True, tag="missing"):
    """Sealed blobs that the log could not hand over to a trustee during the hold."""

    trustee: Id
    indexes: Annotated[list[Uint], Meta(min_length=1, max_length=4096)]


class Freeze(Signed, frozen=True, kw_only=True, tag="freeze"):
    """Fixes the set to be opened; `since` and `until` are the sizes of the checkpoints that show the hold."""

    tier: Id
    since: Uint
    until: Uint


class Lapse(Signed, frozen=True, kw_only=True, tag="lapse"):
    """A freeze that no quorum answered for 14 witnessed days; `freeze` is its index."""

    freeze: Uint
    since: Uint
    until: Uint


class Opening(BaseEntry, frozen=True, kw_only=True, tag="opening"):
    """The quorum names the indexes to be opened, by the hash of its list."""

    freeze: Uint
    list_hash: Hash
    sigs: list[TrusteeSig] | UnsetType = UNSET


class Abort(BaseEntry, frozen=True, kw_only=True, tag="abort"):
    """The quorum calls an opening off: none of the set may be named."""

    freeze: Uint
    list_hash: Hash
    sigs: list[TrusteeSig] | UnsetType = UNSET


class Destruction(Signed, frozen=True, kw_only=True, tag="destruction"):
    """Keys or blobs destroyed: stated, not provable. `by` is an id of that role, 0 for the log."""

    role: Literal["trustee", "registrar", "log"]
    by: Annotated[int, Meta(ge=0, le=255)]
    what: str


class Client(Signed, frozen=True, kw_only=True, tag="client"):
    """What code the site serves from here on: the hash of the browser bundle's manifest."""

    manifest: Hash


class Closing(Signed, frozen=True, kw_only=True, tag="closing"):
    """No more signatures. `by` the log at the deadline, or the organizer."""

    by: Literal["log", "organizer"]
    reason: str


QuorumEntry: TypeAlias = Opening | Abort
SignedEntry: TypeAlias = (
    Publication | Registrar | Trustee | Issuance | Signature | Consent | Condition | Withdrawal | Remark | Standing
    | Amendment | Statement | Confirmation | Dispute | Removal | Reached | Missing | Freeze | Lapse | Destruction
    | Client | Closing
)  # fmt: skip
Entry: TypeAlias = SignedEntry | QuorumEntry

_DECODER: msgspec.json.Decoder[Entry] = msgspec.json.Decoder(Entry)
_WITHOUT: dict[type, dict[str, UnsetType]] = {Opening: {"sigs": UNSET}, Abort: {"sigs": UNSET}}


def kind_of(entry: Entry) -> str:
    """The entry's `kind`, as the log writes it."""
    return str(type(entry).__struct_config__.tag)


def encode_entry(entry: Entry) -> bytes:
    """The entry's JCS bytes; Malformed when they are more than 65,535."""
    data = to_jcs(entry)
    _check_size(data)
    return data


def decode_entry(data: bytes) -> Entry:
    """Read one entry strictly; Malformed with the reason. Its texts are looked at by `verify_entry`."""
    _check_size(data)
    entry = from_jcs(_DECODER, data, what="an entry")
    if isinstance(entry, Opening | Abort):
        present = entry.sigs is not UNSET
    else:
        present = entry.sig is not UNSET
    if not present:
        raise Malformed("this is not an entry: it carries no signature")
    return entry


def message_to_sign(entry: Entry, *, lid: bytes) -> bytes:
    """`"undersigned/v1/entry"\\0 || lid || JCS(entry without sig and sigs)`; for entry 0, `lid` is 32 zero bytes."""
    bare = msgspec.structs.replace(entry, **_WITHOUT.get(type(entry), {"sig": UNSET}))
    return b"undersigned/v1/entry\0" + lid + to_jcs(bare)


def _check_size(data: bytes) -> None:
    if len(data) > MAX_ENTRY_BYTES:
        raise Malformed(f"an entry has at most {MAX_ENTRY_BYTES} bytes, and this one has {len(data)}")
