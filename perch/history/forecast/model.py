"""A pool as it is expected to be: a model of one kind of space at one site, and the chances that it gives."""

from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

import numpy as np

from perch.history.forecast.levels import is_full
from perch.history.forecast.normal import mean_within
from perch.history.forecast.odds import by_part, chance, features
from perch.history.forecast.ties import FELT, Lead, mix, so_far
from perch.history.forecast.usual import HALF, deviation
from perch.history.measure import Flags, Floats
from perch.history.source import Integers


class Felt(NamedTuple):
    """What is known of a day at moments of it: deviations (n × 3, 0 for the usual), and whether the pool is full."""

    deviations: Floats
    full: Flags


class Moments(NamedTuple):
    """What is asked for: weekdays (0 is Monday), quarter hours of the day, and how many spaces stand there then."""

    weekday: Integers
    quarter: Integers
    pool: Integers


class Chances(NamedTuple):
    """For each moment the chance that at least one is free, and how many are expected to be."""

    free: Floats
    expected: Floats


@dataclass(frozen=True, slots=True)
class Model:
    """What was learned of a pool before a local day; arrays are by weekday and quarter hour, or by lead.

    `mean` and `spread` are of how many are wanted, `seen` the number of weeks behind them, `days` that of all observed
    days; `recent` is how unusual the last days were; `shares`, `left` and `weights` are those of ties and odds.
    """

    day: date
    mean: Floats
    spread: Floats
    seen: Integers
    days: int
    recent: float
    shares: Floats
    left: Floats
    weights: Floats

    def unusual(self, weekday: int, crowd: Floats, pool: Integers) -> Floats:
        """Say how unusual each quarter hour of a day is; NaN where nothing was observed."""
        return deviation(crowd, pool, self.mean[weekday], self.spread[weekday])

    def felt(self, unusual: Floats, crowd: Floats, pool: Integers) -> Felt:
        """Say what was felt at each quarter hour of a day."""
        recent = np.full(len(unusual), self.recent)
        return Felt(np.column_stack((unusual, so_far(unusual), recent)), is_full(crowd, pool))

    def felt_now(self, weekday: int, quarter: int, crowd: Floats, now: float | None, pool: int) -> Felt:
        """Say what is felt at a moment: `crowd` is the day's, of which nothing later is read, `now` the present one."""
        day, pools = crowd.copy(), np.full(len(crowd), pool)
        if now is not None and self.seen[weekday, quarter]:
            day[quarter] = now
        felt = self.felt(self.unusual(weekday, day, pools), day, pools)
        return Felt(felt.deviations[quarter : quarter + 1], felt.full[quarter : quarter + 1])

    def room(self, of: Moments, lead: Lead, felt: Felt) -> Floats:
        """Say how far below the last space the crowd should be, in standard deviations of what is not known."""
        mean, spread = self._wanted(of, lead, felt)
        return (of.pool - HALF - mean) / spread

    def chances(self, of: Moments, lead: Lead, felt: Felt) -> Chances:
        """Give the chances at moments so far ahead, from what is felt at as many (or one) now."""
        mean, spread = self._wanted(of, lead, felt)
        room = (of.pool - HALF - mean) / spread
        full = np.broadcast_to(felt.full, room.shape)
        free = np.where(of.pool > 0, chance(features(room, full), by_part(of.quarter, self._weights(lead))), 0)
        expected = of.pool - mean_within(mean, spread, of.pool.astype(np.float64))
        return Chances(free, np.clip(np.maximum(expected, free), 0, of.pool))

    def usual(self, of: Moments) -> Chances:
        """Give the chances if nothing is felt: what is usual at such times of the week."""
        mean, spread = (column[of.weekday, of.quarter] for column in (self.mean, self.spread))
        free = of.pool - mean_within(mean, spread, of.pool.astype(np.float64))
        told = features((of.pool - HALF - mean) / spread, np.zeros(len(of.pool), np.bool_))
        likely = chance(told, by_part(of.quarter, self.weights[-1]))
        return Chances(likely, np.clip(free, 0, of.pool))

    def _weights(self, lead: Lead) -> Floats:
        """Give the weights of odds so far ahead, by part of the day."""
        mixed: Floats = np.tensordot(mix(lead), self.weights, axes=1)
        return mixed

    def _wanted(self, of: Moments, lead: Lead, felt: Felt) -> tuple[Floats, Floats]:
        """Give mean and spread of how many are wanted."""
        mixed = mix(lead)
        known = np.nan_to_num(felt.deviations.reshape(-1, FELT)) @ (mixed @ self.shares)
        spread = self.spread[of.weekday, of.quarter]
        return self.mean[of.weekday, of.quarter] + spread * known, spread * float(mixed @ self.left)
