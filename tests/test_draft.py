"""Letter files: each fault is named with its line, and what only looks like a fault is taken as it was meant."""

import re
import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.names import names
from undersigned.draft import DraftError, read_draft

HERE = Path(__file__).parent
BAD = sorted((HERE / "draft_bad").glob("*.md"), key=lambda path: path.name)
GOOD = sorted((HERE / "draft_good").glob("*.md"), key=lambda path: path.name)
PLAIN = (HERE / "draft_good" / "plain.md").read_bytes()


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_a_fault_is_named_with_its_line(path: Path) -> None:
    match = re.fullmatch(r".*\.line_([0-9]+)\.md", path.name)
    assert match
    with pytest.raises(DraftError) as refusal:
        read_draft(path.read_bytes())
    complaints = refusal.value.complaints
    assert [one.line for one in complaints] == [int(match[1])], [str(one) for one in complaints]
    assert complaints[0].what.isprintable()
    assert str(refusal.value) == f"line {match[1]}: {complaints[0].what}"


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_a_letter_is_read(path: Path) -> None:
    read_draft(path.read_bytes())


def good(name: str) -> bytes:
    return (HERE / "draft_good" / f"{name}.md").read_bytes()


@pytest.mark.parametrize(
    "name",
    [
        "windows_line_ends",
        "byte_order_mark",
        "byte_order_mark_and_windows_line_ends",
        "no_line_feed_at_the_end",
        "empty_lines_around_the_text",
    ],
)
def test_an_editors_habits_change_nothing_of_the_letter(name: str) -> None:
    assert read_draft(good(name)) == read_draft(PLAIN)


def test_words_that_yaml_would_eat_stay_words() -> None:
    draft = read_draft(good("names_that_yaml_would_eat"))
    assert (draft.title, draft.slug, draft.addressee, draft.text) == ("No", "null", "1e3", "true")
    assert draft.demands == ("null", "yes", "2026-01-01", "~", "0x1F")
    assert [one.name for one in draft.trustees] == ["No", "1e3", "Null"]
    assert draft.classes[0].name == "off"


def test_affiliations_in_brackets_stay_with_their_names() -> None:
    draft = read_draft(good("affiliations_in_brackets"))
    assert draft.title == "[ACME] To the board"
    assert draft.classes[0].name == "Staff [Universität Zürich]"
    assert [one.name for one in draft.trustees][:2] == ["Dr. Ilse Varga [notary]", "O'Neill (she/her)"]


def test_decomposed_letters_become_composed_ones() -> None:
    draft = read_draft(good("decomposed_letters"))
    assert (draft.title, draft.addressee, draft.text) == ("Für Ẩn Đặng", "Åse Müller", "Nous, soussignés, à Zürich.")
    assert [one.name for one in draft.trustees] == ["Ngọc Quỳnh", "Żółć", "がぎぐ"]


def test_three_dashes_in_the_text_end_nothing() -> None:
    assert read_draft(good("rule_of_three_dashes_in_the_text")).text.endswith("---\n\nAnd more.")


def test_what_is_left_out_has_the_protocols_defaults() -> None:
    draft = read_draft(good("decomposed_letters"))
    assert (draft.language, draft.modes, draft.pledge) == ("en", ("public", "anonymous", "sealed"), "")
    assert (draft.hold, draft.batch, draft.margin, draft.forget) == (48 * 3600, 6 * 3600, 600, 7 * 86_400)
    assert draft.deadline == 0


def test_all_faults_of_a_file_are_told_at_once_in_order() -> None:
    broken = PLAIN.replace(b"slug: board", b"slug: B").replace(b"quorum: 2", b"quorum: two").replace(b"770", b"many")
    with pytest.raises(DraftError) as refusal:
        read_draft(broken)
    assert [one.line for one in refusal.value.complaints] == [3, 12, 24]


def test_names_of_thirty_scripts_are_taken_as_they_are() -> None:
    everybody = names(300)
    front, text = PLAIN.decode().split("demands:\n")[0], PLAIN.decode().split("classes:\n")[1]
    demands = "".join(f"  - '{name.replace(chr(39), chr(39) * 2)}'\n" for name in everybody[:64])
    draft = read_draft(f"{front}demands:\n{demands}classes:\n{text}".encode())
    assert list(draft.demands) == everybody[:64]


@given(st.integers(0, len(PLAIN) - 1), st.binary(min_size=1, max_size=3))
def test_no_damage_to_a_file_ends_in_anything_but_a_letter_or_complaints(place: int, damage: bytes) -> None:
    with suppress(DraftError):
        read_draft(PLAIN[:place] + damage + PLAIN[place + len(damage) :])


def test_a_large_file_of_aliases_costs_no_time() -> None:
    laughs = "".join(f"  - &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30))
    began = time.monotonic()
    with pytest.raises(DraftError):
        read_draft(f"---\ndemands:\n  - &a0 lol\n{laughs}---\nWe.\n".encode())
    assert time.monotonic() - began < 2
