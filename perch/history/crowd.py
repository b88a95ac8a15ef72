"""How many spaces were taken at one moment: a group's states side by side, and what was most and least of them.

A *profile* is a step function over a group: how many of its spaces stand there, how many are occupied and how many free
from each moment on. It is worked out piece by piece, so that a year needs little more memory than a week. Time out of
the hours asked for, or in which nothing stood there, says nothing.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from perch.history.asked import Asked
from perch.history.calendar import DAY_MS
from perch.history.layout import Standing, by_space
from perch.history.measure import Floats, added_up, gathered, ratio, rising
from perch.history.past import pasts
from perch.history.source import END_MS, FREE, OCCUPIED, HistorySource, Integers
from perch.history.timeline import Timeline

SPACE_DAYS_AT_ONCE = 7_000
NEVER, MANY = -1, 2**31
"""Less and more than any number of spaces: the most and the least of nothing."""


class Profile(NamedTuple):
    """From each moment on, how many spaces stand there, are occupied, and are free; the rest is unknown."""

    start_ms: Integers
    stands: Integers
    occupied: Integers
    free: Integers


class Crowd(NamedTuple):
    """What was most and least, by group and step, or by cell.

    `peak` is the largest number occupied (NEVER where nothing stood there), first at `peak_at_ms`, `peak_ms` long in
    all; `ratio` the largest share occupied (NaN); `surplus` the least number surely free (MANY). With `_if_…` unknown
    spaces are taken for such. Of `stood_ms`, in which any space stood there, `full_ms` had surely none free,
    `roomy_ms` surely one. `days` are those on which any stood there, `day_peaks` the sum of their peaks.
    """

    known_ms: Integers
    inventory_ms: Integers
    stood_ms: Integers
    full_ms: Integers
    roomy_ms: Integers
    days: Integers
    day_peaks: Integers
    day_peaks_if_occupied: Integers
    peak: Integers
    peak_at_ms: Integers
    peak_ms: Integers
    peak_if_occupied: Integers
    ratio: Floats
    ratio_if_occupied: Floats
    surplus: Integers
    surplus_if_free: Integers

    def together(self, bins: Integers, number: int) -> "Crowd":
        """Take the steps of each bin for one."""
        peak = gathered(np.maximum, self.peak, bins, number, NEVER)
        at_peak = self.peak == peak[..., bins]
        peak_at_ms = np.where(at_peak, self.peak_at_ms, END_MS)
        return Crowd(
            known_ms=added_up(self.known_ms, bins, number),
            inventory_ms=added_up(self.inventory_ms, bins, number),
            stood_ms=added_up(self.stood_ms, bins, number),
            full_ms=added_up(self.full_ms, bins, number),
            roomy_ms=added_up(self.roomy_ms, bins, number),
            days=added_up(self.days, bins, number),
            day_peaks=added_up(self.day_peaks, bins, number),
            day_peaks_if_occupied=added_up(self.day_peaks_if_occupied, bins, number),
            peak=peak,
            peak_at_ms=gathered(np.minimum, peak_at_ms, bins, number, END_MS),
            peak_ms=added_up(self.peak_ms * at_peak, bins, number),
            peak_if_occupied=gathered(np.maximum, self.peak_if_occupied, bins, number, NEVER),
            ratio=gathered(np.fmax, self.ratio, bins, number, np.nan),
            ratio_if_occupied=gathered(np.fmax, self.ratio_if_occupied, bins, number, np.nan),
            surplus=gathered(np.minimum, self.surplus, bins, number, MANY),
            surplus_if_free=gathered(np.minimum, self.surplus_if_free, bins, number, MANY),
        )

    @staticmethod
    def joined(parts: Sequence["Crowd"], join: Callable[[tuple[npt.NDArray[Any], ...]], npt.NDArray[Any]]) -> "Crowd":
        """Join several column by column."""
        return Crowd(**{name: join(tuple(getattr(part, name) for part in parts)) for name in Crowd._fields})


def crowd(asked: Asked, source: HistorySource) -> Crowd:
    """Measure all groups."""
    members: dict[int, list[Standing]] = {place: [] for place in asked.groups.values()}
    for row in asked.chosen:
        members[asked.group_of(row)].append(row)
    if not members:
        nothing: npt.NDArray[Any] = np.zeros(asked.shape, dtype=np.int64)
        return Crowd(**dict.fromkeys(Crowd._fields, nothing))
    return Crowd.joined([_of_group(asked, rows, source) for rows in members.values()], np.stack)


def time_at_levels(asked: Asked, source: HistorySource) -> Integers:
    """Give for how many milliseconds 0, 1, 2, … of all chosen spaces were occupied, while any stood there."""
    total = np.zeros(len(asked.chosen) + 1, dtype=np.int64)
    for first, last in _pieces(asked, max(len(asked.chosen), 1)):
        _, moments, length_ms = _moments_in(asked, asked.chosen, first, last, source)
        np.add.at(total, moments.occupied, length_ms * (moments.stands > 0))
    return total


def profile(members: Sequence[tuple[Standing, Timeline]], from_ms: int, to_ms: int) -> Profile:
    """Put spaces side by side, each while a row of the layout is in force, over [from_ms, to_ms)."""
    parts = [_steps_of(of, max(row.from_ms, from_ms), min(row.to_ms, to_ms)) for row, of in members]
    edges = np.array([[from_ms, 0, 0, 0]], dtype=np.int64).T
    start_ms, *changes = np.concatenate([edges, *(part for part in parts if part is not None)], axis=1)
    order = np.argsort(start_ms, kind="stable")
    start_ms = start_ms[order]
    last = np.append(start_ms[1:] != start_ms[:-1], True)
    return Profile(start_ms[last], *(np.cumsum(change[order])[last] for change in changes))


def _steps_of(of: Timeline, from_ms: int, to_ms: int) -> Integers | None:
    """Give the moments at which a space changes, and by how much it adds to stands, occupied and free from then on."""
    if from_ms >= to_ms:
        return None
    first = int(np.searchsorted(of.start_ms, from_ms, side="right")) - 1
    last = int(np.searchsorted(of.start_ms, to_ms, side="left"))
    start_ms = np.append(of.start_ms[first:last], to_ms)
    start_ms[0] = from_ms
    state, out = of.state[first:last], of.out[first:last]
    flags = np.stack((~out, state == OCCUPIED, state == FREE)).astype(np.int64)
    changes = np.diff(flags, prepend=0, append=0, axis=1)
    return np.concatenate((start_ms[np.newaxis], changes))


def _of_group(asked: Asked, rows: Sequence[Standing], source: HistorySource) -> Crowd:
    """Measure one group in each step."""
    pieces = [_of_piece(asked, rows, first, last, source) for first, last in _pieces(asked, len(rows))]
    cells = Crowd.joined(pieces, np.concatenate)
    by_day = np.flatnonzero(np.append(True, (np.diff(asked.step_of) != 0) | (np.diff(asked.day_of) != 0)))
    peaks = [np.maximum.reduceat(column, by_day) for column in (cells.peak, cells.peak_if_occupied)]
    stood = peaks[0] != NEVER
    of_days = [_at(column * stood, by_day, len(cells.peak)) for column in (np.ones_like(peaks[0]), *peaks)]
    cells = cells._replace(days=of_days[0], day_peaks=of_days[1], day_peaks_if_occupied=of_days[2])
    return cells.together(asked.step_of, asked.shape[1])


def _pieces(asked: Asked, rows: int) -> Iterator[tuple[int, int]]:
    """Cut the cells into runs (first and last, exclusive) of which each is worked out at once."""
    bounds_ms = asked.cut.bounds_ms
    length_ms = max(SPACE_DAYS_AT_ONCE // rows, 1) * DAY_MS
    wanted = np.arange(bounds_ms[0], bounds_ms[-1], length_ms)
    firsts = np.unique(np.searchsorted(bounds_ms, wanted))
    return pairwise([*firsts[firsts < len(bounds_ms) - 1].tolist(), len(bounds_ms) - 1])


def _of_piece(asked: Asked, rows: Sequence[Standing], first: int, last: int, source: HistorySource) -> Crowd:
    """Measure one group in some cells."""
    cell, moments, length_ms = _moments_in(asked, rows, first, last, source)
    return _said(moments, length_ms).together(cell, last - first)


def _moments_in(
    asked: Asked, rows: Sequence[Standing], first: int, last: int, source: HistorySource
) -> tuple[Integers, Profile, Integers]:
    """Give the profile of a group cut at cells: in which each moment lies, what it is like, and how long it lasts."""
    bounds_ms, counts = asked.cut.bounds_ms[first : last + 1], asked.counts[first:last]
    from_ms, to_ms = int(bounds_ms[0]), int(bounds_ms[-1])
    of_spaces = by_space(rows)
    read = pasts(asked.site, of_spaces, from_ms, to_ms, source)
    members = [(row, of) for past in read for of in [past.timeline()] for row in of_spaces[past.space]]
    of = profile(members, from_ms, to_ms)
    start_ms = rising(of.start_ms, bounds_ms)
    place = np.searchsorted(of.start_ms, start_ms[:-1], side="right") - 1
    cell = np.searchsorted(bounds_ms, start_ms[:-1], side="right") - 1
    counted = counts[cell]
    return cell, Profile(start_ms[:-1], *(column[place] * counted for column in of[1:])), np.diff(start_ms)


def _said(of: Profile, length_ms: Integers) -> Crowd:
    """Say of each step of a profile what is most and least in it."""
    unknown, stood, none = of.stands - of.occupied - of.free, of.stands > 0, np.zeros_like(length_ms)
    return Crowd(
        known_ms=(of.occupied + of.free) * length_ms,
        inventory_ms=of.stands * length_ms,
        stood_ms=stood * length_ms,
        full_ms=(stood & (of.occupied == of.stands)) * length_ms,
        roomy_ms=(of.free > 0) * length_ms,
        days=none,
        day_peaks=none,
        day_peaks_if_occupied=none,
        peak=np.where(stood, of.occupied, NEVER),
        peak_at_ms=of.start_ms,
        peak_ms=length_ms,
        peak_if_occupied=np.where(stood, of.occupied + unknown, NEVER),
        ratio=ratio(of.occupied, of.stands),
        ratio_if_occupied=ratio(of.occupied + unknown, of.stands),
        surplus=np.where(stood, of.free, MANY),
        surplus_if_free=np.where(stood, of.free + unknown, MANY),
    )


def _at(values: Integers, places: Integers, number: int) -> Integers:
    """Spread values over places."""
    spread = np.zeros(number, dtype=np.int64)
    spread[places] = values
    return spread
