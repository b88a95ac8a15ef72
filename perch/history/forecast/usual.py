"""What an hour of the week is usually like: how many spaces are wanted then, and how far that varies.

Weeks fade by half in eight. Both numbers are mixed with those of the quarter hours beside, and drawn towards those of
the same time on other weekdays, so that a few weeks are enough to begin with. The spread is that of forecasts a week
ahead, each made before its day was seen.

A full pool hides demand: more may have been wanted than there was. It counts as the mean of what is at least as much,
by a normal distribution; half a space below the last one is where full begins.
"""

from dataclasses import dataclass

import numpy as np

from perch.history.forecast.levels import QUARTERS, is_full
from perch.history.forecast.normal import mean_above
from perch.history.measure import Floats
from perch.history.source import Integers

FADING = 0.5 ** (1 / 8)
"""What is left of a week's weight after another one."""

OTHER_DAYS_MEAN, OTHER_DAYS_SPREAD = 4.0, 20.0
"""The same time on other weekdays counts as so many weeks."""

BEGINNING_WEEKS = 2.0
"""What is thought of the spread before anything was seen counts as so many weeks, at each time of day."""

LEAST_VARIANCE, LEAST_WEEKS = 0.05, 1e-9
MOST_UNUSUAL = 4.0
"""Further from the usual (in standard deviations) nothing is: one mad day shall not count for more."""

HALF = 0.5


@dataclass(frozen=True, slots=True)
class Usual:
    """By weekday (Monday first) and quarter hour: faded weeks, their means, and mean squares of what was unusual."""

    weeks: Floats
    means: Floats
    squares: Floats
    seen: Integers

    @classmethod
    def nothing(cls) -> "Usual":
        """Begin without having seen anything."""
        none = np.zeros((7, QUARTERS))
        return cls(none, none, none, np.zeros((7, QUARTERS), dtype=np.int64))

    def mean(self) -> Floats:
        """Give how many are usually wanted."""
        weeks = _smooth(self.weeks)
        means = _smooth(self.weeks * self.means) / np.maximum(weeks, LEAST_WEEKS)
        mean: Floats = (weeks * means + OTHER_DAYS_MEAN * self._at_any_day(means)) / (weeks + OTHER_DAYS_MEAN)
        return mean

    def spread(self) -> Floats:
        """Give the standard deviation of what is wanted."""
        weeks = self.weeks.sum(axis=0)
        thought = 0.5 * np.maximum(self._at_any_day(self.means), 0.5)
        any_day = (weeks * self._at_any_day(self.squares) + BEGINNING_WEEKS * thought) / (weeks + BEGINNING_WEEKS)
        variance = (self.weeks * self.squares + OTHER_DAYS_SPREAD * any_day) / (self.weeks + OTHER_DAYS_SPREAD)
        variance = _smooth(_smooth(variance))
        return np.sqrt(np.maximum(variance, LEAST_VARIANCE))

    def after(self, weekday: int, crowd: Floats, pool: Integers) -> "Usual":
        """Learn from a day."""
        mean, spread = self.mean()[weekday], self.spread()[weekday]
        there = ~np.isnan(crowd)
        unusual, square = deviation(crowd, pool, mean, spread), _square(crowd, pool, mean, spread)
        weeks, means, squares, seen = self.weeks.copy(), self.means.copy(), self.squares.copy(), self.seen.copy()
        weeks[weekday] = np.where(there, weeks[weekday] * FADING + 1, weeks[weekday])
        for column, now in ((means, mean + spread * unusual), (squares, square)):
            step = (now - column[weekday]) / np.maximum(weeks[weekday], 1)
            column[weekday] += np.where(there, step, 0)
        seen[weekday] += there
        return Usual(weeks, means, squares, seen)

    def _at_any_day(self, column: Floats) -> Floats:
        """Give the mean over weekdays, by quarter hour of the day."""
        weeks = self.weeks.sum(axis=0)
        mean: Floats = (self.weeks * column).sum(axis=0) / np.maximum(weeks, LEAST_WEEKS)
        return mean


def deviation(crowd: Floats, pool: Integers, mean: Floats, spread: Floats) -> Floats:
    """Say how unusual a crowd is, in standard deviations; NaN where it was not observed."""
    seen = (crowd - mean) / spread
    hidden = np.maximum(mean_above((pool - HALF - mean) / spread), seen)
    return np.clip(np.where(is_full(crowd, pool), hidden, seen), -MOST_UNUSUAL, MOST_UNUSUAL)


def _square(crowd: Floats, pool: Integers, mean: Floats, spread: Floats) -> Floats:
    """Give the mean square of how far from the mean the demand behind a crowd is."""
    seen = np.minimum(np.square((crowd - mean) / spread), MOST_UNUSUAL**2)
    edge = (pool - HALF - mean) / spread
    hidden = np.maximum(1 + edge * mean_above(edge), 0)
    square: Floats = np.where(is_full(crowd, pool), np.minimum(hidden, MOST_UNUSUAL**2), seen) * np.square(spread)
    return square


def _smooth(columns: Floats) -> Floats:
    """Mix each quarter hour with those beside it."""
    mixed = columns.copy()
    mixed[:, 1:-1] = (columns[:, :-2] + 2 * columns[:, 1:-1] + columns[:, 2:]) / 4
    return mixed
