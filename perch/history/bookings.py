"""Bookings that nobody came to: what was booked beside what was observed.

Of a booking only its space and its times are known here. It counts in the step in which it begins, for the row of the
layout that is in force then, if that is within the hours asked for.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from perch.history.asked import Asked, Booking
from perch.history.layout import Standing
from perch.history.measure import Flags, added_up
from perch.history.past import pasts
from perch.history.sessions import States
from perch.history.source import OCCUPIED, UNKNOWN, HistorySource, Integers
from perch.history.uses import rows_measured

BEFORE_MS, AFTER_MS = 5 * 60_000, 15 * 60_000
"""From so long before a booking's start to so long after it somebody must have been there."""


class NoShows(NamedTuple):
    """Time of the booked spaces, and bookings by group and step.

    `every` are those whose space stood there; `judged` those observed well enough; `missed` those of them that nobody
    came to. `unseen` are all in which nobody was seen, `surely` those of them that were observed from end to end.
    """

    known_ms: Integers
    inventory_ms: Integers
    every: Integers
    judged: Integers
    missed: Integers
    unseen: Integers
    surely: Integers

    def together(self, bins: Integers, number: int) -> "NoShows":
        """Take the steps of each bin for one."""
        return NoShows(*(added_up(column, bins, number) for column in self))


def no_shows(asked: Asked, source: HistorySource) -> NoShows:
    """Find the bookings that nobody came to, by group and step."""
    found = NoShows(*np.zeros((len(NoShows._fields), *asked.shape), dtype=np.int64))
    spaces = [space for space in asked.spaces if space in asked.bookings]
    for past in pasts(asked.site, spaces, asked.from_ms - BEFORE_MS, asked.to_ms + AFTER_MS, source):
        states = States.of(past.timeline(), past.standings)
        for group, row, sums in rows_measured(asked, past):
            found.known_ms[group] += asked.by_step(sums.known_ms)
            found.inventory_ms[group] += asked.by_step(sums.inventory_ms)
            starts_ms = np.array([of.from_ms for of in begun(asked, row)], dtype=np.int64)
            steps = np.searchsorted(asked.steps_ms, starts_ms, side="right") - 1
            for column, counts in zip(found[2:], _judged(states, starts_ms), strict=True):
                np.add.at(column[group], steps, counts)
    return found


def begun(asked: Asked, row: Standing) -> list[Booking]:
    """Give the bookings that count for a row of the layout: those that begin in it, in the window, and in the hours."""
    from_ms, to_ms = max(row.from_ms, asked.from_ms), min(row.to_ms, asked.to_ms)
    bookings = asked.bookings[row.space.id]
    return [of for of in bookings if from_ms <= of.from_ms < to_ms and asked.is_within(of.from_ms)]


def _judged(states: States, starts_ms: Integers) -> Sequence[Flags]:
    """Say of each booking what the columns of `NoShows` count, in their order."""
    used_ms, known_ms, stood_ms = (
        time_between(states, flags & states.stands, starts_ms - BEFORE_MS, starts_ms + AFTER_MS)
        for flags in (states.state == OCCUPIED, states.state != UNKNOWN, states.stands)
    )
    every, unseen = stood_ms > 0, (stood_ms > 0) & (used_ms == 0)
    judged = every & (10 * known_ms >= 9 * stood_ms)
    return every, judged, judged & unseen, unseen, unseen & (known_ms == stood_ms)


def time_between(states: States, counts: Flags, from_ms: Integers, to_ms: Integers) -> Integers:
    """Measure how much of each span of time counts."""
    before_ms = np.append(0, np.cumsum(counts[:-1] * np.diff(states.start_ms)))

    def until(ms: Integers) -> Integers:
        place = np.searchsorted(states.start_ms, ms, side="right") - 1
        passed: Integers = before_ms[place] + counts[place] * (ms - states.start_ms[place])
        return passed

    between: Integers = until(to_ms) - until(from_ms)
    return between
