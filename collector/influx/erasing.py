"""Which rows of InfluxDB an erasure takes away, beside those that history's words write anew.

History has no words any more of what is older than [retention] transitions_days, so rows of that cannot be made again:
those of the space are deleted, and of its zone the quarter hours of the period.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

from collector.influx.changes import Deleted
from collector.influx.rows import OF_SPACES
from perch.adapters.influx.query import Bucket
from perch.history.calendar import ceil_quarter, floor_quarter
from perch.history.layout import Standing
from perch.history.spans import Span

Period = tuple[str, int, int]
"""A space, and from when until before when it was erased (ms UTC)."""

NextRow = Callable[[str, str, int], int | None]
"""Gives when something was stated next of a space of a site from a moment on (ms UTC), by its rows."""


def erased_rows(
    site: str, rows: Mapping[str, Sequence[Standing]], periods: Sequence[Period], kept_ms: int, next_row: NextRow
) -> Iterator[Deleted]:
    """Name what is to be deleted of a site; history's words are kept from `kept_ms` on."""
    for space, from_ms, to_ms in periods:
        end_ms = to_ms
        if to_ms < kept_ms:  # until then rows say what held, as it was stated in the period
            stated_ms = next_row(site, space, to_ms)
            end_ms = kept_ms if stated_ms is None else min(stated_ms, kept_ms)
        for measurement in OF_SPACES:
            yield Deleted(Bucket.SPACES, measurement, Span(from_ms, end_ms), {"site": site, "space": space})
        span = Span(floor_quarter(from_ms), min(ceil_quarter(to_ms), kept_ms))
        if span.from_ms < span.to_ms:
            yield from (Deleted(Bucket.ZONES, "zone_15min", span, tags) for tags in _groups(site, rows, space))


def _groups(site: str, rows: Mapping[str, Sequence[Standing]], space: str) -> list[dict[str, str]]:
    """Give the tags of the groups in which a space ever stood; of one that no layout names, the whole site's."""
    of = {(row.space.floor, row.space.zone, row.space.kind.value) for row in rows.get(space, ())}
    if not of:
        return [{"site": site}]
    return [{"site": site, "floor": floor, "zone": zone, "kind": kind} for floor, zone, kind in sorted(of)]
