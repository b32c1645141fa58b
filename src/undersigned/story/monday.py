"""Story `monday`: a staff signs under seal, tiers are reached, trustees open the names, a stranger verifies it all."""

import json
import random
import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path

from undersigned.client import publishing, signing
from undersigned.client.follow import LogClient
from undersigned.client.source import HttpSource, NotThere, b64, post_json
from undersigned.draft import Draft
from undersigned.errors import Unavailable
from undersigned.protocol.encoding import to_jcs
from undersigned.protocol.figures import Figures, figures
from undersigned.protocol.letter import Letter
from undersigned.protocol.receipt import encode_receipt
from undersigned.story import drawing
from undersigned.story import letter as letters
from undersigned.story.crowd import Crowd, Signatory
from undersigned.story.letter import Size
from undersigned.story.people import Character, characters
from undersigned.story.stage import Stage
from undersigned.story.telling import Done, Teller

TRUSTEES, OFFLINE, LIAR = 5, 5, 2
OPENING_SECONDS = 180.0


@dataclass(slots=True)
class Monday:
    """One telling of the story. `refusals` and `outcome` are what the closing table and --json report."""

    stage: Stage
    size: Size
    teller: Teller
    out: Path
    outcome: dict[str, object] = field(default_factory=dict)

    def tell(self) -> None:
        """1. stage  2. publication  3. first half, with an amendment  4. half time  5. second half  6. doubts
        7. openings  8. dossier and receipt  9. the stranger.
        """
        began = time.monotonic()
        rng = random.Random(self.size.seed)
        self._open_stage()  # 1
        draft, letter, organizer = self._publish()  # 2
        crowd, people = self._gather(letter, rng)
        first, half = self.size.of(110), self.size.of(505)
        garbage = _choose_garbage(people, self.size.of(20), rng)
        self._sign(crowd, people[:first], garbage, 0, f"The first {first} sign")  # 3
        self._amend(draft, letter, organizer, crowd, rng)
        self._sign(crowd, people[first:half], garbage, first, f"Until the half-time whistle: {half} in all")
        self._half_time(crowd, people[:half])  # 4
        self._sign(crowd, people[half:], garbage, half, f"By the evening: {len(people)}")  # 5
        self._doubts(crowd, rng)  # 6
        self._show(crowd, people)
        self._open_names(crowd)  # 7
        self._publish_files(crowd)  # 8
        self._stranger()  # 9
        self.outcome["seconds"] = round(time.monotonic() - began, 1)
        self._close(crowd)

    # 1, 2

    def _open_stage(self) -> None:
        self.teller.step("The rooms open")
        self.stage.open()
        self.teller.say(f"log, registrar and site at {self.stage.url}, four witnesses beside them")

    def _publish(self) -> tuple[Draft, Letter, bytes]:
        self.teller.step("A letter is published")
        organizer = secrets.token_bytes(32)
        draft = letters.board_letter(self.size, trustees=letters.make_trustees(self.stage, TRUSTEES))
        letter = letters.publish(draft, self.stage, organizer=organizer)
        letters.accept_all(self.stage, self.url(letter), TRUSTEES)
        self.teller.say(f"“{letter.publication.title}”")
        tiers = ", ".join(str(tier.at_least) for tier in letter.publication.tiers)
        quorum = letter.publication.quorum
        self.teller.say(f"lid {letter.lid.hex()[:32]}…  tiers {tiers}  {quorum} of {TRUSTEES} trustees")
        return draft, letter, organizer

    def url(self, letter: Letter) -> str:
        """The letter's address."""
        return f"{self.stage.url}/l/{letter.slug}"

    def _gather(self, letter: Letter, rng: random.Random) -> tuple[Crowd, list[Character]]:
        rosters = letters.import_rosters(self.size, letter, self.stage, rng=rng)
        self.teller.say(f"{len(rosters.staff)} members of staff and {len(rosters.friends)} friends have a code each")
        client = LogClient(HttpSource(self.url(letter)), lid=letter.lid)
        client.refresh()
        people = characters(rosters.staff, rosters.friends, count=self.size.signatories, rng=rng)
        return Crowd(client, HttpSource(f"{self.stage.url}/r/{letter.slug}"), rosters.codes), people

    # 3, 4, 5

    def _sign(self, crowd: Crowd, people: list[Character], garbage: set[int], first: int, title: str) -> None:
        self.teller.step(title)
        with self.teller.progress("signing", len(people)) as done:
            crowd.sign_all(people, garbage={place - first for place in garbage}, done=done)
        with self.teller.progress("waiting for the log and its witnesses", None) as tick:
            crowd.wait_until_included(tick=tick)
        self.teller.say(f"{crowd.client.state.n_star} stand together, {len(crowd.client.entries):,} entries in the log")

    def _amend(self, draft: Draft, letter: Letter, organizer: bytes, crowd: Crowd, rng: random.Random) -> None:
        self.teller.step("A sentence is added: whoever signed must say whether they stand under it too")
        source = crowd.client.source
        words = "One sentence about the days that pass."
        publishing.amend(letters.amended(draft), words, source=source, letter=letter, organizer=organizer)
        crowd.wait_until(lambda state: len(state.versions) == 2)
        text_hash = crowd.client.state.text_hash
        consenting = [one for one in crowd.signed if rng.random() < 0.94]
        with self.teller.progress("consenting", len(consenting)) as done:
            crowd.each(
                consenting, lambda one: signing.consent(one.seed, text_hash, source=source, letter=letter), done=done
            )
        keys = [one.right.attempt.key for one in consenting]
        crowd.wait_until(lambda state: all(text_hash in state.records[key].texts for key in keys))
        self.teller.say(f"{len(consenting)} of {len(crowd.signed)} consent; the others stay under the text they signed")

    def _half_time(self, crowd: Crowd, people: list[Character]) -> None:
        shown = figures(crowd.client.state)
        self.outcome["half_time"] = {"signatures": shown.signatures, "n_star": shown.n_star}
        self.teller.show(drawing.arrivals(people))

    # 6

    def _doubts(self, crowd: Crowd, rng: random.Random) -> None:
        self.teller.step("Doubts, second thoughts, and people who try it twice")
        honest = [one for one in crowd.signed if not one.garbage]
        rng.shuffle(honest)
        self._second_thoughts(crowd, [one for one in honest if one.character.mode == "sealed"])
        self._leave(crowd, honest)
        self._twice(crowd, honest)
        staying = honest[self.size.of(8) :]
        self._regret_and_dispute(crowd, [one for one in staying if one.character.mode == "public"])
        leaving = [one.right.attempt.key for one in honest[: self.size.of(8)]]
        crowd.wait_until(lambda state: all(state.records[key].withdrawn for key in leaving) and bool(state.removals))

    def _second_thoughts(self, crowd: Crowd, sealed: list[Signatory]) -> None:
        """A few change their condition; one goes public. They are not among those who leave."""
        changing = sealed[-self.size.of(6) :]
        frozen = crowd.client.state.frozen
        changed = 0
        for place, one in enumerate(changing):
            tier = 0 if place == 0 else 1 + one.character.tier % 3
            if frozen is None:
                card = signing.card_of(one.right)
                signing.change_condition(one.seed, card, tier, client=crowd.client, randbytes=secrets.token_bytes)
                changed += 1
        self.outcome["conditions_changed"] = changed
        self.teller.say(f"{changed} take another condition, one of them goes public")

    def _leave(self, crowd: Crowd, honest: list[Signatory]) -> None:
        leaving = honest[: self.size.of(8)]
        for one in leaving:
            signing.withdraw(one.seed, source=crowd.client.source, letter=crowd.client.letter)
        self.teller.say(f"{len(leaving)} withdraw, with nothing but the key in their receipt")

    def _twice(self, crowd: Crowd, honest: list[Signatory]) -> None:
        trying = honest[self.size.of(8) : self.size.of(8) + self.size.of(10)]
        refusals = [crowd.sign_twice(one, by_code=place % 2 == 0) for place, one in enumerate(trying)]
        self.outcome["double_signatures_refused"] = len(refusals)
        self.teller.say(f"{len(refusals)} try to sign twice: “{refusals[0]}”")

    def _regret_and_dispute(self, crowd: Crowd, public: list[Signatory]) -> None:
        state = crowd.client.refresh()
        regretting, impostor = [one for one in public if one.character.class_id == 1][:2]
        words = "I deeply regret my part in Friday's vote. I will do everything I can to bring us together again."
        source, letter = crowd.client.source, crowd.client.letter
        signing.remark(regretting.seed, "regret", words, source=source, letter=letter, randbytes=secrets.token_bytes)
        self.teller.say("one who had voted the other way on Friday says so in public, and regrets it")
        index = state.records[impostor.right.attempt.key].index
        post_json(crowd.registrar, "dispute", _dispute(crowd, impostor, index))
        self.stage.run("log", "remove", letter.slug, str(index), "--why", "dispute", "--data", str(self.stage.data))
        self.teller.say("one finds their name on the letter and proves that it is theirs: suspended, then removed")

    # 7

    def _show(self, crowd: Crowd, people: list[Character]) -> None:
        self.teller.step("The ladder")
        self.teller.show(drawing.ladder(crowd.client.state))
        self.teller.show(drawing.arrivals(people))

    def _open_names(self, crowd: Crowd) -> None:
        self.teller.step("Trustees open the names: one of the five is offline, one lies")
        for number in range(1, TRUSTEES + 1):
            if number != OFFLINE:
                words = ["trustee", "open", self.url(crowd.client.letter), "--key"]
                words += [str(letters.key_file(self.stage, number)), "--every", "0.5", "--json"]
                words += ["--rehearse-a-liar"] if number == LIAR else []
                self.stage.start(f"trustee-{number}", *words)
        with self.teller.progress("held, frozen, opened, published", None) as tick:
            self._wait_for_openings(crowd, tick)
        state = crowd.client.state
        for done in state.rounds:
            at_least = state.letter.at_least(done.freeze.tier)
            self.teller.say(
                f"tier {done.freeze.tier} (at least {at_least}): {len(done.named)} named, {len(done.dropped)} dropped"
            )
        liars = self._liars()
        self.outcome["liars"] = liars
        self.teller.say(f"the others found out who lied: trustee {', '.join(map(str, liars)) or 'nobody'}")
        self.outcome["peak_megabytes"] = round(self.stage.peak_bytes() / 1e6)

    def _wait_for_openings(self, crowd: Crowd, tick: Done) -> None:
        """Until every tier that can be reached is opened and every opened name is published."""
        until = time.monotonic() + OPENING_SECONDS
        client = crowd.client
        while time.monotonic() < until:
            client.refresh()
            state = client.state
            if state.rounds and not state.frozen and not state.reached and self._published(crowd):
                return
            tick()
            time.sleep(0.4)
        raise Unavailable(f"the names were not opened in time: see {self.stage.directory}")

    def _published(self, crowd: Crowd) -> bool:
        opened = [one.index for one in crowd.client.state.by_index.values() if one.opened is not None and not one.gone]
        try:
            return bool(crowd.client.source.get(f"opened/{opened[-1]}")) if opened else True
        except NotThere:
            return False

    def _liars(self) -> list[int]:
        found: set[int] = set()
        for number in range(1, TRUSTEES + 1):
            path = self.stage.directory / f"trustee-{number}.log"
            if path.exists() and number != LIAR:
                for line in path.read_text().splitlines():
                    if line.startswith("{"):
                        found.update(json.loads(line)["liars"])
        return sorted(found)

    # 8, 9

    def _publish_files(self, crowd: Crowd) -> None:
        self.teller.step("The dossier, and one receipt")
        self.out.mkdir(parents=True, exist_ok=True)
        until = time.monotonic() + OPENING_SECONDS
        while not self._write_dossier(crowd):
            if time.monotonic() > until:
                raise Unavailable("the host publishes no whole dossier")
            time.sleep(0.5)
        one = next(one for one in crowd.signed if one.character.mode == "sealed" and not one.garbage)
        (self.out / "receipt.json").write_bytes(encode_receipt(crowd.proven(one)))
        size = (self.out / "letter.dossier").stat().st_size
        self.teller.say(f"{self.out / 'letter.dossier'}: {size / 1e6:.1f} MB")
        self.teller.say(f"{self.out / 'receipt.json'}: proves one signature without the host")

    def _write_dossier(self, crowd: Crowd) -> bool:
        (self.out / "letter.dossier").write_bytes(crowd.client.source.get("letter.dossier"))
        return self.stage.run("verify", str(self.out / "letter.dossier"), "--json", check=False).returncode == 0

    def _stranger(self) -> None:
        self.teller.step("A stranger recounts it offline, in a process of their own")
        dossier = self.out / "letter.dossier"
        verdict = self.stage.run_json("verify", str(dossier), "--json")
        self.outcome["verdict"] = verdict
        self.teller.say(str(verdict["verdict"]))
        self.stage.run("receipt", str(self.out / "receipt.json"))
        self.teller.say("the receipt holds too")
        data = bytearray(dossier.read_bytes())
        data[len(data) // 2] ^= 1
        flipped = self.stage.directory / "flipped.dossier"
        flipped.write_bytes(data)
        refused = self.stage.run("verify", str(flipped), check=False)
        if refused.returncode != 1:
            raise Unavailable("a dossier with a flipped byte was not refused")
        self.outcome["flipped_byte_refused"] = True
        self.teller.say(f"with one byte flipped: {refused.stderr.strip() or refused.stdout.strip().splitlines()[-1]}")

    def _close(self, crowd: Crowd) -> None:
        crowd.client.refresh()
        self.teller.step("What happened")
        self.teller.show(drawing.closing_table(_closing_rows(figures(crowd.client.state), self.outcome)))


def _choose_garbage(people: list[Character], count: int, rng: random.Random) -> set[int]:
    sealed = [place for place, person in enumerate(people) if person.mode == "sealed"]
    return set(rng.sample(sealed, min(count, len(sealed))))


def _dispute(crowd: Crowd, impostor: Signatory, index: int) -> dict[str, object]:
    attempt, character = impostor.right.attempt, impostor.character
    assert attempt.card is not None
    return {
        "attester": "roster",
        "code": crowd.codes[character.class_id, character.name],
        "index": index,
        "key": b64(attempt.key),
        "r": b64(attempt.r),
        "card": json.loads(to_jcs(attempt.card)),
    }


def _closing_rows(shown: Figures, outcome: dict[str, object]) -> list[tuple[str, str]]:
    rows = [
        ("stand together now (N*)", f"{shown.n_star:,}"),
        ("signatures that stand", f"{shown.signatures:,}"),
        ("public / anonymous", f"{shown.public:,} / {shown.anonymous:,}"),
        ("opened from under seal / still sealed", f"{shown.opened:,} / {shown.sealed:,}"),
        ("withdrawn / removed / dropped", f"{shown.withdrawn:,} / {shown.removed:,} / {shown.dropped:,}"),
        ("under the older text", f"{shown.older_version:,}"),
        ("second signatures refused", str(outcome.get("double_signatures_refused"))),
        ("seconds, peak memory of all processes", f"{outcome.get('seconds')} s, {outcome.get('peak_megabytes')} MB"),
    ]
    for item in shown.classes:
        eligible = f" of {item.eligible:,}" if item.eligible else ""
        rows.append((f"{item.name}{'' if item.counts else ' (not counted)'}", f"{item.signatures:,}{eligible}"))
    return rows
