import msgspec
import pytest

from support import flip_bit
from support.letters import START, MemoryLog, begun, make_letter
from undersigned.crypto import ed25519
from undersigned.errors import Malformed, UndersignedError, VerificationError
from undersigned.protocol import receipt as receipts
from undersigned.protocol.entry import decode_entry
from undersigned.protocol.promise import (
    encode_promise,
    make_promise,
    promise_message,
    read_promise,
    verify_promise,
)
from undersigned.transparency.merkle import leaf_hash
from undersigned.transparency.policy import parse_policy
from undersigned.transparency.proof import TlogProof

replace = msgspec.structs.replace
CAST = make_letter()
LETTER = CAST.letter
PERSON = CAST.person()
ENTRY, BLOB = CAST.signature(PERSON)
LATEST = START + 60


def promised(entry: bytes = ENTRY, key: bytes = PERSON.key):
    return make_promise(entry, key=key, latest=LATEST, letter=LETTER, seed=CAST.promise)


def receipt(**changes):
    made = receipts.make_receipt(letter=LETTER, entry=ENTRY, promise=promised(), blob=BLOB, secret=None)
    return replace(made, **changes)


def included() -> tuple[MemoryLog, receipts.Receipt]:
    log = begun(CAST)
    index = log.append(ENTRY, BLOB)
    log.append(*CAST.signature(CAST.person(), "anonymous"))
    proof = TlogProof(
        index=index, hashes=tuple(log.tree.inclusion_proof(index, log.size)), checkpoint=log.witness(START)
    )
    return log, receipts.with_proof(receipt(), proof.encode())


# The promise


def test_a_promise_signs_letter_leaf_key_and_second():
    message = promise_message(ENTRY, key=PERSON.key, latest=LATEST, lid=LETTER.lid)
    expected = b"undersigned/v1/promise\0" + LETTER.lid + leaf_hash(ENTRY) + PERSON.key + LATEST.to_bytes(8, "big")
    assert message == expected
    verify_promise(promised(), entry=ENTRY, key=PERSON.key, letter=LETTER)
    assert promised() == promised()
    assert read_promise(encode_promise(promised())) == promised()


def test_a_promise_for_another_entry_key_letter_or_time_is_refused():
    other = CAST.person()
    entry, _ = CAST.signature(other)
    cases = [
        {"entry": entry, "key": PERSON.key, "letter": LETTER},
        {"entry": ENTRY, "key": other.key, "letter": LETTER},
        {"entry": ENTRY, "key": PERSON.key, "letter": make_letter(origin="letters.example.org/l/other").letter},
    ]
    for case in cases:
        with pytest.raises(VerificationError, match="not the letter's own for this entry"):
            verify_promise(promised(), **case)
    with pytest.raises(VerificationError):
        verify_promise(replace(promised(), latest=LATEST + 1), entry=ENTRY, key=PERSON.key, letter=LETTER)


def test_a_promise_by_the_log_key_is_none():
    made = make_promise(ENTRY, key=PERSON.key, latest=LATEST, letter=LETTER, seed=CAST.log)
    with pytest.raises(VerificationError):
        verify_promise(made, entry=ENTRY, key=PERSON.key, letter=LETTER)


@pytest.mark.parametrize("data", [b"", b"{}", b'{"latest":-1,"sig":""}', b'{"latest": 1}', b"[]"])
def test_what_is_no_promise_is_malformed(data):
    with pytest.raises(Malformed, match="this is not a promise"):
        read_promise(data)


# The receipt


def test_a_receipt_shows_a_promise_at_once_and_the_inclusion_later():
    assert receipts.verify_receipt(receipt()) == (LETTER, None)
    log, complete = included()
    letter, checkpoint = receipts.verify_receipt(receipts.read_receipt(receipts.encode_receipt(complete)))
    assert letter.lid == LETTER.lid
    assert checkpoint is not None
    assert checkpoint.size == log.size


def test_a_receipt_is_one_line_of_json_that_reads_back():
    data = receipts.encode_receipt(included()[1])
    assert data.endswith(b"}\n")
    assert data.count(b"\n") == 1
    assert receipts.encode_receipt(receipts.read_receipt(data)) == data


def test_a_flipped_bit_is_refused_or_spoils_a_witness_line_that_is_not_needed():
    data = receipts.encode_receipt(included()[1])
    honest = receipts.read_receipt(data)
    for bit in range(1, 8 * (len(data) - 1), 211):
        try:
            flipped = receipts.read_receipt(flip_bit(data, bit))
            receipts.verify_receipt(flipped)
        except UndersignedError:
            continue
        assert replace(flipped, proof=honest.proof) == honest
        assert str(flipped.proof).partition("—")[0] == str(honest.proof).partition("—")[0]


OTHER = make_letter(origin="letters.example.org/l/other").letter


