"""Follows one letter's log: new heads, new entries, new witnesses' times, each checked before it is believed."""

import copy
import re
from collections.abc import Callable, Iterator

from undersigned.client.source import NotThere, Source, get_json
from undersigned.errors import Malformed, VerificationError
from undersigned.protocol import times as time_rules
from undersigned.protocol.entry import Entry
from undersigned.protocol.letter import Letter
from undersigned.protocol.opening_list import opening_list_hash
from undersigned.protocol.replay import begin, replay
from undersigned.protocol.state import LetterState
from undersigned.transparency import tiles
from undersigned.transparency.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint
from undersigned.transparency.merkle import Tree, leaf_hash
from undersigned.transparency.note import parse_note
from undersigned.transparency.policy import Policy

Before = Callable[[LetterState, Entry], None]
_KEPT = re.compile(r"([1-9][0-9]{0,15})\.(first|last)", re.ASCII)


class LogClient:
    """A letter as far as it has been followed and checked.

    `letter`, `state`, `tree`, `entries` (bytes), `checkpoint` and its `head` note, `times` (of witnesses). `policy` is
    the reader's own; without one the letter's own witnesses are asked for. `lid` fixes which letter it must be.
    `before` sees each entry just before it is applied, and may raise; it sees them all again when the deadline passes.
    """

    def __init__(
        self,
        source: Source,
        *,
        policy: Policy | None = None,
        lid: bytes | None = None,
        before: Before | None = None,
        witnesses_needed: bool = False,
    ) -> None:
        self.source = source
        self.policy = policy
        self.lid = lid
        self.before = before
        self.witnesses_needed = witnesses_needed
        self.entries: list[bytes] = []
        self.tree = Tree()
        self.times = time_rules.WitnessTimes()
        self.head = b""
        self._letter: Letter | None = None
        self._state: LetterState | None = None
        self._checkpoint: Checkpoint | None = None
        self._lists: dict[bytes, bytes] = {}
        self._settled: set[str] = set()

    @property
    def letter(self) -> Letter:
        """Entry 0; call `refresh` first."""
        assert self._letter is not None, "refresh() reads the letter"
        return self._letter

    @property
    def state(self) -> LetterState:
        """What all entries followed so far say, with what came after the deadline left out.

        VerificationError while one of them cannot be taken in: there is no letter as of that head.
        """
        assert self._letter is not None, "refresh() reads the letter"
        if self._state is None or not self.is_whole:
            raise VerificationError("the log has signed entries that cannot be taken in")
        return self._state

    @property
    def is_whole(self) -> bool:
        """Whether every entry under the head has been taken in."""
        return self._state is not None and self._state.size == self.tree.size

    @property
    def checkpoint(self) -> Checkpoint:
        """The latest head that was checked."""
        assert self._checkpoint is not None, "refresh() reads the letter"
        return self._checkpoint

    @property
    def covered_size(self) -> int:
        """The largest size that a quorum of witnesses has signed, 0 if none."""
        return max(self.times.proved_by, default=0)

    def refresh(self) -> LetterState:
        """Take in what is new: 1. a signed head  2. the entries that give it  3. witnesses' times  4. what they say.

        What the log has signed is kept, even if step 4 refuses it: such a log is refused at every refresh from then on.
        VerificationError for a fork or a shrunken log, and whatever the rules refuse.
        """
        data = self.source.get("checkpoint")
        letter = self._letter or self._read_letter(data)
        checkpoint, note = open_checkpoint(data, letter.log_vkey)  # 1
        if self.witnesses_needed:
            (self.policy or letter.policy).check(note)
        self._extend(letter, checkpoint)  # 2
        self.head, self._checkpoint, self._letter = data, checkpoint, letter
        self._read_times()  # 3
        self._apply()  # 4
        return self.state

    def sees(self, entry: bytes) -> int | None:
        """The index of an entry's bytes in the log as followed, or None."""
        try:
            return self.entries.index(entry)
        except ValueError:
            return None

    def list_bytes(self, list_hash: bytes) -> bytes | None:
        """An opening list by its 32-byte hash; None while the host does not show it."""
        if list_hash not in self._lists:
            try:
                data = self.source.get(f"lists/{list_hash.hex()}")
            except NotThere:
                return None
            if opening_list_hash(data) != list_hash:
                return None
            self._lists[list_hash] = data
        return self._lists[list_hash]

    def _read_letter(self, head: bytes) -> Letter:
        size = parse_checkpoint(parse_note(head).text).size
        if size < 1:
            raise Malformed("this log holds no letter yet")
        letter = Letter.from_entry(next(self._fetch(0, size)))
        if self.lid is not None and letter.lid != self.lid:
            raise VerificationError("this is another letter than the one asked for: its lid differs")
        return letter

    def _fetch(self, first: int, size: int) -> Iterator[bytes]:
        """The entries from `first` up to `size`, a bundle at a time."""
        while first < size:
            index, known = divmod(first, tiles.FULL_WIDTH)
            width = min(size - (first - known), tiles.FULL_WIDTH)
            bundle = tiles.decode_entries(self.source.get(tiles.entries_path(index, width)), width)
            yield from bundle[known:]
            first += width - known

    def _extend(self, letter: Letter, checkpoint: Checkpoint) -> None:
        """The old entries and the fresh ones must give the head; only then are they kept."""
        if checkpoint.size < self.tree.size:
            self._refuse_smaller(checkpoint)
        fresh = list(self._fetch(self.tree.size, checkpoint.size))
        tree = copy.deepcopy(self.tree) if fresh else self.tree
        for data in fresh:
            tree.append(leaf_hash(data))
        if tree.root() != checkpoint.root_hash or (not self.entries and fresh[0] != letter.data):
            raise VerificationError("the host shows another history than before: keep both files, this is a fork")
        self.tree = tree
        self.entries += fresh

    def _refuse_smaller(self, checkpoint: Checkpoint) -> None:
        """A smaller head may only be an older one of the same history."""
        if self.tree.root(checkpoint.size) != checkpoint.root_hash:
            raise VerificationError("the host shows another history than before: keep both files, this is a fork")
        raise VerificationError("the host shows an older state of the log than before: entries may be withheld")

    def _read_times(self) -> None:
        """Take in the head's and every kept note up to it. Those of the head's own size may still change."""
        self._take_note(self.head)
        for name, size in self._kept():
            if size > self.checkpoint.size or name in self._settled:
                continue
            try:
                note = self.source.get(f"checkpoints/{name}")
            except NotThere:  # the host keeps fewer by now
                continue
            if self._take_note(note).size != size:
                raise VerificationError("a kept checkpoint lies under another size than its own")
            if size < self.checkpoint.size:
                self._settled.add(name)

    def _kept(self) -> list[tuple[str, int]]:
        """The names of kept checkpoints with their sizes; Malformed."""
        names = get_json(self.source, "checkpoints.json").get("names")
        found = [_KEPT.fullmatch(str(name)) for name in names] if isinstance(names, list) else [None]
        if not all(found):
            raise Malformed("the host answered something that is not a list of kept checkpoints")
        return [(match[0], int(match[1])) for match in found if match]

    def _take_note(self, data: bytes) -> Checkpoint:
        checkpoint, note = open_checkpoint(data, self.letter.log_vkey)
        if checkpoint.size > self.tree.size or self.tree.root(checkpoint.size) != checkpoint.root_hash:
            raise VerificationError("a kept checkpoint shows another history than the log: this letter was forked")
        chosen = self.policy or self.letter.policy
        stamps = chosen.timestamps(note)
        if chosen.has_quorum and chosen.satisfied(stamps):
            self.times.add(checkpoint.size, stamps.values())
        return checkpoint

    def _apply(self) -> None:
        """Go on where the last refresh ended, or from entry 0 when witnesses first show that the deadline passed."""
        late = time_rules.late_from(self.times, letter=self.letter)
        if self._state is None or self._state.late_from != late:
            self._state = begin(self.letter, late)
        replay(self._state, self.entries[self._state.size :], lists=self.list_bytes, before=self.before)
