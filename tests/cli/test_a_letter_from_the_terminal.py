"""A whole letter by commands alone, at a host with witnesses that run as processes of their own."""

import csv
import json
import re
import socket
import stat
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from support.terminal import Done, Terminal
from undersigned.client import signing
from undersigned.client.follow import LogClient
from undersigned.client.source import HttpSource, get_json
from undersigned.errors import Unavailable
from undersigned.story.stage import Stage

LETTER = """---
title: To the board
slug: {slug}
addressee: The board
demands: [Resign.]
classes:
  - name: Staff
    eligible: 100
    source: the register
    attesters: {attesters}
    domains: [example.org]
tiers: [20, 50]
trustees:
{trustees}
quorum: 2
hold: 8s
batch: 0s
margin: 0s
---
{text}
"""
ROSTER = "name,title,address\n" + "".join(f"Person {number},Engineer,p{number}@example.org\n" for number in range(1, 9))


@dataclass
class Post:
    """A mail server; `codes` as they come in."""

    codes: list[str] = field(default_factory=list)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        found = re.search(rb"^    (\S+)\r?$", envelope.content, re.MULTILINE)
        self.codes.append(found[1].decode() if found else "no code")
        return "250 OK"

    def typed(self) -> Iterator[str]:
        """The newest code when it has come, typed with small letters, spaces and dashes."""
        until = time.monotonic() + 20
        while not self.codes and time.monotonic() < until:
            time.sleep(0.02)
        yield " " + " - ".join(self.codes.pop().lower().replace("-", "")) + " "


@dataclass
class Place:
    """The stage, whose commands are typed here, and a letter on it."""

    stage: Stage
    undersigned: Terminal
    folder: Path
    post: Post
    smtp: str
    slug: str = "board"
    codes: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"{self.stage.url}/l/{self.slug}"

    def __call__(self, *words: str | Path, **how: Any) -> Done:
        return self.undersigned(*words, **how)

    def well(self, *words: str | Path, **how: Any) -> str:
        done = self(*words, **how)
        assert (done.code, done.err) == (0, ""), done
        return done.out

    def refused(self, *words: str | Path, code: int = 1, **how: Any) -> str:
        done = self(*words, **how)
        assert done.code == code, done
        return done.sentence

    def start_host(self) -> None:
        """The host again, on its old directory, with real mail, until its witnesses let it write."""
        words = ("serve", "--data", str(self.stage.data), "--port", str(self.stage.port))
        mail = {"UNDERSIGNED_SMTP_URL": self.smtp, "UNDERSIGNED_MAIL_FROM": "codes@sender.example"}
        self.stage.start("host", *words, env=mail)
        self.until(lambda: get_json(HttpSource(self.stage.url), "host.json"))

    def kill_host(self) -> None:
        host = self.stage.processes["host"]
        host.kill()
        host.wait()

    def until(self, look: Callable[[], object]) -> None:
        until = time.monotonic() + 20
        while time.monotonic() < until:
            with suppress(Unavailable):
                if look():
                    return
            time.sleep(0.05)
        raise AssertionError("it never came")

    def write_letter(self, *, text: str = "We, the undersigned.", attesters: str = "[roster]") -> Path:
        keys = [json.loads((self.folder / f"t{number}.public").read_text()) for number in (1, 2, 3)]
        rows = "\n".join(f"  - name: Trustee {n}\n    key: {key['public_key']}" for n, key in enumerate(keys, 1))
        path = self.folder / "letter.md"
        path.write_text(LETTER.format(slug=self.slug, trustees=rows, text=text, attesters=attesters))
        return path

    def publish(self, **changes: str) -> None:
        path = self.write_letter(**changes)
        self.well("letter", "check", path)
        out = self.well("letter", "publish", path, "--host", self.stage.url, "--key", self.folder / "organizer.key")
        assert f"Published: {self.url}" in out

    def accept(self) -> None:
        for number in (1, 2, 3):
            self.well("trustee", "accept", self.url, "--key", self.folder / f"t{number}.key")
        self.until(lambda: len(LogClient(HttpSource(self.url)).refresh().trustees) == 3)

    def import_roster(self) -> None:
        members, codes = self.folder / "members.csv", self.folder / "codes.csv"
        members.write_text(ROSTER)
        words = ("roster", "import", members, "--letter", self.slug, "--codes", codes, "--data", self.stage.data)
        assert "8 members imported" in self.well(*words)
        assert stat.S_IMODE(codes.stat().st_mode) == 0o600
        assert "exists already" in self.refused(*words)
        self.codes = [row["code"] for row in csv.DictReader(codes.open())]

    def sign(self, number: int, *words: str) -> tuple[str | Path, ...]:
        """The words with which person `number` signs."""
        receipt = self.folder / f"receipt-{number}.json"
        return "sign", self.url, "--code", self.codes[number - 1], "--receipt", receipt, "--yes", "--wait", "0", *words

    def receipt(self, number: int) -> Path:
        return self.folder / f"receipt-{number}.json"

    def left(self) -> set[str]:
        """Receipts and whatever was begun."""
        return {path.name for path in self.folder.iterdir() if path.name.startswith("receipt")}


