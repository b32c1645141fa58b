"""Trees and their proofs, against official vectors and against RFC 9162 written out as it stands there."""

import base64
import json
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from undersigned.errors import Malformed, Unavailable, VerificationError
from undersigned.transparency.merkle import (
    EMPTY_ROOT,
    Tree,
    leaf_hash,
    node_hash,
    root_hash,
    verify_consistency,
    verify_inclusion,
)

VECTORS = Path(__file__).parents[2] / "vectors" / "tlog" / "merkle"
INCLUSION = sorted((VECTORS / "inclusion").rglob("*.json"))
CONSISTENCY = sorted((VECTORS / "consistency").rglob("*.json"))
LIMIT = 300
LEAVES = [leaf_hash(b"entry %d" % index) for index in range(LIMIT)]
TREE = Tree(LEAVES)


@cache
def mth(start: int, end: int) -> bytes:
    """MTH(D[start:end]) as RFC 9162 section 2.1.1 defines it."""
    if end - start == 0:
        return EMPTY_ROOT
    if end - start == 1:
        return LEAVES[start]
    k = largest_power_of_two_below(end - start)
    return node_hash(mth(start, start + k), mth(start + k, end))


def path(m: int, start: int, end: int) -> list[bytes]:
    """PATH(m, D[start:end]) as RFC 9162 section 2.1.3.1 defines it."""
    if end - start == 1:
        return []
    k = largest_power_of_two_below(end - start)
    if m < k:
        return [*path(m, start, start + k), mth(start + k, end)]
    return [*path(m - k, start + k, end), mth(start, start + k)]


def subproof(m: int, start: int, end: int, *, known: bool) -> list[bytes]:
    """SUBPROOF(m, D[start:end], known) as RFC 9162 section 2.1.4.1 defines it."""
    if m == end - start:
        return [] if known else [mth(start, end)]
    k = largest_power_of_two_below(end - start)
    if m <= k:
        return [*subproof(m, start, start + k, known=known), mth(start + k, end)]
    return [*subproof(m - k, start + k, end, known=False), mth(start, start + k)]


def largest_power_of_two_below(n: int) -> int:
    return 1 << ((n - 1).bit_length() - 1)


def unbase64(text: str | None) -> bytes:
    return base64.b64decode(text or "", validate=True)


def test_the_vectors_are_all_here():
    assert (len(INCLUSION), len(CONSISTENCY)) == (len(set(INCLUSION)), len(set(CONSISTENCY)))
    assert len(INCLUSION) + len(CONSISTENCY) == 196


