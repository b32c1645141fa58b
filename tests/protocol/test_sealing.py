import itertools
import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support import flip_bit
from support.letters import make_letter
from undersigned.crypto import shamir
from undersigned.errors import Malformed, UndersignedError, VerificationError
from undersigned.protocol import blob as blobs
from undersigned.protocol import opening, sealing
from undersigned.protocol.encoding import sha256, to_jcs
from undersigned.protocol.entry import Signature
from undersigned.protocol.state import Record

CAST = make_letter(tiers=(50, 250, 500))
LETTER = CAST.letter
PERSON = CAST.person()
DATA = CAST.envelope(PERSON, 2)
BOX, ROWS, ROW = 72, 72 + 2064, 33 + 1169


def read(data: bytes = DATA, *, tier: int = 2) -> sealing.Envelope:
    return sealing.read_envelope(data, letter=LETTER, tier=tier)


def share_of(trustee: int, data: bytes = DATA, *, tier: int = 2, letter=LETTER, key: bytes = PERSON.key) -> bytes:
    envelope = sealing.read_envelope(data, letter=letter, tier=tier)
    seed = CAST.seal_seeds[trustee][tier - 1]
    return sealing.open_share(envelope, letter=letter, trustee=trustee, key=key, seed=seed)


def record_of(person=PERSON, data: bytes = DATA, *, tier: int = 2) -> Record:
    entry = Signature(
        text_hash=bytes(32), class_=1, mode="sealed", tier=tier, key=person.key, tokens=[], blob=sha256(data)
    )
    return Record(
        index=9, entry=entry, mode="sealed", tier=tier, blob=sha256(data), texts=frozenset(), changed=9, chosen=9
    )


SHARES = {trustee: share_of(trustee) for trustee in LETTER.trustees}


def examine(data: bytes | None = DATA, shares=SHARES, *, tier: int = 2) -> opening.Finding | None:
    return opening.examine(record_of(data=data or b"", tier=tier), data, shares, letter=LETTER)


def test_an_envelope_to_five_trustees_has_8_146_bytes_however_long_the_name():
    assert sealing.envelope_bytes(5) == 8_146
    for name, title in (("A", ""), ("𠮷" * 50, "é" * 100)):
        assert len(CAST.envelope(CAST.person(name, title), 1)) == 8_146


def test_an_envelope_is_laid_out_as_written_down():
    envelope = read()
    assert DATA[:8] == b"USB1" + bytes([1, 5, 3, 2])
    assert (envelope.dek_hash, envelope.open_hash) == (DATA[8:40], DATA[40:72])
    assert envelope.box == DATA[BOX:ROWS]
    assert [row.x for row in envelope.rows] == [1, 2, 3, 4, 5]
    assert [row.sealed for row in envelope.rows] == [DATA[at + 33 : at + ROW] for at in range(ROWS, len(DATA), ROW)]


@pytest.mark.parametrize("three", list(itertools.combinations(range(1, 6), 3)))
def test_any_three_of_five_trustees_open_it_and_two_may_be_lost(three):
    found = examine(shares={trustee: SHARES[trustee] for trustee in three})
    assert found is not None
    assert (found.reason, found.liars) == (None, frozenset())
    assert found.open_key is not None
    card = sealing.open_box(read(), letter=LETTER, key=PERSON.key, open_key=found.open_key)
    assert card == CAST.public_blob(PERSON)


@pytest.mark.parametrize(("n", "k"), [(1, 1), (2, 2), (3, 2), (9, 8)])
def test_other_quorums_open_too(n, k):
    cast = make_letter(trustees=n, quorum=k)
    person = cast.person()
    data = cast.envelope(person, 1)
    assert len(data) == sealing.envelope_bytes(n)
    envelope = sealing.read_envelope(data, letter=cast.letter, tier=1)
    shares = [
        sealing.open_share(envelope, letter=cast.letter, trustee=one, key=person.key, seed=cast.seal_seeds[one][0])
        for one in list(cast.letter.trustees)[-k:]
    ]
    dek = sealing.recover_dek(shares, envelope=envelope, letter=cast.letter, key=person.key)
    open_key = sealing.derive_open_key(dek)
    assert sealing.open_box(envelope, letter=cast.letter, key=person.key, open_key=open_key).card == person.card


