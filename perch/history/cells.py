"""What members' groups are made of: cells of five spaces or more, so that no two groups differ by fewer.

A *cell* are the shared spaces of one kind in one zone that an agent senses, where they are five or more. What is left
of a kind is put together by floor, and what is left then for the whole site; fewer than five are in no group at all.
Every group that can be asked for is made of whole cells: whatever is reckoned from several answers is about whole cells
too, and all answers together are the same, whichever of a cell's spaces it was that did what. Cells are a matter of the
dated layout alone, never of the window that is asked for.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from enum import IntEnum
from itertools import pairwise
from typing import Any, NamedTuple

from perch.history.alone import emptied, spaces_known
from perch.history.asked import group_of_space, rows_asked
from perch.history.layout import Standing
from perch.history.question import Answer, HourRow, Question, Row, Scope
from perch.model import Purpose, Site, Space

FEWEST_SPACES = 5
_NEARLY = 1e-9
Period = tuple[date, date]


class Reach(IntEnum):
    """How wide a group has to be for a cell to be part of it."""

    ZONE = 0
    FLOOR = 1
    SITE = 2


class Piece(NamedTuple):
    """A row of the layout, as long as its space is part of one cell."""

    space: Space
    cell: str
    reach: Reach


_TOGETHER: Sequence[tuple[Reach, Callable[[Space], str]]] = (
    (Reach.ZONE, lambda space: f"{space.kind} in zone {space.zone}"),
    (Reach.FLOOR, lambda space: f"other {space.kind} on floor {space.floor}"),
    (Reach.SITE, lambda space: f"other {space.kind} of the site"),
)


def pieces_of(site: Site) -> tuple[Piece, ...]:
    """Cut the layout of a site into what belongs to cells; what belongs to none is left out."""
    counted = [space for space in site.spaces if space.purpose is Purpose.SHARED and space.agent is not None]
    edges = {day for space in counted for day in (space.valid_from, space.valid_until) if day is not None}
    found: dict[int, list[tuple[Piece, Period]]] = defaultdict(list)
    for period in pairwise((date.min, *sorted(edges), date.max)):
        there = [(number, space) for number, space in enumerate(counted) if space.stands_on(period[0])]
        for number, piece in _in_cells(there):
            found[number].append((piece, period))
    return tuple(piece for number in range(len(counted)) for piece in _joined(found.get(number, ())))


def _in_cells(there: Sequence[tuple[int, Space]]) -> Iterator[tuple[int, Piece]]:
    """Put spaces that stand there at one time together, first by zone, then by floor, then all."""
    for reach, name in _TOGETHER:
        cells: dict[str, list[tuple[int, Space]]] = defaultdict(list)
        for number, space in there:
            cells[name(space)].append((number, space))
        there = [each for cell in cells.values() if len(cell) < FEWEST_SPACES for each in cell]
        for cell, inside in cells.items():
            if len(inside) >= FEWEST_SPACES:
                yield from ((number, Piece(space, cell, reach)) for number, space in inside)


def _joined(parts: Iterable[tuple[Piece, Period]]) -> Iterator[Piece]:
    """Join what follows each other in the same cell; the days of each become those of its row."""
    last: tuple[Piece, Period] | None = None
    for piece, period in parts:
        if last is not None and last[0].cell == piece.cell and last[1][1] == period[0]:
            last = piece, (last[1][0], period[1])
            continue
        if last is not None:
            yield _dated(*last)
        last = piece, period
    if last is not None:
        yield _dated(*last)


def _dated(piece: Piece, period: Period) -> Piece:
    begins, ends = period
    from_day, until_day = (None if begins == date.min else begins), (None if ends == date.max else ends)
    return piece._replace(space=replace(piece.space, valid_from=from_day, valid_until=until_day))


def reach_of(scope: Scope, zone: str | None) -> Reach:
    """Say how wide the groups of a question are."""
    if zone is not None or scope is Scope.ZONE:
        return Reach.ZONE
    return Reach.FLOOR if scope is Scope.FLOOR else Reach.SITE


def within_reach(pieces: Iterable[Piece], reach: Reach) -> tuple[Piece, ...]:
    """Leave out the cells that are wider than a group."""
    return tuple(piece for piece in pieces if piece.reach <= reach)


def of_observed(pieces: Sequence[Piece], observed: Iterable[str]) -> tuple[Piece, ...]:
    """Leave out the cells of which fewer spaces were observed than make one."""
    known = set(observed)
    spaces: dict[str, set[str]] = defaultdict(set)
    for piece in pieces:
        spaces[piece.cell].add(piece.space.id)
    return tuple(piece for piece in pieces if len(spaces[piece.cell] & known) >= FEWEST_SPACES)


def site_of(site: Site, pieces: Iterable[Piece]) -> Site:
    """Give a site of pieces alone."""
    return replace(site, spaces=tuple(piece.space for piece in pieces))


def by_cell(site: Site, question: Question, pieces: Iterable[Piece]) -> tuple[Site, Question]:
    """Give a site whose zones are cells, and the question how much of each was observed where another is answered."""
    asked = [piece for piece in pieces if _is_asked(piece.space, question)]
    spaces = tuple(replace(piece.space, zone=piece.cell) for piece in asked)
    return replace(site, spaces=spaces), replace(question, metric="coverage", scope=Scope.ZONE, zone=None, kind=None)


def _is_asked(space: Space, question: Question) -> bool:
    return question.kind in (None, space.kind) and question.zone in (None, space.zone)


def without_silent(answer: Answer, site: Site, coverage: Answer, cells: Site) -> Answer:
    """Take the number from each row in which one of its cells was observed no more than too few spaces can be."""
    silent = _silent(coverage, cells)
    groups = _cells_of_groups(answer, site, cells)
    rows: Any = tuple(
        emptied(row) if any((cell, _step(row)) in silent for cell in groups.get(row.scope, ())) else row
        for row in answer.rows
    )
    return replace(answer, rows=rows)


def _silent(coverage: Answer, cells: Site) -> set[tuple[str, tuple[int, ...]]]:
    standing: dict[str, list[Standing]] = defaultdict(list)
    for row in rows_asked(coverage.question, cells, coverage.to_ms):
        standing[row.space.zone].append(row)
    window = (coverage.question.from_ms, coverage.to_ms)
    return {
        (row.scope, _step(row))
        for row in coverage.rows
        if row.coverage is not None and spaces_known(row, standing[row.scope], window) <= FEWEST_SPACES - 1 + _NEARLY
    }


def _cells_of_groups(answer: Answer, site: Site, cells: Site) -> dict[str, set[str]]:
    """Say of which cells each group of an answer is; the spaces of both sites stand in the same order."""
    asked = {id(row.space) for row in rows_asked(answer.question, site, answer.to_ms)}
    chosen = [space for space in site.spaces if _is_asked(space, answer.question)]
    groups: dict[str, set[str]] = defaultdict(set)
    for space, cell in zip(chosen, cells.spaces, strict=True):
        if id(space) in asked:
            groups[group_of_space(answer.question, site, space)].add(cell.zone)
    return groups


def _step(row: Row | HourRow) -> tuple[int, ...]:
    return (row.start_ms,) if isinstance(row, Row) else (row.weekday, row.hour)
