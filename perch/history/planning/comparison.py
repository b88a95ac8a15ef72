"""Before and after: what changed between two periods, weekday by weekday, and how sure that is.

The number of a period is the mean, over the weekdays that both periods have, of the mean of that weekday's days; each
day is the metric over its opening hours and the spaces that stood there on it. Days observed too little are left out.
How sure the difference is comes from how the weeks of each period differ among themselves (a cluster for each week,
Welch's interval). With a control zone, each day counts by how it differs from the same day there.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from math import sqrt
from statistics import fmean
from typing import NamedTuple

import numpy as np

from perch.history.answers import NO_BOOKINGS, answer
from perch.history.asked import Bookings
from perch.history.calendar import Calendar
from perch.history.definitions import OF_BOOKINGS
from perch.history.intervals import student
from perch.history.kept import said_of_steps, steps_not_kept
from perch.history.metrics import METRICS
from perch.history.planning.pool import observed_pool
from perch.history.question import Answer, HourRow, Hours, Question, Resolution, Row, Scope
from perch.history.source import END_MS, HistorySource, Tiers
from perch.history.unobserved import COVERAGE_WANTED
from perch.model import Site

LEAST_WEEKS = 4

Days = Mapping[date, float]
Week = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Compared:
    """What is compared: a metric of a site, or of a zone of it, over two windows, ms UTC."""

    metric: str
    before: tuple[int, int]
    after: tuple[int, int]
    zone: str | None = None
    control_zone: str | None = None


class Period(NamedTuple):
    """One of the two: [from_ms, to_ms) as far as it is over, its number with bounds, and how much was observed.

    `days` are those that count, of the weekdays that both periods have; `weeks` the weeks in which they lie.
    """

    from_ms: int
    to_ms: int
    value: float | None
    low: float | None
    high: float | None
    coverage: float | None
    days: int
    weeks: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """An answer; numbers are None where there are not enough weeks. `left_out` are spaces never observed in either."""

    before: Period
    after: Period
    difference: float | None
    interval: tuple[float, float] | None
    bounds: tuple[float, float] | None
    left_out: tuple[str, ...]
    warnings: tuple[str, ...]


class Day(NamedTuple):
    """A day's number, with unknown time as free and as occupied."""

    value: float
    low: float
    high: float

    def less(self, other: "Day") -> "Day":
        """Give the difference to another day."""
        return Day(self.value - other.value, self.low - other.high, self.high - other.low)


def compare(
    of: Compared,
    site: Site,
    source: HistorySource,
    calendar: Calendar,
    now_ms: int,
    bookings: Bookings = NO_BOOKINGS,
) -> Comparison:
    """Compare two periods; raises QuestionError and whatever the source raises. `bookings` are of both, as `answer`'s.

    A day on which nothing was booked has no number of bookings.
    """
    zones = None if of.zone is None else [zone for zone in (of.zone, of.control_zone) if zone is not None]
    pool = observed_pool(site, [of.before, of.after], source, calendar, zones=zones)

    def ask(question: Question) -> Answer:
        return answer(question, pool.site, source, calendar, now_ms, bookings)

    read = [_read(of, window, ask, calendar) for window in (of.before, of.after)]
    left_out = [text for name, one in zip(("before", "after"), read, strict=True) for text in one.left_out(name)]
    found = compared_days(read[0].days, read[1].days)
    before, after = (
        Period(of_days.from_ms, of_days.to_ms, *numbers, of_days.coverage, *counted)
        for of_days, numbers, counted in zip(read, found.periods, found.counted, strict=True)
    )
    warnings = (*pool.warnings, *left_out, *_gone(of, source.tiers(site.id)), *_assumed(of), *found.warnings)
    return Comparison(before, after, found.difference, found.interval, found.bounds, pool.left_out, warnings)


def _gone(of: Compared, tiers: Tiers) -> Iterator[str]:
    """Say that there are days of which too little is kept."""
    first_ms = np.array([min(of.before[0], of.after[0]), END_MS], dtype=np.int64)
    back_ms = METRICS[of.metric].back_ms
    return said_of_steps(steps_not_kept(first_ms, back_ms, tiers), back_ms, tiers)


def _assumed(of: Compared) -> Iterator[str]:
    if of.metric in OF_BOOKINGS:
        yield "Bookings are those that the calendars hold now: what was deleted since is in no number."
    if of.control_zone is not None:
        yield f"Numbers are differences to {of.control_zone}, which is taken to have changed as it would have here."


@dataclass(frozen=True, slots=True)
class _Read:
    """The days of a period that were observed well enough; how many were not, and how many have no value."""

    from_ms: int
    to_ms: int
    days: Mapping[date, Day]
    coverage: float | None
    unobserved: int
    empty: int

    def left_out(self, name: str) -> Iterator[str]:
        """Say which days of a period are not compared."""
        least = f"less than {COVERAGE_WANTED:.0%} of them was observed"
        if self.unobserved:
            yield f"Days {name} left out, because {least}: {self.unobserved}."
        if self.empty:
            yield f"Days {name} left out, because nothing happened on them that has a number: {self.empty}."


def _read(of: Compared, window: tuple[int, int], ask: Callable[[Question], Answer], calendar: Calendar) -> _Read:
    """Ask for the days of a period, less those of the control zone where there is one."""
    question = Question(of.metric, *window, Resolution.DAY, Scope.SITE, Hours.OPEN, zone=of.zone)
    found = ask(question)
    rows = [row for row in found.rows if isinstance(row, Row) and row.coverage is not None]
    good = [row for row in rows if (row.coverage or 0) >= COVERAGE_WANTED]
    days = _days(good, calendar)
    empty = len(good) - len(days)
    if of.control_zone is not None:
        control = ask(replace(question, zone=of.control_zone)).rows
        beside = _days([row for row in control if (row.coverage or 0) >= COVERAGE_WANTED], calendar)
        days = {day: one.less(beside[day]) for day, one in days.items() if day in beside}
    whole = ask(replace(question, metric="coverage", resolution=Resolution.TOTAL)).rows
    observed = whole[0].value if whole else None
    return _Read(window[0], found.to_ms, days, observed, len(rows) - len(good), empty)


def _days(rows: Sequence[Row | HourRow], calendar: Calendar) -> dict[date, Day]:
    """Give the numbers of days that have one."""
    return {
        calendar.day_of(row.start_ms): Day(
            row.value, row.value if row.low is None else row.low, row.value if row.high is None else row.high
        )
        for row in rows
        if isinstance(row, Row) and row.value is not None
    }


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
