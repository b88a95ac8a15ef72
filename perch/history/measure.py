"""Time spent, cut by a grid: the one arithmetic under every metric that is a ratio of times."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from perch.history.calendar import Calendar
from perch.history.layout import Standing
from perch.history.past import Past
from perch.history.source import Integers
from perch.history.timeline import Timeline
from perch.model import Space, SpaceKind

ONE_PERSON_KINDS = frozenset({SpaceKind.DESK, SpaceKind.BOOTH})
"""Kinds in which somebody is one person, whatever a sensor counts."""

Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Number = TypeVar("Number", np.int64, np.float64)


class Sums(NamedTuple):
    """Milliseconds in each span of a grid; `people_ms` is people times time, of known time alone."""

    occupied_ms: Integers
    known_ms: Integers
    inventory_ms: Integers
    people_ms: Integers


@dataclass(frozen=True, slots=True)
class Grid:
    """A window cut into steps, and finer into n cells that cross no step, no opening hour and no date of the layout.

    `bounds_ms` are the cells' n + 1 bounds, `first_cell` where each step begins, `is_open` whether a cell is in hours.
    """

    bounds_ms: Integers
    first_cell: npt.NDArray[np.intp]
    is_open: Flags

    def by_step(self, sums: Sums, *, only_open: bool) -> Sums:
        """Add the cells (the last axis) of each step up, all or those in opening hours."""
        return Sums(
            *(
                np.add.reduceat(column * self.is_open if only_open else column, self.first_cell, axis=-1)
                for column in sums
            )
        )


def grid(
    steps_ms: Integers, standings: Iterable[Standing], calendar: Calendar, also_ms: Integers | None = None
) -> Grid:
    """Cut steps (rising bounds, at least two) where the layout changes, where the site opens and closes, and `also`."""
    from_ms, to_ms = int(steps_ms[0]), int(steps_ms[-1])
    opening_ms = calendar.opening_ms(from_ms, to_ms)
    dates_ms = {ms for row in standings for ms in (row.from_ms, row.to_ms) if from_ms < ms < to_ms}
    others_ms = steps_ms[:0] if also_ms is None else also_ms
    bounds_ms = np.unique(np.concatenate((steps_ms, opening_ms, np.array(sorted(dates_ms), dtype=np.int64), others_ms)))
    is_open = np.searchsorted(opening_ms, bounds_ms[:-1], side="right") % 2 == 1
    return Grid(bounds_ms, np.searchsorted(bounds_ms, steps_ms[:-1]), is_open)


def measure(past: Past, cut: Grid, of: Timeline | None = None) -> Iterator[tuple[Standing, Sums]]:
    """Measure a space in each cell, for each of its rows of the layout that the grid meets; `of` is its timeline."""
    starts_ms, ends_ms = cut.bounds_ms[:-1], cut.bounds_ms[1:]
    rows = [row for row in past.standings if row.from_ms < cut.bounds_ms[-1] and row.to_ms > cut.bounds_ms[0]]
    if not rows:
        return
    spent = (past.timeline() if of is None else of).spent(cut.bounds_ms)
    for row in rows:
        stood = (starts_ms >= row.from_ms) & (ends_ms <= row.to_ms)
        people_ms = spent.occupied_ms if row.space.kind in ONE_PERSON_KINDS else spent.counted_ms
        inventory_ms = (ends_ms - starts_ms) - spent.out_ms
        yield row, Sums(*(column * stood for column in (spent.occupied_ms, spent.known_ms, inventory_ms, people_ms)))


class Times(NamedTuple):
    """Milliseconds that tell how full spaces were, and with how many: what is summed up over spaces and steps.

    `seats_…_ms` are capacity times inventory, known and occupied time. `uncounted_ms` is time of which nobody knows the
    people or the seats: occupied without a count, or any time of a space without a capacity. `room_…_ms` are of rooms
    alone; of their occupied time `solo_ms` is with one person, `sparse_ms` with at most half as many as seats.
    """

    occupied_ms: Integers
    known_ms: Integers
    inventory_ms: Integers
    people_ms: Integers
    seats_ms: Integers
    seats_known_ms: Integers
    seats_used_ms: Integers
    uncounted_ms: Integers
    room_used_ms: Integers
    room_unknown_ms: Integers
    room_uncounted_ms: Integers
    solo_ms: Integers
    sparse_ms: Integers

    @property
    def unknown_ms(self) -> Integers:
        """Inventory time that nobody observed."""
        return self.inventory_ms - self.known_ms

    def together(self, bins: Integers, number: int) -> "Times":
        """Take the steps (the last axis) of each bin for one."""
        return Times(*(added_up(column, bins, number) for column in self))


def added_up(columns: Integers, bins: Integers, number: int) -> Integers:
    """Add up the last axis by bins."""
    return gathered(np.add, columns, bins, number, 0)


def gathered(
    of: np.ufunc, columns: npt.NDArray[Number], bins: Integers, number: int, nothing: float
) -> npt.NDArray[Number]:
    """Gather the last axis by bins, with an operation that gives `nothing` for an empty one."""
    rows = columns.reshape(math.prod(columns.shape[:-1]), columns.shape[-1])
    found = np.full(len(rows) * number, nothing, dtype=columns.dtype)
    places = np.arange(len(rows))[:, np.newaxis] * number + bins
    of.at(found, places.ravel(), rows.ravel())
    return found.reshape(*columns.shape[:-1], number)


class People(NamedTuple):
    """Occupied milliseconds of spaces of several people: without a count, with one, with at most half the seats."""

    uncounted_ms: Integers
    solo_ms: Integers
    sparse_ms: Integers


def times(sums: Sums, space: Space, people: People | None) -> Times:
    """Work out all that there is to know of spaces of one kind and capacity from the sums in each cell.

    `people` is None for kinds of one person.
    """
    capacity = space.capacity or 0
    none = np.zeros_like(sums.inventory_ms)
    uncounted_ms = sums.inventory_ms if space.capacity is None else none
    filled = Times(
        *sums,
        seats_ms=capacity * sums.inventory_ms,
        seats_known_ms=capacity * sums.known_ms,
        seats_used_ms=capacity * sums.occupied_ms,
        uncounted_ms=uncounted_ms,
        room_used_ms=none,
        room_unknown_ms=none,
        room_uncounted_ms=none,
        solo_ms=none,
        sparse_ms=none,
    )
    if people is None:
        return filled
    if space.capacity is not None:
        filled = filled._replace(uncounted_ms=people.uncounted_ms)
    if space.kind is not SpaceKind.ROOM:
        return filled
    return filled._replace(
        room_used_ms=sums.occupied_ms,
        room_unknown_ms=filled.unknown_ms,
        room_uncounted_ms=people.uncounted_ms,
        solo_ms=people.solo_ms,
        sparse_ms=people.sparse_ms,
    )


def people_in(space: Space, occupied: Flags, count: Integers) -> tuple[Flags, Flags, Flags]:
    """Say in which states of a space nobody was counted, one person was, at most half as many as seats."""
    sparse = (count >= 0) & (2 * count <= (space.capacity or 0))
    return occupied & (count < 0), occupied & (count == 1), occupied & sparse


def rising(*columns: Integers) -> Integers:
    """Put numbers in order, each once; quicker than `numpy.unique` where they are nearly in order."""
    joined = np.sort(np.concatenate(columns), kind="stable")
    once: Integers = joined[np.append(True, joined[1:] != joined[:-1])] if len(joined) else joined
    return once


def ratio(part: Integers, whole: Integers) -> Floats:
    """Divide, with NaN where there is nothing to divide by."""
    divided: Floats = np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=whole != 0)
    return divided
