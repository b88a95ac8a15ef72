"""How fast history gets into a real InfluxDB 1.8, beside ready bytes and beside `Point` objects of the same rows.

All four go through `influxdb-client` into fresh databases of one server, in turn: written anew from history; followed
from the journal by the batch, history included in the time or not; ready lines in the same batches; and rows made into
`Point` objects, as most programs do it.
"""

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks import servers, venue
from benchmarks.figures import Figure
from collector.influx.projection import InfluxProjection
from collector.influx.rows import MEASUREMENTS, Ground, all_lines
from collector.projection import BATCH_ENTRIES, Trailing, advance, resume
from perch.adapters.history.store import HistoryReader
from perch.adapters.influx.query import Bucket
from perch.adapters.influx.writing import MAX_LINES, InfluxWriter
from perch.adapters.journal.store import JournalReader
from perch.history.eras import eras
from perch.model import Site
from tests.line_parser import Parsed, parse
from tests.parts import Influx

RUNS = 5
SPACES, EVENTS, DAYS = 200, 40_000, 2
DAY_MS = 86_400_000
Lines = list[tuple[Bucket, str]]


def figures() -> list[Figure]:
    """Give rows per second of the projection, and its ratios to the two peers."""
    rates, to_bytes, to_points, followed = [], [], [], []
    place = venue.site_of(SPACES)
    with servers.folder() as where, servers.influxdb(where / "influxdb") as fresh, ExitStack() as files:
        venue.journal_of(where / "journal.db", venue.messages(SPACES, EVENTS, DAYS * DAY_MS, marks=True))
        venue.follow_history(files, where)
        with HistoryReader(where / "history.db") as history:
            lines = list(all_lines(Ground.of(place), eras(place.id, history), history))
        rows = [(bucket, parse(line)) for bucket, line in lines]
        for run in range(RUNS):
            anew = _projected(where, f"anew{run}", fresh(), place, len(lines))
            ready = len(lines) / _timed(_write_bytes, fresh(), lines)
            points = len(lines) / _timed(_write_points, fresh(), rows)
            rates.append(anew)
            to_bytes.append(anew / ready)
            to_points.append(anew / points)
            followed.append(_followed(where, f"followed{run}", fresh(), place))
    return [
        Figure("rows/s, written anew from history", rates, "/s"),
        Figure("the same ÷ ready bytes through influxdb-client", to_bytes, "×", "≥ 0.5"),
        Figure("the same ÷ Point objects through influxdb-client", to_points, "×", "≥ 3"),
        Figure("events/s, followed in the journal by the batch", followed, "/s"),
    ]


def _timed(do: Callable[[Influx, Any], None], influx: Influx, given: object) -> float:
    began = time.perf_counter()
    do(influx, given)
    return time.perf_counter() - began


def _projected(where: Path, name: str, influx: Influx, place: Site, rows: int) -> float:
    with ExitStack() as files:
        projection = _projection(files, where, name, influx, place)
        began = time.perf_counter()
        projection.reset(files.enter_context(JournalReader(where / "journal.db")).id)
        seconds = time.perf_counter() - began
    databases = {Bucket.SPACES: influx.bucket, Bucket.ZONES: influx.zones_bucket}
    counted = sum(_count(influx, measurement, databases[bucket]) for measurement, bucket in MEASUREMENTS)
    assert counted == rows, f"{counted} of {rows} rows are there"
    return rows / seconds


def _count(influx: Influx, measurement: str, database: str) -> int:
    field = {"occupancy": "carried", "statement": "carried", "alive": "mark", "zone_15min": "spaces"}[measurement]
    return int(influx.query(f"SELECT count({field}) FROM {measurement}", database)[0]["count"])  # noqa: S608


def _projection(files: ExitStack, where: Path, name: str, influx: Influx, place: Site) -> InfluxProjection:
    data = where / name
    data.mkdir()
    log = files.enter_context(JournalReader(where / "journal.db"))
    history = files.enter_context(HistoryReader(where / "history.db"))
    writer = files.enter_context(InfluxWriter(influx.settings))
    return InfluxProjection([place], log, history, lambda: writer, data)


def _followed(where: Path, name: str, influx: Influx, place: Site) -> float:
    """Follow the journal in a history that grows with it; give events/s of InfluxDB's part alone."""
    data = where / f"{name}-data"
    data.mkdir()
    (data / "journal.db").write_bytes((where / "journal.db").read_bytes())
    with ExitStack() as files:
        store = files.enter_context(venue.HistoryStore.open(data / "history.db"))
        log = files.enter_context(JournalReader(data / "journal.db"))
        into_history = venue.HistoryProjection(store, log)
        into_influx = _projection(files, data, name, influx, place)
        history = files.enter_context(HistoryReader(data / "history.db"))
        trailing = Trailing(log, history.cursor)
        position, seconds = resume(log, into_history), 0.0
        followed = resume(trailing, into_influx)
        while position < log.end():
            position = advance(log, into_history, position, BATCH_ENTRIES)
            began = time.perf_counter()
            followed = advance(trailing, into_influx, followed, BATCH_ENTRIES)
            seconds += time.perf_counter() - began
        assert followed == position == log.end()
        return position / seconds


def _write_bytes(influx: Influx, lines: Lines) -> None:
    """Write ready lines as a program would that had them in memory."""
    with InfluxWriter(influx.settings) as writer:
        for bucket in Bucket:
            ready = [line for where, line in lines if where is bucket]
            for first in range(0, len(ready), MAX_LINES):
                writer._post(bucket, "\n".join(ready[first : first + MAX_LINES]).encode())


def _write_points(influx: Influx, rows: list[tuple[Bucket, Parsed]]) -> None:
    from influxdb_client.client.influxdb_client import InfluxDBClient
    from influxdb_client.client.write.point import Point
    from influxdb_client.client.write_api import SYNCHRONOUS

    with InfluxDBClient(url=influx.url, token="", org="-") as client:
        writes = client.write_api(write_options=SYNCHRONOUS)
        for bucket, name in ((Bucket.SPACES, influx.bucket), (Bucket.ZONES, influx.zones_bucket)):
            of_bucket = [row for where, row in rows if where is bucket]
            for first in range(0, len(of_bucket), MAX_LINES):
                several = of_bucket[first : first + MAX_LINES]
                points = [
                    Point.from_dict(
                        {"measurement": row.measurement, "tags": row.tags, "fields": row.fields, "time": row.ns}
                    )
                    for row in several
                ]
                writes.write(f"{name}/autogen", "-", points)
