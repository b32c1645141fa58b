"""Watches one letter: keeps what its host shows, and when the host breaks its word, says so with evidence.

What was kept is a folder like a host's own files: enough to take up the watch again and to prove a fork.
"""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from undersigned import evidence
from undersigned.client.folder import FolderSource, keep, keep_entries
from undersigned.client.follow import LogClient
from undersigned.client.source import NotThere, Source
from undersigned.errors import Malformed, Unavailable, UndersignedError, VerificationError
from undersigned.protocol import times as time_rules
from undersigned.protocol.receipt import Receipt, verify_receipt
from undersigned.transparency import tiles
from undersigned.transparency.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint
from undersigned.transparency.merkle import Tree, leaf_hash
from undersigned.transparency.note import parse_note
from undersigned.transparency.policy import Policy

UNWITNESSED_SECONDS = 3 * 3600
Kind = Literal["fork", "shrunk", "unproved", "refused", "broken-promise", "overdue", "unwitnessed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """What is wrong in one sentence; `files` are the evidence by name, as far as a file can show it."""

    kind: Kind
    sentence: str
    files: dict[str, bytes] = field(default_factory=dict)


class Watch:
    """One letter's watch. `folder` keeps what was seen, `receipts` are those whose promises are looked after.

    `client` is the letter as far as it was followed; `clock` gives Unix seconds.
    """

    def __init__(
        self,
        source: Source,
        *,
        folder: Path,
        policy: Policy | None = None,
        receipts: Sequence[Receipt] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Take up the watch where `folder` left it. VerificationError when the folder is not one letter's log."""
        self.folder, self._clock, self._receipts = folder, clock, receipts
        self._source = source
        self._begun = clock()
        kept = FolderSource(folder)
        self.client = LogClient(kept, policy=policy)
        if (folder / "checkpoint").exists():
            self.client.refresh()
        self._checked_receipts = False

    @property
    def policy(self) -> Policy:
        """The reader's own policy, or the letter's."""
        return self.client.policy or self.client.letter.policy

    def look(self) -> Alarm | None:
        """Ask the host once: 1. follow it  2. keep what it shows  3. ask whether it kept its word. Unavailable."""
        heard = _Heard(self._source)
        self.client.source = heard
        known = self.client.tree.size
        try:
            self.client.refresh()  # 1
        except Unavailable:
            raise
        except UndersignedError as refusal:
            return self._explain(heard, refusal, known)
        self._keep(heard, since=known)  # 2
        return next(self._alarms(), None)  # 3

    def save(self, alarm: Alarm) -> list[Path]:
        """Write the alarm's files into the folder, beside what other alarms left there; their paths."""
        found = []
        for name, data in alarm.files.items():
            stem, _, ending = name.rpartition(".")
            number, path = 1, self.folder / name
            while path.exists() and path.read_bytes() != data:
                number += 1
                path = self.folder / f"{stem}-{number}.{ending}"
            keep(self.folder, path.name, data)
            found.append(path)
        return found

    def _explain(self, heard: "_Heard", refusal: UndersignedError, known: int) -> Alarm:
        """Why following failed: a fork with its proof, an older state, or an entry that no rule allows."""
        if not known and not self.client.tree.size:
            raise refusal
        own = open_checkpoint(self.client.head, self.client.letter.log_vkey)[0] if self.client.head else None
        for data in heard.notes.values():
            alarm = self._compare(own, data) if own else None
            if alarm is not None:
                return alarm
        if own and _size(heard.notes.get("checkpoint", b"")) < own.size:
            sentence = f"the host shows fewer entries than before: {own.size:,} were signed, and some are withheld"
            return Alarm(kind="shrunk", sentence=sentence)
        if self.client.tree.size and not self.client.is_whole:
            self._keep(heard, since=known)
            files = self._dossier("refused")
            return Alarm(
                kind="refused", sentence=f"the log holds what its letter's rules refuse: {refusal}", files=files
            )
        raise refusal

    def _compare(self, own: Checkpoint, data: bytes) -> Alarm | None:
        """Another head of the letter's log beside our own; None when they belong together or it is no head at all."""
        client = self.client
        try:
            shown, _ = open_checkpoint(data, client.letter.log_vkey)
        except (Malformed, VerificationError):
            return None
        if shown.size < 1:
            return None
        if shown.size > own.size:
            return self._compare_larger(own, shown, data)
        if client.tree.root(shown.size) != shown.root_hash:
            return _forked(evidence.fork(client.letter, data, client.head, tree=client.tree))
        return None

    def _compare_larger(self, own: Checkpoint, shown: Checkpoint, data: bytes) -> Alarm | None:
        """A larger head that our entries do not lead to: read its whole history anew, to prove that it is another."""
        tree = Tree()
        try:
            for bundle in tiles.entries_layout(shown.size):
                for one in tiles.decode_entries(self._source.get(bundle.path), bundle.width):
                    tree.append(leaf_hash(one))
        except (Malformed, NotThere):
            tree = Tree()
        if tree.size != shown.size or tree.root() != shown.root_hash:
            sentence = f"the host signed {shown.size:,} entries and shows others, which give another root"
            return Alarm(kind="unproved", sentence=sentence, files={f"head-of-{shown.size}.checkpoint": data})
        if tree.root(own.size) != own.root_hash:
            return _forked(evidence.fork(self.client.letter, self.client.head, data, tree=tree))
        return None

    def _keep(self, heard: "_Heard", *, since: int) -> None:
        """The head last, so that a watch that is cut off finds what it had."""
        keep_entries(self.folder, self.client.entries, since=since)
        for path, data in (heard.notes | heard.lists).items():
            if path != "checkpoint":
                keep(self.folder, path, data)
        keep(self.folder, "checkpoint", self.client.head)

    def _alarms(self) -> Iterator[Alarm]:
        yield from self._broken_promises()
        for tier in time_rules.overdue(self.client.state, times=self.client.times):
            at_least = self.client.letter.at_least(tier)
            sentence = f"OVERDUE: {at_least:,} were reached and held, and a day later their names are not being opened"
            yield Alarm(kind="overdue", sentence=sentence, files=self._dossier("overdue"))
        latest = self.client.times.latest
        if self.policy.has_quorum and self._clock() - (latest or self._begun) > UNWITNESSED_SECONDS:
            since = "ever" if latest is None else f"since {_when(latest)}"
            sentence = f"no quorum of witnesses has vouched for this log {since}: what it shows now is the host's word"
            yield Alarm(kind="unwitnessed", sentence=sentence)

    def _broken_promises(self) -> Iterator[Alarm]:
        self._check_receipts()
        notes = [self.client.head, *(path.read_bytes() for path in (self.folder / "checkpoints").glob("*.*st"))]
        heads = sorted((open_checkpoint(data, self.client.letter.log_vkey)[0].size, data) for data in notes)
        for receipt in self._receipts:
            index = self.client.sees(receipt.entry)
            latest = receipt.promise.latest
            sentence = f"the host promised to take in a signature by {_when(latest)} and did not"
            for size, data in heads:
                if index is not None and index < size:
                    break
                if evidence.shows_after(parse_note(data), latest, policy=self.policy):
                    proof = evidence.broken_promise(
                        self.client.letter,
                        entry=receipt.entry,
                        promise=receipt.promise,
                        head=data,
                        tree=self.client.tree,
                    )
                    files = {"broken-promise.evidence": evidence.encode_evidence(proof)}
                    yield Alarm(kind="broken-promise", sentence=sentence, files=files)
                    break
            if index is None and not self.policy.has_quorum and self._clock() > latest:
                yield Alarm(kind="broken-promise", sentence=f"{sentence}, by this machine's clock")

    def _check_receipts(self) -> None:
        """Each receipt holds, and is of this letter."""
        if self._checked_receipts:
            return
        for receipt in self._receipts:
            letter, _ = verify_receipt(receipt, policy=self.client.policy)
            if letter.lid != self.client.letter.lid:
                raise VerificationError("one of the receipts is of another letter than the one watched")
        self._checked_receipts = True

    def _dossier(self, name: str) -> dict[str, bytes]:
        """The letter's dossier as the host gives it out now, in which `undersigned verify` shows the fault."""
        try:
            return {f"{name}.dossier": self._source.get("letter.dossier")}
        except (Unavailable, Malformed):
            return {}


class _Heard:
    """A source that remembers the heads and lists it was given, by path."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.notes: dict[str, bytes] = {}
        self.lists: dict[str, bytes] = {}

    def get(self, path: str) -> bytes:
        data = self._source.get(path)
        if path == "checkpoint" or path.startswith("checkpoints/"):
            self.notes[path] = data
        elif path.startswith("lists/"):
            self.lists[path] = data
        return data

    def post(self, path: str, body: bytes) -> bytes:
        return self._source.post(path, body)


def _size(head: bytes) -> int:
    """How many entries a head speaks of; endlessly many when it is no head at all."""
    try:
        return parse_checkpoint(parse_note(head).text).size
    except Malformed:
        return sys.maxsize


def _forked(proof: evidence.Fork) -> Alarm:
    found = evidence.check_evidence(proof)
    return Alarm(kind="fork", sentence=found.sentence, files={"fork.evidence": evidence.encode_evidence(proof)})


def _when(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
