"""An outbox that cannot be read is set aside, said so, and a fresh one begun: sensing goes on."""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from gpiozero import Device

from perch.adapters.outbox.aside import KEEP, aside, open_or_begin, set_aside
from perch.adapters.outbox.memory import Mark
from perch.adapters.outbox.store import Outbox
from perch.contract import AliveEvent, Event
from perch.errors import DamagedError, StorageError
from perch.model import Clock, SensedSpace, Sensor, SensorKind, SpaceKind, State
from perch.settings import AgentSettings, Broker, SensingSettings
from sensor_agent import process
from sensor_agent.agent import Agent, outbox_path
from sensor_agent.clock import SystemClock
from sensor_agent.inputs import Inputs, use_mock_pins
from tests import parts
from tests.acknowledging import Acknowledging
from tests.parts import until

EPOCH, BOOT = "a" * 32, "b" * 16
SEAT = Sensor("seat", SensorKind.PRESENCE, "d01", None, pin=17)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """An outbox with a thousand events, closed."""
    path = tmp_path / "outbox.db"
    with Outbox.open(path) as outbox:
        outbox.begin(EPOCH, BOOT)
        outbox.append(EPOCH, [AliveEvent(seq, 1_000 * seq, seq, Clock.OK) for seq in range(1, 1_001)])
    return path


