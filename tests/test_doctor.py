"""`perch doctor` on an agent: each broken part is named with what to do, and nothing is touched."""

import json
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from gpiozero import Device

from perch.adapters import age
from perch.adapters.age import Mark
from perch.adapters.health.agent import AgentHealth, read_agent_health, write_agent_health
from perch.adapters.health.clock_probe import ClockLook, look_at_clock
from perch.adapters.health.disk_probe import Ground, ground_of, time_to_write
from perch.adapters.journal.store import Journal
from perch.adapters.outbox.look import OutboxLook
from perch.adapters.outbox.store import Outbox
from perch.adapters.quarantine.store import Quarantine
from perch.adapters.sqlite import READ_ONLY_DISK
from perch.commands import doctor as command
from perch.contract import AliveEvent
from perch.doctor import clock, disk, outbox, versions
from perch.doctor.examining import Check, examine
from perch.doctor.findings import Finding, Verdict, ok
from perch.errors import InputError, StorageError
from perch.model import Clock, SensedSpace, Sensor, SensorKind, SpaceKind
from perch.settings import AgentSettings, SensingSettings
from perch.settings import Broker as BrokerSettings
from sensor_agent import process
from sensor_agent.inputs import use_mock_pins
from sensor_agent.pin_check import look_at_pins
from tests.acknowledging import Acknowledging
from tests.configurations import agent_toml
from tests.parts import Broker, until

NOW_MS = 1_795_000_000_000


def one(findings: Iterator[Finding]) -> Finding:
    """Give the only finding; whatever is not ok says what to do."""
    (finding,) = findings
    assert finding.verdict is Verdict.OK or finding.remedy
    return finding


def test_checks_run_at_once_and_their_findings_keep_the_order() -> None:
    meeting = threading.Barrier(2, timeout=30)

    def look(part: str) -> Iterator[Finding]:
        meeting.wait()
        yield ok(part, "well")

    found = examine([Check("a", lambda: look("a")), Check("b", lambda: look("b"))])
    assert [finding.part for finding in found] == ["a", "b"]


def test_a_check_that_hangs_is_a_fault_of_its_part_and_keeps_what_it_found() -> None:
    never = threading.Event()

    def look() -> Iterator[Finding]:
        yield ok("disk", "is there")
        never.wait()

    found = examine([Check("disk", look, 0.05), Check("clock", lambda: [ok("clock", "well")])])
    assert [(finding.part, finding.verdict) for finding in found] == [
        ("disk", Verdict.OK),
        ("disk", Verdict.FAULT),
        ("clock", Verdict.OK),
    ]


@pytest.mark.parametrize("error", [StorageError("it is torn", "mend it"), OSError("no such thing"), ValueError("odd")])
def test_what_a_check_raises_is_a_fault_of_its_part(error: Exception) -> None:
    def look() -> Iterator[Finding]:
        raise error
        yield

    (found,) = examine([Check("outbox", look)])
    assert (found.part, found.verdict) == ("outbox", Verdict.FAULT)
    assert found.remedy


# Clock.


@pytest.mark.parametrize(
    ("look", "verdict"),
    [
        (ClockLook(NOW_MS, True), Verdict.OK),
        (ClockLook(NOW_MS, False), Verdict.WARN),
        (ClockLook(NOW_MS, None), Verdict.WARN),
        (ClockLook(1_000_000, True), Verdict.FAULT),
    ],
)
def test_a_clock_that_nobody_keeps_right_is_told_of(look: ClockLook, verdict: Verdict) -> None:
    assert one(clock.look_at_clock(look)).verdict is verdict


def test_this_machines_clock_can_be_asked() -> None:
    assert abs(look_at_clock().wall_ms / 1000 - time.time()) < 5


# Disk.


