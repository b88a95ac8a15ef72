"""The desk as agents find it: HTTPS with a certificate of the broker's authority, for as long as somebody is expected.

Three things can be asked for: the authority's certificate, the terms, and a credential. Everything else, and everything
that is too long or too slow, is turned away; at most `MOST_AT_ONCE` are listened to at a time.
"""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import TCPServer
from types import TracebackType
from typing import Any, NamedTuple, Self

from perch.adapters.seated_server import SeatedServer
from perch.contract.enrolment import MAX_BYTES
from perch.errors import StorageError, UnavailableError

SLOWEST_S = 10.0
LONGEST_S = 45.0
"""For everything that one visitor wants; the broker reads its files meanwhile."""

MOST_AT_ONCE = 16
_DIGITS = 9
"""Python refuses to read numbers of thousands of digits."""


class Asked(NamedTuple):
    """What somebody wants: a method, a path, what he brings, and from which address."""

    method: str
    path: str
    body: bytes
    address: str


class Answer(NamedTuple):
    """A status of HTTP, and what is said."""

    status: int
    body: bytes


Answering = Callable[[Asked], Answer]


class DeskServer:
    """Listens from the beginning of its context to its end; `answering` is called by several threads, one at a time."""

    def __init__(self, port: int, certificate: Path, answering: Answering, longest_s: float = LONGEST_S) -> None:
        self._server = _server(port, _context(certificate), answering, longest_s)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="desk", daemon=True)

    def __repr__(self) -> str:
        return f"<DeskServer on port {self.port}>"

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.finish(SLOWEST_S)
        self._server.server_close()
        self._thread.join(SLOWEST_S)


class _Server(SeatedServer):
    allow_reuse_address = True

    def __init__(self, port: int, context: ssl.SSLContext, answering: Answering, longest_s: float) -> None:
        self.address_family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET
        self._longest_s = longest_s
        self._context = context
        self.answering = answering
        self.turn = threading.Lock()
        super().__init__(("", port), _Visitor, MOST_AT_ONCE)

    def server_bind(self) -> None:
        """Listen to both kinds of addresses, and ask nobody for a name."""
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        TCPServer.server_bind(self)

    def hear(self, request: Any, client_address: Any) -> None:
        """Hear somebody, slow as he may be, for no longer than anybody needs."""
        try:
            request.settimeout(SLOWEST_S)
            secure = self._context.wrap_socket(request, server_side=True, do_handshake_on_connect=False)
            with suppress(OSError), secure, _bounded(secure, self._longest_s):
                secure.do_handshake()
                self.finish_request(secure, client_address)
        finally:
            self.shutdown_request(request)


@contextmanager
def _bounded(wire: socket.socket, longest_s: float) -> Iterator[None]:
    """End a connection under whoever reads from it, when the time is over."""
    limit = threading.Timer(longest_s, _cut, [wire])
    limit.daemon = True
    limit.start()
    try:
        yield
    finally:
        limit.cancel()


def _cut(wire: socket.socket) -> None:
    with suppress(OSError):
        socket.socket.shutdown(wire, socket.SHUT_RDWR)


class _Visitor(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.0"
    server_version, sys_version = "Perch", ""
    timeout = SLOWEST_S

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        told = self.headers.get("Content-Length", "")
        length = int(told) if told.isdecimal() and len(told) <= _DIGITS else 0
        if not 0 < length <= MAX_BYTES:
            self.rfile.read(min(length, 4 * MAX_BYTES))  # or the answer gets lost
            self.send_error(413)
            return
        self._answer(self.rfile.read(length))

    def log_message(self, *_: Any) -> None:
        """Say nothing: who asks is told, and the command says who was enrolled."""

    def _answer(self, body: bytes) -> None:
        with self.server.turn:
            answer = self.server.answering(Asked(self.command, self.path, body, str(self.client_address[0])))
        self.send_response(answer.status)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(answer.body)


def _server(port: int, context: ssl.SSLContext, answering: Answering, longest_s: float) -> _Server:
    try:
        return _Server(port, context, answering, longest_s)
    except OSError as error:
        remedy = "end the program that has it, or give another desk_port under [enrolment]"
        raise UnavailableError(f"port {port} cannot be listened on: {error.strerror}", remedy) from error


def _context(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate)
    except OSError as error:
        raise StorageError(f"{certificate} cannot be used: {error}", "run perch agents prepare, as root") from error
    return context
