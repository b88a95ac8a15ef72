"""How many examples a property gets that costs more than others."""

from hypothesis import settings


def one_in(number: int) -> settings:
    """Give a property one in so many of the examples that others get: a few in each run, many in the long one."""
    return settings(max_examples=max(1, settings().max_examples // number))
