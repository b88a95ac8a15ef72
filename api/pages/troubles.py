"""What went wrong, as a page in the reader's language with ways on; who prefers no page gets the problem document."""

from collections.abc import Callable, Iterator
from functools import lru_cache
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
from fastapi import Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Scope, Send

from api.entrance.access import NOT_INCLUDED, Matter, Reader
from api.live.shapes import Problem
from api.pages.assets import assets
from api.pages.frame import HTML, Frame, frame_of, render
from api.pages.languages import Language, Words, language_of, say, words_in
from api.problems import MEDIA_TYPE
from api.wanted import has_pages, prefers_page

_VARY = (b"vary", b"Accept")
_VARY_OF_PAGES = (b"vary", b"Accept-Language, Cookie")
_OF_DOCUMENTS = (b"content-type", b"content-length")
_SAID_IN_WORDS = {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.TOO_MANY_REQUESTS, 500}
"""What the page itself says; of the rest the problem's own words stand below, which are English."""

_PASSING = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.SERVICE_UNAVAILABLE)

Explain = Callable[[Problem, int | None], bytes]
"""From a problem, and the seconds to wait if there are any, to a page."""


def explaining(scope: Scope, send: Send, reader: Reader | None, app: ASGIApp) -> Send:
    """Give a way to send answers by which problems become pages for whoever reads pages; None: nobody is let in."""
    if not has_pages(scope["path"]):
        return send
    if not prefers_page(Headers(scope=scope).get("accept", "")):
        return _negotiated(send)
    request = Request({**scope, "app": app})

    def explain(problem: Problem, wait_s: int | None) -> bytes:
        if reader is None or problem.status == HTTPStatus.TOO_MANY_REQUESTS:
            return _plain(language_of(request), problem, wait_s)
        return _page(request, reader, problem, wait_s)

    return _Explained(_negotiated(send), explain)


def _negotiated(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] >= HTTPStatus.BAD_REQUEST:
            message = {**message, "headers": [*message.get("headers", ()), _VARY]}
        await send(message)

    return sending


class _Explained:
    """Sends what comes, but holds a problem document back until it is whole, and sends a page in its place."""

    def __init__(self, send: Send, explain: Explain) -> None:
        self._send = send
        self._explain = explain
        self._held: Message | None = None
        self._body = bytearray()

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _is_problem(message):
            self._held = message
        elif self._held is None:
            await self._send(message)
        else:
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                await self._tell(self._held)

    async def _tell(self, start: Message) -> None:
        wait = dict(start["headers"]).get(b"retry-after", b"")
        problem = msgspec.json.decode(self._body, type=Problem)
        page = self._explain(problem, int(wait) if wait.isdigit() else None)
        kept = [pair for pair in start["headers"] if pair[0] not in _OF_DOCUMENTS]
        described = [(b"content-type", HTML), (b"content-length", b"%d" % len(page)), _VARY_OF_PAGES]
        await self._send({**start, "headers": [*kept, *described]})
        await self._send({"type": "http.response.body", "body": page})


def _is_problem(start: Message) -> bool:
    return dict(start.get("headers", ())).get(b"content-type") == MEDIA_TYPE.encode()


def _page(request: Request, reader: Reader, problem: Problem, wait_s: int | None) -> bytes:
    frame = frame_of(request, reader, "", {})
    again = str(request.url.path) if request.method in ("GET", "HEAD") else ""
    ways = list(_ways(reader, frame.words, problem.status, _address(again, request)))
    return render("trouble.html", frame, ways=ways, **_said(frame.words, problem, wait_s))


def _address(path: str, request: Request) -> str:
    """Give an address as it stood, with what may stand in one."""
    query = urlencode(request.query_params.multi_items())
    return f"{quote(path)}?{query}" if path and query else quote(path)


def _ways(reader: Reader, words: Words, status: int, again: str) -> Iterator[dict[str, str]]:
    own = words["troubles"]
    if again and status in _PASSING:
        yield {"href": again, "word": own["again"]}
    if reader.may_read(Matter.LIVE):
        yield {"href": "/", "word": own["back"]}
    elif reader.may_read(Matter.FLEET):
        yield {"href": "/manage", "word": words["pages"]["manage"]}
    if reader.role is None:
        yield {"href": "/login", "word": own["log_in"]}
    elif reader.session is not None and status == HTTPStatus.FORBIDDEN:
        yield {"href": "/login", "word": own["other_key"]}


@lru_cache(maxsize=128)
def _plain(language: Language, problem: Problem, wait_s: int | None) -> bytes:
    """Write a page that hangs on nobody; it is kept, as those who ask too much ask for it most."""
    words = words_in(language)
    frame = Frame(language, words, assets().path, False, "/", [], [], False)
    return render("trouble.html", frame, ways=[], **_said(words, problem, wait_s))


def _said(words: Words, problem: Problem, wait_s: int | None) -> dict[str, Any]:
    own, status = words["troubles"], problem.status
    is_role = problem.detail.startswith(NOT_INCLUDED)
    name = "role" if is_role else str(status)
    known = own["texts"].get(name, own["texts"]["other"])
    causes = [f"{cause.where}: {cause.what}" for cause in problem.errors]
    details = [] if is_role or status in _SAID_IN_WORDS else [problem.detail, *causes]
    return {
        "title": own["titles"].get(name, own["titles"]["other"]),
        "text": known,
        "wait": "" if wait_s is None else say(own, "wait", n=wait_s),
        "details": details,
    }
