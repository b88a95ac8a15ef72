"""Time spent, cut by a grid: the one arithmetic under every metric that is a ratio of times."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from perch.history.calendar import Calendar
from perch.history.layout import Standing
from perch.history.past import Past
from perch.history.source import Integers
from perch.model import SpaceKind

ONE_PERSON_KINDS = frozenset({SpaceKind.DESK, SpaceKind.BOOTH})
"""Kinds in which somebody is one person, whatever a sensor counts."""


class Sums(NamedTuple):
    """Milliseconds in each span of a grid; `people_ms` is people times time, of known time alone."""

    occupied_ms: Integers
    known_ms: Integers
    inventory_ms: Integers
    people_ms: Integers

    @staticmethod
    def zero(spans: int) -> "Sums":
        """Give nothing, over a number of spans."""
        return Sums(*(np.zeros(spans, dtype=np.int64) for _ in Sums._fields))

    def plus(self, other: "Sums") -> "Sums":
        """Add up span by span."""
        return Sums(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


@dataclass(frozen=True, slots=True)
class Grid:
    """A window cut into steps, and finer into n cells that cross no step, no opening hour and no date of the layout.

    `bounds_ms` are the cells' n + 1 bounds, `first_cell` where each step begins, `is_open` whether a cell is in hours.
    """

    bounds_ms: Integers
    first_cell: npt.NDArray[np.intp]
    is_open: npt.NDArray[np.bool_]

    def by_step(self, sums: Sums, *, only_open: bool) -> Sums:
        """Add the cells (the last axis) of each step up, all or those in opening hours."""
        return Sums(
            *(
                np.add.reduceat(column * self.is_open if only_open else column, self.first_cell, axis=-1)
                for column in sums
            )
        )


def grid(steps_ms: Integers, standings: Iterable[Standing], calendar: Calendar) -> Grid:
    """Cut steps (rising bounds, at least two) where the layout changes, and where the site opens and closes."""
    from_ms, to_ms = int(steps_ms[0]), int(steps_ms[-1])
    opening_ms = calendar.opening_ms(from_ms, to_ms)
    dates_ms = {ms for row in standings for ms in (row.from_ms, row.to_ms) if from_ms < ms < to_ms}
    bounds_ms = np.unique(np.concatenate((steps_ms, opening_ms, np.array(sorted(dates_ms), dtype=np.int64))))
    is_open = np.searchsorted(opening_ms, bounds_ms[:-1], side="right") % 2 == 1
    return Grid(bounds_ms, np.searchsorted(bounds_ms, steps_ms[:-1]), is_open)


def measure(past: Past, cut: Grid) -> Iterator[tuple[Standing, Sums]]:
    """Measure a space in each cell, for each of its rows of the layout that the grid meets."""
    starts_ms, ends_ms = cut.bounds_ms[:-1], cut.bounds_ms[1:]
    rows = [row for row in past.standings if row.from_ms < cut.bounds_ms[-1] and row.to_ms > cut.bounds_ms[0]]
    if not rows:
        return
    spent = past.timeline().spent(cut.bounds_ms)
    for row in rows:
        stood = (starts_ms >= row.from_ms) & (ends_ms <= row.to_ms)
        people_ms = spent.occupied_ms if row.space.kind in ONE_PERSON_KINDS else spent.counted_ms
        inventory_ms = (ends_ms - starts_ms) - spent.out_ms
        yield row, Sums(*(column * stood for column in (spent.occupied_ms, spent.known_ms, inventory_ms, people_ms)))
