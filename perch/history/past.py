"""What is held of spaces over a window: their rows of the layout, and the statements that count, from any source."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from perch.history.layout import Standing, Tenure, by_space, standings, tenures
from perch.history.source import Columns, HistorySource, StateRow, Stretch
from perch.history.statements import changes, counted
from perch.history.timeline import Held, Timeline, hold, timeline
from perch.model import Site


@dataclass(frozen=True, slots=True)
class Past:
    """A space over a window: outside of it nothing here means anything."""

    space: str
    standings: Sequence[Standing]
    held: Sequence[Held]

    def timeline(self) -> Timeline:
        """Give the space's states through the window."""
        return timeline(self.held)

    def transitions(self, from_ms: int, to_ms: int) -> list[StateRow]:
        """Give the rows of [from_ms, to_ms), which lies in the window, at which state or count changed."""
        rows = (held.columns.row(place) for held in self.held for place in changes(held.columns))
        return [row for row in rows if from_ms <= row.time_ms < to_ms]


def pasts(site: Site, spaces: Iterable[str] | None, from_ms: int, to_ms: int, source: HistorySource) -> list[Past]:
    """Read spaces (None: all) over [from_ms, to_ms); those that the layout does not name are left out."""
    layout = by_space(standings(site))
    chosen = list(layout) if spaces is None else [space for space in spaces if space in layout]
    held: dict[str, list[Held]] = {space: [] for space in chosen}
    served = [tenure for space in chosen for tenure in tenures(layout[space])]
    for tenure, columns in _read(site, served, from_ms, to_ms, source):
        held[tenure.space].append(hold(counted(columns, tenure), tenure))
    return [Past(space, layout[space], held[space]) for space in chosen]


def pasts_from(site: Site, spaces: Iterable[str], from_ms: int, to_ms: int, source: HistorySource) -> list[Past]:
    """Read spaces over [from_ms, to_ms), as if nothing was known before; what holds then holds from then on."""
    return [_cut(past, from_ms) for past in pasts(site, spaces, from_ms, to_ms, source)]


def _cut(past: Past, from_ms: int) -> Past:
    held = [
        of._replace(
            columns=replace(of.columns, time_ms=np.maximum(of.columns.time_ms, from_ms)),
            until_ms=np.maximum(of.until_ms, from_ms),
        )
        for of in past.held
    ]
    return Past(past.space, past.standings, held)


def _read(
    site: Site, served: Sequence[Tenure], from_ms: int, to_ms: int, source: HistorySource
) -> Iterator[tuple[Tenure, Columns]]:
    met = [tenure for tenure in served if tenure.from_ms < to_ms and from_ms < tenure.to_ms]
    asked = [Stretch(of.space, of.agent, max(from_ms, of.from_ms), min(to_ms, of.to_ms)) for of in met]
    yield from zip(met, source.read(site.id, asked), strict=True)
