"""HTTP/1.1 on the wire as uvicorn speaks it, within the bounds that uvicorn has none for.

Uvicorn's own limits on a request's head are those of its Python parser; with the parser in C a head may be endless, and
so may the time that a request, its body or the reading of its answer takes. Here each of them ends, whatever is refused
is told as a problem document, and the connection is closed after it. Where connections run out, whoever has waited
longest without asking anything makes room for who comes.
"""

import asyncio
import functools
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, cast

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from api.problems import MEDIA_TYPE, body_of

MOST_ADDRESS_BYTES = 16_384
MOST_HEAD_BYTES = 32_768
"""Request line and headers, a keyed page's cookie and a long cursor included."""

MOST_BODY_BYTES = 65_536
MOST_PIPELINED = 32
PUSH = "perch.push"
"""The extension of a request's scope by which parts of a streamed answer are written without waking anybody."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a connection is waited for, in seconds.

    `head_s` runs from its beginning, or from a request's first byte, to the end of the headers; `body_s` from there to
    the end of the body; `write_s` is how long an answer may wait for its reader to take anything of it. After a refusal
    what still comes is read and thrown away for `linger_s`: closing at once would take the answer back.
    """

    head_s: float = 10.0
    body_s: float = 20.0
    write_s: float = 20.0
    linger_s: float = 1.0


_REFUSALS = {
    HTTPStatus.BAD_REQUEST: "this is no HTTP request",
    HTTPStatus.REQUEST_TIMEOUT: "the request did not come in time; send it at once",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: f"a body has no more than {MOST_BODY_BYTES} bytes here",
    HTTPStatus.REQUEST_URI_TOO_LONG: f"an address has no more than {MOST_ADDRESS_BYTES} bytes here",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: f"all headers together have no more than {MOST_HEAD_BYTES} bytes here",
    HTTPStatus.SERVICE_UNAVAILABLE: "too many connections are open; come back later",
}


