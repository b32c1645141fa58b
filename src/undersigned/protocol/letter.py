"""A letter as its entry 0 fixes it: text, classes, tiers, keys, witnesses. spec/letter.md."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from undersigned.crypto import blind_rsa, ed25519
from undersigned.errors import Malformed, Refused, VerificationError
from undersigned.protocol import text as texts
from undersigned.protocol.encoding import sha256, to_jcs
from undersigned.protocol.entry import (
    Class,
    Demand,
    Party,
    Publication,
    TextFields,
    decode_entry,
    encode_entry,
    message_to_sign,
)
from undersigned.protocol.token import read_issuer_key
from undersigned.transparency.note import ED25519, VerifierKey, parse_vkey
from undersigned.transparency.policy import Policy, parse_policy

MAX_CLASSES = 16
MAX_TIERS = 32
ZERO_LID = bytes(32)
_ORIGIN = re.compile(r"[a-z0-9]([a-z0-9.-]{0,253})(:[1-9][0-9]{0,4})?/l/[a-z0-9]([a-z0-9-]{0,63})", re.ASCII)
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuing:
    """One registrar that issues tokens of a class, with the keys to check both of its signatures."""

    registrar: Party
    key: blind_rsa.PublicKey
    spki_hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """Entry 0, read and checked alone: what every other rule of this letter looks at."""

    data: bytes
    publication: Publication
    lid: bytes
    text_hash: bytes
    policy: Policy
    log_vkey: VerifierKey
    classes: Mapping[int, Class]
    issuing: Mapping[int, tuple[Issuing, ...]]
    registrars: Mapping[int, Party]
    trustees: Mapping[int, Party]

    @classmethod
    def from_entry(cls, data: bytes) -> "Letter":
        """Read the bytes of entry 0. Malformed when a rule of it cannot hold, VerificationError for a wrong `sig`."""
        publication = decode_entry(data)
        if not isinstance(publication, Publication):
            raise Malformed("a letter's log begins with its publication, and this one does not")
        check_text_fields(publication)
        policy, log_vkey = _read_log(publication)
        issuing = _read_classes(publication)
        _check_sealing(publication, policy)
        _verify_organizer(publication)
        return cls(
            data=data,
            publication=publication,
            lid=letter_id(data),
            text_hash=text_hash(publication),
            policy=policy,
            log_vkey=log_vkey,
            classes={item.id: item for item in publication.classes},
            issuing=issuing,
            registrars={item.id: item for item in publication.registrars},
            trustees={item.id: item for item in publication.trustees},
        )

    @property
    def origin(self) -> str:
        """The letter's C2SP origin, `<host>/l/<slug>`."""
        return self.publication.origin

    @property
    def slug(self) -> str:
        """The last part of the origin."""
        return self.origin.rsplit("/", 1)[1]

    def at_least(self, tier: int) -> int:
        """How many must stand together before a name at this tier opens; `tier` is 1..m."""
        return self.publication.tiers[tier - 1].at_least

    def trustee_row(self, trustee: int) -> int:
        """The place of a trustee in entry 0, from 0: the order of an envelope's rows. Refused for a stranger."""
        if trustee not in self.trustees:
            raise Refused("this letter has no such trustee")
        return list(self.trustees).index(trustee)


def letter_id(data: bytes) -> bytes:
    """lid, 32 bytes, from all bytes of entry 0."""
    return sha256(b"undersigned/v1/letter\0", data)


def text_hash(fields: TextFields) -> bytes:
    """The hash people sign: title, language, text, addressee, demands and pledge, 32 bytes."""
    six = {name: getattr(fields, name) for name in ("title", "language", "text", "addressee", "demands", "pledge")}
    return sha256(b"undersigned/v1/text\0", to_jcs(six))


def sign_publication(publication: Publication, *, seed: bytes) -> bytes:
    """The bytes of entry 0, signed by the organizer's 32-byte seed."""
    sig = ed25519.sign(seed, message_to_sign(publication, lid=ZERO_LID))
    return encode_entry(msgspec.structs.replace(publication, sig=sig))


def check_text_fields(fields: TextFields) -> None:
    """Malformed unless the six fields hold clean text within their limits."""
    texts.check_name(fields.title, what="title of the letter")
    texts.check_text(fields.text, what="text of the letter")
    texts.check_line(fields.addressee, what="addressee")
    if fields.pledge:
        texts.check_text(fields.pledge, what="pledge", at_most=4096)
    check_language(fields.language)
    _check_demands(fields.demands)


def check_language(tag: str) -> None:
    """Malformed unless it looks like a BCP 47 language tag."""
    if not _LANGUAGE.fullmatch(tag):
        raise Malformed("the language must be a tag such as en, de or pt-BR")


