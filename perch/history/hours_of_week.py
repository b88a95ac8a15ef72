"""The hour-of-week map: what an hour of the week is like, over all the weeks of a window.

Hours are what the wall clock shows; one that happens twice is two hours of the same name. Percentiles are over the
hours of which there is a value, interpolated linearly between neighbours.
"""

from collections.abc import Iterator

import numpy as np

from perch.history.asked import Asked
from perch.history.formulas import Bounded
from perch.history.measure import Flags, Floats, ratio
from perch.history.metrics import Measured, Metric
from perch.history.question import HourRow, number_of
from perch.history.source import Integers

BINS = 7 * 24


def hour_rows(about: Asked, metric: Metric, measured: Measured) -> Iterator[HourRow]:
    """Give a row for each hour of the week in which spaces stood there within the hours asked for."""
    bins = _bins(about)
    week = measured.together(bins, BINS)
    hours, whole = metric.formula(measured), metric.formula(week)
    observed = ratio(week.known_ms, week.inventory_ms)
    for name, group in about.groups.items():
        for hour_of_week in np.flatnonzero(week.inventory_ms[group]).tolist():
            among = bins == hour_of_week
            values = np.sort(hours.value[group, among])
            values = values[: np.count_nonzero(~np.isnan(values))]
            of = (
                _averaged(hours, group, among) if metric.averaged else [column[group, hour_of_week] for column in whole]
            )
            numbers = (*of, observed[group, hour_of_week], *_spread(values))
            value, low, high, coverage, p50, p90, most = map(number_of, numbers)
            weekday, hour = divmod(hour_of_week, 24)
            yield HourRow(weekday + 1, hour, name, value, coverage, low, high, p50, p90, most, len(values))


def _bins(about: Asked) -> Integers:
    """Say of each step which hour of the week it is, from 0 on Monday at midnight."""
    starts = map(about.calendar.local, about.steps_ms[:-1].tolist())
    return np.array([start.weekday() * 24 + start.hour for start in starts], dtype=np.int64)


def _averaged(hours: Bounded, group: int, among: Flags) -> list[float]:
    """Give the means of the values that there are."""
    columns = (column[group, among] for column in hours)
    return [float(column[~np.isnan(column)].mean()) if not np.isnan(column).all() else np.nan for column in columns]


def _spread(values: Floats) -> tuple[float, float, float]:
    """Give the median, the 90th percentile and the largest of sorted values."""
    if not len(values):
        return (np.nan,) * 3
    p50, p90 = np.quantile(values, (0.5, 0.9)).tolist()
    return p50, p90, float(values[-1])
