"""Watching a letter: whatever its host does that it may not do is noticed, and proved where a file can prove it."""

import json
import random
from copy import copy
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import pytest

from support.letters import START, Cast, MemoryLog, begun, make_letter
from support.trustees import MemoryHost
from undersigned.client.source import NotThere
from undersigned.client.watching import UNWITNESSED_SECONDS, Alarm, Watch
from undersigned.errors import Malformed, Refused, Unavailable, VerificationError
from undersigned.evidence import check_evidence, read_evidence
from undersigned.protocol import entry as entries
from undersigned.protocol.dossier import read_zip, tile_files, write_zip
from undersigned.protocol.promise import make_promise
from undersigned.protocol.receipt import Receipt, make_receipt
from undersigned.transparency.checkpoint import Checkpoint, sign_checkpoint
from undersigned.transparency.merkle import Tree, leaf_hash
from undersigned.verifier import verify_dossier

CAST = make_letter(tiers=(2, 5))
PLAIN = make_letter(trustees=0, modes=("public",), tiers=(), friends=False)


@dataclass(kw_only=True)
class Host(MemoryHost):
    """A host that can also be made to answer something else at a path, and that hands out dossiers."""

    instead: dict[str, bytes | Exception] = field(default_factory=dict)

    def get(self, path: str) -> bytes:
        answer = self.instead.get(path)
        if isinstance(answer, Exception):
            raise answer
        if path == "letter.dossier":
            return write_zip(self.log.dossier())
        return super().get(path) if answer is None else answer


@dataclass(kw_only=True)
class Bare:
    """A host's files made from bare entries: a log's key signs whatever it is given."""

    files: dict[str, bytes]

    def get(self, path: str) -> bytes:
        if path not in self.files:
            raise NotThere(path)
        return self.files[path]

    def post(self, path: str, body: bytes) -> bytes:
        raise Refused(path)


def bare(log: list[bytes], cast: Cast) -> Bare:
    tree = Tree([leaf_hash(one) for one in log])
    checkpoint = Checkpoint(origin=cast.letter.origin, size=tree.size, root_hash=tree.root())
    note = sign_checkpoint(checkpoint, seed=cast.log).encode()
    return Bare(files={"checkpoint": note, "checkpoints.json": b'{"names": []}'} | tile_files(log, tree))


def signed(log: MemoryLog, *, times: int = 1, at: int = START) -> MemoryLog:
    for _ in range(times):
        log.append(*log.cast.signature(log.cast.person()))
    log.witness(at)
    return log


@pytest.fixture
def host() -> Host:
    return Host(log=signed(begun(CAST), times=2))


def begin(host: Host, folder: Path, *, now: float = START, receipts: tuple[Receipt, ...] = ()) -> Watch:
    watch = Watch(host, folder=folder, receipts=receipts, clock=lambda: now)
    assert watch.look() is None
    return watch


def proved(watch: Watch, alarm: Alarm | None) -> str:
    """What the alarm's evidence says when it is read from its file."""
    assert alarm is not None
    (path,) = watch.save(alarm)
    return check_evidence(read_evidence(path.read_bytes()), lid=watch.client.letter.lid).sentence


def test_what_was_seen_is_kept_and_taken_up_again(host: Host, tmp_path: Path) -> None:
    begin(host, tmp_path)
    signed(host.log, times=3, at=START + 60)
    first = begin(host, tmp_path)
    again = Watch(host, folder=tmp_path, clock=lambda: START)
    assert again.client.state.n_star == first.client.state.n_star == 5
    assert again.client.entries == host.log.log
    assert again.client.covered_size == host.log.size
    assert len(list(tmp_path.rglob("tile/entries/*/*"))) == 1


@lru_cache
def told(number: int, words: str) -> bytes:
    return PLAIN.sign(entries.Destruction(role="log", by=0, what=f"{words} {number}"), PLAIN.log)