def roomy(**changed: object) -> Callable[[Path], Ground]:
    usual = {"free_bytes": 10**10, "total_bytes": 10**11, "free_files": 10**6, "read_only": False, "kind": "ext4"}
    return lambda _: Ground(**{**usual, **changed})  # type: ignore[arg-type]


def at_disk(folder: Path, ground: Callable[[Path], Ground], write: Callable[[Path], float] | None = None) -> set[str]:
    """Give what is said of a disk that is not ok."""
    found = disk.look_at_disk(folder, 200 * disk.MIB, ground, write or (lambda _: 0.01))
    return {f"{finding.verdict}: {finding.what}" for finding in found if finding.verdict is not Verdict.OK}


def test_a_healthy_disk_is_written_and_left_as_it_was(tmp_path: Path) -> None:
    assert at_disk(tmp_path, roomy(), time_to_write) == set()
    assert list(tmp_path.iterdir()) == []
    assert ground_of(tmp_path).free_bytes > 0


def test_each_trouble_of_a_disk_is_named(tmp_path: Path) -> None:
    assert any("FAULT: only 10 MiB are free" in said for said in at_disk(tmp_path, roomy(free_bytes=10 * disk.MIB)))
    assert any("warn: 100 MiB are free" in said for said in at_disk(tmp_path, roomy(free_bytes=100 * disk.MIB)))
    assert any("no further file fits" in said for said in at_disk(tmp_path, roomy(free_files=0)))
    assert any("mounted read-only" in said for said in at_disk(tmp_path, roomy(read_only=True)))
    assert any("network file system (nfs4)" in said for said in at_disk(tmp_path, roomy(kind="nfs4")))
    assert any("in memory" in said for said in at_disk(tmp_path, roomy(kind="tmpfs")))
    assert any("took 3.0 s" in said for said in at_disk(tmp_path, roomy(), lambda _: 3.0))


@pytest.mark.parametrize(
    ("number", "what"),
    [(28, "is full"), (122, "is full"), (30, "mounted read-only"), (13, "this user may not write"), (5, "cannot be")],
)
def test_a_write_that_fails_is_named_by_its_cause(tmp_path: Path, number: int, what: str) -> None:
    def write(_: Path) -> float:
        raise OSError(number, os.strerror(number))

    assert any(what in said for said in at_disk(tmp_path, roomy(), write))


def test_a_disk_that_is_full_in_fact_is_named(tmp_path: Path) -> None:
    """On a small file system of its own, where this user may make one."""
    folder = tmp_path / "small"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], check=False).returncode:
        pytest.skip("a file system can be mounted by root only")
    try:
        (folder / "filler").write_bytes(b"x" * 40_000)
        said = at_disk(folder, ground_of, time_to_write)
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        read_only = at_disk(folder, ground_of, time_to_write)
    finally:
        subprocess.run(["umount", folder], check=True)
    assert f"FAULT: the disk of {folder} is full" in said
    assert f"FAULT: {folder} is on a disk that is mounted read-only" in read_only


def test_a_store_on_a_disk_that_is_mounted_read_only_says_so_at_its_start(tmp_path: Path) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "ro,size=64k", "tmpfs", folder], check=False).returncode:
        pytest.skip("a file system can be mounted by root only")
    try:
        with pytest.raises(StorageError, match="Read-only file system") as told:
            Journal.open(folder / "journal.db")
        with pytest.raises(StorageError) as made:
            Quarantine.open(folder / "data" / "quarantine.db")
    finally:
        subprocess.run(["umount", folder], check=True)
    assert told.value.remedy == made.value.remedy == READ_ONLY_DISK


def test_a_folder_that_is_not_there_is_made_later_or_cannot_be(tmp_path: Path) -> None:
    assert at_disk(tmp_path / "a" / "b", roomy()) == set()
    (tmp_path / "file").write_text("")
    assert any("is no folder" in said for said in at_disk(tmp_path / "file" / "data", roomy()))


