"""From how far below the last space a crowd should be to the chance that one is free: logistic, learned from the past.

A normal distribution of the crowd gives nearly the right chance. What is wrong with it, and that a pool which is full
now stays so for longer than distributions know, is put right by a logistic curve for each lead: its three weights are
the likeliest by what came, held back by what a normal distribution would have. Then again for each part of the day, as
the same unusual crowd tells less of noon when it is felt at eight than at ten; held back by what the whole day has.
"""

from dataclasses import dataclass

import numpy as np

from perch.history.forecast.levels import QUARTERS
from perch.history.forecast.ties import LEADS
from perch.history.measure import Flags, Floats
from perch.history.source import Integers

AT_FIRST = np.array([0.3, 1.7, -0.3])
"""With the slope of 1.7 a logistic curve is nearly the normal one; the rest is what simulated pools had in common."""

HELD_BACK, HELD_BACK_IN_PARTS = 20.0, 20.0
PART_QUARTERS = 4
PARTS = QUARTERS // PART_QUARTERS
"""The day has parts of an hour."""

AT_FIRST_BY_PART = np.tile(AT_FIRST, (PARTS, 1))
MOST_DAYS = 130
STEPS, STEPS_IN_PARTS = 6, 3
NEAR, FAR = -4.0, 5.0


@dataclass(frozen=True, slots=True)
class Odds:
    """By lead, days of rows: 1, room, whether the pool was full when felt, whether one was free, part of the day."""

    rows: tuple[tuple[Floats, ...], ...]

    @classmethod
    def nothing(cls) -> "Odds":
        """Begin without having seen anything."""
        return cls(((),) * len(LEADS))

    def after(self, place: int, quarter: Integers, room: Floats, full: Flags, free: Floats) -> "Odds":
        """Learn from a day's forecasts of one lead for some quarter hours; `free` is NaN where nobody knows."""
        table: Floats = np.column_stack((features(room, full), free, (quarter // PART_QUARTERS).astype(np.float64)))
        table = table[~np.isnan(table).any(axis=1)]
        of_lead = (*self.rows[place], table)[-MOST_DAYS:]
        return Odds((*self.rows[:place], of_lead, *self.rows[place + 1 :]))

    def weights(self) -> Floats:
        """Give the three weights by lead and part of the day."""
        return np.array([_of_lead(np.concatenate(rows)) if rows else AT_FIRST_BY_PART for rows in self.rows])


def by_part(quarter: Integers, weights: Floats) -> Floats:
    """Give the weights of each quarter hour (n × 3) out of those by part of the day."""
    chosen: Floats = weights[quarter // PART_QUARTERS]
    return chosen


def features(room: Floats, full: Flags) -> Floats:
    """Give what the chance depends on (n × 3); room is in standard deviations."""
    return np.column_stack((np.ones(len(room)), np.clip(room, NEAR, FAR), full.astype(np.float64)))


def chance(of: Floats, weights: Floats) -> Floats:
    """Give the chance of each row of features, with weights of its own or the same for all."""
    share: Floats = 1 / (1 + np.exp(-(of * weights).sum(axis=1)))
    return share


def _of_lead(table: Floats) -> Floats:
    """Give the weights of a lead by part of the day."""
    whole = _fitted(table, AT_FIRST, HELD_BACK, STEPS)
    parts = (table[table[:, 4] == part] for part in range(PARTS))
    return np.array([_in_part(of_part, whole) for of_part in parts])


def _in_part(table: Floats, whole: Floats) -> Floats:
    return _fitted(table, whole, HELD_BACK_IN_PARTS, STEPS_IN_PARTS) if len(table) else whole


def _fitted(table: Floats, thought: Floats, held_back: float, steps: int) -> Floats:
    """Find the likeliest weights by Newton's method; more room is never worse, a full pool never better."""
    of, free, weights = table[:, :3], table[:, 3], thought.copy()
    for _ in range(steps):
        likely = chance(of, weights)
        slope = of.T @ (free - likely) - held_back * (weights - thought)
        bend = (of * (likely * (1 - likely))[:, np.newaxis]).T @ of + held_back * np.eye(3)
        weights = weights + np.clip(np.linalg.solve(bend, slope), -2, 2)
    return np.array([weights[0], max(weights[1], 0.0), min(weights[2], 0.0)])
