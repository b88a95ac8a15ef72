"""Where the broker's thread leaves messages and the loop picks them up by the group, from each agent in turn.

The broker's thread is never held up: what it does not take from the broker, the broker queues for everybody alike, and
drops in the end. What finds no room is let go and counted; it was not acknowledged, so its agent sends it again.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Collection

from collector.queues import MESSAGE_BYTES, Queue, Queues
from collector.sorting import Arrival
from perch.adapters.instants import boot_ms, now
from perch.adapters.mailbox import Mailbox
from perch.adapters.mqtt.connection import Received

ROOM_BYTES = 64 * 2**20

GROUP = 500
GROUP_BYTES = 2**20
"""A group is one transaction, and one wait for whoever comes next: about 100 full batches."""

SHARE_BYTES = 2**16
"""What one agent may have of a group while others are there: its work is theirs to wait for."""

COMPANY_MS = 60_000
"""Others are there if they had something to say within this time."""

LOOK_MS = 1_000
"""How often it is looked for others that have gone: thousands of agents would be looked at for each group."""

TURN_BYTES = 2**14
GATHER_S = 0.01
"""How long a group gathers: 10 ms more until an acknowledgement buy a fraction of the commits and thread switches."""

HOLD_MS = 50
"""A queue whose allowance is used up is looked at no more often than this."""


class Inbox:
    """A bounded room with a queue for each agent; `agents` are those that a layout names, by (site, agent).

    Of acknowledgements, only those of other collectors are of interest: not those that name `own_journal`.

    A queue may hold as much as there is room left: a single agent half of it, two a third each, and so there is always
    room for one that has nothing waiting.
    """

    def __init__(
        self,
        agents: Collection[tuple[str, str]] = (),
        room_bytes: int = ROOM_BYTES,
        own_journal: str = "",
        clock_ms: Callable[[], int] = boot_ms,
    ) -> None:
        self._clock_ms = clock_ms
        self._own_journal = own_journal.encode()
        self._mail: Mailbox[tuple[Queue, Arrival]] = Mailbox()
        self._queues = Queues(agents)
        self._room_bytes = room_bytes
        self._came_bytes = 0
        self._taken_bytes = 0
        self._turn: deque[Queue] = deque()
        self._heard_ms: dict[Queue, int] = {}
        self._looked_ms = clock_ms()
        self._held: dict[Queue, int] = {}

    def __repr__(self) -> str:
        return f"<Inbox with {self._came_bytes - self._taken_bytes} bytes>"

    def __len__(self) -> int:
        return len(self._mail) + sum(len(queue.waiting) for queue in self._queues)

    @property
    def refused(self) -> dict[str, int]:
        """How many messages were let go since the start, by agent."""
        counted: Counter[str] = Counter()
        for queue in self._queues:  # looked at once: the broker's thread may add one at any moment
            counted[queue.name] += queue.refused + queue.dropped
        return {name: refused for name, refused in counted.items() if refused}

    def put(self, received: Received) -> None:
        """Take a message from the broker's thread; never waits."""
        topic, payload, retained = received
        queue = self._queues.of(topic)
        if queue is self._queues.acks and self._own_journal in payload:
            return
        size = len(payload) + MESSAGE_BYTES
        free = self._room_bytes - (self._came_bytes - self._taken_bytes)
        if queue.came_bytes - queue.taken_bytes + size > min(free, queue.room):
            queue.refused += 1
            return
        queue.came_bytes += size
        self._came_bytes += size
        moment = now()
        self._mail.put((queue, Arrival(topic, payload, retained, moment.wall_ms, moment.mono_ms)))

    def take(self, wait_s: float) -> list[Arrival]:
        """Give messages that are there and may be taken, at most a group; none if none came within `wait_s`."""
        self._release(self._clock_ms())
        was_idle = not self._turn
        if was_idle:
            self._sort_in(self._mail.take(min(wait_s, self._until_release_s())))
        if self._turn and len(self._mail) < GROUP and (was_idle or self._in_company):
            time.sleep(GATHER_S)
        for _ in range(len(self._mail)):
            self._sort_in(self._mail.take())
        now_ms = self._clock_ms()
        self._release(now_ms)
        return self._group(now_ms)

    @property
    def _in_company(self) -> bool:
        return len(self._heard_ms) > 1

    def _group(self, now_ms: int) -> list[Arrival]:
        group: list[Arrival] = []
        had: dict[Queue, int] = {}
        share = SHARE_BYTES if self._in_company else GROUP_BYTES
        served: list[Queue] = []
        while self._turn and len(group) < GROUP and sum(had.values()) < GROUP_BYTES:
            queue = self._turn.popleft()
            before = queue.taken_bytes
            group += queue.take(TURN_BYTES, now_ms)
            had[queue] = had.get(queue, 0) + queue.taken_bytes - before
            self._heard_ms[queue] = now_ms
            self._go_on(queue, now_ms, self._turn if had[queue] < share else served)
            self._taken_bytes += queue.taken_bytes - before
        self._turn.extend(served)
        if now_ms - self._looked_ms >= LOOK_MS:
            self._looked_ms = now_ms
            self._heard_ms = {queue: ms for queue, ms in self._heard_ms.items() if now_ms - ms < COMPANY_MS}
        return group

    def _go_on(self, queue: Queue, now_ms: int, behind: deque[Queue] | list[Queue]) -> None:
        """Put a queue behind others, or aside while its allowance is used up."""
        if wait_ms := queue.wait_ms(now_ms):
            queue.throttle()
            self._held[queue] = now_ms + max(wait_ms, HOLD_MS)
        elif queue.waiting:
            behind.append(queue)
        else:
            queue.is_served = False
            queue.free()

    def _release(self, now_ms: int) -> None:
        for queue in [queue for queue, due_ms in self._held.items() if due_ms <= now_ms]:
            del self._held[queue]
            self._turn.append(queue)

    def _until_release_s(self) -> float:
        return max(0, min(self._held.values(), default=2**53) - self._clock_ms()) / 1000

    def _sort_in(self, item: tuple[Queue, Arrival] | None) -> None:
        if item is None:
            return
        queue, arrival = item
        queue.waiting.append(arrival)
        if not queue.is_served:
            queue.is_served = True
            self._turn.append(queue)
