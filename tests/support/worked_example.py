"""The worked example of spec/: one small letter in which every kind of entry occurs, rebuilt from published secrets.

`make example` runs this file. Only HPKE draws chance of its own, so envelopes are made once and kept; all else is the
same bytes every time, which tests/spec holds.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from msgspec import UNSET, UnsetType

from support.example_cast import DAY, DEADLINE, EXAMPLE, HOUR, PEOPLE, START, make_cast, make_person
from support.letters import Cast, MemoryLog, Person
from undersigned.cli.verify import verdict_json
from undersigned.crypto import blind_rsa, ed25519, hpke
from undersigned.evidence import encode_evidence, fork
from undersigned.protocol import blob as blobs
from undersigned.protocol import entry as entries
from undersigned.protocol import sealing, token
from undersigned.protocol.dossier import write_zip
from undersigned.protocol.encoding import sha256, to_jcs
from undersigned.protocol.letter import Letter
from undersigned.protocol.opening import make_list
from undersigned.protocol.order import in_order
from undersigned.protocol.promise import encode_promise, make_promise
from undersigned.protocol.receipt import encode_receipt, lock_secret, make_receipt, with_proof
from undersigned.transparency.checkpoint import Checkpoint, sign_checkpoint
from undersigned.transparency.merkle import Tree, leaf_hash
from undersigned.transparency.proof import TlogProof
from undersigned.verifier import verify_dossier

ROSTER, OPEN = 2, 6  # methods of attestation


@dataclass(kw_only=True)
class Story:
    """The example as it is being told: secrets and kept envelopes in; the log and its files out."""

    secrets: Mapping[str, Any]
    kept: Mapping[str, bytes]
    log: MemoryLog = field(init=False)
    people: dict[str, Person] = field(init=False)
    index: dict[str, int] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)

    @property
    def cast(self) -> Cast:
        return self.log.cast

    @property
    def letter(self) -> Letter:
        return self.log.cast.letter

    def note(self, name: str, entry: entries.Entry, *, by: bytes, blob: bytes | None = None) -> int:
        """Sign an entry with the seed `by`, append it, remember its index under `name`."""
        self.index[name] = self.log.append(self.cast.sign(entry, by), blob)
        return self.index[name]

    def blob(self, name: str, blob: entries.Part) -> bytes:
        """The bytes of a blob, kept as a file."""
        self.files[f"blobs/{name}.json"] = to_jcs(blob)
        return self.files[f"blobs/{name}.json"]

    def card(self, name: str) -> bytes:
        """A person's public blob."""
        return to_jcs(self._public_blob(name))

    def _public_blob(self, name: str) -> blobs.PublicBlob:
        person, class_id = self.people[name], PEOPLE[name][1]
        method, attested = (ROSTER, 3) if class_id == 1 else (OPEN, 0)
        message = token.certificate_message(
            lid=self.letter.lid,
            class_id=class_id,
            method=method,
            attested=attested,
            commitment=token.commitment(r=person.r, key=person.key),
            card_hash=blobs.card_hash(person.card),
        )
        sig = ed25519.sign(self.cast.registrars[1], message)
        identity = blobs.Identity(registrar=1, method=method, attested=attested, sig=sig)
        return blobs.PublicBlob(card=person.card, r=person.r, identities=[identity])

    def token(self, name: str) -> bytes:
        """A person's token, by the blind protocol with the chance that the secrets fix."""
        chance, class_id = self.secrets["people"][name], PEOPLE[name][1]
        private = self.cast.issuers[1, class_id]
        prefix, salt = bytes.fromhex(chance["prefix"]), bytes.fromhex(chance["pss_salt"])
        message = token.token_message(lid=self.letter.lid, class_id=class_id, key=self.people[name].key)
        prepared = blind_rsa.prepare(message, prefix=prefix)
        r = int(chance["blinding"], 16)
        blinded, inverse = blind_rsa.blind_with(private.public, prepared, salt=salt, r=r)
        return prefix + blind_rsa.finalize(private.public, prepared, blind_rsa.blind_sign(private, blinded), inverse)

    def envelope(self, name: str, *, tier: int) -> bytes:
        """The kept envelope if it is the one the secrets give but for HPKE's own chance, else one sealed now."""
        file = f"envelopes/{name.split()[0].lower()}-tier-{tier}.usb1"
        number = sum(path.startswith(file.rpartition("-")[0]) for path in self.files)
        chance = self.secrets["people"][name]["sealings"][number]
        drawn = iter([bytes.fromhex(chance["dek"]), *map(bytes.fromhex, chance["coefficients"])])
        fresh = sealing.seal(
            self._public_blob(name),
            letter=self.letter,
            tier=tier,
            key=self.people[name].key,
            seal_keys=self.cast.seal_keys(tier),
            randbytes=lambda count: next(drawn),
        )
        kept = self.kept.get(file)
        usable = kept is not None and self._without_hpke(kept, tier) == self._without_hpke(fresh, tier)
        self.files[file] = kept if kept is not None and usable else fresh
        return self.files[file]

    def _without_hpke(self, data: bytes, tier: int) -> list[bytes]:
        envelope = sealing.read_envelope(data, letter=self.letter, tier=tier)
        rows = [bytes([row.x]) + row.share_hash for row in envelope.rows]
        return [envelope.dek_hash, envelope.open_hash, envelope.box, *rows]

    def signature(self, name: str, mode: entries.Mode, *, tier: int = 0) -> tuple[bytes, bytes | None]:
        """A person's signature under the current text, and its blob."""
        blob = None
        if mode != "anonymous":
            blob = self.card(name) if mode == "public" else self.envelope(name, tier=tier)
        person = self.people[name]
        entry = entries.Signature(
            text_hash=self.log.state.text_hash,
            class_=PEOPLE[name][1],
            mode=mode,
            tier=tier,
            key=person.key,
            tokens=[self.token(name)],
            blob=UNSET if blob is None else sha256(blob),
        )
        return self.cast.sign(entry, person.seed), blob

    def sign(self, name: str, mode: entries.Mode, *, tier: int = 0) -> None:
        data, blob = self.signature(name, mode, tier=tier)
        self.index[name] = self.log.append(data, blob)


