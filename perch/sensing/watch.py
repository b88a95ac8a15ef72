"""All spaces of one agent, watched together: readings and time in, changes out."""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from perch.errors import IllegalEventError
from perch.model import Occupancy, Reading, SensedSpace, Sensor, SensorHealth, State
from perch.sensing import hold
from perch.sensing.evidence import VOICES
from perch.sensing.hold import Belief


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


class Watch:
    """Judges every space of an agent by its rule; owns no clock and no timer.

    Call `start` once, then `observe` and `advance` with times that never go back. `deadline` is the next moment at
    which time alone changes something; `advance(t)` lets every deadline before t come, each dated at its own moment,
    so that it does not matter how often it is called.
    """

    def __init__(self, spaces: Sequence[SensedSpace], sensors: Sequence[Sensor]) -> None:
        self._rules = {space.id: hold.rule_for(space, tuple(sensors)) for space in spaces}
        self._space_of = {
            sensor.id: sensor.space for sensor in sensors if sensor.kind in VOICES and sensor.space in self._rules
        }
        self._sensors = tuple(sensors)
        self._beliefs: dict[str, Belief] = {}
        self._deadlines: list[tuple[int, str]] = []
        self._heard_ms: dict[str, int] = {}
        self._started_ms = 0
        self._now_ms = 0

    def __repr__(self) -> str:
        return f"<Watch over {len(self._rules)} spaces, {len(self._sensors)} sensors>"

    @property
    def deaf(self) -> tuple[str, ...]:
        """The spaces without any sensor that can speak of presence; they stay `unknown`."""
        return tuple(space for space, rule in self._rules.items() if not rule.voices)

    @property
    def now_ms(self) -> int:
        """The latest moment seen; readings and times before it are refused."""
        return self._now_ms

    @property
    def deadline(self) -> int | None:
        """The next moment at which `advance` has something to say, None where there is none."""
        while self._deadlines:
            at_ms, space = self._deadlines[0]
            if self._beliefs[space].deadline == at_ms:
                return at_ms
            heapq.heappop(self._deadlines)
        return None

    def start(self, time_ms: int, levels: Mapping[str, float] | None = None) -> list[Change]:
        """Begin, or begin again after a gap: every space is `unknown/starting`, then what the pins' levels say."""
        self._started_ms = self._now_ms = time_ms
        self._deadlines.clear()
        self._heard_ms.clear()
        changes = []
        for space, rule in self._rules.items():
            before = self._beliefs.get(space)
            belief = hold.begin(rule, time_ms, before.occupancy.probability if before else hold.PRIOR)
            changes.append(Change(space, time_ms, belief.occupancy, row=True))
            self._set_timer(space, belief)
            changes += self._adopt(space, belief, hold.with_levels(rule, belief, levels or {}, time_ms), time_ms)
        return changes

    def observe(self, reading: Reading) -> list[Change]:
        """Take in a reading; raises IllegalEventError where its time lies before what was seen already."""
        changes = self.advance(reading.time_ms)
        self._heard_ms[reading.sensor] = reading.time_ms
        space = self._space_of.get(reading.sensor)
        if space is None:
            return changes
        before = self._beliefs[space]
        after = hold.observe(self._rules[space], before, reading)
        return changes + self._adopt(space, before, after, reading.time_ms)

    def advance(self, time_ms: int) -> list[Change]:
        """Let time pass up to, but not including, a moment; raises IllegalEventError where it would go back."""
        if time_ms < self._now_ms:
            raise IllegalEventError(f"time {time_ms} lies before {self._now_ms}, which was seen already")
        self._now_ms = time_ms
        changes: list[Change] = []
        while (at_ms := self.deadline) is not None and at_ms < time_ms:
            space = self._deadlines[0][1]
            before = self._beliefs[space]
            changes += self._adopt(space, before, hold.expire(self._rules[space], before), at_ms)
        return changes

    def occupancies(self, time_ms: int) -> dict[str, Occupancy]:
        """Give every space as it stands at a moment not before the last one seen."""
        return {space: hold.shown(self._rules[space], belief, time_ms) for space, belief in self._beliefs.items()}

    def healths(self, time_ms: int) -> dict[str, Health]:
        """Give how every sensor does at a moment."""
        return {sensor.id: self._health(sensor, time_ms) for sensor in self._sensors}

    def _health(self, sensor: Sensor, time_ms: int) -> Health:
        last_ms = self._heard_ms.get(sensor.id)
        from_ms = self._started_ms if last_ms is None else last_ms
        limit_ms = self._silence_ms(sensor)
        if time_ms >= from_ms + limit_ms:
            return Health(SensorHealth.SILENT, from_ms + limit_ms, last_ms)
        if last_ms is None and not sensor.edge_driven:
            return Health(SensorHealth.STARTING, self._started_ms, None)
        return Health(SensorHealth.OK, self._started_ms, last_ms)

    def _silence_ms(self, sensor: Sensor) -> int:
        if sensor.every_ms is not None:
            return int(sensor.every_ms * hold.MISSED_SAMPLES)
        return self._rules[sensor.space].space.quiet_limit_ms

    def _adopt(self, space: str, before: Belief, after: Belief, time_ms: int) -> list[Change]:
        self._beliefs[space] = after
        if after.deadline != before.deadline:
            self._set_timer(space, after)
        row = (before.occupancy.state, before.occupancy.count) != (after.occupancy.state, after.occupancy.count)
        unknown = after.occupancy.state is State.UNKNOWN and before.occupancy.reason is not after.occupancy.reason
        return [Change(space, time_ms, after.occupancy, row)] if row or unknown else []

    def _set_timer(self, space: str, belief: Belief) -> None:
        if belief.deadline is not None:
            heapq.heappush(self._deadlines, (belief.deadline, space))
