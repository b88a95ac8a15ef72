"""Before and after: what changed between two periods, weekday by weekday, and how sure that is.

Each day is the metric over its opening hours and the spaces that stood there on it. Days observed too little are left
out. With a control zone, each day counts by how it differs from the same day there. What the days of two periods come
to is for `weekdays` to say.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import NamedTuple

import numpy as np

from perch.history.answers import NO_BOOKINGS, answer
from perch.history.asked import Bookings
from perch.history.calendar import Calendar
from perch.history.definitions import OF_BOOKINGS
from perch.history.kept import said_of_steps, steps_not_kept
from perch.history.metrics import METRICS
from perch.history.planning.pool import observed_pool
from perch.history.planning.weekdays import Day, compared_days
from perch.history.question import Answer, HourRow, Hours, Question, Resolution, Row, Scope
from perch.history.source import END_MS, HistorySource, Tiers
from perch.history.unobserved import COVERAGE_WANTED
from perch.model import Site


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