@pytest.mark.parametrize("file", INCLUSION, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_official_inclusion_proofs_are_judged_as_their_authors_say(file):
    case = json.loads(file.read_text())

    def verify():
        verify_inclusion(
            leaf_hash=unbase64(case["leafHash"]),
            index=case["leafIdx"],
            size=case["treeSize"],
            proof=[unbase64(h) for h in case["proof"] or ()],
            root=unbase64(case["root"]),
        )

    if case["wantErr"]:
        with pytest.raises(VerificationError):
            verify()
    else:
        verify()


@pytest.mark.parametrize("file", CONSISTENCY, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_official_consistency_proofs_are_judged_as_their_authors_say(file):
    case = json.loads(file.read_text())

    def verify():
        verify_consistency(
            first_size=case["size1"],
            second_size=case["size2"],
            first_root=unbase64(case["root1"]),
            second_root=unbase64(case["root2"]),
            proof=[unbase64(h) for h in case["proof"] or ()],
        )

    if case["wantErr"]:
        with pytest.raises(VerificationError):
            verify()
    else:
        verify()


def test_every_root_agrees_with_the_definition():
    for size in range(LIMIT + 1):
        assert TREE.root(size) == root_hash(LEAVES[:size]) == mth(0, size)


def test_every_inclusion_proof_agrees_with_the_definition_and_verifies():
    for size in range(1, LIMIT):
        root = mth(0, size)
        for index in range(size):
            proof = TREE.inclusion_proof(index, size)
            assert proof == path(index, 0, size)
            verify_inclusion(leaf_hash=LEAVES[index], index=index, size=size, proof=proof, root=root)


def test_every_consistency_proof_agrees_with_the_definition_and_verifies():
    for second in range(1, LIMIT):
        second_root = mth(0, second)
        for first in range(1, second + 1):
            proof = TREE.consistency_proof(first, second)
            assert proof == subproof(first, 0, second, known=True)
            verify_consistency(
                first_size=first,
                second_size=second,
                first_root=mth(0, first),
                second_root=second_root,
                proof=proof,
            )


def test_an_inclusion_proof_fits_no_other_index_size_or_leaf():
    for size in range(1, 40):
        for index in range(size):
            proof, root = TREE.inclusion_proof(index, size), TREE.root(size)
            for other in set(range(-1, size + 2)) - {index}:
                with pytest.raises(VerificationError):
                    verify_inclusion(leaf_hash=LEAVES[index], index=other, size=size, proof=proof, root=root)
            with pytest.raises(VerificationError):
                verify_inclusion(leaf_hash=LEAVES[size], index=index, size=size, proof=proof, root=root)
            with pytest.raises(VerificationError):
                verify_inclusion(leaf_hash=LEAVES[index], index=index, size=size, proof=[*proof, root], root=root)
            with pytest.raises(VerificationError):
                verify_inclusion(leaf_hash=LEAVES[index], index=index, size=size, proof=proof, root=TREE.root(size + 1))


def test_two_trees_with_one_other_entry_cannot_be_joined():
    for second in range(2, 40):
        for first in range(1, second):
            forked = root_hash([*LEAVES[: first - 1], leaf_hash(b"another"), *LEAVES[first:second]])
            with pytest.raises(VerificationError):
                verify_consistency(
                    first_size=first,
                    second_size=second,
                    first_root=TREE.root(first),
                    second_root=forked,
                    proof=TREE.consistency_proof(first, second),
                )


@given(st.data())
def test_a_proof_with_one_changed_bit_is_refused(data):
    second = data.draw(st.integers(2, LIMIT - 1))
    first = data.draw(st.integers(1, second - 1))
    inclusion, consistency = TREE.inclusion_proof(first, second), TREE.consistency_proof(first, second)
    for proof in (inclusion, consistency):
        at = data.draw(st.integers(0, len(proof) - 1))
        flipped = int.from_bytes(proof[at], "big") ^ (1 << data.draw(st.integers(0, 255)))
        proof[at] = flipped.to_bytes(32, "big")
    root = TREE.root(second)
    with pytest.raises(VerificationError):
        verify_inclusion(leaf_hash=LEAVES[first], index=first, size=second, proof=inclusion, root=root)
    with pytest.raises(VerificationError):
        verify_consistency(
            first_size=first, second_size=second, first_root=TREE.root(first), second_root=root, proof=consistency
        )


@given(st.integers(0, LIMIT), st.integers(0, LIMIT))
def test_a_tree_built_at_once_equals_one_that_grew(start, end):
    grown = Tree(LEAVES[:start])
    for leaf in LEAVES[start:end]:
        grown.append(leaf)
    size = max(start, end)
    assert grown.size == size
    assert grown.root() == mth(0, size)
    for level in range(size.bit_length()):
        for index in range(size >> level):
            assert grown.node(level, index) == mth(index << level, (index + 1) << level)


def test_from_the_empty_tree_there_is_nothing_to_prove_and_no_proof_is_believed():
    assert Tree().root() == EMPTY_ROOT
    assert TREE.consistency_proof(0, 5) == []
    for second in (0, 5):
        with pytest.raises(VerificationError):
            verify_consistency(
                first_size=0, second_size=second, first_root=EMPTY_ROOT, second_root=TREE.root(second), proof=[]
            )


@pytest.mark.parametrize(
    "ask",
    [
        lambda tree: tree.root(LIMIT + 1),
        lambda tree: tree.root(-1),
        lambda tree: tree.inclusion_proof(0, LIMIT + 1),
        lambda tree: tree.consistency_proof(1, LIMIT + 1),
        lambda tree: tree.node(0, LIMIT),
        lambda tree: tree.node(1, LIMIT // 2),
        lambda tree: tree.node(40, 0),
        lambda tree: tree.node(-1, 0),
        lambda tree: tree.node(0, -1),
    ],
)
def test_what_the_tree_has_not_yet_is_unavailable(ask):
    with pytest.raises(Unavailable):
        ask(TREE)


@pytest.mark.parametrize(
    "ask",
    [
        lambda tree: tree.inclusion_proof(5, 5),
        lambda tree: tree.inclusion_proof(-1, 5),
        lambda tree: tree.inclusion_proof(0, 0),
        lambda tree: tree.consistency_proof(6, 5),
        lambda tree: tree.consistency_proof(-1, 5),
        lambda tree: tree.append(bytes(31)),
        lambda _tree: Tree([bytes(31), bytes(33)]),
    ],
)
def test_what_no_tree_can_have_is_malformed(ask):
    with pytest.raises(Malformed):
        ask(TREE)
