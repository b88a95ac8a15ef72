"""Everything that a campaign has running: processes, the links between them, and those who watch."""

import os
import random
import secrets
import shutil
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from perch.chaos import small_disks
from perch.chaos import venue_files as files
from perch.chaos.intruder import Intruder
from perch.chaos.live_reader import LiveReader
from perch.chaos.part import Part
from perch.chaos.proxy import Link
from perch.chaos.testimony import Testimony
from perch.chaos.venue_files import SITE, BrokerAt
from perch.errors import PerchError
from perch.settings.values import Broker

START_S = 60.0
EDGES_PER_S = 15.0
OUTBOX_EVENTS = 20_000
LONGER_THAN_ITS_WORD_S = 8.5, 10.5
"""States of agents under test may be believed for 3 s, and the API has 5 s to notice."""

CAUGHT_UP_S = 2.0
"""So long after it connected, a client has subscribed and heard all that was retained."""


@dataclass(frozen=True, slots=True)
class Programs:
    """How each process is started: `broker` and `influx` take their configuration file (a port for amqtt)."""

    agent: Callable[[Path], Sequence[str]]
    collector: Callable[[Path], Sequence[str]]
    api: Callable[[Path], Sequence[str]]
    mosquitto: Callable[[Path], Sequence[str]] | None
    amqtt: Callable[[int], Sequence[str]]
    influxd: Callable[[Path], Sequence[str]] | None
    lent_influx: tuple[str, int] | None = None
    """Host and port of a server that is lent, of which only the link is broken."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is wanted: how long, by which seed, how many faults a second, and how many agents."""

    minutes: float
    seed: int
    faults_per_s: float = 4.0
    agents: int = 3
    patience_s: float = 120.0

    @property
    def outbox_events(self) -> int:
        """Room for all that an agent accepts, since a collector that is restored is sent it all again."""
        return OUTBOX_EVENTS + int(3 * EDGES_PER_S * 60 * self.minutes)


