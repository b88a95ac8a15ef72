"""A source between whose words others are known to be missing: nothing vouches for what was stated before a gap.

A gap reads as a lost span does, until it is filled: unknown from the last event before it until a space's next
statement after it. Sheets know nothing of gaps, so the days that one may touch are read from words.
"""

from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import NamedTuple

import numpy as np

from perch.history.sheets import Day, Kept, Sheet, Sheets, Spoken
from perch.history.source import Columns, HistorySource, Horizon, Stretch, Tiers, Together, Vouch
from perch.history.summed import QuarterSums
from perch.history.told import LostSpan
from perch.model import DAY_MS


class Gap(NamedTuple):
    """Missing events of an agent as if they were lost; nothing after `until_ms` hangs on their epoch."""

    agent: str
    span: LostSpan
    until_ms: int

    def meets(self, of: Stretch) -> bool:
        """Tell whether a stretch may read otherwise because of it."""
        return self.agent == of.agent and self.span.from_ms < of.to_ms and self.until_ms >= of.from_ms


class GappedSource:
    """A `HistorySource` over another one, with the gaps of a site."""

    def __init__(self, source: HistorySource, gaps: Callable[[str], Collection[Gap]]) -> None:
        self._source = source
        self._gaps = gaps

    def __repr__(self) -> str:
        return f"<GappedSource over {self._source}>"

    def read(self, site: str, stretches: Sequence[Stretch]) -> list[Columns]:
        """Give what was stated in each stretch."""
        gaps = self._gaps(site)
        read = self._source.read(site, stretches)
        return [
            _with_gaps(rows, [gap for gap in gaps if gap.meets(of)]) for rows, of in zip(read, stretches, strict=True)
        ]

    def read_together(self, site: str, stretches: Sequence[Stretch]) -> Together:
        """Give the same in one piece; what a gap meets is to be read one by one."""
        together, gaps = self._source.read_together(site, stretches), self._gaps(site)
        met = [place for place, of in enumerate(stretches) if any(gap.meets(of) for gap in gaps)]
        if not met:
            return together
        counts = together.counts.copy()
        counts[met] = 0
        rows = together.rows.take(~np.isin(together.place, met))
        return Together(rows, counts, together.lost | frozenset(met))

    def horizon(self, site: str) -> Horizon | None:
        """Give the first and the last evidence of a site."""
        return self._source.horizon(site)

    def tiers(self, site: str) -> Tiers:
        """Say how much of a site is kept."""
        return self._source.tiers(site)

    def sheets(self, site: str) -> Sheets | None:
        """Give the sheets of a site, as far as no gap may touch them."""
        sheets, gaps = self._source.sheets(site), self._gaps(site)
        return sheets if sheets is None or not gaps else _GappedSheets(sheets, gaps)


class _GappedSheets:
    """`Sheets` without those of days that a gap may touch: these have stamps of their own, and are gone."""

    def __init__(self, sheets: Sheets, gaps: Collection[Gap]) -> None:
        self._sheets = sheets
        self._about = frozenset(gaps)
        self._spans = [(gap.span.from_ms // DAY_MS, gap.until_ms // DAY_MS) for gap in gaps]

    @property
    def kept(self) -> Kept:
        """What was worked out from them."""
        return self._sheets.kept

    def days(self, first: int, last: int) -> Sequence[Day]:
        """Name the days from the first to the last (exclusive), in order."""
        return [
            Day(day.day, _Stamp(self._about, day.stamp)) if self._touches(day.day) else day
            for day in self._sheets.days(first, last)
        ]

    def spoken(self) -> Spoken:
        """Name the series."""
        return self._sheets.spoken()

    def read(self, days: Sequence[Day]) -> Iterator[Sheet | None]:
        """Give the sheets of some days; None for one that a gap may touch."""
        for gapped, some in groupby(days, key=lambda day: isinstance(day.stamp, _Stamp)):
            alike = list(some)
            yield from [None] * len(alike) if gapped else self._sheets.read(alike)

    def summed(self, days: Sequence[Day]) -> Iterator[QuarterSums | None]:
        """Give the quarter hours of some days of which no words are kept."""
        return self._sheets.summed(
            [Day(day.day, day.stamp.of) if isinstance(day.stamp, _Stamp) else day for day in days]
        )

    def _touches(self, day: int) -> bool:
        return any(first <= day <= last for first, last in self._spans)


class _Stamp(NamedTuple):
    gaps: frozenset[Gap]
    of: Hashable


def _with_gaps(rows: Columns, gaps: Sequence[Gap]) -> Columns:
    """Put gaps among the lost spans of what was read, and their epochs among those that vouch."""
    if not gaps:
        return rows
    known = {vouch.epoch for vouch in rows.vouches}
    more = {gap.span.epoch: gap.until_ms for gap in gaps if gap.span.epoch not in known}
    lost = sorted({*rows.lost, *(gap.span for gap in gaps)}, key=lambda span: (span.from_ms, span[:3]))
    return replace(rows, vouches=(*rows.vouches, *(Vouch(*one) for one in more.items())), lost=tuple(lost))
