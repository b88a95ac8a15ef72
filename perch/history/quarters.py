"""Quarter hours of zones: what the spaces of a kind in a zone add up to, from many spaces at once."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from perch.history.calendar import Calendar, ceil_quarter
from perch.history.eras import eras, quarters_of
from perch.history.layout import Standing, Tenure
from perch.history.measure import ONE_PERSON_KINDS, Grid, Sums, grid
from perch.history.served import Group, Served
from perch.history.source import HistorySource, Integers, WordSource
from perch.history.spans import Span, common
from perch.history.together import Flags, HeldTogether, Window, hold_together
from perch.model import QUARTER_MS, Site

CELLS_AT_ONCE = 400_000
"""How many cells of a grid, over all spaces, are worked out in one piece; a zone is never cut."""


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


def zone_quarters(
    served: Served, wanted: Mapping[Group, Sequence[Span]], source: HistorySource
) -> Iterator[ZoneQuarter]:
    """Give the quarter hours of groups that begin in spans of theirs (in order, apart): by group, then by time."""
    spans = [span for of_group in wanted.values() for span in of_group]
    from_ms = ceil_quarter(min((span.from_ms for span in spans), default=0))
    to_ms = ceil_quarter(max((span.to_ms for span in spans), default=0))
    if from_ms >= to_ms:
        return
    quarters_ms = np.arange(from_ms, to_ms + 1, QUARTER_MS, dtype=np.int64)
    cut = grid(quarters_ms, served.dated, served.calendar)
    for some in _batches(served, [group for group in wanted if wanted[group]], len(cut.bounds_ms)):
        yield from _summed(served, some, wanted, quarters_ms, cut, source)


def zone_rows(site: Site, calendar: Calendar, from_ms: int, to_ms: int, source: WordSource) -> list[ZoneQuarter]:
    """Give the quarter hours of all zones that begin in [from_ms, to_ms), by time, floor, zone and kind.

    They run through the site's eras, from the quarter hour of its first evidence to the last that is over at its last.
    """
    served = Served.of(site, calendar)
    spans = common([Span(ceil_quarter(from_ms), ceil_quarter(to_ms))], quarters_of(eras(site.id, source)))
    return sorted(zone_quarters(served, dict.fromkeys(served.groups, spans), source))


def _batches(served: Served, groups: Sequence[Group], cells: int) -> Iterator[list[Group]]:
    some: list[Group] = []
    spaces = 0
    for group in groups:
        size = len(served.groups.get(group, ()))
        if some and (spaces + size) * cells > CELLS_AT_ONCE:
            yield some
            some, spaces = [], 0
        some.append(group)
        spaces += size
    if some:
        yield some


class _Part(NamedTuple):
    """A tenure's share in a group, while a row of the layout is in force."""

    place: int
    group: int
    row: Standing


def _summed(
    served: Served,
    groups: Sequence[Group],
    wanted: Mapping[Group, Sequence[Span]],
    quarters_ms: Integers,
    cut: Grid,
    source: HistorySource,
) -> Iterator[ZoneQuarter]:
    window = Window(int(quarters_ms[0]), int(quarters_ms[-1]))
    number = {group: place for place, group in enumerate(groups)}
    spaces = list(dict.fromkeys(space for group in groups for space in served.groups.get(group, ())))
    stood = [
        (number[group], row)
        for space in spaces
        for row, group in zip(served.rows[space], served.groups_of[space], strict=True)
        if group in number and row.from_ms < window.to_ms and window.from_ms < row.to_ms
    ]
    tenures = [of for space in spaces for of in served.tenures[space] if _meets(of, window)]
    sums, stands = _sums(served, window, tenures, stood, number, cut, source)
    spaces_at = stands[:, cut.first_cell]
    is_open = np.logical_or.reduceat(cut.is_open, cut.first_cell)
    columns = (
        spaces_at,
        *cut.by_step(sums, only_open=False),
        spaces_at * is_open,
        *cut.by_step(sums, only_open=True),
    )
    for group, place in number.items():
        chosen = _among(quarters_ms[:-1], wanted[group]) & (spaces_at[place] > 0)
        table = np.stack([quarters_ms[:-1][chosen], *(column[place][chosen] for column in columns)], axis=1)
        for start_ms, *numbers in table.tolist():
            yield ZoneQuarter(start_ms, *group, *numbers)


