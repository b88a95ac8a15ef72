"""All spaces of one agent, watched together: readings and time in, changes out."""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from perch.errors import IllegalEventError
from perch.model import Occupancy, Reading, Reason, SensedSpace, Sensor, SensorHealth, State
from perch.sensing.health import Hearing, Vitals
from perch.sensing.judge import Believed, Judge, judge
from perch.sensing.space_model import PRIOR
from perch.sensing.voices import NEVER_MS
from perch.sensing.ward import Health, Learned, Ward

_TRUE, _OK = Hearing.TRUE, SensorHealth.OK


@dataclass(frozen=True, slots=True)
class Change:
    """A space is now said to be something else; `row` where state or count differ (a transition), or at a start."""

    space: str
    time_ms: int
    occupancy: Occupancy
    row: bool


class Watch:
    """Judges every space of an agent; owns no clock and no timer.

    Call `start` once, then `observe` and `advance` with times that never go back. `deadline` is the next moment at
    which time alone may change something; `advance(t)` lets every deadline before t come, each dated at its own
    moment, so that it does not matter how often it is called.
    """

    def __init__(self, spaces: Sequence[SensedSpace], sensors: Sequence[Sensor]) -> None:
        self._judges = {space.id: judge(space, sensors) for space in spaces}
        self._ward = Ward(spaces, [sensor for sensor in sensors if sensor.space in self._judges])
        self._heard_by: dict[str, tuple[Vitals, str, Judge[Any] | None]] = {}
        self._beliefs: dict[str, Believed] = {}
        self._timers: list[tuple[int, str]] = []  # a heap; a timer is never later than the deadline of its space
        self._timer_ms: dict[str, int] = {}
        self._soonest_ms = NEVER_MS
        self._now_ms = 0

    def __repr__(self) -> str:
        return f"<Watch over {len(self._judges)} spaces, {self._ward!r}>"

    @property
    def deaf(self) -> tuple[str, ...]:
        """The spaces without any sensor that can speak of presence; they stay `unknown`."""
        return tuple(space for space, one in self._judges.items() if not one.sensors)

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
        for space, belief in self._beliefs.items():
            memories |= self._judges[space].memories(belief)
        steady = self._ward.learned(self._now_ms)
        return {sensor: Learned(memories.get(sensor, ()), *found) for sensor, found in steady.items()}

    def start(
        self,
        time_ms: int,
        levels: Mapping[str, float] | None = None,
        learned: Mapping[str, Learned] | None = None,
    ) -> list[Change]:
        """Begin, or begin again after a gap: every space is `unknown/starting`, then what the pins' levels say.

        What was learned of sensors stays: what this watch learned itself, or what is given at its first start.
        """
        known = self.learned() if self._beliefs else learned or {}
        memories = {sensor: one.memory for sensor, one in known.items()}
        self._now_ms = time_ms
        self._timers.clear()
        self._timer_ms.clear()
        self._ward.start(time_ms, levels or {}, known)
        self._soonest_ms = self._ward.look_ms
        self._heard_by = {sensor: (vitals, "", None) for sensor, vitals in self._ward.vitals.items()}
        for space, one in self._judges.items():
            self._heard_by |= {sensor: (self._ward.vitals[sensor], space, one) for sensor in one.sensors}
        changes = []
        for space, one in self._judges.items():
            before = self._beliefs.get(space)
            belief = one.with_memories(one.begin(time_ms, before.occupancy.probability if before else PRIOR), memories)
            changes.append(Change(space, time_ms, belief.occupancy, row=True))
            changes += self._adopt(space, belief, belief, time_ms)
            changes += self._adopt(space, belief, one.with_levels(belief, levels or {}, time_ms), time_ms)
        return changes

    def observe(self, reading: Reading) -> list[Change]:
        """Take in a reading; raises IllegalEventError where its time lies before what was seen already."""
        time_ms, sensor = reading.time_ms, reading.sensor
        if self._now_ms <= time_ms <= self._soonest_ms:
            self._now_ms = time_ms
            changes: list[Change] = []
        else:
            changes = self.advance(time_ms)
        try:
            vitals, space, one = self._heard_by[sensor]
        except KeyError:
            return changes
        hearing = vitals.hear(time_ms, reading.value)
        if hearing is not _TRUE:
            self._ward.hasten(vitals, time_ms)
            self._soonest_ms = min(self._soonest_ms, self._ward.look_ms)
            if hearing is Hearing.IMPLAUSIBLE:
                return changes
        if one is None:
            return changes
        before = told = self._beliefs[space]
        if vitals.health is not _OK and vitals.health.is_ill:
            if not self._ward.recovers(vitals, time_ms):
                return changes
            told = one.take_back(before, sensor, vitals.value, time_ms)
        after = one.observe(told, reading)
        if after is not before:
            changes += self._adopt(space, before, after, time_ms)
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
            space = self._timers[0][1]
            before = self._beliefs[space]
            changes += self._adopt(space, before, self._judges[space].expire(before), at_ms)
        self._soonest_ms = at_ms
        return changes

    def occupancies(self, time_ms: int) -> dict[str, Occupancy]:
        """Give every space as it stands at a moment not before the last one seen."""
        return {space: self._judges[space].shown(belief, time_ms) for space, belief in self._beliefs.items()}

    def healths(self, time_ms: int) -> dict[str, Health]:
        """Give how every sensor does at a moment."""
        return self._ward.healths(time_ms)

    def _look(self, time_ms: int) -> list[Change]:
        """Look at every sensor: those that fell ill are left out, those that are well again are taken back."""
        changes: list[Change] = []
        fallen, recovered = self._ward.look()
        for sensor in (*fallen, *recovered):
            _, space, one = self._heard_by[sensor]
            if one is None:
                continue
            before = self._beliefs[space]
            if sensor in fallen:
                after = one.leave_out(before, sensor, Reason.SENSOR_STUCK, time_ms)
            else:
                after = one.take_back(before, sensor, self._ward.level(sensor), time_ms)
            changes += self._adopt(space, before, after, time_ms)
        return changes

    def _space_due_ms(self) -> int:
        while self._timers:
            at_ms, space = self._timers[0]
            due_ms = self._beliefs[space].deadline
            if at_ms == due_ms:
                return at_ms
            if at_ms != self._timer_ms.get(space):
                heapq.heappop(self._timers)
            elif due_ms is None:
                heapq.heappop(self._timers)
                del self._timer_ms[space]
            else:
                self._timer_ms[space] = due_ms
                heapq.heapreplace(self._timers, (due_ms, space))
        return NEVER_MS

    def _adopt(self, space: str, before: Believed, after: Believed, time_ms: int) -> Sequence[Change]:
        self._beliefs[space] = after
        due_ms = after.deadline
        if due_ms is not None and due_ms < self._timer_ms.get(space, NEVER_MS):
            self._set_timer(space, due_ms)
        was, said = before.occupancy, after.occupancy
        if said is was:
            return ()
        row = was.state is not said.state or was.count != said.count
        unknown = said.state is State.UNKNOWN and was.reason is not said.reason
        return (Change(space, time_ms, said, row),) if row or unknown else ()

    def _set_timer(self, space: str, due_ms: int) -> None:
        """Set a timer earlier than the one there is; one that rings too early is set anew then."""
        self._timer_ms[space] = due_ms
        heapq.heappush(self._timers, (due_ms, space))
        if due_ms < self._soonest_ms:
            self._soonest_ms = due_ms
