"""What a place is told to be: `site.toml`, `spaces.csv` and floor plans."""

from datetime import date, time
from pathlib import Path

import pytest

from perch.errors import InputError
from perch.model import Floor, OpenSpan, Purpose, Site, SpaceKind, Zone
from perch.settings import load_site
from perch.settings.holidays import closed_days

HEAD = """
[site]
id = "hq"
name = "Harbour House"
time_zone = "Europe/Lisbon"
country = "PT"
closed = ["2026-12-28/2026-12-30", 2026-12-31]
[hours]
mon = "13:00-20:00, 8:00-12:00"
sat = "00:00-24:00"
[[floor]]
id = "f1"
name = "First floor"
plan = "f1.svg"
[[floor]]
id = "f2"
[[zone]]
id = "quiet"
floor = "f1"
[[zone]]
id = "open"
floor = "f2"
name = "Open space"
[[agent]]
id = "pi-3"
"""
SPACE = """
[[space]]
id = "d01"
zone = "quiet"
kind = "desk"
"""
COLUMNS = "id,name,floor,zone,kind,capacity,purpose,features,agent,valid_from,valid_until\n"
PLAN = '<svg xmlns="http://www.w3.org/2000/svg"><rect id="space-d01"/></svg>'


def folder_with(folder: Path, content: str, spaces: str = "") -> Path:
    """Write a site's files into a folder and give the path of its `site.toml`."""
    (folder / "f1.svg").write_text(PLAN)
    (folder / "site.toml").write_text(content, encoding="utf-8")
    if spaces:
        (folder / "spaces.csv").write_text(spaces, encoding="utf-8")
    return folder / "site.toml"


def site_of(folder: Path, content: str = HEAD + SPACE, spaces: str = "") -> Site:
    """Write a site and load it."""
    return load_site(folder_with(folder, content, spaces))


def complaints(folder: Path, content: str = HEAD, spaces: str = "") -> dict[str, str]:
    """Load a site that is wrong: where (without the folder) → what."""
    with pytest.raises(InputError) as caught:
        site_of(folder, content, spaces)
    assert all(complaint.remedy for complaint in caught.value.complaints), "every complaint says what to do"
    places = [complaint.where.replace(f"{folder}/", "") for complaint in caught.value.complaints]
    assert len(places) == len(set(places)), "nothing is complained of twice"
    return {place.removeprefix("site.toml: "): c.what for place, c in zip(places, caught.value.complaints, strict=True)}


def test_a_site_is_read_whole(tmp_path: Path) -> None:
    site = site_of(tmp_path)
    assert (site.id, site.name, site.time_zone, site.country) == ("hq", "Harbour House", "Europe/Lisbon", "PT")
    assert site.floors == (Floor("f1", "First floor", PLAN), Floor("f2", "f2"))
    assert site.zones == (Zone("quiet", "f1", "quiet"), Zone("open", "f2", "Open space"))
    assert site.agents == ("pi-3",)
    monday = (OpenSpan(time(8), time(12)), OpenSpan(time(13), time(20)))
    assert site.hours == (monday, (), (), (), (), (OpenSpan(time(0), None),), ())


def test_a_space_may_say_little(tmp_path: Path) -> None:
    (space,) = site_of(tmp_path).spaces
    assert (space.id, space.name, space.floor, space.zone, space.kind) == ("d01", "d01", "f1", "quiet", SpaceKind.DESK)
    assert (space.capacity, space.purpose, space.features, space.agent) == (None, Purpose.SHARED, frozenset(), None)


def test_a_table_of_spaces_says_the_same_as_spaces_in_the_file(tmp_path: Path) -> None:
    inline = """
[[space]]
id = "r1"
name = "Room, small"
zone = "quiet"
kind = "room"
capacity = 4
purpose = "assigned"
features = ["screen", "window"]
agent = "pi-3"
valid_from = 2026-01-01
valid_until = "2026-05-01"
"""
    row = 'r1,"Room, small",,quiet,room,4,assigned,screen; window,pi-3,2026-01-01,2026-05-01\n\n'
    (tmp_path / "other").mkdir()
    assert site_of(tmp_path, HEAD + inline).spaces == site_of(tmp_path / "other", HEAD, COLUMNS + row).spaces


def test_columns_may_stand_in_any_order_and_be_left_out(tmp_path: Path) -> None:
    (space,) = site_of(tmp_path, HEAD, "kind,zone,id,capacity\nroom,open,r1,\n").spaces
    assert (space.kind, space.zone, space.floor, space.id, space.capacity) == (SpaceKind.ROOM, "open", "f2", "r1", None)


def test_a_space_that_changed_has_several_rows(tmp_path: Path) -> None:
    rows = "d01,,,quiet,desk,,,,pi-3,,2026-05-01\nd01,,,open,desk,,assigned,,pi-3,2026-05-01,\n"
    site = site_of(tmp_path, HEAD, COLUMNS + rows)
    assert [space.zone for space in site.spaces_on(date(2026, 4, 30))] == ["quiet"]
    assert [space.zone for space in site.spaces_on(date(2026, 5, 1))] == ["open"]


def test_two_rows_of_a_space_for_one_day_are_refused(tmp_path: Path) -> None:
    rows = [
        "d01,,,quiet,desk,,,,,,\n",
        "d01,,,open,desk,,,,,2026-01-01,2026-02-01\n",
        "d01,,,open,desk,,,,,2026-03-01,2026-04-01\n",
    ]
    found = complaints(tmp_path, HEAD, COLUMNS + "".join(rows))
    assert found.keys() == {"spaces.csv:3", "spaces.csv:4"}