def check_quorum(n: int, k: int) -> None:
    """Malformed unless k of n trustees can be a quorum; no trustees go with a quorum of 0."""
    fits = (k == n) if n <= 1 else (2 <= k <= n <= 9 and (k < n or n == 2))
    if not fits:
        raise Malformed("the quorum must be at least 2 of at most 9 trustees, and fewer than all of them above 2")


def _check_demands(demands: Sequence[Demand]) -> None:
    if len(demands) > 64:
        raise Malformed("a letter has at most 64 demands")
    if [item.id for item in demands] != list(range(1, len(demands) + 1)):
        raise Malformed("the demands must be numbered 1, 2, 3 and so on")
    for item in demands:
        texts.check_line(item.text, what=f"text of demand {item.id}")
        if not item.text:
            raise Malformed(f"demand {item.id} is empty")


def _read_log(publication: Publication) -> tuple[Policy, VerifierKey]:
    if not _ORIGIN.fullmatch(publication.origin):
        raise Malformed("the origin must be <host>/l/<slug>, in small letters, digits and dashes")
    log_vkey = parse_vkey(publication.log_vkey)
    if log_vkey.name != publication.origin or log_vkey.algorithm != ED25519:
        raise Malformed("the log key must be one that signs notes, and carry the letter's origin as its name")
    for key in (log_vkey.key, publication.promise_key, publication.organizer_key):
        ed25519.check_public_key(key)
    return parse_policy(publication.policy), log_vkey


def _read_classes(publication: Publication) -> Mapping[int, tuple[Issuing, ...]]:
    registrars = _by_id(publication.registrars, what="registrar")
    if not registrars or not publication.classes or len(publication.classes) > MAX_CLASSES:
        raise Malformed(f"a letter has at least one registrar and 1 to {MAX_CLASSES} classes")
    _distinct([item.id for item in publication.classes], what="class id")
    issuing = {item.id: _read_issuers(item, registrars) for item in publication.classes}
    _distinct([one.spki_hash for many in issuing.values() for one in many], what="issuer key")
    return issuing


def _read_issuers(item: Class, registrars: Mapping[int, Party]) -> tuple[Issuing, ...]:
    texts.check_name(item.name, what=f"name of class {item.id}")
    texts.check_line(item.source, what=f"source of class {item.id}")
    texts.check_name(item.namespace, what=f"namespace of class {item.id}")
    if not item.attesters or not 1 <= len(item.issuers) <= 3:
        raise Malformed(f"class {item.id} needs an attester and one to three issuers")
    _distinct(item.attesters, what=f"attester of class {item.id}")
    if "open" in item.attesters and item.counts:
        raise Malformed(f"class {item.id} is open to any mailbox, so its signatures cannot count")
    _distinct([issuer.registrar for issuer in item.issuers], what=f"registrar of class {item.id}")
    if any(issuer.registrar not in registrars for issuer in item.issuers):
        raise Malformed(f"class {item.id} names a registrar that the letter does not have")
    return tuple(
        Issuing(registrar=registrars[issuer.registrar], key=read_issuer_key(issuer.spki), spki_hash=sha256(issuer.spki))
        for issuer in item.issuers
    )


def _check_sealing(publication: Publication, policy: Policy) -> None:
    if not publication.modes:
        raise Malformed("a letter offers at least one way to sign")
    _distinct(publication.modes, what="mode")
    levels = [item.at_least for item in publication.tiers]
    if [item.id for item in publication.tiers] != list(range(1, len(levels) + 1)) or len(levels) > MAX_TIERS:
        raise Malformed(f"the tiers must be numbered 1, 2, 3 and so on, {MAX_TIERS} at most")
    if levels != sorted(set(levels)) or (levels and levels[0] < 1):
        raise Malformed("each tier must ask for more than the one before")
    trustees = _by_id(publication.trustees, what="trustee")
    check_quorum(len(trustees), publication.quorum)
    if "sealed" in publication.modes and not (levels and trustees and policy.has_quorum):
        raise Malformed("sealed signing needs tiers, trustees and a witness quorum of at least one")


def _by_id(parties: Sequence[Party], *, what: str) -> dict[int, Party]:
    _distinct([item.id for item in parties], what=f"{what} id")
    _distinct([item.key for item in parties], what=f"{what} key")
    for item in parties:
        texts.check_name(item.name, what=f"name of {what} {item.id}")
        ed25519.check_public_key(item.key)
    return {item.id: item for item in parties}


def _distinct(items: Sequence[object], *, what: str) -> None:
    if len(set(items)) != len(items):
        raise Malformed(f"the letter names the same {what} twice")


def _verify_organizer(publication: Publication) -> None:
    sig = publication.sig
    if not isinstance(sig, bytes):
        raise Malformed("the publication carries no signature")
    try:
        message = message_to_sign(publication, lid=ZERO_LID)
        ed25519.verify(public_key=publication.organizer_key, message=message, sig=sig)
    except VerificationError:
        raise VerificationError("entry 0 is not signed by the organizer key it names") from None
