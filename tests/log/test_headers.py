"""What a cache, a mirror or another program's client is told by each answer: types, tags, and how long it keeps."""

import asyncio

import httpx
import pytest

from support.letters import begun, make_letter
from support.log_rooms import HOST, SLUG, Place
from undersigned.site.asgi import SiteRoom
from undersigned.site.view import LetterView
from undersigned.transparency.checkpoint import Checkpoint, open_checkpoint
from undersigned.transparency.merkle import leaf_hash
from undersigned.web import App

ONE_YEAR = "public, max-age=31536000, immutable"
SECOND = "public, max-age=1"
MINUTE = "public, max-age=60"
TEXT = "text/plain; charset=utf-8"
BYTES = "application/octet-stream"


async def ask(app: App, path: str, tag: str | None = None, method: str = "GET") -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=f"http://{HOST}") as client:
        return await client.request(method, path, headers={} if tag is None else {"if-none-match": tag})


async def check(app: App, path: str, type_: str, cache: str) -> None:
    """Every header of one address, first asked for, then asked for again."""
    first = await ask(app, path)
    assert first.status_code == 200
    tag = first.headers["etag"]
    assert tag.startswith('"')
    expected = {
        "content-type": type_,
        "content-length": str(len(first.content)),
        "cache-control": cache,
        "etag": tag,
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
    }
    found = dict(first.headers)
    assert {name: found.pop(name) for name in expected} == expected
    assert set(found) <= {"content-security-policy", "x-frame-options"}
    head = await ask(app, path, method="HEAD")
    assert (head.headers, head.content) == (first.headers, b"")
    for given in (tag, f'"other", {tag}', f"W/{tag}", "*"):
        again = await ask(app, path, given)
        assert (again.status_code, again.content) == (304, b"")
        assert (again.headers["etag"], again.headers["cache-control"]) == (tag, cache)
        assert "content-length" not in again.headers
    for given in ('"other"', tag.strip('"'), ""):
        assert (await ask(app, path, given)).status_code == 200


def test_every_file_of_a_log_says_what_it_is_and_how_long_it_may_be_kept(run):
    async def story(place: Place) -> None:
        for _ in range(5):
            await place.sign("sealed", tier=1)
        public = await place.sign()
        for _ in range(250):
            await place.sign("anonymous")
        await place.step(60)
        size = place.state.size
        assert 256 < size < 512
        blob = place.state.records[public.key].blob.hex()
        for path, type_, cache in (
            ("checkpoint", TEXT, "no-cache"),
            ("tile/0/000", BYTES, ONE_YEAR),
            ("tile/entries/000", BYTES, ONE_YEAR),
            (f"tile/0/001.p/{size - 256}", BYTES, MINUTE),
            (f"tile/entries/001.p/{size - 256}", BYTES, MINUTE),
            ("tile/1/000.p/1", BYTES, MINUTE),
            ("checkpoints.json", "application/json", SECOND),
            (f"checkpoints/{size}.last", TEXT, SECOND),
            (f"blobs/{blob}", BYTES, SECOND),
            ("counts.json", "application/json", SECOND),
            ("letter.dossier", "application/zip", MINUTE),
        ):
            await check(place.room.router, f"/l/{SLUG}/{path}", type_, cache)
        await check(place.room.router, "/letters", "application/json", SECOND)

    run(story)


def test_a_checkpoint_is_the_three_lines_of_c2sp_and_tiles_lie_below_its_origin(run):
    async def story(place: Place) -> None:
        answer = await ask(place.room.router, f"/l/{SLUG}/checkpoint")
        checkpoint, note = open_checkpoint(answer.content, place.cast.letter.log_vkey)
        assert checkpoint.origin == f"{HOST}/l/{SLUG}"
        assert note.text.count("\n") == 3
        leaf = await ask(place.room.router, f"/l/{SLUG}/tile/0/000.p/{checkpoint.size}")
        assert leaf.content[:32] == leaf_hash(place.cast.letter.data)

    run(story)


def test_a_new_head_changes_the_tags_of_all_that_follows_from_it_and_of_nothing_else(run):
    async def story(place: Place) -> None:
        await place.sign()
        await place.step(60)
        size = place.state.size
        paths = ["checkpoint", "counts.json", "letter.dossier", f"tile/0/000.p/{size}", f"checkpoints/{size}.first"]
        before = {path: (await place.get(path)).headers["etag"] for path in paths}
        await place.sign()
        await place.step(60)
        after = {path: (await place.get(path)).headers["etag"] for path in paths}
        assert [path for path in paths if after[path] != before[path]] == paths[:3]

    run(story)


def test_whoever_has_the_dossier_is_told_so_without_building_it_again(run, monkeypatch):
    async def story(place: Place) -> None:
        await place.step(60)
        path = f"/l/{SLUG}/letter.dossier"
        tag = (await ask(place.room.router, path)).headers["etag"]
        monkeypatch.setattr(place.room.storage, "entries", None)
        assert (await ask(place.room.router, path, tag)).status_code == 304
        monkeypatch.undo()
        place.room.log(SLUG).beside += 1
        assert (await ask(place.room.router, path, tag)).status_code == 304

    run(story)


@pytest.mark.parametrize("path", ["/", f"/l/{SLUG}", "/static/letter.css"])
def test_pages_and_their_style_are_tagged_too(path):
    log = begun(make_letter())
    checkpoint = Checkpoint(origin=log.cast.letter.origin, size=log.size, root_hash=log.tree.root())
    view = LetterView(state=log.state, checkpoint=checkpoint, cards={}, witnessed=True)
    site = SiteRoom(view=lambda slug: view, slugs=lambda: [SLUG])
    css = path.endswith(".css")
    type_, cache = ("text/css", "public, max-age=300") if css else ("text/html", "no-cache")
    asyncio.run(check(site.router, path, f"{type_}; charset=utf-8", cache))