def test_a_row_that_ends_before_it_begins_is_refused(tmp_path: Path) -> None:
    found = complaints(tmp_path, HEAD, COLUMNS + "d01,,,quiet,desk,,,,,2026-02-01,2026-02-01\n")
    assert found.keys() == {"spaces.csv:2: valid_until"}


def test_a_wrong_cell_is_named_by_line_and_column(tmp_path: Path) -> None:
    rows = "d01,,f2,quiet,dsk,x,shared,,pi-9,soon,\nd02,,,loud,desk,,,,,,\n,,,quiet,desk,,,,,,\n"
    found = complaints(tmp_path, HEAD, COLUMNS + rows)
    columns = ("floor", "kind", "capacity", "agent", "valid_from")
    assert found.keys() == {
        *(f"spaces.csv:2: {column}" for column in columns),
        "spaces.csv:3: zone",
        "spaces.csv:4: id",
    }


def test_columns_that_are_unknown_missing_or_twice_are_refused(tmp_path: Path) -> None:
    assert "spaces.csv:1: capacty" in complaints(tmp_path, HEAD, "id,zone,kind,capacty\n")
    assert complaints(tmp_path, HEAD, "id,name\n")["spaces.csv:1"] == "no column zone, kind"
    assert "twice" in complaints(tmp_path, HEAD, "id,zone,kind,id\n")["spaces.csv:1"]


def test_a_row_with_too_many_cells_or_an_open_quote_is_refused(tmp_path: Path) -> None:
    found = complaints(tmp_path, HEAD, 'id,zone,kind\nd01,quiet,desk,extra\nd02,"quiet,desk\n')
    assert "4 cells under 3 columns" in found["spaces.csv:2"]
    assert "not CSV" in found["spaces.csv:3"]


def test_spaces_stand_in_one_place(tmp_path: Path) -> None:
    assert "[[space]]" in complaints(tmp_path, HEAD + SPACE, COLUMNS)


def test_every_complaint_of_a_site_comes_at_once(tmp_path: Path) -> None:
    wrong = (
        HEAD.replace("Europe/Lisbon", "Europe/Lissabon")
        .replace('"PT"', '"XX"')
        .replace("f1.svg", "none.svg")
        .replace('floor = "f2"', 'floor = "f9"')
        .replace("13:00-20:00", "11:00-20:00")
        + '[[agent]]\nid = "pi-3"\n[[zone]]\nid = "quiet"\nfloor = "f1"\n[[floor]]\nid = "f1"\n[lights]\n'
    )
    assert complaints(tmp_path, wrong).keys() == {
        "[site].time_zone",
        "[site].country",
        "[[floor]][1].plan",
        "[[floor]][3].id",
        "[[zone]][2].floor",
        "[[zone]][3].id",
        "[[agent]][2].id",
        "[hours].mon",
        "lights",
    }


def test_a_site_says_when_it_is_open(tmp_path: Path) -> None:
    assert complaints(tmp_path, HEAD.partition("[hours]")[0]).keys() == {"[hours]"}


@pytest.mark.parametrize(
    "hours",
    ["8-20", "08:00", "20:00-08:00", "08:00-08:00", "08:00-24:30", "24:00-24:00", "08:60-09:00", "", "8:00–9:00"],
)
def test_hours_that_say_nothing_are_refused(tmp_path: Path, hours: str) -> None:
    assert complaints(tmp_path, HEAD.replace("00:00-24:00", hours)).keys() == {"[hours].sat"}


@pytest.mark.parametrize("zone", ["Lisbon", "../../etc/passwd", "/etc/localtime", "UTC+1", "", "Europe/"])
def test_a_time_zone_is_one_of_the_database(tmp_path: Path, zone: str) -> None:
    assert complaints(tmp_path, HEAD.replace("Europe/Lisbon", zone)).keys() == {"[site].time_zone"}


@pytest.mark.parametrize("closed", ["2026-12-32", "tomorrow", "2026-12-27/2026-12-24", "2026-12-24/", "20261224"])
def test_closures_are_days(tmp_path: Path, closed: str) -> None:
    assert complaints(tmp_path, HEAD.replace("2026-12-28/2026-12-30", closed)).keys() == {"[site].closed"}


def test_a_plan_is_a_drawing(tmp_path: Path) -> None:
    (tmp_path / "note.svg").write_text("not a drawing")
    assert "no SVG" in complaints(tmp_path, HEAD.replace("f1.svg", "note.svg"))["[[floor]][1].plan"]


def test_own_closures_and_public_holidays_are_closed_days(tmp_path: Path) -> None:
    closed = closed_days(site_of(tmp_path))
    own = [date(2026, 12, day) for day in (28, 29, 30, 31)]
    assert all(day in closed for day in own), "first and last day of a closure are closed"
    assert date(2026, 12, 25) in closed
    assert date(2027, 6, 10) in closed, "Portugal Day"
    assert date(2026, 12, 27) not in closed
    assert date(2026, 11, 23) not in closed


def test_a_part_of_a_country_has_holidays_of_its_own(tmp_path: Path) -> None:
    bavaria = closed_days(site_of(tmp_path, HEAD.replace('"PT"', '"DE-BY"')))
    (tmp_path / "other").mkdir()
    berlin = closed_days(site_of(tmp_path / "other", HEAD.replace('"PT"', '"DE-BE"')))
    all_saints = date(2026, 11, 1)
    assert all_saints in bavaria
    assert all_saints not in berlin


def test_a_site_without_a_country_keeps_no_holidays(tmp_path: Path) -> None:
    assert date(2026, 12, 25) not in closed_days(site_of(tmp_path, HEAD.replace('country = "PT"', "")))
