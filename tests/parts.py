"""Real parts for tests: a mosquitto, an InfluxDB 1.8 and a Chromium, each found, started and ended here.

Import as `from tests.parts import until`; the servers themselves come as fixtures of `tests/conftest.py`, which gives
the long tests an InfluxDB 2.7 (`tests/influx2.py`), too.
Everything listens on 127.0.0.1 on a free port, keeps its files in a folder of the test, and ends by its own process id.
"""

import getpass
import json
import os
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from perch.settings.values import Influx as InfluxSettings

Value = TypeVar("Value")

LOOPBACK = "127.0.0.1"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "perch" / "bin"

MOSQUITTO_CONFIG = """\
listener {port} 127.0.0.1
allow_anonymous true
user {user}
max_queued_messages 10000
set_tcp_nodelay true
persistence {persistence}
persistence_location {folder}/
{extra}
"""

MQTT_CONNECT = b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x0a\x00\x00"  # 3.1.1, clean session, client id of the broker's choice

INFLUXDB_CONFIG = """\
reporting-disabled = true
bind-address = "127.0.0.1:{backup_port}"
[meta]
  dir = "{folder}/meta"
  logging-enabled = false
[data]
  dir = "{folder}/data"
  wal-dir = "{folder}/wal"
  query-log-enabled = false
[http]
  bind-address = "127.0.0.1:{port}"
  log-enabled = false
  flux-enabled = false
[monitor]
  store-enabled = false
[continuous_queries]
  enabled = false
[logging]
  level = "warn"
  suppress-logo = true
"""

CHROMIUM_FLAGS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
]


def find_program(*names: str) -> str | None:
    """Find the first of these programs on PATH, in sbin (which is not on everybody's PATH), or in Perch's own cache."""
    places = [os.environ.get("PATH", os.defpath), "/usr/local/sbin:/usr/sbin", str(CACHE)]
    found = (shutil.which(name, path=place) for place in places for name in names)
    return next(filter(None, found), None)


def find_mosquitto() -> str | None:
    """Find the MQTT broker."""
    return find_program("mosquitto")


def find_influxdb() -> str | None:
    """Find the InfluxDB 1.8 server; another major version on PATH is passed over for the one in the cache."""
    for program in (shutil.which("influxd"), shutil.which("influxd", path=str(CACHE))):
        if program is not None and _is_influxdb_1_8(program):
            return program
    return None


def find_chromium() -> str | None:
    """Find a Chromium, or Chrome; its headless shell first, which opens a page with a sixth of the work."""
    return find_program("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


def _is_influxdb_1_8(program: str) -> bool:
    told = subprocess.run([program, "version"], capture_output=True, text=True, check=False).stdout
    # A server that `go install` built does not know its own version and says "vunknown".
    return "InfluxDB v1.8." in told or "InfluxDB vunknown" in told


def until(condition: Callable[[], Value], timeout_s: float = 10.0) -> Value:
    """Poll a condition and give its first true value; fail with the condition's name after the time."""
    began = time.monotonic()
    pause = threading.Event()
    while not (value := condition()):
        waited_s = time.monotonic() - began
        if waited_s > timeout_s:
            raise AssertionError(f"not within {timeout_s:g} s: {_name_of(condition)}")
        pause.wait(min(max(0.01, waited_s / 20), 0.1))  # what is asked for needs the machine as well
    return value


def _name_of(condition: Callable[[], object]) -> str:
    name = getattr(condition, "__qualname__", repr(condition))
    code = getattr(condition, "__code__", None)
    return f"{name} at {code.co_filename}:{code.co_firstlineno}" if code else name


OWN_PORTS = range(10_240, 32_768)
"""Below those that Linux gives to outgoing connections, one of which could take a port just found free."""

MAX_WORKERS = 4


def _own_ports() -> Iterator[int]:
    """Give ports that no other worker of this run gives; another run at the same time begins elsewhere."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    mine = OWN_PORTS[worker % MAX_WORKERS :: MAX_WORKERS]
    first = os.getpid() * 61 % len(mine)
    yield from (*mine[first:], *mine[:first])


_ports = _own_ports()
without_proxy = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def free_port() -> int:
    """Give a TCP port of 127.0.0.1 that nobody listens on, each only once per run."""
    return next(filter(_is_free, _ports))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def answers(port: int) -> bool:
    """Tell whether somebody accepts connections on a port of 127.0.0.1."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1):
            return True
    except OSError:
        return False


class Server:
    """A server in a process of its own that may be stopped (asked to end), killed (not asked) and started again."""

    host = LOOPBACK

    def __init__(self, command: list[str], port: int, log: Path) -> None:
        self.port = port
        self._command = command
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._command[0]} on port {self.port}, {'up' if self.running else 'down'}>"

    @property
    def running(self) -> bool:
        """Whether its process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The id of its process, while it runs."""
        assert self._process is not None, f"{self} was not started"
        return self._process.pid

    def start(self) -> None:
        """Start it on its port and wait until it answers."""
        assert not self.running, f"{self} runs already"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
        until(self._is_up, timeout_s=30)

    def _is_up(self) -> bool:
        if not self.running:
            raise AssertionError(f"{self._command[0]} ended at start:\n{self.log()}")
        return answers(self.port) and self._speaks()

    def _speaks(self) -> bool:
        return True

    def stop(self) -> None:
        """Ask it to end (SIGTERM) and wait for that."""
        self._end(subprocess.Popen.terminate)

    def kill(self) -> None:
        """End it without a word (SIGKILL), as a power cut would."""
        self._end(subprocess.Popen.kill)

    def _end(self, how: Callable[[subprocess.Popen[bytes]], None]) -> None:
        if self._process is None:
            return
        how(self._process)
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def log(self) -> str:
        """Give what it wrote on its output so far."""
        return self._log.read_text(errors="replace")


