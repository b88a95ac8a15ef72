"""How a model is learned: day by day in order, each day judged by what was known before it.

So nothing has to be left out to be fair: the model before a day is the one that would have been there that morning.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np

from perch.history.forecast.levels import QUARTERS, Levels, is_full
from perch.history.forecast.model import Felt, Model, Moments
from perch.history.forecast.odds import AT_FIRST_BY_PART, Odds
from perch.history.forecast.ties import LEADS, Lead, Ties, later
from perch.history.forecast.usual import Usual
from perch.history.measure import Floats
from perch.history.source import Integers

LATELY = math.exp(-1 / 4)
"""What is left of an open day's weight in `recent` after another one."""

WEIGHED_EACH_DAYS = 7
"""The odds are weighed anew after so many days."""

HOURS = range(0, QUARTERS, 4)


@dataclass(frozen=True, slots=True)
class Learned:
    """Everything that was learned up to a day; `lately` is what was felt on the seven days before it, newest last."""

    usual: Usual
    ties: Ties
    odds: Odds
    weights: Floats
    recent: float
    days: int
    lately: tuple[Felt | None, ...]

    @classmethod
    def nothing(cls) -> "Learned":
        """Begin without having seen anything."""
        weights = np.array([AT_FIRST_BY_PART] * len(LEADS))
        return cls(Usual.nothing(), Ties.nothing(), Odds.nothing(), weights, 0.0, 0, (None,) * 7)

    def model(self, day: date) -> Model:
        """Give what is expected from a day on."""
        mean, spread, shares = self.usual.mean(), self.usual.spread(), self.ties.shares()
        left = self.ties.left(shares)
        return Model(day, mean, spread, self.usual.seen, self.days, self.recent, shares, left, self.weights)

    def after(self, model: Model, crowd: Floats, pool: Integers) -> "Learned":
        """Learn from the day that a model was made for."""
        weekday = model.day.weekday()
        unusual = model.unusual(weekday, crowd, pool)
        if np.isnan(unusual).all():
            return replace(self, lately=(*self.lately[1:], None))
        felt = model.felt(unusual, crowd, pool)
        ties, odds = self.ties, self.odds
        for place, lead in enumerate(LEADS):
            before = felt if lead.days == 0 else self.lately[-lead.days]
            if before is None:
                continue
            now, then = later(lead)
            ties = ties.after(place, before.deviations[now], unusual[then])
            now, then = later(lead, HOURS)
            free = np.where(np.isnan(crowd), np.nan, ~is_full(crowd, pool))[then]
            at = Moments(np.full(len(then), weekday), np.array(then), pool[then])
            of_then = Felt(before.deviations[now], before.full[now])
            felt_at_all = np.where(np.isnan(of_then.deviations).any(axis=1), np.nan, free)
            odds = odds.after(place, at.quarter, model.room(at, lead, of_then), of_then.full, felt_at_all)
        days = self.days + 1
        weights = odds.weights() if days % WEIGHED_EACH_DAYS == 0 else self.weights
        recent = LATELY * self.recent + (1 - LATELY) * float(np.nanmean(unusual))
        usual = self.usual.after(weekday, crowd, pool)
        return Learned(usual, ties, odds, weights, recent, days, (*self.lately[1:], felt))


def models(levels: Levels) -> Iterator[Model]:
    """Give the model before each day in turn, each with what its days before taught; last, the one after all days."""
    learned = Learned.nothing()
    for number in range(levels.days):
        model = learned.model(levels.first + timedelta(days=number))
        yield model
        learned = learned.after(model, levels.crowd[number], levels.pool[number])
    yield learned.model(levels.first + timedelta(days=levels.days))


def at_ahead(day: date, quarters: list[int], lead: Lead, pool: Integers) -> Moments:
    """Give moments of a day that lies so many days ahead of another."""
    weekday = (day + timedelta(days=lead.days)).weekday()
    return Moments(np.full(len(quarters), weekday), np.array(quarters, dtype=np.int64), pool)
