"""Order, batches, and what the log writes by itself: nobody can tell who came first, and every clock is a witness's."""

import pytest

from support.letters import START
from support.log_rooms import SLUG, Place, text
from undersigned.crypto import ed25519
from undersigned.errors import Refused
from undersigned.protocol import entry as entries
from undersigned.protocol.dossier import read_zip
from undersigned.protocol.encoding import sha256, to_jcs
from undersigned.protocol.entry import decode_entry
from undersigned.protocol.opening import check_open_key, examine, make_list
from undersigned.protocol.opening_list import encode_opening_list, opening_list_hash
from undersigned.protocol.sealing import open_share, read_envelope
from undersigned.transparency.checkpoint import open_checkpoint
from undersigned.transparency.merkle import leaf_hash
from undersigned.verifier import verify_dossier

DAY = 24 * 3600
LATER = START + 400 * DAY


async def check_dossier(place: Place) -> None:
    """Whatever the log did by itself, a stranger with the dossier must agree."""
    verdict = verify_dossier(read_zip((await place.get("letter.dossier")).content))
    assert verdict.ok, [step for step in verdict.steps if not step.ok]
    assert verdict.witnessed


def index_of(place: Place, key: bytes) -> int:
    return place.state.records[key].index


def test_the_order_of_a_batch_hides_who_came_first(run):
    async def story(place: Place) -> None:
        for _ in range(12):
            await place.sign("anonymous")
        await place.step()
        leaves = [leaf_hash(one) for one in place.room.entries(SLUG, 1 + 9 - 1, 1_000)]
        signatures = [
            leaf_hash(one)
            for one in place.room.entries(SLUG, 0, 1_000)
            if isinstance(decode_entry(one), entries.Signature)
        ]
        assert len(signatures) == 12
        assert signatures == sorted(signatures)
        assert leaves[-12:] == signatures

    run(story)


def test_hidden_signatures_wait_for_five_and_for_the_batch_period_but_at_most_a_day(run):
    async def story(place: Place) -> None:
        for _ in range(4):
            await place.sign("anonymous")
        await place.step(1000)
        await place.step(1000)
        assert place.state.ever[1] == 0
        await place.sign("anonymous")
        await place.step()
        assert place.state.ever[1] == 5
        await place.sign("anonymous")
        promised = place.clock.now
        await place.step(23 * 3600 - 1000)
        assert place.state.ever[1] == 5
        await place.step(promised + DAY - place.clock.now)
        assert place.state.ever[1] == 6

    run(story, deadline=LATER, batch_seconds=600)


def test_public_signatures_go_out_at_once_and_do_not_take_hidden_ones_along(run):
    async def story(place: Place) -> None:
        await place.sign("anonymous")
        await place.sign("public")
        await place.step()
        assert place.state.ever[1] == 1
        assert len(place.room.log(SLUG).pending) == 1

    run(story)


def test_a_withdrawn_name_is_erased_once_readers_see_the_withdrawal(run):
    async def story(place: Place) -> None:
        person = place.cast.person()
        entry, blob = place.cast.signature(person)
        await place.submit(entry, blob)
        remark = to_jcs({"salt": "A" * 43 + "=", "text": "I mean it."})
        await place.step()
        words = entries.Remark(key=person.key, type="opening", blob=sha256(remark))
        await place.submit(place.cast.sign(words, person.seed), remark)
        await place.step(60)
        for data in (blob, remark):
            assert (await place.get(f"blobs/{sha256(data).hex()}")).content == data
        await place.submit(place.cast.withdrawal(person))
        await place.step(60)
        assert place.kinds()[-1] == "withdrawal"
        for data in (blob, remark):
            assert (await place.get(f"blobs/{sha256(data).hex()}")).status_code == 404

    run(story)


def test_somebody_elses_words_stay_when_one_who_copied_them_leaves(run):
    async def story(place: Place) -> None:
        remark = to_jcs({"salt": "A" * 43 + "=", "text": "I mean it."})
        people = [await place.sign() for _ in range(2)]
        await place.step()
        for person in people:
            words = entries.Remark(key=person.key, type="opening", blob=sha256(remark))
            await place.submit(place.cast.sign(words, person.seed), remark)
        await place.step(60)
        await place.submit(place.cast.withdrawal(people[1]))
        await place.step(60)
        assert (await place.get(f"blobs/{sha256(remark).hex()}")).status_code == 200

    run(story)


