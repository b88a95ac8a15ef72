"""The commands of pages about a running server, and the files that pages show, as they stand there."""

import contextlib
import io
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from perch import commands
from perch.adapters.journal.store import Journal, Run, Stream
from perch.adapters.keys import KeysFile, Role
from perch.adapters.quarantine.store import QuarantineReader
from perch.adapters.tables.csv_times import format_time
from perch.contract import AliveEvent, Event, StateEvent
from perch.delivery.watermark import Watermark
from perch.history.told import Marked, Stated
from perch.model import Clock
from tests import parts
from tests.configurations import DESK, site_toml
from tests.documented import ROOT, Block, blocks_of, lines_of
from tests.parts import Broker, answers, free_port, until
from tests.serving import EPOCH, Speaker, wall_ms
from tests.test_api_planning import history


class Place(NamedTuple):
    """A server's folder, whose collector and API run; what the pages call by name is there under other addresses."""

    folder: Path
    named: dict[str, str]

    def carry_out(self, block: Block) -> str:
        """Carry out a block line by line, as a shell would in this folder; gives what is said."""
        return "".join(self._line(self.here(line)) for line in lines_of(block))

    def here(self, text: str) -> str:
        """Put this place's addresses into a text."""
        for name, address in self.named.items():
            text = text.replace(name, address)
        return text

    def _line(self, line: str) -> str:
        command, _, file = line.partition(" > ")
        said = _perch(command) if command.startswith("perch ") else _shell(command)
        if file:
            Path(file).write_text(said)
        return said


def _perch(command: str) -> str:
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        try:
            code = commands.run(shlex.split(command)[1:])
        except SystemExit as end:
            code = int(str(end.code))
    assert code == 0 or "quarantine replay" in command, command  # what nobody can read stays, which is told so
    return said.getvalue()


def _shell(command: str) -> str:
    path = os.pathsep.join((os.environ["PATH"], str(parts.CACHE)))
    environment = os.environ | {"PATH": path, "no_proxy": "localhost,127.0.0.1"}
    if "Authorization" not in command:  # a reader who needs no key says none; here the first test made some
        environment["CURL_HOME"] = "."
    done = subprocess.run(["bash", "-euc", command], env=environment, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def program(name: str) -> str:
    """Find a program that a block calls, or skip."""
    return parts.find_program(name) or pytest.skip(f"{name} is not installed: run `make test`, or scripts/get-parts")


SPACES = "".join(
    f'[[space]]\nid = "{space}"\nfloor = "f1"\nzone = "open"\nkind = "{kind}"\nagent = "{agent}"\n'
    for space, kind, agent in (("d01", "desk", "pi-1"), ("d02", "desk", "pi-1"), ("r1", "room", "pi-3"))
)
SERVER = """
data = "data"
sites = ["site.toml"]
[broker]
port = {broker}
[api]
port = {api}
[metrics]
port = {metrics}
"""


def events() -> Iterator[Event]:
    """Give eight weeks of two desks and a room, as their agent told it."""
    for one in history():
        if isinstance(one, Stated):
            yield StateEvent(one.seq, one.space, one.state, 0.5, None, one.reason, one.time_ms, one.seq, Clock.OK)
        if isinstance(one, Marked):
            yield AliveEvent(one.seq, one.time_ms, one.seq, Clock.OK)


def put_server(folder: Path, text: str) -> None:
    """Write a server's configuration, its site, and a journal of what an agent told."""
    (folder / "perch.toml").write_text(text)
    (folder / "site.toml").write_text(site_toml('[[agent]]\nid = "pi-3"\n' + SPACES))
    with Journal.open(folder / "data" / "journal.db") as journal:
        keep(journal, [*events()])


def keep(journal: Journal, told: list[Event]) -> None:
    """Store what an agent told."""
    stream = Stream("hq", "pi-1", EPOCH)
    for start in range(0, len(told), 50):
        run = Run(stream, "f" * 16, None, wall_ms(), tuple(told[start : start + 50]))
        journal.append([run], {stream: Watermark(run.last)})


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    broker = Broker(program("mosquitto"), tmp_path_factory.mktemp("mosquitto"))
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, broker: Broker) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("server")
    api, metrics = free_port(), free_port()
    put_server(folder, SERVER.format(broker=broker.port, api=api, metrics=metrics))
    key, _ = KeysFile(folder / "data").create("Manager", Role.FACILITIES, None, wall_ms() // 1000)
    (folder / "manager.key").write_text(key)
    (folder / ".curlrc").write_text(f'header = "Authorization: Bearer {key}"\n')
    named = {
        "/etc/perch/": f"{folder}/",
        "http://localhost:8080": f"http://127.0.0.1:{api}",
        "http://127.0.0.1:8080": f"http://127.0.0.1:{api}",
        "http://127.0.0.1:9102": f"http://127.0.0.1:{metrics}",
        "-h BROKER": f"-h 127.0.0.1 -p {broker.port}",
        "deploy/prometheus/": f"{ROOT}/deploy/prometheus/",
    }
    command = [sys.executable, "-m", "perch.commands", "up", "--config", str(folder / "perch.toml")]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stderr=log, stdout=log) as up:
        try:
            until(lambda: answers(api) and answers(metrics), 30)
            yield Place(folder, named)
        finally:
            up.terminate()
            up.wait(30)


