"""Rooms by the size of groups: how many rooms at once groups of each size needed, on days that count."""

from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

from perch.history.planning.demand import Stay
from perch.history.planning.quantiles import enough

SIZES = ((1, 2), (3, 4), (5, 8), (9, None))
"""Groups from so many people to so many; the last has no upper end."""


class GroupSize(NamedTuple):
    """How many rooms for groups of a size would do on the share of days asked for."""

    people_from: int
    people_to: int | None
    sessions: int
    rooms_for_days: int
    interval: tuple[int, int | None]


def rooms_by_group(stays: Sequence[Stay], days: Sequence[tuple[int, int]], share: float) -> tuple[GroupSize, ...]:
    """Size rooms for groups over days, each [from_ms, to_ms), of stays in order; a group is as large as it ever was."""
    sizes = []
    for least, most in SIZES:
        of_size = [stay for stay in stays if least <= stay.seats and (most is None or stay.seats <= most)]
        peaks = [
            _peak([stay for stay in of_size if stay.from_ms < to_ms and stay.to_ms > from_ms])
            for from_ms, to_ms in days
        ]
        found = enough(peaks, peaks, share)
        sizes.append(GroupSize(least, most, len(of_size), found.value, (found.low, found.high)))
    return tuple(sizes)


def _peak(stays: Sequence[Stay]) -> int:
    """Give how many stays there were at once, at most; one that begins when another ends comes after it."""
    steps = sorted([(stay.from_ms, 1) for stay in stays] + [(stay.to_ms, -1) for stay in stays])
    return max(accumulate(step for _, step in steps), default=0)
