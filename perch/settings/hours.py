"""Opening hours, written as `"08:00-12:00, 13:00-18:00"`."""

import re
from datetime import time
from itertools import pairwise

from perch.model import OpenSpan
from perch.settings.reading import RefusedError, shown
from perch.settings.table import Table

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SPAN = re.compile(r"([0-2]?[0-9]):([0-5][0-9])-([0-2]?[0-9]):([0-5][0-9])")
_MIDNIGHT = 24 * 60
_REMEDY = 'write it as "08:00-20:00", several with a comma between; "00:00-24:00" is the whole day'


def read_hours(table: Table) -> tuple[tuple[OpenSpan, ...], ...]:
    """Read the table of weekdays; a day left out is closed."""
    hours = tuple(table.take(weekday, spans, ()) for weekday in WEEKDAYS)
    table.finish()
    return hours


def spans(value: object) -> tuple[OpenSpan, ...]:
    """Read the spans of one day: in order, within the day, none over another."""
    if not isinstance(value, str):
        raise RefusedError(f"{shown(value)} is no text", _REMEDY)
    minutes = sorted(_minutes(span) for span in value.replace(" ", "").split(","))
    for (_, until), (start, _) in pairwise(minutes):
        if start < until:
            raise RefusedError(f"{shown(value)} has spans that overlap", "write one span instead of the two")
    return tuple(OpenSpan(_time(start), None if until == _MIDNIGHT else _time(until)) for start, until in minutes)


def _minutes(span: str) -> tuple[int, int]:
    found = _SPAN.fullmatch(span)
    if found is None:
        raise RefusedError(f"{shown(span)} is no span of hours", _REMEDY)
    hour, minute, until_hour, until_minute = map(int, found.groups())
    start, until = hour * 60 + minute, until_hour * 60 + until_minute
    if start >= _MIDNIGHT or until > _MIDNIGHT:
        raise RefusedError(f"{shown(span)} lies outside the day", _REMEDY)
    if until <= start:
        remedy = "hours past midnight belong to the next day: end one day at 24:00 and begin the next at 00:00"
        raise RefusedError(f"{shown(span)} ends before it begins", remedy)
    return start, until


def _time(minutes: int) -> time:
    return time(minutes // 60, minutes % 60)
