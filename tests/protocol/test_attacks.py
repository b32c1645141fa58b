"""What somebody who wants to harm a letter may try, one attack a test; those on a running host are with its rooms."""

import random
from string import ascii_letters

import msgspec
import pytest

from support import flip_bit
from support.letters import START, Cast, MemoryLog, Person, begun, issuer_key, make_letter
from support.whole import amendment, consent, forged, whole_letter
from undersigned.crypto import blind_rsa, ed25519
from undersigned.errors import Malformed, Refused, UndersignedError, VerificationError
from undersigned.protocol import entry as entries
from undersigned.protocol import opening, sealing, token
from undersigned.protocol.dossier import read_zip, write_zip
from undersigned.protocol.encoding import sha256, to_jcs
from undersigned.protocol.entry import decode_entry, encode_entry, message_to_sign
from undersigned.protocol.letter import Letter, sign_publication, text_hash
from undersigned.protocol.opening_list import OpeningList, encode_opening_list, read_opening_list
from undersigned.protocol.promise import make_promise, verify_promise
from undersigned.protocol.verification import verify_entry
from undersigned.transparency.checkpoint import Checkpoint, sign_checkpoint
from undersigned.transparency.merkle import leaf_hash
from undersigned.verifier import verify_dossier

replace = msgspec.structs.replace


@pytest.fixture(scope="module")
def cast() -> Cast:
    return make_letter(tiers=(3, 5), trustees=5, quorum=3)


@pytest.fixture
def log(cast) -> MemoryLog:
    return begun(cast)


def failure(log: MemoryLog, *, files: dict[str, bytes] | None = None) -> str:
    verdict = verify_dossier(files or log.dossier())
    assert not verdict.ok
    return next(step.detail for step in verdict.steps if step.ok is False)


def people(log: MemoryLog, *tiers: int, blob: bytes | None = None) -> list[tuple[Person, int]]:
    """So many sign, each at a tier (0: public); people with their indexes."""
    found = []
    for tier in tiers:
        person = log.cast.person()
        mode = "sealed" if tier else "public"
        data = log.cast.signature(person, mode, tier=tier, blob=blob if tier else None)
        found.append((person, log.append(*data)))
    return found


def members(log: MemoryLog) -> list[int]:
    assert log.state.frozen is not None
    return sorted(log.state.frozen.members)


# Somebody else's right, name or envelope


def test_an_envelope_moved_to_another_letter_tier_or_key_is_dropped_at_the_opening(cast, log):
    other = make_letter(tiers=(3, 5), origin="letters.example.org/l/other", seed=1)
    victim = cast.person()
    stolen = cast.envelope(victim, 1)
    thief = cast.person()
    elsewhere = other.envelope(other.person(), 1)
    retiered = cast.envelope(thief, 2)
    people(log, 0, 0, 0)
    for blob in (stolen, elsewhere, retiered, retiered[:7] + b"\1" + retiered[8:]):
        log.append(*cast.signature(cast.person(), "sealed", tier=1, blob=blob))
    people(log, 1)
    log.freeze(1, at=START)
    log.open()
    finished = log.state.rounds[-1]
    assert [item.reason for item in finished.dropped] == ["shares", "shares", "envelope", "shares"]
    assert len(finished.named) == 1


def test_a_token_for_another_class_or_letter_signs_nothing(cast, log):
    person = cast.person()
    entry = decode_entry(cast.signature(person)[0])
    other = make_letter(tiers=(3, 5), origin="letters.example.org/l/other")
    for tokens in (cast.tokens(person, 2), other.tokens(person), [], [*entry.tokens, *entry.tokens], [bytes(288)]):
        with pytest.raises(VerificationError, match="token"):
            log.append(cast.sign(replace(entry, tokens=tokens), person.seed))


def test_a_stolen_token_signs_only_for_the_key_it_was_made_for(cast, log):
    victim, thief = cast.person(), cast.person()
    stolen = cast.tokens(victim)
    entry = replace(decode_entry(cast.signature(thief)[0]), tokens=stolen)
    with pytest.raises(VerificationError, match="a token is not this letter's and class's for this signature"):
        log.append(cast.sign(entry, thief.seed))


