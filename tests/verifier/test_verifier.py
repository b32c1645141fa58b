"""The honest dossier holds, and each broken one fails at the step that should notice."""

import random
from collections.abc import Callable

import msgspec
import pytest

from support import flip_bit
from support.letters import START, MemoryLog, begun, make_letter, policy_text
from support.whole import DEADLINE, forged, said, whole_letter
from undersigned.crypto import ed25519
from undersigned.errors import Malformed
from undersigned.protocol import entry as entries
from undersigned.protocol.dossier import read_zip, tile_files, write_zip
from undersigned.protocol.encoding import sha256, to_jcs
from undersigned.protocol.entry import decode_entry
from undersigned.transparency import cosignature
from undersigned.transparency.checkpoint import Checkpoint, sign_checkpoint
from undersigned.transparency.note import Note, parse_note
from undersigned.transparency.policy import parse_policy
from undersigned.verifier import UNPROVABLE, Verdict, verify_dossier

LOG = whole_letter()
CAST = LOG.cast
FILES = LOG.dossier()
PACKED = write_zip(FILES)
END = DEADLINE + 200
Files = dict[str, bytes]


def failed(verdict: Verdict) -> tuple[int, str]:
    """The number of the one step that failed, with its sentence."""
    assert not verdict.ok
    ((n, detail),) = [(step.n, step.detail) for step in verdict.steps if step.ok is False]
    assert [step.ok for step in verdict.steps] == [True] * (n - 1) + [False] + [None] * (len(verdict.steps) - n)
    return n, detail


def one(folder: str, *, last: bool = False) -> str:
    """A file of a folder."""
    return sorted(name for name in FILES if name.startswith(folder))[-1 if last else 0]


def without(name: str) -> Files:
    assert name in FILES
    return {key: data for key, data in FILES.items() if key != name}


def swapped(name: str, other: str) -> Files:
    return {**FILES, name: FILES[other], other: FILES[name]}


# The honest dossier


def test_an_honest_dossier_holds_and_says_so_in_numbered_steps():
    verdict = verify_dossier(FILES)
    assert verdict.ok
    assert [step.n for step in verdict.steps] == list(range(1, 11))
    assert all(step.ok and step.detail and step.page.startswith("spec/") for step in verdict.steps)
    assert (verdict.witnessed, verdict.own_policy, verdict.warnings) == (True, False, ())
    assert verdict.letter is not None
    assert verdict.letter.lid == CAST.letter.lid
    assert "witnesses the letter itself names" in verdict.steps[3].detail


def test_a_verdict_names_who_is_public_or_opened_and_nobody_else():
    verdict = verify_dossier(FILES)
    assert sorted(blob.card.name for blob in verdict.names.values()) == [
        "Mover",
        "Person 1",
        "Person 4",
        "Sealed one",
        "Sealed two",
    ]


def test_the_letter_asked_for_by_its_lid_is_the_one_found():
    assert verify_dossier(FILES, lid=CAST.letter.lid).ok
    n, detail = failed(verify_dossier(FILES, lid=bytes(32)))
    assert (n, detail) == (1, "this is another letter than the one asked for: its lid differs")


def test_progress_ends_at_the_last_entry():
    heard: list[tuple[int, int]] = []
    verify_dossier(FILES, progress=lambda done, total: heard.append((done, total)))
    assert heard[-1] == (LOG.size, LOG.size)


def test_what_no_file_can_show_is_said():
    assert len(UNPROVABLE) == 5


def test_a_policy_of_the_readers_own_is_named_and_must_be_met():
    own = parse_policy(CAST.letter.publication.policy)
    verdict = verify_dossier(FILES, policy=own)
    assert (verdict.ok, verdict.own_policy) == (True, True)
    assert "the reader's own policy" in verdict.steps[3].detail
    all_four = parse_policy(CAST.letter.publication.policy.replace("all-of-them 3", "all-of-them 4"))
    assert verify_dossier(FILES, policy=all_four).ok
    strangers = {f"x{number}.example.org": bytes([number]) * 32 for number in range(1, 4)}
    n, detail = failed(verify_dossier(FILES, policy=parse_policy(policy_text(strangers, 2))))
    assert (n, detail) == (4, "the checkpoint is not cosigned by enough witnesses of the policy")


