import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.letters import START, MemoryLog, begun, make_letter
from undersigned.errors import Malformed, UndersignedError, VerificationError
from undersigned.protocol import entry as entries
from undersigned.protocol import times as rules
from undersigned.protocol.replay import begin, replay
from undersigned.protocol.state import Frozen
from undersigned.protocol.times import WitnessTimes, witness_times
from undersigned.verifier import verify_dossier

DEADLINE = START + 100_000
HOLD = 100
ONE, TWO, THREE, FOUR = (f"w{number}.example.org" for number in range(1, 5))


def cast(**changes):
    return make_letter(tiers=(3, 5), trustees=3, quorum=2, deadline=DEADLINE, hold=HOLD, **changes)


def signed(log: MemoryLog, *, sealed: int = 2, public: int = 1) -> None:
    for _ in range(public):
        log.append(*log.cast.signature(log.cast.person()))
    for _ in range(sealed):
        log.append(*log.cast.signature(log.cast.person(), "sealed", tier=1))


def verdict(log: MemoryLog):
    return verify_dossier(log.dossier())


def failure(log: MemoryLog) -> str:
    found = verdict(log)
    assert not found.ok
    return next(step.detail for step in found.steps if step.ok is False)


# Witnesses' clocks


def test_of_a_note_the_largest_timestamp_proves_it_was_there_and_the_smallest_that_it_was_the_head():
    times = WitnessTimes()
    times.add(7, [105, 100, 110])
    assert (times.proved_by, times.shown_at, times.latest) == ({7: 110}, {7: 100}, 100)


def test_of_two_notes_of_one_size_the_first_proves_and_the_last_shows():
    times = WitnessTimes()
    times.add(7, [500, 510])
    times.add(7, [100, 110])
    assert (times.proved_by[7], times.shown_at[7]) == (110, 500)
    assert times.span(7, 7) == 390


@given(st.lists(st.tuples(st.integers(1, 5), st.lists(st.integers(1, 1_000), min_size=1)), min_size=1), st.randoms())
def test_the_order_in_which_notes_are_read_changes_nothing(notes, rng):
    one, two = WitnessTimes(), WitnessTimes()
    for size, stamps in notes:
        one.add(size, stamps)
    rng.shuffle(notes)
    for size, stamps in notes:
        two.add(size, stamps)
    assert (one.proved_by, one.shown_at) == (two.proved_by, two.shown_at)


@given(st.lists(st.tuples(st.integers(1, 5), st.lists(st.integers(1, 1_000), min_size=1)), min_size=1))
def test_a_span_is_never_longer_than_any_witness_pair_saw(notes):
    times = WitnessTimes()
    for size, stamps in notes:
        times.add(size, stamps)
    for since in times.proved_by:
        for until in times.shown_at:
            seen = [max(b) - min(a) for one, a in notes if one == since for two, b in notes if two == until]
            assert (times.span(since, until) or 0) <= max(seen)


def test_between_checkpoints_that_are_not_here_no_time_is_shown():
    times = WitnessTimes()
    times.add(7, [100])
    assert times.span(7, 8) is None
    assert times.span(6, 7) is None
    assert times.covered_by(99) is None
    assert times.covered_by(100) == 7


def test_a_checkpoint_that_too_few_witnesses_saw_shows_nothing():
    log = begun(cast())
    poor = log.witness(START, names=[ONE, TWO])
    enough = log.witness(START + 5, names=[ONE, TWO, THREE])
    letter = log.cast.letter
    assert witness_times([poor], letter=letter).latest is None
    assert witness_times([poor, enough], letter=letter).latest == START + 5


def test_a_checkpoint_of_another_letter_or_by_another_log_is_refused():
    log = begun(cast())
    other = begun(cast(origin="letters.example.org/l/other"))
    for note in (other.witness(START), log.witness(START).replace(b"letters", b"lettres"), b"", log.head[:-1]):
        with pytest.raises(UndersignedError):
            witness_times([note], letter=log.cast.letter)


def test_without_a_quorum_in_the_policy_there_are_no_times():
    log = begun(make_letter(tiers=(), modes=("public",), trustees=0, quorum=0, witnesses=0))
    assert witness_times([log.witness(START)], letter=log.cast.letter).latest is None


# The hold


