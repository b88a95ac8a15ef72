"""Who waits for the collector: a queue for each agent, served in turn, none of which can hold up another.

What an agent sends on `up` costs it of its allowance when it is taken in, for it ends on the disk. An agent that
keeps to its window never has more than a few messages waiting: beyond its allowance it is merely slowed down. One that
does not finds its queue full, and what finds no room is let go. Live states and statuses have queues of their own:
nothing of them is stored, so that they cost no allowance and are not held up by the events of their agent.
"""

import math
from collections import deque
from collections.abc import Collection, Iterator

from collector.accounts import NOBODY, Accounts, Meter
from collector.sorting import Arrival
from perch import contract
from perch.delivery.allowance import Allowance
from perch.errors import ContractError

MESSAGE_BYTES = 500
"""What a message costs beside its payload, in memory and in work."""

TRAFFIC_OF_AN_AGENT = Allowance(burst=16 * 2**20, per_s=256 * 2**10)
"""At once 130,000 events in messages of 50, and 2,000 a second in the long run: far more than an agent has to tell."""

TRAFFIC_OF_STRANGERS = Allowance(2 * TRAFFIC_OF_AN_AGENT.burst, 2 * TRAFFIC_OF_AN_AGENT.per_s)
THROTTLED_ROOM = 2**20
"""How many bytes may wait of an agent whose allowance is used up: twenty times its window."""

_TOPICS_REMEMBERED = 100_000


class Queue:
    """Messages of one agent that wait; without meters it may have as much as it likes.

    `came_bytes` and `refused` belong to the thread that brings messages, everything else to the one that takes them.
    """

    __slots__ = ("came_bytes", "dropped", "is_served", "meters", "name", "refused", "room", "taken_bytes", "waiting")

    def __init__(self, name: str, meters: tuple[Meter, ...] = ()) -> None:
        self.name = name
        self.meters = meters
        self.waiting: deque[Arrival] = deque()
        self.came_bytes = self.taken_bytes = self.refused = self.dropped = 0
        self.room = math.inf
        self.is_served = False

    def __repr__(self) -> str:
        return f"<Queue of {self.name}, {len(self.waiting)} wait>"

    def take(self, quantum_bytes: int, now_ms: int) -> list[Arrival]:
        """Give the oldest messages, as many as its turn and its allowance grant."""
        granted = min((meter.left(now_ms) for meter in self.meters), default=math.inf)
        taken: list[Arrival] = []
        spent, waiting = 0, self.waiting
        while waiting and spent < quantum_bytes and (cost := _cost(waiting[0])) <= granted - spent:
            taken.append(waiting.popleft())
            spent += cost
        for meter in self.meters:
            meter.charge(spent, now_ms)
        self.taken_bytes += sum(len(arrival.payload) for arrival in taken) + MESSAGE_BYTES * len(taken)
        return taken

    def wait_ms(self, now_ms: int) -> int:
        """Tell how long its oldest message has to wait for its allowance; 0 where it has not."""
        if not self.waiting or not self.meters:
            return 0
        cost = _cost(self.waiting[0])
        return max(meter.wait_ms(cost, now_ms) for meter in self.meters)

    def throttle(self) -> None:
        """Keep no more than a few windows' worth from now on; of what waits, the newest is let go."""
        self.room = THROTTLED_ROOM
        while self.came_bytes - self.taken_bytes > THROTTLED_ROOM and self.waiting:
            self.taken_bytes += len(self.waiting.pop().payload) + MESSAGE_BYTES
            self.dropped += 1

    def free(self) -> None:
        """Let as much wait again as there is room for."""
        self.room = math.inf


class Queues:
    """Finds the queue of a topic. Made by the thread that brings messages; others may look at it."""

    def __init__(self, agents: Collection[tuple[str, str]] = ()) -> None:
        self._agents = agents
        self._accounts = Accounts(agents, TRAFFIC_OF_AN_AGENT, TRAFFIC_OF_STRANGERS)
        self._strangers_live = Queue("strangers")
        self.acks = Queue("acknowledgements")
        self._up: dict[str, Queue] = {}
        self._live: dict[str, Queue] = {}
        self._by_topic: dict[str, Queue] = {}

    def __repr__(self) -> str:
        return f"<Queues of {len(self._up)} agents>"

    def __iter__(self) -> Iterator[Queue]:
        return iter((*list(self._up.values()), *list(self._live.values()), self._strangers_live, self.acks))

    def of(self, topic: str) -> Queue:
        """Give the queue of a topic."""
        try:
            return self._by_topic[topic]
        except KeyError:
            if len(self._by_topic) >= _TOPICS_REMEMBERED:
                self._by_topic.clear()
            queue = self._by_topic[topic] = self._find(topic)
            return queue

    def _find(self, topic: str) -> Queue:
        try:
            address = contract.parse_topic(topic)
        except ContractError:
            return self._queue_up(NOBODY)
        if address.channel == "up":
            return self._queue_up(self._accounts.name_of(address.site, address.agent))
        if address.channel == "ack":
            return self.acks
        name = f"{address.site}/{address.agent}"
        if (address.site, address.agent) not in self._agents:
            return self._strangers_live
        if name not in self._live:
            self._live[name] = Queue(name)
        return self._live[name]

    def _queue_up(self, name: str) -> Queue:
        if name not in self._up:
            self._up[name] = Queue(name, self._accounts.of(name))
        return self._up[name]


def _cost(arrival: Arrival) -> int:
    return min(len(arrival.payload) + MESSAGE_BYTES, int(TRAFFIC_OF_AN_AGENT.burst))
