"""Each refusal of the rule book, by the sentence that somebody will read."""

import msgspec
import pytest

from support.letters import START, Cast, MemoryLog, Person, begun, make_letter
from support.whole import amendment, consent, said
from undersigned.errors import Malformed, Refused, UndersignedError, VerificationError
from undersigned.protocol import entry as entries
from undersigned.protocol import opening
from undersigned.protocol.encoding import sha256
from undersigned.protocol.entry import decode_entry
from undersigned.protocol.opening_list import Dropped, OpeningList
from undersigned.protocol.rules import check

H = bytes(32)


@pytest.fixture(scope="module")
def cast() -> Cast:
    return make_letter(tiers=(3, 5), trustees=3, quorum=2)


@pytest.fixture
def log(cast) -> MemoryLog:
    return begun(cast)


def sign(log: MemoryLog, mode: entries.Mode = "public", *, tier: int = 0, class_id: int = 1) -> Person:
    """Somebody new signs the current version; sealed envelopes are honest only where a test opens them."""
    person = log.cast.person()
    blob = b"an envelope" if mode == "sealed" else None
    data = log.cast.signature(person, mode, tier=tier, class_id=class_id, text_hash=log.state.text_hash, blob=blob)
    log.append(*data)
    return person


def index_of(log: MemoryLog, person: Person) -> int:
    return log.state.records[person.key].index


def refused(log: MemoryLog, data: bytes, sentence: str, *, listed: OpeningList | None = None) -> None:
    size = log.size
    with pytest.raises(Refused, match=sentence) as refusal:
        log.append(data, listed=listed)
    assert log.size == size
    assert str(refusal.value).startswith(f"entry {size}: ")
    assert "\n" not in str(refusal.value)


def by_log(log: MemoryLog, entry: entries.Entry) -> bytes:
    return log.cast.sign(entry, log.cast.log)


def by_organizer(log: MemoryLog, entry: entries.Entry) -> bytes:
    return log.cast.sign(entry, log.cast.organizer)


def by_registrar(log: MemoryLog, entry: entries.Entry) -> bytes:
    return log.cast.sign(entry, log.cast.registrars[1])


# Beginning


def test_a_letter_is_published_once(log):
    again = log.cast.sign(log.cast.letter.publication, log.cast.organizer)
    refused(log, again, "a letter is published once, as entry 0")


def test_a_registrar_accepts_once_with_the_keys_of_entry_0(cast):
    log = MemoryLog(cast=cast)
    acceptance = decode_entry(cast.accept()[0])
    other = [entries.IssuerHash(class_=one.class_, spki_hash=H) for one in acceptance.issuers]
    refused(log, by_registrar(log, msgspec.structs.replace(acceptance, issuers=other)), "other issuer keys")
    refused(log, by_registrar(log, msgspec.structs.replace(acceptance, issuers=[])), "other issuer keys")
    backwards = acceptance.issuers[::-1]
    refused(log, by_registrar(log, msgspec.structs.replace(acceptance, issuers=backwards)), "other issuer keys")
    log.append(cast.accept()[0])
    refused(log, cast.accept()[0], "this registrar has accepted already")


def test_a_trustee_accepts_once_with_a_key_for_each_tier(cast):
    log = MemoryLog(cast=cast)
    acceptance = decode_entry(cast.accept()[1])
    few = msgspec.structs.replace(acceptance, seal_keys=acceptance.seal_keys[:1])
    refused(log, cast.sign(few, cast.trustees[1]), "one seal key for each tier")
    log.append(cast.accept()[1])
    refused(log, cast.accept()[1], "this trustee has accepted already")


@pytest.mark.parametrize(("left_out", "sentence"), [(0, "not every registrar"), (2, "not every trustee")])
def test_nobody_signs_before_all_have_accepted(cast, left_out, sentence):
    log = MemoryLog(cast=cast)
    for number, data in enumerate(cast.accept()):
        if number != left_out:
            log.append(data)
    refused(log, cast.signature(cast.person())[0], f"signing has not begun: {sentence}")


