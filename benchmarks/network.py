"""A large network on one machine: 50,000 desks at 10 sites, which 5 collectors share by `--sites` at one broker.

One client speaks for a thousand agents. First ten times as much as so many desks have to tell, one event a message,
and for each event the time to its acknowledgement; then all at once, in messages of fifty.
"""

import os
import random
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from benchmarks import servers
from benchmarks.drain import ARRIVAL_PER_S
from benchmarks.figures import Figure, resident_mib, wait_for
from perch import contract
from perch.adapters.health.collector import read_health
from perch.contract import VERSION, Batch, StateEvent
from perch.model import Clock, Reason, State
from tests.parts import Broker

SITES, COLLECTORS, AGENTS, DESKS = 10, 5, 100, 50
"""Agents at a site, desks of an agent."""

STEADY_PER_S = 10 * ARRIVAL_PER_S * SITES * AGENTS * DESKS / 1_000
STEADY_S = 30
BURST = 50
BURSTS = 4
"""Messages of each agent in the end."""

Agent = tuple[str, str]


class Voices:
    """A client that speaks for all agents and hears what is acknowledged to them."""

    def __init__(self, port: int) -> None:
        self.sent: dict[Agent, int] = {}
        self.settled: dict[Agent, int] = {}
        self.waits_ms: list[float] = []
        self._moments: dict[tuple[Agent, int], float] = {}
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        self._client.on_message = self._hear
        self._client.max_inflight_messages_set(1_000)
        self._client.connect("127.0.0.1", port)
        self._client.subscribe("perch/v1/+/+/ack", qos=1)
        self._client.loop_start()

    def close(self) -> None:
        """Hang up."""
        self._client.disconnect()
        self._client.loop_stop()

    def say(self, agent: Agent, count: int) -> None:
        """Publish the next events of an agent, as one message."""
        first = self.sent.get(agent, 0) + 1
        self.sent[agent] = first + count - 1
        self._publish(agent, first, self.sent[agent])

    def repeat(self) -> None:
        """Publish again what is not acknowledged, as agents do."""
        for agent, last in self.sent.items():
            for first in range(self.settled.get(agent, 0) + 1, last + 1, BURST):
                self._publish(agent, first, min(first + BURST - 1, last))

    def _publish(self, agent: Agent, first: int, last: int) -> None:
        now_ms = int(time.time() * 1000)
        events = [_event(agent, seq, now_ms) for seq in range(first, last + 1)]
        batch = Batch(v=VERSION, epoch=_epoch(agent), boot="b" * 16, sent_mono_ms=now_ms, events=tuple(events))
        said = contract.build_up(*agent, batch)
        self._moments.setdefault((agent, last), time.perf_counter())
        self._client.publish(said.topic, said.payload, qos=1)

    def behind(self) -> int:
        """Count the events that are not acknowledged yet."""
        return sum(last - self.settled.get(agent, 0) for agent, last in self.sent.items())

    def _hear(self, _client: object, _data: object, message: MQTTMessage) -> None:
        _, _, site, agent, _ = message.topic.split("/")
        ack = contract.parse_ack(bytes(message.payload))
        if (site, agent) not in self.sent:
            return  # collectors call each other there, too
        now_s, before = time.perf_counter(), self.settled.get((site, agent), 0)
        for seq in range(before + 1, ack.upto + 1):
            if (sent_s := self._moments.pop(((site, agent), seq), None)) is not None:
                self.waits_ms.append((now_s - sent_s) * 1000)
        self.settled[site, agent] = max(before, ack.upto)


