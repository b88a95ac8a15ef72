"""How often planning keeps its word: simulated desks and weeks of which the truth is known."""

import random
from collections.abc import Iterator
from datetime import date, timedelta

from benchmarks.figures import Figure
from perch.history.planning.quantiles import enough
from perch.history.planning.weekdays import Day, compared_days

DESKS, SHARE, LATER_DAYS = 48, 0.95, 250
SIMULATIONS = 2_000
SHIFT = 0.03
MONDAY = date(2026, 1, 5)


def figures() -> list[Figure]:
    """Simulate desks sized by 20, 60 and 250 days, and periods of 4, 8 and 26 weeks compared."""
    found = []
    for days in (20, 60, 250):
        held = [_held(seed, days) for seed in range(SIMULATIONS // 4)]
        kept = sum(share >= 0.93 for share in held) / len(held)
        found.append(Figure(f"later days on which {DESKS} desks sized by {days} days do", held, "of days", "≥ .95"))
        found.append(Figure(f"… simulations in which they do on .93 of days, {days} days", [kept], "of simulations"))
    for weeks in (4, 8, 26):
        covered = sum(_covers(seed, weeks) for seed in range(SIMULATIONS)) / SIMULATIONS
        found.append(
            Figure(f"intervals that cover the truth, {weeks} weeks", [covered], "of simulations", ".92 to .97")
        )
    return found


def _held(seed: int, days: int) -> float:
    peaks = list(_peaks(seed, days + LATER_DAYS))
    size = enough(peaks[:days], peaks[:days], SHARE).value
    return sum(peak <= size for peak in peaks[days:]) / LATER_DAYS


def _peaks(seed: int, days: int) -> Iterator[int]:
    """Give peaks of working days: weekdays differ, weeks are good or bad, each of the desks is wanted or not."""
    chance, week = random.Random(seed), 1.0  # noqa: S311  no secret
    for day in range(days):
        if day % 5 == 0:
            week = chance.gauss(1, 0.05)
        busy = (0.8, 1.0, 0.98, 0.95, 0.62)[day % 5] * week * chance.gauss(1, 0.1)
        yield sum(chance.random() < 0.7 * busy for _ in range(DESKS))


def _covers(seed: int, weeks: int) -> bool:
    chance = random.Random(seed)  # noqa: S311  no secret
    before, after = (_days(chance, first, weeks, shift) for first, shift in ((0, 0.0), (weeks, SHIFT)))
    interval = compared_days(before, after).interval
    return interval is not None and interval[0] <= SHIFT <= interval[1]


def _days(chance: random.Random, first_week: int, weeks: int, shift: float) -> dict[date, Day]:
    """Give ratios of working days: Fridays are lower, weeks are good or bad as a whole, days differ beside."""
    found = {}
    for week in range(first_week, first_week + weeks):
        level = 0.4 + shift + chance.gauss(0, 0.03)
        for weekday in range(5):
            day = MONDAY + timedelta(weeks=week, days=weekday)
            value = level - 0.05 * (weekday == 4) + chance.gauss(0, 0.05)
            found[day] = Day(value, value, value)
    return found
