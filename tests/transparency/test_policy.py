"""Policies: who counts as a witness, and when there are enough of them."""

import dataclasses
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from undersigned.crypto import ed25519
from undersigned.errors import Malformed, VerificationError
from undersigned.transparency.checkpoint import Checkpoint, sign_checkpoint
from undersigned.transparency.cosignature import cosign
from undersigned.transparency.note import Note, cosignature_vkey, ed25519_vkey
from undersigned.transparency.policy import Group, Log, Witness, parse_policy

HERE = Path(__file__).parent
SEEDS = {f"w{number}": bytes([number]) * 32 for number in range(1, 8)}
VKEYS = {name: cosignature_vkey(f"{name}.example", ed25519.public_key(seed)) for name, seed in SEEDS.items()}
LOG_SEED = bytes([100]) * 32
LOG_VKEY = ed25519_vkey("letters.example/l/staff", ed25519.public_key(LOG_SEED))
WITNESS_LINES = "".join(f"witness {name} {vkey.encode()}\n" for name, vkey in VKEYS.items())
TWO_OF_THREE = parse_policy(WITNESS_LINES + "group g 2 w1 w2 w3\nquorum g\n")


def cosigned(*names: str, timestamp: int = 1_760_000_000) -> Note:
    note = sign_checkpoint(Checkpoint(origin=LOG_VKEY.name, size=1, root_hash=bytes(32)), seed=LOG_SEED)
    cosignatures = (
        cosign(note.text, name=f"{name}.example", seed=SEEDS[name], timestamp=timestamp + int(name[1:]))
        for name in names
    )
    return Note(text=note.text, signatures=(*note.signatures, *cosignatures))


@st.composite
def policies(draw):
    """Any policy over w1..w6 in which each name is a member at most once."""
    free, groups = [f"w{number}" for number in range(1, 7)], []
    for number in range(draw(st.integers(0, 4))):
        members = draw(st.lists(st.sampled_from(free), min_size=1, unique=True))
        k = draw(st.integers(1, len(members)))
        groups.append(Group(name=f"g{number}", k=k, members=tuple(members)))
        free = [name for name in free if name not in members] + [f"g{number}"]
    quorum = draw(st.sampled_from(["none", *SEEDS, *(group.name for group in groups)]))
    return groups, quorum


def witnessed(name, *, groups, cosigners):
    """The definition of tlog-policy, tried out."""
    for group in groups:
        if group.name == name:
            return sum(witnessed(member, groups=groups, cosigners=cosigners) for member in group.members) >= group.k
    return name in cosigners


@given(policies())
def test_a_quorum_is_reached_exactly_when_the_definition_says(drawn):
    groups, quorum = drawn
    lines = [f"group {group.name} {group.k} {' '.join(group.members)}\n" for group in groups]
    policy = parse_policy(WITNESS_LINES + "".join(lines) + f"quorum {quorum}\n")
    assert policy.groups == tuple(groups)
    assert policy.has_quorum == (quorum != "none")
    for count in range(8):
        for cosigners in combinations(SEEDS, count):
            expected = quorum == "none" or witnessed(quorum, groups=groups, cosigners=cosigners)
            assert policy.satisfied(cosigners) == policy.satisfied({*cosigners, "stranger"}) == expected


def test_the_example_of_the_standard_is_read_as_it_is_explained():
    policy = parse_policy(
        f"log {LOG_VKEY.encode()}\n\n{WITNESS_LINES}"
        "group X 2 w1 w2 w3\ngroup Y any w4 w5 w6\ngroup X-and-Y all X Y\nquorum X-and-Y\n"
    )
    assert policy.satisfied({"w1", "w3", "w5"})
    assert not policy.satisfied({"w1", "w2", "w3"})
    assert not policy.satisfied({"w1", "w4", "w5", "w6"})
    assert not policy.satisfied({"X", "Y", "X-and-Y"})
    assert policy.logs == (Log(LOG_VKEY),)


def test_spaces_tabs_comments_empty_lines_and_any_script_in_names_are_allowed():
    vkey = VKEYS["w1"].encode()
    text = f" \t\n  # Wen ich glaube: \u20ac\n\t witness \t Zeugin-Ü {vkey}\thttps://w.example/ \nquorum Zeugin-Ü\n"
    policy = parse_policy(text)
    assert policy.witnesses == {"Zeugin-Ü": Witness(name="Zeugin-Ü", vkey=VKEYS["w1"], url="https://w.example/")}


def test_names_that_only_look_alike_are_two_names():
    policy = parse_policy(f"witness K {VKEYS['w1'].encode()}\nwitness \u212a {VKEYS['w2'].encode()}\nquorum \u212a\n")
    assert policy.satisfied({"\u212a"})
    assert not policy.satisfied({"K"})


