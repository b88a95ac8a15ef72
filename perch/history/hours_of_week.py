"""The hour-of-week map: what an hour of the week is like, over all the weeks of a window.

Hours are what the wall clock shows; one that happens twice is two hours of the same name. Percentiles are over the
hours of which there is a value, interpolated linearly between neighbours.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import NamedTuple

import numpy as np

from perch.history.asked import Asked
from perch.history.measure import Floats, ratio
from perch.history.metrics import Measured, Metric
from perch.history.question import HourRow, number_of
from perch.history.source import Integers
from perch.model import DAY_MS

BINS = 7 * 24
_FIRST_HOUR = 3 * 24
"""1 January 1970 was a Thursday."""


class _Spread(NamedTuple):
    """How the values of an hour's weeks spread, by group and hour of the week: how many there are, and percentiles."""

    weeks: Integers
    p50: Floats
    p90: Floats
    max: Floats


def hour_rows(about: Asked, metric: Metric, measured: Measured) -> Iterator[HourRow]:
    """Give a row for each hour of the week in which spaces stood there within the hours asked for."""
    bins = _bins(about)
    week = measured.together(bins, BINS)
    hours = metric.formula(measured)
    by_week = [_by_week(column, bins) for column in hours]
    of = [_means(column) for column in by_week] if metric.averaged else metric.formula(week)
    spread = _spread(by_week[0])
    counted_ms = np.bincount(bins, weights=about.counted_ms, minlength=BINS).astype(np.int64)
    spaces = ratio(week.known_ms, np.broadcast_to(counted_ms, week.known_ms.shape))
    columns = np.stack((*of, ratio(week.known_ms, week.inventory_ms), spread.p50, spread.p90, spread.max, spaces))
    for name, group in about.groups.items():
        for hour_of_week in np.flatnonzero(week.inventory_ms[group]).tolist():
            value, low, high, coverage, p50, p90, most, known = map(number_of, columns[:, group, hour_of_week].tolist())
            weekday, hour = divmod(hour_of_week, 24)
            weeks = int(spread.weeks[group, hour_of_week])
            yield HourRow(weekday + 1, hour, name, value, coverage, low, high, p50, p90, most, weeks, known)


def _bins(about: Asked) -> Integers:
    """Say of each step which hour of the week it is, from 0 on Monday at midnight."""
    local_s = (about.steps_ms[:-1] + _offsets_ms(about)) // 1000
    return (local_s // 3600 + _FIRST_HOUR) % BINS


def _offsets_ms(about: Asked) -> Integers:
    """Say of each step how far local time is ahead of UTC; days on which nothing turns are asked but once."""
    starts_ms = about.steps_ms[:-1]
    days, day_of = np.unique(starts_ms // DAY_MS, return_inverse=True)

    def ahead_ms(ms: int) -> int:
        ahead = about.calendar.local(ms).utcoffset()
        return 0 if ahead is None else ahead // timedelta(milliseconds=1)

    edges = {day: ahead_ms(day * DAY_MS) for day in {*days.tolist(), *(days + 1).tolist()}}
    found = np.array([edges[day] for day in days.tolist()], dtype=np.int64)[day_of]
    turning = [day for day in days.tolist() if edges[day] != edges[day + 1]]
    for place in np.flatnonzero(np.isin(starts_ms // DAY_MS, turning)).tolist():
        found[place] = ahead_ms(int(starts_ms[place]))
    return found


def _by_week(values: Floats, bins: Integers) -> Floats:
    """Put the values of each group and hour of the week side by side, in order; NaN where there are no more."""
    order = np.argsort(bins, kind="stable")
    numbers = np.bincount(bins, minlength=BINS)
    nth = np.arange(len(bins)) - np.repeat(np.cumsum(numbers) - numbers, numbers)
    table = np.full((len(values), BINS, max(int(numbers.max(initial=0)), 1)), np.nan)
    table[:, bins[order], nth] = values[:, order]
    return np.sort(table, axis=-1)


def _means(table: Floats) -> Floats:
    """Give the means of the values that there are."""
    there = ~np.isnan(table)
    number = np.count_nonzero(there, axis=-1)
    sums = np.where(there, table, 0.0).sum(axis=-1)
    means: Floats = np.divide(sums, number, out=np.full(sums.shape, np.nan), where=number > 0)
    return means


def _spread(table: Floats) -> _Spread:
    """Give the median, the 90th percentile and the largest of sorted values."""
    weeks = np.count_nonzero(~np.isnan(table), axis=-1)
    p50, p90, most = (np.full(weeks.shape, np.nan) for _ in range(3))
    for number in np.unique(weeks[weeks > 0]).tolist():
        of = weeks == number
        values = table[of][:, :number]
        p50[of], p90[of] = np.quantile(values, (0.5, 0.9), axis=1)
        most[of] = values[:, -1]
    return _Spread(weeks, p50, p90, most)
