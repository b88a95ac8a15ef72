"""Panels of Grafana as dicts: a function for each kind of picture, each with title, explanation, unit and source."""

from collections.abc import Mapping, Sequence
from typing import Any

Json = dict[str, Any]

ZONES = {"type": "influxdb", "uid": "perch-zones"}
"""The data source that reads the zones bucket only."""

SPACES = {"type": "influxdb", "uid": "perch-spaces"}
"""The data source that reads single spaces: only where the operator makes it."""

BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#8c8c8c"
COLOURS = {"free": BLUE, "occupied": ORANGE, "unknown": GREY}
"""Told apart without red and green; unknown has a colour of its own."""

NO_LIVE = "no live data"
NO_DATA = "no data"
NOT_OPEN = "no opening hours yet"
RATIO: Json = {"unit": "percentunit", "min": 0, "max": 1, "decimals": 1}


def target(influxql: str, letter: str = "A", *, table: bool = False, alias: str = "$col", source: Json = ZONES) -> Json:
    """Give a query; series are named by their column alone, unless `alias` says otherwise."""
    shape = {"resultFormat": "table"} if table else {"resultFormat": "time_series", "alias": alias}
    return {"datasource": source, "refId": letter, "rawQuery": True, "query": influxql, **shape}


def steps(*colours: tuple[str, float | None]) -> Json:
    """Colour by value: each colour from its value on."""
    return {"mode": "absolute", "steps": [{"color": colour, "value": value} for colour, value in colours]}


def coloured(colours: Mapping[str, str]) -> list[Json]:
    """Give each named series its colour."""
    return [override(name, {"color": {"mode": "fixed", "fixedColor": colour}}) for name, colour in colours.items()]


def coloured_text(colour: str) -> Json:
    """Write the values of a column in a colour."""
    return {"color": {"mode": "fixed", "fixedColor": colour}, "custom.cellOptions": {"type": "color-text"}}


def override(name: str, properties: Mapping[str, Any]) -> Json:
    """Set properties of the field or series of that name."""
    return {
        "matcher": {"id": "byName", "options": name},
        "properties": [{"id": key, "value": value} for key, value in properties.items()],
    }


def stat(title: str, text: str, targets: Sequence[Json], *, unit: str = "none", none: str, **fields: Any) -> Json:
    """Big numbers, one for each column, coloured by the overrides given."""
    options = {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "orientation": "auto",
        "textMode": "value_and_name",
        "colorMode": "background",
        "graphMode": "none",
        "justifyMode": "center",
        "wideLayout": True,
        "showPercentChange": False,
    }
    return _panel("stat", title, text, targets, options, _defaults(unit, none, **fields), fields)


