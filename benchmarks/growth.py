"""What an event costs a collector at 10 to 50,000 spaces, the whole way: processor time of the real process.

The same number of events at the same pace, one a message, from agents of 16 desks in zones of 50; what is idle work
of the collector meanwhile is counted in. Every desk was stated once before. With InfluxDB 1.8, whose own processor
time is not counted, and without. `python -m benchmarks.growth 10 50000` takes other numbers of spaces.
"""

import random
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from benchmarks import servers
from benchmarks.figures import Figure, cpu_s, resident_mib, wait_for
from perch import contract
from perch.adapters.health.collector import read_health
from perch.contract import VERSION, Batch, Event, StateEvent
from perch.model import Clock, Reason, State
from tests.parts import Broker, Influx

SPACES = (10, 1_000, 10_000, 50_000)
PER_AGENT, PER_ZONE = 16, 50
PER_S, SECONDS = 200, 40
"""Ten times what 50,000 desks tell."""

RUNS = 3
SAID = ((State.FREE, Reason.QUIET), (State.OCCUPIED, Reason.MOTION))
ZONE = '[[zone]]\nid = "z{zone}"\nfloor = "f1"\n'
SPACE = '[[space]]\nid = "d{n}"\nkind = "desk"\nfloor = "f1"\nzone = "z{zone}"\nagent = "pi-{agent}"\n'


