"""Letters for tests: a whole cast with its keys, and a small log in memory with witnesses whose clocks we set."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import msgspec
from msgspec import UNSET

from undersigned.crypto import blind_rsa, ed25519, hpke
from undersigned.errors import UndersignedError
from undersigned.protocol import blob as blobs
from undersigned.protocol import entry as entries
from undersigned.protocol import opening, sealing, token
from undersigned.protocol.dossier import build_dossier
from undersigned.protocol.encoding import sha256, to_jcs
from undersigned.protocol.entry import Entry, encode_entry, message_to_sign
from undersigned.protocol.letter import Letter, sign_publication
from undersigned.protocol.opening_list import OpeningList, encode_opening_list, opening_list_hash
from undersigned.protocol.replay import begin, replay
from undersigned.protocol.state import LetterState, Record
from undersigned.transparency import cosignature
from undersigned.transparency.checkpoint import Checkpoint, sign_checkpoint
from undersigned.transparency.merkle import Tree, leaf_hash
from undersigned.transparency.note import Note, cosignature_vkey, ed25519_vkey

START = 1_800_000_000
ORIGIN = "letters.example.org/l/board"


@lru_cache
def issuer_key(number: int) -> blind_rsa.PrivateKey:
    """One of a few RSA-2048 keys, made once per run."""
    return blind_rsa.PrivateKey.generate(2048)


@dataclass(frozen=True, kw_only=True)
class Person:
    """A signatory: the fresh key, and the card with its commitment."""

    seed: bytes
    key: bytes
    r: bytes
    card: blobs.Card


@dataclass(kw_only=True)
class Cast:
    """Everybody of one letter, with every secret."""

    letter: Letter
    rng: random.Random
    organizer: bytes
    log: bytes
    promise: bytes
    registrars: dict[int, bytes]
    issuers: dict[tuple[int, int], blind_rsa.PrivateKey]
    trustees: dict[int, bytes]
    seal_seeds: dict[int, list[bytes]]
    witnesses: dict[str, bytes]

    def seal_keys(self, tier: int) -> list[bytes]:
        """The trustees' seal keys of a tier, in entry-0 order."""
        return [hpke.public_key(self.seal_seeds[trustee][tier - 1]) for trustee in self.letter.trustees]

    def sign(self, entry: Entry, seed: bytes) -> bytes:
        """The bytes of an entry of this letter, signed."""
        sig = ed25519.sign(seed, message_to_sign(entry, lid=self.letter.lid))
        return encode_entry(msgspec.structs.replace(entry, sig=sig))

    def accept(self, *, issued: int | None = None) -> list[bytes]:
        """The acceptance of every registrar and trustee, and the first issuance of every class."""
        found = []
        for number, seed in self.registrars.items():
            own = [
                entries.IssuerHash(class_=class_id, spki_hash=one.spki_hash)
                for class_id, many in self.letter.issuing.items()
                for one in many
                if one.registrar.id == number
            ]
            attesters = self.letter.publication.classes[0].attesters
            acceptance = entries.Registrar(registrar=number, issuers=own, attesters=attesters, statement="We attest.")
            found.append(self.sign(acceptance, seed))
        for number, seed in self.trustees.items():
            keys = [hpke.public_key(one) for one in self.seal_seeds[number]]
            found.append(self.sign(entries.Trustee(trustee=number, seal_keys=keys, statement="I open."), seed))
        for class_id, many in self.letter.issuing.items():
            bound = self.letter.classes[class_id].eligible or 1_000
            for one in many:
                figure = bound if issued is None else issued
                entry = entries.Issuance(registrar=one.registrar.id, class_=class_id, issued=figure)
                found.append(self.sign(entry, self.registrars[one.registrar.id]))
        return found

    def person(self, name: str = "Ada Example", title: str = "Engineer") -> Person:
        """Somebody new."""
        seed = self.rng.randbytes(32)
        card = blobs.Card(name=name, title=title, salt=self.rng.randbytes(32))
        return Person(seed=seed, key=ed25519.public_key(seed), r=self.rng.randbytes(32), card=card)

    def tokens(self, person: Person, class_id: int = 1) -> list[bytes]:
        """One token of each registrar of the class, through the real blinding."""
        return [self._token(person, class_id, one.registrar.id) for one in self.letter.issuing[class_id]]

    def _token(self, person: Person, class_id: int, registrar: int) -> bytes:
        private = self.issuers[registrar, class_id]
        prefix = self.rng.randbytes(32)
        message = token.token_message(lid=self.letter.lid, class_id=class_id, key=person.key)
        prepared = blind_rsa.prepare(message, prefix=prefix)
        blinded, inverse = blind_rsa.blind(private.public, prepared, randbytes=self.rng.randbytes)
        return prefix + blind_rsa.finalize(private.public, prepared, blind_rsa.blind_sign(private, blinded), inverse)

    def public_blob(self, person: Person, class_id: int = 1, attested: int = 3) -> blobs.PublicBlob:
        """The card with a certificate of each registrar."""
        commitment = token.commitment(r=person.r, key=person.key)
        identities = []
        for one in self.letter.issuing[class_id]:
            message = token.certificate_message(
                lid=self.letter.lid,
                class_id=class_id,
                method=2,
                attested=attested,
                commitment=commitment,
                card_hash=blobs.card_hash(person.card),
            )
            sig = ed25519.sign(self.registrars[one.registrar.id], message)
            identities.append(blobs.Identity(registrar=one.registrar.id, method=2, attested=attested, sig=sig))
        return blobs.PublicBlob(card=person.card, r=person.r, identities=identities)

    def envelope(self, person: Person, tier: int, class_id: int = 1) -> bytes:
        """The person's name sealed at a tier."""
        return sealing.seal(
            self.public_blob(person, class_id),
            letter=self.letter,
            tier=tier,
            key=person.key,
            seal_keys=self.seal_keys(tier),
            randbytes=self.rng.randbytes,
        )

    def signature(
        self,
        person: Person,
        mode: entries.Mode = "public",
        *,
        tier: int = 0,
        class_id: int = 1,
        text_hash: bytes | None = None,
        blob: bytes | None = None,
    ) -> tuple[bytes, bytes | None]:
        """A signature's entry and its blob (none if anonymous); `blob` replaces an honest envelope or card."""
        if mode == "public" and blob is None:
            blob = to_jcs(self.public_blob(person, class_id))
        if mode == "sealed" and blob is None:
            blob = self.envelope(person, tier, class_id)
        entry = entries.Signature(
            text_hash=text_hash or self.letter.text_hash,
            class_=class_id,
            mode=mode,
            tier=tier,
            key=person.key,
            tokens=self.tokens(person, class_id),
            blob=UNSET if blob is None else sha256(blob),
        )
        return self.sign(entry, person.seed), blob

    def withdrawal(self, person: Person) -> bytes:
        """The person leaves."""
        return self.sign(entries.Withdrawal(key=person.key), person.seed)


