"""`undersigned try`, small: the same stories with fewer people, as a machine would run them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from undersigned.protocol.receipt import read_receipt, verify_receipt
from undersigned.story.failure import search


def tell(*words: str) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-m", "undersigned", "try", "--json", "--no-serve", *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert isinstance(told, dict)
    return told


@pytest.fixture(scope="module")
def monday(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, object], Path]:
    out = tmp_path_factory.mktemp("monday")
    return tell("--signatories", "110", "--seed", "7", "--out", str(out)), out


def test_on_that_monday_the_tiers_are_opened_by_four_trustees_and_the_liar_is_named(monday):
    told, _ = monday
    verdict = told["verdict"]
    assert verdict["ok"]
    assert told["liars"] == [2]
    assert all(tier["opened"] > 0 for tier in verdict["tiers"])
    assert verdict["modes"]["sealed"] == 0


def test_on_that_monday_every_garbage_envelope_is_dropped_and_every_doubt_counted(monday):
    told, _ = monday
    verdict = told["verdict"]
    assert verdict["dropped"] == 3
    assert verdict["withdrawn"] == 1
    assert verdict["removed"] == 1
    assert told["double_signatures_refused"] == 1
    assert told["flipped_byte_refused"]


def test_on_that_monday_a_stranger_can_check_the_dossier_and_a_receipt(monday):
    told, out = monday
    again = subprocess.run(
        [sys.executable, "-m", "undersigned", "verify", str(out / "letter.dossier"), "--json"],
        capture_output=True,
        check=True,
    )
    assert json.loads(again.stdout) == told["verdict"]
    _, checkpoint = verify_receipt(read_receipt((out / "receipt.json").read_bytes()))
    assert checkpoint is not None


def test_where_the_number_is_not_reached_no_name_is_opened_and_none_is_left_on_the_disk(tmp_path):
    told = tell("--story", "failure", "--signatories", "60", "--out", str(tmp_path))
    verdict = told["verdict"]
    assert verdict["ok"]
    assert verdict["opened"] == 0
    assert verdict["modes"]["sealed"] == told["sealed"] > 0
    assert told["names_found"] == 0
    assert told["names_searched"] > 40


def test_the_thief_finds_a_name_where_there_is_one(tmp_path):
    (tmp_path / "some.sqlite").write_bytes(b"\0\1" + "Zoë Çelik".encode() + b"\0")
    assert search(tmp_path, ["Zoë Çelik", "Nobody"]) == ({"Zoë Çelik"}, 1)
