"""The main job, end to end: a real recording from pins to the API and InfluxDB, every part a process of its own."""

import csv
import gzip
import io
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from perch.adapters.health.collector import read_health
from perch.adapters.mqtt.connection import Connection, Received
from perch.adapters.sqlite import open_reader
from perch.errors import PerchError
from perch.settings import Broker
from tests import parts
from tests.parts import LOOPBACK, free_port, until

RECORDED = Path(__file__).parent.parent / "perch" / "venue" / "recordings" / "singh"
EXAMPLE = Path(__file__).parent.parent / "examples" / "lab"
QUARTER_MS = 900_000

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SERVER = """
data = "{folder}/server"
sites = ["site.toml"]
[broker]
host = "127.0.0.1"
port = {broker}
[influx]
{influx}
[api]
port = {api}
[retention]
transitions_days = 0
quarter_hours_days = 0
"""

AGENT = """
site = "lab"
agent = "pi-1"
data = "{folder}/agent"
[broker]
host = "127.0.0.1"
port = {broker}
"""


def perch(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "perch.commands", *arguments]


def milliseconds(text: str) -> int:
    moment = datetime.fromisoformat(text)
    return round((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000)


def rfc3339(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat()


class House:
    """Broker, collector, API and InfluxDB of one laboratory, and every event that went over its wire."""

    def __init__(self, folder: Path, broker: parts.Broker, influxdb: parts.Influx) -> None:
        self.folder = folder
        self.influxdb = influxdb
        self.port = free_port()
        self.events: list[dict[str, Any]] = []
        self.broker = Broker(host=broker.host, port=broker.port)
        for name in ("site.toml", "f1.svg"):
            (folder / name).write_text((EXAMPLE / name).read_text())
        self.config = folder / "perch.toml"
        self.config.write_text(
            SERVER.format(
                folder=folder,
                broker=broker.port,
                influx=influxdb.toml,
                api=self.port,
            )
        )
        sensing = (RECORDED / "sensing-pir.toml").read_text()
        (folder / "agent.toml").write_text(AGENT.format(folder=folder, broker=broker.port) + sensing)

    @contextmanager
    def running(self) -> Iterator["House"]:
        """Collector and API as processes, and an ear on the wire."""
        with ExitStack() as stack:
            ear = Connection(self.broker, "ear", subscriptions=["perch/v1/+/+/up"], on_message=self._hear)
            self.collector = stack.enter_context(process(perch("collector", "--config", str(self.config))))
            self.api = stack.enter_context(process(perch("api", "--config", str(self.config))))
            stack.enter_context(ear)
            until(self._is_up, 90)
            until(lambda: ear.connected)
            yield self

    def _hear(self, message: Received) -> None:
        batch = json.loads(message.payload)
        events = [{**event, "epoch": batch["epoch"], "boot": batch["boot"]} for event in batch["events"]]
        self.events += [event for event in events if event not in self.events]

    def _is_up(self) -> bool:
        assert self.collector.poll() is self.api.poll() is None, "a process ended at its start"
        try:
            return bool(self.get("/readyz"))
        except OSError:
            return False

    def get(self, path: str, **query: str | int) -> Any:
        """GET from the API."""
        url = f"http://{LOOPBACK}:{self.port}{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)

    def replay(self, recording: Path) -> None:
        """Replay a recording to its end."""
        done = subprocess.run(self._replaying(recording), capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr

    def die_after(self, recording: Path, last_ms: int) -> None:
        """Replay a recording while nobody acknowledges, and kill the agent once it came to the end of it."""
        os.kill(self.collector.pid, signal.SIGSTOP)
        agent = subprocess.Popen(self._replaying(recording), stderr=subprocess.DEVNULL)
        try:
            until(lambda: self._last_mark_ms() >= last_ms - 50_000, 60)
        finally:
            agent.kill()
            agent.wait()
            os.kill(self.collector.pid, signal.SIGCONT)

    def _last_mark_ms(self) -> int:
        """Look at a copy, as nobody but the agent may open its outbox; one made at a bad moment tells nothing."""
        copy = self.folder / "copied"
        shutil.rmtree(copy, ignore_errors=True)
        try:
            shutil.copytree(self.folder / "agent", copy)
            with closing(open_reader(copy / "outbox.db")) as outbox:
                rows = outbox.execute("SELECT value FROM meta WHERE key = 'mark'").fetchall()
        except (PerchError, OSError, sqlite3.DatabaseError, shutil.Error):
            return 0
        return int(rows[0][0].split()[0]) if rows else 0

    def _replaying(self, recording: Path) -> list[str]:
        return perch("agent", "--config", str(self.folder / "agent.toml"), "--replay", str(recording))

    def transitions(self) -> list[tuple[int, str, float, int | None]]:
        """Give what the API has."""
        rows = self.get(
            "/api/v1/history/transitions", site="lab", space="room", **{"from": "2010-01-01", "to": "2020-01-01"}
        )["rows"]
        return [(milliseconds(row["time"]), row["state"], row["probability"], row["count"]) for row in rows]

    def rows_in_influxdb(self) -> list[tuple[int, str, float, int | None]]:
        """Give what InfluxDB has."""
        rows = self.influxdb.query("SELECT * FROM occupancy WHERE carried = 0 ORDER BY time", self.influxdb.bucket)
        return [
            (row["time"] // 1_000_000, row["state"], row["probability"], row["people"] if row["counted"] else None)
            for row in rows
        ]

    def sums_in_influxdb(self, from_ms: int, to_ms: int) -> tuple[int, int, int]:
        """Add up occupied, known and inventory time of the zone's quarter hours."""
        rows = self.influxdb.query("SELECT * FROM zone_15min", self.influxdb.zones_bucket, epoch="ms")
        within = [row for row in rows if from_ms <= row["time"] < to_ms]
        occupied, known, inventory = (
            sum(row[field] for row in within) for field in ("occupied_ms", "known_ms", "inventory_ms")
        )
        return occupied, known, inventory

    def stated(self) -> list[tuple[int, str, float, int | None]]:
        """Give the transitions that the words on the wire make."""
        rows: list[tuple[int, str, float, int | None]] = []
        for event in sorted((e for e in self.events if e["type"] == "state"), key=lambda e: e["wall_ms"]):
            row = (event["wall_ms"], event["state"], event["probability"], event["count"])
            if not rows or (rows[-1][1], rows[-1][3]) != (row[1], row[3]):
                rows.append(row)
        return rows

    def offline(self, recording: Path) -> list[tuple[int, str, float, int | None]]:
        """Give what `perch sense` says of the recording."""
        command = perch("sense", str(recording), "--config", str(RECORDED / "sensing-pir.toml"))
        said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
        return [
            (
                milliseconds(row["time"].replace("Z", "+00:00")),
                row["state"],
                float(row["probability"]),
                int(row["count"]) if row["count"] else None,
            )
            for row in csv.DictReader(io.StringIO(said))
        ]

    def spent(self, from_ms: int, to_ms: int) -> tuple[int, int]:
        """Add up occupied and known milliseconds from the words on the wire alone."""
        last = {}
        for event in self.events:
            last[event["epoch"]] = max(last.get(event["epoch"], 0), event.get("wall_ms", 0))
        stated = sorted((e for e in self.events if e["type"] == "state"), key=lambda e: (e["wall_ms"], e["seq"]))
        occupied = known = 0
        for event, later in zip(stated, [*stated[1:], None], strict=True):
            until_ms = last[event["epoch"]] if later is None else min(later["wall_ms"], last[event["epoch"]])
            if later is not None and later["reason"] == "agent-offline":
                until_ms = later["wall_ms"]
            length = max(0, min(until_ms, to_ms) - max(event["wall_ms"], from_ms))
            occupied += length * (event["state"] == "occupied")
            known += length * (event["state"] != "unknown")
        return occupied, known

    def span(self) -> tuple[int, int]:
        """Give the full quarter hours between the first event and the last."""
        times = [event["wall_ms"] for event in self.events]
        return -(-min(times) // QUARTER_MS) * QUARTER_MS, max(times) // QUARTER_MS * QUARTER_MS


@contextmanager
def process(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    running = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        yield running
    finally:
        running.terminate()
        running.wait(30)


@pytest.fixture
def house(tmp_path: Path, mosquitto: parts.Broker, influxdb: parts.Influx) -> Iterator[House]:
    with House(tmp_path, mosquitto, influxdb).running() as running:
        yield running


def settled(house: House) -> None:
    """Wait until every event on the wire is in the journal, and the whole journal in history and InfluxDB."""

    def is_settled() -> bool:
        health = read_health(house.folder / "server")
        places = [health.end, *(made.position for made in health.projections.values())] if health else []
        return set(places) == {len(house.events)}

    until(is_settled, 60)


def assert_numbers_agree(house: House) -> None:
    """Both metrics are the sum over the events, in the API and from the rows of zone_15min."""
    from_ms, to_ms = house.span()
    occupied, known = house.spent(from_ms, to_ms)
    inventory = to_ms - from_ms
    window = {"site": "lab", "from": rfc3339(from_ms), "to": rfc3339(to_ms), "hours": "all"}
    used = house.get("/api/v1/history/time_used_ratio", **window)["rows"][0]
    coverage = house.get("/api/v1/history/coverage", **window)["rows"][0]
    assert used["value"] == float(Fraction(occupied, known))
    assert used["coverage"] == coverage["value"] == float(Fraction(known, inventory))
    assert used["low"] == float(Fraction(occupied, inventory))
    assert used["high"] == float(Fraction(occupied + inventory - known, inventory))
    assert house.sums_in_influxdb(from_ms, to_ms) == (occupied, known, inventory)


@pytest.mark.parametrize("block", ["dec22", pytest.param("jan10", marks=pytest.mark.long)])
def test_a_recording_gives_the_same_rows_offline_over_http_and_in_influxdb(house: House, block: str) -> None:
    recording = RECORDED / block / "readings.csv.gz"
    house.replay(recording)
    expected = house.offline(recording)
    settled(house)
    assert house.transitions() == expected
    assert house.rows_in_influxdb() == expected
    assert_numbers_agree(house)


def test_an_agent_killed_for_30_minutes_lowers_coverage_by_30_minutes_and_its_start(house: House) -> None:
    header, *rows = gzip.decompress((RECORDED / "dec22" / "readings.csv.gz").read_bytes()).decode().splitlines()
    times = sorted({milliseconds(row.split(",")[0].replace("Z", "+00:00")) for row in rows})
    dies = next(time for time in times if time > times[0] + 5 * QUARTER_MS + 400_000)
    back = next(time for time in times if time >= dies + 30 * 60_000)
    for name, first, last in (("before", times[0], dies), ("after", back, times[-1])):
        part = [r for r in rows if first <= milliseconds(r.split(",")[0].replace("Z", "+00:00")) <= last]
        (house.folder / f"{name}.csv").write_text("\n".join([header, *part]) + "\n")
    house.die_after(house.folder / "before.csv", dies)
    house.replay(house.folder / "after.csv")
    until(lambda: len([e for e in house.events if e.get("reason") == "agent-offline"]) == 1)
    settled(house)
    assert house.transitions() == house.rows_in_influxdb() == house.stated()
    assert_numbers_agree(house)
    [offline] = [e for e in house.events if e.get("reason") == "agent-offline"]
    [starting] = [e for e in house.events if e.get("reason") == "starting" and e["wall_ms"] == back]
    heard_again = min(
        e["wall_ms"]
        for e in house.events
        if e["type"] == "state" and e["state"] != "unknown" and e["epoch"] == starting["epoch"]
    )
    lost_ms = heard_again - offline["wall_ms"]
    assert abs((lost_ms - (heard_again - back)) - 30 * 60_000) <= 60_000
    window = {"site": "lab", "from": rfc3339(offline["wall_ms"]), "to": rfc3339(heard_again), "hours": "all"}
    assert house.get("/api/v1/history/coverage", **window)["rows"][0]["value"] == 0.0


def test_a_recording_shifted_to_now_changes_the_room_on_the_page(house: House, chromium: "Browser") -> None:
    recording = house.folder / "visit.csv"
    seconds = range(0, 61, 2)
    recording.write_text("time,sensor,value\n" + "".join(f"{1e6 + s:.0f},pir1,{int(s >= 4)}\n" for s in seconds))
    page = chromium.new_page()
    page.goto(f"http://{LOOPBACK}:{house.port}/?site=lab")
    page.locator("body[data-link=live]").wait_for()
    row, mark = page.locator('.row[data-space="room"]'), page.locator("#space-room")
    assert {row.get_attribute("data-state"), mark.get_attribute("data-state")} == {"unknown"}
    agent = perch("agent", "--config", str(house.folder / "agent.toml"), "--replay", str(recording), "--shift-to-now")
    with process(agent):
        page.locator('.row[data-space="room"][data-state=occupied]').wait_for()
        page.locator("#space-room[data-state=occupied]").wait_for()
        assert "Occupied" in row.inner_text()
    page.locator('.row[data-space="room"][data-state=unknown]').wait_for()
    page.locator("#space-room[data-state=unknown]").wait_for()
    page.close()
