"""What stood where, and whose words counted for it, as spans of UTC milliseconds cut from a dated layout."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from perch.history.calendar import Calendar
from perch.history.source import BEGINNING_MS, END_MS
from perch.model import Site, Space


@dataclass(frozen=True, slots=True)
class Standing:
    """A row of the layout in force over [from_ms, to_ms)."""

    space: Space
    from_ms: int
    to_ms: int


@dataclass(frozen=True, slots=True)
class Tenure:
    """A span [from_ms, to_ms) through which one agent serves a space, however often its row changed otherwise."""

    space: str
    agent: str
    from_ms: int
    to_ms: int


@dataclass(frozen=True, slots=True)
class Layout:
    """What stands where at a moment, by (site, space) in order, and until when (exclusive) that is so."""

    spaces: Mapping[tuple[str, str], Space]
    until_ms: int

    @property
    def homes(self) -> dict[tuple[str, str], str]:
        """Which agent serves each space; an empty name, which no agent has, where none does."""
        return {key: space.agent or "" for key, space in self.spaces.items()}


def layout_at(sites: Iterable[Site], ms: int) -> Layout:
    """Read the layouts of sites as they stand at a moment, each in its own time."""
    rows = [(site.id, row) for site in sites for row in standings(site)]
    standing = {(site, row.space.id): row.space for site, row in rows if row.from_ms <= ms < row.to_ms}
    edges = (edge for _, row in rows for edge in (row.from_ms, row.to_ms) if edge > ms)
    return Layout({key: standing[key] for key in sorted(standing)}, min(edges, default=END_MS))


def standings(site: Site) -> list[Standing]:
    """Give all rows of a layout with their spans, in the layout's order; empty ones are left out."""
    calendar = Calendar(site.time_zone, site.hours)
    spans = (
        Standing(
            space,
            BEGINNING_MS if space.valid_from is None else calendar.day_start_ms(space.valid_from),
            END_MS if space.valid_until is None else calendar.day_start_ms(space.valid_until),
        )
        for space in site.spaces
    )
    return [standing for standing in spans if standing.from_ms < standing.to_ms]


def by_space(rows: Iterable[Standing]) -> dict[str, list[Standing]]:
    """Group the rows of a layout by space, in order of time."""
    grouped: dict[str, list[Standing]] = {}
    for row in rows:
        grouped.setdefault(row.space.id, []).append(row)
    return {space: sorted(rows, key=lambda row: row.from_ms) for space, rows in grouped.items()}


def tenures(rows: Sequence[Standing]) -> list[Tenure]:
    """Join the rows of one space that follow each other under the same agent; rows without an agent have none."""
    joined: list[Tenure] = []
    for row in rows:
        agent = row.space.agent
        if agent is None:
            continue
        last = joined[-1] if joined else None
        if last is not None and last.agent == agent and last.to_ms == row.from_ms:
            joined[-1] = Tenure(last.space, agent, last.from_ms, row.to_ms)
        else:
            joined.append(Tenure(row.space.id, agent, row.from_ms, row.to_ms))
    return joined


def standing_at(rows: Sequence[Standing], ms: int) -> Standing | None:
    """Give the row of one space in force at a moment."""
    return next((row for row in rows if row.from_ms <= ms < row.to_ms), None)
