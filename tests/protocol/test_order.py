import random

from hypothesis import given
from hypothesis import strategies as st

from support.whole import whole_letter
from undersigned.protocol import entry as entries
from undersigned.protocol.entry import decode_entry, kind_of
from undersigned.protocol.order import in_order
from undersigned.transparency.merkle import leaf_hash

PENDING = [(data, decode_entry(data)) for data in whole_letter().log[1:]]
SIGNATORIES = ("signature", "consent", "condition", "remark", "withdrawal")


@given(st.permutations(PENDING))
def test_what_signatories_send_leaves_no_trace_of_when_it_came(arrived):
    ordered = in_order(arrived)
    theirs = [item for item in ordered if kind_of(item[1]) in SIGNATORIES]
    assert theirs == [item for item in in_order(PENDING) if kind_of(item[1]) in SIGNATORIES]
    assert ordered[len(ordered) - len(theirs) :] == theirs


@given(st.permutations(PENDING))
def test_what_the_others_send_keeps_its_order_and_goes_first(arrived):
    others = [item for item in arrived if kind_of(item[1]) not in SIGNATORIES]
    assert in_order(arrived)[: len(others)] == others


def test_signatures_come_before_what_their_signatories_say_later():
    kinds = [kind_of(entry) for _, entry in in_order(PENDING)]
    first_of = {kind: kinds.index(kind) for kind in SIGNATORIES}
    assert sorted(first_of, key=lambda kind: first_of[kind]) == list(SIGNATORIES)


def test_entries_of_a_kind_are_in_the_order_of_their_leaf_hashes():
    ordered = in_order(random.Random(1).sample(PENDING, len(PENDING)))
    leaves = [leaf_hash(data) for data, entry in ordered if isinstance(entry, entries.Signature)]
    assert leaves == sorted(leaves)
