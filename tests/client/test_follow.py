"""Following a log: what a host may show, and what it may not, however it goes about it."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from support.letters import START, Cast, MemoryLog, begun, make_letter
from support.trustees import MemoryHost
from undersigned.client.follow import LogClient
from undersigned.client.source import NotThere
from undersigned.errors import Malformed, Refused, Unavailable, VerificationError
from undersigned.protocol import entry as entries
from undersigned.protocol.figures import figures
from undersigned.transparency.policy import parse_policy

CAST = make_letter(tiers=(2, 5))


@dataclass(kw_only=True)
class Host(MemoryHost):
    """`instead`: what it answers at a path, or the error it raises there; `asked`: every path, in order."""

    instead: dict[str, bytes | Exception] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def get(self, path: str) -> bytes:
        self.asked.append(path)
        answer = self.instead.get(path)
        if isinstance(answer, Exception):
            raise answer
        return super().get(path) if answer is None else answer


def signed(log: MemoryLog, *, times: int = 1, at: int = START) -> MemoryLog:
    """So many public signatures more, and the witnesses."""
    for _ in range(times):
        log.append(*log.cast.signature(log.cast.person()))
    log.witness(at)
    return log


@pytest.fixture
def host() -> Host:
    return Host(log=signed(begun(CAST), times=2))


@pytest.fixture
def client(host: Host) -> LogClient:
    made = LogClient(host)
    made.refresh()
    return made


def test_what_is_new_is_taken_in_and_what_is_known_is_not_asked_for_again(host: Host, client: LogClient) -> None:
    assert client.state.size == host.log.size == client.checkpoint.size == client.covered_size
    signed(host.log, times=3, at=START + 60)
    host.asked.clear()
    assert client.refresh() is client.state
    assert client.state.n_star == 5
    assert client.entries == host.log.log
    assert client.sees(host.log.log[-1]) == host.log.size - 1
    assert client.sees(b"no entry") is None
    assert len([path for path in host.asked if path.startswith("tile")]) == 1


def test_a_log_of_several_bundles_is_followed_from_the_bundle_that_changed() -> None:
    log = begun(make_letter(trustees=0, modes=("public",), tiers=()))
    for number in range(600):
        words = entries.Destruction(role="log", by=0, what=f"something {number}")
        log.append(log.cast.sign(words, log.cast.log))
    log.witness(START)
    host = Host(log=log)
    client = LogClient(host)
    client.refresh()
    assert client.entries == log.log
    host.asked.clear()
    signed(log)
    client.refresh()
    assert client.entries == log.log
    assert [path for path in host.asked if path.startswith("tile")] == [f"tile/entries/002.p/{log.size - 512}"]


def same_size(log: MemoryLog) -> MemoryLog:
    return signed(begun(CAST), times=2)


def longer(log: MemoryLog) -> MemoryLog:
    return signed(begun(CAST), times=9)


def shorter(log: MemoryLog) -> MemoryLog:
    return signed(begun(CAST), times=1)


@pytest.mark.parametrize("other", [same_size, longer, shorter])
def test_another_history_is_a_fork_and_leaves_what_was_followed_as_it_was(
    host: Host, client: LogClient, other: Callable[[MemoryLog], MemoryLog]
) -> None:
    known, before = host.log, list(client.entries)
    host.log = other(known)
    for _ in range(2):
        with pytest.raises(VerificationError, match="another history"):
            client.refresh()
    assert client.entries == before
    assert client.state.size == known.size
    host.log = signed(known)
    assert client.refresh().size == known.size


def test_an_older_head_of_the_same_history_is_refused_as_withheld_entries(host: Host, client: LogClient) -> None:
    old = host.log.head
    signed(host.log)
    client.refresh()
    host.instead["checkpoint"] = old
    with pytest.raises(VerificationError, match="older state"):
        client.refresh()
    assert client.state.size == host.log.size


def test_a_head_that_the_letters_log_has_not_signed_is_refused(host: Host, client: LogClient) -> None:
    stranger = signed(begun(make_letter(seed=9)), times=2)
    host.instead["checkpoint"] = stranger.head
    with pytest.raises(VerificationError):
        client.refresh()
    with pytest.raises(VerificationError):
        LogClient(host).refresh()


def test_another_letter_than_the_one_asked_for_is_refused(host: Host) -> None:
    with pytest.raises(VerificationError, match="lid differs"):
        LogClient(host, lid=bytes(32)).refresh()
    assert LogClient(host, lid=CAST.letter.lid).refresh().size == host.log.size


def test_a_head_without_a_quorum_is_refused_by_whoever_needs_witnesses(host: Host) -> None:
    host.log.witness(START + 5, names=["w1.example.org"])
    assert LogClient(host).refresh().size == host.log.size
    with pytest.raises(VerificationError):
        LogClient(host, witnesses_needed=True).refresh()


def test_an_entry_that_the_rules_refuse_stops_the_client_for_good(host: Host, client: LogClient) -> None:
    good = signed(begun(CAST), times=2)
    good.log, good.tree = list(host.log.log), host.log.tree.__class__(_leaves(host.log))
    host.log._take(CAST.sign(entries.Reached(tier=2), CAST.log))
    signed(host.log)
    words = f"entry {host.log.size - 2}: the condition of this tier does not hold"
    for _ in range(3):
        with pytest.raises(Refused, match=words):
            client.refresh()
        with pytest.raises(VerificationError, match="cannot be taken in"):
            _ = client.state
    assert not client.is_whole
    good.witness(START)
    host.log = good
    with pytest.raises(VerificationError, match="older state"):
        client.refresh()
    signed(good, times=4)
    with pytest.raises(VerificationError, match="another history"):
        client.refresh()
    with pytest.raises(VerificationError, match="cannot be taken in"):
        _ = client.state


def _leaves(log: MemoryLog) -> list[bytes]:
    return [log.tree.node(0, index) for index in range(log.size)]


def test_a_list_the_host_withholds_or_changes_stops_the_client_until_it_is_there(host: Host, client: LogClient) -> None:
    for _ in range(2):
        host.log.append(*CAST.signature(CAST.person(), "sealed", tier=1))
    host.log.freeze(1, at=START + 10)
    host.log.open()
    host.log.witness(START + 200)
    path = f"lists/{host.log.state.rounds[0].list_hash.hex()}"
    for lie in (NotThere("there is no such list here"), b"[]"):
        host.instead[path] = lie
        with pytest.raises(VerificationError, match="the list of this opening is not there"):
            client.refresh()
    del host.instead[path]
    assert len(client.refresh().rounds[0].named) == 2


def test_a_host_that_breaks_off_leaves_nothing_half_believed(host: Host, client: LogClient) -> None:
    signed(host.log)
    host.instead["checkpoints.json"] = Unavailable("the host cannot be reached")
    with pytest.raises(Unavailable):
        client.refresh()
    with pytest.raises(VerificationError, match="cannot be taken in"):
        _ = client.state
    del host.instead["checkpoints.json"]
    assert client.refresh().size == host.log.size


def test_what_came_after_the_deadline_is_left_out_as_soon_as_witnesses_show_it() -> None:
    cast = make_letter(tiers=(2, 5))
    log = signed(begun(cast), times=2)
    host, deadline = Host(log=log), cast.letter.publication.deadline
    seen: list[int] = []
    client = LogClient(host, before=lambda state, entry: seen.append(state.size))
    log.witness(deadline - 5)
    covered = log.size
    signed(log, times=1, at=deadline)
    log.append(*cast.signature(cast.person()))
    host.instead["checkpoint"] = log.head
    assert client.refresh().late_from is None
    assert client.state.n_star == 3
    del host.instead["checkpoint"]
    log.witness(deadline + 1)
    late = client.refresh()
    assert late.late_from == covered + 1
    assert late.n_star == 3
    assert figures(late) == figures(LogClient(host).refresh())
    assert figures(late).late == 1
    assert seen == [*range(1, covered + 1), *range(1, log.size)]


def test_notes_that_the_host_no_longer_keeps_are_passed_over(host: Host) -> None:
    signed(host.log, at=START + 9)
    host.instead |= {f"checkpoints/{name}": NotThere("gone") for name in host.log.checkpoints}
    client = LogClient(host)
    client.refresh()
    assert set(client.times.proved_by) == {host.log.size}


def test_the_last_note_of_a_head_is_read_again_until_another_head_has_come(host: Host, client: LogClient) -> None:
    size = host.log.size
    host.log.witness(START + 50)
    client.refresh()
    host.log.witness(START + 90)
    signed(host.log, at=START + 95)
    client.refresh()
    assert client.times.span(size, size) == 90
    host.asked.clear()
    client.refresh()
    assert not [path for path in host.asked if path.startswith(f"checkpoints/{size}.")]


def test_a_note_ahead_of_the_head_waits_for_it(host: Host, client: LogClient) -> None:
    host.instead["checkpoint"] = host.log.head
    signed(host.log, at=START + 70)
    client.refresh()
    assert host.log.size not in client.times.proved_by
    del host.instead["checkpoint"]
    client.refresh()
    assert client.times.proved_by[host.log.size] == START + 70


def another_letter(log: MemoryLog) -> bytes:
    return signed(begun(make_letter(seed=9))).head


def another_history(log: MemoryLog) -> bytes:
    return signed(begun(CAST), times=1).head


def another_size(log: MemoryLog) -> bytes:
    return log.head


def not_a_note(log: MemoryLog) -> bytes:
    return b"<!doctype html>"


@pytest.mark.parametrize("lie", [another_letter, another_history, another_size, not_a_note])
def test_a_kept_note_that_is_not_of_this_history_and_size_is_refused(
    host: Host, lie: Callable[[MemoryLog], bytes]
) -> None:
    host.log.checkpoints[f"{host.log.size - 1}.first"] = lie(host.log)
    client = LogClient(host)
    for _ in range(2):
        with pytest.raises((VerificationError, Malformed)):
            client.refresh()


@pytest.mark.parametrize(
    "answer",
    [
        b"<!doctype html>",
        b"[]",
        b"{}",
        b'{"names": "12.first"}',
        b'{"names": [12]}',
        b'{"names": ["../../etc/passwd"]}',
        b'{"names": ["12.middle"]}',
        b'{"names": ["012.first"]}',
        b"\xff",
        b"[" * 100_000,
    ],
)
def test_a_list_of_notes_that_is_none_is_refused_in_one_sentence(host: Host, answer: bytes) -> None:
    host.instead["checkpoints.json"] = answer
    with pytest.raises(Malformed, match="the host answered"):
        LogClient(host).refresh()


@pytest.mark.parametrize("answer", [b"", b"<!doctype html>", b"\0\0", b"\0\5hello", bytes(70_000)])
def test_entries_that_are_none_are_refused(host: Host, answer: bytes) -> None:
    host.instead[f"tile/entries/000.p/{host.log.size}"] = answer
    with pytest.raises((Malformed, VerificationError)):
        LogClient(host).refresh()


def test_an_empty_log_holds_no_letter_yet(host: Host) -> None:
    empty = MemoryLog(cast=CAST)
    empty.log, empty.tree = [], empty.tree.__class__()
    empty.witness(START)
    host.instead["checkpoint"] = empty.head
    with pytest.raises(Malformed, match="no letter yet"):
        LogClient(host).refresh()


def test_witnesses_of_the_readers_own_give_the_times_in_place_of_the_letters(host: Host) -> None:
    own = parse_policy("quorum none\n")
    client = LogClient(host, policy=own)
    client.refresh()
    assert client.covered_size == 0
    assert json.loads(host.get("checkpoints.json"))["names"]


def test_a_caller_may_stop_at_an_entry_and_it_is_asked_again(host: Host) -> None:
    def before(state: object, entry: object) -> None:
        if isinstance(entry, entries.Signature):
            raise Refused("not this one")

    client = LogClient(host, before=before)
    for _ in range(2):
        with pytest.raises(Refused, match="not this one"):
            client.refresh()


def test_a_letter_whose_promised_entry_was_dropped_is_in_breach_by_its_own_promise() -> None:
    cast: Cast = make_letter()
    log = signed(begun(cast))
    entry, _ = cast.signature(cast.person())
    latest = START + 3_600
    client = LogClient(Host(log=log))
    log.witness(latest + 1)
    client.refresh()
    assert client.times.latest is not None
    assert client.times.latest > latest
    assert client.sees(entry) is None