# Issuance


def test_the_tokens_issued_only_grow_and_never_above_the_eligible(log):
    for issued in (770, 5):
        refused(log, by_registrar(log, entries.Issuance(registrar=1, class_=1, issued=issued)), "only grows")
    refused(log, by_registrar(log, entries.Issuance(registrar=1, class_=1, issued=771)), "people are eligible")
    refused(log, by_registrar(log, entries.Issuance(registrar=1, class_=9, issued=1)), "no tokens for this class")
    log.append(by_registrar(log, entries.Issuance(registrar=1, class_=2, issued=1_001)))


def test_there_are_never_more_signatures_than_tokens_issued(cast):
    log = begun(cast, issued=2)
    sign(log)
    leaver = sign(log)
    log.append(cast.withdrawal(leaver))
    refused(log, cast.signature(cast.person())[0], "more signatures than tokens issued")
    log.append(by_registrar(log, entries.Issuance(registrar=1, class_=1, issued=3)))
    sign(log)


def test_the_least_of_several_registrars_bounds_a_class():
    cast = make_letter(tiers=(3, 5), trustees=3, quorum=2, registrars_per_class=2)
    log = begun(cast, issued=1)
    sign(log)
    log.append(cast.sign(entries.Issuance(registrar=1, class_=1, issued=9), cast.registrars[1]))
    refused(log, cast.signature(cast.person())[0], "more signatures than tokens issued")
    log.append(cast.sign(entries.Issuance(registrar=2, class_=1, issued=2), cast.registrars[2]))
    sign(log)


def test_the_final_figure_of_tokens_is_given_once_and_covers_the_signatures(log):
    sign(log)
    sign(log)
    log.append(by_organizer(log, entries.Closing(by="organizer", reason="Agreed.")))
    refused(log, by_registrar(log, entries.Issuance(registrar=1, class_=1, issued=1)), "more signatures than")
    log.append(by_registrar(log, entries.Issuance(registrar=1, class_=1, issued=2)))
    refused(log, by_registrar(log, entries.Issuance(registrar=1, class_=1, issued=3)), "final number .* has been given")


# Signing


def test_a_key_signs_once_even_after_it_left(log):
    person = sign(log)
    refused(log, log.cast.signature(person)[0], "each token signs once")
    log.append(log.cast.withdrawal(person))
    refused(log, log.cast.signature(person, "anonymous")[0], "each token signs once")


def test_a_signature_is_of_a_kind_tier_text_and_class_that_the_letter_has(log):
    person = log.cast.person()
    refused(log, log.cast.signature(person, "sealed", tier=3, blob=b"x")[0], "no such tier")
    refused(log, log.cast.signature(person, text_hash=H)[0], "not a text of this letter: read it again")
    public_only = begun(make_letter(modes=("public",)))
    refused(
        public_only, public_only.cast.signature(public_only.cast.person(), "anonymous")[0], "this kind of signature"
    )


def test_a_signature_of_a_class_nobody_has_is_refused(log):
    person = log.cast.person()
    entry = decode_entry(log.cast.signature(person)[0])
    refused(log, log.cast.sign(msgspec.structs.replace(entry, class_=3), person.seed), "no such class")


def test_an_older_text_can_still_be_signed_and_counts_again_when_it_returns(log):
    first = log.state.text_hash
    old = sign(log)
    log.append(amendment(log.cast, text="Resign today."))
    assert log.state.n_star == 0
    log.append(*log.cast.signature(log.cast.person(), text_hash=first))
    sign(log)
    assert log.state.n_star == 1
    log.append(consent(log, old))
    assert log.state.n_star == 2
    log.append(amendment(log.cast, text=log.cast.letter.publication.text))
    assert log.state.n_star == 2


# What signatories do later


