"""Invented pools: how many of a few desks were taken, quarter hour by quarter hour, over some weeks."""

from datetime import date

import numpy as np

from perch.history.forecast.levels import QUARTERS, Levels

MONDAY = date(2026, 3, 2)
OPEN = slice(32, 80)
"""Quarter hours from eight to eight."""


def weeks(number: int, *, desks: int = 6, busy: float = 0.9, seed: int = 1) -> Levels:
    """Make weeks of five open days, with busy and idle days, on which more or less is wanted at noon than there is."""
    chance = np.random.default_rng(seed)
    quarters = np.arange(QUARTERS)
    shape = np.exp(-0.5 * np.square((quarters - 50) / 12))
    wanted = desks * busy * shape * chance.normal(1, 0.25, (number * 7, 1)) + chance.normal(
        0, 0.4, (number * 7, QUARTERS)
    )
    crowd = np.clip(np.round(wanted), 0, desks)
    crowd[:, : OPEN.start] = crowd[:, OPEN.stop :] = np.nan
    crowd[np.arange(number * 7) % 7 >= 5] = np.nan
    return Levels(MONDAY, crowd, np.full(crowd.shape, desks, dtype=np.int64))