def make_letter(
    *,
    tiers: Sequence[int] = (5, 8),
    trustees: int = 5,
    quorum: int = 3,
    witnesses: int = 4,
    witness_quorum: int = 3,
    eligible: int = 770,
    hold: int = 100,
    deadline: int = START + 100_000,
    seed: int = 1,
    modes: Sequence[entries.Mode] = ("public", "anonymous", "sealed"),
    origin: str = ORIGIN,
    friends: bool = True,
    registrars_per_class: int = 1,
    **changes: object,
) -> Cast:
    """A letter with real keys from a seed: class 1 is staff and counts, class 2 (friends) does not."""
    rng = random.Random(seed)
    secrets = {name: rng.randbytes(32) for name in ("organizer", "log", "promise")}
    registrars = {number: rng.randbytes(32) for number in range(1, registrars_per_class + 1)}
    trustee_seeds = {number: rng.randbytes(32) for number in range(1, trustees + 1)}
    witness_seeds = {f"w{number}.example.org": rng.randbytes(32) for number in range(1, witnesses + 1)}
    classes = [("Staff", eligible, "register of staff", True)]
    classes += [("Friends", 0, "", False)] if friends else []
    issuers = {
        (registrar, class_id): issuer_key(10 * registrar + class_id)
        for class_id in range(1, len(classes) + 1)
        for registrar in registrars
    }
    publication = entries.Publication(
        title="To the board",
        language="en",
        text="We, the undersigned, ask the board to resign.\n\nYou have failed us.",
        addressee="The board",
        demands=[entries.Demand(id=1, text="Resign."), entries.Demand(id=2, text="Appoint a new board.")],
        pledge="We may leave.",
        origin=origin,
        log_vkey=ed25519_vkey(origin, ed25519.public_key(secrets["log"])).encode(),
        policy=policy_text(witness_seeds, witness_quorum),
        shape="one-process",
        classes=[
            entries.Class(
                id=number,
                name=name,
                eligible=size,
                source=source,
                namespace="roster",
                attesters=["roster"],
                issuers=[entries.Issuer(registrar=one, spki=issuers[one, number].public.spki()) for one in registrars],
                counts=counts,
            )
            for number, (name, size, source, counts) in enumerate(classes, 1)
        ],
        tiers=[entries.Tier(id=number, at_least=at_least) for number, at_least in enumerate(tiers, 1)],
        modes=list(modes),
        trustees=[
            entries.Party(id=number, name=f"Trustee {number}", key=ed25519.public_key(one))
            for number, one in trustee_seeds.items()
        ],
        quorum=quorum if trustees else 0,
        deadline=deadline,
        hold_seconds=hold,
        batch_seconds=0,
        margin_seconds=10,
        forget_seconds=100,
        registrars=[
            entries.Party(id=number, name=f"Registrar {number}", key=ed25519.public_key(one))
            for number, one in registrars.items()
        ],
        promise_key=ed25519.public_key(secrets["promise"]),
        organizer_key=ed25519.public_key(secrets["organizer"]),
    )
    publication = msgspec.structs.replace(publication, **changes)
    return Cast(
        letter=Letter.from_entry(sign_publication(publication, seed=secrets["organizer"])),
        rng=rng,
        registrars=registrars,
        issuers=issuers,
        trustees=trustee_seeds,
        seal_seeds={number: [rng.randbytes(32) for _ in tiers] for number in trustee_seeds},
        witnesses=witness_seeds,
        **secrets,
    )


