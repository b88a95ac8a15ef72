"""A client of the broker that hears every batch of events, and says again, changes or invents what it likes."""

import json
import random
import threading
import time
from collections import deque
from collections.abc import Sequence

from perch.adapters.mqtt.connection import Connection, Received
from perch.contract import Publication
from perch.settings.values import Broker

REMEMBERED = 400
ROGUE_PER_S = 3_000


class Intruder:
    """Owns two connections: one that hears what agents say and repeats it, and one that floods."""

    def __init__(self, broker: Broker, site: str, agents: Sequence[str]) -> None:
        self._site, self._agents = site, frozenset(agents)
        self._lies: deque[bytes] = deque(maxlen=REMEMBERED)
        self.lied_s = float("-inf")
        self.heard: deque[tuple[str, bytes]] = deque(maxlen=REMEMBERED)
        self._connection = Connection(
            broker, "perch-chaos-intruder", subscriptions=[f"perch/v1/{site}/+/up"], on_message=self._hear
        )
        self._rogue = Connection(broker, "perch-chaos-rogue", subscriptions=[], on_message=lambda _: None)
        self._epoch, self._seq = "0" * 32, 0
        self._flood: threading.Thread | None = None

    def __repr__(self) -> str:
        return f"<Intruder in {self._site}, {len(self.heard)} batches heard>"

    def start(self) -> None:
        """Connect."""
        self._connection.start()
        self._rogue.start()

    def stop(self) -> None:
        """Disconnect."""
        if self._flood is not None:
            self._flood.join(10)
        self._connection.stop(0.5)
        self._rogue.stop(0.5)

    def say(self, messages: Sequence[tuple[str, bytes]], *, retain: bool = False) -> bool:
        """Publish messages; tells whether the broker was there for all of them."""
        taken = [self._connection.publish(Publication(topic, payload, retain)) for topic, payload in messages]
        return all(taken)

    def repeat(self, chance: random.Random, count: int) -> bool:
        """Say batches again that were said before, newest and oldest in any order."""
        heard = list(self.heard)
        return bool(heard) and self.say(chance.sample(heard, min(count, len(heard))))

    def contradict(self, topic: str, payload: bytes) -> bool:
        """Say a batch with other content, and never repeat that: the journal may have been put back by then."""
        lie, self.lied_s = altered(payload), time.monotonic()
        self._lies.append(lie)
        return self.say([(topic, lie)])

    def flood(self, for_s: float) -> bool:
        """Publish 3,000 messages a second as one agent, for a time; a flood that is under way is enough."""
        if not self._rogue.connected or (self._flood is not None and self._flood.is_alive()):
            return False
        self._flood = threading.Thread(target=self._pour, args=(for_s,), name="rogue", daemon=True)
        self._flood.start()
        return True

    def _pour(self, for_s: float) -> None:
        began = time.monotonic()
        poured, pause = 0, threading.Event()
        while (past := time.monotonic() - began) < for_s and self._rogue.connected:
            for _ in range(max(0, int(past * ROGUE_PER_S) - poured)):
                poured += 1
                self._seq += 1
                self._rogue.publish(Publication(f"perch/v1/{self._site}/rogue/up", self._mark()))
            pause.wait(0.01)

    def _mark(self) -> bytes:
        mono_ms, wall_ms = time.monotonic_ns() // 1_000_000, time.time_ns() // 1_000_000
        event = {"type": "alive", "seq": self._seq, "wall_ms": wall_ms, "mono_ms": mono_ms, "clock": "ok"}
        batch = {"v": 1, "epoch": self._epoch, "boot": "0" * 16, "sent_mono_ms": mono_ms, "events": [event]}
        return json.dumps(batch).encode()

    def _hear(self, received: Received) -> None:
        if received.topic.split("/")[3] in self._agents and received.payload not in self._lies:
            self.heard.append((received.topic, received.payload))


def altered(payload: bytes) -> bytes:
    """Give a batch with the same identities and other content."""
    batch = json.loads(payload)
    for event in batch["events"]:
        if event["type"] == "state":
            event["probability"] = round(1 - event["probability"], 3) if event["probability"] != 0.5 else 0.75
        elif "wall_ms" in event:
            event["wall_ms"] += 1
    return json.dumps(batch).encode()
