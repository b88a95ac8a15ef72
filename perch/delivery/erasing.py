"""What was erased of a space, and which events fall under it, whenever they come.

An erasure is of one space over a period, for ever: an agent may send what it kept long after. An event falls under it
by the time at which it was; one of which nobody knows that falls under it if it came during the period, or so soon
after that it may have been kept back.
"""

from collections.abc import Iterable
from typing import NamedTuple

from perch.delivery.placing import DAY_MS, is_believable
from perch.model import Clock

KEPT_BACK_MS = 7 * DAY_MS
"""For so long after a period events that nobody can date are taken to be of it: agents keep 48 hours, and an outage."""


class Erasure(NamedTuple):
    """All that was said of a space from one moment until before another (ms UTC) is gone, since `erased_ms`."""

    site: str
    space: str
    from_ms: int
    to_ms: int
    erased_ms: int

    @property
    def period(self) -> tuple[str, str, int, int]:
        """What is erased, whenever that was."""
        return self[:4]


def told_ms(clock: Clock, wall_ms: int, mono_ms: int, received_ms: int, sent_mono_ms: int | None) -> int | None:
    """Say when an event was by all that came with it; None where that does not tell."""
    if clock is Clock.OK and is_believable(wall_ms, received_ms):
        return wall_ms
    if sent_mono_ms is None or mono_ms < 0:
        return None
    return received_ms - sent_mono_ms + mono_ms


def falls(erasures: Iterable[Erasure], at_ms: int | None, received_ms: int) -> bool:
    """Tell whether an event of the space of some erasures falls under one; `at_ms` is None where nobody knows when."""
    if at_ms is None:
        return any(one.from_ms <= received_ms < one.to_ms + KEPT_BACK_MS for one in erasures)
    return any(one.from_ms <= at_ms < one.to_ms for one in erasures)
