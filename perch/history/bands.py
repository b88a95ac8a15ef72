"""Answers in bands: how full it is where, without a number that could be anybody's.

A value is told by the band that it lies in: `low` and `high` are the band's edges, `value` its middle. Coverage is told
in tenths. Moments of peaks are left out. Groups of few spaces are left out as well: see `large_enough`.

No band of a number of spaces says that it was none of them, or all: the first ends at five, and the last begins five
below as many as were observed. For a group of five there is but one.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise

from perch.history.alone import spaces_known, without_few
from perch.history.cells import FEWEST_SPACES
from perch.history.layout import Standing, standings
from perch.history.question import Answer, HourRow, Row, Scope
from perch.model import Site

Edges = tuple[float, ...]
RATIOS: Edges = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
_SECONDS: Edges = (0.0, 900.0, 1_800.0, 3_600.0, 7_200.0, 14_400.0, 28_800.0, 86_400.0)
NUMBERS: Edges = (0.0, *(step * 10.0**power for power in range(6) for step in (5.0, 10.0, 20.0)))
_EDGES = {"ratio": RATIOS, "seconds": _SECONDS}
BANDS = (
    "These are bands: low and high are the edges of the band that a value lies in, value is its middle, and coverage "
    "is in tenths."
)
FEW = f"Left out is what has fewer than {FEWEST_SPACES} shared spaces; assigned and private ones are not counted."


def in_bands(answer: Answer, site: Site) -> Answer:
    """Coarsen an answer about a site, and leave out groups that are too small."""
    answer = without_few(answer, site, FEWEST_SPACES - 1)
    standing, question = standings(site), answer.question
    kept: list[Row] = []
    kept_hours: list[HourRow] = []
    for row in answer.rows:
        window = (row.start_ms, row.end_ms) if isinstance(row, Row) else (question.from_ms, answer.to_ms)
        chosen = [each for each in standing if _is_of(each, row.scope, answer)]
        if not large_enough(chosen, *window):
            continue
        edges = edges_of(answer.definition.unit, spaces_known(row, chosen, window))
        if isinstance(row, Row):
            kept.append(_coarse(row, edges))
        else:
            kept_hours.append(_coarse_hour(row, edges))
    return replace(answer, rows=tuple(kept) or tuple(kept_hours), warnings=(BANDS, FEW))


def _is_of(row: Standing, name: str, answer: Answer) -> bool:
    """Tell whether a row of the layout is of a group of an answer."""
    question = answer.question
    return (
        question.kind in (None, row.space.kind)
        and question.zone in (None, row.space.zone)
        and name == _group(question.scope, row, name)
    )


def _group(scope: Scope, row: Standing, whole: str) -> str:
    space = row.space
    return {Scope.ZONE: space.zone, Scope.FLOOR: space.floor, Scope.KIND: str(space.kind)}.get(scope, whole)


def large_enough(rows: Iterable[Standing], from_ms: int, to_ms: int) -> bool:
    """Tell whether enough spaces stand there at every moment of [from_ms, to_ms)."""
    return fewest(rows, from_ms, to_ms) >= FEWEST_SPACES


def fewest(rows: Iterable[Standing], from_ms: int, to_ms: int) -> int:
    """Say how many spaces stand there at least, at any moment of [from_ms, to_ms)."""
    inside = [row for row in rows if row.from_ms < to_ms and row.to_ms > from_ms]
    edges = sorted(
        {from_ms, *(max(row.from_ms, from_ms) for row in inside), *(min(row.to_ms, to_ms) for row in inside)}
    )
    return min(
        sum(row.from_ms <= start_ms < row.to_ms for row in inside)
        for start_ms, _ in pairwise([*edges, to_ms])
        if start_ms < to_ms
    )


def edges_of(unit: str, spaces: float) -> Edges:
    """Give the edges of the bands in which numbers of a unit are told of so many spaces."""
    if unit != "spaces":
        return _EDGES.get(unit, NUMBERS)
    inner = tuple(edge for edge in NUMBERS if edge <= max(int(spaces) - FEWEST_SPACES, 0))
    return (*inner, next(edge for edge in NUMBERS if edge >= spaces and edge > inner[-1]))


def _coarse(row: Row, edges: Edges) -> Row:
    low, high = _band(row.value, edges)
    return Row(row.start_ms, row.end_ms, row.scope, _middle(low, high), tenths(row.coverage), low, high)


def _coarse_hour(row: HourRow, edges: Edges) -> HourRow:
    low, high = _band(row.value, edges)
    p50, p90, highest = (_middle(*_band(number, edges)) for number in (row.p50, row.p90, row.max))
    hour, coverage = (row.weekday, row.hour, row.scope), tenths(row.coverage)
    return HourRow(*hour, _middle(low, high), coverage, low, high, p50, p90, highest, row.weeks)


def band(value: float, edges: Edges) -> tuple[float, float]:
    """Give the edges around a value; the last band ends with its last edge, and whatever lies beyond is in it."""
    place = min(max(bisect_right(edges, value), 1), len(edges) - 1)
    return edges[place - 1], edges[place]


def middle(low: float, high: float) -> float:
    """Give the middle of a band."""
    return round((low + high) / 2, 3)


def tenths(coverage: float | None) -> float | None:
    """Give a coverage in tenths, rounded down."""
    return None if coverage is None else int(coverage * 10) / 10


def _band(value: float | None, edges: Edges) -> tuple[float, float] | tuple[None, None]:
    return (None, None) if value is None else band(value, edges)


def _middle(low: float | None, high: float | None) -> float | None:
    return None if low is None or high is None else middle(low, high)
