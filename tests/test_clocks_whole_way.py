"""Raspberry Pis that do not know the time, end to end: what they sensed is where it was, and says how that is known."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pytest

from collector.influx.rows import MEASUREMENTS, Ground, all_lines
from perch.adapters.history.reader import HistoryReader
from perch.adapters.influx.query import Bucket
from perch.history.eras import eras
from perch.model import Clock, SensedSpace, Sensor, SensorKind, SpaceKind
from perch.settings import AgentSettings, Broker, SensingSettings, load_server
from sensor_agent.agent import Agent
from sensor_agent.clock import RecordedClock
from sensor_agent.inputs import use_mock_pins
from tests import parts
from tests.line_parser import parse
from tests.parts import free_port, until
from tests.test_whole_way import House, milliseconds

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
STEP_MS = 10_000
STEPS = 60
"""In so many steps of the loop somebody moves once."""
IN_1970_MS = -56 * 365 * 24 * HOUR_MS
IN_2100_MS = 74 * 365 * 24 * HOUR_MS
ROOM = SensedSpace("room", SpaceKind.ROOM, hold_ms=MINUTE_MS)
PIR = Sensor("pir1", SensorKind.MOTION, "room", None, pin=17)


class Seen(NamedTuple):
    """A room became free or occupied: when, and how that is known."""

    time_ms: int
    state: str
    clock: str


@dataclass
class Pi:
    """A machine with an agent, in whose room somebody moves each ten minutes; `boots` says when each really began."""

    data: Path
    broker: Broker
    boots: dict[str, int] = field(default_factory=dict)

    @contextmanager
    def boot(self, at_ms: int, clock: RecordedClock | None = None, broker: Broker | None = None) -> Iterator["Living"]:
        """Start the machine at a true time, and cut its power in the end."""
        ticking = clock or RecordedClock(at_ms, wrong_by_ms=IN_1970_MS, synced=Clock.UNSYNCED)
        self.boots[ticking.boot] = at_ms
        settings = AgentSettings("lab", "pi-1", self.data, broker or self.broker, SensingSettings((ROOM,), (PIR,)))
        with Agent(settings, ticking, (PIR,)) as agent:
            yield Living(agent, ticking)


@dataclass
class Living:
    """An agent at work, whose clocks the test moves."""

    agent: Agent
    clock: RecordedClock

    def live(self, until_ms: int) -> None:
        """Let true time pass, in the steps of a loop."""
        while self.clock.now_ms < until_ms:
            self.clock.now_ms = min(self.clock.now_ms + STEP_MS, until_ms)
            steps = (self.clock.now_ms - self.clock.start_ms) // STEP_MS % STEPS
            if steps in (STEPS - 2, STEPS - 1):
                self.agent.edge("pir1", float(steps == STEPS - 2))
            self.agent.turn(0)

    def deliver(self) -> None:
        """Wait for the collector's word on all that was told."""
        until(lambda: self.agent.turn(0.01) or (self.agent.connected and self.agent.unsettled == 0), 60)


@pytest.fixture
def house(tmp_path: Path, mosquitto: parts.Broker, influxdb: parts.Influx) -> Iterator[House]:
    use_mock_pins()
    with House(tmp_path, mosquitto, influxdb).running() as running:
        yield running


@pytest.fixture
def pi(house: House) -> Pi:
    return Pi(house.folder / "agent", house.broker)


def seen(house: House) -> list[Seen]:
    """Give what the API says of the room, wherever it is known."""
    window = {"from": "1950-01-01", "to": "2150-01-01"}
    rows = house.get("/api/v1/history/transitions", site="lab", space="room", **window)["rows"]
    return [Seen(milliseconds(row["time"]), row["state"], row["clock"]) for row in rows if row["state"] != "unknown"]


def happened(house: House, pi: Pi) -> dict[str, list[tuple[int, str]]]:
    """Give by boot what really happened and when, from the agent's own words and the true beginning of each boot."""
    stated = {boot: list[tuple[int, str]]() for boot in pi.boots}
    for event in house.events:
        if event["type"] == "state" and event["state"] != "unknown":
            stated[event["boot"]].append((pi.boots[event["boot"]] + event["mono_ms"], event["state"]))
    return {boot: sorted(set(rows)) for boot, rows in stated.items()}


def all_of(happened: dict[str, list[tuple[int, str]]]) -> list[tuple[int, str]]:
    return sorted(row for rows in happened.values() for row in rows)


