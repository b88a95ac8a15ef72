"""What the days of two periods come to, weekday by weekday, and how sure the difference is.

The number of a period is the mean, over the weekdays that both periods have, of the mean of that weekday's days. How
sure the difference is comes from how the weeks of each period differ among themselves (a cluster for each week, Welch's
interval).
"""

from collections.abc import Mapping
from datetime import date
from math import sqrt
from statistics import fmean
from typing import NamedTuple

from perch.history.intervals import student

LEAST_WEEKS = 4

Days = Mapping[date, float]
Week = tuple[int, int]


class Day(NamedTuple):
    """A day's number, with unknown time as free and as occupied."""

    value: float
    low: float
    high: float

    def less(self, other: "Day") -> "Day":
        """Give the difference to another day."""
        return Day(self.value - other.value, self.low - other.high, self.high - other.low)


class Difference(NamedTuple):
    """What the days of two periods come to: (value, low, high) and (days, weeks) of each, and how they differ."""

    periods: tuple[tuple[float | None, float | None, float | None], ...]
    counted: tuple[tuple[int, int], ...]
    difference: float | None
    interval: tuple[float, float] | None
    bounds: tuple[float, float] | None
    warnings: tuple[str, ...]


def compared_days(before: Mapping[date, Day], after: Mapping[date, Day]) -> Difference:
    """Compare two periods of which the days' numbers are known."""
    weekdays = {day.weekday() for day in before} & {day.weekday() for day in after}
    matched = [{day: one for day, one in days.items() if day.weekday() in weekdays} for days in (before, after)]
    values = [{day: one.value for day, one in days.items()} for days in matched]
    weeks = [_by_week(days) for days in values]
    number = (len(weeks[0]), len(weeks[1]))
    counted = tuple((len(days), of) for days, of in zip(values, number, strict=True))
    if min(number) < LEAST_WEEKS:
        nothing = (None, None, None)
        least = (
            f"There are {number[0]} weeks before and {number[1]} after; {LEAST_WEEKS} of each are the least to compare."
        )
        return Difference((nothing, nothing), counted, None, None, None, (least,))
    means = [_weekday_means(days) for days in values]
    half = _half_width(_spread(weeks[0], means[0]), _spread(weeks[1], means[1]), number)
    first, second = (_numbers(days) for days in matched)
    change = second.less(first)
    interval = change.value - half, change.value + half
    return Difference((first, second), counted, change.value, interval, (change.low, change.high), ())


def _numbers(days: Mapping[date, Day]) -> Day:
    """Give the mean over weekdays of the means of their days."""
    columns = ({day: one[place] for day, one in days.items()} for place in range(len(Day._fields)))
    return Day(*(fmean(_weekday_means(column).values()) for column in columns))


def _by_week(days: Days) -> Mapping[Week, Days]:
    """Group days by ISO week."""
    weeks: dict[Week, dict[date, float]] = {}
    for day, value in days.items():
        weeks.setdefault(day.isocalendar()[:2], {})[day] = value
    return weeks


def _weekday_means(days: Days) -> dict[int, float]:
    """Give the mean of each weekday's values."""
    return {
        weekday: fmean(value for day, value in days.items() if day.weekday() == weekday)
        for weekday in {day.weekday() for day in days}
    }


def _spread(weeks: Mapping[Week, Days], means: Mapping[int, float]) -> float:
    """Give the variance of a period's number, from how its weeks differ from what their weekdays usually are.

    Each week adds what its days add to the mean of their weekdays; n / (n - 1) as for a sample of n clusters.
    """
    each = {weekday: sum(day.weekday() == weekday for days in weeks.values() for day in days) for weekday in means}
    added = [
        sum((value - means[day.weekday()]) / each[day.weekday()] for day, value in days.items()) / len(means)
        for days in weeks.values()
    ]
    return sum(one * one for one in added) * len(weeks) / (len(weeks) - 1)


def _half_width(before: float, after: float, weeks: tuple[int, int]) -> float:
    """Give half of the interval of a difference of two means with variances (Welch and Satterthwaite)."""
    total = before + after
    if not total:
        return 0.0
    degrees = total**2 / (before**2 / (weeks[0] - 1) + after**2 / (weeks[1] - 1))
    return student(max(int(degrees), 1)) * sqrt(total)
