"""Simulated pools that are sometimes full, for a year each: people of the venue, and people who go where there is room.

The year begins in June, so clocks are turned twice; public holidays of Portugal are closed days. A pool may be wanted
more and more, less and less, or by season.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from random import Random
from zoneinfo import ZoneInfo

import numpy as np

from perch.history.forecast.levels import QUARTERS, Levels
from perch.history.measure import Floats
from perch.model import QUARTER_MS, OpenSpan, Purpose, Site, Space, SpaceKind, Zone
from perch.settings.holidays import ClosedDays
from perch.venue.chance import chance
from perch.venue.habits import WEEKDAY_SHARE, visits_on

FIRST, DAYS = date(2025, 6, 2), 364
CLOSED = ClosedDays((), "PT")
LISBON = ZoneInfo("Europe/Lisbon")
OPEN = (OpenSpan(time(8), time(20)),)
HOLD_MS = 600_000
"""A space counts as occupied for so long after its last visitor, as it is sensed."""


def open_days() -> Iterator[tuple[int, date]]:
    """Give the days on which pools are open, with their numbers."""
    days = ((number, FIRST + timedelta(days=number)) for number in range(DAYS))
    return ((number, day) for number, day in days if day.weekday() < 5 and day not in CLOSED)


def venue(kind: SpaceKind, spaces: int, seed: int, kept: tuple[float, float] = (1.0, 1.0)) -> Levels:
    """Let the venue's people use spaces that are well liked; of their days a share is kept, from first to last."""
    site = _site(tuple(_space(kind, number) for number in range(spaces)))
    crowd = np.full((DAYS, QUARTERS), np.nan)
    stays_at_home = chance(seed, "stays at home")
    for number, day in open_days():
        crowd[number, 32:80] = 0
        share = kept[0] + (kept[1] - kept[0]) * number / DAYS
        midnight_ms = int(datetime.combine(day, time(), LISBON).timestamp()) * 1000
        for space in site.spaces:
            if stays_at_home.random() < share:
                taken = np.zeros(QUARTERS)
                for visit in visits_on(site, space, day, CLOSED, seed):
                    first, last = (
                        -(-(visit.from_ms - midnight_ms) // QUARTER_MS),
                        visit.until_ms + HOLD_MS - midnight_ms,
                    )
                    taken[max(first, 0) : -(-last // QUARTER_MS)] = 1
                crowd[number] += taken
    return Levels(FIRST, crowd, np.full(crowd.shape, spaces, dtype=np.int64))


@dataclass(frozen=True, slots=True)
class Demand:
    """How many people want a desk at once on the busiest weekday, as a share of the desks, and how that moves.

    `year` is how much more are wanted after a year, `season` how far summer and winter differ from the mean; days vary
    by `day_spread`, half of which lasts to the next one, and weeks by `week_spread`.
    """

    share: float
    year: float = 0.0
    season: float = 0.0
    day_spread: float = 0.13
    week_spread: float = 0.05


def crowd(desks: int, of: Demand, seed: int) -> Levels:
    """Let people come to a pool of desks; whoever finds none goes away again."""
    chances = chance(seed, "crowd", desks)
    here = np.full((DAYS, QUARTERS), np.nan)
    mood, week = 0.0, 1.0
    for number, day in open_days():
        week = chances.gauss(1, of.week_spread) if day.weekday() == 0 else week
        mood = 0.5 * mood + math.sqrt(0.75) * chances.gauss(0, of.day_spread)
        year = (1 + of.year * number / DAYS) * (1 + of.season * math.sin(2 * math.pi * number / DAYS))
        wanted = 1.15 * desks * of.share * WEEKDAY_SHARE[day.weekday()] * week * (1 + mood) * year
        here[number, 32:80] = 0
        here[number] += _day(desks, round(max(wanted, 0) / 0.8), chances)
    return Levels(FIRST, here, np.full(here.shape, desks, dtype=np.int64))


def _day(desks: int, people: int, chances: Random) -> Floats:
    """Give how many are there through a day of people who come with four chances of five; hours are local."""
    comes = sorted(_stay(chances) for _ in range(people) if chances.random() < 0.8)
    here, leaving = np.zeros(QUARTERS), list[float]()
    for come, leave in comes:
        leaving = [hour for hour in leaving if hour > come]
        if len(leaving) < desks:
            leaving.append(leave)
            here[math.ceil(4 * come) : math.ceil(4 * leave)] += 1
    return here


def _stay(chances: Random) -> tuple[float, float]:
    kind = chances.random()
    come = chances.gauss(13.4, 0.6) if kind > 0.82 else chances.gauss(9.2, 0.75)
    leave = chances.gauss(12.6, 0.5) if kind < 0.14 else chances.gauss(17.4, 1.1)
    return max(come, 8.0), min(max(leave, come + 1), 20.0)


def _site(spaces: tuple[Space, ...]) -> Site:
    weekdays = (OPEN,) * 5 + ((), ())
    return Site("v", "V", "Europe/Lisbon", "PT", (), weekdays, (), (Zone("z", "f", "z"),), ("pi",), spaces)


def _space(kind: SpaceKind, number: int) -> Space:
    liked = frozenset({"window", "monitor"})
    return Space(f"{kind}-{number}", f"{number}", "f", "z", kind, 4, Purpose.SHARED, liked, "pi")


POOLS: Mapping[str, Callable[[int], Levels]] = {
    "3 desks of the venue": lambda seed: venue(SpaceKind.DESK, 3, seed),
    "4 desks, more and more": lambda seed: venue(SpaceKind.DESK, 4, seed, (0.6, 1.0)),
    "2 rooms": lambda seed: venue(SpaceKind.ROOM, 2, seed),
    "2 lounges, less and less": lambda seed: venue(SpaceKind.LOUNGE, 2, seed, (1.0, 0.6)),
    "8 desks, first come": lambda seed: crowd(8, Demand(0.9), seed),
    "24 desks, first come": lambda seed: crowd(24, Demand(1.0), seed),
    "24 desks, 40 % more in a year": lambda seed: crowd(24, Demand(0.8, year=0.4), seed),
    "60 desks with a season": lambda seed: crowd(60, Demand(0.95, season=0.12), seed),
}
