"""A running collector, over a real broker: what it acknowledges it has, whatever dies in between."""

import json
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from collector import process
from collector.others import AGAIN_MS
from collector.parts import DeadPartError
from perch import contract
from perch.adapters.health.collector import CollectorHealth, read_health
from perch.adapters.journal.store import Entry, JournalReader
from perch.adapters.mqtt.connection import Connection, Received
from perch.adapters.quarantine.store import QuarantineReader
from perch.contract import AliveEvent, Batch, Event, Publication, StateEvent
from perch.delivery.watermark import Watermark
from perch.errors import StorageError
from perch.model import Clock, Reason, State
from perch.settings import Broker, Influx, ServerSettings
from tests import parts
from tests.configurations import site_toml
from tests.parts import free_port, until
from tests.serving import a_site, wall_ms

EPOCH = "a" * 32


def state(seq: int, space: str = "d01") -> StateEvent:
    return StateEvent(seq, space, State.FREE, 0.5, None, Reason.QUIET, 1_700_000_000_000 + seq, seq, Clock.OK)


def alive(seq: int) -> AliveEvent:
    return AliveEvent(seq, 1_700_000_000_000 + seq, seq, Clock.OK)


class Agent:
    """Speaks to the collector by hand: sends what it is told to and hears the acknowledgements."""

    def __init__(self, broker: parts.Broker, name: str = "pi-1", protocol: int = 5) -> None:
        self.name = name
        self.acks: queue.SimpleQueue[Received] = queue.SimpleQueue()
        self._connection = Connection(
            Broker(port=broker.port, protocol=protocol),
            f"hq_{name}",
            subscriptions=[contract.topic("hq", name, "ack")],
            on_message=self.acks.put,
        )

    def __enter__(self) -> "Agent":
        self._connection.start()
        self._connection.ready(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.stop(5)

    def publish(self, publication: Publication) -> None:
        until(lambda: self._connection.publish(publication), timeout_s=30)

    def send(self, *events: Event, epoch: str = EPOCH) -> None:
        batch = Batch(v=1, epoch=epoch, boot="c" * 16, sent_mono_ms=1, events=events)
        self.publish(contract.build_up("hq", self.name, batch))

    def heard(self, epoch: str = EPOCH, timeout_s: float = 10) -> Watermark:
        """The next acknowledgement of an epoch."""
        while True:
            ack = contract.parse_ack(self.acks.get(timeout=timeout_s).payload)
            if ack.epoch == epoch:
                return Watermark(ack.upto, ack.have)


def settings(folder: Path, broker: parts.Broker, influx: Influx | None = None, protocol: int = 5) -> ServerSettings:
    return ServerSettings(folder / "data", (a_site(),), (), Broker(port=broker.port, protocol=protocol), influx=influx)


class Running:
    """A collector in a thread of the test."""

    def __init__(self, served: ServerSettings, again_ms: int = AGAIN_MS) -> None:
        self.data = served.data
        self._again_ms = again_ms
        self.stop = threading.Event()
        self.failure: BaseException | None = None
        self._begin_ms = wall_ms()
        self._thread = threading.Thread(target=self._run, args=[served])

    def _run(self, served: ServerSettings) -> None:
        try:
            process.run(served, self.stop, self._again_ms)
        except BaseException as error:
            self.failure = error

    def health(self) -> CollectorHealth:
        health = read_health(self.data)
        assert health is not None
        return health

    def hears(self) -> bool:
        """Whether it says that it is connected: this one, not one before it."""
        health = read_health(self.data)
        return health is not None and health.started_ms >= self._begin_ms and health.broker is None

    def ended(self) -> bool:
        return not self._thread.is_alive()

    def __enter__(self) -> "Running":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self._thread.join(20)
        assert self.ended()


@contextmanager
def collecting(served: ServerSettings, again_ms: int = AGAIN_MS) -> Iterator[Running]:
    """A collector that is connected, and that must end well."""
    with Running(served, again_ms) as running:
        until(running.hears)
        yield running
    assert running.failure is None


def entries(data: Path) -> list[Entry]:
    with JournalReader(data / "journal.db") as reader:
        return reader.read(0, 1_000_000)


def sequence(data: Path) -> list[int]:
    return [entry.event.seq for entry in entries(data)]


@pytest.mark.parametrize("protocol", [5, 4], ids=["MQTT 5", "MQTT 3.1.1"])
def test_an_event_is_in_the_journal_and_in_history_once_it_is_acknowledged(
    mosquitto: parts.Broker, tmp_path: Path, protocol: int
) -> None:
    served = settings(tmp_path, mosquitto, protocol=protocol)
    with collecting(served) as collector, Agent(mosquitto, protocol=protocol) as agent:
        agent.send(state(1), state(2), alive(3))
        assert agent.heard() == Watermark(3)
        assert sequence(served.data) == [1, 2, 3]
        until(lambda: collector.health().projections["history"].position == 3)
        agent.send(state(2))
        assert agent.heard() == Watermark(3)
        until(lambda: collector.health().repeats == 1)
    assert sequence(served.data) == [1, 2, 3]


def test_acknowledgements_go_to_their_agent_alone(mosquitto: parts.Broker, tmp_path: Path) -> None:
    with collecting(settings(tmp_path, mosquitto)), Agent(mosquitto) as one, Agent(mosquitto, "pi-2") as other:
        one.send(state(1), epoch="1" * 32)
        other.send(state(1), epoch="2" * 32)
        assert one.heard("1" * 32) == other.heard("2" * 32) == Watermark(1)
        assert one.acks.empty()
        assert other.acks.empty()


def test_it_goes_on_in_the_same_journal_after_a_restart(mosquitto: parts.Broker, tmp_path: Path) -> None:
    served = settings(tmp_path, mosquitto)
    ids = set()
    with Agent(mosquitto) as agent:
        for seq in (1, 2, 3):
            with collecting(served) as collector:
                ids.add(collector.health().journal)
                agent.send(state(seq))
                assert agent.heard() == Watermark(seq)
    assert len(ids) == 1
    assert sequence(served.data) == [1, 2, 3]


def test_bad_messages_are_quarantined_and_shown_and_the_next_good_one_is_unharmed(
    mosquitto: parts.Broker, tmp_path: Path
) -> None:
    served = settings(tmp_path, mosquitto)
    up = contract.topic("hq", "pi-1", "up")
    bad = [
        Publication(up, b"no JSON"),
        Publication(up, b"[" * 16_000),
        Publication(up, b" " * 100_000),
        Publication(up, b'{"v":9}'),
        Publication("perch/v1/hq/pi-1/upward", b"lost my way"),
        Publication("perch/v1/HQ/pi-1/up", b"{}"),
        Publication("perch/v1/hq/pi-1/state/d01", b"{}"),
        Publication("perch/v1/hq/pi-1/status", b"\xff"),
        Publication(up, b'{"v":1}', retain=True),
    ]
    with collecting(served) as collector, Agent(mosquitto) as agent:
        for place, publication in enumerate(bad, 1):
            agent.publish(publication)
            agent.send(state(place, "elsewhere"))
            assert agent.heard().upto == place
        until(lambda: sum(collector.health().quarantined.values()) == len(bad))
        assert collector.health().quarantined == {
            "undecodable": 5,
            "too-large": 1,
            "unsupported-version": 1,
            "bad-topic": 2,
        }
        assert collector.health().strangers == len(bad)
        assert collector.health().stranger_spaces == {"hq/pi-1/elsewhere": len(bad)}
    assert sequence(served.data) == list(range(1, len(bad) + 1))
    reader = QuarantineReader(served.data / "quarantine.db")
    assert [message.topic for message in reader.read()] == [publication.topic for publication in bad]
    reader.close()


def test_what_the_broker_kept_on_up_is_quarantined_once_over_all_starts(
    mosquitto: parts.Broker, tmp_path: Path
) -> None:
    with Agent(mosquitto) as agent:
        batch = Batch(v=1, epoch=EPOCH, boot="c" * 16, sent_mono_ms=1, events=(state(1),))
        topic, payload = contract.topic("hq", "pi-1", "up"), contract.build_up("hq", "pi-1", batch).payload
        agent.publish(Publication(topic, payload, retain=True))
        for start in (1, 2):
            with collecting(settings(tmp_path, mosquitto)) as collector:
                until(lambda: collector.health().messages)
                agent.send(state(start))
                assert agent.heard() == Watermark(start)
                until(lambda: collector.health().quarantined == {"retained": 1})
        with QuarantineReader(collector.data / "quarantine.db") as reader:
            assert [message.times for message in reader.read()] == [2]


def test_it_starts_while_the_broker_is_away_says_so_once_and_takes_up_its_work(
    start_mosquitto: Callable[..., parts.Broker], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mosquitto = start_mosquitto()
    mosquitto.stop()
    with Running(settings(tmp_path, mosquitto)) as collector:
        until(lambda: "cannot be reached" in str(read_health(collector.data)))
        mosquitto.start()
        until(collector.hears, timeout_s=30)
        with Agent(mosquitto) as agent:
            agent.send(state(1))
            assert agent.heard() == Watermark(1)
            mosquitto.kill()
            until(lambda: not collector.hears())
            mosquitto.start()
            until(collector.hears, timeout_s=30)
            agent.send(state(2))
            assert agent.heard() == Watermark(2)
    assert collector.failure is None
    said = [record.getMessage() for record in caplog.records if "cannot be reached" in record.getMessage()]
    assert len(said) <= 2, said
    assert "correct host and port" in said[0]


def test_an_influxdb_that_is_not_there_stops_nothing(mosquitto: parts.Broker, tmp_path: Path) -> None:
    influx = Influx(f"http://127.0.0.1:{free_port()}", database="perch", zones_database="perch_zones")
    served = settings(tmp_path, mosquitto, influx)
    with collecting(served) as collector, Agent(mosquitto) as agent:
        for seq in range(1, 20):
            agent.send(state(seq))
            assert agent.heard() == Watermark(seq)
        until(lambda: collector.health().projections["history"].lag == 0)
        until(lambda: collector.health().projections["influx"].trouble)
        until(lambda: collector.health().projections["influx"].lag == 19)


def test_a_part_that_dies_takes_the_collector_down_with_its_error(mosquitto: parts.Broker, tmp_path: Path) -> None:
    """Half a collector would look alive; a dead one is started again by its supervisor."""
    served = settings(tmp_path, mosquitto)
    with Running(served) as collector, Agent(mosquitto) as agent:
        until(collector.hears)
        agent.send(state(1))
        agent.heard()
        until(lambda: collector.health().projections["history"].position == 1)
        for name in ("history.db", "history.db-wal", "history.db-shm"):
            (served.data / name).write_bytes(b"overwritten" * 5_000)
        seqs = iter(range(2, 1_000))

        def has_ended() -> bool:
            agent.send(state(next(seqs)))
            return collector.ended()

        until(has_ended, timeout_s=30)
        assert isinstance(collector.failure, DeadPartError)
        assert collector.failure.what.startswith("the projection history has died: ")
        assert "history.db" in collector.failure.what
        assert not collector.health().running


@pytest.mark.parametrize(
    "taken", ["journal.db", "quarantine.db", "journal.db-wal", ""], ids=["journal", "quarantine", "log", "folder"]
)
def test_files_taken_away_beneath_it_end_it_with_a_word_and_nothing_more_is_acknowledged(
    mosquitto: parts.Broker, tmp_path: Path, taken: str
) -> None:
    """It would go on writing into files that end with it."""
    served = settings(tmp_path, mosquitto)
    with Running(served) as collector, Agent(mosquitto) as agent:
        until(collector.hears)
        agent.send(state(1))
        agent.heard()
        (served.data / taken).rename(tmp_path / "taken")
        agent.send(state(2))
        until(collector.ended)
        assert isinstance(collector.failure, StorageError)
        assert "was moved, removed or replaced while it was in use" in collector.failure.what
        assert agent.acks.empty()


def test_a_second_collector_in_the_same_folder_is_refused(mosquitto: parts.Broker, tmp_path: Path) -> None:
    served = settings(tmp_path, mosquitto)
    with collecting(served), Running(served) as second:
        until(second.ended)
        assert isinstance(second.failure, StorageError)
        assert "in use by another process" in second.failure.what


def test_it_stops_in_time_with_influxdb_and_broker_away(mosquitto: parts.Broker, tmp_path: Path) -> None:
    influx = Influx(f"http://127.0.0.1:{free_port()}", database="perch", zones_database="perch_zones")
    with Running(settings(tmp_path, mosquitto, influx)) as collector:
        until(collector.hears)
        mosquitto.kill()
        until(lambda: not collector.hears())
        collector.stop.set()
        until(collector.ended, timeout_s=20)
    assert collector.failure is None


CONFIG = """
data = "data"
sites = ["site.toml"]
[broker]
host = "127.0.0.1"
port = {port}
"""

SITE = site_toml(
    """[[space]]
id = "d01"
name = "Desk 1"
floor = "f1"
zone = "open"
kind = "desk"
agent = "pi-1"
"""
)


def command(tmp_path: Path, broker: parts.Broker) -> list[str]:
    """The command line of a collector in a process of its own."""
    (tmp_path / "site.toml").write_text(SITE)
    (tmp_path / "perch.toml").write_text(CONFIG.format(port=broker.port))
    return [sys.executable, "-m", "perch.commands", "collector", "--config", str(tmp_path / "perch.toml")]


def drained(agent: Agent) -> set[int]:
    """Every number that is acknowledged in what has come so far; waits a little for the first word."""
    numbers: set[int] = set()
    try:
        acks = [agent.acks.get(timeout=0.5)]
        while not agent.acks.empty():
            acks.append(agent.acks.get())
    except queue.Empty:
        return numbers
    for ack in (contract.parse_ack(received.payload) for received in acks):
        numbers.update(range(1, ack.upto + 1), *(range(first, last + 1) for first, last in ack.have))
    return numbers


@pytest.mark.parametrize("step", [1, 7, 50])
def test_killed_in_mid_stream_it_has_what_it_acknowledged_and_nothing_twice(
    mosquitto: parts.Broker, tmp_path: Path, step: int
) -> None:
    """The agent of this test sends again, as agents do, whatever is not acknowledged, and a little more."""
    line, total = command(tmp_path, mosquitto), 40 * step
    acknowledged: set[int] = set()
    with Agent(mosquitto) as agent:
        for kill_at in (total // 4, total // 2, total):
            with subprocess.Popen(line, stderr=subprocess.DEVNULL) as collector:
                while len(acknowledged) < kill_at:
                    assert collector.poll() is None
                    missing = [
                        first for first in range(1, total + 1, step) if not acknowledged >= {*numbers(first, step)}
                    ]
                    for first in [*missing[:6], 1]:
                        agent.send(*map(state, numbers(first, step)))
                    if len(acknowledged) + 6 * step < kill_at or kill_at == total:
                        acknowledged |= drained(agent)
                    else:
                        break
                collector.send_signal(signal.SIGTERM if kill_at == total else signal.SIGKILL)
            acknowledged |= drained(agent)
            stored = sequence(tmp_path / "data")
            assert len(stored) == len(set(stored)), "an event is stored twice"
            assert acknowledged <= set(stored), "an acknowledged event is not stored"
    assert sorted(stored) == list(range(1, total + 1))


def numbers(first: int, count: int) -> range:
    return range(first, first + count)


def test_a_file_that_is_no_journal_is_one_clear_message(mosquitto: parts.Broker, tmp_path: Path) -> None:
    line = command(tmp_path, mosquitto)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "journal.db").write_bytes(b"this is not a journal")
    told = subprocess.run(line, capture_output=True, text=True, check=False, timeout=60)
    assert told.returncode == 1
    assert "journal.db is no database" in told.stderr
    assert "restore it from a backup" in told.stderr
    assert "Traceback" not in told.stderr


def test_a_healthy_collector_logs_no_state_of_any_space(
    mosquitto: parts.Broker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What people do is nobody's business but theirs: logs are read by others than those who may see a desk."""
    caplog.set_level("DEBUG")
    served = settings(tmp_path, mosquitto)
    with collecting(served), Agent(mosquitto) as agent:
        agent.send(state(1), state(2, "elsewhere"))
        agent.heard()
    assert "d01" not in caplog.text
    assert "free" not in caplog.text
    health = json.loads((served.data / "collector.json").read_text())
    assert health["stored"] == 2
