"""Where the broker's thread leaves messages and the loop picks them up by the group, from each agent in turn.

The broker's thread is never held up: what it does not take from the broker, the broker queues for everybody alike, and
drops in the end. What finds no room is let go and counted; it was not acknowledged, so its agent sends it again.
"""

import time
from collections import deque
from collections.abc import Collection

from collector.lanes import MESSAGE_BYTES, Lane, Lanes
from collector.sorting import Arrival
from perch.adapters.instants import now
from perch.adapters.mailbox import Mailbox
from perch.adapters.mqtt import Received

ROOM_BYTES = 64 * 2**20

GROUP = 500
GROUP_BYTES = 2**20
"""A group is one transaction, and one wait for whoever comes next: about 100 full batches."""

SHARE_BYTES = 2**16
"""What one agent may have of a group while others are there: its work is theirs to wait for."""

COMPANY_MS = 60_000
"""Others are there if they had something to say within this time."""

TURN_BYTES = 2**14
GATHER_S = 0.01
"""How long a group gathers: 10 ms more until an acknowledgement buy a fraction of the commits and thread switches."""

HOLD_MS = 50
"""A lane whose allowance is used up is looked at no more often than this."""


class Inbox:
    """A bounded queue with a lane for each agent; `agents` are those that a layout names, by (site, agent).

    A lane may hold as much as there is room left: a single agent half of it, two a third each, and so there is always
    room for one that has nothing waiting.
    """

    def __init__(self, agents: Collection[tuple[str, str]] = (), room_bytes: int = ROOM_BYTES) -> None:
        self._mail: Mailbox[tuple[Lane, Arrival]] = Mailbox()
        self._lanes = Lanes(agents)
        self._room_bytes = room_bytes
        self._came_bytes = 0
        self._taken_bytes = 0
        self._turn: deque[Lane] = deque()
        self._heard_ms: dict[Lane, int] = {}
        self._held: dict[Lane, int] = {}

    def __repr__(self) -> str:
        return f"<Inbox with {self._came_bytes - self._taken_bytes} bytes>"

    def __len__(self) -> int:
        return len(self._mail) + sum(len(lane.waiting) for lane in self._lanes)

    @property
    def refused(self) -> dict[str, int]:
        """How many messages were let go since the start, by agent."""
        counted = {lane.name: 0 for lane in self._lanes}
        for lane in self._lanes:
            counted[lane.name] += lane.refused + lane.dropped
        return {name: refused for name, refused in counted.items() if refused}

    def put(self, received: Received) -> None:
        """Take a message from the broker's thread; never waits."""
        topic, payload, retained = received
        lane = self._lanes.of(topic)
        if lane is None:
            return
        size = len(payload) + MESSAGE_BYTES
        free = self._room_bytes - (self._came_bytes - self._taken_bytes)
        if lane.came_bytes - lane.taken_bytes + size > min(free, lane.room):
            lane.refused += 1
            return
        lane.came_bytes += size
        self._came_bytes += size
        moment = now()
        self._mail.put((lane, Arrival(topic, payload, retained, moment.wall_ms, moment.mono_ms)))

    def take(self, wait_s: float) -> list[Arrival]:
        """Give messages that are there and may be taken, at most a group; none if none came within `wait_s`."""
        self._release(_now_ms())
        was_idle = not self._turn
        if was_idle:
            self._sort_in(self._mail.take(min(wait_s, self._until_release_s())))
        if self._turn and len(self._mail) < GROUP and (was_idle or self._in_company):
            time.sleep(GATHER_S)
        for _ in range(len(self._mail)):
            self._sort_in(self._mail.take())
        now_ms = _now_ms()
        self._release(now_ms)
        return self._group(now_ms)

    @property
    def _in_company(self) -> bool:
        return len(self._heard_ms) > 1

    def _group(self, now_ms: int) -> list[Arrival]:
        group: list[Arrival] = []
        had: dict[Lane, int] = {}
        share = SHARE_BYTES if self._in_company else GROUP_BYTES
        served: list[Lane] = []
        while self._turn and len(group) < GROUP and sum(had.values()) < GROUP_BYTES:
            lane = self._turn.popleft()
            before = lane.taken_bytes
            group += lane.take(TURN_BYTES, now_ms)
            had[lane] = had.get(lane, 0) + lane.taken_bytes - before
            self._heard_ms[lane] = now_ms
            self._go_on(lane, now_ms, self._turn if had[lane] < share else served)
            self._taken_bytes += lane.taken_bytes - before
        self._turn.extend(served)
        self._heard_ms = {lane: ms for lane, ms in self._heard_ms.items() if now_ms - ms < COMPANY_MS}
        return group

    def _go_on(self, lane: Lane, now_ms: int, behind: deque[Lane] | list[Lane]) -> None:
        """Put a lane behind others, or aside while its allowance is used up."""
        if wait_ms := lane.wait_ms(now_ms):
            lane.throttle()
            self._held[lane] = now_ms + max(wait_ms, HOLD_MS)
        elif lane.waiting:
            behind.append(lane)
        else:
            lane.is_served = False
            lane.free()

    def _release(self, now_ms: int) -> None:
        for lane in [lane for lane, due_ms in self._held.items() if due_ms <= now_ms]:
            del self._held[lane]
            self._turn.append(lane)

    def _until_release_s(self) -> float:
        return max(0, min(self._held.values(), default=2**53) - _now_ms()) / 1000

    def _sort_in(self, item: tuple[Lane, Arrival] | None) -> None:
        if item is None:
            return
        lane, arrival = item
        lane.waiting.append(arrival)
        if not lane.is_served:
            lane.is_served = True
            self._turn.append(lane)


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000
