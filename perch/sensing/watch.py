"""All spaces of one agent, watched together: readings and time in, changes out."""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from perch.errors import IllegalEventError
from perch.model import Occupancy, Reading, SensedSpace, Sensor, SensorHealth, State
from perch.sensing.health import Hearing, Vitals
from perch.sensing.judge import Believed, Judge, judge
from perch.sensing.voices import NEVER_MS, PRIOR
from perch.sensing.ward import Health, Learned, Ward

_TRUE, _OK = Hearing.TRUE, SensorHealth.OK


@dataclass(frozen=True, slots=True)
class Change:
    """A space is now said to be something else; `row` where state or count differ (a transition), or at a start."""

    space: str
    time_ms: int
    occupancy: Occupancy
    row: bool


class Watched:
    """A space, what judges it, what is believed of it, and when its timer rings: never later than its deadline."""

    __slots__ = ("belief", "judge", "space", "timer_ms")

    def __init__(self, space: str, one: Judge[Any]) -> None:
        self.space = space
        self.judge = one
        self.belief: Any = None  # what its judge believes; nothing before the start
        self.timer_ms = NEVER_MS

    def __repr__(self) -> str:
        return f"<Watched {self.space}, {self.belief!r}>"


class Listened(NamedTuple):
    """How a sensor does, and the space of which it speaks; None where it has nothing to say of presence."""

    vitals: Vitals
    watched: Watched | None


