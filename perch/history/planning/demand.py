"""What was wanted: the real sessions of a window, each with the kind of space and how many came together."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from perch.history.asked import Asked
from perch.history.layout import standing_at
from perch.history.past import Past
from perch.history.sessions import Sessions, States, sessions
from perch.history.source import HistorySource
from perch.history.timeline import Timeline
from perch.history.visits import pasts_around
from perch.model import SpaceKind

KINDS_BY_SIZE = frozenset({SpaceKind.ROOM})
"""Kinds of which a group needs one that is large enough."""


class Stay(NamedTuple):
    """A session: when, in which kind of space, and how many seats it needs (0 where nobody counted)."""

    from_ms: int
    to_ms: int
    kind: SpaceKind
    seats: int


class Demand(NamedTuple):
    """The sessions that were observed, in order of time, and those with all unknown time as occupied."""

    seen: list[Stay]
    if_occupied: list[Stay]


def visits_seen(asked: Asked, source: HistorySource) -> list[Stay]:
    """Give the sessions that were observed to begin within the window and the hours asked for, in order of time."""
    found: list[Stay] = []
    for past in pasts_around(asked, source):
        of = past.timeline()
        found += _stays(asked, past, of, sessions(States.of(of, past.standings), asked.question.rules))
    return sorted(found)


def demand(asked: Asked, source: HistorySource) -> Demand:
    """Give the same, and what it may have been at most."""
    found = Demand([], [])
    for past in pasts_around(asked, source):
        of = past.timeline()
        states = States.of(of, past.standings)
        filled = states.with_unknown_occupied(asked.from_ms, asked.to_ms)
        for into, so in zip(found, (states, filled), strict=True):
            into.extend(_stays(asked, past, of, sessions(so, asked.question.rules)))
    return Demand(sorted(found.seen), sorted(found.if_occupied))


def _stays(asked: Asked, past: Past, of: Timeline, found: Sessions) -> Iterator[Stay]:
    wanted = set(asked.chosen)
    for from_ms, to_ms in zip(found.from_ms.tolist(), found.to_ms.tolist(), strict=True):
        row = standing_at(past.standings, from_ms)
        if (
            row not in wanted
            or row is None
            or not asked.from_ms <= from_ms < asked.to_ms
            or not asked.is_within(from_ms)
        ):
            continue
        kind = row.space.kind
        first, last = np.searchsorted(of.start_ms, (from_ms, to_ms)).tolist()
        seats = max(int(of.count[first:last].max()), 0) if kind in KINDS_BY_SIZE else 1
        yield Stay(from_ms, to_ms, kind, seats)
