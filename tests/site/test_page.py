"""The page of a letter: what readers see, and what a hostile name or text cannot do to them."""

import asyncio

import pytest

from support.letters import START, MemoryLog, begun, make_letter
from undersigned.protocol.blob import Card, read_public_blob
from undersigned.protocol.sealing import open_box, read_envelope
from undersigned.site.asgi import SiteRoom
from undersigned.site.page import letter_page
from undersigned.site.view import LetterView
from undersigned.transparency.checkpoint import Checkpoint

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "javascript:alert(1)",
    "</title><svg onload=alert(1)>",
    "{{7*7}} ${7*7}",
    "&lt;b&gt;",
]


def view_of(log: MemoryLog) -> LetterView:
    letter = log.cast.letter
    cards: dict[int, Card] = {}
    for record in log.state.effective():
        if record.opened is not None:
            data = log.opened[record.index]
            envelope = read_envelope(data[32:], letter=letter, tier=record.tier)
            cards[record.index] = open_box(envelope, letter=letter, key=record.entry.key, open_key=data[:32]).card
        elif record.mode == "public":
            cards[record.index] = read_public_blob(log.blobs[record.blob or b""]).card
    checkpoint = Checkpoint(origin=letter.origin, size=log.size, root_hash=log.tree.root())
    return LetterView(state=log.state, checkpoint=checkpoint, cards=cards, witnessed=True)


def signed(**changes: object) -> MemoryLog:
    log = begun(make_letter(tiers=(3, 8), **changes))
    cast = log.cast
    log.append(*cast.signature(cast.person("Ada Example", "Optics (Hospitals)")))
    for number in range(3):
        log.append(*cast.signature(cast.person(f"Secret {number}"), "sealed", tier=1))
    log.append(*cast.signature(cast.person("Secret Nobody"), "anonymous"))
    return log


def test_the_page_shows_public_names_and_only_how_many_are_sealed_or_anonymous():
    page = letter_page(view_of(signed()))
    assert "Ada Example" in page
    assert "Optics (Hospitals)" in page
    assert "3 sealed names" in page
    assert "open at 3" in page
    assert "1 anonymous, attested" in page
    assert "Secret" not in page


def test_opened_names_take_the_place_of_their_blanks():
    log = signed()
    log.freeze(1, at=START)
    log.open()
    page = letter_page(view_of(log))
    assert "Secret 0" in page
    assert "sealed names" not in page


def test_the_page_tells_the_count_the_classes_and_where_to_check():
    log = signed()
    page = letter_page(view_of(log))
    assert "<strong>4</strong> stand together now" in page
    assert "register of staff" in page
    assert log.cast.letter.lid.hex() in page
    assert "letter.dossier" in page


@pytest.mark.parametrize("words", HOSTILE)
def test_what_people_write_is_shown_as_they_wrote_it_and_never_runs(words):
    log = begun(make_letter(title=words, text=words, addressee=words, pledge=words))
    log.append(*log.cast.signature(log.cast.person(words, words)))
    page = letter_page(view_of(log))
    assert "<script" not in page
    assert "<img" not in page
    assert "<svg onload" not in page
    assert 'href="javascript' not in page


def test_pictures_and_links_in_a_letter_are_left_out():
    page = letter_page(view_of(begun(make_letter(text="![spy](https://example.org/a.png) [x](https://example.org)"))))
    assert "example.org/a.png" not in page
    assert 'https://example.org"' not in page


def test_a_letter_in_arabic_reads_from_right_to_left():
    assert '<html lang="ar" dir="rtl">' in letter_page(view_of(begun(make_letter(language="ar"))))


def ask(room: SiteRoom, path: str, headers: tuple[tuple[bytes, bytes], ...] = ()) -> tuple[int, dict[str, str], bytes]:
    sent: list[dict[str, object]] = []

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {"type": "http", "method": "GET", "path": path, "headers": list(headers), "query_string": b""}
    asyncio.run(room.router(scope, receive, send))
    return int(sent[0]["status"]), {k.decode(): v.decode() for k, v in sent[0]["headers"]}, sent[1]["body"]


def test_readers_get_a_strict_policy_no_cookie_and_a_304_when_nothing_changed():
    view = view_of(signed())
    room = SiteRoom(view=lambda slug: view if slug == "board" else None, slugs=lambda: ["board"])
    status, headers, body = ask(room, "/l/board")
    assert status == 200
    assert b"<script" not in body
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert headers["referrer-policy"] == "no-referrer"
    assert "set-cookie" not in headers
    assert b"http://" not in body.replace(b"http(s)://", b"")
    status, _, body = ask(room, "/l/board", ((b"if-none-match", headers["etag"].encode()),))
    assert (status, body) == (304, b"")
    assert ask(room, "/l/nothing")[0] == 404
    assert b"To the board" in ask(room, "/")[2]
    assert ask(room, "/static/letter.css")[1]["content-type"].startswith("text/css")
