"""Grafana's dashboards: built from code, true to the lint, every query right to the number on a real InfluxDB."""

import json
import random
import re
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from dashboards import alerts, building, zones
from dashboards.lint import complaints
from dashboards.live import live
from dashboards.panels import SPACES, override
from dashboards.spaces import spaces
from perch.adapters.influx.line_protocol import fleet_line, integers_line, zone_key, zone_now_line
from perch.adapters.influx.query import Bucket
from perch.adapters.influx.writing import InfluxWriter, Written
from perch.commands.dashboards import dashboards
from perch.errors import PerchError
from tests.parts import Influx

pytestmark = pytest.mark.xdist_group("dashboards")

QUARTER_MS = 15 * 60 * 1000
ALL = dict.fromkeys(zones.VARIABLES, ".*")
PLACES = [
    ("hq", "f1", "quiet", "desk"),
    ("hq", "f1", "quiet", "room"),
    ("hq", "f2", "open-space", "desk"),
    ("north", "f1", "quiet", "desk"),
]
FIELDS = ("spaces", "occupied_ms", "known_ms", "inventory_ms", "people_ms")
Row = dict[str, Any]
Panel = dict[str, Any]


def panel(title: str) -> Panel:
    return next(panel for panel in live()["panels"] if panel["title"] == title)


@dataclass
class Seeded:
    """A zones bucket with rows of our own, and the same rows in Python."""

    influxdb: Influx
    quarters: list[Row]
    zone_now: list[Row]
    fleet: list[Row]
    from_ms: int
    to_ms: int

    def ask(self, influxql: str, interval: str = "15m", **chosen: str) -> list[Row]:
        """Put the values in that Grafana would put in, and ask."""
        values = {**ALL, **chosen}
        text = influxql.replace("$timeFilter", f"time >= {self.from_ms}ms and time <= {self.to_ms}ms")
        text = text.replace("$__interval", interval)
        for name, value in values.items():
            text = text.replace(f"${name}", value)
        assert "$" not in text.replace("$/", "")
        return self.influxdb.query(text, self.influxdb.zones_bucket, epoch="ms")

    def show(self, title: str, place: int = 0, **how: str) -> list[Row]:
        """Give the rows that a panel draws."""
        return self.ask(panel(title)["targets"][place]["query"], **how)

    def quarters_of(self, **tags: str) -> list[Row]:
        return [row for row in self.quarters if all(row[tag] == value for tag, value in tags.items())]


def total(rows: list[Row], field: str) -> int:
    return sum(row[field] for row in rows)


def tagged(place: tuple[str, str, str, str], **rest: int) -> Row:
    return {**dict(zip(zones.VARIABLES, place, strict=True)), **rest}


def a_quarter(dice: random.Random, place: tuple[str, str, str, str], start_ms: int) -> Row:
    spaces = dice.randint(1, 30)
    inventory = spaces * QUARTER_MS
    known = dice.choice([0, inventory, dice.randint(0, inventory)])
    occupied = dice.randint(0, known)
    values = dict(zip(FIELDS, (spaces, occupied, known, inventory, occupied), strict=True))
    is_open = dice.random() < 0.7
    opened = {f"open_{name}": value if is_open else 0 for name, value in values.items()}
    return tagged(place, time=start_ms, **values, **opened)