@pytest.mark.parametrize("file", sorted((HERE / "bad").glob("*.policy")), ids=lambda file: file.stem)
def test_a_refusal_says_which_line_is_at_fault(file):
    if file.stem in {"no_quorum", "empty", "longer_than_65536_characters"}:
        pattern = "^(the|a) policy has"
    else:
        pattern = r"^line [1-9][0-9]* of the policy: "
    with pytest.raises(Malformed, match=pattern):
        parse_policy(file.read_bytes().decode())


def test_the_line_number_is_that_of_the_fault():
    with pytest.raises(Malformed, match=r"^line 9 of the policy: "):
        parse_policy(WITNESS_LINES + "\ngroup g 4 w1 w2 w3\nquorum g\n")


def many(count: int) -> tuple[list[str], list[str], list[str]]:
    """As many lines of logs, of witnesses and of groups that hold one another."""
    keys = [ed25519.public_key(bytes([1, number]) + bytes(30)) for number in range(count)]
    logs = [f"log {ed25519_vkey(f'l{n}', key).encode()}\n" for n, key in enumerate(keys)]
    witnesses = [f"witness v{n} {cosignature_vkey(f'v{n}', key).encode()}\n" for n, key in enumerate(keys)]
    groups = ["group g0 any v0\n", *(f"group g{n} any g{n - 1}\n" for n in range(1, count))]
    return logs, witnesses, groups


def test_one_hundred_of_everything_are_accepted():
    policy = parse_policy("".join(line for lines in many(100) for line in lines) + "quorum g99\n")
    assert (len(policy.logs), len(policy.witnesses), len(policy.groups)) == (100, 100, 100)
    assert policy.satisfied({"v0"})
    assert not policy.satisfied({"v1"})


@pytest.mark.parametrize("kind", [0, 1, 2])
def test_more_than_one_hundred_of_one_kind_are_refused(kind):
    lines = list(many(100))
    lines[kind] = many(101)[kind]
    with pytest.raises(Malformed, match="at most 100"):
        parse_policy("".join(line for some in lines for line in some) + "quorum none\n")


def test_the_times_of_all_known_witnesses_are_told_and_strangers_are_ignored():
    policy = parse_policy("".join(WITNESS_LINES.splitlines(keepends=True)[:4]) + "group g 2 w1 w2 w3\nquorum g\n")
    note = cosigned("w1", "w3", "w4", "w7")
    expected = {"w1": 1_760_000_001, "w3": 1_760_000_003, "w4": 1_760_000_004}
    assert policy.timestamps(note) == policy.check(note) == expected


def test_a_checkpoint_without_enough_cosignatures_is_refused():
    TWO_OF_THREE.check(cosigned("w1", "w2"))
    for names in ((), ("w1",), ("w1", "w4", "w5")):
        with pytest.raises(VerificationError):
            TWO_OF_THREE.check(cosigned(*names))


def test_a_false_cosignature_by_a_known_witness_is_refused_even_when_the_others_are_enough():
    note = cosigned("w1", "w2", "w3")
    log, first, *rest = note.signatures
    false = dataclasses.replace(first, sig=first.sig[:-1] + bytes([first.sig[-1] ^ 1]))
    with pytest.raises(VerificationError):
        TWO_OF_THREE.check(Note(text=note.text, signatures=(log, false, *rest)))


def test_where_a_policy_lists_logs_one_of_them_must_have_signed_as_its_own():
    note = cosigned("w1")
    policy = parse_policy(f"log {LOG_VKEY.encode()}\n{WITNESS_LINES}quorum w1\n")
    assert policy.check(note) == {"w1": 1_760_000_001}
    other_name = ed25519_vkey("letters.example/l/other", LOG_VKEY.key)
    other_key = ed25519_vkey(LOG_VKEY.name, ed25519.public_key(SEEDS["w1"]))
    for vkey in (other_name, other_key):
        with pytest.raises(VerificationError):
            parse_policy(f"log {vkey.encode()}\n{WITNESS_LINES}quorum w1\n").check(note)
    log, witness = note.signatures
    false = dataclasses.replace(log, sig=bytes(64))
    with pytest.raises(VerificationError):
        policy.check(Note(text=note.text, signatures=(false, witness)))


@pytest.mark.parametrize(
    "change",
    [
        {"quorum": "nobody"},
        {"quorum": ""},
        {"groups": (Group(name="g", k=3, members=("w1", "w2")),)},
        {"groups": (Group(name="h", k=1, members=("w1",)), Group(name="g", k=1, members=("w1",)))},
        {"groups": (Group(name="g", k=1, members=("g",)),)},
        {"witnesses": {"w1": Witness(name="w2", vkey=VKEYS["w2"])}, "groups": (), "quorum": "w1"},
        {"witnesses": {"w1": Witness(name="w1", vkey=LOG_VKEY)}, "groups": (), "quorum": "w1"},
        {"logs": (Log(VKEYS["w1"]),)},
    ],
)
def test_a_half_valid_policy_cannot_be_made(change):
    with pytest.raises(Malformed):
        dataclasses.replace(TWO_OF_THREE, **change)
