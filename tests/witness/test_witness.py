"""A witness lets each log have one history, as C2SP tlog-witness asks, and remembers it through a crash."""

import asyncio
import json
from pathlib import Path

import httpx
import pytest

from support import VECTORS
from undersigned.crypto import ed25519
from undersigned.errors import Malformed, Unavailable, VerificationError
from undersigned.transparency.checkpoint import Checkpoint, sign_checkpoint
from undersigned.transparency.cosignature import verify_cosignature
from undersigned.transparency.encoding import base64_text
from undersigned.transparency.merkle import Tree, leaf_hash
from undersigned.transparency.note import Note, parse_note, parse_vkey
from undersigned.web import Forbidden, NotFound
from undersigned.witness.asgi import Conflict, Witness, make_witness

SEED, LOG_SEED = bytes([7]) * 32, bytes([8]) * 32
ORIGIN = "letters.example.org/l/board"
NOW = 1_800_000_000

# An origin the witness does not know: litewitness says 403, tlog-witness v1.0.0 says 404. The exchange with an invalid
# signature spells it in base64 that does not re-encode to itself, and is refused here before anything is verified.
DIFFERENT = {"unknown log": 404, "invalid signature": 400}


def witness(directory: Path) -> Witness:
    hosts = {"letters.example.org": ed25519.public_key(LOG_SEED)}
    return make_witness(directory, name="w.example.org", seed=SEED, hosts=hosts, clock=lambda: NOW + 0.7)


def tree(size: int, *, other: bool = False) -> Tree:
    return Tree([leaf_hash(bytes([index, other and index == 2])) for index in range(size)])


def request(old: int, new: Tree, *, origin: str = ORIGIN, seed: bytes = LOG_SEED, proof: bool = True) -> bytes:
    checkpoint = Checkpoint(origin=origin, size=new.size, root_hash=new.root())
    hashes = new.consistency_proof(old, new.size) if proof else []
    lines = [f"old {old}", *(base64_text(one) for one in hashes), "", ""]
    return "\n".join(lines).encode() + sign_checkpoint(checkpoint, seed=seed).encode()


def call(app: Witness, method: str, path: str, body: bytes = b"") -> httpx.Response:
    async def send() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://w") as client:
            return await client.request(method, path, content=body)

    return asyncio.run(send())


@pytest.mark.parametrize("name", ["sigsum", "sumdb"])
def test_litewitness_exchanges_get_the_answers_of_the_specification(name: str, tmp_path: Path) -> None:
    vector = json.loads((VECTORS / f"tlog/notes/witness-add-checkpoint-{name}.json").read_text())
    logs = {vector["origin"]: parse_vkey(vector["log_vkey"])}
    app = make_witness(tmp_path, name=vector["witness_name"], seed=SEED, logs=logs)
    for exchange in vector["exchanges_in_order"]:
        answer = call(app, "POST", "/add-checkpoint", exchange["request_body"].encode())
        assert answer.status_code == DIFFERENT.get(exchange["response_contains"], exchange["status"])
        if answer.status_code == 400:
            continue
        assert exchange["response_contains"] is None or exchange["response_contains"] in answer.text
        assert exchange["response_equals"] is None or exchange["response_equals"] == answer.text
        if answer.status_code == 409:
            assert answer.headers["content-type"] == "text/x.tlog.size"


def test_what_it_answers_is_a_cosignature_at_its_own_clock(tmp_path: Path) -> None:
    body, app = request(0, tree(3)), witness(tmp_path)
    note = parse_note(body.split(b"\n\n", 1)[1])
    line = app.add_checkpoint(body)
    cosigned = parse_note(note.encode() + line)
    assert verify_cosignature(cosigned, app.vkey) == NOW
    assert isinstance(cosigned, Note)


def test_it_says_who_it_is_and_which_logs_it_cosigns(tmp_path: Path) -> None:
    app = witness(tmp_path)
    app.add_checkpoint(request(0, tree(3)))
    assert parse_vkey(call(app, "GET", "/vkey").text.strip()) == app.vkey
    assert call(app, "GET", "/origins").json() == {"origins": {ORIGIN: 3}}


def test_every_letter_of_a_known_host_is_cosigned_and_no_other(tmp_path: Path) -> None:
    app = witness(tmp_path)
    app.add_checkpoint(request(0, tree(1), origin="letters.example.org/l/another"))
    for origin in ("elsewhere.example.org/l/board", "letters.example.org/l/", "letters.example.org", ORIGIN + "/x"):
        with pytest.raises(NotFound):
            app.add_checkpoint(request(0, tree(1), origin=origin))


def test_a_letter_signed_by_another_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Forbidden):
        witness(tmp_path).add_checkpoint(request(0, tree(1), seed=SEED))


def test_a_second_history_is_never_cosigned(tmp_path: Path) -> None:
    app = witness(tmp_path)
    app.add_checkpoint(request(0, tree(5)))
    with pytest.raises(Conflict):
        app.add_checkpoint(request(5, tree(5, other=True)))
    with pytest.raises(VerificationError):
        app.add_checkpoint(request(5, tree(8, other=True)))
    with pytest.raises(Conflict):
        app.add_checkpoint(request(0, tree(8, other=True)))
    app.add_checkpoint(request(5, tree(8)))


def test_it_remembers_through_a_restart(tmp_path: Path) -> None:
    first = witness(tmp_path)
    first.add_checkpoint(request(0, tree(5)))
    first.close()
    second = witness(tmp_path)
    with pytest.raises(Conflict) as refusal:
        second.add_checkpoint(request(0, tree(3)))
    assert refusal.value.size == 5
    second.add_checkpoint(request(5, tree(5)))


def test_two_witnesses_cannot_share_a_directory(tmp_path: Path) -> None:
    witness(tmp_path)
    with pytest.raises(Unavailable, match="another witness is running"):
        witness(tmp_path)


def test_a_memory_it_cannot_read_stops_it(tmp_path: Path) -> None:
    first = witness(tmp_path)
    first.add_checkpoint(request(0, tree(5)))
    first.close()
    (kept,) = tmp_path.glob("*.checkpoint")
    kept.write_bytes(b"\xff")
    with pytest.raises(Unavailable, match="two histories"):
        witness(tmp_path)


def test_it_answers_only_after_it_has_written_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = witness(tmp_path)

    def full(*_: object) -> None:
        raise OSError

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(Unavailable):
        app.add_checkpoint(request(0, tree(5)))
    monkeypatch.undo()
    app.add_checkpoint(request(0, tree(5, other=True)))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"old 0",
        request(0, tree(1)).replace(b"old 0", b"old 00"),
        request(0, tree(1)).replace(b"old 0", b"new 0"),
        request(0, tree(1)).replace(b"old 0", b"old 2"),
        request(0, tree(1)).replace(b"old 0\n", b"old 0\nAAAA\n"),
        request(0, tree(1)).replace(b"old 0\n", b"old 0\n" + b"A" * 43 + b"=\n" * 64),
        request(0, tree(1))[:-1],
    ],
)
def test_a_request_that_is_not_one_is_malformed(body: bytes, tmp_path: Path) -> None:
    with pytest.raises(Malformed):
        witness(tmp_path).add_checkpoint(body)


def test_a_proof_where_none_may_be_is_refused(tmp_path: Path) -> None:
    extra = base64_text(bytes(32)).encode()
    with pytest.raises(VerificationError):
        witness(tmp_path).add_checkpoint(request(0, tree(1)).replace(b"old 0\n", b"old 0\n" + extra + b"\n"))
