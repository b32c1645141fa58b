"""What trustees destroy, and when, and that they say so."""

from pathlib import Path

import pytest

from support.letters import make_letter
from support.trustees import Council, council
from undersigned.errors import Unavailable
from undersigned.protocol import entry as entries
from undersigned.trustee import duties

DAY = 24 * 3600


@pytest.fixture
def table(tmp_path: Path) -> Council:
    """Two public signatures; tiers ask for 5, 8 and 30."""
    made = council(make_letter(tiers=(5, 8, 30), hold=100), tmp_path)
    for _ in range(2):
        made.public()
    made.host.witness()
    return made


def stated(table: Council, trustee: int) -> list[str]:
    return [entry.what for _, entry in table.log.state.destructions if entry.by == trustee]


def kept(table: Council, trustee: int) -> list[int]:
    return sorted(table.trustees[trustee]._keys.seals[table.cast.letter.lid])


def pass_deadline(table: Council) -> None:
    table.host.witness(table.cast.letter.publication.deadline + 1)


def test_nothing_is_destroyed_while_people_can_still_sign(table: Council) -> None:
    table.rounds(2)
    assert kept(table, 1) == [1, 2, 3]
    assert not table.log.state.destructions


def test_a_letter_that_reached_nothing_is_never_opened_and_every_trustee_says_so_once(table: Council) -> None:
    pass_deadline(table)
    table.rounds(3)
    for trustee in table.trustees:
        assert kept(table, trustee) == []
        assert stated(table, trustee) == ["seal seeds of tiers 1, 2, 3"]


def test_the_trustees_own_clock_alone_destroys_nothing_at_the_deadline(table: Council) -> None:
    table.host.now = table.cast.letter.publication.deadline + 1
    table.rounds(2)
    assert kept(table, 1) == [1, 2, 3]


def test_seeds_below_a_live_tier_are_kept_because_it_opens_those_names_too(table: Council) -> None:
    for _ in range(7):
        table.sealed(2)
    table.sealed(1)
    table.log.log_entry(entries.Reached(tier=2))
    table.host.witness()
    pass_deadline(table)
    table.rounds(2)
    assert kept(table, 1) == [1, 2]
    assert stated(table, 1) == ["seal seeds of tiers 3"]


def test_after_the_last_opening_the_rest_goes(table: Council) -> None:
    for _ in range(4):
        table.sealed(1)
    table.freeze(1)
    pass_deadline(table)
    table.rounds(4)
    assert len(table.opened()) == 4
    assert kept(table, 4) == []
    assert stated(table, 4)[-1] == "seal seeds of tiers 1, 2, 3"


def test_an_organizer_who_closes_early_ends_the_seeds_early_once_witnesses_have_seen_it(table: Council) -> None:
    closing = entries.Closing(by="organizer", reason="we have won")
    table.log.append(table.cast.sign(closing, table.cast.organizer))
    table.log.witness(table.host.now, names=[])
    table.rounds(1)
    assert kept(table, 1) == [1, 2, 3]
    table.host.witness()
    table.rounds(1)
    assert kept(table, 1) == []


def test_28_days_after_deadline_and_hold_all_seeds_go_whatever_the_host_shows(table: Council) -> None:
    for _ in range(4):
        table.sealed(1)
    table.freeze(1)
    table.host.witnessing = False
    publication = table.cast.letter.publication
    table.rounds(1, [1])
    table.log.head = b"nothing a trustee could read\n"
    table.host.now = publication.deadline + publication.hold_seconds + 28 * DAY - 1
    table.rounds(1, [1])
    assert kept(table, 1) == [1, 2, 3]
    table.host.now += 1
    table.rounds(1, [1])
    assert kept(table, 1) == []
    with pytest.raises(Unavailable):
        table.trustees[1]._keys.seal_seed(table.cast.letter, 1)


def test_no_seed_survives_a_restart_after_its_destruction(table: Council) -> None:
    pass_deadline(table)
    table.rounds(1, [1])
    assert b"seal" not in table.trustees[1]._keys.path.read_bytes()


def test_many_missing_envelopes_are_named_in_entries_that_fit() -> None:
    made = duties.missing_entries(range(10_000), trustee=1)
    assert [len(entry.indexes) for entry in made] == [4_096, 4_096, 1_808]
