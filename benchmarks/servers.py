"""A broker, a site and processes of Perch for a benchmark, each ended by its own process id."""

import secrets
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.figures import perch
from tests.parts import Broker, Influx, InfluxServer, find_influxdb, find_mosquitto

SITE = """\
[site]
id = "{site}"
name = "Bench"
time_zone = "Europe/Lisbon"
country = "PT"
[hours]
mon = "08:00-20:00"
[[floor]]
id = "f1"
name = "Floor"
[[zone]]
id = "z1"
floor = "f1"
"""
SPACE = '[[space]]\nid = "d{number}"\nkind = "desk"\nfloor = "f1"\nzone = "z1"\nagent = "{agent}"\n'


@contextmanager
def folder() -> Iterator[Path]:
    """A folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="perch-bench-") as name:
        yield Path(name)


@contextmanager
def broker(where: Path) -> Iterator[Broker]:
    """A mosquitto that queues a whole run for a slow client."""
    program = find_mosquitto()
    if program is None:
        raise SystemExit("mosquitto is not installed: run scripts/get-parts")
    where.mkdir(parents=True, exist_ok=True)
    server = Broker(program, where, extra="max_queued_bytes 0")
    config = where / "mosquitto.conf"
    config.write_text(config.read_text().replace("max_queued_messages 10000", "max_queued_messages 1000000"))
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def influxdb(where: Path) -> Iterator[Callable[[], Influx]]:
    """An InfluxDB 1.8: a function that gives two fresh databases in it at each call."""
    program = find_influxdb()
    if program is None:
        raise SystemExit("InfluxDB 1.8 is not installed: run scripts/get-parts")
    where.mkdir(parents=True, exist_ok=True)
    server = InfluxServer(program, where)
    server.start()
    try:
        yield lambda: Influx(server, f"perch_{(name := secrets.token_hex(4))}", f"zones_{name}")
    finally:
        server.stop()


def write_server(where: Path, at: Broker, spaces: int, *, agents: int = 1, api_port: int = 8080) -> Path:
    """Write site.toml and perch.toml of a server; give the path of the latter."""
    names = [f"pi-{number}" for number in range(agents)]
    rows = [SPACE.format(number=number, agent=names[number % agents]) for number in range(spaces)]
    site = SITE.format(site="hq") + "".join(f'[[agent]]\nid = "{name}"\n' for name in names) + "".join(rows)
    (where / "site.toml").write_text(site)
    config = where / "perch.toml"
    config.write_text(
        f'data = "{where}/data"\nsites = ["site.toml"]\n[broker]\nhost = "127.0.0.1"\nport = {at.port}\n'
        f"[api]\nport = {api_port}\nrequests_per_minute = 0\n"
    )
    return config


@contextmanager
def process(*arguments: str, environment: dict[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A process of Perch, asked to end afterwards."""
    running = subprocess.Popen(perch(*arguments), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    try:
        yield running
    finally:
        running.terminate()
        try:
            running.wait(10)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()
