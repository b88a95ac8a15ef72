"""How right forecasts would have been on a site's own past: each made by what was known then, for every full hour.

They are told by leads. A forecast for a moment between two leads is judged by the longer one. Only such count as would
have been given: what is said with too little history is not said, and not judged.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from perch.history.forecast.learning import HOURS, at_ahead, models
from perch.history.forecast.levels import QUARTERS, Levels, is_full
from perch.history.forecast.model import Felt, Model
from perch.history.forecast.ties import Lead, later
from perch.history.measure import Floats

LEAST_DAYS = 20
"""Observed days without which nothing is said."""

LEAST_WEEKS = 3
"""Weeks in which a time of the week was observed, without which nothing is said of it."""

JUDGED = (Lead(0, 4), Lead(0, 12), Lead(1, 0), Lead(7, 0), Lead(14, 0))
"""An hour, three hours, the same time on the next day, in a week, in two."""


class Forecasts(NamedTuple):
    """Past forecasts beside what came: chances, the share of past weeks and of all past hours, and 1 or 0."""

    chance: Floats
    usual: Floats
    ever: Floats
    came: Floats


class Record(NamedTuple):
    """Mean squares of what chances missed, the share that was on the right side of a half, and how many there were.

    `usual_brier` is that of the plain share of past weeks in which one was free at that time of the week.
    """

    brier: float
    hit_rate: float
    n: int
    usual_brier: float


@dataclass(slots=True)
class _Plain:
    """Shares of the past, without any model."""

    weeks: Floats = field(default_factory=lambda: np.zeros((7, QUARTERS)))
    free: Floats = field(default_factory=lambda: np.zeros((7, QUARTERS)))

    def learn(self, weekday: int, crowd: Floats, full: Floats) -> None:
        there = ~np.isnan(crowd)
        self.weeks[weekday] += there
        self.free[weekday] += there & (full == 0)


def judge(levels: Levels) -> tuple[Model, dict[Lead, Forecasts]]:
    """Learn a model, and give what it would have said at each lead on the way."""
    plain, model = _Plain(), None
    said: dict[Lead, list[Forecasts]] = {lead: [] for lead in JUDGED}
    for number, model in enumerate(models(levels)):
        if number == levels.days:
            break
        crowd, pool = levels.crowd[number], levels.pool[number]
        for lead, forecasts in _said_on(model, plain, levels, number):
            said[lead].append(forecasts)
        plain.learn(model.day.weekday(), crowd, is_full(crowd, pool).astype(np.float64))
    if model is None:
        raise AssertionError("there is always the model after all days")
    return model, {lead: _joined(several) for lead, several in said.items()}


def record_of(of: Forecasts) -> Record | None:
    """Sum forecasts up; None where there are none."""
    if not len(of.came):
        return None
    missed, hit = np.square(of.chance - of.came).mean(), ((of.chance >= 0.5) == (of.came == 1)).mean()
    return Record(float(missed), float(hit), len(of.came), float(np.square(of.usual - of.came).mean()))


def _said_on(model: Model, plain: _Plain, levels: Levels, number: int) -> Iterator[tuple[Lead, Forecasts]]:
    """Give what would have been said through a day."""
    crowd, pool = levels.crowd[number], levels.pool[number]
    if model.days < LEAST_DAYS or np.isnan(crowd).all():
        return
    felt = model.felt(model.unusual(model.day.weekday(), crowd, pool), crowd, pool)
    for lead in JUDGED:
        if number + lead.days < levels.days:
            yield lead, _said(model, plain, levels, number, lead, felt)


def _said(model: Model, plain: _Plain, levels: Levels, number: int, lead: Lead, felt: Felt) -> Forecasts:
    crowd, pool = levels.crowd[number + lead.days], levels.pool[number + lead.days]
    now, then = (np.array(places) for places in later(lead, HOURS))
    weekday = (model.day.weekday() + lead.days) % 7
    counts = ~np.isnan(crowd[then]) & ~np.isnan(levels.crowd[number][now]) & (model.seen[weekday, then] >= LEAST_WEEKS)
    now, then = now[counts], then[counts]
    at = at_ahead(model.day, then.tolist(), lead, pool[then])
    chance = model.chances(at, lead, Felt(felt.deviations[now], felt.full[now])).free
    usual = plain.free[weekday, then] / plain.weeks[weekday, then]
    ever = np.full(len(then), plain.free.sum() / plain.weeks.sum())
    return Forecasts(chance, usual, ever, (~is_full(crowd, pool)[then]).astype(np.float64))


def _joined(several: list[Forecasts]) -> Forecasts:
    if not several:
        return Forecasts(*(np.zeros(0),) * 4)
    return Forecasts(*(np.concatenate(column) for column in zip(*several, strict=True)))