@pytest.mark.parametrize("kind", ["withdrawal", "consent", "condition", "remark"])
def test_nothing_is_said_for_a_key_the_log_has_not_seen(log, kind):
    key, seed = (person := log.cast.person()).key, person.seed
    entry = {
        "withdrawal": entries.Withdrawal(key=key),
        "consent": entries.Consent(key=key, text_hash=log.state.text_hash),
        "condition": entries.Condition(key=key, tier=1, blob=H),
        "remark": entries.Remark(key=key, type="deed", blob=H),
    }[kind]
    refused(log, log.cast.sign(entry, seed), "no signature by this key")


def test_consent_is_to_a_text_of_the_letter_and_given_once(log):
    person = sign(log)
    text = entries.Consent(key=person.key, text_hash=H)
    refused(log, log.cast.sign(text, person.seed), "not a text of this letter")
    refused(log, consent(log, person), "stands under this text already")


def test_who_left_says_nothing_more_but_may_leave_again(log):
    person = sign(log, "sealed", tier=1)
    log.append(log.cast.withdrawal(person))
    log.append(log.cast.withdrawal(person))
    assert log.record(index_of(log, person)).withdrawn == log.size - 2
    for entry in (
        entries.Consent(key=person.key, text_hash=log.state.text_hash),
        entries.Condition(key=person.key, tier=2, blob=H),
        entries.Remark(key=person.key, type="regret", blob=H),
    ):
        refused(log, log.cast.sign(entry, person.seed), "this signature has left the letter")


def test_a_condition_is_a_sealed_signatorys_and_of_a_tier_there_is(log):
    public, sealed = sign(log), sign(log, "sealed", tier=1)
    to_one = entries.Condition(key=public.key, tier=1, blob=H)
    refused(log, log.cast.sign(to_one, public.seed), "only a sealed signature has a condition")
    to_three = entries.Condition(key=sealed.key, tier=3, blob=H)
    refused(log, log.cast.sign(to_three, sealed.seed), "no such tier")
    log.append(log.cast.sign(entries.Condition(key=sealed.key, tier=0, blob=H), sealed.seed))
    assert log.record(index_of(log, sealed)).mode == "public"
    back = entries.Condition(key=sealed.key, tier=2, blob=H)
    refused(log, log.cast.sign(back, sealed.seed), "only a sealed signature has a condition")


def test_words_are_added_by_who_can_be_read(log):
    for person in (sign(log, "anonymous"), sign(log, "sealed", tier=1)):
        remark = log.cast.sign(entries.Remark(key=person.key, type="deed", blob=H), person.seed)
        refused(log, remark, "whose name is public can add words")


def test_a_registrar_withdraws_only_an_assisted_signature(log):
    person = sign(log)
    leave = by_registrar(log, entries.Withdrawal(key=person.key, registrar=1))
    refused(log, leave, "only the signatory can withdraw this signature")
    assisted = log.cast.person()
    entry = msgspec.structs.replace(decode_entry(log.cast.signature(assisted)[0]), assisted=True)
    log.append(log.cast.sign(entry, assisted.seed))
    words = entries.Consent(key=assisted.key, text_hash=log.state.text_hash)
    refused(log, log.cast.sign(words, assisted.seed), "without a browser key can only be withdrawn")
    log.append(by_registrar(log, entries.Withdrawal(key=assisted.key, registrar=1)))
    assert log.state.n_star == 1


# Organizer, registrar, log


def test_the_text_changes_to_another_text_and_not_while_names_are_being_opened(log):
    text = log.cast.letter.publication.text
    refused(log, amendment(log.cast, text=text), "the text the letter already has")
    frozen(log)
    refused(log, amendment(log.cast, text="Resign today."), "cannot change while names are being opened")


