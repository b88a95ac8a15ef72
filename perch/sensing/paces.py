"""How long a space stands empty and how long visits are, from the changes that labels show."""

from collections.abc import Sequence
from itertools import pairwise

from perch.model import SensedSpace
from perch.sensing.labels import Lesson
from perch.sensing.learned import visit_seconds
from perch.sensing.posterior import Known, rate, readable
from perch.sensing.settled import PACES

WORTH_CHANGES = 12.0
"""The factory's mean times are worth so many changes, about two days of them."""

VACANT_MINUTES, VISIT_MINUTES = (10.0, 10_080.0), (2.0, 1_440.0)


def paces(space: SensedSpace, lessons: Sequence[Lesson]) -> tuple[Known, Known]:
    """Give the mean minutes that it stands empty, and that a visit lasts."""
    vacant_s = sum(lesson.seconds[0] for lesson in lessons)
    occupied_s = sum(lesson.seconds[1] for lesson in lessons)
    arrivals, leaves = 0, 0
    for lesson in lessons:
        for before, after in pairwise(lesson.spans):
            if before.until_ms == after.from_ms:
                arrivals += after.occupied
                leaves += before.occupied
    factory = PACES[space.kind]
    return (
        _minutes(factory.vacant, arrivals, vacant_s, VACANT_MINUTES),
        _minutes(visit_seconds(factory), leaves, occupied_s, VISIT_MINUTES),
    )


def _minutes(usual_s: float, ends: int, seconds: float, bounds: tuple[float, float]) -> Known:
    known = rate(1 / usual_s, WORTH_CHANGES * usual_s, ends, seconds)
    low, high = bounds
    value, below, above = (
        min(max(readable(1 / (60 * max(one, 1e-9))), low), high) for one in (known.value, known.high, known.low)
    )
    return Known(value, below, above)
