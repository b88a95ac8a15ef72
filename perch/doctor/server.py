"""Everything that a server needs, as checks."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from perch.adapters.age import mark
from perch.adapters.health.clock_probe import look_at_clock as clock
from perch.doctor.api import look_at_api
from perch.doctor.audit import look_at_audit
from perch.doctor.bridge import look_at_bridge, look_for_a_stranger
from perch.doctor.broker import now_utc
from perch.doctor.clock import look_at_clock
from perch.doctor.disk import MIB, look_at_disk
from perch.doctor.enrolment import look_at_enrolment
from perch.doctor.examining import Check
from perch.doctor.findings import Finding, counted, ok
from perch.doctor.influx import look_at_influx, look_at_reading
from perch.doctor.server_broker import look_at_broker
from perch.doctor.stores import look_at_collector, look_at_journal
from perch.doctor.versions import look_at_versions
from perch.settings import HistoryFrom, ServerSettings

ROOMY_BYTES = 1024 * MIB


def server_checks(settings: ServerSettings, path: Path) -> list[Check]:
    """Make the checks of a server."""
    if settings.enrolment is not None and settings.enrolment.bridged_to is not None:
        return _edge_checks(settings, path, settings.enrolment.bridged_to)
    collecting = [
        Check("collector", lambda: look_at_collector(settings.data, mark(), settings.sites)),
        Check("journal", partial(look_at_journal, settings.data)),
    ]
    return [
        Check("configuration", partial(_configuration, settings, path)),
        Check("broker", partial(look_at_broker, settings.broker, settings.sites, settings.enrolment), 25.0),
        Check("enrolment", lambda: look_at_enrolment(settings.enrolment, settings.broker, now_utc())),
        *([] if _only_reads(settings) else collecting),
        Check("audit", partial(look_at_audit, settings.data, settings.retention.audit_days)),
        Check("influxdb", partial(_influx, settings), 15.0),
        Check("api", partial(look_at_api, settings.api)),
        Check("clock", lambda: look_at_clock(clock())),
        Check("disk", partial(look_at_disk, settings.data, ROOMY_BYTES)),
        Check("versions", partial(look_at_versions, ("influxdb-client", "fastapi", "numpy"))),
    ]


def _edge_checks(settings: ServerSettings, path: Path, to: str) -> list[Check]:
    """Make the checks of a site's own broker, at which agents are invited and nothing is collected."""
    return [
        Check("configuration", partial(_configuration, settings, path)),
        Check("broker", partial(look_at_broker, settings.broker, settings.sites, settings.enrolment), 25.0),
        Check("bridge", partial(look_at_bridge, settings.broker, settings.sites[0].id, to)),
        Check("enrolment", lambda: look_at_enrolment(settings.enrolment, settings.broker, now_utc())),
        Check("collector", partial(look_for_a_stranger, settings.data, mark())),
        Check("clock", lambda: look_at_clock(clock())),
        Check("disk", partial(look_at_disk, settings.data, ROOMY_BYTES)),
        Check("versions", look_at_versions),
    ]


def _configuration(settings: ServerSettings, path: Path) -> Iterator[Finding]:
    spaces = sum(len({space.id for space in site.spaces}) for site in settings.sites)
    agents = sum(len(site.agents) for site in settings.sites)
    holds = (counted(len(settings.sites), "site"), counted(agents, "agent"), counted(spaces, "space"))
    yield ok("configuration", f"{path}: {', '.join(holds)}")


def _only_reads(settings: ServerSettings) -> bool:
    """Tell a machine where the API alone runs: it reads InfluxDB, and no collector ever began a journal here."""
    return settings.api.history is HistoryFrom.INFLUX and not (settings.data / "journal.db").exists()


def _influx(settings: ServerSettings) -> Iterator[Finding]:
    if settings.influx is None:
        yield ok("influxdb", "not used")
    elif _only_reads(settings):
        yield from look_at_reading(settings.influx, (site.id for site in settings.sites))
    else:
        yield from look_at_influx(settings.influx, settings.retention, settings.data)
