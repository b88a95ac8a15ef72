"""Spans of events that an agent gives up: what a `lost` event is to say of them.

A span covers consecutive numbers of one epoch, from the moment of the first to that of the last. Spans that touch or
overlap become one, so that an agent that loses for weeks still has little to confess.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from perch.model import Clock


class LossReason(StrEnum):
    """Why events were given up (stable codes)."""

    OUTBOX_FULL = "outbox-full"
    WRITE_FAILED = "write-failed"


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment on both clocks of a boot."""

    wall_ms: int
    mono_ms: int
    clock: Clock


@dataclass(frozen=True, slots=True)
class Span:
    """Numbers `first`…`last` of an epoch that began in a boot, gone for good."""

    epoch: str
    boot: str
    first: int
    last: int
    begin: Moment
    end: Moment
    reason: LossReason

    @property
    def clock(self) -> Clock:
        """Whether both of its times can be believed."""
        return Clock.OK if self.begin.clock is self.end.clock is Clock.OK else Clock.UNSYNCED


def joined(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Give the same numbers in as few spans as there can be; epochs stay in the order in which they come first."""
    by_epoch: dict[str, list[Span]] = {}
    for span in spans:
        by_epoch.setdefault(span.epoch, []).append(span)
    return tuple(span for several in by_epoch.values() for span in _joined(several))


def _joined(spans: list[Span]) -> list[Span]:
    apart: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.first, span.last)):
        if apart and span.first <= apart[-1].last + 1:
            apart[-1] = _both(apart[-1], span)
        else:
            apart.append(span)
    return apart


def _both(early: Span, late: Span) -> Span:
    """Join two spans of which the first begins no later; where two reasons meet, the outbox was full."""
    reason = early.reason if early.reason is late.reason else LossReason.OUTBOX_FULL
    if late.last <= early.last:
        return replace(early, reason=reason)
    return replace(early, last=late.last, end=late.end, reason=reason)
