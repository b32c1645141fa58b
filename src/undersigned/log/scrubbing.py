"""Scrubs what a log keeps: every stored byte that the signed head or a hash vouches for is compared with it again.

Tiles are not looked at, for they are computed from the entries whenever they are asked for. Times of promises
(`latest`) are vouched for by nobody but the database, and so is which of two equal entries a leaf hash lies beside.
"""

from collections.abc import Container, Iterator
from dataclasses import dataclass, field

from undersigned.errors import Unavailable, UndersignedError
from undersigned.log.letter_log import rebuild
from undersigned.log.storage import LogStorage, StoredLetter
from undersigned.protocol import entry as entries
from undersigned.protocol.encoding import sha256
from undersigned.protocol.entry import Entry, decode_entry
from undersigned.protocol.letter import Letter
from undersigned.protocol.opening import check_open_key
from undersigned.protocol.opening_list import opening_list_hash
from undersigned.protocol.state import LetterState, Record
from undersigned.protocol.times import late_from, witness_times
from undersigned.transparency.checkpoint import Checkpoint, open_checkpoint
from undersigned.transparency.merkle import Tree, leaf_hash

CHUNK = 1024
TRIES = 5


@dataclass(slots=True, kw_only=True)
class Scrubbed:
    """What was found of one letter: how many entries its head speaks of, and what is damaged, a sentence each."""

    slug: str
    size: int = 0
    damages: list[str] = field(default_factory=list)


def scrub(storage: LogStorage) -> Iterator[Scrubbed]:
    """Look at every letter in turn. Unavailable when the database itself cannot be read."""
    for first in storage.letters():
        yield _scrub_still(first, storage)


def _scrub_still(stored: StoredLetter, storage: LogStorage) -> Scrubbed:
    """A log that moved on meanwhile may look damaged: then once more."""
    for _ in range(TRIES):
        found = _Scrub(stored, storage).run()
        (now,) = [one for one in storage.letters() if one.letter == stored.letter]
        if not found.damages or now == stored:
            break
        stored = now
    return found