def test_going_public_shows_the_card_and_lets_the_envelope_go(run):
    async def story(place: Place) -> None:
        people = [await place.sign("sealed", tier=2) for _ in range(5)]
        await place.step()
        person = people[0]
        card = to_jcs(place.cast.public_blob(person))
        index = index_of(place, person.key)
        change = entries.Condition(key=person.key, tier=0, blob=sha256(card))
        await place.submit(place.cast.sign(change, person.seed), card)
        await place.step(60)
        assert (await place.get(f"blobs/{sha256(card).hex()}")).content == card
        assert place.room.storage.blob_at(place.room.log(SLUG).number, index) is None

    run(story)


async def reach(place: Place, count: int = 5) -> list:
    people = [await place.sign("sealed", tier=1) for _ in range(count)]
    await place.step()
    return people


def test_a_tier_is_reached_held_and_frozen_with_as_many_as_the_hold_allows(run):
    async def story(place: Place) -> None:
        await reach(place)
        assert place.kinds()[-1] == "reached"
        for _ in range(5):
            await place.sign("sealed", tier=1)
        await place.step(30)
        early = place.state.size
        for _ in range(5):
            await place.sign("sealed", tier=1)
        await place.step(60)
        assert "freeze" not in place.kinds()
        await place.step(50)
        await place.step(1)
        assert place.kinds()[-1] == "freeze"
        frozen = place.state.frozen
        assert frozen.since == early
        assert len(frozen.members) == 10
        await place.step(60)
        await check_dossier(place)

    run(story, hold=100, tiers=(5, 50))


def test_a_tier_that_falls_back_is_reached_again_and_held_again(run):
    async def story(place: Place) -> None:
        people = await reach(place)
        await place.step(50)
        await place.submit(place.cast.withdrawal(people[0]))
        await place.step(1)
        assert place.state.reached == {}
        for _ in range(5):
            await place.sign("sealed", tier=1)
        await place.step(1)
        assert place.kinds()[-1] == "reached"
        await place.step(60)
        assert "freeze" not in place.kinds()
        await place.step(60)
        await place.step()
        assert place.kinds()[-1] == "freeze"

    run(story, hold=100)


def test_withdrawals_go_out_at_once_while_a_tier_is_reached_and_wait_otherwise(run):
    async def story(place: Place) -> None:
        people = [await place.sign("sealed", tier=1) for _ in range(6)]
        await place.sign("sealed", tier=2)
        await place.step()
        assert place.state.reached
        await place.submit(place.cast.withdrawal(people[0]))
        await place.step()
        assert place.kinds()[-1] == "withdrawal"
        await place.submit(place.cast.withdrawal(people[1]))
        await place.step()
        assert not place.state.reached
        await place.submit(place.cast.withdrawal(people[2]))
        await place.step()
        assert len(place.room.log(SLUG).pending) == 1

    run(story)


def open_frozen(place: Place) -> tuple[bytes, bytes, dict[int, bytes]]:
    """The opening three honest trustees sign, its list, and the keys."""
    cast, state, log = place.cast, place.state, place.room.log(SLUG)
    findings = []
    for index in sorted(state.frozen.members):
        record = state.by_index[index]
        blob = place.room.storage.blob_at(log.number, record.changed)
        envelope = read_envelope(blob, letter=cast.letter, tier=record.tier)
        shares = {
            one: open_share(
                envelope,
                letter=cast.letter,
                trustee=one,
                key=record.entry.key,
                seed=cast.seal_seeds[one][record.tier - 1],
            )
            for one in (1, 2, 3)
        }
        findings.append(examine(record, blob, shares, letter=cast.letter))
    listed, _ = make_list(state, findings, [])
    data = encode_opening_list(listed)
    bare = entries.Opening(freeze=state.frozen.index, list_hash=opening_list_hash(data))
    message = entries.message_to_sign(bare, lid=cast.letter.lid)
    sigs = [entries.TrusteeSig(trustee=one, sig=ed25519.sign(cast.trustees[one], message)) for one in (1, 2, 3)]
    opening = entries.encode_entry(entries.Opening(freeze=bare.freeze, list_hash=bare.list_hash, sigs=sigs))
    return opening, data, {finding.index: finding.open_key for finding in findings}


