"""What can be asked of history, and the shape of an answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import isnan
from typing import NamedTuple


class Resolution(StrEnum):
    """How an answer is cut in time: calendar steps of the site's own time zone (ISO weeks)."""

    TOTAL = "total"
    QUARTER_HOUR = "15min"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    HOUR_OF_WEEK = "hour-of-week"


class Scope(StrEnum):
    """Which spaces are summed up in one row."""

    SPACE = "space"
    ZONE = "zone"
    FLOOR = "floor"
    KIND = "kind"
    SITE = "site"


class Hours(StrEnum):
    """Whether only opening hours count, or all time."""

    OPEN = "open"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class SessionRules:
    """What is one session: free gaps up to `merge_ms` belong to it, and it lasts `min_ms` at least."""

    merge_ms: int = 300_000
    min_ms: int = 60_000


@dataclass(frozen=True, slots=True)
class Question:
    """A metric of one site over the half-open window [from_ms, to_ms), UTC milliseconds."""

    metric: str
    from_ms: int
    to_ms: int
    resolution: Resolution = Resolution.TOTAL
    scope: Scope = Scope.SITE
    hours: Hours = Hours.OPEN
    kind: str | None = None
    zone: str | None = None
    rules: SessionRules = SessionRules()


@dataclass(frozen=True, slots=True)
class Definition:
    """What a number means: `text` is the formula in words."""

    id: str
    name: str
    version: int
    unit: str
    text: str
    is_not: str


class Peak(NamedTuple):
    """When a peak was first reached, and how long it lasted in all."""

    at_ms: int
    lasted_ms: int


class Row(NamedTuple):
    """One number with its coverage and bounds; None where nothing was observed or nothing stood there.

    `spaces_known` are as many spaces as would have the known time of this row if they were known all the time.
    """

    start_ms: int
    end_ms: int
    scope: str
    value: float | None
    coverage: float | None
    low: float | None
    high: float | None
    peak: Peak | None = None
    spaces_known: float | None = None


class HourRow(NamedTuple):
    """An hour of the week (`weekday` 1 is Monday) over all its weeks: its value, and how the weeks' values spread."""

    weekday: int
    hour: int
    scope: str
    value: float | None
    coverage: float | None
    low: float | None
    high: float | None
    p50: float | None
    p90: float | None
    max: float | None
    weeks: int
    spaces_known: float | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """Rows in order of scope and time; `to_ms` is where the window was really cut, `parameters` are in ms."""

    definition: Definition
    question: Question
    to_ms: int
    rows: tuple[Row, ...] | tuple[HourRow, ...]
    warnings: tuple[str, ...]
    parameters: Mapping[str, int]


def number_of(number: float) -> float | None:
    """Take NaN for no number."""
    return None if isnan(number) else float(number)
