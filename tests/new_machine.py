"""New machines within this one: mounts and a network of their own, into which Perch is installed from its wheel.

`python -m tests.new_machine WHEEL FOLDER`, as root, under `unshare --mount --net --pid`: /etc and /var are those of
this machine with changes that stay in FOLDER, /opt is empty, and there is no network but its own. systemd does not run
in it: a `systemctl` starts what the units say, as whom they say. It makes two more such machines, in the same network,
for agents (`… WHEEL FOLDER SPACE`, with the invitation as standard input).
"""

import fcntl
import json
import os
import re
import shlex
import shutil
import socket
import struct
import subprocess
import sys
import sysconfig
import urllib.error
import urllib.request
import zipfile
from pathlib import Path
from typing import Any

from tests.parts import until

ROOT = Path(__file__).parent.parent
PERCH = "/opt/perch/bin/perch"
CONFIG = "/etc/perch/perch.toml"
API = "http://127.0.0.1:8080"
HOST = "broker.hq.example"
WORD_LASTS_S = 110
"""What an agent said last may be believed for 90 s; a revoked one cannot even be said to be gone."""

_GET_FLAGS, _SET_FLAGS, _UP = 0x8913, 0x8914, 1

SYSTEMCTL = """#!{python}
import configparser, os, shlex, signal, subprocess, sys, time
from pathlib import Path
verb, names = sys.argv[1], [name.removesuffix(".service") for name in sys.argv[2:] if not name.startswith("--")]
def pid_of(name): return Path("{run}", name + ".pid")
def start(name):
    user, folder, words = "root", "/", ["mosquitto", "-c", "/etc/mosquitto/mosquitto.conf"]
    if name != "mosquitto":
        unit = configparser.RawConfigParser(strict=False)
        unit.optionxform = str
        unit.read(f"/etc/systemd/system/{{name}}.service")
        one = unit["Service"]
        user, folder, words = one["User"], one["WorkingDirectory"], shlex.split(one["ExecStart"])
    words = words if user == "root" else ["runuser", "-u", user, "--", *words]
    log = open(f"{run}/{{name}}.log", "ab")
    done = subprocess.Popen(words, cwd=folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
    pid_of(name).write_text(str(done.pid))
def stop(name):
    if not pid_of(name).exists(): return
    pid = int(pid_of(name).read_text())
    pid_of(name).unlink()
    try: os.killpg(pid, signal.SIGTERM)
    except ProcessLookupError: return
    for _ in range(300):
        try: os.killpg(pid, 0)
        except ProcessLookupError: return
        if open(f"/proc/{{pid}}/stat").read().split()[2] == "Z": return
        time.sleep(0.1)
    sys.exit(name + " does not stop")
for name in names:
    if name.endswith(".timer") or verb == "daemon-reload": continue
    if verb == "reload": os.killpg(int(pid_of(name).read_text()), signal.SIGHUP); continue
    if verb in ("stop", "restart"): stop(name)
    if verb in ("start", "restart") or "--now" in sys.argv: start(name)
"""

SPACES = """
[[agent]]
id = "pi-1"
[[agent]]
id = "pi-2"
[[space]]
id = "d01"
floor = "f1"
zone = "open"
kind = "desk"
agent = "pi-1"
[[space]]
id = "d02"
floor = "f1"
zone = "open"
kind = "desk"
agent = "pi-2"
"""
SENSED = """
[[space]]
id = "{space}"
kind = "desk"
[[sensor]]
id = "pir1"
kind = "motion"
space = "{space}"
pin = 17
"""


