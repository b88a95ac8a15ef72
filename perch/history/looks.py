"""What somebody saw in a space, beside what agents had observed of it by then: the ground of the audit of accuracy."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np

from perch.codes import STATES
from perch.history.layout import standing_at
from perch.history.past import Past, pasts
from perch.history.source import NO_COUNT, HistorySource
from perch.model import DAY_MS, Site, Space, State

SETTLED_MS = 20 * 60_000
"""So long after a moment history knows of it, if nothing is broken: agents vouch for their words each quarter hour."""

_WEEK_MS = 7 * DAY_MS


class Look(NamedTuple):
    """Somebody looked into a space at a moment (ms UTC) and saw so many people."""

    space: str
    time_ms: int
    people: int


class Said(NamedTuple):
    """What history says of a moment: `unknown` where nothing vouches for it; then the probability says nothing."""

    state: State
    probability: float
    people: int | None


class Compared(NamedTuple):
    """A look, the space as it stood then, and what history says of that moment."""

    site: str
    look: Look
    space: Space
    said: Said

    @property
    def occupied(self) -> bool:
        """Whether somebody was there."""
        return self.look.people > 0


_NOTHING = Said(State.UNKNOWN, 0.5, None)


def compare(site: Site, looks: Iterable[Look], source: HistorySource) -> Iterator[Compared]:
    """Put looks beside history, in order of time; those at spaces that did not stand then are left out.

    So are those before all words that are kept.
    """
    kept_ms = source.tiers(site.id).words_ms
    ordered = sorted((look for look in looks if look.time_ms >= kept_ms), key=lambda look: look.time_ms)
    for _, group in groupby(ordered, key=lambda look: look.time_ms // _WEEK_MS):
        yield from _compare(site, list(group), source)


def said_at(site: Site, space: str, time_ms: int, source: HistorySource) -> Said | None:
    """Say what history knows of one moment of a space; None where it did not stand then."""
    return next((one.said for one in compare(site, [Look(space, time_ms, 0)], source)), None)


def _compare(site: Site, looks: Sequence[Look], source: HistorySource) -> Iterator[Compared]:
    spaces = dict.fromkeys(look.space for look in looks)
    known = {past.space: past for past in pasts(site, spaces, looks[0].time_ms, looks[-1].time_ms + 1, source)}
    for look in looks:
        past = known.get(look.space)
        standing = None if past is None else standing_at(past.standings, look.time_ms)
        if past is not None and standing is not None:
            yield Compared(site.id, look, standing.space, _said(past, look.time_ms))


def _said(past: Past, time_ms: int) -> Said:
    for tenure, columns, until_ms in past.held:
        place = int(np.searchsorted(columns.time_ms, time_ms, side="right")) - 1
        if tenure.from_ms <= time_ms < tenure.to_ms and place >= 0 and time_ms < until_ms[place]:
            count = int(columns.count[place])
            probability = int(columns.thousandths[place]) / 1000
            return Said(STATES[columns.state[place]], probability, None if count == NO_COUNT else count)
    return _NOTHING
