"""The dashboard "Perch spaces": single spaces. It reads the space bucket, for a token handed out on purpose."""

from dashboards import single
from dashboards.frame import Rows, dashboard
from dashboards.panels import (
    COLOURS,
    NO_DATA,
    SPACES,
    Json,
    course,
    heading,
    override,
    table,
    target,
    timeline,
    words,
)

UID = "perch-spaces"
STATE: Json = {
    "type": "value",
    "options": {
        state: {"text": state, "color": colour, "index": place} for place, (state, colour) in enumerate(COLOURS.items())
    },
}

MEANING = """\
This dashboard shows **single spaces**, which can tell of single people. It is there for finding out why a space was
shown as it was: for facility teams, with a data source and a token of its own, never for everybody.

**Grey is unknown.** A space that has no row for more than 15 minutes is unknown from then on, and drawn grey;
nobody vouches for it. Times are those of what was observed: a late report moves into its place when it arrives.

The **last quarter hour** may be missing: what holds on is written at each full quarter hour.

**Probability** is the belief that somebody is there; while a space is unknown it keeps its last value.
"""


def spaces() -> Json:
    """Build the dashboard."""
    rows: Rows = [
        (14, [(24, _states())]),
        (10, [(12, _latest()), (12, _transitions())]),
        (8, [(12, _probability()), (12, words("What is shown", MEANING))]),
    ]
    text = "The states of single spaces over time, unknown in grey. For those who look after the building."
    return dashboard(
        UID, "Perch spaces", text, single.variables(), [(1, [(24, heading("Spaces"))]), *rows], since="now-24h"
    )


def _states() -> Json:
    text = "The state of each space over time. Grey is unknown, as is all that has no row for more than a quarter hour."
    query = target(single.course("state"), alias="$tag_site/$tag_space", source=SPACES)
    return timeline("States", text, [query], mappings=[STATE], silent_after_ms=single.SILENT_MS, source=SPACES)


def _latest() -> Json:
    text = "What each space was at its last row, of the last quarter hour: history, not the live state."
    shown = [override("state", {"mappings": [STATE], "custom.cellOptions": {"type": "color-text"}})]
    query = target(single.latest(), table=True, source=SPACES)
    return table("At the last row", text, [query], none=NO_DATA, overrides=shown, source=SPACES)


def _transitions() -> Json:
    text = "Each change of a state or a count in the time shown, the newest first (500 at most), with its reason."
    shown = [override("state", {"mappings": [STATE], "custom.cellOptions": {"type": "color-text"}})]
    query = target(single.transitions(), table=True, source=SPACES)
    return table("Transitions", text, [query], none=NO_DATA, overrides=shown, source=SPACES)


def _probability() -> Json:
    text = "The belief that somebody is there."
    query = target(single.course("probability"), alias="$tag_site/$tag_space", source=SPACES)
    look: Json = {
        "unit": "percentunit",
        "min": 0,
        "max": 1,
        "decimals": 0,
        "color": {"mode": "palette-classic-by-name"},
    }
    return course("Probability", text, [query], stacked=False, interval="1m", source=SPACES, **look)
