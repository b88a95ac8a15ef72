"""`perch walk`: on mock pins with the real inputs, and over a real broker beside a running agent."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from gpiozero import Device
from gpiozero.pins.mock import MockPin

from perch import commands
from perch.commands import walk_network
from perch.commands.walk import sensor_map
from perch.contract import SensorStatus
from perch.errors import PerchError
from perch.model import Reading, SensedSpace, Sensor, SensorHealth, SensorKind, SpaceKind
from perch.sensing.commissioning import Verdict, Walk, begin, findings
from perch.sensing.watch import Watch
from perch.settings import AgentSettings, Broker, SensingSettings
from sensor_agent import process
from sensor_agent import walk as walking
from sensor_agent.agent import Agent
from sensor_agent.clock import RecordedClock, SystemClock
from sensor_agent.inputs import move_pin, use_mock_pins
from sensor_agent.tidings import Tidings
from tests import parts
from tests.configurations import agent_toml, site_toml
from tests.parts import until

T0 = 1_760_001_200_000


@pytest.fixture
def pins() -> Iterator[None]:
    use_mock_pins()
    yield
    Device.pin_factory.reset()


def sensor(name: str, kind: SensorKind, pin: int, every_ms: int | None = None) -> Sensor:
    return Sensor(name, kind, "r1", every_ms, pin=pin)


GOOD = sensor("good", SensorKind.MOTION, 17)
SAMPLED = sensor("sampled", SensorKind.PRESENCE, 27, 30_000)
UPSIDE = sensor("upside", SensorKind.MOTION, 18)
LOOSE = sensor("loose", SensorKind.MOTION, 22)
NEVER = sensor("never", SensorKind.MOTION, 23)
IN, OUT = sensor("in", SensorKind.BEAM_IN, 5), sensor("out", SensorKind.BEAM_OUT, 6)
AIR = Sensor("air", SensorKind.CO2, "r1", 60_000, driver="scd4x")
ALL = (GOOD, SAMPLED, UPSIDE, LOOSE, NEVER, IN, OUT, AIR)


class HeldHigh(MockPin):
    """A pin that the sensor on it holds high at rest."""

    def _set_pull(self, value: str) -> None:
        super()._set_pull(value)
        self.drive_high()


class Installer:
    """Walks by a script: at each second of the walk's own time it moves pins."""

    def __init__(self, deeds: Mapping[int, Callable[[], None]]) -> None:
        self.clock = RecordedClock(T0)
        self.seen: dict[str, list[Verdict]] = {}
        self._deeds = deeds
        self._second = 0

    def __call__(self, _walk: Walk, verdicts: Mapping[str, Verdict]) -> None:
        for name, verdict in verdicts.items():
            if self.seen.setdefault(name, [Verdict.WAITING])[-1] is not verdict:
                self.seen[name].append(verdict)
        self._second += 1
        self.clock.now_ms = T0 + self._second * 1000
        self._deeds.get(self._second, lambda: None)()

    def walk(self, *sensors: Sensor, most_s: int) -> Walk:
        return walking.run(sensors, threading.Event(), self, rest_ms=3_000, most_ms=most_s * 1000, clock=self.clock)


def pulse(*sensors: Sensor) -> None:
    for one in sensors:
        move_pin(one, 1.0)
        move_pin(one, 0.0)


def flutter() -> None:
    for _ in range(6):
        pulse(LOOSE)


@pytest.mark.usefixtures("pins")
def test_wiring_mistakes_are_told_apart() -> None:
    Device.pin_factory.pin(18, pin_class=HeldHigh)
    deeds = {
        5: lambda: pulse(GOOD, SAMPLED),
        6: flutter,
        7: lambda: pulse(OUT, IN),
        8: lambda: (move_pin(UPSIDE, 0.0), move_pin(UPSIDE, 1.0)),
    }
    found = Installer(deeds).walk(*ALL, most_s=9)
    assert findings(found, ended=True) == {
        "good": Verdict.OK,
        "sampled": Verdict.OK,
        "upside": Verdict.INVERTED,
        "loose": Verdict.FLOATING,
        "never": Verdict.NEVER_FIRED,
        "in": Verdict.SWAPPED,
        "out": Verdict.SWAPPED,
        "air": Verdict.UNREADABLE,
    }


