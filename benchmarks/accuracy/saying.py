"""What is said of a space at each moment at which somebody looked: by the estimator, and by simpler rules.

A rule takes readings in order of time and moments in order, and uses no reading that came after a moment.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from perch.model import Reading, SensedSpace, Sensor, SensorKind, State
from perch.sensing.evidence import ON
from perch.sensing.watch import Watch


class Said(NamedTuple):
    """A state, how likely somebody is there, and how many people; None where a rule has no opinion."""

    state: State
    probability: float | None = None
    people: int | None = None


NEVER = -(2**62)

Rule = Callable[[Sequence[Reading], Sequence[int]], list[Said]]


def estimator(space: SensedSpace, sensors: Sequence[Sensor]) -> Rule:
    """Give the estimator as an agent runs it."""

    def rule(readings: Sequence[Reading], moments: Sequence[int]) -> list[Said]:
        said, at = [], 0
        watch = Watch([space], sensors)
        watch.start(min(readings[0].time_ms, moments[0]) if readings else moments[0])
        for moment in moments:
            while at < len(readings) and readings[at].time_ms <= moment:
                watch.observe(readings[at])
                at += 1
            watch.advance(moment + 1)
            shown = watch.occupancies(moment)[space.id]
            said.append(Said(shown.state, shown.probability, shown.count))
        return said

    return rule


def held(sensors: Sequence[Sensor], hold_ms: int) -> Rule:
    """Give the rule that nearly all products use: occupied for a fixed time after any movement."""
    edge_driven = {sensor.id: sensor.edge_driven for sensor in sensors if sensor.kind is SensorKind.MOTION}

    def rule(readings: Sequence[Reading], moments: Sequence[int]) -> list[Said]:
        said, at, until_ms = [], 0, NEVER
        for moment in moments:
            while at < len(readings) and readings[at].time_ms <= moment:
                reading = readings[at]
                at += 1
                if reading.sensor in edge_driven and (reading.value > ON or edge_driven[reading.sensor]):
                    until_ms = reading.time_ms + hold_ms
            said.append(Said(State.OCCUPIED if moment <= until_ms else State.FREE))
        return said

    return rule


def above(sensor: str, limit: float) -> Rule:
    """Give the rule that somebody is there while a level is above a limit."""

    def rule(readings: Sequence[Reading], moments: Sequence[int]) -> list[Said]:
        said, at, value = [], 0, 0.0
        for moment in moments:
            while at < len(readings) and readings[at].time_ms <= moment:
                value = readings[at].value if readings[at].sensor == sensor else value
                at += 1
            said.append(Said(State.OCCUPIED if value > limit else State.FREE))
        return said

    return rule