def test_a_reader_who_asks_for_no_witnesses_is_told_by_whose_word_it_all_is():
    verdict = verify_dossier(FILES, policy=parse_policy("quorum none\n"))
    assert verdict.ok
    assert not verdict.witnessed
    assert verdict.warnings == ("times and single history by the host's word: the policy asks for no witnesses",)
    assert verdict.steps[5].detail == "by the host's word"


def test_a_letter_that_has_just_begun_holds():
    log = begun(make_letter())
    log.witness(START)
    verdict = verify_dossier(log.dossier())
    assert verdict.ok
    assert verdict.figures is not None
    assert verdict.figures.signatures == 0


# Each broken thing

SIGNED = next(record for record in LOG.state.effective() if record.mode == "public")
PUBLIC_BLOB = f"blobs/{(SIGNED.blob or b'').hex()}"
OPENED = one("opened/")
NOTE = parse_note(FILES["checkpoint"])


def other_letter() -> MemoryLog:
    log = begun(make_letter(tiers=(3, 5), trustees=3, quorum=2, deadline=DEADLINE, seed=2))
    log.witness(START)
    return log


def checkpoint_of(log: MemoryLog, *, root: bytes | None = None, seed: bytes = CAST.log, origin: str = "") -> bytes:
    """The head of a log as its host would sign it, cosigned by every witness."""
    head = Checkpoint(origin=origin or log.cast.letter.origin, size=log.size, root_hash=root or log.tree.root())
    note = sign_checkpoint(head, seed=seed)
    lines = [cosignature.cosign(note.text, name=n, seed=s, timestamp=END) for n, s in CAST.witnesses.items()]
    return Note(text=note.text, signatures=(*note.signatures, *lines)).encode()


def with_line(data: bytes, name: str, seed: bytes) -> bytes:
    note = parse_note(data)
    return Note(
        text=note.text,
        signatures=(*note.signatures, cosignature.cosign(note.text, name=name, seed=seed, timestamp=END)),
    ).encode()


def stripped(data: bytes, keep: int) -> bytes:
    note = parse_note(data)
    return Note(text=note.text, signatures=note.signatures[:keep]).encode()


