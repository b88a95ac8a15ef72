"""`perch install` lays down confined services; a second time changes nothing, and what an operator changed stays."""

import json
import os
import shutil
import socket
import subprocess
import threading
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from api import process as api_process
from collector import process as collector_process
from perch import commands
from perch.adapters.service import Service
from perch.settings import load_agent, load_server, load_site
from sensor_agent import process as agent_process
from tests.configurations import agent_toml, site_toml
from tests.parts import find_program, free_port, until

SERVER = ("server", "--site", "hq", "--name", "Harbour House", "--time-zone", "Europe/Lisbon", "--host", "b.hq.example")
AGENT = ("agent",)
UNITS = ("perch-agent", "perch-api", "perch-backup", "perch-collector")
MOST_EXPOSED = 20
"""In tenths."""

_HOW_TO_GET = "is not installed: scripts/get-parts gets it"


def install(root: Path, *words: str, program: str = "/bin/true", code: int = 0) -> None:
    assert commands.run(["install", *words, "--root", str(root), "--program", program]) == code


def files_of(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def laid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A machine that is server and agent."""
    root = tmp_path_factory.mktemp("root")
    for what in (SERVER, AGENT):
        install(root, *what)
    return root


@pytest.fixture
def root(laid: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may change."""
    return Path(shutil.copytree(laid, tmp_path / "root"))


@pytest.fixture
def analyze() -> str:
    program = find_program("systemd-analyze")
    if program is None:
        pytest.skip(f"systemd-analyze {_HOW_TO_GET}")
    return program


@pytest.mark.parametrize("unit", UNITS)
def test_each_service_is_confined(unit: str, laid: Path, analyze: str) -> None:
    path = laid / "etc" / "systemd" / "system" / f"{unit}.service"
    command = [analyze, "security", "--offline=yes", f"--threshold={MOST_EXPOSED}", "--no-pager", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert f"{unit}.service" in done.stdout.splitlines()[-1]


@pytest.mark.parametrize("unit", UNITS)
def test_a_service_may_write_its_own_folders_alone_and_is_nobody_special(unit: str, laid: Path) -> None:
    lines = (laid / "etc" / "systemd" / "system" / f"{unit}.service").read_text().splitlines()
    assert {"User=perch", "NoNewPrivileges=true", "ProtectSystem=strict", "ProtectHome=true", "UMask=0027"} <= {*lines}
    assert [line for line in lines if line.startswith(("StateDirectory=", "ReadWritePaths="))] == (
        ["ReadWritePaths=/var/lib/perch /var/backups/perch"] if unit == "perch-backup" else ["StateDirectory=perch"]
    )
    rights = "CAP_DAC_READ_SEARCH" if unit == "perch-backup" else ""
    assert [line for line in lines if line.startswith("Capability")][-1] == f"CapabilityBoundingSet={rights}"


@pytest.mark.parametrize("unit", [unit for unit in UNITS if unit != "perch-backup"])
def test_systemd_starts_a_service_again_that_ends_or_hangs_and_not_one_whose_configuration_is_wrong(
    unit: str, laid: Path
) -> None:
    lines = (laid / "etc" / "systemd" / "system" / f"{unit}.service").read_text().splitlines()
    assert {"Type=notify", "WatchdogSec=90s", "Restart=always", "RestartPreventExitStatus=2"} <= {*lines}


def test_systemd_has_nothing_to_say_against_the_units(laid: Path, analyze: str) -> None:
    units = sorted(str(path) for path in (laid / "etc" / "systemd" / "system").iterdir())
    assert len(units) == 5
    done = subprocess.run([analyze, "verify", *units], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_first_configuration_is_a_whole_one(laid: Path) -> None:
    site = load_site(laid / "etc" / "perch" / "hq" / "site.toml")
    assert (site.id, site.name, site.time_zone) == ("hq", "Harbour House", "Europe/Lisbon")
    server = tomllib.loads((laid / "etc" / "perch" / "perch.toml").read_text())
    assert (server["data"], server["sites"]) == ("/var/lib/perch", ["hq/site.toml"])
    secret = laid / "etc" / "perch" / server["broker"]["password_file"]
    assert len(secret.read_text()) >= 43
    assert secret.stat().st_mode & 0o777 == 0o640


def test_users_and_folders_are_made_of_what_was_laid_down(root: Path) -> None:
    users, folders = find_program("systemd-sysusers"), find_program("systemd-tmpfiles")
    if users is None or folders is None or os.geteuid():
        pytest.skip(f"as root, with systemd, which {_HOW_TO_GET}")
    (root / "etc" / "sysusers.d" / "broker.conf").write_text("g mosquitto -\n")
    (root / "etc" / "mosquitto" / "conf.d").mkdir(parents=True)
    restored = root / "var" / "lib" / "perch" / "journal.db"  # by root, before there was anybody else
    restored.parent.mkdir(parents=True)
    restored.touch(0o640)
    for program in ([users], [folders, "--create"]):
        subprocess.run([*program, f"--root={root}"], check=True, capture_output=True)
    groups = dict(line.split(":")[::2] for line in (root / "etc" / "group").read_text().splitlines())
    perch = int(groups["perch"])
    looks = {
        name: ((found := (root / name).stat()).st_mode & 0o7777, found.st_uid == perch, found.st_gid)
        for name in (
            "etc/perch",
            "etc/perch/perch.toml",
            "etc/perch/server.password",
            "var/lib/perch",
            "etc/mosquitto/perch",
        )
    }
    assert looks["etc/perch"] == (0o750, False, perch)
    assert looks["etc/perch/perch.toml"] == looks["etc/perch/server.password"] == (0o640, False, perch)
    assert looks["var/lib/perch"] == (0o750, True, perch)
    assert (restored.stat().st_uid, restored.stat().st_mode & 0o777) == (perch, 0o640)
    assert looks["etc/mosquitto/perch"] == (0o2750, False, int(groups["mosquitto"]))
    members = (root / "etc" / "group").read_text()
    assert all(f"{name}:x:{groups[name]}:perch" in members for name in ("gpio", "i2c", "spi"))


def test_a_second_time_changes_nothing(root: Path) -> None:
    before = files_of(root)
    for what in (SERVER, AGENT):
        install(root, *what)
    assert files_of(root) == before


def test_a_dry_run_shows_all_and_writes_nothing_and_no_secret(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install(tmp_path, *SERVER, "--dry-run")
    shown = capsys.readouterr().out
    assert "/etc/systemd/system/perch-collector.service (644): written" in shown
    assert "    ProtectSystem=strict" in shown
    assert "server.password (640): written\n    (a secret, drawn by lot)" in shown
    assert list(tmp_path.iterdir()) == []


def test_a_newer_perch_replaces_what_nobody_changed_and_keeps_what_somebody_did(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    units = root / "etc" / "systemd" / "system"
    changed = units / "perch-api.service"
    changed.write_text(changed.read_text() + "# ours\n")
    ours = '# all ours\ndata = "/var/lib/perch"\nsites = ["hq/site.toml"]\n'
    (root / "etc" / "perch" / "perch.toml").write_text(ours)
    install(root, "server", program="/opt/newer/bin/perch")
    said = capsys.readouterr().out
    assert "/opt/newer/bin/perch" in (units / "perch-collector.service").read_text()
    assert changed.read_text().endswith("# ours\n")
    assert "/opt/newer/bin/perch" in (units / "perch-api.service.new").read_text()
    assert "perch-api.service (644): kept, for it was changed; the new one is beside it as .new" in said
    assert (root / "etc" / "perch" / "perch.toml").read_text() == ours
    assert not list((root / "etc" / "perch").rglob("*.new"))
    (units / "perch-api.service.new").rename(changed)
    install(root, *SERVER, program="/opt/newer/bin/perch")
    assert not list(units.glob("*.new"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--site", "annex", "--name", "Annex"), "--site: 'annex' is not among the sites here: hq add its site.toml"),
        (("--name", "Annex"), "--name: Perch is installed here, and with another: 'Harbour House'"),
        (("--site", "hq", "--host", "c.hq.example"), "--host: Perch is installed here, and with another: 'b.hq.ex"),
    ],
)
def test_a_second_site_is_not_passed_over_in_silence(
    words: tuple[str, ...], said: str, laid: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install(laid, "server", *words, code=2)
    assert said in " ".join(capsys.readouterr().err.split())


def test_after_a_restore_the_servers_own_password_is_made_anew(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No backup has it, and it was lost with the machine; nobody but this server ever used it."""
    own = root / "etc" / "perch" / "server.password"
    lost = own.read_text()
    own.unlink()
    install(root, "server")
    assert own.stat().st_mode & 0o777 == 0o640
    assert len(own.read_text()) >= 43
    assert own.read_text() != lost
    assert "server.password (640): written" in capsys.readouterr().out
    own.unlink()
    config = root / "etc" / "perch" / "perch.toml"
    config.write_text(config.read_text().replace("127.0.0.1", "broker.other.example"))
    install(root, "server")
    assert not own.exists()  # whoever keeps that broker gives it


def test_json_says_what_became_of_each_file(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    install(root, *AGENT, "--json")
    assert {one["outcome"] for one in json.loads(capsys.readouterr().out)["files"]} == {"same"}


@pytest.mark.parametrize("program", ["/home/ann/perch/bin/perch", "/opt/my perch/perch", "perch"])
def test_a_command_that_a_confined_service_cannot_see_is_refused(program: str, tmp_path: Path) -> None:
    install(tmp_path, *AGENT, program=program, code=2)
    assert list(tmp_path.iterdir()) == []


def test_a_site_without_a_good_id_or_time_zone_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("server", "--site", "H Q", "--name", "x", "--time-zone", "Lisbon", "--host", "b")
    install(tmp_path, *words, code=2)
    said = capsys.readouterr().err
    assert "--site: 'H Q' is no id" in said
    assert "--time-zone: there is no 'Lisbon'" in said


class Words(list[str]):
    """What was said to a socket, as long as somebody asks."""

    def __init__(self, heard: socket.socket) -> None:
        super().__init__()
        self._heard = heard

    def has(self, word: str, times: int = 1) -> bool:
        try:
            while True:
                self.append(self._heard.recv(100).decode())
        except BlockingIOError:
            return self.count(word) >= times


@pytest.mark.parametrize("given", [2, 4, 6])
def test_the_first_time_all_that_a_configuration_needs_has_to_be_said(given: int, tmp_path: Path) -> None:
    install(tmp_path, *SERVER[: given + 1], code=2)
    assert list(tmp_path.iterdir()) == []


@contextmanager
def listening(path: Path) -> Iterator[Words]:
    """What stands for systemd: a socket, and what has come to it so far."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(path))
        heard.setblocking(False)
        yield Words(heard)


@contextmanager
def in_a_thread(run: Callable[[threading.Event], None]) -> Iterator[None]:
    """A process of Perch in a thread of the test."""
    stop = threading.Event()
    thread = threading.Thread(target=run, args=[stop])
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)


PROCESSES: dict[str, Callable[[Path, threading.Event], None]] = {
    "collector": lambda folder, stop: collector_process.run(load_server(folder / "perch.toml"), stop),
    "api": lambda folder, stop: api_process.run(load_server(folder / "perch.toml"), stop),
    "agent": lambda folder, stop: agent_process.run(load_agent(folder / "agent.toml"), stop),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A server and an agent whose broker is away."""
    (tmp_path / "hq.toml").write_text(site_toml(""))
    broker = f"[broker]\nport = {free_port()}\n"
    (tmp_path / "perch.toml").write_text(f"data = 'data'\nsites = ['hq.toml']\n{broker}[api]\nport = {free_port()}\n")
    (tmp_path / "agent.toml").write_text(agent_toml(free_port()).replace('"data"', '"pi"'))
    return tmp_path


@pytest.mark.parametrize("name", PROCESSES)
def test_every_process_says_that_it_is_ready_and_that_it_lives(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever hangs says it no more, and systemd starts it anew."""
    for variable, value in (("WATCHDOG_USEC", "800000"), ("GPIOZERO_PIN_FACTORY", "mock")):
        monkeypatch.setenv(variable, value)
    monkeypatch.setenv("NOTIFY_SOCKET", str(folder / "socket"))
    with listening(folder / "socket") as words:
        with in_a_thread(lambda stop: PROCESSES[name](folder, stop)):
            until(lambda: words.has("WATCHDOG=1", 2), 30)
            assert words[:2] == ["READY=1", "WATCHDOG=1"]
        assert words.has("STOPPING=1")
        assert words.count("READY=1") == 1


def test_without_systemd_nothing_is_said_and_a_deaf_one_harms_nobody(tmp_path: Path) -> None:
    Service({}).settle(1)
    Service({"NOTIFY_SOCKET": str(tmp_path / "nobody")}).settle(1)
    with listening(tmp_path / "socket") as words:
        other = Service({"NOTIFY_SOCKET": str(tmp_path / "socket"), "WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"})
        other.settle(0)
        other.settle(10_000)
        assert words.has("READY=1")
        assert words == ["READY=1"]
