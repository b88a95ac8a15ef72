"""Secrets stay where they are: in no log, crash report, argument or bundle; and nobody listens who need not."""

import http.client
import json
import os
import signal
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from perch.adapters.keys import KeysFile, Role
from tests import parts
from tests.configurations import agent_toml, site_toml
from tests.parts import LOOPBACK, free_port, until

CANARIES = {name: f"canary-{name}-5d1f0c" for name in ("agent", "server", "influx")}
SECRET_FILES = {f"{name}.secret": canary for name, canary in CANARIES.items()}
LISTENS, BOUND = "0A", "07"
"""States of sockets, as the kernel numbers them."""

SPACE = '[[space]]\nid = "d01"\nkind = "desk"\nfloor = "f1"\nzone = "open"\nagent = "pi-1"\n'


class Echo(BaseHTTPRequestHandler):
    """An InfluxDB behind a proxy that refuses everything, and tells in its answer what it was shown."""

    shown: set[str]

    def do_POST(self) -> None:
        self.shown.add(self.headers["Authorization"] or "")
        body = json.dumps({"code": "unauthorized", "message": f"bad {self.headers['Authorization']}"}).encode()
        self.send_response(401)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST  # noqa: N815  # http.server's name

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Venue:
    """A broker with passwords, a server and an agent whose secrets are canaries, and all that they wrote."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self._stack, self.port = folder, stack, free_port()
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        for name, canary in SECRET_FILES.items():
            (folder / name).write_text(canary + "\n")
            (folder / name).chmod(0o600)
        self.broker = self._broker()
        self.shown: set[str] = set()
        self.keys: list[str] = []
        echo = ThreadingHTTPServer((LOOPBACK, 0), type("Echoing", (Echo,), {"shown": self.shown}))
        threading.Thread(target=echo.serve_forever, daemon=True).start()
        stack.callback(echo.server_close)
        stack.callback(echo.shutdown)
        (folder / "site.toml").write_text(site_toml(SPACE))
        (folder / "agent.toml").write_text(agent_toml(self.broker.port, more='password_file = "agent.secret"\n'))
        (folder / "perch.toml").write_text(
            f'data = "server"\nsites = ["site.toml"]\n[broker]\nport = {self.broker.port}\nhost = "{LOOPBACK}"\n'
            f'username = "server"\npassword_file = "server.secret"\n[api]\nport = {self.port}\n'
            f'[influx]\nurl = "http://{LOOPBACK}:{echo.server_port}"\ntoken_file = "influx.secret"\n'
            'org = "venue"\nbucket = "perch"\nzones_bucket = "perch_zones"\n'
        )

    def _broker(self) -> parts.Broker:
        program = parts.find_mosquitto() or pytest.skip("mosquitto is not installed: run scripts/get-parts")
        (self.folder / "broker").mkdir()
        passwords = self.folder / "broker" / "passwords"
        passwords.touch(0o600)
        for user, name in (("hq_pi-1", "agent"), ("server", "server")):
            made = ["mosquitto_passwd", "-b", str(passwords), user, CANARIES[name]]
            subprocess.run(made, check=True, capture_output=True)
        passwords.chmod(0o644)
        extra = f"allow_anonymous false\npassword_file {passwords}\nlog_type all\n"
        broker = parts.Broker(program, self.folder / "broker", extra=extra)
        self._stack.callback(broker.stop)
        broker.start()
        return broker

    def start(self, name: str, *words: str) -> None:
        """Start a process that tells where it was if it is killed."""
        log = self._stack.enter_context((self.folder / f"{name}.log").open("wb"))
        environment = {**os.environ, "GPIOZERO_PIN_FACTORY": "mock", "PYTHONFAULTHANDLER": "1"}
        command = [sys.executable, "-m", "perch.commands", name, *words]
        process = subprocess.Popen(command, cwd=self.folder, env=environment, stdout=log, stderr=log)
        self.processes[name] = process
        self._stack.callback(process.wait, 20)
        self._stack.callback(process.terminate)

    def run(self, name: str, *words: str) -> None:
        """Run a command to its end; its output is kept with the logs."""
        environment = {**os.environ, "GPIOZERO_PIN_FACTORY": "mock"}
        command = [sys.executable, "-m", "perch.commands", *words]
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=60)
        (self.folder / f"{name}.log").write_text(done.stdout + done.stderr)
        assert done.returncode == 0, done.stderr

    def ask(self, path: str, key: str = "", body: str | None = None) -> int:
        """Ask the API, as a script or by the page's form; gives the status, 0 while nobody answers."""
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=10)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        if body is not None:
            headers |= {"Content-Type": "application/x-www-form-urlencoded", "Origin": f"http://{LOOPBACK}:{self.port}"}
        try:
            connection.request("GET" if body is None else "POST", path, body, headers)
            return connection.getresponse().status
        except OSError:
            return 0
        finally:
            connection.close()

    def arguments(self) -> str:
        """Give the command lines of all processes that may be seen here."""
        lines = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                lines.append((process / "cmdline").read_text(errors="replace"))
            except OSError:
                continue
        return "\n".join(lines)

    def written(self) -> dict[str, bytes]:
        """Give every file of the venue but those that hold the secrets, bundles unpacked."""
        found = {}
        for path in self.folder.rglob("*"):
            if path.is_file() and path.name not in SECRET_FILES:
                found[str(path.relative_to(self.folder))] = path.read_bytes()
            if path.name.endswith(".tar.gz"):
                with tarfile.open(path) as bundle:
                    for entry in bundle:
                        found[f"{path.name}/{entry.name}"] = bundle.extractfile(entry).read()  # type: ignore[union-attr]
        return found


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    """A venue whose processes do their work."""
    with ExitStack() as stack:
        venue = Venue(tmp_path_factory.mktemp("venue"), stack)
        (venue.folder / "server").mkdir()
        make = KeysFile(venue.folder / "server").create
        venue.keys = [make(name, Role.FACILITIES, None, 1)[0] for name in ("one", "two")]
        for name, config in (("collector", "perch.toml"), ("api", "perch.toml"), ("agent", "agent.toml")):
            venue.start(name, "--config", config)
        until(lambda: venue.ask("/api/v1/agents", venue.keys[0]) == 200, timeout_s=60)
        until(lambda: b"connected" in venue.written()["agent.log"], timeout_s=60)
        until(lambda: any(CANARIES["influx"] in one for one in venue.shown), timeout_s=60)
        until(lambda: b"influx" in venue.written()["collector.log"].lower(), timeout_s=60)
        yield venue


