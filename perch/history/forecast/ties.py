"""What an unusual day tells of later: how much of it is left after some time, learned by least squares.

Three things are felt of a day at a moment, each in standard deviations: how unusual it is now, was so far today, and
was over the last days. Of each, a share is left later on. Shares are learned for a few leads and drawn towards what is
thought at first; none is less than nothing, so that more people never promise more room. Other leads lie between.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from perch.history.forecast.levels import QUARTERS
from perch.history.measure import Floats

FELT = 3
FADING = 0.5 ** (1 / 130)
"""What is left of a day's weight after another one: half in 26 weeks of five days."""

FIRST_WEIGHT = 144.0
"""What is thought at first counts as so many quarter hours: three open days."""

CARES = np.array([1.0, 0.5, 0.5])
LEAST_LEFT = 0.05
_DECAY_HOURS = 4.0


class Lead(NamedTuple):
    """How far ahead: in local days, and within the same day in quarter hours."""

    days: int
    quarters: int


LEADS = (Lead(0, 1), Lead(0, 4), Lead(0, 12), Lead(0, 24), Lead(1, 0), Lead(7, 0))
_WITHIN, _LATER = LEADS[:4], LEADS[4:]


def mix(lead: Lead) -> Floats:
    """Give how much each of the leads counts for another one; beyond the longest, that one alone."""
    mixed = np.zeros(len(LEADS))
    if lead.days == 0:
        begin, known, length = 0, [one.quarters for one in _WITHIN], max(lead.quarters, 1)
    else:
        begin, known, length = len(_WITHIN), [one.days for one in _LATER], lead.days
    place = float(np.interp(math.log(length), np.log(known), np.arange(len(known))))
    low = int(place)
    mixed[begin + low] = 1 - (place - low)
    if place > low:
        mixed[begin + low + 1] = place - low
    return mixed


def _first_shares() -> Floats:
    within = [[0.75 * math.exp(-lead.quarters / 4 / _DECAY_HOURS), 0.1, 0.1] for lead in _WITHIN]
    return np.array([*within, [0.0, 0.1, 0.2], [0.0, 0.1, 0.1]])


@dataclass(frozen=True, slots=True)
class Ties:
    """Sums over what was felt and what came of it, by lead: squares, products, and how many there were."""

    felt: Floats
    both: Floats
    came: Floats
    number: Floats

    @classmethod
    def nothing(cls) -> "Ties":
        """Begin without having seen anything."""
        several = len(LEADS)
        return cls(np.zeros((several, FELT, FELT)), np.zeros((several, FELT)), np.zeros(several), np.zeros(several))

    def after(self, place: int, felt: Floats, came: Floats) -> "Ties":
        """Learn from pairs of one lead: what was felt (n × 3) and how unusual it was then; NaN where nobody knows."""
        there = ~(np.isnan(came) | np.isnan(felt).any(axis=1))
        felt, came = felt[there], came[there]
        columns = [column.copy() for column in (self.felt, self.both, self.came, self.number)]
        sums = (felt.T @ felt, felt.T @ came, came @ came, len(came))
        for column, more in zip(columns, sums, strict=True):
            column[place] = column[place] * FADING + more
        return Ties(*columns)

    def shares(self) -> Floats:
        """Give how much is left of what is felt, by lead."""
        first = _first_shares()
        held = FIRST_WEIGHT * CARES
        solved = [
            np.linalg.solve(felt + np.diag(held), both + held * thought)
            for felt, both, thought in zip(self.felt, self.both, first, strict=True)
        ]
        shares: Floats = np.maximum(np.array(solved), 0)
        return shares

    def left(self, shares: Floats) -> Floats:
        """Give what is left of the spread when that much is known, by lead: 1 for nothing known."""
        missed = self.came - 2 * (shares * self.both).sum(axis=1) + np.einsum("li,lij,lj->l", shares, self.felt, shares)
        thought = FIRST_WEIGHT * (1 - np.square(_first_shares()[:, 0]))
        spared: Floats = np.sqrt(np.maximum((missed + thought) / (self.number + FIRST_WEIGHT), LEAST_LEFT))
        return spared


def so_far(unusual: Floats) -> Floats:
    """Give the mean of a day's deviations up to each quarter hour, drawn to none by an hour of the usual."""
    there = ~np.isnan(unusual)
    mean: Floats = np.cumsum(np.where(there, unusual, 0)) / (np.cumsum(there) + 4.0)
    return mean


def later(lead: Lead, quarters: Sequence[int] | None = None) -> tuple[list[int], list[int]]:
    """Give quarter hours of a day, and those that lie so far ahead within their day."""
    chosen = range(QUARTERS) if quarters is None else quarters
    pairs = [(quarter, quarter + lead.quarters) for quarter in chosen if quarter + lead.quarters < QUARTERS]
    return [quarter for quarter, _ in pairs], [ahead for _, ahead in pairs]
