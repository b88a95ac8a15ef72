"""Chance by name, and the few shapes that chance takes here."""

from math import log
from random import Random


def chance(seed: int, *names: object) -> Random:
    """Give a stream of chance of its own for whatever the names say."""
    return Random("/".join(map(str, (seed, *names))))  # noqa: S311  # simulated people are no secret


def lognormal_ms(rng: Random, median_s: float, sigma: float) -> int:
    """Draw a duration whose logarithm is normal."""
    return int(1000 * rng.lognormvariate(log(median_s), sigma))


def exponential_ms(rng: Random, mean_s: float) -> int:
    """Draw the wait until the next of some independent happenings."""
    return int(1000 * rng.expovariate(1 / mean_s))


def between_ms(rng: Random, least_s: float, most_s: float) -> int:
    """Draw a duration evenly."""
    return int(1000 * rng.uniform(least_s, most_s))
