"""Server-sent events to many clients: how long a change takes to the last of them, and what each of them costs.

Beside it the least that could do it: an asyncio server that writes the same bytes to each of its connections when it is
told to, over a connection of its own. Ours is told over MQTT, as always.
"""

import json
import os
import resource
import select
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from benchmarks import servers
from benchmarks.figures import Figure, resident_mib, wait_for
from perch.model import State
from tests.parts import answers, free_port
from tests.serving import Speaker

CLIENTS = 500
HELD = 2_000
CHANGES = 30
BATCH = 200
"""Clients that come at once: a queue of connections to be accepted has an end."""

RUNS = 5
MARK = b"event: "
FRAME = b'event: space\nid: 1795389642488000\ndata: {"site":"hq","id":"d0","state":"free"}' + b" " * 220 + b"\n\n"

PEER = """
import asyncio, sys
frame = sys.stdin.buffer.read()
chunk = b"%x\\r\\n" % len(frame) + frame + b"\\r\\n"
streams = []
async def serve(reader, writer):
    asked = await reader.read(1000)
    if not asked:
        return
    if asked.startswith(b"GET /tell"):
        while await reader.read(1):
            for stream in streams:
                stream.write(chunk)
        return
    writer.write(b"HTTP/1.1 200 OK\\r\\ntransfer-encoding: chunked\\r\\n\\r\\n" + chunk)
    streams.append(writer)
async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]), backlog=2048)
    await server.serve_forever()
asyncio.run(main())
"""


class Readers:
    """Many clients of one server, read by one loop; a context manager."""

    def __init__(self, port: int, number: int, path: str = "/api/v1/events") -> None:
        self._poll = select.epoll()
        self._clients: dict[int, socket.socket] = {}
        self._tails: dict[int, bytes] = {}
        self.seen: dict[int, int] = {}
        for opened in range(number):
            if opened % BATCH == 0:
                self.until_all_saw(1)
            client = socket.create_connection(("127.0.0.1", port))
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            client.setblocking(False)
            self._clients[client.fileno()] = client
            self._poll.register(client, select.EPOLLIN)
            self.seen[client.fileno()] = 0
            self._tails[client.fileno()] = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for client in self._clients.values():
            client.close()
        self._poll.close()

    def settle(self) -> None:
        """Read until every client has its snapshot, and then until nothing comes any more."""
        self.until_all_saw(1)
        while self._read(1.0):
            continue

    def until_all_saw(self, number: int, timeout_s: float = 120) -> None:
        """Read until every client saw so many changes; raises TimeoutError where one did not."""
        end = time.monotonic() + timeout_s
        late = {client for client, seen in self.seen.items() if seen < number}
        while late:
            late -= {client for client in self._read(1.0) if self.seen[client] >= number}
            if time.monotonic() > end:
                raise TimeoutError(f"{len(late)} clients lack a change")

    def _read(self, timeout_s: float) -> list[int]:
        heard = [number for number, _ in self._poll.poll(timeout_s)]
        for number in heard:
            said = self._tails[number] + self._clients[number].recv(1 << 16)
            self.seen[number] += said.count(MARK)
            self._tails[number] = said[said.rfind(b"\n") + 1 :]
        return heard


def figures() -> list[Figure]:
    """Give times, their ratio, and the memory of a client."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 20_000), hard))
    port = free_port()
    with servers.folder() as where, servers.broker(where / "broker") as broker:
        config = servers.write_server(where, broker, 1, api_port=port)
        with servers.process("api", "--config", str(config)) as api, Speaker(broker, agent="pi-0") as speaker:
            wait_for(lambda: answers(port) and _hears(port))
            tell = _flip(speaker)
            ours, bare = [], []
            for _ in range(RUNS):
                with _peer() as (there, told):
                    bare.append(_to_the_last(there, CLIENTS, told))
                ours.append(_to_the_last(port, CLIENTS, tell))
            kib, held_ms = _held(api.pid, port, tell)
    return [
        Figure(f"a change to the last of {CLIENTS} clients", ours, "ms"),
        Figure("the same, bare asyncio loop", bare, "ms"),
        Figure("ratio", [mine / least for mine, least in zip(ours, bare, strict=True)], "×", "≤ 3"),
        Figure(f"{HELD} clients on one core: a change to the last", [held_ms], "ms"),
        Figure(f"{HELD} clients on one core: memory of each", [kib], "KiB"),
    ]


def _hears(port: int) -> bool:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=10)
    except urllib.error.HTTPError as error:
        parts = {part["part"]: part["ok"] for part in json.load(error)["parts"]}
        return bool(parts["broker"])
    return True


def _to_the_last(port: int, clients: int, tell: Callable[[], None]) -> float:
    """Give the median time in ms from telling of a change until the last client saw it; none may lack one."""
    with Readers(port, clients) as readers:
        readers.settle()
        begin = dict(readers.seen)
        waits = []
        for number in range(1, CHANGES + 1):
            began = time.perf_counter()
            tell()
            readers.until_all_saw(max(begin.values()) + number)
            waits.append((time.perf_counter() - began) * 1000)
        readers.settle()
        lost = sum(CHANGES - (seen - begin[client]) for client, seen in readers.seen.items())
    assert lost == 0, f"{lost} changes lost or doubled"
    return statistics.median(waits)


def _held(pid: int, port: int, tell: Callable[[], None]) -> tuple[float, float]:
    """Give KiB for each of many clients, and ms of a change to the last of them, the server bound to one core."""
    time.sleep(3)
    os.sched_setaffinity(pid, {0})
    before = resident_mib(pid)
    with Readers(port, HELD) as readers:
        readers.settle()
        each_kib = (resident_mib(pid) - before) * 1024 / HELD
    return each_kib, _to_the_last(port, HELD, tell)


def _flip(speaker: Speaker) -> Callable[[], None]:
    states = [State.FREE, State.OCCUPIED]

    def tell() -> None:
        states.reverse()
        speaker.say("d0", states[0])

    return tell


@contextmanager
def _peer() -> Iterator[tuple[int, Callable[[], None]]]:
    port = free_port()
    peer = subprocess.Popen([sys.executable, "-c", PEER, str(port)], stdin=subprocess.PIPE)
    assert peer.stdin is not None
    peer.stdin.write(FRAME)
    peer.stdin.close()
    wait_for(lambda: answers(port))
    try:
        with socket.create_connection(("127.0.0.1", port)) as told:
            told.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            told.sendall(b"GET /tell HTTP/1.1\r\n\r\n")
            yield port, lambda: told.sendall(b"!")
    finally:
        peer.terminate()
        peer.wait()
