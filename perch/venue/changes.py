"""What happens to a venue over the years: closures of its own, and spaces that move, are added or are given up."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from random import Random

from perch.model import Site, Space
from perch.venue.chance import chance

LEAST_DAYS = 14
"""In a shorter time no layout changes."""

ONE_IN = 16
"""Of so many spaces one changes, but at least one in each way."""


def lived_in(site: Site, first: date, days: int, seed: int) -> Site:
    """Close a site between Christmas and New Year, and change its layout on some days of a period.

    A space moves to another zone of its floor, is put up, or is given up; its sensors hang there all the time.
    """
    years = range(first.year, (first + timedelta(days=days)).year + 1)
    closed = tuple((date(year, 12, 24), date(year, 12, 31)) for year in years)
    changed = replace(site, closed=(*site.closed, *closed))
    if days < LEAST_DAYS or len(site.spaces) < len(_WAYS):
        return changed
    rng = chance(seed, site.id, "layout")
    number = max(len(site.spaces) // ONE_IN, len(_WAYS))
    new: Mapping[str, Sequence[Space]] = {
        space.id: _WAYS[place % len(_WAYS)](site, space, _day(first, days, rng), rng)
        for place, space in enumerate(rng.sample(site.spaces, number))
    }
    return replace(changed, spaces=tuple(row for space in site.spaces for row in new.get(space.id, (space,))))


def _day(first: date, days: int, rng: Random) -> date:
    """Draw a day from the middle half of a period."""
    return first + timedelta(days=days // 4 + rng.randrange(max(days // 2, 1)))


def _moved(site: Site, space: Space, day: date, rng: Random) -> Sequence[Space]:
    zones = [zone.id for zone in site.zones if zone.floor == space.floor and zone.id != space.zone]
    return replace(space, valid_until=day), replace(space, zone=rng.choice(zones or [space.zone]), valid_from=day)


def _put_up(_site: Site, space: Space, day: date, _rng: Random) -> Sequence[Space]:
    return (replace(space, valid_from=day),)


def _given_up(_site: Site, space: Space, day: date, _rng: Random) -> Sequence[Space]:
    return (replace(space, valid_until=day),)


_WAYS = (_moved, _put_up, _given_up)


def rows_of(site: Site, agent: str) -> Mapping[str, Sequence[Space]]:
    """Give the rows of the layout of each of an agent's spaces, in the order of the layout."""
    found: dict[str, list[Space]] = {}
    for row in site.spaces:
        if row.agent == agent:
            found.setdefault(row.id, []).append(row)
    return found


def standing(rows: Sequence[Space], first: date, last: date) -> Iterator[tuple[date, Space]]:
    """Give the local days from the first to the last on which a space stands, with the row in force."""
    day = first
    while day <= last:
        for row in rows:
            if row.stands_on(day):
                yield day, row
        day += timedelta(days=1)
