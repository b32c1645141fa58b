"""`undersigned verify` and `receipt`: exit codes, keys for machines, and one sentence for each refusal."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from support import flip_bit
from support.letters import START, MemoryLog, begun, make_letter, policy_text
from support.terminal import Terminal
from undersigned.protocol.dossier import write_zip
from undersigned.protocol.promise import make_promise
from undersigned.protocol.receipt import encode_receipt, make_receipt, with_proof
from undersigned.transparency.proof import TlogProof

CAST = make_letter(tiers=(2, 5))
OTHERS = {f"x{number}.example.org": bytes([number]) * 32 for number in range(1, 4)}


@lru_cache
def log() -> MemoryLog:
    """Two public names, one anonymous, three sealed ones of which two are opened, one withdrawn."""
    made = begun(CAST)
    people = [CAST.person(f"Person {number}") for number in range(7)]
    for person in people[:3]:
        made.append(*CAST.signature(person))
    made.append(CAST.withdrawal(people[2]))
    made.append(*CAST.signature(people[3], "anonymous"))
    for person, tier in zip(people[4:], (1, 1, 2), strict=True):
        made.append(*CAST.signature(person, "sealed", tier=tier))
    made.freeze(1, at=START)
    made.open()
    made.witness(START + 300)
    return made


@pytest.fixture
def dossier(tmp_path: Path) -> Path:
    path = tmp_path / "letter.dossier"
    path.write_bytes(write_zip(log().dossier()))
    return path


@pytest.fixture
def receipt(tmp_path: Path) -> Path:
    path = tmp_path / "receipt.json"
    path.write_bytes(made_receipt(included=True))
    return path


@lru_cache
def made_receipt(*, included: bool) -> bytes:
    made = begun(CAST)
    person = CAST.person()
    entry, blob = CAST.signature(person)
    index = made.append(entry, blob)
    made.witness(START)
    promise = make_promise(entry, key=person.key, latest=START + 60, letter=CAST.letter, seed=CAST.promise)
    kept = make_receipt(letter=CAST.letter, entry=entry, promise=promise, blob=blob, secret=None)
    proof = TlogProof(index=index, hashes=tuple(made.tree.inclusion_proof(index, made.size)), checkpoint=made.head)
    return encode_receipt(with_proof(kept, proof.encode()) if included else kept)


@pytest.fixture
def serve() -> Iterator[Callable[[bytes | int], str]]:
    """A host that answers every GET with these bytes, or this status."""
    answers: list[bytes | int] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = answers[-1] if self.path == "/l/board/letter.dossier" else 404
            self.send_response(answer if isinstance(answer, int) else 200)
            body = b"" if isinstance(answer, int) else answer
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()

    def at(answer: bytes | int) -> str:
        answers.append(answer)
        return f"http://127.0.0.1:{server.server_port}/l/board"

    yield at
    server.shutdown()
    thread.join()
    server.server_close()


# verify


def test_a_letter_that_holds_is_recounted_for_people(undersigned: Terminal, dossier: Path) -> None:
    done = undersigned("verify", dossier)
    assert done.code == 0
    assert "This letter holds: 5 stand together" in " ".join(done.out.split())
    assert "What no file can show:" in done.out
    assert done.out.count("✓") == 10


def test_the_same_for_machines_has_just_the_documented_keys(undersigned: Terminal, dossier: Path) -> None:
    done = undersigned("verify", dossier, "--json")
    told = json.loads(done.out)
    assert (done.code, done.err) == (0, "")
    assert told["ok"] is True
    assert told["letter"]["lid"] == CAST.letter.lid.hex()
    assert told["letter"]["title"] == "To the board"
    assert told["n_star"] == 5
    first, second = told["tiers"]
    assert {key: first[key] for key in ("id", "at_least", "reached", "opened")} == {
        "id": 1,
        "at_least": 2,
        "reached": True,
        "opened": 2,
    }
    assert (second["at_least"], second["reached"], second["opened"], second["sealed"]) == (5, False, 0, 1)
    staff = told["classes"][0]
    assert {key: staff[key] for key in ("id", "name", "eligible", "issued", "signatures")} == {
        "id": 1,
        "name": "Staff",
        "eligible": 770,
        "issued": 770,
        "signatures": 6,
    }
    assert told["modes"] == {"public": 2, "anonymous": 1, "sealed": 1}
    assert [told[key] for key in ("withdrawn", "disputed", "removed", "opened", "dropped", "not_openable")] == [
        1,
        0,
        0,
        2,
        0,
        0,
    ]
    assert told["witnessed"] is True
    assert [step["n"] for step in told["steps"]] == list(range(1, len(told["steps"]) + 1))
    assert all(step["ok"] and step["name"] and step["detail"] for step in told["steps"])


def test_the_keys_are_those_of_the_page(undersigned: Terminal, dossier: Path) -> None:
    page = (Path(__file__).parents[2] / "spec" / "verify.md").read_text()
    example = json.loads(page.split("```json example=verdict.json\n")[1].split("```")[0])
    assert shape(json.loads(undersigned("verify", dossier, "--json").out)) == shape(example)


def shape(value: Any) -> Any:
    """The keys of a JSON value; of a list, those of its first item; counters by name have any keys."""
    if isinstance(value, dict):
        return {key: "counter" if key == "removals" else shape(item) for key, item in value.items()}
    return [shape(value[0])] if isinstance(value, list) and value else type(value).__name__


@pytest.mark.parametrize("place", [40, 5_000, 20_000, -30])
def test_a_flipped_bit_is_refused(undersigned: Terminal, dossier: Path, place: int) -> None:
    data = dossier.read_bytes()
    dossier.write_bytes(flip_bit(data, 8 * (place % len(data))))
    done = undersigned("verify", dossier, "--json")
    told = json.loads(done.out)
    assert (done.code, told["ok"]) == (1, False)
    assert sum(step["ok"] is False for step in told["steps"]) == 1
    done = undersigned("verify", dossier)
    assert done.code == 1
    assert "This does not hold" in done.out + done.err


def write_directory(folder: Path) -> Path:
    for name, data in log().dossier().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def test_a_directory_of_the_same_files_is_a_dossier_too(undersigned: Terminal, tmp_path: Path) -> None:
    folder = write_directory(tmp_path / "unpacked")
    assert undersigned("verify", folder).code == 0
    (folder / "stranger").write_bytes(b"x")
    assert undersigned("verify", folder).code == 1


@pytest.mark.parametrize("data", [b"", b"PK", b"<!doctype html>", bytes(10_000)])
def test_what_is_no_dossier_is_malformed_and_says_so_to_machines_too(
    undersigned: Terminal, tmp_path: Path, data: bytes
) -> None:
    path = tmp_path / "letter.dossier"
    path.write_bytes(data)
    done = undersigned("verify", path)
    assert done.code == 1
    assert done.sentence.startswith("This does not hold: this is not a dossier")
    done = undersigned("verify", path, "--json")
    told = json.loads(done.out)
    assert (done.code, told["ok"], told["steps"][0]["ok"]) == (1, False, False)


def test_a_directory_that_is_no_dossier_is_not_searched(undersigned: Terminal, tmp_path: Path) -> None:
    done = undersigned("verify", tmp_path)
    assert (done.code, "no checkpoint" in done.sentence) == (1, True)


def test_a_file_that_is_not_there_could_not_be_checked(undersigned: Terminal, tmp_path: Path) -> None:
    done = undersigned("verify", tmp_path / "nothing")
    assert done.code == 3
    assert done.sentence.endswith("cannot be read: No such file or directory")


def test_an_address_is_checked_like_a_file(undersigned: Terminal, dossier: Path, serve: Callable[..., str]) -> None:
    url = serve(dossier.read_bytes())
    assert undersigned("verify", url).code == 0
    assert undersigned("verify", f"{url}/").code == 0
    assert undersigned("verify", f"{url}/letter.dossier").code == 0
    serve(b"<!doctype html>")
    assert undersigned("verify", url).code == 1


@pytest.mark.parametrize("status", [404, 500, 302])
def test_an_address_without_a_dossier_could_not_be_checked(
    undersigned: Terminal, serve: Callable[..., str], status: int
) -> None:
    done = undersigned("verify", serve(status))
    assert (done.code, f"status {status}" in done.sentence) == (3, True)


def test_an_address_where_nobody_answers_could_not_be_checked(undersigned: Terminal) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    done = undersigned("verify", f"http://127.0.0.1:{port}/l/board")
    assert (done.code, "cannot be reached" in done.sentence) == (3, True)


def test_a_readers_own_policy_counts_its_witnesses_and_no_others(
    undersigned: Terminal, dossier: Path, tmp_path: Path
) -> None:
    own = tmp_path / "policy.txt"
    own.write_text(policy_text(dict(list(CAST.witnesses.items())[:2]), 2))
    done = undersigned("verify", dossier, "--policy", own, "--json")
    assert (done.code, json.loads(done.out)["own_policy"]) == (0, True)
    own.write_text(policy_text(OTHERS, 2))
    done = undersigned("verify", dossier, "--policy", own, "--json")
    told = json.loads(done.out)
    assert (done.code, told["ok"], told["witnessed"]) == (1, False, False)


@pytest.mark.parametrize("data", [b"", b"quorum", b"\xff", b"quorum nobody\n"])
def test_a_policy_that_is_none_is_refused(undersigned: Terminal, dossier: Path, tmp_path: Path, data: bytes) -> None:
    own = tmp_path / "policy.txt"
    own.write_bytes(data)
    for command in ("verify", "receipt"):
        done = undersigned(command, dossier, "--policy", own)
        assert done.code == 1
        assert done.sentence
    assert undersigned("verify", dossier, "--policy", tmp_path / "none").code == 3


def test_another_letter_than_the_one_asked_for_is_refused(undersigned: Terminal, dossier: Path) -> None:
    assert undersigned("verify", dossier, "--lid", CAST.letter.lid.hex()).code == 0
    done = undersigned("verify", dossier, "--lid", "ab" * 32, "--json")
    assert (done.code, json.loads(done.out)["ok"]) == (1, False)


@pytest.mark.parametrize("words", [[], ["--lid", "xyz"], ["--lid", "ab"], ["--nothing"]])
def test_usage_is_exit_code_2(undersigned: Terminal, dossier: Path, words: list[str]) -> None:
    assert undersigned("verify", *([dossier] if words else []), *words).code == 2


# receipt


def test_a_receipt_holds_without_the_host(undersigned: Terminal, receipt: Path) -> None:
    done = undersigned("receipt", receipt)
    assert done.code == 0
    assert "Included" in done.out
    assert done.out.endswith("This receipt holds.\n")
    told = json.loads(undersigned("receipt", receipt, "--json").out)
    assert (told["ok"], told["included"], told["mode"]) == (True, True, "public")
    assert told["letter"]["lid"] == CAST.letter.lid.hex()


def test_a_receipt_that_is_only_promised_says_so(undersigned: Terminal, receipt: Path) -> None:
    receipt.write_bytes(made_receipt(included=False))
    assert "Promised" in undersigned("receipt", receipt).out
    told = json.loads(undersigned("receipt", receipt, "--json").out)
    assert (told["included"], told["promised_until"]) == (False, START + 60)


@pytest.mark.parametrize("data", [b"", b"{}", b"<!doctype html>", b"\xff\xfe"])
def test_what_is_no_receipt_is_refused(undersigned: Terminal, tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "receipt.json"
    path.write_bytes(data)
    done = undersigned("receipt", path)
    assert (done.code, bool(done.sentence)) == (1, True)
    done = undersigned("receipt", path, "--json")
    assert (done.code, json.loads(done.out)["ok"]) == (1, False)


def test_no_bit_of_a_receipt_can_be_another(undersigned: Terminal, receipt: Path) -> None:
    data = receipt.read_bytes()
    for bit in range(3, 8 * len(data) - 8, 8 * len(data) // 40):
        receipt.write_bytes(flip_bit(data, bit))
        done = undersigned("receipt", receipt, "--json")
        assert (done.code, json.loads(done.out)["ok"]) == (1, False)


def test_a_receipt_that_is_not_there_could_not_be_checked(undersigned: Terminal, tmp_path: Path) -> None:
    done = undersigned("receipt", tmp_path / "nothing", "--json")
    assert (done.code, "cannot be read" in done.sentence) == (3, True)


def test_a_receipt_lacks_a_quorum_of_the_readers_own_witnesses(
    undersigned: Terminal, receipt: Path, tmp_path: Path
) -> None:
    own = tmp_path / "policy.txt"
    own.write_text(policy_text(OTHERS, 2))
    done = undersigned("receipt", receipt, "--policy", own)
    assert (done.code, bool(done.sentence)) == (1, True)
