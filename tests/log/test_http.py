"""The log's doorway: what a stranger, a signatory, a trustee and an organizer get over HTTP."""

import asyncio
from base64 import b64decode

import pytest

from support.log_rooms import HOST, PUBLISH_CODE, SLUG, Place, text
from undersigned import web
from undersigned.crypto import ed25519
from undersigned.errors import Unavailable
from undersigned.protocol import entry as entries
from undersigned.protocol.dossier import read_entries, read_zip
from undersigned.protocol.encoding import sha256, to_jcs
from undersigned.protocol.exchange import Message, message_to_sign
from undersigned.protocol.letter import Letter
from undersigned.protocol.promise import Promise, verify_promise
from undersigned.transparency import tiles
from undersigned.transparency.checkpoint import open_checkpoint
from undersigned.transparency.merkle import leaf_hash, root_hash
from undersigned.transparency.proof import parse_proof, verify_proof


def submission(entry: bytes, blob: bytes | None) -> dict[str, str]:
    return {"entry": text(entry)} | ({} if blob is None else {"blob": text(blob)})


def test_a_letter_is_published_with_the_publish_code_only(run):
    async def story(place: Place) -> None:
        body = {"entry": text(place.cast.letter.data)}
        for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": f"Bearer {PUBLISH_CODE}ü".encode()}):
            assert (await place.request("POST", "/letters", body=body, headers=headers)).status_code == 403
        headers = {"authorization": f"Bearer {PUBLISH_CODE}"}
        answer = await place.request("POST", "/letters", body=body, headers=headers)
        assert answer.status_code == 201
        assert answer.json() == {"origin": place.cast.letter.origin, "lid": place.cast.letter.lid.hex()}
        assert (await place.request("POST", "/letters", body=body, headers=headers)).status_code == 409
        listed = (await place.request("GET", "/letters")).json()
        assert listed == {"letters": [{"slug": SLUG, "title": "To the board", "lid": place.cast.letter.lid.hex()}]}

    run(story, published=False)


def test_a_signature_over_http_earns_a_promise_and_then_a_proof(run):
    async def story(place: Place) -> None:
        person = place.cast.person()
        entry, blob = place.cast.signature(person)
        answer = (await place.post_json("submit", submission(entry, blob))).json()
        promise = Promise(latest=answer["promise"]["latest"], sig=b64decode(answer["promise"]["sig"]))
        verify_promise(promise, entry=entry, key=person.key, letter=place.cast.letter)
        waiting = await place.get(f"proof/{answer['leaf']}")
        assert waiting.status_code == 404
        assert "try again" in waiting.json()["detail"]
        await place.step(60)
        proof = parse_proof((await place.get(f"proof/{answer['leaf']}")).content)
        letter = place.cast.letter
        verify_proof(proof, leaf_hash=leaf_hash(entry), vkey=letter.log_vkey, policy=letter.policy)
        assert (await place.get(f"blobs/{sha256(blob).hex()}")).content == blob

    run(story)


def test_a_refusal_is_one_sentence_for_the_person(run):
    async def story(place: Place) -> None:
        entry, blob = place.cast.signature(place.cast.person())
        for body in (
            {"entry": text(entry), "blob": text(blob), "more": ""},
            {"entry": text(entry).rstrip("="), "blob": text(blob)},
            {"entry": text(entry)[:-4] + "AA=\n"},
            {"blob": text(blob)},
            b"[" * 100_000,
            b"\xff",
            submission(entry.replace(b'"v":1', b'"v": 1'), blob),
            submission(entry + b" " * (65_536 - len(entry)), blob),
        ):
            answer = await place.post_json("submit", body)
            assert answer.status_code == 400
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["detail"]
        assert (await place.request("POST", "/l/nowhere/submit", body=submission(entry, blob))).status_code == 404

    run(story)


def test_a_body_that_is_too_long_or_too_slow_is_cut_off(run, monkeypatch):
    monkeypatch.setattr(web, "BODY_SECONDS", 0.05)

    async def story(place: Place) -> None:
        assert (await place.post_json("submit", b" " * (256 * 1024 + 1))).status_code == 413

        async def slow() -> dict:
            await asyncio.sleep(10)
            return {"type": "http.request", "body": b"", "more_body": True}

        sent = []

        async def send(message) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "POST", "path": f"/l/{SLUG}/submit", "headers": []}
        await place.room.router(scope, slow, send)
        assert sent[0]["status"] == 408

    run(story)


def test_sealed_envelopes_go_to_trustees_with_a_fresh_signature_and_to_nobody_else(run):
    async def story(place: Place) -> None:
        people = [place.cast.person() for _ in range(5)]
        blobs = {}
        for person in people:
            entry, blob = place.cast.signature(person, "sealed", tier=2)
            blobs[person.key] = blob
            await place.submit(entry, blob)
        await place.step()
        indexes = [place.state.records[person.key].index for person in people]
        answer = (await place.post_json("sealed", place.sealed_request(2, indexes))).json()
        assert answer["missing"] == []
        assert answer["blobs"][str(indexes[0])] == text(blobs[people[0].key])
        good = place.sealed_request(2, indexes)
        for bad in (
            good | {"trustee": 3},
            good | {"trustee": 9},
            good | {"indexes": indexes[:1]},
            good | {"at": good["at"] + 1},
            good | {"sig": text(bytes(64))},
            place.sealed_request(2, indexes, at=place.clock.now - 301),
            place.sealed_request(2, indexes, at=place.clock.now + 301),
        ):
            assert (await place.post_json("sealed", bad)).status_code == 403
        assert (await place.post_json("sealed", place.sealed_request(2, list(range(101))))).status_code == 400
        for blob in blobs.values():
            assert (await place.get(f"blobs/{sha256(blob).hex()}")).status_code == 404

    run(story)