def test_an_opened_name_is_published_when_witnesses_cover_the_opening_and_the_key_fits(run):
    async def story(place: Place) -> None:
        people = await reach(place)
        for _ in range(5):
            await place.step(30)
        assert place.kinds()[-1] == "freeze"
        opening, data, keys = open_frozen(place)
        place.down.update(place.witnesses)
        await place.room.submit(SLUG, opening, opening_list=data)
        await place.step(1)
        index, key = next(iter(keys.items()))

        body = {"keys": {str(one): text(two) for one, two in keys.items()}}
        assert (await place.post_json("opened", body)).json() == {"kept": []}
        place.down.clear()
        await place.step(60)
        assert (await place.post_json("opened", {"keys": {str(index): text(bytes(32))}})).json() == {"kept": []}
        assert (await place.post_json("opened", body)).json() == {"kept": sorted(keys)}
        assert (await place.post_json("opened", body)).json() == {"kept": sorted(keys)}
        shown = (await place.get(f"opened/{index}")).content
        record = place.state.by_index[index]
        assert shown[:32] == key
        assert check_open_key(record, shown[32:], key, letter=place.cast.letter) is None
        assert (await place.get(f"lists/{opening_list_hash(data).hex()}")).content == data
        assert not place.room.storage.has_sealed(place.room.log(SLUG).number)
        await check_dossier(place)
        before = place.room.log(SLUG).times
        await place.restart()
        assert place.room.log(SLUG).times == before
        person = place.state.by_index[index].entry.key
        leaver = next(one for one in people if one.key == person)
        await place.step(60)
        await place.submit(place.cast.withdrawal(leaver))
        await place.step(1)
        await place.step(60)
        await place.step(3600)
        assert (await place.get(f"opened/{index}")).status_code == 404
        await check_dossier(place)

    run(story, hold=100)


def test_the_letter_closes_when_witnesses_show_that_the_deadline_passed(run):
    async def story(place: Place) -> None:
        deadline = place.cast.letter.publication.deadline
        for _ in range(3):
            await place.sign("anonymous")
        place.clock.now = deadline - 10
        await place.step()
        assert place.kinds()[-3:] == ["signature"] * 3
        covered = place.room.log(SLUG).cosigned_size
        assert covered == place.state.size
        place.down.update(place.witnesses)
        place.clock.now = deadline + 1
        await place.step()
        await place.step(60)
        assert place.state.closed is None
        place.down.clear()
        await place.step(60)
        await place.step(1)
        assert place.kinds()[-1] == "closing"
        assert not any(place.state.is_late(index) for index in place.state.by_index)
        with pytest.raises(Refused):
            await place.sign()
        await place.step(60)
        await check_dossier(place)

    run(story)


def test_signatures_no_witness_saw_in_time_are_late_and_open_nothing(run):
    async def story(place: Place) -> None:
        place.down.update(place.witnesses)
        await reach(place)
        assert place.state.reached
        place.clock.now = place.cast.letter.publication.deadline + 1
        await place.step()
        place.down.clear()
        for _ in range(6):
            await place.step(60)
        assert place.state.n_star == 0
        assert not place.state.reached
        assert "freeze" not in place.kinds()
        assert place.kinds()[-1] == "destruction"
        await place.step(60)
        await check_dossier(place)

    run(story, hold=100)


def test_a_tier_reached_before_the_deadline_opens_after_it(run):
    async def story(place: Place) -> None:
        place.clock.now = place.cast.letter.publication.deadline - 60
        await reach(place)
        for _ in range(8):
            await place.step(30)
        kinds = place.kinds()
        assert kinds.index("closing") < kinds.index("freeze")
        assert "destruction" not in kinds
        await place.step(60)
        await check_dossier(place)

    run(story, hold=100)


