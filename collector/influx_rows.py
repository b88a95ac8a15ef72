"""Rows of history as lines of InfluxDB: what they are made of, and which number is which tag, field and nanosecond."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import pairwise

from perch.adapters.influx_query import Bucket
from perch.adapters.line_protocol import (
    NS_PER_MS,
    alive_line,
    carried_ns,
    integers_line,
    occupancy_line,
    row_ns,
    space_key,
    zone_key,
)
from perch.history.calendar import DAY_MS, Calendar
from perch.history.rows import OccupancyRow, ZoneQuarter, occupancy_rows, zone_rows
from perch.history.source import BEGINNING_MS, END_MS, Mark, WordSource
from perch.history.spans import Span, joined
from perch.model import Site, Space
from perch.settings.holidays import closed_days

ROWS_VERSION = 1
"""Changes whenever the same journal and layout give other rows than before, so that an upgrade writes them anew."""

EVER = Span(BEGINNING_MS, END_MS)
CHUNK_MS = 28 * DAY_MS
_ALIVE_PLACES = 999_999

Line = tuple[Bucket, str]


@dataclass(frozen=True, slots=True)
class Ground:
    """A site as rows are made of it: `alone` is the site with a single space, by space; `digest` tells its layout."""

    site: Site
    calendar: Calendar
    alone: Mapping[str, Site]
    digest: str

    @classmethod
    def of(cls, site: Site) -> "Ground":
        """Prepare a site."""
        by_space: dict[str, list[Space]] = {}
        for space in site.spaces:
            by_space.setdefault(space.id, []).append(space)
        alone = {space: replace(site, spaces=tuple(rows)) for space, rows in by_space.items()}
        return cls(site, Calendar(site.time_zone, site.hours, closed_days(site)), alone, _digest(site))


def _digest(site: Site) -> str:
    """Give a short text that changes with whatever of a layout is in a row of InfluxDB."""
    rows = [(row.id, row.floor, row.zone, row.kind, row.agent, row.valid_from, row.valid_until) for row in site.spaces]
    said = (ROWS_VERSION, site.time_zone, site.country, site.closed, site.hours, rows)
    return sha256(repr(said).encode()).hexdigest()[:16]


def all_lines(ground: Ground, history: WordSource) -> Iterator[Line]:
    """Give every row of a site."""
    site = ground.site.id
    for agent in sorted({span.agent for span in history.epochs(site)}):
        yield from agent_lines(site, agent, EVER, history)
    for span in _chunks(site, history):
        for space, alone in ground.alone.items():
            yield from space_lines(alone, space, span, history)
        yield from quarter_lines(ground, span, history)


def _chunks(site: str, history: WordSource) -> Iterator[Span]:
    """Cut all time so that no piece holds too many rows: weeks where there is evidence, and the rest around them."""
    horizon = history.horizon(site)
    if horizon is not None:
        bounds = [BEGINNING_MS, *range(horizon.first_ms, horizon.last_ms + 1, CHUNK_MS), horizon.last_ms + 1, END_MS]
        yield from (Span(*pair) for pair in pairwise(bounds))


def gained(before: tuple[int, int] | None, after: tuple[int, int] | None) -> list[Span]:
    """Give where quarter hours came to be when a site's first and last evidence (ms) moved."""
    if after is None:
        return []
    first_ms, last_ms = after
    if before is None:
        return [Span(first_ms, last_ms + 1)]
    return joined((Span(first_ms, before[0]), Span(before[1], last_ms + (last_ms > before[1]))))


def given_up(before: tuple[int, int] | None, after: tuple[int, int] | None) -> list[Span]:
    """Give where rows may stand that a site's first and last evidence (ms) no longer cover."""
    if before is None:
        return []
    if after is None:
        return [Span(before[0], before[1] + 1)]
    first_ms, last_ms = before
    return joined(
        (Span(first_ms, min(after[0], last_ms + 1)), Span(max(after[1], first_ms), last_ms + (last_ms > after[1])))
    )


def shining_through(spans: list[Span], lost_ms: Iterable[int]) -> list[Span]:
    """Widen what late words changed where spans were lost: what was stated before them shows in what comes after."""
    lost_ms = list(lost_ms)
    if not spans or not lost_ms:
        return spans
    first_ms = spans[0].from_ms
    return [Span(max((ms for ms in lost_ms if ms <= first_ms), default=first_ms), END_MS)]


def space_lines(alone: Site, space: str, span: Span, history: WordSource) -> Iterator[Line]:
    """Give the rows of a space in a span; `alone` is its site, of which no other space is looked at."""
    rows = occupancy_rows(alone, space, span.from_ms, span.to_ms, history)
    return ((Bucket.SPACES, line) for line in occupancy_lines(alone.id, rows))


def agent_lines(site: str, agent: str, span: Span, history: WordSource) -> Iterator[Line]:
    """Give the marks of an agent in a span, and the last evidence of its epochs."""
    marks = history.marks(site, agent, span.from_ms, span.to_ms)
    return ((Bucket.SPACES, line) for line in alive_lines(site, agent, marks))


def quarter_lines(ground: Ground, span: Span, history: WordSource) -> Iterator[Line]:
    """Give the quarter hours of a site's zones that begin in a span."""
    rows = zone_rows(ground.site, ground.calendar, span.from_ms, span.to_ms, history)
    return ((Bucket.ZONES, line) for line in zone_lines(ground.site.id, rows))


def occupancy_lines(site: str, rows: Iterable[OccupancyRow]) -> list[str]:
    """Give a line for each row, in order; where two would be one point of InfluxDB, the later one."""
    lines: dict[tuple[str, int], str] = {}
    for row in rows:
        space, said = row.space, row.state
        key = space_key(site, space.floor, space.zone, space.kind, space.id)
        ns = carried_ns(row.time_ms) if row.carried else row_ns(row.time_ms, said.seq)
        lines[key, ns] = occupancy_line(
            key, ns, said.state, said.reason, said.clock, said.probability, said.count, carried=row.carried
        )
    return list(lines.values())


def alive_lines(site: str, agent: str, marks: Iterable[Mark]) -> Iterator[str]:
    """Give a line for each mark; epochs that lived in one millisecond stand apart by their ids."""
    for mark in marks:
        place = int(mark.epoch, 16) % _ALIVE_PLACES
        yield alive_line(site, agent, mark.epoch, mark.time_ms * NS_PER_MS + place)


def zone_lines(site: str, quarters: Iterable[ZoneQuarter]) -> Iterator[str]:
    """Give a line for each quarter hour of a kind in a zone."""
    for quarter in quarters:
        key = zone_key("zone_15min", site, quarter.floor, quarter.zone, quarter.kind)
        yield integers_line(
            key,
            quarter.start_ms * NS_PER_MS,
            (
                ("spaces", quarter.spaces),
                ("occupied_ms", quarter.occupied_ms),
                ("known_ms", quarter.known_ms),
                ("inventory_ms", quarter.inventory_ms),
                ("people_ms", quarter.people_ms),
                ("open_spaces", quarter.open_spaces),
                ("open_occupied_ms", quarter.open_occupied_ms),
                ("open_known_ms", quarter.open_known_ms),
                ("open_inventory_ms", quarter.open_inventory_ms),
                ("open_people_ms", quarter.open_people_ms),
            ),
        )
