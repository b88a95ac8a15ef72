"""An agent whose wall clock jumps: nothing is dropped, reordered or dated otherwise than its `clock` events say."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from perch.adapters.outbox.store import Outbox
from perch.contract import AliveEvent, ClockEvent, Event, StateEvent
from perch.model import QUARTER_MS, STEP_MS, Clock, Reason, SensedSpace, Sensor, SensorKind, SpaceKind
from sensor_agent.author import GAP_MS, MARK_EVERY_MS, Author
from tests.examples import usually

BOOT = "b" * 16
TRUE_OFFSET_MS = 1_760_001_234_567
"""When this machine was booted, 12:34.567 minutes before a quarter hour."""

HOUR_MS = 3_600_000
DESK = SensedSpace("d01", SpaceKind.DESK)
PIR = Sensor("pir1", SensorKind.MOTION, "d01", None, pin=17)
STEP_OF_LOOP_MS = 5_000
LONG_MS = QUARTER_MS + 2 * MARK_EVERY_MS
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  many small outboxes, and none of them must survive


@dataclass
class Jumpy:
    """The clocks of a machine whose wall clock is wrong by some time, and may know it."""

    mono: int = 40_000
    wrong_by_ms: int = 0
    believed: bool = True
    boot: str = BOOT

    def mono_ms(self) -> int:
        return self.mono

    def wall_ms(self) -> int:
        return self.mono + TRUE_OFFSET_MS + self.wrong_by_ms

    def state(self) -> Clock:
        return Clock.OK if self.believed else Clock.UNSYNCED


@dataclass
class Life:
    """An author with what it told, each event with the moment at which it was told."""

    outbox: Outbox
    clock: Jumpy
    epoch: str = "e" * 32
    told: list[tuple[int, Event]] = field(default_factory=list)
    stood_still: list[tuple[int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.outbox.begin(self.epoch, self.clock.boot)
        self.author = Author(self.outbox, self.clock, self.epoch, (DESK,), (PIR,), self.take, list)
        self.author.start({})

    def take(self, events: tuple[Event, ...]) -> None:
        self.told += [(self.clock.mono, event) for event in events]

    def live(self, passed_ms: int) -> None:
        """Let time pass in the steps of a loop."""
        end = self.clock.mono + passed_ms
        while self.clock.mono < end:
            self.clock.mono = min(self.clock.mono + STEP_OF_LOOP_MS, end)
            self.author.advance(self.clock.mono)

    def stand_still(self, passed_ms: int) -> None:
        before = self.clock.mono
        self.clock.mono += passed_ms
        if self.author.stood_still:
            self.stood_still.append((before, self.clock.mono))
            self.author.resume({})

    def sense(self, value: float) -> None:
        self.author.observe("pir1", value, self.clock.mono)

    def become(self, wrong_by_ms: int) -> None:
        """Let the wall clock jump; 1970 is known to be wrong."""
        self.clock.wrong_by_ms = wrong_by_ms
        self.clock.believed = wrong_by_ms > -20 * 365 * 24 * HOUR_MS

    def wander(self, wrong_by_ms: int) -> None:
        """Let the wall clock jump and stay there."""
        self.become(wrong_by_ms)
        self.live(LONG_MS)

    @property
    def events(self) -> list[Event]:
        return [event for _, event in self.told]

    def states(self) -> list[tuple[object, ...]]:
        """Give what was stated and when; the last sign of life before a standstill may have been a `clock` event."""
        return [
            (e.space, e.state, e.probability, e.reason, None if e.reason is Reason.AGENT_OFFLINE else e.mono_ms)
            for e in self.events
            if isinstance(e, StateEvent)
        ]


@contextmanager
def life(clock: Jumpy) -> Iterator[Life]:
    folder = SHARED_MEMORY if SHARED_MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(dir=folder) as where, Outbox.open(Path(where) / "outbox.db") as outbox:
        yield Life(outbox, clock)


jumps = st.sampled_from(
    [
        0,
        2_000,
        -4_000,
        7_000,
        HOUR_MS,
        -HOUR_MS,
        -14 * 60_000,
        3 * HOUR_MS + 1,
        74 * 365 * 24 * HOUR_MS,
        -TRUE_OFFSET_MS,
    ]
)
"""How wrong the clock gets: right, nearly, seconds, hours, in 2100, in 1970."""

deeds = st.lists(
    st.one_of(
        st.tuples(st.just("live"), st.integers(1, 25 * 60_000)),
        st.tuples(st.just("sense"), st.sampled_from([0.0, 1.0])),
        st.tuples(st.just("become"), jumps),
        st.tuples(st.just("wander"), jumps),
        st.tuples(st.just("stand_still"), st.integers(GAP_MS // 2, GAP_MS * 3)),
    ),
    max_size=12,
)


@usually(50)
@example(begun_wrong=0, done=[("wander", -TRUE_OFFSET_MS)])
@example(begun_wrong=-TRUE_OFFSET_MS, done=[("wander", HOUR_MS), ("wander", -14 * 60_000)])
@given(begun_wrong=jumps, done=deeds)
def test_whatever_the_wall_clock_does_history_is_whole_and_can_be_put_right(
    begun_wrong: int, done: list[tuple[str, float]]
) -> None:
    with life(Jumpy()) as steady, life(began(begun_wrong)) as one:
        for what, how in [*done, ("become", 0), ("live", 2 * MARK_EVERY_MS)]:
            getattr(one, what)(how)
            if what != "become":
                getattr(steady, what)(how)
        assert one.states() == steady.states()
        assert [event.seq for event in one.events] == list(range(1, len(one.events) + 1))
        dated = [event.mono_ms for event in one.events if isinstance(event, StateEvent | AliveEvent)]
        assert dated == sorted(dated)
        only_clock_events_move_the_offset(one.events)
        the_last_clock_event_puts_all_right(one.events)
        marks_come_each_quarter_hour(one)


def began(wrong_by_ms: int) -> Jumpy:
    return Jumpy(wrong_by_ms=wrong_by_ms, believed=wrong_by_ms != -TRUE_OFFSET_MS)


def only_clock_events_move_the_offset(events: list[Event]) -> None:
    offset_ms: int | None = None
    for event in events:
        if isinstance(event, ClockEvent):
            assert offset_ms is not None
            offset_ms = event.offset_ms
        elif isinstance(event, StateEvent | AliveEvent):
            offset_ms = event.wall_ms - event.mono_ms if offset_ms is None else offset_ms
            assert event.wall_ms - event.mono_ms == offset_ms


def the_last_clock_event_puts_all_right(events: list[Event]) -> None:
    told = [event.offset_ms for event in events if isinstance(event, ClockEvent)]
    for event in events:
        if isinstance(event, StateEvent | AliveEvent):
            assert told or event.clock is Clock.OK
            wall_ms = event.mono_ms + told[-1] if told else event.wall_ms
            assert abs(wall_ms - (event.mono_ms + TRUE_OFFSET_MS)) <= STEP_MS


def marks_come_each_quarter_hour(one: Life) -> None:
    """Between two `clock` events, or standstills, none comes twice and none is left out."""
    cuts = [(at, at) for at, event in one.told if isinstance(event, ClockEvent)] + one.stood_still
    edges = [one.told[0][0], *(edge for cut in sorted(cuts) for edge in cut), one.clock.mono]
    marks = [event for event in one.events if isinstance(event, AliveEvent)]
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        within = [mark.mono_ms for mark in marks if start < mark.mono_ms < end - STEP_OF_LOOP_MS]
        beats = [start, *within, end]
        assert all(later - earlier <= QUARTER_MS + 2 * STEP_OF_LOOP_MS for earlier, later in pairwise(beats))
        assert all(later - earlier == QUARTER_MS for earlier, later in pairwise(within))
    for before, mark in pairwise([None, *marks]):
        late = before is not None and mark is not None and mark.mono_ms - before.mono_ms >= 2 * QUARTER_MS
        assert late or mark is None or mark.clock is not Clock.OK or mark.wall_ms % QUARTER_MS == 0


def test_small_drift_is_followed_by_nothing_until_it_sums_up() -> None:
    with life(Jumpy()) as one:
        for _ in range(4):
            one.become(one.clock.wrong_by_ms + 2_000)
            one.live(MARK_EVERY_MS + 1)
        assert [event.offset_ms for event in one.events if isinstance(event, ClockEvent)] == [TRUE_OFFSET_MS + 6_000]


def test_a_restart_within_a_boot_keeps_the_offset_and_tells_when_the_clock_was_set_meanwhile(tmp_path: Path) -> None:
    clock = Jumpy(wrong_by_ms=-TRUE_OFFSET_MS, believed=False)
    with Outbox.open(tmp_path / "outbox.db") as outbox:
        Life(outbox, clock).live(5 * 60_000)
        clock.wrong_by_ms, clock.believed = 0, True
        clock.mono += 60_000
        second = Life(outbox, clock, "f" * 32)
    offline, told, starting = second.events
    assert isinstance(offline, StateEvent)
    assert isinstance(told, ClockEvent)
    assert isinstance(starting, StateEvent)
    assert (offline.reason, offline.clock, offline.wall_ms) == (Reason.AGENT_OFFLINE, Clock.UNSYNCED, offline.mono_ms)
    assert (told.boot, told.offset_ms) == (BOOT, TRUE_OFFSET_MS)
    assert (starting.clock, starting.wall_ms - starting.mono_ms) == (Clock.OK, TRUE_OFFSET_MS)


@pytest.mark.parametrize("believed", [True, False])
def test_a_death_in_an_earlier_boot_is_dated_before_this_one(believed: bool, tmp_path: Path) -> None:
    with Outbox.open(tmp_path / "outbox.db") as outbox:
        first = Life(outbox, Jumpy())
        first.live(10 * 60_000)
        died_ms = first.clock.wall_ms()
        later = Jumpy(mono=3_000, wrong_by_ms=HOUR_MS, believed=believed, boot="c" * 16)
        offline = Life(outbox, later, "f" * 32).events[0]
    assert isinstance(offline, StateEvent)
    assert offline.reason is Reason.AGENT_OFFLINE
    assert died_ms - MARK_EVERY_MS <= offline.wall_ms <= died_ms
    assert offline.clock is Clock.OK
    assert offline.mono_ms < 0


def test_a_clock_that_is_set_back_all_the_time_puts_no_mark_off() -> None:
    """A full quarter hour may never come by such a clock; what was stated is vouched for all the same."""
    with life(Jumpy()) as one:
        for _ in range(120):
            one.live(MARK_EVERY_MS)
            one.become(one.clock.wrong_by_ms - one.clock.wall_ms() % QUARTER_MS + 60_000)
        marks = [moment for moment, event in one.told if isinstance(event, AliveEvent)]
    begun = one.clock.mono - 120 * MARK_EVERY_MS
    gaps = [later - earlier for earlier, later in zip([begun, *marks], [*marks, one.clock.mono], strict=True)]
    assert max(gaps) <= 2 * QUARTER_MS + STEP_OF_LOOP_MS
