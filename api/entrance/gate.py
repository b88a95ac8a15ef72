"""What is outermost of all: pages of other origins that may read (CORS), and a last word where all else failed.

Whatever does not say how it may be kept is not to be kept.
"""

import logging
from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import problem

_log = logging.getLogger("perch.api")
_ALLOWED = b"access-control-allow-origin"
_EXPOSED = b"ETag, RateLimit, RateLimit-Policy, Retry-After"
_PREFLIGHT = [
    (b"access-control-allow-methods", b"GET, HEAD"),
    (b"access-control-allow-headers", b"Authorization, If-None-Match, Last-Event-ID"),
    (b"access-control-max-age", b"600"),
    (b"cache-control", b"no-store"),
]
_BUG = problem(500, "this is a bug in Perch; the log of the API tells more")


class Gate:
    """Wraps everything: `origins` are those whose pages may read, as browsers write them (`https://intranet.example`).

    They read with a key or not at all, as everybody: cookies do not go along.
    """

    def __init__(self, app: ASGIApp, origins: Collection[str] = ()) -> None:
        self._app = app
        self._origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a preflight, or pass a request on."""
        if scope["type"] != "http":
            return
        answering = _Answering(send, self._headers(Headers(scope=scope).get("origin")))
        if answering.may_read and _is_preflight(scope):
            await answering({"type": "http.response.start", "status": 204, "headers": _PREFLIGHT})
            await answering({"type": "http.response.body", "body": b""})
            return
        try:
            await self._app(scope, receive, answering)
        except ClientDisconnect:
            _log.debug("a reader left in the middle of its own request")
        except Exception:
            if answering.has_begun:
                raise
            _log.exception("a request failed")
            await _BUG(scope, receive, answering)

    def _headers(self, origin: str | None) -> list[tuple[bytes, bytes]]:
        if not self._origins:
            return []
        vary = (b"vary", b"Origin")
        if origin is None or origin not in self._origins:
            return [vary]
        return [
            (_ALLOWED, origin.encode("latin-1")),
            (b"access-control-expose-headers", _EXPOSED),
            vary,
        ]


class _Answering:
    """Sends an answer with some more headers, and knows whether it has begun."""

    def __init__(self, send: Send, headers: list[tuple[bytes, bytes]]) -> None:
        self._send = send
        self._headers = headers
        self.has_begun = False

    @property
    def may_read(self) -> bool:
        """Whether the page that asks is of an origin that may read."""
        return len(self._headers) > 1

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.has_begun = True
            headers = list(message.get("headers", ()))
            if all(name != _ALLOWED for name, _ in headers):  # what is for everybody says so itself
                headers += self._headers
            if all(name != b"cache-control" for name, _ in headers):
                headers.append((b"cache-control", b"no-store"))
            message = {**message, "headers": headers}
        await self._send(message)


def _is_preflight(scope: Scope) -> bool:
    return scope["method"] == "OPTIONS" and "access-control-request-method" in Headers(scope=scope)