def ports_of(pid: int, protocol: str, state: str) -> set[str]:
    """Give where a process listens (as the kernel writes it, in hexadecimal)."""
    links = {os.readlink(one) for one in Path(f"/proc/{pid}/fd").iterdir()}
    rows = [line.split() for line in Path(f"/proc/{pid}/net/{protocol}").read_text().splitlines()[1:]]
    return {row[1] for row in rows if row[3] == state and f"socket:[{row[9]}]" in links}


def test_each_process_listens_where_it_was_told_to_and_nowhere_else(venue: Venue) -> None:
    """Agent and collector nowhere, the API at one port of this machine."""
    told = {
        name: {at for kind in ("tcp", "tcp6") for at in ports_of(process.pid, kind, LISTENS)}
        for name, process in venue.processes.items()
    }
    assert told == {"collector": set(), "agent": set(), "api": {f"0100007F:{venue.port:04X}"}}
    for process in venue.processes.values():
        assert {at for kind in ("udp", "udp6") for at in ports_of(process.pid, kind, BOUND)} == set()


def test_a_secret_is_in_no_log_no_argument_no_crash_report_and_no_bundle(venue: Venue) -> None:
    keys = venue.keys
    seen = venue.arguments()
    assert "perch.commands" in seen
    assert venue.ask("/login", body=f"key={keys[1]}") == 303
    for wrong in (keys[0][:-1] + "~", "canary"):
        assert venue.ask("/api/v1/spaces", wrong) == 401
    venue.ask(f"/api/v1/spaces?key={keys[0]}")

    for config in ("agent", "perch"):
        venue.run(f"bundle-{config}", "support-bundle", "--config", f"{config}.toml", "-o", f"{config}.tar.gz")
    for process in venue.processes.values():
        process.send_signal(signal.SIGABRT)
        process.wait(20)

    written = venue.written()
    assert b"Fatal Python error: Aborted" in written["api.log"]
    assert {"agent.tar.gz/perch-support/agent/agent.toml", "perch.tar.gz/perch-support/perch/perch.toml"} <= {*written}
    for secret in (*CANARIES.values(), *keys, *(key.rpartition("_")[2] for key in keys)):
        assert secret not in seen
        assert [name for name, body in written.items() if secret.encode() in body] == []
