"""Letters as the registrar keeps them: a draft gets keys, entry 0 must name just these, then codes and tokens begin."""

import asyncio
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from undersigned.crypto import blind_rsa
from undersigned.durable import sync_folder
from undersigned.errors import Malformed, Refused
from undersigned.protocol import entry as entries
from undersigned.protocol.encoding import sha256
from undersigned.protocol.letter import Letter
from undersigned.registrar import issuer, keys
from undersigned.registrar.addresses import read_domain
from undersigned.registrar.office import Office, submit
from undersigned.registrar.storage import LetterRow
from undersigned.registrar.tags import InnerKey, OuterKey
from undersigned.web import NotFound

OFFERED: tuple[entries.Attester, ...] = ("e-mail", "roster", "open")
STATEMENT = "attests who may sign, and issues one token to each"
_SLUG = re.compile(r"[a-z0-9]([a-z0-9-]{0,63})", re.ASCII)


class DraftClass(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A class as the organizer asks for it; `domains` are the mail domains of its members, `eligible` as in entry 0."""

    id: entries.Id
    attesters: list[entries.Attester]
    domains: list[str] = []
    eligible: entries.Uint | msgspec.UnsetType = msgspec.UNSET


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Desk:
    """All that the registrar needs for one published letter. Its secrets are files, read here once."""

    letter: Letter
    draft: bytes
    registrar: int
    classes: Mapping[int, DraftClass]
    issuers: Mapping[int, blind_rsa.PrivateKey] = field(repr=False)
    inner: InnerKey = field(repr=False)
    outer: OuterKey = field(repr=False)
    column: keys.ColumnKey = field(repr=False)
    busy: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)

    def tag(self, class_id: int, identity: str) -> bytes:
        """The 32-byte tag of a person, the same in all classes of one namespace."""
        namespace = self.letter.classes[class_id].namespace
        return self.outer.tag(self.inner.inner(lid=self.letter.lid, namespace=namespace, identity=identity))

    def check_class(self, class_id: int, attester: str) -> DraftClass:
        """The class; Refused unless it is served here by this attester."""
        found = self.classes.get(class_id)
        if found is None:
            raise Refused("this registrar issues no tokens for this class")
        if attester not in found.attesters:
            raise Refused("this class has another way to show that you may sign")
        return found


class Letters:
    """Opens drafts, publishes them, and finds the desk of a letter."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._desks: dict[bytes, Desk] = {}

    async def open_draft(self, *, slug: str, classes: Sequence[DraftClass]) -> tuple[bytes, dict[int, bytes]]:
        """A draft id (16 bytes) and the SPKI of a fresh issuer key per class. Malformed."""
        _check_draft(slug, classes)
        draft = self._office.randbytes(16)
        ids = [item.id for item in classes]
        folder = self._folder(draft)
        made = await asyncio.to_thread(keys.create, folder, class_ids=ids, randbytes=self._office.randbytes)
        self._office.storage.add_draft(draft=draft, slug=slug, classes=msgspec.json.encode(classes))
        return draft, made

    async def publish(self, draft: bytes, entry: bytes) -> Desk:
        """Take entry 0 and give the log what must come first; the same entry again finishes what was interrupted.

        1. read it  2. find the draft  3. compare  4. name the keys after it  5. keep it  6. accept  7. announce.
        Malformed, VerificationError, NotFound, Refused; Unavailable from the log.
        """
        letter = Letter.from_entry(entry)  # 1
        row = self._office.storage.letter_of_draft(draft)  # 2
        if row is None:
            raise NotFound("the registrar knows no such draft")
        if row.lid is None:
            self._check_entry_0(letter, row)  # 3
            self._name_keys(draft, letter.lid)  # 4
            with self._office.storage.together():  # 5
                self._office.storage.publish(draft=draft, lid=letter.lid, entry=entry, class_ids=letter.issuing)
        elif row.lid != letter.lid:
            raise Refused("another letter was published from this draft")
        desk = self.desk(letter.slug, publishing=True)
        async with desk.busy:
            await self._begin(desk, again=row.lid is not None)  # 6, 7
        return desk

    def desk(self, slug: str, *, publishing: bool = False) -> Desk:
        """The desk of a published letter; NotFound, or Refused once its keys are destroyed."""
        row = self._office.storage.letter_of_slug(slug)
        if row is None or (row.state == "publishing" and not publishing):
            raise NotFound("the registrar knows no such letter")
        return self._desk(row)

    def desk_of(self, lid: bytes) -> Desk:
        """The desk of a published letter by its lid; as `desk`."""
        row = self._office.storage.letter_of_lid(lid)
        if row is None:
            raise NotFound("the registrar knows no such letter")
        return self._desk(row)

    def close_desk(self, lid: bytes) -> None:
        """Let go of the secrets of a letter."""
        self._desks.pop(lid, None)

    def folder(self, lid: bytes) -> Path:
        """Where the key files of a published letter are."""
        return self._folder(lid)

    async def _begin(self, desk: Desk, *, again: bool) -> None:
        row = self._office.storage.letter_of_slug(desk.letter.slug)
        if row is None or row.state != "publishing":
            return
        await submit(self._office, desk.letter, _acceptance(desk), again=again)
        for class_id in desk.classes:
            await issuer.make_room(self._office, desk.letter, desk.registrar, class_id)
        self._office.storage.set_state(desk.letter.lid, "open")

    def _check_entry_0(self, letter: Letter, row: LetterRow) -> None:
        own = _own_id(letter, self._office.public_key)
        if letter.slug != row.slug:
            raise Refused("entry 0 has another slug than the draft")
        named = {
            class_id: next(one.spki_hash for one in many if one.registrar.id == own)
            for class_id, many in letter.issuing.items()
            if any(one.registrar.id == own for one in many)
        }
        classes = _read_classes(row.classes)
        folder = self._folder(row.draft if self._folder(row.draft).is_dir() else letter.lid)
        made = {class_id: sha256(keys.read_issuer(folder, class_id).public.spki()) for class_id in classes}
        if named != made:
            raise Refused("entry 0 does not name just the issuer keys that this registrar made for the draft")
        if any(set(letter.classes[class_id].attesters) != set(item.attesters) for class_id, item in classes.items()):
            raise Refused("entry 0 names other attesters than the draft")
        if any(
            item.eligible not in (msgspec.UNSET, letter.classes[number].eligible) for number, item in classes.items()
        ):
            raise Refused("entry 0 says another number of eligible people than the draft")
        if self._office.storage.letter_of_slug(letter.slug) is not None:
            raise Refused("the registrar has a letter of this name already")

    def _desk(self, row: LetterRow) -> Desk:
        assert row.lid is not None
        if row.state in ("forgetting", "forgotten"):
            raise Refused(
                "the registrar has destroyed its keys for this letter: it can neither issue nor check any more"
            )
        if row.lid not in self._desks:
            self._desks[row.lid] = self._open(row)
        return self._desks[row.lid]

    def _open(self, row: LetterRow) -> Desk:
        assert row.lid is not None
        assert row.entry is not None
        letter, folder = Letter.from_entry(row.entry), self._folder(row.lid)
        classes = _read_classes(row.classes)
        return Desk(
            letter=letter,
            draft=row.draft,
            registrar=_own_id(letter, self._office.public_key),
            classes=classes,
            issuers={class_id: keys.read_issuer(folder, class_id) for class_id in classes},
            inner=InnerKey(keys.read(folder, "k1")),
            outer=OuterKey(keys.read(folder, "k2")),
            column=keys.ColumnKey(keys.read(folder, "column")),
        )

    def _folder(self, name: bytes) -> Path:
        return self._office.keys / name.hex()

    def _name_keys(self, draft: bytes, lid: bytes) -> None:
        """Rename the folder; it may be done already, when the machine stopped before the database knew."""
        if self._folder(draft).is_dir():
            os.rename(self._folder(draft), self._folder(lid))
            sync_folder(self._office.keys)


def _check_draft(slug: str, classes: Sequence[DraftClass]) -> None:
    if not _SLUG.fullmatch(slug):
        raise Malformed("a slug has small letters, digits and dashes, 64 at most")
    ids = [item.id for item in classes]
    if not ids or len(set(ids)) != len(ids):
        raise Malformed("a draft names one class or more, each once")
    for item in classes:
        if not item.attesters or any(name not in OFFERED for name in item.attesters):
            raise Malformed(f"class {item.id} needs attesters that this registrar offers: {', '.join(OFFERED)}")
        for domain in item.domains:
            read_domain(domain)
        if "e-mail" in item.attesters and not item.domains and "roster" not in item.attesters:
            raise Malformed(f"class {item.id} takes e-mail codes: name the mail domains of its members")


def _read_classes(data: bytes) -> dict[int, DraftClass]:
    return {item.id: item for item in msgspec.json.decode(data, type=list[DraftClass])}


def _own_id(letter: Letter, key: bytes) -> int:
    own = next((item.id for item in letter.registrars.values() if item.key == key), None)
    if own is None:
        raise Refused("entry 0 does not name this registrar's key")
    return own


def _acceptance(desk: Desk) -> entries.Registrar:
    attesters = {name for item in desk.classes.values() for name in item.attesters}
    return entries.Registrar(
        registrar=desk.registrar,
        issuers=[
            entries.IssuerHash(class_=class_id, spki_hash=sha256(key.public.spki()))
            for class_id, key in sorted(desk.issuers.items())
        ],
        attesters=[name for name in OFFERED if name in attesters],
        statement=STATEMENT,
    )
