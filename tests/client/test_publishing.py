"""Publishing: what a draft and a host become, and hosts that answer something else."""

import json
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from support.letters import make_letter
from undersigned.client import publishing
from undersigned.client.source import HttpSource
from undersigned.crypto import ed25519
from undersigned.draft import Draft, read_draft
from undersigned.errors import Malformed, Refused, UndersignedError
from undersigned.protocol.letter import Letter

CAST = make_letter()
ORGANIZER = bytes(range(32))
KEYS = [b64encode(ed25519.public_key(bytes([number]) * 32)).decode() for number in range(1, 4)]
FILE = f"""---
title: To the board
slug: board
addressee: The board
demands: [Resign., Appoint a new board.]
pledge: We may leave.
classes:
  - {{name: Staff, eligible: 770, source: register, attesters: [roster]}}
  - {{name: Friends, attesters: [e-mail], counts: no}}
tiers: [5, 8]
trustees:
  - {{name: One, key: {KEYS[0]}}}
  - {{name: Two, key: {KEYS[1]}}}
  - {{name: Three, key: {KEYS[2]}}}
quorum: 2
hold: 100s
deadline: 2030-01-01T12:00+01:00
---
We, the undersigned, ask the board to resign.
"""
TOLD: dict[str, Any] = {
    "host": "letters.example.org",
    "log_key": b64encode(ed25519.public_key(CAST.log)).decode(),
    "promise_key": b64encode(ed25519.public_key(CAST.promise)).decode(),
    "registrar": {"name": "The council", "key": b64encode(ed25519.public_key(CAST.registrars[1])).decode()},
    "policy": CAST.letter.publication.policy,
    "shape": "one-process",
}
ISSUERS = {str(number): b64encode(CAST.issuers[1, number].public.spki()).decode() for number in (1, 2)}


class Host:
    """Answers what a host answers, or what a test puts in its place; `asked`: paths with bodies."""

    def __init__(self, **instead: Any) -> None:
        self.instead, self.asked = instead, list[tuple[str, Any]]()
        client = httpx.Client(transport=httpx.MockTransport(self.answer))
        self.source = HttpSource("https://letters.example.org", bearer="the code", client=client)

    def answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        self.asked.append((path, json.loads(request.content or b"null")))
        told: dict[str, tuple[str, Any]] = {
            "/host.json": ("host", TOLD),
            "/r/letters": ("draft", {"draft": "ab" * 16, "issuers": ISSUERS}),
        }
        name, answer = told.get(path, ("rest", {}))
        return httpx.Response(200, json=self.instead.get(name, answer))

    def publish(self, draft: Draft | None = None) -> Letter:
        return publishing.publish(draft or draft_of(), source=self.source, organizer=ORGANIZER)


def draft_of(change: Callable[[str], str] = str) -> Draft:
    return read_draft(change(FILE).encode())


def test_a_draft_and_a_host_become_a_letter_signed_by_the_organizer_alone() -> None:
    host = Host()
    letter = host.publish()
    assert (letter.origin, letter.publication.shape) == ("letters.example.org/l/board", "one-process")
    assert [item.text for item in letter.publication.demands] == ["Resign.", "Appoint a new board."]
    assert [(item.name, item.eligible, item.counts) for item in letter.publication.classes] == [
        ("Staff", 770, True),
        ("Friends", 0, False),
    ]
    assert {item.namespace for item in letter.publication.classes} == {"mail"}
    assert letter.publication.deadline == 1_893_495_600
    assert letter.publication.organizer_key == ed25519.public_key(ORGANIZER)
    assert [path for path, _ in host.asked] == [
        "/host.json",
        "/r/letters",
        "/letters",
        f"/r/letters/{'ab' * 16}/publication",
    ]
    assert ORGANIZER.hex() not in str(host.asked)
    assert b64encode(ORGANIZER).decode() not in str(host.asked)


def test_without_a_deadline_a_letter_is_open_for_thirty_days(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing.time, "time", lambda: 1_800_000_000.5)
    draft = draft_of(lambda text: text.replace("deadline: 2030-01-01T12:00+01:00\n", ""))
    assert Host().publish(draft).publication.deadline == 1_800_000_000 + 30 * 86_400


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda text: text.replace(KEYS[1], ""), Refused, "trustee “Two” has no key yet"),
        (lambda text: text.replace(KEYS[1], "not/base64"), Malformed, "line 13: the key must be the one line"),
        (lambda text: text.replace(KEYS[1], "AAAA"), Malformed, "key"),
        (lambda text: text.replace(KEYS[1], KEYS[0]), Malformed, "same trustee key twice"),
    ],
)
def test_a_draft_that_is_no_letter_yet_is_refused_before_the_log_hears_of_it(
    change: Callable[[str], str], error: type[UndersignedError], words: str
) -> None:
    host = Host()
    with pytest.raises(error, match=words):
        host.publish(draft_of(change))
    assert "/letters" not in [path for path, _ in host.asked]


@pytest.mark.parametrize(
    "instead",
    [
        {"host": {}},
        {"host": []},
        {"host": TOLD | {"registrar": None}},
        {"host": TOLD | {"registrar": "The council"}},
        {"host": TOLD | {"log_key": None}},
        {"host": TOLD | {"log_key": "AAAA"}},
        {"host": TOLD | {"promise_key": b64encode(bytes(32)).decode()}},
        {"host": TOLD | {"policy": "quorum"}},
        {"host": TOLD | {"policy": None}},
        {"host": TOLD | {"host": "letters.example.org/somewhere"}},
        {"draft": {}},
        {"draft": []},
        {"draft": {"draft": "ab" * 16}},
        {"draft": {"draft": "ab" * 16, "issuers": []}},
        {"draft": {"draft": "ab" * 16, "issuers": {"1": ISSUERS["1"]}}},
        {"draft": {"draft": "ab" * 16, "issuers": {"1": ISSUERS["1"], "3": ISSUERS["2"]}}},
        {"draft": {"draft": "ab" * 16, "issuers": {"1": ISSUERS["1"], "two": ISSUERS["2"]}}},
        {"draft": {"draft": "ab" * 16, "issuers": {"1": ISSUERS["1"], "2": ISSUERS["1"]}}},
        {"draft": {"draft": "ab" * 16, "issuers": {"1": ISSUERS["1"], "2": "AAAA"}}},
        {"draft": {"draft": "ab" * 16, "issuers": {"1": ISSUERS["1"], "2": None}}},
        {"rest": []},
    ],
)
def test_a_host_that_answers_something_else_is_refused_in_one_sentence(instead: dict[str, Any]) -> None:
    with pytest.raises(UndersignedError) as refusal:
        Host(**instead).publish()
    assert isinstance(refusal.value, Malformed)
    assert "\n" not in str(refusal.value)


def test_the_words_on_a_terminal_are_all_that_people_sign() -> None:
    shown = publishing.text_of(CAST.letter.publication)
    for part in ("To the board", "We, the undersigned", "2. Appoint a new board.", "We may leave.", "To: The board"):
        assert part in shown
