"""Panels of what was used in opening hours: ratios of sums of quarter hours, with bounds and coverage."""

from dashboards import zones
from dashboards.panels import (
    BLUE,
    GREY,
    NOT_OPEN,
    ORANGE,
    RATIO,
    Json,
    coloured,
    course,
    merged,
    stat,
    steps,
    table,
    target,
    without_time,
)

WELL_COVERED: Json = {"color": {"mode": "thresholds"}, "thresholds": steps((ORANGE, None), (BLUE, 0.9))}


def time_used() -> Json:
    """Show the share of the time shown."""
    text = "Occupied ÷ known time within the opening hours of the time shown."
    query, colours = target(zones.time_used()), coloured({"time used": ORANGE})
    return stat("Time used", text, [query], none=NOT_OPEN, overrides=colours, **RATIO)


def bounds() -> Json:
    """Show between which values the truth lies."""
    text = "The same with all unknown time counted as free, and as occupied: the truth lies between."
    query, colours = target(zones.bounds()), coloured({"at least": GREY, "at most": GREY})
    return stat("Time used, bounds", text, [query], none=NOT_OPEN, overrides=colours, **RATIO)


def coverage() -> Json:
    """Show how much was observed."""
    text = "Known ÷ inventory time within opening hours. Below 90 % read the other numbers with care."
    return stat("Coverage", text, [target(zones.coverage())], none=NOT_OPEN, **WELL_COVERED, **RATIO)


def time_used_course() -> Json:
    """Draw the share over time, with its bounds."""
    text = "Occupied ÷ known time within opening hours, and its bounds with unknown time as free and as occupied."
    queries = [target(zones.time_used(zones.BY_STEP)), target(zones.bounds(zones.BY_STEP), "B")]
    colours = coloured({"time used": ORANGE, "at least": GREY, "at most": GREY})
    return course("Time used over time", text, queries, stacked=False, interval="15m", overrides=colours, **RATIO)


def coverage_course() -> Json:
    """Draw how much was observed over time."""
    text = "Known ÷ inventory time within opening hours: how much was really observed."
    query, colours = target(zones.coverage(zones.BY_STEP)), coloured({"coverage": BLUE})
    return course("Coverage over time", text, [query], stacked=False, interval="15m", overrides=colours, **RATIO)


def by_zone() -> Json:
    """List each kind of each zone."""
    text = "Time used within the opening hours of the time shown, with bounds and coverage, by zone and kind of space."
    return _compared("Time used by zone", text, zones.BY_PLACE)


def by_site() -> Json:
    """List each site."""
    text = "Time used within each site's own opening hours of the time shown, with bounds and coverage."
    return _compared("Time used by site", text, '"site"')


def _compared(title: str, text: str, group: str) -> Json:
    asked = (zones.time_used, zones.bounds, zones.coverage)
    queries = [target(ask(group), letter, table=True) for ask, letter in zip(asked, "ABC", strict=True)]
    joined = [merged(), without_time()]
    return table(title, text, queries, none=NOT_OPEN, transformations=joined, **RATIO)
