"""The wire: whatever a client sends, or does not send, ends; others are served meanwhile."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import uvicorn
from anyio.lowlevel import checkpoint
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.types import Receive, Scope, Send

from api.entrance.gate import Gate
from api.wire import MOST_ADDRESS_BYTES, MOST_BODY_BYTES, MOST_HEAD_BYTES, Crowd, Patience, wires
from tests.parts import LOOPBACK, until

HASTE = Patience(head_s=0.2, body_s=0.2, write_s=0.3, linger_s=0.1)
GOOD = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
CHUNK = b"x" * 65_536


@dataclass
class Listening:
    """A server of the least application there is, on the wire that Perch's API has."""

    port: int
    crowd: Crowd

    @contextmanager
    def talking(self, *said: bytes) -> Iterator[socket.socket]:
        """Connect and say something."""
        with socket.create_connection((LOOPBACK, self.port), timeout=30) as talking:
            for part in said:
                talking.sendall(part)
            yield talking

    def answer(self, *said: bytes) -> bytes:
        """Say something, and give what is said until the server closes."""
        with self.talking(*said) as talking:
            return everything(talking)

    def serves(self) -> bool:
        """Tell whether a newcomer is served."""
        with self.talking(GOOD) as talking:
            return talking.recv(15) == b"HTTP/1.1 200 OK"


def everything(talking: socket.socket) -> bytes:
    """Read until the end, however it comes."""
    heard = b""
    try:
        while part := talking.recv(1 << 16):
            heard += part
    except ConnectionResetError:
        pass
    return heard


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Echo how long a body is; stream for ever; fail."""
    request = Request(scope, receive)
    if request.url.path == "/stream":

        async def endless() -> Any:
            while True:
                yield CHUNK
                await checkpoint()

        await StreamingResponse(endless())(scope, receive, send)
        return
    if request.url.path == "/bug":
        raise RuntimeError("planted")
    await PlainTextResponse(str(len(await request.body())))(scope, receive, send)


@contextmanager
def listening(most: int = 100) -> Iterator[Listening]:
    crowd = Crowd(most, HASTE)
    config = uvicorn.Config(Gate(application), http=wires(crowd), log_config=None, lifespan="off", ws="none")
    config.timeout_graceful_shutdown = 1
    server = uvicorn.Server(config)
    with socket.create_server((LOOPBACK, 0), backlog=256) as taken:
        thread = threading.Thread(target=asyncio.run, args=(server._serve([taken]),), name="wire")
        thread.start()
        try:
            until(lambda: server.started)
            yield Listening(taken.getsockname()[1], crowd)
        finally:
            server.should_exit = True
            thread.join(10)


@pytest.fixture(scope="module")
def server() -> Iterator[Listening]:
    with listening() as server:
        yield server


def problem(answer: bytes) -> Any:
    """Read an answer that must be a problem document; gives it."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head.lower(), answer[:300]
    assert b"cache-control: no-store" in head.lower()
    said = json.loads(body)
    assert head.startswith(f"HTTP/1.1 {said['status']} {said['title']}".encode())
    return said


def padded(bytes_: int, name: bytes = b"X-Padding") -> bytes:
    """Give a header of a size."""
    return name + b": " + b"x" * (bytes_ - len(name) - 4) + b"\r\n"


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 100, 400),
        (b"GET / HTTP/9.9\r\n\r\n", 400),
        (b"GARBAGE\r\n\r\n", 400),
        (b"GET /\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: soon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHo st: localhost\r\n\r\n", 400),
        (b"GET /?q=" + b"x" * 1_000_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
        (b"GET /?q=" + b"x" * MOST_ADDRESS_BYTES + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\n" + padded(1_000_000) + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + padded(100) * 20_000 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"a:b\r\n" * 9_000 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"x" * 1_000_000, 431),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 65537\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999999999\r\n\r\n", 413),
        (
            b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
            + (b"8000\r\n" + b"x" * 32768 + b"\r\n") * 3,
            413,
        ),
    ],
    ids=lambda value: repr(value[:30]) if isinstance(value, bytes) else str(value),
)
def test_what_is_no_request_or_too_large_is_refused_with_a_problem(server: Listening, said: bytes, status: int) -> None:
    assert problem(server.answer(said))["status"] == status
    assert server.serves()


def test_what_is_within_bounds_is_answered(server: Listening) -> None:
    close = b"Host: localhost\r\nConnection: close\r\n"
    for said in (
        b"GET /?q=" + b"x" * (MOST_ADDRESS_BYTES - 50) + b" HTTP/1.1\r\n" + close + b"\r\n",
        b"GET / HTTP/1.1\r\n" + close + padded(MOST_HEAD_BYTES - 200) + b"\r\n",
        b"POST / HTTP/1.1\r\n" + close + b"Content-Length: %d\r\n\r\n" % MOST_BODY_BYTES + b"x" * MOST_BODY_BYTES,
        b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n",
    ):
        assert server.answer(said).startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize(
    "begun",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\nx",
        GOOD + b"GET /",
    ],
)
def test_who_sends_a_byte_now_and_then_is_told_that_time_is_over(server: Listening, begun: bytes) -> None:
    with server.talking(begun) as talking:
        talking.settimeout(0.02)
        heard = b""
        end = time.monotonic() + 30
        while time.monotonic() < end:
            try:
                talking.sendall(b"x")
                part = talking.recv(1 << 16)
            except TimeoutError:
                continue
            except OSError:
                break
            heard += part
            if not part:
                break
        last = heard[heard.rindex(b"HTTP/1.1") :]
        assert problem(last)["status"] == 408


def test_who_says_nothing_is_left_without_a_word(server: Listening) -> None:
    assert server.answer() == b""


def test_who_does_not_read_is_cut_off_and_others_are_served(server: Listening) -> None:
    with server.talking(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n") as asleep:
        until(lambda: server.crowd.open == 1 and server.serves())
        until(lambda: server.crowd.open == 0, 30)
        assert len(everything(asleep)) < 50_000_000


def test_requests_in_one_packet_are_answered_in_turn_up_to_a_bound(server: Listening) -> None:
    last = GOOD.replace(b"localhost\r\n", b"localhost\r\nConnection: close\r\n")
    assert server.answer(GOOD * 9 + last).count(b"HTTP/1.1 200 OK") == 10
    server.answer(GOOD * 5_000)
    assert server.serves()


def test_where_connections_run_out_those_that_wait_longest_make_room() -> None:
    with listening(most=5) as server:
        waiting = [socket.create_connection((LOOPBACK, server.port), timeout=30) for _ in range(20)]
        assert server.serves()
        until(lambda: server.crowd.open <= 5)
        for one in waiting:
            one.close()


def test_where_everybody_is_being_served_a_newcomer_is_told_to_come_back() -> None:
    with listening(most=2) as server:
        reading = [socket.create_connection((LOOPBACK, server.port), timeout=30) for _ in range(2)]
        for one in reading:
            one.sendall(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert one.recv(15) == b"HTTP/1.1 200 OK"
        answer = server.answer(GOOD)
        assert problem(answer)["status"] == 503
        assert b"retry-after:" in answer
        for one in reading:
            one.close()
        until(server.serves)


def test_a_bug_outside_the_application_is_a_problem_too(server: Listening, caplog: pytest.LogCaptureFixture) -> None:
    answer = server.answer(b"GET /bug HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert problem(answer)["status"] == 500
    assert b"planted" not in answer
    assert "planted" in caplog.text
