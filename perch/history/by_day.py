"""Measuring a question day by day: from sheets where they tell, from statements where not, and each day but once.

Days of which no words are kept are measured from their quarter hours, where those are enough.

What was measured of a day stays true as long as its sheet does, so it is kept beside the sheets, and a year that was
asked for before costs no more than putting its days together.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from itertools import groupby
from typing import Generic, NamedTuple, TypeVar

import numpy as np

from perch.history.asked import Asked
from perch.history.members import Members, Roster, Seen
from perch.history.sheets import Day, Sheets
from perch.history.source import HistorySource
from perch.history.summed import QuarterSums
from perch.history.summed_times import SumRoster
from perch.model import DAY_MS

FEW = 50
"""One space, and one in so many more, are read faster by themselves than from sheets of all."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Way(Generic[T]):
    """One thing to measure, for each run of a part of a question: from one day's sheet, or from statements.

    `from_sums` measures it from a day's quarter hours, None where nothing is known of the day; None where it cannot be.
    """

    name: str
    from_sheet: Callable[[Asked, Members, Seen], T]
    from_words: Callable[[Asked, HistorySource], T]
    size: Callable[[T], int]
    from_sums: Callable[[SumRoster, Asked, QuarterSums | None], T] | None = None


class _From(Enum):
    """Out of what a stretch is measured."""

    SUMS = auto()
    SHEETS = auto()
    WORDS = auto()


class _Stretch(NamedTuple):
    """Runs from the first to the last (exclusive), of one day, or of any days where words are read."""

    first: int
    last: int
    day: Day | None
    out_of: _From


def by_runs(asked: Asked, source: HistorySource, way: Way[T]) -> list[T]:
    """Measure all runs of a question: gives parts in order of time."""
    sheets = source.sheets(asked.site.id)
    if sheets is None:
        return [way.from_words(asked.part(0, len(asked.first_of_run)), source)]
    parts: list[T] = []
    question = _Question(asked, sheets, way)
    for out_of, stretches in groupby(_stretches(asked, source, sheets, way), key=lambda stretch: stretch.out_of):
        some = list(stretches)
        if out_of is _From.WORDS:
            parts.append(way.from_words(asked.part(some[0].first, some[-1].last), source))
        else:
            parts += question.of_days(some, out_of, source)
    return parts


def _stretches(asked: Asked, source: HistorySource, sheets: Sheets, way: Way[T]) -> list[_Stretch]:
    """Cut the runs of a question by UTC days."""
    runs, spaces = asked.cut.bounds_ms[asked.first_of_run], len(asked.spaces)
    are_few = spaces <= 1 or spaces <= 1 + len(sheets.spoken()) // FEW
    kept_from = source.tiers(asked.site.id).words_ms // DAY_MS
    days = runs // DAY_MS
    if are_few and (way.from_sums is None or days[0] >= kept_from):
        return [_Stretch(0, len(runs), None, _From.WORDS)]
    firsts = np.flatnonzero(np.diff(days, prepend=days[:1] - 1))
    known = {day.day: day for day in sheets.days(int(days[0]), int(days[-1]) + 1)}

    def out_of(day: int) -> _From:
        if day < kept_from:
            return _From.WORDS if way.from_sums is None else _From.SUMS
        return _From.WORDS if are_few else _From.SHEETS

    edges = [*firsts.tolist(), len(days)]
    return [
        _Stretch(first, last, known[day], out_of(day))
        for first, last, day in zip(edges, edges[1:], days[firsts].tolist(), strict=False)
    ]


class _Question(Generic[T]):
    """A question that is put to one day after the other."""

    def __init__(self, asked: Asked, sheets: Sheets, way: Way[T]) -> None:
        self._asked = asked
        self._sheets = sheets
        self._way = way
        wish = asked.question
        self._about: Hashable = (way.name, asked.site, wish.kind, wish.zone, wish.scope, tuple(asked.groups))

    def of_days(self, stretches: Sequence[_Stretch], out_of: _From, source: HistorySource) -> list[T]:
        """Measure days from their sheets, or from their quarter hours."""
        kept = self._sheets.kept
        number = kept.number_of(self._about)
        keys = [(number, stretch.day, self._cut(stretch)) for stretch in stretches if stretch.day is not None]
        found = [kept.get(key) for key in keys]
        missing = [place for place, part in enumerate(found) if part is None]
        measured = self._summed if out_of is _From.SUMS else self._measured
        for place, part in zip(missing, measured([stretches[place] for place in missing], source), strict=True):
            kept.put(keys[place], part, self._way.size(part))
            found[place] = part
        return found

    def _cut(self, stretch: _Stretch) -> bytes:
        """Say how a day is cut: what is the same for two questions is measured once."""
        asked = self._asked
        edges = np.append(asked.first_of_run, len(asked.counts))[stretch.first : stretch.last + 1]
        cells = slice(int(edges[0]), int(edges[-1]))
        bounds_ms = asked.cut.bounds_ms[cells.start : cells.stop + 1]
        return b"".join((bounds_ms.tobytes(), asked.counts[cells].tobytes(), (edges - edges[0]).tobytes()))

    def _measured(self, stretches: Sequence[_Stretch], source: HistorySource) -> Iterator[T]:
        if not stretches:
            return
        roster = Roster(self._asked, self._sheets.spoken())
        days = [stretch.day for stretch in stretches if stretch.day is not None]
        for stretch, sheet in zip(stretches, self._sheets.read(days), strict=True):
            part = self._asked.part(stretch.first, stretch.last)
            members = roster.through(part.from_ms // DAY_MS)
            seen = None if sheet is None or members is None else members.seen(sheet)
            if seen is None or members is None:
                yield self._way.from_words(part, source)
            else:
                yield self._way.from_sheet(part, members, seen)

    def _summed(self, stretches: Sequence[_Stretch], _source: HistorySource) -> Iterator[T]:
        roster, way = SumRoster(self._asked, self._sheets.spoken()), self._way
        days = [stretch.day for stretch in stretches if stretch.day is not None]
        for stretch, sums in zip(stretches, self._sheets.summed(days), strict=True):
            if way.from_sums is not None:
                yield way.from_sums(roster, self._asked.part(stretch.first, stretch.last), sums)
