"""Puts entries into the log: what is pending in the protocol's order, others as they come. spec/log.md.

Everything here happens at once as far as other requests can see; only then is it written and waited for.
"""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from undersigned.errors import Refused
from undersigned.log.letter_log import LetterLog, sign_head, slim
from undersigned.log.pending import Item
from undersigned.log.storage import Append, Erasure, NewEntry
from undersigned.log.writer import Writer
from undersigned.protocol import entry as entries
from undersigned.protocol.encoding import sha256
from undersigned.protocol.entry import Entry
from undersigned.protocol.opening_list import OpeningList, encode_opening_list, opening_list_hash
from undersigned.protocol.order import in_order
from undersigned.protocol.rules import check
from undersigned.protocol.state import LetterState, Record
from undersigned.transparency.merkle import leaf_hash

AT_LEAST_WAITING = 5
MAX_FORCED_SECONDS = 600
_DRAINING = (
    entries.Amendment
    | entries.Removal
    | entries.Dispute
    | entries.Reached
    | entries.Freeze
    | entries.Opening
    | entries.Abort
    | entries.Lapse
    | entries.Closing
    | entries.Amendment
    | entries.Dispute
    | entries.Removal
)
_EVENTS = (
    entries.Registrar
    | entries.Trustee
    | entries.Reached
    | entries.Freeze
    | entries.Opening
    | entries.Abort
    | entries.Lapse
    | entries.Closing
    | entries.Amendment
    | entries.Dispute
    | entries.Removal
)
_log = logging.getLogger("undersigned.log")


@dataclass(slots=True)
class Batch:
    """Entries applied in memory that go to disk together."""

    entries: list[NewEntry] = field(default_factory=list)
    erasures: list[Erasure] = field(default_factory=list)
    lists: dict[bytes, bytes] = field(default_factory=dict)


class Sequencer:
    """Appends to letter logs; it alone holds the key that signs heads."""

    def __init__(self, *, writer: Writer, seed: bytes) -> None:
        self._writer, self._seed = writer, seed

    def release(self, log: LetterLog, *, now: float) -> asyncio.Future[None] | None:
        """Append what is due by now; None when nothing is."""
        items = due_items(log, now=now)
        if not items:
            return None
        batch = Batch()
        _take(log, items, batch)
        return self._write(log, batch)

    def append(
        self,
        log: LetterLog,
        entry: Entry,
        data: bytes,
        *,
        blob: bytes | None = None,
        listed: OpeningList | None = None,
    ) -> asyncio.Future[None]:
        """Append one verified entry that is not a signatory's, draining what is pending if it changes the state.

        Refused by the rules, before or after the drain; what was drained stays in.
        """
        check(log.state, entry, listed)
        batch = Batch()
        try:
            if isinstance(entry, _DRAINING) and len(log.pending):
                _take(log, list(log.pending), batch)
                check(log.state, entry, listed)
            apply_entry(log, entry, _new_entry(log, data, blob), batch, listed)
        finally:
            written = self._write(log, batch) if batch.entries else None
        assert written is not None
        return written

    def drain(self, log: LetterLog) -> asyncio.Future[None] | None:
        """Append everything pending."""
        batch = Batch()
        _take(log, list(log.pending), batch)
        return self._write(log, batch) if batch.entries else None

    def _write(self, log: LetterLog, batch: Batch) -> asyncio.Future[None]:
        head, size = sign_head(log.letter, log.tree, seed=self._seed), log.tree.size
        written = self._writer.write(
            Append(letter=log.number, entries=batch.entries, erasures=batch.erasures, head=head, lists=batch.lists)
        )

        def done(future: asyncio.Future[None]) -> None:
            if future.cancelled() or future.exception() is not None:
                log.broken = True
            elif size > log.head_size:
                log.head, log.head_size = head, size

        written.add_done_callback(done)
        return written


def due_items(log: LetterLog, *, now: float) -> list[Item]:
    """What goes out now: public entries at once, the rest in batches, and with any entry all else of its key."""
    if not len(log.pending):
        return []
    hidden = {item.entry.key for item in log.pending if not _at_once(item, log)}
    chosen = {item.entry.key for item in log.pending if _at_once(item, log)}
    if hidden and _batch_due(log, len(hidden), now=now):
        chosen |= hidden
        log.last_batch = now
    return [item for item in log.pending if item.entry.key in chosen]


