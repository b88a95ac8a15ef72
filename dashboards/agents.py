"""What the dashboards ask about agents: InfluxQL over the measurement `fleet` of the zones bucket."""

from dashboards.panels import Json
from dashboards.zones import chosen

SILENT_MS = 3_600_000
"""The state of each agent is written on change and each quarter hour: after an hour without a row nobody can tell."""

BY_NAME: Json = {"mode": "palette-classic-by-name"}
"""Lines of sites and agents: as many colours as there are names, and the names stand in the legend."""

FIELDS = ("online", "outbox", "silent_sensors")
_CHOSEN = f'FROM "fleet" WHERE {chosen("site")}'
_EACH = 'GROUP BY "site", "agent"'
_RECENT = f"{_CHOSEN} AND time > now() - {SILENT_MS // 60_000}m {_EACH}"


def each() -> str:
    """Ask how each agent is doing, and since when that was said."""
    return f'SELECT "online", "outbox", "silent_sensors" {_RECENT} ORDER BY time DESC LIMIT 1'


def sums(*tags: str) -> str:
    """Count the agents that are offline, the events that wait in agents, and the sensors that are silent."""
    last = ", ".join(f'last("{field}") AS "{field}"' for field in FIELDS)
    offline = 'count("online") - sum("online") AS "agents offline"'
    rest = 'sum("outbox") AS "events waiting", sum("silent_sensors") AS "silent sensors"'
    grouped = " GROUP BY " + ", ".join(f'"{tag}"' for tag in tags) if tags else ""
    return f"SELECT {offline}, {rest} FROM (SELECT {last} {_RECENT}){grouped}"  # noqa: S608 (InfluxQL of constants)


def course(field: str) -> str:
    """Ask for each word on each agent."""
    return f'SELECT "{field}" {_CHOSEN} AND $timeFilter {_EACH}'


def most(field: str) -> str:
    """Ask for the most that was said of each agent in each step."""
    return f'SELECT max("{field}") {_CHOSEN} AND $timeFilter GROUP BY time($__interval), "site", "agent" fill(none)'
