"""`undersigned letter new` and `check`: a file that is begun, written, and complained about by the line."""

import json
import stat
from pathlib import Path

import pytest

from support.terminal import Terminal

BAD = Path(__file__).parents[1] / "draft_bad"
GOOD = Path(__file__).parents[1] / "draft_good"


@pytest.mark.parametrize("title", ["To the board", 'To: the "board" #1', "致董事会", "No", "[ACME]", "- x"])
def test_a_letter_file_that_was_just_begun_is_a_letter(undersigned: Terminal, tmp_path: Path, title: str) -> None:
    path = tmp_path / "letter.md"
    done = undersigned("letter", "new", path, "--title", title)
    assert (done.code, done.err) == (0, "")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    done = undersigned("letter", "check", path)
    assert done.code == 0
    assert done.out.splitlines()[0] == title
    assert "still without a key: First trustee" in done.out
    assert done.out.endswith("This file is a letter.\n")


def test_a_file_that_is_there_is_not_written_over(undersigned: Terminal, tmp_path: Path) -> None:
    path = tmp_path / "letter.md"
    path.write_text("mine")
    done = undersigned("letter", "new", path, "--title", "To the board")
    assert (done.code, "exists already" in done.sentence) == (1, True)
    assert path.read_text() == "mine"


@pytest.mark.parametrize("name", ["unknown_field.line_9", "tiers_descending.line_18", "latin1.line_2"])
def test_a_complaint_names_file_and_line(undersigned: Terminal, name: str) -> None:
    path, line = BAD / f"{name}.md", name.rsplit("_", 1)[1]
    done = undersigned("letter", "check", path)
    assert done.code == 1
    assert done.sentence.startswith(f"{path}:{line}: ")
    told = json.loads(undersigned("letter", "check", path, "--json").out)
    assert told["ok"] is False
    assert [one["line"] for one in told["complaints"]] == [int(line)]
    assert done.sentence.endswith(told["complaints"][0]["what"])


def test_a_good_file_has_no_complaints_for_machines(undersigned: Terminal) -> None:
    done = undersigned("letter", "check", GOOD / "many_scripts.md", "--json")
    assert (done.code, json.loads(done.out)) == (0, {"ok": True, "complaints": []})


def test_a_file_that_is_not_there_or_far_too_long_is_one_sentence(undersigned: Terminal, tmp_path: Path) -> None:
    done = undersigned("letter", "check", tmp_path / "nothing.md")
    assert (done.code, "cannot be read" in done.sentence) == (3, True)
    (tmp_path / "long.md").write_bytes(bytes(300_000))
    done = undersigned("letter", "check", tmp_path / "long.md")
    assert (done.code, "too long" in done.sentence) == (1, True)
