"""The dashboard "Perch week": how much was used, by day, by hour of the day, and by hour of the week."""

from dashboards import hours, use, zones
from dashboards.frame import Rows, dashboard
from dashboards.panels import (
    BLUE,
    NOT_OPEN,
    ORANGE,
    RATIO,
    Json,
    bars,
    coloured,
    heading,
    table,
    target,
    words,
)

UID = "perch-week"
SHADES: Json = {"mode": "continuous-blues"}
"""From light to dark in one colour: told apart by everybody, and never only by hue (the number stands in the cell)."""

MEANING = """\
**Time used** is occupied ÷ known time within opening hours, summed over all spaces first: a ratio of sums, never a
mean of ratios. The time for which a space is held after the last movement counts as occupied.

**Coverage** is known ÷ inventory time. Where it is below 90 %, read the other number of that day with care.

An empty cell is an hour in which no place chosen was open, or in which nothing was known. It is not a zero.

Days and hours are those of your time zone in Grafana; opening hours are those of each site. To read a site in
another time zone, set that zone for yourself. Whole weeks compare best: choose 7, 14 or 28 days.

Perch's own pages and `perch export` have what a dashboard cannot work out exactly: peaks, sessions, sizing,
comparisons.
"""


def week() -> Json:
    """Build the dashboard."""
    rows: Rows = [
        (1, [(24, heading("The time shown"))]),
        (4, [(8, use.time_used()), (10, use.bounds()), (6, use.coverage())]),
        (1, [(24, heading("By day and hour"))]),
        (9, [(14, _by_day()), (10, _coverage_by_day())]),
        (9, [(14, _by_hour()), (10, words("What the numbers mean", MEANING))]),
        (9, [(24, _by_hour_of_week())]),
        (1, [(24, heading("By place"))]),
        (9, [(12, use.time_used_course()), (12, use.by_zone())]),
    ]
    text = "Time used within opening hours by day, hour of the day and hour of the week, with its bounds and coverage."
    return dashboard(UID, "Perch week", text, zones.variables(), rows, since="now-7d/d", refresh="15m")


def _by_day() -> Json:
    text = "Occupied ÷ known time within opening hours, by day."
    return _bars("By day", text, hours.DAY, "time used", ("occupied", "known"), ORANGE)


def _coverage_by_day() -> Json:
    text = "Known ÷ inventory time within opening hours, by day: how much was really observed."
    return _bars("Coverage by day", text, hours.DAY, "coverage", ("known", "inventory"), BLUE)


def _by_hour() -> Json:
    text = "Occupied ÷ known time within opening hours, by hour of the day, over all days of the time shown."
    return _bars("By hour of the day", text, hours.HOUR, "time used", ("occupied", "known"), ORANGE)


def _bars(title: str, text: str, time_format: str, name: str, parts: tuple[str, str], colour: str) -> Json:
    look: Json = {"transformations": hours.ratio_by(time_format, name, *parts), "overrides": coloured({name: colour})}
    query = target(zones.quarters(*parts), table=True)
    return bars(title, text, [query], over=hours.TIME, none=NOT_OPEN, orientation="vertical", **look, **RATIO)


def _by_hour_of_week() -> Json:
    text = "Occupied ÷ known time in opening hours, by weekday (1 is Monday) and hour. Empty: not open, or not known."
    look: Json = {"cells": {"type": "color-background", "mode": "basic"}, "color": SHADES, **RATIO, "decimals": 0}
    shown = hours.ratio_by_day_and_hour("time used", "occupied", "known")
    query = target(zones.quarters("occupied", "known"), table=True)
    return table("By hour of the week", text, [query], none="–", transformations=shown, **look)