def test_a_thousand_forked_histories_are_noticed_and_proved_by_whoever_saw_the_other_one(tmp_path: Path) -> None:
    rng = random.Random(5)
    start = begun(PLAIN).log
    for number in range(20):
        known = start + [told(one, "one") for one in range(rng.randrange(1, 60))]
        folder = tmp_path / str(number)
        watch = Watch(bare(known, PLAIN), folder=folder)
        assert watch.look() is None
        for _ in range(50):
            shared = rng.randrange(1, len(known))
            forked = known[:shared] + [told(one, "other") for one in range(rng.randrange(1, 60))]
            watch._source = bare(forked, PLAIN)
            alarm = watch.look()
            assert alarm is not None
            assert alarm.kind == "fork"
            assert check_evidence(read_evidence(alarm.files["fork.evidence"])).kind == "fork"
        watch._source = bare([*known, told(99, "one")], PLAIN)
        assert watch.look() is None


def test_a_fork_under_a_kept_checkpoint_is_proved_too(host: Host, tmp_path: Path) -> None:
    watch = begin(host, tmp_path)
    other = signed(begun(CAST), times=1)
    size = other.size
    signed(host.log, times=2)
    host.log.checkpoints[f"{size}.last"] = other.head
    assert proved(watch, watch.look()).startswith("its log signed two histories")


def test_a_watch_that_begins_with_a_fork_before_it_proves_it(host: Host, tmp_path: Path) -> None:
    host.log.checkpoints[f"{host.log.size - 1}.last"] = signed(begun(CAST), times=1).head
    watch = Watch(host, folder=tmp_path)
    assert proved(watch, watch.look()).startswith("its log signed two histories")


def test_a_second_fork_does_not_overwrite_the_evidence_of_the_first(host: Host, tmp_path: Path) -> None:
    watch = begin(host, tmp_path)
    known = host.log
    names = []
    for times in (2, 2, 3):
        host.log = signed(begun(CAST), times=times)
        alarm = watch.look()
        assert alarm is not None
        names += [path.name for path in watch.save(alarm)]
    assert names == ["fork.evidence", "fork-2.evidence", "fork-3.evidence"]
    host.log = known
    assert watch.look() is None


def test_a_shrunken_log_is_told_from_a_fork(host: Host, tmp_path: Path) -> None:
    old = host.log.head
    signed(host.log)
    watch = begin(host, tmp_path)
    host.instead["checkpoint"] = old
    alarm = watch.look()
    assert alarm is not None
    assert (alarm.kind, alarm.files) == ("shrunk", {})
    assert "fewer entries than before" in alarm.sentence


def test_a_head_whose_entries_are_not_shown_is_kept_though_it_proves_nothing_yet(host: Host, tmp_path: Path) -> None:
    watch = begin(host, tmp_path)
    host.instead["checkpoint"] = signed(begun(CAST), times=5).head
    signed(host.log, times=3)
    alarm = watch.look()
    assert alarm is not None
    assert alarm.kind == "unproved"
    (path,) = watch.save(alarm)
    assert path.read_bytes() == host.instead["checkpoint"]


def test_an_entry_that_the_rules_refuse_is_an_alarm_and_the_dossier_shows_it(host: Host, tmp_path: Path) -> None:
    watch = begin(host, tmp_path)
    log = copy(host.log)
    log._take(CAST.sign(entries.Reached(tier=2), CAST.log))
    log.witness(START + 5)
    host.log = log
    alarm = watch.look()
    assert alarm is not None
    assert alarm.kind == "refused"
    (path,) = watch.save(alarm)
    verdict = verify_dossier(read_zip(path.read_bytes()))
    assert [step.n for step in verdict.steps if step.ok is False] == [5]


def promised_to(cast: Cast, *, latest: int) -> tuple[Receipt, bytes, bytes]:
    """A receipt, the entry and its name card."""
    person = cast.person()
    entry, blob = cast.signature(person)
    assert blob is not None
    promise = make_promise(entry, key=person.key, latest=latest, letter=cast.letter, seed=cast.promise)
    return make_receipt(letter=cast.letter, entry=entry, promise=promise, blob=blob, secret=None), entry, blob


