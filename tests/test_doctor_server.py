"""`perch doctor` on a server: collector, files, InfluxDB and API, each broken in turn."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from collector.former import former_journal
from perch.adapters.age import Mark, mark
from perch.adapters.health.collector import (
    CollectorHealth,
    FormerJournal,
    ProjectionHealth,
    layouts_of,
    write_health,
)
from perch.adapters.history.store import HistoryStore
from perch.adapters.influx.cursor import Progress, ProgressFile
from perch.adapters.journal.store import Journal
from perch.adapters.quarantine.store import Quarantine
from perch.adapters.sqlite import claim
from perch.doctor.api import look_at_api
from perch.doctor.findings import Finding, Verdict
from perch.doctor.influx import MEASUREMENT, _way, look_at_influx
from perch.doctor.stores import look_at_collector, look_at_journal
from perch.errors import PerchError
from perch.settings import Api, Influx, Retention
from tests import parts
from tests.parts import LOOPBACK, free_port
from tests.serving import a_site, server_settings, serving
from tests.test_collector import collecting, settings

NOW = Mark("b" * 16, 1_000_000)
NOW_MS = 1_795_000_000_000
DAY_MS = 86_400_000


def said(findings: Iterator[Finding], verdict: Verdict) -> list[str]:
    """Give what is said with a verdict; whatever is not ok says what to do."""
    found = list(findings)
    assert all(finding.remedy for finding in found if finding.verdict is not Verdict.OK)
    return [finding.what for finding in found if finding.verdict is verdict]


def faults(findings: Iterator[Finding]) -> list[str]:
    return said(findings, Verdict.FAULT)


# The collector.


def health(**changed: object) -> CollectorHealth:
    usual: dict[str, object] = {
        "version": "1",
        "written": Mark(NOW.boot, NOW.boot_ms - 2_000),
        "written_ms": NOW_MS - 2_000,
        "started_ms": NOW_MS - 100_000,
        "running": True,
        "journal": "a" * 16,
        "end": 5,
        "broker": None,
        "waiting": 0,
        "overflowed": 0,
        "messages": 5,
        "events": 5,
        "stored": 5,
        "repeats": 0,
        "quarantined": {},
        "strangers": 0,
        "stranger_spaces": {},
        "projections": {"history": ProjectionHealth(position=5, lag=0)},
    }
    return CollectorHealth(**{**usual, **changed})  # type: ignore[arg-type]


def test_a_collector_that_runs_is_well(tmp_path: Path) -> None:
    write_health(tmp_path, health())
    assert said(look_at_collector(tmp_path, NOW, ()), Verdict.OK) == [
        "runs, version 1; 5 events in the journal, as it said 2 s ago"
    ]


def test_a_collector_that_never_ran_is_a_fault(tmp_path: Path) -> None:
    assert faults(look_at_collector(tmp_path, NOW, ())) == [f"never ran on {tmp_path}"]


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"running": False}, "was stopped"),
        (
            {"written": Mark(NOW.boot, NOW.boot_ms - 60_000)},
            "has said nothing for 60 s: it is gone",
        ),
        ({"written": Mark("a" * 16, 1)}, "has said nothing since the machine was started: it is gone"),
        (
            {"others": ("b" * 16,)},
            f"another collector with journal {'b' * 16} answers agents at this broker",
        ),
        ({"broker": "not connected"}, "runs without a broker, as it said 2 s ago: not connected"),
        (
            {"projections": {"influx": ProjectionHealth(position=0, lag=5, trouble="does not answer")}},
            "the projection influx waits: does not answer",
        ),
    ],
)
def test_a_collector_that_is_not_well_is_a_fault(tmp_path: Path, changed: dict[str, object], what: str) -> None:
    write_health(tmp_path, health(**changed))
    assert faults(look_at_collector(tmp_path, NOW, ())) == [what]


def test_what_did_not_come_in_as_it_should_is_told(tmp_path: Path) -> None:
    seen = {"undecodable": 2}
    strangers = {"strangers": 1, "stranger_spaces": {"hq/pi-1/d9": 1}}
    write_health(tmp_path, health(quarantined=seen, quarantine_kept=1, throttled={"hq/pi-2": 9}, **strangers))
    assert said(look_at_collector(tmp_path, NOW, ()), Verdict.WARN) == [
        "more messages than an agent may send came from hq/pi-2",
        "1 message in quarantine (of all times: 2 undecodable)",
        "events came of spaces that no layout names: hq/pi-1/d9",
    ]


def test_a_layout_that_changed_since_the_collector_read_it_asks_for_a_restart(
    mosquitto: parts.Broker, tmp_path: Path
) -> None:
    served = settings(tmp_path, mosquitto)
    with collecting(served):
        as_read = said(look_at_collector(served.data, mark(), served.sites), Verdict.WARN)
        (now,) = (replace(site, agents=(*site.agents, "pi-9")) for site in served.sites)
        found = [one for one in look_at_collector(served.data, mark(), [now]) if one.verdict is Verdict.WARN]
    assert as_read == []
    assert [one.what for one in found] == ["goes by an older layout: hq changed since the collector read it"]
    assert "systemctl restart perch-collector perch-api" in found[0].remedy


def test_events_of_a_space_that_was_named_since_ask_for_a_restart_and_not_for_a_name(tmp_path: Path) -> None:
    told = {"strangers": 1, "stranger_spaces": {"hq/pi-1/d9": 1}}
    for read, remedy in ((a_site(spaces=()), "systemctl restart"), (a_site(), "name them in site.toml")):
        write_health(tmp_path, health(**told, layouts=layouts_of([read])))
        *_, found = look_at_collector(tmp_path, NOW, [a_site()])
        assert found.what.startswith("events came of spaces that no layout names")
        assert remedy in found.remedy


def test_a_site_that_another_collector_serves_is_no_change_and_one_that_nobody_serves_is(tmp_path: Path) -> None:
    write_health(tmp_path, health(layouts=layouts_of([a_site()], ["annex"])))
    assert said(look_at_collector(tmp_path, NOW, [a_site(), a_site("annex")]), Verdict.WARN) == []
    (new,) = said(look_at_collector(tmp_path, NOW, [a_site(), a_site("lab")]), Verdict.WARN)
    assert new.startswith("goes by an older layout: lab")


def test_somebody_who_speaks_in_an_agents_name_is_a_fault(tmp_path: Path) -> None:
    write_health(tmp_path, health(conflicts={"hq/pi-1": 3}))
    (fault,) = faults(look_at_collector(tmp_path, NOW, ()))
    assert fault.endswith("in the name of hq/pi-1")


def test_a_collector_that_was_stopped_in_its_tracks_is_to_be_ended_first(tmp_path: Path) -> None:
    """Whoever starts another one beside it only learns that the journal is in use."""
    write_health(tmp_path, health(written=Mark(NOW.boot, NOW.boot_ms - 60_000), pid=4711))
    with claim(tmp_path / "journal.db"):
        (found,) = look_at_collector(tmp_path, NOW, ())
    assert "still has the journal open" in found.what
    assert "kill -KILL 4711" in found.remedy


def test_a_journal_that_vanished_is_told_of_over_restarts_for_a_week(tmp_path: Path) -> None:
    def began(journal: str, after_days: int) -> FormerJournal | None:
        """Start a collector, and let it write how it is."""
        former = former_journal(tmp_path, journal, NOW_MS + after_days * DAY_MS)
        write_health(tmp_path, health(journal=journal, former=former))
        return former

    assert began("a" * 16, 0) is None
    assert began("b" * 16, 1) == FormerJournal(id="a" * 16, end=5, missed_ms=NOW_MS + DAY_MS)
    assert began("b" * 16, 8) is not None
    (warning,) = said(look_at_collector(tmp_path, NOW, ()), Verdict.WARN)
    assert warning.startswith(f"the journal {'a' * 16} with 5 events is missing since 2026-11-19")
    assert began("b" * 16, 9) is None


def test_a_journal_that_was_put_back_in_its_place_is_missed_no_more(tmp_path: Path) -> None:
    write_health(tmp_path, health(journal="b" * 16, end=0, former=FormerJournal(id="a" * 16, end=5, missed_ms=NOW_MS)))
    assert former_journal(tmp_path, "a" * 16, NOW_MS) is None


# Its files.


def stores(folder: Path) -> Path:
    """Make the files of a collector."""
    Journal.open(folder / "journal.db").close()
    HistoryStore.open(folder / "history.db").close()
    Quarantine.open(folder / "quarantine.db").close()
    return folder


def test_files_that_are_whole_are_well_and_left_as_they_were(tmp_path: Path) -> None:
    stores(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert said(look_at_journal(tmp_path), Verdict.OK) == ["0 events; whole", "0 events behind the journal; whole"]
    after = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert {name: after[name] for name in before} == before


@pytest.mark.parametrize("name", ["journal.db", "history.db"])
def test_a_file_of_another_version_is_a_fault(tmp_path: Path, name: str) -> None:
    with sqlite3.connect(stores(tmp_path) / name) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(PerchError, match="newer version of Perch"):
        list(look_at_journal(tmp_path))


def test_a_damaged_journal_is_a_fault(tmp_path: Path) -> None:
    path = stores(tmp_path) / "journal.db"
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + os.urandom(len(whole) - 4096))
    with pytest.raises(PerchError, match="damaged"):
        list(look_at_journal(tmp_path))


# InfluxDB.


only_1_8 = pytest.mark.parametrize("influxdb_server", ["1.8"], indirect=True)


def test_an_influxdb_that_is_well_is_written_and_left_as_it_was(influxdb: parts.Influx, tmp_path: Path) -> None:
    findings = list(look_at_influx(influxdb.settings, Retention(), tmp_path))
    assert {finding.verdict for finding in findings} == {Verdict.OK}
    for database in (influxdb.bucket, influxdb.zones_bucket):
        assert influxdb.query(f"SHOW FIELD KEYS FROM {MEASUREMENT}", database) == []
        assert influxdb.query("SHOW SERIES", database) == []


@pytest.mark.parametrize(
    ("url", "in_the_clear"),
    [
        ("http://db.example:8086", True),
        ("http://192.0.2.7:8086", True),
        ("https://db.example:8086", False),
        ("http://localhost:8086", False),
        ("http://[::1]:8086", False),
    ],
)
def test_a_login_that_goes_to_another_machine_in_the_clear_is_warned_of(
    url: str, in_the_clear: bool, tmp_path: Path
) -> None:
    told = list(_way(Influx(url, token_file=tmp_path / "token")))
    assert [(one.part, one.verdict, "the login too" in one.what) for one in told] == [
        ("tls", Verdict.WARN, True)
    ] * in_the_clear


def test_an_influxdb_that_is_away_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(PerchError, match="does not answer"):
        list(look_at_influx(Influx(f"http://{LOOPBACK}:{free_port()}", database="perch"), Retention(), tmp_path))


def test_another_program_in_its_place_is_a_fault(tmp_path: Path) -> None:
    with answering(b"{}") as port, pytest.raises(PerchError, match="is no InfluxDB"):
        list(look_at_influx(Influx(f"http://{LOOPBACK}:{port}", database="perch"), Retention(), tmp_path))


@only_1_8
def test_a_database_that_is_missing_is_a_fault(influxdb: parts.Influx, tmp_path: Path) -> None:
    elsewhere = replace(influxdb.settings, database="elsewhere")
    (fault,) = faults(look_at_influx(elsewhere, Retention(), tmp_path))
    assert "elsewhere" in fault


@only_1_8
def test_buckets_in_an_influxdb_of_databases_are_a_fault(influxdb: parts.Influx, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("t")
    found = faults(look_at_influx(Influx(influxdb.url, token_file=token, org="o"), Retention(), tmp_path))
    assert found


@pytest.mark.long
@pytest.mark.parametrize("influxdb_server", ["2.7"], indirect=True)
def test_a_wrong_token_is_a_fault(influxdb: parts.Influx, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("wrong")
    wrong = replace(influxdb.settings, token_file=tmp_path / "token")
    assert "login refused" in faults(look_at_influx(wrong, Retention(), tmp_path))[0]


def test_a_retention_that_is_too_short_is_warned_of(influxdb: parts.Influx, tmp_path: Path) -> None:
    influxdb.keep_days(influxdb.bucket, 7)
    (warning,) = said(look_at_influx(influxdb.settings, Retention(), tmp_path), Verdict.WARN)
    assert warning == f"{influxdb.bucket} keeps rows for 7 days; [retention] says 400 days"


def test_an_influxdb_that_was_emptied_is_a_fault(influxdb: parts.Influx, tmp_path: Path) -> None:
    ProgressFile(tmp_path / "influx.cursor").save(Progress("a" * 16, 12, influxdb.url, {}))
    (fault,) = faults(look_at_influx(influxdb.settings, Retention(), tmp_path))
    assert "it is empty, although 12 events were written" in fault


# The API.


@contextmanager
def answering(body: bytes) -> Iterator[int]:
    """Be a web server that answers everything alike."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the library's name
            pass

    server = HTTPServer((LOOPBACK, 0), Answers)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_an_api_that_does_not_run_is_warned_of() -> None:
    port = free_port()
    assert said(look_at_api(Api(LOOPBACK, port)), Verdict.WARN) == [f"does not run at {LOOPBACK}:{port}"]


