"""One formula for each metric: from what was measured in each group and step to its value, low and high.

Everything is worked out for all steps at once, in arrays of equal shape; NaN is where there is nothing to divide by, or
nothing to say.
"""

from typing import NamedTuple

import numpy as np

from perch.history.bookings import NoShows
from perch.history.measure import Flags, Floats, Times, ratio
from perch.history.overruns import Overruns
from perch.history.profiles import MANY, NEVER, Crowd
from perch.history.source import Integers
from perch.history.uses import Uses
from perch.history.visits import Visits


class Bounded(NamedTuple):
    """Values between their bounds; NaN where there is none."""

    value: Floats
    low: Floats
    high: Floats


def around(value: Floats, *others: Floats) -> Bounded:
    """Give a value with the least and the largest of itself and others as its bounds."""
    low, high = value, value
    for other in others:
        low, high = np.fmin(low, other), np.fmax(high, other)
    return Bounded(value, low, high)


def coverage(of: Times) -> Bounded:
    """Known / inventory time; exact, so both bounds are the value."""
    value = ratio(of.known_ms, of.inventory_ms)
    return Bounded(value, value, value)


def time_used_ratio(of: Times) -> Bounded:
    """Occupied / known time; unknown time as free below, as occupied above."""
    return Bounded(
        ratio(of.occupied_ms, of.known_ms),
        ratio(of.occupied_ms, of.inventory_ms),
        ratio(of.occupied_ms + of.unknown_ms, of.inventory_ms),
    )


def capacity_used_ratio(of: Times) -> Bounded:
    """People / seats in known time; in unknown time nobody below, every seat taken above."""
    people_ms, unknown_ms = of.people_ms, of.seats_ms - of.seats_known_ms
    return _if_counted(
        of,
        around(
            ratio(people_ms, of.seats_known_ms),
            ratio(people_ms, of.seats_ms),
            ratio(people_ms + unknown_ms, of.seats_ms),
        ),
    )


def fill_when_used(of: Times) -> Bounded:
    """People / seats in occupied time; in unknown time nobody, one person everywhere, or every seat taken."""
    unknown_ms = of.seats_ms - of.seats_known_ms
    seats_ms = of.seats_used_ms + unknown_ms
    return _if_counted(
        of,
        around(
            ratio(of.people_ms, of.seats_used_ms),
            ratio(of.people_ms + of.unknown_ms, seats_ms),
            ratio(of.people_ms + unknown_ms, seats_ms),
        ),
    )


def solo_share(of: Times) -> Bounded:
    """Time with one person / used time, of rooms."""
    return _share_of_rooms(of, of.solo_ms)


def size_mismatch(of: Times) -> Bounded:
    """Time with at most half as many people as seats / used time, of rooms."""
    return _share_of_rooms(of, of.sparse_ms)


def peak_concurrent(of: Crowd) -> Bounded:
    """Give the largest number of spaces occupied at one moment."""
    return _where(of.peak != NEVER, Bounded(*map(_floats, (of.peak, of.peak, of.peak_if_occupied))))


def peak_ratio(of: Crowd) -> Bounded:
    """Give the largest share of the spaces that stood there occupied at one moment."""
    return Bounded(of.ratio, of.ratio, of.ratio_if_occupied)


def avg_daily_peak(of: Crowd) -> Bounded:
    """Average the peaks of days."""
    value = ratio(of.day_peaks, of.days)
    return Bounded(value, value, ratio(of.day_peaks_if_occupied, of.days))


def min_surplus(of: Crowd) -> Bounded:
    """Give the smallest number of spaces free at one moment."""
    return _where(of.surplus != MANY, Bounded(*map(_floats, (of.surplus, of.surplus, of.surplus_if_free))))


def time_full_ratio(of: Crowd) -> Bounded:
    """Time with no free space / time in which it is known whether there was one."""
    undecided_ms = of.stood_ms - of.full_ms - of.roomy_ms
    return Bounded(
        ratio(of.full_ms, of.full_ms + of.roomy_ms),
        ratio(of.full_ms, of.stood_ms),
        ratio(of.full_ms + undecided_ms, of.stood_ms),
    )


def sessions(of: Visits) -> Bounded:
    """Count sessions."""
    return _where(of.inventory_ms > 0, around(_floats(of.seen.number), _floats(of.if_occupied.number)))


def turnover(of: Visits) -> Bounded:
    """Sessions / spaces times days."""
    return around(ratio(of.seen.number, of.space_days), ratio(of.if_occupied.number, of.space_days))


def dwell_median_seconds(of: Visits) -> Bounded:
    """Take the median of sessions that unknown time does not cut."""
    return around(*(counted.medians_ms() / 1000 for counted in (of.whole, of.seen, of.if_occupied)))


def camping(of: Visits) -> Bounded:
    """Count long gaps between two sessions of a desk on one day."""
    gaps = map(_floats, (of.gaps, of.gaps_if_free, of.gaps_if_occupied))
    return _where(of.inventory_ms > 0, around(*gaps))


def never_used(of: Uses) -> Bounded:
    """Count spaces that nobody used; there is no number where of some it cannot be told."""
    counted = _where(of.inventory_ms > 0, Bounded(*map(_floats, (of.never, of.surely_never, of.perhaps_never))))
    return counted._replace(value=np.where(of.undecided == 0, counted.value, np.nan))


def no_show_rate(of: NoShows) -> Bounded:
    """Bookings that nobody came to / those observed well enough; all of them below and above, by what was not seen."""
    return around(ratio(of.missed, of.judged), ratio(of.surely, of.every), ratio(of.unseen, of.every))


def overruns(of: Overruns) -> Bounded:
    """Bookings that overran / those used and observed well enough; unknown time as free below, as occupied above."""
    return around(ratio(of.over, of.judged), ratio(of.surely, of.used), ratio(of.perhaps, of.perhaps_used))


def _share_of_rooms(of: Times, part_ms: Integers) -> Bounded:
    """Give a share of used time; all unknown time as used otherwise below, as used like this above."""
    all_ms = of.room_used_ms + of.room_unknown_ms
    share = around(ratio(part_ms, of.room_used_ms), ratio(part_ms, all_ms), ratio(part_ms + of.room_unknown_ms, all_ms))
    return _where(of.room_uncounted_ms == 0, share)


def _if_counted(of: Times, bounded: Bounded) -> Bounded:
    """Say nothing where people or seats were missing."""
    return _where(of.uncounted_ms == 0, bounded)


def _floats(column: Integers) -> Floats:
    return column.astype(np.float64)


def _where(known: Flags, bounded: Bounded) -> Bounded:
    return Bounded(*(np.where(known, column, np.nan) for column in bounded))