def test_two_shares_of_three_open_nothing_in_10_000_tries():
    envelope = read()
    rng = random.Random(26)
    for _ in range(10_000):
        two = [SHARES[trustee] for trustee in rng.sample(range(1, 6), 2)]
        with pytest.raises((Malformed, VerificationError)):
            sealing.recover_dek(two, envelope=envelope, letter=LETTER, key=PERSON.key)
    assert examine(shares={1: SHARES[1], 2: SHARES[2]}) is None


def test_one_lying_trustee_of_five_is_named_and_the_others_open_in_1_000_runs():
    rng = random.Random(28)
    for _ in range(1_000):
        liar = rng.randint(1, 5)
        lie = flip_bit(SHARES[liar], rng.randrange(8 * 33)) if rng.random() < 0.5 else rng.randbytes(rng.randint(0, 40))
        found = examine(shares={**SHARES, liar: lie})
        assert found is not None
        assert found.liars == {liar}
        assert found.reason is None


@pytest.mark.parametrize("lie", [SHARES[2][:-1] + b"\0", bytes(33), SHARES[3], SHARES[2][:-1] + b"\3"])
def test_a_forged_share_at_x_0_or_at_another_x_is_a_lie(lie):
    found = examine(shares={**SHARES, 2: lie})
    assert found is not None
    assert (found.liars, found.reason) == (frozenset([2]), None)


def test_trustees_who_cannot_tell_yet_wait_and_those_who_know_drop():
    assert examine(shares={1: SHARES[1], 2: None, 3: None}) is None
    found = examine(shares={1: SHARES[1], 2: None, 3: None, 4: None})
    assert found is not None
    assert found.reason == "shares"
    found = examine(shares={1: SHARES[1], 2: SHARES[2], 3: bytes(33), 4: bytes(33), 5: None})
    assert found is not None
    assert (found.reason, found.liars) == ("shares", frozenset([3, 4]))
    found = examine(data=None)
    assert found is not None
    assert found.reason == "missing"


def test_an_envelope_is_refused_at_another_tier_letter_trustee_or_key():
    other_letter = make_letter(tiers=(50, 250, 500), origin="letters.example.org/l/other").letter
    stranger = CAST.person()
    with pytest.raises(Malformed, match="another tier than it must"):
        read(tier=1)
    for context in (
        {"letter": other_letter},
        {"key": stranger.key},
    ):
        with pytest.raises(VerificationError):
            share_of(1, **context)
    envelope = read()
    with pytest.raises(VerificationError):
        sealing.open_share(envelope, letter=LETTER, trustee=1, key=PERSON.key, seed=CAST.seal_seeds[2][1])
    with pytest.raises(VerificationError):
        sealing.open_share(envelope, letter=LETTER, trustee=1, key=PERSON.key, seed=CAST.seal_seeds[1][0])
    found = examine()
    assert found is not None
    for letter, key in ((other_letter, PERSON.key), (LETTER, stranger.key)):
        with pytest.raises(VerificationError):
            sealing.open_box(envelope, letter=letter, key=key, open_key=found.open_key or b"")


def test_of_10_000_transplants_none_is_accepted_and_none_opens():
    """The head rewritten for another tier, the blob under another key: info, hashes and aad all differ."""
    found = examine()
    assert found is not None
    rng = random.Random(5)
    relabelled = {tier: DATA[:7] + bytes([tier]) + DATA[8:] for tier in (1, 3)}
    for number in range(10_000):
        key, tier = (rng.randbytes(32), 2) if number % 2 else (PERSON.key, rng.choice([1, 3]))
        data = relabelled.get(tier, DATA)
        envelope = read(data, tier=tier)
        with pytest.raises(VerificationError):
            sealing.open_box(envelope, letter=LETTER, key=key, open_key=found.open_key or b"")
        if number % 20 == 0:
            trustee = rng.randint(1, 5)
            with pytest.raises(VerificationError):
                share_of(trustee, data, tier=tier, key=key if number % 2 else PERSON.key)


