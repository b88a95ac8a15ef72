"""How full a site is today, hour by hour, beside what is usual: the same hour of the week in the weeks before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache

from api.history.way import History
from api.moments import day_at, parse_moment, zone_of
from perch.history.question import HourRow, Hours, Question, Resolution, Row
from perch.model import QUARTER_MS, Site

WEEKS = 8
FEWEST_WEEKS = 2
METRIC = "time_used_ratio"
_HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class HourOfDay:
    """Shares of time in use; None where the hour is still to come, or too little is known."""

    hour: int
    today: float | None
    usual: float | None
    coverage: float | None


@dataclass(frozen=True, slots=True)
class Typical:
    """A day beside its usual one: by hours, at this very hour, and from midnight to now."""

    hours: Sequence[HourOfDay]
    usual_now: float | None
    so_far: float | None
    usual_so_far: float | None


def typical(site: Site, now_ms: int, history: History, kind: str | None = None) -> Typical:
    """Ask for today and for the whole weeks before it, of all spaces or of one kind; raises StorageError."""
    today = day_at(now_ms, zone_of(site.time_zone))
    usual = usual_hours(history, site, today, kind, now_ms // _HOUR_MS)
    told = {_hour(row.start_ms, site): row for row in _today(Resolution.HOUR, site, now_ms, history, kind)}
    hour = _hour(now_ms, site)
    whole = next(iter(_today(Resolution.TOTAL, site, now_ms, history, kind)), None)
    so_far = [usual[past] for past in range(hour + 1) if past in usual]
    return Typical(
        [_hour_of_day(each, told.get(each), usual.get(each)) for each in range(24)],
        usual.get(hour),
        None if whole is None else whole.value,
        sum(so_far) / len(so_far) if so_far else None,
    )


@lru_cache(maxsize=128)
def usual_hours(history: History, site: Site, today: date, kind: str | None, _turn: int) -> Mapping[int, float]:
    """Give the mean share of each hour of such a weekday; what is asked often is kept for `_turn`, which is an hour."""
    zone = zone_of(site.time_zone)
    until_ms = parse_moment(today.isoformat(), zone)
    from_ms = parse_moment((today - timedelta(weeks=WEEKS)).isoformat(), zone)
    asked = Question(METRIC, from_ms, until_ms, Resolution.HOUR_OF_WEEK, hours=Hours.ALL, kind=kind)
    rows = (row for row in history.answer(asked, site, until_ms).rows if isinstance(row, HourRow))
    return {
        row.hour: row.value
        for row in rows
        if row.weekday == today.isoweekday() and row.value is not None and row.coverage and row.weeks >= FEWEST_WEEKS
    }


def _today(resolution: Resolution, site: Site, now_ms: int, history: History, kind: str | None) -> Sequence[Row]:
    zone = zone_of(site.time_zone)
    midnight_ms = parse_moment(day_at(now_ms, zone).isoformat(), zone)
    if now_ms - midnight_ms < QUARTER_MS:
        return ()
    asked = Question(METRIC, midnight_ms, now_ms, resolution, hours=Hours.ALL, kind=kind)
    return [row for row in history.answer(asked, site, now_ms).rows if isinstance(row, Row) and row.coverage]


def _hour(wall_ms: int, site: Site) -> int:
    return datetime.fromtimestamp(wall_ms // 1000, zone_of(site.time_zone)).hour


def _hour_of_day(hour: int, row: Row | None, usual: float | None) -> HourOfDay:
    return HourOfDay(hour, row.value if row else None, usual, row.coverage if row else None)
