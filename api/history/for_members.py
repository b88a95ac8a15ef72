"""What members may ask of history: groups of whole cells, hours and longer, a day late; told in bands.

No two groups differ by fewer than five spaces (`perch.history.cells`), and no two windows by less than one of their own
kind (`api.history.windows_for_members`). What a session is cannot be chosen.
"""

from collections.abc import Sequence
from dataclasses import replace

from fastapi import HTTPException

from api.entrance.access import NOT_INCLUDED, Matter
from api.history.of_groups import observed_site
from api.history.way import History
from api.history.windows_for_members import told_until
from api.live.shapes import ProblemCause
from api.problems import ParametersError
from perch.history.bands import in_bands
from perch.history.cells import (
    Piece,
    Reach,
    by_cell,
    of_observed,
    pieces_of,
    reach_of,
    site_of,
    within_reach,
    without_silent,
)
from perch.history.question import Answer, Question, Resolution, Scope, SessionRules
from perch.model import Site

METRICS = frozenset({"coverage", "time_used_ratio", "peak_concurrent", "avg_daily_peak", "min_surplus", "sessions"})
"""What tells of places, and is the same whichever space of a cell it was.

Others tell how people behave, weigh spaces by their seats, or have a number only where somebody came, or where all were
taken at once: that is known of each single space then.
"""


def answer_for_members(history: History, question: Question, site: Site, now_ms: int) -> Answer:
    """Answer as members may read; raises ParametersError, HTTPException, and what history raises."""
    if question.scope is Scope.SPACE:
        raise HTTPException(403, f"{NOT_INCLUDED}: {Matter.HISTORY_OF_SPACES}")
    if question.metric not in METRICS:
        raise HTTPException(403, f"members read {', '.join(sorted(METRICS))}; not {question.metric}")
    causes = _of_shape(question)
    if causes:
        raise ParametersError(causes)
    until_ms = told_until(question, site, history.calendar(site.id), now_ms)
    whole = History(history.store, history.calendar, history.feeds)  # what is of cells is of no single space
    pieces, observed = _cells(history, site, reach_of(question.scope, question.zone), [(question.from_ms, until_ms)])
    told = site_of(site, pieces)
    cells, how_much = by_cell(site, question, pieces)
    answer = whole.answer(question, told, until_ms)
    answer = without_silent(answer, told, whole.answer(how_much, cells, until_ms), cells)
    return in_bands(answer, replace(told, spaces=tuple(space for space in told.spaces if space.id in observed)))


def cells_observed(history: History, site: Site, reach: Reach, windows: Sequence[tuple[int, int]]) -> tuple[Piece, ...]:
    """Give the cells that are part of groups so wide, and of which enough spaces were observed in some windows."""
    return _cells(history, site, reach, windows)[0]


def _cells(
    history: History, site: Site, reach: Reach, windows: Sequence[tuple[int, int]]
) -> tuple[tuple[Piece, ...], frozenset[str]]:
    """Give the same, and which spaces were observed."""
    pieces = within_reach(pieces_of(site), reach)
    observed = frozenset(space.id for space in observed_site(history, site_of(site, pieces), windows).spaces)
    return of_observed(pieces, observed), observed


def _of_shape(question: Question) -> list[ProblemCause]:
    causes = []
    if question.resolution is Resolution.QUARTER_HOUR:
        causes.append(ProblemCause("resolution", "members read hours and longer"))
    usual = SessionRules()
    for name, is_usual in (
        ("merge_seconds", question.rules.merge_ms == usual.merge_ms),
        ("min_seconds", question.rules.min_ms == usual.min_ms),
    ):
        if not is_usual:
            causes.append(ProblemCause(name, "members cannot choose this; leave it out"))
    return causes