@pytest.fixture(scope="module")
def post() -> Iterator[tuple[Post, str]]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    post = Post()
    controller = Controller(post, hostname="127.0.0.1", port=port)
    controller.start()
    yield post, f"smtp://127.0.0.1:{port}"
    controller.stop()


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    stage = Stage(tmp_path_factory.mktemp("stage"))
    try:
        stage.open()
        yield stage
    finally:
        stage.close()


@pytest.fixture
def place(
    stage: Stage,
    undersigned: Terminal,
    tmp_path: Path,
    post: tuple[Post, str],
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Place:
    monkeypatch.setenv("UNDERSIGNED_PASSPHRASE", "correct horse")
    monkeypatch.setenv("UNDERSIGNED_PUBLISH_CODE", stage.publish_code())
    monkeypatch.setattr("undersigned.protocol.receipt.ROUNDS", 1_000)
    slug = re.sub(r"[^a-z0-9]+", "-", request.node.name)[5:60].strip("-")
    made = Place(stage, undersigned, tmp_path, *post, slug=slug)
    for number in (1, 2, 3):
        key = tmp_path / f"t{number}.key"
        (tmp_path / f"t{number}.public").write_text(made.well("trustee", "keygen", key, "--json"))
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
        assert len(b64decode(json.loads((tmp_path / f"t{number}.public").read_text())["public_key"])) == 32
    return made


def test_a_letter_is_published_signed_amended_and_closed(place: Place) -> None:
    place.publish()
    assert "already" in place.refused(
        *("letter", "publish", place.folder / "letter.md"),
        *("--host", place.stage.url, "--key", place.folder / "organizer.key"),
    )
    place.import_roster()
    assert "not begun" in place.refused(*place.sign(1, "--public"))
    assert place.left() == set()
    place.accept()
    assert "accepted this letter already" in place.refused(
        "trustee", "accept", place.url, "--key", place.folder / "t1.key"
    )

    # A sealed name by roster code, typed as people type
    words = place.sign(1, "--if-at-least", "50")
    place.codes[0] = place.codes[0].lower().replace("-", "  ")
    out = place.well(*place.sign(1, "--if-at-least", "50"))
    assert "You sign as: Person 1, Engineer" in out
    assert "Received and promised" in out
    assert place.left() == {"receipt-1.json"}
    assert stat.S_IMODE(place.receipt(1).stat().st_mode) == 0o600
    assert b"Person 1" not in place.receipt(1).read_bytes()
    assert "Promised" in place.well("receipt", place.receipt(1))
    assert "exists already" in place.refused(*words)
    place.codes.append(place.codes[0])
    again = place.refused(*place.sign(9, "--public"))
    assert "a token was given to you before" in again
    assert place.left() == {"receipt-1.json"}

    # Shown and asked, a public one and an anonymous one, until witnesses have seen them
    asked = [word for word in place.sign(2, "--public") if word != "--yes"]
    asked[asked.index("0")] = "30"
    assert place(*asked, typed=["n"]).code == 1
    assert place.left() == {"receipt-1.json"}
    out = place.well(*asked, typed=["y"])
    assert "We, the undersigned." in out
    assert "Sign exactly this text?" in out
    assert "witnesses have cosigned it" in out
    assert "Included" in place.well("receipt", place.receipt(2))
    assert "witnesses" not in place.well(*place.sign(3, "--anonymous"))

    # Second thoughts
    assert "not in the log yet" in place.refused("condition", place.receipt(1), "--if-at-least", "20")
    path = place.write_letter(text="We, the undersigned, all of us.")
    place.well("letter", "amend", place.url, path, "--summary", "All of us", "--key", place.folder / "organizer.key")
    assert "if at least 20 do" in place.well("condition", place.receipt(1), "--if-at-least", "20")
    place.until(lambda: place("consent", place.receipt(2), "--yes").code == 0)  # when witnesses have seen the text
    place.well("consent", place.receipt(2), "--yes")  # the same bytes earn the same promise
    assert "only a sealed signature" in place.refused("condition", place.receipt(2), "--public")
    assert "no longer stand" in place.well("withdraw", place.receipt(3), "--yes")
    assert "has left the letter" in place.refused("consent", place.receipt(3), "--yes")

    # The organizer's words, and the end
    key = ("--key", place.folder / "organizer.key")
    assert "Statement 1" in place.well("letter", "statement", place.url, "--text", "The board met.", *key)
    place.well("letter", "close", place.url, "--reason", "They resigned.", *key)
    place.until(lambda: LogClient(HttpSource(place.url)).refresh().closed)
    assert "closed" in place.refused(*place.sign(4, "--public"))
    assert place.left() == {"receipt-1.json", "receipt-2.json", "receipt-3.json"}

    def recounted() -> bool:
        done = place("verify", place.url, "--json")
        return done.code == 0 and json.loads(done.out)["withdrawn"] == 1

    place.until(recounted)
    told = json.loads(place.well("verify", place.url, "--json"))
    assert (told["n_star"], told["signatures"], told["older_version"]) == (1, 1, 1)
    assert told["modes"] == {"public": 1, "anonymous": 0, "sealed": 0}
    assert told["witnessed"] is True


def test_usage_and_refusals_are_one_sentence_and_cost_nothing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.publish()
    place.import_roster()
    place.accept()
    usage = (
        ("sign", place.stage.url, "--yes"),
        ("sign", place.url, "--yes", "--public"),
        ("sign", place.url, "--yes", "--public", "--code", "x", "--mail", "a@example.org"),
        place.sign(1, "--if-at-least", "21"),
        place.sign(1, "--public", "--if-at-least", "20"),
        ("sign", place.url, "--wait", "soon"),
    )
    for words in usage:
        assert place(*words).code == 2
    assert "no tokens for this class" in place.refused(*place.sign(1, "--public", "--class", "7"))
    assert "no such letter" in place.refused("sign", f"{place.stage.url}/l/none", "--yes", code=3)
    place.codes.append("0000-0000-0000")
    assert place.refused(*place.sign(9, "--public"))
    assert "just as the roster has them" in place.refused(*place.sign(1, "--public", "--name", "Somebody Else"))
    assert "publish code" in place.refused(
        *("letter", "publish", place.write_letter(), "--host", place.stage.url, "--code", "guess"),
        *("--key", place.folder / "organizer.key"),
    )
    place.well(*place.sign(1, "--public"))
    monkeypatch.setenv("UNDERSIGNED_PASSPHRASE", "wrong")
    assert "does not open" in place.refused("withdraw", place.receipt(1), "--yes")
    close = ("letter", "close", place.url, "--reason", "x", "--key", place.folder / "organizer.key")
    assert "does not open" in place.refused(*close)
    monkeypatch.setenv("UNDERSIGNED_PASSPHRASE", "correct horse")
    place.well("letter", "publish", place.write_letter(), "--help")
    stranger = ("letter", "close", place.url, "--reason", "x", "--key", place.folder / "t1.key")
    assert "not an organizer's key file" in place.refused(*stranger)
    assert {path for path in place.left() if path.endswith(".begun")} <= {"receipt-9.json.begun"}


def test_a_host_that_dies_on_the_way_costs_nobody_a_signature(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.publish()
    place.import_roster()
    place.accept()
    words = place.sign(1, "--if-at-least", "20")
    honest = {"request_right": signing.request_right, "send": signing.send}

    def dies_before(name: str) -> Callable[..., Any]:
        def die(*args: Any, **how: Any) -> Any:
            place.kill_host()
            return honest[name](*args, **how)

        return die

    def dies_after(name: str) -> Callable[..., Any]:
        def die(*args: Any, **how: Any) -> Any:
            honest[name](*args, **how)
            place.kill_host()
            raise Unavailable("the host cannot be reached (ReadError): try again later")

        return die

    moments = [
        ("request_right", dies_before("request_right")),
        ("request_right", dies_after("request_right")),
        ("send", dies_before("send")),
        ("send", dies_after("send")),
    ]
    for name, die in moments:
        with monkeypatch.context() as patch:
            patch.setattr(signing, name, die)
            place.until(lambda: "cannot be reached" in place(*words).err)
        assert place.left() == {"receipt-1.json.begun"}
        assert stat.S_IMODE((place.folder / "receipt-1.json.begun").stat().st_mode) == 0o600
        place.start_host()
    place.until(lambda: place(*words).code == 0)
    assert place.left() == {"receipt-1.json"}
    place.well("receipt", place.receipt(1))
    assert "Going on" not in place.well(*place.sign(2, "--public"))
    path = place.write_letter(text="Other words.")
    place.well("letter", "amend", place.url, path, "--summary", "Words", "--key", place.folder / "organizer.key")
    place.until(lambda: get_json(HttpSource(place.url), "counts.json")["older_version"] == 2)


def test_who_has_a_mailbox_of_the_class_signs_by_a_code_from_the_mail(place: Place) -> None:
    place.kill_host()
    place.start_host()
    place.until(lambda: "letters" in get_json(HttpSource(place.stage.url), "letters"))
    place.publish(attesters="[e-mail]")
    place.accept()
    receipt = place.folder / "receipt-mail.json"
    words = ("sign", place.url, "--public", "--receipt", receipt, "--yes", "--wait", "0", "--name", "Åse Müller")
    out = place.well(*words, "--mail", "ase@example.org", typed=place.post.typed())
    assert "A code is on its way" in out
    assert place.left() == {"receipt-mail.json"}
    assert place.post.codes == []
    again = ("sign", place.url, "--public", "--receipt", place.folder / "receipt-2.json", "--yes", "--name", "Åse")
    assert "given to you before" in place.refused(*again, "--mail", "ASE@example.org", typed=place.post.typed())
    wrong = place.refused(*again, "--mail", "bo@example.org", typed=["0000-0000"])
    assert "not the code" in wrong
    assert place.refused(*again, "--mail", "no address")
    place.until(lambda: "Åse Müller" in HttpSource(place.stage.url).get(f"l/{place.slug}").decode())