def test_a_statement_has_a_number_of_its_own_and_is_confirmed_once(log):
    log.append(*said(log))
    refused(log, said(log)[0], "number exists already")
    confirmed = entries.Confirmation(registrar=1, statement=1, method="dkim", blob=H)
    nothing = msgspec.structs.replace(confirmed, statement=2)
    refused(log, by_registrar(log, nothing), "no such statement")
    log.append(by_registrar(log, confirmed))
    refused(log, by_registrar(log, confirmed), "has confirmed the statement already")


def test_only_a_name_that_is_public_is_marked_or_disputed(log):
    public, nobody, sealed = sign(log), sign(log, "anonymous"), sign(log, "sealed", tier=1)
    for person in (nobody, sealed):
        index = index_of(log, person)
        mark = entries.Standing(index=index, standing="board", by=1)
        refused(log, by_registrar(log, mark), "whose name is public can be marked")
        dispute = entries.Dispute(registrar=1, index=index, state="open")
        refused(log, by_registrar(log, dispute), "whose name is public can be disputed")
    log.append(by_registrar(log, entries.Standing(index=index_of(log, public), standing="board", by=1)))


def test_a_dispute_suspends_and_its_settling_restores(log):
    index = index_of(log, sign(log))
    open_one, settled = (entries.Dispute(registrar=1, index=index, state=state) for state in ("open", "settled"))
    refused(log, by_registrar(log, settled), "in that state already")
    log.append(by_registrar(log, open_one))
    assert log.state.n_star == 0
    refused(log, by_registrar(log, open_one), "in that state already")
    log.append(by_registrar(log, settled))
    assert log.state.n_star == 1


@pytest.mark.parametrize("index", [0, 1, 999])
def test_what_is_no_signature_is_neither_marked_disputed_nor_removed(log, index):
    for data in (
        by_organizer(log, entries.Standing(index=index, standing="lead", by=0)),
        by_registrar(log, entries.Dispute(registrar=1, index=index, state="open")),
        by_log(log, entries.Removal(index=index, code="asked")),
    ):
        refused(log, data, "no such signature in the log, or it has left")


def test_a_removal_is_for_good_and_not_from_a_frozen_set(log):
    index = index_of(log, sign(log))
    log.append(by_log(log, entries.Removal(index=index, code="court")))
    refused(log, by_log(log, entries.Removal(index=index, code="court")), "or it has left")
    member = frozen(log)[0]
    refused(
        log, by_log(log, entries.Removal(index=index_of(log, member), code="error")), "whose names are being opened"
    )


def test_missing_envelopes_are_sealed_ones_in_order(log):
    sealed, public = index_of(log, sign(log, "sealed", tier=1)), index_of(log, sign(log))
    other = index_of(log, sign(log, "sealed", tier=1))
    for indexes, sentence in (
        ([public], "only envelopes of sealed"),
        ([999], "only envelopes of sealed"),
        ([other, sealed], "ascending and distinct"),
        ([sealed, sealed], "ascending and distinct"),
    ):
        data = log.cast.sign(entries.Missing(trustee=1, indexes=indexes), log.cast.trustees[1])
        refused(log, data, sentence)


def test_the_site_states_new_code_only_when_it_is_new(log):
    log.append(by_log(log, entries.Client(manifest=H)))
    refused(log, by_log(log, entries.Client(manifest=H)), "the code the site serves already")


def test_a_destruction_is_stated_by_a_party_of_the_letter(log):
    log.append(log.cast.sign(entries.Destruction(role="trustee", by=1, what="its seeds"), log.cast.trustees[1]))
    log.append(by_registrar(log, entries.Destruction(role="registrar", by=1, what="its keys")))
    log.append(by_log(log, entries.Destruction(role="log", by=0, what="sealed blobs")))
    refused(log, by_log(log, entries.Destruction(role="log", by=1, what="sealed blobs")), "knows nobody")


# Reached, freeze, lapse


