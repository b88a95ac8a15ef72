"""The dashboard "Perch network": all sites beside each other."""

from dashboards import agents, use, zones
from dashboards.frame import Rows, dashboard
from dashboards.live import now, now_by_site
from dashboards.panels import (
    BLUE,
    COLOURS,
    GREY,
    NO_DATA,
    NO_LIVE,
    ORANGE,
    RATIO,
    Json,
    bars,
    coloured,
    coloured_text,
    course,
    heading,
    override,
    steps,
    table,
    target,
    without_time,
    words,
)

UID = "perch-network"

MEANING = """\
Every number of a site is within **that site's own opening hours and time zone**; the time axis is yours.

**Free**, **occupied** and **unknown** add up to all spaces of a site. A site that is missing under *now* has sent
no live row for a minute: its number is not known, it is not zero.

Compare sites by **time used** only where their **coverage** is alike and above 90 %. *At least* and *at most* say
how far unknown time could move a number.
"""


def network() -> Json:
    """Build the dashboard."""
    rows: Rows = [
        (1, [(24, heading("Now"))]),
        (5, [(12, now()), (12, _by_kind())]),
        (9, [(12, now_by_site()), (12, _site_by_site())]),
        (1, [(24, heading("In the time shown"))]),
        (9, [(12, _time_used()), (12, use.by_site())]),
        (9, [(12, _free()), (12, _fleet())]),
        (7, [(24, words("What the numbers mean", MEANING))]),
    ]
    text = "All sites beside each other: free spaces now, time used, coverage, agents that are offline."
    return dashboard(UID, "Perch network", text, zones.variables(), rows, since="now-7d", refresh="1m")


def _by_kind() -> Json:
    text = "How many spaces of each kind are free, occupied and unknown, over all sites chosen."
    query = target(zones.now_by(("kind",)), table=True)
    return bars("Now by kind", text, [query], over="kind", none=NO_LIVE, overrides=coloured(COLOURS))


def _site_by_site() -> Json:
    text = "Each site now, by kind of space. Free, occupied and unknown add up to the total."
    query = target(zones.now_by(("site", "kind"), (*zones.STATES, "total")), table=True)
    colours = [override(name, coloured_text(colour)) for name, colour in COLOURS.items()]
    return table("Now, site by site", text, [query], none=NO_LIVE, overrides=colours, transformations=[without_time()])


def _time_used() -> Json:
    text = "Occupied ÷ known time within each site's opening hours. A gap: not open, or nothing known."
    query = target(zones.time_used_by_site(), alias="$tag_site")
    return course(
        "Time used by site over time", text, [query], stacked=False, interval="1h", color=agents.BY_NAME, **RATIO
    )


def _free() -> Json:
    text = (
        "Mean number of free spaces of each site over each quarter hour, weighted by time. What is unknown is not free."
    )
    query = target(zones.mean_free_by_site(), alias="$tag_site")
    return course("Free by site", text, [query], stacked=False, interval="15m", decimals=1, color=agents.BY_NAME)


def _fleet() -> Json:
    text = "Agents offline, events that wait in agents, and silent sensors, by site, as last reported within the hour."
    query = target(agents.sums("site"), table=True)
    by_value: Json = {"color": {"mode": "thresholds"}, "thresholds": steps((BLUE, None), (ORANGE, 1))}
    look: Json = {"cells": {"type": "color-text"}, "transformations": [without_time()], **by_value}
    grey = [override("events waiting", {"color": {"mode": "fixed", "fixedColor": GREY}})]
    return table("Fleet by site", text, [query], none=NO_DATA, overrides=grey, **look)