def test_a_promise_that_passed_is_broken_when_witnesses_saw_a_log_without_it(host: Host, tmp_path: Path) -> None:
    kept, entry, blob = promised_to(CAST, latest=START + 100)
    broken, *_ = promised_to(CAST, latest=START + 100)
    watch = begin(host, tmp_path, receipts=(kept, broken))
    host.log.append(entry, blob)
    host.log.witness(START + 100)
    assert watch.look() is None
    host.log.witness(START + 101, names=["w1.example.org", "w2.example.org"])
    assert watch.look() is None
    host.log.witness(START + 101)
    alarm = watch.look()
    assert alarm is not None
    assert alarm.kind == "broken-promise"
    assert proved(watch, alarm) == "its host promised to take in a signature by 2027-01-15 08:01 UTC and did not"
    assert json.loads(alarm.files["broken-promise.evidence"])["entry"]
    assert kept.entry == entry


def test_a_promise_kept_too_late_was_still_broken(host: Host, tmp_path: Path) -> None:
    receipt, entry, blob = promised_to(CAST, latest=START + 100)
    watch = begin(host, tmp_path, receipts=(receipt,))
    host.log.witness(START + 101)
    host.log.append(entry, blob)
    host.log.witness(START + 200)
    assert proved(watch, watch.look()).endswith("and did not")


def test_where_nobody_witnesses_a_broken_promise_is_told_by_this_machines_clock(tmp_path: Path) -> None:
    cast = make_letter(witnesses=0, witness_quorum=0, trustees=0, modes=("public",), tiers=())
    host = Host(log=signed(begun(cast)))
    receipt, entry, blob = promised_to(cast, latest=START + 100)
    begin(host, tmp_path, now=START + 100, receipts=(receipt,))
    alarm = Watch(host, folder=tmp_path, receipts=(receipt,), clock=lambda: START + 101).look()
    assert alarm is not None
    assert (alarm.kind, alarm.files) == ("broken-promise", {})
    host.log.append(entry, blob)
    host.log.witness(START + 102)
    begin(host, tmp_path, now=START + 200, receipts=(receipt,))


def test_a_receipt_of_another_letter_is_refused(host: Host, tmp_path: Path) -> None:
    other, *_ = promised_to(make_letter(seed=9), latest=START)
    with pytest.raises(VerificationError, match="another letter"):
        Watch(host, folder=tmp_path, receipts=(other,)).look()


def test_witnesses_who_fall_silent_are_missed_after_three_hours(host: Host, tmp_path: Path) -> None:
    begin(host, tmp_path, now=START + UNWITNESSED_SECONDS)
    alarm = Watch(host, folder=tmp_path, clock=lambda: START + UNWITNESSED_SECONDS + 1).look()
    assert alarm is not None
    assert alarm.kind == "unwitnessed"
    assert "since 2027-01-15 08:00 UTC" in alarm.sentence


def test_a_tier_that_is_not_opened_in_time_is_an_alarm_and_the_dossier_shows_it(host: Host, tmp_path: Path) -> None:
    for _ in range(2):
        host.log.append(*CAST.signature(CAST.person(), "sealed", tier=1))
    host.log.log_entry(entries.Reached(tier=1))
    host.log.witness(START + 10)
    begin(host, tmp_path)
    host.log.witness(START + 10 + 100 + 24 * 3600)
    watch = Watch(host, folder=tmp_path, clock=lambda: START + 10 + 100 + 24 * 3600)
    alarm = watch.look()
    assert alarm is not None
    assert alarm.kind == "overdue"
    (path,) = watch.save(alarm)
    assert any("OVERDUE" in warning for warning in verify_dossier(read_zip(path.read_bytes())).warnings)


def test_a_host_that_cannot_be_reached_or_answers_nonsense_is_not_accused(host: Host, tmp_path: Path) -> None:
    watch = begin(host, tmp_path)
    host.instead["checkpoint"] = Unavailable("the host cannot be reached")
    with pytest.raises(Unavailable):
        watch.look()
    host.instead["checkpoint"] = b"<html>try again later</html>"
    with pytest.raises(Malformed):
        watch.look()
    host.instead.clear()
    assert watch.look() is None


def test_a_folder_that_was_changed_is_not_taken_up(host: Host, tmp_path: Path) -> None:
    begin(host, tmp_path)
    (path,) = (one for one in tmp_path.glob("tile/entries/*/*") if one.is_file())
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(VerificationError):
        Watch(host, folder=tmp_path)
