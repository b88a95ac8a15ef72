"""Sessions: stays at a space, however often somebody went for a coffee.

A session is occupied time with the free gaps of at most `merge_ms` in it; then those shorter than `min_ms` are dropped.
It is *cut* where its beginning or its end borders on time of which nothing is known: nobody can say how long it was.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from perch.history.layout import Standing
from perch.history.measure import Flags, rising
from perch.history.question import SessionRules
from perch.history.source import OCCUPIED, UNKNOWN, Integers
from perch.history.timeline import Timeline


class Sessions(NamedTuple):
    """Sessions of one space, in order: [from_ms, to_ms), and whether either end borders on unknown time."""

    from_ms: Integers
    to_ms: Integers
    cut: Flags


class States(NamedTuple):
    """A space's states without a gap, known to be elsewhere or out of service where it does not `stand`."""

    start_ms: Integers
    state: Integers
    stands: Flags

    @classmethod
    def of(cls, timeline: Timeline, rows: Sequence[Standing]) -> "States":
        """Cut a timeline where rows of the layout begin and end."""
        edges = np.array([ms for row in rows for ms in (row.from_ms, row.to_ms)], dtype=np.int64)
        start_ms = rising(timeline.start_ms, edges)
        place = np.maximum(np.searchsorted(timeline.start_ms, start_ms, side="right") - 1, 0)
        stands = np.zeros(len(start_ms), dtype=np.bool_)
        for row in rows:
            stands |= (start_ms >= row.from_ms) & (start_ms < row.to_ms)
        return cls(start_ms, timeline.state[place], stands & ~timeline.out[place])

    def with_unknown_occupied(self, from_ms: int, to_ms: int) -> "States":
        """Take all unknown time of [from_ms, to_ms) in which the space stood there as occupied."""
        start_ms = rising(self.start_ms, np.array((from_ms, to_ms), dtype=np.int64))
        place = np.maximum(np.searchsorted(self.start_ms, start_ms, side="right") - 1, 0)
        state, stands = self.state[place], self.stands[place]
        inside = (start_ms >= from_ms) & (start_ms < to_ms)
        return States(start_ms, np.where((state == UNKNOWN) & stands & inside, OCCUPIED, state), stands)


def sessions(of: States, rules: SessionRules) -> Sessions:
    """Find the sessions of a space; one that still lasts where its states end is none."""
    used = of.state == OCCUPIED
    begins = used & ~np.append(False, used[:-1])
    ends = ~used & np.append(False, used[:-1])
    first, last = np.flatnonzero(begins)[: np.count_nonzero(ends)], np.flatnonzero(ends)
    from_ms, to_ms = of.start_ms[first], of.start_ms[last]
    if not len(first):
        return Sessions(from_ms, to_ms, np.zeros(0, dtype=np.bool_))
    apart = from_ms[1:] - to_ms[:-1] > rules.merge_ms
    opens, closes = np.append(True, apart), np.append(apart, True)
    first, last, from_ms, to_ms = first[opens], last[closes], from_ms[opens], to_ms[closes]
    unknown = of.state == UNKNOWN
    cut = unknown[np.maximum(first - 1, 0)] | unknown[last]
    lasting = to_ms - from_ms >= rules.min_ms
    return Sessions(from_ms[lasting], to_ms[lasting], cut[lasting])


def known_gaps(of: States, found: Sessions) -> Flags:
    """Say of each gap between neighbouring sessions whether all of it was observed."""
    unknown = of.state == UNKNOWN
    unknown_ms = np.append(0, np.cumsum(unknown[:-1] * np.diff(of.start_ms)))

    def until(ms: Integers) -> Integers:
        place = np.searchsorted(of.start_ms, ms, side="right") - 1
        before: Integers = unknown_ms[place] + unknown[place] * (ms - of.start_ms[place])
        return before

    observed: Flags = until(found.from_ms[1:]) == until(found.to_ms[:-1])
    return observed
