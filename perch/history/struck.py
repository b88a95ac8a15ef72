"""Taking what was said of some series over a period out of their sums by quarter hour."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from perch.history.summed import FAR, NEVER, QUARTERS, QuarterSums


class Struck(NamedTuple):
    """Series of which quarter hours are to be made unknown: from one until before another (since 1970).

    Of what comes after, all that rests on a word of the period: up to where something else is stated. Series of which
    that was found are in it no more.
    """

    series: frozenset[int]
    first: int
    end: int


def struck(sums: QuarterSums, at: Struck) -> tuple[QuarterSums, Struck]:
    """Make quarter hours of a day unknown; days are asked for in order. Gives what is to be done on later ones."""
    rows = np.flatnonzero(np.isin(sums.series, list(at.series)))
    quarters = np.arange(QUARTERS) + sums.day * QUARTERS
    gone = np.zeros(sums.known_ms.shape, dtype=np.bool_)
    through: set[int] = set()
    for row in rows.tolist():
        gone[row] = (quarters >= at.first) & (quarters < at.end)
        later = np.flatnonzero(sums.stated[row] & (quarters >= at.end))
        if len(later):
            through.add(int(sums.series[row]))
        gone[row] |= (quarters >= at.end) & (quarters <= (quarters[later[0]] if len(later) else FAR))
    counted = ~gone[sums.count_of, sums.count_quarter]
    silent = np.isin(np.arange(len(sums.series)), rows)
    changed = replace(
        sums,
        occupied_ms=np.where(gone, 0, sums.occupied_ms),
        known_ms=np.where(gone, 0, sums.known_ms),
        out_ms=np.where(gone, 0, sums.out_ms),
        counted_ms=np.where(gone, 0, sums.counted_ms),
        stated=sums.stated & ~(gone & (quarters < at.end)),
        lent=sums.lent & ~gone,
        before=np.where(silent & (sums.before >= at.first) & (sums.before < at.end), NEVER, sums.before),
        after=np.where(silent & (sums.after >= at.first) & (sums.after < at.end), FAR, sums.after),
        count_of=sums.count_of[counted],
        count_quarter=sums.count_quarter[counted],
        count=sums.count[counted],
        count_ms=sums.count_ms[counted],
    )
    return changed, at._replace(series=at.series - through)