def test_one_key_signs_once_whatever_it_changes(cast, log):
    person = cast.person()
    log.append(*cast.signature(person))
    for mode, tier in (("public", 0), ("anonymous", 0), ("sealed", 1)):
        data, _ = cast.signature(person, mode, tier=tier)
        with pytest.raises(Refused, match="each token signs once"):
            log.append(data)


def test_the_same_entry_replayed_is_refused(cast, log):
    data, blob = cast.signature(cast.person())
    log.append(data, blob)
    with pytest.raises(Refused, match="each token signs once"):
        log.append(data)


def test_an_issuer_key_of_ones_own_for_one_victim_is_noticed(cast):
    """The key is fixed in entry 0: a token by another fails, and so does an acceptance that names another."""
    person, marked = cast.person(), issuer_key(99)
    message = token.token_message(lid=cast.letter.lid, class_id=1, key=person.key)
    prepared = blind_rsa.prepare(message, prefix=bytes(32))
    blinded, inverse = blind_rsa.blind(marked.public, prepared, randbytes=cast.rng.randbytes)
    blind_sig = blind_rsa.blind_sign(marked, blinded)
    issuer = cast.letter.issuing[1][0].key
    with pytest.raises(VerificationError):
        blind_rsa.finalize(issuer, prepared, blind_sig, inverse)
    sig = blind_rsa.finalize(marked.public, prepared, blind_sig, inverse)
    with pytest.raises(VerificationError):
        token.verify_token(bytes(32) + sig, issuer=issuer, lid=cast.letter.lid, class_id=1, key=person.key)
    log = MemoryLog(cast=cast)
    acceptance = decode_entry(cast.accept()[0])
    own = [replace(one, spki_hash=sha256(marked.public.spki())) for one in acceptance.issuers]
    with pytest.raises(Refused, match="other issuer keys than entry 0 names"):
        log.append(cast.sign(replace(acceptance, issuers=own), cast.registrars[1]))


def test_a_name_the_source_did_not_attest_cannot_be_shown_as_attested(cast, log):
    person = cast.person("Famous Person")
    self_stated = cast.public_blob(person, attested=0)
    claimed = replace(self_stated, identities=[replace(one, attested=3) for one in self_stated.identities])
    log.append(*cast.signature(person, blob=to_jcs(claimed)))
    log.witness(START)
    assert failure(log) == "the registrar has not attested this name for this signature"


def test_a_colleagues_name_sealed_by_somebody_else_is_dropped(cast, log):
    """An eligible hater has no certificate for the name: the envelope opens, and its card does not hold."""
    hater = cast.person("Hater")
    own = cast.public_blob(hater)
    libel = replace(own, card=replace(own.card, name="Colleague"))
    sealed_libel = sealing.seal(
        libel, letter=cast.letter, tier=1, key=hater.key, seal_keys=cast.seal_keys(1), randbytes=cast.rng.randbytes
    )
    people(log, 0, 0, 0, 1)
    log.append(*cast.signature(hater, "sealed", tier=1, blob=sealed_libel))
    log.freeze(1, at=START)
    log.open()
    assert [item.reason for item in log.state.rounds[-1].dropped] == ["identity"]


def test_the_same_letter_under_two_origins_is_two_letters_and_nothing_carries_over(cast, log):
    twin = make_letter(tiers=(3, 5), trustees=5, quorum=3, origin="letters.example.org/l/twin")
    assert (twin.letter.text_hash, twin.organizer) == (cast.letter.text_hash, cast.organizer)
    data, _ = cast.signature(cast.person())
    with pytest.raises(VerificationError):
        begun(twin).append(data)
    promise = make_promise(data, key=bytes(32), latest=START, letter=cast.letter, seed=cast.promise)
    with pytest.raises(VerificationError):
        verify_promise(promise, entry=data, key=bytes(32), letter=twin.letter)


# The text


