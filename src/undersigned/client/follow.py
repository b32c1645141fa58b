"""Follows one letter's log: new heads, new entries, new witnesses' times, each checked before it is believed."""

from collections.abc import Callable

from undersigned.client.source import NotThere, Source, get_json
from undersigned.errors import Malformed, VerificationError
from undersigned.protocol import times as time_rules
from undersigned.protocol.entry import Entry
from undersigned.protocol.letter import Letter
from undersigned.protocol.replay import begin, replay
from undersigned.protocol.state import LetterState
from undersigned.transparency import tiles
from undersigned.transparency.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint
from undersigned.transparency.merkle import Tree, leaf_hash
from undersigned.transparency.note import parse_note
from undersigned.transparency.policy import Policy

Before = Callable[[LetterState, Entry], None]


class LogClient:
    """A letter as far as it has been followed and checked.

    `letter`, `state`, `tree`, `entries` (bytes), `checkpoint` and its `head` note, `times` (of witnesses). `policy` is
    the reader's own; without one the letter's own witnesses are asked for. `lid` fixes which letter it must be.
    `before` sees each entry just before it is applied, and may raise.
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
        self._notes: set[str] = set()
        self._was_head = 0

    @property
    def letter(self) -> Letter:
        """Entry 0; call `refresh` first."""
        assert self._letter is not None, "refresh() reads the letter"
        return self._letter

    @property
    def state(self) -> LetterState:
        """What the entries followed so far say, with what came after the deadline left out."""
        assert self._state is not None, "refresh() reads the letter"
        return self._state

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
        """Take in what is new. VerificationError for a fork or a shrunken log, and whatever the rules refuse."""
        data = self.source.get("checkpoint")
        if self._letter is None:
            self._begin(data)
        checkpoint, note = open_checkpoint(data, self.letter.log_vkey)
        if self.witnesses_needed:
            (self.policy or self.letter.policy).check(note)
        if checkpoint.size < self.tree.size:
            return self._stale(checkpoint)
        fresh = self._fetch(self.tree.size, checkpoint.size)
        self._extend(fresh, checkpoint)
        self.head, self._checkpoint = data, checkpoint
        self._read_times(data)
        self._apply(fresh)
        return self.state

    def sees(self, entry: bytes) -> int | None:
        """The index of an entry's bytes in the log as followed, or None."""
        try:
            return self.entries.index(entry)
        except ValueError:
            return None

    def list_bytes(self, list_hash: bytes) -> bytes | None:
        """An opening list by its 32-byte hash."""
        if list_hash not in self._lists:
            try:
                self._lists[list_hash] = self.source.get(f"lists/{list_hash.hex()}")
            except NotThere:
                return None
        return self._lists[list_hash]

    def _begin(self, data: bytes) -> None:
        size = parse_checkpoint(parse_note(data).text).size
        if size < 1:
            raise Malformed("this log holds no letter yet")
        first = min(size, 256)
        bundle = self.source.get(tiles.entries_path(0, first))
        letter = Letter.from_entry(tiles.decode_entries(bundle, first)[0])
        if self.lid is not None and letter.lid != self.lid:
            raise VerificationError("this is another letter than the one asked for: its lid differs")
        self._letter = letter
        self._state = begin(letter)

    def _stale(self, checkpoint: Checkpoint) -> LetterState:
        """A smaller head may only be an older one of the same history."""
        if self.tree.root(checkpoint.size) != checkpoint.root_hash:
            raise VerificationError("the host shows another history than before: keep both files, this is a fork")
        raise VerificationError("the host shows an older state of the log than before: entries may be withheld")

    def _fetch(self, first: int, size: int) -> list[bytes]:
        found: list[bytes] = []
        for bundle in tiles.entries_layout(size):
            begins = bundle.index * 256
            if begins + bundle.width > first:
                entries = tiles.decode_entries(self.source.get(bundle.path), bundle.width)
                found += entries[max(first - begins, 0) :]
        return found

    def _extend(self, fresh: list[bytes], checkpoint: Checkpoint) -> None:
        """The old entries and the fresh ones must give the head; only then are they kept."""
        tree = self.tree if not fresh else Tree([leaf_hash(data) for data in self.entries])
        for data in fresh:
            tree.append(leaf_hash(data))
        if tree.size != checkpoint.size or tree.root() != checkpoint.root_hash:
            raise VerificationError("the host shows another history than before: keep both files, this is a fork")
        self.tree = tree
        self.entries += fresh

    def _read_times(self, head: bytes) -> None:
        self._take_note(head)
        for name in get_json(self.source, "checkpoints").get("names", []):
            if name not in self._notes or not self._is_final(name):
                self._take_note(self.source.get(f"checkpoints/{name}"))
                self._notes.add(name)
        self._was_head = self.checkpoint.size

    def _is_final(self, name: str) -> bool:
        """Whether this kept note cannot change any more: heads that were current a refresh ago may be cosigned again."""
        size, _, which = name.partition(".")
        return which == "first" or int(size) < self._was_head

    def _take_note(self, data: bytes) -> None:
        checkpoint, note = open_checkpoint(data, self.letter.log_vkey)
        if checkpoint.size > self.tree.size:
            return
        if self.tree.root(checkpoint.size) != checkpoint.root_hash:
            raise VerificationError("a kept checkpoint shows another history than the log: this letter was forked")
        chosen = self.policy or self.letter.policy
        stamps = chosen.timestamps(note)
        if chosen.has_quorum and chosen.satisfied(stamps):
            self.times.add(checkpoint.size, stamps.values())

    def _apply(self, fresh: list[bytes]) -> None:
        late = time_rules.late_from(self.times, letter=self.letter)
        if late != self.state.late_from:
            self._state, fresh = begin(self.letter, late), self.entries[1:]
        elif self.state.size == 1 and fresh and fresh[0] == self.letter.data:
            fresh = fresh[1:]
        replay(self.state, fresh, lists=self.list_bytes, before=self.before)
