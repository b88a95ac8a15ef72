"""`perch.toml`: collector and API, and the sites that they serve."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from perch.errors import InputError
from perch.model import Site
from perch.settings.broker import read_broker
from perch.settings.enrolment import read_enrolment
from perch.settings.exposed import read_metrics
from perch.settings.faces import read_faces
from perch.settings.files import file_beside, open_toml, path_beside
from perch.settings.reading import RefusedError, choice, flag, several, shown, text, whole
from perch.settings.site import load_site
from perch.settings.table import Complaints, Table
from perch.settings.values import Api, HistoryFrom, Influx, Retention, ServerSettings

LATER_DAYS = 30
"""So long the journal keeps what history keeps as single changes no more, unless something else is said."""

LEAST_LATER_DAYS = 3
"""A day of the receipt, one of what clocks may be wrong by, and one until history has summed the day up."""

_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?")


def load_server(path: Path, environment: Mapping[str, str] = os.environ) -> ServerSettings:
    """Read a `perch.toml` and its sites, overridden by `PERCH_…`; raises InputError with every complaint."""
    complaints = Complaints()
    settings = _server(open_toml(path, complaints, environment), path.parent, complaints)
    complaints.settle()
    return settings


def _server(table: Table, folder: Path, complaints: Complaints) -> ServerSettings:
    paths: tuple[Path, ...] = table.need("sites", several(path_beside(folder)), ())
    if "sites" in table and not paths:
        table.complain("sites", "there is none", 'name the file of at least one site, as in ["hq/site.toml"]')
    broker_table = table.table("broker")
    broker = read_broker(broker_table, folder)
    if broker.password_file is not None and broker.username is None:
        broker_table.complain("username", "is missing beside password_file", "add it")
    influx = _influx(table, folder)
    sites = _sites(table, paths, complaints)
    settings = ServerSettings(
        data=table.need("data", path_beside(folder), folder),
        sites=sites,
        site_paths=paths,
        broker=broker,
        influx=influx,
        api=_api(table.table("api"), influx),
        retention=_retention(table.table("retention")),
        metrics=read_metrics(table.table("metrics")),
        faces=read_faces(table, frozenset(site.id for site in sites)),
        enrolment=read_enrolment(table, folder, broker, [site.id for site in sites]),
    )
    table.finish()
    return settings


def _sites(table: Table, paths: tuple[Path, ...], complaints: Complaints) -> tuple[Site, ...]:
    """Read every site, and see that no two have the same id."""
    sites: dict[str, Site] = {}
    for path in paths:
        try:
            site = load_site(path)
        except InputError as error:
            complaints.take_over(error)
            continue
        if site.id in sites:
            table.complain("sites", f"{path} is a second site {site.id}", "give each site an id of its own")
        sites.setdefault(site.id, site)
    return tuple(sites.values())


def _influx(parent: Table, folder: Path) -> Influx | None:
    table = parent.table("influx")
    if "influx" not in parent and "url" not in table:
        return None
    file = file_beside(folder)
    first_version = "database" in table or "zones_database" in table
    influx = Influx(
        url=table.need("url", web_address, ""),
        token_file=table.take("token_file", file, None),
        org=table.take("org", text, None),
        bucket=table.take("bucket", text, "perch"),
        zones_bucket=table.take("zones_bucket", text, "perch_zones"),
        database=table.take("database", text, "perch" if first_version else None),
        zones_database=table.take("zones_database", text, "perch_zones" if first_version else None),
        username=table.take("username", text, None),
        password_file=table.take("password_file", file, None),
    )
    _check_influx(table, influx)
    table.finish()
    return influx


def _check_influx(table: Table, influx: Influx) -> None:
    if influx.database is not None:
        for key in ("token_file", "org", "bucket", "zones_bucket"):
            if key in table:
                table.complain(key, "belongs to InfluxDB 2, databases to 1.8", "keep those of the version that you run")
    names = (influx.bucket, influx.zones_bucket), (influx.database, influx.zones_database)
    if any(one is not None and one == other for one, other in names):
        table.complain("", "single spaces and zones share one place", "give them two: dashboards may read zones only")
    if ("username" in table) != ("password_file" in table):
        table.complain("", "username and password_file go together", "give both of them, or neither")


def _api(table: Table, influx: Influx | None) -> Api:
    api = Api(
        host=table.take("host", text, "127.0.0.1"),
        port=table.take("port", whole(0, 65_535), 8080),
        public_summary=table.take("public_summary", flag, False),
        history=table.take("history", choice(HistoryFrom), HistoryFrom.FILES),
        cors_origins=table.take("cors_origins", several(web_origin), ()),
        url=table.take("url", web_origin, None),
        webhook_origins=table.take("webhook_origins", several(web_origin), ()),
        webhook_inside=table.take("webhook_inside", several(web_origin), ()),
        requests_per_minute=table.take("requests_per_minute", whole(0, 1_000_000), 1_200),
    )
    if api.history is HistoryFrom.INFLUX and influx is None:
        table.complain("history", "is to be read from InfluxDB, and none is named", "add [influx] with its url")
    table.finish()
    return api


def _retention(table: Table) -> Retention:
    days = whole(0, 100_000)
    words_days = table.take("transitions_days", days, 400)
    retention = Retention(
        transitions_days=words_days,
        quarter_hours_days=table.take("quarter_hours_days", days, 1825),
        audit_days=table.take("audit_days", days, 400),
        journal_days=table.take("journal_days", days, words_days + LATER_DAYS if words_days else 0),
    )
    _check_journal(table, retention)
    table.finish()
    return retention


def _check_journal(table: Table, retention: Retention) -> None:
    """History is made anew from the journal, so nothing may leave the journal before history has summed it up."""
    words_days, journal_days = retention.transitions_days, retention.journal_days
    if journal_days and not words_days:
        what = f"is {journal_days}, while single changes are kept for ever (transitions_days = 0)"
        table.complain("journal_days", what, "set it to 0 too, or say how long single changes are kept")
    elif 0 < journal_days < words_days + LEAST_LATER_DAYS:
        what = f"is {journal_days}: the journal has to keep what history still keeps as single changes"
        least = words_days + LEAST_LATER_DAYS
        table.complain(
            "journal_days", what, f"set it to {least} or more, {LEAST_LATER_DAYS} days over transitions_days"
        )


def web_origin(value: object) -> str:
    """Read the origin of web pages, as browsers name it."""
    origin = text(value)
    if not _ORIGIN.fullmatch(origin):
        raise RefusedError(f"{shown(origin)} is no origin of web pages", "write it as https://intranet.example")
    return origin


def web_address(value: object) -> str:
    """Read the address of a web service."""
    address = text(value)
    if not address.startswith(("http://", "https://")):
        raise RefusedError(f"{shown(address)} is no web address", "write it as http://127.0.0.1:8086")
    return address
