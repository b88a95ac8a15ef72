"""The normal distribution, for arrays."""

import math
from functools import cache

import numpy as np

from perch.history.measure import Floats

EDGE = 8.0
"""So many standard deviations away there is nothing left that a float would show."""


def below(x: Floats) -> Floats:
    """Give how likely a standard normal number is less; from a table, right to six decimals."""
    share: Floats = np.interp(x, *_table())
    return share


@cache
def _table() -> tuple[Floats, Floats]:
    steps = np.linspace(-EDGE, EDGE, 8001)
    return steps, np.array([0.5 * math.erfc(-step / math.sqrt(2)) for step in steps.tolist()])


def mean_above(x: Floats) -> Floats:
    """Give the mean of a standard normal number of which only is known that it is at least so large."""
    x = np.clip(x, -EDGE, 6.0)
    mean: Floats = _density(x) / (1 - below(x))
    return mean


def mean_within(mean: Floats, spread: Floats, most: Floats) -> Floats:
    """Give the mean of a normal number that is taken for 0 where it is less, and for `most` where it is more."""
    low, high = -mean / spread, (most - mean) / spread
    inside = below(high) - below(low)
    within: Floats = mean * inside + spread * (_density(low) - _density(high)) + most * (1 - below(high))
    return within


def _density(x: Floats) -> Floats:
    density: Floats = np.exp(-0.5 * np.square(x)) / math.sqrt(2 * math.pi)
    return density