def test_a_text_changed_by_one_byte_takes_no_signature_along(cast, log):
    """T11: 10,000 texts, each with one byte changed, have another hash; signatures under them are refused."""
    first = cast.letter.publication
    signature = decode_entry(cast.signature(person := cast.person())[0])
    rng, seen = random.Random(11), {cast.letter.text_hash}
    for number in range(10_000):
        at = rng.randrange(len(first.text))
        other = rng.choice([letter for letter in ascii_letters if letter != first.text[at]])
        changed = replace(first, text=first.text[:at] + other + first.text[at + 1 :])
        assert text_hash(changed) != cast.letter.text_hash
        seen.add(text_hash(changed))
        if number % 100 == 0:
            letter = Letter.from_entry(sign_publication(changed, seed=cast.organizer))
            assert letter.lid != cast.letter.lid
            with pytest.raises(VerificationError):
                verify_entry(signature, letter)
            moved = cast.sign(replace(signature, text_hash=letter.text_hash), person.seed)
            with pytest.raises(Refused, match="not a text of this letter"):
                log.append(moved)
    assert len(seen) > 2_000


def test_an_amendment_takes_no_signature_along_until_its_signatory_consents(cast, log):
    (signed, _), (other, _) = people(log, 0, 0)
    people(log, 1)
    log.log_entry(entries.Reached(tier=1))
    log.append(amendment(cast, text="We thank the board."))
    assert (log.state.n_star, log.state.reached) == (0, {})
    forged_consent = entries.Consent(key=signed.key, text_hash=log.state.text_hash)
    for seed in (cast.organizer, cast.log, other.seed):
        with pytest.raises(VerificationError, match="consent is not signed by the key it must be"):
            log.append(cast.sign(forged_consent, seed))
    log.append(consent(log, signed))
    assert log.state.n_star == 1


# Conditions


@pytest.mark.parametrize(("upper", "named"), [(450, 550), (399, 0)])
def test_two_tiers_that_lean_on_each_other_open_together_or_not_at_all(upper, named):
    """100 ask for 250 and 450 for 500: nobody who waits for 500 may leave the 250 named alone. To scale, by 50."""
    lower, upper, tiers = 2, upper // 50, (5, 10)
    cast = make_letter(tiers=tiers, trustees=3, quorum=2)
    log = begun(cast)
    found = people(log, *[1] * lower, *[2] * upper)
    if named == 0:
        for tier in (1, 2):
            with pytest.raises(Refused, match="does not hold"):
                log.log_entry(entries.Reached(tier=tier))
        return
    log.freeze(2, at=START)
    log.append(cast.withdrawal(found[-1][0]))
    for listed in ([index for _, index in found[:lower]], [index for _, index in found[:-2]]):
        draft = OpeningList(indexes=listed, dropped=[], left=[])
        with pytest.raises(Refused):
            log.append(log.quorum_entry(draft, (1, 2)), listed=draft)
    log.open((1, 2))
    assert len(log.state.rounds[-1].named) == lower + upper - 1


def test_when_one_too_many_of_the_higher_tier_leaves_nobody_of_the_lower_is_named():
    cast = make_letter(tiers=(5, 10), trustees=3, quorum=2)
    log = begun(cast)
    found = people(log, 1, 1, *[2] * 8)
    log.freeze(2, at=START)
    log.append(cast.withdrawal(found[-1][0]))
    log.open((1, 2))
    assert log.state.rounds[-1].named == ()
    assert log.opened == {}


def test_a_public_signatory_who_leaves_between_signing_and_opening_makes_the_quorum_sign_anew(cast, log):
    (public, _), *_ = people(log, 0, 1, 1)
    log.freeze(1, at=START)
    listed, n = opening.make_list(log.state, log.findings(), [])
    assert (len(listed.indexes), n) == (2, 3)
    data = log.quorum_entry(listed, (1, 2, 3))
    log.append(cast.withdrawal(public))
    with pytest.raises(Refused, match="sign a new list"):
        log.append(data, listed=listed)
    log.open()
    assert log.state.rounds[-1].named == ()


def test_a_member_who_leaves_between_signing_and_opening_is_skipped_and_never_opened(cast, log):
    people(log, 0, 0, 0)
    (leaver, left), (_, stays) = people(log, 1, 1)
    log.freeze(1, at=START)
    listed, _ = opening.make_list(log.state, log.findings(), [])
    data = log.quorum_entry(listed, (1, 2, 3))
    log.append(cast.withdrawal(leaver))
    log.append(data, listed=listed)
    finished = log.state.rounds[-1]
    assert (finished.named, finished.skipped) == ((stays,), (left,))
    assert log.record(left).opened is None


