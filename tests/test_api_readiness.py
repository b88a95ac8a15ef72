"""The API is ready while it can answer: the parts it reads decide, and the others are told of."""

import os
import re
import sqlite3
import subprocess
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from api import process
from api.readiness import _collector
from perch.adapters.age import mark
from perch.adapters.cursor import Cursor
from perch.adapters.health.collector import CollectorHealth, ProjectionHealth, layouts_of, write_health
from perch.adapters.history.store import HistoryStore
from perch.adapters.journal.store import Journal, Run, Stream
from perch.chaos import small_disks
from perch.contract import AliveEvent
from perch.delivery.watermark import Watermark
from perch.errors import StorageError
from perch.history.told import Unplaced
from perch.model import Clock
from perch.settings import Influx
from tests.parts import LOOPBACK, Broker, free_port, until
from tests.serving import EPOCH, Served, a_site, parts_of, server_settings, serving, serving_connected

WELL = ProjectionHealth(position=7, lag=0)
AWAY = ProjectionHealth(position=3, lag=4, trouble="InfluxDB does not answer")


def tell(
    data: Path,
    broker: str | None = None,
    alarms: dict[str, dict[str, int]] | None = None,
    layouts: dict[str, str] | None = None,
    **projections: ProjectionHealth,
) -> None:
    """Write what a running collector would say of itself."""
    now_ms = process.now().wall_ms
    health = CollectorHealth(
        version="0",
        written=mark(),
        written_ms=now_ms,
        started_ms=now_ms,
        running=True,
        journal="j",
        end=7,
        broker=broker,
        waiting=0,
        overflowed=0,
        messages=7,
        events=7,
        stored=7,
        repeats=0,
        strangers=0,
        stranger_spaces={},
        projections=projections,
        layouts=layouts,
        **{"quarantined": {}, **(alarms or {})},  # type: ignore[arg-type]  # they are all by agent
    )
    write_health(data, health)


def ready(served: Served) -> bool:
    """Tell what readiness says at large, in words and in code."""
    answer = served.get("/readyz")
    assert (answer.status_code == 200) is answer.json()["ready"]
    return answer.status_code == 200


def test_only_what_the_api_reads_decides_whether_it_is_ready(tmp_path: Path, mosquitto: Broker) -> None:
    with Journal.open(tmp_path / "journal.db"), HistoryStore.open(tmp_path / "history.db"):
        pass
    with serving_connected(server_settings(mosquitto.port, tmp_path)) as served:
        tell(tmp_path, history=WELL, influx=WELL)
        assert ready(served)
        assert "influx" not in parts_of(served)["collector"]["detail"]

        tell(tmp_path, history=WELL, influx=AWAY)
        assert ready(served)
        assert parts_of(served)["collector"]["detail"].endswith("; influx waits: InfluxDB does not answer")

        tell(tmp_path, history=AWAY, influx=WELL)
        assert not ready(served)
        assert parts_of(served)["collector"]["detail"].startswith("history: ")

        tell(tmp_path, broker="refused", history=WELL)
        assert not ready(served)


def test_what_the_collector_counts_is_said_with_its_time_and_another_layout_is_told(
    tmp_path: Path, mosquitto: Broker
) -> None:
    with Journal.open(tmp_path / "journal.db"), HistoryStore.open(tmp_path / "history.db"):
        pass
    with serving_connected(server_settings(mosquitto.port, tmp_path)) as served:
        tell(tmp_path, layouts=layouts_of([a_site()]), history=WELL)
        well = parts_of(served)["collector"]["detail"]
        assert well == (
            "since its start 7 events stored, 0 of spaces no layout names; 7 in the journal, 0 ever quarantined"
        )
        tell(tmp_path, layouts=layouts_of([a_site(name="Harbour Hall")]), history=WELL)
        assert parts_of(served)["collector"]["detail"] == (
            f"{well}; it and this API read different layouts of hq: restart both"
        )
        assert ready(served)


def test_each_part_that_is_ill_is_named(tmp_path: Path) -> None:
    """No broker, no collector and no files at first; then a journal that history has not followed."""
    with serving(server_settings(free_port(), tmp_path)) as served:
        until(lambda: "cannot be reached" in parts_of(served)["broker"]["detail"])
        told = parts_of(served)
        assert [name for name, part in told.items() if not part["ok"]] == ["broker", "collector", "journal", "history"]
        assert told["collector"]["detail"] == "the collector does not run: start it, or see its log"
        assert told["journal"]["detail"].startswith("there is no ")
        with Journal.open(tmp_path / "journal.db") as journal, HistoryStore.open(tmp_path / "history.db"):
            marks = tuple(AliveEvent(seq=seq, wall_ms=seq, mono_ms=seq, clock=Clock.OK) for seq in range(1, 10_002))
            stream = Stream("hq", "pi-1", EPOCH)
            journal.append([Run(stream, "b" * 16, None, 0, marks)], {stream: Watermark(len(marks))})
        assert parts_of(served)["journal"]["ok"]
        assert parts_of(served)["history"]["detail"].startswith("history is 10001 events behind the journal: ")
        assert not ready(served)


