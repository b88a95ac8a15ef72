"""Metrics for Prometheus: of agent, collector and API, by its conventions, and never of a single space."""

import re
import socket
import subprocess
import sys
import threading
import urllib.error
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from collector import process as collector
from perch.adapters import age
from perch.adapters.health.collector import CollectorHealth, LiveRowsHealth, ProjectionHealth
from perch.adapters.health.collector_metrics import families_of
from perch.adapters.health.exposition import (
    ASKING_AT_ONCE,
    MEDIA_TYPE,
    Family,
    Kind,
    MetricsPort,
    Sample,
    by,
    one,
    text_of,
)
from perch.adapters.history.store import HistoryStore
from perch.adapters.journal.store import Journal
from perch.errors import UnavailableError
from perch.settings import load_agent
from perch.settings.values import MetricsAt
from sensor_agent import process as agent
from sensor_agent.inputs import use_mock_pins
from tests.configurations import agent_toml
from tests.parts import LOOPBACK, Broker, free_port, until, without_proxy
from tests.serving import server_settings, serving_connected

LABELS = {"part", "agent", "site", "code", "projection", "health", "version"}
"""All that tells one number from another. None of them can be a space, a zone of one space, or a single sensor."""


def get(port: int, path: str = "/metrics") -> tuple[int, str, str]:
    try:
        with without_proxy.open(f"http://{LOOPBACK}:{port}{path}", timeout=10) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, "", ""