def test_envelopes_of_a_letter_that_reached_nothing_are_destroyed_after_the_hold(run):
    async def story(place: Place) -> None:
        for _ in range(5):
            await place.sign("sealed", tier=2)
        await place.step()
        assert place.room.storage.has_sealed(1)
        place.clock.now = place.cast.letter.publication.deadline
        for _ in range(6):
            await place.step(30)
        assert place.kinds()[-2:] == ["closing", "destruction"]
        assert not place.room.storage.has_sealed(1)
        await place.step(100)
        assert place.kinds().count("destruction") == 1
        await place.step(60)
        await check_dossier(place)

    run(story, hold=100)


def test_a_freeze_nobody_answers_lapses_after_fourteen_witnessed_days(run):
    async def story(place: Place) -> None:
        await reach(place)
        for _ in range(5):
            await place.step(30)
        assert place.kinds()[-1] == "freeze"
        for _ in range(14):
            await place.step(DAY)
        assert "lapse" not in place.kinds()
        for _ in range(2):
            await place.step(DAY)
        assert "lapse" in place.kinds()
        await place.step(60)
        await check_dossier(place)

    run(story, hold=100, deadline=LATER)


def test_a_quorum_is_enough_and_one_dead_witness_holds_nobody_up(run):
    async def story(place: Place) -> None:
        place.down.add(next(iter(place.witnesses)))
        await place.sign()
        await place.step(60)
        log = place.room.log(SLUG)
        assert log.cosigned_size == place.state.size
        checkpoint, note = open_checkpoint((await place.get("checkpoint")).content, place.cast.letter.log_vkey)
        assert checkpoint.size == place.state.size
        assert len(place.cast.letter.policy.check(note)) == 3

    run(story)


def test_without_witnesses_signatures_are_still_taken_and_shown_but_not_proved(run):
    async def story(place: Place) -> None:
        place.down.update(place.witnesses)
        entry, blob = place.cast.signature(place.cast.person())
        admitted = await place.submit(entry, blob)
        await place.step(60)
        assert (await place.get("counts.json")).json()["public"] == 1
        assert (await place.get(f"proof/{admitted.leaf.hex()}")).status_code == 404
        place.down.clear()
        await place.step(60)
        assert (await place.get(f"proof/{admitted.leaf.hex()}")).status_code == 200

    run(story)


def test_an_active_letter_is_cosigned_at_most_once_a_minute_and_events_at_once(run):
    async def story(place: Place) -> None:
        rounds = []
        real = place.post

        async def counting(url: str, body: bytes) -> tuple[int, bytes]:
            rounds.append(url)
            return await real(url, body)

        place.room._cosigning._post = counting
        for _ in range(30):
            await place.sign()
            await place.step(1)
        assert len(rounds) == 0
        await place.step(30)
        assert len(rounds) == 4
        closing = entries.Closing(by="organizer", reason="Done.")
        await place.submit(place.cast.sign(closing, place.cast.organizer))
        await place.step(1)
        assert len(rounds) == 8

    run(story, hold=172_800)


def test_checkpoints_no_time_rule_needs_are_let_go(run):
    async def story(place: Place) -> None:
        for _ in range(10):
            await place.sign()
            await place.step(60)
        names = (await place.get("checkpoints.json")).json()["names"]
        assert len(names) <= 8
        for name in names:
            assert (await place.get(f"checkpoints/{name}")).status_code == 200

    run(story, tiers=(50,))


def test_readers_see_a_new_text_at_once_and_not_a_minute_later(run):
    async def story(place: Place) -> None:
        await place.sign()
        await place.step(60)
        fields = {name: getattr(place.cast.letter.publication, name) for name in ("title", "language", "addressee")}
        amendment = entries.Amendment(**fields, demands=[], text="A new text.", pledge="", summary="Shorter.")
        await place.submit(place.cast.sign(amendment, place.cast.organizer))
        await place.step(1)
        head, _ = open_checkpoint((await place.get("checkpoint")).content, place.cast.letter.log_vkey)
        assert head.size == place.room.state(SLUG).size

    run(story)