class RefusedError(Exception):
    """A request breaks a bound."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status.phrase)
        self.status = status


class Crowd:
    """The connections of one server; `most` may be open at a time."""

    def __init__(self, most: int, patience: Patience = Patience()) -> None:
        self.most = most
        self.patience = patience
        self.open = 0
        self._waiting: dict[Wire, None] = {}

    def __repr__(self) -> str:
        return f"<Crowd of {self.open}, {len(self._waiting)} of them waiting, at most {self.most}>"

    def enter(self, wire: "Wire") -> bool:
        """Take a connection in, for which the one that waited longest may have to go; False where nobody waits."""
        self.open += 1
        has_room = self.open <= self.most or self._makes_room()
        if has_room:
            self._waiting[wire] = None
        return has_room

    def _makes_room(self) -> bool:
        for longest in self._waiting:
            self.asks(longest)
            longest.abort()
            return True
        return False

    def waits(self, wire: "Wire") -> None:
        """Note that a connection has its answer, and may ask again or not."""
        self._waiting.pop(wire, None)
        self._waiting[wire] = None

    def asks(self, wire: "Wire") -> None:
        """Note that a connection has asked something."""
        self._waiting.pop(wire, None)

    def leave(self, wire: "Wire") -> None:
        """Let a connection go."""
        self.open -= 1
        self._waiting.pop(wire, None)


class Wire(HttpToolsProtocol):
    """One connection."""

    def __init__(self, crowd: Crowd, **given: Any) -> None:
        super().__init__(**given)
        self._crowd = crowd
        self._head_bytes = 0
        self._body_bytes = 0
        self._is_in_head = True
        self._is_in_body = False
        self._is_refused = False
        self._due: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Begin to wait for a request."""
        super().connection_made(transport)
        if self._crowd.enter(self):
            self._expect(self._crowd.patience.head_s)
        else:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._crowd.leave(self)
        self._expect(None)
        self.resume_writing()
        super().connection_lost(exc)

    def abort(self) -> None:
        """Close without another word."""
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take in what came; as uvicorn's own but for the bounds."""
        if self._is_refused:
            return
        self._unset_keepalive_if_required()
        was_in_head = self._is_in_head
        self._head_bytes += len(data) if was_in_head else 0
        try:
            self._parse(data)
        except RefusedError as refusal:
            self._refuse(refusal.status)
        else:
            self._watch(was_in_head)

    def _parse(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.cycle.keep_alive = False  # no other protocol is spoken here: the request is answered, and that is all
        except httptools.HttpParserError as error:
            cause = error.__context__
            raise cause if isinstance(cause, RefusedError) else RefusedError(HTTPStatus.BAD_REQUEST) from None
        if self._is_in_head and self._head_bytes > MOST_HEAD_BYTES:
            raise RefusedError(self._too_large())

    def _watch(self, was_in_head: bool) -> None:
        """Set the time by which what has begun must be complete."""
        if self._is_in_head and self._head_bytes:
            if self._due is None:
                self._expect(self._crowd.patience.head_s)
        elif self._is_in_body:
            if was_in_head or self._due is None:
                self._expect(self._crowd.patience.body_s)
        else:
            self._expect(None)

    def _too_large(self) -> HTTPStatus:
        """Tell which part of a head it is that has no end."""
        is_address = not self.headers and len(self.url) > MOST_ADDRESS_BYTES
        return HTTPStatus.REQUEST_URI_TOO_LONG if is_address else HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._is_in_head = True
        self._body_bytes = 0

    def on_url(self, url: bytes) -> None:
        """Take in a part of the address."""
        super().on_url(url)
        if len(self.url) > MOST_ADDRESS_BYTES:
            raise RefusedError(HTTPStatus.REQUEST_URI_TOO_LONG)

    def on_headers_complete(self) -> None:
        """Pass the request on."""
        headers = self.headers
        if sum(len(name) + len(value) + 4 for name, value in headers) + len(self.url) > MOST_HEAD_BYTES:
            raise RefusedError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        if len(self.pipeline) >= MOST_PIPELINED:
            raise RefusedError(HTTPStatus.BAD_REQUEST)
        if any(name == b"content-length" and _number(value) > MOST_BODY_BYTES for name, value in headers):
            raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        self._is_in_head, self._is_in_body = False, True
        self._head_bytes = 0
        self._crowd.asks(self)
        cast(dict[str, Any], self.scope)["extensions"] = {PUSH: self.push}
        super().on_headers_complete()

    def push(self, part: bytes) -> bool:
        """Write a part of a streamed answer at once; False where its reader takes nothing now, or it has ended."""
        cycle = self.cycle
        is_open = cycle.chunked_encoding and not (cycle.disconnected or cycle.response_complete)
        if not is_open or self.flow.write_paused or self.transport.is_closing():
            return False
        self.transport.write(b"%x\r\n%b\r\n" % (len(part), part))
        return True

    def on_body(self, body: bytes) -> None:
        """Take in a part of a body."""
        self._body_bytes += len(body)
        if self._body_bytes > MOST_BODY_BYTES:
            raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request."""
        self._is_in_head, self._is_in_body = True, False
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        if not self.pipeline and not self.transport.is_closing():
            self._crowd.waits(self)

    def pause_writing(self) -> None:
        """Give the reader some time to take what was written."""
        super().pause_writing()
        self._unread = self.loop.call_later(self._crowd.patience.write_s, self.abort)

    def resume_writing(self) -> None:
        """Go on: the reader takes it."""
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None
        super().resume_writing()

    def _expect(self, seconds: float | None) -> None:
        if self._due is not None:
            self._due.cancel()
        self._due = None if seconds is None else self.loop.call_later(seconds, self._overdue)

    def _overdue(self) -> None:
        """End a request that takes too long; who never said a word gets none."""
        self._due = None
        if self._head_bytes or self._is_in_body:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)
        else:
            self.transport.close()

    def _refuse(self, status: HTTPStatus) -> None:
        """Say why, unless an answer has begun already, and close."""
        self._is_refused = True
        self._crowd.asks(self)
        self._expect(None)
        if self.transport.is_closing():
            return
        if self.pipeline:  # whatever is written now would be taken for a part of an earlier answer
            self.abort()
            return
        if self.cycle is None or self.cycle.response_complete:
            self.transport.write(refusal(status))
        elif not self.cycle.response_started:
            self.transport.write(refusal(status))
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.flow.resume_reading()
        self.transport.write_eof()
        self.loop.call_later(self._crowd.patience.linger_s, self.transport.close)


def wires(crowd: Crowd) -> type[asyncio.Protocol]:
    """Give what uvicorn makes the connections of a crowd with."""
    return cast(type[asyncio.Protocol], functools.partial(Wire, crowd))


@functools.cache
def refusal(status: HTTPStatus) -> bytes:
    """Write an answer that refuses a request of which nothing else was looked at."""
    body = body_of(status, _REFUSALS[status])
    headers = (
        f"content-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\ncache-control: no-store\r\nconnection: close\r\n"
    )
    more = "retry-after: 10\r\n" if status is HTTPStatus.SERVICE_UNAVAILABLE else ""
    return STATUS_LINE[status] + f"{headers}{more}\r\n".encode() + body


def _number(value: bytes) -> int:
    return int(value) if value.isdigit() and len(value) < 20 else MOST_BODY_BYTES + 1
