"""Admission: what comes in is read, verified, checked against state plus pending, kept, and only then promised."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from msgspec import UNSET

from undersigned.errors import Malformed, Refused, Unavailable
from undersigned.log.letter_log import LetterLog
from undersigned.log.pending import Item, SignatorysEntry
from undersigned.log.sequencer import Sequencer
from undersigned.log.storage import Admit, KeepBlob, LogStorage, Waiting
from undersigned.log.writer import Writer
from undersigned.protocol import blob as blobs
from undersigned.protocol import entry as entries
from undersigned.protocol import sealing
from undersigned.protocol.encoding import sha256
from undersigned.protocol.entry import Entry, decode_entry, kind_of
from undersigned.protocol.letter import Letter
from undersigned.protocol.opening_list import OpeningList, opening_list_hash
from undersigned.protocol.promise import Promise, make_promise
from undersigned.protocol.replay import find_list
from undersigned.protocol.rules import check, check_issued
from undersigned.protocol.state import Record
from undersigned.protocol.verification import verify_entry
from undersigned.transparency.merkle import leaf_hash

HOUR = 3600
PROMISED_SECONDS = 24 * HOUR


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What one request hands in: an entry's bytes, and what belongs beside it."""

    entry: bytes
    blob: bytes | None = None
    opening_list: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """The answer: where to find the entry later, and for a signatory's entry the promise."""

    leaf: bytes
    promise: Promise | None


class Intake:
    """Admits submissions to letter logs; it holds the key that signs promises."""

    def __init__(
        self,
        *,
        storage: LogStorage,
        writer: Writer,
        sequencer: Sequencer,
        promise_seed: bytes,
        clock: Callable[[], float],
    ) -> None:
        self._storage, self._writer, self._sequencer = storage, writer, sequencer
        self._promise_seed, self._clock = promise_seed, clock

    async def receive(self, submission: Submission, *, log: LetterLog) -> Admitted:
        """Admit one submission: 1. read it  2. the same again, the same answer  3. verify it alone  4. ask the rules
        5. make it durable  6. promise it. Malformed, VerificationError, Refused or Unavailable: nothing is kept.
        """
        entry = decode_entry(submission.entry)  # 1
        leaf = leaf_hash(submission.entry)
        if isinstance(entry, SignatorysEntry):
            latest = await self._known(entry, leaf, submission, log)  # 2
            if latest is None:
                latest = await self._admit(entry, leaf, submission, log)  # 3, 4, 5
            return Admitted(leaf=leaf, promise=self._promise(entry, submission.entry, latest, log.letter))  # 6
        await self._append(entry, leaf, submission, log)
        return Admitted(leaf=leaf, promise=None)

    async def _known(self, entry: SignatorysEntry, leaf: bytes, submission: Submission, log: LetterLog) -> int | None:
        """The `latest` promised to the very same bytes before, or None."""
        item = log.pending.by_leaf(leaf)
        if item is not None:
            if item.kept is not None:
                await asyncio.shield(item.kept)
            return item.waiting.latest
        if isinstance(entry, entries.Signature) and entry.key not in log.state.records:
            return None  # nearly everybody who signs, and the disk need not be asked
        included = self._storage.included(log.number, leaf)
        if included is None:
            return None
        if submission.blob is not None:
            await self._keep_again(entry, included.index, submission.blob, log)
        if included.latest is None:
            raise Unavailable("this entry is in the log, and its promise is not known any more")
        return included.latest

    async def _keep_again(self, entry: SignatorysEntry, index: int, blob: bytes, log: LetterLog) -> None:
        """A holder hands in a blob again that the log lost: protocol, opening, step 2."""
        record = log.state.records.get(entry.key)
        if record is None or record.gone or record.changed != index or record.opened is not None:
            return
        if not isinstance(entry, entries.Signature | entries.Condition) or entry.blob != sha256(blob):
            return
        if self._storage.blob_at(log.number, index) is None and not log.state.destructions:
            sealed = entry.tier > 0
            kept = KeepBlob(letter=log.number, index=index, blob=blob, blob_hash=sha256(blob), sealed=sealed)
            await asyncio.shield(self._writer.write(kept))
            log.beside += 1

    async def _admit(self, entry: SignatorysEntry, leaf: bytes, submission: Submission, log: LetterLog) -> int:
        log.check_writable()
        _no_list(submission)
        verify_entry(entry, log.letter)  # 3
        check_pending(entry, log, now=self._clock())  # 4
        check_blob(entry, submission.blob, log)
        latest = latest_inclusion(entry, log.letter, now=self._clock())
        waiting = Waiting(leaf=leaf, key=entry.key, kind=kind_of(entry), entry=submission.entry, latest=latest)
        kept = self._writer.write(  # 5
            Admit(
                letter=log.number,
                waiting=waiting,
                blob=submission.blob,
                blob_hash=None if submission.blob is None else sha256(submission.blob),
                sealed=isinstance(entry, entries.Signature | entries.Condition) and entry.tier > 0,
            )
        )
        item = Item(waiting=waiting, entry=entry, kept=kept)
        log.pending.add(item)

        def done(future: asyncio.Future[None]) -> None:
            failure = future.exception()
            if failure is not None:
                log.pending.remove(item)
                log.broken = log.broken or not isinstance(failure, Refused)  # it may be on disk all the same

        kept.add_done_callback(done)
        await asyncio.shield(kept)
        return latest

    async def _append(self, entry: Entry, leaf: bytes, submission: Submission, log: LetterLog) -> None:
        """Append at once what is not a signatory's. The same bytes again are fine where they would change nothing."""
        log.check_writable()
        listed = _read_list(entry, submission, log)
        verify_entry(entry, log.letter)
        check_blob(entry, submission.blob, log)
        try:
            written = self._sequencer.append(log, entry, submission.entry, blob=submission.blob, listed=listed)
        except Refused:
            if self._storage.included(log.number, leaf) is None:
                raise
            return
        await asyncio.shield(written)

    def _promise(self, entry: SignatorysEntry, data: bytes, latest: int, letter: Letter) -> Promise:
        return make_promise(data, key=entry.key, latest=latest, letter=letter, seed=self._promise_seed)


