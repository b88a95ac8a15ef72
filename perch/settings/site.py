"""`site.toml`: a place, its opening hours, floors, zones, agents and spaces."""

from collections.abc import Set as AbstractSet
from pathlib import Path
from zoneinfo import ZoneInfo

from perch.model import Floor, OpenSpan, Site, Zone
from perch.settings.bookings import read_bookings
from perch.settings.files import open_toml, read_text
from perch.settings.holidays import knows_country
from perch.settings.hours import read_hours
from perch.settings.layout import Places, read_layout
from perch.settings.reading import Reader, RefusedError, days, identifier, several, shown, text
from perch.settings.table import Complaints, Table, refuse_twice


def load_site(path: Path) -> Site:
    """Read a `site.toml` and the `spaces.csv` and plans beside it; raises InputError with every complaint."""
    return _load(path, plan_beside(path.parent))


def load_undrawn_site(path: Path) -> Site:
    """Read a `site.toml` and the `spaces.csv` beside it, whether or not its plans are drawn yet; raises InputError."""
    return _load(path, lambda _: None)


def _load(path: Path, plan: Reader[str] | Reader[None]) -> Site:
    complaints = Complaints()
    table = open_toml(path, complaints)
    site = _site(table, path.parent, complaints, plan)
    complaints.settle()
    return site


def _site(table: Table, folder: Path, complaints: Complaints, plan: Reader[str] | Reader[None]) -> Site:
    head = table.table("site")
    floor_tables, zone_tables, agent_tables = table.tables("floor"), table.tables("zone"), table.tables("agent")
    floors = tuple(_floor(each, plan) for each in floor_tables)
    refuse_twice(floor_tables, floors, "id", lambda floor: floor.id)
    zones = tuple(_zone(each, {floor.id for floor in floors}) for each in zone_tables)
    refuse_twice(zone_tables, zones, "id", lambda zone: zone.id)
    agents = tuple(map(_agent, agent_tables))
    refuse_twice(agent_tables, agents, "id", lambda agent: agent)
    places = Places({zone.id: zone.floor for zone in zones}, frozenset(agents))
    site_id = head.need("id", identifier, "")
    site = Site(
        id=site_id,
        name=head.take("name", text, site_id),
        time_zone=head.need("time_zone", time_zone, "UTC"),
        country=head.take("country", country, None),
        closed=head.take("closed", several(days), ()),
        hours=_hours(table),
        floors=floors,
        zones=zones,
        agents=agents,
        spaces=(spaces := read_layout(table, folder, places, complaints)),
        bookings=read_bookings(table, folder, {space.id for space in spaces}),
    )
    head.finish()
    table.finish()
    return site


def time_zone(value: object) -> str:
    """Read the name of a time zone, such as Europe/Lisbon."""
    name = text(value)
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        remedy = "write its IANA name, such as Europe/Lisbon"
        raise RefusedError(f"there is no time zone {shown(name)}", remedy) from None
    return name


def country(value: object) -> str:
    """Read a country whose public holidays are known: PT, or DE-BY for a part of one."""
    code = text(value)
    if not knows_country(code):
        remedy = "write its two letters, such as PT, with a part of it after a hyphen where its holidays differ: DE-BY"
        raise RefusedError(f"the public holidays of {shown(code)} are not known", remedy)
    return code


def plan_beside(folder: Path) -> Reader[str]:
    """Make a reader of names of SVG files, which gives what is in them."""

    def read(value: object) -> str:
        path = folder / text(value)
        try:
            drawing = read_text(path)
        except RefusedError as refused:
            raise RefusedError(f"{path}: {refused.what}", refused.remedy) from None
        if "<svg" not in drawing:
            raise RefusedError(f"{path} is no SVG drawing", "save the floor plan as plain SVG")
        return drawing

    return read


def _hours(table: Table) -> tuple[tuple[OpenSpan, ...], ...]:
    if "hours" not in table:
        table.complain(
            "[hours]", "is missing", 'add it, with a line such as mon = "08:00-20:00" for each day that is open'
        )
    return read_hours(table.table("hours"))


def _floor(table: Table, plan: Reader[str] | Reader[None]) -> Floor:
    floor_id = table.need("id", identifier, "")
    floor = Floor(floor_id, table.take("name", text, floor_id), table.take("plan", plan, None))
    table.finish()
    return floor


def _zone(table: Table, floors: AbstractSet[str]) -> Zone:
    zone_id = table.need("id", identifier, "")
    zone = Zone(zone_id, table.need("floor", identifier, ""), table.take("name", text, zone_id))
    if zone.floor and zone.floor not in floors:
        table.complain("floor", f"there is no floor {zone.floor}", "add a [[floor]] of that id, or name another")
    table.finish()
    return zone


def _agent(table: Table) -> str:
    agent = table.need("id", identifier, "")
    table.finish()
    return agent
