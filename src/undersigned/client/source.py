"""Where a letter's files come from: a host over HTTP, or anything else that answers paths with bytes."""

import json
from base64 import b64decode, b64encode
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Protocol

import httpx

from undersigned.errors import Malformed, Refused, Unavailable, UndersignedError, VerificationError

SECONDS = 20.0
MAX_ANSWER_BYTES = 64 * 1024 * 1024
_ERRORS: dict[int, type[UndersignedError]] = {
    400: Malformed,
    403: Refused,
    409: Refused,
    413: Malformed,
    422: VerificationError,
}


class NotThere(Unavailable):
    """The source is there, and what was asked for is not, or not yet."""


class Source(Protocol):
    """Answers `get` and `post` for paths below one letter or one room."""

    def get(self, path: str) -> bytes:
        """The bytes at `path`; NotThere, Unavailable."""

    def post(self, path: str, body: bytes) -> bytes:
        """What the other side answers; Malformed, Refused, VerificationError, NotThere, Unavailable."""


class HttpSource:
    """A source over HTTP below `base`, such as `http://127.0.0.1:8000/l/board`. No cookies, no redirects.

    An answer longer than `at_most` bytes is not read to its end, but refused as Malformed.
    """

    def __init__(
        self,
        base: str,
        *,
        bearer: str | None = None,
        client: httpx.Client | None = None,
        at_most: int = MAX_ANSWER_BYTES,
    ) -> None:
        self.base, self._at_most = base.rstrip("/"), at_most
        headers = {"user-agent": "undersigned"}
        if bearer:
            headers["authorization"] = f"Bearer {bearer}"
        self._headers = headers
        self._client = client or httpx.Client(timeout=SECONDS, follow_redirects=False, trust_env=False)
        self._client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=()))  # else a host could join requests

    def get(self, path: str) -> bytes:
        """GET `base/path`."""
        return self._ask("GET", path, None)

    def post(self, path: str, body: bytes) -> bytes:
        """POST `body` to `base/path`."""
        return self._ask("POST", path, body)

    def below(self, path: str) -> "HttpSource":
        """The same connection, one or more steps further down."""
        found = HttpSource(f"{self.base}/{path}", client=self._client, at_most=self._at_most)
        found._headers = self._headers
        return found

    def _ask(self, method: str, path: str, body: bytes | None) -> bytes:
        url = f"{self.base}/{path}" if path else self.base
        try:
            with self._client.stream(method, url, content=body, headers=self._headers) as answer:
                data = self._read(answer)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unavailable(f"the host cannot be reached ({type(error).__name__}): try again later") from None
        if answer.is_success:
            return data
        raise refusal(answer.status_code, data)

    def _read(self, answer: httpx.Response) -> bytes:
        data = bytearray()
        for part in answer.iter_bytes():
            data += part
            if len(data) > self._at_most:
                raise Malformed(f"the host answered with more than {self._at_most:,} bytes")
        return bytes(data)


def post_json(source: Source, path: str, value: object) -> dict[str, Any]:
    """POST JSON, read a JSON object."""
    return read_json(source.post(path, json.dumps(value).encode()))


def get_json(source: Source, path: str) -> dict[str, Any]:
    """GET a JSON object."""
    return read_json(source.get(path))


def read_json(data: bytes) -> dict[str, Any]:
    """The host's JSON object; Malformed."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        raise Malformed("the host answered something that is not JSON") from None
    if not isinstance(found, dict):
        raise Malformed("the host answered JSON that is not an object")
    return found


def b64(data: bytes) -> str:
    """Standard padded base64."""
    return b64encode(data).decode()


def unb64(text: object) -> bytes:
    """Bytes from standard padded base64 that re-encodes to itself; Malformed."""
    try:
        data = b64decode(text, validate=True) if isinstance(text, str) else None
    except ValueError:
        data = None
    if data is None:
        raise Malformed("the host answered something that is not base64")
    if b64encode(data).decode() != text:
        raise Malformed("the host answered base64 that is not canonical")
    return data


def refusal(status: int, body: bytes) -> UndersignedError:
    """What an answer's HTTP status and problem+json say, as one printable line."""
    kind = NotThere if status == 404 else _ERRORS.get(status, Unavailable)
    try:
        detail = str(json.loads(body)["detail"])[:500]
    except (ValueError, KeyError, TypeError, RecursionError):
        detail = f"the host answered with status {status}"
    return kind("".join(one if one.isprintable() else " " for one in detail))