def test_a_tier_is_reached_when_its_condition_holds_and_once(log):
    refused(log, by_log(log, entries.Reached(tier=1)), "the condition of this tier does not hold")
    refused(log, by_log(log, entries.Reached(tier=3)), "no such tier")
    for _ in range(3):
        sign(log)
    refused(log, by_log(log, entries.Reached(tier=1)), "does not hold")  # nobody waits to be opened
    leaver = sign(log, "sealed", tier=1)
    log.append(by_log(log, entries.Reached(tier=1)))
    refused(log, by_log(log, entries.Reached(tier=1)), "reached already")
    log.append(log.cast.withdrawal(leaver))
    assert log.state.reached == {}
    sign(log, "sealed", tier=1)
    log.append(by_log(log, entries.Reached(tier=1)))


def frozen(log: MemoryLog, *, sealed: int = 2, public: int = 2) -> list[Person]:
    """People sign until tier 1 is reached and frozen; the members."""
    for _ in range(public):
        sign(log)
    members = []
    for _ in range(sealed):
        members.append(sign(log, "sealed", tier=1))
    log.freeze(1, at=START)
    return members


def test_a_freeze_needs_a_tier_reached_and_a_hold_after_it(log):
    refused(log, by_log(log, entries.Freeze(tier=1, since=8, until=8)), "this tier is not reached")
    for _ in range(3):
        sign(log, "sealed", tier=1)
    reached = log.log_entry(entries.Reached(tier=1))
    for since, until in ((reached, reached + 1), (reached + 1, reached + 2), (reached + 2, reached + 1)):
        data = by_log(log, entries.Freeze(tier=1, since=since, until=until))
        refused(log, data, "the hold of a freeze lies between")
    refused(log, by_log(log, entries.Freeze(tier=3, since=1, until=1)), "no such tier")
    log.append(by_log(log, entries.Freeze(tier=1, since=log.size, until=log.size)))
    refused(log, by_log(log, entries.Freeze(tier=1, since=log.size, until=log.size)), "one freeze at a time")


def test_who_joins_during_the_hold_cannot_carry_a_freeze(log):
    sealed = [sign(log, "sealed", tier=1) for _ in range(3)]
    log.log_entry(entries.Reached(tier=1))
    since = log.size
    sign(log, "sealed", tier=1)
    log.append(log.cast.withdrawal(sealed[0]))
    assert 1 in log.state.reached
    refused(log, by_log(log, entries.Freeze(tier=1, since=since, until=log.size)), "too few who signed before the hold")


def test_while_frozen_a_member_may_leave_and_not_change_and_others_may(log):
    members = frozen(log)
    other = sign(log, "sealed", tier=2)
    for tier in (0, 2):
        data = log.cast.sign(entries.Condition(key=members[0].key, tier=tier, blob=H), members[0].seed)
        refused(log, data, "you may still withdraw, but not change your condition")
    log.append(log.cast.sign(entries.Condition(key=other.key, tier=1, blob=H), other.seed))
    log.append(log.cast.withdrawal(members[0]))


def test_a_lapse_is_of_the_freeze_that_stands_and_needs_a_new_reached(log):
    refused(log, by_log(log, entries.Lapse(freeze=5, since=6, until=6)), "no such freeze to lapse")
    frozen(log)
    index = log.size - 1
    refused(log, by_log(log, entries.Lapse(freeze=index - 1, since=index, until=index)), "no such freeze")
    refused(log, by_log(log, entries.Lapse(freeze=index, since=index, until=index + 1)), "must lie between")
    log.append(by_log(log, entries.Lapse(freeze=index, since=index + 1, until=index + 1)))
    assert (log.state.frozen, log.state.reached) == (None, {})
    refused(log, by_log(log, entries.Freeze(tier=1, since=log.size, until=log.size)), "not reached")
    log.append(by_log(log, entries.Reached(tier=1)))


# Opening


def opening_of(log: MemoryLog, listed: OpeningList, trustees=(1, 2)) -> tuple[bytes, OpeningList]:
    return log.quorum_entry(listed, trustees), listed