BROKEN: dict[str, tuple[Callable[[], Files], int, str]] = {
    "no files at all": (dict, 1, "has no checkpoint"),
    "no checkpoint": (lambda: without("checkpoint"), 1, "has no checkpoint"),
    "a checkpoint of words": (lambda: {**FILES, "checkpoint": b"42 entries"}, 1, "a note is a text"),
    "no README": (lambda: without("README"), 1, "README is not the one"),
    "another README": (lambda: {**FILES, "README": FILES["README"] + b"Trust me.\n"}, 1, "README is not the one"),
    "a bundle missing": (lambda: without(one("tile/entries")), 1, "the dossier lacks tile/entries"),
    "a bundle cut short": (
        lambda: {**FILES, one("tile/entries"): FILES[one("tile/entries")][:-1]},
        1,
        "bundle does not hold exactly the entries",
    ),
    "a log of the empty tree": (
        lambda: {**FILES, "checkpoint": begun_checkpoint_of_nothing()},
        1,
        "the dossier's log is empty",
    ),
    "another letter's checkpoint": (lambda: {**FILES, "checkpoint": other_letter().head}, 1, ""),
    "a head signed by another key": (
        lambda: {**FILES, "checkpoint": checkpoint_of(LOG, seed=CAST.promise)},
        2,
        "no signature by the expected key",
    ),
    "a head of another origin": (
        lambda: {**FILES, "checkpoint": checkpoint_of(LOG, origin="letters.example.org/l/other")},
        2,
        "the checkpoint is of another log",
    ),
    "another root under the log's own signature": (
        lambda: {**FILES, "checkpoint": checkpoint_of(LOG, root=bytes(32))},
        3,
        "do not give the root hash",
    ),
    "a tile swapped": (
        lambda: {**FILES, "tile/0/000.p/42": bytes(32 * 42)},
        3,
        "tile/0/000.p/42 is not what the entries give",
    ),
    "a tile missing": (lambda: without("tile/0/000.p/42"), 3, "is not what the entries give"),
    "two entries exchanged": (lambda: exchanged(), 3, "is not what the entries give"),
    "no cosignatures": (
        lambda: {**FILES, "checkpoint": stripped(FILES["checkpoint"], 1)},
        4,
        "not cosigned by enough witnesses",
    ),
    "two of three cosignatures": (
        lambda: {**FILES, "checkpoint": stripped(FILES["checkpoint"], 3)},
        4,
        "not cosigned by enough witnesses",
    ),
    "a line of somebody who is no witness": (
        lambda: {**FILES, "checkpoint": with_line(FILES["checkpoint"], "eve.example.org", bytes(32))},
        4,
        "somebody who is no witness",
    ),
    "a line of somebody who is no witness under a kept checkpoint": (
        lambda: {**FILES, one("checkpoints/"): with_line(FILES[one("checkpoints/")], "eve.example.org", bytes(32))},
        4,
        "somebody who is no witness",
    ),
    "a witness's line twice": (
        lambda: {**FILES, "checkpoint": with_line(FILES["checkpoint"], *next(iter(CAST.witnesses.items())))},
        4,
        "two signatures by one key",
    ),
    "a fork among the kept checkpoints": (lambda: {**FILES, **fork()}, 4, "this letter was forked"),
    "a kept checkpoint from a longer history": (lambda: {**FILES, **future()}, 4, "this letter was forked"),
    "a kept checkpoint under another size": (
        lambda: {**FILES, "checkpoints/7.first": FILES[one("checkpoints/")]},
        4,
        "under another size than its own",
    ),
    "a kept checkpoint of another letter": (
        lambda: {**FILES, one("checkpoints/"): other_letter().head},
        4,
        "",
    ),
    "no list": (lambda: without(one("lists/")), 5, "the list of this opening is not there"),
    "a list under the name of another": (
        lambda: swapped(one("lists/"), one("lists/", last=True)),
        5,
        "the list of this opening is not there",
    ),
    "an entry signed by nobody": (lambda: with_entry(unsigned_removal()), 5, "entry 42: this removal is not signed"),
    "a second signature of one key": (
        lambda: with_entry(LOG.log[SIGNED.index]),
        5,
        "entry 42: the letter is closed",
    ),
    "the start of a hold missing": (lambda: without_hold(), 6, "names checkpoints that no witness quorum has signed"),
    "no checkpoint from past the deadline": (lambda: without_deadline(), 6, "its deadline had passed"),
    "a name card missing": (lambda: without(PUBLIC_BLOB), 7, "stands without the name card it must have"),
    "a name card changed": (
        lambda: {**FILES, PUBLIC_BLOB: FILES[PUBLIC_BLOB].replace(b"Person", b"Parson")},
        7,
        "a blob that no living entry names",
    ),
    "two blobs exchanged": (lambda: swapped(one("blobs/"), one("blobs/", last=True)), 7, "no living entry names"),
    "the card of somebody who left": (lambda: {**FILES, **withdrawn_card()}, 7, "no living entry names"),
    "a sealed envelope in the clear": (lambda: {**FILES, **sealed_blob()}, 7, "no living entry names"),
    "a blob under a name that is no hash": (lambda: {**FILES, "blobs/readme.txt": b"x"}, 7, "not named by a hash"),
    "a blob under a hash in capitals": (
        lambda: {**without(PUBLIC_BLOB), PUBLIC_BLOB.upper().replace("BLOBS", "blobs"): FILES[PUBLIC_BLOB]},
        7,
        "not named by a hash",
    ),
    "an opened name missing": (lambda: without(OPENED), 8, "was never published by the trustees"),
    "an opened name under another index": (
        lambda: swapped(OPENED, one("opened/", last=True)),
        8,
        "is not the one in the log",
    ),
    "another key for an opened name": (
        lambda: {**FILES, OPENED: bytes(32) + FILES[OPENED][32:]},
        8,
        "does not hold: box",
    ),
    "an opened name cut short": (lambda: {**FILES, OPENED: FILES[OPENED][:20]}, 8, "is not the one in the log"),
    "a name opened that nobody listed": (
        lambda: {**FILES, "opened/3": FILES[OPENED]},
        8,
        "opens a name that no opening lists",
    ),
    "a file that has no place": (lambda: {**FILES, "notes.txt": b"hello"}, 9, "1 files that have no place"),
    "a tile of another width": (
        lambda: {**FILES, "tile/0/000.p/7": FILES["tile/0/000.p/42"][: 7 * 32]},
        9,
        "1 files that have no place",
    ),
    "a list of no opening": (lambda: {**FILES, f"lists/{bytes(32).hex()}": b"{}"}, 9, "have no place"),
}