@pytest.mark.parametrize(
    "changes",
    [
        {"origin": OTHER.origin},
        {"lid": OTHER.lid},
        {"publication": OTHER.data},
        {"publication": OTHER.data, "lid": OTHER.lid, "origin": OTHER.origin},
        {"blob": b"another card"},
        {"blob": msgspec.UNSET},
        {"entry": LETTER.data},
        {"entry": CAST.withdrawal(PERSON)},
        {"promise": replace(promised(), latest=LATEST - 1)},
        {"proof": "c2sp.org/tlog-proof@v1\nindex 0\n\n"},
        {"v": 2},
    ],
    ids=lambda changes: "another " + " and ".join(changes),
)
def test_a_receipt_is_refused_with(changes):
    data = receipts.encode_receipt(replace(included()[1], **changes))
    with pytest.raises(UndersignedError):
        receipts.verify_receipt(receipts.read_receipt(data))


def test_a_receipt_from_another_entry_of_the_same_log_is_refused():
    log, complete = included()
    index = log.size - 1
    proof = TlogProof(index=index, hashes=tuple(log.tree.inclusion_proof(index, log.size)), checkpoint=log.head)
    with pytest.raises(VerificationError):
        receipts.verify_receipt(replace(complete, proof=proof.encode().decode()))


def test_a_receipt_whose_head_too_few_witnesses_saw_is_refused():
    log, complete = included()
    head = log.witness(START + 1, names=["w1.example.org", "w2.example.org"])
    index = log.state.records[PERSON.key].index
    proof = TlogProof(index=index, hashes=tuple(log.tree.inclusion_proof(index, log.size)), checkpoint=head)
    poor = replace(complete, proof=proof.encode().decode())
    with pytest.raises(VerificationError, match="not cosigned by enough witnesses"):
        receipts.verify_receipt(poor)
    lenient = parse_policy(LETTER.publication.policy.replace("all-of-them 3", "all-of-them 2"))
    assert receipts.verify_receipt(poor, policy=lenient)[1] is not None


def test_a_host_that_gives_two_people_one_receipt_is_found_out_by_the_second_every_time():
    """T6: the second looks for her own key, which she made herself."""
    for _ in range(200):
        second = CAST.person()
        with pytest.raises(VerificationError):
            verify_promise(promised(), entry=ENTRY, key=second.key, letter=LETTER)
        assert receipts.signature_of(receipt()).key != second.key


def test_a_dropped_signature_with_a_promise_is_a_breach_that_anybody_can_check_offline():
    log = begun(CAST)
    log.append(*CAST.signature(CAST.person()))
    log.witness(LATEST + 1)
    kept = receipt()
    receipts.verify_receipt(kept)
    assert leaf_hash(kept.entry) not in {leaf_hash(data) for data in log.log}
    assert kept.promise.latest < LATEST + 1


# The secret


def test_the_secret_key_opens_under_its_passphrase_alone():
    secret = receipts.lock_secret(PERSON.seed, passphrase="correct horse", randbytes=CAST.rng.randbytes, rounds=1_000)
    assert receipts.unlock_secret(secret, passphrase="correct horse") == PERSON.seed
    for wrong in ("correct horsE", "", "correct horse "):
        with pytest.raises(VerificationError, match="this passphrase does not open"):
            receipts.unlock_secret(secret, passphrase=wrong)
    for other in (replace(secret, rounds=1_001), replace(secret, salt=bytes(32)), replace(secret, box=b"")):
        with pytest.raises(VerificationError):
            receipts.unlock_secret(other, passphrase="correct horse")


def test_a_receipt_keeps_the_card_of_a_sealed_name_under_the_passphrase():
    card = CAST.public_blob(PERSON)
    randbytes = CAST.rng.randbytes
    secret = receipts.lock_secret(PERSON.seed, passphrase="x", randbytes=randbytes, card=card, rounds=10)
    assert receipts.unlock_card(secret, passphrase="x") == card
    bare = receipts.lock_secret(PERSON.seed, passphrase="x", randbytes=randbytes, rounds=10)
    assert receipts.unlock_card(bare, passphrase="x") is None


@pytest.mark.parametrize("rounds", [0, 10_000_001, 2**53 - 1])
def test_a_receipt_that_asks_for_absurd_work_is_refused(rounds):
    secret = receipts.Secret(salt=bytes(32), rounds=rounds, box=bytes(48))
    with pytest.raises(Malformed, match="absurd number of rounds"):
        receipts.unlock_secret(secret, passphrase="x")


def test_the_default_rounds_are_600_000():
    assert receipts.ROUNDS == 600_000


def test_a_receipt_far_too_long_is_not_even_read():
    with pytest.raises(Malformed, match="far too long"):
        receipts.read_receipt(b"x" * (receipts.MAX_RECEIPT_BYTES + 1))


def test_the_person_signs_the_same_bytes_twice_and_earns_the_same_promise():
    entry = decode_entry(ENTRY)
    again = CAST.sign(entry, PERSON.seed)
    assert again == ENTRY
    assert promised(again) == promised()
    assert ed25519.public_key(PERSON.seed) == PERSON.key
