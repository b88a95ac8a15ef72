"""Answers to questions about the past: dated, bounded, and never without the share of time that was observed.

Figures of a group are ratios of sums over its spaces as they stood at each moment. `low` counts unknown time as free,
`high` as occupied. A window that reaches now is cut at the last full quarter hour.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np

from perch.history.asking import check, check_size
from perch.history.calendar import Calendar
from perch.history.definitions import DEFINITIONS
from perch.history.formulas import FORMULAS, Figures
from perch.history.layout import Standing, standings
from perch.history.measure import Grid, Sums, grid, measure
from perch.history.past import pasts
from perch.history.question import Answer, Hours, Question, Row, Scope
from perch.history.source import HistorySource, StateRow
from perch.model import Site, Space

COVERAGE_WANTED = 0.9
"""Below this share of observed time an answer carries a warning."""

_SCOPES: Mapping[Scope, Callable[[Site, Space], str]] = {
    Scope.SPACE: lambda _, space: space.id,
    Scope.ZONE: lambda _, space: space.zone,
    Scope.FLOOR: lambda _, space: space.floor,
    Scope.KIND: lambda _, space: space.kind.value,
    Scope.SITE: lambda site, _: site.id,
}


def answer(question: Question, site: Site, source: HistorySource, calendar: Calendar, now_ms: int) -> Answer:
    """Answer a question about a site whose calendar is given; raises QuestionError and whatever the source raises."""
    to_ms = check(question, site, now_ms)
    chosen = _chosen(question, site, to_ms)
    scope_of = _SCOPES[question.scope]
    groups = dict.fromkeys(scope_of(site, row.space) for row in chosen)
    check_size(question, len(groups), to_ms)
    steps_ms = calendar.steps_ms(question.resolution, question.from_ms, to_ms)
    cut = grid(steps_ms, chosen, calendar)
    sums: dict[str, Sums] = {}
    for row, spent in _measured(site, chosen, source, cut):
        group = scope_of(site, row.space)
        sums[group] = sums[group].plus(spent) if group in sums else spent
    rows: list[Row] = []
    figures: list[Figures] = []
    for group in groups:
        of_group = _figures(cut.by_step(sums[group], only_open=question.hours is Hours.OPEN))
        rows.extend(_rows(question.metric, group, steps_ms.tolist(), of_group))
        figures.extend(of_group)
    return Answer(DEFINITIONS[question.metric], question, to_ms, tuple(rows), tuple(_warnings(figures)))


def transitions(site: Site, space: str, from_ms: int, to_ms: int, source: HistorySource) -> Sequence[StateRow]:
    """Give the rows of [from_ms, to_ms) at which a space's state or count changed; empty for a space never named."""
    return [row for past in pasts(site, [space], from_ms, to_ms, source) for row in past.transitions(from_ms, to_ms)]


def _chosen(question: Question, site: Site, to_ms: int) -> list[Standing]:
    """Give the rows of the layout that the question is about, in the layout's order."""
    return [
        row
        for row in standings(site)
        if row.from_ms < to_ms
        and row.to_ms > question.from_ms
        and question.kind in (None, row.space.kind)
        and question.zone in (None, row.space.zone)
    ]


def _measured(
    site: Site, chosen: Sequence[Standing], source: HistorySource, cut: Grid
) -> Iterator[tuple[Standing, Sums]]:
    from_ms, to_ms = int(cut.bounds_ms[0]), int(cut.bounds_ms[-1])
    wanted = set(chosen)
    for past in pasts(site, dict.fromkeys(row.space.id for row in chosen), from_ms, to_ms, source):
        yield from ((row, spent) for row, spent in measure(past, cut) if row in wanted)


def _figures(sums: Sums) -> list[Figures]:
    columns = np.stack((sums.occupied_ms, sums.known_ms, sums.inventory_ms), axis=1)
    return [Figures(*figures) for figures in columns.tolist()]


def _rows(metric: str, group: str, steps_ms: Sequence[int], figures: Sequence[Figures]) -> Iterator[Row]:
    formula, observed = FORMULAS[metric], FORMULAS["coverage"]
    for (start_ms, end_ms), of in zip(pairwise(steps_ms), figures, strict=True):
        value, low, high = formula(of)
        yield Row(start_ms, end_ms, group, value, observed(of).value, low, high)


def _warnings(figures: Sequence[Figures]) -> Iterator[str]:
    """Say in words what the numbers cannot: that little was observed, in all or in some rows."""
    inventory_ms, known_ms = sum(of.inventory_ms for of in figures), sum(of.known_ms for of in figures)
    if not inventory_ms:
        yield "In this window no space stood there during the hours asked for, so there is nothing to divide by."
        return
    if known_ms < COVERAGE_WANTED * inventory_ms:
        share = f"{known_ms / inventory_ms:.1%}"
        yield f"Only {share} of the time was observed; low and high say how far off a value may be."
    poor = sum(of.inventory_ms > 0 and of.known_ms < COVERAGE_WANTED * of.inventory_ms for of in figures)
    if poor and len(figures) > 1:
        yield f"In {poor} of {len(figures)} rows less than {COVERAGE_WANTED:.0%} of the time was observed."
