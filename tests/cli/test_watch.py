"""`undersigned watch` at a terminal: quiet while all is well, and one loud sentence with evidence when it is not."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result

from support.letters import START, MemoryLog, begun, make_letter
from support.trustees import MemoryHost
from undersigned.cli import watch as watching
from undersigned.cli.verify import verify

CAST = make_letter(trustees=0, modes=("public",), tiers=(), witnesses=0, witness_quorum=0)


def signed(times: int) -> MemoryLog:
    log = begun(CAST)
    for _ in range(times):
        log.append(*CAST.signature(CAST.person()))
    log.witness(START)
    return log


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> MemoryHost:
    """A host behind any address."""
    made = MemoryHost(log=signed(2))
    source = SimpleNamespace(get=made.get, post=made.post, base="https://letters.example.org/l/board")
    monkeypatch.setattr(watching, "place_of", lambda url: SimpleNamespace(log=source))
    return made


def look(folder: Path, *options: str) -> Result:
    arguments = ["https://letters.example.org/l/board", "--once", "--keep", str(folder), *options]
    return CliRunner().invoke(watching.watch, arguments)


def test_while_all_is_well_one_line_says_so(host: MemoryHost, tmp_path: Path) -> None:
    found = look(tmp_path)
    assert found.exit_code == 0
    assert found.stdout.endswith("6 entries, 0 of them witnessed, 2 stand together: one history so far\n")
    told = json.loads(look(tmp_path, "--json").stdout)
    assert told == {
        "ok": True,
        "size": 6,
        "witnessed_size": 0,
        "root_hash": host.log.tree.root().hex(),
        "n_star": 2,
    }


def test_a_fork_ends_the_watch_and_leaves_evidence_that_verifies_offline(host: MemoryHost, tmp_path: Path) -> None:
    look(tmp_path)
    host.log = signed(3)
    found = look(tmp_path)
    assert found.exit_code == 1
    assert found.stderr.startswith("ALARM: its log signed two histories: the one of 7 entries does not begin with")
    assert f"undersigned verify {tmp_path / 'fork.evidence'}" in found.stderr.replace("\n", "")
    checked = CliRunner().invoke(verify, [str(tmp_path / "fork.evidence")])
    assert checked.exit_code == 0
    assert "This evidence holds against the letter's host: its log signed two histories" in checked.stdout
    told = json.loads(look(tmp_path, "--json").stdout)
    assert (told["ok"], told["alarm"], told["files"]) == (False, "fork", [str(tmp_path / "fork.evidence")])


def test_evidence_that_proves_nothing_is_refused_with_a_sentence(host: MemoryHost, tmp_path: Path) -> None:
    look(tmp_path)
    host.log = signed(3)
    look(tmp_path)
    file = tmp_path / "fork.evidence"
    told = json.loads(CliRunner().invoke(verify, [str(file), "--json"]).stdout)
    assert (told["ok"], told["evidence"], told["letter"]["lid"]) == (True, "fork", CAST.letter.lid.hex())
    other = CliRunner().invoke(verify, [str(file), "--lid", "00" * 32])
    assert (other.exit_code, "its lid differs" in other.stderr) == (1, True)
    file.write_bytes(file.read_bytes().replace(b'"path":["', b'"path":["A'))
    broken = CliRunner().invoke(verify, [str(file), "--json"])
    assert broken.exit_code == 1
    assert json.loads(broken.stdout)["ok"] is False
