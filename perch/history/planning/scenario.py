"""What if: the real sessions of a window, replayed against today's layout and against one that was changed.

Today's layout is the one in force at the window's end. What nobody could show is not known: who was turned away then,
and who would have come in hours in which the site was closed.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from math import sqrt
from statistics import fmean, stdev
from typing import NamedTuple

import numpy as np

from perch.errors import QuestionError
from perch.history.asked import asked, groups_of, rows_asked
from perch.history.asking import check
from perch.history.calendar import DAY_MS, HOUR_MS, Calendar
from perch.history.intervals import student
from perch.history.planning.demand import KINDS_BY_SIZE, Stay, demand
from perch.history.planning.replay import Pools, Replayed, replay
from perch.history.question import Hours, Question, Resolution
from perch.history.source import HistorySource
from perch.model import OpenSpan, Site, Space, SpaceKind

LEAST_WEEKS = 4
WEEK_MS = 7 * DAY_MS


@dataclass(frozen=True, slots=True)
class Remove:
    """Take spaces away."""

    spaces: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Add:
    """Put spaces of a kind there; each has `capacity` seats, None for as many as are needed."""

    kind: SpaceKind
    count: int
    capacity: int | None = None


@dataclass(frozen=True, slots=True)
class Convert:
    """Make other spaces out of one."""

    space: str
    into: Add


@dataclass(frozen=True, slots=True)
class Open:
    """Open at other hours on some weekdays, 0 for Monday."""

    hours: Mapping[int, tuple[OpenSpan, ...]]


Change = Remove | Add | Convert | Open


class Seats(NamedTuple):
    """A space as far as it matters here."""

    kind: SpaceKind
    capacity: int | None


class Outcome(NamedTuple):
    """What it comes to: per week, with the interval of the mean of the weeks (None where they are too few)."""

    turn_aways_per_week: float
    interval: tuple[float, float] | None
    full_hours_per_week: float
    peak_concurrent: int


@dataclass(frozen=True, slots=True)
class Scenario:
    """An answer: today's layout and the changed one, over sessions of the same window."""

    to_ms: int
    sessions: int
    baseline: Outcome
    scenario: Outcome
    warnings: tuple[str, ...]


def scenario(
    site: Site,
    from_ms: int,
    to_ms: int,
    changes: Sequence[Change],
    source: HistorySource,
    calendar: Calendar,
    now_ms: int,
) -> Scenario:
    """Replay a window; raises QuestionError where a change cannot be made."""
    question = Question("sessions", from_ms, to_ms, Resolution.TOTAL, hours=Hours.OPEN)
    end_ms = check(question, site, now_ms)
    today = [row.space for row in rows_asked(question, site, end_ms) if row.from_ms < end_ms <= row.to_ms]
    changed, kinds = _changed(today, changes), _touched(today, changes)
    chosen = rows_asked(question, site, end_ms)
    steps_ms = calendar.steps_ms(Resolution.TOTAL, from_ms, end_ms)
    about = asked(question, site, calendar, chosen, groups_of(question, site, chosen), steps_ms)
    window = _Window(from_ms, end_ms, [stay for stay in demand(about, source) if stay.kind in kinds], calendar)
    others = _opened(calendar, changes)
    return Scenario(
        end_ms,
        len(window.stays),
        window.outcome(_pools((Seats(space.kind, space.capacity) for space in today), kinds), calendar),
        window.outcome(_pools(changed, kinds), others),
        tuple(_warnings(window, others)),
    )


@dataclass(frozen=True, slots=True)
class _Window:
    """The sessions that are replayed."""

    from_ms: int
    to_ms: int
    stays: Sequence[Stay]
    calendar: Calendar

    def outcome(self, pools: Pools, hours: Calendar) -> Outcome:
        """Replay the sessions among some spaces and at some hours; who comes when it is closed is turned away."""
        opening = hours.opening_ms(self.from_ms, self.to_ms)
        comes = np.array([stay.from_ms for stay in self.stays], dtype=np.int64)
        is_open = (np.searchsorted(opening, comes, side="right") % 2 == 1).tolist()
        found = replay(compress(self.stays, is_open), pools, self.from_ms, self.to_ms)
        away = [*found.turned_away_ms, *comes[np.logical_not(is_open)].tolist()]
        weeks = (self.to_ms - self.from_ms) / WEEK_MS
        spans = list(zip(opening[::2].tolist(), opening[1::2].tolist(), strict=True))
        full_ms, peak = _within(found, spans)
        return Outcome(len(away) / weeks, self._interval(away), full_ms / HOUR_MS / weeks, peak)

    def _interval(self, away_ms: Sequence[int]) -> tuple[float, float] | None:
        """Give the interval of the mean from the whole weeks of the window."""
        weeks = self._whole_weeks()
        if len(weeks) < LEAST_WEEKS:
            return None
        counted = Counter(self.calendar.day_of(ms).isocalendar()[:2] for ms in away_ms)
        numbers = [counted[week] for week in weeks]
        half = student(len(numbers) - 1) * stdev(numbers) / sqrt(len(numbers))
        return max(fmean(numbers) - half, 0.0), fmean(numbers) + half

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


