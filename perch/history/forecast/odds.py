"""From how far below the last space a crowd should be to the chance that one is free: logistic, learned from the past.

A normal distribution of the crowd gives nearly the right chance. What is wrong with it, and that a pool which is full
now stays so for longer than distributions know, is put right by a logistic curve for each lead: its three weights are
the likeliest by what came, held back by what a normal distribution would have.
"""

from dataclasses import dataclass

import numpy as np

from perch.history.forecast.ties import LEADS
from perch.history.measure import Flags, Floats

AT_FIRST = np.array([0.3, 1.7, -0.3])
"""With the slope of 1.7 a logistic curve is nearly the normal one; the rest is what simulated pools had in common."""

HELD_BACK = 20.0
MOST_DAYS = 130
STEPS = 6
NEAR, FAR = -4.0, 5.0


@dataclass(frozen=True, slots=True)
class Odds:
    """By lead, days of rows: 1, room, whether the pool was full when it was felt, and whether one was free."""

    rows: tuple[tuple[Floats, ...], ...]

    @classmethod
    def nothing(cls) -> "Odds":
        """Begin without having seen anything."""
        return cls(((),) * len(LEADS))

    def after(self, place: int, room: Floats, full: Flags, free: Floats) -> "Odds":
        """Learn from a day's forecasts of one lead; `free` is NaN where nobody knows."""
        table = np.column_stack((features(room, full), free))
        table = table[~np.isnan(table).any(axis=1)]
        of_lead = (*self.rows[place], table)[-MOST_DAYS:]
        return Odds((*self.rows[:place], of_lead, *self.rows[place + 1 :]))

    def weights(self) -> Floats:
        """Give the three weights by lead."""
        return np.array([_fitted(np.concatenate(rows)) if rows else AT_FIRST for rows in self.rows])


def features(room: Floats, full: Flags) -> Floats:
    """Give what the chance depends on (n × 3); room is in standard deviations."""
    return np.column_stack((np.ones(len(room)), np.clip(room, NEAR, FAR), full.astype(np.float64)))


def chance(of: Floats, weights: Floats) -> Floats:
    """Give the chance of each row of features."""
    share: Floats = 1 / (1 + np.exp(-(of @ weights)))
    return share


def _fitted(table: Floats) -> Floats:
    """Find the likeliest weights by Newton's method; more room is never worse, a full pool never better."""
    of, free, weights = table[:, :3], table[:, 3], AT_FIRST.copy()
    for _ in range(STEPS):
        likely = chance(of, weights)
        slope = of.T @ (free - likely) - HELD_BACK * (weights - AT_FIRST)
        bend = (of * (likely * (1 - likely))[:, np.newaxis]).T @ of + HELD_BACK * np.eye(3)
        weights = weights + np.clip(np.linalg.solve(bend, slope), -2, 2)
    return np.array([weights[0], max(weights[1], 0.0), min(weights[2], 0.0)])
