"""A small network for tests: sites with brokers of their own, bridged to one centre, and whoever serves them there."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any

import httpx

from api.history.files import history_in_files
from perch.adapters.health.collector import read_health
from perch.adapters.journal.store import JournalReader, Stream
from perch.chaos.checker import Found, Line, check
from perch.chaos.part import Part
from perch.chaos.testimony import Testimony, digest
from perch.contract import LostEvent
from perch.contract.bridge import Centre, bridge_lines
from perch.delivery.watermark import Watermark
from perch.settings import Influx as InfluxSettings
from perch.settings import load_server
from tests.parts import LOOPBACK, Broker, Influx, answers, free_port, until

SITE = """\
[site]
id = "{site}"
name = "House {site}"
time_zone = "Europe/Lisbon"
[hours]
mon = "00:00-24:00"
[[floor]]
id = "f1"
[[zone]]
id = "z1"
floor = "f1"
[[agent]]
id = "pi-1"
"""
SPACE = """\
[[space]]
id = "{space}"
floor = "f1"
zone = "z1"
kind = "desk"
capacity = 1
agent = "pi-1"
"""
SENSED = """\
[[space]]
id = "{space}"
kind = "desk"
capacity = 1
hold_seconds = 1
[[sensor]]
id = "p-{space}"
kind = "presence"
space = "{space}"
pin = {pin}
"""
SPACES = ("d1", "d2", "d3")
TODAY = datetime.now(UTC).date()
WINDOW = {"from": f"{TODAY - timedelta(days=1)}", "to": f"{TODAY + timedelta(days=2)}"}

Observed = tuple[str, float, str, str]
"""A transition: space, time in seconds, state, reason."""


class Network:
    """Sites `a` and `b` with an agent each, a centre, two collectors that share it, and an API that keeps nothing."""

    def __init__(self, folder: Path, start_mosquitto: Callable[..., Broker], influx: Influx, sites: str = "ab") -> None:
        self.folder, self.sites = folder, tuple(sites)
        self.centre = start_mosquitto()
        to = Centre(LOOPBACK, self.centre.port)
        self.edges = {site: start_mosquitto(bridge_lines(site, to, restart_s=(1, 2))) for site in sites}
        self.testimonies = {site: Testimony(site, "pi-1") for site in sites}
        self.api_port = free_port()
        self.config = self._write_server(influx)
        self.agents = {site: self._agent(site) for site in sites}
        self.collectors = {site: self._collector(f"of-{site}", site) for site in sites}
        self.api = self._part("api", "api", "--config", str(self.config), "--replica", PERCH_DATA=str(folder / "none"))

    def parts(self) -> list[Part]:
        """Give all processes of Perch."""
        return [*self.agents.values(), *self.collectors.values(), self.api]

    def data(self, collector: str) -> Path:
        """Give where a collector's files are."""
        return self.folder / f"of-{collector}"

    def collect(self, collector: str, *sites: str) -> None:
        """Let a collector of this name collect sites from now on."""
        self.collectors[collector] = self._collector(f"of-{collector}", ",".join(sites))
        self.collectors[collector].start()

    def load(self, per_second: float) -> None:
        """Let people move at each site, so many edges a second."""
        for agent in self.agents.values():
            agent.tell(f"load {per_second}")

    def get(self, path: str, **parameters: str) -> Any:
        """Ask the API for what it must have."""
        answer = self.ask(path, **parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def ask(self, path: str, **parameters: str) -> httpx.Response:
        """Ask the API."""
        return httpx.get(f"http://{LOOPBACK}:{self.api_port}/api/v1{path}", params=parameters, timeout=30)

    def states(self, site: str) -> dict[str, str]:
        """Give what the API shows of a site's spaces now."""
        return {item["id"]: item["state"] for item in self.get("/spaces", site=site)["items"]}

    def told(self, site: str) -> list[Observed]:
        """Give the transitions that the API tells of a site; none while nothing was told of it yet."""
        rows: list[Observed] = []
        for space in SPACES:
            answer = self.ask("/history/transitions", site=site, space=space, **WINDOW)
            if answer.status_code == 422:
                return []
            rows += [
                (space, datetime.fromisoformat(row["time"]).timestamp(), row["state"], row["reason"])
                for row in answer.json()["rows"]
            ]
        return rows

    def observed(self, collector: str, site: str) -> list[Observed]:
        """Give the same as a collector's own files have it."""
        history = history_in_files({one.id: one for one in load_server(self.config).sites}, self.data(collector))
        from_ms, to_ms = (int(datetime.fromisoformat(day).timestamp() * 1000) for day in WINDOW.values())
        try:
            return [
                (space, row.time_ms / 1000, str(row.state), str(row.reason))
                for space in SPACES
                for row in history.transitions(load_server(self.config).only([site]).sites[0], space, from_ms, to_ms)
            ]
        finally:
            history.store.close()

    def stored(self, collector: str, site: str) -> list[tuple[Stream, int, str]]:
        """Give the events of a site that a collector's journal holds, in order."""
        with JournalReader(self.data(collector) / "journal.db") as reader:
            entries = reader.read(0, 1_000_000)
        assert not [entry for entry in entries if isinstance(entry.event, LostEvent)]
        return [
            (Stream(entry.site, entry.agent, entry.epoch), entry.event.seq, digest(entry.event))
            for entry in entries
            if entry.site == site
        ]

    def settled(self, collector: str, site: str) -> bool:
        """Tell whether all that a site's agent accepted is in a collector's journal."""
        stored = {(stream, seq) for stream, seq, _ in self.stored(collector, site)}
        accepted = self.testimonies[site].accepted
        return all((stream, seq) in stored for stream, numbers in accepted.items() for seq in numbers)

    def violations(self, collector: str, site: str) -> list[Line]:
        """Give what is not conserved of a site, by a collector's journal."""
        told, path = self.testimonies[site], self.data(collector) / "journal.db"
        with JournalReader(path) as reader:
            settled = {stream: _numbers(mark) for stream, mark in reader.streams(site)}
        found = Found(told.accepted, told.in_doubt, told.refused, self.stored(collector, site), settled=settled)
        return [line for line in check(found) if line.violated]

    def _write_server(self, influx: Influx) -> Path:
        for site in self.sites:
            spaces = "".join(SPACE.format(space=space) for space in SPACES)
            (self.folder / f"{site}.toml").write_text(SITE.format(site=site) + spaces)
        config = self.folder / "perch.toml"
        config.write_text(
            f'data = "unused"\nsites = [{", ".join(f"{site}.toml".join(2 * [chr(34)]) for site in self.sites)}]\n'
            f"[broker]\nport = {self.centre.port}\n"
            f"[influx]\n{_lines(influx.settings)}"
            f"[api]\nport = {self.api_port}\nrequests_per_minute = 0\n"
        )
        return config

    def _agent(self, site: str) -> Part:
        config = self.folder / f"agent-{site}.toml"
        sensed = "".join(SENSED.format(space=space, pin=pin) for pin, space in enumerate(SPACES, 4))
        config.write_text(
            f'site = "{site}"\nagent = "pi-1"\ndata = "agent-{site}"\n'
            f"[broker]\nport = {self.edges[site].port}\n{sensed}"
        )
        command = [sys.executable, "-m", "perch.commands.chaos_agent", "--config", str(config), "--load", "5"]
        log = self.folder / f"agent-{site}.log"
        return Part(f"agent-{site}", [*command, "--seed", "1"], log, os.environ, self.testimonies[site].read)

    def _collector(self, name: str, sites: str) -> Part:
        words = ("collector", "--config", str(self.config), "--sites", sites)
        return self._part(name, *words, PERCH_DATA=str(self.folder / name))

    def _part(self, name: str, *words: str, **environment: str) -> Part:
        command = [sys.executable, "-m", "perch.commands", *words]
        return Part(name, command, self.folder / f"{name}.log", os.environ | environment)


def _lines(settings: InfluxSettings) -> str:
    """Write settings as they stand in a file."""
    told = asdict(settings).items()
    names = ("bucket", "zones_bucket") if settings.database is not None else ()
    return "".join(f'{name} = "{value}"\n' for name, value in told if value is not None and name not in names)


def _numbers(mark: Watermark) -> set[int]:
    return set(chain(range(1, mark.upto + 1), *(range(low, high + 1) for low, high in mark.have)))


@contextmanager
def running(network: Network) -> Iterator[Network]:
    """Start a network's processes, and end them."""
    try:
        for part in network.parts():
            part.start()
        for site in network.sites:
            until(lambda site=site: read_health(network.data(site)), 30)  # type: ignore[misc]
        until(lambda: answers(network.api_port), 30)
        yield network
    finally:
        for part in network.parts():
            part.end(10)


def perch(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a perch command."""
    command = [sys.executable, "-m", "perch.commands", *words]
    around = os.environ | environment
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=around)


def until_all_settled(network: Network, **collectors: str) -> None:
    """Wait until each site's events are in the journal of its collector (`a="b"`: site a is collected by b)."""
    for site in network.sites:
        until(lambda site=site: network.settled(collectors.get(site, site), site), 60)  # type: ignore[misc]
