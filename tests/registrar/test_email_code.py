"""Codes by e-mail: typed into the tab that asked, hard to guess, and silent about who is a member."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from support.registrar import Bureau, Postbox
from undersigned.client.signing import Proof
from undersigned.errors import Malformed, Refused
from undersigned.registrar.attesters.email_code import CODE_BYTES
from undersigned.registrar.codes import write_code


@pytest.fixture
def bureau(tmp_path: Path) -> Bureau:
    bureau = Bureau(tmp_path)
    bureau.publish()
    return bureau


def attest(bureau: Bureau, proof: Proof) -> object:
    return bureau.ask("board/attest", {"class": 1, **proof.fields()})


def begin(bureau: Bureau, address: str) -> tuple[int, dict[str, str]]:
    return bureau.raw("board/begin", {"class": 1, "attester": "e-mail", "address": address})


def test_a_code_has_40_bits_and_is_read_however_it_is_typed(bureau: Bureau) -> None:
    proof = bureau.code_for("ada@example.org")
    assert len(proof.code) == 9
    for typed in (proof.code.lower(), proof.code.replace("-", ""), f" {proof.code.replace('-', ' – ')} "):
        attest(bureau, replace(proof, code=typed))
    attest(bureau, replace(proof, code=proof.code.replace("0", "o").replace("1", "l")))
    attest(bureau, replace(proof, code=proof.code.replace("0", "O").replace("1", "I")))


def test_the_fifth_wrong_code_ends_the_tab_even_for_the_right_one(bureau: Bureau) -> None:
    proof = bureau.code_for("ada@example.org")
    wrong = replace(proof, code="ZZZZ-ZZZZ")
    for _ in range(5):
        with pytest.raises(Refused, match="not the code"):
            attest(bureau, wrong)
    with pytest.raises(Refused, match="too many wrong codes"):
        attest(bureau, proof)
    attest(bureau, bureau.code_for("ada@example.org"))


def test_a_stranger_who_guesses_in_another_tab_takes_no_tries_away(bureau: Bureau) -> None:
    mine = bureau.code_for("ada@example.org")
    theirs = bureau.code_for("ada@example.org")
    for _ in range(6):
        with pytest.raises(Refused):
            attest(bureau, replace(theirs, code="ZZZZ-ZZZZ"))
    attest(bureau, mine)


def test_what_cannot_be_a_code_costs_no_try(bureau: Bureau) -> None:
    proof = bureau.code_for("ada@example.org")
    for typed in ("", "ABCD", "UUUU-UUUU", "ABCD-EFGH-J", "ÄBCD-EFGH"):
        for _ in range(2):
            with pytest.raises(Malformed, match="8 letters and digits"):
                attest(bureau, replace(proof, code=typed))
    attest(bureau, proof)


def test_a_code_lives_for_15_minutes(bureau: Bureau) -> None:
    proof = bureau.code_for("ada@example.org")
    bureau.now += 15 * 60 - 1
    attest(bureau, proof)
    bureau.now += 1
    with pytest.raises(Refused, match="no longer valid"):
        attest(bureau, proof)


def test_a_code_counts_only_in_the_tab_that_asked(bureau: Bureau) -> None:
    proof = bureau.code_for("ada@example.org")
    other = bureau.code_for("grace@example.org")
    with pytest.raises(Refused, match="not the code"):
        attest(bureau, replace(proof, tab=other.tab))
    with pytest.raises(Refused, match="another page asked"):
        attest(bureau, replace(proof, tab="0" * 32))
    with pytest.raises(Malformed, match="into the page that asked"):
        attest(bureau, replace(proof, tab=None))


def test_three_codes_a_day_go_to_one_mailbox_however_it_is_spelled(bureau: Bureau) -> None:
    for address in ("ada@example.org", "Ada@example.org", "ADA@EXAMPLE.ORG"):
        assert begin(bureau, address)[0] == 200
    status, answer = begin(bureau, "ada@example.org")
    assert status == 409
    assert "use the newest one" in answer["detail"]
    assert begin(bureau, "grace@example.org")[0] == 200
    bureau.now += 86_400
    assert begin(bureau, "ada@example.org")[0] == 200


def test_a_member_and_a_stranger_get_the_same_answers_all_the_way(bureau: Bureau) -> None:
    def story(address: str) -> list[tuple[int, object]]:
        status, answer = begin(bureau, address)
        tab = answer.pop("tab")
        assert len(tab) == 32
        found: list[tuple[int, object]] = [(status, answer)]
        for code in ["ZZZZ-ZZZZ"] * 6 + ["nonsense!"]:
            body = {"class": 1, "attester": "e-mail", "tab": tab, "code": code}
            found.append(bureau.raw("board/attest", body))
        return found + [(status, set(answer)) for status, answer in (begin(bureau, address) for _ in range(4))]

    member = story("ada@example.org")
    assert story("mallory@elsewhere.example") == member
    assert [status for status, _ in member][:2] == [200, 409]
    asyncio.run(bureau.room.send_mail())
    assert isinstance(bureau.mail, Postbox)
    assert {mail.to for mail in bureau.mail.mails} == {"ada@example.org"}


def test_an_address_on_the_roster_is_a_member_whatever_its_domain(bureau: Bureau) -> None:
    bureau.roster("Ada,Fellow,ada@home.example")
    attest(bureau, bureau.code_for("Ada@home.example"))
    with pytest.raises(Refused, match="not the code"):
        attest(bureau, bureau.code_for("eve@home.example"))


def test_a_strangers_code_that_was_never_sent_opens_nothing(bureau: Bureau) -> None:
    start = bureau.rng.getstate()
    _, answer = begin(bureau, "mallory@elsewhere.example")
    drawn = bureau.rng.getstate()
    codes = set()
    for skipped in range(64):  # wherever in what was drawn the code stood
        bureau.rng.setstate(start)
        bureau.rng.randbytes(4 * skipped)
        codes.add(write_code(bureau.rng.randbytes(CODE_BYTES)))
    bureau.rng.setstate(drawn)
    place = bureau.room._letters.desk("board").column
    row = bureau.room._office.storage.code(place.lookup("tab e-mail", answer["tab"].encode()))
    assert row is not None
    [code] = [one for one in codes if place.lookup("code", row.tab, one.encode()) == row.code]
    with pytest.raises(Refused, match="not the code"):
        attest(bureau, Proof(attester="e-mail", code=code, tab=answer["tab"]))


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ada",
        "@example.org",
        "ada@",
        "ada@example",
        "ada@@example.org",
        "ada@exam ple.org",
        "ada@example.org\r\nBcc: eve@example.org",
        "ada@example.org, eve@example.org",
        "Ada <ada@example.org>",
        '"a b"@example.org',
        "a..b@example.org",
        ".a@example.org",
        "ada@-example.org",
        "ada@example.org.",
        "ada@[127.0.0.1]",
        "ädä@example.org",
        "ada@exämple.org",
        "a" * 65 + "@example.org",
        "ada@" + "a." * 130 + "org",
        "ada+letters@example.org",
    ],
)
def test_what_is_no_plain_address_gets_no_mail_and_a_sentence(bureau: Bureau, address: str) -> None:
    status, answer = begin(bureau, address)
    assert status == 400
    assert "mail address" in answer["detail"]
    assert "ada" not in answer["detail"]
    asyncio.run(bureau.room.send_mail())
    assert isinstance(bureau.mail, Postbox)
    assert bureau.mail.mails == []


def test_mail_waits_for_a_server_that_is_away(bureau: Bureau) -> None:
    assert isinstance(bureau.mail, Postbox)
    bureau.mail.is_open = False
    assert bureau.code_for("ada@example.org").code == "0000-0000"
    bureau.mail.is_open = True
    asyncio.run(bureau.room.send_mail())
    assert bureau.mail.mails == []
    bureau.now += 20
    asyncio.run(bureau.room.send_mail())
    asyncio.run(bureau.room.send_mail())
    assert [mail.to for mail in bureau.mail.mails] == ["ada@example.org"]
