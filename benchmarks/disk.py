"""What an agent writes to its disk in a day with 1,000 changes: the kernel's count of the real process (`write_bytes`).

Two agents of 16 desks run side by side for some minutes, acknowledged by a collector: one at rest, and one whose desks
are taken and left evenly. What the resting one writes is scaled up to a day; what a change adds comes on top. Beside
them peers store 1,000 events of the same size, each safe from a power cut before the next: rows of a plain SQLite table
(rollback journal, as it comes; WAL with FULL), and what mosquitto saves of messages for a client that is away.

`write_bytes` counts pages that are to go to the disk; what the file system writes of its own is not in it.
"""

import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import servers
from benchmarks.figures import Figure, wait_for
from perch.model import SensedSpace, Sensor, SensorKind, SpaceKind
from tests.parts import Broker, find_mosquitto

SPACES, PINS = 16, range(4, 20)
CHANGES_A_DAY = 1_000
WATCHED_S = 600
CHANGES = 300
"""Of the busy agent meanwhile."""

DAY_S = 86_400
BODY = b"x" * 150
CALM_S = 60
"""An agent takes room on its disk for its outbox as it starts; that is over by then."""


def figures() -> list[Figure]:
    """Give MiB a day, what they are made of, and what peers write."""
    with servers.folder() as where, servers.broker(where / "broker") as broker:
        config = servers.write_server(where, broker, SPACES, agents=2)
        with servers.process("collector", "--config", str(config)):
            rest, busy = _watched(where, broker)
        rows = [_of_sqlite(where / f"{mode}.db", mode) for mode in ("DELETE", "WAL")]
        queued = _of_mosquitto(where / "peer")
    a_change = (busy - rest) / CHANGES
    a_day = rest * DAY_S / WATCHED_S + a_change * CHANGES_A_DAY
    day = f"{CHANGES_A_DAY:,} events"
    return [
        Figure(f"an agent's day with {CHANGES_A_DAY:,} changes", [a_day / 2**20], "MiB"),
        Figure("of which at rest", [rest * DAY_S / WATCHED_S / 2**20], "MiB"),
        Figure("a change, until it is acknowledged", [a_change / 1024], "KiB"),
        Figure(f"{day} into a SQLite table, one a transaction, rollback journal", [rows[0] / 2**20], "MiB"),
        Figure("the same, WAL with FULL", [rows[1] / 2**20], "MiB"),
        Figure(f"{day} kept by mosquitto, saved at each", [queued / 2**20], "MiB"),
        Figure("years until 1 TB is written at that pace", [10**12 / a_day / 365], "years"),
    ]


def _watched(where: Path, broker: Broker) -> tuple[float, float]:
    """Give what the resting agent and the busy one wrote."""
    with _agent(where, broker, "pi-0", 0) as resting, _agent(where, broker, "pi-1", CHANGES) as busy:
        time.sleep(CALM_S)
        before = [written(each.pid) for each in (resting, busy)]
        assert busy.stdin is not None
        busy.stdin.write(b"go\n")
        busy.stdin.flush()
        time.sleep(WATCHED_S)
        after = [written(each.pid) for each in (resting, busy)]
    rest, more = (now - then for now, then in zip(after, before, strict=True))
    return rest, more


def written(pid: int) -> int:
    """Give how many bytes a process has sent to its disk."""
    lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("write_bytes")).split()[1])


@contextmanager
def _agent(where: Path, broker: Broker, name: str, changes: int) -> Iterator[subprocess.Popen[bytes]]:
    words = [sys.executable, "-m", "benchmarks.disk", str(where / name), str(broker.port), name, str(changes)]
    running = subprocess.Popen(words, stdin=subprocess.PIPE)
    try:
        wait_for((where / name / "outbox.db").exists)
        yield running
    finally:
        running.terminate()
        running.wait()


def play(data: Path, port: int, name: str, changes: int) -> None:
    """Be an agent on mock pins, of which so many change while it is watched, once standard input says so."""
    from perch.commands.stopping import stop_on_signals
    from perch.settings import AgentSettings, Broker, SensingSettings
    from sensor_agent import process
    from sensor_agent.inputs import move_pin, use_mock_pins

    use_mock_pins()
    spaces = tuple(SensedSpace(f"d{n}", SpaceKind.DESK, hold_ms=1) for n in range(SPACES))
    sensors = tuple(
        Sensor(f"radar{n}", SensorKind.PRESENCE, f"d{n}", None, pin=pin)
        for n, pin in zip(range(SPACES), PINS, strict=True)
    )
    settings = AgentSettings("hq", name, data, Broker(port=port), SensingSettings(spaces, sensors))
    stop = stop_on_signals()

    def change() -> None:
        sys.stdin.readline()
        levels = dict.fromkeys(sensors, 0.0)
        for number in range(changes):
            if stop.wait(WATCHED_S / changes):
                return
            sensor = sensors[number % SPACES]
            levels[sensor] = 1.0 - levels[sensor]
            move_pin(sensor, levels[sensor])

    threading.Thread(target=change, daemon=True).start()
    process.run(settings, stop)
    os._exit(0)  # the thread may wait for its word for ever


def _of_sqlite(path: Path, mode: str) -> int:
    before = written(os.getpid())
    db = sqlite3.connect(path, isolation_level=None)
    db.execute(f"PRAGMA journal_mode = {mode}")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("CREATE TABLE event (seq INTEGER PRIMARY KEY, body BLOB)")
    for seq in range(CHANGES_A_DAY):
        db.execute("INSERT INTO event VALUES (?, ?)", (seq, BODY))
    db.close()
    return written(os.getpid()) - before


def _of_mosquitto(where: Path) -> int:
    where.mkdir()
    program = find_mosquitto()
    assert program is not None
    server = Broker(program, where, extra="autosave_on_changes true\nautosave_interval 1", persistence=True)
    server.start()
    try:
        port = ["-p", str(server.port), "-q", "1", "-t", "peer"]
        subprocess.run(["mosquitto_sub", *port, "-c", "-i", "away", "-E"], check=True)
        pid = server.pid
        before = written(pid)
        for _ in range(CHANGES_A_DAY):
            subprocess.run(["mosquitto_pub", *port, "-m", BODY.decode()], check=True)
        return written(pid) - before
    finally:
        server.stop()


if __name__ == "__main__":
    play(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