def test_an_envelope_with_bytes_more_or_fewer_is_refused():
    for data in (DATA + b"\0", DATA[:-1], b"", DATA[:72], DATA[:8]):
        with pytest.raises(Malformed):
            read(data)


@pytest.mark.parametrize(
    ("at", "value", "sentence"),
    [(0, 0x75, "kind"), (4, 2, "suite"), (5, 4, "number of trustees"), (6, 2, "number of trustees"), (7, 3, "tier")],
)
def test_an_envelope_whose_head_differs_from_entry_0_or_the_entry_is_refused(at, value, sentence):
    with pytest.raises(Malformed, match=sentence):
        read(DATA[:at] + bytes([value]) + DATA[at + 1 :])


@pytest.mark.parametrize("xs", [(0, 2, 3, 4, 5), (1, 1, 3, 4, 5), (1, 2, 3, 4, 4), (0, 0, 0, 0, 0)])
def test_rows_at_x_0_or_twice_at_one_x_are_an_envelope_nobody_opens(xs):
    data = bytearray(DATA)
    for row, x in enumerate(xs):
        data[ROWS + row * ROW] = x
    with pytest.raises(Malformed, match="cannot be told apart"):
        sealing.check_rows(read(bytes(data)))
    found = examine(bytes(data))
    assert found is not None
    assert found.reason == "envelope"


REGIONS = {
    "head": (0, 8, {"envelope"}),
    "hash of dek": (8, 40, {"shares"}),
    "hash of open_key": (40, 72, {"box"}),
    "box": (BOX, ROWS, {"box"}),
    "x of a row": (ROWS, ROWS + 1, {"envelope", "shares"}),
    "hash of a share": (ROWS + 1, ROWS + 33, {"shares"}),
}


