"""What was observed of one space, stretch by stretch, with the reason that was stated where each begins."""

from collections.abc import Iterator
from typing import NamedTuple

from perch.history.past import Past, pasts
from perch.history.source import BEGINNING_MS, HistorySource, StateRow
from perch.model import Reason, Site, State


class Stretch(NamedTuple):
    """A state over [from_ms, to_ms) as far as the window shows it.

    `reason` is None where nobody stated anything: nothing vouches for such time. `goes_back` tells that it began before
    the window, `is_first` that nothing was heard of the space before.
    """

    from_ms: int
    to_ms: int
    state: State
    people: int | None
    reason: Reason | None
    goes_back: bool
    is_first: bool


def stretches(site: Site, space: str, from_ms: int, to_ms: int, source: HistorySource) -> list[Stretch]:
    """Give the stretches of a space within [from_ms, to_ms), in order; none for a space that the layout never named."""
    of_space = pasts(site, [space], from_ms, to_ms, source)
    return [stretch for past in of_space for stretch in _within(past, from_ms, to_ms)]


def _within(past: Past, from_ms: int, to_ms: int) -> Iterator[Stretch]:
    stated = _stated(past)
    for interval in past.timeline().intervals():
        start_ms, end_ms = max(interval.from_ms, from_ms), min(interval.to_ms, to_ms)
        if start_ms < end_ms:
            row = stated.get(interval.from_ms)
            reason = row.reason if row is not None and row.state is interval.state else None
            begins = interval.from_ms < from_ms, interval.from_ms == BEGINNING_MS
            yield Stretch(start_ms, end_ms, interval.state, interval.count, reason, *begins)


def _stated(past: Past) -> dict[int, StateRow]:
    """Give the statement that counts at each moment, which is the last one of it."""
    return {row.time_ms: row for held in past.held for row in map(held.columns.row, range(len(held.columns)))}