@pytest.mark.usefixtures("pins")
def test_a_walk_ends_when_all_is_ticked_off_and_the_map_says_in_which_order() -> None:
    deeds = {5: lambda: pulse(GOOD), 7: lambda: pulse(IN, OUT)}
    installer = Installer(deeds)
    found = installer.walk(OUT, IN, GOOD, most_s=600)
    assert installer.clock.mono_ms() < 15_000
    assert installer.seen["good"] == [Verdict.WAITING, Verdict.OK]
    told = sensor_map(found, "hq", "pi-3", "pins")
    assert told.complete
    assert {one.id: (one.order, one.place) for one in told.sensors} == {
        "good": (1, "pin 17"),
        "in": (2, "pin 5"),
        "out": (3, "pin 6"),
    }


def status(last_ms: int | None, kind: SensorKind, health: SensorHealth = SensorHealth.OK) -> SensorStatus:
    return SensorStatus(health, T0, last_ms, kind, "r1", last_ms)


def test_over_the_network_what_spoke_since_the_walk_began_is_ticked_off_in_its_order() -> None:
    sensors = [Sensor(name, kind, "r1", None) for name, kind in (("a", SensorKind.MOTION), ("b", SensorKind.MOTION))]
    pair = [Sensor("in", SensorKind.BEAM_IN, "r1", None), Sensor("out", SensorKind.BEAM_OUT, "r1", None)]
    walk = begin([*sensors, *pair], {}, T0, 0)
    told = {"a": status(T0 - 5, SensorKind.MOTION), "b": status(None, SensorKind.MOTION)}
    told |= {"in": status(T0 + 900, SensorKind.BEAM_IN), "out": status(T0 + 500, SensorKind.BEAM_OUT)}
    walk = walk_network.heard(walk, told)
    assert list(findings(walk).values()) == [Verdict.WAITING, Verdict.WAITING, Verdict.SWAPPED, Verdict.SWAPPED]
    assert walk_network.heard(walk, told) == walk
    told["a"] = status(T0 + 2_000, SensorKind.MOTION)
    told["b"] = status(None, SensorKind.MOTION, SensorHealth.SILENT)
    walk = walk_network.heard(walk, told)
    assert [findings(walk)[name] for name in ("a", "b")] == [Verdict.OK, Verdict.UNREADABLE]
    assert "silent" in walk.traces["b"].why


def test_over_the_network_a_sample_that_saw_nobody_ticks_nothing_off() -> None:
    """What is read each 30 s is heard each 30 s, whether anybody walks past it or not."""
    walk = begin([SAMPLED, Sensor("air", SensorKind.CO2, "r1", 60_000)], {}, T0, 0)
    watch = Watch([SensedSpace("r1", SpaceKind.ROOM)], [SAMPLED])
    watch.start(T0 - 60_000)
    seen = []
    for at_ms, value in ((T0 - 30_000, 1.0), (T0, 0.0), (T0 + 30_000, 0.0), (T0 + 60_000, 1.0), (T0 + 90_000, 1.0)):
        watch.observe(Reading(at_ms, "sampled", value))
        health = watch.healths(at_ms)["sampled"]
        told = SensorStatus(health.health, T0, health.last_ms, SAMPLED.kind, "r1", health.sign_ms)
        walk = walk_network.heard(walk, {"sampled": told, "air": status(at_ms, SensorKind.CO2)})
        seen.append((findings(walk)["sampled"], findings(walk)["air"]))
    waiting, heard = (Verdict.WAITING, Verdict.OK), (Verdict.OK, Verdict.OK)
    assert seen == [(Verdict.WAITING, Verdict.WAITING), (Verdict.WAITING, Verdict.WAITING), waiting, heard, heard]


def test_an_agent_is_named_by_its_name_or_by_its_site_too() -> None:
    agents = {"hq": ("pi-1", "pi-2"), "annex": ("pi-2",)}
    assert walk_network.which("pi-1", agents) == ("hq", "pi-1")
    assert walk_network.which("annex/pi-2", agents) == ("annex", "pi-2")
    assert walk_network.which(None, {"hq": ("pi-1",)}) == ("hq", "pi-1")
    for named in (None, "pi-2", "pi-9"):
        with pytest.raises(PerchError) as refused:
            walk_network.which(named, agents)
        assert "annex/pi-2" in refused.value.remedy


def test_the_status_is_told_early_for_who_was_quiet_and_never_too_often() -> None:
    tidings = Tidings([GOOD, NEVER, AIR])
    tidings.heard("air", 500)
    assert tidings.deadline > 10**9
    tidings.heard("good", 1_000)
    assert tidings.deadline == 1_000
    tidings.told(1_000)
    tidings.heard("good", 20_000)
    assert tidings.deadline > 10**9
    tidings.heard("never", 21_000)
    assert tidings.deadline == 21_000
    tidings.told(21_000)
    tidings.heard("good", 52_000)
    tidings.told(52_000)
    tidings.heard("never", 53_000)
    assert tidings.deadline == 57_000


