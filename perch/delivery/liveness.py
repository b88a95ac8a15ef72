"""The live rule: how long a reader may believe a state that it heard.

    unknown when  more than `valid_for_ms` passed since receipt (on the reader's monotonic clock), or
                  more than `valid_for_ms` passed since `sent_ms` (on the wall, where the sender's clock is ok), or
                  it was delivered as retained and its age cannot be told (clock not ok, or sent in the future), or
                  the newest status of its epoch is offline.

The overlay is made when reading and never stored. A reader that stood still (its process was stopped, its machine
slept) finds messages waiting of which it cannot tell when they came: unless their own clock tells, they count as
received when it was last awake.
"""

from dataclasses import dataclass, replace

from perch.model import Clock, Occupancy, Reason, State


@dataclass(frozen=True, slots=True)
class Instant:
    """A moment on the reader's two clocks; the monotonic one must go on while the machine sleeps."""

    wall_ms: int
    mono_ms: int


@dataclass(frozen=True, slots=True)
class Report:
    """What an agent says of a space: `sent_ms` is its wall clock, to be believed only where `clock` is ok."""

    epoch: str
    occupancy: Occupancy
    sent_ms: int
    valid_for_ms: int
    clock: Clock


@dataclass(frozen=True, slots=True)
class Heard:
    """A report with the moment and the manner of its receipt."""

    report: Report
    at: Instant
    retained: bool

    @property
    def evidence_ms(self) -> int:
        """When it was sent, as well as the reader can tell (wall ms)."""
        return self.report.sent_ms if self.report.clock is Clock.OK else self.at.wall_ms


def left_ms(heard: Heard, now: Instant) -> int:
    """Give how much longer a report may be believed; negative once it may not."""
    report = heard.report
    by_receipt = report.valid_for_ms - (now.mono_ms - heard.at.mono_ms)
    if heard.retained and (report.clock is not Clock.OK or report.sent_ms > heard.at.wall_ms):
        return -1
    if report.clock is not Clock.OK:
        return by_receipt
    return min(by_receipt, report.valid_for_ms - (now.wall_ms - report.sent_ms))


def overlaid(heard: Heard, now: Instant, *, online: bool) -> Occupancy:
    """Give what may be shown of a report now: itself, or `unknown` since the moment from which it was unbelievable."""
    said = heard.report.occupancy
    left = left_ms(heard, now)
    if online and left >= 0:
        return said
    since_ms = now.wall_ms + min(left, 0)
    return replace(said, state=State.UNKNOWN, count=None, reason=Reason.AGENT_OFFLINE, since_ms=since_ms)