def begun_checkpoint_of_nothing() -> bytes:
    return checkpoint_of(MemoryLogOfNothing())


class MemoryLogOfNothing:
    """Enough of a log for an empty head."""

    cast, size = CAST, 0

    class tree:  # noqa: N801
        root = staticmethod(lambda: sha256(b""))


def exchanged() -> Files:
    data = list(LOG.log)
    data[5], data[6] = data[6], data[5]
    bundle = next(name for name in FILES if name.startswith("tile/entries"))
    return {**FILES, bundle: tile_files(data)[bundle]}


def fork() -> Files:
    """At the size of a kept checkpoint, another history, signed by the log and cosigned by all."""
    name = one("checkpoints/")
    size = int(name.split("/")[1].split(".")[0])
    head = Checkpoint(origin=CAST.letter.origin, size=size, root_hash=bytes(32))
    note = sign_checkpoint(head, seed=CAST.log)
    return {name: note.encode()}


def future() -> Files:
    head = Checkpoint(origin=CAST.letter.origin, size=LOG.size + 1, root_hash=LOG.tree.root())
    return {f"checkpoints/{LOG.size + 1}.last": sign_checkpoint(head, seed=CAST.log).encode()}


def with_entry(data: bytes) -> Files:
    return forged(LOG, [*LOG.log, data], at=END)


def unsigned_removal() -> bytes:
    return CAST.sign(entries.Removal(index=SIGNED.index, code="court"), CAST.organizer)


def without_hold() -> Files:
    since = LOG.state.freezes[0].since
    return {
        name: data
        for name, data in FILES.items()
        if name not in (f"checkpoints/{since}.first", f"checkpoints/{since}.last")
    }


def without_deadline() -> Files:
    closed = LOG.state.closed
    return {name: data for name, data in FILES.items() if not name.startswith(f"checkpoints/{closed}.")}


def withdrawn_card() -> Files:
    left = next(record for record in LOG.state.by_index.values() if record.withdrawn is not None)
    return {f"blobs/{left.blob.hex()}": LOG.blobs[left.blob]} if left.blob else {}


def sealed_blob() -> Files:
    digest, data = next(iter(LOG.sealed.items()))
    return {f"blobs/{digest.hex()}": data}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_dossier_with(fault):
    broken, step, sentence = BROKEN[fault]
    n, detail = failed(verify_dossier(broken()))
    assert sentence in detail
    assert n == step if sentence else n <= step + 3
    assert "\n" not in detail


# Bits


def test_of_2_000_random_bits_of_a_zipped_dossier_each_one_flipped_is_refused():
    rng = random.Random(2_000)
    for _ in range(2_000):
        data = flip_bit(PACKED, rng.randrange(8 * len(PACKED)))
        try:
            files = read_zip(data)
        except Malformed:
            continue
        assert not verify_dossier(files).ok


def test_a_bit_flipped_in_any_file_of_an_unpacked_dossier_is_refused():
    rng = random.Random(600)
    for name in [*FILES, *rng.choices(list(FILES), k=370)]:
        changed = {**FILES, name: flip_bit(FILES[name], rng.randrange(8 * len(FILES[name])))}
        assert not verify_dossier(changed).ok, name


def test_any_one_file_taken_away_is_noticed_unless_it_is_a_checkpoint_that_shows_no_time():
    for name in FILES:
        verdict = verify_dossier(without(name))
        if not name.startswith("checkpoints/") and name not in _statements():
            assert not verdict.ok, name