def numbers(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Read by Prometheus' own parser, and see that every convention is kept."""
    found: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
    for family in text_string_to_metric_families(text):
        assert family.type in ("counter", "gauge"), family.name
        assert family.documentation.endswith((".", ").")) or family.name.startswith("process_"), family.name
        assert re.fullmatch(r"(perch|process)_[a-z_]+", family.name)
        assert family.samples, family.name
        for sample in family.samples:
            assert sample.name.endswith("_total") == (family.type == "counter"), sample.name
            assert set(sample.labels) <= LABELS, sample.labels
            key = sample.name, tuple(sorted(sample.labels.items()))
            assert key not in found, key
            found[key] = sample.value
    assert "perch_build_info" in {name for name, _ in found}
    return found


@contextmanager
def running(target: object, *arguments: object) -> Iterator[None]:
    """Run a process's `run` in a thread until the block ends."""
    stop = threading.Event()
    thread = threading.Thread(target=target, args=(*arguments, stop))  # type: ignore[arg-type]
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(15)
        assert not thread.is_alive()


def test_an_agent_shows_how_it_and_its_sensors_are_and_no_space(tmp_path: Path, mosquitto: Broker) -> None:
    port = free_port()
    use_mock_pins()
    (tmp_path / "agent.toml").write_text(agent_toml(mosquitto.port, more=f"[metrics]\nport = {port}\n"))
    settings = load_agent(tmp_path / "agent.toml", {})
    with running(agent.run, settings):
        until(lambda: is_open(port))
        status, media_type, text = get(port)
        found = numbers(text)
        assert (status, media_type) == (200, MEDIA_TYPE)
        assert found["perch_agent_info", (("agent", settings.agent), ("site", settings.site))] == 1
        sensors = {labels[0][1]: count for (name, labels), count in found.items() if name == "perch_agent_sensors"}
        assert sum(sensors.values()) == len(settings.sensing.sensors)
        assert sensors["silent"] == 0
        assert ("process_resident_memory_bytes", ()) in found
        for space in settings.sensing.spaces:
            assert f'"{space.id}"' not in text
        for sensor in settings.sensing.sensors:
            assert f'"{sensor.id}"' not in text
        assert get(port, "/")[0] == get(port, "/metrics/../etc")[0] == 404
        until(lambda: numbers(get(port)[2])["perch_agent_broker_connected", ()] == 1, timeout_s=20)
    assert not is_open(port)


def is_open(port: int) -> bool:
    with socket.socket() as asking:
        asking.settimeout(1)
        return asking.connect_ex((LOOPBACK, port)) == 0


def test_an_agent_without_metrics_does_not_even_load_what_they_need() -> None:
    program = "import sys, sensor_agent.process; print([name for name in sys.modules if 'prometheus' in name])"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


def test_a_collector_shows_what_it_counts(tmp_path: Path, mosquitto: Broker) -> None:
    port = free_port()
    settings = replace(server_settings(mosquitto.port, tmp_path), metrics=MetricsAt(port))
    with running(collector.run, settings):
        until(lambda: is_open(port))
        until(lambda: numbers(get(port)[2]).get(("perch_collector_broker_connected", ())) == 1)
        found = numbers(get(port)[2])
        assert found["perch_collector_running", ()] == 1
        assert found["perch_journal_events", ()] == 0
        assert ("perch_projection_lag_events", (("projection", "history"),)) in found
        assert found["perch_agent_conflicts_total", (("agent", "hq/pi-1"),)] == 0


def test_a_port_that_is_taken_stops_neither_agent_nor_collector(
    tmp_path: Path, mosquitto: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        at = MetricsAt(taken.getsockname()[1])
        with pytest.raises(UnavailableError, match="cannot be shown") as error:
            MetricsPort(at, list)
        assert "another [metrics] port" in error.value.remedy
        with running(collector.run, replace(server_settings(mosquitto.port, tmp_path), metrics=at)):
            until(lambda: (tmp_path / "collector.json").exists())
            until(lambda: any("cannot be shown" in record.getMessage() for record in caplog.records))


def test_the_api_shows_its_parts_the_collector_and_each_agent(tmp_path: Path, mosquitto: Broker) -> None:
    with Journal.open(tmp_path / "journal.db"), HistoryStore.open(tmp_path / "history.db"):
        pass
    with serving_connected(server_settings(mosquitto.port, tmp_path)) as served:
        text = served.get("/metrics").text
    found = numbers(text)
    assert found["perch_agent_online", (("agent", "hq/pi-1"),)] == 0
    assert found["perch_part_ok", (("part", "broker"),)] == 1
    assert {name for name, _ in found} >= {"perch_collector_running", "process_cpu_seconds_total"}


def health(**changes: object) -> CollectorHealth:
    lag = ProjectionHealth(position=5, lag=2, trouble="away", expired=1, refused=3)
    told = CollectorHealth(
        version="1", written=age.mark(), written_ms=0, started_ms=1_790_000_000_000, running=True, journal="j", end=7,
        broker=None, waiting=0, overflowed=0, messages=9, events=8, stored=7, repeats=1, quarantined={"conflict": 2},
        strangers=4, stranger_spaces={"hq/pi-1/secret-desk": 4}, projections={"influx": lag},
        live_rows=LiveRowsHealth(dropped=1, refused=0), conflicts={"hq/pi-2": 5},
    )  # fmt: skip
    return msgspec.structs.replace(told, **changes)


def test_every_number_of_the_collector_keeps_to_the_conventions_and_names_no_space() -> None:
    text = text_of(families_of(health(), ["hq/pi-1"])).decode()
    found = numbers(text)
    assert found["perch_agent_conflicts_total", (("agent", "hq/pi-2"),)] == 5
    assert found["perch_agent_conflicts_total", (("agent", "hq/pi-1"),)] == 0
    assert found["perch_projection_waits", (("projection", "influx"),)] == 1
    assert found["perch_collector_started_timestamp_seconds", ()] == 1_790_000_000
    assert "secret-desk" not in text


def test_a_collector_that_never_ran_or_is_gone_does_not_run() -> None:
    for gone in (None, health(running=False)):
        assert numbers(text_of(families_of(gone, [])).decode())["perch_collector_running", ()] == 0


def test_hostile_names_stay_values() -> None:
    strange = 'a"b\\c\nperch_forged 1'
    text = text_of([Family("perch_x", Kind.GAUGE, "X.", by("agent", {strange: 1}))]).decode()
    assert numbers(text)["perch_x", (("agent", strange),)] == 1


def test_many_who_ask_and_say_nothing_keep_nobody_from_an_answer() -> None:
    port = free_port()
    shown = MetricsPort(MetricsAt(port), lambda: [one("perch_x", Kind.GAUGE, "X.", 1)])
    idle = [socket.create_connection((LOOPBACK, port)) for _ in range(40)]
    try:
        for one_of_them in idle:
            one_of_them.sendall(b"GET /metr")
        assert numbers(get(port, "/metrics?name=x")[2])["perch_x", ()] == 1
        idle += [socket.create_connection((LOOPBACK, port)) for _ in range(60)]
        answering = [thread for thread in threading.enumerate() if "process_request_thread" in thread.name]
        assert 40 <= len(answering) <= ASKING_AT_ONCE, "there is an end to how many may sit and say nothing"
    finally:
        for one_of_them in idle:
            one_of_them.close()
        shown.close()


def test_the_walk_of_labels_can_fail() -> None:
    with pytest.raises(AssertionError):
        numbers(text_of([Family("perch_x", Kind.GAUGE, "X.", (Sample({"space": "d01"}, 1.0),))]).decode())
