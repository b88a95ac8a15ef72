"""Time spent by groups over a day of which only quarter hours are kept: what `uses.spent` adds up, out of their sums.

A quarter hour that a cell cuts is unknown there. So is, where an agent begins to serve a space of which it spoke
before, the quarter hour of its first word; and where its time there ends, what it vouched for later.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from perch.history.asked import Asked
from perch.history.layout import by_space, standings, tenures
from perch.history.measure import ONE_PERSON_KINDS, Flags, People, Sums, Times, times
from perch.history.members import Likeness
from perch.history.sheets import Spoken
from perch.history.source import Integers
from perch.history.summed import FAR, NEVER, QUARTERS, QuarterSums
from perch.model import DAY_MS, QUARTER_MS, Space

Table = npt.NDArray[np.int64]


class _Members(NamedTuple):
    """Who serves which row of the layout: the likeness and series of each, and quarter hours since 1970.

    The row is theirs from `first` to `last` (exclusive), the space from `served_from` to `served_to`.
    """

    like: Integers
    number: Integers
    first: Integers
    last: Integers
    served_from: Integers
    served_to: Integers


class SumRoster:
    """Who is asked for from when to when, for days of which only quarter hours are kept."""

    def __init__(self, asked: Asked, spoken: Spoken) -> None:
        wish, layout = asked.question, by_space(standings(asked.site))
        numbers = {key: number for number, key in spoken.items()}
        likes: dict[Likeness, int] = {}
        self._kinds: list[tuple[int, Space]] = []
        rows: list[tuple[int, int, int]] = []
        members: list[tuple[int, ...]] = []
        for space in asked.spaces:
            served = tenures(layout[space])
            for row in layout[space]:
                if wish.kind not in (None, row.space.kind) or wish.zone not in (None, row.space.zone):
                    continue
                if row.from_ms >= asked.to_ms or row.to_ms <= asked.from_ms:
                    continue
                group = asked.group_of(row)
                like = likes.setdefault((group, row.space.capacity, row.space.kind), len(likes))
                if like == len(self._kinds):
                    self._kinds.append((group, row.space))
                rows.append((like, row.from_ms, row.to_ms))
                for of in served:
                    from_ms, to_ms = max(row.from_ms, of.from_ms), min(row.to_ms, of.to_ms)
                    number = numbers.get((of.agent, of.space))
                    if from_ms < to_ms and number is not None:
                        edges = -(-from_ms // QUARTER_MS), to_ms // QUARTER_MS
                        members.append((like, number, *edges, -(-of.from_ms // QUARTER_MS), of.to_ms // QUARTER_MS))
        self._rows = np.array(rows, dtype=np.int64).reshape(-1, 3)
        self._members = _Members(*np.array(members, dtype=np.int64).reshape(-1, 6).T)

    def times(self, part: Asked, sums: QuarterSums | None) -> Times:
        """Add the time of all members up, by group and run of a part of a question within one day."""
        day = part.from_ms // DAY_MS
        cells = _Cells(part, day)
        length_ms = np.diff(part.cut.bounds_ms)
        stands = self._stands(part)
        spent = _Spent.nothing(len(self._kinds)) if sums is None else self._spent(sums)
        occupied_ms, known_ms, out_ms, counted_ms = (cells.of(column) for column in spent.sums)
        counted = [cells.of(column) for column in spent.people]
        total = Times(*np.zeros((len(Times._fields), *part.shape), dtype=np.int64))
        for like, (group, space) in enumerate(self._kinds):
            one = space.kind in ONE_PERSON_KINDS
            inventory_ms = stands[like] * length_ms - out_ms[like]
            people_ms = occupied_ms[like] if one else counted_ms[like]
            added = Sums(occupied_ms[like], known_ms[like], inventory_ms, people_ms)
            people = None if one else People(*(column[like] for column in counted))
            for column, measured in zip(total, times(added, space, people), strict=True):
                column[group] += part.by_step(measured)
        return total

    def _stands(self, part: Asked) -> Table:
        """Count the rows of each likeness that stand in each cell."""
        like, from_ms, to_ms = self._rows[(self._rows[:, 1] < part.to_ms) & (self._rows[:, 2] > part.from_ms)].T
        starts_ms, ends_ms = part.cut.bounds_ms[:-1], part.cut.bounds_ms[1:]
        inside = (starts_ms >= from_ms[:, np.newaxis]) & (ends_ms <= to_ms[:, np.newaxis])
        return _added(like, inside, len(self._kinds))

    def _spent(self, sums: QuarterSums) -> "_Spent":
        """Add up by likeness what members were, in each quarter hour of the day."""
        of, first = self._members, sums.day * QUARTERS
        place = np.searchsorted(sums.series, of.number)
        known = place < len(sums.series)
        known[known] = sums.series[place[known]] == of.number[known]
        chosen = np.flatnonzero(known & (of.first < first + QUARTERS) & (of.last > first))
        mine, place = _Members(*(column[chosen] for column in of)), place[chosen]
        valid = _valid(mine, place, sums)
        likes = len(self._kinds)
        columns = (sums.occupied_ms, sums.known_ms, sums.out_ms, sums.counted_ms)
        added = [_added(mine.like, column[place] * valid, likes) for column in columns]
        return _Spent(added, self._people(mine, place, valid, sums, added[0]))

    def _people(
        self, mine: _Members, place: Integers, valid: Flags, sums: QuarterSums, occupied_ms: Table
    ) -> list[Table]:
        """Say how long spaces of several people were occupied: uncounted, by one, by at most half as many as seats."""
        uncounted, solo, sparse = occupied_ms.copy(), np.zeros_like(occupied_ms), np.zeros_like(occupied_ms)
        edges = np.searchsorted(sums.count_of, np.arange(len(sums.series) + 1))
        for member, (like, of) in enumerate(zip(mine.like.tolist(), place.tolist(), strict=True)):
            some = slice(int(edges[of]), int(edges[of + 1]))
            if some.start == some.stop:
                continue
            quarter, count = sums.count_quarter[some], sums.count[some]
            spent_ms = sums.count_ms[some] * valid[member, quarter]
            is_sparse = 2 * count <= (self._kinds[like][1].capacity or 0)
            np.add.at(uncounted[like], quarter, -spent_ms)
            np.add.at(solo[like], quarter, spent_ms * (count == 1))
            np.add.at(sparse[like], quarter, spent_ms * is_sparse)
        return [uncounted, solo, sparse]


class _Spent(NamedTuple):
    """What was spent by likeness and quarter hour: the columns of `Spent`, and those of `People`."""

    sums: list[Table]
    people: list[Table]

    @classmethod
    def nothing(cls, likes: int) -> "_Spent":
        """Say that nothing is known."""
        none = np.zeros((likes, QUARTERS), dtype=np.int64)
        return cls([none] * 4, [none] * 3)


class _Cells:
    """Which quarter hours of a day lie wholly in each cell of a part of a question."""

    def __init__(self, part: Asked, day: int) -> None:
        bounds_ms = part.cut.bounds_ms - day * DAY_MS
        self._first = -(-bounds_ms[:-1] // QUARTER_MS)
        self._last = np.maximum(bounds_ms[1:] // QUARTER_MS, self._first)

    def of(self, column: Table) -> Table:
        """Add quarter hours (the last axis) up by cell."""
        until = np.zeros((len(column), QUARTERS + 1), dtype=np.int64)
        np.cumsum(column, axis=1, out=until[:, 1:])
        return until[:, self._last] - until[:, self._first]


def _valid(of: _Members, place: Integers, sums: QuarterSums) -> Flags:
    """Say which quarter hours of a series count for a member."""
    quarters = sums.day * QUARTERS + np.arange(QUARTERS)
    valid: Flags = (quarters >= of.first[:, np.newaxis]) & (quarters < of.last[:, np.newaxis])
    early = np.flatnonzero((sums.before[place] < of.served_from) & (of.served_from > NEVER))
    if len(early):
        said = np.where(sums.stated[place[early]], quarters, NEVER)
        last = np.maximum.accumulate(np.column_stack((sums.before[place[early]], said[:, :-1])), axis=1)
        valid[early] &= (last == NEVER) | (last >= of.served_from[early, np.newaxis])
    ends = np.flatnonzero((of.served_to < FAR) & sums.lent[place].any(axis=1))
    if len(ends):
        said = np.where(sums.stated[place[ends]], quarters, FAR)
        after = np.column_stack((said[:, 1:], sums.after[place[ends]]))
        following = np.minimum.accumulate(after[:, ::-1], axis=1)[:, ::-1]
        valid[ends] &= ~sums.lent[place[ends]] | (following < of.served_to[ends, np.newaxis])
    return valid


def _added(like: Integers, rows: npt.NDArray[np.int64] | Flags, likes: int) -> Table:
    """Add rows up by likeness."""
    total = np.zeros((likes, rows.shape[1]), dtype=np.int64)
    if len(like):
        order = np.argsort(like, kind="stable")
        first = np.flatnonzero(np.diff(like[order], prepend=-1))
        total[like[order][first]] = np.add.reduceat(rows[order].astype(np.int64), first, axis=0)
    return total
