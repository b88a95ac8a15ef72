"""How good forecasts of other days could be at all, on the pools of `forecast`: of one who knows what nobody can.

`rates`: the true chance by the simulation's own rates (how well liked each space is, weekday, trend, season), with all
else drawn anew. `rates and yesterday`: of pools where whoever finds no place goes away, also how busy the day before
truly was, and how busy this week is. A share of draws misses by more than the chance itself would; what is expected of
that is taken off again.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from random import Random
from typing import NamedTuple

import numpy as np

from benchmarks.figures import Figure
from benchmarks.forecast import SEEDS
from benchmarks.forecast_pools import (
    DAYS,
    KINDS,
    Busy,
    Crowd,
    Demand,
    Venue,
    busy_days,
    crowd_of_day,
    kept_on,
    made,
    mood_after,
    open_days,
    people_of,
    taken_on,
    venue_site,
    week_of,
)
from perch.history.forecast.levels import QUARTERS, Levels, is_full
from perch.history.forecast.record import LEAST_DAYS, LEAST_WEEKS
from perch.history.measure import Floats
from perch.venue.chance import chance

DRAWS_OF_CROWDS, DRAWS_OF_VENUES = 60, 400
DAYS_AHEAD = {1: "1 day", 7: "1 week"}
_MONDAY = date(2031, 1, 6)
"""From here on the venue's people live days that no pool has seen, as well liked as ever."""


class Missed(NamedTuple):
    """Sums of squares of what was missed: by who knows the rates, and by the share of past weeks."""

    known: float
    usual: float


def figures() -> list[Figure]:
    """Put what could be known beside the plain share of past weeks."""
    return [figure for days, name in DAYS_AHEAD.items() for figure in _figures(days, name)]


def _figures(days_ahead: int, name: str) -> Iterator[Figure]:
    knowing: Mapping[str, Callable[[Busy, Demand, Random], int]] = {"rates": _anew}
    if days_ahead == 1:
        knowing = {**knowing, "rates and yesterday": _after_yesterday}
    for what, people in knowing.items():
        gains, every = [], []
        for pool, of in KINDS.items():
            missed = [_missed(made(of, seed), days_ahead, *_chances(pool, of, seed, people)) for seed in SEEDS]
            gains.append(_better(missed))
            every += missed
            yield Figure(f"{name} ahead, {pool}: {what}, better than the hour-of-week mean", [gains[-1]], "%")
        yield Figure(f"{name} ahead, all pools: {what}, better than the hour-of-week mean", [_better(every)], "%")


def _better(missed: list[Missed]) -> float:
    return 100 * (1 - sum(one.known for one in missed) / sum(one.usual for one in missed))


def _chances(
    pool: str, of: Venue | Crowd, seed: int, people: Callable[[Busy, Demand, Random], int]
) -> tuple[Floats, int]:
    """Give the true chance that one is free by day and quarter hour, and of how many draws it is."""
    if isinstance(of, Venue):
        return _of_venue(of, seed), DRAWS_OF_VENUES
    found, lived, drawn = (
        np.full((DAYS, QUARTERS), np.nan),
        chance(seed, "crowd", of.desks),
        chance(seed, pool, "ceiling"),
    )
    for busy in busy_days(of.desks, of.demand, lived):
        crowd_of_day(of.desks, people_of(busy.usual, busy.week, busy.mood), lived)  # so that days come as they came
        days = [crowd_of_day(of.desks, people(busy, of.demand, drawn), drawn) for _ in range(DRAWS_OF_CROWDS)]
        found[busy.number] = np.mean([day < of.desks for day in days], axis=0)
    return found, DRAWS_OF_CROWDS


def _anew(busy: Busy, of: Demand, drawn: Random) -> int:
    return people_of(busy.usual, drawn.gauss(1, of.week_spread), drawn.gauss(0, of.day_spread))


def _after_yesterday(busy: Busy, of: Demand, drawn: Random) -> int:
    week = week_of(of, busy.day, busy.week, drawn)
    return people_of(busy.usual, week, mood_after(of, busy.mood_before, drawn))


def _of_venue(of: Venue, seed: int) -> Floats:
    site, found = venue_site(of.kind, of.spaces), np.full((DAYS, QUARTERS), np.nan)
    weeks = [timedelta(weeks=number) for number in range(DRAWS_OF_VENUES)]
    taken = [
        np.array([[taken_on(site, space, day + week, seed, ()) for space in site.spaces] for week in weeks])
        for day in (_MONDAY + timedelta(days=weekday) for weekday in range(5))
    ]
    for number, day in open_days():
        found[number] = 1 - np.prod(kept_on(number, of.kept) * taken[day.weekday()], axis=1).mean(axis=0)
    return found


def _missed(levels: Levels, days_ahead: int, chances: Floats, draws: int) -> Missed:
    """Go through the year as the record of forecasts does: by what was known so many days before, each full hour."""
    weeks, free, days = np.zeros((7, QUARTERS)), np.zeros((7, QUARTERS)), 0
    hours, known, usual = np.arange(0, QUARTERS, 4), 0.0, 0.0
    for number in range(levels.days):
        crowd, ahead = levels.crowd[number], min(number + days_ahead, levels.days - 1)
        weekday, then = (levels.first.weekday() + number) % 7, (levels.first.weekday() + ahead) % 7
        there, came = ~np.isnan(crowd), ~is_full(levels.crowd[ahead], levels.pool[ahead])
        if days >= LEAST_DAYS and number + days_ahead < levels.days:
            asked = hours[(there & ~np.isnan(levels.crowd[ahead]) & (weeks[then] >= LEAST_WEEKS))[hours]]
            said = chances[ahead, asked]
            known += float((np.square(said - came[asked]) - said * (1 - said) / (draws - 1)).sum())
            usual += float(np.square(free[then, asked] / weeks[then, asked] - came[asked]).sum())
        weeks[weekday] += there
        free[weekday] += there & ~is_full(crowd, levels.pool[number])
        days += bool(there.any())
    return Missed(known, usual)