@pytest.fixture
def place(running: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """The running server; commands are given in its folder."""
    monkeypatch.chdir(running.folder)
    return running


def carry_out_all(place: Place, page: str, *languages: str) -> list[str]:
    return [place.carry_out(block) for block in blocks_of(page, *languages)]


def test_the_past_is_written_to_files_that_are_read_as_the_page_says(place: Place) -> None:
    until(lambda: _shell(place.here("curl -s http://localhost:8080/readyz")).count('"ok":true') >= 4, 30)
    carry_out_all(place, "docs/export.md", "sh")
    for name in ("transitions.parquet", "meetings.csv", "used.csv.gz", "layout.csv", "transitions.csv.gz"):
        assert (place.folder / name).stat().st_size > 80, name
    assert [*place.folder.glob("*d01*.csv")]
    import duckdb
    import pandas

    (block,) = blocks_of("docs/export.md", "python")
    given = {"pandas": pandas, "duckdb": duckdb}
    whole, counted = (eval(line, given) for line in block.text.splitlines())  # noqa: S307  our own page
    assert len(whole) > 90
    assert counted.fetchall() == [("open", 48)]


MINUTE_MS = 60_000


def put_recording(folder: Path) -> None:
    """Write two hours of yesterday: readings of a desk's sensor, and who was there around the change."""
    (folder / "sensing.toml").write_text(DESK)
    began_ms = wall_ms() // 1000 * 1000 - 24 * 60 * MINUTE_MS
    moves = (*range(7, 60, 13), *range(60, 120))
    rows = [
        f"{format_time(began_ms + at * MINUTE_MS + ms)},pir1,{value}"
        for at in moves
        for ms, value in ((0, 1), (2000, 0))
    ]
    (folder / "READINGS.csv").write_text("\n".join(("time,sensor,value", *rows)) + "\n")
    seen = [f"{format_time(began_ms + at * MINUTE_MS)},d01,{int(at >= 60)}" for at in range(50, 72)]
    (folder / "TRUTH.csv").write_text("\n".join(("time,space,count", *seen)) + "\n")


def test_a_room_is_taught_as_the_page_says(place: Place) -> None:
    put_recording(place.folder)
    carry_out_all(place, "docs/fitting.md", "sh")
    assert (place.folder / "fitted.toml").read_text().startswith("\n[[space]]")


def test_looks_are_reported_exported_fitted_and_imported_as_the_page_says(place: Place) -> None:
    put_recording(place.folder)
    _perch("perch audit import TRUTH.csv --config perch.toml --site hq")
    reported, exported, imported = carry_out_all(place, "docs/audit.md", "sh")
    assert "recall" in reported
    assert exported.count(",d01,") == 22
    assert 'kind = "motion"' in exported  # the fitted configuration
    assert "22" in imported


def test_home_assistants_entry_is_removed_as_the_page_says(place: Place, broker: Broker) -> None:
    program("mosquitto_pub")
    entry, status = "homeassistant/device/perch_hq_pi-3/config", "perch/v1/hq/pi-3/status"

    def first_retained() -> str:
        """Ask for both: what is retained of the first comes first."""
        return _shell(f"mosquitto_sub -h 127.0.0.1 -p {broker.port} -C 1 -W 10 -F %t -t {entry} -t {status}").strip()

    with Speaker(broker, agent="pi-3") as pi:
        pi.beat()
        _shell(f"mosquitto_pub -h 127.0.0.1 -p {broker.port} -r -m told -t {entry}")
        assert first_retained() == entry
        carry_out_all(place, "docs/home-assistant.md", "sh")
        assert first_retained() == status


def test_the_quarantine_is_listed_replayed_and_emptied_as_the_page_says(place: Place, broker: Broker) -> None:
    with Speaker(broker, agent="pi-3") as pi:
        pi.say_raw("perch/v1/hq/pi-3/up", b"nonsense")
    quarantine = place.folder / "data" / "quarantine.db"

    def kept() -> list[Any]:
        if not quarantine.exists():
            return []
        with contextlib.closing(QuarantineReader(quarantine)) as reader:
            return [*reader.read()]

    until(kept)
    (block,) = [block for block in blocks_of("docs/operators.md", "sh") if "quarantine" in block.text]
    said = place.carry_out(block)
    assert "undecodable" in said
    assert kept() == []


@pytest.mark.long
def test_projections_are_made_anew_as_the_page_says(
    tmp_path: Path, influxdb: parts.Influx, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = SERVER.format(broker=free_port(), api=free_port(), metrics=free_port())
    put_server(tmp_path, f"{text}[influx]\n{influxdb.toml}")
    monkeypatch.chdir(tmp_path)
    (block,) = [block for block in blocks_of("docs/operators.md", "sh") if "projection" in block.text]
    Place(tmp_path, {}).carry_out(block)
    assert influxdb.query("SELECT count(probability) FROM occupancy", influxdb.bucket)


def test_prometheus_gets_its_numbers_and_has_rules_for_them_as_the_page_says(place: Place) -> None:
    program("promtool")
    (block,) = blocks_of("docs/prometheus.md", "sh")
    said = place.carry_out(block)
    assert "perch_part_ok" in said
    assert "perch_collector_" in said
    assert "SUCCESS" in said