def test_garbage_that_trips_a_tier_is_dropped_and_those_it_carried_are_not_named(cast, log):
    people(log, 1, 1)
    people(log, 1, blob=b"garbage")
    log.freeze(1, at=START)
    log.open()
    finished = log.state.rounds[-1]
    assert (finished.named, [item.reason for item in finished.dropped]) == ((), ["envelope"])
    log.witness(START + 500)
    verdict = verify_dossier(log.dossier())
    assert verdict.ok
    assert verdict.figures is not None
    assert (verdict.figures.dropped, verdict.figures.opened, verdict.figures.sealed) == (1, 0, 2)


def test_infiltrators_who_sign_anonymously_or_as_friends_tip_nothing(cast, log):
    people(log, 1, 1)
    for _ in range(10):
        log.append(*cast.signature(cast.person(), "anonymous"))
        log.append(*cast.signature(cast.person(), class_id=2))
    with pytest.raises(Refused, match="does not hold"):
        log.log_entry(entries.Reached(tier=1))


def test_a_condition_changed_after_the_freeze_is_refused(cast, log):
    people(log, 0, 0)
    (member, _), _ = people(log, 1, 1)
    log.freeze(1, at=START)
    for tier, blob in ((2, cast.envelope(member, 2)), (0, to_jcs(cast.public_blob(member)))):
        entry = entries.Condition(key=member.key, tier=tier, blob=sha256(blob))
        with pytest.raises(Refused, match="may still withdraw, but not change your condition"):
            log.append(cast.sign(entry, member.seed), blob)


def test_a_condition_lowered_during_the_hold_waits_for_a_later_round(cast, log):
    people(log, 0, 0)
    people(log, 1)
    (late, index), _ = people(log, 2, 2)
    log.log_entry(entries.Reached(tier=1))
    since = log.size
    blob = cast.envelope(late, 1)
    log.append(cast.sign(entries.Condition(key=late.key, tier=1, blob=sha256(blob)), late.seed), blob)
    log.log_entry(entries.Freeze(tier=1, since=since, until=log.size))
    assert index not in members(log)


# Trustees


def test_one_bad_trustee_in_five_is_named_and_stops_nothing(cast, log):
    people(log, 0, 0)
    (person, index), _ = people(log, 1, 1)
    log.freeze(1, at=START)
    record, blob = log.record(index), log.sealed[log.record(index).blob or b""]
    shares = {trustee: log._share(record, blob, trustee) for trustee in (1, 2, 3, 4, 5)}
    for lie in (bytes(33), (shares[5] or b"")[:-1] + b"\0", shares[1] or b"", b""):
        found = opening.examine(record, blob, {**shares, 5: lie}, letter=cast.letter)
        assert found is not None
        assert (found.reason, found.liars) == (None, frozenset([5]))
    assert person.key == record.entry.key


def test_an_opening_of_another_set_is_refused(cast, log):
    people(log, 0, 0)
    people(log, 1, 1)
    (_, outside), _ = people(log, 2, 2)
    log.freeze(1, at=START)
    listed = OpeningList(indexes=[*members(log), outside], dropped=[], left=[])
    with pytest.raises(Refused, match="lists a signature outside the frozen set"):
        log.append(log.quorum_entry(listed, (1, 2, 3)), listed=listed)


def test_two_trustees_of_a_quorum_of_three_open_nothing_even_with_one_signing_twice(cast, log):
    people(log, 0, 0)
    people(log, 1, 1)
    log.freeze(1, at=START)
    listed = OpeningList(indexes=members(log), dropped=[], left=[])
    entry = decode_entry(log.quorum_entry(listed, (1, 2)))
    for sigs in (entry.sigs, [*entry.sigs, entry.sigs[1]], [*entry.sigs, replace(entry.sigs[1], trustee=3)], []):
        with pytest.raises(UndersignedError):
            log.append(encode_entry(replace(entry, sigs=sigs)), listed=listed)


def test_an_abort_signed_for_one_freeze_does_not_answer_the_next(cast, log):
    people(log, 0, 0)
    people(log, 1, blob=b"garbage")
    log.freeze(1, at=START)
    listed, _ = opening.make_list(log.state, log.findings(), [])
    data = log.quorum_entry(listed, (1, 2, 3))
    log.append(data, listed=listed)
    people(log, 1)
    log.freeze(1, at=START + 1_000)
    with pytest.raises(Refused, match="no such freeze to open"):
        log.append(data, listed=listed)


