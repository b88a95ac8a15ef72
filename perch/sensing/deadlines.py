"""When silence alone will change what is said, found as cheaply as may be.

Between two readings a probability glides along a sum of exponentials, so there is a moment at which it passes a
threshold. It need not be known: any moment before it serves, if one looks again then. Most beliefs are sure, and for
those one bound, worked out once, is enough.
"""

from functools import lru_cache
from typing import NamedTuple

from perch.model import State
from perch.sensing.chain import Emptying, Flow, Weights, emptied
from perch.sensing.settled import Thresholds

SURE = 0.9
"""A belief this sure or surer is not looked at again before it could have become unsure."""

NEAR_MS = 8_192
"""Within this time a passing is found to the millisecond."""

NEARLY = 8
"""What is farther is found to so small a part of it."""

FARTHEST_MS = 7 * 24 * 3_600_000


class Quick(NamedTuple):
    """How soon (ms) silence could free a sure belief, and whether it could ever make a free space occupied."""

    falls_ms: int
    rises: bool


@lru_cache(maxsize=256)
def quick(flow: Flow, limits: Thresholds) -> Quick:
    """Work out what silence can do at soonest."""
    surely: Weights = (1 - SURE, SURE, 0.0, 0.0)
    falls_ms = crossing(flow, surely, below=limits.free, above=2.0)
    free: Weights = (1 - limits.free, limits.free, 0.0, 0.0)
    rises_ms = crossing(flow, free, below=-1.0, above=limits.occupied)
    return Quick(FARTHEST_MS if falls_ms is None else falls_ms, rises_ms is not None)


def passing(flow: Flow, weights: Weights, state: State, limits: Thresholds) -> int:
    """Give a time (ms) before which silence changes nothing of what is said."""
    if state is State.OCCUPIED and weights[0] <= 1 - SURE:
        return quick(flow, limits).falls_ms
    if state is State.FREE and not quick(flow, limits).rises:
        return FARTHEST_MS
    below = -1.0 if state is State.FREE else limits.free
    above = 2.0 if state is State.OCCUPIED else limits.occupied
    return not_before(flow, weights, below, above)


def not_before(flow: Flow, weights: Weights, below: float, above: float) -> int:
    """Give a time (ms) of silence before which the probability does not leave (below, above): exact where it is near.

    The farther it is the coarser, since a reading will most likely come first.
    """
    emptying = flow.emptying(weights)
    inside, outside = 0, NEAR_MS
    while not _is_out(emptying, outside, below, above):
        if outside >= FARTHEST_MS:
            return FARTHEST_MS
        inside, outside = outside, 4 * outside
    is_near = not inside
    while outside - inside > (1 if is_near else inside // NEARLY):
        middle = (inside + outside) // 2
        if _is_out(emptying, middle, below, above):
            outside = middle
        else:
            inside = middle
    return outside if is_near else inside


def crossing(flow: Flow, weights: Weights, below: float, above: float) -> int | None:
    """Give after how many ms of silence the probability leaves (below, above) at soonest, None if not in a week."""
    waited = 0
    while waited < FARTHEST_MS:
        more = not_before(flow, weights, below, above)
        waited += more
        weights = flow.after(weights, more / 1000)
        if _is_out(flow.emptying(weights), 0, below, above):
            return waited
    return None


def _is_out(emptying: Emptying, ms: int, below: float, above: float) -> bool:
    return not below < 1 - emptied(emptying, ms / 1000) < above
