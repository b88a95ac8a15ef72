"""Measuring a question day by day: from sheets where they tell, from statements where not, and each day but once.

What was measured of a day stays true as long as its sheet does, so it is kept beside the sheets, and a year that was
asked for before costs no more than putting its days together.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Generic, NamedTuple, TypeVar

import numpy as np

from perch.history.asked import Asked
from perch.history.members import Members, Roster, Seen
from perch.history.sheets import Day, Sheets
from perch.history.source import HistorySource
from perch.model import DAY_MS

FEW = 50
"""One space, and one in so many more, are read faster by themselves than from sheets of all."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Way(Generic[T]):
    """One thing to measure, for each run of a part of a question: from one day's sheet, or from statements."""

    name: str
    from_sheet: Callable[[Asked, Members, Seen], T]
    from_words: Callable[[Asked, HistorySource], T]
    size: Callable[[T], int]


class _Stretch(NamedTuple):
    """Runs from the first to the last (exclusive), of the day of a sheet, or of any days without one."""

    first: int
    last: int
    day: Day | None


def by_runs(asked: Asked, source: HistorySource, way: Way[T]) -> list[T]:
    """Measure all runs of a question: gives parts in order of time."""
    runs = len(asked.first_of_run)
    sheets, spaces = source.sheets(asked.site.id), len(asked.spaces)
    if sheets is None or spaces <= 1 or spaces <= 1 + len(sheets.spoken()) // FEW:
        return [way.from_words(asked.part(0, runs), source)]
    parts: list[T] = []
    question = _Question(asked, sheets, way)
    for known, stretches in groupby(_stretches(asked, sheets), key=lambda stretch: stretch.day is not None):
        some = list(stretches)
        parts += (
            question.of_days(some, source)
            if known
            else [way.from_words(asked.part(some[0].first, some[-1].last), source)]
        )
    return parts


def _stretches(asked: Asked, sheets: Sheets) -> list[_Stretch]:
    """Cut the runs of a question by UTC days."""
    days = asked.cut.bounds_ms[asked.first_of_run] // DAY_MS
    firsts = np.flatnonzero(np.diff(days, prepend=days[:1] - 1))
    known = {day.day: day for day in sheets.days(int(days[0]), int(days[-1]) + 1)}
    edges = [*firsts.tolist(), len(days)]
    return [
        _Stretch(first, last, known.get(day))
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

    def of_days(self, stretches: Sequence[_Stretch], source: HistorySource) -> list[T]:
        """Measure days of which there are sheets."""
        kept = self._sheets.kept
        number = kept.number_of(self._about)
        keys = [(number, stretch.day, self._cut(stretch)) for stretch in stretches if stretch.day is not None]
        found = [kept.get(key) for key in keys]
        missing = [place for place, part in enumerate(found) if part is None]
        for place, part in zip(missing, self._measured([stretches[place] for place in missing], source), strict=True):
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
