"""Which sequence numbers of one epoch are settled: everything up to a number, and some ranges beyond it."""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

SeqRange = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Watermark:
    """A set of sequence numbers in canonical form: ranges are sorted, apart, and lie beyond `upto` + 1."""

    upto: int = 0
    have: tuple[SeqRange, ...] = ()

    def add(self, first: int, last: int) -> "Watermark":
        """Give the watermark with first…last (inclusive) in it; raises ValueError where last < first or first < 1."""
        if first < 1 or last < first:
            raise ValueError(f"{first}…{last} is no range of sequence numbers")
        if not self.have and first <= self.upto + 1:
            return self if last <= self.upto else Watermark(last)
        return self.add_all([(first, last)])

    def add_all(self, added: Iterable[SeqRange]) -> "Watermark":
        """Give the watermark with many ranges in it, in any order; empty ones (last < first) add nothing."""
        upto = self.upto
        ranges: list[SeqRange] = []
        for low, high in sorted((*self.have, *added)):
            if high < low:
                continue
            if low <= upto + 1:
                upto = max(upto, high)
            elif ranges and low <= ranges[-1][1] + 1:
                ranges[-1] = (ranges[-1][0], max(ranges[-1][1], high))
            else:
                ranges.append((low, high))
        return Watermark(upto, tuple(ranges))

    def __contains__(self, seq: int) -> bool:
        """Tell whether a number is settled."""
        if seq <= self.upto:
            return True
        at = bisect_right(self.have, (seq, 2**63)) - 1
        return at >= 0 and seq <= self.have[at][1]

    def missing(self, first: int, last: int) -> tuple[SeqRange, ...]:
        """Give the ranges within first…last that are not settled, in order."""
        gaps, at = [], max(first, self.upto + 1)
        start = max(0, bisect_right(self.have, (at, 2**63)) - 1)
        for low, high in self.have[start:]:
            if low > last:
                break
            if at < low:
                gaps.append((at, min(low - 1, last)))
            at = max(at, high + 1)
        if at <= last:
            gaps.append((at, last))
        return tuple(gaps)

    def present(self, first: int, last: int) -> tuple[SeqRange, ...]:
        """Give the ranges within first…last that are settled, in order."""
        found, at = [], first
        for low, high in (*self.missing(first, last), (last + 1, last + 1)):
            if at < low:
                found.append((at, low - 1))
            at = high + 1
        return tuple(found)

    @property
    def gaps(self) -> tuple[SeqRange, ...]:
        """The ranges below the highest settled number that are not settled, in order."""
        return self.missing(1, self.highest)

    @property
    def highest(self) -> int:
        """The highest settled number, 0 where there is none."""
        return self.have[-1][1] if self.have else self.upto