def policy_text(witnesses: dict[str, bytes], quorum: int) -> str:
    """A C2SP policy: `quorum` of these witnesses."""
    if not witnesses:
        return "quorum none\n"
    lines = [
        f"witness {name.split('.')[0]} {cosignature_vkey(name, ed25519.public_key(seed)).encode()}"
        for name, seed in witnesses.items()
    ]
    names = " ".join(name.split(".")[0] for name in witnesses)
    return "\n".join([*lines, f"group all-of-them {quorum} {names}", "quorum all-of-them", ""])


@dataclass(kw_only=True)
class MemoryLog:
    """A letter's log in memory: what it takes it has verified, checked and applied, as every room does."""

    cast: Cast
    log: list[bytes] = field(default_factory=list)
    tree: Tree = field(default_factory=Tree)
    blobs: dict[bytes, bytes] = field(default_factory=dict)
    sealed: dict[bytes, bytes] = field(default_factory=dict)
    lists: dict[bytes, bytes] = field(default_factory=dict)
    opened: dict[int, bytes] = field(default_factory=dict)
    checkpoints: dict[str, bytes] = field(default_factory=dict)
    head: bytes = b""
    state: LetterState = field(init=False)

    def __post_init__(self) -> None:
        self.state = begin(self.cast.letter)
        self._take(self.cast.letter.data)

    @property
    def size(self) -> int:
        return len(self.log)

    def append(self, data: bytes, blob: bytes | None = None, *, listed: OpeningList | None = None) -> int:
        """Check and take the next entry with what lies beside it; its index."""
        lists = {}
        if listed is not None:
            encoded = encode_opening_list(listed)
            lists[opening_list_hash(encoded)] = encoded
        replay(self.state, [data], lists={**self.lists, **lists})
        self.lists |= lists
        entry = entries.decode_entry(data)
        if blob is not None:
            sealed = (isinstance(entry, entries.Signature) and entry.mode == "sealed") or (
                isinstance(entry, entries.Condition) and entry.tier > 0
            )
            (self.sealed if sealed else self.blobs)[sha256(blob)] = blob
        self._take(data)
        return self.size - 1

    def log_entry(self, entry: Entry) -> int:
        """An entry signed by the log itself."""
        return self.append(self.cast.sign(entry, self.cast.log))

    def witness(self, at: int, *, names: Sequence[str] | None = None) -> bytes:
        """Checkpoint now, cosigned at Unix second `at` by all witnesses (or those named); kept as first and last."""
        checkpoint = Checkpoint(origin=self.cast.letter.origin, size=self.size, root_hash=self.tree.root())
        note = sign_checkpoint(checkpoint, seed=self.cast.log)
        extra = tuple(
            cosignature.cosign(note.text, name=name, seed=seed, timestamp=at)
            for name, seed in self.cast.witnesses.items()
            if names is None or name in names
        )
        self.head = Note(text=note.text, signatures=(*note.signatures, *extra)).encode()
        self.checkpoints.setdefault(f"{self.size}.first", self.head)
        self.checkpoints[f"{self.size}.last"] = self.head
        return self.head

    def record(self, index: int) -> Record:
        return self.state.by_index[index]

    def dossier(self) -> dict[str, bytes]:
        """The dossier's files as they are now; call `witness` first."""
        live = {
            record.blob
            for record in self.state.by_index.values()
            if record.mode == "public" and record.withdrawn is None and record.removed is None
        }
        cards = {sha256(blob): blob for blob in self.blobs.values()}
        signed = {record.blob for record in self.state.by_index.values()}
        return build_dossier(
            letter=self.cast.letter,
            entries=self.log,
            checkpoint=self.head,
            checkpoints=self.checkpoints,
            blobs={key: blob for key, blob in cards.items() if key in live or key not in signed},
            opened=self.opened,
            lists=self.lists,
        )

    def findings(self, trustees: Sequence[int] = (1, 2, 3)) -> list[opening.Finding]:
        """What these trustees find in the frozen set, honestly."""
        frozen, letter = self.state.frozen, self.cast.letter
        assert frozen is not None
        found = []
        for index in sorted(frozen.members):
            record = self.record(index)
            blob = self.sealed.get(record.blob or b"")
            shares = {trustee: self._share(record, blob, trustee) for trustee in trustees}
            finding = opening.examine(record, blob, shares, letter=letter)
            assert finding is not None
            found.append(finding)
        return found

    def open(self, trustees: Sequence[int] = (1, 2, 3), left: Sequence[entries.Withdrawal] = ()) -> int:
        """Let the trustees open the frozen set, and publish the names; the index of the opening."""
        findings = self.findings(trustees)
        listed, _ = opening.make_list(self.state, findings, left)
        index = self.append(self.quorum_entry(listed, trustees), listed=listed)
        keys = {finding.index: finding.open_key for finding in findings}
        for named in self.state.rounds[-1].named:
            blob = self.sealed.pop(self.record(named).blob or b"")
            self.opened[named] = (keys[named] or b"") + blob
        return index

    def quorum_entry(self, listed: OpeningList, trustees: Sequence[int]) -> bytes:
        """The opening or abort of a list, signed by these trustees."""
        assert self.state.frozen is not None
        kind = entries.Opening if listed.indexes else entries.Abort
        bare = kind(freeze=self.state.frozen.index, list_hash=opening_list_hash(encode_opening_list(listed)))
        message = message_to_sign(bare, lid=self.cast.letter.lid)
        sigs = [entries.TrusteeSig(trustee=one, sig=ed25519.sign(self.cast.trustees[one], message)) for one in trustees]
        return encode_entry(msgspec.structs.replace(bare, sigs=sigs))

    def freeze(self, tier: int, *, at: int) -> int:
        """`reached` if due, a witnessed hold beginning at `at`, and the freeze; the index of the freeze."""
        if tier not in self.state.reached:
            self.log_entry(entries.Reached(tier=tier))
        since = self.size
        self.witness(at)
        self.witness(at + self.cast.letter.publication.hold_seconds)
        return self.log_entry(entries.Freeze(tier=tier, since=since, until=since))

    def _share(self, record: Record, blob: bytes | None, trustee: int) -> bytes | None:
        try:
            envelope = sealing.read_envelope(blob or b"", letter=self.cast.letter, tier=record.tier)
            seed = self.cast.seal_seeds[trustee][record.tier - 1]
            key = record.entry.key
            return sealing.open_share(envelope, letter=self.cast.letter, trustee=trustee, key=key, seed=seed)
        except UndersignedError:
            return None

    def _take(self, data: bytes) -> None:
        self.log.append(data)
        self.tree.append(leaf_hash(data))


def begun(cast: Cast, *, issued: int | None = None) -> MemoryLog:
    """A log in which every registrar and trustee has accepted."""
    log = MemoryLog(cast=cast)
    for data in cast.accept(issued=issued):
        log.append(data)
    return log
