"""The dashboard "Perch live": what is free now, how the day went, how the fleet is doing. Never a single space."""

from dashboards import use, zones
from dashboards.fleet import fleet_sums, fleet_table
from dashboards.frame import Rows, dashboard
from dashboards.panels import (
    COLOURS,
    GREY,
    NO_LIVE,
    Json,
    bars,
    coloured,
    coloured_text,
    course,
    heading,
    override,
    stat,
    table,
    target,
    without_time,
    words,
)

UID = "perch-live"

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
    rows: Rows = [
        (1, [(24, heading("Now"))]),
        (5, [(10, now()), (4, _all_now()), (10, fleet_sums())]),
        (8, [(12, now_by_site()), (12, _now_by_zone())]),
        (1, [(24, heading("Today"))]),
        (4, [(8, use.time_used()), (10, use.bounds()), (6, use.coverage())]),
        (9, [(12, _live_course()), (12, _mean_states())]),
        (8, [(12, use.time_used_course()), (12, use.coverage_course())]),
        (8, [(8, _inventory_course()), (16, use.by_zone())]),
        (1, [(24, heading("Fleet, and what the numbers mean"))]),
        (10, [(12, fleet_table()), (12, words("What the numbers mean", MEANING))]),
    ]
    text = "Free, occupied and unknown spaces by site and zone, today's use and coverage, and the fleet."
    return dashboard(UID, "Perch live", text, zones.variables(), rows, refresh="15s")


def now() -> Json:
    text = "How many spaces are free, occupied and unknown at this moment. Unknown is never counted as free."
    return stat("Spaces now", text, [target(zones.now_by())], none=NO_LIVE, overrides=coloured(COLOURS))


def _all_now() -> Json:
    text = "How many spaces there are now: free + occupied + unknown. One that is out of service is unknown here."
    query = target(zones.now_by(fields=("total",)))
    return stat("All spaces now", text, [query], none=NO_LIVE, overrides=coloured({"total": GREY}))


def now_by_site() -> Json:
    """Show how many spaces of each site are what at this moment."""
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
        overrides=[override(name, coloured_text(colour)) for name, colour in COLOURS.items()],
        transformations=[without_time()],
    )


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