@dataclass
class Stage:
    """Owns all of it from `start` to `stop`; used by one thread."""

    folder: Path
    programs: Programs
    plan: Plan
    disks: bool
    """Whether agents and collector have small disks of their own."""

    parts: dict[str, Part] = field(default_factory=dict)
    links: dict[str, Link] = field(default_factory=dict)
    testimonies: dict[str, Testimony] = field(default_factory=dict)
    clones: list[tuple[str, Path]] = field(default_factory=list)
    unplugged: set[str] = field(default_factory=set)
    """Agents whose links are to be left alone."""

    journal_knows_alone: bool = False
    """Whether the journal has events that no outbox has any more, for an older one was put back."""

    api_disturbed_s: float = 0.0
    whole_at_s: float = float("inf")
    """When everything is to be made whole (monotonic seconds)."""

    def __post_init__(self) -> None:
        self.chance = random.Random(self.plan.seed)  # noqa: S311  # a plan that can be made again
        self.agents = files.agents(self.plan.agents)
        self.persistent = self.chance.random() < 0.5
        self.broker_port, self.api_port = free_port(), free_port()
        self._protocol = "3.1.1" if self.programs.mosquitto is None else "5"
        level = 4 if self.programs.mosquitto is None else 5
        self.broker = Broker(port=self.broker_port, username="chaos", protocol=level)
        self.influx_at = self.programs.lent_influx or (("127.0.0.1", free_port()) if self.programs.influxd else None)
        self.reader = LiveReader(self.broker, SITE, self.api_port, self.api_undisturbed_s)
        self.intruder = Intruder(self.broker, SITE, self.agents)
        self._boots: dict[str, tuple[str, int]] = {}

    @property
    def data(self) -> Path:
        """The collector's folder."""
        return self.folder / "server"

    @property
    def server_config(self) -> Path:
        """The `perch.toml` of collector and API."""
        return self.folder / "perch.toml"

    def agent_data(self, agent: str) -> Path:
        """Give an agent's folder."""
        return self.folder / agent

    def start(self) -> None:
        """Bring everything up; raises PerchError where something does not come."""
        (self.folder / "logs").mkdir()
        self._make_disks()
        self._start_servers()
        self._start_perch()
        self.reader.start()
        self.intruder.start()
        until(lambda: answers(self.api_port) and all(part.running for part in self.parts.values()), "all of Perch")

    def stop(self) -> None:
        """End everything, the stubborn by force."""
        self.intruder.stop()
        self.reader.stop()
        for name in [*self.parts]:
            self.parts.pop(name).end(5.0)
        for link in self.links.values():
            link.stop()
        if self.disks:
            for folder in (self.data, *map(self.agent_data, self.agents)):
                small_disks.unmount(folder)

    def see_to_all(self) -> None:
        """Start again whatever died."""
        now_s = time.monotonic()
        for part in self.parts.values():
            part.see_to(now_s)

    def agent_command(self, agent: str, config: Path, load: float, *more: str) -> list[str]:
        """Give the command line of an agent's next process, in the boot that it is in."""
        boot, began_ms = self._boots.get(agent, ("", 0))
        words = ["--seed", str(self.chance.getrandbits(31)), "--load", f"{load:g}", *more]
        return [*self.programs.agent(config), *words, *(["--boot", boot, "--began-ms", str(began_ms)] if boot else [])]

    def reboot(self, agent: str) -> None:
        """Let the next process of an agent be of a new boot: its monotonic clock begins anew."""
        began_ms = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000 - self.chance.randrange(1_000, 100_000)
        self._boots[agent] = (secrets.token_hex(8), began_ms)

    def use_config(self, agent: str, *more: str, load: float = EDGES_PER_S, config: Path | None = None) -> None:
        """Set what the next process of an agent is started with."""
        part = self.parts[agent]
        part.command = self.agent_command(agent, config or self.folder / f"{agent}.toml", load, *more)

    def lasts(self, for_s: float) -> bool:
        """Whether there is so much time left to break things."""
        return time.monotonic() + for_s < self.whole_at_s

    def api_is_disturbed(self, for_s: float) -> None:
        """Note that the API cannot hear everything for a while, and needs its keepalive to notice."""
        self.api_disturbed_s = max(self.api_disturbed_s, time.monotonic() + for_s)

    def api_undisturbed_s(self) -> float:
        """Give since when the API hears what everybody hears, as it hears it (monotonic seconds)."""
        link = self.links.get("api")
        return max(self.api_disturbed_s, float("inf") if link is None else link.connected_s + CAUGHT_UP_S)

    def clone(self, agent: str) -> Path:
        """Copy the files of an agent that does not run, with a configuration of their own; gives that."""
        folder = self.folder / f"{agent}-clone{len(self.clones)}"
        shutil.copytree(self.agent_data(agent), folder, ignore=shutil.ignore_patterns(small_disks.BALLOON))
        at = self._near(self.links[agent].port)
        config = files.write_agent(self.folder / f"{folder.name}.toml", agent, folder, at, self.plan.outbox_events)
        self.clones.append((agent, config))
        return config

    def part(self, name: str, command: Sequence[str], agent: str | None = None) -> Part:
        """Make a process; what an agent says is its testimony."""
        heard = None if agent is None else self.testimonies[agent].read
        return Part(name, command, self.folder / "logs" / f"{name}.log", _environment(), heard)

    def _near(self, port: int) -> BrokerAt:
        return BrokerAt(port, self._protocol)

    def _make_disks(self) -> None:
        outbox_kib = self.plan.outbox_events  # an event of 250 bytes, its index, and as much again
        for folder, size_kib in (
            (self.data, 1 << 20),
            *((self.agent_data(a), 65_536 + outbox_kib) for a in self.agents),
        ):
            folder.mkdir()
            if self.disks:
                small_disks.mount(folder, size_kib)

    def _start_servers(self) -> None:
        self._add("broker", self._broker_command())
        if self.programs.influxd is not None and self.programs.lent_influx is None and self.influx_at is not None:
            config = files.write_influxdb(self.folder, self.influx_at[1], free_port())
            self._add("influxdb", self.programs.influxd(config))
        until(partial(answers, self.broker_port), "the broker")
        for name in (*self.agents, "collector", "api"):
            self._link(name, "127.0.0.1", self.broker_port)
        if self.influx_at is not None:
            until(partial(answers, self.influx_at[1], self.influx_at[0]), "InfluxDB")
            self._link("influxdb", *self.influx_at)

    def _broker_command(self) -> Sequence[str]:
        if self.programs.mosquitto is None:
            return self.programs.amqtt(self.broker_port)
        config = files.write_mosquitto(self.folder, self.broker_port, persistent=self.persistent)
        return self.programs.mosquitto(config)

    def _start_perch(self) -> None:
        files.write_site(self.folder, self.agents)
        influx = self.links["influxdb"].port if "influxdb" in self.links else None
        near = self._near(self.links["collector"].port)
        config = files.write_server(self.server_config, self.data, near, self.api_port, influx)
        at_api = self._near(self.links["api"].port)
        of_api = files.write_server(self.folder / "api.toml", self.data, at_api, self.api_port, None)
        self._add("collector", self.programs.collector(config))
        self._add("api", self.programs.api(of_api))
        for agent in self.agents:
            self.testimonies[agent] = Testimony(SITE, agent)
            path, at = self.folder / f"{agent}.toml", self._near(self.links[agent].port)
            files.write_agent(path, agent, self.agent_data(agent), at, self.plan.outbox_events)
            self.parts[agent] = self.part(agent, (), agent)
            self.use_config(agent)
            self.parts[agent].start()

    def _add(self, name: str, command: Sequence[str]) -> None:
        self.parts[name] = self.part(name, command)
        self.parts[name].start()

    def _link(self, name: str, host: str, target: int) -> None:
        self.links[name] = Link(free_port(), target, host)
        self.links[name].start()


def _environment() -> Mapping[str, str]:
    """Give the environment of every process: the user's PERCH_… variables are not meant for it."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("PERCH_")}
    return own | {"PERCH_DEMO": "1"}


def until(condition: Callable[[], bool], what: str, timeout_s: float = START_S) -> None:
    """Wait for a condition; raises PerchError after the time."""
    end_s, pause = time.monotonic() + timeout_s, threading.Event()
    while not condition():
        if time.monotonic() > end_s:
            raise PerchError(f"{what} did not come up within {timeout_s:g} s", "see the logs in the campaign's folder")
        pause.wait(0.05)


def answers(port: int, host: str = "127.0.0.1") -> bool:
    """Tell whether somebody accepts connections on a port."""
    with suppress(OSError), socket.create_connection((host, port), timeout=1):
        return True
    return False


_given: set[int] = set()


def free_port() -> int:
    """Give a TCP port of 127.0.0.1 that nobody listens on, each only once."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port not in _given:
            _given.add(port)
            return port