def test_another_program_in_place_of_the_api_is_a_fault() -> None:
    with answering(b"<html>") as port:
        (fault,) = faults(look_at_api(Api(LOOPBACK, port)))
    assert "is not Perch's API" in fault


def test_an_api_whose_parts_are_away_is_warned_of(tmp_path: Path) -> None:
    settings = server_settings(free_port(), tmp_path)
    with serving(settings):
        (warning,) = said(look_at_api(settings.api), Verdict.WARN)
    assert "collector (the collector does not run" in warning


# The command.


def test_the_command_looks_at_a_whole_server(
    mosquitto: parts.Broker, tmp_path: Path, lab: Callable[[int], Path]
) -> None:
    config = lab(mosquitto.port)
    line = [sys.executable, "-m", "perch.commands"]
    collector = subprocess.Popen([*line, "collector", "--config", config], stderr=subprocess.DEVNULL)
    try:
        parts.until(lambda: (tmp_path / "data" / "collector.json").exists(), 20)
        parts.until(lambda: json.loads((tmp_path / "data" / "collector.json").read_bytes())["broker"] is None)
        done = subprocess.run([*line, "doctor", "--json"], cwd=tmp_path, capture_output=True, text=True, check=False)
        listed = {entry["part"]: entry["verdict"] for entry in json.loads(done.stdout)}
        assert {part for part, verdict in listed.items() if verdict == "FAULT"} == set()
        assert (done.returncode, listed["collector"], listed["agents"]) == (0, "ok", "warn")
        collector.send_signal(signal.SIGTERM)
        collector.wait(20)
        done = subprocess.run([*line, "doctor"], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert "was stopped" in done.stdout
    finally:
        collector.kill()
        collector.wait()


@pytest.fixture
def lab(tmp_path: Path) -> Callable[[int], Path]:
    """A function that writes the configuration of a small server."""
    example = Path(__file__).parent.parent / "examples" / "lab"

    def write(broker: int) -> Path:
        for name in ("site.toml", "f1.svg"):
            (tmp_path / name).write_text((example / name).read_text())
        config = tmp_path / "perch.toml"
        config.write_text(
            f'data = "data"\nsites = ["site.toml"]\n[broker]\nport = {broker}\n[api]\nport = {free_port()}\n'
        )
        return config

    return write
