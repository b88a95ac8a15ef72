"""The spaces of a site: `[[space]]` in `site.toml`, or one row each, and each time it changed, in `spaces.csv`."""

import csv
import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from io import StringIO
from pathlib import Path

from perch.model import Purpose, Space, SpaceKind
from perch.settings.files import read_text
from perch.settings.reading import RefusedError, choice, day, identifier, several, text, whole
from perch.settings.table import Complaints, Table

HEADER = "id,name,floor,zone,kind,capacity,purpose,features,agent,valid_from,valid_until"
COLUMNS = tuple(HEADER.split(","))
NEEDED = ("id", "zone", "kind")


@dataclass(frozen=True, slots=True)
class Places:
    """What a space may name: zones with their floors, and agents."""

    zones: Mapping[str, str]
    agents: frozenset[str]


def read_layout(table: Table, folder: Path, places: Places, complaints: Complaints) -> tuple[Space, ...]:
    """Read the rows of every space, from the site's file or from `spaces.csv` in its folder."""
    tables = table.tables("space")
    path = folder / "spaces.csv"
    if os.path.exists(path):
        if tables:
            table.complain("[[space]]", f"spaces stand here and in {path}", "keep them in one of the two")
        tables = list(_rows(path, complaints))
    spaces = tuple(_space(each, places) for each in tables)
    _refuse_overlaps(tables, spaces)
    return spaces


def _rows(path: Path, complaints: Complaints) -> Iterator[Table]:
    """Take a CSV file apart into tables of the cells that are not empty."""
    try:
        lines = csv.reader(StringIO(read_text(path)), strict=True)
        header = [name.strip() for name in next(lines, [])]
        if not _check_header(path, header, complaints):
            return
        for cells in lines:
            place = f"{path}:{lines.line_num}"
            if len(cells) > len(header):
                complaints.add(place, f"{len(cells)} cells under {len(header)} columns", "quote cells with commas")
            elif any(cell.strip() for cell in cells):
                row = zip(header, cells, strict=False)
                yield Table({key: cell.strip() for key, cell in row if cell.strip()}, place, complaints, worded=True)
    except RefusedError as refused:
        complaints.add(str(path), refused.what, refused.remedy)
    except csv.Error as error:
        complaints.add(f"{path}:{lines.line_num}", f"this is not CSV: {error}", "look at the quotes in this row")


def _check_header(path: Path, header: Sequence[str], complaints: Complaints) -> bool:
    header_table = Table(dict.fromkeys(header), f"{path}:1", complaints)
    header_table.ignore(*COLUMNS)
    header_table.finish()
    missing = [name for name in NEEDED if name not in header]
    twice = sorted(name for name, times in Counter(header).items() if times > 1)
    if missing:
        complaints.add(f"{path}:1", f"no column {', '.join(missing)}", f"the first line is {HEADER}")
    if twice:
        complaints.add(f"{path}:1", f"column {', '.join(twice)} stands there twice", "keep one of them")
    return not missing and not twice and set(header) <= set(COLUMNS)


def _space(table: Table, places: Places) -> Space:
    space_id = table.need("id", identifier, "")
    zone = table.need("zone", identifier, "")
    space = Space(
        id=space_id,
        name=table.take("name", text, space_id),
        floor=table.take("floor", identifier, places.zones.get(zone, "")),
        zone=zone,
        kind=table.need("kind", choice(SpaceKind), SpaceKind.DESK),
        capacity=table.take("capacity", whole(1, 100_000), None),
        purpose=table.take("purpose", choice(Purpose), Purpose.SHARED),
        features=frozenset(table.take("features", features, ())),
        agent=table.take("agent", identifier, None),
        valid_from=table.take("valid_from", day, None),
        valid_until=table.take("valid_until", day, None),
    )
    _check_places(table, space, places)
    if space.purpose is Purpose.PRIVATE and space.agent is not None:
        what = f"{space.id} is private, and nobody is sensed in a private space"
        table.complain("agent", what, "leave the agent out, and take its sensors away; or say whom the space is for")
    if space.valid_from and space.valid_until and space.valid_until <= space.valid_from:
        table.complain("valid_until", "is not after valid_from", "write the first day on which it no longer stood so")
    table.finish()
    return space


def features(value: object) -> tuple[str, ...]:
    """Read features as a list, or as one text with semicolons between."""
    if isinstance(value, str):
        value = [part.strip() for part in value.split(";") if part.strip()]
    return several(text)(value)


def _check_places(table: Table, space: Space, places: Places) -> None:
    if space.zone and space.zone not in places.zones:
        table.complain("zone", f"there is no zone {space.zone}", "add a [[zone]] of that id, or name another")
    elif space.zone and space.floor != places.zones[space.zone] != "":
        remedy = "leave the floor out, or name the zone's"
        table.complain("floor", f"zone {space.zone} is on {places.zones[space.zone]}, not on {space.floor}", remedy)
    if space.agent and space.agent not in places.agents:
        table.complain("agent", f"there is no agent {space.agent}", "add an [[agent]] of that id, or name another")


def _refuse_overlaps(tables: Sequence[Table], spaces: Sequence[Space]) -> None:
    rows: dict[str, list[tuple[date, date, int]]] = defaultdict(list)
    for number, space in enumerate(spaces):
        rows[space.id].append((space.valid_from or date.min, space.valid_until or date.max, number))
    rows.pop("", None)
    for space_id, periods in rows.items():
        taken_until = date.min
        for start, until, number in sorted(periods):
            if start < taken_until:
                remedy = "end the earlier row on the day on which the later one begins, or give it another id"
                tables[number].complain("", f"space {space_id} has two rows for the days from {start}", remedy)
            taken_until = max(taken_until, until)
