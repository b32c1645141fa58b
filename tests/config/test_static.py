"""A letter as plain files: any web host can serve it, and whoever has the folder needs no host at all."""

import json
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.hosts import play
from support.log_rooms import SLUG, Place
from support.terminal import Terminal
from support.whole import whole_letter
from undersigned.client.follow import LogClient
from undersigned.client.source import HttpSource
from undersigned.config.static import static_files, write_static
from undersigned.errors import Refused, VerificationError
from undersigned.protocol.dossier import write_zip

FILES = whole_letter().dossier()


@pytest.fixture
def undersigned(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Terminal:
    return Terminal(capsys, monkeypatch)


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """A web host that knows nothing but files: `python -m http.server`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
        process.terminate()


def test_a_reader_can_follow_a_letter_on_a_mirror_as_on_its_host(tmp_path: Path) -> None:
    write_static(tmp_path / "board", static_files(FILES))
    with served(tmp_path) as base:
        client = LogClient(HttpSource(f"{base}/board"))
        state = client.refresh()
    assert state.size == client.checkpoint.size == client.covered_size
    assert set(client.times.proved_by) >= {int(name.split("/")[1].split(".")[0]) for name in FILES if "nts/" in name}


def test_when_the_host_is_gone_a_mirror_below_any_path_serves_all_that_verifies_it(
    tmp_path: Path, undersigned: Terminal
) -> None:
    mirror = tmp_path / "press" / "letters" / "board"
    mirror.parent.mkdir(parents=True)
    write_static(mirror, static_files(FILES))
    with served(tmp_path) as base:
        done = undersigned("verify", f"{base}/press/letters/board/")
        assert (done.code, "This letter holds" in done.out) == (0, True)
        page = urllib.request.urlopen(f"{base}/press/letters/board/").read().decode()
        links = re.findall(r'(?:href|src)="([^"#]+)"', page)
        assert set(links) == {"static/letter.css", "letter.dossier", "counts.json", "checkpoint"}
        for link in links:
            assert urllib.request.urlopen(f"{base}/press/letters/board/{link}").status == 200
        counts = json.load(urllib.request.urlopen(f"{base}/press/letters/board/counts.json"))
        assert counts["n_star"] == json.loads(undersigned("verify", str(mirror), "--json").out)["n_star"]


def test_a_mirror_can_be_exported_from_a_mirror_and_is_the_same_to_the_byte(
    tmp_path: Path, undersigned: Terminal
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    write_static(first, static_files(FILES))
    with served(first) as base:
        assert undersigned("export", "static", second, base).code == 0
    names = sorted(one.relative_to(first).as_posix() for one in first.rglob("*") if one.is_file())
    assert names == sorted(
        [*FILES, "index.html", "static/letter.css", "counts.json", "checkpoints.json", "letter.dossier"]
    )
    assert [name for name in names if (first / name).read_bytes() != (second / name).read_bytes()] == []


def test_an_exported_folder_verifies_and_a_change_on_either_side_of_it_is_found(
    tmp_path: Path, undersigned: Terminal
) -> None:
    folder = tmp_path / "letter"
    write_static(folder, static_files(FILES))
    assert undersigned("verify", folder).code == 0
    for name in ("letter.dossier", "checkpoint", next(one for one in FILES if one.startswith("blobs/"))):
        kept = (folder / name).read_bytes()
        (folder / name).write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
        done = undersigned("verify", folder)
        assert (done.code, "one of the two was changed" in done.err) == (1, True)
        (folder / name).write_bytes(kept)


def test_an_export_replaces_an_earlier_one_whole_and_nothing_else(tmp_path: Path) -> None:
    folder, files = tmp_path / "letter", static_files(FILES)
    write_static(folder, {**files, "opened/99999": b"gone by now"})
    write_static(folder, files)
    assert not (folder / "opened/99999").exists()
    assert [one.name for one in tmp_path.iterdir()] == ["letter"]
    thesis = tmp_path / "thesis"
    thesis.mkdir()
    write_static(thesis, files)
    other = tmp_path / "other"
    other.mkdir()
    (other / "chapter.txt").write_text("years of work")
    with pytest.raises(Refused, match="something else"):
        write_static(other, files)
    assert (other / "chapter.txt").read_text() == "years of work"


def test_a_letter_that_does_not_hold_is_not_exported() -> None:
    name = next(one for one in FILES if one.startswith("opened/"))
    with pytest.raises(VerificationError, match="not exported"):
        static_files({**FILES, name: bytes(100)})


def test_a_host_exports_its_own_letter_beside_a_running_log(tmp_path: Path, undersigned: Terminal) -> None:
    async def story(place: Place) -> None:
        await place.sign()
        await place.sign("anonymous")
        await place.step(60)
        done = undersigned("export", "static", tmp_path / "out", "--data", tmp_path, "--letter", SLUG)
        assert done.code == 0, done.err
        assert (tmp_path / "out" / "letter.dossier").read_bytes() == (await place.get("letter.dossier")).content
        wrong = undersigned("export", "static", tmp_path / "none", "--data", tmp_path, "--letter", "nowhere")
        assert (wrong.code, wrong.sentence) == (1, f"undersigned: {tmp_path} holds no letter called nowhere")

    play(tmp_path, story)
    assert undersigned("verify", tmp_path / "out").code == 0


def test_an_export_needs_one_place_to_read_from(tmp_path: Path, undersigned: Terminal) -> None:
    for words in ((), ("https://a.example/l/b", "--data", tmp_path), ("--data", tmp_path), ("--letter", "b")):
        assert undersigned("export", "static", tmp_path / "out", *words).code == 2


def test_a_dossier_file_can_be_exported_too(tmp_path: Path, undersigned: Terminal) -> None:
    (tmp_path / "letter.dossier").write_bytes(write_zip(FILES))
    assert undersigned("export", "static", tmp_path / "out", tmp_path / "letter.dossier").code == 0
    assert undersigned("verify", tmp_path / "out").code == 0
