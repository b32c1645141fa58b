"""Admission: every signature is promised once, on disk before it is promised, and never refused afterwards."""

import asyncio
import json

import pytest

from support.letters import make_letter
from support.log_rooms import SLUG, Place, text
from undersigned.errors import Malformed, Refused, Unavailable, UndersignedError, VerificationError
from undersigned.protocol import entry as entries
from undersigned.protocol.encoding import sha256, to_jcs
from undersigned.protocol.promise import verify_promise


def test_a_signature_is_promised_for_within_a_day_and_the_same_bytes_earn_the_same_promise(run):
    async def story(place: Place) -> None:
        person = place.cast.person()
        entry, blob = place.cast.signature(person)
        first = await place.submit(entry, blob)
        again = await place.submit(entry, blob)
        await place.step()
        included = await place.submit(entry, blob)
        assert first == again == included
        assert first.promise is not None
        verify_promise(first.promise, entry=entry, key=person.key, letter=place.cast.letter)
        assert place.clock.now < first.promise.latest <= place.clock.now + 24 * 3600
        assert place.state.ever[1] == 1

    run(story, deadline=1_900_000_000)


def test_a_promise_does_not_tell_when_somebody_signed_and_never_passes_the_deadline(run):
    async def story(place: Place) -> None:
        place.clock.now = 1_900_000_000 - 90_000
        early = await place.submit(*place.cast.signature(place.cast.person()))
        place.clock.now += 5_000
        late = await place.submit(*place.cast.signature(place.cast.person()))
        assert early.promise.latest % 3600 == 0
        assert late.promise.latest == 1_900_000_000

    run(story, deadline=1_900_000_000)


def test_a_second_signature_of_one_key_is_refused_while_the_first_waits_and_afterwards(run):
    async def story(place: Place) -> None:
        person = place.cast.person()
        await place.submit(*place.cast.signature(person))
        other, blob = place.cast.signature(person)
        with pytest.raises(Refused, match="each token signs once"):
            await place.submit(other, blob)
        await place.step()
        with pytest.raises(Refused, match="each token signs once"):
            await place.submit(other, blob)

    run(story)


def test_two_requests_with_one_key_at_the_same_moment_give_one_promise(run):
    async def story(place: Place) -> None:
        person = place.cast.person()
        rivals = [place.cast.signature(person) for _ in range(4)]
        answers = await asyncio.gather(*(place.submit(*one) for one in rivals), return_exceptions=True)
        assert sum(not isinstance(answer, Exception) for answer in answers) == 1

    run(story)


def test_there_is_one_pending_entry_of_a_key_and_kind(run):
    async def story(place: Place) -> None:
        person = await place.sign("sealed", tier=1)
        place.clock.now += 24 * 3600
        await place.step()
        for tier, refused in ((2, False), (1, True)):
            envelope = place.cast.envelope(person, tier)
            condition = entries.Condition(key=person.key, tier=tier, blob=sha256(envelope))
            entry = place.cast.sign(condition, person.seed)
            if refused:
                with pytest.raises(Refused, match="on its way"):
                    await place.submit(entry, envelope)
            else:
                await place.submit(entry, envelope)

    run(story, deadline=1_900_000_000)


def test_who_signed_just_now_can_withdraw_but_not_change_until_the_signature_is_in(run):
    async def story(place: Place) -> None:
        person = await place.sign("sealed", tier=1)
        envelope = place.cast.envelope(person, 2)
        change = entries.Condition(key=person.key, tier=2, blob=sha256(envelope))
        with pytest.raises(Refused, match="when your receipt has its proof"):
            await place.submit(place.cast.sign(change, person.seed), envelope)
        await place.submit(place.cast.withdrawal(person))
        with pytest.raises(Refused, match="left the letter"):
            await place.submit(place.cast.sign(change, person.seed), envelope)
        await place.step(24 * 3600)
        assert place.kinds()[-2:] == ["signature", "withdrawal"]

    run(story, deadline=1_900_000_000)


def test_no_more_signatures_are_promised_than_tokens_issued(run):
    async def story(place: Place) -> None:
        await place.room.publish(place.cast.letter.data)
        for entry in place.cast.accept(issued=2):
            await place.submit(entry)
        await place.sign("anonymous")
        await place.sign("anonymous")
        with pytest.raises(Refused, match="tokens issued"):
            await place.sign("anonymous")

    run(story, published=False)


def test_signing_ends_a_margin_before_the_deadline(run):
    async def story(place: Place) -> None:
        place.clock.now = place.cast.letter.publication.deadline - 10
        with pytest.raises(Refused, match="about to close"):
            await place.sign()

    run(story)


def test_what_fails_is_not_kept(run):
    async def story(place: Place) -> None:
        person = place.cast.person()
        entry, blob = place.cast.signature(person)
        other = make_letter(seed=2, origin="letters.example.org/l/other")
        stranger = other.person()
        wrong = [
            (entry, None),
            (entry, b"{}"),
            (entry.replace(b'"v":1', b'"v":1 '), blob),
            (json.dumps(json.loads(entry), indent=1).encode(), blob),
            (entry + b" " * (65_536 - len(entry)), blob),
            (b"{}", None),
            other.signature(stranger),
            place.cast.signature(person, blob=to_jcs(place.cast.public_blob(stranger))),
            place.cast.signature(person, "sealed", tier=1, blob=place.cast.envelope(person, 2)),
            place.cast.signature(person, "sealed", tier=1, blob=place.cast.envelope(person, 1) + b"\0"),
        ]
        for bytes_, beside in wrong:
            with pytest.raises((Malformed, VerificationError)):
                await place.submit(bytes_, beside)
        assert len(place.room.log(SLUG).pending) == 0
        await place.submit(entry, blob)

    run(story)