def figures() -> list[Figure]:
    """Give times to acknowledgement, events per second, and memory."""
    agents = [(f"s{site}", f"pi-{number}") for site in range(SITES) for number in range(AGENTS)]
    with servers.folder() as where, servers.broker(where / "broker") as broker, _collectors(where, broker) as pids:
        voices = Voices(broker.port)
        try:
            _begin(voices, agents)
            _speak_steadily(voices, agents)
            wait_for(lambda: not voices.behind(), 120)
            waits = list(voices.waits_ms)
            began = time.perf_counter()
            for _ in range(BURSTS):
                for agent in agents:
                    voices.say(agent, BURST)
            _see_through(voices)
            rate = BURSTS * len(agents) * BURST / (time.perf_counter() - began)
            memory = [resident_mib(pid) for pid in pids]
        finally:
            voices.close()
    each = f"{SITES * AGENTS * DESKS:,} desks, {SITES} sites, {COLLECTORS} collectors"
    return [
        Figure(
            f"{each}, {STEADY_PER_S:g} events/s: event to acknowledgement, median", [statistics.median(waits)], "ms"
        ),
        Figure("the same, the slowest of a hundred", [statistics.quantiles(waits, n=100)[98]], "ms"),
        Figure("all at once, in messages of fifty: events/s to acknowledgement", [rate], "/s"),
        Figure("resident memory of a collector after that", memory, "MiB"),
    ]


def _begin(voices: Voices, agents: list[Agent]) -> None:
    """Say the first event of each agent until its collector is there."""
    deadline = time.monotonic() + 120
    while silent := [agent for agent in agents if not voices.settled.get(agent)]:
        if time.monotonic() > deadline:
            raise TimeoutError("a benchmark waited in vain")
        for agent in silent:
            voices.sent.pop(agent, None)
            voices.say(agent, 1)
        time.sleep(2)
    voices.waits_ms.clear()


def _see_through(voices: Voices) -> None:
    """Wait until everything is acknowledged, and repeat what is not where nothing more comes for a while."""
    left = voices.behind()
    while left:
        for _ in range(50):
            time.sleep(0.1)
            if not voices.behind():
                return
        if voices.behind() == left:
            voices.repeat()
        left = voices.behind()


def _speak_steadily(voices: Voices, agents: list[Agent]) -> None:
    chance = random.Random(1)  # noqa: S311 - desks, not secrets
    began = time.perf_counter()
    for number in range(int(STEADY_S * STEADY_PER_S)):
        wait_s = began + number / STEADY_PER_S - time.perf_counter()
        if wait_s > 0:
            time.sleep(wait_s)
        voices.say(chance.choice(agents), 1)


@contextmanager
def _collectors(where: Path, broker: Broker) -> Iterator[list[int]]:
    names = [f"pi-{number}" for number in range(AGENTS)]
    for site in range(SITES):
        rows = [servers.SPACE.format(number=n, agent=names[n // DESKS]) for n in range(AGENTS * DESKS)]
        homes = "".join(f'[[agent]]\nid = "{name}"\n' for name in names)
        (where / f"s{site}.toml").write_text(servers.SITE.format(site=f"s{site}") + homes + "".join(rows))
    files = ", ".join(f'"s{site}.toml"' for site in range(SITES))
    config = where / "perch.toml"
    config.write_text(f'data = "data"\nsites = [{files}]\n[broker]\nport = {broker.port}\n')
    share = SITES // COLLECTORS
    with ExitStack() as running:
        pids = []
        for number in range(COLLECTORS):
            sites = ",".join(f"s{site}" for site in range(number * share, (number + 1) * share))
            data = where / f"data{number}"
            words = ("collector", "--config", str(config), "--sites", sites)
            collector = running.enter_context(
                servers.process(*words, environment={**os.environ, "PERCH_DATA": str(data)})
            )
            wait_for(lambda data=data: (health := read_health(data)) is not None and health.broker is None, 120)  # type: ignore[misc]
            pids.append(collector.pid)
        yield pids


def _event(agent: Agent, seq: int, wall_ms: int) -> StateEvent:
    desk = int(agent[1][3:]) * DESKS + seq % DESKS
    state, reason = (State.OCCUPIED, Reason.MOTION) if seq % 2 else (State.FREE, Reason.QUIET)
    return StateEvent(seq, f"d{desk}", state, 0.031, None, reason, wall_ms, wall_ms, Clock.OK)


def _epoch(agent: Agent) -> str:
    return f"{int(agent[0][1:]):016x}{int(agent[1][3:]):016x}"
