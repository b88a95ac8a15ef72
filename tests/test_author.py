"""What an agent writes down, when it vouches, and what it says of the time in which it was dead."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perch.adapters.outbox.store import Outbox
from perch.contract import AliveEvent, ClockEvent, Event, StateEvent
from perch.model import QUARTER_MS, Clock, Reason, SensedSpace, Sensor, SensorKind, SpaceKind, State
from sensor_agent.author import MARK_EVERY_MS, Author
from sensor_agent.clock import RecordedClock

T0 = 1_760_001_200_000
"""20 minutes past a full hour."""

DESK = SensedSpace("d01", SpaceKind.DESK, hold_ms=900_000)
PIR = Sensor("pir1", SensorKind.MOTION, "d01", None, pin=17)


class Life:
    """An agent's author on virtual time, over an outbox that outlives it."""

    def __init__(self, path: Path, at_ms: int = T0, spaces: tuple[SensedSpace, ...] = (DESK,)) -> None:
        self.events: list[Event] = []
        self.clock = RecordedClock(at_ms)
        self.outbox = Outbox.open(path)
        epoch = f"{at_ms:032x}"
        self.outbox.begin(epoch, self.clock.boot)
        self.author = Author(self.outbox, self.clock, epoch, spaces, (PIR,), self.events.extend, list)
        self.author.start({})

    def live_until(self, at_ms: int) -> None:
        self.clock.now_ms = at_ms
        self.author.advance(self.clock.mono_ms())

    def sense(self, at_ms: int, value: float) -> None:
        self.clock.now_ms = at_ms
        self.author.observe("pir1", value, self.clock.mono_ms())

    def said(self) -> list[tuple[int, State, Reason]]:
        return [(e.wall_ms - T0, e.state, e.reason) for e in self.events if isinstance(e, StateEvent)]

    def marks(self) -> list[int]:
        return [e.wall_ms for e in self.events if isinstance(e, AliveEvent)]


@pytest.fixture
def life(tmp_path: Path) -> Iterator[Life]:
    one = Life(tmp_path / "outbox.db")
    yield one
    one.outbox.close()


