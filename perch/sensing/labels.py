"""What people saw, as spans of time of which it is known whether somebody was there."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from perch.model import Reading

HOLDS_MS = 5 * 60_000
"""A label is true until the next one, but not for longer: nobody knows what was after somebody looked."""

EDGE_MS = 60_000
"""So much at both ends of a vacant span counts for nothing: clocks are that wrong, and so are labels by the minute."""


class Label(NamedTuple):
    """What somebody saw at a moment."""

    time_ms: int
    occupied: bool


class Span(NamedTuple):
    """A time in which nothing changed, half open."""

    from_ms: int
    until_ms: int
    occupied: bool


@dataclass(frozen=True, slots=True)
class Lesson:
    """The readings of one space in order of time, and the spans of them that are labelled, apart and in order."""

    readings: Sequence[Reading]
    spans: tuple[Span, ...]

    def within(self, from_ms: int, until_ms: int) -> "Lesson":
        """Give the same readings with only the labels within a time."""
        return Lesson(self.readings, cut(self.spans, from_ms, until_ms))

    @property
    def seconds(self) -> tuple[float, float]:
        """How long it was vacant, and how long occupied."""
        vacant = sum(span.until_ms - span.from_ms for span in self.spans if not span.occupied)
        occupied = sum(span.until_ms - span.from_ms for span in self.spans if span.occupied)
        return vacant / 1000, occupied / 1000


def contradictions(labels: Iterable[Label]) -> list[int]:
    """Give the moments of which labels say both."""
    said: dict[int, bool] = {}
    wrong = {label.time_ms for label in labels if said.setdefault(label.time_ms, label.occupied) != label.occupied}
    return sorted(wrong)


def spans_of(labels: Iterable[Label], holds_ms: int = HOLDS_MS) -> tuple[Span, ...]:
    """Let labels hold, each until the next but for `holds_ms` at most; labels may come in any order."""
    ordered = sorted(set(labels))
    spans: list[Span] = []
    for number, (time_ms, occupied) in enumerate(ordered):
        until_ms = time_ms + holds_ms
        if number + 1 < len(ordered):
            until_ms = min(until_ms, ordered[number + 1].time_ms)
        if spans and spans[-1].until_ms == time_ms and spans[-1].occupied == occupied:
            spans[-1] = spans[-1]._replace(until_ms=until_ms)
        elif until_ms > time_ms:
            spans.append(Span(time_ms, until_ms, occupied))
    return tuple(spans)


def cut(spans: Iterable[Span], from_ms: int, until_ms: int) -> tuple[Span, ...]:
    """Give what of spans lies within a time."""
    parts = (Span(max(a, from_ms), min(b, until_ms), occupied) for a, b, occupied in spans)
    return tuple(part for part in parts if part.from_ms < part.until_ms)


def without(spans: Iterable[Span], from_ms: int, until_ms: int) -> tuple[Span, ...]:
    """Give what of spans lies outside of a time."""
    known = tuple(spans)
    return cut(known, -(2**62), from_ms) + cut(known, until_ms, 2**62)


def runs(spans: Sequence[Span]) -> list[tuple[Span, ...]]:
    """Part spans where there is a hole between them."""
    parted: list[list[Span]] = []
    for span in spans:
        if parted and parted[-1][-1].until_ms == span.from_ms:
            parted[-1].append(span)
        else:
            parted.append([span])
    return [tuple(run) for run in parted]


class Truth:
    """Says what was true between two moments."""

    def __init__(self, spans: Iterable[Span]) -> None:
        self._spans = [trimmed for span in spans if (trimmed := _trimmed(span)) is not None]
        self._from_ms = [span.from_ms for span in self._spans]

    def __repr__(self) -> str:
        return f"<Truth of {len(self._spans)} spans>"

    @property
    def spans(self) -> Sequence[Span]:
        """What it knows for sure."""
        return self._spans

    def between(self, from_ms: int, until_ms: int) -> bool | None:
        """Tell whether somebody was there all the time, or nobody; None where it changed or is not known."""
        place = bisect_right(self._from_ms, from_ms) - 1
        if place < 0 or until_ms > self._spans[place].until_ms:
            return None
        return self._spans[place].occupied

    def seconds(self, from_ms: int, until_ms: int) -> tuple[float, float]:
        """Give how long it was vacant, and how long occupied, between two moments."""
        total = [0.0, 0.0]
        place = max(bisect_right(self._from_ms, from_ms) - 1, 0)
        while place < len(self._spans) and self._spans[place].from_ms < until_ms:
            start, end, occupied = self._spans[place]
            total[occupied] += max(min(end, until_ms) - max(start, from_ms), 0) / 1000
            place += 1
        return total[False], total[True]


def _trimmed(span: Span) -> Span | None:
    if span.occupied:
        return span
    inner = Span(span.from_ms + EDGE_MS, span.until_ms - EDGE_MS, occupied=False)
    return inner if inner.from_ms < inner.until_ms else None
