"""All spaces of one agent, watched together: readings and time in, changes out."""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from perch.errors import IllegalEventError
from perch.model import Occupancy, Reading, SensedSpace, Sensor, SensorHealth, State
from perch.sensing.estimator import Estimator
from perch.sensing.hold import Hold
from perch.sensing.space_model import PRIOR
from perch.sensing.voices import NEVER_MS, silence_limit_ms


@dataclass(frozen=True, slots=True)
class Change:
    """A space is now said to be something else; `row` where state or count differ (a transition), or at a start."""

    space: str
    time_ms: int
    occupancy: Occupancy
    row: bool


@dataclass(frozen=True, slots=True)
class Health:
    """How a sensor does since when, and when it last said something (ms of the watch's clock)."""

    health: SensorHealth
    since_ms: int
    last_ms: int | None


class Believed(Protocol):
    """What the watch asks of a belief; everything else in it is its judge's own business."""

    @property
    def occupancy(self) -> Occupancy:
        """What is said of the space; the same object as long as nothing else is said."""
        ...

    @property
    def deadline(self) -> int | None:
        """A moment before which time alone changes nothing."""
        ...


B = TypeVar("B", bound=Believed)


class Judge(Protocol[B]):
    """How one space is judged. Beliefs are values: everything here gives another one and touches nothing."""

    @property
    def sensors(self) -> tuple[str, ...]:
        """The sensors that it listens to."""
        ...

    def begin(self, time_ms: int, probability: float) -> B:
        """Begin with not knowing."""
        ...

    def with_levels(self, belief: B, levels: Mapping[str, float], time_ms: int) -> B:
        """Take in the levels found on the pins at a start."""
        ...

    def observe(self, belief: B, reading: Reading) -> B:
        """Take in a reading, after every deadline before it."""
        ...

    def expire(self, belief: B) -> B:
        """Let the deadline come."""
        ...

    def shown(self, belief: B, time_ms: int) -> Occupancy:
        """Give the occupancy at a moment not before the last one."""
        ...


def judge(space: SensedSpace, sensors: Sequence[Sensor]) -> Judge[Any]:
    """Give what judges a space: the estimator, or the hold time that somebody has set."""
    return Estimator(space, sensors) if space.hold_ms is None else Hold(space, sensors)


class Watch:
    """Judges every space of an agent; owns no clock and no timer.

    Call `start` once, then `observe` and `advance` with times that never go back. `deadline` is the next moment at
    which time alone may change something; `advance(t)` lets every deadline before t come, each dated at its own
    moment, so that it does not matter how often it is called.
    """

    def __init__(self, spaces: Sequence[SensedSpace], sensors: Sequence[Sensor]) -> None:
        self._judges = {space.id: judge(space, sensors) for space in spaces}
        quiet_ms = {space.id: space.quiet_limit_ms for space in spaces}
        self._sensors = tuple(sensor for sensor in sensors if sensor.space in self._judges)
        self._limits_ms = {sensor.id: silence_limit_ms(sensor, quiet_ms[sensor.space]) for sensor in self._sensors}
        self._space_of = {sensor: space for space, one in self._judges.items() for sensor in one.sensors}
        self._beliefs: dict[str, Believed] = {}
        self._timers: list[tuple[int, str]] = []  # a heap; a timer is never later than the deadline of its space
        self._timer_ms: dict[str, int] = {}
        self._soonest_ms = NEVER_MS
        self._heard_ms: dict[str, int] = {}
        self._started_ms = 0
        self._now_ms = 0

    def __repr__(self) -> str:
        return f"<Watch over {len(self._judges)} spaces, {len(self._sensors)} sensors>"

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
        """The next moment at which `advance` may have something to say, None where there is none."""
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
        return None

    def start(self, time_ms: int, levels: Mapping[str, float] | None = None) -> list[Change]:
        """Begin, or begin again after a gap: every space is `unknown/starting`, then what the pins' levels say."""
        self._started_ms = self._now_ms = time_ms
        self._timers.clear()
        self._timer_ms.clear()
        self._soonest_ms = NEVER_MS
        self._heard_ms.clear()
        changes = []
        for space, one in self._judges.items():
            before = self._beliefs.get(space)
            belief = one.begin(time_ms, before.occupancy.probability if before else PRIOR)
            changes.append(Change(space, time_ms, belief.occupancy, row=True))
            self._set_timer(space, belief.deadline)
            changes += self._adopt(space, belief, one.with_levels(belief, levels or {}, time_ms), time_ms)
        return changes

    def observe(self, reading: Reading) -> list[Change]:
        """Take in a reading; raises IllegalEventError where its time lies before what was seen already."""
        time_ms, sensor = reading.time_ms, reading.sensor
        if time_ms < self._now_ms or self._soonest_ms < time_ms:
            changes = self.advance(time_ms)
        else:
            self._now_ms, changes = time_ms, []
        self._heard_ms[sensor] = time_ms
        space = self._space_of.get(sensor)
        if space is None:
            return changes
        before = self._beliefs[space]
        after = self._judges[space].observe(before, reading)
        return changes + self._adopt(space, before, after, time_ms)

    def advance(self, time_ms: int) -> list[Change]:
        """Let time pass up to, but not including, a moment; raises IllegalEventError where it would go back."""
        if time_ms < self._now_ms:
            raise IllegalEventError(f"time {time_ms} lies before {self._now_ms}, which was seen already")
        self._now_ms = time_ms
        changes: list[Change] = []
        while (at_ms := self.deadline) is not None and at_ms < time_ms:
            space = self._timers[0][1]
            before = self._beliefs[space]
            changes += self._adopt(space, before, self._judges[space].expire(before), at_ms)
        self._soonest_ms = NEVER_MS if at_ms is None else at_ms
        return changes

    def occupancies(self, time_ms: int) -> dict[str, Occupancy]:
        """Give every space as it stands at a moment not before the last one seen."""
        return {space: self._judges[space].shown(belief, time_ms) for space, belief in self._beliefs.items()}

    def healths(self, time_ms: int) -> dict[str, Health]:
        """Give how every sensor does at a moment."""
        return {sensor.id: self._health(sensor, time_ms) for sensor in self._sensors}

    def _health(self, sensor: Sensor, time_ms: int) -> Health:
        last_ms = self._heard_ms.get(sensor.id)
        from_ms = self._started_ms if last_ms is None else last_ms
        limit_ms = self._limits_ms[sensor.id]
        if time_ms >= from_ms + limit_ms:
            return Health(SensorHealth.SILENT, from_ms + limit_ms, last_ms)
        if last_ms is None and not sensor.edge_driven:
            return Health(SensorHealth.STARTING, self._started_ms, None)
        return Health(SensorHealth.OK, self._started_ms, last_ms)

    def _adopt(self, space: str, before: Believed, after: Believed, time_ms: int) -> list[Change]:
        self._beliefs[space] = after
        self._set_timer(space, after.deadline)
        was, said = before.occupancy, after.occupancy
        if said is was:
            return []
        row = was.state is not said.state or was.count != said.count
        unknown = said.state is State.UNKNOWN and was.reason is not said.reason
        return [Change(space, time_ms, said, row)] if row or unknown else []

    def _set_timer(self, space: str, due_ms: int | None) -> None:
        """Set a timer where there is none that early; one that rings too early is set anew then."""
        if due_ms is not None and due_ms < self._timer_ms.get(space, NEVER_MS):
            self._timer_ms[space] = due_ms
            heapq.heappush(self._timers, (due_ms, space))
            if due_ms < self._soonest_ms:
                self._soonest_ms = due_ms