def tell(secrets: Mapping[str, Any], kept: Mapping[str, bytes]) -> Story:
    """The whole letter, and its files by path under spec/example."""
    story = Story(secrets=secrets, kept=kept)
    story.people = {name: make_person(name, secrets) for name in PEOPLE}
    story.log = MemoryLog(cast=make_cast(secrets))
    _begin(story)
    _sign(story)
    _lapse(story)
    _open(story)
    _lose_one(story)
    _close(story)
    _collect(story)
    return story


def _begin(story: Story) -> None:
    """Everybody accepts: entries 1 to 7."""
    cast, letter = story.cast, story.letter
    issuers = [entries.IssuerHash(class_=item, spki_hash=many[0].spki_hash) for item, many in letter.issuing.items()]
    accepts = entries.Registrar(
        registrar=1, issuers=issuers, attesters=["roster", "open"], statement="We keep no list of who asked."
    )
    story.note("registrar", accepts, by=cast.registrars[1])
    for number, seed in cast.trustees.items():
        keys = [hpke.public_key(one) for one in cast.seal_seeds[number]]
        statement = "I will open names only when the letter's rules hold."
        story.note(f"trustee {number}", entries.Trustee(trustee=number, seal_keys=keys, statement=statement), by=seed)
    for class_id in (1, 2):
        issuance = entries.Issuance(registrar=1, class_=class_id, issued=10)
        story.note(f"issuance {class_id}", issuance, by=cast.registrars[1])
    manifest = sha256(b"the manifest of a browser bundle")
    story.note("client", entries.Client(manifest=manifest), by=cast.log)


def _sign(story: Story) -> None:
    """Two sign, the text changes, one goes along and one leaves, others come: entries 8 to 25."""
    cast = story.cast
    story.sign("Ada Okafor", "public")
    story.sign("Hal Jensen", "public")
    _state(
        story, 1, "event", party="Staff council", text="The board met on Friday.", source="https://example.org/minutes"
    )
    story.note("amendment", _amendment(story), by=cast.organizer)
    ada, hal = story.people["Ada Okafor"], story.people["Hal Jensen"]
    story.note("consent", entries.Consent(key=ada.key, text_hash=story.log.state.text_hash), by=ada.seed)
    story.note("withdrawal", entries.Withdrawal(key=hal.key), by=hal.seed)
    story.sign("Fay Moreau", "public")
    _sign_batch(story)
    story.note("reached 1", entries.Reached(tier=1), by=cast.log)
    cem = story.people["Cem Aydın"]
    envelope = story.envelope("Cem Aydın", tier=2)
    condition = entries.Condition(key=cem.key, tier=2, blob=sha256(envelope))
    story.note("condition", condition, by=cem.seed, blob=envelope)
    story.note("reached 2", entries.Reached(tier=2), by=cast.log)
    standing = entries.Standing(index=story.index["Ada Okafor"], standing="lead", by=1)
    story.note("standing", standing, by=cast.registrars[1])
    words = blobs.RemarkBlob(salt=_salt(story, "remark"), text="I have waited long enough.")
    data = story.blob("remark", words)
    story.note("remark", entries.Remark(key=ada.key, type="opening", blob=sha256(data)), by=ada.seed, blob=data)
    _state(story, 2, "response", party="The board", text="We have read the letter.", source="https://example.com/board")
    proof = blobs.ConfirmationBlob(
        salt=_salt(story, "confirmation"), method="e-mail", proof="A code sent to board@example.com was returned."
    )
    data = story.blob("confirmation", proof)
    confirmation = entries.Confirmation(registrar=1, statement=2, method="e-mail", blob=sha256(data))
    story.note("confirmation", confirmation, by=cast.registrars[1], blob=data)