def _statements() -> set[str]:
    """Words beside the log may be erased at any time: no count rests on them."""
    state = LOG.state
    digests = [one.blob for _, one in (*state.statements.values(), *state.confirmations, *state.remarks)]
    return {f"blobs/{digest.hex()}" for digest in digests}


# Inflating the count


def test_one_forged_signature_in_each_of_1_000_dossiers_is_rejected():
    """T7: a host without its witnesses, or with all of them and without a registrar, or with everything but a token."""
    log = begun(make_letter(tiers=(3, 5), trustees=3, quorum=2), issued=5)
    people = [log.cast.person() for _ in range(3)]
    for person in people:
        log.append(*log.cast.signature(person))
    log.append(*log.cast.signature(log.cast.person(), "anonymous"))
    leaver = log.cast.person()
    log.append(*log.cast.signature(leaver))
    log.append(log.cast.withdrawal(leaver))
    log.witness(START)
    honest = log.dossier()
    assert verify_dossier(honest).ok
    rng = random.Random(7)
    forgeries = [
        lambda: (_invented(log, rng), None),
        lambda: (_invented(log, rng), ["w1.example.org", "w2.example.org"]),
        lambda: (_copied(log, people, rng), None),
        lambda: (_in_another_class(log, people, rng), None),
        lambda: ([*log.log[:-1]], ["w1.example.org"]),
        lambda: ([*log.log, log.log[rng.randrange(6, 10)]], None),
        lambda: ([*log.log, log.cast.signature(log.cast.person(), "anonymous")[0]], None),
    ]
    for number in range(1_000):
        data, names = forgeries[number % len(forgeries)]()
        verdict = verify_dossier(forged(log, data, at=START + 1, names=names))
        assert not verdict.ok


def _invented(log: MemoryLog, rng: random.Random) -> list[bytes]:
    """A fresh key without a token."""
    seed = rng.randbytes(32)
    entry = entries.Signature(
        text_hash=log.state.text_hash,
        class_=1,
        mode="anonymous",
        tier=0,
        key=ed25519.public_key(seed),
        tokens=[rng.randbytes(288)],
    )
    return [*log.log, log.cast.sign(entry, seed)]


def _copied(log: MemoryLog, people, rng: random.Random) -> list[bytes]:
    """A fresh key with somebody else's token."""
    seed = rng.randbytes(32)
    entry = log.state.records[rng.choice(people).key].entry
    copy = msgspec.structs.replace(entry, key=ed25519.public_key(seed))
    return [*log.log, log.cast.sign(copy, seed)]


def _in_another_class(log: MemoryLog, people, rng: random.Random) -> list[bytes]:
    person = rng.choice(people)
    entry = msgspec.structs.replace(log.state.records[person.key].entry, class_=2)
    return [*log.log, log.cast.sign(entry, person.seed)]


def test_a_host_that_goes_beyond_the_tokens_issued_is_rejected_even_with_its_registrar():
    log = begun(make_letter(tiers=(3, 5), trustees=3, quorum=2), issued=1)
    log.append(*log.cast.signature(log.cast.person()))
    data, blob = log.cast.signature(log.cast.person())
    log.blobs[sha256(blob or b"")] = blob or b""
    n, detail = failed(verify_dossier(forged(log, [*log.log, data], at=START)))
    assert n == 5
    assert "more signatures than tokens issued" in detail


def test_a_public_signature_cannot_borrow_the_card_of_somebody_else():
    """Two entries, one blob: the card is read for each of them, whichever comes last."""
    log = begun(make_letter())
    honest, blob = log.cast.signature(first := log.cast.person())
    borrower = log.cast.person()
    borrowed, _ = log.cast.signature(borrower, blob=blob)
    for order in ((borrowed, honest), (honest, borrowed)):
        lie = begun(log.cast)
        for data in order:
            lie.append(data, blob)
        lie.witness(START)
        n, detail = failed(verify_dossier(lie.dossier()))
        assert n == 7
        assert "has not attested this name" in detail
    assert first.key != borrower.key


