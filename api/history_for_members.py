"""What members may ask of history: zones and wider, hours and longer, a day late, shared spaces alone; told in bands.

What could be put together to a single space's hour is refused: windows begin and end at full hours, and what a session
is cannot be chosen.
"""

from dataclasses import replace
from datetime import datetime

from fastapi import HTTPException

from api.access import NOT_INCLUDED, Matter
from api.history import History
from api.history_of_groups import observed_site
from api.moments import zone_of
from api.problems import ParametersError
from api.shapes import ProblemCause
from perch.history.bands import in_bands
from perch.history.question import Answer, Question, Resolution, Scope, SessionRules
from perch.model import DAY_MS, Purpose, Site

LATE_MS = DAY_MS
METRICS = frozenset(
    {
        *("coverage", "time_used_ratio", "capacity_used_ratio", "fill_when_used", "peak_concurrent", "peak_ratio"),
        *("avg_daily_peak", "min_surplus", "time_full_ratio", "sessions", "turnover", "dwell_median_seconds"),
    }
)
"""What tells of places; the others tell how people behave."""


def answer_for_members(history: History, question: Question, site: Site, now_ms: int) -> Answer:
    """Answer as members may read; raises ParametersError, HTTPException, and what history raises."""
    if question.scope is Scope.SPACE:
        raise HTTPException(403, f"{NOT_INCLUDED}: {Matter.HISTORY_OF_SPACES}")
    if question.metric not in METRICS:
        raise HTTPException(403, f"members read {', '.join(sorted(METRICS))}; not {question.metric}")
    until_ms = hour_before(now_ms - LATE_MS, site)
    causes = [*_of_window(question, site, until_ms), *_of_shape(question)]
    if causes:
        raise ParametersError(causes)
    shared = replace(site, spaces=tuple(space for space in site.spaces if space.purpose is Purpose.SHARED))
    observed = observed_site(history, shared, [(question.from_ms, question.to_ms)])
    return in_bands(history.answer(question, shared, until_ms), observed)


def hour_before(ms: int, site: Site) -> int:
    """Give the last full hour of a site's clocks."""
    local = datetime.fromtimestamp(ms // 1000, zone_of(site.time_zone))
    return (ms // 1000 - local.minute * 60 - local.second) * 1000


def _of_window(question: Question, site: Site, until_ms: int) -> list[ProblemCause]:
    causes = [
        ProblemCause(name, "members' windows begin and end at full hours; write 2026-03-02T08:00")
        for name, ms in (("from", question.from_ms), ("to", question.to_ms))
        if hour_before(ms, site) != ms
    ]
    if question.from_ms >= until_ms:
        causes.append(ProblemCause("from", "what is younger than a day is not for members yet; ask for an earlier day"))
    return causes


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
