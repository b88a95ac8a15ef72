"""What can be asked of history, and the shape of an answer."""

from dataclasses import dataclass
from enum import StrEnum
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


@dataclass(frozen=True, slots=True)
class Definition:
    """What a number means: `text` is the formula in words."""

    id: str
    name: str
    version: int
    unit: str
    text: str
    is_not: str


class Row(NamedTuple):
    """One number with its coverage and bounds; None where nothing was observed or nothing stood there."""

    start_ms: int
    end_ms: int
    scope: str
    value: float | None
    coverage: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Answer:
    """Rows in order of scope and time; `to_ms` is where the window was really cut."""

    definition: Definition
    question: Question
    to_ms: int
    rows: tuple[Row, ...]
    warnings: tuple[str, ...]
