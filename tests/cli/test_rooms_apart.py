"""Log, registrar and site as three processes behind one address, as an operator may run them."""

import csv
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from support.terminal import Terminal
from undersigned.client.follow import LogClient
from undersigned.client.source import HttpSource, get_json
from undersigned.errors import Unavailable
from undersigned.story.stage import Stage

LETTER = """---
title: To the board
slug: board
hold: 4s
addressee: The board
modes: [public, anonymous]
classes:
  - name: Staff
    eligible: 10
    source: register
    attesters: [roster]
---
We, the undersigned.
"""
ROOMS = ("log", "registrar", "site")
PAGES = re.compile(r"/|/l/[a-z0-9-]+")


def free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        return [held.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1] for _ in range(count)]


def until(look: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        with suppress(Unavailable):
            if look():
                return
        time.sleep(0.05)
    raise AssertionError("it never came")


@pytest.fixture
def front() -> Iterator[tuple[str, list[int]]]:
    """One address that hands requests on: /r/ to the registrar, pages to the site, all else to the log."""
    ports = free_ports(len(ROOMS))

    class Handler(BaseHTTPRequestHandler):
        def hand_on(self) -> None:
            room = 1 if self.path.startswith("/r/") else 2 if PAGES.fullmatch(self.path) else 0
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {"authorization": self.headers.get("authorization", "")}
            url = f"http://127.0.0.1:{ports[room]}{self.path}"
            answer = httpx.request(self.command, url, content=body, headers=headers)
            self.send_response(answer.status_code)
            self.send_header("content-length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        do_GET = do_POST = hand_on  # noqa: N815

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", ports
    server.shutdown()
    thread.join()
    server.server_close()


def test_three_rooms_in_three_processes_are_one_host(
    front: tuple[str, list[int]], tmp_path: Path, undersigned: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, ports = front
    monkeypatch.setenv("UNDERSIGNED_PASSPHRASE", "correct horse")
    monkeypatch.setattr("undersigned.protocol.receipt.ROUNDS", 1_000)
    stage = Stage(tmp_path)
    try:
        for room, port in zip(ROOMS, ports, strict=True):
            words = ("serve", room, "--data", str(stage.data), "--base-url", url, "--port", str(port))
            own = HttpSource(f"http://127.0.0.1:{port}")
            stage.start(room, *words, *(("--log-url", f"http://127.0.0.1:{ports[0]}") if room != "log" else ()))
            until(lambda own=own: own.get("healthz"))
        assert get_json(HttpSource(url), "host.json")["shape"] == "separate"

        letter, members, codes = (tmp_path / name for name in ("letter.md", "members.csv", "codes.csv"))
        letter.write_text(LETTER)
        members.write_text("name,title,address\nAda,Engineer,ada@example.org\n")
        publish = ("--host", url, "--code", stage.publish_code(), "--key", tmp_path / "organizer.key")
        assert undersigned("letter", "publish", letter, *publish).code == 0
        roster = ("--letter", "board", "--codes", codes, "--data", stage.data)
        assert undersigned("roster", "import", members, *roster).code == 0
        (row,) = csv.DictReader(codes.open())
        sign = ("--code", row["code"], "--receipt", tmp_path / "receipt.json", "--public", "--yes")
        until(lambda: LogClient(HttpSource(f"{url}/l/board")).refresh().registrars)
        done = undersigned("sign", f"{url}/l/board", *sign)
        assert (done.code, done.err) == (0, "")
        assert undersigned("receipt", tmp_path / "receipt.json").code == 0
        until(lambda: "Ada" in HttpSource(url).get("l/board").decode())
        assert "1 stand together" in undersigned("verify", f"{url}/l/board").out
    finally:
        stage.close()