def course(title: str, text: str, targets: Sequence[Json], *, stacked: bool, unit: str = "none", **fields: Any) -> Json:
    """Steps over time, stacked or as lines; where there is no row there is a gap, never a line across it."""
    custom = {
        "drawStyle": "line",
        "lineInterpolation": "stepAfter",
        "lineWidth": 1 if stacked else 2,
        "fillOpacity": 70 if stacked else 0,
        "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
        "showPoints": "auto",
        "spanNulls": False,
        "axisSoftMin": 0,
    }
    options = {
        "legend": {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": ["lastNotNull"]},
        "tooltip": {"mode": "multi", "sort": "none"},
    }
    defaults = {**_defaults(unit, NO_DATA, **fields), "custom": custom}
    return {**_panel("timeseries", title, text, targets, options, defaults, fields), "interval": fields["interval"]}


def bars(title: str, text: str, targets: Sequence[Json], *, over: str, none: str, **fields: Any) -> Json:
    """Stacked bars, one for each value of the column `over`."""
    options = {
        "xField": over,
        "orientation": fields.get("orientation", "horizontal"),
        "stacking": "normal",
        "showValue": "auto",
        "groupWidth": 0.7,
        "barWidth": 0.97,
        "fullHighlight": False,
        "xTickLabelRotation": 0,
        "xTickLabelMaxLength": 0,
        "legend": {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": []},
        "tooltip": {"mode": "multi", "sort": "none"},
    }
    unit = fields.pop("unit", "none")
    defaults = {**_defaults(unit, none, **fields), "custom": {"fillOpacity": 90, "lineWidth": 1}}
    panel = _panel("barchart", title, text, targets, options, defaults, fields)
    return {**panel, "transformations": fields.get("transformations", [without_time()])}


def timeline(
    title: str, text: str, targets: Sequence[Json], *, mappings: Sequence[Json], silent_after_ms: int, **fields: Any
) -> Json:
    """Show a line for each series, in the colours of its states; grey where nothing was said for too long."""
    options = {
        "mergeValues": True,
        "showValue": "never",
        "alignValue": "left",
        "rowHeight": 0.9,
        "legend": {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": []},
        "tooltip": {"mode": "single", "sort": "none"},
    }
    silent = {"type": "special", "options": {"match": "null", "result": {"text": "unknown", "color": GREY}}}
    defaults = {
        **_defaults("none", NO_DATA, mappings=[*mappings, silent], **fields),
        "custom": {"fillOpacity": 90, "lineWidth": 0, "insertNulls": silent_after_ms},
    }
    return _panel("state-timeline", title, text, targets, options, defaults, fields)


def table(title: str, text: str, targets: Sequence[Json], *, none: str, unit: str = "none", **fields: Any) -> Json:
    """A table with a column for each tag and field."""
    options = {"showHeader": True, "cellHeight": "sm", "frameIndex": 0}
    cells = fields.get("cells", {"type": "auto"})
    defaults = {**_defaults(unit, none, **fields), "custom": {"align": "auto", "cellOptions": cells, "inspect": False}}
    panel = _panel("table", title, text, targets, options, defaults, fields)
    return {**panel, "transformations": fields.get("transformations", [])}


def words(title: str, markdown: str) -> Json:
    """A panel of text."""
    code = {"language": "plaintext", "showLineNumbers": False, "showMiniMap": False}
    options = {"mode": "markdown", "content": markdown, "code": code}
    return {"type": "text", "title": title, "options": options, "transparent": True}


def heading(title: str) -> Json:
    """A line across the dashboard under which panels belong together."""
    return {"type": "row", "title": title, "collapsed": False, "panels": []}


def without_time(**renamed: str) -> Json:
    """Leave out the time column of a result that has one time only, and rename others."""
    return {"id": "organize", "options": {"excludeByName": {"Time": True}, "indexByName": {}, "renameByName": renamed}}


def merged() -> Json:
    """Join the results of several queries on the columns they share."""
    return {"id": "merge", "options": {}}


def placed(rows: Sequence[tuple[int, Sequence[tuple[int, Json]]]]) -> list[Json]:
    """Lay rows of (height, panels with their widths) from top to bottom and number the panels."""
    panels: list[Json] = []
    top = 0
    for height, row in rows:
        left = 0
        for width, panel in row:
            position = {"x": left, "y": top, "w": width, "h": height}
            panels.append({"id": len(panels) + 1, **panel, "gridPos": position})
            left += width
        top += height
    return panels


def _defaults(unit: str, none: str, **fields: Any) -> Json:
    defaults: Json = {"unit": unit, "noValue": none, "color": {"mode": "fixed", "fixedColor": BLUE}}
    for name in ("min", "max", "decimals", "thresholds", "color", "mappings"):
        if name in fields:
            defaults[name] = fields[name]
    return defaults


def _panel(
    kind: str, title: str, text: str, targets: Sequence[Json], options: Json, defaults: Json, fields: Mapping[str, Any]
) -> Json:
    return {
        "type": kind,
        "title": title,
        "description": text,
        "datasource": fields.get("source", ZONES),
        "targets": list(targets),
        "options": options,
        "fieldConfig": {"defaults": defaults, "overrides": list(fields.get("overrides", []))},
    }