def _at_once(item: Item, log: LetterLog) -> bool:
    entry = item.entry
    if isinstance(entry, entries.Signature):
        return entry.mode == "public"
    if isinstance(entry, entries.Condition):
        return entry.tier == 0
    if isinstance(entry, entries.Withdrawal) and (log.state.reached or log.state.frozen):
        return True
    record = log.state.records.get(entry.key)
    return record is not None and (record.mode == "public" or record.opened is not None)


def _batch_due(log: LetterLog, waiting: int, *, now: float) -> bool:
    publication = log.letter.publication
    if log.last_batch is None:
        log.last_batch = now
    slack = min(MAX_FORCED_SECONDS, publication.margin_seconds)
    if now >= min(item.waiting.latest for item in log.pending) - slack:
        return True
    return waiting >= AT_LEAST_WAITING and now - log.last_batch >= publication.batch_seconds


def _take(log: LetterLog, items: Iterable[Item], batch: Batch) -> None:
    """Apply pending entries in the protocol's order."""
    by_data = {item.waiting.entry: item for item in items}
    for data, entry in in_order((data, item.entry) for data, item in by_data.items()):
        item = by_data[data]
        try:
            check(log.state, entry)
        except Refused as refusal:  # admission has made sure of it; should it fail, the promise must not be lost
            _log.error("a promised %s stays out of the log: %s", item.waiting.kind, refusal)
            continue
        log.pending.remove(item)
        new = NewEntry(
            index=log.state.size, leaf=item.waiting.leaf, data=data, waiting=True, latest=item.waiting.latest
        )
        apply_entry(log, entry, new, batch)


def _new_entry(log: LetterLog, data: bytes, blob: bytes | None) -> NewEntry:
    blob_hash = None if blob is None else sha256(blob)
    leaf = leaf_hash(data)
    return NewEntry(index=log.state.size, leaf=leaf, data=data, waiting=False, blob=blob, blob_hash=blob_hash)


def apply_entry(log: LetterLog, entry: Entry, new: NewEntry, batch: Batch, listed: OpeningList | None = None) -> None:
    """Take the next entry, verified and allowed, into memory, and into `batch` with all that follows from it."""
    before = _living(log.state, _touched(log.state, entry))
    replaced = _replaced(log.state, entry)
    log.state.apply(slim(entry), listed)
    log.tree.append(new.leaf)
    batch.entries.append(new)
    for record in before:
        if record.gone:
            batch.erasures += _erasures(log.state, record, cause=new.index)
    batch.erasures += [Erasure(cause=new.index, index=index, opened=False) for index in replaced]
    if listed is not None:
        data = encode_opening_list(listed)
        batch.lists[opening_list_hash(data)] = data
    log.event = log.event or isinstance(entry, _EVENTS)


def _touched(state: LetterState, entry: Entry) -> Sequence[Record]:
    """Signatures that this entry may take out of the letter."""
    match entry:
        case entries.Withdrawal():
            return [state.records[entry.key]]
        case entries.Removal():
            return [state.by_index[entry.index]]
        case entries.Opening() | entries.Abort():
            assert state.frozen is not None
            return [state.by_index[index] for index in sorted(state.frozen.members)]
        case _:
            return []


def _living(state: LetterState, records: Sequence[Record]) -> list[Record]:
    return [record for record in records if not record.gone]


def _replaced(state: LetterState, entry: Entry) -> list[int]:
    return [state.records[entry.key].changed] if isinstance(entry, entries.Condition) else []


def _erasures(state: LetterState, record: Record, *, cause: int) -> list[Erasure]:
    """Everything personal of a signatory who is gone: card or envelope, opened name, and remarks."""
    words = [index for index, remark in state.remarks if remark.key == record.entry.key]
    found = [Erasure(cause=cause, index=index, opened=False) for index in (record.changed, *words)]
    return [*found, Erasure(cause=cause, index=record.index, opened=True)]
