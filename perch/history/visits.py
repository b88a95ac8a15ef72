"""How often spaces were taken and for how long: sessions counted by group and step.

A session counts once, in the step of its first moment within the hours asked for, for the row of the layout that is in
force then. It is counted as observed, and again with all unknown time of the window as free, and as occupied.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from perch.history.asked import Asked
from perch.history.calendar import HOUR_MS
from perch.history.layout import Standing
from perch.history.measure import Flags, Floats, Sums, added_up
from perch.history.past import Past, pasts, pasts_from
from perch.history.question import Hours
from perch.history.sessions import Sessions, States, known_gaps, sessions
from perch.history.source import BEGINNING_MS, END_MS, HistorySource, Integers
from perch.history.uses import rows_measured
from perch.model import SpaceKind

MARGIN_MS = 26 * HOUR_MS
"""How far around the window is looked at first: longer than any local day."""

CAMPING_MS = 300 * 60_000


class Counted:
    """Sessions by group and step, and how long each lasted."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self.number = np.zeros(shape, dtype=np.int64)
        self._lengths: list[tuple[Integers, Integers]] = []

    def __repr__(self) -> str:
        return f"<Counted {self.number.sum()} sessions>"

    def add(self, group: int, steps: Integers, lengths_ms: Integers) -> None:
        """Count sessions of a group."""
        np.add.at(self.number[group], steps, 1)
        self._lengths.append((group * self.number.shape[1] + steps, lengths_ms))

    def medians_ms(self) -> Floats:
        """Give the median length in each group and step, the mean of the middle two; NaN where there is none."""
        medians = np.full(self.number.size, np.nan)
        if self._lengths:
            place, ms = (np.concatenate(columns) for columns in zip(*self._lengths, strict=True))
            order = np.lexsort((ms, place))
            number = self.number.ravel()
            has, ends = number > 0, np.cumsum(number)
            firsts = (ends - number)[has]
            low, high = (ms[order][firsts + half] for half in ((number[has] - 1) // 2, number[has] // 2))
            medians[has] = (low + high) / 2
        return medians.reshape(self.number.shape)

    def together(self, bins: Integers, number: int) -> "Counted":
        """Take the steps of each bin for one."""
        joined = Counted((self.number.shape[0], number))
        joined.number = added_up(self.number, bins, number)
        steps = self.number.shape[1]
        joined._lengths = [(place // steps * number + bins[place % steps], ms) for place, ms in self._lengths]
        return joined


class Visits(NamedTuple):
    """What was counted by group and step.

    `seen` are all sessions, `whole` those that unknown time does not cut, `if_occupied` those if it were occupied.
    `gaps` are long gaps between two sessions of a desk on one day that were observed as free; `gaps_if_…` likewise.
    """

    known_ms: Integers
    inventory_ms: Integers
    space_days: Integers
    gaps: Integers
    gaps_if_free: Integers
    gaps_if_occupied: Integers
    seen: Counted
    whole: Counted
    if_occupied: Counted

    def together(self, bins: Integers, number: int) -> "Visits":
        """Take the steps of each bin for one."""
        return Visits(
            known_ms=added_up(self.known_ms, bins, number),
            inventory_ms=added_up(self.inventory_ms, bins, number),
            space_days=added_up(self.space_days, bins, number),
            gaps=added_up(self.gaps, bins, number),
            gaps_if_free=added_up(self.gaps_if_free, bins, number),
            gaps_if_occupied=added_up(self.gaps_if_occupied, bins, number),
            seen=self.seen.together(bins, number),
            whole=self.whole.together(bins, number),
            if_occupied=self.if_occupied.together(bins, number),
        )


def visits(asked: Asked, source: HistorySource) -> Visits:
    """Count the sessions of all groups."""
    known_ms, inventory_ms, days, gaps, gaps_free, gaps_occupied = np.zeros((6, *asked.shape), dtype=np.int64)
    seen, whole, occupied = (Counted(asked.shape) for _ in range(3))
    rules = asked.question.rules
    for past in pasts_around(asked, source):
        states = States.of(past.timeline(), past.standings)
        found = sessions(states, rules)
        filled = sessions(states.with_unknown_occupied(asked.from_ms, asked.to_ms), rules)
        not_cut = Sessions(found.from_ms[~found.cut], found.to_ms[~found.cut], found.cut[~found.cut])
        for group, row, sums in rows_measured(asked, past):
            known_ms[group] += asked.by_step(sums.known_ms)
            inventory_ms[group] += asked.by_step(sums.inventory_ms)
            days[group] += _days(asked, sums)
            for counted, of in ((seen, found), (whole, not_cut), (occupied, filled)):
                steps, places = _steps(asked, row, _first_moments(asked, of))
                counted.add(group, steps, (of.to_ms - of.from_ms)[places])
            if row.space.kind is SpaceKind.DESK:
                gaps[group] += _gaps(asked, row, found, known_gaps(states, found))
                gaps_free[group] += _gaps(asked, row, found)
                gaps_occupied[group] += _gaps(asked, row, filled)
    return Visits(known_ms, inventory_ms, days, gaps, gaps_free, gaps_occupied, seen, whole, occupied)


def pasts_around(asked: Asked, source: HistorySource) -> Iterator[Past]:
    """Read each space as far around the window as its sessions reach."""
    from_ms, to_ms = asked.from_ms - MARGIN_MS, asked.to_ms + MARGIN_MS
    for past in pasts(asked.site, asked.spaces, from_ms, to_ms, source):
        if _reaches_out(asked, past, from_ms, to_ms):
            yield from pasts_from(asked.site, [past.space], source.tiers(asked.site.id).words_ms, END_MS, source)
        else:
            yield past


def _reaches_out(asked: Asked, past: Past, from_ms: int, to_ms: int) -> bool:
    """Tell whether a session that meets the window may be longer than what was read."""
    rules = asked.question.rules
    states = States.of(past.timeline(), past.standings).with_unknown_occupied(asked.from_ms, asked.to_ms)
    found = sessions(states, replace(rules, min_ms=0))
    meets = (found.to_ms > asked.from_ms) & (found.from_ms < asked.to_ms)
    far = (found.from_ms <= from_ms + rules.merge_ms) | (found.to_ms >= to_ms - rules.merge_ms - rules.min_ms)
    return bool((meets & far).any())


def places_counted(asked: Asked, row: Standing, of: Sessions) -> Integers:
    """Say which of a space's sessions count for a row of the layout within the window."""
    return _steps(asked, row, _first_moments(asked, of))[1]


def _first_moments(asked: Asked, of: Sessions) -> Integers:
    """Give the first moment of each session within the hours asked for; that of sessions without one lies nowhere."""
    if asked.question.hours is Hours.ALL:
        return of.from_ms
    place = np.searchsorted(asked.opening_ms, of.from_ms, side="right")
    next_ms = np.append(asked.opening_ms, END_MS)[place]
    moments = np.where(place % 2 == 1, of.from_ms, next_ms)
    moments[moments >= of.to_ms] = END_MS
    for number in np.flatnonzero((of.from_ms < asked.from_ms) & (moments < END_MS)).tolist():
        if len(asked.calendar.opening_ms(int(of.from_ms[number]), asked.from_ms)):
            moments[number] = BEGINNING_MS  # it counted before the window
    return moments


def _steps(asked: Asked, row: Standing, moments_ms: Integers) -> tuple[Integers, Integers]:
    """Give the steps of moments at which a row of the layout was in force within the window, and which those are."""
    from_ms, to_ms = max(row.from_ms, asked.from_ms), min(row.to_ms, asked.to_ms)
    places = np.flatnonzero((moments_ms >= from_ms) & (moments_ms < to_ms))
    return np.searchsorted(asked.steps_ms, moments_ms[places], side="right") - 1, places


def _days(asked: Asked, sums: Sums) -> Integers:
    """Count in each step the days on which a space stood there within the hours asked for."""
    cells = np.flatnonzero((sums.inventory_ms > 0) & asked.counts)
    days = np.unique(np.stack((asked.step_of[cells], asked.day_of[cells])), axis=1)
    return np.bincount(days[0], minlength=asked.shape[1])


def _gaps(asked: Asked, row: Standing, of: Sessions, counts: Flags | None = None) -> Integers:
    """Count long gaps between two sessions on one local day, each where it begins."""
    from_ms, to_ms = of.to_ms[:-1], of.from_ms[1:]
    long = to_ms - from_ms >= CAMPING_MS
    if counts is not None:
        long &= counts
    from_ms, to_ms = from_ms[long], to_ms[long]
    day_of = asked.calendar.day_of
    steps, places = _steps(asked, row, from_ms)
    counted = [
        step
        for step, start_ms, end_ms in zip(steps.tolist(), from_ms[places].tolist(), to_ms[places].tolist(), strict=True)
        if day_of(start_ms) == day_of(end_ms) and asked.is_within(start_ms)
    ]
    return np.bincount(np.array(counted, dtype=np.int64), minlength=asked.shape[1])
