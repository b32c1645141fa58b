"""Restores a letter's log from its dossier: on a new machine from nothing, or onto an older copy that lacks the end.

What no dossier holds does not come back: envelopes still sealed, promised entries that had not gone in, and the times
of promises.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from undersigned.crypto import ed25519
from undersigned.errors import Refused, VerificationError
from undersigned.log.letter_log import LetterLog, load_letter_log, new_letter_log, rebuild, sign_head
from undersigned.log.sequencer import Batch, apply_entry
from undersigned.log.storage import Append, Change, KeepOpened, LogStorage, NewEntry, Publish, StoredLetter, Waiting
from undersigned.protocol.dossier import read_entries
from undersigned.protocol.encoding import sha256
from undersigned.protocol.entry import Entry, decode_entry
from undersigned.protocol.letter import Letter
from undersigned.protocol.replay import find_list
from undersigned.protocol.times import late_from, witness_times
from undersigned.transparency.merkle import leaf_hash, root_hash
from undersigned.transparency.note import parse_note
from undersigned.verifier import Verdict

OTHER_KEYS = (
    "the keys in secrets/ are not those this letter names: bring its log.seed and promise.seed, or, if they are gone, "
    "publish the letter anew and run `undersigned log succeed`"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """How many entries the letter has now, how many of them are new here, and how many envelopes are missing."""

    letter: Letter
    size: int
    added: int
    missing: int


def restore(
    files: Mapping[str, bytes], verdict: Verdict, *, storage: LogStorage, seed: bytes, promise_seed: bytes
) -> Restored:
    """Bring a letter's log up to its dossier, all of it or nothing. `storage` leads; `verdict` is on these files.

    1. the dossier holds  2. the keys are this letter's  3. what is here already is its beginning  4. take in the rest
    5. with what lies beside it  6. make it durable. VerificationError, Refused, Unavailable.
    """
    if not verdict.ok or verdict.letter is None or verdict.checkpoint is None:  # 1
        raise VerificationError("the dossier does not hold: `undersigned verify` says why")
    letter, size = verdict.letter, verdict.checkpoint.size
    check_keys(letter, seed=seed, promise_seed=promise_seed)  # 2
    log, changes = _begin(letter, files, storage, seed=seed)
    had = 0 if changes else log.tree.size
    every = read_entries(files, size)
    _check_beginning(log, every)  # 3
    batch = _take_rest(log, every, files, storage.waiting(log.number))  # 4
    changes.append(
        Append(
            letter=log.number,
            entries=batch.entries,
            erasures=batch.erasures,
            head=sign_head(letter, log.tree, seed=seed),
            lists=batch.lists,
        )
    )
    changes += _beside(log, files, size)  # 5
    storage.write(changes)  # 6
    missing = sum(
        record.hidden and not record.gone and storage.blob_at(log.number, record.changed) is None
        for record in log.state.by_index.values()
    )
    return Restored(letter=letter, size=size, added=size - had, missing=missing)


def check_keys(letter: Letter, *, seed: bytes, promise_seed: bytes) -> None:
    """Refused unless these 32-byte seeds belong to the log key and the promise key of entry 0."""
    keys = ed25519.public_key(seed), ed25519.public_key(promise_seed)
    if keys != (letter.log_vkey.key, letter.publication.promise_key):
        raise Refused(OTHER_KEYS)


def _begin(
    letter: Letter, files: Mapping[str, bytes], storage: LogStorage, *, seed: bytes
) -> tuple[LetterLog, list[Change]]:
    """The log as it is here, or a new one of entry 0 alone with the change that keeps it."""
    notes = [data for name, data in files.items() if name == "checkpoint" or name.startswith("checkpoints/")]
    late = late_from(witness_times(notes, letter=letter), letter=letter)
    every = storage.letters()
    stored = next((one for one in every if one.slug == letter.slug), None)
    if stored is None:
        number = max((one.letter for one in every), default=0) + 1
        log, change = new_letter_log(number, letter, seed=seed)
        log.state.late_from = late
        return log, [change]
    return _load(stored, storage, letter, late=late), []


def _load(stored: StoredLetter, storage: LogStorage, letter: Letter, *, late: int | None) -> LetterLog:
    log = load_letter_log(stored, storage)
    if log.letter.lid != letter.lid:
        raise Refused("there is another letter at this address here: restore this one elsewhere")
    log.state, log.tree = rebuild(letter, log.number, storage, late=late)
    return log


def _check_beginning(log: LetterLog, every: list[bytes]) -> None:
    size = min(log.tree.size, len(every))
    if log.tree.root(size) != root_hash(leaf_hash(data) for data in every[:size]):
        raise Refused("what is here is another history than the dossier's: move it away, and keep it as evidence")
    if log.tree.size > size:
        raise Refused(f"what is here has {log.tree.size:,} entries and the dossier only {size:,}: nothing to restore")


def _take_rest(log: LetterLog, every: list[bytes], files: Mapping[str, bytes], waiting: list[Waiting]) -> Batch:
    batch, promised = Batch(), {one.leaf: one for one in waiting}
    lists = {bytes.fromhex(name[6:]): data for name, data in files.items() if name.startswith("lists/")}
    for data in every[log.tree.size :]:
        entry = decode_entry(data)
        new = _new_entry(log, entry, data, files, promised.get(leaf_hash(data)))
        apply_entry(log, entry, new, batch, find_list(entry, lists.get, log.letter))
    return batch


def _new_entry(
    log: LetterLog, entry: Entry, data: bytes, files: Mapping[str, bytes], waiting: Waiting | None
) -> NewEntry:
    """One that waits here brings its blob and its promise's time along; another has what the dossier shows."""
    named = getattr(entry, "blob", None)
    blob = files.get(f"blobs/{named.hex()}") if isinstance(named, bytes) and waiting is None else None
    return NewEntry(
        index=log.tree.size,
        leaf=leaf_hash(data),
        data=data,
        waiting=waiting is not None,
        latest=waiting.latest if waiting else None,
        blob=blob,
        blob_hash=None if blob is None else sha256(blob),
    )


def _beside(log: LetterLog, files: Mapping[str, bytes], size: int) -> list[Change]:
    """The note readers were shown, the kept notes, and opened names."""
    note, policy = files["checkpoint"], log.letter.policy
    publish = Publish(
        letter=log.number,
        size=size,
        note=note,
        cosigned=policy.has_quorum and policy.satisfied(policy.timestamps(parse_note(note))),
        keep={
            name.removeprefix("checkpoints/"): data for name, data in files.items() if name.startswith("checkpoints/")
        },
        forget=[],
    )
    opened = [
        KeepOpened(letter=log.number, index=record.index, blob_at=record.changed, data=files[f"opened/{record.index}"])
        for record in log.state.by_index.values()
        if f"opened/{record.index}" in files
    ]
    return [publish, *opened]
