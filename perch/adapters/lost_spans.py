"""Between `lost` events of the wire and spans of lost numbers."""

from collections.abc import Iterable, Iterator

from perch.contract import ClockEvent, Event, LostEvent
from perch.delivery.lost import LossReason, Moment, Span

BEFORE_BOOT_MS = -1
"""The monotonic time of what happened in an earlier boot, which this boot's clock cannot tell."""


def given_up(epoch: str, boot: str, events: Iterable[Event], before: Moment, reason: LossReason) -> Iterator[Span]:
    """Give the spans that stand for events which are given up, in order of their numbers.

    A `lost` event among them leaves the span that it spoke of behind. What has no moment of its own has that of the
    event before it, the first one `before`.
    """
    for event in events:
        if isinstance(event, LostEvent):
            begin = Moment(event.from_ms, event.from_mono_ms, event.clock)
            before = Moment(event.to_ms, event.to_mono_ms, event.clock)
            yield Span(event.epoch, boot, *event.lost, begin, before, LossReason(event.reason))
        elif not isinstance(event, ClockEvent):
            before = Moment(event.wall_ms, event.mono_ms, event.clock)
        yield Span(epoch, boot, event.seq, event.seq, before, before, reason)


def confessed(seq: int, span: Span, boot: str) -> LostEvent:
    """Give the event with which an agent, in its present boot, says that a span is lost."""
    same = span.boot == boot
    return LostEvent(
        seq,
        span.epoch,
        (span.first, span.last),
        span.begin.wall_ms,
        span.end.wall_ms,
        span.begin.mono_ms if same else BEFORE_BOOT_MS,
        span.end.mono_ms if same else BEFORE_BOOT_MS,
        span.clock,
        span.reason,
    )
