"""Answers to questions about the past: dated, bounded, and never without the share of time that was observed.

Figures of a group are ratios of sums over its spaces as they stood at each moment. `low` and `high` count unknown time
as free and as occupied. A window that reaches now is cut at the last full quarter hour.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from types import MappingProxyType

import numpy as np

from perch.history.asked import Asked, Bookings, asked_in_steps, groups_of, rows_asked, steps_asked
from perch.history.asking import check, check_size
from perch.history.calendar import Calendar
from perch.history.caveats import caveats
from perch.history.hours_of_week import hour_rows
from perch.history.kept import said_of_steps, said_of_sums, steps_not_kept
from perch.history.measure import ratio
from perch.history.metrics import METRICS, Measured, Metric, parameters_of
from perch.history.past import pasts
from perch.history.profiles import NEVER, Crowd
from perch.history.question import Answer, Peak, Question, Resolution, Row, number_of
from perch.history.source import HistorySource, Integers, StateRow
from perch.model import Site

NO_BOOKINGS: Bookings = MappingProxyType({})


def answer(
    question: Question,
    site: Site,
    source: HistorySource,
    calendar: Calendar,
    now_ms: int,
    bookings: Bookings = NO_BOOKINGS,
) -> Answer:
    """Answer a question about a site whose calendar is given; raises QuestionError and whatever the source raises.

    `bookings` are needed for metrics of `OF_BOOKINGS` alone: all that begin within a day of the window.
    """
    to_ms = check(question, site, now_ms)
    chosen = rows_asked(question, site, to_ms)
    groups = groups_of(question, site, chosen)
    check_size(question, len(groups), to_ms)
    by_week = question.resolution is Resolution.HOUR_OF_WEEK
    steps_ms = steps_asked(question, calendar, to_ms)
    metric, tiers = METRICS[question.metric], source.tiers(site.id)
    missing = steps_not_kept(steps_ms, metric.back_ms, tiers)
    rows = () if by_week else tuple(_rows_missing(groups, steps_ms[: missing + 1]))
    answer = Answer(metric.definition, question, to_ms, rows, (), parameters_of(metric, question))
    if missing == len(steps_ms) - 1:
        return replace(answer, warnings=tuple(said_of_steps(missing, metric.back_ms, tiers)))
    about = replace(asked_in_steps(question, site, calendar, chosen, groups, steps_ms[missing:]), bookings=bookings)
    measured = metric.measure(about, source)
    if by_week:
        answer = replace(answer, rows=tuple(hour_rows(about, metric, measured)))
    else:
        answer = replace(answer, rows=tuple(_in_order(groups, rows, _rows(about, metric, measured))))
    is_of_words = metric.back_ms is not None
    gone = said_of_steps(missing, metric.back_ms, tiers) if is_of_words else said_of_sums(about.cut.bounds_ms, tiers)
    return replace(answer, warnings=(*gone, *caveats(metric, measured, about)))


def transitions(site: Site, space: str, from_ms: int, to_ms: int, source: HistorySource) -> Sequence[StateRow]:
    """Give the rows of [from_ms, to_ms) at which a space's state or count changed; empty for a space never named."""
    return [row for past in pasts(site, [space], from_ms, to_ms, source) for row in past.transitions(from_ms, to_ms)]


def _rows(about: Asked, metric: Metric, measured: Measured) -> Iterator[Row]:
    of, steps_ms = metric.formula(measured), about.steps_ms.tolist()
    spaces = ratio(measured.known_ms, np.broadcast_to(about.counted_ms, measured.known_ms.shape))
    columns = np.stack((of.value, ratio(measured.known_ms, measured.inventory_ms), of.low, of.high, spaces))
    for name, group in about.groups.items():
        for step, numbers in enumerate(columns[:, group].T.tolist()):
            value, observed, low, high, known = map(number_of, numbers)
            peak = _peak(measured, group, step)
            yield Row(steps_ms[step], steps_ms[step + 1], name, value, observed, low, high, peak, known)


def _rows_missing(groups: Mapping[str, int], steps_ms: Integers) -> Iterator[Row]:
    """Give rows without a number, for what is not kept."""
    for name in groups:
        for start_ms, end_ms in pairwise(steps_ms.tolist()):
            yield Row(start_ms, end_ms, name, None, None, None, None)


def _in_order(groups: Mapping[str, int], missing: Sequence[Row], found: Iterator[Row]) -> Iterator[Row]:
    """Put rows in order of their groups, each group's in order of time."""
    return iter(sorted((*missing, *found), key=lambda row: (groups[row.scope], row.start_ms))) if missing else found


def _peak(measured: Measured, group: int, step: int) -> Peak | None:
    if not isinstance(measured, Crowd) or measured.peak[group, step] == NEVER:
        return None
    return Peak(int(measured.peak_at_ms[group, step]), int(measured.peak_ms[group, step]))
