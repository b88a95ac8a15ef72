"""Whoever asks over HTTP has one of so many seats, and each is given back whatever happens."""

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

import pytest

from perch.adapters.seated_server import SeatedServer
from tests.parts import LOOPBACK, until

TOO_LARGE = 2**47
"""Bytes for the stack of a thread: all that a program can address, which no machine gives."""


class Greeting(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.wfile.write(b"HTTP/1.0 200 OK\r\n\r\nhello")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[SeatedServer]:
    with SeatedServer((LOOPBACK, 0), Greeting, seats=1) as server:
        server.timeout = 10
        yield server


def asked(server: SeatedServer) -> bytes:
    """Ask, and let the server take the request from where it listens."""
    with socket.create_connection(server.server_address[:2], timeout=10) as line:  # type: ignore[arg-type]
        line.sendall(b"GET / HTTP/1.0\r\n\r\n")
        server.handle_request()
        try:
            return line.makefile("rb").read()
        except ConnectionResetError:
            return b""


def test_whoever_finds_a_seat_is_answered_and_leaves_it_to_the_next(server: SeatedServer) -> None:
    for _ in range(3):
        answer = until(lambda: asked(server))
        assert answer.endswith(b"hello")


def test_whoever_finds_none_is_turned_away(server: SeatedServer) -> None:
    with socket.create_connection(server.server_address[:2], timeout=10):  # type: ignore[arg-type]
        server.handle_request()
        assert asked(server) == b""


def test_a_machine_that_has_no_thread_to_give_costs_no_seat(server: SeatedServer) -> None:
    usual = threading.stack_size(TOO_LARGE)
    try:
        assert asked(server) == b""
    finally:
        threading.stack_size(usual)
    assert asked(server).endswith(b"hello")
