"""What every dashboard of Perch keeps to, checked on the dict that Grafana gets."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from dashboards.panels import BLUE, GREY, ORANGE, SPACES, ZONES, Json

COLUMNS = 24
WITHOUT_DATA = frozenset({"row", "text"})
MEASUREMENTS = {
    "perch-zones": frozenset({"zone_now", "zone_15min", "fleet"}),
    "perch-spaces": frozenset({"occupancy"}),
}
"""What may be asked of each data source. Where the zones are, there is no single space."""

COLOURS = frozenset({BLUE, ORANGE, GREY})
"""Told apart by everybody, and on paper; never red against green."""

MODES = frozenset({"fixed", "thresholds", "continuous-blues", "palette-classic-by-name"})
BUILT_IN = frozenset({"timeFilter", "__interval"})


def complaints(dashboard: Json) -> list[str]:
    """Give everything that is wrong with a dashboard, panel by panel."""
    name = dashboard.get("title") or "a dashboard without a title"
    found = [*_whole(dashboard), *_grid(dashboard["panels"])]
    for panel in dashboard["panels"]:
        found += [f"{panel.get('title') or panel['id']}: {what}" for what in _panel(panel, _variables(dashboard))]
    for variable in dashboard["templating"]["list"]:
        asked = _question(variable, variable["query"], _variables(dashboard))
        found += [f"${variable['name']}: {what}" for what in asked]
    return [f"{name}: {what}" for what in found]


def _whole(dashboard: Json) -> Iterator[str]:
    if dashboard.get("id") is not None or not dashboard.get("uid"):
        yield "needs a uid of its own, and id null"
    if dashboard.get("schemaVersion") != 39:
        yield "is written for schemaVersion 39"
    if len(_sources(dashboard)) > 1:
        yield "reads zones and single spaces: who may see the one may not see the other"
    yield from _colours(dashboard)
    for number, times in Counter(panel["id"] for panel in dashboard["panels"]).items():
        if times > 1:
            yield f"panel id {number} is given {times} times"
    for title, times in Counter(panel["title"] for panel in dashboard["panels"]).items():
        if times > 1:
            yield f"{times} panels are called {title!r}"


def _grid(panels: list[Json]) -> Iterator[str]:
    taken: dict[tuple[int, int], Json] = {}
    for panel in panels:
        place = panel["gridPos"]
        if place["x"] < 0 or place["w"] < 1 or place["h"] < 1 or place["x"] + place["w"] > COLUMNS:
            yield f"{panel['title']!r} does not fit into {COLUMNS} columns"
        cells = [(x, y) for x in range(place["x"], place["x"] + place["w"])
                 for y in range(place["y"], place["y"] + place["h"])]  # fmt: skip
        for other in {taken[cell]["title"] for cell in cells if cell in taken}:
            yield f"{panel['title']!r} lies over {other!r}"
        taken.update(dict.fromkeys(cells, panel))


def _panel(panel: Json, variables: frozenset[str]) -> Iterator[str]:
    if not panel.get("title"):
        yield "has no title"
    if panel["type"] in WITHOUT_DATA:
        return
    defaults = panel["fieldConfig"]["defaults"]
    if not panel.get("description"):
        yield "does not say what it shows"
    if not defaults.get("unit"):
        yield "has no unit"
    if not defaults.get("noValue"):
        yield "does not say what it shows when there is nothing"
    if panel.get("datasource") not in (ZONES, SPACES):
        yield "has no data source of Perch"
    if not panel["targets"] or len({query["refId"] for query in panel["targets"]}) < len(panel["targets"]):
        yield "needs queries, each with a letter of its own"
    for query in panel["targets"]:
        yield from _question(query, query["query"], variables)
    columns = {name for query in panel["targets"] for name in re.findall(r'AS "(\w+)"', query["query"])}
    if {"free", "occupied"} <= columns and "unknown" not in columns:
        yield "shows free and occupied, and hides unknown"
    if panel["type"] == "state-timeline" and not _turns_grey(defaults):
        yield "goes on with a state that nobody vouches for"


def _turns_grey(defaults: Json) -> bool:
    results = [mapping["options"].get("result", {}) for mapping in defaults.get("mappings", [])]
    return bool(defaults["custom"].get("insertNulls")) and {"text": "unknown", "color": GREY} in results


def _sources(dashboard: Json) -> set[str]:
    asking = [*dashboard["panels"], *dashboard["templating"]["list"]]
    return {str(one["datasource"]["uid"]) for one in asking if one.get("datasource")}


def _colours(part: Any) -> Iterator[str]:
    """Name each colour of a dashboard, at any depth, that is not ours."""
    if isinstance(part, list):
        for one in part:
            yield from _colours(one)
    elif isinstance(part, dict):
        for key in ("color", "fixedColor"):
            if isinstance(part.get(key), str) and part[key] not in COLOURS:
                yield f"uses the colour {part[key]}"
        if isinstance(part.get("color"), dict) and part["color"].get("mode") not in MODES:
            yield f"colours by {part['color'].get('mode')}"
        for one in part.values():
            yield from _colours(one)


def _question(asked: Json, influxql: str, variables: frozenset[str]) -> Iterator[str]:
    allowed = MEASUREMENTS.get((asked.get("datasource") or {}).get("uid", ""))
    if allowed is None:
        yield "asks a data source that is not of Perch"
        return
    measured = set(re.findall(r'FROM ((?:"\w+"(?:, )?)+)', influxql))
    names = {name for listed in measured for name in re.findall(r'"(\w+)"', listed)}
    if not names or names - allowed:
        yield f"asks for {', '.join(sorted(names)) or 'nothing'}, which is not in the bucket that it reads"
    for unknown in sorted(set(re.findall(r"\$\{?(\w+)", influxql)) - variables - BUILT_IN):
        yield f"uses ${unknown}, which is not set anywhere"


def _variables(dashboard: Json) -> frozenset[str]:
    return frozenset(variable["name"] for variable in dashboard["templating"]["list"])
