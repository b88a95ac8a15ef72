"""Simulated meeting rooms with beams in their door, that miss people and mistake their direction, and sensors beside.

Groups meet; people come and go one by one around the appointed time, and some go out in between. A motion sensor sees
whoever moves (those who sit move as at a desk, every one of them); CO2 follows the mass balance of a well-mixed room
of some volume with some ventilation, read each minute by a sensor that trembles and is a few ppm wrong.
"""

import math
import random
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from benchmarks.accuracy.people_at_desks import DAY_S, HOUR_S, SHORT_SHARE, SIGMA, pulses
from benchmarks.accuracy.recordings import Block
from benchmarks.accuracy.saying import Rule, Said
from perch.model import Reading, SensedSpace, Sensor, SensorKind, SpaceKind, State

MISSED, WRONG = 0.05, 0.01
DAYS = 3
LOOK_S = 60
BEAMS = 2
BEAM_S = 0.4
CO2_EVERY_S = 60

OUTSIDE_PPM = 420.0
BREATH_M3_PER_H = 0.018
"""What somebody who sits breathes out (about 18 litres of CO2 an hour)."""


class Beside(StrEnum):
    """Which sensor there is beside the beams."""

    NOTHING = "beams only"
    PIR = "beams and PIR"
    CO2 = "beams and CO2"


@dataclass(frozen=True, slots=True)
class Room:
    """A room, every true crossing of its door (seconds, +1 or -1) in order, and what its sensors reported."""

    capacity: int
    crossings: tuple[tuple[float, int], ...]
    beams: tuple[Reading, ...]
    motion: tuple[Reading, ...]
    air: tuple[Reading, ...]

    def block(self, beside: Beside) -> Block:
        """Give what some of its sensors reported, and the truth each minute."""
        more = {Beside.NOTHING: (), Beside.PIR: self.motion, Beside.CO2: self.air}[beside]
        readings = tuple(sorted((*self.beams, *more), key=lambda reading: reading.time_ms))
        times, people = _people(self.crossings)
        seconds = range(0, int(DAYS * DAY_S), LOOK_S)
        counts = tuple(people[bisect_right(times, second) - 1] for second in seconds)
        return Block(beside, readings, tuple(second * 1000 for second in seconds), counts)


def room(seed: int) -> Room:
    """Make one room and its days."""
    chance = random.Random(seed)  # noqa: S311 - the same rooms each time
    capacity = chance.choice((4, 6, 8, 12))
    crossings = tuple(sorted(one for day in range(DAYS) for one in _day(chance, day * DAY_S, capacity)))
    beams, motion = _beams(chance, crossings), _motion(chance, crossings)
    return Room(capacity, crossings, beams, motion, _air(chance, crossings, capacity))


def setting(one: Room, beside: Beside) -> tuple[SensedSpace, list[Sensor]]:
    """Give the room as an agent knows it."""
    sensors = [
        Sensor("in", SensorKind.BEAM_IN, "room", None),
        Sensor("out", SensorKind.BEAM_OUT, "room", None),
    ]
    if beside is Beside.PIR:
        sensors.append(Sensor("pir", SensorKind.MOTION, "room", None))
    if beside is Beside.CO2:
        sensors.append(Sensor("co2", SensorKind.CO2, "room", CO2_EVERY_S * 1000))
    return SensedSpace("room", SpaceKind.ROOM, one.capacity), sensors


def counter(capacity: int, quiet_ms: int | None = None) -> Rule:
    """Give the plain rule: in minus out, never below zero, and back to zero when the door was quiet for long."""

    def rule(readings: Sequence[Reading], moments: Sequence[int]) -> list[Said]:
        said, at, people, last_ms = [], 0, 0, 0
        crossed = [one for one in readings if one.sensor in ("in", "out") and one.value]
        for moment in moments:
            while at < len(crossed) and crossed[at].time_ms <= moment:
                one = crossed[at]
                if quiet_ms is not None and one.time_ms - last_ms > quiet_ms:
                    people = 0
                people = min(people + 1, capacity) if one.sensor == "in" else max(people - 1, 0)
                at, last_ms = at + 1, one.time_ms
            if quiet_ms is not None and moment - last_ms > quiet_ms:
                people = 0
            said.append(Said(State.OCCUPIED if people else State.FREE, None, people))
        return said

    return rule


