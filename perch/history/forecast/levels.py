"""How full a pool was: all shared spaces of a kind at a site, quarter hour by quarter hour.

A quarter hour stands for its first moment. Spaces are those that stood there then by the layout and were not out of
service. What was not observed well enough says nothing: it is neither free nor full.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

import numpy as np

from perch.history.calendar import DAY_MS, ONE_DAY, Calendar, ceil_quarter
from perch.history.layout import Standing, by_space, standings
from perch.history.measure import Flags, Floats
from perch.history.past import pasts
from perch.history.profiles import profile
from perch.history.source import HistorySource, Integers
from perch.model import QUARTER_MS, Purpose, Site, SpaceKind

QUARTERS = 96
LEAST_KNOWN = 0.75
"""A pool of which less is known at a moment was not observed then."""

DAYS_AT_ONCE = 28


@dataclass(frozen=True, slots=True)
class Levels:
    """A pool by local day and quarter hour of the wall clock, as arrays of days times 96.

    `crowd` is how many were taken, spaces that are unknown being taken for as busy as the others; NaN where the site
    was closed or too little was observed. `pool` is how many stood there, 0 where nothing is known. An hour that the
    clock shows twice is there once, as it was the second time; one that it skips was not observed.
    """

    first: date
    crowd: Floats
    pool: Integers

    @property
    def days(self) -> int:
        """How many days there are."""
        return len(self.crowd)


def is_full(crowd: Floats, pool: Integers) -> Flags:
    """Tell where none is left; not where nothing was observed."""
    return crowd > pool - 1e-6


def pool_of(site: Site, kind: SpaceKind) -> list[Standing]:
    """Give the rows of the layout that members may choose among."""
    return [row for row in standings(site) if row.space.kind is kind and row.space.purpose is Purpose.SHARED]


def levels(site: Site, kind: SpaceKind, first: date, to_ms: int, source: HistorySource, calendar: Calendar) -> Levels:
    """Read a pool from the beginning of a local day up to a moment, exclusive; raises what the source raises."""
    rows, last = pool_of(site, kind), calendar.day_of(to_ms - 1)
    number = max((last - first).days + 1, 0)
    found = Levels(first, np.full((number, QUARTERS), np.nan), np.zeros((number, QUARTERS), dtype=np.int64))
    firsts = [*range(0, number, DAYS_AT_ONCE), number]
    for begin, end in pairwise(firsts):
        from_ms = calendar.day_start_ms(first + timedelta(days=begin))
        end_ms = min(calendar.day_start_ms(first + timedelta(days=end)), to_ms)
        moments_ms = np.arange(ceil_quarter(from_ms), end_ms, QUARTER_MS, dtype=np.int64)
        if len(moments_ms):
            crowd, pool = _at(moments_ms, site, rows, source)
            crowd[~is_open(calendar, moments_ms)] = np.nan
            day, quarter = shown(calendar, moments_ms)
            place = day - first.toordinal(), quarter
            found.crowd[place], found.pool[place] = crowd, pool
    return found


def _at(moments_ms: Integers, site: Site, rows: list[Standing], source: HistorySource) -> tuple[Floats, Integers]:
    """Give how many were taken and how many there were at some moments in order."""
    from_ms, to_ms = int(moments_ms[0]), int(moments_ms[-1]) + 1
    of_spaces = by_space(row for row in rows if row.from_ms < to_ms and row.to_ms > from_ms)
    members = [
        (row, of)
        for past in pasts(site, of_spaces, from_ms, to_ms, source)
        for of in [past.timeline()]
        for row in of_spaces[past.space]
    ]
    start_ms, stands, occupied, free = profile(members, from_ms, to_ms)
    place = np.searchsorted(start_ms, moments_ms, side="right") - 1
    return taken(occupied[place], free[place], stands[place]), stands[place]


def taken(occupied: Integers, free: Integers, stands: Integers) -> Floats:
    """Give how many of a pool are taken, if those that are unknown are as busy as the others; NaN for too many such."""
    known = occupied + free
    seen = (known > 0) & (known >= LEAST_KNOWN * stands)
    crowd: Floats = np.divide(occupied * stands, known, out=np.full(np.shape(known), np.nan), where=seen)
    return crowd


def is_open(calendar: Calendar, moments_ms: Integers) -> Flags:
    """Tell at which moments in order a site is open; one without any hours is always, save on closed days."""
    from_ms, to_ms = int(moments_ms[0]), int(moments_ms[-1]) + 1
    if any(calendar.hours):
        opening_ms = calendar.opening_ms(from_ms, to_ms)
        within: Flags = np.searchsorted(opening_ms, moments_ms, side="right") % 2 == 1
        return within
    return np.array([calendar.day_of(ms) not in calendar.closed for ms in moments_ms.tolist()], dtype=np.bool_)


def shown(calendar: Calendar, moments_ms: Integers) -> tuple[Integers, Integers]:
    """Give the local day (its ordinal) and the quarter hour of the day that clocks show at moments in order."""
    days = list(_days(calendar, moments_ms))
    return np.concatenate([day for day, _ in days]), np.concatenate([quarter for _, quarter in days])


def _days(calendar: Calendar, moments_ms: Integers) -> Iterator[tuple[Integers, Integers]]:
    day, place = calendar.day_of(int(moments_ms[0])), 0
    while place < len(moments_ms):
        start_ms, end_ms = calendar.day_start_ms(day), calendar.day_start_ms(day + ONE_DAY)
        last = int(np.searchsorted(moments_ms, end_ms))
        of_day = moments_ms[place:last]
        if end_ms - start_ms == DAY_MS:
            quarters = (of_day - start_ms) // QUARTER_MS
        else:
            quarters = np.array([quarter_of(calendar, ms) for ms in of_day.tolist()], dtype=np.int64)
        yield np.full(len(of_day), day.toordinal(), dtype=np.int64), quarters
        day, place = day + ONE_DAY, last


def quarter_of(calendar: Calendar, ms: int) -> int:
    """Give the quarter hour of the day that clocks show at a moment."""
    local = calendar.local(ms)
    return local.hour * 4 + local.minute // 15
