"""Evidence against a host: what proves something, and what proves nothing however it is put together."""

import random
from collections.abc import Sequence

import msgspec
import pytest

from support import flip_bit
from support.letters import START, Cast, make_letter, policy_text
from undersigned.errors import Malformed, UndersignedError, VerificationError
from undersigned.evidence import (
    BrokenPromise,
    Fork,
    broken_promise,
    check_evidence,
    encode_evidence,
    fork,
    read_evidence,
)
from undersigned.protocol.promise import make_promise
from undersigned.transparency import cosignature
from undersigned.transparency.checkpoint import Checkpoint, sign_checkpoint
from undersigned.transparency.merkle import Tree, leaf_hash
from undersigned.transparency.note import Note
from undersigned.transparency.policy import parse_policy

CAST = make_letter(trustees=0, modes=("public",), tiers=())
LETTER = CAST.letter
LATEST = START + 3600


def head(tree: Tree, *, at: int = 0, names: Sequence[str] = (), cast: Cast = CAST) -> bytes:
    """The log's signed head of a tree, cosigned at `at` by the witnesses named."""
    checkpoint = Checkpoint(origin=LETTER.origin, size=tree.size, root_hash=tree.root())
    note = sign_checkpoint(checkpoint, seed=cast.log)
    lines = [cosignature.cosign(note.text, name=one, seed=cast.witnesses[one], timestamp=at) for one in names]
    return Note(text=note.text, signatures=(*note.signatures, *lines)).encode()


def leaves(*words: str) -> list[bytes]:
    return [leaf_hash(LETTER.data), *(leaf_hash(one.encode()) for one in words)]


def test_a_thousand_forked_histories_each_prove_themselves_in_a_short_file():
    rng = random.Random(9)
    for _ in range(1_000):
        shared = [f"both {number}" for number in range(rng.randrange(60))]
        one = Tree(leaves(*shared, *(f"one {number}" for number in range(rng.randrange(1, 60)))))
        other = Tree(leaves(*shared, *(f"other {number}" for number in range(rng.randrange(1, 60)))))
        larger = one if one.size > other.size else other
        made = encode_evidence(fork(LETTER, head(one), head(other), tree=larger))
        assert check_evidence(read_evidence(made)).kind == "fork"
        assert len(made) < 16_000


def test_two_heads_of_one_history_are_no_fork_at_any_size():
    tree = Tree(leaves(*(f"entry {number}" for number in range(40))))
    for size in range(1, tree.size):
        smaller = Tree([tree.node(0, index) for index in range(size)])
        with pytest.raises(VerificationError, match="one history"):
            check_evidence(fork(LETTER, head(smaller), head(tree), tree=tree))
    with pytest.raises(VerificationError, match="one history"):
        check_evidence(fork(LETTER, head(tree), head(tree, at=START, names=["w1.example.org"])))


def a_fork(first: int = 5, second: int = 9) -> Fork:
    one = Tree(leaves(*(f"one {number}" for number in range(first))))
    other = Tree(leaves(*(f"other {number}" for number in range(second))))
    names = ["w1.example.org", "w2.example.org"]
    return fork(LETTER, head(one, at=START, names=names), head(other, at=START + 60, names=names[1:]), tree=other)


def test_a_fork_tells_who_cosigned_both_sides():
    found = check_evidence(a_fork())
    assert found.sentence == "its log signed two histories: the one of 10 entries does not begin with that of 6"
    assert found.details[-1] == "w2 cosigned both, which no honest witness does"
    assert "w1 at 2027-01-15 08:00 UTC, w2 at" in found.details[0]
    same = check_evidence(a_fork(5, 5))
    assert same.sentence == "its log signed two histories: 6 entries with two different roots"


def test_a_bad_cosignature_under_a_fork_does_not_save_the_log():
    made = a_fork()
    lines = made.smaller.split("\n")
    spoiled = "\n".join([*lines[:-2], lines[-2][:-8] + "AAAAAAA="]) + "\n"
    found = check_evidence(msgspec.structs.replace(made, smaller=spoiled))
    assert "w2" not in found.details[0]


@pytest.mark.parametrize(("first", "second"), [(3, 9), (5, 9), (7, 8)])
def test_a_fork_with_another_path_proves_nothing(first: int, second: int):
    made = a_fork(first, second)
    for path in (made.path[1:], made.path[:-1], [], [*made.path, bytes(32)], [bytes(32), *made.path[1:]]):
        with pytest.raises((VerificationError, Malformed)):
            check_evidence(msgspec.structs.replace(made, path=path))


def test_heads_of_another_log_prove_nothing():
    made, stranger = a_fork(), make_letter(seed=9)
    forged = head(Tree(leaves("forged")), cast=stranger).decode()
    with pytest.raises(VerificationError):
        check_evidence(msgspec.structs.replace(made, smaller=forged))
    with pytest.raises(VerificationError):
        check_evidence(msgspec.structs.replace(made, publication=stranger.letter.data))
    with pytest.raises(VerificationError, match="lid differs"):
        check_evidence(made, lid=bytes(32))
    assert check_evidence(made, lid=LETTER.lid).letter.lid == LETTER.lid