def torn(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(3 * 4096)
        file.write(b"\xa5" * 8192)


def cut_short(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def scribbled(path: Path) -> None:
    path.write_bytes(b"no database at all" * 1_000)


@pytest.mark.parametrize("damage", [torn, cut_short, emptied, scribbled])
def test_a_damaged_outbox_is_set_aside_and_a_fresh_one_begun(damage: object, path: Path) -> None:
    assert callable(damage)
    damage(path)
    spoilt = path.read_bytes()
    outbox, told = open_or_begin(path, Outbox.open)
    with outbox:
        assert outbox.lanes() == ()
        assert outbox.begin(EPOCH, BOOT) == 1
    (kept,) = aside(path)
    assert kept.read_bytes() == spoilt
    assert told is not None
    assert str(kept) in told


def test_what_lies_aside_is_told_of_until_somebody_removes_it(path: Path) -> None:
    scribbled(path)
    open_or_begin(path, Outbox.open)[0].close()
    outbox, told = open_or_begin(path, Outbox.open)
    outbox.close()
    assert told is not None
    for one in aside(path):
        one.unlink()
    outbox, told = open_or_begin(path, Outbox.open)
    outbox.close()
    assert told is None


def test_only_the_newest_that_were_set_aside_are_kept(path: Path) -> None:
    for number in range(5):
        path.write_text(f"damaged {number}")
        set_aside(path, DamagedError("it is torn", ""))
    assert [one.read_text() for one in aside(path)] == ["damaged 3", "damaged 4"]
    assert len(aside(path)) == KEEP


def test_where_a_fresh_one_has_no_room_those_set_aside_give_it_theirs(path: Path) -> None:
    scribbled(path)
    tries: list[int] = []

    def open_outbox(where: Path) -> Outbox:
        tries.append(len(aside(where)))
        if len(tries) == 1:
            return Outbox.open(where)
        if aside(where):
            raise StorageError("the disk is full", "")
        return Outbox.open(where)

    outbox, told = open_or_begin(path, open_outbox)
    outbox.close()
    assert tries == [0, 1, 0]
    assert told is None


def test_a_folder_that_cannot_be_written_stays_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        open_or_begin(tmp_path / "file" / "outbox.db", Outbox.open)


def test_a_newer_file_is_no_damaged_one(path: Path) -> None:
    with Outbox.open(path) as outbox:
        outbox._db.execute("PRAGMA user_version = 99")
    with pytest.raises(StorageError, match="newer version"):
        open_or_begin(path, Outbox.open)
    assert aside(path) == []


class Wearing(Outbox):
    """An outbox that turns out to be damaged when the second event comes, the first time that it is opened."""

    opened = 0

    def append(self, epoch: str, events: Sequence[Event]) -> None:
        if Wearing.opened == 1 and events[-1].seq >= 2:
            raise DamagedError("the outbox is damaged", "")
        super().append(epoch, events)

    @classmethod
    def anew(cls, path: Path) -> Outbox:
        """Open it and count."""
        cls.opened += 1
        return cls.open(path)


@pytest.fixture
def settings(mosquitto: parts.Broker, tmp_path: Path) -> Iterator[AgentSettings]:
    use_mock_pins()
    where = Broker(host=mosquitto.host, port=mosquitto.port)
    space = SensedSpace("d01", SpaceKind.DESK)
    yield AgentSettings("hq", "pi-1", tmp_path, where, SensingSettings((space,), (SEAT,)), 1_000)
    Device.pin_factory.reset()


def end(agent: threading.Thread, stop: threading.Event) -> None:
    """Let an agent stop, and wake it up to see that."""
    stop.set()
    pin = Device.pin_factory.pin(17)
    while agent.is_alive():
        pin.drive_low()
        pin.drive_high()
        agent.join(0.1)


def test_an_agent_whose_outbox_breaks_senses_on_within_seconds_in_a_new_epoch(settings: AgentSettings) -> None:
    stop = threading.Event()
    Wearing.opened = 0
    with Acknowledging(settings.broker) as heard:
        agent = threading.Thread(target=process.run, args=(settings, stop, Wearing.anew))
        agent.start()
        try:
            until(lambda: heard.stated())
            Device.pin_factory.pin(17).drive_high()
            until(lambda: len({epoch for epoch, _ in dict(heard.events)}) == 2)
            Device.pin_factory.pin(17).drive_high()  # a mock pin forgets its level when it is closed
            until(lambda: heard.states and heard.states[-1][1].state is State.OCCUPIED)
            until(lambda: heard.statuses[-1].online and heard.statuses[-1].notice)
        finally:
            end(agent, stop)
    (kept,) = aside(outbox_path(settings))
    assert str(kept) in (heard.statuses[-2].notice or "")
    assert heard.statuses[-2].trouble is None


def test_an_agent_begins_with_a_fresh_outbox_where_its_own_is_torn(settings: AgentSettings) -> None:
    outbox_path(settings).write_bytes(b"torn" * 5_000)
    stop = threading.Event()
    with Acknowledging(settings.broker) as heard:
        agent = threading.Thread(target=process.run, args=(settings, stop))
        agent.start()
        try:
            until(lambda: heard.stated())
            until(lambda: heard.statuses and heard.statuses[-1].notice)
        finally:
            end(agent, stop)
    (kept,) = aside(outbox_path(settings))
    assert kept.read_bytes() == b"torn" * 5_000
    assert str(kept) in (heard.statuses[-2].notice or "")


class Breaking(Outbox):
    """An outbox that is found to be damaged at the very end, when the last mark is left."""

    ends = False

    @property
    def mark(self) -> Mark | None:
        return super().mark

    @mark.setter
    def mark(self, mark: Mark) -> None:
        if self.ends:
            raise DamagedError("the outbox is damaged", "")
        self._set_meta("mark", f"{mark.wall_ms} {mark.mono_ms} {mark.boot} {mark.clock}")


def test_an_agent_whose_outbox_breaks_at_its_end_says_farewell_and_lets_go_of_all(settings: AgentSettings) -> None:
    opened: list[Breaking] = []

    def open_outbox(path: Path) -> Outbox:
        opened.append(Breaking.open(path))
        return opened[-1]

    with Acknowledging(settings.broker) as heard:
        agent = Agent(settings, SystemClock(), (SEAT,), open_outbox).__enter__()
        until(lambda: agent.turn(0.01) or agent.connected)
        opened[0].ends = True
        with pytest.raises(DamagedError):
            agent.__exit__(None, None, None)
        until(lambda: heard.statuses and not heard.statuses[-1].online)
        Inputs((SEAT,), lambda *_: None).close()
        Outbox.open(outbox_path(settings)).close()
