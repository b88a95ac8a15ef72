"""InfluxDB: does it answer, may this login write, read and delete, does it keep what it is to keep, was it emptied."""

import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from perch.adapters.influx.cursor import ProgressFile
from perch.adapters.influx.history import InfluxHistory
from perch.adapters.influx.line_protocol import NS_PER_MS
from perch.adapters.influx.probe import Greeting, greet, kept_hours
from perch.adapters.influx.query import Bucket, InfluxQuery, database_of, is_version_1
from perch.adapters.influx.writing import InfluxWriter
from perch.doctor.broker import is_here
from perch.doctor.findings import Finding, fault, ok, warn
from perch.settings import Influx, Retention

TIMEOUT_S = 4.0
MEASUREMENT = "perch_doctor"
"""Its row is deleted again at once; nothing of Perch and no dashboard reads it."""

DIFFERS_S, DIFFERS_MUCH_S = 5.0, 60.0


def look_at_influx(influx: Influx, retention: Retention, data: Path) -> Iterator[Finding]:
    """Look at an InfluxDB as the collector uses it; raises UnavailableError where it does not answer."""
    yield from _way(influx)
    greeting = greet(influx, TIMEOUT_S)
    yield from _fits(influx, greeting)
    yield from _clock(greeting)
    queries = InfluxQuery(influx, TIMEOUT_S)
    with InfluxWriter(influx, TIMEOUT_S) as writer:
        trouble = writer.health()
        if trouble is not None:
            yield fault("influxdb", trouble.what, trouble.remedy)
            return
        for bucket in Bucket:
            yield from _write_and_read(influx, writer, bucket)
    yield from _kept(influx, retention)
    yield from _emptied(data, queries)


def look_at_reading(influx: Influx, sites: Iterable[str]) -> Iterator[Finding]:
    """Look at an InfluxDB as an API uses it that has nothing else; raises UnavailableError where it does not answer."""
    yield from _way(influx)
    greeting = greet(influx, TIMEOUT_S)
    yield from _fits(influx, greeting)
    yield from _clock(greeting)
    history = InfluxHistory(influx, TIMEOUT_S)
    for site in sites:
        horizon = history.horizon(site)
        if horizon is None:
            what = f"there is no history of {site} in {database_of(influx, Bucket.SPACES)}"
            yield warn("influxdb", what, "see that the collector writes there, and that this layout is the collector's")
        else:
            until = datetime.fromtimestamp(horizon.last_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
            yield ok("influxdb", f"it has the history of {site} up to {until}")


def _way(influx: Influx) -> Iterator[Finding]:
    parts = urlsplit(influx.url)
    if parts.scheme == "http" and not is_here(parts.hostname or ""):
        login = ", the login too" if influx.token_file or influx.password_file else ""
        what = f"everything goes to InfluxDB at {parts.hostname} in the clear{login}"
        yield warn("tls", what, "give it a certificate and set url to https://…, or keep it on a network of its own")


def _fits(influx: Influx, greeting: Greeting) -> Iterator[Finding]:
    version = greeting.version.removeprefix("v")
    first = is_version_1(influx)
    if version.startswith("2.") and first:
        yield fault("influxdb", f"InfluxDB {version} has buckets, not databases", "set token_file, org and buckets")
    elif version.startswith("1.") and not first:
        yield fault("influxdb", f"InfluxDB {version} has databases, not buckets", "set database and zones_database")
    else:
        yield ok("influxdb", f"{influx.url} answers; version {version}")


def _clock(greeting: Greeting) -> Iterator[Finding]:
    ahead_s = greeting.ahead_s
    if ahead_s is None or abs(ahead_s) <= DIFFERS_S:
        return
    way = "ahead of" if ahead_s > 0 else "behind"
    what = f"InfluxDB's clock is {abs(ahead_s):.0f} s {way} this machine's"
    make = fault if abs(ahead_s) > DIFFERS_MUCH_S else warn
    yield make("clock", what, "let both machines set their clocks by a time server")


def _write_and_read(influx: Influx, writer: InfluxWriter, bucket: Bucket) -> Iterator[Finding]:
    """Write a row, read it back and delete it."""
    where, now_ms = database_of(influx, bucket), time.time_ns() // 1_000_000
    written = writer.write(bucket, [f"{MEASUREMENT} value={now_ms}i {now_ms * NS_PER_MS}"])
    if written.refused or written.expired:
        why = written.refused[0].why if written.refused else "it is older than the bucket keeps, says InfluxDB"
        yield fault("influxdb", f"{where} refuses a row: {why}", "see InfluxDB's log, and its clock")
        return
    question = f'SELECT value FROM "{MEASUREMENT}" WHERE time = {now_ms * NS_PER_MS}'  # noqa: S608  both are our own
    rows = writer.query(question, bucket)
    writer.delete(bucket, MEASUREMENT, now_ms, now_ms + 1, {})
    if [row["value"] for row in rows] != [now_ms]:
        what = f"{where} took a row and does not give it back"
        yield fault("influxdb", what, "see whether its disk is full, and InfluxDB's log; then restart it")
    else:
        yield ok("influxdb", f"{where} is written, read back and deleted from")


def _kept(influx: Influx, retention: Retention) -> Iterator[Finding]:
    wanted = {Bucket.SPACES: retention.transitions_days, Bucket.ZONES: retention.quarter_hours_days}
    for bucket, days in wanted.items():
        hours = kept_hours(influx, bucket, TIMEOUT_S)
        if hours and (days == 0 or hours < 24 * days):
            meant = "for ever" if days == 0 else f"{days} days"
            what = f"{database_of(influx, bucket)} keeps rows for {hours / 24:g} days; [retention] says {meant}"
            yield warn("influxdb", what, "set its retention in InfluxDB, or correct [retention]")


def _emptied(data: Path, queries: InfluxQuery) -> Iterator[Finding]:
    progress = ProgressFile(data / "influx.cursor").load()
    if progress is None or progress.position == 0:
        return
    if not queries.rows("SELECT mark FROM alive LIMIT 1", Bucket.SPACES):
        what = f"it is empty, although {progress.position} events were written to it"
        yield fault("influxdb", what, "restart the collector, which writes it anew from the journal")
