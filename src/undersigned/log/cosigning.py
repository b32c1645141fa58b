"""Asks the letter's witnesses to cosign a checkpoint (C2SP tlog-witness), and publishes what came of it.

Admission and sequencing never wait for a witness; a round runs beside them, one at a time for each letter.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from undersigned.errors import Malformed, UndersignedError, VerificationError
from undersigned.log.letter_log import LetterLog
from undersigned.log.storage import Publish
from undersigned.log.writer import Writer
from undersigned.transparency.cosignature import verify_cosignature
from undersigned.transparency.encoding import base64_text, read_decimal
from undersigned.transparency.note import Note, NoteSignature, parse_note
from undersigned.transparency.policy import Witness

Post = Callable[[str, bytes], Awaitable[tuple[int, bytes]]]

WITNESS_SECONDS = 5.0
STRAGGLER_SECONDS = 0.5
AT_MOST_EVERY = 60.0
QUIET_SECONDS = 3600.0
ADVICE = (
    "stop it and bring it up to the newest dossier that anybody has with `undersigned restore`; if none is as new as "
    "what its witnesses know, publish the letter anew and run `undersigned log succeed`: docs/operating/recovery.md"
)
_log = logging.getLogger("undersigned.log")


class _Ahead(Exception):
    """A witness knows a larger log, or another one of this size."""


class Cosigning:
    """Runs rounds of cosigning. `post` takes a URL and a body, gives status and body, and may fail as it likes."""

    def __init__(self, *, writer: Writer, post: Post, clock: Callable[[], float]) -> None:
        self._writer, self._post, self._clock = writer, post, clock

    def is_due(self, log: LetterLog, *, now: float) -> bool:
        """Whether a round should start: at events at once, for growth and holds every interval, else hourly."""
        if log.halted or log.broken or (log.round is not None and not log.round.done()):
            return False
        last = log.last_round
        deadline = log.letter.publication.deadline
        if last is None or now < last or last < deadline <= now:
            return True
        grown = log.head_size > log.published_size
        if grown and (log.event or not log.has_witnesses()):
            return True
        wanting = grown or log.round_failed or log.gated or _needs_time(log, now=now)
        return now - last >= (interval(log) if wanting else QUIET_SECONDS)

    def start(self, log: LetterLog, *, now: float) -> None:
        """Begin a round with the head as it is."""
        log.last_round, log.event = now, log.head_size < log.state.size
        log.round = asyncio.create_task(self._round(log))

    async def _round(self, log: LetterLog) -> None:
        """1. ask every witness  2. put their lines under the note  3. publish it  4. trust the log's own memory."""
        data, size = log.head, log.head_size
        note = parse_note(data)
        try:
            lines = await self._gather(log, note, data, size)  # 1
        except _Ahead:
            log.halted = (
                "this log was set back to an older copy: its witnesses know more, and it may not write another history"
            )
            _log.error("%s: %s; %s", log.letter.slug, log.halted, ADVICE)
            return
        cosigned = Note(text=note.text, signatures=(*note.signatures, *lines.values()))  # 2
        policy = log.letter.policy
        quorum = policy.has_quorum and policy.satisfied(lines)
        log.round_failed = policy.has_quorum and not quorum
        await self._publish(log, cosigned, size=size, quorum=quorum)  # 3
        if quorum:
            log.gated, log.sure = False, True  # 4

    async def _gather(self, log: LetterLog, note: Note, data: bytes, size: int) -> dict[str, NoteSignature]:
        """The verified cosignatures by policy name: those that came until a moment after the quorum was there."""
        policy = log.letter.policy
        tasks = {
            asyncio.create_task(self._ask(log, one, note, data, size)): one.name
            for one in policy.witnesses.values()
            if one.url is not None
        }
        found: dict[str, NoteSignature] = {}
        waiting, limit = set(tasks), WITNESS_SECONDS
        try:
            while waiting and limit > 0:
                begun = asyncio.get_running_loop().time()
                done, waiting = await asyncio.wait(waiting, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
                limit -= asyncio.get_running_loop().time() - begun
                for task in done:
                    line = task.result()
                    if line is not None:
                        found[tasks[task]] = line
                if log.sure and policy.satisfied(found):
                    limit = min(limit, STRAGGLER_SECONDS)
                if not done:
                    break
        finally:
            for task in waiting:
                task.cancel()
            for task in tasks.keys() - waiting:
                task.exception()  # where two witnesses know more, one of them has said it
        return found

    async def _ask(self, log: LetterLog, witness: Witness, note: Note, data: bytes, size: int) -> NoteSignature | None:
        """One witness's cosignature, or None; if it knows another size, once more from there."""
        assert witness.url is not None
        url = witness.url.rstrip("/") + "/add-checkpoint"
        old = min(log.known.get(witness.name, 0), size)
        for _ in range(2):
            try:
                status, body = await self._post(url, _request(log, data, old=old, size=size))
                if status == 200:
                    line = _read_line(body, note, witness)
                    log.known[witness.name] = size
                    return line
                if status != 409:
                    return None
                theirs = read_decimal(body.decode("ascii").removesuffix("\n"), what="the witness's size")
            except (UndersignedError, UnicodeDecodeError):
                return None
            except Exception:  # noqa: BLE001  whatever the network does, this witness has not cosigned
                return None
            if theirs > size or theirs == old:
                _log.error("%s: witness %s knows another history", log.letter.slug, witness.name)
                if not log.sure:
                    raise _Ahead
                return None
            old = theirs
        return None

    async def _publish(self, log: LetterLog, note: Note, *, size: int, quorum: bool) -> None:
        data = note.encode()
        if not quorum and size == log.cosigned_size:
            return  # readers have a better one
        keep, forget = _keep_times(log, note, size, now=self._clock()) if quorum else ({}, [])
        change = Publish(letter=log.number, size=size, note=data, cosigned=quorum, keep=keep, forget=forget)
        try:
            await self._writer.write(change)
        except UndersignedError:
            log.broken = True  # the times in memory may not be on disk, or the other way round
            raise
        log.published, log.published_size = data, size
        if quorum:
            log.cosigned, log.cosigned_size = data, size


def interval(log: LetterLog) -> float:
    """Seconds between rounds of an active letter: a minute, or less where the hold is short."""
    return max(1.0, min(AT_MOST_EVERY, log.letter.publication.hold_seconds / 4))


def _needs_time(log: LetterLog, *, now: float) -> bool:
    """Whether a later timestamp would let a hold or the deadline be shown."""
    deadline = log.letter.publication.deadline
    holding = bool(log.state.reached) and log.state.frozen is None
    return holding or (log.state.closed is None and now >= deadline)


def _request(log: LetterLog, data: bytes, *, old: int, size: int) -> bytes:
    proof = [base64_text(one) for one in log.tree.consistency_proof(old, size)]
    return "\n".join([f"old {old}", *proof, "", ""]).encode() + data


def _read_line(body: bytes, note: Note, witness: Witness) -> NoteSignature:
    """The witness's own line among those it answered, verified; Malformed, VerificationError."""
    answered = parse_note(note.encode() + body)
    lines = [one for one in answered.signatures if one.name == witness.vkey.name and one.key_id == witness.vkey.key_id]
    if len(lines) != 1:
        raise Malformed("the witness answered with another number of cosignatures than one")
    single = Note(text=note.text, signatures=(lines[0],))
    if verify_cosignature(single, witness.vkey) == 0:
        raise VerificationError("the cosignature carries no time")
    return lines[0]


def _keep_times(log: LetterLog, note: Note, size: int, *, now: float) -> tuple[dict[str, bytes], list[str]]:
    """Which notes to keep as `<size>.first` and `<size>.last`, and which older ones nobody needs any more."""
    stamps = list(log.letter.policy.timestamps(note).values())
    times, data, keep = log.times, note.encode(), {}
    if max(stamps) < times.proved_by.get(size, max(stamps) + 1):
        keep[f"{size}.first"] = data
    if min(stamps) > times.shown_at.get(size, 0):
        keep[f"{size}.last"] = data
    times.add(size, stamps)
    return keep, [f"{old}.{which}" for old in _let_go(log, now=now) for which in ("first", "last")]


def _let_go(log: LetterLog, *, now: float) -> list[int]:
    """Sizes whose times no rule asks for: not the first or last two, no hold's or freeze's, none about the deadline."""
    publication, state, times = log.letter.publication, log.state, log.times
    if now >= publication.deadline - publication.margin_seconds - 2 * interval(log):
        return []
    sizes = sorted(times.proved_by)
    named = {size for one in state.freezes for size in (one.since, one.until)}
    named |= {size for _, lapse in state.lapses for size in (lapse.since, lapse.until)}
    since = min([*state.reached.values(), *([state.frozen.index] if state.frozen else [])], default=log.state.size)
    gone = [size for size in sizes[1:-2] if size not in named and size <= since]
    for size in gone:
        del times.proved_by[size], times.shown_at[size]
    return gone