def _sign_batch(story: Story) -> None:
    """Sealed and anonymous signatures come out together, by leaf hash."""
    made = {name: story.signature(name, "sealed", tier=1) for name in ("Bea Lindqvist", "Cem Aydın", "Ivo Novák")}
    made["Dan"] = story.signature("Dan", "anonymous")
    names = {data: name for name, (data, _) in made.items()}
    for data, _ in in_order((data, entries.decode_entry(data)) for data in names):
        story.index[names[data]] = story.log.append(data, made[names[data]][1])


def _lapse(story: Story) -> None:
    """A hold, a freeze nobody answers, 14 days."""
    log = story.log
    size = _hold(story, START + 2 * DAY)
    story.note("freeze 1", entries.Freeze(tier=2, since=size, until=size), by=story.cast.log)
    log.witness(START + 4 * DAY + HOUR)
    log.witness(START + 18 * DAY + 2 * HOUR)
    lapse = entries.Lapse(freeze=story.index["freeze 1"], since=log.size, until=log.size)
    story.note("lapse", lapse, by=story.cast.log)


def _open(story: Story) -> None:
    """The tiers are reached anew; after the hold the trustees open two names, without the one who left by word."""
    log, cast = story.log, story.cast
    for tier in (1, 2):
        story.note(f"reached {tier} again", entries.Reached(tier=tier), by=cast.log)
    size = _hold(story, START + 19 * DAY)
    story.note("freeze 2", entries.Freeze(tier=2, since=size, until=size), by=cast.log)
    log.witness(START + 21 * DAY + HOUR)
    ivo = story.people["Ivo Novák"]
    left = entries.decode_entry(cast.sign(entries.Withdrawal(key=ivo.key), ivo.seed))
    assert isinstance(left, entries.Withdrawal)
    story.index["opening"] = log.open((1, 3), [left])
    log.witness(START + 21 * DAY + 2 * HOUR)


def _lose_one(story: Story) -> None:
    """One more seals a name; the host loses the envelope; the second opening is called off."""
    log, cast = story.log, story.cast
    story.sign("Kim Tran", "sealed", tier=1)
    for tier in (1, 2):
        story.note(f"reached {tier} a third time", entries.Reached(tier=tier), by=cast.log)
    size = _hold(story, START + 22 * DAY)
    kim = story.index["Kim Tran"]
    log.sealed.pop(log.record(kim).blob or b"")
    story.note("missing", entries.Missing(trustee=2, indexes=[kim]), by=cast.trustees[2])
    story.note("freeze 3", entries.Freeze(tier=2, since=size, until=size), by=cast.log)
    log.witness(START + 24 * DAY + HOUR)
    listed, _ = make_list(log.state, log.findings((1, 2)), [])
    story.index["abort"] = log.append(log.quorum_entry(listed, (1, 2)), listed=listed)


def _close(story: Story) -> None:
    """A dispute, a removal, the deadline, and what is destroyed after it."""
    log, cast, fay = story.log, story.cast, story.index["Fay Moreau"]
    story.note("dispute", entries.Dispute(registrar=1, index=fay, state="open"), by=cast.registrars[1])
    story.note("removal", entries.Removal(index=fay, code="dispute"), by=cast.log)
    log.witness(DEADLINE - 60)
    log.witness(DEADLINE + 60)
    story.note("closing", entries.Closing(by="log", reason="deadline"), by=cast.log)
    story.note("final issuance", entries.Issuance(registrar=1, class_=1, issued=8), by=cast.registrars[1])
    for number, seed in cast.trustees.items():
        gone = entries.Destruction(role="trustee", by=number, what="seal seeds of tiers 1, 2")
        story.note(f"destruction {number}", gone, by=seed)
    story.note("destruction", entries.Destruction(role="log", by=0, what="sealed envelopes"), by=cast.log)
    log.witness(DEADLINE + 29 * DAY)


def _hold(story: Story, at: int) -> int:
    """Witness the head now and again after the hold; its size."""
    story.log.witness(at)
    story.log.witness(at + story.letter.publication.hold_seconds)
    return story.log.size


def _state(story: Story, number: int, type_: Any, *, party: str, text: str, source: str) -> None:
    words = blobs.StatementBlob(salt=_salt(story, f"statement {number}"), party=party, text=text, source=source)
    data = story.blob(f"statement-{number}", words)
    statement = entries.Statement(id=number, type=type_, blob=sha256(data))
    story.note(f"statement {number}", statement, by=story.cast.organizer, blob=data)


