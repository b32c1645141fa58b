"""A small letter to which everything happens that can happen to a letter: each kind of entry is in its log."""

from copy import copy
from functools import lru_cache

from msgspec import UNSET

from support.letters import START, Cast, MemoryLog, Person, begun, make_letter
from undersigned.protocol import blob as blobs
from undersigned.protocol import entry as entries
from undersigned.protocol.encoding import sha256, to_jcs
from undersigned.protocol.letter import text_hash
from undersigned.transparency.merkle import Tree, leaf_hash

DAY = 24 * 3600
DEADLINE = START + 40 * DAY


@lru_cache
def whole_letter() -> MemoryLog:
    """The finished log, its head witnessed; read it, and leave it as it is."""
    return tell()


def tell(*, seed: int = 1) -> MemoryLog:
    """1. people sign  2. an envelope of garbage is called off  3. a freeze lapses  4. names open  5. all ends."""
    cast = make_letter(tiers=(3, 5), trustees=3, quorum=2, deadline=DEADLINE, seed=seed)
    log = begun(cast)
    people = [cast.person(f"Person {number}", "Engineer") for number in range(1, 8)]
    _sign(log, people)  # 1
    _call_off(log)  # 2
    _lapse(log)  # 3
    log.freeze(1, at=START + 30 * DAY)  # 4
    log.open()
    _afterwards(log, people)
    log.witness(DEADLINE + 1)
    log.append(cast.sign(entries.Closing(by="log", reason="The deadline has passed."), cast.log))  # 5
    log.append(cast.sign(entries.Issuance(registrar=1, class_=1, issued=20), cast.registrars[1]))
    stated = entries.Destruction(role="trustee", by=2, what="the seed of tier 2")
    log.append(cast.sign(stated, cast.trustees[2]))
    log.witness(DEADLINE + 100)
    return log


def _sign(log: MemoryLog, people: list[Person]) -> None:
    """Two public, one of them leaving; an anonymous; a friend; then a newer version to which some consent."""
    cast = log.cast
    first, leaver, nobody, friend = people[:4]
    log.log_entry(entries.Client(manifest=bytes(32)))
    log.append(*cast.signature(first))
    log.append(*cast.signature(leaver))
    log.append(*cast.signature(nobody, "anonymous"))
    log.append(*cast.signature(friend, class_id=2))
    log.append(cast.withdrawal(leaver))
    log.append(amendment(cast, text="We, the undersigned, ask the board to resign today."))
    log.append(consent(log, first))
    log.append(*said(log, about="response"))
    proof = to_jcs(blobs.ConfirmationBlob(salt=bytes(32), method="e-mail", proof="A code to press@example.org"))
    confirmed = entries.Confirmation(registrar=1, statement=1, method="e-mail", blob=sha256(proof))
    log.append(cast.sign(confirmed, cast.registrars[1]), proof)


def _call_off(log: MemoryLog) -> None:
    """A third name would tip tier 1, and is garbage."""
    newest = log.state.text_hash
    log.append(*log.cast.signature(log.cast.person("Second"), text_hash=newest))
    garbage = log.cast.person("Garbage")
    log.append(*log.cast.signature(garbage, "sealed", tier=1, text_hash=newest, blob=b"no envelope"))
    log.freeze(1, at=START)
    log.open()


def _lapse(log: MemoryLog) -> None:
    """Three seal, one moving down a tier; the first freeze is never answered. One envelope is missing."""
    cast, newest = log.cast, log.state.text_hash
    for name in ("Sealed one", "Sealed two"):
        log.append(*cast.signature(cast.person(name), "sealed", tier=1, text_hash=newest))
    mover = cast.person("Mover")
    log.append(*cast.signature(mover, "sealed", tier=2, text_hash=newest))
    envelope = cast.envelope(mover, 1)
    log.append(cast.sign(entries.Condition(key=mover.key, tier=1, blob=sha256(envelope)), mover.seed), envelope)
    lost = log.append(*cast.signature(cast.person("Lost"), "sealed", tier=2, text_hash=newest))
    log.append(cast.sign(entries.Missing(trustee=1, indexes=[lost]), cast.trustees[1]))
    frozen = log.freeze(1, at=START + DAY)
    since = log.size
    log.witness(START + 2 * DAY)
    log.witness(START + 17 * DAY)
    log.log_entry(entries.Lapse(freeze=frozen, since=since, until=since))


def _afterwards(log: MemoryLog, people: list[Person]) -> None:
    """A remark, a mark of standing, a dispute settled, a removal."""
    cast = log.cast
    first = log.state.records[people[0].key].index
    words = to_jcs(blobs.RemarkBlob(salt=bytes(32), text="I meant every word."))
    log.append(cast.sign(entries.Remark(key=people[0].key, type="deed", blob=sha256(words)), people[0].seed), words)
    log.append(cast.sign(entries.Standing(index=first, standing="lead", by=0), cast.organizer))
    for state in ("open", "settled"):
        log.append(cast.sign(entries.Dispute(registrar=1, index=first, state=state), cast.registrars[1]))
    second = next(record.index for record in log.state.effective() if record.mode == "public" and record.index != first)
    log.log_entry(entries.Removal(index=second, code="asked"))


def amendment(cast: Cast, *, text: str, summary: str = "Sharper.") -> bytes:
    """A newer version of the text, by the organizer."""
    first = cast.letter.publication
    new = entries.Amendment(
        title=first.title,
        language=first.language,
        text=text,
        addressee=first.addressee,
        demands=first.demands,
        pledge=first.pledge,
        summary=summary,
    )
    return cast.sign(new, cast.organizer)


def consent(log: MemoryLog, person: Person) -> bytes:
    """The person also stands under the current version."""
    newest = text_hash(log.state.versions[-1].fields)
    return log.cast.sign(entries.Consent(key=person.key, text_hash=newest), person.seed)


def said(
    log: MemoryLog, *, about: str = "update", number: int = 1, text: str = "We have read it."
) -> tuple[bytes, bytes]:
    """A statement and its blob."""
    blob = to_jcs(
        blobs.StatementBlob(
            salt=bytes(32), party="The board", text=text, source="https://example.org/answer", places=UNSET
        )
    )
    statement = entries.Statement(id=number, type=about, blob=sha256(blob))
    return log.cast.sign(statement, log.cast.organizer), blob


def forged(log: MemoryLog, data: list[bytes], *, at: int, names: list[str] | None = None) -> dict[str, bytes]:
    """The dossier a host would give out after `data`, unasked, became its log; `names`: the witnesses that help it."""
    lie = copy(log)
    lie.log, lie.tree = list(data), Tree(leaf_hash(one) for one in data)
    lie.checkpoints = {name: note for name, note in log.checkpoints.items() if int(name.split(".")[0]) <= len(data)}
    lie.witness(at, names=names)
    return lie.dossier()
