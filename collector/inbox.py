"""Where the broker's thread leaves messages and the loop picks them up by the group."""

import threading
import time

from collector.sorting import Arrival
from perch.adapters.mailbox import Mailbox
from perch.adapters.mqtt import Received

ROOM = 10_000
PATIENCE_S = 1.0
"""How long the broker's thread waits for room: far less than its keepalive, and enough to slow the broker down."""

GROUP = 500
GATHER_S = 0.01
"""How long a group gathers: 10 ms more until an acknowledgement buy a fraction of the commits and thread switches."""


class Inbox:
    """A bounded queue; what finds no room in time is let go and counted, since its agent will send it again."""

    def __init__(self, room: int = ROOM, patience_s: float = PATIENCE_S) -> None:
        self._queue: Mailbox[Arrival] = Mailbox()
        self._room = room
        self._patience_s = patience_s
        self._taken = threading.Event()
        self._closed = False
        self.overflowed = 0

    def __repr__(self) -> str:
        return f"<Inbox with {len(self)} messages>"

    def __len__(self) -> int:
        return len(self._queue)

    def put(self, received: Received) -> None:
        """Take a message from the broker's thread."""
        if len(self._queue) >= self._room and not self._has_room_in_time():
            self.overflowed += 1
            return
        topic, payload, retained = received
        self._queue.put(
            Arrival(topic, payload, retained, time.time_ns() // 1_000_000, time.monotonic_ns() // 1_000_000)
        )

    def take(self, wait_s: float) -> list[Arrival]:
        """Give the messages that are there, at most a group; none if none came within `wait_s`."""
        first = self._queue.take(wait_s)
        if first is None:
            return []
        arrivals = [first]
        if len(self._queue) < GROUP:
            time.sleep(GATHER_S)
        while len(arrivals) < GROUP and (arrival := self._queue.take()) is not None:
            arrivals.append(arrival)
        self._taken.set()
        return arrivals

    def close(self) -> None:
        """Hold nobody up any more: nothing will be taken."""
        self._closed = True
        self._taken.set()

    def _has_room_in_time(self) -> bool:
        deadline = time.monotonic() + self._patience_s
        while (left_s := deadline - time.monotonic()) > 0:
            self._taken.clear()
            if self._closed:
                break
            if len(self._queue) < self._room:
                return True
            self._taken.wait(left_s)
        return False
