"""How sure a figure is: intervals that hold the truth in 95 of 100 cases, as far as their assumptions hold.

Shares: E. B. Wilson, Journal of the American Statistical Association 22 (1927): all shares that a test at 5 % would not
reject. Means over days: Student's t over the days, each with its own number of looks (the usual linearised variance of
a ratio), because looks of one day are alike.
"""

from collections.abc import Sequence
from math import sqrt
from typing import NamedTuple

Z = 1.959963984540054
"""The normal distribution's quantile at 97.5 %."""

_T = (12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281)
"""Student's, for 1 to 10 degrees of freedom."""


class Interval(NamedTuple):
    """From where to where a figure may truly lie."""

    low: float
    high: float


def wilson(share: float, tries: float) -> Interval:
    """Give the interval of a share that was found in so many independent tries (more than none)."""
    weight = Z * Z / tries
    middle = (share + weight / 2) / (1 + weight)
    half = sqrt(weight * (share * (1 - share) + weight / 4)) / (1 + weight)
    return Interval(min(share, max(0.0, middle - half)), max(share, min(1.0, middle + half)))


def by_days(days: Sequence[tuple[float, int]]) -> Interval:
    """Give the interval of a mean from the sum and the number of values of each of at least two days."""
    number = sum(values for _, values in days)
    mean = sum(total for total, _ in days) / number
    spread = sum((total - mean * values) ** 2 for total, values in days)
    half = student(len(days) - 1) * sqrt(spread * len(days) / (len(days) - 1)) / number
    return Interval(mean - half, mean + half)


def student(degrees: int) -> float:
    """Give Student's quantile at 97.5 %, to a thousandth; beyond the table by Cornish and Fisher's expansion."""
    if degrees <= len(_T):
        return _T[degrees - 1]
    terms = (Z**3 + Z) / 4, (5 * Z**5 + 16 * Z**3 + 3 * Z) / 96, (3 * Z**7 + 19 * Z**5 + 17 * Z**3 - 15 * Z) / 384
    return Z + sum(term / float(degrees**power) for power, term in enumerate(terms, 1))
