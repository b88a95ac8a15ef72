"""From statements to time: which of a space's moments are known free, known occupied, or unknown.

A counted statement holds until the space's next counted statement, but never past the last evidence of its own epoch,
nor past the end of its agent's tenure. One statement speaks of the time before it: `unknown/agent-offline` is dated at
the last sign of life that its agent remembers, and so vouches for what was stated before. All the rest is unknown. A
space that is out of service is unknown, and its time is no inventory.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from perch.codes import REASON_CODES, STATES
from perch.history.layout import Tenure
from perch.history.source import (
    BEGINNING_MS,
    END_MS,
    OCCUPIED,
    UNKNOWN,
    Columns,
    Integers,
)
from perch.model import Reason, State

OUT_OF_SERVICE = REASON_CODES[Reason.OUT_OF_SERVICE]
SENSOR_SILENT = REASON_CODES[Reason.SENSOR_SILENT]
AGENT_OFFLINE = REASON_CODES[Reason.AGENT_OFFLINE]


@dataclass(frozen=True, slots=True)
class Interval:
    """A state over [from_ms, to_ms); `count` is None where nothing counted."""

    from_ms: int
    to_ms: int
    state: State
    count: int | None


class Spent(NamedTuple):
    """Milliseconds of a space in each of n spans: occupied, known, out of service, and people counted times time."""

    occupied_ms: Integers
    known_ms: Integers
    out_ms: Integers
    counted_ms: Integers


@dataclass(frozen=True, slots=True)
class Timeline:
    """A space's states without a gap: each holds from its start to the next one's; the first starts at BEGINNING_MS.

    Of unknown ones, `out` says which are out of service, `silent` which are so because no sensor spoke.
    """

    start_ms: Integers
    state: Integers
    count: Integers
    out: npt.NDArray[np.bool_]
    silent: npt.NDArray[np.bool_]

    def intervals(self) -> list[Interval]:
        """Give the known and unknown intervals in order, neighbours that are equal joined."""
        joined: list[Interval] = []
        ends = [*self.start_ms[1:].tolist(), END_MS]
        for start, end, state, count in zip(
            self.start_ms.tolist(), ends, self.state.tolist(), self.count.tolist(), strict=True
        ):
            said = (STATES[state], None if count < 0 or state == UNKNOWN else count)
            if joined and (joined[-1].state, joined[-1].count) == said:
                start = joined.pop().from_ms
            joined.append(Interval(start, end, *said))
        return joined

    def spent(self, bounds_ms: Integers) -> Spent:
        """Measure the spans between n + 1 rising bounds, exactly."""
        places = np.searchsorted(self.start_ms, bounds_ms, side="right") - 1
        known = self.state != UNKNOWN
        rates = (self.state == OCCUPIED, known, self.out, known * np.maximum(self.count, 0))
        return Spent(*(self._integral(rate, places, bounds_ms) for rate in rates))

    def integral(self, rate: Integers | npt.NDArray[np.bool_], bounds_ms: Integers) -> Integers:
        """Integrate a rate, one for each state, between n + 1 rising bounds."""
        return self._integral(rate, np.searchsorted(self.start_ms, bounds_ms, side="right") - 1, bounds_ms)

    def _integral(
        self, rate: Integers | npt.NDArray[np.bool_], places: npt.NDArray[np.intp], bounds_ms: Integers
    ) -> Integers:
        """Integrate a step function between bounds; `places` says in which step each bound lies."""
        if not rate.any():
            return np.zeros(len(bounds_ms) - 1, dtype=np.int64)
        sums = np.zeros(len(rate), dtype=np.int64)
        np.cumsum(rate[:-1] * np.diff(self.start_ms), out=sums[1:])
        return np.diff(sums[places] + rate[places] * (bounds_ms - self.start_ms[places]))


class Held(NamedTuple):
    """Counted statements of a tenure and until when each holds."""

    tenure: Tenure
    columns: Columns
    until_ms: Integers


def hold(columns: Columns, tenure: Tenure) -> Held:
    """Find until when each counted statement holds."""
    vouched_ms = np.array([vouch.until_ms for vouch in columns.vouches], dtype=np.int64)[columns.epoch]
    next_ms = np.append(columns.time_ms[1:], tenure.to_ms)[: len(columns)]
    offline = columns.reason == AGENT_OFFLINE
    if offline.any():
        vouched_ms[np.isin(next_ms, columns.time_ms[offline])] = END_MS
    return Held(tenure, columns, np.minimum(next_ms, vouched_ms))


def timeline(parts: Sequence[Held]) -> Timeline:
    """Join what holds in each of a space's tenures, in order of time."""
    starts, states, counts, whys = [np.array([BEGINNING_MS])], [np.array([UNKNOWN])], [np.array([-1])], [np.array([-1])]
    for _, columns, until_ms in parts:
        starts.append(_alternating(columns.time_ms, until_ms))
        states.append(_with_unknown(columns.state, UNKNOWN))
        counts.append(_with_unknown(columns.count, -1))
        whys.append(_with_unknown(columns.reason, -1))
    start_ms = np.concatenate(starts)
    lasting = np.append(start_ms[1:] > start_ms[:-1], True)
    state, why = np.concatenate(states)[lasting], np.concatenate(whys)[lasting]
    flags = ((state == UNKNOWN) & (why == reason) for reason in (OUT_OF_SERVICE, SENSOR_SILENT))
    return Timeline(start_ms[lasting], state, np.concatenate(counts)[lasting], *flags)


def _with_unknown(values: Integers, unknown: int) -> Integers:
    """Put what is said of unknown time after each value."""
    return _alternating(values, np.full_like(values, unknown))


def _alternating(first: Integers, second: Integers) -> Integers:
    """Take a value of each in turn."""
    both = np.empty(2 * len(first), dtype=np.int64)
    both[::2], both[1::2] = first, second
    return both
