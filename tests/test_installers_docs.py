"""What installers are told to write on a Pi is read by the programs that it is for; the script for a card runs."""

import contextlib
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from perch import __version__, commands
from perch.adapters.outbox.store import Outbox
from perch.contract import AliveEvent
from perch.contract.rights import agent_rights, mosquitto_acl
from perch.model import Clock, State
from tests.configurations import agent_toml
from tests.documented import blocks_of
from tests.parts import Broker, until
from tests.serving import Speaker, wall_ms

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "installers.md").read_text()
SET_UP, BY_HAND, ENROL, LISTEN = (block.text.splitlines() for block in blocks_of("docs/installers.md", "sh"))
"""`ENROL` is carried out in test_security_docs, where somebody invites."""

DOCTOR, _ = (block.text for block in blocks_of("docs/installers.md", "console"))
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
    text = snippet("**Updates of the system**")
    assert all(re.fullmatch(r'Unattended-Upgrade::[\w-]+ "[^"]+";', line) for line in text.splitlines())
    (tmp_path / "52perch").write_text(text)
    told = subprocess.run([program("apt-config"), "-c", tmp_path / "52perch", "dump"], capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    assert 'Unattended-Upgrade::Automatic-Reboot-Time "03:30";' in told.stdout


def test_the_outboxs_partition_is_one_that_mount_takes(tmp_path: Path) -> None:
    [line] = snippet("**A root that cannot be written**").splitlines()
    assert len(line.split()) == 6
    (tmp_path / "fstab").write_text(line)
    command = [program("findmnt"), "--tab-file", tmp_path / "fstab", "--noheadings", "--output", "SOURCE,TARGET,FSTYPE"]
    told = subprocess.run(command, capture_output=True, text=True)
    assert told.stdout.split() == ["LABEL=perch", "/var/lib/perch", "ext4"], told.stderr


def test_the_script_for_a_fresh_card_installs_enrols_and_enables_once(tmp_path: Path) -> None:
    """Programs of the system note how they are called; Perch's own install runs, below a folder."""
    [setup] = SET_UP
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
        command = ["sh", "-c", script, *setup.split()]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
    assert (root / "etc/systemd/system/perch-agent.service").exists()
    lines = called.read_text().splitlines()
    assert f"pip install {setup.split()[1]}[agent]" in lines
    assert lines.count("perch enroll") == 1, "an agent that is enrolled stays so"
    assert lines[-1] == "systemctl enable perch-agent"
    nothing = subprocess.run(["sh", "-c", script, "setup"], env=environment, capture_output=True, text=True)
    assert "name the wheel" in nothing.stderr


def _put(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_an_agent_is_tried_out_by_hand_as_the_page_says(tmp_path: Path, mosquitto: Broker) -> None:
    programs, perch = tmp_path / "programs", tmp_path / "perch" / "bin"
    for folder in (programs, perch):
        folder.mkdir(parents=True)
    for path in (programs / "sudo", programs / "python3", perch / "pip"):
        _put(path, f'echo "$*" >> {tmp_path}/called')
    _put(perch / "perch", f'exec {sys.executable} -m perch.commands "$@"')
    (tmp_path / "agent.toml").write_text(agent_toml(mosquitto.port))
    environment = os.environ | {"PATH": f"{programs}:{os.environ['PATH']}", "GPIOZERO_PIN_FACTORY": "mock"}
    *before, agent = BY_HAND
    assert "perch/bin/perch agent" in agent
    script = "\n".join((*before, f"exec {agent}"))
    with subprocess.Popen(["bash", "-euc", script], cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL) as runs:
        try:
            until((tmp_path / "data" / "agent.json").exists, 30)
            listen = [program("mosquitto_sub"), "-p", f"{mosquitto.port}", "-t", "perch/v1/hq/pi-1/status", "-C", "1"]
            status = subprocess.run([*listen, "-W", "30"], capture_output=True, text=True, check=True).stdout
        finally:
            runs.terminate()
    assert f'"version":"{__version__}"' in status
    called = (tmp_path / "called").read_text()
    assert "--system-site-packages perch" in called
    assert f"install perch_occupancy-{__version__}-py3-none-any.whl[agent]" in called


def test_messages_are_seen_as_the_page_says(mosquitto: Broker) -> None:
    program("mosquitto_sub")
    [line] = LISTEN
    line = line.replace("-h BROKER", f"-h 127.0.0.1 -p {mosquitto.port}")
    with Speaker(mosquitto, agent="pi-3") as pi:
        pi.say("d01", State.OCCUPIED)
        with subprocess.Popen(["bash", "-euc", f"exec {line}"], stdout=subprocess.PIPE, text=True) as listens:
            assert listens.stdout is not None
            said = listens.stdout.readline()
            listens.terminate()
    assert said.startswith("perch/v1/hq/pi-3/state/d01 ")
    assert '"state":"occupied"' in said


@pytest.mark.long
def test_the_doctor_says_of_an_agent_what_the_page_shows(
    tmp_path: Path, start_mosquitto: Callable[[str], Broker], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a broker with the access list that Perch writes, where no collector runs, of an agent that ran before."""
    command, *shown = DOCTOR.splitlines()
    monkeypatch.chdir(tmp_path)
    Path("passwords").write_text("lab_pi-1:right\n")
    subprocess.run([program("mosquitto_passwd"), "-U", "passwords"], check=True)
    Path("rights").write_text(mosquitto_acl([agent_rights("lab", "pi-1")]))
    lists = f"password_file {tmp_path}/passwords\nacl_file {tmp_path}/rights"
    broker = start_mosquitto(f"allow_anonymous false\n{lists}")
    Path("agent.password").write_text("right\n")
    Path("agent.password").chmod(0o600)
    lab = (ROOT / "examples" / "lab" / "agent.toml").read_text().replace("port = 1883", f"port = {broker.port}")
    Path("agent.toml").write_text(lab.replace("[broker]", '[broker]\npassword_file = "agent.password"'))
    with Outbox.open(tmp_path / "agent-data" / "outbox.db") as outbox:
        first = outbox.begin("e" * 32, "b" * 16)
        outbox.append("e" * 32, [AliveEvent(first, wall_ms(), 1, Clock.OK)])
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = commands.run(shlex.split(command)[2:])
    lines = re.sub(rf"\b{broker.port}\b", "1883", said.getvalue()).splitlines()
    assert (code, lines[: len(shown)]) == (1, shown)