def promised(entry: bytes, key: bytes, tree: Tree, *, at: int = LATEST + 1, names: int = 3) -> BrokenPromise:
    promise = make_promise(entry, key=key, latest=LATEST, letter=LETTER, seed=CAST.promise)
    witnesses = list(CAST.witnesses)[:names]
    return broken_promise(LETTER, entry=entry, promise=promise, head=head(tree, at=at, names=witnesses), tree=tree)


def test_of_ten_thousand_promised_entries_whichever_one_is_left_out_is_missed_and_its_proof_holds():
    people = [CAST.person() for _ in range(10_000)]
    entries = [CAST.withdrawal(person) for person in people]
    hashes = [leaf_hash(LETTER.data), *map(leaf_hash, entries)]
    for index in random.Random(8).sample(range(10_000), 25):
        tree = Tree(hashes[: index + 1] + hashes[index + 2 :])
        made = read_evidence(encode_evidence(promised(entries[index], people[index].key, tree)))
        found = check_evidence(made)
        assert (found.kind, found.letter.lid) == ("broken-promise", LETTER.lid)
        assert found.sentence == "its host promised to take in a withdrawal by 2027-01-15 09:00 UTC and did not"
        kept = promised(entries[index], people[index].key, Tree(hashes))
        with pytest.raises(VerificationError, match="the promised entry is in the log"):
            check_evidence(kept)


def test_a_promise_is_broken_only_by_a_quorum_that_signed_after_it_passed():
    person = CAST.person()
    entry, tree = CAST.withdrawal(person), Tree(leaves("another"))
    assert check_evidence(promised(entry, person.key, tree)).kind == "broken-promise"
    for late in ({"at": LATEST}, {"names": 2}):
        with pytest.raises(VerificationError, match="no witness quorum signed"):
            check_evidence(promised(entry, person.key, tree, **late))
    with pytest.raises(VerificationError, match="no witness quorum signed"):
        check_evidence(promised(entry, person.key, tree), policy=parse_policy("quorum none\n"))
    strangers = parse_policy(policy_text({"x.example.org": bytes(32)}, 1))
    with pytest.raises(VerificationError, match="no witness quorum signed"):
        check_evidence(promised(entry, person.key, tree), policy=strangers)


def test_a_promise_by_nobody_or_leaves_of_another_log_prove_nothing():
    person = CAST.person()
    made = promised(CAST.withdrawal(person), person.key, Tree(leaves("one", "two")))
    other = make_promise(made.entry, key=person.key, latest=LATEST, letter=LETTER, seed=CAST.log)
    for change, words in (
        ({"promise": other}, "not the letter's own"),
        ({"entry": CAST.withdrawal(CAST.person())}, "not the letter's own"),
        ({"entry": LETTER.data}, "earns no promise"),
        ({"leaves": made.leaves[32:]}, "just as many"),
        ({"leaves": made.leaves + b"x"}, "just as many"),
        ({"leaves": bytes(len(made.leaves))}, "do not give the head's root"),
    ):
        with pytest.raises((VerificationError, Malformed), match=words):
            check_evidence(msgspec.structs.replace(made, **change))


def test_a_promise_beyond_all_calendars_is_still_told():
    person = CAST.person()
    entry, latest = CAST.withdrawal(person), 2**53 - 1
    promise = make_promise(entry, key=person.key, latest=latest, letter=LETTER, seed=CAST.promise)
    tree = Tree(leaves("one"))
    late = head(tree, at=2**60, names=list(CAST.witnesses))
    found = check_evidence(broken_promise(LETTER, entry=entry, promise=promise, head=late, tree=tree))
    assert "second 9007199254740991 since 1970" in found.sentence


def test_no_byte_of_evidence_can_be_changed_into_other_evidence():
    data, rng = encode_evidence(a_fork()), random.Random(3)
    told = check_evidence(read_evidence(data))
    for at in rng.sample(range(8 * len(data)), 400):
        try:
            found = check_evidence(read_evidence(flip_bit(data, at)))
        except UndersignedError:
            continue
        assert found.sentence == told.sentence  # a cosignature more or less takes nothing from what the log signed


def test_evidence_is_read_strictly():
    data = encode_evidence(a_fork())
    for bad in (
        b"",
        b"{}",
        data + b"\n",
        data.replace(b'"v":1', b'"v":2'),
        data.replace(b'"kind":"fork"', b'"kind":"gossip"'),
        data.replace(b'{"kind"', b'{ "kind"'),
        data.replace(b'"v":1', b'"v":1,"w":1'),
    ):
        with pytest.raises(Malformed, match="not evidence"):
            read_evidence(bad)
