"""What installers are told to write on a Pi is read by the programs that it is for; the script for a card runs."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "installers.md").read_text()
SETUP = (ROOT / "deploy" / "agent" / "setup").read_text()


def snippet(before: str) -> str:
    """Give the first block after some words of the page: of systemd's kind (`ini`), of `apt`'s, or an `fstab`."""
    found = re.search(r"```(?:ini|apt|fstab)\n(.*?)```", PAGE[PAGE.index(before) :], re.DOTALL)
    assert found is not None
    return found[1]


def program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/lib/systemd")
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def known_to_systemd(name: str, keys: set[str]) -> set[str]:
    """Give those of these keys that a program of systemd, or the library that it shares, has in it as words."""
    folders = {Path(program(name)).resolve().parent, Path("/usr/lib/systemd")}
    files = [Path(program(name)), *(one for folder in folders for one in folder.glob("libsystemd-shared-*.so"))]
    body = b"".join(one.read_bytes() for one in files)
    return {key for key in keys if any(mark + key.encode() + b"\0" in body for mark in (b"\0", b"."))}


@pytest.mark.parametrize(
    ("before", "name", "section"),
    [("**A watchdog**", "systemd", "[Manager]"), ("**The clock.**", "systemd-timesyncd", "[Time]")],
)
def test_systemd_knows_the_keys_that_are_written_for_it(before: str, name: str, section: str) -> None:
    head, *lines = snippet(before).splitlines()
    assert head == section
    keys = {line.partition("=")[0] for line in lines}
    assert known_to_systemd(name, {*keys, "RuntimeWatchdogSecs"}) == keys, "and would not know a wrong one"


def test_apt_reads_when_it_may_restart(tmp_path: Path) -> None:
    (tmp_path / "52perch").write_text(snippet("**Updates of the system**"))
    told = subprocess.run([program("apt-config"), "-c", tmp_path / "52perch", "dump"], capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    assert 'Unattended-Upgrade::Automatic-Reboot-Time "03:30";' in told.stdout


def test_the_outboxs_partition_is_one_that_mount_takes(tmp_path: Path) -> None:
    (tmp_path / "fstab").write_text(snippet("**A root that cannot be written**"))
    command = [program("findmnt"), "--tab-file", tmp_path / "fstab", "--noheadings", "--output", "SOURCE,TARGET,FSTYPE"]
    told = subprocess.run(command, capture_output=True, text=True)
    assert told.stdout.split() == ["LABEL=perch", "/var/lib/perch", "ext4"], told.stderr


def test_the_script_for_a_fresh_card_installs_enrols_and_enables_once(tmp_path: Path) -> None:
    """Programs of the system note how they are called; Perch's own install runs, below a folder."""
    called, programs, root = tmp_path / "called", tmp_path / "programs", tmp_path / "root"
    perch = root / "opt" / "perch" / "bin"
    for folder in (programs, perch):
        folder.mkdir(parents=True)
    for name in ("apt-get", "python3", "systemctl"):
        _put(programs / name, f'echo "{name} $*" >> {called}')
    _put(perch / "pip", f'echo "pip $*" >> {called}')
    install = f"{sys.executable} -m perch.commands install agent --root {root} --program /opt/perch/bin/perch"
    enrolled = f'mkdir -p {root}/etc/perch && echo "enrolled" > {root}/etc/perch/agent.toml'
    _put(perch / "perch", f'echo "perch $*" >> {called}\ncase $1 in install) exec {install};; *) {enrolled};; esac')
    script = re.sub(r"(?<![\w.])/(opt|etc)/", rf"{root}/\1/", SETUP)
    environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}
    for _ in range(2):
        command = ["sh", "-c", script, "setup", "perch.whl"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
    assert (root / "etc/systemd/system/perch-agent.service").exists()
    lines = called.read_text().splitlines()
    assert "pip install perch.whl[agent]" in lines
    assert lines.count("perch enroll") == 1, "an agent that is enrolled stays so"
    assert lines[-1] == "systemctl enable perch-agent"
    nothing = subprocess.run(["sh", "-c", script, "setup"], env=environment, capture_output=True, text=True)
    assert "name the wheel" in nothing.stderr


def _put(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