@pytest.fixture(scope="module")
def seeded(influxdb_of_module: Influx) -> Seeded:
    """Seed one database for all tests of this file, which come within seconds of its rows of now."""
    influxdb = influxdb_of_module
    dice = random.Random(20261122)  # noqa: S311 (nothing secret is drawn)
    now_ms = time.time_ns() // 10**6
    to_ms = now_ms // QUARTER_MS * QUARTER_MS
    from_ms = to_ms - 40 * QUARTER_MS
    starts = range(from_ms - 4 * QUARTER_MS, to_ms, QUARTER_MS)
    before = [a_quarter(dice, place, start) for place in PLACES for start in starts]
    live_rows = [
        tagged(
            place, time=now_ms - age, free=dice.randint(0, 9), occupied=dice.randint(0, 9), unknown=dice.randint(0, 3)
        )
        for place in PLACES
        for age in (5_000, 20_000, 35_000, 600_000, 615_000, 7_200_000)
    ]
    live_rows.append(tagged(("gone", "f1", "quiet", "desk"), time=now_ms - 600_000, free=99, occupied=99, unknown=99))
    fleet = [
        {
            "site": site,
            "agent": agent,
            "time": now_ms - age,
            "online": dice.randint(0, 1),
            "outbox": dice.randint(0, 90),
            "silent_sensors": dice.randint(0, 3),
        }
        for site, agent in (("hq", "pi-1"), ("hq", "pi-2"), ("north", "pi-1"))
        for age in (1_000, 900_000, 1_800_000)
    ]
    with InfluxWriter(influxdb.settings) as writer:
        lines = [*map(quarter_line, before), *map(live_line, live_rows), *map(agent_line, fleet)]
        assert writer.write(Bucket.ZONES, lines) == Written()
    return Seeded(influxdb, [row for row in before if row["time"] >= from_ms], live_rows, fleet, from_ms, to_ms - 1)


def place_of(row: Row) -> tuple[str, str, str, str]:
    return row["site"], row["floor"], row["zone"], row["kind"]


def quarter_line(row: Row) -> str:
    fields = tuple((name, row[name]) for name in row if name not in (*zones.VARIABLES, "time"))
    return integers_line(zone_key("zone_15min", *place_of(row)), row["time"] * 10**6, fields)


def live_line(row: Row) -> str:
    counts = {name: row[name] for name in zones.STATES}
    return zone_now_line(*place_of(row), row["time"], **counts)


def agent_line(row: Row) -> str:
    counts = {name: row[name] for name in ("outbox", "silent_sensors")}
    return fleet_line(row["site"], row["agent"], row["time"], online=bool(row["online"]), **counts)


def newest_now(seeded: Seeded) -> list[Row]:
    return [
        max((row for row in seeded.zone_now if place_of(row) == place), key=lambda row: row["time"]) for place in PLACES
    ]


def test_now_counts_the_newest_row_of_each_zone_and_forgets_what_is_over(seeded: Seeded) -> None:
    newest = newest_now(seeded)
    [row] = seeded.show("Spaces now")
    assert {state: row[state] for state in zones.STATES} == {state: total(newest, state) for state in zones.STATES}
    [row] = seeded.show("All spaces now")
    assert row["total"] == sum(total(newest, state) for state in zones.STATES)


def test_now_follows_what_is_chosen(seeded: Seeded) -> None:
    newest = [row for row in newest_now(seeded) if row["site"] == "hq" and row["kind"] == "desk"]
    [row] = seeded.show("Spaces now", site="(hq|gone)", kind="desk")
    assert {state: row[state] for state in zones.STATES} == {state: total(newest, state) for state in zones.STATES}
    assert seeded.show("Spaces now", site="gone") == []


def test_now_by_site_and_zone_add_up_to_now(seeded: Seeded) -> None:
    newest = newest_now(seeded)
    by_site = {row["site"]: row for row in seeded.show("Now by site")}
    assert set(by_site) == {"hq", "north"}
    for site, row in by_site.items():
        rows = [row for row in newest if row["site"] == site]
        assert [row[state] for state in zones.STATES] == [total(rows, state) for state in zones.STATES]
    by_zone = {place_of(row): row for row in seeded.show("Now by zone")}
    assert {place: [row[state] for state in zones.STATES] for place, row in by_zone.items()} == {
        place_of(row): [row[state] for state in zones.STATES] for row in newest
    }
    assert all(row["total"] == sum(row[state] for state in zones.STATES) for row in by_zone.values())


