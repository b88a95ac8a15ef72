"""How many would do on a share of days: quantiles of a sample, how sure they are, and what a full house hides."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from math import ceil, exp, lgamma, log, log1p
from statistics import NormalDist
from typing import NamedTuple

SURE = 0.95
"""How sure an interval is."""

ROUNDS = 200


class Quantile(NamedTuple):
    """A value, and from where to where the true one lies; `high` is None where the sample is too small to say.

    `at_most` is what the value is if each day was what it may have been at most.
    """

    value: int
    low: int
    high: int | None
    at_most: int


def enough(values: Sequence[int], highest: Sequence[int], share: float) -> Quantile:
    """Give what is enough on a share of days like these; `highest` is what each day may have been at most.

    The value is the order statistic that a later day keeps below with just that chance on average: number
    share · (n + 1), rounded up (Weibull's plotting position). The interval is of order statistics too, by the binomial
    distribution (David and Nagaraja, Order Statistics, 2003, section 7.1).
    """
    ordered, upper, days = sorted(values), sorted(highest), len(values)
    place = min(ceil(share * (days + 1)), days)
    below = list(accumulate(_binomial(days, share)))[:days]
    low = max(bisect_right(below, (1 - SURE) / 2), 1)
    high = bisect_left(below, (1 + SURE) / 2) + 1
    return Quantile(ordered[place - 1], ordered[low - 1], upper[high - 1] if high <= days else None, upper[place - 1])


def days_for_upper_end(share: float) -> int:
    """Give how many days there must be before an interval has an upper end: with fewer, all may lie below it."""
    return ceil(log((1 - SURE) / 2) / log(share))


def _binomial(tries: int, chance: float) -> Iterator[float]:
    """Give the chance of each number of successes."""
    for k in range(tries + 1):
        ways = lgamma(tries + 1) - lgamma(k + 1) - lgamma(tries - k + 1)
        yield exp(ways + k * log(chance) + (tries - k) * log1p(-chance))


def unseen(values: Sequence[int], cut: Sequence[bool], share: float) -> int | None:
    """Estimate what would be enough if nobody had been turned away on the days whose value was `cut` off.

    Assumes that the days' demand is normally distributed; fitted to the censored sample by expectation and
    maximisation (Dempster, Laird and Rubin 1977, section 4.3). None where too few days are not cut off to tell.
    """
    seen = [value for value, is_cut in zip(values, cut, strict=True) if not is_cut]
    limits = [value for value, is_cut in zip(values, cut, strict=True) if is_cut]
    if len(seen) < max(10, len(values) // 4) or len(set(seen)) < 3:
        return None
    of = NormalDist.from_samples(seen)
    for _ in range(ROUNDS):
        tails = [_beyond(of, limit) for limit in limits]
        mean = (sum(seen) + sum(first for first, _ in tails)) / len(values)
        square = (sum(value * value for value in seen) + sum(second for _, second in tails)) / len(values)
        of = NormalDist(mean, max(square - mean * mean, 1e-9) ** 0.5)
    return ceil(of.inv_cdf(share))


def _beyond(of: NormalDist, limit: float) -> tuple[float, float]:
    """Give the first two moments of a normal distribution beyond a limit."""
    z = (limit - of.mean) / of.stdev
    left = max(1 - NormalDist().cdf(z), 1e-12)
    hazard = NormalDist().pdf(z) / left
    mean = of.mean + of.stdev * hazard
    square = of.variance * (1 + z * hazard - hazard * hazard) + mean * mean
    return mean, square
