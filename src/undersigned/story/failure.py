"""Story `failure`: the number is not reached by the deadline, and everything that could name anybody is destroyed."""

import random
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from undersigned.client.follow import LogClient
from undersigned.client.source import HttpSource
from undersigned.errors import Unavailable
from undersigned.protocol.figures import figures
from undersigned.protocol.letter import Letter
from undersigned.protocol.state import LetterState
from undersigned.story import drawing
from undersigned.story import letter as letters
from undersigned.story.crowd import Crowd
from undersigned.story.letter import Rosters, Size
from undersigned.story.people import Character, characters
from undersigned.story.stage import Stage
from undersigned.story.telling import Teller

TRUSTEES = 5
SECONDS_TO_SIGN = 30.0


@dataclass(slots=True)
class Failure:
    """One telling of the story. `outcome` is what the closing table and --json report."""

    stage: Stage
    size: Size
    teller: Teller
    out: Path
    outcome: dict[str, object] = field(default_factory=dict)

    def tell(self) -> None:
        """1. stage  2. publication  3. too few sign  4. deadline  5. destruction  6. search  7. stranger."""
        began = time.monotonic()
        rng = random.Random(self.size.seed)
        self.teller.step("The rooms open")  # 1
        self.stage.open()
        letter, rosters = self._publish(rng)  # 2
        client = LogClient(HttpSource(f"{self.stage.url}/l/{letter.slug}"), lid=letter.lid)
        client.refresh()
        crowd = Crowd(client, HttpSource(f"{self.stage.url}/r/{letter.slug}"), rosters.codes)
        self._sign(crowd, rosters, rng)  # 3
        self._deadline(crowd)  # 4
        self._destroy(crowd)  # 5
        self._search(crowd, rosters)  # 6
        self._stranger(crowd)  # 7
        self.outcome["seconds"] = round(time.monotonic() - began, 1)
        self.outcome["peak_megabytes"] = round(self.stage.peak_bytes() / 1e6)
        self._close(crowd.client.state)

    def _publish(self, rng: random.Random) -> tuple[Letter, Rosters]:
        self.teller.step("A letter is published, with a deadline")
        keys = letters.make_trustees(self.stage, TRUSTEES)
        deadline = SECONDS_TO_SIGN + self.size.of(10)
        draft = letters.board_letter(self.size, trustees=keys, deadline=deadline)
        letter = letters.publish(draft, self.stage, organizer=secrets.token_bytes(32))
        letters.accept_all(self.stage, f"{self.stage.url}/l/{letter.slug}", TRUSTEES)
        rosters = letters.import_rosters(self.size, letter, self.stage, rng=rng)
        self.teller.say(f"{len(rosters.staff)} members of staff have a code; the lowest tier is {self.size.tiers[0]}")
        return letter, rosters

    def _sign(self, crowd: Crowd, rosters: Rosters, rng: random.Random) -> None:
        count = self.size.of(200, at_least=5)
        self.teller.step(f"{count} sign, and nearly all of them only if many others do")
        people = [_cautious(one) for one in characters(rosters.staff, [], count=count, rng=rng)]
        with self.teller.progress("signing", count) as done:
            crowd.sign_all(people, garbage=set(), done=done)
        with self.teller.progress("waiting for the log and its witnesses", None) as tick:
            crowd.wait_until_included(tick=tick)
        state = crowd.client.state
        self.outcome["sealed"] = figures(state).sealed
        self.teller.say(f"{state.n_star} stand together; {figures(state).sealed} names are under seal")
        self.teller.show(drawing.ladder(state))

    def _deadline(self, crowd: Crowd) -> None:
        self.teller.step("The deadline passes, and no tier was reached")
        with self.teller.progress("waiting", None) as tick:
            crowd.wait_until(lambda state: state.closed is not None, tick=tick)
        self.teller.say("witnesses saw the deadline pass, and the log closed the letter")

    def _destroy(self, crowd: Crowd) -> None:
        self.teller.step("What could name anybody is destroyed")
        url = f"{self.stage.url}/l/{crowd.client.letter.slug}"
        with self.teller.progress("waiting for log and registrar", None) as tick:
            crowd.wait_until(lambda state: {"log", "registrar"} <= _destroyed_by(state), tick=tick)
        self.stage.run_all(
            [
                ("trustee", "status", url, "--key", str(letters.key_file(self.stage, number)))
                for number in range(1, TRUSTEES + 1)
            ]
        )
        crowd.wait_until(lambda state: len(_trustees_done(state)) == TRUSTEES)
        for _, entry in crowd.client.state.destructions:
            who = entry.role if entry.role == "log" else f"{entry.role} {entry.by}"
            self.teller.say(f"{who}: {entry.what}")

    def _search(self, crowd: Crowd, rosters: Rosters) -> None:
        self.teller.step("A thief searches every file for a name")
        public = [one.character.name for one in crowd.signed if one.character.mode == "public"]
        if not search(self.stage.directory, public)[0]:
            raise Unavailable("the search finds not even the public names: it proves nothing")
        names = {name for name, _ in [*rosters.staff, *rosters.friends]}
        hidden = {name for name in names if not any(name in shown for shown in public)}
        found, files = search(self.stage.directory, hidden)
        self.outcome |= {"names_searched": len(hidden), "files_searched": files, "names_found": len(found)}
        if found:
            raise Unavailable(f"{len(found)} names were found on the disk that should not be there")
        self.teller.say(f"{len(hidden)} names of people who did not sign in public, {files} files: none found")

    def _stranger(self, crowd: Crowd) -> None:
        self.teller.step("A stranger checks that nobody was named")
        self.out.mkdir(parents=True, exist_ok=True)
        dossier = self.out / "letter.dossier"
        dossier.write_bytes(crowd.client.source.get("letter.dossier"))
        verdict = self.stage.run_json("verify", str(dossier), "--json")
        self.outcome["verdict"] = verdict
        self.teller.say(str(verdict["verdict"]))

    def _close(self, state: LetterState) -> None:
        shown = figures(state)
        self.teller.step("What is left")
        rows = [
            ("stood together when it ended", f"{shown.n_star:,}"),
            ("names that were public", f"{shown.public:,}"),
            ("names that stay unknown for ever", f"{shown.sealed:,}"),
            ("names opened", f"{shown.opened:,}"),
            ("names found on the disk", str(self.outcome["names_found"])),
            (
                "seconds, peak memory of all processes",
                f"{self.outcome['seconds']} s, {self.outcome['peak_megabytes']} MB",
            ),
        ]
        self.teller.show(drawing.closing_table(rows))


def search(directory: Path, names: Iterable[str]) -> tuple[set[str], int]:
    """Which of these names stand in any file below a directory, in UTF-8 or UTF-16; and how many files there are."""
    wanted = {name: (name.encode(), name.encode("utf-16-le")) for name in names}
    found: set[str] = set()
    files = [path for path in directory.rglob("*") if path.is_file()]
    for path in files:
        data = path.read_bytes()
        found |= {name for name, forms in wanted.items() if any(form in data for form in forms)}
    return found, len(files)


def _cautious(one: Character) -> Character:
    """Whoever asked for little asks for more: the lowest tier stays out of reach."""
    return replace(one, tier=2 + (one.tier == 3)) if one.mode == "sealed" else one


def _destroyed_by(state: LetterState) -> set[str]:
    return {entry.role for _, entry in state.destructions}


def _trustees_done(state: LetterState) -> set[int]:
    return {entry.by for _, entry in state.destructions if entry.role == "trustee"}
