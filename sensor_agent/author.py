"""Authors history: turns what the watch says into numbered, dated events, and vouches for them with marks.

Events carry both clocks. Wall time is the monotonic time plus an offset, which is measured at the start and at each
mark; a step of more than five seconds, or the first synchronisation, is itself an event (`clock`).
"""

from collections.abc import Callable, Mapping, Sequence

from perch.adapters.outbox import Mark, Outbox
from perch.contract import AliveEvent, ClockEvent, Event, StateEvent
from perch.model import QUARTER_MS, Clock, Occupancy, Reading, Reason, SensedSpace, Sensor, State
from perch.sensing.watch import Change, Watch
from sensor_agent import clock as clocks

MARK_EVERY_MS = 50_000
"""Local marks come a little more often than each minute, so that a loop that is a moment late has no gap."""

GAP_MS = 60_000
STEP_MS = 5_000


class Author:
    """Owns the watch, the numbering and the marks of one epoch; times given to it are monotonic milliseconds.

    `changed` hears of every change at once, since what holds now is worth most while it is new; every event is in the
    outbox before it is handed to `told`.
    """

    def __init__(
        self,
        outbox: Outbox,
        clock: clocks.Clock,
        epoch: str,
        spaces: Sequence[SensedSpace],
        sensors: Sequence[Sensor],
        told: Callable[[Sequence[Event]], None],
        changed: Callable[[Sequence[Change]], None],
    ) -> None:
        self.watch = Watch(spaces, sensors)
        self._outbox = outbox
        self._clock = clock
        self._epoch = epoch
        self._spaces = tuple(space.id for space in spaces)
        self._told = told
        self._changed = changed
        self._seq = 0
        self._offset_ms = clock.wall_ms() - clock.mono_ms()
        self._clock_state = clock.state()
        self._mark_ms = self._last_event_ms = clock.mono_ms()
        self._quarter_ms = 0

    def __repr__(self) -> str:
        return f"<Author of epoch {self._epoch}, {self._seq} events>"

    @property
    def deadline(self) -> int:
        """When time alone gives something to write: a change, a mark or a quarter hour."""
        moments = (self.watch.deadline, self._mark_ms + MARK_EVERY_MS, self._quarter_ms - self._offset_ms)
        return min(moment for moment in moments if moment is not None)

    def wall_of(self, mono_ms: int) -> int:
        """Give the wall time of a monotonic moment of this boot."""
        return mono_ms + self._offset_ms

    def start(self, levels: Mapping[str, float]) -> None:
        """Begin the epoch: what was stated before is over since the last mark, everything is `starting` now."""
        marks = [mark for mark in (self._outbox.mark, self._outbox.last_event) if mark is not None]
        mark = max(marks, key=lambda mark: mark.wall_ms, default=None)
        events = [] if mark is None else [self._offline(space, mark) for space in sorted(self._outbox.spaces)]
        self._begin(self._clock.mono_ms(), events, levels)
        self._outbox.spaces = frozenset(self._spaces)

    @property
    def stood_still(self) -> bool:
        """Whether the loop did not run for more than a minute, so that nothing vouches for that time."""
        return self._clock.mono_ms() - self._mark_ms > GAP_MS

    def resume(self, levels: Mapping[str, float]) -> None:
        """Begin again after the loop stood still: unknown since the last sign of life, `starting` from now."""
        last_ms = max(self._mark_ms, self._last_event_ms)
        mark = Mark(self.wall_of(last_ms), last_ms, self._clock.boot, self._clock_state)
        events = [self._offline(space, mark) for space in self._spaces]
        events += self._measure()
        self._begin(self._clock.mono_ms(), events, levels)

    def observe(self, sensor: str, value: float, mono_ms: int) -> None:
        """Take in a reading, after everything that was due before it."""
        self.advance(mono_ms)
        self._state(self.watch.observe(Reading(mono_ms, sensor, value)))

    def advance(self, mono_ms: int) -> None:
        """Let time pass: changes, marks and quarter hours come in their order, each at its own moment."""
        while (due := self.deadline) < mono_ms:
            self._state(self.watch.advance(due + 1))
            if due >= self._quarter_ms - self._offset_ms:
                self._vouch(due)
            if due >= self._mark_ms + MARK_EVERY_MS:
                self._note(due)

    def note(self) -> None:
        """Leave a local mark now, as at the end."""
        self._note(self._clock.mono_ms())

    def _begin(self, now: int, events: list[Event], levels: Mapping[str, float]) -> None:
        changes = self.watch.start(now, levels)
        self._write([*events, *map(self._stated, changes)])
        self._quarter_ms = self._next_quarter(now)
        self._note(now)

    def _vouch(self, mono_ms: int) -> None:
        self._write([AliveEvent(self._next_seq(), self._quarter_ms, mono_ms, self._clock_state)])
        self._quarter_ms = self._next_quarter(mono_ms)

    def _next_quarter(self, mono_ms: int) -> int:
        """Give the wall time to vouch at next: full quarter hours, or 15 minutes on while it cannot be believed."""
        wall_ms = self.wall_of(mono_ms)
        return wall_ms + QUARTER_MS if self._clock_state is Clock.UNSYNCED else (wall_ms // QUARTER_MS + 1) * QUARTER_MS

    def _note(self, mono_ms: int) -> None:
        self._mark_ms = mono_ms
        self._outbox.mark = Mark(self.wall_of(mono_ms), mono_ms, self._clock.boot, self._clock_state)
        measured = self._measure()
        if measured:
            self._write(measured)
            self._quarter_ms = self._next_quarter(mono_ms)

    def _measure(self) -> list[Event]:
        """Compare the two clocks; small drift is followed in silence, a step is an event."""
        offset_ms, state = self._clock.wall_ms() - self._clock.mono_ms(), self._clock.state()
        stepped = abs(offset_ms - self._offset_ms) > STEP_MS
        synced = state is Clock.OK and self._clock_state is Clock.UNSYNCED
        self._offset_ms, self._clock_state = offset_ms, state
        if state is Clock.OK and (stepped or synced):
            return [ClockEvent(self._next_seq(), self._clock.boot, offset_ms)]
        return []

    def _offline(self, space: str, mark: Mark) -> Event:
        """Say that a space was last vouched for at a mark: it is unknown since then."""
        believed = self._clock_state is Clock.OK
        wall_ms = min(mark.wall_ms, self._clock.wall_ms()) if believed else mark.wall_ms
        mono_ms = mark.mono_ms if mark.boot == self._clock.boot else wall_ms - self._offset_ms  # before this boot: < 0
        said = Occupancy(State.UNKNOWN, self._last_probability(space), None, Reason.AGENT_OFFLINE, wall_ms)
        return StateEvent(
            self._next_seq(), space, said.state, said.probability, None, said.reason, wall_ms, mono_ms, mark.clock
        )

    def _last_probability(self, space: str) -> float:
        known = self.watch.occupancies(self._clock.mono_ms()).get(space)
        return 0.5 if known is None else known.probability

    def _state(self, changes: Sequence[Change]) -> None:
        if changes:
            self._changed(changes)
            self._write([self._stated(change) for change in changes])

    def _stated(self, change: Change) -> Event:
        said = change.occupancy
        wall_ms = self.wall_of(change.time_ms)
        return StateEvent(
            self._next_seq(),
            change.space,
            said.state,
            said.probability,
            said.count,
            said.reason,
            wall_ms,
            change.time_ms,
            self._clock_state,
        )

    def _next_seq(self) -> int:
        self._seq += 1
        return self._seq

    def _write(self, events: Sequence[Event]) -> None:
        if not events:
            return
        self._outbox.append(self._epoch, events)
        self._last_event_ms = self._clock.mono_ms()
        self._told(events)
