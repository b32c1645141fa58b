"""Rosters: read with line-exact messages, taken in whole or not at all, codes that nobody guesses."""

from pathlib import Path

import pytest

from support.registrar import STAFF, Bureau, files_hold
from undersigned.client.signing import Proof
from undersigned.errors import Malformed, Refused

BAD = Path(__file__).parent / "bad"
ROSTER_ALONE = {"id": 1, "attesters": ["roster"]}
SENTENCES = {
    "empty": "the roster has no rows",
    "header_alone": "the roster has no rows",
    "header_in_another_order": "line 1 must be name,title or name,title,address",
    "header_missing": "line 1 must be name,title or name,title,address",
    "semicolons": "line 1 must be name,title or name,title,address, with commas between",
    "header_without_address": "line 1 needs name,title,address",
    "utf16": "line 1 is not in UTF-8",
    "latin1_in_line_3": "line 3 is not in UTF-8",
    "line_3_same_address_spelled_otherwise": "line 3 is the same person as line 2",
    "line_3_has_a_column_too_many": "line 3 has 4 columns, and the header has 3",
    "line_3_is_empty": "line 3 has 0 columns, and the header has 3",
    "line_2_has_no_name": "line 2: the name is empty",
    "line_2_name_ends_in_a_space": "line 2: the name has a space",
    "line_2_name_of_201_bytes": "line 2: the name is 201 bytes long",
    "line_2_title_of_201_bytes": "line 2: the title is 201 bytes long",
    "line_2_name_not_nfc": "line 2: the name is not in Unicode's composed form",
    "line_2_name_with_direction_change": "line 2: the name holds an invisible",
    "line_2_name_over_two_lines": "line 2: the name holds an invisible",
    "line_3_title_over_two_lines": "line 3: the title holds an invisible",
    "line_2_name_with_zero_byte": "line 2",
    "line_2_quote_never_closed": "line 2 is not CSV",
    "line_2_quote_inside": "line 2 is not CSV",
    "line_2_without_address": "line 2: this is not a mail address",
    "line_2_address_is_none": "line 2: this is not a mail address",
    "line_2_address_with_two": "line 2: this is not a mail address",
    "line_3_same_name_and_title_without_addresses.roster_only": "line 3 is the same person as line 2",
}


@pytest.fixture
def bureau(tmp_path: Path) -> Bureau:
    bureau = Bureau(tmp_path)
    bureau.publish()
    return bureau


@pytest.mark.parametrize("name", sorted(SENTENCES))
def test_a_bad_roster_is_refused_with_its_line_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    bureau = Bureau(tmp_path)
    bureau.publish(ROSTER_ALONE if name.endswith("roster_only") else STAFF)
    data = (BAD / f"{name}.csv").read_bytes()
    with pytest.raises(Malformed) as refusal:
        bureau.room.import_roster(data, slug="board", class_id=1)
    assert str(refusal.value).startswith(SENTENCES[name])
    assert not any(word in str(refusal.value) for word in ("Ada", "Bob", "ada@", "bob@", "Fellow"))
    assert bureau.room._office.storage.on_roster(bureau.letter.lid, 1) == frozenset()


def test_every_bad_roster_has_its_sentence() -> None:
    assert {path.name.removesuffix(".csv") for path in BAD.iterdir()} == set(SENTENCES)


def test_a_roster_saved_by_a_spreadsheet_with_a_mark_and_carriage_returns_is_read(bureau: Bureau) -> None:
    data = '\ufeffname,title,address\r\n"Example, Ada","""Chief"" fellow",ada@example.org\r\n'.encode()
    [(member, code)] = bureau.room.import_roster(data, slug="board", class_id=1)
    assert (member.name, member.title, member.address) == ("Example, Ada", '"Chief" fellow', "ada@example.org")
    told = bureau.ask("board/attest", {"class": 1, "attester": "roster", "code": code})
    assert told == {"name": "Example, Ada", "title": '"Chief" fellow'}


def test_two_people_of_one_name_and_title_need_two_addresses(bureau: Bureau) -> None:
    assert len(bureau.roster("Ada Example,Fellow,ada@example.org", "Ada Example,Fellow,ada2@example.org")) == 2


def test_a_second_roster_adds_people_and_nobody_twice(bureau: Bureau) -> None:
    bureau.roster("Ada Example,Fellow,ada@example.org")
    with pytest.raises(Refused, match="line 3: this person is on the roster already"):
        bureau.roster("Bob Example,Fellow,bob@example.org", "Ada Example,Fellow,Ada@example.org")
    bureau.roster("Bob Example,Fellow,bob@example.org")
    assert len(bureau.room._office.storage.on_roster(bureau.letter.lid, 1)) == 2


def test_a_roster_has_no_more_people_than_the_letter_says_may_sign(tmp_path: Path) -> None:
    bureau = Bureau(tmp_path)
    bureau.publish(eligible=2)
    with pytest.raises(Refused, match="the roster would have 3 people, and the letter says 2 may sign"):
        bureau.roster(*(f"Person {number},Fellow,p{number}@example.org" for number in range(3)))


def test_a_class_without_roster_takes_none(bureau: Bureau) -> None:
    with pytest.raises(Refused, match="another way to show"):
        bureau.roster("Ada Example,Fellow,ada@example.org", class_id=2)


def test_a_roster_code_has_26_characters_in_groups_and_is_different_for_everybody(bureau: Bureau) -> None:
    rows = [f"Person {number},Fellow,p{number}@example.org" for number in range(50)]
    codes = [code for _, code in bureau.roster(*rows)]
    assert len(set(codes)) == 50
    assert {tuple(map(len, code.split("-"))) for code in codes} == {(5, 5, 5, 5, 6)}


def test_neither_codes_nor_names_of_a_roster_stand_in_any_file(bureau: Bureau) -> None:
    [(_, code)] = bureau.roster("Ada Lovelace,Countess,ada@lovelace.example")
    words = [b"Lovelace", b"Countess", code.encode(), code.replace("-", "").encode()]
    assert files_hold(bureau.folder, words) == []


def test_a_wrong_roster_code_is_refused(bureau: Bureau) -> None:
    [(_, code)] = bureau.roster("Ada Example,Fellow,ada@example.org")
    changed = ("1" if code[-1] != "1" else "2").join([code[:-1], ""])
    with pytest.raises(Refused, match="no row of the roster has this code"):
        bureau.ask("board/attest", {"class": 1, "attester": "roster", "code": changed})


def test_a_roster_code_is_not_asked_for_by_mail(bureau: Bureau) -> None:
    with pytest.raises(Refused, match="comes from the organizers"):
        bureau.ask("board/begin", {"class": 1, "attester": "roster", "address": "ada@example.org"})


def test_without_addresses_name_and_title_make_the_person(tmp_path: Path) -> None:
    bureau = Bureau(tmp_path)
    bureau.publish(ROSTER_ALONE, {"id": 2, "attesters": ["roster"]}, namespace="roster")
    [(_, staff)] = bureau.roster("Ada Example,Director", header="name,title")
    [(_, band)] = bureau.roster("Ada Example,Director", header="name,title", class_id=2)
    bureau.right(bureau.attempt(name="Ada Example", title="Director"), Proof(attester="roster", code=staff))
    attempt = bureau.attempt(class_id=2, name="Ada Example", title="Director")
    with pytest.raises(Refused, match="a token was given to you before"):
        bureau.right(attempt, Proof(attester="roster", code=band))
