"""A few lines of bare ASGI that every room's doorway shares: routes, bounded bodies, problem+json, and nothing kept.

Knows requests and answers. Never writes a network address, a body or a name anywhere.
"""

import asyncio
import hashlib
import json
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from undersigned.errors import Malformed, Refused, Unavailable, UndersignedError, VerificationError

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

BODY_SECONDS = 5.0
MAX_BODY = 256 * 1024
_STATUS: dict[type[UndersignedError], int] = {Malformed: 400, VerificationError: 422, Refused: 409, Unavailable: 503}
_TAG = re.compile('"[^"]*"')
_log = logging.getLogger("undersigned")


class NotFound(UndersignedError):
    """There is nothing at this address."""


class Forbidden(UndersignedError):
    """The caller has not shown that it may do this."""


class _BodyTooLong(UndersignedError):
    pass


class _BodyTooSlow(UndersignedError):
    pass


_STATUS |= {NotFound: 404, Forbidden: 403, _BodyTooLong: 413, _BodyTooSlow: 408}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request, its body read whole and bounded."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    part: Mapping[str, str] = field(default_factory=dict)
    query: str = ""

    def json(self) -> Any:
        """The body as JSON; Malformed."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise Malformed("the request is not JSON") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A status, a body and its type; `headers` are added to the safe ones every answer has."""

    body: bytes = b""
    status: int = 200
    type: str = "application/octet-stream"
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[Request], "Answer | Awaitable[Answer]"]
MaxBody = Callable[[Mapping[str, str]], int]  # from the path's parts to bytes


def json_answer(value: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """An answer in JSON."""
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return Answer(body=body, status=status, type="application/json", headers=headers or {})


def text_answer(text: str, *, headers: Mapping[str, str] | None = None) -> Answer:
    """An answer in plain UTF-8 text."""
    return Answer(body=text.encode(), type="text/plain; charset=utf-8", headers=headers or {})


def tagged(answer: Answer, request: Request) -> Answer:
    """The answer under a strong ETag of its bytes, or 304 without them for whoever names that tag."""
    tag = etag(answer.body)
    if has_tag(request, tag):
        return not_modified(tag, headers=answer.headers)
    return replace(answer, headers={**answer.headers, "etag": tag})


def etag(body: bytes) -> str:
    """The strong ETag of these bytes, quotes included. RFC 9110 section 8.8.3."""
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def has_tag(request: Request, tag: str) -> bool:
    """Whether the request says that it has what `tag` names. RFC 9110 section 13.1.2, with its weak comparison."""
    given = request.headers.get("if-none-match", "")
    return given.strip() == "*" or tag in _TAG.findall(given)


def not_modified(tag: str, *, headers: Mapping[str, str]) -> Answer:
    """304 with the headers the whole answer would have had."""
    return Answer(status=304, headers={**headers, "etag": tag})


def problem(status: int, detail: str) -> Answer:
    """A refusal for a person, as RFC 9457 problem+json."""
    body = json.dumps({"status": status, "detail": detail}, ensure_ascii=False).encode()
    return Answer(body=body, status=status, type="application/problem+json")


class Router:
    """Method and path pattern to handler. Patterns are regular expressions whose named groups become `part`."""

    def __init__(self) -> None:
        self._routes: list[tuple[str, re.Pattern[str], Handler, MaxBody | None]] = []

    def add(self, method: str, pattern: str, handler: Handler, *, max_body: MaxBody | None = None) -> None:
        """Answer `method` on paths that match the whole `pattern`; `max_body` says how long a body may be there."""
        self._routes.append((method, re.compile(pattern, re.ASCII), handler, max_body))

    def include(self, other: "Router") -> None:
        """Take in another room's routes."""
        self._routes += other._routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "http":
            await _send(send, await self._answer(scope, receive), head=scope["method"] == "HEAD")

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        allowed = set()
        for wanted, pattern, handler, max_body in self._routes:
            match = pattern.fullmatch(scope["path"])
            if match and wanted == method:
                part = match.groupdict()
                limit = max_body(part) if max_body else MAX_BODY
                return await _handle(handler, scope, receive, part, limit)
            if match:
                allowed.add(wanted)
        if allowed:
            return problem(405, f"this address takes {', '.join(sorted(allowed))}")
        return problem(404, "there is nothing at this address")


async def _handle(handler: Handler, scope: Scope, receive: Receive, part: Mapping[str, str], limit: int) -> Answer:
    try:
        body = await _read_body(receive, limit) if scope["method"] == "POST" else b""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        request = Request(
            method=scope["method"],
            path=scope["path"],
            headers=headers,
            body=body,
            part=part,
            query=scope.get("query_string", b"").decode("latin-1"),
        )
        answer = handler(request)
        return answer if isinstance(answer, Answer) else await answer
    except UndersignedError as refusal:
        return problem(_STATUS.get(type(refusal), 400), str(refusal))
    except Exception as error:  # noqa: BLE001 - the doorway: a sentence for the caller, the place for the operator
        place = error.__traceback__
        while place and place.tb_next:
            place = place.tb_next
        where = f"{place.tb_frame.f_code.co_filename}:{place.tb_lineno}" if place else "?"
        _log.error("unexpected %s at %s", type(error).__name__, where)
        return problem(500, "something went wrong here, and nothing was kept: try again in a minute")


async def _read_body(receive: Receive, limit: int) -> bytes:
    parts, size = [], 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise _BodyTooSlow("the request broke off: send it again")
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > limit:
                    raise _BodyTooLong(f"a request has at most {limit} bytes")
                if not message.get("more_body"):
                    return b"".join(parts)
    except TimeoutError:
        raise _BodyTooSlow("the request came too slowly: send it again") from None


async def _send(send: Send, answer: Answer, *, head: bool) -> None:
    described = {"content-type": answer.type, "content-length": str(len(answer.body))}
    headers = ({} if answer.status == 304 else described) | {
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cache-control": "no-store",
    }
    headers |= {name.lower(): value for name, value in answer.headers.items()}
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": raw})
    await send({"type": "http.response.body", "body": b"" if head else answer.body})


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await send({"type": "lifespan.shutdown.complete"})
            return
