import random
from collections import Counter
from dataclasses import asdict

from support.letters import START, begun, make_letter
from support.whole import whole_letter
from undersigned.protocol import entry as entries
from undersigned.protocol.entry import decode_entry
from undersigned.protocol.figures import Figures, figures
from undersigned.protocol.opening_list import read_opening_list
from undersigned.protocol.replay import begin, replay
from undersigned.protocol.state import LetterState

LOG = whole_letter()
OUT = ("withdrawn", "removed", "dropped", "disputed", "late", "older_version")


def states() -> list[Figures]:
    """The figures after each entry of the whole letter, index by index."""
    state: LetterState = begin(LOG.cast.letter)
    found = [figures(state)]
    for data in LOG.log[1:]:
        replay(state, [data], lists=LOG.lists)
        found.append(figures(state))
    return found


HISTORY = states()


def test_every_signature_ever_taken_is_in_just_one_figure():
    taken = 0
    for data, after in zip(LOG.log, HISTORY, strict=True):
        taken += isinstance(decode_entry(data), entries.Signature)
        assert after.signatures == after.public + after.anonymous + after.sealed + after.opened
        assert after.signatures + sum(getattr(after, name) for name in OUT) == taken
        assert sum(item.signatures for item in after.classes) == after.signatures


def test_any_two_dossiers_differ_by_just_what_the_entries_between_them_say():
    """T10: each figure is explained entry by entry; nothing leaves a count in silence."""
    rng = random.Random(10)
    steps = [explained(index) for index in range(1, LOG.size)]
    for _ in range(1_000):
        first, second = sorted(rng.sample(range(LOG.size), 2))
        told = Counter()
        for step in steps[first:second]:
            told.update(step)
        for name in ("withdrawn", "removed", "dropped", "disputed"):
            assert getattr(HISTORY[second], name) - getattr(HISTORY[first], name) == told[name]
        out = sum(getattr(HISTORY[second], name) - getattr(HISTORY[first], name) for name in OUT)
        assert HISTORY[second].signatures - HISTORY[first].signatures == told["taken"] - out


def explained(index: int) -> Counter[str]:
    """What one entry says about the figures, read from its bytes alone."""
    match decode_entry(LOG.log[index]):
        case entries.Signature():
            return Counter(taken=1)
        case entries.Withdrawal():
            return Counter(withdrawn=1)
        case entries.Removal():
            return Counter(removed=1)
        case entries.Dispute(state=state):
            return Counter(disputed=1 if state == "open" else -1)
        case entries.Opening(list_hash=list_hash) | entries.Abort(list_hash=list_hash):
            listed = read_opening_list(LOG.lists[list_hash])
            return Counter(withdrawn=len(listed.left), dropped=len(listed.dropped))
        case _:
            return Counter()


def test_only_entries_that_say_so_change_a_figure():
    silent = (entries.Registrar, entries.Trustee, entries.Statement, entries.Confirmation, entries.Remark)
    quiet = (entries.Standing, entries.Client, entries.Destruction, entries.Closing, entries.Freeze)
    for index in range(1, LOG.size):
        if isinstance(decode_entry(LOG.log[index]), (*silent, *quiet)):
            assert HISTORY[index] == HISTORY[index - 1]


def test_the_whole_letter_ends_with_these_figures():
    last = asdict(HISTORY[-1])
    tiers, classes = last.pop("tiers"), last.pop("classes")
    assert last == {
        "n_star": 5,
        "signatures": 5,
        "public": 1,
        "anonymous": 0,
        "sealed": 1,
        "opened": 3,
        "withdrawn": 1,
        "disputed": 0,
        "removed": 1,
        "removals": {"asked": 1},
        "dropped": 1,
        "not_openable": 1,
        "older_version": 2,
        "late": 0,
    }
    assert [(one["reached"], one["opened"], one["standing"], one["sealed"]) for one in tiers] == [
        (True, 3, 4, 0),
        (False, 0, 5, 1),
    ]
    assert [(one["id"], one["issued"], one["signatures"], one["named"], one["anonymous"]) for one in classes] == [
        (1, 20, 5, 5, 0),
        (2, 1_000, 0, 0, 0),
    ]


def test_friends_and_anonymous_signatures_are_shown_apart_and_never_counted():
    cast = make_letter(tiers=(2,), trustees=3, quorum=2)
    log = begun(cast)
    log.append(*cast.signature(cast.person()))
    for _ in range(3):
        log.append(*cast.signature(cast.person(), class_id=2))
        log.append(*cast.signature(cast.person(), "anonymous"))
    found = figures(log.state)
    assert (found.n_star, found.signatures, found.anonymous) == (1, 7, 3)
    assert [(one.named, one.anonymous, one.counts) for one in found.classes] == [(1, 3, True), (3, 0, False)]


def test_a_tier_is_not_shown_as_reached_when_its_freeze_named_fewer_than_it_asks_for():
    """A freeze of tier 2 that turns out to hold garbage names only tier 1."""
    cast = make_letter(tiers=(2, 4), trustees=3, quorum=2)
    log = begun(cast)
    log.append(*cast.signature(cast.person()))
    log.append(*cast.signature(cast.person(), "sealed", tier=1))
    for _ in range(2):
        log.append(*cast.signature(cast.person(), "sealed", tier=2, blob=b"garbage"))
    log.freeze(2, at=START)
    log.open()
    assert [one.reached for one in figures(log.state).tiers] == [True, False]


def test_a_tier_whose_names_were_opened_stays_reached():
    cast = make_letter(tiers=(2,), trustees=3, quorum=2)
    log = begun(cast)
    for _ in range(2):
        log.append(*cast.signature(cast.person(), "sealed", tier=1))
    log.freeze(1, at=START)
    log.open()
    assert log.state.reached == {}
    (tier,) = figures(log.state).tiers
    assert (tier.reached, tier.opened, tier.sealed) == (True, 2, 0)


def test_a_missing_envelope_is_not_openable_until_its_holder_leaves():
    cast = make_letter(tiers=(2,), trustees=3, quorum=2)
    log = begun(cast)
    person = cast.person()
    index = log.append(*cast.signature(person, "sealed", tier=1))
    log.append(cast.sign(entries.Missing(trustee=2, indexes=[index]), cast.trustees[2]))
    assert figures(log.state).not_openable == 1
    log.append(cast.withdrawal(person))
    assert (figures(log.state).not_openable, figures(log.state).withdrawn) == (0, 1)


def test_a_late_signature_that_left_is_withdrawn_and_one_under_an_older_text_is_late():
    cast = make_letter(tiers=(2,), trustees=3, quorum=2)
    log = begun(cast)
    late, leaver = cast.person(), cast.person()
    size = log.size
    for person in (late, leaver):
        log.append(*cast.signature(person))
    log.append(cast.withdrawal(leaver))
    state = begin(cast.letter, late_from=size)
    replay(state, log.log[1:], lists={})
    found = figures(state)
    assert (found.signatures, found.late, found.withdrawn, found.older_version) == (0, 1, 1, 0)