class _Scrub:
    """One letter: 1. entry 0  2. the head  3. the entries  4. the notes  5. what lies beside them  6. what waits."""

    def __init__(self, stored: StoredLetter, storage: LogStorage) -> None:
        self._stored, self._storage, self._number = stored, storage, stored.letter
        self._found = Scrubbed(slug=stored.slug)
        self._tree = Tree()
        self._notes: list[bytes] = []  # those that are as they were signed

    def run(self) -> Scrubbed:
        letter = self._read_letter()  # 1
        if letter is None:
            return self._found
        opened = self._open(self._stored.head, "the head", letter)  # 2
        if opened is None:
            return self._found
        head, _ = opened
        self._found.size = head.size
        whole = self._check_entries(head)  # 3
        if whole:
            self._check_notes(letter)  # 4
            self._check_beside(letter)  # 5
        self._check_waiting()  # 6
        return self._found

    def _tell(self, damage: str) -> None:
        self._found.damages.append(damage)

    def _read_letter(self) -> Letter | None:
        try:
            letter = Letter.from_entry(self._storage.entries(self._number, 0, 1)[0])
        except (UndersignedError, IndexError) as refusal:
            if isinstance(refusal, Unavailable):
                raise
            self._tell("entry 0 is not what its organizer signed")
            return None
        if letter.slug != self._stored.slug:
            self._tell("entry 0 is of a letter with another address")
            return None
        return letter

    def _open(self, note: bytes, what: str, letter: Letter) -> tuple[Checkpoint, Container[str]] | None:
        """A note's checkpoint and its witnesses, every line of it verified; None when something in it is damaged."""
        try:
            checkpoint, parsed = open_checkpoint(note, letter.log_vkey)
            witnesses = letter.policy.timestamps(parsed)
        except UndersignedError:
            self._tell(f"{what} is not what the log and its witnesses signed")
            return None
        known = {
            (one.name, one.key_id) for one in (letter.log_vkey, *(w.vkey for w in letter.policy.witnesses.values()))
        }
        if any((line.name, line.key_id) not in known for line in parsed.signatures):
            self._tell(f"{what} carries a line of somebody who is no witness of this letter")
            return None
        return checkpoint, witnesses

    def _check_entries(self, head: Checkpoint) -> bool:
        """Whether the entries are those under the head; else they are told, and one by one where that is possible."""
        unknown = []
        for start in range(0, head.size, CHUNK):
            stop = min(start + CHUNK, head.size)
            chunk = self._storage.entries(self._number, start, stop)
            if len(chunk) != stop - start:
                missing = [at for at in range(start, stop) if not self._storage.entries(self._number, at, at + 1)]
                self._tell(f"{_indexes(missing)} missing")
                return False
            for index, data in enumerate(chunk, start):
                leaf = leaf_hash(data)
                self._tree.append(leaf)
                if self._storage.included(self._number, leaf) is None:
                    unknown.append(index)
        if self._storage.entries(self._number, head.size, head.size + 1):
            self._tell("there are entries after those that the head covers")
        if self._tree.root() == head.root_hash:
            for index in unknown:
                self._tell(f"the leaf hash kept beside entry {index} is damaged; the entry is whole")
            return True
        if unknown:
            self._tell(f"{_indexes(unknown)} damaged: not what the log signed")
        else:
            self._tell("the entries are not those the log signed, and none of them alone tells why")
        return False

    def _check_notes(self, letter: Letter) -> None:
        kept = self._storage.notes(self._number)
        named = {"the note that readers are shown": self._stored.published}
        if self._stored.cosigned is not None:
            named["the last witnessed note"] = self._stored.cosigned
        named |= {f"the kept note {name}": note for name, note in kept.items()}
        for what, note in named.items():
            opened = self._open(note, what, letter)
            if opened is None:
                continue
            checkpoint, witnesses = opened
            if checkpoint.size > self._tree.size or self._tree.root(checkpoint.size) != checkpoint.root_hash:
                self._tell(f"{what} is of another history than the entries")
                continue
            name = what.removeprefix("the kept note ")
            if name in kept and name.partition(".")[0] != str(checkpoint.size):
                self._tell(f"{what} lies under another size than its own")
            if name in kept and not letter.policy.satisfied(witnesses):
                self._tell(f"{what} has lost the cosignatures of its quorum")
            self._notes.append(note)

    def _check_beside(self, letter: Letter) -> None:
        """Blobs, lists and opened names."""
        lists = self._storage.lists(self._number)
        for key, data in lists.items():
            if opening_list_hash(data) != key:
                self._tell(f"the list {key.hex()[:16]}… is damaged")
        try:
            times = witness_times(self._notes, letter=letter)
            late = late_from(times, letter=letter)
            state, _ = rebuild(letter, self._number, self._storage, late=late)
        except UndersignedError:
            self._tell("the state of the letter cannot be worked out: a list or a note is damaged or missing")
            return
        for index, data in enumerate(self._storage.all_entries(self._number)):
            if index:
                self._check_blob(index, decode_entry(data))
        for record in state.by_index.values():
            self._check_there(record, state)
        for index, data in self._storage.all_opened(self._number).items():
            self._check_opened(state.by_index.get(index), index, data, letter)

    def _check_blob(self, index: int, entry: Entry) -> None:
        named = getattr(entry, "blob", None)
        if not isinstance(named, bytes):
            return
        blob = self._storage.blob_at(self._number, index)
        sealed = isinstance(entry, entries.Signature | entries.Condition) and entry.tier > 0
        shown = self._storage.public_blob(self._number, named)
        if blob is not None and sha256(blob) != named:
            self._tell(f"the blob of entry {index} is damaged")
        elif sealed and shown is not None:
            self._tell(f"the envelope of entry {index} is marked as public")
        elif blob is not None and not sealed and shown is None:
            self._tell(f"the hash or the mark kept beside the blob of entry {index} is damaged; the blob is whole")

    def _check_there(self, record: Record, state: LetterState) -> None:
        """A name card that readers must find, an envelope that trustees will ask for."""
        if record.gone or record.blob is None or self._storage.blob_at(self._number, record.changed) is not None:
            return
        if record.mode == "public" and not record.disputed and not state.is_late(record.index):
            self._tell(f"the name card of the signature at index {record.index} is missing")
        elif record.hidden and not state.destructions:
            self._tell(f"the envelope at index {record.index} is missing: its signatory can hand it in again")

    def _check_opened(self, record: Record | None, index: int, data: bytes, letter: Letter) -> None:
        open_key, envelope = data[:32], data[32:]
        holds = record is not None and record.blob == sha256(envelope)
        if not holds or (record and check_open_key(record, envelope, open_key, letter=letter) is not None):
            self._tell(f"the opened name at index {index} is damaged")

    def _check_waiting(self) -> None:
        for one in self._storage.waiting(self._number):
            if leaf_hash(one.entry) != one.leaf:
                self._tell(f"a promised {one.kind} that waits for the log is damaged")


def _indexes(indexes: list[int]) -> str:
    told = ", ".join(map(str, indexes[:20])) + (" and more" if len(indexes) > 20 else "")
    return f"entry {told} is" if len(indexes) == 1 else f"entries {told} are"