def test_files_that_root_left_behind_are_found(tmp_path: Path) -> None:
    if os.geteuid():
        pytest.skip("files can be given away by root only")
    (tmp_path / "outbox.db").write_text("")
    os.chown(tmp_path, 1000, 1000)
    assert any("outbox.db in" in said for said in at_disk(tmp_path, roomy()))


# Outbox and agent.


def filled(folder: Path, events: int = 3) -> Path:
    """Make an outbox that an agent has left."""
    path = folder / "outbox.db"
    with Outbox.open(path) as box:
        box.begin("e" * 32, "b" * 16)
        box.append("e" * 32, [AliveEvent(seq, NOW_MS + seq, seq, Clock.OK) for seq in range(1, events + 1)])
    return path


def said_of(folder: Path, capacity: int = 1000) -> dict[str, Finding]:
    """Give what the doctor says of agent and outbox."""
    found = outbox.look_at_outbox_state(outbox.outbox_state(folder), capacity, NOW)
    return {finding.part: finding for finding in found}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_an_outbox_that_nobody_uses_is_examined_and_left_as_it_was(tmp_path: Path) -> None:
    filled(tmp_path)
    before = contents(tmp_path)
    state = outbox.outbox_state(tmp_path)
    assert state.look is not None
    assert (state.look.events, state.look.waiting) == (3, 3)
    assert state.look.sample is not None
    assert state.look.sample.events[0].seq == 3
    assert said_of(tmp_path)["outbox"].verdict is Verdict.OK
    assert contents(tmp_path) == before


def test_events_that_were_not_yet_moved_out_of_the_log_are_seen(tmp_path: Path) -> None:
    """As an agent leaves it that was killed: the newest events are in the file beside it."""
    script = (
        "import os,sys\nfrom pathlib import Path\nfrom perch.adapters.outbox.store import Outbox\n"
        "from perch.contract import AliveEvent\nfrom perch.model import Clock\n"
        "box = Outbox.open(Path(sys.argv[1]))\nbox.begin('e' * 32, 'b' * 16)\n"
        "box.append('e' * 32, [AliveEvent(1, 1, 1, Clock.OK)])\nos._exit(0)"
    )
    subprocess.run([sys.executable, "-c", script, tmp_path / "outbox.db"], check=True)
    state = outbox.outbox_state(tmp_path)
    assert (state.in_use, state.look is not None and state.look.events) == (False, 1)


def test_a_torn_outbox_is_a_fault(tmp_path: Path) -> None:
    path = filled(tmp_path, 2_000)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    assert said_of(tmp_path)["outbox"].verdict is Verdict.FAULT
    path.write_bytes(b"no database at all" * 1000)
    assert "is no database" in said_of(tmp_path)["outbox"].what


def test_an_outbox_of_another_version_is_a_fault(tmp_path: Path) -> None:
    path = filled(tmp_path)
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    assert "newer version of Perch" in said_of(tmp_path)["outbox"].what


def test_an_outbox_that_is_nearly_full_is_a_fault(tmp_path: Path) -> None:
    filled(tmp_path, 95)
    assert "95 of 100 events wait" in said_of(tmp_path, capacity=100)["outbox"].what


def test_an_outbox_in_use_is_left_alone(tmp_path: Path) -> None:
    with Outbox.open(tmp_path / "outbox.db") as box:
        box.begin("e" * 32, "b" * 16)
        state = outbox.outbox_state(tmp_path)
        assert (state.in_use, state.look) == (True, None)
        assert said_of(tmp_path)["agent"].verdict is Verdict.OK
        box.append("e" * 32, [AliveEvent(1, 1, 1, Clock.OK)])


def test_without_an_outbox_there_is_nothing_to_complain_of(tmp_path: Path) -> None:
    assert said_of(tmp_path)["outbox"].verdict is Verdict.OK
    assert said_of(tmp_path)["agent"].verdict is Verdict.WARN
    assert list(tmp_path.iterdir()) == []


