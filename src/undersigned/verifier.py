"""From a dossier's files to a verdict in numbered steps: what was checked, by which page, and whether it holds.

Pure: files come in as bytes by name, a policy of the reader's own as text. spec/verify.md.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial

from undersigned.errors import Malformed, UndersignedError, VerificationError
from undersigned.protocol import blob as blobs
from undersigned.protocol import entry as entries
from undersigned.protocol import times as time_rules
from undersigned.protocol.blob import PublicBlob
from undersigned.protocol.dossier import read_entries, readme, tile_files
from undersigned.protocol.encoding import sha256
from undersigned.protocol.entry import Entry
from undersigned.protocol.figures import Figures, figures
from undersigned.protocol.letter import Letter
from undersigned.protocol.opening import check_open_key
from undersigned.protocol.replay import begin, replay
from undersigned.protocol.sealing import open_box, read_envelope
from undersigned.protocol.state import LetterState, Record
from undersigned.transparency import merkle
from undersigned.transparency.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint
from undersigned.transparency.note import parse_note
from undersigned.transparency.policy import Policy

Progress = Callable[[int, int], None]
UNPROVABLE = (
    "who was given a token: with one registrar, a dishonest one could invent signatories up to the stated number",
    "that envelopes still sealed hold valid names",
    "that keys, tags and envelopes said to be destroyed are gone",
    "that no quorum of trustees looked early",
    "that the host never turned somebody away before promising anything",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One check: `ok` is None when it could not be reached because an earlier one failed."""

    n: int
    name: str
    page: str
    ok: bool | None
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a dossier shows. `letter`, `figures` and the rest are None as far as a failed step hides them."""

    ok: bool
    steps: tuple[Step, ...]
    letter: Letter | None
    checkpoint: Checkpoint | None
    state: LetterState | None
    figures: Figures | None
    witnessed: bool
    own_policy: bool
    warnings: tuple[str, ...]
    names: Mapping[int, PublicBlob]


@dataclass(slots=True)
class _Work:
    """What the steps hand on to one another."""

    files: Mapping[str, bytes]
    policy: Policy | None
    lid: bytes | None
    progress: Progress | None
    used: set[str] = field(default_factory=lambda: {"checkpoint", "README"})
    letter: Letter | None = None
    log: list[bytes] = field(default_factory=list)
    tree: merkle.Tree = field(default_factory=merkle.Tree)
    checkpoint: Checkpoint | None = None
    times: time_rules.WitnessTimes = field(default_factory=time_rules.WitnessTimes)
    state: LetterState | None = None
    closings: list[int] = field(default_factory=list)
    witnessed: bool = False
    names: dict[int, PublicBlob] = field(default_factory=dict)
    figures: Figures | None = None
    warnings: list[str] = field(default_factory=list)

    @property
    def chosen(self) -> Policy:
        assert self.letter is not None
        return self.policy or self.letter.policy


def verify_dossier(
    files: Mapping[str, bytes],
    *,
    policy: Policy | None = None,
    lid: bytes | None = None,
    progress: Progress | None = None,
) -> Verdict:
    """Check a dossier from its files by name. `policy`: the reader's own witnesses; `lid`: the letter it must be.

    Never raises for what is in the files: a failed step ends the checking and says why. `progress` hears
    (entries done, entries in all).
    """
    work = _Work(files=files, policy=policy, lid=lid, progress=progress)
    steps: list[Step] = []
    failed = False
    for n, (name, page, check) in enumerate(_STEPS, 1):
        ok: bool | None = None
        detail = "not reached"
        if not failed:
            try:
                detail, ok = check(work), True
            except UndersignedError as refusal:
                detail, ok, failed = str(refusal), False, True
        steps.append(Step(n=n, name=name, page=page, ok=ok, detail=detail))
    return Verdict(
        ok=not failed,
        steps=tuple(steps),
        letter=work.letter,
        checkpoint=work.checkpoint,
        state=work.state,
        figures=work.figures,
        witnessed=work.witnessed,
        own_policy=policy is not None,
        warnings=tuple(work.warnings),
        names=work.names,
    )


def _read_letter(work: _Work) -> str:
    if "checkpoint" not in work.files:
        raise Malformed("the dossier has no checkpoint")
    size = parse_checkpoint(parse_note(work.files["checkpoint"]).text).size
    if size == 0:
        raise Malformed("the dossier's log is empty")
    work.log = read_entries(work.files, size)
    work.letter = Letter.from_entry(work.log[0])
    if work.lid is not None and work.lid != work.letter.lid:
        raise VerificationError("this is another letter than the one asked for: its lid differs")
    if work.files.get("README") != readme(work.letter):
        raise VerificationError("the README is not the one every dossier of this letter carries")
    return f"“{work.letter.publication.title}”, lid {work.letter.lid.hex()[:16]}…, signed by its organizer"


def _check_head(work: _Work) -> str:
    assert work.letter is not None
    work.checkpoint, _ = open_checkpoint(work.files["checkpoint"], work.letter.log_vkey)
    return f"{work.checkpoint.size:,} entries, origin {work.checkpoint.origin}, signed by the key in entry 0"


def _check_tree(work: _Work) -> str:
    assert work.checkpoint is not None
    work.tree = merkle.Tree([merkle.leaf_hash(data) for data in work.log])
    tiles = tile_files(work.log, work.tree)
    for path, data in tiles.items():
        if work.files.get(path) != data:
            raise VerificationError(f"{path} is not what the entries give")
    work.used |= set(tiles)
    root = work.tree.root()
    if root != work.checkpoint.root_hash:
        raise VerificationError("the entries do not give the root hash of the checkpoint")
    return f"all entries and {len(tiles):,} tiles give root {root.hex()[:16]}…"


def _check_witnesses(work: _Work) -> str:
    assert work.letter is not None
    notes = {name: data for name, data in work.files.items() if name.startswith("checkpoints/")}
    for name, data in notes.items():
        checkpoint, _ = open_checkpoint(data, work.letter.log_vkey)
        if name not in (f"checkpoints/{checkpoint.size}.first", f"checkpoints/{checkpoint.size}.last"):
            raise VerificationError("a kept checkpoint lies under another size than its own")
        if checkpoint.size > work.tree.size or work.tree.root(checkpoint.size) != checkpoint.root_hash:
            raise VerificationError("a kept checkpoint shows another history than the log: this letter was forked")
    work.used |= set(notes)
    every = [work.files["checkpoint"], *notes.values()]
    for data in every:
        _refuse_strangers(data, work.letter, work.chosen)
    work.times = time_rules.witness_times(every, letter=work.letter, policy=work.policy)
    if not work.chosen.has_quorum:
        work.warnings.append("times and single history by the host's word: the policy asks for no witnesses")
        return "no witnesses asked for: times and single history by the host's word"
    stamps = work.chosen.check(parse_note(work.files["checkpoint"]))
    work.witnessed = True
    whose = "the reader's own policy" if work.policy else "witnesses the letter itself names"
    return f"{len(stamps)} of {len(work.chosen.witnesses)} cosigned this head, by {whose}"


def _refuse_strangers(data: bytes, letter: Letter, policy: Policy) -> None:
    """Every line under a checkpoint must be one that was checked: the log's or a named witness's."""
    vkeys = [letter.log_vkey, *(one.vkey for many in (letter.policy, policy) for one in many.witnesses.values())]
    known = {(vkey.name, vkey.key_id) for vkey in vkeys}
    letter.policy.timestamps(parse_note(data))
    if any((line.name, line.key_id) not in known for line in parse_note(data).signatures):
        raise VerificationError("a checkpoint carries a line of somebody who is no witness of this letter")


def _replay(work: _Work) -> str:
    assert work.letter is not None
    total = len(work.log)
    work.state = begin(work.letter, time_rules.late_from(work.times, letter=work.letter))
    lists = {bytes.fromhex(name[6:]): data for name, data in _hashed(work, "lists/")}

    def before(state: LetterState, entry: Entry) -> None:
        if isinstance(entry, entries.Opening | entries.Abort):
            work.used.add(f"lists/{entry.list_hash.hex()}")
        _check_time(work, state, entry)
        if work.progress and (state.size % 64 == 0 or state.size == total - 1):
            work.progress(state.size + 1, total)

    replay(work.state, work.log[1:], lists=lists, before=before)
    return f"{total:,} entries, each signed by whom it must be and allowed by the letter's rules where it stands"


def _check_time(work: _Work, state: LetterState, entry: Entry) -> None:
    """Collects what the time step looks at, where the state just before an entry is needed."""
    if isinstance(entry, entries.Freeze) and work.chosen.has_quorum:
        time_rules.check_highest(state, entry, times=work.times)
    if isinstance(entry, entries.Closing) and entry.by == "log":
        work.closings.append(state.size)


def _check_times(work: _Work) -> str:
    assert work.letter is not None
    assert work.state is not None
    if not work.chosen.has_quorum:
        return "by the host's word"
    for frozen in work.state.freezes:
        time_rules.check_freeze(frozen, times=work.times, letter=work.letter)
    for _, lapse in work.state.lapses:
        time_rules.check_lapse(lapse, times=work.times)
    for index in work.closings:
        time_rules.check_closing(index, times=work.times, letter=work.letter)
    late = time_rules.overdue(work.state, times=work.times)
    work.warnings += [f"OVERDUE: tier {tier} was reached and held, and a day later is not frozen" for tier in late]
    return f"{len(work.state.freezes)} holds, {len(work.state.lapses)} lapses, deadline: by the witnesses' clocks"


def _check_blobs(work: _Work) -> str:
    assert work.letter is not None
    assert work.state is not None
    expected = _expected_blobs(work)
    found = dict(_hashed(work, "blobs/"))
    for name, data in found.items():
        digest = bytes.fromhex(name[6:])
        if sha256(data) != digest or digest not in expected:
            raise VerificationError("the dossier carries a blob that no living entry names")
        work.used.add(name)
    for digest, readers in expected.items():
        kept = found.get(f"blobs/{digest.hex()}")
        for required, read in readers:
            if kept is not None:
                read(kept)
            elif required:
                raise VerificationError("a public signature stands without the name card it must have")
    return f"{len(found):,} name cards and statements match their entries and their registrars' certificates"


def _expected_blobs(work: _Work) -> dict[bytes, list[tuple[bool, Callable[[bytes], object]]]]:
    """By hash: for each living entry that names the blob, whether it must be here, and how it is read."""
    assert work.state is not None
    state = work.state
    expected: dict[bytes, list[tuple[bool, Callable[[bytes], object]]]] = defaultdict(list)
    for record in state.by_index.values():
        if record.mode == "public" and not record.gone and record.blob:
            required = not (record.disputed or state.is_late(record.index))
            expected[record.blob].append((required, partial(_read_card, work, record)))
    for _, statement in state.statements.values():
        expected[statement.blob].append((False, blobs.read_statement))
    for _, remark in state.remarks:
        if not state.records[remark.key].gone:
            expected[remark.blob].append((False, blobs.read_remark))
    for _, confirmation in state.confirmations:
        expected[confirmation.blob].append((False, blobs.read_confirmation))
    return expected


def _read_card(work: _Work, record: Record, data: bytes) -> None:
    assert work.letter is not None
    entry = record.entry
    blob = blobs.verify_public_blob(data, letter=work.letter, class_id=entry.class_, key=entry.key)
    if not record.disputed:
        work.names[record.index] = blob


def _check_openings(work: _Work) -> str:
    assert work.state is not None
    opened = {record.index for record in work.state.by_index.values() if record.opened is not None and not record.gone}
    names = {f"opened/{index}": index for index in opened}
    for name in (name for name in work.files if name.startswith("opened/")):
        if name not in names:
            raise VerificationError("the dossier opens a name that no opening lists, or that has left")
    for name, index in names.items():
        if name in work.files:
            _check_opened(work, index, work.files[name])
        elif not work.state.by_index[index].disputed:
            raise VerificationError(f"the name listed at index {index} was never published by the trustees")
    work.used |= set(names)
    rounds = len(work.state.rounds)
    return f"{len(opened):,} names in {rounds} openings, each by its own key, with its certificates"


def _check_opened(work: _Work, index: int, data: bytes) -> None:
    assert work.state is not None
    assert work.letter is not None
    record = work.state.by_index[index]
    open_key, blob = data[:32], data[32:]
    if sha256(blob) != record.blob:
        raise VerificationError(f"the envelope opened at index {index} is not the one in the log")
    reason = check_open_key(record, blob, open_key, letter=work.letter)
    if reason:
        raise VerificationError(f"the name opened at index {index} does not hold: {reason}")
    envelope = read_envelope(blob, letter=work.letter, tier=record.tier)
    if not record.disputed:
        work.names[index] = open_box(envelope, letter=work.letter, key=record.entry.key, open_key=open_key)


def _check_nothing_else(work: _Work) -> str:
    strangers = set(work.files) - work.used
    if strangers:
        raise VerificationError(f"the dossier holds {len(strangers)} files that have no place in it")
    return f"{len(work.files):,} files, every one of them accounted for"


def _count(work: _Work) -> str:
    assert work.state is not None
    work.figures = figures(work.state)
    if work.figures.late:
        work.warnings.append(f"{work.figures.late} signatures came after the deadline and do not count")
    return f"N* = {work.figures.n_star:,} stand together, of {work.figures.signatures:,} signatures"


def _hashed(work: _Work, folder: str) -> Iterable[tuple[str, bytes]]:
    """The files of a folder whose names must be 64 small hex digits."""
    for name, data in work.files.items():
        if name.startswith(folder):
            digits = name[len(folder) :]
            if len(digits) != 64 or set(digits) - set("0123456789abcdef"):
                raise Malformed("a file of the dossier is not named by a hash")
            yield name, data


_STEPS: tuple[tuple[str, str, Callable[[_Work], str]], ...] = (
    ("The letter is read", "spec/letter.md", _read_letter),
    ("The log signed its head", "spec/log.md", _check_head),
    ("The entries give that head", "spec/log.md", _check_tree),
    ("Witnesses saw one history", "spec/log.md", _check_witnesses),
    ("Every entry is signed and allowed", "spec/rules.md", _replay),
    ("The times were kept", "spec/times.md", _check_times),
    ("The published names are attested", "spec/blobs.md", _check_blobs),
    ("The opened names were openable", "spec/opening.md", _check_openings),
    ("Nothing else is in the file", "spec/dossier.md", _check_nothing_else),
    ("The count", "spec/count.md", _count),
)
