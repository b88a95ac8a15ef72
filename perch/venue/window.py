"""Visits and readings over a stretch of days, as people really live them."""

from collections.abc import Callable, Container, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

from perch.model import Reading, Sensor, Site, Space
from perch.venue.chance import chance
from perch.venue.habits import visits_on
from perch.venue.instruments import readings_of
from perch.venue.people import Visit

BY_DAY = range(8, 20)
"""The local hours at which somebody may walk past."""


def visits(
    site: Site, space: Space, from_ms: int, until_ms: int, closed: Container[date], seed: int
) -> Iterator[Visit]:
    """Give the visits of a space that touch a window, in order."""
    day, last = _local_day(from_ms, site), _local_day(until_ms, site)
    while day <= last:
        for visit in visits_on(site, space, day, closed, seed):
            if visit.until_ms > from_ms and visit.from_ms < until_ms:
                yield visit
        day += timedelta(days=1)


def readings(
    site: Site, space: Space, sensors: Sequence[Sensor], visited: Iterator[Visit], until_ms: int, seed: int
) -> Iterator[Reading]:
    """Give the readings that visits of a space cause before a moment; the first may lie before the window."""
    rng = chance(seed, site.id, space.id, "sensors")
    told = readings_of(space, sensors, visited, rng, by_day(site))
    return takewhile(lambda reading: reading.time_ms < until_ms, told)


def by_day(site: Site) -> Callable[[int], bool]:
    """Make a test of moments: whether somebody may walk past then."""
    zone = ZoneInfo(site.time_zone)
    return lambda time_ms: datetime.fromtimestamp(time_ms // 1000, UTC).astimezone(zone).hour in BY_DAY


def _local_day(time_ms: int, site: Site) -> date:
    return datetime.fromtimestamp(time_ms // 1000, UTC).astimezone(ZoneInfo(site.time_zone)).date()