def test_an_installer_who_listens_over_the_network_sees_the_tick_within_seconds(
    mosquitto: parts.Broker, tmp_path: Path
) -> None:
    use_mock_pins()
    where = Broker(port=mosquitto.port)
    sensing = SensingSettings((SensedSpace("r1", SpaceKind.ROOM, 4),), (GOOD,))
    settings, clock, stop = AgentSettings("hq", "pi-3", tmp_path, where, sensing), SystemClock(), threading.Event()
    seen: list[Mapping[str, Verdict]] = []
    found: list[Walk] = []
    with Agent(settings, clock, sensing.sensors) as agent:
        loop = threading.Thread(target=process.loop, args=(agent, clock, process.Polls((), 0), stop))
        loop.start()
        until(lambda: agent.connected)

        def walk() -> None:
            found.append(walk_network.run(where, "hq", "pi-3", stop, lambda _, now: seen.append(now), 60_000))

        walker = threading.Thread(target=walk)
        walker.start()
        try:
            until(lambda: seen)
            pulse(GOOD)
            until(lambda: found, 20)
        finally:
            stop.set()
            agent.edge("good", 0.0)
            loop.join()
            walker.join()
    assert (seen[0]["good"], seen[-1]["good"]) == (Verdict.WAITING, Verdict.OK)


PERCH = [sys.executable, "-m", "perch.commands"]
MOCKED = {**os.environ, "GPIOZERO_PIN_FACTORY": "mock"}


def perch(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [*PERCH, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=MOCKED)


def test_the_command_names_each_sensor_and_writes_the_map(tmp_path: Path) -> None:
    config, kept = tmp_path / "agent.toml", tmp_path / "map.json"
    config.write_text(agent_toml(1883))
    done = perch("walk", "--config", config, "--minutes", 0.02, "--rest", 0.5, "-o", kept)
    assert done.returncode == 1, done.stderr
    assert "keep still" in done.stdout
    assert "✗ pir1  motion of d01, pin 17: never fired" in done.stdout
    assert str(kept) in done.stdout
    printed = perch("walk", "--config", config, "--minutes", 0.005, "--rest", 0, "--json")
    said = json.loads(printed.stdout)
    assert (said["complete"], said["sensors"][0]["verdict"]) == (False, "never-fired")
    assert json.loads((tmp_path / "data" / "sensor-map.json").read_text()) == said
    assert json.loads(kept.read_text())["sensors"] == said["sensors"]


def test_a_walk_beside_a_running_agent_says_what_to_do_instead(mosquitto: parts.Broker, tmp_path: Path) -> None:
    config = tmp_path / "agent.toml"
    config.write_text(agent_toml(mosquitto.port))
    agent = subprocess.Popen([*PERCH, "agent", "--config", str(config)], env=MOCKED, stderr=subprocess.DEVNULL)
    try:
        until((tmp_path / "data" / "agent.json").exists, 20)
        done = perch("walk", "--config", config)
        assert (done.returncode, done.stdout) == (1, "")
        assert "holds the pins" in done.stderr
        assert "--network" in done.stderr
    finally:
        agent.kill()
        agent.wait()


def test_a_wrong_line_is_refused(tmp_path: Path) -> None:
    config = tmp_path / "agent.toml"
    config.write_text(agent_toml(1883).partition("[[sensor]]")[0])
    assert perch("walk", "--config", config).returncode == 2
    assert commands.run(["walk", "--config", str(config), "--agent", "hq/pi-3"]) == 2


SPACE = '[[space]]\nid = "d01"\nzone = "open"\nkind = "desk"\n'
SERVER_TOML = 'data = "server"\nsites = ["site.toml"]\n[broker]\nport = {port}\n'


def test_an_agent_that_is_not_heard_is_said_to_be(mosquitto: parts.Broker, tmp_path: Path) -> None:
    config = tmp_path / "perch.toml"
    config.write_text(SERVER_TOML.format(port=mosquitto.port))
    (tmp_path / "site.toml").write_text(site_toml(SPACE, agent="pi-3"))
    done = perch("walk", "--network", "--config", config, "--agent", "pi-3", "--minutes", 0.01)
    assert (done.returncode, "nothing was heard of the agent hq/pi-3" in done.stderr) == (1, True), done.stderr
    assert not (tmp_path / "server").exists()