def test_a_signature_for_the_same_letter_at_another_address_is_refused(run):
    async def story(place: Place) -> None:
        twin = make_letter(origin="letters.example.org/l/twin", policy=place.cast.letter.publication.policy)
        await place.room.publish(twin.letter.data)
        for entry in twin.accept():
            await place.room.submit("twin", entry)
        entry, blob = place.cast.signature(place.cast.person())
        with pytest.raises(VerificationError):
            await place.room.submit("twin", entry, blob=blob)

    run(story)


def test_a_letter_of_another_host_or_with_other_keys_is_not_published_here(run):
    async def story(place: Place) -> None:
        for other in (make_letter(origin="elsewhere.example.org/l/board"), make_letter(seed=2)):
            with pytest.raises(Refused):
                await place.room.publish(other.letter.data)
        await place.room.publish(place.cast.letter.data)
        with pytest.raises(Refused, match="already"):
            await place.room.publish(place.cast.letter.data)

    run(story, published=False)


def test_an_amendment_first_drains_what_was_promised(run):
    async def story(place: Place) -> None:
        for _ in range(3):
            await place.sign("anonymous")
        old = place.cast.letter.publication
        amendment = entries.Amendment(
            title=old.title,
            language="en",
            text="A new text.",
            addressee=old.addressee,
            demands=old.demands,
            pledge=old.pledge,
            summary="All of it.",
        )
        entry = place.cast.sign(amendment, place.cast.organizer)
        await place.submit(entry)
        await place.submit(entry)
        assert place.kinds()[-4:] == ["signature"] * 3 + ["amendment"]

    run(story)


def test_a_disk_that_fails_promises_nothing_and_the_log_goes_on_when_it_is_back(run, monkeypatch):
    async def story(place: Place) -> None:
        entry, blob = place.cast.signature(place.cast.person())
        real = place.room.storage.write

        def full(changes):
            raise Unavailable("the log could not write to its disk: try again later")

        place.room.writer._storage.write = full
        with pytest.raises(Unavailable):
            await place.submit(entry, blob)
        assert len(place.room.log(SLUG).pending) == 0
        statement = place.cast.sign(entries.Client(manifest=bytes(32)), place.cast.log)
        with pytest.raises(Unavailable):
            await place.submit(statement)
        place.room.writer._storage.write = real
        await place.step()
        await place.submit(entry, blob)
        await place.step()
        assert place.kinds()[-1] == "signature"
        await place.restart()
        assert place.kinds()[-1] == "signature"

    run(story)


def test_an_entry_that_was_kept_although_the_answer_was_lost_is_promised_to_the_same_bytes_and_goes_in_once(run):
    async def story(place: Place) -> None:
        person = place.cast.person()
        entry, blob = place.cast.signature(person)
        real = place.room.storage.write

        def lost(changes):
            real(changes)
            place.room.storage.write = real
            raise Unavailable("nobody knows")

        place.room.storage.write = lost
        with pytest.raises(Unavailable, match="nobody knows"):
            await place.submit(entry, blob)
        with pytest.raises(Unavailable, match="reading it again"):
            await place.submit(entry, blob)
        await place.room.tick()
        assert (await place.submit(entry, blob)).promise is not None
        with pytest.raises(Refused, match="each token signs once"):
            await place.submit(*place.cast.signature(person))
        await place.step()
        assert place.kinds().count("signature") == 1

    run(story)


def test_an_entry_of_a_kind_that_has_nothing_beside_it_takes_nothing_beside_it(run):
    async def story(place: Place) -> None:
        entry = place.cast.sign(entries.Client(manifest=bytes(32)), place.cast.log)
        with pytest.raises(Malformed):
            await place.submit(entry, b"{}")
        with pytest.raises(Malformed):
            await place.room.submit(SLUG, entry, opening_list=b"{}")

    run(story)


def test_a_lost_envelope_can_be_handed_in_again_from_the_receipt(run):
    async def story(place: Place) -> None:
        entry, blob = place.cast.signature(place.cast.person(), "sealed", tier=1)
        await place.submit(entry, blob)
        await place.step(24 * 3600)
        index = place.state.size - 1
        place.execute("DELETE FROM blobs")
        asked = await place.post_json("sealed", place.sealed_request(1, [index]))
        assert asked.json() == {"blobs": {}, "missing": [index]}
        with pytest.raises(UndersignedError):
            await place.submit(entry[:-1], blob)
        await place.submit(entry, blob)
        asked = await place.post_json("sealed", place.sealed_request(1, [index]))
        assert asked.json() == {"blobs": {str(index): text(blob)}, "missing": []}

    run(story, deadline=1_900_000_000)
