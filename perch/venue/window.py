"""Visits over a stretch of days, as people really live them."""

from collections.abc import Callable, Container, Iterator, Sequence
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from perch.model import Site, Space
from perch.venue.changes import standing
from perch.venue.habits import visits_on
from perch.venue.people import Visit

BY_DAY = range(8, 20)
"""The local hours at which somebody may walk past."""


def visits(
    site: Site, rows: Sequence[Space], from_ms: int, until_ms: int, closed: Container[date], seed: int
) -> Iterator[Visit]:
    """Give the visits of a space that touch a window, in order, of the days on which one of its rows is in force."""
    for day, space in standing(rows, _local_day(from_ms, site), _local_day(until_ms, site)):
        for visit in visits_on(site, space, day, closed, seed):
            if visit.until_ms > from_ms and visit.from_ms < until_ms:
                yield visit


def by_day(site: Site) -> Callable[[int], bool]:
    """Make a test of moments: whether somebody may walk past then."""
    zone = ZoneInfo(site.time_zone)
    return lambda time_ms: datetime.fromtimestamp(time_ms // 1000, UTC).astimezone(zone).hour in BY_DAY


def _local_day(time_ms: int, site: Site) -> date:
    return datetime.fromtimestamp(time_ms // 1000, UTC).astimezone(ZoneInfo(site.time_zone)).date()
