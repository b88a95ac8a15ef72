"""History as dated rows that another store can hold: transitions, states carried on, quarter hours of zones.

Each function gives exactly the rows of [from_ms, to_ms), so that a span elsewhere can be deleted and written anew.
Rows of quarter hours run from the quarter hour of the site's first evidence to the last one that is over at its last.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from perch.history.calendar import Calendar, ceil_quarter, floor_quarter
from perch.history.layout import Standing, standing_at, standings
from perch.history.measure import Grid, Sums, grid, measure
from perch.history.past import Past, pasts
from perch.history.source import HistorySource, Integers, StateRow
from perch.model import QUARTER_MS, Site, Space


class OccupancyRow(NamedTuple):
    """A state of a space as it stood at `time_ms`: a transition, or the state carried on at a full quarter hour."""

    space: Space
    time_ms: int
    state: StateRow
    carried: bool


class ZoneQuarter(NamedTuple):
    """The spaces of a kind in a zone over one quarter hour: how many, and their summed milliseconds, all and open."""

    start_ms: int
    floor: str
    zone: str
    kind: str
    spaces: int
    occupied_ms: int
    known_ms: int
    inventory_ms: int
    people_ms: int
    open_spaces: int
    open_occupied_ms: int
    open_known_ms: int
    open_inventory_ms: int
    open_people_ms: int


def occupancy_rows(site: Site, space: str, from_ms: int, to_ms: int, source: HistorySource) -> list[OccupancyRow]:
    """Give the transitions and carried states of a space in order of time, a carried one after all of its moment.

    A state is carried at each full quarter hour that its epoch vouches for, between the site's first and last evidence.
    """
    horizon = source.horizon(site.id)
    if horizon is None:
        return []
    first_ms, end_ms = max(from_ms, horizon.first_ms), min(to_ms, horizon.last_ms + 1)
    carried_ms = np.arange(ceil_quarter(first_ms), end_ms, QUARTER_MS, dtype=np.int64)
    rows: list[OccupancyRow] = []
    for past in pasts(site, [space], from_ms, to_ms, source):
        rows += _dated(past, ((row.time_ms, row) for row in past.transitions(from_ms, to_ms)), carried=False)
        rows += _dated(past, _carried(past, carried_ms), carried=True)
    return sorted(rows, key=lambda row: (row.time_ms, row.carried))


def zone_rows(site: Site, calendar: Calendar, from_ms: int, to_ms: int, source: HistorySource) -> list[ZoneQuarter]:
    """Give the quarter hours that begin in the span, by time, floor, zone and kind; each sums what stood there."""
    horizon = source.horizon(site.id)
    if horizon is None:
        return []
    start_ms = max(ceil_quarter(from_ms), floor_quarter(horizon.first_ms))
    end_ms = min(ceil_quarter(to_ms), floor_quarter(horizon.last_ms))
    if start_ms >= end_ms:
        return []
    quarters_ms = np.arange(start_ms, end_ms + 1, QUARTER_MS, dtype=np.int64)
    groups = _grouped(site, calendar, quarters_ms, source)
    return sorted(quarter for key, group in groups.items() for quarter in _quarters(key, group, quarters_ms))


def _dated(past: Past, rows: Iterable[tuple[int, StateRow]], *, carried: bool) -> Iterator[OccupancyRow]:
    for time_ms, row in rows:
        standing = standing_at(past.standings, time_ms)
        if standing is not None:
            yield OccupancyRow(standing.space, time_ms, row, carried)


def _carried(past: Past, quarters_ms: Integers) -> Iterator[tuple[int, StateRow]]:
    """Give what is in force at quarter hours, even if it holds no longer than up to that moment."""
    for tenure, columns, until_ms in past.held:
        if not len(columns):
            continue
        places = np.searchsorted(columns.time_ms, quarters_ms, side="right") - 1
        held = (places >= 0) & (quarters_ms <= until_ms[places]) & (quarters_ms < tenure.to_ms)
        row, of = columns.row(0), 0
        for quarter_ms, place in zip(quarters_ms[held].tolist(), places[held].tolist(), strict=True):
            if place != of:
                row, of = columns.row(place), place
            yield quarter_ms, row


class _Group:
    """What the spaces of one kind in one zone add up to in each quarter hour."""

    def __init__(self, quarters: int) -> None:
        self.spaces = np.zeros(quarters, dtype=np.int64)
        self.open_spaces = np.zeros(quarters, dtype=np.int64)
        self.all = Sums.zero(quarters)
        self.open = Sums.zero(quarters)

    def add(self, row: Standing, spent: Sums, cut: Grid, quarters_ms: Integers) -> None:
        """Add a space over the time in which a row of the layout held."""
        stands = (quarters_ms[:-1] >= row.from_ms) & (quarters_ms[:-1] < row.to_ms)
        self.spaces += stands
        self.open_spaces += stands & np.logical_or.reduceat(cut.is_open, cut.first_cell)
        self.all = self.all.plus(cut.by_step(spent, only_open=False))
        self.open = self.open.plus(cut.by_step(spent, only_open=True))


def _grouped(
    site: Site, calendar: Calendar, quarters_ms: Integers, source: HistorySource
) -> dict[tuple[str, str, str], _Group]:
    cut = grid(quarters_ms, standings(site), calendar)
    groups: dict[tuple[str, str, str], _Group] = {}
    for past in pasts(site, None, int(quarters_ms[0]), int(quarters_ms[-1]), source):
        for row, spent in measure(past, cut):
            key = (row.space.floor, row.space.zone, row.space.kind.value)
            group = groups.setdefault(key, _Group(len(quarters_ms) - 1))
            group.add(row, spent, cut, quarters_ms)
    return groups


def _quarters(key: tuple[str, str, str], group: _Group, quarters_ms: Integers) -> Iterator[ZoneQuarter]:
    """Give the quarter hours in which any space of the group stood."""
    columns = (quarters_ms[:-1], group.spaces, *group.all, group.open_spaces, *group.open)
    for start_ms, spaces, *numbers in np.stack(columns, axis=1).tolist():
        if spaces:
            yield ZoneQuarter(start_ms, *key, spaces, *numbers)
