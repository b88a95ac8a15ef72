"""How full groups were at one moment, over the steps of a question: worked out day by day, or in pieces of some days.

So a year needs little more memory than a week.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from perch.history.asked import Asked
from perch.history.by_day import Way, by_runs
from perch.history.layout import Standing, by_space
from perch.history.measure import rising
from perch.history.members import Members, Seen
from perch.history.past import pasts
from perch.history.profiles import NEVER, Crowd, Profile, profile, said
from perch.history.sheet_profiles import moments_of
from perch.history.source import HistorySource, Integers
from perch.model import DAY_MS

SPACE_DAYS_AT_ONCE = 7_000


class Levels(NamedTuple):
    """What was most and least of groups, and for how many milliseconds 0, 1, 2, … of all chosen spaces were occupied.

    `spent_if_occupied_ms` takes unknown spaces for occupied. Of the levels only time within the hours asked for counts,
    in which any space stood there; they are of a question with one group, else empty.
    """

    crowd: Crowd
    spent_ms: Integers
    spent_if_occupied_ms: Integers


def crowd(asked: Asked, source: HistorySource) -> Crowd:
    """Measure all groups."""
    return levels(asked, source).crowd


def levels(asked: Asked, source: HistorySource) -> Levels:
    """Measure all groups, and how long how many spaces were occupied at once."""
    if not asked.groups:
        nothing: npt.NDArray[Any] = np.zeros(asked.shape, dtype=np.int64)
        never = np.zeros(1, dtype=np.int64)
        return Levels(Crowd(**dict.fromkeys(Crowd._fields, nothing)), never, never)
    parts = by_runs(asked, source, _WAY)
    runs = Crowd.joined([part.crowd for part in parts], lambda columns: np.concatenate(columns, axis=-1))
    return Levels(_by_step(asked, runs), *_spent(parts, len(asked.chosen) + 1))


def _spent(parts: Sequence[Levels], most: int = 0) -> tuple[Integers, Integers]:
    """Add up how long how many were occupied, and with unknown ones as occupied."""
    columns = [[part.spent_ms for part in parts], [part.spent_if_occupied_ms for part in parts]]
    longest = max(most, *(len(of) for column in columns for of in column))
    sums = np.zeros((2, longest), dtype=np.int64)
    for place, column in enumerate(columns):
        for of in column:
            sums[place, : len(of)] += of
    return sums[0], sums[1]


def _by_step(asked: Asked, runs: Crowd) -> Crowd:
    """Take the runs of each step for one, and the peaks of its days."""
    step_of, day_of = asked.step_of[asked.first_of_run], asked.day_of[asked.first_of_run]
    by_day = np.flatnonzero(np.append(True, (np.diff(step_of) != 0) | (np.diff(day_of) != 0)))
    peaks = [np.maximum.reduceat(column, by_day, axis=-1) for column in (runs.peak, runs.peak_if_occupied)]
    stood = peaks[0] != NEVER
    of_days = [_at(column * stood, by_day, runs.peak.shape) for column in (np.ones_like(peaks[0]), *peaks)]
    runs = runs._replace(days=of_days[0], day_peaks=of_days[1], day_peaks_if_occupied=of_days[2])
    return runs.in_order(np.flatnonzero(np.diff(step_of, prepend=-1)))


def _at(values: Integers, places: Integers, shape: tuple[int, ...]) -> Integers:
    """Spread values over places of the last axis."""
    spread = np.zeros(shape, dtype=np.int64)
    spread[..., places] = values
    return spread


def _from_sheet(part: Asked, members: Members, seen: Seen) -> Levels:
    found = [_said(part, moments_of(part, group, members, seen)) for group in range(members.groups)]
    return _stacked(found)


def _from_words(part: Asked, source: HistorySource) -> Levels:
    members: dict[int, list[Standing]] = {place: [] for place in part.groups.values()}
    for row in part.chosen:
        members[part.group_of(row)].append(row)
    return _stacked([_of_group(part, rows, source) for rows in members.values()])


def _stacked(found: Sequence[Levels]) -> Levels:
    never = np.zeros(1, dtype=np.int64)
    alone = (found[0].spent_ms, found[0].spent_if_occupied_ms) if len(found) == 1 else (never, never)
    return Levels(Crowd.joined([one.crowd for one in found], np.stack), *alone)


def _size(levels: Levels) -> int:
    spent_bytes = levels.spent_ms.nbytes + levels.spent_if_occupied_ms.nbytes
    return spent_bytes + sum(column.nbytes for column in levels.crowd)


_WAY = Way("crowd", _from_sheet, _from_words, _size)


def _of_group(part: Asked, rows: Sequence[Standing], source: HistorySource) -> Levels:
    """Measure one group in each step."""
    pieces = [
        _said(part.part(first, last), _moments_in(part.part(first, last), rows, source))
        for first, last in _pieces(part, len(rows))
    ]
    return Levels(Crowd.joined([piece.crowd for piece in pieces], np.concatenate), *_spent(pieces))


def _pieces(part: Asked, rows: int) -> Iterator[tuple[int, int]]:
    """Cut runs into spans (first and last, exclusive) of which each is worked out at once."""
    starts_ms = part.cut.bounds_ms[part.first_of_run]
    length_ms = max(SPACE_DAYS_AT_ONCE // rows, 1) * DAY_MS
    wanted = np.arange(starts_ms[0], part.to_ms, length_ms)
    firsts = np.unique(np.searchsorted(starts_ms, wanted))
    return pairwise([*firsts[firsts < len(starts_ms)].tolist(), len(starts_ms)])


def _moments_in(part: Asked, rows: Sequence[Standing], source: HistorySource) -> Profile:
    """Give the profile of a group cut at cells."""
    of_spaces = by_space(rows)
    read = pasts(part.site, of_spaces, part.from_ms, part.to_ms, source)
    members = [(row, of) for past in read for of in [past.timeline()] for row in of_spaces[past.space]]
    of = profile(members, part.from_ms, part.to_ms)
    start_ms = rising(of.start_ms, part.cut.bounds_ms[:-1])
    place = np.searchsorted(of.start_ms, start_ms, side="right") - 1
    return Profile(start_ms, *(column[place] for column in of[1:]))


def _said(part: Asked, moments: Profile) -> Levels:
    """Say what a profile that is cut at cells is in each run, within the hours asked for."""
    begins = np.searchsorted(moments.start_ms, part.cut.bounds_ms[:-1])
    length_ms = np.diff(moments.start_ms, append=part.to_ms)
    if not part.counts.all():
        counted = np.repeat(part.counts, np.diff(begins, append=len(length_ms)))
        moments = Profile(moments.start_ms, *(column * counted for column in moments[1:]))
    stood_ms = length_ms * (moments.stands > 0)
    spent_ms = np.bincount(moments.occupied, stood_ms).astype(np.int64)
    if_occupied_ms = np.bincount(moments.stands - moments.free, stood_ms).astype(np.int64)
    return Levels(said(moments, length_ms).in_order(begins[part.cut.first_cell]), spent_ms, if_occupied_ms)