def listing(*indexes: int, dropped=(), left=()) -> OpeningList:
    return OpeningList(indexes=list(indexes), dropped=list(dropped), left=list(left))


def test_an_opening_answers_the_freeze_that_stands_with_the_list_beside_it(log):
    with pytest.raises(Refused, match="no such freeze to open"):
        check(log.state, entries.Opening(freeze=3, list_hash=H), listing())
    one, two = (index_of(log, member) for member in frozen(log))
    data, listed = opening_of(log, listing(one, two))
    with pytest.raises(VerificationError, match="the list of this opening is not there"):
        log.append(data)
    entry = decode_entry(data)
    other = msgspec.structs.replace(entry, freeze=entry.freeze - 1)
    with pytest.raises(Refused, match="no such freeze to open"):
        check(log.state, other, listed)
    with pytest.raises(Refused, match="another list than the one beside it"):
        check(log.state, entry, listing(one))
    log.append(data, listed=listed)


def test_fewer_trustees_than_the_quorum_open_nothing(log):
    one, two = (index_of(log, member) for member in frozen(log))
    data, listed = opening_of(log, listing(one, two), trustees=(1,))
    with pytest.raises(VerificationError, match="fewer trustees have signed"):
        log.append(data, listed=listed)
    data, listed = opening_of(log, listing(one, two), trustees=(2, 1))
    with pytest.raises(Malformed, match="in the order of their ids"):
        log.append(data, listed=listed)


def test_an_opening_of_another_set_is_refused(log):
    outside = index_of(log, sign(log, "sealed", tier=2))
    one, two = (index_of(log, member) for member in frozen(log))
    stranger = log.cast.person()
    leaving = entries.Withdrawal(key=stranger.key)
    left = [decode_entry(log.cast.sign(leaving, stranger.seed))]
    for listed, sentence in (
        (listing(*sorted((one, two, outside))), "a signature outside the frozen set"),
        (listing(one, two, dropped=[Dropped(index=outside, reason="box")]), "a signature outside the frozen set"),
        (listing(one, two, left=left), "a withdrawal from outside the frozen set"),
    ):
        data, _ = opening_of(log, listed)
        refused(log, data, sentence, listed=listed)


def test_an_opening_leaves_out_who_left_and_only_drops_as_missing_what_a_trustee_missed(log):
    members = frozen(log, sealed=3)
    one, two, three = (index_of(log, member) for member in members)
    left = [decode_entry(log.cast.withdrawal(members[0]))]
    data, listed = opening_of(log, listing(one, two, three, left=left))
    refused(log, data, "names somebody who left", listed=listed)
    listed = listing(one, two, dropped=[Dropped(index=three, reason="missing")])
    refused(log, opening_of(log, listed)[0], "no trustee has said that it is", listed=listed)
    log.append(log.cast.sign(entries.Missing(trustee=3, indexes=[three]), log.cast.trustees[3]))
    log.append(opening_of(log, listed)[0], listed=listed)
    assert log.record(three).dropped == log.size - 1


def test_a_withdrawal_taken_by_trustees_must_be_the_signatorys_own(log):
    members = frozen(log, sealed=3)
    one, two, _ = (index_of(log, member) for member in members)
    forged = log.cast.sign(entries.Withdrawal(key=members[2].key), members[0].seed)
    data, listed = opening_of(log, listing(one, two, left=[decode_entry(forged)]))
    with pytest.raises(VerificationError):
        log.append(data, listed=listed)
    by_office = by_registrar(log, entries.Withdrawal(key=members[2].key, registrar=1))
    data, listed = opening_of(log, listing(one, two, left=[decode_entry(by_office)]))
    with pytest.raises(VerificationError, match="must be signed by the signatory"):
        log.append(data, listed=listed)