# The host


def test_a_mass_withdrawal_that_would_overflow_an_entry_fits_beside_it(cast):
    """400 leave beside the log: their withdrawals lie in the list, and the opening holds only its hash."""
    cast = make_letter(tiers=(3,), trustees=3, quorum=2)
    log = begun(cast)
    people(log, 0, 0, 0)
    leavers = people(log, *[1] * 400, blob=b"an envelope nobody needs to open")
    log.freeze(1, at=START)
    left = [decode_entry(cast.withdrawal(person)) for person, _ in leavers]
    listed, _ = opening.make_list(log.state, [], left)
    assert len(encode_opening_list(listed)) > 65_535
    data = log.quorum_entry(listed, (1, 2))
    assert len(data) < 1_000
    log.append(data, listed=listed)
    assert sum(log.record(index).withdrawn is not None for _, index in leavers) == 400
    log.witness(START + 500)
    assert verify_dossier(log.dossier()).ok


def test_a_freeze_before_reached_is_covered_is_refused(cast, log):
    people(log, 0, 0)
    people(log, 1, 1)
    early = log.size
    log.witness(START)
    log.log_entry(entries.Reached(tier=1))
    log.witness(START + 200)
    with pytest.raises(Refused, match="lies between the entry that says reached and the freeze itself"):
        log.log_entry(entries.Freeze(tier=1, since=early, until=log.size))


def test_a_freeze_without_the_hold_is_refused_by_the_witnesses_clocks(cast, log):
    people(log, 0, 0)
    people(log, 1, 1)
    log.log_entry(entries.Reached(tier=1))
    since = log.size
    log.witness(START)
    log.witness(START + 99)
    log.log_entry(entries.Freeze(tier=1, since=since, until=since))
    log.open()
    log.witness(START + 500)
    assert failure(log) == "the hold before the freeze lasted 99 s by the witnesses, not 100 s as promised"


def test_two_histories_cannot_both_have_a_quorum_in_one_dossier(cast, log):
    people(log, 0)
    log.witness(START)
    fork = begun(cast)
    people(fork, 0)
    fork.witness(START)
    fork.checkpoints |= {f"{log.size}.last": log.head}
    assert failure(fork) == "a kept checkpoint shows another history than the log: this letter was forked"


def test_a_host_that_helps_itself_without_its_witnesses_is_refused(cast, log):
    people(log, 0)
    log.witness(START)
    people(log, 0)
    for names in ([], ["w1.example.org", "w2.example.org"]):
        files = forged(log, log.log, at=START + 1, names=names)
        assert failure(log, files=files) == "the checkpoint is not cosigned by enough witnesses of the policy"


def test_a_dropped_signature_with_a_promise_is_shown_by_promise_and_log_alone(cast, log):
    person = cast.person()
    data, _ = cast.signature(person)
    promise = make_promise(data, key=person.key, latest=START + 60, letter=cast.letter, seed=cast.promise)
    people(log, 0)
    log.witness(START + 61)
    verdict = verify_dossier(log.dossier())
    assert verdict.ok
    verify_promise(promise, entry=data, key=person.key, letter=cast.letter)
    assert person.key not in (verdict.state.records if verdict.state else {person.key})


def test_a_withdrawal_signed_by_the_host_or_another_signatory_removes_nobody(cast, log):
    (victim, _), (other, _) = people(log, 0, 0)
    leave = entries.Withdrawal(key=victim.key)
    for seed in (cast.log, cast.organizer, cast.registrars[1], other.seed):
        with pytest.raises(VerificationError, match="withdrawal is not signed by the key it must be"):
            log.append(cast.sign(leave, seed))


def test_a_silent_removal_breaks_the_history_that_witnesses_saw(cast, log):
    people(log, 0, 0, 0)
    log.witness(START)
    files = forged(log, [*log.log[:-2], log.log[-1]], at=START + 1)
    files |= {f"checkpoints/{log.size}.first": log.checkpoints[f"{log.size}.first"]}
    assert "this letter was forked" in failure(log, files=files)


