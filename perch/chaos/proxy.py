"""A link that can be made bad: TCP between a part of Perch and what it talks to, delayed, trickling, mute or cut."""

import contextlib
import selectors
import socket
import struct
import threading
import time
from collections import deque
from dataclasses import dataclass, field

CHUNK = 65_536
MOST_WAITING = 1 << 20
LOOK_S = 0.02


@dataclass(frozen=True, slots=True)
class Weather:
    """How a link behaves: each piece waits `delay_s`, at most `bytes_per_s` pass; replies may be swallowed.

    A `silent` link takes nothing and says nothing, without being cut; one that `refuses` cuts whoever connects.
    """

    delay_s: float = 0.0
    bytes_per_s: int | None = None
    swallows_replies: bool = False
    silent: bool = False
    refuses: bool = False


FAIR = Weather()


@dataclass(slots=True, eq=False)
class _Way:
    """One direction of one connection."""

    source: socket.socket
    target: socket.socket
    replies: bool
    pieces: deque[tuple[float, bytes]] = field(default_factory=deque)
    waiting: int = 0
    free_s: float = 0.0
    ended: bool = False


class Link:
    """Listens on a port of 127.0.0.1 and passes on to another place; one thread from `start` to `stop`."""

    def __init__(self, port: int, target: int, host: str = "127.0.0.1") -> None:
        self.port, self._target = port, (host, target)
        self._weather = FAIR
        self._ways: list[_Way] = []
        self._connected_s = 0.0
        self._reset = threading.Event()
        self._stop = threading.Event()
        self._selector = selectors.DefaultSelector()
        self._listening = socket.create_server(("127.0.0.1", port), backlog=64)
        self._listening.setblocking(False)
        self._thread = threading.Thread(target=self._run, name=f"link-{port}", daemon=True)

    def __repr__(self) -> str:
        return f"<Link {self.port} to {self._target}, {self._weather}>"

    def start(self) -> None:
        """Begin to pass on."""
        self._selector.register(self._listening, selectors.EVENT_READ)
        self._thread.start()

    def stop(self) -> None:
        """Cut everything and end."""
        self._stop.set()
        self._thread.join(5)
        self._listening.close()
        self._selector.close()

    @property
    def connected_s(self) -> float:
        """Since when its newest connection stands (monotonic seconds); for ever to come where there is none."""
        return self._connected_s if self._ways else float("inf")

    def turn(self, weather: Weather) -> None:
        """Behave differently from now on; connections of which something was swallowed are cut when that ends."""
        if self._weather.swallows_replies and not weather.swallows_replies:
            self._reset.set()
        self._weather = weather

    def reset(self) -> None:
        """Cut every connection, so that both ends get an error."""
        self._reset.set()

    def _run(self) -> None:
        while not self._stop.is_set():
            for key, _ in self._selector.select(LOOK_S if self._is_quiet() else LOOK_S / 4):
                if key.fileobj is self._listening:
                    self._accept()
                elif isinstance(key.data, _Way):
                    self._take(key.data)
            if self._reset.is_set():
                self._reset.clear()
                self._cut_all()
            for way in list(self._ways):
                self._give(way)
        self._cut_all()

    def _is_quiet(self) -> bool:
        return not any(way.pieces for way in self._ways)

    def _accept(self) -> None:
        try:
            near, _ = self._listening.accept()
        except OSError:
            return
        try:
            far = None if self._weather.refuses else socket.create_connection(self._target, timeout=2)
        except OSError:
            far = None
        if far is None:
            _cut(near)
            return
        for wire in (near, far):
            wire.setblocking(False)
            wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connected_s = time.monotonic()
        for way in (_Way(near, far, replies=False), _Way(far, near, replies=True)):
            self._ways.append(way)
            self._selector.register(way.source, selectors.EVENT_READ, way)

    def _take(self, way: _Way) -> None:
        if self._weather.silent or way.waiting > MOST_WAITING:
            time.sleep(0.001)  # it stays readable; this loop must not spin
            return
        try:
            piece = way.source.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError:
            self._cut(way)
            return
        if not piece:
            way.ended = True
            self._selector.unregister(way.source)
        elif not (way.replies and self._weather.swallows_replies):
            way.pieces.append((time.monotonic() + self._weather.delay_s, piece))
            way.waiting += len(piece)

    def _give(self, way: _Way) -> None:
        now = time.monotonic()
        while way.pieces and not self._weather.silent and way.pieces[0][0] <= now and way.free_s <= now:
            at, piece = way.pieces.popleft()
            rate = self._weather.bytes_per_s
            part = piece if rate is None else piece[: max(1, int(rate * LOOK_S))]
            try:
                sent = way.target.send(part)
            except BlockingIOError:
                sent = 0
            except OSError:
                self._cut(way)
                return
            way.waiting -= sent
            if rate is not None:
                way.free_s = now + LOOK_S
            if sent < len(piece):
                way.pieces.appendleft((at, piece[sent:]))
                return
        if way.ended and not way.pieces:
            self._cut(way)

    def _cut(self, way: _Way) -> None:
        ends = {way.source, way.target}
        for other in [other for other in self._ways if other.source in ends]:
            self._ways.remove(other)
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(other.source)
        for end in ends:
            _cut(end)

    def _cut_all(self) -> None:
        while self._ways:
            self._cut(self._ways[0])


def _cut(wire: socket.socket) -> None:
    """Close with a reset instead of a farewell."""
    with contextlib.suppress(OSError):
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wire.close()