def test_the_live_course_shows_the_last_state_of_each_step_and_gaps(seeded: Seeded) -> None:
    seeded = replace(seeded, from_ms=seeded.to_ms - 3 * 3_600_000, to_ms=seeded.to_ms + QUARTER_MS)
    shown = {row["time"]: row for row in seeded.show("As shown live", interval="1m")}
    expected: dict[tuple[int, tuple[str, str, str, str]], Row] = {}
    for row in sorted(seeded.zone_now, key=lambda row: row["time"]):
        expected[row["time"] // 60_000 * 60_000, place_of(row)] = row
    for minute, row in shown.items():
        rows = [row for (start, _), row in expected.items() if start == minute]
        assert [row[state] for state in zones.STATES] == [
            total(rows, state) if rows else None for state in zones.STATES
        ]
    assert {minute for minute, _ in expected} <= set(shown)


def test_quarter_hours_show_the_time_weighted_mean_of_each_state(seeded: Seeded) -> None:
    shown = seeded.show("By quarter hour", site="hq")
    assert len(shown) == 40
    for row in shown:
        rows = seeded.quarters_of(site="hq", time=row["time"])
        occupied, known, inventory = (total(rows, name) for name in ("occupied_ms", "known_ms", "inventory_ms"))
        assert row["free"] == pytest.approx((known - occupied) / QUARTER_MS)
        assert row["occupied"] == pytest.approx(occupied / QUARTER_MS)
        assert row["unknown"] == pytest.approx((inventory - known) / QUARTER_MS)
    inventories = {row["time"]: row["inventory"] for row in seeded.show("Inventory", site="hq")}
    assert inventories == pytest.approx({row["time"]: row["free"] + row["occupied"] + row["unknown"] for row in shown})


def open_figures(rows: list[Row]) -> dict[str, float]:
    """The four figures of opening hours, from integers; a figure without a denominator is left out."""
    occupied, known, inventory = (total(rows, f"open_{name}_ms") for name in ("occupied", "known", "inventory"))
    figures = {"time used": occupied / known} if known else {}
    if inventory:
        figures["at least"] = occupied / inventory
        figures["at most"] = (occupied + inventory - known) / inventory
        figures["coverage"] = known / inventory
    return figures


def test_time_used_bounds_and_coverage_are_ratios_of_sums(seeded: Seeded) -> None:
    for chosen in ({}, {"site": "hq"}, {"zone": "quiet", "kind": "desk"}, {"floor": "f2"}):
        figures = open_figures(seeded.quarters_of(**chosen))
        [used] = seeded.show("Time used", **chosen)
        [bounds] = seeded.show("Time used, bounds", **chosen)
        [coverage] = seeded.show("Coverage", **chosen)
        assert used["time used"] == pytest.approx(figures["time used"])
        assert bounds["at least"] == pytest.approx(figures["at least"])
        assert bounds["at most"] == pytest.approx(figures["at most"])
        assert coverage["coverage"] == pytest.approx(figures["coverage"])
        assert bounds["at least"] <= used["time used"] <= bounds["at most"]


@pytest.mark.parametrize("interval", ["15m", "1h", "6h"])
def test_over_time_a_step_in_which_nothing_was_known_or_open_is_a_gap_not_a_zero(seeded: Seeded, interval: str) -> None:
    step_ms = {"15m": 1, "1h": 4, "6h": 24}[interval] * QUARTER_MS
    shown: dict[int, Row] = {}
    for title, place in (("Time used over time", 0), ("Time used over time", 1), ("Coverage over time", 0)):
        for row in seeded.show(title, place, interval=interval, zone="open-space"):
            values = {name: value for name, value in row.items() if name not in ("time", "measurement")}
            shown.setdefault(row["time"], {}).update(values)
    assert interval != "15m" or any(None in row.values() for row in shown.values())
    for start, row in shown.items():
        rows = [row for row in seeded.quarters_of(zone="open-space") if start <= row["time"] < start + step_ms]
        given = {name: value for name, value in row.items() if value is not None}
        assert given == pytest.approx(open_figures(rows))


def test_the_zone_table_has_the_same_figures_for_each_zone(seeded: Seeded) -> None:
    shown: dict[tuple[str, str, str, str], Row] = {}
    for place in range(3):
        for row in seeded.show("Time used by zone", place):
            names = set(row) & {"time used", "at least", "at most", "coverage"}
            shown.setdefault(place_of(row), {}).update({name: row[name] for name in names})
    assert set(shown) == set(PLACES)
    for where, row in shown.items():
        chosen = dict(zip(zones.VARIABLES, where, strict=True))
        assert row == pytest.approx(open_figures(seeded.quarters_of(**chosen)))


def test_the_fleet_shows_the_last_word_of_each_agent(seeded: Seeded) -> None:
    newest = {(row["site"], row["agent"]): row for row in sorted(seeded.fleet, key=lambda row: row["time"])}
    shown = seeded.show("Fleet, agent by agent")
    fields = ("time", "online", "outbox", "silent_sensors")
    assert {(row["site"], row["agent"]): [row[name] for name in fields] for row in shown} == {
        agent: [row[name] for name in fields] for agent, row in newest.items()
    }
    [sums] = seeded.show("Fleet")
    assert sums["agents offline"] == sum(1 - row["online"] for row in newest.values())
    assert sums["events waiting"] == total(list(newest.values()), "outbox")
    assert sums["silent sensors"] == total(list(newest.values()), "silent_sensors")
    assert len(seeded.show("Fleet, agent by agent", site="north")) == 1


def test_each_variable_offers_what_lies_within_the_ones_before_it(seeded: Seeded) -> None:
    questions = {variable["name"]: variable["query"] for variable in live()["templating"]["list"]}

    def offered(tag: str, **chosen: str) -> set[str]:
        return {row["value"] for row in seeded.ask(questions[tag], **chosen)}

    assert offered("site") == {"hq", "north", "gone"}
    assert offered("floor", site="north") == {"f1"}
    assert offered("zone", site="hq") == {"quiet", "open-space"}
    assert offered("zone", site="hq", floor="f2") == {"open-space"}
    assert offered("kind", site="hq", floor="f1", zone="quiet") == {"desk", "room"}


def test_no_panel_is_left_without_a_query_that_ran(seeded: Seeded) -> None:
    """A query that InfluxDB refuses raises; each panel with data shows rows here."""
    drawn = [panel for panel in live()["panels"] if panel["type"] not in ("row", "text")]
    assert len(drawn) >= 12
    for panel in drawn:
        for query in panel["targets"]:
            assert seeded.ask(query["query"]), panel["title"]


def test_the_dashboard_keeps_to_the_lint() -> None:
    assert complaints(live()) == []


def spoil_panel(change: Callable[[Panel], object]) -> Callable[[Panel], None]:
    def spoil(dashboard: Panel) -> None:
        change(next(panel for panel in dashboard["panels"] if panel["title"] == "Now by site"))

    return spoil


SPOILT: dict[str, tuple[Callable[[Panel], object], str]] = {
    "an id of one Grafana": (lambda dashboard: dashboard.update(id=7), "id null"),
    "another schema": (lambda dashboard: dashboard.update(schemaVersion=16), "schemaVersion 39"),
    "an id twice": (spoil_panel(lambda panel: panel.update(id=1)), "panel id 1 is given 2 times"),
    "a title twice": (spoil_panel(lambda panel: panel.update(title="Coverage")), "2 panels are called 'Coverage'"),
    "no title": (spoil_panel(lambda panel: panel.update(title="")), "has no title"),
    "over another": (spoil_panel(lambda panel: panel["gridPos"].update(w=13)), "'Now by zone' lies over 'Now by site'"),
    "too wide": (spoil_panel(lambda panel: panel["gridPos"].update(w=25)), "does not fit into 24 columns"),
    "no unit": (spoil_panel(lambda panel: panel["fieldConfig"]["defaults"].pop("unit")), "has no unit"),
    "no words": (spoil_panel(lambda panel: panel.pop("description")), "does not say what it shows"),
    "nothing for nothing": (
        spoil_panel(lambda panel: panel["fieldConfig"]["defaults"].pop("noValue")),
        "when there is nothing",
    ),
    "another source": (spoil_panel(lambda panel: panel.update(datasource=None)), "has no data source of Perch"),
    "no query": (spoil_panel(lambda panel: panel["targets"].clear()), "needs queries"),
    "single spaces": (
        spoil_panel(lambda panel: panel["targets"][0].update(query='SELECT * FROM "occupancy"')),
        "asks for occupancy, which is not in the bucket that it reads",
    ),
    "an unset variable": (
        spoil_panel(lambda panel: panel["targets"][0].update(query='SELECT * FROM "fleet" WHERE a =~ /$space/')),
        "uses $space, which is not set anywhere",
    ),
    "a variable of another source": (
        lambda dashboard: dashboard["templating"]["list"][0].update(datasource={}),
        "$site: asks a data source that is not of Perch",
    ),
    "single spaces beside zones": (
        spoil_panel(lambda panel: panel.update(datasource=SPACES)),
        "who may see the one may not see the other",
    ),
    "red": (
        spoil_panel(
            lambda panel: panel["fieldConfig"]["overrides"].append(override("free", {"color": {"fixedColor": "red"}}))
        ),
        "uses the colour red",
    ),
    "a palette of traffic lights": (
        spoil_panel(lambda panel: panel["fieldConfig"]["defaults"].update(color={"mode": "continuous-GrYlRd"})),
        "colours by continuous-GrYlRd",
    ),
    "unknown hidden": (
        spoil_panel(lambda panel: panel["targets"][0].update(query=zones.now_by(("site",), ("free", "occupied")))),
        "shows free and occupied, and hides unknown",
    ),
}


@pytest.mark.parametrize("name", SPOILT)
def test_the_lint_finds(name: str) -> None:
    spoil, complaint = SPOILT[name]
    dashboard = deepcopy(live())
    spoil(dashboard)
    assert any(complaint in found for found in complaints(dashboard)), complaints(dashboard)


@pytest.mark.parametrize(
    "change",
    [
        lambda defaults: defaults["custom"].pop("insertNulls"),
        lambda defaults: defaults["mappings"].pop(),
    ],
    ids=["goes on for ever", "turns to nothing"],
)
def test_the_lint_finds_a_timeline_that_hides_what_nobody_vouches_for(change: Callable[[Panel], object]) -> None:
    dashboard = deepcopy(spaces())
    change(next(panel for panel in dashboard["panels"] if panel["title"] == "States")["fieldConfig"]["defaults"])
    assert complaints(spaces()) == []
    assert complaints(dashboard) == ["Perch spaces: States: goes on with a state that nobody vouches for"]


def test_unknown_has_a_grey_of_its_own_wherever_states_are_shown() -> None:
    shown = 0
    for panel in live()["panels"]:
        asked = " ".join(query["query"] for query in panel.get("targets", ()))
        if 'AS "unknown"' in asked:
            colours = {
                override["matcher"]["options"]: value["value"]["fixedColor"]
                for override in panel["fieldConfig"]["overrides"]
                for value in override["properties"]
                if value["id"] == "color"
            }
            assert colours == {"free": "#0072b2", "occupied": "#d55e00", "unknown": "#8c8c8c"}, panel["title"]
            shown += 1
    assert shown >= 5


def test_committed_files_are_what_the_code_builds() -> None:
    assert building.out_of_date(Path(__file__).parents[1] / building.DEFAULT_FOLDER) == []


def test_building_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    first = {path: path.read_bytes() for path in building.write(tmp_path)}
    assert {path: path.read_bytes() for path in building.write(tmp_path)} == first
    for path in first:
        if path.suffix == ".json":
            dashboard = json.loads(path.read_text("utf-8"))
            assert (dashboard["id"], dashboard["uid"]) == (None, path.stem)


def test_check_names_each_file_that_is_not_what_the_code_builds(tmp_path: Path) -> None:
    assert CliRunner().invoke(dashboards, ["build", "--out", str(tmp_path)]).exit_code == 0
    assert CliRunner().invoke(dashboards, ["build", "--check", "--out", str(tmp_path)]).exit_code == 0
    changed = tmp_path / "dashboards" / "perch-live.json"
    changed.write_text(changed.read_text("utf-8").replace("#8c8c8c", "#0072b2"), "utf-8")
    (tmp_path / "datasources" / "influxdb-2.yaml").unlink()
    (tmp_path / "dashboards" / "by-hand.json").write_text("{}")
    result = CliRunner().invoke(dashboards, ["build", "--check", "--out", str(tmp_path)])
    assert isinstance(result.exception, PerchError)
    for name in ("perch-live.json", "influxdb-2.yaml", "by-hand.json"):
        assert name in result.exception.what
    assert "perch dashboards build" in result.exception.remedy
    assert "influxdb-1.8.yaml" not in result.exception.what


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PerchError, match="file"):
        building.write(tmp_path / "file")


