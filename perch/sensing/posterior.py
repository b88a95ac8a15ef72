"""What a few counts say about a number, given what is usual: conjugate priors, and 95 % intervals.

A prior is worth some hours of labels at the factory's value; so ten minutes move a number little and weeks move it to
where it belongs. What follows closely is not counted as independent: counts are discounted before they come here.
"""

from collections.abc import Sequence
from math import exp, log, sqrt
from typing import NamedTuple

Z = 1.96
"""Of the normal distribution, 95 % lie within so many standard deviations."""

FIGURES = 4


class Known(NamedTuple):
    """A number, and the interval in which it lies with 95 %."""

    value: float
    low: float
    high: float


def readable(value: float) -> float:
    """Round to what a person reads: four figures are more than labels ever know."""
    return float(f"{value:.{FIGURES}g}")


def rate(usual: float, worth: float, events: float, exposure: float) -> Known:
    """Give a rate by Gamma and Poisson: `usual` counts as much as an exposure of `worth`.

    The interval is Wilson and Hilferty's (Proceedings of the National Academy of Sciences 17, 1931).
    """
    shape, whole = usual * worth + events, worth + exposure
    low, high = (max(1 - 1 / (9 * shape) + z / (3 * sqrt(shape)), 0.0) ** 3 for z in (-Z, Z))
    value = shape / whole
    return _known(value, value * min(low, 1.0), value * max(high, 1.0))


def share(usual: float, worth: float, hits: float, tries: float) -> Known:
    """Give a share by Beta and binomial: `usual` is worth that many tries; the interval is normal in log odds."""
    a, b = usual * worth + hits, (1 - usual) * worth + tries - hits
    odds, width = log(a / b), Z * sqrt(1 / a + 1 / b)
    return _known(a / (a + b), *(1 / (1 + exp(-odds - z)) for z in (-width, width)))


def nats(usual: Sequence[float], worth: float, vacant: Sequence[float], occupied: Sequence[float]) -> list[Known]:
    """Give how much likelier each of some places is in the one case than in the other, by shares of counts.

    `usual` are the nats known before, worth so many counts of the rarer case, spread evenly: where neither case was
    seen they stay. Both cases need counts.
    """
    all_vacant, all_occupied = sum(vacant), sum(occupied)
    prior = worth / min(all_vacant, all_occupied) / len(usual)
    known = []
    for nat, a, b in zip(usual, occupied, vacant, strict=True):
        for_occupied = a / all_occupied + prior * exp(nat / 2)
        for_vacant = b / all_vacant + prior * exp(-nat / 2)
        value = log(for_occupied / for_vacant)
        width = Z * sqrt(1 / (for_occupied * all_occupied) + 1 / (for_vacant * all_vacant))
        known.append(_known(value, value - width, value + width))
    return known


def _known(value: float, low: float, high: float) -> Known:
    return Known(readable(value), readable(low), readable(high))
