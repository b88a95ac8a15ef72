"""What an agent states of one space over one of its lives, under a hold time."""

from collections.abc import Iterator, Sequence

from perch.model import Occupancy, Reason, SensedSpace, State
from perch.sensing.hold import SURE_FREE, SURE_OCCUPIED
from perch.sensing.voices import PRIOR
from perch.venue.sensed import Sensed


def states(
    space: SensedSpace, spans: Sequence[Sensed], seen_by: Reason, start_ms: int, end_ms: int
) -> Iterator[Occupancy]:
    """Give the statements of a life [start, end), each dated at `since_ms`; `spans` are as `sensed` gives them."""
    hold_ms = space.hold_ms or 0
    counts = any(span.counted for span in spans)
    yield _said(State.UNKNOWN, None, Reason.STARTING, start_ms)
    quiet_ms, starting = start_ms, True
    for span in spans:
        if span.off_ms <= start_ms or span.on_ms >= end_ms:
            continue
        on_ms = max(span.on_ms, start_ms)
        if starting and start_ms + hold_ms < on_ms:
            yield _said(State.FREE, 0 if counts else None, Reason.QUIET, start_ms + hold_ms)
        yield from _silence(space, quiet_ms, on_ms)
        yield from _use(span, seen_by, on_ms, end_ms, counts)
        free_ms = span.off_ms + hold_ms
        if free_ms < end_ms:
            yield _said(State.FREE, 0 if counts else None, Reason.QUIET, free_ms)
        quiet_ms, starting = span.off_ms, False
    if starting and start_ms + hold_ms < end_ms:
        yield _said(State.FREE, 0 if counts else None, Reason.QUIET, start_ms + hold_ms)
    yield from _silence(space, quiet_ms, end_ms)


def _silence(space: SensedSpace, quiet_ms: int, until_ms: int) -> Iterator[Occupancy]:
    """Give up a space whose sensors said nothing for too long."""
    if quiet_ms + space.quiet_limit_ms < until_ms:
        silent_ms = quiet_ms + space.quiet_limit_ms
        yield Occupancy(State.UNKNOWN, SURE_FREE, None, Reason.SENSOR_SILENT, silent_ms)


def _use(span: Sensed, seen_by: Reason, on_ms: int, end_ms: int, counts: bool) -> Iterator[Occupancy]:
    people = next((n for moment, n in reversed(span.counted) if moment <= on_ms), 1) if counts else None
    yield _said(State.OCCUPIED, people, seen_by, on_ms)
    for moment, n in span.counted:
        if on_ms < moment < min(end_ms, span.off_ms) and n != people:
            people = n
            yield _said(State.OCCUPIED, people, Reason.COUNT, moment)


def _said(state: State, count: int | None, reason: Reason, since_ms: int) -> Occupancy:
    probability = {State.FREE: SURE_FREE, State.OCCUPIED: SURE_OCCUPIED, State.UNKNOWN: PRIOR}[state]
    return Occupancy(state, probability, count, reason, since_ms)
