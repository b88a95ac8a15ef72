"""Answers to live questions, kept as ready bytes while nothing changed, with their ETag.

An answer may be served again for a second at most: its `as_of` says when it was put together. A change that can be
seen voids all kept answers at once.
"""

import gzip
import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.entrance.access import Reader

KEPT_MS = 1_000
KEPT_ANSWERS = 256
SMALLEST_ZIPPED_BYTES = 1_000

RawHeaders = list[tuple[bytes, bytes]]


@dataclass(slots=True)
class Answer:
    """A body and the tag of what it says; the zipped form is made when it is first wanted."""

    body: bytes
    tag: bytes
    media_type: bytes = b"application/json"
    zipped: bytes | None = None

    def head(self) -> RawHeaders:
        """Give the headers that a 304 has as well."""
        vary = b"Accept-Encoding, Authorization, Cookie"
        return [(b"cache-control", b"private, no-cache"), (b"etag", self.tag), (b"vary", vary)]

    def wire(self, zipping: bool) -> tuple[bytes, RawHeaders]:
        """Give the body to send, with its headers."""
        headers = [
            (b"content-type", self.media_type),
            *self.head(),
        ]
        body = self.body
        if zipping and len(body) >= SMALLEST_ZIPPED_BYTES:
            if self.zipped is None:
                self.zipped = gzip.compress(body, 3, mtime=0)
            body = self.zipped
            headers.append((b"content-encoding", b"gzip"))
        headers.append((b"content-length", str(len(body)).encode()))
        return body, headers


def tag_of(content: bytes) -> bytes:
    """Make a weak ETag: equal for answers that say the same, whenever they were put together."""
    return b'W/"%s"' % hashlib.blake2b(content, digest_size=12).hexdigest().encode()


class AnswerResponse(Response):
    """Sends an answer, or 304 where the reader has it already."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Write the answer."""
        await send_answer(self.answer, scope, send)


async def send_answer(answer: Answer, scope: Scope, send: Send) -> None:
    """Write an answer as the request's headers want it."""
    wanted = Headers(scope=scope)
    if _has(wanted.get("if-none-match"), answer.tag):
        await send({"type": "http.response.start", "status": 304, "headers": answer.head()})
        await send({"type": "http.response.body", "body": b""})
        return
    body, headers = answer.wire("gzip" in wanted.get("accept-encoding", ""))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _has(if_none_match: str | None, tag: bytes) -> bool:
    if if_none_match is None:
        return False
    opaque = tag.decode().removeprefix("W/")
    return any(one.strip().removeprefix("W/") in (opaque, "*") for one in if_none_match.split(","))


Question = tuple[Reader, str, bytes]
"""Who asks, the path, and the query as it was written."""


class Kept:
    """The answers of the present version; `version` and `now_ms` say what holds when something is asked.

    Each kind of reader has answers and a version of its own: when an answer is put together anew must not tell of a
    change which that reader may not see.
    """

    def __init__(self, version: Callable[[Reader], int], now_ms: Callable[[], int]) -> None:
        self._version = version
        self._now_ms = now_ms
        self._answers: dict[Reader, dict[Question, Answer]] = {}
        self._of: dict[Reader, tuple[int, int]] = {}

    def __repr__(self) -> str:
        return f"<Kept answers: {self._number()}>"

    def get(self, question: Question) -> Answer | None:
        """Give the answer to a question, if it still holds."""
        reader = question[0]
        version, since_ms = self._of.get(reader, (-1, 0))
        if version != (newest := self._version(reader)) or not 0 <= self._now_ms() - since_ms < KEPT_MS:
            self._answers.pop(reader, None)
            self._of[reader] = (newest, self._now_ms())
        return self._answers.get(reader, {}).get(question)

    def put(self, question: Question, answer: Answer) -> None:
        """Keep the answer to a question that `get` did not know."""
        if self._number() >= KEPT_ANSWERS:
            self._answers.clear()
        self._answers.setdefault(question[0], {})[question] = answer

    def _number(self) -> int:
        return sum(map(len, self._answers.values()))


def question_of(scope: Scope) -> Question:
    """Give what an answer to this request may be kept under."""
    return scope["state"]["reader"], scope["path"], scope["query_string"]
