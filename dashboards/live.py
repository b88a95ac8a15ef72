"""The dashboard "Perch live": what is free now, how the day went, how the fleet is doing. Never a single space."""

from dashboards import zones
from dashboards.panels import (
    BLUE,
    COLOURS,
    GREY,
    NO_DATA,
    NO_LIVE,
    ORANGE,
    ZONES,
    Json,
    bars,
    coloured,
    course,
    heading,
    merged,
    override,
    placed,
    stat,
    table,
    target,
    without_time,
    words,
)

UID = "perch-live"
NOT_OPEN = "no opening hours yet"
RATIO: Json = {"unit": "percentunit", "min": 0, "max": 1, "decimals": 1}

MEANING = """\
**Free**, **occupied** and **unknown** always add up to all spaces that stand there. *Unknown* means that nobody can
vouch for the state: a sensor or an agent is silent, or its last word is too old. It is never counted as free.

**Now** is what can be vouched for at this moment. If no live row came within a minute, the panels say “no live data”
instead of showing the last one.

**Time used** is occupied ÷ known time within opening hours, summed over the spaces first. The time for which a space is
held after the last movement counts as occupied. **At least** and **at most** count all unknown time as free, and as
occupied.

**Coverage** is known ÷ inventory time. Below 90 % read the other numbers with care. A space that is out of service is
unknown now, and while it is so it is no part of the inventory of quarter hours.

Times are those of your browser. Quarter hours appear when they are over and an agent has reported since.
"""


def live() -> Json:
    """Build the dashboard."""
    return {
        "id": None,
        "uid": UID,
        "title": "Perch live",
        "description": "Free, occupied and unknown spaces by site and zone, today's use and coverage, and the fleet.",
        "tags": ["perch"],
        "schemaVersion": 39,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "timezone": "browser",
        "refresh": "15s",
        "time": {"from": "now/d", "to": "now"},
        "timepicker": {},
        "fiscalYearStartMonth": 0,
        "liveNow": False,
        "links": [],
        "annotations": {"list": []},
        "templating": {"list": [_variable(tag) for tag in zones.VARIABLES]},
        "panels": placed(
            [
                (1, [(24, heading("Now"))]),
                (5, [(10, _now()), (4, _all_now()), (10, _fleet_sums())]),
                (8, [(12, _now_by_site()), (12, _now_by_zone())]),
                (1, [(24, heading("Today"))]),
                (4, [(8, _time_used_today()), (10, _bounds_today()), (6, _coverage_today())]),
                (9, [(12, _live_course()), (12, _mean_states())]),
                (8, [(12, _time_used_course()), (12, _coverage_course())]),
                (8, [(8, _inventory_course()), (16, _use_by_zone())]),
                (1, [(24, heading("Fleet, and what the numbers mean"))]),
                (10, [(12, _fleet()), (12, words("What the numbers mean", MEANING))]),
            ]
        ),
    }


def _variable(tag: str) -> Json:
    question = zones.values_of(tag)
    return {
        "type": "query",
        "name": tag,
        "label": tag.capitalize(),
        "datasource": ZONES,
        "query": question,
        "definition": question,
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        "hide": 0,
        "options": [],
        "regex": "",
        "skipUrlSync": False,
    }


def _now() -> Json:
    text = "How many spaces are free, occupied and unknown at this moment. Unknown is never counted as free."
    return stat("Spaces now", text, [target(zones.now_by())], none=NO_LIVE, overrides=coloured(COLOURS))


def _all_now() -> Json:
    text = "How many spaces there are now: free + occupied + unknown. One that is out of service is unknown here."
    query = target(zones.now_by(fields=("total",)))
    return stat("All spaces now", text, [query], none=NO_LIVE, overrides=coloured({"total": GREY}))


def _now_by_site() -> Json:
    text = "The same by site. Free, occupied and unknown add up to the inventory of the site."
    query = target(zones.now_by(("site",)), table=True)
    return bars("Now by site", text, [query], over="site", none=NO_LIVE, overrides=coloured(COLOURS))


def _now_by_zone() -> Json:
    text = "The same by zone and kind of space."
    query = target(zones.now_by(zones.VARIABLES, (*zones.STATES, "total")), table=True)
    return table(
        "Now by zone",
        text,
        [query],
        none=NO_LIVE,
        overrides=[override(name, _coloured_text(colour)) for name, colour in COLOURS.items()],
        transformations=[without_time()],
    )


