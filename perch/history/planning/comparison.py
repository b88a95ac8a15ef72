"""Before and after: what changed between two periods, weekday by weekday, and how sure that is.

The number of a period is the mean, over the weekdays that both periods have, of the mean of that weekday's days; each
day is the metric over its opening hours and the spaces that stood there on it. Days observed too little are left out.
How sure the difference is comes from how the weeks of each period differ among themselves (a cluster for each week,
Welch's interval). With a control zone, each day counts by how it differs from the same day there.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from math import sqrt
from statistics import fmean

from perch.history.answers import NO_BOOKINGS, answer
from perch.history.asked import Bookings
from perch.history.calendar import Calendar
from perch.history.definitions import OF_BOOKINGS
from perch.history.intervals import student
from perch.history.question import Answer, Hours, Question, Resolution, Row, Scope
from perch.history.source import HistorySource
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


@dataclass(frozen=True, slots=True)
class Comparison:
    """An answer; numbers are None where there are not enough weeks. `weeks` are those before and after."""

    before: float | None
    after: float | None
    difference: float | None
    interval: tuple[float, float] | None
    weeks: tuple[int, int]
    warnings: tuple[str, ...]


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

    def days_of(question: Question) -> _Days:
        return _days(answer(question, site, source, calendar, now_ms, bookings), calendar)

    periods: list[Days] = []
    warnings: list[str] = []
    for name, (from_ms, to_ms) in (("before", of.before), ("after", of.after)):
        question = Question(of.metric, from_ms, to_ms, Resolution.DAY, Scope.SITE, Hours.OPEN, zone=of.zone)
        found = days_of(question)
        days = found.values
        if of.control_zone is not None:
            control = days_of(replace(question, zone=of.control_zone)).values
            days = {day: value - control[day] for day, value in days.items() if day in control}
        warnings += found.left_out(name)
        periods.append(days)
    if of.metric in OF_BOOKINGS:
        warnings.append("Bookings are those that the calendars hold now: what was deleted since is in no number.")
    if of.control_zone is not None:
        warnings.append(
            f"Numbers are differences to {of.control_zone}, which is taken to have changed as it would have here."
        )
    before, after = periods
    return compared_days(before, after, warnings)


@dataclass(frozen=True, slots=True)
class _Days:
    """The values of the days that were observed well enough; how many were not, and how many have no value."""

    values: Days
    unobserved: int
    empty: int

    def left_out(self, name: str) -> Iterator[str]:
        """Say which days of a period are not compared."""
        least = f"less than {COVERAGE_WANTED:.0%} of them was observed"
        if self.unobserved:
            yield f"Days {name} left out, because {least}: {self.unobserved}."
        if self.empty:
            yield f"Days {name} left out, because nothing happened on them that has a number: {self.empty}."


def _days(of: Answer, calendar: Calendar) -> _Days:
    """Take the days of an answer apart."""
    rows = [row for row in of.rows if isinstance(row, Row) and row.coverage is not None]
    good = [row for row in rows if (row.coverage or 0) >= COVERAGE_WANTED]
    values = {calendar.day_of(row.start_ms): row.value for row in good if row.value is not None}
    return _Days(values, len(rows) - len(good), len(good) - len(values))


def compared_days(before: Days, after: Days, warnings: Sequence[str]) -> Comparison:
    """Compare two periods of which the days' numbers are known."""
    weekdays = sorted({day.weekday() for day in before} & {day.weekday() for day in after})
    matched = [{day: value for day, value in days.items() if day.weekday() in weekdays} for days in (before, after)]
    weeks = [_by_week(days) for days in matched]
    number = (len(weeks[0]), len(weeks[1]))
    if min(number) < LEAST_WEEKS:
        least = (
            f"There are {number[0]} weeks before and {number[1]} after; {LEAST_WEEKS} of each are the least to compare."
        )
        return Comparison(None, None, None, None, number, (*warnings, least))
    means = [_weekday_means(days) for days in matched]
    first, second = (fmean(of.values()) for of in means)
    half = _half_width(_spread(weeks[0], means[0]), _spread(weeks[1], means[1]), number)
    difference = second - first
    return Comparison(first, second, difference, (difference - half, difference + half), number, tuple(warnings))


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
