"""Where the broker's thread leaves messages and the loop picks them up by the group."""

import queue
import time

from collector.sorting import Arrival
from perch.adapters.mqtt import Received

ROOM = 10_000
GROUP = 500
GATHER_S = 0.01
"""How long a group gathers: 10 ms more until an acknowledgement buy a fraction of the commits and thread switches."""


class Inbox:
    """A bounded queue; what finds no room is let go and counted, since its agent will send it again."""

    def __init__(self, room: int = ROOM) -> None:
        self._queue: queue.SimpleQueue[Arrival] = queue.SimpleQueue()
        self._room = room
        self.overflowed = 0

    def __repr__(self) -> str:
        return f"<Inbox with {len(self)} messages>"

    def __len__(self) -> int:
        return self._queue.qsize()

    def put(self, received: Received) -> None:
        """Take a message from the broker's thread; never waits."""
        if self._queue.qsize() >= self._room:
            self.overflowed += 1
            return
        topic, payload, retained = received
        self._queue.put(
            Arrival(topic, payload, retained, time.time_ns() // 1_000_000, time.monotonic_ns() // 1_000_000)
        )

    def take(self, wait_s: float) -> list[Arrival]:
        """Give the messages that are there, at most a group; none if none came within `wait_s`."""
        try:
            arrivals = [self._queue.get(timeout=wait_s)]
        except queue.Empty:
            return []
        if self._queue.qsize() < GROUP:
            time.sleep(GATHER_S)
        while len(arrivals) < GROUP:
            try:
                arrivals.append(self._queue.get_nowait())
            except queue.Empty:
                break
        return arrivals