def test_where_the_collector_does_not_run_because_the_disk_is_full_that_is_said(tmp_path: Path) -> None:
    """It cannot say so itself; and it cannot start."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    small_disks.mount(tmp_path, 512)
    try:
        with pytest.raises(StorageError, match=r"does not run, and the disk of .* is full"):
            _collector(tmp_path, ())
    finally:
        subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


@pytest.mark.long
def test_a_journal_that_another_program_locks_is_named(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "journal.db"), HistoryStore.open(tmp_path / "history.db"):
        pass
    with closing(sqlite3.connect(tmp_path / "journal.db", isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        with serving(server_settings(free_port(), tmp_path)) as served:
            served.client.timeout = 60
            told = parts_of(served)["journal"]
    assert not told["ok"]
    assert "journal.db" in told["detail"]
    assert "is locked" in told["detail"] or "in use" in told["detail"]


def test_an_influxdb_that_is_away_is_the_part_of_an_api_that_has_nothing_else(tmp_path: Path) -> None:
    settings = replace(server_settings(free_port(), tmp_path), influx=Influx(f"http://{LOOPBACK}:{free_port()}"))
    with serving(settings.as_replica()) as served:
        told = parts_of(served)["influxdb"]
        assert not told["ok"]
        assert "does not answer" in told["detail"]


def test_events_that_nobody_can_date_yet_are_counted(tmp_path: Path, mosquitto: Broker) -> None:
    with Journal.open(tmp_path / "journal.db"), HistoryStore.open(tmp_path / "history.db") as history:
        history.add([Unplaced("hq", "pi-1", "a" * 32)] * 3 + [Unplaced("elsewhere", "pi-1", "a" * 32)], Cursor("j", 0))
    with serving_connected(server_settings(mosquitto.port, tmp_path)) as served:
        assert parts_of(served)["history"]["detail"].endswith("; 3 wait, for nobody knows yet when they were")


ALARMS = {"conflicts": {"hq/pi-1": 3}, "throttled": {"hq/pi-9": 15_000}, "deferred": {"hq/pi-9": 2}}


def test_alarms_are_told_and_keep_nobody_from_an_answer(tmp_path: Path, mosquitto: Broker) -> None:
    with Journal.open(tmp_path / "journal.db"), HistoryStore.open(tmp_path / "history.db"):
        pass
    lossy = ProjectionHealth(position=7, lag=20_000, expired=12, refused=3)
    with serving_connected(server_settings(mosquitto.port, tmp_path)) as served:
        tell(tmp_path, alarms=ALARMS, history=WELL, influx=lossy)
        assert ready(served)
        detail = parts_of(served)["collector"]["detail"]
        assert "conflicts (see to these credentials): hq/pi-1 3" in detail
        assert "throttled messages: hq/pi-9 15000; deferred messages: hq/pi-9 2" in detail
        assert "influx: 12 rows expired, 3 refused" in detail
        assert "influx is 20000 events behind" in detail


def test_its_log_says_in_its_own_name_that_it_serves_and_that_it_stopped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    with serving(server_settings(free_port(), tmp_path)) as served:
        served.get("/healthz")
    said = [(record.name, record.getMessage()) for record in caplog.records if "mqtt" not in record.name]
    assert [name for name, _ in said if not name.startswith("httpx")] == ["perch.api", "perch.api"]
    assert said[-1][1] == "stopped"


SAMPLE = re.compile(r'([a-z_]+)(?:\{([a-z]+)="([^"\\\n]*)"\})? (-?[0-9.e+]+)')


def samples(text: str) -> dict[tuple[str, str], float]:
    """Read the text format: each family with its help and type, then its samples."""
    found: dict[tuple[str, str], float] = {}
    family = ""
    for line in text.removesuffix("\n").split("\n"):
        if line.startswith("# "):
            _, word, family, said = line.split(" ", 3)
            assert word == "HELP" or said in ("counter", "gauge")
            continue
        match = SAMPLE.fullmatch(line)
        assert match is not None, line
        name, _, value, number = match.groups()
        assert name == family
        assert (name, value or "") not in found
        found[name, value or ""] = float(number)
    return found


def test_what_prometheus_collects_is_what_the_collector_said(tmp_path: Path, mosquitto: Broker) -> None:
    with Journal.open(tmp_path / "journal.db"), HistoryStore.open(tmp_path / "history.db"):
        pass
    with serving_connected(server_settings(mosquitto.port, tmp_path)) as served:
        before = samples(served.get("/metrics").text)
        assert before["perch_part_ok", "collector"] == before["perch_collector_running", ""] == 0
        lossy = ProjectionHealth(position=3, lag=4, expired=12, refused=3, trouble="InfluxDB does not answer")
        tell(tmp_path, alarms={**ALARMS, "quarantined": {"conflict": 3, "undecodable": 8}}, history=WELL, influx=lossy)
        answer = served.get("/metrics")
        assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        found = samples(answer.text)
        assert {
            ("perch_part_ok", "collector"): 1,
            ("perch_collector_running", ""): 1,
            ("perch_collector_events_stored_total", ""): 7,
            ("perch_agent_conflicts_total", "hq/pi-1"): 3,
            ("perch_agent_throttled_messages_total", "hq/pi-9"): 15_000,
            ("perch_agent_throttled_messages_total", "hq/pi-1"): 0,
            ("perch_agent_deferred_messages_total", "hq/pi-1"): 0,
            ("perch_quarantined_total", "undecodable"): 8,
            ("perch_quarantined_total", "bad-topic"): 0,
            ("perch_projection_lag_events", "influx"): 4,
            ("perch_projection_waits", "influx"): 1,
            ("perch_projection_waits", "history"): 0,
            ("perch_projection_rows_expired_total", "influx"): 12,
            ("perch_projection_rows_refused_total", "influx"): 3,
        }.items() <= found.items()
        (tmp_path / "collector.json").write_text("no JSON")
        assert samples(served.get("/metrics").text)["perch_collector_running", ""] == 0
