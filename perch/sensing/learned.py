"""What labels taught, put in the place of factory settings; what they did not teach stays as it was."""

from dataclasses import replace

from perch.model import LearnedSensor, SensedSpace, SensorKind
from perch.sensing.chain import Pace, Rates

MOST_LIKELY = 0.95
"""No sample stands out for certain, however often samples did."""

NOTHING_LEARNED = LearnedSensor()


def rates(factory: Rates, learned: LearnedSensor | None) -> Rates:
    """Give how often a sensor speaks, per second."""
    known = learned or NOTHING_LEARNED
    empty, moving, still, deep = factory
    if known.empty_per_hour is not None:
        empty = known.empty_per_hour / 3600
    factor = known.present_factor or 1.0
    return empty, factor * moving, factor * still, factor * deep


def turning_on(factory: Rates, learned: LearnedSensor | None) -> Rates:
    """Give how soon a level turns on, per second."""
    known = learned or NOTHING_LEARNED
    return factory if known.empty_per_hour is None else (known.empty_per_hour / 3600, *factory[1:])


def turning_off(factory: Rates, learned: LearnedSensor | None) -> Rates:
    """Give how soon a level turns off, per second."""
    known = learned or NOTHING_LEARNED
    empty, moving, still, deep = factory
    if known.empty_on_seconds is not None:
        empty = 1 / known.empty_on_seconds
    factor = known.present_factor or 1.0
    return empty, factor * moving, factor * still, factor * deep


def shares(factory: Rates, learned: LearnedSensor | None) -> Rates:
    """Give how often a sample stands out, as a share of all.

    However seldom that was while nobody was there, one that does is no surer a sign than it is from the factory: labels
    are mostly of quiet hours, and noise comes in bursts.
    """
    known = learned or NOTHING_LEARNED
    empty, moving, still, deep = factory
    factor = known.present_factor or 1.0
    if known.empty_share is not None:
        empty = max(known.empty_share, empty * min(factor, 1.0))
    return empty, min(factor * moving, MOST_LIKELY), min(factor * still, MOST_LIKELY), min(factor * deep, MOST_LIKELY)


def pace(factory: Pace, space: SensedSpace) -> Pace:
    """Give how long a space stands empty and how long visits are; what people do meanwhile stays as it was."""
    if space.learned is None:
        return factory
    vacant_minutes, visit_minutes = space.learned.vacant_minutes, space.learned.visit_minutes
    vacant_s = factory.vacant if vacant_minutes is None else 60 * vacant_minutes
    moving_s = factory.moving_in_all
    if visit_minutes is not None:
        moving_s *= 60 * visit_minutes / visit_seconds(factory)
    return replace(factory, vacant=vacant_s, moving_in_all=moving_s)


def visit_seconds(pace: Pace) -> float:
    """Give how long a visit lasts in the mean, its pauses included."""
    pause_s = (1 - pace.deep) * pace.still + pace.deep * pace.deep_still
    return pace.moving_in_all * (1 + pause_s / pace.moving)


def weight(space: SensedSpace, kind: SensorKind) -> float:
    """Give how much the evidence of a kind of sensor counts, times what it counts from the factory."""
    return dict(space.learned.weights).get(kind, 1.0) if space.learned else 1.0