def _coloured_text(colour: str) -> Json:
    return {"color": {"mode": "fixed", "fixedColor": colour}, "custom.cellOptions": {"type": "color-text"}}


def _live_course() -> Json:
    text = "What was shown live: the last state of each minute. A gap means that nothing was live then."
    query = target(zones.live_course())
    return course("As shown live", text, [query], stacked=True, interval="1m", overrides=coloured(COLOURS))


def _mean_states() -> Json:
    text = "Mean number of spaces in each state over each quarter hour, weighted by time; late reports are in it."
    query, colours = target(zones.mean_states()), coloured(COLOURS)
    return course("By quarter hour", text, [query], stacked=True, interval="15m", decimals=1, overrides=colours)


def _inventory_course() -> Json:
    text = "Mean number of spaces that stood there over each quarter hour, without those out of service."
    query, colours = target(zones.mean_inventory()), coloured({"inventory": GREY})
    return course("Inventory", text, [query], stacked=False, interval="15m", decimals=1, overrides=colours)


def _time_used_today() -> Json:
    text = "Occupied ÷ known time within the opening hours of the time shown."
    query, colours = target(zones.time_used()), coloured({"time used": ORANGE})
    return stat("Time used", text, [query], none=NOT_OPEN, overrides=colours, **RATIO)


def _bounds_today() -> Json:
    text = "The same with all unknown time counted as free, and as occupied: the truth lies between."
    query, colours = target(zones.bounds()), coloured({"at least": GREY, "at most": GREY})
    return stat("Time used, bounds", text, [query], none=NOT_OPEN, overrides=colours, **RATIO)


def _coverage_today() -> Json:
    text = "Known ÷ inventory time within opening hours. Below 90 % read the other numbers with care."
    look: Json = {"color": {"mode": "thresholds"}, "thresholds": _steps((ORANGE, None), (BLUE, 0.9))}
    return stat("Coverage", text, [target(zones.coverage())], none=NOT_OPEN, **look, **RATIO)


def _time_used_course() -> Json:
    text = "Occupied ÷ known time within opening hours, and its bounds with unknown time as free and as occupied."
    queries = [target(zones.time_used(zones.BY_STEP)), target(zones.bounds(zones.BY_STEP), "B")]
    colours = coloured({"time used": ORANGE, "at least": GREY, "at most": GREY})
    return course("Time used over time", text, queries, stacked=False, interval="15m", overrides=colours, **RATIO)


def _coverage_course() -> Json:
    text = "Known ÷ inventory time within opening hours: how much was really observed."
    query, colours = target(zones.coverage(zones.BY_STEP)), coloured({"coverage": BLUE})
    return course("Coverage over time", text, [query], stacked=False, interval="15m", overrides=colours, **RATIO)


def _use_by_zone() -> Json:
    text = "Time used within the opening hours of the time shown, with bounds and coverage, by zone and kind of space."
    asked = (zones.time_used, zones.bounds, zones.coverage)
    queries = [target(ask(zones.BY_PLACE), letter, table=True) for ask, letter in zip(asked, "ABC", strict=True)]
    joined = [merged(), without_time()]
    return table("Time used by zone", text, queries, none=NOT_OPEN, transformations=joined, **RATIO)


def _fleet_sums() -> Json:
    text = "Agents that are offline, events that still wait in agents, sensors that are silent: all should be 0."
    look: Json = {"color": {"mode": "thresholds"}, "thresholds": _steps((BLUE, None), (ORANGE, 1))}
    grey = coloured({"events waiting": GREY})
    return stat("Fleet", text, [target(zones.fleet_sums())], none=NO_DATA, overrides=grey, **look)


def _steps(*steps: tuple[str, float | None]) -> Json:
    return {"mode": "absolute", "steps": [{"color": colour, "value": value} for colour, value in steps]}


def _fleet() -> Json:
    text = "Each agent as last reported within the hour: online or not, events that wait in it, silent sensors."
    said = {"1": {"text": "online", "color": BLUE}, "0": {"text": "offline", "color": ORANGE}}
    coloured_words = {"mappings": [{"type": "value", "options": said}], "custom.cellOptions": {"type": "color-text"}}
    shown = [
        override("online", coloured_words),
        override("Time", {"displayName": "as of"}),
        override("outbox", {"displayName": "events waiting"}),
        override("silent_sensors", {"displayName": "silent sensors"}),
    ]
    return table("Fleet, agent by agent", text, [target(zones.fleet(), table=True)], none=NO_DATA, overrides=shown)
