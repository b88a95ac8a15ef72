"""The dashboard "Perch fleet": which agents are there, what waits in them, which sensors are silent."""

from dashboards import agents, zones
from dashboards.frame import Rows, dashboard
from dashboards.panels import (
    BLUE,
    GREY,
    NO_DATA,
    ORANGE,
    RATIO,
    Json,
    coloured,
    course,
    heading,
    override,
    stat,
    steps,
    table,
    target,
    timeline,
    words,
)

UID = "perch-fleet"
ONLINE: Json = {
    "type": "value",
    "options": {"1": {"text": "online", "color": BLUE}, "0": {"text": "offline", "color": ORANGE}},
}

MEANING = """\
**Offline** is what the broker or the agent itself said last. An agent is written when something turns and each
quarter hour; where nothing was written for more than an hour it is not in the table, and its line is grey: nobody
can tell.

**Events waiting** are in the agent's outbox and not lost: they arrive when the way is free again. A number that
grows for hours says that the broker or the collector does not answer this agent.

**Silent sensors** counts all that cannot be believed: silent, stuck, or not there. Which ones they are, the pages
of Perch and `perch doctor` say.

**Coverage** here counts all hours of the day, not only opening hours: a sensor that is ill at night is ill.
"""


def fleet() -> Json:
    """Build the dashboard."""
    rows: Rows = [
        (5, [(24, fleet_sums())]),
        (10, [(14, _online()), (10, fleet_table())]),
        (8, [(12, _outbox()), (12, _silent())]),
        (8, [(12, _coverage()), (12, words("What the numbers mean", MEANING))]),
    ]
    text = "Agents online and offline, events that wait in them, silent sensors, and how much was observed by site."
    return dashboard(
        UID, "Perch fleet", text, zones.variables("site"), [(1, [(24, heading("Agents"))]), *rows], since="now-24h"
    )


def fleet_sums() -> Json:
    """Show what should be zero."""
    text = "Agents that are offline, events that still wait in agents, sensors that are silent: all should be 0."
    look: Json = {"color": {"mode": "thresholds"}, "thresholds": steps((BLUE, None), (ORANGE, 1))}
    grey = coloured({"events waiting": GREY})
    return stat("Fleet", text, [target(agents.sums())], none=NO_DATA, overrides=grey, **look)


def fleet_table() -> Json:
    """List each agent."""
    text = "Each agent as last reported within the hour: online or not, events that wait in it, silent sensors."
    shown = [
        override("online", {"mappings": [ONLINE], "custom.cellOptions": {"type": "color-text"}}),
        override("Time", {"displayName": "as of"}),
        override("outbox", {"displayName": "events waiting"}),
        override("silent_sensors", {"displayName": "silent sensors"}),
    ]
    return table("Fleet, agent by agent", text, [target(agents.each(), table=True)], none=NO_DATA, overrides=shown)


def _online() -> Json:
    text = "Each agent over time: online, offline, or grey where nothing was written for an hour and nobody can tell."
    query = target(agents.course("online"), alias="$tag_site/$tag_agent")
    return timeline("Online", text, [query], mappings=[ONLINE], silent_after_ms=agents.SILENT_MS)


def _outbox() -> Json:
    text = "Events that wait in each agent, the most of each step."
    query = target(agents.most("outbox"), alias="$tag_site/$tag_agent")
    return course("Events waiting", text, [query], stacked=False, interval="15m", min=0, color=agents.BY_NAME)


def _silent() -> Json:
    text = "Sensors of each agent that cannot be believed, the most of each step."
    query = target(agents.most("silent_sensors"), alias="$tag_site/$tag_agent")
    return course("Silent sensors", text, [query], stacked=False, interval="15m", min=0, color=agents.BY_NAME)


def _coverage() -> Json:
    text = "Known ÷ inventory time by site, at all hours: how much was really observed."
    query = target(zones.coverage_by_site(), alias="$tag_site")
    return course("Coverage by site", text, [query], stacked=False, interval="15m", color=agents.BY_NAME, **RATIO)
