"""Of which spaces a plan is: those that were observed at some time of it.

A space of which nothing was observed at all says nothing about demand, but would take its time for unknown for good: it
is left out with all its inventory, and named. Where nothing was observed of any, all are kept, and coverage says so.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

from perch.history.asked import asked, rows_asked
from perch.history.calendar import DAY_MS, Calendar
from perch.history.metrics import METRICS
from perch.history.question import Hours, Question, Resolution, Scope
from perch.history.source import HistorySource, Horizon
from perch.model import Site, SpaceKind

NAMED = 5
"""So many spaces are named in a sentence; of the others only how many they are."""

_DAYS_UNTIL_SHEET = 3


class Pool(NamedTuple):
    """A site without the spaces of which nothing was observed; these by id, and what to say of them."""

    site: Site
    left_out: tuple[str, ...]
    warnings: tuple[str, ...]


def observed_pool(
    site: Site,
    windows: Sequence[tuple[int, int]],
    source: HistorySource,
    calendar: Calendar,
    kinds: Collection[SpaceKind] = tuple(SpaceKind),
    zones: Collection[str] | None = None,
) -> Pool:
    """Leave out the spaces of some kinds and zones that stood there in some window and were observed in none."""
    horizon = source.horizon(site.id)
    if horizon is None:
        return Pool(site, (), ())
    spans = [span for window in windows for span in _spans(*_within(window, horizon))]
    there = {space for window in windows for space in _standing(site, kinds, zones, window)}
    waiting = set(there)
    for span in spans:
        if waiting:
            waiting -= _observed(site, waiting, span, source, calendar)
    return without(site, waiting if waiting != there else ())


def without(site: Site, left_out: Collection[str]) -> Pool:
    """Leave spaces out of a site."""
    if not left_out:
        return Pool(site, (), ())
    names = {space.id: space.name for space in site.spaces if space.id in left_out}
    spaces = tuple(space for space in site.spaces if space.id not in names)
    bookings = tuple(feed for feed in site.bookings if feed.space not in names)
    return Pool(replace(site, spaces=spaces, bookings=bookings), tuple(names), (_said(list(names.values())),))


def _said(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return f"Left out, because nothing at all was observed of them in this time: {', '.join(names[:NAMED])}{more}."


def _within(window: tuple[int, int], horizon: Horizon) -> tuple[int, int]:
    return max(window[0], horizon.first_ms), min(window[1], horizon.last_ms)


def _spans(from_ms: int, to_ms: int) -> Iterator[tuple[int, int]]:
    """Cut a window, first a whole day (UTC) for which there surely is a sheet: nearly all spaces are seen in it."""
    day_ms = to_ms // DAY_MS * DAY_MS - _DAYS_UNTIL_SHEET * DAY_MS
    edges = [min(max(ms, from_ms), to_ms) for ms in (from_ms, day_ms, day_ms + DAY_MS, to_ms)]
    before, day, after = pairwise(edges)
    yield from (span for span in (day, after, before) if span[0] < span[1])


def _standing(
    site: Site, kinds: Collection[SpaceKind], zones: Collection[str] | None, window: tuple[int, int]
) -> Iterator[str]:
    spaces = (row.space for row in rows_asked(Question("coverage", *window), site, window[1]))
    return (space.id for space in spaces if space.kind in kinds and (zones is None or space.zone in zones))


def _observed(
    site: Site, spaces: Collection[str], span: tuple[int, int], source: HistorySource, calendar: Calendar
) -> set[str]:
    """Say which of some spaces were observed within a span."""
    some = replace(site, spaces=tuple(space for space in site.spaces if space.id in spaces))
    question = Question("coverage", *span, Resolution.TOTAL, Scope.SPACE, Hours.ALL)
    about = asked(question, some, calendar, span[1])
    if not about.groups:
        return set()
    known_ms = METRICS["coverage"].measure(about, source).known_ms.sum(axis=-1).tolist()
    return {space for space, group in about.groups.items() if known_ms[group]}
