"""What every dashboard of Perch keeps to, checked on the dict that Grafana gets."""

import re
from collections import Counter
from collections.abc import Iterator

from dashboards.panels import ZONES, Json

COLUMNS = 24
WITHOUT_DATA = frozenset({"row", "text"})
ZONE_MEASUREMENTS = frozenset({"zone_now", "zone_15min", "fleet"})
BUILT_IN = frozenset({"timeFilter", "__interval"})


def complaints(dashboard: Json) -> list[str]:
    """Give everything that is wrong with a dashboard, panel by panel."""
    name = dashboard.get("title") or "a dashboard without a title"
    found = [*_whole(dashboard), *_grid(dashboard["panels"])]
    for panel in dashboard["panels"]:
        found += [f"{panel.get('title') or panel['id']}: {what}" for what in _panel(panel, _variables(dashboard))]
    for variable in dashboard["templating"]["list"]:
        found += [
            f"${variable['name']}: {what}" for what in _question(variable, variable["query"], _variables(dashboard))
        ]
    return [f"{name}: {what}" for what in found]


def _whole(dashboard: Json) -> Iterator[str]:
    if dashboard.get("id") is not None or not dashboard.get("uid"):
        yield "needs a uid of its own, and id null"
    if dashboard.get("schemaVersion") != 39:
        yield "is written for schemaVersion 39"
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
    if panel.get("datasource") != ZONES:
        yield "does not read the zones bucket"
    if not panel["targets"] or len({query["refId"] for query in panel["targets"]}) < len(panel["targets"]):
        yield "needs queries, each with a letter of its own"
    for query in panel["targets"]:
        yield from _question(query, query["query"], variables)


def _question(asked: Json, influxql: str, variables: frozenset[str]) -> Iterator[str]:
    if asked.get("datasource") != ZONES:
        yield "asks another data source than the zones bucket"
    measured = set(re.findall(r'FROM ((?:"\w+"(?:, )?)+)', influxql))
    names = {name for listed in measured for name in re.findall(r'"(\w+)"', listed)}
    if not names or names - ZONE_MEASUREMENTS:
        yield f"asks for {', '.join(sorted(names)) or 'nothing'}, which is not in the zones bucket"
    for unknown in sorted(set(re.findall(r"\$\{?(\w+)", influxql)) - variables - BUILT_IN):
        yield f"uses ${unknown}, which is not set anywhere"


def _variables(dashboard: Json) -> frozenset[str]:
    return frozenset(variable["name"] for variable in dashboard["templating"]["list"])