def _within(of: Replayed, spans: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Give for how long a kind was full in opening hours, and how many spaces were taken at most then."""
    full_ms = peak = place = 0
    for filling in of.fillings:
        while place < len(spans) and spans[place][1] <= filling.from_ms:
            place += 1
        for start_ms, end_ms in spans[place:]:
            if start_ms >= filling.to_ms:
                break
            peak = max(peak, filling.taken)
            full_ms += filling.full * (min(end_ms, filling.to_ms) - max(start_ms, filling.from_ms))
    return full_ms, peak


def _changed(today: Sequence[Space], changes: Sequence[Change]) -> list[Seats]:
    """Make the changes one after the other; raises QuestionError."""
    spaces: dict[str, Seats] = {space.id: Seats(space.kind, space.capacity) for space in today}
    made: list[Seats] = []
    for number, change in enumerate(changes):
        if isinstance(change, Remove):
            for space in change.spaces:
                _taken_out(spaces, space, f"changes[{number}].remove")
        elif isinstance(change, Add):
            made += _put_up(change)
        elif isinstance(change, Convert):
            _taken_out(spaces, change.space, f"changes[{number}].convert")
            made += _put_up(change.into)
    return [*spaces.values(), *made]


def _put_up(of: Add) -> list[Seats]:
    return [Seats(of.kind, of.capacity)] * of.count


def _taken_out(spaces: dict[str, Seats], space: str, where: str) -> None:
    if spaces.pop(space, None) is None:
        raise QuestionError(
            where, f"there is no space {space!r} at the window's end, or not any more", "name another one"
        )


def _touched(today: Sequence[Space], changes: Sequence[Change]) -> frozenset[SpaceKind]:
    """Name the kinds that changes are about: all that there are where only the hours change."""
    kind_of = {space.id: space.kind for space in today}
    kinds: set[SpaceKind] = set()
    for change in changes:
        if isinstance(change, Remove):
            kinds.update(kind_of[space] for space in change.spaces if space in kind_of)
        elif isinstance(change, Add):
            kinds.add(change.kind)
        elif isinstance(change, Convert):
            kinds.update((change.into.kind, kind_of.get(change.space, change.into.kind)))
    return frozenset(kinds or kind_of.values())


def _pools(spaces: Iterable[Seats], kinds: Iterable[SpaceKind]) -> Pools:
    """Group spaces by kind; a desk or booth is for one, whatever its capacity."""
    pools: dict[SpaceKind, list[int | None]] = {kind: [] for kind in kinds}
    for space in spaces:
        if space.kind in pools:
            pools[space.kind].append(space.capacity if space.kind in KINDS_BY_SIZE else None)
    return pools


def _opened(calendar: Calendar, changes: Sequence[Change]) -> Calendar:
    """Give the calendar with its changed hours."""
    hours = list(calendar.hours)
    for change in changes:
        if isinstance(change, Open):
            for weekday, spans in change.hours.items():
                hours[weekday] = spans
    return replace(calendar, hours=tuple(hours))


def _warnings(window: _Window, others: Calendar) -> Iterator[str]:
    if window.to_ms - window.from_ms < (LEAST_WEEKS + 1) * WEEK_MS:
        yield f"There are fewer than {LEAST_WEEKS} whole weeks, so there may be no interval; ask for a longer window."
    if not window.stays:
        yield "Nobody came in this window, so there is nothing to replay."
    if any(stay.seats == 0 for stay in window.stays):
        yield "In some rooms nobody was counted; such groups are taken to fit everywhere."
    if any(map(_opens_longer, window.calendar.hours, others.hours)):
        yield "Who would come in hours that are closed today is not known, and not counted."


def _opens_longer(now: Sequence[OpenSpan], then: Sequence[OpenSpan]) -> bool:
    """Tell whether some hours of a day are open then and not now."""
    return any(
        not any(
            old.start <= new.start and (old.until is None or (new.until is not None and new.until <= old.until))
            for old in now
        )
        for new in then
    )
