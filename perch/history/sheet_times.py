"""Time spent by groups over one day, from its sheet: what `uses.spent` adds up space by space, in one pass.

Spaces of one group, kind and capacity are summed up as one. A change adds the time that is left of its cell, and all of
the later ones. Sums of floats are exact here: all are whole numbers, far below 2^53.
"""

from collections.abc import Callable

import numpy as np

from perch.history.asked import Asked
from perch.history.measure import ONE_PERSON_KINDS, Flags, Floats, People, Sums, Times, people_in, times
from perch.history.members import Members, Seen
from perch.history.sheets import CODES, OUT, Bytes
from perch.history.source import OCCUPIED, UNKNOWN, Integers
from perch.model import DAY_MS, Space

_CODES = np.arange(CODES)
_OCCUPIED = (_CODES & 3 == OCCUPIED).astype(np.float64)
_KNOWN = (_CODES & 3 != UNKNOWN).astype(np.float64)
_OUT = (_CODES & OUT != 0).astype(np.float64)
_RATES = (_OCCUPIED, _KNOWN, _OUT)
_TURNED = [(rate[np.newaxis, :] - rate[:, np.newaxis]).ravel() for rate in _RATES]
"""By how much each rate changes at each turn."""

Rate = Callable[[Bytes, Integers], Floats]
"""How fast something adds up while a code and a count last."""


def times_of(part: Asked, members: Members, seen: Seen) -> Times:
    """Add the time of all members up, by group and run of a part of a question within one day."""
    cells = _Cells(part, seen, len(members.kinds))
    everybody = members.like[seen.member]
    like = members.like[seen.of]
    turns = np.flatnonzero(np.bincount(seen.turn))
    occupied_ms, known_ms, out_ms = (
        cells.spent(like, turned[seen.turn] if turned[turns].any() else None, everybody, rate[seen.code])
        for rate, turned in zip(_RATES, _TURNED, strict=True)
    )
    inventory_ms = members.number[:, np.newaxis] * cells.length - out_ms
    total = Times(*np.zeros((len(Times._fields), *part.shape), dtype=np.int64))
    for place, (group, space) in enumerate(members.kinds):
        sums = Sums(occupied_ms[place], known_ms[place], inventory_ms[place], occupied_ms[place])
        people = None
        if space.kind not in ONE_PERSON_KINDS:
            chosen, standing = like == place, everybody == place

            def spent(rate: Rate, chosen: Flags = chosen, standing: Flags = standing) -> Integers:
                return cells.of_counts(rate, chosen, standing)

            sums = sums._replace(people_ms=spent(lambda code, count: (code & 3 != UNKNOWN) * np.maximum(count, 0.0)))
            people = People(*(spent(_people_rate(space, number)) for number in range(3)))
        for column, measured in zip(total, times(sums, space, people), strict=True):
            column[group] += part.by_step(measured)
    return total


def size_of(times: Times) -> int:
    """Give how many bytes it takes."""
    return sum(column.nbytes for column in times)


def _people_rate(space: Space, number: int) -> Rate:
    """Tell of one of the numbers of `People`."""
    return lambda code, count: people_in(space, code & 3 == OCCUPIED, count)[number].astype(np.float64)


class _Cells:
    """The cells of a part of a question, and in which of them each change of a day lies."""

    def __init__(self, part: Asked, seen: Seen, likes: int) -> None:
        bounds = part.cut.bounds_ms - seen.day * DAY_MS
        self._seen = seen
        self._likes = likes
        self.length = np.diff(bounds)
        edges = np.searchsorted(seen.time, bounds[1:-1])
        numbers = np.diff(edges, prepend=0, append=len(seen.time))
        self._cell = np.repeat(np.arange(len(self.length)), numbers)
        moments = np.clip(seen.time, bounds[0], bounds[-1])
        self._rest = (bounds[1:][self._cell] - moments).astype(np.float64)

    def spent(self, like: Integers, delta: Floats | None, everybody: Integers, rate: Floats) -> Integers:
        """Integrate what changes by `delta` (None: never), and begins with `rate`, over the cells of each likeness."""
        if delta is None:
            begin = np.bincount(everybody, rate, self._likes).astype(np.int64)
            return begin[:, np.newaxis] * self.length
        return self._integral(like * len(self.length) + self._cell, delta, self._rest, everybody, rate)

    def of_counts(self, rate: Rate, chosen: Flags, standing: Flags) -> Integers:
        """Integrate what counts and codes make of some spaces."""
        seen = self._seen
        turn = seen.turn[chosen]
        nobody = np.full(len(turn), -1)
        before, after = (
            nobody if column is None else column[chosen] for column in (seen.count_before, seen.count_after)
        )
        delta = rate(turn % CODES, after) - rate(turn // CODES, before)
        begin = rate(seen.code[standing], seen.people[standing])
        place = np.zeros(len(begin), dtype=np.int64)
        spent: Integers = self._integral(self._cell[chosen], delta, self._rest[chosen], place, begin)[0]
        return spent

    def _integral(self, place: Integers, delta: Floats, rest: Floats, at: Integers, begin: Floats) -> Integers:
        shape = (self._likes, len(self.length))
        size = self._likes * len(self.length)
        within = np.bincount(place, delta * rest, size).reshape(shape)
        step = np.bincount(place, delta, size).reshape(shape)
        level = np.bincount(at, begin, self._likes)[:, np.newaxis] + np.cumsum(step, axis=1) - step
        spent_ms = within + level * self.length
        spent: Integers = spent_ms.astype(np.int64)
        return spent
