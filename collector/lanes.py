"""Who waits for the collector: a lane for each agent, served in turn, none of which can hold up another.

What an agent sends on `up` costs it of its allowance when it is taken in, for it ends on the disk. An agent that keeps
to its window never has more than a few messages waiting: beyond its allowance it is merely slowed down. One that does
not finds its lane full, and what finds no room is let go. Live states and statuses have lanes of their own: nothing of
them is stored, so that they cost no allowance and are not held up by the events of their agent.
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

OF_AN_AGENT = Allowance(burst=16 * 2**20, per_s=256 * 2**10)
"""At once 130,000 events in messages of 50, and 2,000 a second in the long run: far more than an agent has to tell."""

OF_STRANGERS = Allowance(2 * OF_AN_AGENT.burst, 2 * OF_AN_AGENT.per_s)
THROTTLED_ROOM = 2**20
"""How many bytes may wait of an agent whose allowance is used up: twenty times its window."""

_TOPICS_REMEMBERED = 100_000


class Lane:
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
        return f"<Lane of {self.name}, {len(self.waiting)} wait>"

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


class Lanes:
    """Finds the lane of a topic. Made by the thread that brings messages; others may look at it."""

    def __init__(self, agents: Collection[tuple[str, str]] = ()) -> None:
        self._agents = agents
        self._accounts = Accounts(agents, OF_AN_AGENT, OF_STRANGERS)
        self._strangers_live = Lane("strangers")
        self._up: dict[str, Lane] = {}
        self._live: dict[str, Lane] = {}
        self._by_topic: dict[str, Lane | None] = {}

    def __repr__(self) -> str:
        return f"<Lanes of {len(self._up)} agents>"

    def __iter__(self) -> Iterator[Lane]:
        return iter((*list(self._up.values()), *list(self._live.values()), self._strangers_live))

    def of(self, topic: str) -> Lane | None:
        """Give the lane of a topic; None for what nobody has to look at: acknowledgements."""
        try:
            return self._by_topic[topic]
        except KeyError:
            if len(self._by_topic) >= _TOPICS_REMEMBERED:
                self._by_topic.clear()
            lane = self._by_topic[topic] = self._find(topic)
            return lane

    def _find(self, topic: str) -> Lane | None:
        try:
            address = contract.parse_topic(topic)
        except ContractError:
            return self._lane_up(NOBODY)
        if address.channel == "up":
            return self._lane_up(self._accounts.name_of(address.site, address.agent))
        if address.channel == "ack":
            return None
        name = f"{address.site}/{address.agent}"
        if (address.site, address.agent) not in self._agents:
            return self._strangers_live
        if name not in self._live:
            self._live[name] = Lane(name)
        return self._live[name]

    def _lane_up(self, name: str) -> Lane:
        if name not in self._up:
            self._up[name] = Lane(name, self._accounts.of(name))
        return self._up[name]


def _cost(arrival: Arrival) -> int:
    return min(len(arrival.payload) + MESSAGE_BYTES, int(OF_AN_AGENT.burst))
