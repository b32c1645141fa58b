"""What a trustee refuses to take part in: holds that were not kept, clocks that do not fit, histories that fork."""

from pathlib import Path

import pytest

from support.letters import START, MemoryLog, begun, make_letter, policy_text
from support.trustees import Council, council, seat
from undersigned.crypto import ed25519
from undersigned.protocol import entry as entries
from undersigned.transparency.note import cosignature_vkey
from undersigned.transparency.policy import parse_policy


@pytest.fixture
def table(tmp_path: Path) -> Council:
    """Two public signatures and four at tier 1, which asks for 5 and is held for 100 s."""
    made = council(make_letter(tiers=(5, 8), hold=100), tmp_path)
    for _ in range(2):
        made.public()
    for _ in range(4):
        made.sealed(1)
    made.host.witness()
    return made


def refuses(table: Council, words: str) -> None:
    """Every trustee refuses, first with these words, and goes on refusing, and has sent nothing."""
    said = table.rounds(1)
    assert all(words in status.says for status in said.values()), said[1].says
    assert {status.phase for status in (*said.values(), *table.rounds(2).values())} == {"refusing"}
    assert not table.host.relay
    assert not table.log.state.rounds


def freeze(table: Council, *, since: int, until: int) -> None:
    table.log.log_entry(entries.Freeze(tier=1, since=since, until=until))
    table.host.witness()


def test_a_freeze_that_no_witness_has_seen_is_waited_for(table: Council) -> None:
    table.log.freeze(1, at=table.host.now)
    table.log.witness(table.host.now + 100, names=["w1.example.org", "w2.example.org"])
    said = table.rounds(2)
    assert said[1].says == "the witnesses have not yet seen the freeze"
    assert not table.host.relay


def test_a_freeze_without_the_hold_is_refused(table: Council) -> None:
    table.log.log_entry(entries.Reached(tier=1))
    since = table.log.size
    table.host.witness()
    table.host.witness(table.host.now + 99)
    freeze(table, since=since, until=since)
    refuses(table, "the hold before the freeze lasted 99 s")


def test_one_witness_with_a_fast_clock_makes_no_hold(table: Council) -> None:
    table.log.log_entry(entries.Reached(tier=1))
    since = table.log.size
    table.host.witness()
    names = list(table.cast.witnesses)
    early = table.log.witness(table.host.now + 5, names=names[1:])
    late = table.log.witness(table.host.now + 500, names=names[:1])
    both = early + late.split(b"\n\n", 1)[1].split(b"\n", 1)[1]
    table.log.head = table.log.checkpoints[f"{since}.last"] = both
    freeze(table, since=since, until=since)
    refuses(table, "the hold before the freeze lasted 5 s")


def test_a_hold_that_begins_before_reached_is_covered_is_refused(table: Council) -> None:
    table.log.log_entry(entries.Reached(tier=1))
    table.public()
    table.host.witness(table.host.now + 100)
    freeze(table, since=table.log.size - 1, until=table.log.size)
    refuses(table, "checkpoints that no witness quorum has signed")


def test_a_freeze_that_passes_over_a_higher_tier_is_refused(table: Council) -> None:
    for _ in range(2):
        table.sealed(2)
    for tier in (1, 2):
        table.log.log_entry(entries.Reached(tier=tier))
    since = table.log.size
    table.host.witness()
    table.host.witness(table.host.now + 100)
    freeze(table, since=since, until=since)
    refuses(table, "a higher tier was reached and held too")


def other_history(table: Council) -> MemoryLog:
    """The same letter with the same number of entries, and the last one another."""
    other = begun(table.cast)
    for data in table.log.log[other.size : -1]:
        other.append(data)
    person = table.cast.person()
    other.append(*table.cast.signature(person))
    return other


def test_a_forked_history_is_refused_in_one_run_and_across_two(table: Council, tmp_path: Path) -> None:
    table.rounds(1)
    table.host.log = other_history(table)
    table.host.witness()
    refuses(table, "this is a fork")
    table.trustees = {number: seat(table.host, number, tmp_path) for number in table.trustees}
    refuses(table, "another history than it has shown you before")


def test_an_older_head_shown_again_is_refused_in_one_run_and_across_two(table: Council, tmp_path: Path) -> None:
    older = table.log.head
    table.public()
    table.host.witness()
    table.rounds(1)
    table.log.head = older
    refuses(table, "older state of the log")
    table.trustees = {number: seat(table.host, number, tmp_path) for number in table.trustees}
    refuses(table, "older history")


def test_a_closing_before_the_witnesses_show_the_deadline_is_refused(table: Council) -> None:
    table.freeze(1)
    table.log.log_entry(entries.Closing(by="log", reason="deadline"))
    table.host.witness(table.cast.letter.publication.deadline + 5)
    refuses(table, "before the witnesses show that its deadline had passed")


def test_a_closing_with_a_witnessed_head_past_the_deadline_is_taken(table: Council) -> None:
    table.freeze(1)
    table.host.witness(table.cast.letter.publication.deadline + 5)
    table.log.log_entry(entries.Closing(by="log", reason="deadline"))
    table.host.witness()
    table.rounds(3)
    assert len(table.opened()) == 4


def test_a_tier_said_to_be_reached_after_the_deadline_is_never_opened(table: Council) -> None:
    table.host.witness(table.cast.letter.publication.deadline + 1)
    table.log.freeze(1, at=table.host.now)
    table.host.witness(table.host.now + 100)
    refuses(table, "this tier is not reached")


def test_a_lapse_before_fourteen_witnessed_days_is_refused(table: Council) -> None:
    index = table.freeze(1)
    since = table.log.size
    table.host.witness(table.host.now + 13 * 24 * 3600)
    table.log.log_entry(entries.Lapse(freeze=index, since=since, until=since))
    table.host.witness()
    refuses(table, "14 days")


def test_a_trustee_with_witnesses_of_its_own_waits_for_them_too(table: Council, tmp_path: Path) -> None:
    seed = bytes(range(32))
    own = parse_policy(
        f"witness mine {cosignature_vkey('mine.example.net', ed25519.public_key(seed)).encode()}\nquorum mine\n"
    )
    careful = seat(table.host, 1, tmp_path, policy=own)
    table.freeze(1)
    assert careful.step().says == "the witnesses have not yet seen the freeze"
    easy = parse_policy(policy_text(table.cast.witnesses, 2))
    assert "undecided" in seat(table.host, 1, tmp_path, policy=easy).step().says


def test_a_letter_that_is_another_than_the_one_accepted_is_refused(table: Council, tmp_path: Path) -> None:
    said = seat(table.host, 1, tmp_path, lid=bytes(32)).step()
    assert said.phase == "refusing"
    assert "another letter" in said.says


def test_entries_that_the_rules_refuse_stop_a_trustee_for_good(table: Council) -> None:
    table.rounds(1)
    table.log._take(table.cast.sign(entries.Reached(tier=2), table.cast.log))
    table.log.witness(START)
    refuses(table, "the condition of this tier does not hold")
    refuses(table, "the condition of this tier does not hold")
