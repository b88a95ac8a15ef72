"""What labels teach of one sensor, by its kind: conjugate counting around the factory's numbers, nothing cleverer.

| kind             | while nobody is there                | while somebody is                                      |
|------------------|--------------------------------------|--------------------------------------------------------|
| motion, contact  | how often it speaks                  | how many times as often as usual it speaks             |
| levels           | how often it turns on, for how long  | how many times as often as usual it drops out          |
| sound, light     | how many samples stand out           | how many times as many as usual                        |
| CO2              | which slopes, and how restless it is | the same: their ratio is what a slope, or unrest, says |

Motion sensors that are read at intervals speak as one, so they are taught as one: each learns what all of them said.
Beams teach nothing: their errors show in counts, and labels say only whether somebody was there.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import log
from statistics import median

from perch.model import LearnedSensor, SensedSpace, Sensor, SensorKind
from perch.sensing.air_lessons import teach_air
from perch.sensing.ambience import JUMPS, LOUD
from perch.sensing.chain import Flow, Pace, Rates
from perch.sensing.evidence import ON, is_on
from perch.sensing.labels import Lesson, Truth
from perch.sensing.levels import SWITCHES
from perch.sensing.posterior import Known, rate, share
from perch.sensing.pulses import CONTACT_RATES, MOTION_RATES
from perch.sensing.sayings import (
    APART_MS,
    PER_HOUR,
    Count,
    Lessons,
    Statements,
    Taught,
    bounded,
    by_sensor,
    factor,
    hours,
    in_chorus,
    of_those_present,
    said_by,
)
from perch.sensing.settled import is_sampled_motion, pace_of, voice_of
from perch.sensing.voices import scaled

WORTH_SAMPLES, SAMPLE_S = 60.0, 60.0
"""What the factory's share of samples is worth: an hour, of which no more than one sample a minute tells something."""

ON_SECONDS = (1.0, 3600.0)
WORTH_DROPS = 3.0
SHARES = (0.0005, 0.5)


@dataclass(frozen=True, slots=True)
class Account:
    """What was learned of a sensor, and from how many labelled hours (vacant, occupied) in which it was heard."""

    sensor: str
    hours: tuple[float, float]
    learned: LearnedSensor | None = None
    numbers: tuple[Taught, ...] = ()


Teacher = Callable[[Sensor, Pace, Statements], Lessons]


def accounts(space: SensedSpace, sensors: Sequence[Sensor], lessons: Sequence[Lesson]) -> list[Account]:
    """Learn of each sensor of a space what labelled time teaches."""
    sorted_ = [by_sensor(lesson.readings) for lesson in lessons]
    truths = [Truth(lesson.spans) for lesson in lessons]
    ends_ms = [lesson.readings[-1].time_ms if lesson.readings else 0 for lesson in lessons]
    pace = pace_of(space)
    chorus = tuple(sensor.id for sensor in sensors if is_sampled_motion(sensor) and sensor.space == space.id)
    if len(chorus) > 1:
        sorted_ = [{**one, **dict.fromkeys(chorus, in_chorus(one, chorus))} for one in sorted_]
    found = []
    for sensor in sensors:
        voice, teach = voice_of(space, sensor, pace, 1.0), TEACHERS.get(sensor.kind)
        if voice is None or teach is None:
            found.append(Account(sensor.id, (0.0, 0.0)))
            continue
        readings = [one.get(sensor.id, []) for one in sorted_]
        said = [
            (truth, said_by(voice, own, end_ms)) for truth, own, end_ms in zip(truths, readings, ends_ms, strict=True)
        ]
        account = _account(sensor, pace, said, teach)
        others = [other for other in chorus if other != sensor.id] if sensor.id in chorus else []
        found.append(replace(account, numbers=tuple(one.along_with(others) for one in account.numbers)))
    return found


def _account(sensor: Sensor, pace: Pace, said: Statements, teach: Teacher) -> Account:
    heard = hours(said)
    if heard == (0.0, 0.0):
        return Account(sensor.id, heard)
    learned, numbers = teach(sensor, pace, said)
    return Account(sensor.id, heard, learned if numbers else None, tuple(numbers))


def _pulses(sensor: Sensor, pace: Pace, said: Statements) -> Lessons:
    factory = MOTION_RATES if sensor.kind is SensorKind.MOTION else CONTACT_RATES
    vacant, present = (
        _spoken_by_edges(sensor, pace, factory, said)
        if sensor.edge_driven
        else _spoken_in_samples(sensor, pace, factory, said)
    )
    numbers = []
    if vacant.seconds:
        numbers.append(
            Taught("while nobody is there", "per hour", 3600 * factory[0], vacant.per_hour(factory[0], PER_HOUR))
        )
    if present is not None:
        numbers.append(Taught("while somebody is there", "times as often as usual", 1.0, present))
    known = {one.name: one.known.value for one in numbers}
    return LearnedSensor(
        empty_per_hour=known.get("while nobody is there"), present_factor=known.get("while somebody is there")
    ), numbers


def _spoken_by_edges(sensor: Sensor, pace: Pace, factory: Rates, said: Statements) -> tuple[Count, Known | None]:
    vacant, present = Count(), Count()
    for truth, sayings in said:
        for one in sayings:
            if sensor.kind is SensorKind.CONTACT or one.before.value <= ON:
                a, b = truth.seconds(one.from_ms, one.time_ms)
                vacant.seconds, present.seconds = vacant.seconds + a, present.seconds + b
            occupied = truth.between(one.time_ms, one.time_ms)
            if any(one.evidence) and occupied is not None:
                (present if occupied else vacant).add(one.time_ms)
    if not present.seconds:
        return vacant, None
    usual = of_those_present(pace.at_rest(), factory) * present.seconds
    return vacant, factor(present.events / usual, present.seconds * 1000 / APART_MS)


