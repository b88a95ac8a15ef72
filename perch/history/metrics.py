"""Every metric: what it means, what is measured for it, and its formula."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol, Self

from perch.history import formulas
from perch.history.asked import Asked
from perch.history.bookings import AFTER_MS, BEFORE_MS, no_shows
from perch.history.crowd import crowd
from perch.history.definitions import DEFINITIONS
from perch.history.formulas import Bounded
from perch.history.overruns import STAYED_MS, overruns
from perch.history.question import Definition, Question
from perch.history.source import HistorySource, Integers
from perch.history.uses import QUIET_LIMIT_MS, spent, uses
from perch.history.visits import MARGIN_MS, visits


class Measured(Protocol):
    """What was measured, by group and step."""

    @property
    def known_ms(self) -> Integers:
        """Time of which the state was observed."""
        ...

    @property
    def inventory_ms(self) -> Integers:
        """Time in which spaces stood there."""
        ...

    def together(self, bins: Integers, number: int) -> Self:
        """Take the steps of each bin for one."""
        ...


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric. Over hours of the week `averaged` ones are the mean of the hours' values, others as if of one hour.

    `back_ms` says from how long before a step words are needed; None where sums by quarter hour are enough.
    """

    definition: Definition
    measure: Callable[[Asked, HistorySource], Measured]
    formula: Callable[[Any], Bounded]
    averaged: bool

    @property
    def back_ms(self) -> int | None:
        """How far back words are needed."""
        return _BACK_MS[self.measure]


_BACK_MS: Mapping[Callable[[Asked, HistorySource], Measured], int | None] = {
    spent: None,
    crowd: 0,
    visits: MARGIN_MS,
    uses: QUIET_LIMIT_MS,
    no_shows: BEFORE_MS,
    overruns: BEFORE_MS,
}

_MEASURED: Mapping[str, tuple[Callable[[Asked, HistorySource], Measured], Callable[[Any], Bounded], bool]] = {
    "coverage": (spent, formulas.coverage, False),
    "time_used_ratio": (spent, formulas.time_used_ratio, False),
    "capacity_used_ratio": (spent, formulas.capacity_used_ratio, False),
    "fill_when_used": (spent, formulas.fill_when_used, False),
    "peak_concurrent": (crowd, formulas.peak_concurrent, True),
    "peak_ratio": (crowd, formulas.peak_ratio, True),
    "avg_daily_peak": (crowd, formulas.avg_daily_peak, True),
    "min_surplus": (crowd, formulas.min_surplus, True),
    "time_full_ratio": (crowd, formulas.time_full_ratio, False),
    "sessions": (visits, formulas.sessions, True),
    "turnover": (visits, formulas.turnover, True),
    "dwell_median_seconds": (visits, formulas.dwell_median_seconds, False),
    "never_used": (uses, formulas.never_used, True),
    "camping": (visits, formulas.camping, True),
    "solo_share": (spent, formulas.solo_share, False),
    "size_mismatch": (spent, formulas.size_mismatch, False),
    "no_show_rate": (no_shows, formulas.no_show_rate, False),
    "overruns": (overruns, formulas.overruns, False),
}

METRICS: Mapping[str, Metric] = MappingProxyType(
    {name: Metric(definition, *_MEASURED[name]) for name, definition in DEFINITIONS.items()}
)
"""Every metric by its id, in the order of their definitions."""


def parameters_of(metric: Metric, question: Question) -> Mapping[str, int]:
    """Give the rules by which a metric was measured, in milliseconds."""
    if metric.measure is visits:
        return {"merge_seconds": question.rules.merge_ms, "min_seconds": question.rules.min_ms}
    if metric.measure is no_shows:
        return {"before_seconds": BEFORE_MS, "after_seconds": AFTER_MS}
    if metric.measure is overruns:
        return {"before_seconds": BEFORE_MS, "overrun_seconds": STAYED_MS}
    return {"quiet_limit_seconds": QUIET_LIMIT_MS} if metric.measure is uses else {}