def test_an_entry_of_one_letter_is_signed_for_no_other(cast):
    other = make_letter(tiers=(3, 5), trustees=5, quorum=3, seed=1, origin="letters.example.org/l/other")
    assert other.organizer == cast.organizer
    for data in cast.accept():
        with pytest.raises(VerificationError):
            verify_entry(decode_entry(data), other.letter)


def test_a_log_signature_on_a_checkpoint_is_no_entry_and_no_promise(cast):
    note = sign_checkpoint(Checkpoint(origin=cast.letter.origin, size=1, root_hash=bytes(32)), seed=cast.log)
    entry = entries.Reached(tier=1)
    assert message_to_sign(entry, lid=cast.letter.lid) != note.text.encode()
    with pytest.raises(VerificationError):
        verify_entry(replace(entry, sig=note.signatures[0].sig), cast.letter)


# Bytes


def test_json_that_is_valid_but_not_canonical_is_refused(cast, log):
    data, _ = cast.signature(cast.person(), "anonymous")
    for other in (
        b" " + data,
        data + b"\n",
        data.replace(b'":', b'": ', 1),
        data.replace(b"anonymous", b"\\u0061nonymous"),
    ):
        with pytest.raises(Malformed, match="canonical form"):
            log.append(other)


def test_an_entry_of_65_536_bytes_is_refused(cast, log):
    with pytest.raises(Malformed, match="at most 65535 bytes"):
        log.append(b"x" * 65_536)


L = 2**252 + 27742317777372353535851937790883648493


def test_a_signature_with_s_above_the_order_is_refused(cast, log):
    """Without S < L one signature has two spellings, and one entry two leaves."""
    person = cast.person()
    entry = decode_entry(cast.signature(person, "anonymous")[0])
    s = int.from_bytes(entry.sig[32:], "little") + L
    with pytest.raises(VerificationError):
        log.append(encode_entry(replace(entry, sig=entry.sig[:32] + s.to_bytes(32, "little"))))
    log.append(encode_entry(entry))


@pytest.mark.parametrize(
    "key",
    [bytes([1]) + bytes(31), bytes(32), bytes([0xEC]) + b"\xff" * 30 + b"\x7f", bytes([0xF0]) + b"\xff" * 30 + b"\x7f"],
    ids=["the identity", "order 4", "order 2", "not canonical"],
)
def test_a_key_that_is_no_honest_point_signs_nothing(cast, log, key):
    """With a key of small order one signature fits every message; its token alone must not carry it in."""
    person = cast.person()
    crooked = Person(seed=person.seed, key=key, r=person.r, card=person.card)
    entry = replace(decode_entry(cast.signature(person, "anonymous")[0]), key=key, tokens=cast.tokens(crooked))
    for sig in (bytes(64), bytes([1]) + bytes(63), key + bytes(32), ed25519.sign(person.seed, b"")):
        with pytest.raises(VerificationError):
            log.append(encode_entry(replace(entry, sig=sig)))


def test_a_list_that_says_one_thing_twice_is_refused():
    for listed in (
        b'{"dropped":[],"indexes":[6,5],"left":[]}',
        b'{"dropped":[],"indexes":[5,5],"left":[]}',
        b'{"dropped":[{"index":5,"reason":"box"}],"indexes":[5],"left":[]}',
        b'{"dropped":[{"index":5,"reason":"dislike"}],"indexes":[],"left":[]}',
        b'{"indexes":[],"left":[]}',
        b'{"dropped":[],"indexes":[],"left":[] }',
    ):
        with pytest.raises(Malformed, match="this is not an opening list"):
            read_opening_list(listed)


def test_any_flipped_byte_of_a_dossier_is_refused():
    packed = write_zip(whole_letter().dossier())
    for at in range(0, len(packed), 97):
        with pytest.raises(Malformed):
            read_zip(flip_bit(packed, 8 * at + at % 8))


def test_a_public_signature_without_its_card_is_not_shown_as_one(cast, log):
    people(log, 0)
    log.witness(START)
    log.blobs.clear()
    assert failure(log) == "a public signature stands without the name card it must have"


def test_leaves_differ_wherever_bytes_differ(cast):
    data, _ = cast.signature(cast.person(), "anonymous")
    assert len({leaf_hash(flip_bit(data, bit)) for bit in range(200)} | {leaf_hash(data)}) == 201