def _spoken_in_samples(sensor: Sensor, pace: Pace, factory: Rates, said: Statements) -> tuple[Count, Known | None]:
    vacant, present, gaps = Count(), Count(), []
    samples = [0, 0]
    for truth, sayings in said:
        for one in sayings:
            occupied = truth.between(one.from_ms, one.time_ms)
            if occupied is None or one.from_ms == one.time_ms:
                continue
            count = present if occupied else vacant
            count.seconds += one.seconds
            samples[occupied] += 1
            gaps.append(one.seconds)
            on = one.after.value > ON
            if on if sensor.kind is SensorKind.MOTION else on != (one.before.value > ON):
                count.add(one.time_ms)
    if samples[False]:
        quiet = 1 - vacant.events / (samples[False] + 1)
        vacant.events = round(-log(quiet) * samples[False])  # several in one sample are counted once
    if not samples[True]:
        return vacant, None
    ratio = _ratio_of(pace, factory, median(gaps), present.events / samples[True])
    return vacant, factor(ratio, present.seconds * 1000 / APART_MS)


def _ratio_of(pace: Pace, factory: Rates, seconds: float, seen: float) -> float:
    """Give how many times as often as usual it must speak for a share of samples to be on: found by bisection."""
    low, high = 0.05, 20.0
    while high > 1.01 * low:
        middle = (low * high) ** 0.5
        rates = (factory[0], *scaled(factory, middle)[1:])
        quiet = Flow(pace, rates).likelihood(pace.at_rest(), seconds)
        expected = 1 - of_those_present(pace.at_rest(), quiet)
        low, high = (middle, high) if expected < seen else (low, middle)
    return low


def _level(sensor: Sensor, pace: Pace, said: Statements) -> Lessons:
    factory = SWITCHES[sensor.kind]
    off, lit, present = Count(), Count(), Count()
    for truth, sayings in said:
        for one in sayings:
            was_on, on = is_on(sensor.kind, one.before.value), is_on(sensor.kind, one.after.value)
            a, b = truth.seconds(one.from_ms, one.time_ms)
            (lit if was_on else off).seconds += a
            present.seconds += b if was_on else 0.0
            occupied = truth.between(one.time_ms, one.time_ms)
            if on is not was_on and occupied is not None and not (occupied and on):
                (present if occupied else off if on else lit).add(one.time_ms)
    numbers, learned = [], LearnedSensor()
    usual_s = 1 / factory.off[0]
    if off.seconds:
        turned_on = off.per_hour(factory.on[0], PER_HOUR)
        numbers.append(Taught("turns on while nobody is there", "per hour", 3600 * factory.on[0], turned_on))
        ends = rate(factory.off[0], WORTH_DROPS * usual_s, lit.events, lit.seconds)
        stays = bounded(Known(1 / ends.value, 1 / ends.high, 1 / max(ends.low, 1e-6)), ON_SECONDS)
        numbers.append(Taught("then stays on", "seconds", usual_s, stays))
        learned = LearnedSensor(empty_per_hour=turned_on.value, empty_on_seconds=stays.value)
    if present.seconds:
        usual = of_those_present(pace.at_rest(), factory.off) * present.seconds
        drops = factor(present.events / usual, present.seconds * 1000 / APART_MS)
        numbers.append(Taught("drops out while somebody is there", "times as often as usual", 1.0, drops))
        learned = LearnedSensor(learned.empty_per_hour, learned.empty_on_seconds, present_factor=drops.value)
    return learned, numbers


def _samples(sensor: Sensor, pace: Pace, said: Statements) -> Lessons:
    factory = LOUD if sensor.kind is SensorKind.SOUND else JUMPS
    tries, hits = [0.0, 0.0], [0.0, 0.0]
    for truth, sayings in said:
        for one in sayings:
            occupied = truth.between(one.from_ms, one.time_ms)
            if occupied is None or one.from_ms == one.time_ms:
                continue
            worth = min(one.seconds / SAMPLE_S, 1.0)
            tries[occupied] += worth
            hits[occupied] += worth * (one.evidence[1] > one.evidence[0])
    numbers, learned = [], LearnedSensor()
    if tries[False]:
        vacant = bounded(share(factory[0], WORTH_SAMPLES, hits[False], tries[False]), SHARES)
        numbers.append(Taught("stand out while nobody is there", "of samples", factory[0], vacant))
        learned = LearnedSensor(empty_share=vacant.value)
    if tries[True]:
        usual = of_those_present(pace.at_rest(), factory)
        present = factor(hits[True] / tries[True] / usual, tries[True] * SAMPLE_S * 1000 / APART_MS)
        numbers.append(Taught("stand out while somebody is there", "times as many as usual", 1.0, present))
        learned = LearnedSensor(empty_share=learned.empty_share, present_factor=present.value)
    return learned, numbers


TEACHERS: dict[SensorKind, Teacher] = {
    SensorKind.MOTION: _pulses,
    SensorKind.CONTACT: _pulses,
    SensorKind.PRESENCE: _level,
    SensorKind.PRESSURE: _level,
    SensorKind.DISTANCE: _level,
    SensorKind.SOUND: _samples,
    SensorKind.LIGHT: _samples,
    SensorKind.CO2: teach_air,
}