def test_a_hold_by_the_first_and_last_checkpoint_of_a_quiet_log_is_enough():
    log = begun(cast())
    signed(log)
    log.freeze(1, at=START)
    log.witness(START + HOLD + 1)
    assert {f"{log.size - 1}.first", f"{log.size - 1}.last"} <= set(log.checkpoints)
    assert verdict(log).ok


@pytest.mark.parametrize("short_by", [1, 50, 100])
def test_a_hold_one_second_short_is_refused(short_by):
    log = begun(cast())
    signed(log)
    log.log_entry(entries.Reached(tier=1))
    since = log.size
    log.witness(START)
    log.witness(START + HOLD - short_by)
    log.log_entry(entries.Freeze(tier=1, since=since, until=since))
    log.witness(START + HOLD)
    assert "the hold before the freeze lasted" in failure(log)


def test_one_witness_ahead_of_its_time_makes_a_hold_look_shorter_and_never_longer():
    log = begun(cast())
    signed(log)
    log.log_entry(entries.Reached(tier=1))
    since = log.size
    note = _cosigned(log, {ONE: START + 50, TWO: START, THREE: START})
    log.checkpoints[f"{since}.first"] = note
    log.checkpoints[f"{since}.last"] = _cosigned(log, {ONE: START + 500, TWO: START + HOLD, THREE: START + HOLD})
    log.log_entry(entries.Freeze(tier=1, since=since, until=since))
    log.witness(START + HOLD)
    assert f"lasted {HOLD - 50} s" in failure(log)


def _cosigned(log: MemoryLog, times: dict[str, int]) -> bytes:
    """One note of the head with each witness's own second."""
    kept = dict(log.checkpoints)
    parts = [log.witness(at, names=[name]) for name, at in times.items()]
    log.checkpoints = kept
    head = parts[0].splitlines(keepends=True)
    return b"".join([*head, *(part.splitlines(keepends=True)[-1] for part in parts[1:])])


def test_a_freeze_by_checkpoints_the_dossier_does_not_hold_is_refused():
    log = begun(cast())
    signed(log)
    log.freeze(1, at=START)
    since = log.size - 1
    log.witness(START + 500)
    del log.checkpoints[f"{since}.first"]
    log.checkpoints[f"{since}.last"] = log.checkpoints.pop(f"{since}.last")
    assert "lasted 0 s" in failure(log)
    del log.checkpoints[f"{since}.last"]
    assert "names checkpoints that no witness quorum has signed" in failure(log)


def test_a_freeze_must_take_the_highest_tier_that_is_reached_and_held():
    log = begun(cast())
    signed(log, public=4)
    log.log_entry(entries.Reached(tier=1))
    log.log_entry(entries.Reached(tier=2))
    since = log.size
    log.witness(START)
    log.witness(START + HOLD)
    log.log_entry(entries.Freeze(tier=1, since=since, until=since))
    log.witness(START + 500)
    assert "a higher tier was reached and held too" in failure(log)


def test_a_higher_tier_whose_hold_is_not_over_does_not_stop_a_lower_one():
    log = begun(cast())
    signed(log, public=4)
    log.log_entry(entries.Reached(tier=1))
    since = log.size
    log.witness(START)
    log.witness(START + 60)
    log.log_entry(entries.Reached(tier=2))
    until = log.size
    log.witness(START + HOLD)
    log.log_entry(entries.Freeze(tier=1, since=since, until=until))
    log.witness(START + 500)
    assert verdict(log).ok


# Lapse and overdue


@pytest.mark.parametrize(("days", "ok"), [(14, True), (13, False)])
def test_a_freeze_lapses_after_14_witnessed_days_and_not_before(days, ok):
    log = begun(make_letter(tiers=(3, 5), trustees=3, quorum=2, hold=HOLD, deadline=START + 30 * 86_400))
    signed(log)
    frozen = log.freeze(1, at=START)
    since = log.size
    log.witness(START + 1_000)
    log.witness(START + 1_000 + days * 86_400)
    log.log_entry(entries.Lapse(freeze=frozen, since=since, until=since))
    log.witness(START + 2_000 + 14 * 86_400)
    assert verdict(log).ok == ok
    if not ok:
        assert "given up before the witnesses show 14 days" in failure(log)


def test_a_tier_held_a_day_too_long_without_a_freeze_is_called_overdue():
    log = begun(cast())
    signed(log)
    log.log_entry(entries.Reached(tier=1))
    log.witness(START)
    log.witness(START + HOLD + 86_399)
    assert verdict(log).warnings == ()
    log.witness(START + HOLD + 86_400)
    found = verdict(log)
    assert found.ok
    assert found.warnings == ("OVERDUE: tier 1 was reached and held, and a day later is not frozen",)
    log.log_entry(entries.Freeze(tier=1, since=log.size, until=log.size))
    log.witness(START + HOLD + 86_500)
    assert verdict(log).warnings == ()


