"""A host over HTTP: every status and every odd body becomes one sentence of the right kind."""

import gzip
import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from undersigned.client.source import HttpSource, NotThere, get_json, post_json, unb64
from undersigned.errors import Malformed, Refused, Unavailable, UndersignedError, VerificationError


def source(answer: httpx.Response | Exception, *, at_most: int = 1_000) -> HttpSource:
    def handle(request: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    client = httpx.Client(transport=httpx.MockTransport(handle))
    return HttpSource("https://letters.example.org/l/board", client=client, at_most=at_most)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, Malformed),
        (403, Refused),
        (404, NotThere),
        (409, Refused),
        (413, Malformed),
        (422, VerificationError),
        (429, Unavailable),
        (500, Unavailable),
        (503, Unavailable),
        (301, Unavailable),
        (302, Unavailable),
        (304, Unavailable),
    ],
)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<!doctype html><h1>Gateway",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"{}",
        b'{"detail": null}',
        b'{"detail": "the letter is closed"}',
        b'{"detail": "one\\ntwo\\u001b[31m three"}',
        b"[" * 900,
    ],
)
def test_every_status_and_body_is_one_printable_sentence(
    status: int, error: type[UndersignedError], body: bytes
) -> None:
    answer = httpx.Response(status, content=body, headers={"location": "https://elsewhere.example"})
    with pytest.raises(UndersignedError) as refusal:
        source(answer).get("checkpoint")
    assert type(refusal.value) is error
    assert str(refusal.value).isprintable()
    assert str(refusal.value)


def test_the_hosts_own_sentence_is_shown_and_bounded() -> None:
    body = json.dumps({"detail": "this letter is closed" + "!" * 900}).encode()
    with pytest.raises(Refused, match=r"^this letter is closed!{479}$"):
        source(httpx.Response(409, content=body)).post("submit", b"{}")


@pytest.mark.parametrize("body", [b"", b"<!doctype html>", b"\xff", b"[]", b"7", b"null", b"[" * 900])
def test_what_is_not_a_json_object_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed, match="the host answered"):
        get_json(source(httpx.Response(200, content=body)), "checkpoints")
    with pytest.raises(Malformed, match="the host answered"):
        post_json(source(httpx.Response(200, content=body)), "submit", {})


@pytest.mark.parametrize("text", [None, 7, b"AAAA", [], "AAA", "AAAA\n", "A-_A", "AAAB=", "AB==", "é", "<html>"])
def test_what_is_not_canonical_base64_is_malformed(text: object) -> None:
    with pytest.raises(Malformed, match="base64"):
        unb64(text)


def test_an_answer_without_end_is_not_read_to_its_end() -> None:
    with pytest.raises(Malformed, match="more than 1,000 bytes"):
        source(httpx.Response(200, content=bytes(1_001))).get("letter.dossier")
    assert len(source(httpx.Response(200, content=bytes(1_000))).get("letter.dossier")) == 1_000


def test_a_small_answer_that_unpacks_to_a_large_one_is_refused() -> None:
    bomb = httpx.Response(200, content=gzip.compress(bytes(10_000_000)), headers={"content-encoding": "gzip"})
    with pytest.raises(Malformed, match="more than 1,000 bytes"):
        source(bomb).get("counts.json")


@pytest.mark.parametrize(
    "failure",
    [httpx.ConnectError("no"), httpx.ReadTimeout("slow"), httpx.RemoteProtocolError("odd"), httpx.InvalidURL("bad")],
)
def test_a_host_that_cannot_be_reached_is_unavailable(failure: Exception) -> None:
    with pytest.raises(Unavailable, match="cannot be reached"):
        source(failure).get("checkpoint")


@pytest.mark.parametrize("base", ["http://", "http://[", "http://127.0.0.1:99999", "http://ex ample", "http://\0"])
def test_an_address_that_is_none_is_unavailable(base: str) -> None:
    with pytest.raises(Unavailable):
        HttpSource(base).get("checkpoint")


def test_only_the_publish_code_and_no_cookie_goes_along() -> None:
    seen: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, content=b"{}", headers={"set-cookie": "who=ada; Path=/"})

    client = httpx.Client(transport=httpx.MockTransport(handle))
    post_json(HttpSource("https://letters.example.org/", bearer="a code", client=client), "letters", {})
    other = HttpSource("https://letters.example.org", client=client).below("l/board")
    other.get("checkpoint")
    assert str(seen[1].url) == "https://letters.example.org/l/board/checkpoint"
    assert seen[0].headers["authorization"] == "Bearer a code"
    assert "authorization" not in seen[1].headers
    assert "cookie" not in seen[1].headers
    assert {request.headers["user-agent"] for request in seen} == {"undersigned"}


@pytest.fixture
def odd_server() -> Iterator[Callable[[bytes], str]]:
    """A server that answers these raw bytes and hangs up."""
    answers: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.wfile.write(answers[-1])

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()

    def serve(answer: bytes) -> str:
        answers.append(answer)
        return f"http://127.0.0.1:{server.server_port}"

    yield serve
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\nnot gzip",
        b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\n\r\n",
    ],
)
def test_a_host_that_breaks_off_or_speaks_another_protocol_is_unavailable(
    odd_server: Callable[[bytes], str], answer: bytes
) -> None:
    with pytest.raises(Unavailable):
        HttpSource(odd_server(answer)).get("checkpoint")


def test_a_port_where_nobody_listens_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(Unavailable, match="try again later"):
        HttpSource(f"http://127.0.0.1:{port}").get("checkpoint")