NOW = Mark("b" * 16, 1_000_000)


def ago(seconds: int) -> Mark:
    return Mark(NOW.boot, NOW.boot_ms - seconds * 1000)


def health(**changed: object) -> AgentHealth:
    usual: dict[str, object] = {
        "version": "1",
        "written": ago(5),
        "written_ms": NOW_MS - 5_000,
        "started_ms": NOW_MS - 100_000,
        "running": True,
        "broker": None,
        "waiting": 0,
        "waiting_since": None,
        "clock": Clock.OK,
    }
    return AgentHealth(**{**usual, **changed})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changed", "part", "what"),
    [
        ({"written": ago(200)}, "agent", "has said nothing for 200 s"),
        ({"written": Mark("a" * 16, 999_000)}, "agent", "has said nothing since the machine was started"),
        ({"broker": "not connected"}, "agent", "runs without a broker, as it said 5 s ago: not connected"),
        ({"trouble": "the outbox cannot be written"}, "agent", "the outbox cannot be written; so it said 5 s ago"),
        ({"waiting": 9, "waiting_since": ago(90)}, "outbox", "waiting: 9, none acknowledged for 90 s"),
    ],
)
def test_a_running_agent_that_is_not_well_is_a_fault(
    tmp_path: Path, changed: dict[str, object], part: str, what: str
) -> None:
    with Outbox.open(tmp_path / "outbox.db"):
        write_agent_health(tmp_path, health())
        assert outbox.outbox_state(tmp_path).well(NOW) is not None
        assert {finding.verdict for finding in said_of(tmp_path).values()} == {Verdict.OK}
        write_agent_health(tmp_path, health(**changed))
        found = said_of(tmp_path)[part]
        assert found.verdict is Verdict.FAULT
        assert what in found.what


def test_what_is_over_is_told_of_and_is_no_fault(tmp_path: Path) -> None:
    with Outbox.open(tmp_path / "outbox.db"):
        write_agent_health(tmp_path, health(notice="the outbox was removed, and written anew"))
        found = list(outbox.look_at_outbox_state(outbox.outbox_state(tmp_path), 1_000, NOW))
    assert [finding.verdict for finding in found] == [Verdict.OK, Verdict.WARN, Verdict.OK]
    assert found[1].what == "the outbox was removed, and written anew"


def test_an_agent_that_is_gone_is_not_believed() -> None:
    """Its last words may say that all is well; the file that nobody holds knows better."""
    look = OutboxLook(0, 0, None)
    assert outbox.OutboxState(in_use=False, health=health(), look=look).well(NOW) is None


def test_an_agent_tells_of_itself_while_it_runs_and_when_it_ends(mosquitto: Broker, tmp_path: Path) -> None:
    """Without that, whoever wants to know how it does would have to take its place at the broker."""
    use_mock_pins()
    space, sensor = SensedSpace("d01", SpaceKind.DESK), Sensor("pir1", SensorKind.MOTION, "d01", None, pin=17)
    broker = BrokerSettings(port=mosquitto.port)
    settings = AgentSettings("hq", "pi-1", tmp_path, broker, SensingSettings((space,), (sensor,)))
    stop = threading.Event()
    thread = threading.Thread(target=process.run, args=(settings, stop))

    def told() -> AgentHealth | None:
        return read_agent_health(tmp_path)

    with Acknowledging(broker):
        thread.start()
        try:
            until(lambda: (now := told()) and now.running and now.broker is None)
            state = outbox.outbox_state(tmp_path)
            assert state.in_use
            assert state.well(age.mark()) is not None
        finally:
            stop.set()
            thread.join(10)
    last = told()
    assert last is not None
    assert (last.running, last.trouble) == (False, None)


# Pins, versions.


def test_pins_that_only_pretend_are_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPIOZERO_PIN_FACTORY", "mock")
    sensor = Sensor("pir1", SensorKind.MOTION, "d01", None, pin=17)
    assert "only pretends" in one(look_at_pins([sensor])).what