def test_an_opening_names_all_who_asked_for_no_more_than_others_on_it(log):
    one, two = (index_of(log, member) for member in frozen(log))
    listed = listing(one)
    refused(log, opening_of(log, listed)[0], "leaves out a valid member", listed=listed)
    assert two in (log.state.frozen.members if log.state.frozen else ())


def test_an_opening_that_names_nobody_is_refused_and_one_that_could_is_not_called_off(log):
    members = frozen(log)
    empty = listing()
    refused(log, opening_of(log, empty)[0], "called off only when none of the set may be named", listed=empty)
    one, two = (index_of(log, member) for member in members)
    for member in members:
        log.append(log.cast.withdrawal(member))
    both = listing(one, two)
    refused(log, opening_of(log, both)[0], "nobody of the set is left", listed=both)
    log.append(opening_of(log, empty)[0], listed=empty)
    assert log.state.rounds[-1].named == ()


def test_an_opening_is_signed_anew_when_a_public_name_leaves_after_the_quorum_signed(log):
    first = sign(log)
    frozen(log, public=0, sealed=2)
    both = listing(*sorted(log.state.frozen.members if log.state.frozen else ()))
    data, _ = opening_of(log, both)
    log.append(log.cast.withdrawal(first))
    refused(log, data, "asked for more names beside theirs than there are now: sign a new list", listed=both)
    called_off, _ = opening.make_list(log.state, [], [])
    assert called_off.indexes == []
    log.append(opening_of(log, called_off)[0], listed=called_off)


def test_a_list_of_the_lower_tier_alone_that_leans_on_the_higher_is_refused():
    """N' may rest on members of a higher tier; whoever lists only the lower one would name people too few to stand."""
    log = begun(make_letter(tiers=(3, 4), trustees=3, quorum=2))
    lower = [index_of(log, sign(log, "sealed", tier=1)) for _ in range(2)]
    upper = [index_of(log, sign(log, "sealed", tier=2)) for _ in range(2)]
    log.freeze(2, at=START)
    listed = listing(*lower)
    refused(log, opening_of(log, listed)[0], "asked for more names beside theirs", listed=listed)
    everybody = listing(*lower, *upper)
    log.append(opening_of(log, everybody)[0], listed=everybody)
    assert log.state.rounds[-1].together == 4


def test_who_left_while_frozen_is_skipped_and_counted_once(log):
    members = frozen(log, sealed=3, public=2)
    one, two, three = (index_of(log, member) for member in members)
    listed = listing(one, two, dropped=[Dropped(index=three, reason="shares")])
    data, _ = opening_of(log, listed)
    for member in (members[0], members[2]):
        log.append(log.cast.withdrawal(member))
    log.append(data, listed=listed)
    assert (log.state.rounds[-1].named, log.state.rounds[-1].skipped) == ((two,), (one,))
    assert (log.record(three).withdrawn is not None, log.record(three).dropped) == (True, None)
    assert log.record(two).opened == log.size - 1


def test_a_dropped_signature_that_withdraws_later_stays_dropped(log):
    members = frozen(log, sealed=2, public=3)
    one, two = (index_of(log, member) for member in members)
    listed = listing(one, dropped=[Dropped(index=two, reason="shares")])
    log.append(opening_of(log, listed)[0], listed=listed)
    log.append(log.cast.withdrawal(members[1]))
    assert (log.record(two).dropped is not None, log.record(two).withdrawn) == (True, None)


# Closing


def test_after_closing_nothing_is_signed_or_changed(log):
    person, other = sign(log), sign(log, "sealed", tier=1)
    log.append(by_organizer(log, entries.Closing(by="organizer", reason="Agreed.")))
    late = log.cast.person()
    for data in (
        log.cast.signature(late)[0],
        consent(log, person),
        log.cast.sign(entries.Condition(key=other.key, tier=2, blob=H), other.seed),
        amendment(log.cast, text="Resign today."),
        by_log(log, entries.Reached(tier=1)),
        by_organizer(log, entries.Closing(by="organizer", reason="Again.")),
        log.cast.accept()[0],
    ):
        refused(log, data, "the letter is closed: nothing can be signed or changed any more")