def test_tiles_and_bundles_are_the_log_and_full_or_not_they_never_change(run):
    async def story(place: Place) -> None:
        for _ in range(300):
            await place.sign("anonymous")
        await place.step(60)
        checkpoint, _ = open_checkpoint((await place.get("checkpoint")).content, place.cast.letter.log_vkey)
        found = []
        for bundle in tiles.entries_layout(checkpoint.size):
            answer = await place.get(bundle.path)
            assert ("immutable" in answer.headers["cache-control"]) == (bundle.width == tiles.FULL_WIDTH)
            found += tiles.decode_entries(answer.content, bundle.width)
        hashes = [leaf_hash(one) for one in found]
        assert root_hash(hashes) == checkpoint.root_hash
        assert (await place.get("tile/0/000")).content == b"".join(hashes[:256])
        assert (await place.get("tile/1/000.p/1")).content == root_hash(hashes[:256])
        assert (await place.get("tile/0/001.p/7")).content == b"".join(hashes[256:263])
        for path in ("tile/0/001", "tile/entries/001", "tile/1/001.p/1", "tile/0/1", "tile/x", "tile/64/000"):
            assert (await place.get(path)).status_code == 404
        assert Letter.from_entry(found[0]).lid == place.cast.letter.lid

    run(story)


def test_counts_have_a_tag_so_that_most_readers_fetch_nothing(run):
    async def story(place: Place) -> None:
        await place.sign()
        await place.step(60)
        answer = await place.get("counts.json")
        assert answer.json()["public"] == 1
        assert answer.json()["size"] == place.state.size
        headers = {"if-none-match": answer.headers["etag"]}
        again = await place.request("GET", f"/l/{SLUG}/counts.json", headers=headers)
        assert (again.status_code, again.content) == (304, b"")

    run(story)


def test_the_dossier_is_whole_at_the_checkpoint_it_carries_even_just_after_a_withdrawal(run):
    async def story(place: Place) -> None:
        people = [await place.sign() for _ in range(3)]
        await place.step(60)
        await place.submit(place.cast.withdrawal(people[0]))
        await place.sign()
        await place.step(1)
        files = read_zip((await place.get("letter.dossier")).content)
        checkpoint, _ = open_checkpoint(files["checkpoint"], place.cast.letter.log_vkey)
        assert checkpoint.size < place.state.size
        log = [entries.decode_entry(one) for one in read_entries(files, checkpoint.size)]
        cards = {f"blobs/{one.blob.hex()}" for one in log if isinstance(one, entries.Signature)}
        assert cards == {name for name in files if name.startswith("blobs/")}

    run(story, hold=172_800)


async def frozen(place: Place) -> int:
    for _ in range(5):
        await place.sign("sealed", tier=1)
    for _ in range(6):
        await place.step(30)
    return place.state.frozen.index


def message(place: Place, freeze: int, *, sender: int = 1, to: int = 2, type_: str = "shares", payload: bytes = b"x"):
    bare = Message(freeze=freeze, from_=sender, to=to, type=type_, part=1, parts=1, payload=payload)
    sig = ed25519.sign(place.cast.trustees[sender], message_to_sign(bare, lid=place.cast.letter.lid))
    fields = {"freeze": freeze, "from": sender, "to": to, "type": type_, "part": 1, "parts": 1, "payload": payload}
    return to_jcs(fields | {"sig": sig})


def test_trustees_messages_are_carried_and_shares_cannot_be_changed(run):
    async def story(place: Place) -> None:
        freeze = await frozen(place)
        shares = message(place, freeze)
        for _ in range(2):
            assert (await place.post_json("exchange", shares)).status_code == 200
        assert (await place.post_json("exchange", message(place, freeze, payload=b"y"))).status_code == 409
        for payload in (b"first", b"second"):
            proposal = message(place, freeze, to=0, type_="list", payload=payload)
            assert (await place.post_json("exchange", proposal)).status_code == 200
        assert (await place.get(f"exchange/{freeze}/2")).json() == {"messages": [text(shares)]}
        assert (await place.get(f"exchange/{freeze}/0")).json() == {"messages": [text(proposal)]}
        assert (await place.post_json("exchange", message(place, freeze + 1))).status_code == 409
        assert (await place.post_json("exchange", shares.replace(b'"to":2', b'"to":3'))).status_code == 422
        assert (await place.post_json("exchange", shares.replace(b'"from":1', b'"from":9'))).status_code == 409
        assert (await place.post_json("exchange", shares + b" ")).status_code == 400

    run(story, hold=100)


def test_no_answer_comes_before_the_entry_is_on_disk(run):
    async def story(place: Place) -> None:
        order = []
        real = place.room.storage.write

        def slow(changes):
            real(changes)
            order.append("kept")

        place.room.storage.write = slow
        await place.post_json("submit", submission(*place.cast.signature(place.cast.person())))
        order.append("answered")
        assert order == ["kept", "answered"]

        def failing(changes):
            raise Unavailable("the log could not write to its disk: try again later")

        place.room.storage.write = failing
        body = submission(*place.cast.signature(place.cast.person()))
        assert (await place.post_json("submit", body)).status_code == 503
        place.room.storage.write = real

    run(story)


@pytest.mark.parametrize("path", ["checkpoint", "counts.json", "letter.dossier", "submit", f"exchange/{HOST}/1"])
def test_a_letter_that_is_not_here_is_not_found(run, path):
    async def story(place: Place) -> None:
        assert (await place.request("GET", f"/l/other/{path}")).status_code in (404, 405)

    run(story)
