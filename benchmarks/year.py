"""A year of 1,000 desks in a collector's journal: made anew into history, started again, and backed up while at work.

    python -m benchmarks.year FOLDER [SPACES DAYS]

writes the journal into the folder, which takes minutes and a gigabyte; it is kept there for other times, and so is the
history that is made from it. `python -m benchmarks year` takes a month of 100 desks, in a folder that goes.
"""

import os
import secrets
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from benchmarks import servers
from benchmarks.figures import Figure, cpu_s, perch, wait_for
from benchmarks.history_days import PER_AGENT
from benchmarks.year_journal import write_journal
from collector.history.projection import HistoryProjection
from collector.projection import advance, resume
from perch import contract
from perch.adapters.health.collector import read_health
from perch.adapters.history.store import HistoryStore
from perch.adapters.journal.store import JournalReader
from perch.contract import VERSION, AliveEvent, Batch
from perch.model import Clock
from tests.parts import Broker, free_port

SPACES, DAYS = 1_000, 365
FEW_SPACES, FEW_DAYS = 100, 30
RUNS = 5
ASKS_PER_S = 20
BACKUPS = 3
SPACE = '[[space]]\nid = "d{number:05d}"\nkind = "desk"\nfloor = "f1"\nzone = "z1"\nagent = "pi-{agent}"\n'


def figures() -> list[Figure]:
    """Measure a month of 100 desks."""
    with servers.folder() as where:
        return list(measured(where, FEW_SPACES, FEW_DAYS))


def measured(where: Path, spaces: int, days: int) -> Iterator[Figure]:
    """Measure it in a folder, which is filled where it is empty."""
    data = where / "data"
    data.mkdir(parents=True, exist_ok=True)
    if not (data / "journal.db").exists():
        began = time.process_time()
        events = write_journal(data / "journal.db", spaces, days)
        yield Figure(f"{events:,} events into the journal", [time.process_time() - began], "s of processor")
    if not (data / "history.db").exists():
        yield from _made_anew(data)
    with servers.folder() as run, servers.broker(run / "broker") as broker:
        config = _write_server(where, broker, spaces)
        yield from _started("with that journal", config, broker)
        yield from _started("with none", _write_server(run, broker, spaces), broker)
        yield from _backed_up(config, where, broker)


def _made_anew(data: Path) -> Iterator[Figure]:
    """Project the journal into history, as `perch projection rebuild history` has its collector do."""
    wall, busy = time.perf_counter(), time.process_time()
    with HistoryStore.open(data / "part.db") as store, JournalReader(data / "journal.db") as log:
        projection = HistoryProjection(store, log)
        position, before = resume(log, projection), -1
        while position != before:
            before, position = position, advance(log, projection, position)
        told = time.process_time() - busy
        while store.fold():
            pass
    (data / "part.db").rename(data / "history.db")
    each = told / position * 1e6
    yield Figure("history made anew from it", [told], "s of processor", "≤ 60")
    yield Figure("the same, an event", [each], "µs of processor")
    yield Figure("the same, with its days put on sheets", [time.process_time() - busy], "s of processor")
    yield Figure("the same, by the clock", [time.perf_counter() - wall], "s")


def _started(what: str, config: Path, broker: Broker) -> Iterator[Figure]:
    """Start collector and API together, until a new event is acknowledged, and until the API says that all is well."""
    ready, acknowledged, worked = [], [], []
    for _ in range(RUNS):
        port = free_port()
        _set_port(config, port)
        began = time.perf_counter()
        with _running(config) as (collector, api), asking(broker) as asked:
            wait_for(lambda asked=asked: asked.waits_ms, 120)  # type: ignore[misc]
            acknowledged.append(time.perf_counter() - began)
            wait_for(lambda port=port: _is_ready(port), 120, 0.02)  # type: ignore[misc]
            ready.append(time.perf_counter() - began)
            worked.append(cpu_s(collector) + cpu_s(api))
            _wait_for_history(config.parent / "data")
    yield Figure(f"collector started {what} until it acknowledges", acknowledged, "s", "≤ 3")
    yield Figure(f"collector and API started {what} until /readyz says that all is well", ready, "s", "≤ 3")
    yield Figure("the same, both", worked, "s of processor")