class Machine:
    """The new machine; `folder` is where its changes, programs and logs are."""

    def __init__(self, wheel: Path, folder: Path) -> None:
        self.wheel, self.folder = wheel, folder
        self.run_folder = folder / "run"
        self._agents: dict[str, subprocess.Popen[str]] = {}

    def mount(self, original: Path) -> None:
        """Have folders of its own; those of the machine around are in `original`."""
        for name in ("etc", "var"):
            for part in ("upper", "work"):
                (self.folder / name / part).mkdir(parents=True)
            parts = f"lowerdir={original}/{name},upperdir={self.folder}/{name}/upper,workdir={self.folder}/{name}/work"
            _call("mount", "-t", "overlay", "overlay", "-o", parts, f"/{name}")
        _call("mount", "-t", "tmpfs", "tmpfs", "/opt")
        self.run_folder.mkdir()
        with Path("/etc/hosts").open("a") as hosts:
            hosts.write(f"\n127.0.0.1 {HOST}\n")
        for stale in ("/var/lib/perch", "/etc/perch", "/var/backups/perch"):
            shutil.rmtree(stale, ignore_errors=True)

    def install_wheel(self) -> None:
        """Make an environment with the wheel; what it needs comes from this environment."""
        for source, place in ((sys.base_prefix, "/opt/python"), (sysconfig.get_paths()["purelib"], "/opt/packages")):
            Path(place).mkdir()
            _call("mount", "--bind", source, place)
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        _call(f"/opt/python/bin/{version}", "-m", "venv", "--without-pip", "/opt/perch")
        packages = Path("/opt/perch/lib", version, "site-packages")
        with zipfile.ZipFile(self.wheel) as archive:
            archive.extractall(packages)  # our own wheel
        (packages / "needed.pth").write_text("/opt/packages\n")
        # The library of a Python that was built elsewhere may lie where nobody else may look.
        run = 'LD_LIBRARY_PATH=/opt/python/lib exec /opt/perch/bin/python -P -m perch.commands "$@"'
        _program(Path(PERCH), f"#!/bin/sh\n{run}\n")
        bin_folder = self.folder / "bin"
        bin_folder.mkdir()
        for name in ("apt", "apt-get", "python3"):
            _program(bin_folder / name, "#!/bin/sh\n")
        _program(Path("/opt/perch/bin/pip"), "#!/bin/sh\n")
        _program(bin_folder / "systemctl", SYSTEMCTL.format(python=sys.executable, run=self.run_folder))
        os.environ["PATH"] = f"{bin_folder}:/usr/sbin:{os.environ['PATH']}"
        os.environ["GPIOZERO_PIN_FACTORY"] = "mock"

    def sh(self, block: str) -> str:
        """Run a block of a page."""
        done = subprocess.run(["sh", "-eu", "-c", block], cwd=self.folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def perch(self, *words: str) -> str:
        """Run a perch command."""
        return self.sh(shlex.join([PERCH, *words]))

    def enrol(self, agent: str, space: str) -> None:
        """Invite an agent, and have a machine of its own made for it, on which it senses from then on."""
        command = [PERCH, "agents", "token", f"hq/{agent}", "--end-when-used", "--config", CONFIG]
        inviting = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert inviting.stdout is not None
        invitation = inviting.stdout.readline()
        folder = self.folder / agent
        folder.mkdir()
        apart = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        words = [sys.executable, "-m", "tests.new_machine", str(self.wheel), str(folder), space]
        with (self.run_folder / f"{agent}.log").open("ab") as log:
            made = subprocess.Popen(
                [*apart, *words], cwd=ROOT, stdin=subprocess.PIPE, stderr=log, stdout=log, text=True
            )
        assert made.stdin is not None
        made.stdin.write(invitation)
        made.stdin.close()
        self._agents[agent] = made
        assert inviting.wait(60) == 0
        inviting.stdout.close()

    def sense(self, space: str, seconds: int = 400) -> None:
        """Say what hangs on which pin, see the service run, then have somebody move at the desk until the end."""
        config = Path("/etc/perch/agent.toml")
        config.write_text(config.read_text() + SENSED.format(space=space))
        self.sh("systemctl start perch-agent")
        until(Path("/var/lib/perch/agent.json").exists, 60)
        self.sh("systemctl stop perch-agent")
        rows = "".join(f"{1e6 + second:.0f},pir1,{second // 2 % 2}\n" for second in range(0, seconds, 2))
        moves = Path("/var/lib/perch/moves.csv")
        moves.write_text(f"time,sensor,value\n{rows}")
        shutil.chown(moves, "perch")
        self.sh(f"runuser -u perch -- {PERCH} agent --config {config} --replay {moves} --shift-to-now")

    def state(self, space: str) -> str:
        """Give what the API answers."""
        return str(self.get(f"/api/v1/spaces/hq/{space}")["state"])

    def get(self, path: str) -> Any:
        """Ask the API; None while it does not answer."""
        answer = self.fetch(path, "application/json")
        return answer and json.loads(answer)

    def fetch(self, path: str, kind: str) -> str | None:
        """Get a page or an answer; None while there is none."""
        try:
            with urllib.request.urlopen(
                urllib.request.Request(API + path, headers={"Accept": kind}), timeout=5
            ) as answer:
                return str(answer.read().decode())
        except OSError:
            return None

    def shown(self, space: str) -> str:
        """Give the state that a space's own page shows."""
        page = self.fetch(f"/spaces/hq/{space}", "text/html") or ""
        return " ".join(re.findall(r"\b(Free|Occupied|Unknown)\b", page))

    def is_ready(self) -> bool:
        """Tell whether every part is well."""
        return self.get("/readyz") is not None

    def transitions(self, space: str) -> list[tuple[str, str]]:
        """Give what is known of a space's past."""
        told = self.get(f"/api/v1/history/transitions?site=hq&space={space}&from=2020-01-01&to=2100-01-01")
        return [(row["time"], row["state"]) for row in told["rows"]] if told else []


def blocks(title: str, page: str = "operators.md") -> list[str]:
    """Give the command blocks of a section of a page."""
    section = (ROOT / "docs" / page).read_text().split(f"\n## {title}\n")[1].split("\n## ")[0]
    return re.findall(r"```sh\n(.*?)```", section, re.DOTALL)


def agent_scenario(machine: Machine, space: str) -> None:
    """Make a Pi of a fresh machine by the page's own command; the invitation comes by standard input."""
    shutil.copy(ROOT / "deploy" / "agent" / "setup", machine.folder)
    machine.sh(blocks("On the Pi", "installers.md")[0])
    machine.sense(space)


def scenario(machine: Machine) -> None:
    """Install, enrol, sense, see, revoke, back up, destroy and restore, by the page's own commands."""
    install, start, *_ = blocks("Installing the server")
    machine.sh(install)
    with Path("/etc/perch/hq/site.toml").open("a") as site:
        site.write(SPACES)
    machine.sh(start)
    until(machine.is_ready, 60)
    for agent, space in (("pi-1", "d01"), ("pi-2", "d02")):
        machine.enrol(agent, space)
    for space in ("d01", "d02"):
        until(lambda space=space: machine.state(space) == "occupied", 120)  # type: ignore[misc]
        assert "Occupied" in machine.shown(space)
    print("both desks are seen occupied", flush=True)  # noqa: T201

    machine.perch("agents", "revoke", "hq/pi-2", "--config", CONFIG)
    until(lambda: machine.state("d02") == "unknown", WORD_LASTS_S)
    assert machine.state("d01") == "occupied"
    assert "Unknown" in machine.shown("d02")
    print("the revoked agent is off, the other one is not", flush=True)  # noqa: T201

    until(lambda: len(machine.transitions("d01")) >= 2, 30)
    machine.perch("backup", "/var/backups/perch/perch-2026-11-23T02-30-00Z", "--config", CONFIG)
    before = machine.transitions("d01")
    machine.sh(
        "systemctl stop perch-api perch-collector mosquitto; rm -r /var/lib/perch /etc/perch /etc/mosquitto/perch"
    )
    restore = blocks("Restoring")[0]
    machine.sh(restore)
    until(machine.is_ready, 60)
    until(lambda: machine.state("d01") == "occupied", 60)
    assert machine.state("d02") == "unknown"
    until(lambda: machine.transitions("d01")[: len(before)] == before, 30)
    print("restored: the agent that was enrolled comes back, and the past is what it was", flush=True)  # noqa: T201


def _bring_up(name: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        request = struct.pack("16sh", name.encode(), 0)
        (flags,) = struct.unpack("16xh", fcntl.ioctl(link, _GET_FLAGS, request)[:18])
        fcntl.ioctl(link, _SET_FLAGS, struct.pack("16sh", name.encode(), flags | _UP))


def _program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def _call(*words: str) -> None:
    subprocess.run(words, check=True)


def main(wheel: Path, folder: Path, space: str | None) -> None:
    """Carry it out; whatever was started ends with this process."""
    machine = Machine(wheel, folder)
    original = (folder if space is None else folder.parent) / "original"
    if space is None:
        _bring_up("lo")
        for name in ("etc", "var"):
            (original / name).mkdir(parents=True)
            _call("mount", "--bind", f"/{name}", f"{original}/{name}")
    machine.mount(original)
    machine.install_wheel()
    try:
        scenario(machine) if space is None else agent_scenario(machine, space)
    except BaseException:
        for log in sorted(machine.run_folder.glob("*.log")):
            sys.stderr.write(f"--- {log.name}\n{log.read_text(errors='replace')[-3000:]}\n")
        raise


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else None)
