"""Bookings that lasted longer than was booked: whose space stayed occupied after the booked end.

A booking counts in the step in which it begins, as in `bookings`. Where another one takes the space over, nobody can
tell those who stayed from those who came: such bookings are left out, and counted apart.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from perch.history.asked import Asked, Booking
from perch.history.bookings import BEFORE_MS, begun, time_between
from perch.history.calendar import DAY_MS
from perch.history.measure import Flags, added_up
from perch.history.past import pasts
from perch.history.sessions import States
from perch.history.source import FREE, OCCUPIED, UNKNOWN, HistorySource, Integers
from perch.history.uses import rows_measured

STAYED_MS = 15 * 60_000
"""For so long after a booking's end the space must have stayed occupied; a hold time is shorter."""

LONGEST_MS = DAY_MS
"""What is booked for longer has no end that anybody would overrun."""


class Overruns(NamedTuple):
    """Time of the booked spaces, and bookings by group and step.

    `every` are those that have an end; `followed` those that another one takes over from, which are in no other column.
    `used` are those in which somebody was seen, `perhaps_used` those in which somebody may have been. Of the `used`,
    `judged` were observed well enough after their end, and `over` are those of them that overran; `surely` were
    occupied all the time after it. `perhaps` are all of which it may be that they were used and overran.
    """

    known_ms: Integers
    inventory_ms: Integers
    every: Integers
    followed: Integers
    used: Integers
    perhaps_used: Integers
    judged: Integers
    over: Integers
    surely: Integers
    perhaps: Integers

    def together(self, bins: Integers, number: int) -> "Overruns":
        """Take the steps of each bin for one."""
        return Overruns(*(added_up(column, bins, number) for column in self))


def overruns(asked: Asked, source: HistorySource) -> Overruns:
    """Find the bookings after whose end people stayed, by group and step."""
    found = Overruns(*np.zeros((len(Overruns._fields), *asked.shape), dtype=np.int64))
    spaces = [space for space in asked.spaces if space in asked.bookings]
    until_ms = asked.to_ms + LONGEST_MS + STAYED_MS
    for past in pasts(asked.site, spaces, asked.from_ms - BEFORE_MS, until_ms, source):
        states, others = States.of(past.timeline(), past.standings), asked.bookings[past.space]
        for group, row, sums in rows_measured(asked, past):
            found.known_ms[group] += asked.by_step(sums.known_ms)
            found.inventory_ms[group] += asked.by_step(sums.inventory_ms)
            ended = [of for of in begun(asked, row) if of.from_ms < of.to_ms <= of.from_ms + LONGEST_MS]
            bounds_ms = np.array(ended, dtype=np.int64).reshape(-1, 2)
            steps = np.searchsorted(asked.steps_ms, bounds_ms[:, 0], side="right") - 1
            for column, counts in zip(found[2:], _judged(states, bounds_ms, _taken_over(ended, others)), strict=True):
                np.add.at(column[group], steps, counts)
    return found


def _taken_over(ended: Sequence[Booking], others: Sequence[Booking]) -> Flags:
    """Say after which bookings another one lasts, or people may come for another one."""
    from_ms, to_ms = np.array(others, dtype=np.int64).reshape(-1, 2).T
    found = [
        bool(np.any((from_ms < of.to_ms + STAYED_MS + BEFORE_MS) & ((to_ms > of.to_ms) | (from_ms >= of.to_ms))))
        for of in ended
    ]
    return np.array(found, dtype=np.bool_)


def _judged(states: States, bounds_ms: Integers, followed: Flags) -> Sequence[Flags]:
    """Say of each booking what the columns of `Overruns` count, in their order."""
    starts_ms, ends_ms = bounds_ms.T

    def spent(of: int | None, from_ms: Integers, to_ms: Integers) -> Integers:
        flags = states.stands if of is None else states.stands & (states.state == of)
        return time_between(states, flags, from_ms, to_ms)

    booked, after = (starts_ms - BEFORE_MS, ends_ms), (ends_ms, ends_ms + STAYED_MS)
    stood_ms, free_ms, unknown_ms = (spent(of, *after) for of in (None, FREE, UNKNOWN))
    every = (spent(None, *booked) > 0) & (stood_ms > 0)
    counts = every & ~followed
    used = counts & (spent(OCCUPIED, *booked) > 0)
    perhaps_used = used | (counts & (spent(UNKNOWN, *booked) > 0))
    judged = used & (10 * unknown_ms <= stood_ms)
    stayed = free_ms == 0
    over, surely = judged & stayed, used & stayed & (unknown_ms == 0)
    return every, every & followed, used, perhaps_used, judged, over, surely, perhaps_used & stayed