def _people(crossings: Sequence[tuple[float, int]]) -> tuple[list[float], list[int]]:
    times, people = [-1.0], [0]
    for second, step in crossings:
        times.append(second)
        people.append(people[-1] + step)
    return times, people


def _day(chance: random.Random, midnight: float, capacity: int) -> list[tuple[float, int]]:
    crossings: list[tuple[float, int]] = []
    second, ends = midnight + chance.uniform(8, 9.5) * HOUR_S, midnight + 18 * HOUR_S
    while (second := second + chance.expovariate(1 / 2400)) < ends:
        lasts_s = chance.choice((20, 30, 45, 60, 90)) * 60 * chance.uniform(0.7, 1.2)
        group = chance.randint(1, capacity)
        stays = [(second + 300 + chance.gauss(0, 120), second + lasts_s + chance.gauss(0, 90)) for _ in range(group)]
        for comes, goes in stays:
            if goes - comes > 120:
                crossings += _stay(chance, comes, min(goes, second + lasts_s + 300))
        second += lasts_s + 600
    return crossings


def _stay(chance: random.Random, comes: float, goes: float) -> list[tuple[float, int]]:
    """Come, go out for some minutes now and then, and go."""
    crossings = [(comes, 1)]
    while chance.random() < 0.15:
        out = chance.uniform(crossings[-1][0], goes)
        back = out + chance.uniform(60, 400)
        if back > goes - 30:
            break
        crossings += [(out, -1), (back, 1)]
    return [*crossings, (goes, -1)]


def _beams(chance: random.Random, crossings: Sequence[tuple[float, int]]) -> tuple[Reading, ...]:
    readings = []
    for second, step in crossings:
        if chance.random() < MISSED:
            continue
        sensor = "in" if (step > 0) != (chance.random() < WRONG) else "out"
        readings.append(Reading(round(second * 1000), sensor, 1.0))
        readings.append(Reading(round((second + BEAM_S) * 1000), sensor, 0.0))
    return tuple(sorted(readings, key=lambda reading: reading.time_ms))


def _motion(chance: random.Random, crossings: Sequence[tuple[float, int]]) -> tuple[Reading, ...]:
    movements = [second for second, _ in crossings]
    times, people = _people(crossings)
    for (begins, ends), count in zip(pairwise([*times, DAYS * DAY_S]), people, strict=True):
        for _ in range(count):
            second = begins
            while (second := second + _gap(chance)) < ends:
                movements.append(second)
        if not count:
            second = max(begins, 0.0)
            while (second := second + chance.expovariate(1 / (2 * HOUR_S))) < ends:
                movements.append(second)
    readings = []
    for rises, falls in pulses(sorted(movements)):
        readings += [Reading(round(rises * 1000), "pir", 1.0), Reading(round(falls * 1000), "pir", 0.0)]
    return tuple(readings)


def _gap(chance: random.Random) -> float:
    is_short = chance.random() < SHORT_SHARE
    return chance.expovariate(1 / 12) if is_short else chance.lognormvariate(math.log(150), SIGMA)


def _air(chance: random.Random, crossings: Sequence[tuple[float, int]], capacity: int) -> tuple[Reading, ...]:
    times, people = _people(crossings)
    volume_m3 = capacity * chance.uniform(7, 12)
    by_day, at_night = chance.uniform(0.8, 3.0), chance.uniform(0.2, 0.6)
    wrong, ppm, readings = chance.gauss(0, 25), OUTSIDE_PPM + chance.uniform(20, 120), []
    for second in range(0, int(DAYS * DAY_S), CO2_EVERY_S):
        changes = by_day if 7 * HOUR_S < second % DAY_S < 19 * HOUR_S else at_night
        count = people[bisect_right(times, second) - 1]
        source = count * BREATH_M3_PER_H / volume_m3 * 1e6
        ppm += (source - changes * (ppm - OUTSIDE_PPM)) * CO2_EVERY_S / 3600
        readings.append(Reading(second * 1000, "co2", float(round(ppm + wrong + chance.gauss(0, 8)))))
    return tuple(readings)
