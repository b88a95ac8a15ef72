"""What the dashboard of single spaces asks: InfluxQL over the space bucket."""

from dashboards.frame import variable
from dashboards.panels import SPACES, Json
from dashboards.zones import chosen

VARIABLES = ("site", "floor", "zone", "kind", "space")
SILENT_MS = 900_000
"""A state is carried on at each full quarter hour: where there is no row for longer than that, it is unknown."""

_ROWS = f'FROM "occupancy" WHERE {chosen(*VARIABLES)}'
_EACH = "GROUP BY " + ", ".join(f'"{tag}"' for tag in VARIABLES)


def variables() -> list[Json]:
    """Let choose by place, kind and space."""
    return [variable(tag, values_of(tag), SPACES) for tag in VARIABLES]


def values_of(tag: str) -> str:
    """Ask for the values of a tag, within what is chosen to its left."""
    before = VARIABLES[: VARIABLES.index(tag)]
    where = f" WHERE {chosen(*before)}" if before else ""
    return f'SHOW TAG VALUES FROM "occupancy" WITH KEY = "{tag}"{where}'


def course(field: str) -> str:
    """Ask for each row of each space."""
    return f'SELECT "{field}" {_ROWS} AND $timeFilter {_EACH}'


def latest() -> str:
    """Ask for the last row of each space, if it is not too old to vouch for anything."""
    fields = '"state", "reason", "probability", "people", "counted", "clock"'
    return f"SELECT {fields} {_ROWS} AND time > now() - 16m {_EACH} ORDER BY time DESC LIMIT 1"


def transitions() -> str:
    """Ask for the changes of states and counts, the newest first."""
    fields = '"site", "space", "state", "reason", "probability", "people", "counted", "clock"'
    return f'SELECT {fields} {_ROWS} AND "carried" = 0 AND $timeFilter ORDER BY time DESC LIMIT 500'