def test_both_data_sources_have_the_uid_that_the_dashboard_asks_and_read_the_zones_alone() -> None:
    for place, text in building.files().items():
        if place.parent.name == "datasources":
            assert re.findall(r"uid: (.+)", text) == ["perch-zones"]
            assert re.findall(r"dbName: (.+)", text) == ["perch_zones"]
            assert re.findall(r"type: (.+)", text) == ["influxdb"]


SCHEMAS = sorted((Path(__file__).parents[1] / "dashboards/schemas").glob("grafana-*.json"))
OF_PANELS = {
    "barchart": "BarChart",
    "stat": "Stat",
    "state-timeline": "StateTimeline",
    "table": "Table",
    "text": "Text",
    "timeseries": "TimeSeries",
}
BEYOND_THE_SCHEMA = (
    "'percentChangeColorMode' is a required property",  # came with Grafana 11, which fills it in; 10 refuses it
    "('insertNulls' was unexpected)",  # of state timelines since Grafana 10, and forgotten in the types
)


def departures(schema: Panel, name: str, value: object) -> list[str]:
    """Say where a value is not what Grafana's own schema wants."""
    from jsonschema import Draft7Validator  # takes seconds

    validator = Draft7Validator({"$ref": f"#/definitions/{name}", "definitions": schema["definitions"]})
    found = [f"{list(error.absolute_path)}: {error.message}" for error in validator.iter_errors(value)]
    return [what for what in found if not what.endswith(BEYOND_THE_SCHEMA)]


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: path.stem)
def test_every_dashboard_is_what_grafanas_own_schema_wants(path: Path) -> None:
    schema = json.loads(path.read_text("utf-8"))
    for dashboard in building.all_dashboards():
        assert departures(schema, "Dashboard", dashboard) == [], dashboard["title"]
        for drawn in dashboard["panels"]:
            if drawn["type"] == "row":
                continue
            kind = OF_PANELS[drawn["type"]]
            assert departures(schema, f"{kind}Options", drawn["options"]) == [], drawn["title"]
            if f"{kind}Fields" in schema["definitions"]:
                fields = drawn["fieldConfig"]["defaults"].get("custom", {})
                assert departures(schema, f"{kind}Fields", fields) == [], drawn["title"]


