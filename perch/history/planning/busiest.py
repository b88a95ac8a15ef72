"""The busiest hour of the week, how sure its mean is, and which other hours cannot be told from it.

Weeks that are good or bad as a whole are so for all their hours, so hours are compared week by week: another hour is as
busy, as far as one can tell, where the mean of the weeks' differences may be nothing (Student's, 19 times in 20).
"""

from collections.abc import Iterable, Mapping, Sequence
from math import sqrt
from statistics import fmean
from typing import NamedTuple

from perch.history.calendar import Calendar
from perch.history.intervals import student
from perch.history.question import HourRow, Row

LEAST_WEEKS = 4

Week = tuple[int, int]
Hour = tuple[int, int]


class Busiest(NamedTuple):
    """An hour of the week; `interval` of its mean is None where the weeks are too few, and then nothing is `near`.

    `near` are other hours that cannot be told from it, (weekday from 1, hour), the fullest first.
    """

    row: HourRow
    interval: tuple[float, float] | None
    near: tuple[Hour, ...]


def busiest(hours: Iterable[HourRow], by_hour: Iterable[Row], calendar: Calendar) -> Busiest | None:
    """Find the hour with the highest mean, the first of several; `by_hour` are the same hours one by one.

    None where nothing was observed.
    """
    seen = [row for row in hours if row.value is not None and row.coverage]
    top = max(seen, key=_mean, default=None)
    if top is None:
        return None
    weeks = _by_week(by_hour, calendar)
    own = weeks.get((top.weekday, top.hour), {})
    if not top.value or len(own) < LEAST_WEEKS:
        return Busiest(top, None, ())
    others = sorted((row for row in seen if row is not top and row.value), key=_mean, reverse=True)
    near = [(row.weekday, row.hour) for row in others if _is_near(own, weeks.get((row.weekday, row.hour), {}))]
    half = _half_width(list(own.values()))
    return Busiest(top, (max(top.value - half, 0.0), top.value + half), tuple(near))


def run_of(hours: Sequence[Hour]) -> tuple[int, int, int] | None:
    """Give weekday, first and last hour where hours follow each other on one day, else None."""
    ordered = sorted(hours)
    (weekday, first), (_, last) = ordered[0], ordered[-1]
    return (weekday, first, last) if ordered == [(weekday, hour) for hour in range(first, last + 1)] else None


def _mean(row: HourRow) -> float:
    return row.value or 0.0


def _by_week(rows: Iterable[Row], calendar: Calendar) -> Mapping[Hour, Mapping[Week, float]]:
    """Put the hours' numbers under their hour of the week and their week; of an hour that happens twice, the last."""
    found: dict[Hour, dict[Week, float]] = {}
    for row in rows:
        if row.value is not None and row.coverage:
            local = calendar.local(row.start_ms)
            year, week, weekday = local.isocalendar()
            found.setdefault((weekday, local.hour), {})[year, week] = row.value
    return found


def _is_near(own: Mapping[Week, float], other: Mapping[Week, float]) -> bool:
    differences = [value - other[week] for week, value in own.items() if week in other]
    if len(differences) < LEAST_WEEKS:
        return False
    return fmean(differences) <= _half_width(differences)


def _half_width(values: Sequence[float]) -> float:
    mean, number = fmean(values), len(values)
    return student(number - 1) * sqrt(sum((value - mean) ** 2 for value in values) / (number - 1) / number)