class Venue:
    """A client that speaks for all agents of a site and counts what is acknowledged to them."""

    def __init__(self, port: int, spaces: int) -> None:
        self._spaces = spaces
        self._began = time.monotonic()
        self._epochs = [secrets.token_hex(16) for _ in range(-(-spaces // PER_AGENT))]
        self._seqs = [0] * len(self._epochs)
        self._settled = dict.fromkeys(self._epochs, 0)
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        self._client.on_message = self._hear
        self._client.max_inflight_messages_set(1_000)
        self._client.connect("127.0.0.1", port)
        self._client.subscribe("perch/v1/hq/+/ack", qos=1)
        self._client.loop_start()

    def close(self) -> None:
        """Hang up."""
        self._client.disconnect()
        self._client.loop_stop()

    def state_all(self) -> None:
        """State every space once, again and again until all is stored: a collector may only just have come."""
        began = time.monotonic()
        while silent := [agent for agent, epoch in enumerate(self._epochs) if not self._settled[epoch]]:
            if time.monotonic() - began > 300:
                raise TimeoutError("a benchmark waited in vain")
            for agent in silent:
                self._seqs[agent] = 0
                first = agent * PER_AGENT
                self._say(agent, range(first, min(first + PER_AGENT, self._spaces)), State.UNKNOWN, Reason.STARTING)
                time.sleep(0.002)
            time.sleep(5)

    def live(self) -> None:
        """Let desks be taken and left at an even pace, and see that all is stored."""
        dice = random.Random(1)  # noqa: S311 - desks, not secrets
        began = time.perf_counter()
        for number in range(PER_S * SECONDS):
            wait_s = began + number / PER_S - time.perf_counter()
            if wait_s > 0:
                time.sleep(wait_s)
            space = dice.randrange(self._spaces)
            self._say(space // PER_AGENT, [space], *dice.choice(SAID))
        wait_for(self.is_settled, 120)

    def is_settled(self) -> bool:
        """Tell whether everything is acknowledged."""
        return all(self._settled[epoch] == seq for epoch, seq in zip(self._epochs, self._seqs, strict=True))

    def _say(self, agent: int, spaces: Sequence[int], state: State, reason: Reason) -> None:
        up_ms = int((time.monotonic() - self._began) * 1000)
        now_ms = int(time.time() * 1000)
        first = self._seqs[agent] + 1
        events: tuple[Event, ...] = tuple(
            StateEvent(seq, f"d{space}", state, 0.5, None, reason, now_ms, up_ms, Clock.OK)
            for seq, space in enumerate(spaces, first)
        )
        self._seqs[agent] += len(events)
        batch = Batch(v=VERSION, epoch=self._epochs[agent], boot="b" * 16, sent_mono_ms=up_ms, events=events)
        said = contract.build_up("hq", f"pi-{agent}", batch)
        self._client.publish(said.topic, said.payload, qos=1)

    def _hear(self, _client: object, _data: object, message: MQTTMessage) -> None:
        ack = contract.parse_ack(bytes(message.payload))
        if ack.epoch in self._settled:
            self._settled[ack.epoch] = max(ack.upto, self._settled[ack.epoch])


def figures(sizes: Sequence[int] = SPACES) -> list[Figure]:
    """Give µs of processor an event, and the dearest of larger sites ÷ the smallest site."""
    alone, into_influx = ("whole way, without InfluxDB", "whole way, with InfluxDB 1.8")
    found: dict[tuple[str, int], list[float]] = {}
    memory: dict[int, list[float]] = {}
    with servers.folder() as where, servers.influxdb(where / "influx") as fresh:
        for run in range(RUNS):
            for spaces in sizes:
                for what, influx in ((alone, None), (into_influx, fresh)):
                    name = f"{run}-{spaces}-{influx is not None}"
                    us, mib = _cost(where / name, spaces, influx)
                    found.setdefault((what, spaces), []).append(us)
                    memory.setdefault(spaces, []).append(mib)
    rows = [
        Figure(f"{what}, {spaces:,} spaces", found[what, spaces], "µs of processor an event")
        for what in (alone, into_influx)
        for spaces in sizes
    ]
    ratios = [
        Figure(f"{what}, {spaces:,} ÷ {sizes[0]:,} spaces", _ratios(found, what, spaces, sizes[0]), "×", "≤ 1.5")
        for what in (alone, into_influx)
        for spaces in sizes[1:]
    ]
    return [*rows, *ratios, *(Figure(f"memory, {spaces:,} spaces", memory[spaces], "MiB") for spaces in sizes)]


def _ratios(found: dict[tuple[str, int], list[float]], what: str, spaces: int, least: int) -> list[float]:
    return [one / base for one, base in zip(found[what, spaces], found[what, least], strict=True)]


def _cost(where: Path, spaces: int, fresh: Callable[[], Influx] | None) -> tuple[float, float]:
    """Give µs of processor an event, and the collector's memory in the end."""
    where.mkdir()
    with servers.broker(where / "broker") as broker:
        config = _write_site(where, broker, spaces, fresh)
        data = where / "data"
        with ExitStack() as running:
            collector = running.enter_context(servers.process("collector", "--config", str(config)))
            wait_for(lambda: (health := read_health(data)) is not None and health.broker is None, 120)
            venue = Venue(broker.port, spaces)
            running.callback(venue.close)
            venue.state_all()
            _wait_for_projections(data)
            before = cpu_s(collector.pid)
            venue.live()
            _wait_for_projections(data)
            spent = cpu_s(collector.pid) - before
            return spent / (PER_S * SECONDS) * 1e6, resident_mib(collector.pid)


def _wait_for_projections(data: Path) -> None:
    """Wait until the collector says, in a word that is newer, that nothing waits for its projections."""
    said_ms = time.time() * 1000

    def is_through() -> bool:
        health = read_health(data)
        return (
            health is not None and health.written_ms > said_ms and not any(of.lag for of in health.projections.values())
        )

    wait_for(is_through, 300, 0.05)


def _write_site(where: Path, broker: Broker, spaces: int, fresh: Callable[[], Influx] | None) -> Path:
    def parts() -> Iterator[str]:
        yield servers.SITE.format(site="hq")
        yield from (ZONE.format(zone=f"-{number}") for number in range(-(-spaces // PER_ZONE)))
        yield from (f'[[agent]]\nid = "pi-{number}"\n' for number in range(-(-spaces // PER_AGENT)))
        yield from (SPACE.format(n=n, zone=f"-{n // PER_ZONE}", agent=n // PER_AGENT) for n in range(spaces))

    (where / "site.toml").write_text("".join(parts()))
    config = where / "perch.toml"
    influx = "" if fresh is None else _influx_of(fresh())
    config.write_text(f'data = "data"\nsites = ["site.toml"]\n[broker]\nport = {broker.port}\n{influx}')
    return config


def _influx_of(store: Influx) -> str:
    return f'[influx]\nurl = "{store.url}"\ndatabase = "{store.bucket}"\nzones_database = "{store.zones_bucket}"\n'


if __name__ == "__main__":
    for figure in figures([int(word) for word in sys.argv[1:]] or SPACES):
        print(figure, flush=True)
