"""What Grafana's transformations make of rows, as far as our dashboards use them: an oracle of its own for tests.

It was compared once with Grafana 13.2.3's own code (`@grafana/data`), which gave the same tables.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

Row = dict[str, Any]
_TOKENS = re.compile(r"\[([^\[]*)\]|YYYY|MM|DD|ddd|E|HH|.")
_WRITTEN: Mapping[str, str] = {"YYYY": "%Y", "MM": "%m", "DD": "%d", "ddd": "%a", "E": "%u", "HH": "%H"}


def transformed(rows: Sequence[Row], transformations: Sequence[Mapping[str, Any]], zone: str) -> list[Row]:
    """Go through the transformations of a panel; `Time` is ms UTC at first, and is shown in a time zone."""
    table = [dict(row) for row in rows]
    for step in transformations:
        table = _STEPS[step["id"]](table, step["options"], zone)
    return table


def _format_time(rows: list[Row], options: Row, zone: str) -> list[Row]:
    return [{**row, "Time": _written(row["Time"], options["outputFormat"], zone)} for row in rows]


def _written(ms: int, pattern: str, zone: str) -> str:
    moment = datetime.fromtimestamp(ms / 1000, ZoneInfo(zone))

    def one(match: re.Match[str]) -> str:
        literal, token = match.group(1), match.group(0)
        return literal if literal is not None else moment.strftime(_WRITTEN[token]) if token in _WRITTEN else token

    return _TOKENS.sub(one, pattern)


def _extract(rows: list[Row], options: Row, _: str) -> list[Row]:
    return [{**row, **json.loads(row[options["source"]])} for row in rows]


def _group(rows: list[Row], options: Row, _: str) -> list[Row]:
    by = [name for name, how in options["fields"].items() if how["operation"] == "groupby"]
    summed = [name for name, how in options["fields"].items() if how["aggregations"] == ["sum"]]
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in by), []).append(row)
    return [
        {**dict(zip(by, key, strict=True)), **{f"{name} (sum)": sum(row[name] for row in group) for name in summed}}
        for key, group in groups.items()
    ]


def _calculate(rows: list[Row], options: Row, _: str) -> list[Row]:
    binary = options["binary"]
    return [{**row, options["alias"]: row[binary["left"]] / row[binary["right"]]} for row in rows]


def _filter(rows: list[Row], options: Row, _: str) -> list[Row]:
    return [{name: row[name] for name in options["include"]["names"]} for row in rows]


def _sort(rows: list[Row], options: Row, _: str) -> list[Row]:
    return sorted(rows, key=lambda row: str(row[options["sort"][0]["field"]]))


def _matrix(rows: list[Row], options: Row, _: str) -> list[Row]:
    down, across, value = options["rowField"], options["columnField"], options["valueField"]
    cells = {(row[down], row[across]): row[value] for row in rows}
    columns = dict.fromkeys(row[across] for row in rows)
    return [
        {rf"{down}\{across}": name, **{column: cells.get((name, column)) for column in columns}}
        for name in dict.fromkeys(row[down] for row in rows)
    ]


_STEPS: Mapping[str, Callable[[list[Row], Row, str], list[Row]]] = {
    "formatTime": _format_time,
    "extractFields": _extract,
    "groupBy": _group,
    "calculateField": _calculate,
    "filterFieldsByName": _filter,
    "sortBy": _sort,
    "groupingToMatrix": _matrix,
}
