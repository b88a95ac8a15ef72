"""Two plain light barriers in a door, one behind the other: which way somebody went is told by which was broken first.

Whoever passes breaks both. The first of the two speaks at once, for its way; the second belongs to the same person and
says nothing, if it is broken within two seconds. Where two people come after each other, each second beam takes back
the oldest first one. A beam that is missed once leaves one crossing, perhaps of the wrong way, which is what the
estimator expects of doors; somebody who turns round in the door counts as having passed.
"""

from typing import NamedTuple

PASSING_MS = 2_000


class Barriers(NamedTuple):
    """When the beams were broken by somebody who has yet to break the other one, by side: inner way, outer way."""

    coming: tuple[int, ...] = ()
    going: tuple[int, ...] = ()


def broken(pair: Barriers, *, into: bool, time_ms: int) -> tuple[Barriers, bool]:
    """Take in that a beam was broken, that of the way `into` the room or out of it; tells whether it is a crossing."""
    coming, going = (_fresh(times, time_ms) for times in pair)
    awaited = going if into else coming
    if awaited:
        return (Barriers(coming, going[1:]) if into else Barriers(coming[1:], going)), False
    return (Barriers((*coming, time_ms), going) if into else Barriers(coming, (*going, time_ms))), True


def _fresh(times: tuple[int, ...], now_ms: int) -> tuple[int, ...]:
    return tuple(at_ms for at_ms in times if now_ms - at_ms <= PASSING_MS)
