import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from undersigned.protocol.count import n_star, self_consistent_count, standing

CONDITIONS = st.lists(st.integers(1, 30), max_size=25)


@given(CONDITIONS)
def test_the_count_agrees_with_the_definition_tried_on_every_n(at_least):
    def agrees(n):
        return sum(a <= n for a in at_least) >= n

    assert self_consistent_count(at_least) == max(n for n in range(len(at_least) + 1) if agrees(n))


@pytest.mark.parametrize("people", range(6))
def test_the_count_agrees_for_every_small_letter_there_is(people):
    for at_least in itertools.combinations_with_replacement(range(1, people + 2), people):
        wanted = max(n for n in range(people + 1) if sum(a <= n for a in at_least) >= n)
        assert self_consistent_count(at_least) == wanted


@given(CONDITIONS)
def test_everybody_who_stands_has_as_many_beside_them_as_they_asked_for(at_least):
    n = self_consistent_count(at_least)
    assert len([a for a in at_least if a <= n]) == n


@given(CONDITIONS, st.integers(1, 30))
def test_one_more_signature_never_makes_fewer_stand(at_least, another):
    assert self_consistent_count([*at_least, another]) >= self_consistent_count(at_least)


@given(CONDITIONS)
def test_nobody_left_out_could_have_joined_together(at_least):
    n = self_consistent_count(at_least)
    assert all(sum(a <= more for a in at_least) < more for more in range(n + 1, len(at_least) + 1))


@given(CONDITIONS)
def test_the_count_of_a_tally_is_that_of_the_people(at_least):
    assert n_star(Counter(at_least)) == self_consistent_count(at_least)


def test_nobody_stands_in_an_empty_letter_or_where_all_wait_for_more():
    assert self_consistent_count([]) == 0
    assert self_consistent_count([2]) == 0
    assert self_consistent_count([50] * 49) == 0
    assert self_consistent_count([50] * 50) == 50


def test_two_tiers_that_lean_on_each_other_stand_together_or_not_at_all():
    """100 who ask for 250 and 450 who ask for 500: 550 together, and without 51 of the latter nobody."""
    assert self_consistent_count([250] * 100 + [500] * 450) == 550
    assert self_consistent_count([250] * 100 + [500] * 400) == 500
    assert self_consistent_count([250] * 100 + [500] * 399) == 0


def test_f_counts_who_would_stand_if_n_did():
    tally = Counter({1: 40, 50: 20, 250: 100})
    assert [standing(tally, n) for n in (0, 1, 49, 50, 249, 250)] == [0, 40, 40, 60, 60, 160]


def test_a_tally_with_a_zero_or_spent_row_counts_as_without_it():
    assert n_star(Counter({1: 3, 5: 0})) == 3