def test_it_vouches_at_every_full_quarter_hour(life: Life) -> None:
    life.live_until(T0 + 3_600_000)
    first = (T0 // QUARTER_MS + 1) * QUARTER_MS
    assert life.marks() == [first + n * QUARTER_MS for n in range(4)]


def test_numbers_are_consecutive_from_one_and_every_event_is_in_the_outbox(life: Life) -> None:
    life.sense(T0 + 1000, 1.0)
    life.live_until(T0 + 3_600_000)
    assert [event.seq for event in life.events] == list(range(1, len(life.events) + 1))
    assert life.outbox.read(f"{T0:032x}", 1, 10**6) == tuple(life.events)


def test_an_event_is_dated_by_its_reading_or_deadline_and_not_by_the_loop_that_noticed(life: Life) -> None:
    life.sense(T0 + 1000, 1.0)
    life.sense(T0 + 2000, 0.0)
    life.live_until(T0 + 5 * 3_600_000)
    assert life.said() == [
        (0, State.UNKNOWN, Reason.STARTING),
        (1000, State.OCCUPIED, Reason.MOTION),
        (2000 + 900_000, State.FREE, Reason.QUIET),
    ]


def test_after_a_death_the_time_since_the_last_mark_is_declared_unknown(tmp_path: Path) -> None:
    first = Life(tmp_path / "outbox.db")
    first.sense(T0 + 1000, 1.0)
    first.live_until(T0 + 600_000)
    first.outbox.close()
    second = Life(tmp_path / "outbox.db", T0 + 2_400_000)
    last_mark = 600_000 // MARK_EVERY_MS * MARK_EVERY_MS - (600_000 % MARK_EVERY_MS == 0) * MARK_EVERY_MS
    assert second.said() == [
        (last_mark, State.UNKNOWN, Reason.AGENT_OFFLINE),
        (2_400_000, State.UNKNOWN, Reason.STARTING),
    ]
    second.outbox.close()


def test_the_death_is_dated_at_the_last_event_where_that_is_later_than_the_last_mark(tmp_path: Path) -> None:
    first = Life(tmp_path / "outbox.db")
    first.sense(T0 + MARK_EVERY_MS + 9_000, 1.0)
    first.outbox.close()
    second = Life(tmp_path / "outbox.db", T0 + 600_000)
    assert second.said()[0] == (MARK_EVERY_MS + 9_000, State.UNKNOWN, Reason.AGENT_OFFLINE)
    second.outbox.close()


def test_a_space_that_the_agent_has_no_longer_is_declared_offline_once(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    other = SensedSpace("d02", SpaceKind.DESK, hold_ms=900_000)
    lives = []
    for at_ms, space in ((T0, DESK), (T0 + 600_000, other), (T0 + 900_000, other)):
        lives.append(Life(path, at_ms, (space,)))
        lives[-1].outbox.close()
    spaces = [[(e.space, e.reason) for e in one.events if isinstance(e, StateEvent)] for one in lives]
    assert spaces[1] == [("d01", Reason.AGENT_OFFLINE), ("d02", Reason.STARTING)]
    assert spaces[2] == [("d02", Reason.AGENT_OFFLINE), ("d02", Reason.STARTING)]


def test_a_loop_that_stood_still_says_so_and_begins_again(life: Life) -> None:
    life.sense(T0 + 1000, 1.0)
    life.clock.now_ms = T0 + 1_800_000
    assert life.author.stood_still
    life.author.resume({})
    assert life.said()[-2:] == [
        (1000, State.UNKNOWN, Reason.AGENT_OFFLINE),
        (1_800_000, State.UNKNOWN, Reason.STARTING),
    ]
    assert not life.author.stood_still


def test_after_a_start_without_the_time_the_death_keeps_its_own_date(tmp_path: Path) -> None:
    first = Life(tmp_path / "outbox.db")
    first.live_until(T0 + 3_600_000)
    first.outbox.close()
    clock = RecordedClock(T0 + 3_700_000, wrong_by_ms=-3_000_000, synced=Clock.UNSYNCED)
    events: list[Event] = []
    with Outbox.open(tmp_path / "outbox.db") as outbox:
        outbox.begin("e" * 32, clock.boot)
        Author(outbox, clock, "e" * 32, (DESK,), (PIR,), events.extend, list).start({})
    offline = events[0]
    assert isinstance(offline, StateEvent)
    assert T0 + 3_600_000 - MARK_EVERY_MS <= offline.wall_ms <= T0 + 3_600_000
    assert offline.clock is Clock.OK


def test_a_loop_a_few_seconds_late_did_not_stand_still(life: Life) -> None:
    life.clock.now_ms = T0 + MARK_EVERY_MS + 9_000
    assert not life.author.stood_still


def test_a_step_of_the_wall_clock_is_an_event_and_small_drift_is_not(life: Life) -> None:
    life.clock.wrong_by_ms = 4_000
    life.live_until(T0 + 2 * MARK_EVERY_MS)
    assert not any(isinstance(event, ClockEvent) for event in life.events)
    life.clock.wrong_by_ms = -3_600_000
    life.live_until(T0 + 4 * MARK_EVERY_MS)
    steps = [event for event in life.events if isinstance(event, ClockEvent)]
    assert [(step.boot, step.offset_ms) for step in steps] == [(life.clock.boot, T0 - 3_600_000)]


def test_an_unsynced_agent_marks_its_events_and_tells_when_it_knows_the_time(tmp_path: Path) -> None:
    one = Life(tmp_path / "outbox.db")
    one.outbox.close()
    clock = RecordedClock(T0, wrong_by_ms=-40 * 365 * 86_400_000, synced=Clock.UNSYNCED)
    events: list[Event] = []
    with Outbox.open(tmp_path / "other.db") as outbox:
        outbox.begin("e" * 32, clock.boot)
        author = Author(outbox, clock, "e" * 32, (DESK,), (PIR,), events.extend, list)
        author.start({})
        clock.now_ms = T0 + QUARTER_MS + 1000
        author.advance(clock.mono_ms())
        assert all(not isinstance(e, ClockEvent) and e.clock is Clock.UNSYNCED for e in events)
        assert [e.mono_ms for e in events if isinstance(e, AliveEvent)] == [QUARTER_MS]
        clock.wrong_by_ms, clock.synced = 0, Clock.OK
        clock.now_ms += MARK_EVERY_MS
        author.advance(clock.mono_ms())
    placed = [event for event in events if isinstance(event, ClockEvent)]
    assert [(event.boot, event.offset_ms) for event in placed] == [(clock.boot, T0)]


moves = st.lists(st.tuples(st.integers(1, 2_000_000), st.sampled_from([0.0, 1.0])), max_size=15)


@given(steps=moves)
def test_wall_and_monotonic_time_of_every_event_belong_together_and_never_go_back(
    steps: list[tuple[int, float]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    one = Life(tmp_path_factory.mktemp("author") / "outbox.db")
    at_ms = T0
    for passed, value in steps:
        at_ms += passed
        one.sense(at_ms, value)
    dated = [event for event in one.events if not isinstance(event, ClockEvent)]
    pairs = [(e.wall_ms, e.mono_ms) for e in dated if isinstance(e, StateEvent | AliveEvent)]
    assert all(wall - mono == T0 for wall, mono in pairs)
    assert pairs == sorted(pairs)
    one.outbox.close()
