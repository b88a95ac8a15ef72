"""What the dashboards ask: InfluxQL over the zones bucket, with Grafana's variables in it.

Time-weighted figures are sums over `zone_15min` and ratios of such sums, nothing else. A row with a zero denominator is
left out by its own condition, because InfluxQL answers 0 for a division by zero and 0 is not the same as not known.
"""

from dashboards.frame import variable
from dashboards.panels import ZONES, Json

QUARTER_MS = 900_000
STATES = ("free", "occupied", "unknown")

VARIABLES = ("site", "floor", "zone", "kind")
"""Tags to choose by, each within what was chosen before it."""

_PLACE = ('"site"', '"floor"', '"zone"', '"kind"')


def chosen(*tags: str) -> str:
    """Give the condition that a row's tags are among those chosen on the dashboard."""
    return " AND ".join(f'"{tag}" =~ /^${tag}$/' for tag in tags)


def values_of(tag: str, *before: str) -> str:
    """Ask for the values of a tag, within what is chosen of the tags before it."""
    where = f" WHERE {chosen(*before)}" if before else ""
    return f'SHOW TAG VALUES FROM "zone_now", "zone_15min" WITH KEY = "{tag}"{where}'


def variables(*tags: str) -> list[Json]:
    """Let choose by these tags, by all where none is named."""
    named = tags or VARIABLES
    return [variable(tag, values_of(tag, *named[:place]), ZONES) for place, tag in enumerate(named)]


HERE = chosen(*VARIABLES)
JUST_NOW = "time > now() - 1m"
"""A live row is written each 15 s; what is older is no longer now."""


def now_by(tags: tuple[str, ...] = (), fields: tuple[str, ...] = STATES) -> str:
    """Count spaces now, per state (or `total`) and value of these tags; no row at all when nothing is live."""
    grouped = f" GROUP BY {', '.join(_quoted(tags))}" if tags else ""
    return f"SELECT {_sums(fields)} {_out_of(_last(fields, JUST_NOW))}{grouped}"


def live_course() -> str:
    """Count the same over time, as it was shown live."""
    inner = f"{_last(STATES, '$timeFilter', 'time($__interval)')} fill(none)"
    return f"SELECT {_sums(STATES)} {_out_of(inner)} WHERE $timeFilter GROUP BY time($__interval) fill(null)"


def mean_states() -> str:
    """Ask for the time-weighted mean number of spaces in each state, per quarter hour."""
    free = f'(sum("known_ms") - sum("occupied_ms")) / {QUARTER_MS} AS "free"'
    occupied = f'sum("occupied_ms") / {QUARTER_MS} AS "occupied"'
    unknown = f'(sum("inventory_ms") - sum("known_ms")) / {QUARTER_MS} AS "unknown"'
    return f"SELECT {free}, {occupied}, {unknown} {_quarters()} GROUP BY time(15m) fill(null)"


def mean_inventory() -> str:
    """Ask for the time-weighted mean number of spaces that stood there, per quarter hour."""
    return f'SELECT sum("inventory_ms") / {QUARTER_MS} AS "inventory" {_quarters()} GROUP BY time(15m) fill(null)'


TIME_USED = 'sum("open_occupied_ms") / sum("open_known_ms") AS "time used"'
AT_LEAST = 'sum("open_occupied_ms") / sum("open_inventory_ms") AS "at least"'
_OCCUPIED_OR_UNKNOWN = 'sum("open_occupied_ms") + sum("open_inventory_ms") - sum("open_known_ms")'
AT_MOST = f'({_OCCUPIED_OR_UNKNOWN}) / sum("open_inventory_ms") AS "at most"'
COVERAGE = 'sum("open_known_ms") / sum("open_inventory_ms") AS "coverage"'


def time_used(group: str = "") -> str:
    """Ask for occupied / known time in opening hours."""
    return f"SELECT {TIME_USED} {_quarters('open_known_ms')}{_by(group)}"


def bounds(group: str = "") -> str:
    """Ask for the same with unknown time counted as free, and as occupied."""
    return f"SELECT {AT_LEAST}, {AT_MOST} {_quarters('open_inventory_ms')}{_by(group)}"


def coverage(group: str = "") -> str:
    """Ask for known / inventory time in opening hours."""
    return f"SELECT {COVERAGE} {_quarters('open_inventory_ms')}{_by(group)}"


BY_PLACE = ", ".join(_PLACE)
BY_STEP = "time($__interval) fill(null)"


def quarters(over: str, under: str) -> str:
    """Ask for two sums of each quarter hour, for Grafana to sum up by day or hour and divide (see `hours`)."""
    sums = ", ".join(f'sum("open_{name}_ms") AS "{name}"' for name in (over, under))
    return f"SELECT {sums} {_quarters(f'open_{under}_ms')} GROUP BY time(15m) fill(none)"


def time_used_by_site() -> str:
    """Ask for occupied / known time in opening hours, over time, by site."""
    return f'SELECT {TIME_USED} {_quarters("open_known_ms")} GROUP BY time($__interval), "site" fill(null)'


def mean_free_by_site() -> str:
    """Ask for the time-weighted mean number of free spaces, per quarter hour, by site."""
    free = f'(sum("known_ms") - sum("occupied_ms")) / {QUARTER_MS} AS "free"'
    return f'SELECT {free} {_quarters()} GROUP BY time(15m), "site" fill(null)'


def coverage_by_site() -> str:
    """Ask for known / inventory time at all hours, over time, by site."""
    covered = 'sum("known_ms") / sum("inventory_ms") AS "coverage"'
    rows = f'FROM "zone_15min" WHERE {chosen("site")} AND "inventory_ms" > 0 AND $timeFilter'
    return f'SELECT {covered} {rows} GROUP BY time($__interval), "site" fill(null)'


def _last(fields: tuple[str, ...], when: str, *step: str) -> str:
    rows = f'FROM "zone_now" WHERE {HERE} AND {when}'
    return f"SELECT {_lasts(fields)} {rows} GROUP BY {', '.join((*step, *_PLACE))}"


def _out_of(query: str) -> str:
    return f"FROM ({query})"


def _lasts(fields: tuple[str, ...]) -> str:
    return ", ".join(f'last("{field}") AS "{field}"' for field in fields)


def _quarters(denominator: str = "") -> str:
    counted = f' AND "{denominator}" > 0' if denominator else ""
    return f'FROM "zone_15min" WHERE {HERE}{counted} AND $timeFilter'


def _by(group: str) -> str:
    return f" GROUP BY {group}" if group else ""


def _sums(fields: tuple[str, ...]) -> str:
    return ", ".join(f'sum("{field}") AS "{field}"' for field in fields)


def _quoted(tags: tuple[str, ...]) -> list[str]:
    return [f'"{tag}"' for tag in tags]