def _meets(tenure: Tenure, window: Window) -> bool:
    return tenure.from_ms < window.to_ms and window.from_ms < tenure.to_ms


def _among(starts_ms: Integers, spans: Sequence[Span]) -> Flags:
    among = np.zeros(len(starts_ms), dtype=np.bool_)
    for first, last in np.searchsorted(starts_ms, np.array(spans)).tolist():
        among[first:last] = True
    return among


def _sums(
    served: Served,
    window: Window,
    tenures: Sequence[Tenure],
    stood: Sequence[tuple[int, Standing]],
    number: Mapping[Group, int],
    cut: Grid,
    source: HistorySource,
) -> tuple[Sums, Integers]:
    """Give the sums of each group in each cell, and how many of its spaces stand there."""
    cells_ms = np.diff(cut.bounds_ms)
    shape = (len(number), len(cells_ms))
    stands = _added(shape, [group for group, _ in stood], _in_force([row for _, row in stood], cut))
    held = hold_together(served.site, [(of, window.from_ms, window.to_ms) for of in tenures], source)
    places = np.arange(len(tenures))[:, np.newaxis]
    bounds = window.key(places, cut.bounds_ms[np.newaxis, :])
    spent = _spent(held, window, bounds)
    parts = list(_parts(served, tenures, number, window))
    inside, of = _in_force([part.row for part in parts], cut), [part.place for part in parts]
    occupied_ms, known_ms, out_ms, counted_ms = (column[of, :-1] * inside for column in spent)
    is_one = np.array([part.row.space.kind in ONE_PERSON_KINDS for part in parts], dtype=np.bool_)
    people_ms = np.where(is_one[:, np.newaxis], occupied_ms, counted_ms)
    groups = [part.group for part in parts]
    added = [_added(shape, groups, column) for column in (occupied_ms, known_ms, -out_ms, people_ms)]
    total = Sums(*added)
    return total._replace(inventory_ms=total.inventory_ms + stands * cells_ms), stands


def _spent(held: HeldTogether, window: Window, bounds: Integers) -> list[Integers]:
    """Give what each tenure spent in each cell; what stands beyond its last bound means nothing."""
    if not bounds.size:
        return [bounds] * 4  # spaces that no agent watches
    return [np.append(column, 0).reshape(bounds.shape) for column in held.timeline(window).spent(bounds.ravel())]


def _added(shape: tuple[int, int], groups: Sequence[int], rows: npt.NDArray[Any]) -> Integers:
    """Add rows up by group."""
    total = np.zeros(shape, dtype=np.int64)
    if groups:
        np.add.at(total, groups, rows)
    return total


def _parts(served: Served, tenures: Sequence[Tenure], number: Mapping[Group, int], window: Window) -> Iterator[_Part]:
    for place, of in enumerate(tenures):
        for row, group in zip(served.rows[of.space], served.groups_of[of.space], strict=True):
            if group in number and row.from_ms < window.to_ms and window.from_ms < row.to_ms:
                yield _Part(place, number[group], row)


def _in_force(rows: Sequence[Standing], cut: Grid) -> Flags:
    """Say in which cells each row of a layout is in force."""
    spans = np.array([(row.from_ms, row.to_ms) for row in rows], dtype=np.int64).reshape(-1, 2, 1)
    inside: Flags = (cut.bounds_ms[:-1] >= spans[:, 0]) & (cut.bounds_ms[1:] <= spans[:, 1])
    return inside
