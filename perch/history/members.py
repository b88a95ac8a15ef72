"""Who is asked for on a day: rows of the layout with the agents whose words count, matched with the series of a sheet.

A sheet lets every agent serve its spaces for ever. So it tells of a day only where nothing of the layout that is asked
for begins or ends within it, where what holds at midnight was stated while its agent served the space, and where no
agent whose time there ends is vouched for by what it said later. `seen` gives None where it does not tell.
"""

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from perch.history.asked import Asked
from perch.history.layout import Tenure, by_space, standings, tenures
from perch.history.sheets import NOTHING, Bytes, Sheet, Spoken
from perch.history.source import BEGINNING_MS, END_MS, Integers
from perch.model import DAY_MS, Space, SpaceKind

Likeness = tuple[int, int | None, SpaceKind]
"""Group, capacity and kind: spaces that share them are summed up as one."""


class Seen(NamedTuple):
    """What a sheet tells of members: by series (code, people), and by change in order of time (ms since midnight)."""

    day: int
    member: Integers
    code: Bytes
    people: Integers
    time: Integers
    of: Integers
    turn: Bytes
    count_before: Integers | None
    count_after: Integers | None


class Members(NamedTuple):
    """Rows of the layout that stand through a span of time: the group of each, and which are alike.

    `of_series` gives the member of each number of a series, -1 for none.
    """

    group: Integers
    groups: int
    like: Integers
    kinds: Sequence[tuple[int, Space]]
    number: Integers
    served_from_ms: Integers
    served_to_ms: Integers
    of_series: Integers

    def seen(self, sheet: Sheet) -> Seen | None:
        """Choose from a sheet what is of members; None where it does not tell."""
        member = self.of_series[np.minimum(sheet.series, len(self.of_series) - 1)]
        mine = member >= 0
        early = (sheet.since_ms < self.served_from_ms[member]) & (sheet.code != NOTHING)
        borrowed = sheet.lent & (self.served_to_ms[member] < END_MS)
        if (mine & (early | borrowed)).any():
            return None
        columns = (sheet.time, member[sheet.of], sheet.turn, sheet.count_before, sheet.count_after)
        if not mine.all():
            chosen = mine[sheet.of]
            columns = tuple(None if column is None else column[chosen] for column in columns)  # type: ignore[assignment]
        return Seen(sheet.day, member[mine], sheet.code[mine], sheet.count[mine], *columns)


class Roster:
    """Who is asked for from when to when."""

    def __init__(self, asked: Asked, spoken: Spoken) -> None:
        self._asked = asked
        layout = by_space(standings(asked.site))
        wish = asked.question
        spaces = asked.spaces
        self._rows = [
            row
            for space in spaces
            for row in layout[space]
            if wish.kind in (None, row.space.kind) and wish.zone in (None, row.space.zone)
        ]
        self._tenures = {space: tenures(layout[space]) for space in spaces}
        served = [(of.from_ms, of.to_ms) for several in self._tenures.values() for of in several]
        stood = [(row.from_ms, row.to_ms) for row in self._rows]
        self._edges_ms = sorted({ms for span in (*stood, *served) for ms in span})
        self._numbers = {key: number for number, key in spoken.items()}
        self._eras: dict[int, Members] = {}

    def through(self, day: int) -> Members | None:
        """Give those who are there all through a UTC day; None where somebody comes or goes within it."""
        from_ms, to_ms = day * DAY_MS, (day + 1) * DAY_MS
        era = bisect_right(self._edges_ms, from_ms)
        if era < len(self._edges_ms) and self._edges_ms[era] < to_ms:
            return None
        if era not in self._eras:
            self._eras[era] = self._members(from_ms)
        return self._eras[era]

    def _members(self, ms: int) -> Members:
        standing = [row for row in self._rows if row.from_ms <= ms < row.to_ms]
        groups = [self._asked.group_of(row) for row in standing]
        served = [self._served(row.space.id, ms) for row in standing]
        kinds: dict[Likeness, tuple[int, Space]] = {}
        likes = []
        for group, row in zip(groups, standing, strict=True):
            likeness = (group, row.space.capacity, row.space.kind)
            kinds.setdefault(likeness, (len(kinds), row.space))
            likes.append(kinds[likeness][0])
        of_series = np.full(max(self._numbers.values(), default=0) + 2, -1)
        for place, of in enumerate(served):
            if of is not None and (number := self._numbers.get((of.agent, of.space))) is not None:
                of_series[number] = place
        return Members(
            np.array(groups, dtype=np.int64),
            len(self._asked.groups),
            np.array(likes, dtype=np.int64),
            [(group, space) for (group, _, _), (_, space) in kinds.items()],
            np.bincount(likes, minlength=len(kinds)) if likes else np.zeros(0, dtype=np.int64),
            np.array([*(BEGINNING_MS if of is None else of.from_ms for of in served), BEGINNING_MS], dtype=np.int64),
            np.array([*(END_MS if of is None else of.to_ms for of in served), END_MS], dtype=np.int64),
            of_series,
        )

    def _served(self, space: str, ms: int) -> Tenure | None:
        return next((of for of in self._tenures[space] if of.from_ms <= ms < of.to_ms), None)