# The deadline


def test_signatures_and_reached_not_covered_by_the_deadline_are_late_and_do_not_count():
    log = begun(cast())
    signed(log, public=2, sealed=0)
    log.witness(DEADLINE)
    signed(log, public=2, sealed=2)
    log.log_entry(entries.Reached(tier=1))
    log.witness(DEADLINE + 1)
    found = verdict(log)
    assert found.ok
    assert found.figures is not None
    assert (found.figures.signatures, found.figures.late, found.figures.n_star) == (2, 4, 2)
    assert found.state is not None
    assert found.state.reached == {}
    assert found.warnings == ("4 signatures came after the deadline and do not count",)


def test_a_freeze_that_leans_on_late_signatures_is_refused():
    log = begun(cast())
    signed(log, public=2, sealed=0)
    log.witness(DEADLINE)
    signed(log, public=0, sealed=2)
    log.freeze(1, at=DEADLINE + 1)
    log.witness(DEADLINE + 500)
    assert "this tier is not reached" in failure(log)


def test_a_witness_quorum_a_second_late_leaves_signatures_outside():
    log = begun(cast())
    log.witness(START)
    size = log.size
    signed(log, sealed=0)
    log.witness(DEADLINE + 1)
    times = witness_times(log.checkpoints.values(), letter=log.cast.letter)
    assert rules.late_from(times, letter=log.cast.letter) == size


def test_nothing_is_late_while_no_witness_has_seen_the_deadline_pass():
    log = begun(cast())
    signed(log, sealed=0)
    log.witness(DEADLINE)
    times = witness_times(log.checkpoints.values(), letter=log.cast.letter)
    assert rules.late_from(times, letter=log.cast.letter) is None


def test_a_letter_that_nobody_witnessed_before_its_deadline_has_no_signature_in_time():
    log = begun(cast())
    signed(log, sealed=0)
    log.witness(DEADLINE + 1)
    found = verdict(log)
    assert found.figures is not None
    assert (found.figures.signatures, found.figures.late) == (0, 1)


@pytest.mark.parametrize(("at", "ok"), [(DEADLINE, True), (DEADLINE - 1, False)])
def test_the_log_closes_only_after_a_witnessed_checkpoint_past_the_deadline(at, ok):
    log = begun(cast())
    signed(log, sealed=0)
    log.witness(at)
    log.append(log.cast.sign(entries.Closing(by="log", reason="The deadline has passed."), log.cast.log))
    log.witness(DEADLINE + 5)
    assert verdict(log).ok == ok
    if not ok:
        assert "closed the letter before the witnesses show" in failure(log)


def test_the_organizer_closes_when_they_like():
    log = begun(cast())
    log.append(log.cast.sign(entries.Closing(by="organizer", reason="Agreed."), log.cast.organizer))
    log.witness(START)
    assert verdict(log).ok


def test_a_frozen_set_holds_only_who_signed_below_since():
    log = begun(cast())
    signed(log)
    log.log_entry(entries.Reached(tier=1))
    since = log.size
    log.witness(START)
    joined = log.append(*log.cast.signature(log.cast.person(), "sealed", tier=1))
    until = log.size
    log.witness(START + HOLD)
    log.log_entry(entries.Freeze(tier=1, since=since, until=until))
    assert isinstance(log.state.frozen, Frozen)
    assert joined not in log.state.frozen.members
    assert len(log.state.frozen.members) == 2
    log.open()
    log.witness(START + 500)
    assert verdict(log).ok


def test_the_rule_book_takes_the_same_entries_whether_the_deadline_is_known_to_have_passed_or_not():
    log = begun(cast())
    signed(log, public=3, sealed=2)
    log.log_entry(entries.Reached(tier=1))
    late = begin(log.cast.letter, late_from=len(log.cast.accept()) + 1)
    replay(late, log.log[1:], lists={})
    assert (late.size, late.reached, late.n_star) == (log.size, {}, 0)


def test_a_note_that_is_no_checkpoint_is_malformed():
    with pytest.raises((Malformed, VerificationError)):
        witness_times([b"hello\n\n"], letter=cast().letter)
