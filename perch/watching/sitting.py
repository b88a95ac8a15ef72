"""Camping, as it is seen live: somebody is back at a desk after at least five hours, on the same day.

The metric `camping` counts the same over history. Here one desk is followed: a visit of less than a minute is none, and
a gap in which the desk was unknown for a moment is not known to have been one.
"""

from typing import NamedTuple

from perch.model import State

GAP_MS = 300 * 60_000
LEAST_MS = 60_000


class Sitting(NamedTuple):
    """What is known of a desk: since when it is as it is (None: unknown), and when its last visit ended (None: none).

    `told` is whether this visit was told of; `day` is the local day, on which everything begins anew.
    """

    day: int
    came_ms: int | None = None
    left_ms: int | None = None
    told: bool = False


def seen(before: Sitting, state: State, now_ms: int, day: int) -> tuple[Sitting, int | None]:
    """Take in what a desk is now; gives how long the gap was (ms) where this is camping, once a visit."""
    if day != before.day:
        before = Sitting(day)
    if state is State.UNKNOWN:
        return Sitting(day), None
    if state is State.FREE:
        return _left(before, now_ms), None
    came_ms = now_ms if before.came_ms is None else before.came_ms
    sitting = before._replace(came_ms=came_ms)
    if before.told or before.left_ms is None or now_ms - came_ms < LEAST_MS or came_ms - before.left_ms < GAP_MS:
        return sitting, None
    return sitting._replace(told=True), came_ms - before.left_ms


def _left(before: Sitting, now_ms: int) -> Sitting:
    """Let somebody go, if there was anybody; who was there for a moment only was not there."""
    if before.came_ms is None:
        return before
    stayed = now_ms - before.came_ms >= LEAST_MS
    return Sitting(before.day, None, now_ms if stayed else before.left_ms)
