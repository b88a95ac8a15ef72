"""How many examples a property gets that costs more than others."""

from hypothesis import settings

EACH_RUN = 50
"""So many examples a property gets that says nothing else; many times more in the long run."""


def one_in(number: int) -> settings:
    """Give a property one in so many of the examples that others get: a few in each run, many in the long one."""
    return settings(max_examples=max(1, settings().max_examples // number))


def usually(number: int) -> settings:
    """Give a property so many examples in each run, and in the long one as many times more as others get there."""
    return settings(max_examples=max(1, number * settings().max_examples // EACH_RUN))