def test_a_public_signature_cannot_hide_its_missing_card_behind_a_statement():
    """A statement by the same hash needs no blob; the signature still does."""
    log = begun(make_letter())
    data, blob = log.cast.signature(log.cast.person())
    log.append(data)
    cover = entries.Statement(id=1, type="update", blob=sha256(blob or b""))
    log.append(log.cast.sign(cover, log.cast.organizer))
    log.witness(START)
    n, detail = failed(verify_dossier(log.dossier()))
    assert (n, detail) == (7, "a public signature stands without the name card it must have")


# Names that may be missing


def test_a_suspended_name_may_be_hidden_and_comes_back_when_the_dispute_is_settled():
    log = begun(make_letter(tiers=(2,), trustees=3, quorum=2))
    public = log.append(*log.cast.signature(log.cast.person("Public")))
    sealed = log.append(*log.cast.signature(log.cast.person("Sealed"), "sealed", tier=1))
    log.freeze(1, at=START)
    log.open()
    for index in (public, sealed):
        dispute = entries.Dispute(registrar=1, index=index, state="open")
        log.append(log.cast.sign(dispute, log.cast.registrars[1]))
    log.witness(START + 500)
    hidden = {name: data for name, data in log.dossier().items() if not name.startswith(("blobs/", "opened/"))}
    for files in (log.dossier(), hidden):
        verdict = verify_dossier(files)
        assert verdict.ok
        assert verdict.names == {}
        assert verdict.figures is not None
        assert (verdict.figures.disputed, verdict.figures.signatures) == (2, 0)
    for index in (public, sealed):
        settled = entries.Dispute(registrar=1, index=index, state="settled")
        log.append(log.cast.sign(settled, log.cast.registrars[1]))
    log.witness(START + 600)
    assert set(verify_dossier(log.dossier()).names) == {public, sealed}
    still = {name: data for name, data in log.dossier().items() if not name.startswith("opened/")}
    assert failed(verify_dossier(still))[0] == 8


def test_an_opened_name_that_was_withdrawn_is_gone_from_the_dossier_and_may_not_stay():
    log = begun(make_letter(tiers=(2,), trustees=3, quorum=2))
    log.append(*log.cast.signature(log.cast.person()))
    person = log.cast.person()
    index = log.append(*log.cast.signature(person, "sealed", tier=1))
    log.freeze(1, at=START)
    log.open()
    log.append(log.cast.withdrawal(person))
    log.witness(START + 500)
    n, detail = failed(verify_dossier(log.dossier()))
    assert (n, detail) == (8, "the dossier opens a name that no opening lists, or that has left")
    del log.opened[index]
    assert verify_dossier(log.dossier()).ok


def test_statements_may_be_erased_and_are_read_where_they_are_kept():
    log = begun(make_letter())
    log.append(*said(log))
    bad = b'{"salt":"x"}'
    log.append(log.cast.sign(entries.Statement(id=2, type="update", blob=sha256(bad)), log.cast.organizer), bad)
    log.witness(START)
    assert failed(verify_dossier(log.dossier()))[0] == 7
    log.blobs.clear()
    assert verify_dossier(log.dossier()).ok


def test_any_entry_of_the_log_changed_by_its_host_is_refused():
    rng = random.Random(3)
    for index in range(1, LOG.size):
        data = LOG.log[index]
        fields = msgspec.json.decode(data)
        name = rng.choice([name for name in fields if name not in ("kind", "v", "sig", "sigs")])
        if isinstance(fields[name], int) and not isinstance(fields[name], bool):
            fields[name] += 1
        elif isinstance(fields[name], str):
            fields[name] = fields[name][:-1] + ("A" if fields[name][-1:] != "A" else "B")
        else:
            fields[name] = []
        lie = [*LOG.log[:index], to_jcs(fields), *LOG.log[index + 1 :]]
        files = forged(LOG, lie, at=START)
        files = {name: note for name, note in files.items() if not name.startswith("checkpoints/")}
        n, detail = failed(verify_dossier(files))
        assert n == 5
        assert detail.startswith(f"entry {index}: ")
        assert decode_entry(data)
