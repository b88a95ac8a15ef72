"""Carbon dioxide: people are a source of it, and ventilation takes it away.

Levels mislead: a room is stale for an hour after everybody left, and fresh for a quarter of an hour after they came.
What tells is how fast the level changes. To that is added what ventilation would have taken away meanwhile, in
proportion to how far the level is above that of the air outside (the mass balance of a well-mixed room: change =
source - ventilation × excess). The air outside is a slow lower envelope, since a building's own air drifts over days.
"""

from collections.abc import Callable
from functools import lru_cache, partial
from math import exp
from typing import NamedTuple

from perch.model import Reason, Sensor
from perch.sensing.learned import NOTHING_LEARNED
from perch.sensing.voices import NATS, NOTHING, Evidence, Heard, Sampled, heard_as

SHORT_S, LONG_S = 130.0, 400.0
"""Two running means, of which the difference is the slope."""

BRISK_S, UNREST_S = 45.0, 900.0
"""A third one: how much the slope of the last minutes differs from that of the last quarter of an hour is unrest."""

VENTILATION_PER_H = 0.7
FALLS_S, RISES_S = 600.0, 12 * 3600.0
OUTSIDE_PPM = 600.0
"""What the first reading is taken for at most, where nothing else is known of the air outside."""

SLOPES = (
    (-400.0, -1.0),
    (-200.0, -0.9),
    (-60.0, -0.2),
    (30.0, -0.1),
    (60.0, 0.8),
    (120.0, 1.3),
    (250.0, 1.8),
    (500.0, 2.1),
)
"""How much likelier somebody is at a slope (ppm an hour), in nats."""

SLOPES_AT = (-400.0, -200.0, -120.0, -60.0, -30.0, 0.0, 30.0, 60.0, 120.0, 250.0, 500.0)
SOURCES_AT = (-120.0, -60.0, 0.0, 30.0, 60.0, 90.0, 120.0, 180.0, 250.0, 400.0, 600.0)
UNREST_AT = (4.0, 7.0, 12.0, 20.0, 35.0, 60.0, 100.0, 180.0, 300.0)
"""Where curves that labels teach have their points, ppm an hour."""

SOURCES = ((-60.0, -2.0), (60.0, 0.0), (180.0, 2.0))
"""The same for the source."""

NO_CURVE = ((0.0, 0.0),)
"""What unrest means depends on the sensor and the room: nobody knows it before there are labels."""

SHARES = (0.6, 0.4, 0.0)
"""How much slope, source and unrest count."""

SHARES_LEARNED = (0.42, 0.4, 0.35)
"""The same where labels taught what they mean: surer curves, that speak of the same minutes."""

WORTH_PER_MINUTE = 0.15
"""Slopes of neighbouring minutes are nearly the same reading."""

_WORTH_AT_MOST = 0.75
_BROKEN_OFF_S = 1800.0


class Stirred(NamedTuple):
    """What is remembered of the air: running means in ppm, how restless its slope is, and since when it is known."""

    short: float
    long: float
    base: float
    known_s: float
    brisk: float
    unrest: float

    def after(self, value: float, gap_s: float) -> "Stirred":
        """Give what is remembered after another sample."""
        short, long, base, known_s, brisk, unrest = self
        at_once, soon, later, falls, rises, restless = passed(gap_s)
        brisk += (value - brisk) * at_once
        short += (value - short) * soon
        long += (value - long) * later
        base += (long - base) * (falls if long < base else rises)
        bend = abs((brisk - short) / (SHORT_S - BRISK_S) - (short - long) / (LONG_S - SHORT_S)) * 3600
        unrest += (bend - unrest) * restless
        return _stirred((short, long, base, known_s + gap_s, brisk, unrest))

    @property
    def slope(self) -> float:
        """How fast it changes, ppm an hour."""
        return (self.short - self.long) / (LONG_S - SHORT_S) * 3600

    def source(self, ventilation_per_h: float) -> float:
        """How fast it would change without ventilation, ppm an hour."""
        return self.slope + ventilation_per_h * (self.long - self.base)


_stirred: Callable[[tuple[float, ...]], Stirred] = partial(tuple.__new__, Stirred)


@lru_cache(maxsize=256)
def passed(gap_s: float) -> tuple[float, ...]:
    """Give how much of the way each running mean goes in a time: brisk, short, long, base down, base up, unrest."""
    return tuple(1 - exp(-gap_s / seconds) for seconds in (BRISK_S, SHORT_S, LONG_S, FALLS_S, RISES_S, UNREST_S))


class Air(Sampled):
    """A CO2 sensor, in ppm."""

    __slots__ = ("_share", "_shares", "_slopes", "_sources", "_unrest", "_ventilation_per_h")

    remembers = len(Stirred._fields)

    def __init__(self, sensor: Sensor, share: float) -> None:
        super().__init__(sensor, Reason.PRESENCE)
        self._share = share
        learned = sensor.learned or NOTHING_LEARNED
        self._slopes, self._sources = learned.slopes or SLOPES, learned.sources or SOURCES
        self._unrest = learned.unrest or NO_CURVE
        self._shares = SHARES_LEARNED if learned.slopes else SHARES
        self._ventilation_per_h = learned.ventilation_per_hour or VENTILATION_PER_H

    def hear(self, heard: Heard, time_ms: int, value: float) -> tuple[Heard, Evidence]:
        """Take in a sample; the first ten minutes only tell what the air is like."""
        said_ms, _, _, _, memory = heard
        gap_s = 0.0 if said_ms is None else (time_ms - said_ms) / 1000
        if not memory or said_ms is None or gap_s > _BROKEN_OFF_S:
            base = min(value, OUTSIDE_PPM) if not memory else memory[2]
            return self._heard(time_ms, value, Stirred(value, value, base, 0.0, value, 0.0)), NOTHING
        stirred = _stirred(memory).after(value, gap_s)
        after = self._heard(time_ms, value, stirred)
        if stirred.known_s < LONG_S:
            return after, NOTHING
        slope = stirred.slope
        by_slope, by_source, by_unrest = self._shares
        nats = by_slope * between(self._slopes, slope)
        nats += by_source * between(self._sources, slope + self._ventilation_per_h * (stirred.long - stirred.base))
        nats += by_unrest * between(self._unrest, stirred.unrest) if by_unrest else 0.0
        worth = round(nats * min(WORTH_PER_MINUTE * gap_s / 60, _WORTH_AT_MOST) * self._share * 100) * (NATS // 100)
        return after, (0, worth, worth, worth)

    def vouches(self, heard: Heard) -> bool:
        """Tell whether still air says that nobody is there: once its slope is known."""
        return not heard.silent and is_settled(heard)

    def _heard(self, time_ms: int, value: float, memory: Stirred) -> Heard:
        return heard_as((time_ms, value, time_ms + self._limit_ms, None, memory))


def is_settled(heard: Heard) -> bool:
    """Tell whether enough is known of the air for a slope."""
    return bool(heard.memory) and Stirred(*heard.memory).known_s >= LONG_S


def between(points: tuple[tuple[float, float], ...], x: float) -> float:
    """Read a curve of straight pieces; beyond its ends it is level."""
    before_x, before_y = points[0]
    if x <= before_x:
        return before_y
    for at, y in points:
        if x <= at:
            return before_y + (y - before_y) * (x - before_x) / (at - before_x)
        before_x, before_y = at, y
    return before_y