def test_pins_that_cannot_be_reached_are_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    Device.pin_factory = None  # whatever pins the tests before this one had
    monkeypatch.setenv("GPIOZERO_PIN_FACTORY", "none-such")
    sensor = Sensor("sun", SensorKind.LIGHT, "d01", 60_000, pin=17)
    factory, sensors = look_at_pins([sensor])
    assert (factory.verdict, sensors.verdict) == (Verdict.FAULT, Verdict.FAULT)
    assert "'sun' (light) hangs on a digital pin" in sensors.what


@pytest.mark.parametrize(
    ("sqlite", "has"),
    [
        ((3, 40, 1), True),
        ((3, 44, 5), True),
        ((3, 44, 6), False),
        ((3, 46, 0), True),
        ((3, 50, 7), False),
        ((3, 51, 2), True),
        ((3, 51, 3), False),
        ((3, 53, 0), False),
    ],
)
def test_which_sqlite_has_the_bug_of_the_log_is_known(sqlite: tuple[int, ...], has: bool) -> None:
    assert versions.has_wal_reset_bug(sqlite) is has


def test_versions_are_named() -> None:
    assert one(versions.look_at_versions()).what.startswith("perch ")


# The command.


def doctor(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "perch.commands", "doctor", *arguments]
    environment = {**os.environ, "GPIOZERO_PIN_FACTORY": "mock"}
    return subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=60)


def test_the_command_finds_its_configuration_says_a_line_a_part_and_ends_with_0_or_1(
    mosquitto: Broker, tmp_path: Path
) -> None:
    (tmp_path / "agent.toml").write_text(agent_toml(mosquitto.port))
    well = doctor(tmp_path, "--json")
    assert (well.returncode, well.stderr) == (0, "")
    listed = json.loads(well.stdout)
    assert {
        "configuration",
        "broker",
        "tls",
        "topic rights",
        "clock",
        "disk",
        "outbox",
        "agent",
        "versions",
        "pins",
    } == {entry["part"] for entry in listed}
    assert all(set(entry) == {"part", "verdict", "what", "remedy"} for entry in listed)
    mosquitto.stop()
    ill = doctor(tmp_path)
    assert ill.returncode == 1
    line = next(line for line in ill.stdout.splitlines() if line.startswith("FAULT"))
    assert line.split()[:2] == ["FAULT", "broker"]
    assert not (tmp_path / "data").exists()


def test_a_wrong_configuration_ends_with_2(tmp_path: Path) -> None:
    (tmp_path / "agent.toml").write_text("site = 'hq'\nagent = 'pi-1'\n")
    done = doctor(tmp_path)
    assert done.returncode == 2
    assert "data: is missing" in done.stderr


def test_configurations_are_looked_for_here_then_in_the_systems_folder(tmp_path: Path) -> None:
    here, system = tmp_path / "here", tmp_path / "system"
    for folder in (here, system):
        folder.mkdir()
    with pytest.raises(InputError, match=r"there is neither agent\.toml nor perch\.toml"):
        command.found_here(here, system)
    (system / "perch.toml").write_text("")
    assert command.found_here(here, system) == [system / "perch.toml"]
    for name in ("agent.toml", "perch.toml"):
        (here / name).write_text("")
    assert command.found_here(here, system) == [here / "agent.toml", here / "perch.toml"]


@pytest.mark.parametrize(
    ("name", "text", "server"),
    [
        ("x.toml", "sites = []", True),
        ("x.toml", "agent = 'pi-1'", False),
        ("agent.toml", "this is no TOML", False),
        ("perch.toml", "", True),
    ],
)
def test_an_agents_configuration_is_told_from_a_servers(tmp_path: Path, name: str, text: str, server: bool) -> None:
    (tmp_path / name).write_text(text)
    assert command.is_server(tmp_path / name) is server
