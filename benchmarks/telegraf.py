"""End to end, broker to InfluxDB 1.8, beside telegraf: the same messages through the same broker, in turn.

Both are stopped while mosquitto_pub fills the broker's queue, and then let go; the clock stops when InfluxDB counts a
row for every event. telegraf (`scripts/get-telegraf`) decodes JSON and writes rows. Perch checks every event, stores it
once in a synced journal, acknowledges it to its agent, keeps history for its API, and writes rows of zones as well.
"""

import os
import secrets
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import servers
from benchmarks.collector import publish
from benchmarks.figures import Figure, cpu_s, wait_for
from perch import contract
from perch.contract import VERSION, Batch, StateEvent
from perch.model import Clock, Reason, State
from tests.parts import Broker, Influx, find_program

RUNS = 3
TIMEOUT_S = 300.0
SPACES = 100
EVENTS = {1: 10_000, 100: 50_000}
"""How many events there are, by how many a message has."""

CONFIG = """\
[agent]
  interval = "1s"
  flush_interval = "200ms"
  metric_batch_size = 5000
  metric_buffer_limit = 1000000
  omit_hostname = true
  quiet = true
[[inputs.mqtt_consumer]]
  servers = ["tcp://127.0.0.1:{port}"]
  topics = ["perch/v1/+/+/up"]
  qos = 1
  max_undelivered_messages = 10000
  topic_tag = ""
  data_format = "json_v2"
  [[inputs.mqtt_consumer.topic_parsing]]
    topic = "_/_/_/_/_"
    tags = "_/_/site/agent/_"
  [[inputs.mqtt_consumer.json_v2]]
    measurement_name = "occupancy"
    [[inputs.mqtt_consumer.json_v2.object]]
      path = "events"
      timestamp_key = "wall_ms"
      timestamp_format = "unix_ms"
      tags = ["space"]
      excluded_keys = ["type", "mono_ms"]
[[outputs.influxdb]]
  urls = ["{url}"]
  database = "{database}"
  skip_database_creation = true
"""


def figures() -> list[Figure]:
    """Give both rates and what an event costs both, one event a message and a hundred."""
    program = find_program("telegraf")
    if program is None:
        raise SystemExit("telegraf is not there: run scripts/get-telegraf")
    found: list[Figure] = []
    with (
        servers.folder() as where,
        servers.broker(where / "broker") as broker,
        servers.influxdb(where / "influxdb") as fresh,
    ):
        for batch, events in EVENTS.items():
            ours, theirs = [], []
            for run in range(RUNS):
                lines = where / "lines"
                epoch = secrets.token_hex(16)
                _write_messages(lines, epoch, batch, events)
                ours.append(_perch(where / f"perch{batch}-{run}", broker, fresh(), lines, events))
                theirs.append(_telegraf(program, where, broker, fresh(), lines, events))
            found += _compared(f"{batch} a message", events, ours, theirs)
    return found


def _compared(
    what: str, events: int, ours: list[tuple[float, float]], theirs: list[tuple[float, float]]
) -> list[Figure]:
    rates = [events / seconds for seconds, _ in ours]
    faster = [their_s / our_s for (our_s, _), (their_s, _) in zip(ours, theirs, strict=True)]
    cost = [1e6 * cpu / events for _, cpu in ours]
    dearer = [our_cpu / their_cpu for (_, our_cpu), (_, their_cpu) in zip(ours, theirs, strict=True)]
    return [
        Figure(f"{what}, events/s to InfluxDB", rates, "/s"),
        Figure(f"{what}, the same ÷ telegraf", faster, "×", "≥ 1"),
        Figure(f"{what}, processor per event", cost, "µs"),
        Figure(f"{what}, the same ÷ telegraf", dearer, "×", "≤ 1"),
    ]


def _perch(where: Path, broker: Broker, influx: Influx, lines: Path, events: int) -> tuple[float, float]:
    where.mkdir()
    config = servers.write_server(where, broker, SPACES)
    config.write_text(f"{config.read_text()}[influx]\n{influx.toml}")
    with servers.process("collector", "--config", str(config)) as collector:
        _make_ready(broker, influx, lines)
        return _let_go(collector.pid, broker, lines, lambda: _rows(influx, "WHERE carried = 0") == events)


def _telegraf(
    program: str, where: Path, broker: Broker, influx: Influx, lines: Path, events: int
) -> tuple[float, float]:
    config = where / "telegraf.toml"
    config.write_text(CONFIG.format(port=broker.port, url=influx.url, database=influx.bucket))
    with _running([program, "--config", str(config)]) as peer:
        _make_ready(broker, influx, lines)
        return _let_go(peer.pid, broker, lines, lambda: _rows(influx) == events)


def _make_ready(broker: Broker, influx: Influx, lines: Path) -> None:
    """Send the first message until it is in InfluxDB: what is made ready once is no part of what an event costs."""
    with lines.open("rb") as file:
        first = file.readline()

    def has_begun() -> bool:
        publish(broker, first)
        return _rows(influx) > 0

    wait_for(has_begun, pause_s=0.2)
    time.sleep(2)


@contextmanager
def _running(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield running
    finally:
        running.terminate()
        running.wait()


def _let_go(pid: int, broker: Broker, lines: Path, is_done: Callable[[], bool]) -> tuple[float, float]:
    """Give the seconds from the moment it may go on until all is in InfluxDB, and its processor seconds meanwhile."""
    os.kill(pid, signal.SIGSTOP)
    try:
        publish(broker, lines.read_bytes())
    finally:
        os.kill(pid, signal.SIGCONT)
    began, spent = time.perf_counter(), cpu_s(pid)
    wait_for(is_done, timeout_s=TIMEOUT_S, pause_s=0.1)
    return time.perf_counter() - began, cpu_s(pid) - spent


def _rows(influx: Influx, where: str = "") -> int:
    told = influx.query(f"SELECT count(state) FROM occupancy {where}", influx.bucket)  # noqa: S608 (our own)
    return int(told[0]["count"]) if told else 0


def _write_messages(path: Path, epoch: str, batch: int, events: int) -> None:
    with path.open("wb") as file:
        for first in range(1, events + 1, batch):
            several = tuple(_event(seq) for seq in range(first, first + batch))
            up = Batch(v=VERSION, epoch=epoch, boot="0" * 16, sent_mono_ms=first, events=several)
            payload = contract.build_up("hq", "pi-0", up).payload
            assert len(payload) <= contract.MAX_PAYLOAD_BYTES
            file.write(payload + b"\n")


def _event(seq: int) -> StateEvent:
    """Make an event that changes its space's state, as each row of Perch's is a change."""
    wall_ms = 1_760_000_000_000 + seq * 1000
    taken = (seq // SPACES + seq) % 2
    state, reason = (State.OCCUPIED, Reason.MOTION) if taken else (State.FREE, Reason.QUIET)
    return StateEvent(seq, f"d{seq % SPACES}", state, 0.5, None, reason, wall_ms, seq, Clock.OK)
