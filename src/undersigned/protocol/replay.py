"""From a log's bytes to what they mean: decode, verify and apply every entry in turn, as everybody does it."""

from collections.abc import Callable, Iterable, Mapping

from undersigned.errors import UndersignedError, VerificationError
from undersigned.protocol import entry as entries
from undersigned.protocol.entry import Entry, decode_entry
from undersigned.protocol.letter import Letter
from undersigned.protocol.opening_list import OpeningList, opening_list_hash, read_opening_list
from undersigned.protocol.rules import check
from undersigned.protocol.state import LetterState
from undersigned.protocol.verification import verify_entry, verify_left

Before = Callable[[LetterState, Entry], None]
Lists = Callable[[bytes], bytes | None]


def replay(
    state: LetterState, log: Iterable[bytes], *, lists: Lists | Mapping[bytes, bytes], before: Before | None = None
) -> None:
    """Apply the entries that follow `state.size`, each decoded, verified alone and checked by the rules.

    `lists` gives the bytes of an opening list by its 32-byte hash; `before` sees each entry just before it is applied,
    and may raise. Any refusal is raised again with the entry's index, as the same kind of error.
    """
    find = lists.get if isinstance(lists, Mapping) else lists
    for data in log:
        try:
            entry = decode_entry(data)
            verify_entry(entry, state.letter)
            listed = find_list(entry, find, state.letter)
            check(state, entry, listed)
            if before:
                before(state, entry)
        except UndersignedError as refusal:
            raise type(refusal)(f"entry {state.size}: {refusal}") from None
        state.apply(entry, listed)


def find_list(entry: Entry, lists: Lists, letter: Letter) -> OpeningList | None:
    """The list an opening or abort names, read and checked; None for other entries."""
    if not isinstance(entry, entries.Opening | entries.Abort):
        return None
    data = lists(entry.list_hash)
    if data is None or opening_list_hash(data) != entry.list_hash:
        raise VerificationError("the list of this opening is not there")
    listed = read_opening_list(data)
    verify_left(listed, letter)
    return listed


def begin(letter: Letter, late_from: int | None = None) -> LetterState:
    """The state just after entry 0."""
    return LetterState(letter=letter, late_from=late_from)
