"""Simulated pools that are sometimes full, for a year each: people of the venue, and people who go where there is room.

The year begins in June, so clocks are turned twice; public holidays of Portugal are closed days. A pool may be wanted
more and more, less and less, or by season.
"""

import math
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import partial
from random import Random
from typing import NamedTuple
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
    site = venue_site(kind, spaces)
    crowd = np.full((DAYS, QUARTERS), np.nan)
    stays_at_home = chance(seed, "stays at home")
    for number, day in open_days():
        crowd[number, 32:80] = 0
        for space in site.spaces:
            if stays_at_home.random() < kept_on(number, kept):
                crowd[number] += taken_on(site, space, day, seed)
    return Levels(FIRST, crowd, np.full(crowd.shape, spaces, dtype=np.int64))


def venue_site(kind: SpaceKind, spaces: int) -> Site:
    """Give a site with some spaces of a kind."""
    return _site(tuple(_space(kind, number) for number in range(spaces)))


def kept_on(number: int, kept: tuple[float, float]) -> float:
    """Give which share of people's days is kept on a day."""
    return kept[0] + (kept[1] - kept[0]) * number / DAYS


def taken_on(site: Site, space: Space, day: date, seed: int, closed: Container[date] = CLOSED) -> Floats:
    """Give 1 for each quarter hour of a day in which a space is taken, 0 for the others."""
    midnight_ms = int(datetime.combine(day, time(), LISBON).timestamp()) * 1000
    taken = np.zeros(QUARTERS)
    for visit in visits_on(site, space, day, closed, seed):
        first, last = -(-(visit.from_ms - midnight_ms) // QUARTER_MS), visit.until_ms + HOLD_MS - midnight_ms
        taken[max(first, 0) : -(-last // QUARTER_MS)] = 1
    return taken


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
    for busy in busy_days(desks, of, chances):
        here[busy.number, 32:80] = 0
        here[busy.number] += crowd_of_day(desks, people_of(busy.usual, busy.week, busy.mood), chances)
    return Levels(FIRST, here, np.full(here.shape, desks, dtype=np.int64))


class Busy(NamedTuple):
    """How busy a day is: how many are usually wanted at once, and how this week, the open day before, and it differ."""

    number: int
    day: date
    usual: float
    week: float
    mood_before: float
    mood: float


def busy_days(desks: int, of: Demand, chances: Random) -> Iterator[Busy]:
    """Give the open days of a year; what is drawn for a day's people meanwhile comes from the same chances."""
    mood, week = 0.0, 1.0
    for number, day in open_days():
        week = week_of(of, day, week, chances)
        before, mood = mood, mood_after(of, mood, chances)
        year = (1 + of.year * number / DAYS) * (1 + of.season * math.sin(2 * math.pi * number / DAYS))
        usual = 1.15 * desks * of.share * WEEKDAY_SHARE[day.weekday()] * year
        yield Busy(number, day, usual, week, before, mood)


def week_of(of: Demand, day: date, week: float, chances: Random) -> float:
    """Draw how busy a week is, on its Monday."""
    return chances.gauss(1, of.week_spread) if day.weekday() == 0 else week


def mood_after(of: Demand, mood: float, chances: Random) -> float:
    """Draw how busy a day is after another one."""
    return 0.5 * mood + math.sqrt(0.75) * chances.gauss(0, of.day_spread)


def people_of(usual: float, week: float, mood: float) -> int:
    """Give how many people think of coming."""
    return round(max(usual * week * (1 + mood), 0) / 0.8)


def crowd_of_day(desks: int, people: int, chances: Random) -> Floats:
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


class Venue(NamedTuple):
    """Spaces of the venue; of people's days a share is kept, from first to last."""

    kind: SpaceKind
    spaces: int
    kept: tuple[float, float] = (1.0, 1.0)


class Crowd(NamedTuple):
    """Desks at which whoever finds none goes away again."""

    desks: int
    demand: Demand


KINDS: Mapping[str, Venue | Crowd] = {
    "3 desks of the venue": Venue(SpaceKind.DESK, 3),
    "4 desks, more and more": Venue(SpaceKind.DESK, 4, (0.6, 1.0)),
    "2 rooms": Venue(SpaceKind.ROOM, 2),
    "2 lounges, less and less": Venue(SpaceKind.LOUNGE, 2, (1.0, 0.6)),
    "8 desks, first come": Crowd(8, Demand(0.9)),
    "24 desks, first come": Crowd(24, Demand(1.0)),
    "24 desks, 40 % more in a year": Crowd(24, Demand(0.8, year=0.4)),
    "60 desks with a season": Crowd(60, Demand(0.95, season=0.12)),
}


def made(of: Venue | Crowd, seed: int) -> Levels:
    """Let a pool live for a year."""
    return crowd(*of, seed) if isinstance(of, Crowd) else venue(of.kind, of.spaces, seed, of.kept)


POOLS: Mapping[str, Callable[[int], Levels]] = {name: partial(made, of) for name, of in KINDS.items()}