def test_the_schema_of_the_oldest_and_of_the_newest_grafana_are_there_and_refuse_what_is_wrong() -> None:
    assert [path.stem for path in SCHEMAS] == ["grafana-10.4.19", "grafana-13.2.3"]
    for path in SCHEMAS:
        schema = json.loads(path.read_text("utf-8"))
        assert "Apache-2.0" in schema["$comment"]
        assert departures(schema, "Dashboard", {**live(), "graphTooltip": "both"})
        assert departures(schema, "StatOptions", {**panel("Spaces now")["options"], "graphMode": "pie"})


def test_every_file_for_provisioning_is_yaml_and_names_what_exists() -> None:
    read = {place: yaml.safe_load(text) for place, text in building.files().items() if place.suffix == ".yaml"}
    assert {content["apiVersion"] for content in read.values()} == {1}
    assert read[Path("provisioning/alerting/perch.yaml")] == alerts.groups()
    sources = [one["uid"] for content in read.values() for one in content.get("datasources", ())]
    assert sorted(sources) == ["perch-spaces", "perch-spaces", "perch-zones", "perch-zones"]
    folders = {
        one["folderUid"]: one["options"]["path"] for content in read.values() for one in content.get("providers", ())
    }
    assert len(set(folders.values())) == len(folders) == 2
    [group] = alerts.groups()["groups"]
    assert group["folder"] == "Perch alerts", "Grafana makes it, and it is no other folder made from files"
    assert {step["datasourceUid"] for rule in group["rules"] for step in rule["data"]} == {"perch-zones", "__expr__"}


def test_files_about_single_spaces_lie_apart_from_all_others() -> None:
    for place, text in building.files().items():
        assert ("perch-spaces" in text) == (place.parent.name == "spaces"), place