def test_after_closing_people_may_leave_speak_and_what_was_reached_is_opened(log):
    person = sign(log)
    frozen(log, public=2)
    index = log.size - 1
    log.append(by_organizer(log, entries.Closing(by="organizer", reason="Agreed.")))
    log.append(log.cast.sign(entries.Remark(key=person.key, type="deed", blob=H), person.seed))
    log.append(*said(log))
    log.append(by_log(log, entries.Client(manifest=H)))
    log.append(by_registrar(log, entries.Dispute(registrar=1, index=index_of(log, person), state="open")))
    log.append(by_log(log, entries.Removal(index=index_of(log, person), code="dispute")))
    log.append(by_log(log, entries.Lapse(freeze=index, since=index + 1, until=index + 1)))


# Who must have signed


@pytest.mark.parametrize("kind", ["removal", "reached", "freeze", "lapse", "client"])
def test_what_the_log_says_must_be_signed_by_the_log(log, kind):
    entry = {
        "removal": entries.Removal(index=5, code="asked"),
        "reached": entries.Reached(tier=1),
        "freeze": entries.Freeze(tier=1, since=1, until=1),
        "lapse": entries.Lapse(freeze=1, since=2, until=2),
        "client": entries.Client(manifest=H),
    }[kind]
    for seed in (log.cast.organizer, log.cast.promise, log.cast.registrars[1], log.cast.trustees[1]):
        with pytest.raises(VerificationError, match=f"this {kind} is not signed by the key it must be"):
            log.append(log.cast.sign(entry, seed))


@pytest.mark.parametrize(
    "entry",
    [
        entries.Issuance(registrar=2, class_=1, issued=1),
        entries.Missing(trustee=4, indexes=[5]),
        entries.Standing(index=5, standing="lead", by=7),
        entries.Destruction(role="registrar", by=7, what="its keys"),
        entries.Destruction(role="trustee", by=0, what="its keys"),
    ],
    ids=lambda entry: entries.kind_of(entry),
)
def test_a_party_the_letter_does_not_have_says_nothing(log, entry):
    with pytest.raises(Refused, match=r"no such (registrar|trustee)"):
        log.append(log.cast.sign(entry, log.cast.organizer))


def test_a_signature_signed_by_another_key_is_refused(log):
    person, other = log.cast.person(), log.cast.person()
    entry = decode_entry(log.cast.signature(person)[0])
    with pytest.raises(VerificationError, match="this signature is not signed by the key it must be"):
        log.append(log.cast.sign(entry, other.seed))


@pytest.mark.parametrize(
    "entry",
    [
        entries.Closing(by="organizer", reason=""),
        entries.Closing(by="organizer", reason="x\u202ey"),
        entries.Destruction(role="log", by=0, what=""),
        entries.Registrar(registrar=1, issuers=[], attesters=[], statement="a\nb"),
        entries.Trustee(trustee=1, seal_keys=[bytes(1216), bytes(1216)], statement="I open."),
    ],
    ids=["no reason", "a bidi reason", "no destruction", "two lines", "seal keys of zeros"],
)
def test_words_and_keys_inside_an_entry_are_clean(log, entry):
    with pytest.raises(UndersignedError):
        log.append(log.cast.sign(entry, log.cast.organizer))


def test_the_envelope_of_a_condition_replaces_the_one_that_was_missing(log):
    person = sign(log, "sealed", tier=1)
    index = index_of(log, person)
    log.append(log.cast.sign(entries.Missing(trustee=1, indexes=[index]), log.cast.trustees[1]))
    log.append(log.cast.sign(entries.Condition(key=person.key, tier=2, blob=sha256(b"new")), person.seed))
    assert log.state.missing == set()
