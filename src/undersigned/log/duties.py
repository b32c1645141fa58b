"""What the log writes by itself, when state and witnesses' clocks say so: reached, freeze, lapse, closing, destruction.

A duty looks at the state; the sequencer drains what is pending, and the rules are asked again before it is written.
"""

import asyncio
from collections.abc import Iterator

from undersigned.errors import Refused
from undersigned.log.letter_log import LetterLog, sign_entry
from undersigned.log.sequencer import Sequencer
from undersigned.log.storage import DestroySealed, ForgetMessages, LogStorage
from undersigned.log.writer import Writer
from undersigned.protocol import entry as entries
from undersigned.protocol.rules import check
from undersigned.protocol.times import LAPSE_SECONDS, late_from

KEEP_SEALED_SECONDS = 28 * 24 * 3600
MESSAGE_SECONDS = 3600


class Duties:
    """The log's own part in a letter."""

    def __init__(self, *, storage: LogStorage, writer: Writer, sequencer: Sequencer, seed: bytes) -> None:
        self._storage, self._writer, self._sequencer, self._seed = storage, writer, sequencer, seed

    def perform(self, log: LetterLog, *, now: float) -> list[asyncio.Future[None]]:
        """Do what is due now: 1. the last drain  2. what is late  3. own entries  4. sealed envelopes  5. messages."""
        written = self._last_drain(log, now=now)  # 1
        self._count_late(log)  # 2
        for entry in self._due(log, now=now):  # 3
            written += self._append(log, entry)
        written += self._destroy(log, now=now)  # 4
        written += self._forget_messages(log, now=now)  # 5
        return written

    def _last_drain(self, log: LetterLog, *, now: float) -> list[asyncio.Future[None]]:
        """From margin_seconds before the deadline on, whatever signatures wait go out, so that none is late."""
        publication = log.letter.publication
        if now < publication.deadline - publication.margin_seconds or log.state.closed is not None:
            return []
        timely = (entries.Signature, entries.Consent, entries.Condition)
        if not any(isinstance(item.entry, timely) for item in log.pending):
            return []
        log.event = True
        drained = self._sequencer.drain(log)
        return [drained] if drained else []

    def _count_late(self, log: LetterLog) -> None:
        """Once witnesses show the deadline passed, take what they did not cover in time as everybody else will."""
        late = late_from(log.times, letter=log.letter)
        if late is None or late == log.state.late_from:
            return
        state = log.state
        affected = any(index >= late for index in state.by_index) or any(at >= late for at in state.reached.values())
        if affected or state.late_from is not None:
            log.broken = True  # read anew, with these times
        else:
            state.late_from = late

    def _due(self, log: LetterLog, *, now: float) -> Iterator[entries.SignedEntry]:
        if log.broken:
            return
        yield from _reached(log, now=now)
        yield from _freeze(log)
        yield from _lapse(log)
        yield from _closing(log, now=now)

    def _append(self, log: LetterLog, entry: entries.SignedEntry) -> list[asyncio.Future[None]]:
        data = sign_entry(entry, log.letter, seed=self._seed)
        try:
            return [self._sequencer.append(log, entry, data)]
        except Refused:  # what was pending changed it, or too few remain: looked at again at the next tick
            return []

    def _destroy(self, log: LetterLog, *, now: float) -> list[asyncio.Future[None]]:
        """After deadline and hold, envelopes of tiers with no live `reached` or freeze are not needed any more."""
        publication, state = log.letter.publication, log.state
        over = publication.deadline + publication.hold_seconds
        live = bool(state.reached or state.frozen or log.published_size < state.size)
        if log.broken or now < over or (live and now < over + KEEP_SEALED_SECONDS):
            return []
        if any(one.role == "log" for _, one in state.destructions) or not self._storage.has_sealed(log.number):
            return []
        destroyed = self._writer.write(DestroySealed(letter=log.number))
        entry = entries.Destruction(role="log", by=0, what="sealed envelopes")
        return [destroyed, *self._append(log, entry)]

    def _forget_messages(self, log: LetterLog, *, now: float) -> list[asyncio.Future[None]]:
        """Messages between trustees stay for an hour after their round."""
        for one in log.state.freezes:
            if log.state.frozen is None or one.index != log.state.frozen.index:
                log.ended.setdefault(one.index, now)
        done = [
            freeze for freeze, at in log.ended.items() if at + MESSAGE_SECONDS < now and freeze not in log.forgotten
        ]
        log.forgotten.update(done)
        return [self._writer.write(ForgetMessages(letter=log.number, freeze=freeze)) for freeze in done]


def _reached(log: LetterLog, *, now: float) -> Iterator[entries.SignedEntry]:
    state = log.state
    if state.closed is not None or now >= log.letter.publication.deadline:
        return
    for tier in log.letter.publication.tiers:
        if tier.id not in state.reached and state.holds(tier.id):
            yield entries.Reached(tier=tier.id)


def _freeze(log: LetterLog) -> Iterator[entries.SignedEntry]:
    """The highest tier reached and held; `since` as late as the hold allows, so that as many as possible are in."""
    if log.state.frozen is not None:
        return
    for tier, reached in sorted(log.state.reached.items(), reverse=True):
        sizes = held(log, reached)
        if sizes is None:
            continue
        entry = entries.Freeze(tier=tier, since=sizes[0], until=sizes[1])
        if _allowed(log, entry):
            yield entry
            return


def held(log: LetterLog, reached: int) -> tuple[int, int] | None:
    """The sizes (since, until) of the witnessed notes that show a whole hold after index `reached`, or None."""
    times, hold = log.times, log.letter.publication.hold_seconds
    until = max(times.shown_at, default=0)
    since = [size for size in times.proved_by if reached < size <= until and (times.span(size, until) or 0) >= hold]
    return (max(since), until) if since else None


def _lapse(log: LetterLog) -> Iterator[entries.SignedEntry]:
    frozen, times = log.state.frozen, log.times
    if frozen is None:
        return
    until = max(times.shown_at, default=0)
    since = min((size for size in times.proved_by if size > frozen.index), default=until)
    if frozen.index < since <= until and (times.span(since, until) or 0) >= LAPSE_SECONDS:
        yield entries.Lapse(freeze=frozen.index, since=since, until=until)


def _closing(log: LetterLog, *, now: float) -> Iterator[entries.SignedEntry]:
    """At the deadline, once a witnessed checkpoint shows it has passed (without a quorum: by the log's own clock)."""
    deadline = log.letter.publication.deadline
    if log.state.closed is not None or now < deadline:
        return
    shown = any(at >= deadline for at in log.times.shown_at.values())
    if shown or not log.letter.policy.has_quorum:
        yield entries.Closing(by="log", reason="deadline")


def _allowed(log: LetterLog, entry: entries.SignedEntry) -> bool:
    try:
        check(log.state, entry)
    except Refused:
        return False
    return True
