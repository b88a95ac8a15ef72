"""What labels teach of air: which slopes, how restless they are, and what is left of them after ventilation.

Each is counted near the points of a curve while nobody is there, and while somebody is; the ratio is the curve. How
airy a room is decides which sources it shows: of a few ventilations the one is taken whose curve tells vacant from
occupied time best, if it pays for being unusual.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from math import log

from perch.model import Curve, LearnedSensor, Sensor
from perch.sensing.air import (
    NO_CURVE,
    SLOPES,
    SLOPES_AT,
    SOURCES,
    SOURCES_AT,
    UNREST_AT,
    VENTILATION_PER_H,
    Stirred,
    between,
    is_settled,
)
from perch.sensing.chain import Pace
from perch.sensing.posterior import Known, nats
from perch.sensing.sayings import Lessons, Statements, Taught

WORTH, WORTH_S = 6.0, 600.0
"""What the factory's curves are worth: an hour, of which ten minutes are one observation."""

VENTILATIONS_PER_H = (0.4, VENTILATION_PER_H, 1.0, 1.5, 2.5)
"""From a room whose air stands to one with a window ajar."""

SPREAD = 0.7
"""How far, as a logarithm, ventilations usually lie from the factory's."""

MOST_NATS, MOST_NATS_BY_SOURCE = 4.0, 2.0

Air = tuple[float, Stirred, bool]
"""How much a sample is worth, what the air was like, and whether somebody was there."""


def teach_air(_sensor: Sensor, _pace: Pace, said: Statements) -> Lessons:
    """Learn of a CO2 sensor; it takes an hour of vacant and one of occupied time."""
    samples = list(_samples(said))
    if any(sum(worth for worth, _, there in samples if there is occupied) < WORTH for occupied in (False, True)):
        return LearnedSensor(), []
    slopes = _Places(SLOPES_AT, ((stirred.slope, worth, occupied) for worth, stirred, occupied in samples))
    unrest = _Places(UNREST_AT, ((stirred.unrest, worth, occupied) for worth, stirred, occupied in samples))
    airy, sources = max(
        ((each, _sources(samples, each)) for each in VENTILATIONS_PER_H), key=lambda one: _gain(one[0], one[1])
    )
    by_slope, by_unrest, by_source = slopes.nats(SLOPES), unrest.nats(NO_CURVE), sources.nats(SOURCES)
    numbers = [
        *_told("slope", SLOPES_AT, SLOPES, by_slope, (0.0, 120.0)),
        *_told("unrest", UNREST_AT, NO_CURVE, by_unrest, (12.0, 100.0)),
        *_told("source", SOURCES_AT, SOURCES, by_source, (0.0, 120.0)),
        Taught(
            "air changes", "per hour", VENTILATION_PER_H, Known(airy, VENTILATIONS_PER_H[0], VENTILATIONS_PER_H[-1])
        ),
    ]
    learned = LearnedSensor(
        slopes=_curve(SLOPES_AT, by_slope, MOST_NATS),
        unrest=_curve(UNREST_AT, by_unrest, MOST_NATS),
        sources=_curve(SOURCES_AT, by_source, MOST_NATS_BY_SOURCE),
        ventilation_per_hour=airy,
    )
    return learned, numbers


def _samples(said: Statements) -> Iterator[Air]:

    for truth, sayings in said:
        for one in sayings:
            occupied = truth.between(one.from_ms, one.time_ms)
            if occupied is not None and is_settled(one.after):
                yield min(one.seconds / WORTH_S, 1.0), Stirred(*one.after.memory), occupied


def _sources(samples: Sequence[Air], airy: float) -> "_Places":
    return _Places(SOURCES_AT, ((stirred.source(airy), worth, occupied) for worth, stirred, occupied in samples))


def _gain(airy: float, sources: "_Places") -> float:
    return sources.told_apart(SOURCES) - log(airy / VENTILATION_PER_H) ** 2 / (2 * SPREAD**2)


def _told(name: str, at: Sequence[float], usual: Curve, by: Sequence[Known], shown: Sequence[float]) -> list[Taught]:
    return [
        Taught(f"{name} of {x:g} ppm an hour", "nats for somebody", round(between(usual, x), 2), known)
        for x, known in zip(at, by, strict=True)
        if x in shown
    ]


def _curve(at: Sequence[float], by: Sequence[Known], most: float) -> Curve:
    return tuple((x, round(min(max(one.value, -most), most), 2)) for x, one in zip(at, by, strict=True))


class _Places:
    """How much of vacant [0] and of occupied [1] time a number was near each of some places.

    A value counts for the two places between which it lies, more for the nearer one.
    """

    def __init__(self, at: Sequence[float], values: Iterable[tuple[float, float, bool]]) -> None:
        self._at = at
        self._counts = [0.0] * len(at), [0.0] * len(at)
        for value, worth, occupied in values:
            self._add(min(max(value, at[0]), at[-1]), worth, self._counts[occupied])

    def __repr__(self) -> str:
        return f"<_Places at {self._at}>"

    def nats(self, usual: Curve) -> list[Known]:
        """Give how much likelier somebody is at each place."""
        return nats([between(usual, at) for at in self._at], WORTH, *self._counts)

    def told_apart(self, usual: Curve) -> float:
        """Give by how many nats all of the rarer case's time tells it from the other one."""
        by = [min(max(one.value, -MOST_NATS_BY_SOURCE), MOST_NATS_BY_SOURCE) for one in self.nats(usual)]
        vacant, occupied = (
            sum(a * b for a, b in zip(counts, by, strict=True)) / sum(counts) for counts in self._counts
        )
        return min(map(sum, self._counts)) * (occupied - vacant)

    def _add(self, value: float, worth: float, counts: list[float]) -> None:
        for place, (low, high) in enumerate(pairwise(self._at)):
            if value <= high:
                part = (value - low) / (high - low)
                counts[place] += worth * (1 - part)
                counts[place + 1] += worth * part
                return
