"""The letter of the stories: `examples/board-letter`, with its tiers and waiting times cut to a story's size."""

import csv
import json
import random
import time
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

from undersigned.client import publishing
from undersigned.client.source import HttpSource
from undersigned.draft import Draft, DraftTrustee, read_draft
from undersigned.protocol.letter import Letter
from undersigned.story.people import members
from undersigned.story.stage import Stage

FULL_SIZE = 738
STAFF = 770
ADDED = "\n\nUntil you resign, every day makes it harder for those who stay to repair what you have done."


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How large a story is: everything in proportion to the 738 of the Monday."""

    signatories: int
    seed: int

    def of(self, number: int, *, at_least: int = 1) -> int:
        """`number` of the full story at this size."""
        return max(at_least, round(number * self.signatories / FULL_SIZE))

    @property
    def staff(self) -> int:
        return max(self.signatories, self.of(STAFF))

    @property
    def friends(self) -> int:
        return self.of(22)

    @property
    def tiers(self) -> tuple[int, int, int]:
        low = self.of(50, at_least=2)
        middle = max(low + 1, self.of(250))
        return low, middle, max(middle + 1, self.of(500))

    @property
    def hold(self) -> int:
        """Seconds, long enough for most of the signing to happen inside the first hold."""
        return self.of(12, at_least=4)


def board_letter(size: Size, *, trustees: list[str], deadline: float | None = None) -> Draft:
    """The draft with the trustees' public keys (base64), in seconds instead of days."""
    draft = read_draft((files("undersigned.story") / "board-letter.md").read_bytes())
    parties = [DraftTrustee(name=one.name, key=key) for one, key in zip(draft.trustees, trustees, strict=True)]
    classes = (replace(draft.classes[0], eligible=size.staff), *draft.classes[1:])
    return replace(
        draft,
        tiers=size.tiers,
        classes=classes,
        trustees=tuple(parties),
        deadline=int(time.time() + (3600 if deadline is None else deadline)),
        hold=size.hold,
        batch=1,
        margin=2,
        forget=2,
    )


def amended(draft: Draft) -> Draft:
    """The same letter with a sentence more."""
    return replace(draft, text=draft.text + ADDED)


@dataclass(frozen=True, slots=True)
class Rosters:
    """Everybody who may sign, and their codes by class and name."""

    staff: list[tuple[str, str]]
    friends: list[tuple[str, str]]
    codes: dict[tuple[int, str], str]


def make_trustees(stage: Stage, count: int) -> list[str]:
    """Key files for trustees 1..count; their public keys in base64."""
    stage.run_all([("trustee", "keygen", str(key_file(stage, number)), "--json") for number in range(1, count + 1)])
    return [_public_key(key_file(stage, number)) for number in range(1, count + 1)]


def accept_all(stage: Stage, url: str, count: int) -> None:
    """Every trustee accepts."""
    words = "I open names only when the letter's own rule says so."
    stage.run_all(
        [
            ("trustee", "accept", url, "--key", str(key_file(stage, number)), "--statement", words)
            for number in range(1, count + 1)
        ]
    )


def key_file(stage: Stage, number: int) -> Path:
    """Where trustee `number` keeps the key."""
    return stage.directory / f"trustee-{number}.json"


def publish(draft: Draft, stage: Stage, *, organizer: bytes) -> Letter:
    """Publish through the front door, with the code the operator gave."""
    return publishing.publish(draft, source=HttpSource(stage.url, bearer=stage.publish_code()), organizer=organizer)


def import_rosters(size: Size, letter: Letter, stage: Stage, *, rng: random.Random) -> Rosters:
    """Staff and friends on the registrar's rosters, each with a code."""
    everybody = members(size.staff + size.friends, rng=rng)
    staff, friends = everybody[: size.staff], everybody[size.staff :]
    codes: dict[tuple[int, str], str] = {}
    for class_id, rows in ((1, staff), (2, friends)):
        for name, code in _import(rows, class_id, letter, stage):
            codes[class_id, name] = code
    return Rosters(staff, friends, codes)


def _import(rows: list[tuple[str, str]], class_id: int, letter: Letter, stage: Stage) -> list[tuple[str, str]]:
    roster, codes = stage.directory / f"roster-{class_id}.csv", stage.directory / f"codes-{class_id}.csv"
    with roster.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("name", "title"), *rows])
    words = ("roster", "import", str(roster), "--letter", letter.slug, "--class", str(class_id))
    stage.run(*words, "--codes", str(codes), "--data", str(stage.data))
    with codes.open(newline="", encoding="utf-8") as file:
        found = [(row["name"], row["code"]) for row in csv.DictReader(file)]
    roster.unlink()
    codes.unlink()
    return found


def _public_key(path: Path) -> str:
    return str(json.loads(path.read_text())["public_key"])
