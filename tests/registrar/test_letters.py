"""A letter comes to the registrar: keys for the draft, entry 0 that names just these, the first entries in the log."""

import os
from pathlib import Path

import pytest

from support.letters import MemoryLog, make_letter
from support.registrar import FRIENDS, PUBLISH_CODE, STAFF, Bureau, cast_for
from undersigned.client.source import b64
from undersigned.errors import Malformed, Refused, Unavailable


def publish(bureau: Bureau, draft: str) -> object:
    return bureau.ask(f"letters/{draft}/publication", {"entry": b64(bureau.letter.data)}, publish_code=PUBLISH_CODE)


def test_a_published_letter_has_the_registrars_word_and_a_first_bound_for_each_class(tmp_path: Path) -> None:
    bureau = Bureau(tmp_path)
    letter = bureau.publish(eligible=770)
    assert bureau.kinds() == ["publication", "registrar", "issuance", "issuance"]
    assert bureau.log is not None
    assert bureau.log.state.issued == {(1, 1): 39, (1, 2): 39}
    assert [path.name for path in (tmp_path / "keys").iterdir()] == [letter.lid.hex()]


def test_keys_and_database_are_for_the_owner_alone(tmp_path: Path) -> None:
    bureau = Bureau(tmp_path)
    bureau.publish()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {"k1", "k2", "column", "issuer-1", "issuer-2", "registrar.sqlite"}
    assert {oct(path.stat().st_mode & 0o777) for path in files} == {"0o600"}
    assert {oct(path.stat().st_mode & 0o777) for path in tmp_path.rglob("*") if path.is_dir()} == {"0o700"}


@pytest.mark.parametrize("path", ["letters", "letters/" + "0" * 32 + "/publication"])
def test_nobody_publishes_without_the_publish_code(tmp_path: Path, path: str) -> None:
    bureau = Bureau(tmp_path)
    for wrong in ("", "another", PUBLISH_CODE + "x", "ä"):
        status, _ = bureau.raw(path, {"slug": "board", "classes": [STAFF]}, publish_code=wrong)
        assert status == 403


def test_entry_0_must_name_just_the_keys_made_for_it(tmp_path: Path) -> None:
    bureau = Bureau(tmp_path)
    draft, issuers = bureau.draft(STAFF, FRIENDS)
    _, others = bureau.draft(STAFF, FRIENDS)
    wrong = {
        "does not name just the issuer keys": cast_for(
            [STAFF, FRIENDS], {**issuers, 2: others[2]}, eligible=9, namespace="m"
        ),
        "does not name just": cast_for([STAFF], issuers, eligible=9, namespace="m"),
        "another slug": cast_for(
            [STAFF, FRIENDS], issuers, eligible=9, namespace="m", origin="letters.example.org/l/other"
        ),
        "other attesters": cast_for([STAFF, {**FRIENDS, "attesters": ["open"]}], issuers, eligible=9, namespace="m"),
    }
    for sentence, cast in wrong.items():
        bureau.log = MemoryLog(cast=cast)
        with pytest.raises(Refused, match=sentence):
            publish(bureau, draft)
    bureau.log = MemoryLog(cast=cast_for([STAFF, FRIENDS], issuers, eligible=9, namespace="m"))
    publish(bureau, draft)


def test_the_number_of_eligible_people_is_the_one_the_draft_gave(tmp_path: Path) -> None:
    bureau = Bureau(tmp_path)
    with pytest.raises(Refused, match="another number of eligible people"):
        bureau.publish({**STAFF, "eligible": 50}, eligible=60)


def test_a_letter_of_another_registrar_is_refused(tmp_path: Path) -> None:
    bureau = Bureau(tmp_path)
    draft, _ = bureau.draft(STAFF)
    bureau.log = MemoryLog(cast=make_letter())
    with pytest.raises(Refused, match="does not name this registrar's key"):
        publish(bureau, draft)


def test_publication_is_finished_later_when_the_log_was_away(tmp_path: Path) -> None:
    bureau = Bureau(tmp_path)
    draft, issuers = bureau.draft(STAFF, FRIENDS)
    bureau.log = MemoryLog(cast=cast_for([STAFF, FRIENDS], issuers, eligible=100, namespace="mail"))
    bureau.down = True
    with pytest.raises(Unavailable):
        publish(bureau, draft)
    status, _ = bureau.raw("board/begin", {"class": 1, "attester": "e-mail", "address": "ada@example.org"})
    assert status == 404
    bureau.room.close()
    bureau.open()
    bureau.down = False
    for _ in range(2):
        assert publish(bureau, draft) == {"lid": bureau.letter.lid.hex(), "registrar": 1}
    assert bureau.kinds() == ["publication", "registrar", "issuance", "issuance"]
    bureau.code_for("ada@example.org")


def test_a_stop_between_renaming_the_keys_and_remembering_the_letter_is_mended(tmp_path: Path) -> None:
    bureau = Bureau(tmp_path)
    draft, issuers = bureau.draft(STAFF)
    bureau.log = MemoryLog(cast=cast_for([STAFF], issuers, eligible=100, namespace="mail"))
    os.rename(tmp_path / "keys" / draft, tmp_path / "keys" / bureau.letter.lid.hex())
    publish(bureau, draft)
    bureau.code_for("ada@example.org")


def test_one_slug_is_one_letter(tmp_path: Path) -> None:
    bureau = Bureau(tmp_path)
    bureau.publish(STAFF)
    with pytest.raises(Refused, match="a letter of this name already"):
        bureau.publish(STAFF)


@pytest.mark.parametrize(
    ("draft", "sentence"),
    [
        ({"slug": "Board", "classes": [STAFF]}, "a slug has small letters"),
        ({"slug": "board", "classes": []}, "one class or more"),
        ({"slug": "board", "classes": [STAFF, STAFF]}, "each once"),
        ({"slug": "board", "classes": [{"id": 1, "attesters": []}]}, "attesters that this registrar offers"),
        ({"slug": "board", "classes": [{"id": 1, "attesters": ["dkim"]}]}, "attesters that this registrar offers"),
        ({"slug": "board", "classes": [{"id": 1, "attesters": ["e-mail"]}]}, "name the mail domains"),
        ({"slug": "board", "classes": [{**STAFF, "domains": ["@example.org"]}]}, "must look like example.org"),
        ({"slug": "board", "classes": [{**STAFF, "id": 0}]}, "does not have the form"),
        ({"slug": "board", "classes": [{**STAFF, "more": 1}]}, "does not have the form"),
        ([], "does not have the form"),
    ],
)
def test_a_draft_that_cannot_work_is_refused(tmp_path: Path, draft: object, sentence: str) -> None:
    with pytest.raises(Malformed, match=sentence):
        Bureau(tmp_path).ask("letters", draft, publish_code=PUBLISH_CODE)


def test_an_unknown_letter_or_draft_is_not_found(tmp_path: Path) -> None:
    bureau = Bureau(tmp_path)
    bureau.publish(STAFF)
    entry = {"entry": b64(bureau.letter.data)}
    assert bureau.raw("other/begin", {"class": 1, "attester": "e-mail", "address": "ada@example.org"})[0] == 404
    assert bureau.raw("letters/" + "0" * 32 + "/publication", entry, publish_code=PUBLISH_CODE)[0] == 404