def _amendment(story: Story) -> entries.Amendment:
    first = story.letter.publication
    return entries.Amendment(
        title=first.title,
        language=first.language,
        text=first.text,
        addressee=first.addressee,
        demands=[*first.demands, entries.Demand(id=3, text="Publish the minutes.")],
        pledge=first.pledge,
        summary="A third demand.",
    )


def _collect(story: Story) -> None:
    """The files that pages and other programs read."""
    log, files = story.log, story.files
    for number, data in enumerate(log.log):
        files[f"entries/{number:02}-{entries.kind_of(entries.decode_entry(data))}.json"] = data
    files["letter.dossier"] = write_zip(log.dossier())
    hashes = {"lid": story.letter.lid, "text_hash": story.letter.text_hash, "text_hash at 11": log.state.text_hash}
    files["hashes.txt"] = "".join(f"{name:15}  {value.hex()}\n" for name, value in hashes.items()).encode()
    names = sorted(log.dossier().items())
    files["dossier.txt"] = "".join(f"{len(data):6} {name}\n" for name, data in names).encode()
    files["checkpoint.txt"] = log.head
    files |= {f"checkpoints/{name}.txt": note for name, note in log.checkpoints.items()}
    files["blobs/public.json"] = story.card("Ada Okafor")
    opening, abort = (entries.decode_entry(log.log[story.index[name]]) for name in ("opening", "abort"))
    assert isinstance(opening, entries.Opening)
    assert isinstance(abort, entries.Abort)
    files["lists/opening.json"], files["lists/abort.json"] = log.lists[opening.list_hash], log.lists[abort.list_hash]
    for index, data in log.opened.items():
        files[f"opened/{index}.bin"] = data
    files["policy.txt"] = story.letter.publication.policy.encode()
    verdict = verdict_json(verify_dossier(log.dossier()))
    files["verdict.json"] = (json.dumps(verdict, indent=2, ensure_ascii=False) + "\n").encode()
    files["exchange/sig.json"] = _sig_message(story, opening)
    _keep_receipt(story)
    _tell_on_the_log(story)


def _sig_message(story: Story, opening: entries.Opening) -> bytes:
    """What trustee 1 told the others when it signed the list."""
    assert not isinstance(opening.sigs, UnsetType)
    bare: dict[str, Any] = {"freeze": opening.freeze, "from": 1, "to": 0, "type": "sig", "part": 1, "parts": 1}
    bare["payload"] = opening.list_hash + opening.sigs[0].sig
    message = b"undersigned/v1/exchange-message\0" + story.letter.lid + to_jcs(bare)
    return to_jcs(bare | {"sig": ed25519.sign(story.cast.trustees[1], message)})


def _keep_receipt(story: Story) -> None:
    """Ada's promise, proof and receipt."""
    log, index, ada = story.log, story.index["Ada Okafor"], story.people["Ada Okafor"]
    entry, chance = log.log[index], story.secrets["receipt"]
    promise = make_promise(
        entry, key=ada.key, latest=START + DAY, letter=story.letter, seed=bytes.fromhex(story.secrets["promise"])
    )
    proof = TlogProof(index=index, hashes=tuple(log.tree.inclusion_proof(index, log.size)), checkpoint=log.head)
    locked = lock_secret(ada.seed, passphrase=chance["passphrase"], randbytes=lambda _: bytes.fromhex(chance["salt"]))
    receipt = make_receipt(
        letter=story.letter, entry=entry, promise=promise, blob=story.card("Ada Okafor"), secret=locked
    )
    story.files["ada.promise"] = encode_promise(promise)
    story.files["ada.tlog-proof"] = proof.encode()
    story.files["ada.receipt"] = encode_receipt(with_proof(receipt, proof.encode()))


def _tell_on_the_log(story: Story) -> None:
    """What would prove a fork: the log's key signing 30 entries too of which the last is another one."""
    log = story.log
    other = Tree([*(log.tree.node(0, index) for index in range(29)), leaf_hash(log.log[30])])
    checkpoint = Checkpoint(origin=story.letter.origin, size=other.size, root_hash=other.root())
    lie = sign_checkpoint(checkpoint, seed=story.cast.log).encode()
    story.files["fork.evidence"] = encode_evidence(fork(story.letter, lie, log.head, tree=log.tree))


def _salt(story: Story, name: str) -> bytes:
    return bytes.fromhex(story.secrets["salts"][name])


def read_envelopes() -> dict[str, bytes]:
    """The committed envelopes by path under spec/example."""
    return {path.relative_to(EXAMPLE).as_posix(): path.read_bytes() for path in EXAMPLE.glob("envelopes/*.usb1")}


def write(files: Mapping[str, bytes], folder: Path) -> None:
    """Write files by path under a folder."""
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
