"""Each change as the statements that make it. Lists go as arrays, so that a thousand rows cost one statement."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, LiteralString

from undersigned.log.storage import (
    OUT_OF_STEP,
    Admit,
    Append,
    Change,
    DestroySealed,
    ForgetMessages,
    KeepBlob,
    KeepMessage,
    KeepOpened,
    NewEntry,
    NewLetter,
    Publish,
)


@dataclass(frozen=True, slots=True)
class Statement:
    """`rows`: how many it must find, if that is known; Unavailable with `otherwise` if it does not."""

    query: LiteralString
    values: Sequence[object]
    rows: int | None = None
    otherwise: str = OUT_OF_STEP


def statements(changes: Sequence[Change]) -> Iterator[Statement]:
    """All that makes these changes, in their order."""
    for kind, some in groupby(changes, key=type):
        if kind is Admit:
            yield _admit([one for one in some if isinstance(one, Admit)])
            continue
        for change in some:
            yield from _MAKERS[kind](change)


def _admit(changes: Sequence[Admit]) -> Statement:
    """Ordered by leaf hash, so that rows admitted together do not lie in the order in which they came."""
    ordered = sorted(changes, key=lambda one: one.waiting.leaf)
    waiting = [one.waiting for one in ordered]
    return Statement(
        "INSERT INTO waiting(letter, leaf, key, kind, data, latest, blob, blob_hash, sealed) "
        "SELECT * FROM unnest(%s::bigint[], %s::bytea[], %s::bytea[], %s::text[], %s::bytea[], %s::bigint[], "
        "%s::bytea[], %s::bytea[], %s::boolean[])",
        (
            [one.letter for one in ordered],
            [one.leaf for one in waiting],
            [one.key for one in waiting],
            [one.kind for one in waiting],
            [one.entry for one in waiting],
            [one.latest for one in waiting],
            [one.blob for one in ordered],
            [one.blob_hash for one in ordered],
            [one.sealed for one in ordered],
        ),
    )


def _new_letter(change: NewLetter) -> Iterator[Statement]:
    yield Statement(
        "INSERT INTO letters(letter, slug, head, published) VALUES (%s, %s, %s, %s)",
        (change.letter, change.slug, change.head, change.head),
    )
    yield Statement(
        "INSERT INTO entries(letter, idx, leaf, data) VALUES (%s, 0, %s, %s)",
        (change.letter, change.leaf, change.entry),
    )


def _append(change: Append) -> Iterator[Statement]:
    """1. after what is there  2. the entries  3. the blobs of those that waited  4. blobs given with them
    5. what is to be erased later  6. lists  7. the head
    """
    letter, new = change.letter, change.entries
    if new:
        before = (letter, new[0].index - 1)
        yield Statement("SELECT 1 FROM entries WHERE letter = %s AND idx = %s", before, rows=1)  # 1
        yield Statement(  # 2
            "INSERT INTO entries(letter, idx, leaf, data, latest) "
            "SELECT %s::bigint, * FROM unnest(%s::bigint[], %s::bytea[], %s::bytea[], %s::bigint[])",
            (
                letter,
                [one.index for one in new],
                [one.leaf for one in new],
                [one.data for one in new],
                [one.latest for one in new],
            ),
        )
        yield from _take(letter, [one for one in new if one.waiting])  # 3
    given = [one for one in new if one.blob is not None]
    if given:
        yield Statement(  # 4
            "INSERT INTO blobs(letter, idx, hash, sealed, data) "
            "SELECT %s::bigint, idx, hash, false, data FROM unnest(%s::bigint[], %s::bytea[], %s::bytea[]) "
            "AS given(idx, hash, data)",
            (letter, [one.index for one in given], [one.blob_hash for one in given], [one.blob for one in given]),
        )
    if change.erasures:
        yield Statement(  # 5
            "INSERT INTO erasures(letter, cause, idx, opened) "
            "SELECT %s::bigint, * FROM unnest(%s::bigint[], %s::bigint[], %s::boolean[]) ON CONFLICT DO NOTHING",
            (
                letter,
                [one.cause for one in change.erasures],
                [one.index for one in change.erasures],
                [one.opened for one in change.erasures],
            ),
        )
    if change.lists:
        yield Statement(  # 6
            "INSERT INTO lists(letter, hash, data) "
            "SELECT %s::bigint, * FROM unnest(%s::bytea[], %s::bytea[]) ON CONFLICT DO NOTHING",
            (letter, list(change.lists), list(change.lists.values())),
        )
    yield Statement("UPDATE letters SET head = %s WHERE letter = %s", (change.head, letter), rows=1)  # 7


def _take(letter: int, taken: Sequence[NewEntry]) -> Iterator[Statement]:
    if not taken:
        return
    leaves = [one.leaf for one in taken]
    yield Statement(
        "INSERT INTO blobs(letter, idx, hash, sealed, data) "
        "SELECT waiting.letter, taken.idx, waiting.blob_hash, waiting.sealed, waiting.blob "
        "FROM unnest(%s::bigint[], %s::bytea[]) AS taken(idx, leaf) "
        "JOIN waiting ON waiting.letter = %s AND waiting.leaf = taken.leaf WHERE waiting.blob IS NOT NULL",
        ([one.index for one in taken], leaves, letter),
    )
    yield Statement("DELETE FROM waiting WHERE letter = %s AND leaf = ANY(%s)", (letter, leaves), rows=len(taken))


def _publish(change: Publish) -> Iterator[Statement]:
    letter, size = change.letter, change.size
    yield Statement("UPDATE letters SET published = %s WHERE letter = %s", (change.note, letter), rows=1)
    if change.cosigned:
        yield Statement("UPDATE letters SET cosigned = %s WHERE letter = %s", (change.note, letter))
    due = (letter, letter, size)
    yield Statement(
        "DELETE FROM blobs WHERE letter = %s AND idx IN "
        "(SELECT idx FROM erasures WHERE letter = %s AND cause < %s AND NOT opened)",
        due,
    )
    yield Statement(
        "DELETE FROM opened WHERE letter = %s AND idx IN "
        "(SELECT idx FROM erasures WHERE letter = %s AND cause < %s AND opened)",
        due,
    )
    yield Statement("DELETE FROM erasures WHERE letter = %s AND cause < %s", (letter, size))
    for name, note in change.keep.items():
        yield Statement(
            "INSERT INTO notes(letter, name, note) VALUES (%s, %s, %s) "
            "ON CONFLICT (letter, name) DO UPDATE SET note = excluded.note",
            (letter, name, note),
        )
    if change.forget:
        yield Statement("DELETE FROM notes WHERE letter = %s AND name = ANY(%s)", (letter, list(change.forget)))


def _keep_blob(change: KeepBlob) -> Iterator[Statement]:
    yield Statement(
        "INSERT INTO blobs(letter, idx, hash, sealed, data) VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
        (change.letter, change.index, change.blob_hash, change.sealed, change.blob),
    )


def _keep_opened(change: KeepOpened) -> Iterator[Statement]:
    yield Statement(
        "INSERT INTO opened(letter, idx, data) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
        (change.letter, change.index, change.data),
    )
    yield Statement("DELETE FROM blobs WHERE letter = %s AND idx = %s AND sealed", (change.letter, change.blob_at))


def _keep_message(change: KeepMessage) -> Iterator[Statement]:
    yield Statement(
        'INSERT INTO messages(letter, "freeze", recipient, sender, type, part, data) '
        "VALUES (%s, %s, %s, %s, %s, %s, %s) "
        'ON CONFLICT (letter, "freeze", recipient, sender, type, part) DO UPDATE SET data = excluded.data',
        (change.letter, change.freeze, *change.place, change.data),
    )


def _forget_messages(change: ForgetMessages) -> Iterator[Statement]:
    yield Statement('DELETE FROM messages WHERE letter = %s AND "freeze" = %s', (change.letter, change.freeze))


def _destroy_sealed(change: DestroySealed) -> Iterator[Statement]:
    yield Statement("DELETE FROM blobs WHERE letter = %s AND sealed", (change.letter,))


_MAKERS: dict[type, Callable[[Any], Iterator[Statement]]] = {
    NewLetter: _new_letter,
    Append: _append,
    Publish: _publish,
    KeepBlob: _keep_blob,
    KeepOpened: _keep_opened,
    KeepMessage: _keep_message,
    ForgetMessages: _forget_messages,
    DestroySealed: _destroy_sealed,
}