@pytest.mark.parametrize("region", REGIONS)
def test_a_flipped_bit_is_noticed_in_the(region):
    start, end, reasons = REGIONS[region]
    for bit in range(8 * start, 8 * end, 1 + 8 * (end - start) // 40):
        found = examine(flip_bit(DATA, bit))
        assert found is not None
        assert found.reason in reasons


def test_a_flipped_bit_in_a_sealed_share_leaves_that_trustee_without_and_the_others_open():
    start = ROWS + 33
    for bit in range(8 * start, 8 * (start + 1169), 501):
        data = flip_bit(DATA, bit)
        with pytest.raises(VerificationError):
            share_of(1, data)
        found = examine(data, {**SHARES, 1: None})
        assert found is not None
        assert found.reason is None


def test_shares_of_two_polynomials_are_dropped_whichever_three_look():
    """Rows 1 to 3 share one dek and rows 4 and 5 another, each with the hash it should have."""
    cheat = _two_polynomials()
    shares = {trustee: share_of(trustee, cheat) for trustee in LETTER.trustees}
    for three in itertools.combinations(range(1, 6), 3):
        found = examine(cheat, {trustee: shares[trustee] for trustee in three})
        assert found is not None
        assert (found.reason, found.liars) == ("shares", frozenset())


def _two_polynomials() -> bytes:
    rng = random.Random(3)
    other = shamir.split(rng.randbytes(32), k=3, n=5, randbytes=rng.randbytes)
    keys = CAST.seal_keys(2)
    rows = [
        sealing._seal_share(other[row], letter=LETTER, tier=2, trustee=row + 1, key=PERSON.key, seal_key=keys[row])
        for row in (3, 4)
    ]
    return DATA[: ROWS + 3 * ROW] + b"".join(rows)


@pytest.mark.parametrize(
    ("inside", "reason"),
    [
        (b"no card at all", "box"),
        (to_jcs(CAST.public_blob(CAST.person("Somebody else"))), "identity"),
        (to_jcs(msgspec.structs.replace(CAST.public_blob(PERSON), identities=[])), "identity"),
        (to_jcs(CAST.public_blob(PERSON)) + b" ", "box"),
        (to_jcs(CAST.public_blob(PERSON)).replace(b"Ada Example", b"Ada\\u202eExample"), "box"),
        (to_jcs(CAST.public_blob(PERSON)).replace(b"Ada Example", b"Eve Example"), "identity"),
    ],
    ids=["garbage", "somebody else's card", "no certificate", "a space after", "a bidi control", "another name"],
)
def test_an_envelope_with_something_else_inside_is_dropped(monkeypatch, inside, reason):
    monkeypatch.setattr(sealing, "to_jcs", lambda card: inside)
    data = CAST.envelope(PERSON, 2)
    monkeypatch.undo()
    shares = {trustee: share_of(trustee, data) for trustee in (1, 2, 3)}
    found = examine(data, shares)
    assert found is not None
    assert found.reason == reason
    assert found.open_key is None


@pytest.mark.parametrize("padded", [b"", b"\x80", b"\x80\0", bytes(2048), b"\x81" + bytes(2047)])
def test_a_padding_of_another_shape_is_refused(padded):
    with pytest.raises(Malformed, match="not padded as it must be"):
        sealing._unpad(padded)


@given(st.binary(max_size=2047))
def test_padding_hides_the_length_and_comes_off_again(data):
    padded = sealing._pad(data)
    assert len(padded) == 2048
    assert sealing._unpad(padded) == data


def test_a_card_that_fills_the_plaintext_is_too_long():
    with pytest.raises(Malformed, match="too long to be sealed"):
        sealing._pad(bytes(2048))


@settings(max_examples=200)
@given(st.binary(max_size=300), st.sampled_from([0, 8, 72]))
def test_nothing_a_signatory_can_send_raises_from_an_examination(noise, at):
    data = (DATA[:at] + noise + DATA[at + len(noise) :])[: len(DATA)]
    found = examine(data, {1: SHARES[1], 2: SHARES[2], 3: SHARES[3]})
    assert found is None or found.reason or data == DATA


@pytest.fixture(scope="module")
def crowd() -> list[tuple[Record, bytes, dict[int, bytes]]]:
    """505 people under seal: record, envelope, and every trustee's share."""
    found = []
    for number in range(505):
        person = CAST.person(f"Signatory {number}")
        data = CAST.envelope(person, 2)
        shares = {trustee: share_of(trustee, data, key=person.key) for trustee in LETTER.trustees}
        found.append((record_of(person, data), data, shares))
    return found


@pytest.mark.parametrize("three", list(itertools.combinations(range(1, 6), 3)))
def test_505_names_are_opened_by_any_three_of_five_trustees(crowd, three):
    for record, data, shares in crowd:
        found = opening.examine(record, data, {trustee: shares[trustee] for trustee in three}, letter=LETTER)
        assert found is not None
        assert found.open_key is not None


def test_10_000_envelopes_of_garbage_among_505_are_all_dropped_and_the_505_open(crowd):
    rng = random.Random(29)
    answers = dict.fromkeys(range(1, 6))
    reasons = set()
    for number in range(10_000):
        garbage = rng.randbytes(8_146) if number % 2 else DATA[:8] + rng.randbytes(8_138)
        found = opening.examine(record_of(data=garbage), garbage, answers, letter=LETTER)
        assert found is not None
        reasons.add(found.reason)
    assert reasons == {"envelope", "shares"}
    opened = [opening.examine(record, data, shares, letter=LETTER) for record, data, shares in crowd]
    assert all(found is not None and found.reason is None for found in opened)


def test_one_trustee_who_lies_about_all_505_is_named_and_all_open_without_it(crowd):
    for record, data, shares in crowd:
        lying = shares | {4: flip_bit(shares[4], record.entry.key[0])}
        found = opening.examine(record, data, lying, letter=LETTER)
        assert found is not None
        assert (found.reason, found.liars) == (None, {4})


def test_a_card_that_is_not_clean_is_not_sealed():
    with pytest.raises(Malformed):
        CAST.envelope(CAST.person("Ada\u202e"), 1)


def test_an_unknown_trustee_has_no_row():
    with pytest.raises(UndersignedError):
        sealing.check_share(SHARES[1], envelope=read(), letter=LETTER, trustee=6, key=PERSON.key)


def test_the_card_reads_back_and_is_the_one_a_public_signature_would_show():
    found = examine()
    assert found is not None
    card = sealing.open_box(read(), letter=LETTER, key=PERSON.key, open_key=found.open_key or b"")
    blobs.verify_identities(card, letter=LETTER, class_id=1, key=PERSON.key)
