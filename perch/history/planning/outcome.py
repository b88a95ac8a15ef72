"""What a layout comes to with the visits of a window: who is turned away, how long it is full, how many are taken."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import compress
from math import sqrt
from statistics import fmean, stdev
from typing import NamedTuple

import numpy as np

from perch.history.calendar import DAY_MS, HOUR_MS, Calendar
from perch.history.intervals import student
from perch.history.planning.demand import Demand, Stay
from perch.history.planning.replay import Pools, Replayed, replay
from perch.history.question import Resolution
from perch.model import SpaceKind

LEAST_WEEKS = 4
WEEK_MS = 7 * DAY_MS


class Bounds(NamedTuple):
    """What each number is at least and at most, with unknown time as free and as occupied; None where none is known."""

    turn_aways_per_week: tuple[float, float | None]
    full_hours_per_week: tuple[float, float | None]
    peak_concurrent: tuple[int, int | None]


class Outcome(NamedTuple):
    """What it comes to: per week, with the interval of the mean of the weeks (None where they are too few).

    Numbers are None where nobody can know who would come. `full_hours_by_kind` says in how many hours a week all of a
    kind are taken, `full_hours_per_week` in how many all of some kind are.
    """

    turn_aways_per_week: float | None
    interval: tuple[float, float] | None
    full_hours_per_week: float | None
    peak_concurrent: int | None
    full_hours_by_kind: Mapping[SpaceKind, float]
    bounds: Bounds

    def at_least(self) -> "Outcome":
        """Give the same where more may come than were seen: no numbers, but what they are at least."""
        away, full_hours, peak = self.bounds
        return Outcome(None, None, None, None, {}, Bounds((away[0], None), (full_hours[0], None), (peak[0], None)))


class _Told(NamedTuple):
    """What a replay comes to."""

    away_ms: Sequence[int]
    full_hours: float
    peak: int
    by_kind: Mapping[SpaceKind, float]


@dataclass(frozen=True, slots=True)
class Window:
    """The visits that are replayed, over [from_ms, to_ms), and the calendar of the site."""

    from_ms: int
    to_ms: int
    demand: Demand
    calendar: Calendar

    @property
    def weeks(self) -> float:
        """How many weeks it is long, of which one may have an hour more or less; what is within a day is as it is."""
        length_ms = self.to_ms - self.from_ms
        shifted_ms = (self._ahead(self.to_ms) - self._ahead(self.from_ms)) // timedelta(milliseconds=1)
        return (length_ms + (shifted_ms if length_ms > DAY_MS else 0)) / WEEK_MS

    def outcome(self, pools: Pools, hours: Calendar) -> Outcome:
        """Replay the visits among some spaces and at some hours; who comes when it is closed is turned away."""
        seen = self._told(self.demand.seen, pools, hours)
        most = (
            seen if self.demand.seen == self.demand.if_occupied else self._told(self.demand.if_occupied, pools, hours)
        )
        away, away_at_most = len(seen.away_ms) / self.weeks, len(most.away_ms) / self.weeks
        return Outcome(
            away,
            self._interval(seen.away_ms),
            seen.full_hours,
            seen.peak,
            seen.by_kind,
            Bounds(
                (min(away, away_at_most), max(away, away_at_most)),
                (min(seen.full_hours, most.full_hours), max(seen.full_hours, most.full_hours)),
                (min(seen.peak, most.peak), max(seen.peak, most.peak)),
            ),
        )

    def _told(self, stays: Sequence[Stay], pools: Pools, hours: Calendar) -> _Told:
        opening = hours.opening_ms(self.from_ms, self.to_ms)
        comes = np.array([stay.from_ms for stay in stays], dtype=np.int64)
        is_open = (np.searchsorted(opening, comes, side="right") % 2 == 1).tolist()
        found = replay(compress(stays, is_open), pools, self.from_ms, self.to_ms)
        away = [*found.turned_away_ms, *comes[np.logical_not(is_open)].tolist()]
        spans = list(zip(opening[::2].tolist(), opening[1::2].tolist(), strict=True))
        full_ms, peak = _within(found, spans)
        by_kind = {kind: full_ms[kind] / HOUR_MS / self.weeks for kind in sorted(pools)}
        return _Told(away, full_ms[None] / HOUR_MS / self.weeks, peak, by_kind)

    def _interval(self, away_ms: Sequence[int]) -> tuple[float, float] | None:
        """Give the interval of the mean from the whole weeks of the window."""
        if not self.has_interval:
            return None
        weeks = self._whole_weeks()
        counted = Counter(self.calendar.day_of(ms).isocalendar()[:2] for ms in away_ms)
        numbers = [counted[week] for week in weeks]
        half = student(len(numbers) - 1) * stdev(numbers) / sqrt(len(numbers))
        return max(fmean(numbers) - half, 0.0), fmean(numbers) + half

    @property
    def has_interval(self) -> bool:
        """Tell whether there are whole weeks enough for an interval."""
        return len(self._whole_weeks()) >= LEAST_WEEKS

    def _ahead(self, ms: int) -> timedelta:
        """Say how far the site's clocks are ahead of UTC."""
        return self.calendar.local(ms).utcoffset() or timedelta()

    def _whole_weeks(self) -> list[tuple[int, int]]:
        """Name the weeks that begin and end within the window."""
        bounds_ms = self.calendar.steps_ms(Resolution.WEEK, self.from_ms, self.to_ms).tolist()
        days = [self.calendar.day_of(ms) for ms in bounds_ms]
        begins = [
            day.weekday() == 0 and self.calendar.day_start_ms(day) == ms
            for day, ms in zip(days, bounds_ms, strict=True)
        ]
        return [
            day.isocalendar()[:2] for day, first, last in zip(days, begins, begins[1:], strict=False) if first and last
        ]


def _within(of: Replayed, spans: Sequence[tuple[int, int]]) -> tuple[Counter[SpaceKind | None], int]:
    """Give for how long each kind was full in opening hours (None: any), and how many were taken at most then."""
    full_ms = Counter[SpaceKind | None]()
    peak = place = 0
    for filling in of.fillings:
        while place < len(spans) and spans[place][1] <= filling.from_ms:
            place += 1
        for start_ms, end_ms in spans[place:]:
            if start_ms >= filling.to_ms:
                break
            peak = max(peak, filling.taken)
            met_ms = min(end_ms, filling.to_ms) - max(start_ms, filling.from_ms)
            for kind in (*filling.full, *((None,) if filling.full else ())):
                full_ms[kind] += met_ms
    return full_ms, peak