def assert_influxdb_agrees(house: House) -> None:
    """Each row that history gives is in InfluxDB, and no other one."""
    [site] = load_server(house.config).sites
    with HistoryReader(house.folder / "server" / "history.db") as history:
        lines = [(bucket, parse(line)) for bucket, line in all_lines(Ground.of(site), eras(site.id, history), history)]
    for measurement, bucket in MEASUREMENTS:
        expected = sorted(line.ns for _, line in lines if line.measurement == measurement)
        name = house.influxdb.bucket if bucket is Bucket.SPACES else house.influxdb.zones_bucket
        until(lambda: times(house, measurement, name) == expected, 20)  # noqa: B023 - asked at once
    rows = house.influxdb.query("SELECT * FROM occupancy WHERE carried = 0 ORDER BY time", house.influxdb.bucket)
    kept = [Seen(row["time"] // 10**6, row["state"], row["clock"]) for row in rows if row["state"] != "unknown"]
    assert kept == seen(house)


def times(house: House, measurement: str, database: str) -> list[int]:
    query = f"SELECT * FROM {measurement} ORDER BY time"  # noqa: S608 - a name of our own
    return [row["time"] for row in house.influxdb.query(query, database)]


def settled(house: House, rows: Callable[[list[Seen]], bool]) -> list[Seen]:
    """Wait until history says something."""
    return until(lambda: found if rows(found := seen(house)) else None, 30)


def test_boots_without_the_time_and_without_the_network_are_dated_as_well_as_they_can_be(house: House, pi: Pi) -> None:
    """Three boots, two of them cut off to their end; the third is heard at last, and later hears the time."""
    nowhere = Broker(host=parts.LOOPBACK, port=free_port())
    now_ms = time.time_ns() // 10**6
    begins = [now_ms - minutes * MINUTE_MS for minutes in (160, 90, 45)]
    for begin_ms in begins[:2]:
        with pi.boot(begin_ms, broker=nowhere) as living:
            living.live(begin_ms + 35 * MINUTE_MS)
    with pi.boot(begins[2]) as living:
        living.live(now_ms)
        living.clock.now_ms = time.time_ns() // 10**6
        living.agent.turn(0)
        living.agent.edge("pir1", 1.0)
        living.deliver()
        truth = happened(house, pi)
        assert [len(rows) for rows in truth.values()] == [7, 7, 10]
        rows = settled(house, lambda rows: len(rows) == 24)
        assert [row.state for row in rows] == [state for _, state in all_of(truth)]
        assert {row.clock for row in rows} == {"estimated"}
        late_ms = [row.time_ms - true_ms for row, (true_ms, _) in zip(rows, all_of(truth), strict=True)]
        assert all(-50 <= ms <= 5_000 for ms in late_ms[14:])
        assert len(set(late_ms[:7])) == len(set(late_ms[7:14])) == 1
        assert begins[0] < rows[0].time_ms < rows[6].time_ms < rows[7].time_ms < rows[13].time_ms < begins[2] + 5_000
        living.clock.synced, living.clock.wrong_by_ms = Clock.OK, 0
        living.live(living.clock.now_ms + 2 * MINUTE_MS)
        living.deliver()
    third = list(happened(house, pi).values())[2]
    rows = settled(house, lambda rows: [row[:2] for row in rows[14:]] == third)
    assert {row.clock for row in rows[:14]} == {"estimated"}
    assert {row.clock for row in rows[14:]} <= {"placed", "ok"}
    assert rows[13].time_ms < begins[2]
    assert_influxdb_agrees(house)


@pytest.mark.parametrize("clock_is_believed", [True, False])
def test_a_clock_that_jumps_drops_reorders_and_mislabels_nothing(
    house: House, pi: Pi, *, clock_is_believed: bool
) -> None:
    """By hours to and fro, to 1970 and to 2100, whether or not the agent notices that it is nonsense."""
    end_ms = time.time_ns() // 10**6
    clock = RecordedClock(end_ms - 130 * MINUTE_MS)
    with pi.boot(clock.start_ms, clock) as living:
        for jump, wrong_by_ms in enumerate((0, 3 * HOUR_MS, -3 * HOUR_MS, IN_1970_MS, IN_2100_MS, 0)):
            nonsense = abs(wrong_by_ms) > 24 * HOUR_MS
            clock.wrong_by_ms = wrong_by_ms
            clock.synced = Clock.UNSYNCED if nonsense and not clock_is_believed else Clock.OK
            living.live(clock.start_ms + (jump + 1) * 20 * MINUTE_MS)
            living.deliver()
    truth = all_of(happened(house, pi))
    assert len(truth) > 20
    rows = settled(house, lambda rows: [row[:2] for row in rows] == truth)
    assert {row.clock for row in rows} == {"ok", "placed"}
    assert_influxdb_agrees(house)
