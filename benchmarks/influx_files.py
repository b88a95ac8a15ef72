"""What InfluxDB's files take on the disk: a month of 200 desks, projected into a real InfluxDB 1.8 and compacted there.

Each desk is taken and left 21 times a working day. `python -m benchmarks.influx_files SPACES DAYS` takes another size.
"""

import secrets
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from benchmarks import servers, venue
from benchmarks.figures import Figure, cpu_s
from benchmarks.history_days import site_of
from benchmarks.year_journal import write_journal
from collector.influx.projection import InfluxProjection
from perch.adapters.history.store import HistoryReader
from perch.adapters.influx.writing import InfluxWriter
from perch.adapters.journal.store import JournalReader
from tests.parts import Influx, InfluxServer, find_influxdb

SPACES, DAYS = 200, 30
COMPACTING = """\
  cache-snapshot-write-cold-duration = "1s"
  compact-full-write-cold-duration = "2s"
"""
"""By itself it waits ten minutes and four hours."""

STEADY_S = 15


def figures(spaces: int = SPACES, days: int = DAYS) -> list[Figure]:
    """Give bytes an event of both buckets, and what it took to write them."""
    program = find_influxdb()
    if program is None:
        raise SystemExit("InfluxDB 1.8 is not installed: run scripts/get-parts")
    with servers.folder() as where:
        events = write_journal(where / "journal.db", spaces, days)
        with ExitStack() as files:
            venue.follow_history(files, where)
        (folder := where / "influxd").mkdir()
        server = InfluxServer(program, folder)
        config = folder / "influxdb.conf"
        config.write_text(config.read_text().replace("[data]\n", f"[data]\n{COMPACTING}"))
        server.start()
        try:
            target = Influx(server, f"perch_{secrets.token_hex(4)}", "perch_zones")
            busy = time.process_time()
            _project(where, target, spaces)
            ours = time.process_time() - busy
            sizes = {name: _when_steady(folder, name) for name in (target.bucket, target.zones_bucket)}
            theirs = cpu_s(server.pid)
        finally:
            server.stop()
    what = f"{events:,} events of {spaces:,} desks in {days} days"
    return [
        Figure(f"{what}: files of single spaces", [sizes[target.bucket] / events], "bytes an event"),
        Figure("the same: files of zones' quarter hours", [sizes[target.zones_bucket] / events], "bytes an event"),
        Figure("the same: processor of the projection", [ours / events * 1e6], "µs an event"),
        Figure("the same: processor of InfluxDB, compaction included", [theirs / events * 1e6], "µs an event"),
    ]


def _project(where: Path, target: Influx, spaces: int) -> None:
    with ExitStack() as files:
        log = files.enter_context(JournalReader(where / "journal.db"))
        history = files.enter_context(HistoryReader(where / "history.db"))
        writer = files.enter_context(InfluxWriter(target.settings))
        InfluxProjection([site_of(spaces)], log, history, lambda: writer, where).reset(log.id)


def _when_steady(folder: Path, database: str) -> int:
    """Give what a database's files take on the disk, log included, once that has been the same for a while."""

    def size() -> int:
        found = (path for part in ("data", "wal") for path in (folder / part / database).rglob("*"))
        return sum(_bytes_of(path) for path in found)

    return _steady(size)


def _bytes_of(path: Path) -> int:
    try:
        return path.stat().st_blocks * 512 if path.is_file() else 0
    except FileNotFoundError:
        return 0


def _steady(size: Callable[[], int]) -> int:
    last, since = size(), time.monotonic()
    while time.monotonic() - since < STEADY_S:
        time.sleep(1)
        if (now := size()) != last:
            last, since = now, time.monotonic()
    return last


if __name__ == "__main__":
    for figure in figures(*map(int, sys.argv[1:])):
        print(figure, flush=True)