def latest_inclusion(entry: SignatorysEntry, letter: Letter, *, now: float) -> int:
    """By when the entry will be in the log: a full hour at most a day ahead, so that it does not time anybody,
    and for what the deadline ends never past the deadline."""
    latest = (int(now) + PROMISED_SECONDS) // HOUR * HOUR
    if isinstance(entry, entries.Signature | entries.Consent | entries.Condition):
        return min(latest, letter.publication.deadline)
    return latest


def check_pending(entry: SignatorysEntry, log: LetterLog, *, now: float) -> None:
    """Refused unless the rules allow the entry after all that is in the log and all that is promised."""
    _check_deadline(entry, log.letter, now=now)
    waiting = log.pending.of_key(entry.key)
    if "withdrawal" in waiting:
        raise Refused("this signature has left the letter")
    if kind_of(entry) in waiting:
        raise Refused(_WAITING[type(entry)])
    signature = log.pending.signature_of(entry.key)
    if signature is not None:
        _check_beside(entry, signature, log.letter)
        return
    check(log.state, entry)
    if isinstance(entry, entries.Signature):
        already = log.state.ever[entry.class_] + log.pending.signatures(entry.class_)
        check_issued(log.state, entry.class_, already=already)


_WAITING: dict[type, str] = {
    entries.Signature: "a signature of this key is on its way into the log already: each token signs once",
    entries.Consent: "another consent of yours is on its way into the log: try again when it is there",
    entries.Condition: "another change of yours is on its way into the log: try again when it is there",
    entries.Remark: "other words of yours are on their way into the log: try again when they are there",
}


def _check_deadline(entry: SignatorysEntry, letter: Letter, *, now: float) -> None:
    last = letter.publication.deadline - letter.publication.margin_seconds
    if now >= last and isinstance(entry, entries.Signature | entries.Consent | entries.Condition):
        raise Refused("the letter is about to close or has closed: nothing can be signed or changed any more")


def _check_beside(entry: SignatorysEntry, signature: entries.Signature, letter: Letter) -> None:
    """What may wait beside a signature that is not in the log yet: only its withdrawal."""
    if not isinstance(entry, entries.Withdrawal):
        raise Refused("your signature is not in the log yet: try again when your receipt has its proof")
    if isinstance(entry.registrar, int):
        if signature.assisted is not True:
            raise Refused("only the signatory can withdraw this signature, with the receipt")
        if all(one.registrar.id != entry.registrar for one in letter.issuing[signature.class_]):
            raise Refused("this registrar has no part in this signature")


def check_blob(entry: Entry, blob: bytes | None, log: LetterLog) -> None:
    """Malformed or VerificationError unless just what the entry names lies beside it, and is as it must be."""
    named = getattr(entry, "blob", UNSET)
    if not isinstance(named, bytes):
        if blob is not None:
            raise Malformed("nothing belongs beside this kind of entry")
        return
    if blob is None:
        raise Malformed("what the entry names beside it is missing")
    if sha256(blob) != named:
        raise Malformed("what lies beside the entry is not what the entry names")
    match entry:
        case entries.Signature():
            _check_card(blob, tier=entry.tier, class_id=entry.class_, key=entry.key, letter=log.letter)
        case entries.Condition():
            record: Record = log.state.records[entry.key]
            _check_card(blob, tier=entry.tier, class_id=record.entry.class_, key=entry.key, letter=log.letter)
        case entries.Remark():
            blobs.read_remark(blob)
        case entries.Statement():
            blobs.read_statement(blob)
        case entries.Confirmation():
            blobs.read_confirmation(blob)
        case _:
            raise Malformed("nothing belongs beside this kind of entry")


def _check_card(blob: bytes, *, tier: int, class_id: int, key: bytes, letter: Letter) -> None:
    if tier == 0:
        blobs.verify_public_blob(blob, letter=letter, class_id=class_id, key=key)
    else:
        sealing.check_rows(sealing.read_envelope(blob, letter=letter, tier=tier))


def _no_list(submission: Submission) -> None:
    if submission.opening_list is not None:
        raise Malformed("a list belongs beside an opening only")


def _read_list(entry: Entry, submission: Submission, log: LetterLog) -> OpeningList | None:
    if not isinstance(entry, entries.Opening | entries.Abort):
        _no_list(submission)
        return None
    data = submission.opening_list
    if data is None:
        raise Malformed("an opening comes with its list")
    return find_list(entry, {opening_list_hash(data): data}.get, log.letter)
