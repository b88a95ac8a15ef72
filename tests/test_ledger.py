"""An agent whose outbox cannot be written for a while: it senses on, and confesses what it could not keep."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perch.adapters.outbox.memory import Mark
from perch.adapters.outbox.store import Outbox
from perch.contract import ClockEvent, Event, LostEvent, StateEvent
from perch.errors import DamagedError, StorageError
from perch.model import QUARTER_MS, Clock, Reason, SensedSpace, Sensor, SensorKind, SpaceKind, State
from perch.sensing.watch import Change
from sensor_agent.author import Author
from sensor_agent.clock import RecordedClock
from sensor_agent.ledger import FIRST_RETRY_MS, LAST_RETRY_MS
from tests.examples import usually

T0 = 1_760_001_200_000
EPOCH = "e" * 32
SPACES = (SensedSpace("d01", SpaceKind.DESK, hold_ms=900_000), SensedSpace("d02", SpaceKind.DESK, hold_ms=900_000))
PIR = Sensor("pir1", SensorKind.MOTION, "d01", None, pin=17)
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  many small outboxes, and none of them must survive


class Failing(Outbox):
    """An outbox on a disk that fails while it is told to."""

    broken: StorageError | None = None
    tries = 0

    def append(self, epoch: str, events: Sequence[Event]) -> None:
        self.tries += 1
        if self.broken is not None:
            raise self.broken
        super().append(epoch, events)

    def _set_meta(self, key: str, value: str) -> None:
        if self.broken is not None:
            raise self.broken
        super()._set_meta(key, value)


class Life:
    """An author over a failing outbox, on virtual time."""

    def __init__(self, outbox: Failing) -> None:
        self.outbox = outbox
        self.clock = RecordedClock(T0, boot="b" * 16)
        self.told: list[Event] = []
        self.changes: list[Change] = []
        outbox.begin(EPOCH, self.clock.boot)
        self.author = Author(outbox, self.clock, EPOCH, SPACES, (PIR,), self.told.extend, self.changes.extend)
        self.author.start({})

    def live(self, passed_ms: int) -> None:
        end = self.clock.now_ms + passed_ms
        while self.clock.now_ms < end:
            self.clock.now_ms = min(self.clock.now_ms + 5_000, end)
            self.author.advance(self.clock.mono_ms())

    def sense(self, value: float) -> None:
        self.author.observe("pir1", value, self.clock.mono_ms())

    def break_for(self, passed_ms: int) -> None:
        self.outbox.broken = StorageError("the disk is worn out", "get another one")
        self.live(passed_ms)

    def mend(self) -> None:
        """Let the disk be well for long enough to be tried again."""
        self.outbox.broken = None
        self.live(LAST_RETRY_MS + 5_000)

    def kept(self) -> tuple[Event, ...]:
        return self.outbox.read(EPOCH, 1, 10**6)


@contextmanager
def living() -> Iterator[Life]:
    folder = SHARED_MEMORY if SHARED_MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(dir=folder) as where, Failing.open(Path(where) / "outbox.db") as outbox:
        yield Life(outbox)


@pytest.fixture
def life() -> Iterator[Life]:
    with living() as one:
        yield one


def test_what_could_not_be_written_is_confessed_and_every_space_stated_anew(life: Life) -> None:
    life.live(1_000)
    life.break_for(1_000)
    life.sense(1.0)
    life.live(2_000)
    life.sense(0.0)
    life.mend()
    lost, *anew = life.told[2:4] + life.told[4:5]
    assert isinstance(lost, LostEvent)
    assert (lost.epoch, lost.lost[0], lost.lost[1], lost.reason) == (EPOCH, 3, lost.seq - 1, "write-failed")
    assert (lost.from_ms, lost.from_mono_ms) == (T0 + 2_000, 2_000)
    assert lost.to_mono_ms >= 2_000
    assert [(e.space, e.state) for e in anew if isinstance(e, StateEvent)] == [
        ("d01", State.OCCUPIED),
        ("d02", State.UNKNOWN),
    ]
    assert life.kept() == tuple(life.told)


def test_what_holds_now_is_said_while_nothing_can_be_written_and_the_trouble_is_told(life: Life) -> None:
    life.break_for(1_000)
    life.sense(1.0)
    assert [change.occupancy.reason for change in life.changes][-1] is Reason.MOTION
    told = "the disk is worn out (get another one); events are not accepted until it can be written"
    assert life.author.trouble == told
    life.mend()
    assert life.author.trouble is None


def test_writing_is_tried_again_ever_less_often_but_each_minute(life: Life) -> None:
    life.break_for(1_000)
    life.sense(1.0)
    before = life.outbox.tries
    life.live(10_000)
    assert life.outbox.tries - before == 3
    life.live(10 * LAST_RETRY_MS)
    before = life.outbox.tries
    life.live(10 * LAST_RETRY_MS)
    assert life.outbox.tries - before == pytest.approx(10, abs=1)


def test_a_mark_that_cannot_be_written_is_trouble_too_and_loses_no_number(life: Life) -> None:
    life.break_for(60_000)
    assert life.author.trouble is not None
    life.mend()
    assert life.author.trouble is None
    assert not any(isinstance(event, LostEvent) for event in life.told)
    assert life.outbox.mark is not None
    assert life.outbox.mark.mono_ms >= 60_000


def test_a_clock_event_that_could_not_be_written_is_told_again(life: Life) -> None:
    life.clock.wrong_by_ms = 3_600_000
    life.break_for(60_000)
    life.mend()
    told = [event for event in life.told if isinstance(event, ClockEvent)]
    assert [(event.boot, event.offset_ms) for event in told] == [(life.clock.boot, T0 + 3_600_000)]


def test_damage_is_no_trouble_to_wait_for(life: Life) -> None:
    life.outbox.broken = DamagedError("the outbox is damaged", "")
    with pytest.raises(DamagedError):
        life.sense(1.0)


def test_an_agent_that_cannot_write_from_the_start_confesses_how_it_began(tmp_path: Path) -> None:
    with Failing.open(tmp_path / "outbox.db") as outbox:
        first = Life(outbox)
        first.live(60_000)
    with Failing.open(tmp_path / "outbox.db") as outbox:
        outbox.begin("f" * 32, "c" * 16)
        outbox.broken = StorageError("the disk is worn out", "")
        told: list[Event] = []
        clock = RecordedClock(T0 + 600_000, boot="c" * 16)
        author = Author(outbox, clock, "f" * 32, SPACES, (PIR,), told.extend, list)
        author.start({})
        outbox.broken = None
        clock.now_ms += FIRST_RETRY_MS + 1
        author.advance(clock.mono_ms())
        assert outbox.mark == Mark(T0 + 600_000 + FIRST_RETRY_MS, FIRST_RETRY_MS, "c" * 16, Clock.OK)
    lost = told[0]
    assert isinstance(lost, LostEvent)
    assert lost.lost == (1, 4)
    assert T0 <= lost.from_ms <= T0 + 60_000
    assert (lost.from_mono_ms < 0, lost.to_ms, lost.to_mono_ms) == (True, T0 + 600_000, 0)


deeds = st.lists(
    st.one_of(
        st.tuples(st.just("live"), st.integers(1, QUARTER_MS)),
        st.tuples(st.just("sense"), st.sampled_from([0.0, 1.0])),
        st.tuples(st.just("break_for"), st.integers(1, 3 * LAST_RETRY_MS)),
        st.tuples(st.just("mend"), st.none()),
    ),
    max_size=14,
)


@usually(50)
@given(done=deeds)
def test_every_number_is_kept_or_confessed_and_after_each_loss_every_space_is_stated(
    done: list[tuple[str, float | None]],
) -> None:
    with living() as life:
        for what, how in [*done, ("mend", None)]:
            act: Callable[..., None] = getattr(life, what)
            act() if how is None else act(how)
        kept = life.kept()
        assert kept == tuple(life.told)
        numbers = {event.seq for event in kept}
        lost = [event for event in kept if isinstance(event, LostEvent)]
        gone = {seq for event in lost for seq in range(event.lost[0], event.lost[1] + 1)}
        assert not numbers & gone
        assert numbers | gone == set(range(1, kept[-1].seq + 1))
        dated = [event.mono_ms for event in kept if isinstance(event, StateEvent)]
        assert dated == sorted(dated)
        for event in lost:
            after = [one for one in kept if isinstance(one, StateEvent) and one.seq > event.seq]
            assert {one.space for one in after[: len(SPACES)]} == {"d01", "d02"}
            assert event.from_mono_ms <= event.to_mono_ms <= after[0].mono_ms