def _backed_up(config: Path, where: Path, broker: Broker) -> Iterator[Figure]:
    """Back it up while somebody asks the collector all the time."""
    _set_port(config, free_port())
    taken, busy, during, slowest = [], [], [], []
    with _running(config), asking(broker) as asked:
        wait_for(lambda: asked.waits_ms, 120)
        time.sleep(10)
        asked.waits_ms.clear()
        time.sleep(20)
        alone = list(asked.waits_ms)
        for number in range(BACKUPS):
            asked.waits_ms.clear()
            began, before = time.perf_counter(), os.times().children_user + os.times().children_system
            copying = perch("backup", str(where / f"copy{number}"), "--config", str(config))
            subprocess.run(copying, check=True, stdout=subprocess.DEVNULL)
            taken.append(time.perf_counter() - began)
            busy.append(os.times().children_user + os.times().children_system - before)
            during += asked.waits_ms
            slowest.append(max(asked.waits_ms))
            shutil.rmtree(where / f"copy{number}")
    yield Figure("its backup, beside a working collector", taken, "s", "≤ 30")
    yield Figure("the same", busy, "s of processor")
    yield Figure("event to acknowledgement meanwhile, median", [statistics.median(during)], "ms")
    yield Figure("the same, the slowest of a hundred", [statistics.quantiles(during, n=100)[98]], "ms")
    yield Figure("the same, the slowest of all", slowest, "ms")
    yield Figure("without a backup: median", [statistics.median(alone)], "ms")
    yield Figure("without a backup: the slowest of a hundred", [statistics.quantiles(alone, n=100)[98]], "ms")


def _write_server(where: Path, broker: Broker, spaces: int) -> Path:
    agents = "".join(f'[[agent]]\nid = "pi-{number}"\n' for number in range(-(-spaces // PER_AGENT)))
    rows = "".join(SPACE.format(number=number, agent=number // PER_AGENT) for number in range(spaces))
    (where / "site.toml").write_text(servers.SITE.format(site="hq") + agents + rows)
    config = where / "perch.toml"
    config.write_text(f'data = "data"\nsites = ["site.toml"]\n[broker]\nport = {broker.port}\n[api]\nport = 1\n')
    return config


def _set_port(config: Path, port: int) -> None:
    *lines, _ = config.read_text().splitlines()
    config.write_text("\n".join((*lines, f"port = {port}\n")))


@contextmanager
def _running(config: Path) -> Iterator[tuple[int, int]]:
    with ExitStack() as both:
        collector = both.enter_context(servers.process("collector", "--config", str(config)))
        api = both.enter_context(servers.process("api", "--config", str(config)))
        yield collector.pid, api.pid


def _is_ready(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


def _wait_for_history(data: Path) -> None:
    def is_there() -> bool:
        health = read_health(data)
        return health is not None and all(of.lag < ASKS_PER_S for of in health.projections.values())

    wait_for(is_there, 120, 0.1)


class Asking:
    """A client that is an agent, says one event after the other, and notes how long each acknowledgement took."""

    def __init__(self, port: int) -> None:
        self.waits_ms: list[float] = []
        self._epoch, self._boot = secrets.token_hex(16), secrets.token_hex(8)
        self._moments: dict[int, float] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._speak)
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        self._client.on_message = self._hear
        self._client.on_subscribe = lambda *_: self._thread.start()
        self._client.connect("127.0.0.1", port)
        self._client.subscribe("perch/v1/hq/pi-0/ack", qos=1)
        self._client.loop_start()

    def close(self) -> None:
        """Hang up."""
        self._stop.set()
        self._thread.join()
        self._client.disconnect()
        self._client.loop_stop()

    def _speak(self) -> None:
        seq, began = 0, time.monotonic()
        while not self._stop.wait(1 / ASKS_PER_S):
            seq += 1
            now_ms, up_ms = int(time.time() * 1000), int((time.monotonic() - began) * 1000)
            event = AliveEvent(seq, now_ms, up_ms, Clock.OK)
            batch = Batch(v=VERSION, epoch=self._epoch, boot=self._boot, sent_mono_ms=up_ms, events=(event,))
            said = contract.build_up("hq", "pi-0", batch)
            self._moments[seq] = time.perf_counter()
            self._client.publish(said.topic, said.payload, qos=1)

    def _hear(self, _client: object, _data: object, message: MQTTMessage) -> None:
        ack = contract.parse_ack(bytes(message.payload))
        settled = (ack.upto, *(seq for first, last in ack.have for seq in range(first, last + 1)))
        for seq in settled if ack.epoch == self._epoch else ():
            if (sent_s := self._moments.pop(seq, None)) is not None:
                self.waits_ms.append((time.perf_counter() - sent_s) * 1000)


@contextmanager
def asking(broker: Broker) -> Iterator[Asking]:
    """Ask until the end of the block."""
    asked = Asking(broker.port)
    try:
        yield asked
    finally:
        asked.close()


if __name__ == "__main__":
    sizes = [int(word) for word in sys.argv[2:]] or [SPACES, DAYS]
    for figure in measured(Path(sys.argv[1]), *sizes):
        print(figure, flush=True)
