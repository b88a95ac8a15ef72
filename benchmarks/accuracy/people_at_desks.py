"""Simulated people at desks, and what a motion sensor over the desk sees of them.

Somebody who sits there moves after gaps of which 80 % are short (exponential) and 20 % are pauses (lognormal, median
two to three minutes times how still this person sits, σ 1.1), and when coming and going. Others who pass trigger the
sensor of an empty desk once in half an hour to an hour by day. Nothing here comes from the estimator's own settings.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.accuracy.recordings import Block
from perch.model import Reading

HOUR_S, DAY_S = 3600.0, 86_400.0
SENSOR = "pir"

PULSE_S = 2.5
"""For so long a motion sensor stays on after a movement; another one within it prolongs it."""

LOOK_S = 30
SEEN_FROM_H, SEEN_UNTIL_H = 7, 21
"""Looks are taken by day only: at night every rule is right, which would flatter all of them."""

SHORT_SHARE, SIGMA = 0.8, 1.1


@dataclass(frozen=True, slots=True)
class Desk:
    """When somebody sat there (seconds from, until), and every movement in sight of its sensor, in order."""

    days: int
    visits: tuple[tuple[float, float], ...]
    movements: tuple[float, ...]

    def looks(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Give moments by day, in ms, and how many people sat there."""
        seconds = [
            second
            for day in range(self.days)
            for second in range(int(day * DAY_S) + SEEN_FROM_H * 3600, int(day * DAY_S) + SEEN_UNTIL_H * 3600, LOOK_S)
        ]
        people, at = [], 0
        for second in seconds:
            while at < len(self.visits) and self.visits[at][1] <= second:
                at += 1
            people.append(int(at < len(self.visits) and self.visits[at][0] <= second))
        return tuple(second * 1000 for second in seconds), tuple(people)


def desk(seed: int, days: int) -> Desk:
    """Make one desk, its person and those who pass, for some days."""
    chance = random.Random(seed)  # noqa: S311 - the same people each time
    visits = tuple(visit for day in range(days) for visit in _visits(chance, day * DAY_S))
    movements = [*_of_somebody(chance, visits), *_of_others(chance, days)]
    return Desk(days, visits, tuple(sorted(movements)))


def told_by_edges(one: Desk) -> Block:
    """Give what a sensor reports that tells each change of its output."""
    readings = []
    for rises, falls in pulses(one.movements):
        readings += [Reading(round(rises * 1000), SENSOR, 1.0), Reading(round(falls * 1000), SENSOR, 0.0)]
    return Block("edges", tuple(readings), *one.looks())


def told_by_samples(one: Desk, every_s: int) -> Block:
    """Give what is read at intervals: whether anything moved since the last sample."""
    readings, at = [], 0
    outputs = pulses(one.movements)
    for second in range(every_s, int(one.days * DAY_S), every_s):
        while at < len(outputs) and outputs[at][1] <= second - every_s:
            at += 1
        moved = at < len(outputs) and outputs[at][0] <= second
        readings.append(Reading(second * 1000, SENSOR, float(moved)))
    return Block(f"every {every_s} s", tuple(readings), *one.looks())


def pulses(movements: Sequence[float]) -> list[tuple[float, float]]:
    """Give when a motion sensor is on."""
    found: list[tuple[float, float]] = []
    for second in movements:
        if found and second <= found[-1][1]:
            found[-1] = found[-1][0], second + PULSE_S
        else:
            found.append((second, second + PULSE_S))
    return found


def _visits(chance: random.Random, midnight: float) -> list[tuple[float, float]]:
    """Sit down in the morning, and come back from breaks of three kinds, until the day's work is done."""
    visits = []
    second = midnight + chance.uniform(8, 10.5) * HOUR_S
    ends = midnight + chance.uniform(16, 20) * HOUR_S
    while second < ends:
        until = min(second + chance.lognormvariate(math.log(50 * 60), 0.8), ends)
        if until - second > 60:
            visits.append((second, until))
        shortest, longest = chance.choice(((3, 12), (10, 60), (30, 180)))
        second = until + chance.uniform(shortest, longest) * 60
    return visits


def _of_somebody(chance: random.Random, visits: Sequence[tuple[float, float]]) -> list[float]:
    short_s = chance.uniform(10, 15)
    pause_s = chance.uniform(120, 180) * math.exp(chance.gauss(0, 0.4))
    movements = []
    for begins, ends in visits:
        second = begins
        while second < ends:
            movements.append(second)
            is_short = chance.random() < SHORT_SHARE
            gap_s = chance.expovariate(1 / short_s) if is_short else chance.lognormvariate(math.log(pause_s), SIGMA)
            second += max(gap_s, 0.5)
        movements.append(ends)
    return movements


def _of_others(chance: random.Random, days: int) -> list[float]:
    mean_s = chance.uniform(30, 60) * 60
    movements = []
    for day in range(days):
        second, ends = day * DAY_S + 8 * HOUR_S, day * DAY_S + 20 * HOUR_S
        while (second := second + chance.expovariate(1 / mean_s)) < ends:
            movements.append(second)
    return movements