class Watch:
    """Judges every space of an agent; owns no clock and no timer.

    Call `start` once, then `observe` and `advance` with times that never go back. `deadline` is the next moment at
    which time alone may change something; `advance(t)` lets every deadline before t come, each dated at its own
    moment, so that it does not matter how often it is called.
    """

    def __init__(self, spaces: Sequence[SensedSpace], sensors: Sequence[Sensor]) -> None:
        self._spaces = {space.id: Watched(space.id, judge(space, sensors)) for space in spaces}
        self._ward = Ward(spaces, [sensor for sensor in sensors if sensor.space in self._spaces])
        self._listened: dict[str, Listened] = {}
        self._timers: list[tuple[int, str]] = []  # a heap; some are of spaces that have an earlier one meanwhile
        self._soonest_ms = NEVER_MS
        self._now_ms = 0

    def __repr__(self) -> str:
        return f"<Watch over {len(self._spaces)} spaces, {self._ward!r}>"

    @property
    def now_ms(self) -> int:
        """The latest moment seen; readings and times before it are refused."""
        return self._now_ms

    @property
    def deadline(self) -> int | None:
        """The next moment at which `advance` may have something to say, None before the start."""
        deadline = min(self._space_due_ms(), self._ward.look_ms)
        return None if deadline == NEVER_MS else deadline

    def learned(self) -> dict[str, Learned]:
        """Give what was learned of every sensor, to be handed to a later `start`."""
        memories: dict[str, tuple[float, ...]] = {}
        for one in self._begun():
            memories |= one.judge.memories(one.belief)
        known = self._ward.learned(self._now_ms)
        return {sensor: one._replace(memory=memories.get(sensor, ())) for sensor, one in known.items()}

    def start(
        self,
        time_ms: int,
        levels: Mapping[str, float] | None = None,
        learned: Mapping[str, Learned] | None = None,
    ) -> list[Change]:
        """Begin, or begin again after a gap: every space is `unknown/starting`, then what the pins' levels say.

        What was learned of sensors stays: what this watch learned itself, or what is given at its first start.
        """
        known = self.learned() if self._begun() else learned or {}
        memories = {sensor: one.memory for sensor, one in known.items()}
        self._now_ms = time_ms
        self._timers.clear()
        self._ward.start(time_ms, levels or {}, known)
        self._soonest_ms = self._ward.look_ms
        self._listened = {sensor: Listened(vitals, None) for sensor, vitals in self._ward.vitals.items()}
        changes = []
        for watched in self._spaces.values():
            one, before = watched.judge, watched.belief
            self._listened |= {sensor: Listened(self._ward.vitals[sensor], watched) for sensor in one.sensors}
            belief = one.with_memories(one.begin(time_ms, before.occupancy.probability if before else PRIOR), memories)
            changes.append(Change(watched.space, time_ms, belief.occupancy, row=True))
            watched.belief, watched.timer_ms = belief, NEVER_MS
            self._adopt(watched, belief, time_ms)
            changes += self._adopt(watched, one.with_levels(belief, levels or {}, time_ms), time_ms)
        return changes

    def observe(self, reading: Reading) -> list[Change]:
        """Take in a reading; raises IllegalEventError where its time lies before what was seen already."""
        time_ms = reading.time_ms
        if self._now_ms <= time_ms <= self._soonest_ms:
            self._now_ms = time_ms
            changes: list[Change] = []
        else:
            changes = self.advance(time_ms)
        try:
            vitals, watched = self._listened[reading.sensor]
        except KeyError:
            return changes
        hearing = vitals.hear(time_ms, reading.value)
        if hearing is not _TRUE:
            self._ward.hasten(vitals, time_ms)
            self._soonest_ms = min(self._soonest_ms, self._ward.look_ms)
            if hearing is Hearing.IMPLAUSIBLE:
                return changes
        if watched is None:
            return changes
        before = belief = watched.belief
        if vitals.health is not _OK and vitals.health.is_ill:
            if not self._ward.recovers(vitals, time_ms):
                return changes
            belief = watched.judge.take_back(before, reading.sensor, vitals.value, time_ms)
        after = watched.judge.observe(belief, reading)
        if after is not before:
            changes += self._adopt(watched, after, time_ms)
        return changes

    def advance(self, time_ms: int) -> list[Change]:
        """Let time pass up to, but not including, a moment; raises IllegalEventError where it would go back."""
        if time_ms < self._now_ms:
            raise IllegalEventError(f"time {time_ms} lies before {self._now_ms}, which was seen already")
        self._now_ms = time_ms
        changes: list[Change] = []
        while (at_ms := min(self._space_due_ms(), self._ward.look_ms)) < time_ms:
            if at_ms == self._ward.look_ms:
                changes += self._look(at_ms)
                continue
            watched = self._spaces[self._timers[0][1]]
            changes += self._adopt(watched, watched.judge.expire(watched.belief), at_ms)
        self._soonest_ms = at_ms
        return changes

    def occupancies(self, time_ms: int) -> dict[str, Occupancy]:
        """Give every space as it stands at a moment not before the last one seen."""
        return {one.space: one.judge.shown(one.belief, time_ms) for one in self._begun()}

    def healths(self, time_ms: int) -> dict[str, Health]:
        """Give how every sensor does at a moment."""
        inside = {one.space: one.belief.occupancy.count or 0 for one in self._begun()}
        return self._ward.healths(time_ms, inside)

    def _look(self, time_ms: int) -> list[Change]:
        """Look at every sensor: those that fell ill are left out, those that are well again are taken back."""
        changes: list[Change] = []
        fallen, recovered = self._ward.look()
        for sensor in (*fallen, *recovered):
            watched = self._listened[sensor].watched
            if watched is None:
                continue
            one, before = watched.judge, watched.belief
            if sensor in fallen:
                after = one.leave_out(before, sensor, self._ward.reason(sensor), time_ms)
            else:
                after = one.take_back(before, sensor, self._ward.level(sensor), time_ms)
            changes += self._adopt(watched, after, time_ms)
        return changes

    def _begun(self) -> list[Watched]:
        """Give the spaces, none before the start."""
        return [one for one in self._spaces.values() if one.belief is not None]

    def _space_due_ms(self) -> int:
        while self._timers:
            at_ms, space = self._timers[0]
            watched = self._spaces[space]
            due_ms = watched.belief.deadline
            if at_ms == due_ms:
                return at_ms
            if at_ms != watched.timer_ms:
                heapq.heappop(self._timers)
            elif due_ms is None:
                heapq.heappop(self._timers)
                watched.timer_ms = NEVER_MS
            else:
                watched.timer_ms = due_ms
                heapq.heapreplace(self._timers, (due_ms, space))
        return NEVER_MS

    def _adopt(self, watched: Watched, after: Believed, time_ms: int) -> Sequence[Change]:
        was, said, due_ms = watched.belief.occupancy, after.occupancy, after.deadline
        watched.belief = after
        if due_ms is not None and due_ms < watched.timer_ms:
            self._set_timer(watched, due_ms)
        if said is was:
            return ()
        row = was.state is not said.state or was.count != said.count
        unknown = said.state is State.UNKNOWN and was.reason is not said.reason
        return (Change(watched.space, time_ms, said, row),) if row or unknown else ()

    def _set_timer(self, watched: Watched, due_ms: int) -> None:
        """Set a timer earlier than the one there is; one that rings too early is set anew then."""
        watched.timer_ms = due_ms
        heapq.heappush(self._timers, (due_ms, watched.space))
        if due_ms < self._soonest_ms:
            self._soonest_ms = due_ms
