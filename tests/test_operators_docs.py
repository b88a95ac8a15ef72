"""Every command block of the pages for operators, in its order, on a machine below a folder."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from perch.adapters.journal.codec import ErasedEvent
from perch.adapters.journal.store import Journal, JournalReader, Stream
from perch.contract import StateEvent
from perch.model import Clock, Reason, State
from tests.parts import free_port
from tests.test_projection_history import append, event

ROOT = Path(__file__).parent.parent
PAGES = [(ROOT / "docs" / name).read_text() for name in ("operators.md", "upgrading.md")]
SECTIONS = {
    title: re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    for page in PAGES
    for title, _, text in (section.partition("\n") for section in page.split("\n## ")[1:])
}
ELSEWHERE = ("apt", "pip", "python3", "systemctl", "docker")
"""Programs of the system, of which only that they are called is looked at."""

BACKUP = "perch-2026-11-23T02-30-00Z"


class Machine:
    """A machine below a folder: the page's paths lie in it; programs of the system only note how they are called."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.called = folder / "called"
        self._programs = folder / "programs"
        self._programs.mkdir()
        self.called.touch()
        self._program(self.root / "source" / "setup", f'echo "setup $*" >> {self.called}')
        for name in ELSEWHERE:
            self._program(self._programs / name, f'echo "{name} $*" >> {self.called}')
        self.install_perch()
        for name in ("etc/mosquitto/conf.d", "media/usb"):
            (self.root / name).mkdir(parents=True)
        shutil.copytree(ROOT / "deploy" / "compose", self.root / "source" / "deploy" / "compose")

    def install_perch(self) -> None:
        """Do what `python3 -m venv` and `pip` would."""
        perch = f"{sys.executable} -m perch.commands"
        more = f"--root {self.root} --program /opt/perch/bin/perch"
        here = f'[ "$1" = install ] && exec {perch} "$@" {more}'
        self._program(self.root / "opt" / "perch" / "bin" / "perch", f'{here}\nexec {perch} "$@"')
        self._program(self.root / "opt" / "perch" / "bin" / "pip", f'echo "pip $*" >> {self.called}')

    def _program(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def run(self, block: str) -> str:
        """Run a block as a shell would that stops at the first line that fails; gives what it said."""
        below = re.sub(r"(?<![\w.])/(opt|etc|var|media)/", rf"{self.root}/\1/", block)
        data = {"PERCH_DATA": str(self.root / "var/lib/perch"), "PERCH_BROKER_PORT": str(free_port())}
        folder = {"PERCH_ENROLMENT_FOLDER": str(self.root / "etc/mosquitto/perch")}
        path = {"PATH": f"{self._programs}:{os.environ['PATH']}"}
        done = subprocess.run(
            ["sh", "-eu", "-c", below],
            cwd=self.root / "source",
            env={**os.environ, **data, **folder, **path},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, f"{below}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def events(self) -> int:
        with JournalReader(self.root / "var/lib/perch/journal.db") as reader:
            return reader.end()


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """A machine on which the page's installation was carried out, and a collector has stored something."""
    machine = Machine(tmp_path_factory.mktemp("machine"))
    install, start, *_ = SECTIONS["Installing the server"]
    machine.run(install)
    machine.run(start)
    with Journal.open(machine.root / "var/lib/perch/journal.db") as journal:
        append(journal, [event(number) for number in range(1, 20)])
        at_ms = 1_777_800_000_000  # in the first week of May 2026
        desk = StateEvent(1, "d01", State.OCCUPIED, 0.9, None, Reason.MOTION, at_ms, 1, Clock.OK)
        append(journal, [desk], Stream("hq", "pi-1", "1" * 32))
    (machine.root / "var/backups/perch").mkdir(parents=True)
    return machine


def test_every_block_of_the_page_is_run_here() -> None:
    counts = {title: len(blocks) for title, blocks in SECTIONS.items() if blocks}
    assert counts == {
        "Installing the server": 4,
        "Agents": 1,  # which test_security_docs runs, at a broker
        "Backups": 1,
        "Restoring": 1,
        "Erasing": 1,
        "When somebody helps from afar": 1,
        "The quarantine": 1,  # this and the next are run in test_documented_server, beside a collector
        "Making projections anew": 1,
        "The server": 2,
        "The agents": 1,
        "Back again": 2,
    }


def test_a_server_is_installed(machine: Machine) -> None:
    assert (machine.root / "etc/perch/perch.toml").exists()
    assert (machine.root / "etc/systemd/system/perch-collector.service").exists()
    assert "listener 8883" in (machine.root / "etc/mosquitto/perch/mosquitto.conf").read_text()
    assert "systemctl enable --now perch-collector perch-api perch-backup.timer" in machine.called.read_text()
    assert "pip install --require-hashes --no-deps -r locks/demo.txt" in machine.called.read_text()
    assert (ROOT / "locks" / "demo.txt").exists()
    said = machine.run(SECTIONS["Installing the server"][2])
    assert re.search(r"perch_\w+_\w+", said)


def test_the_layout_is_written_before_anything_is_started_that_reads_it_once() -> None:
    """A service goes by the layout that it read at its start."""
    page = PAGES[0].index
    assert page("/etc/perch/hq/site.toml") < page("systemctl enable --now perch-collector")


def test_a_second_site_is_added_as_the_page_says(machine: Machine) -> None:
    (sites,) = re.findall(r"`(sites = \[.*?\])`", PAGES[0])
    folder = machine.root / "etc/perch"
    first = (folder / "perch.toml").read_text()
    annex = (folder / "hq/site.toml").read_text().replace('id = "hq"', 'id = "annex"')
    (folder / "annex").mkdir()
    (folder / "annex/site.toml").write_text(annex)
    (folder / "perch.toml").write_text(first.replace('sites = ["hq/site.toml"]', sites))
    try:
        machine.run("/opt/perch/bin/perch install server")
        machine.run("/opt/perch/bin/perch agents prepare --config /etc/perch/perch.toml")
        rights = (machine.root / "etc/tmpfiles.d/perch.conf").read_text()
        assert "d /etc/perch/annex 0750 root perch\nz /etc/perch/annex/* 0640 root perch\n" in rights
        assert "perch/v1/annex/#" in (machine.root / "etc/mosquitto/perch/access.acl").read_text()
    finally:
        (folder / "perch.toml").write_text(first)
        shutil.rmtree(folder / "annex")


@pytest.mark.skipif(os.geteuid() != 0, reason="folders for another user are made by root")
def test_containers_are_prepared_and_started(machine: Machine) -> None:
    machine.run(SECTIONS["Installing the server"][3])
    folder = machine.root / "source" / "deploy" / "compose"
    assert (folder / "secrets" / "server_password").stat().st_uid == 10_001
    assert (folder / "data" / "perch").stat().st_mode & 0o777 == 0o700
    assert "docker compose up -d" in machine.called.read_text()


def test_a_server_is_backed_up_lost_and_restored_and_upgraded_and_taken_back(machine: Machine) -> None:
    backups = machine.root / "var/backups/perch"
    machine.run(SECTIONS["Backups"][0])
    [made] = backups.iterdir()
    assert (machine.root / "media/usb/before-the-move/manifest.json").exists()
    made.rename(backups / BACKUP)

    machine.run(SECTIONS["Erasing"][0])
    with JournalReader(machine.root / "var/lib/perch/journal.db") as reader:
        [(position, erasure)] = reader.erasures()
        assert reader.is_erased(position)
        assert (erasure.site, erasure.space) == ("hq", "d01")
        assert isinstance(reader.read(19, 1)[0].event, ErasedEvent)

    shutil.rmtree(machine.root / "var/lib/perch")
    shutil.rmtree(machine.root / "etc/mosquitto/perch")
    machine.run(SECTIONS["Restoring"][0])
    assert machine.events() == 21, "and that something was erased, which its backup knows too"
    assert (machine.root / "etc/mosquitto/perch/mosquitto.conf").exists()

    upgrade, back = SECTIONS["The server"][0], SECTIONS["Back again"][0]
    stopped, installed = upgrade.split("/opt/perch/bin/pip", 1)
    machine.run(stopped)
    machine.install_perch()
    machine.run(f"/opt/perch/bin/pip{installed}")
    machine.run(back)
    assert machine.events() == 21
    assert (machine.root / "var/lib/perch.newer/journal.db").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="folders for another user are made by root")
def test_containers_are_upgraded(machine: Machine) -> None:
    machine.run(SECTIONS["The server"][1])
    assert "docker compose build perch" in machine.called.read_text()


def test_an_agent_is_upgraded_and_goes_back_with_another_outbox(machine: Machine) -> None:
    machine.run(SECTIONS["The agents"][0])
    for part in ("", "-wal"):
        (machine.root / f"var/lib/perch/outbox.db{part}").write_text("of the newer form")
    machine.run(SECTIONS["Back again"][1])
    assert {path.name for path in (machine.root / "var/lib/perch/newer").iterdir()} == {"outbox.db", "outbox.db-wal"}
    assert "setup perch_occupancy-0.1.0-py3-none-any.whl\nsystemctl start perch-agent" in machine.called.read_text()


def test_a_bundle_is_packed(machine: Machine) -> None:
    machine.run(SECTIONS["When somebody helps from afar"][0])
    assert (machine.root / "source" / "perch-support.tar.gz").stat().st_size > 500
