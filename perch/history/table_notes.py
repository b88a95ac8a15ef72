"""What stands beside a table, in formats that have room for it: for which time it is, and what its numbers mean."""

from datetime import datetime
from zoneinfo import ZoneInfo

from perch.history.question import Definition, SessionRules
from perch.model import Site


def window_of(site: Site, from_ms: int, to_ms: int) -> dict[str, str]:
    """Say for which time a table is, in the site's own."""
    zone = ZoneInfo(site.time_zone)
    first, last = (datetime.fromtimestamp(ms // 1000, zone).isoformat() for ms in (from_ms, to_ms))
    return {"from": first, "to": last, "time_zone": site.time_zone}


def meaning_of(definition: Definition) -> dict[str, str]:
    """Say what numbers mean, and by which version of their definition."""
    return {
        "definition": definition.id,
        "definition_version": str(definition.version),
        "definition_text": definition.text,
        "unit": definition.unit,
    }


def rules_of(rules: SessionRules) -> dict[str, str]:
    """Say what was taken for one session."""
    return {"merge_seconds": f"{rules.merge_ms / 1000:g}", "min_seconds": f"{rules.min_ms / 1000:g}"}