class Broker(Server):
    """A mosquitto: anonymous allowed, bounded queues; keeps messages over a restart only with `persistence`."""

    def __init__(self, program: str, folder: Path, *, extra: str = "", persistence: bool = False) -> None:
        port = free_port()
        config = folder / "mosquitto.conf"
        config.write_text(
            MOSQUITTO_CONFIG.format(
                port=port,
                user=getpass.getuser(),
                persistence=str(persistence).lower(),
                folder=folder,
                extra=extra,
            )
        )
        super().__init__([program, "-c", str(config)], port, folder / "mosquitto.log")

    def _speaks(self) -> bool:
        # It listens before its loop runs and before it obeys SIGTERM; any reaction, a refusal too, comes of the loop.
        with socket.create_connection((LOOPBACK, self.port), timeout=1) as wire:
            wire.sendall(MQTT_CONNECT)
            try:
                wire.recv(4)
            except TimeoutError:
                return False
            except ConnectionError:
                pass
        return True


class InfluxServer(Server):
    """An InfluxDB 1.8 whose files are all in one folder; `headers` log its asker in."""

    headers: dict[str, str]

    def __init__(self, program: str, folder: Path) -> None:
        port = free_port()
        config = folder / "influxdb.conf"
        config.write_text(INFLUXDB_CONFIG.format(port=port, backup_port=free_port(), folder=folder))
        super().__init__([program, "-config", str(config)], port, folder / "influxdb.log")
        self.headers = {}

    @property
    def url(self) -> str:
        """Where its HTTP interface is."""
        return f"http://{LOOPBACK}:{self.port}"

    def _speaks(self) -> bool:
        try:
            self.ask("SHOW DATABASES")
        except OSError:
            return False
        return True

    def ask(self, influxql: str, **parameters: str) -> list[dict[str, Any]]:
        """Send one InfluxQL statement; give its series as InfluxDB writes them in JSON."""
        form = urllib.parse.urlencode({"q": influxql, **parameters}).encode()
        try:
            request = urllib.request.Request(f"{self.url}/query", form, self.headers)
            with without_proxy.open(request, timeout=60) as response:
                told = json.load(response)
        except urllib.error.HTTPError as refusal:
            with refusal:
                raise AssertionError(f"InfluxDB refused {influxql!r}: {refusal.read().decode()}") from None
        result = told["results"][0]
        assert "error" not in result, f"InfluxDB refused {influxql!r}: {result['error']}"
        series: list[dict[str, Any]] = result.get("series", [])
        return series


class Influx:
    """Two fresh databases of an InfluxDB: `bucket` and `zones_bucket` (1.8 calls them databases)."""

    def __init__(self, server: InfluxServer, bucket: str, zones_bucket: str) -> None:
        self.server = server
        self.bucket = bucket
        self.zones_bucket = zones_bucket
        self._create_both()

    def _create_both(self) -> None:
        for database in (self.bucket, self.zones_bucket):
            self._create(database)

    def _create(self, database: str) -> None:
        self.server.ask(f'CREATE DATABASE "{database}"')

    def _drop(self, database: str) -> None:
        self.server.ask(f'DROP DATABASE "{database}"')

    @property
    def url(self) -> str:
        """Where the server's HTTP interface is."""
        return self.server.url

    def query(self, influxql: str, database: str, epoch: str = "ns") -> list[dict[str, Any]]:
        """Give the rows of an InfluxQL query: columns, tags and `measurement`; times as integers in `epoch` units."""
        return [
            {
                "measurement": series.get("name"),
                **series.get("tags", {}),
                **dict(zip(series["columns"], row, strict=True)),
            }
            for series in self.server.ask(influxql, db=database, epoch=epoch)
            for row in series.get("values", [])
        ]

    @property
    def settings(self) -> InfluxSettings:
        """How `perch.toml` names it."""
        return InfluxSettings(self.url, database=self.bucket, zones_database=self.zones_bucket)

    @property
    def toml(self) -> str:
        """The same as the lines below `[influx]`."""
        return f'url = "{self.url}"\ndatabase = "{self.bucket}"\nzones_database = "{self.zones_bucket}"\n'

    def keep_days(self, database: str, days: int) -> None:
        """Let a database keep its rows for so many days."""
        self.server.ask(f'ALTER RETENTION POLICY "autogen" ON "{database}" DURATION {days}d SHARD DURATION 7d')

    def write(self, line: str) -> None:
        """Write a line into `bucket`, by no code of Perch's."""
        without_proxy.open(f"{self.url}/write?db={self.bucket}&precision=ns", line.encode(), timeout=60).close()

    def drop(self) -> None:
        """Remove both databases."""
        for database in (self.bucket, self.zones_bucket):
            self._drop(database)

    def lose(self) -> None:
        """Lose all that is in both databases, which are there again and empty."""
        self.drop()
        self._create_both()
