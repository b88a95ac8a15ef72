"""Of which windows members may ask: of whole days, weeks and months that are over.

Rows are those of the calendar, whatever the window: there are no two that differ by less than one of them. What is one
number for the whole window is for whole days, an hour of the week for a month, a year, or four whole weeks and more.
A row is told when it has been over for a day, and not before it is whole.
"""

from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from typing import NamedTuple

from api.live.shapes import ProblemCause
from api.moments import zone_of
from api.problems import ParametersError, wrong
from perch.history.calendar import Calendar
from perch.history.question import Question, Resolution
from perch.model import DAY_MS, Site

LATE_MS = DAY_MS


class Step(NamedTuple):
    """A step of the calendar: which days begin one, the day after one that begins on such a day, and a word for it."""

    begins: Callable[[date], bool]
    following: Callable[[date], date]
    words: str


DAY = Step(lambda _: True, lambda day: day + timedelta(1), "at midnight, such as 2026-03-02")
WEEK = Step(lambda day: day.weekday() == 0, lambda day: day + timedelta(7), "on a Monday, such as 2026-03-02")
MONTH = Step(
    lambda day: day.day == 1, lambda day: (day + timedelta(31)).replace(day=1), "on the first of a month: 2026-03-01"
)
YEAR = Step(lambda day: (day.month, day.day) == (1, 1), lambda day: day.replace(day.year + 1), "on 1 January")
_ROWS: Mapping[Resolution, Step] = {
    Resolution.TOTAL: DAY,
    Resolution.HOUR: DAY,
    Resolution.DAY: DAY,
    Resolution.WEEK: WEEK,
    Resolution.MONTH: MONTH,
}
_WEEKS_OF_HOURS = 4
"""An hour of the week is told of no fewer weeks, or it would be a few single hours."""


def hour_before(ms: int, site: Site) -> int:
    """Give the last full hour of a site's clocks."""
    local = datetime.fromtimestamp(ms // 1000, zone_of(site.time_zone))
    return (ms // 1000 - local.minute * 60 - local.second) * 1000


def told_until(question: Question, site: Site, calendar: Calendar, now_ms: int) -> int:
    """Say until when members are told of what a window holds; raises ParametersError for a window that is not theirs.

    A quarter hour has no step of members' own: it is refused elsewhere.
    """
    until_ms = hour_before(now_ms - LATE_MS, site)
    if question.from_ms >= until_ms:
        raise wrong("from", "what is younger than a day is not for members yet; ask for an earlier day")
    if question.resolution is Resolution.HOUR_OF_WEEK:
        return _of_many_weeks(question, calendar, until_ms)
    step = _ROWS.get(question.resolution, DAY)
    causes = [
        ProblemCause(name, f"members' windows begin and end {step.words}")
        for name, ms in (("from", question.from_ms), ("to", question.to_ms))
        if not _begins(ms, step, calendar)
    ]
    if causes:
        raise ParametersError(causes)
    end_ms = min(question.to_ms, until_ms)
    return end_ms if question.resolution is Resolution.HOUR else _last_end(question.from_ms, end_ms, step, calendar)


def _begins(ms: int, step: Step, calendar: Calendar) -> bool:
    day = calendar.day_of(ms)
    return calendar.day_start_ms(day) == ms and step.begins(day)


def _of_many_weeks(question: Question, calendar: Calendar, until_ms: int) -> int:
    first, end = calendar.day_of(question.from_ms), calendar.day_of(question.to_ms)
    is_whole = all(calendar.day_start_ms(calendar.day_of(ms)) == ms for ms in (question.from_ms, question.to_ms))
    is_of_calendar = any(step.begins(first) and step.following(first) == end for step in (MONTH, YEAR))
    is_of_weeks = first.weekday() == end.weekday() == 0 and (end - first).days >= 7 * _WEEKS_OF_HOURS
    if not is_whole or not (is_of_calendar or is_of_weeks):
        raise wrong("to", f"members ask this of one month, one year, or {_WEEKS_OF_HOURS} weeks and more from a Monday")
    if question.to_ms > until_ms:
        raise wrong("to", "members are told of this when it has been over for a day; ask for an earlier one")
    return question.to_ms


def _last_end(from_ms: int, until_ms: int, step: Step, calendar: Calendar) -> int:
    """Give where the last step ends that is over by a moment; raises ParametersError where there is none."""
    end_ms, day = from_ms, step.following(calendar.day_of(from_ms))
    while (following_ms := calendar.day_start_ms(day)) <= until_ms:
        end_ms, day = following_ms, step.following(day)
    if end_ms == from_ms:
        raise wrong("from", "members are told of this when it has been over for a day; ask for an earlier one")
    return end_ms
