"""Quarter hours summed up by day and hour, in the time zone of whoever looks: Grafana's transformations, as dicts.

InfluxQL cannot group by the hour of the day, so the sums of each quarter hour are asked for, and Grafana names the day
and the hour of each, sums up those of one name, and divides: a ratio of sums, as everywhere.
"""

from collections.abc import Sequence

from dashboards.panels import Json

DAY = "YYYY-MM-DD ddd"
HOUR = "HH:00"
DAY_AND_HOUR = '[{"day":"]E ddd[","hour":"]HH[h"}]'
"""A format of time that writes JSON, for `extractFields` to make two columns of."""

TIME = "Time"


def named(time_format: str) -> Json:
    """Write each time in a format, in the zone of whoever looks."""
    return {"id": "formatTime", "options": {"timeField": TIME, "outputFormat": time_format, "useTimezone": True}}


def split() -> Json:
    """Make columns of times that were written as JSON."""
    options = {"source": TIME, "format": "json", "replace": False, "keepTime": False}
    return {"id": "extractFields", "options": options}


def summed(by: Sequence[str], *columns: str) -> Json:
    """Sum up columns over the rows that have the same of other columns."""
    groups = {column: {"aggregations": [], "operation": "groupby"} for column in by}
    sums = {column: {"aggregations": ["sum"], "operation": "aggregate"} for column in columns}
    return {"id": "groupBy", "options": {"fields": {**groups, **sums}}}


def divided(over: str, under: str, name: str) -> Json:
    """Add the ratio of two sums."""
    parts = {"left": f"{over} (sum)", "operator": "/", "right": f"{under} (sum)"}
    options = {"mode": "binary", "binary": parts, "alias": name, "replaceFields": False}
    return {"id": "calculateField", "options": options}


def only(*columns: str) -> Json:
    """Leave out all other columns."""
    return {"id": "filterFieldsByName", "options": {"include": {"names": list(columns)}}}


def sorted_by(column: str) -> Json:
    """Sort the rows, as the names are made to be sorted."""
    return {"id": "sortBy", "options": {"fields": {}, "sort": [{"field": column}]}}


def matrix(row: str, column: str, value: str) -> Json:
    """Lay rows out in two dimensions; a cell that has no row is empty."""
    options = {"rowField": row, "columnField": column, "valueField": value, "emptyValue": "null"}
    return {"id": "groupingToMatrix", "options": options}


def ratio_by(time_format: str, name: str, over: str, under: str) -> list[Json]:
    """Give a ratio for each day or hour."""
    ratio = [summed([TIME], over, under), divided(over, under, name)]
    return [named(time_format), *ratio, only(TIME, name), sorted_by(TIME)]


def ratio_by_day_and_hour(name: str, over: str, under: str) -> list[Json]:
    """Give a ratio for each hour of the week: a row for a weekday, a column for an hour."""
    ratio = [summed(["day", "hour"], over, under), divided(over, under, name)]
    return [
        named(DAY_AND_HOUR),
        split(),
        *ratio,
        sorted_by("hour"),
        matrix("day", "hour", name),
        sorted_by("day\\hour"),
    ]
