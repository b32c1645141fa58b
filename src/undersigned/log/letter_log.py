"""One letter's log in memory: its state, its tree and what is pending; the entries themselves stay on disk."""

import asyncio
from dataclasses import dataclass, field
from typing import cast

import msgspec
from msgspec import UNSET

from undersigned.crypto import ed25519
from undersigned.errors import Malformed, Unavailable, VerificationError
from undersigned.log.pending import Item, Pending, SignatorysEntry
from undersigned.log.storage import LogStorage, NewLetter, StoredLetter
from undersigned.protocol import entry as entries
from undersigned.protocol.entry import Entry, decode_entry, encode_entry, message_to_sign
from undersigned.protocol.letter import Letter
from undersigned.protocol.opening_list import OpeningList, read_opening_list
from undersigned.protocol.replay import begin
from undersigned.protocol.state import LetterState
from undersigned.protocol.times import WitnessTimes, late_from, witness_times
from undersigned.transparency.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from undersigned.transparency.merkle import Tree, leaf_hash


@dataclass(slots=True, kw_only=True, eq=False)
class LetterLog:
    """`head`, `published` and `cosigned` are notes: the newest on disk, the one readers get, the last with a quorum.

    `gated`: after a restart nothing is appended before enough witnesses have said which size they know. `halted`: why
    nothing may be appended any more. `broken`: a write failed, and memory must be read anew from disk. `beside` grows
    with whatever a dossier shows and no note announces: opened names, blobs handed in again.
    """

    number: int
    letter: Letter
    state: LetterState
    tree: Tree
    pending: Pending
    head: bytes
    head_size: int
    published: bytes
    published_size: int
    cosigned: bytes | None
    cosigned_size: int
    times: WitnessTimes
    gated: bool
    sure: bool = False
    halted: str | None = None
    broken: bool = False
    beside: int = 0
    event: bool = True
    last_batch: float | None = None
    last_round: float | None = None
    round_failed: bool = False
    round: asyncio.Task[None] | None = None
    known: dict[str, int] = field(default_factory=dict)
    ended: dict[int, float] = field(default_factory=dict)
    forgotten: set[int] = field(default_factory=set)

    def check_writable(self) -> None:
        """Unavailable while nothing may be added to this log, with the reason."""
        if self.halted:
            raise Unavailable(self.halted)
        if self.broken:
            raise Unavailable("the log could not write to its disk, and is reading it again: try in a minute")
        if self.gated:
            raise Unavailable("the log has just started and is asking its witnesses first: try again in a minute")

    def has_witnesses(self) -> bool:
        """Whether the witnesses that can be reached would be enough for the letter's quorum."""
        policy = self.letter.policy
        return policy.has_quorum and policy.satisfied({one.name for one in policy.witnesses.values() if one.url})


def new_letter_log(number: int, letter: Letter, *, seed: bytes) -> tuple[LetterLog, NewLetter]:
    """The log of a new letter, of entry 0 alone, and what storage must keep of it."""
    leaf = leaf_hash(letter.data)
    tree = Tree([leaf])
    head = sign_head(letter, tree, seed=seed)
    log = LetterLog(
        number=number,
        letter=letter,
        state=begin(letter),
        tree=tree,
        pending=Pending(),
        head=head,
        head_size=1,
        published=head,
        published_size=1,
        cosigned=None,
        cosigned_size=0,
        times=WitnessTimes(),
        gated=False,
    )
    return log, NewLetter(letter=number, slug=letter.slug, entry=letter.data, leaf=leaf, head=head)


def load_letter_log(stored: StoredLetter, storage: LogStorage) -> LetterLog:
    """Read a letter's log from disk: 1. entry 0  2. the times  3. replay  4. compare with the last own checkpoint.

    Unavailable when the entries are not those the log signed last.
    """
    number = stored.letter
    letter = Letter.from_entry(storage.entries(number, 0, 1)[0])  # 1
    times = witness_times(storage.notes(number).values(), letter=letter)  # 2
    state, tree = rebuild(letter, number, storage, late=late_from(times, letter=letter))  # 3
    head = _check_head(stored, letter, tree)  # 4
    log = LetterLog(
        number=number,
        letter=letter,
        state=state,
        tree=tree,
        pending=Pending(
            Item(waiting=one, entry=cast(SignatorysEntry, decode_entry(one.entry))) for one in storage.waiting(number)
        ),
        head=stored.head,
        head_size=head.size,
        published=stored.published,
        published_size=open_checkpoint(stored.published, letter.log_vkey)[0].size,
        cosigned=stored.cosigned,
        cosigned_size=open_checkpoint(stored.cosigned, letter.log_vkey)[0].size if stored.cosigned else 0,
        times=times,
        gated=False,
    )
    log.gated = log.has_witnesses()
    log.known = dict.fromkeys(letter.policy.witnesses, head.size)
    return log


def rebuild(letter: Letter, number: int, storage: LogStorage, *, late: int | None) -> tuple[LetterState, Tree]:
    """State and tree from the entries on disk, which were verified when they came; Unavailable if one is unreadable."""
    state, tree = begin(letter, late), Tree()
    try:
        for index, data in enumerate(storage.all_entries(number)):
            tree.append(leaf_hash(data))
            if index:
                entry = decode_entry(data)
                state.apply(slim(entry), _stored_list(entry, number, storage))
    except (Malformed, KeyError):
        raise Unavailable(f"the log of {letter.origin} cannot be read any more: restore it from a good copy") from None
    return state, tree


def slim(entry: Entry) -> Entry:
    """What the state keeps of an entry: a signature without tokens and sig, which only its bytes on disk need."""
    if isinstance(entry, entries.Signature):
        return msgspec.structs.replace(entry, tokens=[], sig=UNSET)
    return entry


def sign_head(letter: Letter, tree: Tree, *, seed: bytes) -> bytes:
    """The signed checkpoint of the tree as it is, not cosigned yet."""
    checkpoint = Checkpoint(origin=letter.origin, size=tree.size, root_hash=tree.root())
    return sign_checkpoint(checkpoint, seed=seed).encode()


def sign_entry(entry: entries.SignedEntry, letter: Letter, *, seed: bytes) -> bytes:
    """The bytes of an entry that the log itself writes."""
    sig = ed25519.sign(seed, message_to_sign(entry, lid=letter.lid))
    return encode_entry(msgspec.structs.replace(entry, sig=sig))


def _stored_list(entry: Entry, number: int, storage: LogStorage) -> OpeningList | None:
    if not isinstance(entry, entries.Opening | entries.Abort):
        return None
    data = storage.opening_list(number, entry.list_hash)
    if data is None:
        raise Malformed("the list of an opening is not there")
    return read_opening_list(data)


def _check_head(stored: StoredLetter, letter: Letter, tree: Tree) -> Checkpoint:
    refusal = f"the log of {letter.origin} does not match its own last checkpoint: restore it from a good copy"
    try:
        head, _ = open_checkpoint(stored.head, letter.log_vkey)
    except (Malformed, VerificationError):
        raise Unavailable(refusal) from None
    if head.size != tree.size or head.root_hash != tree.root():
        raise Unavailable(refusal)
    return head
