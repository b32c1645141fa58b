"""From a code to the right to sign, once per person; the log's rules and the client's checks judge every step."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from support.letters import START
from support.registrar import FRIENDS, STAFF, Bureau, Postbox, request_body
from undersigned.client.signing import Proof, Right
from undersigned.client.source import b64
from undersigned.errors import Malformed, Refused, Unavailable
from undersigned.protocol import blob as blobs
from undersigned.protocol import entry as entries
from undersigned.protocol.encoding import sha256, to_jcs
from undersigned.protocol.token import verify_token


@pytest.fixture
def bureau(tmp_path: Path) -> Bureau:
    bureau = Bureau(tmp_path)
    bureau.publish()
    return bureau


def sign(bureau: Bureau, right: Right) -> int:
    """Put a public signature into the log, which checks all of it."""
    assert bureau.log is not None
    assert right.attempt.card is not None
    blob = blobs.PublicBlob(card=right.attempt.card, r=right.attempt.r, identities=list(right.identities))
    entry = entries.Signature(
        text_hash=bureau.letter.text_hash,
        class_=right.attempt.class_id,
        mode="public",
        tier=0,
        key=right.attempt.key,
        tokens=list(right.tokens),
        blob=sha256(to_jcs(blob)),
    )
    data = to_jcs(blob)
    blobs.verify_public_blob(data, letter=bureau.letter, class_id=right.attempt.class_id, key=right.attempt.key)
    return bureau.log.append(bureau.log.cast.sign(entry, right.attempt.seed), data)


def test_a_member_gets_a_code_by_mail_a_token_and_a_certificate_and_signs(bureau: Bureau) -> None:
    proof = bureau.code_for("Ada.Lovelace@Example.org")
    assert bureau.ask("board/attest", {"class": 1, **proof.fields()}) == {"name": "", "title": ""}
    right = bureau.right(bureau.attempt(name="Ada Lovelace", title="Countess"), proof)
    issuer = bureau.letter.issuing[1][0].key
    verify_token(right.tokens[0], issuer=issuer, lid=bureau.letter.lid, class_id=1, key=right.attempt.key)
    assert (right.identities[0].method, right.identities[0].attested) == (1, 0)
    sign(bureau, right)


def test_somebody_on_the_roster_signs_with_the_name_the_roster_has(bureau: Bureau) -> None:
    [(member, code)] = bureau.roster("Grace Hopper,Rear admiral,grace@example.org")
    proof = Proof(attester="roster", code=code.lower().replace("-", " "))
    told = bureau.ask("board/attest", {"class": 1, **proof.fields()})
    assert told == {"name": "Grace Hopper", "title": "Rear admiral"} == {"name": member.name, "title": member.title}
    right = bureau.right(bureau.attempt(name="Grace Hopper", title="Rear admiral"), proof)
    assert (right.identities[0].method, right.identities[0].attested) == (2, 3)
    sign(bureau, right)


def test_a_name_the_roster_does_not_have_is_never_attested(bureau: Bureau) -> None:
    [(_, code)] = bureau.roster("Grace Hopper,Rear admiral,grace@example.org")
    with pytest.raises(Refused, match="just as the roster has them"):
        bureau.right(bureau.attempt(name="The Board", title="Rear admiral"), Proof(attester="roster", code=code))
    bureau.right(bureau.attempt(name="Grace Hopper", title="Rear admiral"), Proof(attester="roster", code=code))


def test_a_card_that_is_not_the_one_hashed_is_refused(bureau: Bureau) -> None:
    [(_, code)] = bureau.roster("Grace Hopper,Rear admiral,grace@example.org")
    attempt = bureau.attempt(name="Grace Hopper", title="Rear admiral")
    assert attempt.card is not None
    body = request_body(attempt, Proof(attester="roster", code=code))
    body["card_hash"] = b64(bytes([1]) * 32)
    body["card"] = {"name": "Grace Hopper", "title": "Rear admiral", "salt": b64(attempt.card.salt)}
    with pytest.raises(Malformed, match="whose hash was sent"):
        bureau.ask("board/token", body)


def test_the_registrar_does_not_take_a_card_it_must_not_see(bureau: Bureau) -> None:
    attempt = bureau.attempt(name="Ada")
    assert attempt.card is not None
    body = request_body(attempt, bureau.code_for("ada@example.org"))
    body["card"] = {"name": "Ada", "title": "", "salt": b64(attempt.card.salt)}
    with pytest.raises(Malformed, match="must not see"):
        bureau.ask("board/token", body)


def test_an_anonymous_signatory_gets_a_token_and_no_certificate(bureau: Bureau) -> None:
    right = bureau.right(bureau.attempt(mode="anonymous"), bureau.code_for("ada@example.org"))
    assert len(right.tokens) == 1
    assert right.identities == ()


def test_the_same_request_gets_the_same_answer_even_days_later(bureau: Bureau) -> None:
    attempt = bureau.attempt()
    proof = bureau.code_for("ada@example.org")
    body = request_body(attempt, proof)
    first = bureau.ask("board/token", body)
    assert bureau.ask("board/token", body) == first
    bureau.now += 3 * 86_400
    bureau.room.close()
    bureau.open()
    again = request_body(attempt, bureau.code_for("ada@example.org"))
    assert bureau.ask("board/token", again) == first


@pytest.mark.parametrize("class_id", [1, 2])
def test_another_request_of_the_same_person_is_refused_in_every_class(bureau: Bureau, class_id: int) -> None:
    bureau.roster("Ada,Fellow,ada@friends.example")
    bureau.right(bureau.attempt(), bureau.code_for("ada@friends.example"))
    with pytest.raises(Refused, match="a token was given to you before"):
        bureau.right(bureau.attempt(class_id=class_id), bureau.code_for("ada@friends.example", class_id))


def test_mail_and_roster_lead_to_the_same_person(bureau: Bureau) -> None:
    [(_, code)] = bureau.roster("Ada,Fellow,ada@example.org")
    bureau.right(bureau.attempt(), bureau.code_for("Ada@example.org"))
    with pytest.raises(Refused, match="a token was given to you before"):
        bureau.right(bureau.attempt(name="Ada", title="Fellow"), Proof(attester="roster", code=code))


def test_a_blinded_message_that_is_none_spends_nothing(bureau: Bureau) -> None:
    proof = bureau.code_for("ada@example.org")
    attempt = bureau.attempt()
    with pytest.raises(Malformed):
        bureau.right(replace(attempt, blinded=(b"\xff" * 256,)), proof)
    bureau.right(attempt, proof)


def test_a_code_for_one_class_gives_no_token_of_another(bureau: Bureau) -> None:
    proof = bureau.code_for("ada@friends.example", class_id=2)
    with pytest.raises(Refused, match="another class"):
        bureau.right(bureau.attempt(class_id=1), proof)


def test_of_many_requests_of_one_person_at_once_one_wins(bureau: Bureau) -> None:
    proof = bureau.code_for("ada@example.org")
    bodies = [request_body(bureau.attempt(), proof) for _ in range(10)]

    async def at_once() -> list[int]:
        return [status for status, _ in await asyncio.gather(*(bureau.call("board/token", body) for body in bodies))]

    assert sorted(asyncio.run(at_once())) == [200] + [409] * 9


def test_770_people_from_one_address_get_in(tmp_path: Path) -> None:
    bureau = Bureau(tmp_path)
    bureau.publish(eligible=770)
    attempt = bureau.attempt(mode="anonymous")

    async def everybody() -> list[int]:
        people = [f"person{number}@example.org" for number in range(770)]
        asked = [bureau.call("board/begin", {"class": 1, "attester": "e-mail", "address": who}) for who in people]
        tabs = {who: answer["tab"] for who, (_, answer) in zip(people, await asyncio.gather(*asked), strict=True)}
        while await bureau.room.send_mail():
            pass
        assert isinstance(bureau.mail, Postbox)
        codes = {mail.to: mail.code for mail in bureau.mail.mails}
        bodies = [request_body(attempt, Proof(attester="e-mail", code=codes[who], tab=tabs[who])) for who in people]
        return [status for status, _ in await asyncio.gather(*(bureau.call("board/token", body) for body in bodies))]

    assert asyncio.run(everybody()) == [200] * 770
    assert bureau.log is not None
    assert bureau.log.state.issued[1, 1] == 770
    with pytest.raises(Refused, match="as many tokens have been issued as people may sign"):
        bureau.right(bureau.attempt(), bureau.code_for("one.more@example.org"))


def test_the_log_knows_the_bound_before_a_token_goes_out_and_learns_it_in_steps(tmp_path: Path) -> None:
    bureau = Bureau(tmp_path)
    bureau.publish(eligible=25)
    assert bureau.log is not None
    bounds = []
    for number in range(25):
        bureau.right(bureau.attempt(mode="anonymous"), bureau.code_for(f"p{number}@example.org"))
        bounds.append(bureau.log.state.issued[1, 1])
    assert bounds == [10] * 10 + [20] * 10 + [25] * 5


def test_no_token_goes_out_while_the_log_does_not_answer(tmp_path: Path) -> None:
    bureau = Bureau(tmp_path)
    bureau.publish(eligible=25)
    for number in range(10):
        bureau.right(bureau.attempt(mode="anonymous"), bureau.code_for(f"p{number}@example.org"))
    attempt, proof = bureau.attempt(), bureau.code_for("ada@example.org")
    bureau.down = True
    with pytest.raises(Unavailable):
        bureau.right(attempt, proof)
    bureau.down = False
    bureau.right(attempt, proof)


def test_a_bound_whose_answer_was_lost_is_not_raised_twice(tmp_path: Path) -> None:
    bureau = Bureau(tmp_path)
    bureau.publish(eligible=25)
    for number in range(10):
        bureau.right(bureau.attempt(mode="anonymous"), bureau.code_for(f"p{number}@example.org"))
    attempt, proof = bureau.attempt(), bureau.code_for("ada@example.org")
    assert bureau.log is not None
    take = bureau.log.append

    def take_and_lose_the_answer(data: bytes) -> int:
        take(data)
        raise Unavailable("the line broke")

    bureau.log.append = take_and_lose_the_answer  # type: ignore[assignment, method-assign]
    with pytest.raises(Unavailable):
        bureau.right(attempt, proof)
    bureau.log.append = take  # type: ignore[method-assign]
    bureau.right(attempt, proof)
    assert bureau.log.state.issued[1, 1] == 20


def test_nobody_gets_a_token_after_the_deadline(bureau: Bureau) -> None:
    bureau.now = bureau.letter.publication.deadline
    with pytest.raises(Refused, match="the letter is closed"):
        bureau.right(bureau.attempt(), bureau.code_for("ada@example.org"))


def test_nobody_gets_a_token_after_closing(bureau: Bureau) -> None:
    bureau.room.closed_at(bureau.letter.lid, START)
    with pytest.raises(Refused, match="the letter is closed"):
        bureau.right(bureau.attempt(), bureau.code_for("ada@example.org"))


def test_an_open_class_takes_every_mailbox_and_says_so_in_the_certificate(tmp_path: Path) -> None:
    bureau = Bureau(tmp_path)
    bureau.publish(STAFF, {"id": 2, "attesters": ["open"]})
    right = bureau.right(bureau.attempt(class_id=2), bureau.code_for("anybody@anywhere.example", 2, "open"))
    assert (right.identities[0].method, right.identities[0].attested) == (6, 0)


def test_a_code_asked_for_as_open_is_no_proof_of_membership(tmp_path: Path) -> None:
    bureau = Bureau(tmp_path)
    both = {"id": 1, "attesters": ["e-mail", "open"], "domains": ["example.org"]}
    bureau.publish(both, FRIENDS)
    proof = bureau.code_for("anybody@anywhere.example", 1, "open")
    with pytest.raises(Refused, match="no longer valid"):
        bureau.right(bureau.attempt(), replace(proof, attester="e-mail"))
