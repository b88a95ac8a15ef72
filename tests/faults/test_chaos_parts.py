"""What a campaign is made of does what its table of faults says."""

import random
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from collector.intake import Intake
from collector.live import Live
from collector.sorting import Arrival
from perch import contract
from perch.adapters.journal import backup as journal_backup
from perch.adapters.journal.store import Journal, JournalReader, Run, Stream
from perch.adapters.quarantine.store import Quarantine, QuarantineReader
from perch.chaos import testimony
from perch.chaos.campaign import FAULTS, Weighed, deal
from perch.chaos.corpus import bad_inputs, visitors
from perch.chaos.intruder import altered
from perch.chaos.proxy import FAIR, Link, Weather
from perch.chaos.report import weighed
from perch.contract import AliveEvent, parse_up
from perch.delivery.liveness import Instant
from perch.delivery.watermark import Watermark
from perch.errors import PerchError, StorageError
from perch.model import Clock
from tests.parts import free_port, until

EPOCH, BOOT = "e" * 32, "b" * 16
D1, D2 = "00" * 6, "0f" * 6
STREAM = Stream("hq", "a1", EPOCH)


def chance(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311  # nothing secret


def alive(seq: int) -> AliveEvent:
    return AliveEvent(seq, 1_790_000_000_000 + seq, seq, Clock.OK)


class TestPlan:
    """Which faults are drawn."""

    def test_a_seed_gives_the_same_plan(self) -> None:
        first, again = (deal(chance(5)) for _ in range(2))
        assert [next(first).name for _ in range(200)] == [next(again).name for _ in range(200)]

    def test_each_kind_comes_once_before_any_comes_twice(self) -> None:
        dealt = deal(chance(6))
        assert next(dealt).name == "agent unplugged for longer than its word"  # this one needs time
        assert len({next(dealt).name for _ in FAULTS}) == len(FAULTS)


class TestTestimony:
    """What an agent accepts is seen from outside."""

    @pytest.fixture
    def told(self) -> testimony.Testimony:
        return testimony.Testimony("hq", "a1")

    def test_a_line_without_its_answer_leaves_events_in_doubt(self, told: testimony.Testimony) -> None:
        told.read([f"? {EPOCH} 1 {D1} {D2}\n".encode(), f"= {EPOCH} 1 2\n".encode(), f"? {EPOCH} 3 {D1}\n".encode()])
        assert told.accepted == {STREAM: {1: D1, 2: D2}}
        assert told.in_doubt == {STREAM: {3: D1}}

    def test_a_torn_line_says_nothing(self, told: testimony.Testimony) -> None:
        told.read([f"? {EPOCH} 1 {D1}\n".encode(), f"= {EPOCH} 1".encode()])
        assert told.accepted == {}

    def test_the_outbox_tells_what_it_accepts_and_what_it_refuses(
        self, told: testimony.Testimony, tmp_path: Path
    ) -> None:
        seen, wire = socket.socketpair()
        with closing(seen), closing(wire), testimony.TestifyingOutbox.open(tmp_path / "outbox.db") as outbox:
            outbox.told_fd = wire.fileno()
            outbox.begin(EPOCH, BOOT)
            outbox.append(EPOCH, [alive(1), alive(2)])
            with pytest.raises(PerchError):
                outbox.append(EPOCH, [alive(2)])
            told.read(seen.recv(65_536).splitlines(keepends=True))
        assert list(told.accepted[STREAM]) == [1, 2]
        assert list(told.refused[STREAM]) == [2]


class Echo:
    """A server that says everything back."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                wire, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._echo, args=(wire,), daemon=True).start()

    def _echo(self, wire: socket.socket) -> None:
        with wire:
            try:
                while piece := wire.recv(65_536):
                    wire.sendall(piece)
            except OSError:
                return

    def close(self) -> None:
        self._listening.close()


class TestLink:
    """A link that can be made bad."""

    @pytest.fixture
    def link(self) -> Iterator[Link]:
        echo = Echo()
        link = Link(free_port(), echo.port)
        link.start()
        yield link
        link.stop()
        echo.close()

    @pytest.fixture
    def wire(self, link: Link) -> Iterator[socket.socket]:
        with socket.create_connection(("127.0.0.1", link.port), timeout=5) as wire:
            yield wire

    def test_a_fair_link_passes_everything_on(self, wire: socket.socket) -> None:
        said = chance(1).randbytes(300_000)
        threading.Thread(target=wire.sendall, args=(said,), daemon=True).start()
        heard = bytearray()
        while len(heard) < len(said):
            heard += wire.recv(65_536)
        assert bytes(heard) == said

    def test_a_reset_is_an_error_at_the_other_end(self, link: Link, wire: socket.socket) -> None:
        wire.sendall(b"x")
        wire.recv(1)
        link.reset()
        with pytest.raises(ConnectionError):
            wire.recv(1)

    @pytest.mark.parametrize("weather", [Weather(silent=True), Weather(swallows_replies=True)])
    def test_a_mute_link_says_nothing(self, link: Link, wire: socket.socket, weather: Weather) -> None:
        wire.sendall(b"x")
        wire.recv(1)
        link.turn(weather)
        wire.sendall(b"y")
        wire.settimeout(0.3)
        with pytest.raises(TimeoutError):
            wire.recv(1)

    def test_what_waited_on_a_silent_link_comes_afterwards(self, link: Link, wire: socket.socket) -> None:
        link.turn(Weather(silent=True))
        wire.sendall(b"late")
        link.turn(FAIR)
        assert wire.recv(4) == b"late"

    def test_a_slow_link_passes_everything_on_in_order(self, link: Link, wire: socket.socket) -> None:
        link.turn(Weather(delay_s=0.05, bytes_per_s=2_000))
        wire.sendall(bytes(range(100)))
        heard = bytearray()
        while len(heard) < 100:
            heard += wire.recv(100)
        assert bytes(heard) == bytes(range(100))

    def test_a_link_that_refuses_cuts_whoever_comes(self, link: Link) -> None:
        link.turn(Weather(refuses=True))
        with (
            pytest.raises(ConnectionError),
            socket.create_connection(("127.0.0.1", link.port), timeout=5) as wire,
        ):
            wire.recv(1)


class TestCrashPoints:
    """Dying at a named point."""

    APPEND = (
        "from pathlib import Path; from perch.adapters.outbox.store import Outbox\n"
        "from perch.contract import AliveEvent\n"
        "from perch.model import Clock\n"
        "with Outbox.open(Path('outbox.db')) as outbox:\n"
        "    outbox.begin('e' * 32, 'b' * 16)\n"
        "    outbox.append('e' * 32, [AliveEvent(1, 1, 1, Clock.OK)])\n"
        "    print('accepted', flush=True)\n"
    )

    def die(self, at: str | None, folder: Path) -> tuple[int, str]:
        environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(filter(None, sys.path))}
        if at is not None:
            environment["PERCH_CRASH_AT"] = at
        run = subprocess.run(
            [sys.executable, "-c", self.APPEND],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return run.returncode, run.stdout

    def test_unset_nothing_happens(self, tmp_path: Path) -> None:
        assert self.die(None, tmp_path) == (0, "accepted\n")

    @pytest.mark.parametrize(("moment", "kept"), [("written", 0), ("committed", 1)])
    def test_it_dies_there_and_nowhere_else(self, moment: str, kept: int, tmp_path: Path) -> None:
        for times in range(1, 9):  # opening and beginning are transactions too
            folder = tmp_path / str(times)
            folder.mkdir()
            code, said = self.die(f"outbox.db/{moment}:{times}", folder)
            if code == 0:
                break
            assert (code, said) == (-signal.SIGKILL, "")
            last = folder
        with testimony.TestifyingOutbox.open(last / "outbox.db") as outbox:
            assert sum(lane.last for lane in outbox.lanes()) == kept


class TestBackup:
    """A journal that is put back is another one."""

    def test_a_copy_that_was_put_back_has_its_events_and_another_id(self, tmp_path: Path) -> None:
        path, copy = tmp_path / "journal.db", tmp_path / "copy.db"
        with Journal.open(path) as journal:
            known = journal.id
            journal.append([Run(STREAM, BOOT, None, 1, (alive(1),))], {STREAM: Watermark(1)})
            journal_backup.back_up(path, copy)
            journal.append([Run(STREAM, BOOT, None, 1, (alive(2),))], {STREAM: Watermark(2)})
        journal_backup.put_back(copy, path)
        with Journal.open(path) as journal, JournalReader(path) as reader:
            assert journal.watermark(STREAM) == Watermark(1)
            assert [entry.event for entry in reader.read(0, 10)] == [alive(1)]
            assert journal.id != known

    def test_it_is_not_put_back_under_a_running_collector(self, tmp_path: Path) -> None:
        path, copy = tmp_path / "journal.db", tmp_path / "copy.db"
        with Journal.open(path):
            journal_backup.back_up(path, copy)
            with pytest.raises(StorageError, match="in use"):
                journal_backup.put_back(copy, path)


class TestCorpus:
    """Messages that nobody should send, and messages of other versions."""

    def test_bad_inputs_are_borne_and_other_versions_are_stored(self, tmp_path: Path) -> None:
        with (
            Journal.open(tmp_path / "journal.db") as journal,
            Quarantine.open(tmp_path / "quarantine.db") as quarantine,
        ):
            live = Live((), lambda _: None, Instant(0, 0))
            intake = Intake(journal, quarantine, {}, live, lambda _: True)
            messages = bad_inputs("hq")
            for topic, payload in messages:
                intake.take([Arrival(topic, payload, False, 5_000, 50)])
            for _, topic, payload in visitors("hq"):
                intake.take([Arrival(topic, payload, False, 5_000, 50)])
            assert intake.counts.messages == len(messages) + 3
            assert all(journal.watermark(stream) == Watermark(3) for stream, _, _ in visitors("hq"))
        reader = QuarantineReader(tmp_path / "quarantine.db")
        with closing(reader):
            assert len(reader.read(limit=1_000)) > 50

    def test_an_altered_batch_has_the_same_numbers_and_other_content(self) -> None:
        for _, _, payload in visitors("hq"):
            true, false = parse_up(payload), parse_up(altered(payload))
            assert [event.seq for event in true.events] == [event.seq for event in false.events]
            assert true.events != false.events

    def test_todays_words_are_version_one(self) -> None:
        (_, _, today), (_, _, newer), _ = visitors("hq")
        assert parse_up(today).events == parse_up(newer).events
        assert contract.VERSION == 1


def test_memory_is_summed_up_by_thirds_and_over_the_longest_life() -> None:
    held = ((0, 10), (0, 11), (0, 12), (29, 50), (29, 13), (29, 60), (29, 30), (29, 31), (29, 32))
    told = weighed([Weighed(at * 10.0, kib, started_s) for at, (started_s, kib) in enumerate(held)])
    assert list(told.values()) == [11, 50, 31, 60, 51, 50, 32]


def test_a_link_says_since_when_its_newest_connection_stands() -> None:
    echo = Echo()
    link = Link(free_port(), echo.port)
    link.start()
    try:
        assert link.connected_s == float("inf")
        with socket.create_connection(("127.0.0.1", link.port), timeout=5):
            until(lambda: link.connected_s < float("inf"))
        until(lambda: link.connected_s == float("inf"))
    finally:
        link.stop()
        echo.close()
