"""Authors history: turns what the watch says into numbered, dated events, and vouches for them with marks.

Events carry both clocks. Order, intervals and deadlines come from the monotonic one alone. Wall time is the monotonic
time plus an offset, which changes with a `clock` event and never without one: at the first synchronisation, and when
the wall clock is more than five seconds from where the offset has it. While the wall clock cannot be believed the
offset stays what it was.
"""

from collections.abc import Callable, Mapping, Sequence

from perch.adapters.lost_spans import BEFORE_BOOT_MS
from perch.adapters.outbox.memory import Mark
from perch.adapters.outbox.store import Outbox
from perch.contract import AliveEvent, ClockEvent, Event, StateEvent
from perch.delivery.lost import Moment
from perch.model import QUARTER_MS, STEP_MS, Clock, Occupancy, Reading, Reason, SensedSpace, Sensor, State
from perch.sensing.ward import Learned
from perch.sensing.watch import Change, Watch
from sensor_agent import clock as clocks
from sensor_agent.ledger import Ledger

MARK_EVERY_MS = 50_000
"""Local marks come a little more often than each minute, so that a loop that is a moment late has no gap."""

GAP_MS = 60_000


class Author:
    """Owns the watch, the dates and the marks of one epoch; times given to it are monotonic milliseconds.

    `changed` hears of every change at once, since what holds now is worth most while it is new; every event is in the
    outbox before it is handed to `told`. While the outbox cannot be written, `changed` goes on (see `Ledger`).
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
        self._changed = changed
        self._ledger = Ledger(outbox, epoch, clock.boot, told)
        self._last_sign = outbox.last_sign
        self._offset_ms, self._clock_state = self._first_offset()
        self._mark_ms = self._last_event_ms = self._vouch_ms = self._vouched_ms = clock.mono_ms()

    def __repr__(self) -> str:
        return f"<Author of epoch {self._epoch}, {self._ledger!r}>"

    @property
    def deadline(self) -> int:
        """When time alone gives something to write: a change, a mark, a quarter hour, or what could not be written."""
        moments = (self.watch.deadline, self._mark_ms + MARK_EVERY_MS, self._vouch_ms, self._ledger.deadline)
        return min(moment for moment in moments if moment is not None)

    @property
    def trouble(self) -> str | None:
        """Why nothing can be written at present, None where all is well."""
        return self._ledger.trouble

    def wall_of(self, mono_ms: int) -> int:
        """Give the wall time of a monotonic moment of this boot."""
        return mono_ms + self._offset_ms

    def start(self, levels: Mapping[str, float], learned: Mapping[str, Learned] | None = None) -> None:
        """Begin the epoch: what was stated before is over since the last mark, everything is `starting` now."""
        sign = self._last_sign
        events = [] if sign is None else [self._offline(space, sign) for space in sorted(self._outbox.spaces)]
        events += self._measure()
        self._begin(self._clock.mono_ms(), events, levels, learned)

    @property
    def stood_still(self) -> bool:
        """Whether the loop did not run for more than a minute, so that nothing vouches for that time."""
        return self._clock.mono_ms() - self._mark_ms > GAP_MS

    def resume(self, levels: Mapping[str, float]) -> None:
        """Begin again after the loop stood still: unknown since the last sign of life, `starting` from now."""
        last_ms = max(self._mark_ms, self._last_event_ms)
        sign = Mark(self.wall_of(last_ms), last_ms, self._clock.boot, self._clock_state)
        events = [self._offline(space, sign) for space in self._spaces]
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
            if due >= self._vouch_ms:
                self._vouch()
            if due >= self._mark_ms + MARK_EVERY_MS:
                self._note(due)
            if self._ledger.deadline is not None and due >= self._ledger.deadline:
                self._recover(due)

    def note(self) -> None:
        """Leave a local mark now, as at the end."""
        self._note(self._clock.mono_ms())

    def confess(self) -> None:
        """Tell of what the outbox had to give up, and state every space anew."""
        now = self._clock.mono_ms()
        if self._ledger.trouble is None:
            self._write([*self._ledger.confessions(), *self._restated(now)])

    def _begin(
        self,
        now: int,
        events: list[Event],
        levels: Mapping[str, float],
        learned: Mapping[str, Learned] | None = None,
    ) -> None:
        changes = self.watch.start(now, levels, learned)
        self._write([*events, *map(self._stated, changes)])
        self._vouched_ms = now
        self._vouch_ms = self._next_vouch(now)
        self._note(now)

    def _vouch(self) -> None:
        at_ms = self._vouch_ms
        self._write([AliveEvent(self._ledger.number(), self.wall_of(at_ms), at_ms, self._clock_state)])
        self._vouched_ms = at_ms
        self._vouch_ms = self._next_vouch(at_ms)

    def _next_vouch(self, mono_ms: int) -> int:
        """Give when to vouch next: at full quarter hours, or after 15 minutes while wall time cannot be believed.

        A clock that is set again and again may put the full quarter hour off for ever, but nothing beyond half an hour.
        """
        if self._clock_state is Clock.UNSYNCED:
            return mono_ms + QUARTER_MS
        latest_ms = self._vouched_ms + 2 * QUARTER_MS
        return min((self.wall_of(mono_ms) // QUARTER_MS + 1) * QUARTER_MS - self._offset_ms, latest_ms)

    def _note(self, mono_ms: int) -> None:
        self._mark_ms = mono_ms
        measured = self._measure()
        if measured:
            self._write(measured)
            self._vouch_ms = self._next_vouch(mono_ms)
        mark = Mark(self.wall_of(mono_ms), mono_ms, self._clock.boot, self._clock_state)
        self._ledger.mark(mark, frozenset(self._spaces))

    def _measure(self) -> list[Event]:
        """Compare the two clocks: where the wall clock can be believed and says something else, tell its new offset."""
        offset_ms, state = self._clock.wall_ms() - self._clock.mono_ms(), self._clock.state()
        synced = state is Clock.OK and self._clock_state is Clock.UNSYNCED
        stepped = state is Clock.OK and abs(offset_ms - self._offset_ms) > STEP_MS
        self._clock_state = state
        if not (synced or stepped):
            return []
        self._offset_ms = offset_ms
        return [self._told_offset()]

    def _told_offset(self) -> Event:
        return ClockEvent(self._ledger.number(), self._clock.boot, self._offset_ms)

    def _first_offset(self) -> tuple[int, Clock]:
        """Give the offset to begin with, and whether to believe it: within a boot it is that of the epoch before."""
        sign = self._last_sign
        if sign is not None and sign.boot == self._clock.boot:
            return sign.wall_ms - sign.mono_ms, sign.clock
        return self._clock.wall_ms() - self._clock.mono_ms(), self._clock.state()

    def _recover(self, mono_ms: int) -> None:
        """Try to write again: first what was missed, then every space anew."""
        events = self._ledger.confessions()
        if events:
            if self._ledger.missed_clock:
                events.append(self._told_offset())
            self._ledger.retry([*events, *self._restated(mono_ms)], self._moment(mono_ms))
        self._note(mono_ms)

    def _offline(self, space: str, sign: Mark) -> Event:
        """Say that a space was last vouched for at some sign of life: it is unknown since then."""
        when = self._moment(sign.mono_ms) if sign.boot == self._clock.boot else self._before_boot(sign)
        said = Occupancy(State.UNKNOWN, self._last_probability(space), None, Reason.AGENT_OFFLINE, when.wall_ms)
        return self._event(space, said, when)

    def _before_boot(self, sign: Mark) -> Moment:
        """Date a sign of life of an earlier boot: by its own wall time, and before this boot."""
        if not sign.clock is self._clock_state is Clock.OK:
            return Moment(sign.wall_ms, BEFORE_BOOT_MS, sign.clock)
        wall_ms = min(sign.wall_ms, self._clock.wall_ms())
        return Moment(wall_ms, min(wall_ms - self._offset_ms, BEFORE_BOOT_MS), Clock.OK)

    def _last_probability(self, space: str) -> float:
        known = self.watch.occupancies(self._clock.mono_ms()).get(space)
        return 0.5 if known is None else known.probability

    def _state(self, changes: Sequence[Change]) -> None:
        if changes:
            self._changed(changes)
            self._write([self._stated(change) for change in changes])

    def _stated(self, change: Change) -> Event:
        return self._event(change.space, change.occupancy, self._moment(change.time_ms))

    def _restated(self, mono_ms: int) -> list[Event]:
        """State every space as it is, for all that may have been lost before."""
        when = self._moment(mono_ms)
        return [self._event(space, said, when) for space, said in self.watch.occupancies(mono_ms).items()]

    def _event(self, space: str, said: Occupancy, when: Moment) -> Event:
        return StateEvent(
            self._ledger.number(),
            space,
            said.state,
            said.probability,
            said.count,
            said.reason,
            when.wall_ms,
            when.mono_ms,
            when.clock,
        )

    def _moment(self, mono_ms: int) -> Moment:
        return Moment(self.wall_of(mono_ms), mono_ms, self._clock_state)

    def _write(self, events: Sequence[Event]) -> None:
        if events:
            self._last_event_ms = self._clock.mono_ms()
            self._ledger.write(events, self._moment(self._last_event_ms))
