"""Rows of history as lines of InfluxDB: what they are made of, and which number is which tag, field and nanosecond."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from itertools import pairwise
from typing import TypeVar

from perch.adapters.influx.line_protocol import (
    CARRIED_NS,
    NS_PER_MS,
    alive_line,
    count_fields,
    float_field,
    said_fields,
    space_key,
    statement_key,
    text_field,
    words_fields,
    zone_key,
)
from perch.adapters.influx.query import Bucket
from perch.codes import DATINGS, REASONS, STATES
from perch.history.calendar import DAY_MS, Calendar
from perch.history.eras import quarters_of
from perch.history.quarters import ZoneQuarter, zone_quarters
from perch.history.rows import Occupancies, Statements, occupancies
from perch.history.served import Group, Served
from perch.history.source import BEGINNING_MS, END_MS, NO_COUNT, Mark, WordSource
from perch.history.spans import Span, common
from perch.model import Site
from perch.settings.holidays import closed_days

ROWS_VERSION = 3
"""Changes whenever the same journal and layout give other rows than before, so that an upgrade writes them anew."""

OF_SPACES = ("occupancy", "statement")
"""What there is of single spaces."""

MEASUREMENTS = (
    *((measurement, Bucket.SPACES) for measurement in (*OF_SPACES, "alive")),
    ("zone_15min", Bucket.ZONES),
)
"""What comes from a journal, and where it is."""

EVER = Span(BEGINNING_MS, END_MS)
SPACE_DAYS = 1_400
"""How much is worked out in one piece: so many spaces for a day, or one for so many days, but a day at least."""
MOST_DAYS = 28
_ALIVE_PLACES = 999_999

Lines = tuple[Bucket, Sequence[str]]
Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class Ground:
    """A site as rows are made of it; `digest` tells its layout."""

    served: Served
    digest: str

    @classmethod
    def of(cls, site: Site) -> "Ground":
        """Prepare a site."""
        return cls(Served.of(site, Calendar(site.time_zone, site.hours, closed_days(site))), _digest(site))


def _digest(site: Site) -> str:
    """Give a short text that changes with whatever of a layout is in a row of InfluxDB."""
    rows = [(row.id, row.floor, row.zone, row.kind, row.agent, row.valid_from, row.valid_until) for row in site.spaces]
    said = (ROWS_VERSION, site.time_zone, site.country, site.closed, site.hours, rows)
    return sha256(repr(said).encode()).hexdigest()[:16]


def all_lines(
    ground: Ground, lived: Sequence[Span], history: WordSource, from_ms: int = BEGINNING_MS
) -> Iterator[tuple[Bucket, str]]:
    """Give every row of a site from a moment on, one by one; `lived` are its eras."""
    return ((bucket, line) for bucket, lines in lines_of_all(ground, lived, history, from_ms) for line in lines)


def lines_of_all(
    ground: Ground, lived: Sequence[Span], history: WordSource, from_ms: int = BEGINNING_MS
) -> Iterator[Lines]:
    """Give every row of a site from a moment on; `lived` are its eras."""
    site, served, since = ground.served.site, ground.served, Span(from_ms, END_MS)
    for agent in sorted({span.agent for span in history.epochs(site)}):
        yield agent_lines(site, agent, since, history)
    yield from space_lines(ground, dict.fromkeys(served.rows, (since,)), lived, history)
    yield from quarter_lines(ground, dict.fromkeys(served.groups, (since,)), lived, history)


def space_lines(
    ground: Ground, wanted: Mapping[str, Sequence[Span]], lived: Sequence[Span], history: WordSource
) -> Iterator[Lines]:
    """Give the rows of spaces, each in spans of its own."""
    for piece in in_pieces(wanted, lived):
        for found in occupancies(ground.served, piece, lived, history):
            yield Bucket.SPACES, list(statement_lines(ground.served.site, found.statements))
            yield Bucket.SPACES, occupancy_lines(ground.served.site, found)


def agent_lines(site: str, agent: str, span: Span, history: WordSource) -> Lines:
    """Give the marks of an agent in a span, and the last evidence of its epochs."""
    marks = history.marks(site, agent, span.from_ms, span.to_ms)
    return Bucket.SPACES, list(alive_lines(site, agent, marks))


def quarter_lines(
    ground: Ground, wanted: Mapping[Group, Sequence[Span]], lived: Sequence[Span], history: WordSource
) -> Iterator[Lines]:
    """Give the quarter hours of groups that begin in spans of theirs."""
    standing = quarters_of(lived)
    there = {group: common(spans, standing) for group, spans in wanted.items()}
    for piece in in_pieces(there, lived):
        yield Bucket.ZONES, _zone_lines(ground, piece, history)


def _zone_lines(ground: Ground, wanted: Mapping[Group, Sequence[Span]], history: WordSource) -> Sequence[str]:
    """Give the rows of a piece, as far as history has not let go of its words since the piece was cut."""
    site = ground.served.site
    with history.moment():
        since = [Span(history.tiers(site).words_ms, END_MS)]
        kept = {group: common(spans, since) for group, spans in wanted.items()}
        return list(zone_lines(site, zone_quarters(ground.served, kept, history)))


def in_pieces(wanted: Mapping[Key, Sequence[Span]], lived: Sequence[Span]) -> Iterator[Mapping[Key, Sequence[Span]]]:
    """Cut spans so that no piece holds too many rows: by days where there is evidence, and the rest around them."""
    spans = [span for of_key in wanted.values() for span in of_key]
    if not spans:
        return
    from_ms, to_ms = min(span.from_ms for span in spans), max(span.to_ms for span in spans)
    piece_ms = DAY_MS * max(1, min(MOST_DAYS, SPACE_DAYS // len(wanted)))
    if not lived or to_ms - from_ms <= piece_ms:
        yield wanted
        return
    cuts = {
        ms
        for era in lived
        for ms in (era.from_ms, *range((era.from_ms // DAY_MS + 1) * DAY_MS, era.to_ms, piece_ms), era.to_ms)
    }
    bounds = [from_ms, *sorted(ms for ms in cuts if from_ms < ms < to_ms), to_ms]
    for piece in pairwise(bounds):
        cut = {key: common(of_key, [Span(*piece)]) for key, of_key in wanted.items()}
        if any(cut.values()):
            yield {key: of_key for key, of_key in cut.items() if of_key}


def occupancy_lines(site: str, found: Occupancies) -> list[str]:
    """Give a line for each row; where two would be one point of InfluxDB, the later one."""
    keys = {standing: _key_of(site, found, standing) for standing in set(found.standing.tolist())}
    rows = found.rows
    columns = found.standing, found.time_ms, rows.seq, rows.state, rows.reason, rows.clock, rows.thousandths, rows.count
    lines: dict[tuple[int, int], str] = {}
    for carried, standing, ms, seq, state, reason, clock, thousandths, count in zip(
        found.carried.tolist(), *(column.tolist() for column in columns), strict=True
    ):
        ns = ms * NS_PER_MS + (CARRIED_NS if carried else seq % CARRIED_NS)
        lines[standing, ns] = (
            f"{keys[standing]} {_said(state, reason, clock)},probability={_belief(thousandths)},"
            f"{_count(count)},carried={'1i' if carried else '0i'} {ns}"
        )
    return list(lines.values())


def statement_lines(site: str, found: Statements) -> Iterator[str]:
    """Give a line for each statement that counts, and for what holds as a day begins."""
    keys = [statement_key(site, of.agent, of.space) for of in found.about]
    epochs = [text_field(vouch.epoch) for vouch in found.rows.vouches]
    rows = found.rows
    said = rows.epoch, rows.seq, rows.state, rows.reason, rows.clock, rows.thousandths, rows.count, rows.time_ms
    for carried, rank, place, ms, epoch, seq, state, reason, clock, thousandths, count, since_ms in zip(
        found.carried.tolist(), found.rank.tolist(), found.place.tolist(), found.time_ms.tolist(),
        *(column.tolist() for column in said), strict=True,
    ):  # fmt: skip
        yield (
            f"{keys[place]} epoch={epochs[epoch]},seq={seq}i,{_worded(state, reason, clock)},"
            f"probability={_belief(thousandths)},{_count(count)},carried={'1i' if carried else '0i'},since={since_ms}i "
            f"{ms * NS_PER_MS + (CARRIED_NS if carried else rank)}"
        )


def _key_of(site: str, found: Occupancies, standing: int) -> str:
    space = found.standings[standing].space
    return space_key(site, space.floor, space.zone, space.kind, space.id)


@lru_cache(maxsize=1 << 10)
def _said(state: int, reason: int, clock: int) -> str:
    return said_fields(STATES[state], REASONS[reason], DATINGS[clock])


@lru_cache(maxsize=1 << 10)
def _worded(state: int, reason: int, clock: int) -> str:
    return words_fields(STATES[state], REASONS[reason], DATINGS[clock])


@lru_cache(maxsize=1 << 11)
def _belief(thousandths: int) -> str:
    return float_field(thousandths / 1000)


@lru_cache(maxsize=1 << 10)
def _count(count: int) -> str:
    return count_fields(None if count == NO_COUNT else count)


def alive_lines(site: str, agent: str, marks: Iterable[Mark]) -> Iterator[str]:
    """Give a line for each mark; epochs that lived in one millisecond stand apart by their ids."""
    for mark in marks:
        place = int(mark.epoch, 16) % _ALIVE_PLACES
        yield alive_line(site, agent, mark.epoch, mark.time_ms * NS_PER_MS + place)


_SUMS = (
    " spaces=%di,occupied_ms=%di,known_ms=%di,inventory_ms=%di,people_ms=%di,open_spaces=%di,open_occupied_ms=%di,"
    "open_known_ms=%di,open_inventory_ms=%di,open_people_ms=%di "
)


def zone_lines(site: str, quarters: Iterable[ZoneQuarter]) -> Iterator[str]:
    """Give a line for each quarter hour of a kind in a zone."""
    for start_ms, floor, zone, kind, *sums in quarters:
        key = zone_key("zone_15min", site, floor, zone, kind)
        yield f"{key}{_SUMS % tuple(sums)}{start_ms * NS_PER_MS}"
