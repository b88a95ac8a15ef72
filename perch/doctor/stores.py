"""Collector, journal and history: does it run, are its files whole and of this version, does history follow."""

import math
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from perch.adapters.age import Mark
from perch.adapters.health.collector import CollectorHealth, FormerJournal, read_health, says_others
from perch.adapters.history.reader import HistoryReader
from perch.adapters.journal.reader import JournalReader, Stream
from perch.adapters.sqlite import is_in_use, open_reader, reported
from perch.delivery.watermark import SeqRange
from perch.doctor.findings import Finding, counted, fault, ok, warn
from perch.errors import StorageError
from perch.model import Site

EXAMINED_S = 2.0
MOST_BEHIND = 10_000
NAMED = 5
_STEPS = 10_000
_START = "start it: perch collector --config perch.toml"
_RESTART = "restart it, and the API with it: systemctl restart perch-collector perch-api"


def look_at_collector(data: Path, now: Mark, sites: Sequence[Site]) -> Iterator[Finding]:
    """Say what the collector says of itself; `sites` are as the files have them now."""
    health = read_health(data)
    if health is None:
        yield fault("collector", f"never ran on {data}", _START)
    elif not health.running:
        yield fault("collector", "was stopped", _START)
    elif health.is_stale(now):
        yield _silent(health, now, hangs=is_in_use(data / "journal.db"))
    else:
        yield from _running(health, now, health.otherwise(sites))
    if health is not None and health.former is not None:
        yield _missing(health.former)


def _silent(health: CollectorHealth, now: Mark, *, hangs: bool) -> Finding:
    silent_s = health.silent_s(now)
    since = f"for {silent_s:.0f} s" if math.isfinite(silent_s) else "since the machine was started"
    if not hangs:
        return fault("collector", f"has said nothing {since}: it is gone", _START)
    what = f"has said nothing {since}, and still has the journal open: it hangs, or was stopped in its tracks"
    return fault("collector", what, f"end it: kill -KILL {health.pid}; where perch up or systemd does not, {_START}")


def _missing(former: FormerJournal) -> Finding:
    since = datetime.fromtimestamp(former.missed_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
    what = f"the journal {former.id} with {counted(former.end, 'event')} is missing since {since}; another was begun"
    remedy = (
        "put journal.db back where it was, or restore a backup, with the collector stopped; this is said for a week"
    )
    return warn("collector", what, remedy)


def _running(health: CollectorHealth, now: Mark, changed: Sequence[str]) -> Iterator[Finding]:
    told = f"as it said {health.silent_s(now):.0f} s ago"
    if health.broker is not None:
        yield fault("collector", f"runs without a broker, {told}: {health.broker}", "see the line of the broker")
    else:
        yield ok("collector", f"runs, version {health.version}; {counted(health.end, 'event')} in the journal, {told}")
    if changed:
        what = f"goes by an older layout: {', '.join(changed)} changed since the collector read it"
        yield warn("collector", what, _RESTART)
    yield from _projections(health)
    yield from _messages(health)
    if health.strangers:
        what = f"events came of spaces that no layout names: {_named(health.stranger_spaces)}"
        yield warn("collector", what, _RESTART if changed else "name them in site.toml, and restart it")


def _projections(health: CollectorHealth) -> Iterator[Finding]:
    for name, projection in health.projections.items():
        if projection.trouble:
            yield fault("collector", f"the projection {name} waits: {projection.trouble}", "see the collector's log")
        elif projection.lag > MOST_BEHIND:
            yield warn("collector", f"the projection {name} is {projection.lag} events behind", "wait, or see the log")
        if projection.refused:
            what = f"InfluxDB refused {counted(projection.refused, 'row')} since the start of the collector"
            yield warn("collector", what, "look into influx.refused beside the journal")


def _messages(health: CollectorHealth) -> Iterator[Finding]:
    """Say what did not come in as it should."""
    if health.others:
        remedy = "end one of them: no agent can tell what is stored where two of them answer"
        yield fault("collector", says_others(health.others), remedy)
    if health.conflicts:
        what = f"other content came under the identity of stored events, in the name of {_named(health.conflicts)}"
        yield fault("collector", what, "find out who else speaks there: a copied outbox, or a stolen password")
    if health.throttled:
        what = f"more messages than an agent may send came from {_named(health.throttled)}"
        yield warn("collector", what, "look at these agents; what is real they send again")
    if health.quarantine_kept:
        codes = ", ".join(f"{number} {code}" for code, number in sorted(health.quarantined.items()))
        what = f"{counted(health.quarantine_kept, 'message')} in quarantine (of all times: {codes})"
        yield warn("collector", what, "look at them: perch quarantine list")


def _named(counts: Mapping[str, int]) -> str:
    return ", ".join(sorted(counts)[:NAMED]) + (" and more" if len(counts) > NAMED else "")


def look_at_journal(data: Path) -> Iterator[Finding]:
    """Open journal and history as readers do, and look whether they are whole, as far as that goes in little time."""
    path = data / "journal.db"
    if not path.exists():
        yield warn("journal", f"there is none in {data} yet", "it is made when the collector starts")
        return
    with JournalReader(path) as journal:
        end, known, gaps = journal.end(), journal.id, journal.gaps()
    yield ok("journal", f"{counted(end, 'event')}; {_integrity(path)}")
    if gaps:
        yield _lacking(gaps)
    history = data / "history.db"
    if not history.exists():
        yield warn("history", f"there is none in {data} yet", "it is made when the collector starts")
        return
    with HistoryReader(history) as reader:
        cursor = reader.cursor()
    behind = end - (cursor.position if cursor is not None and cursor.journal == known else 0)
    if behind > MOST_BEHIND:
        yield warn("history", f"{behind} events behind the journal", "wait, or see the collector's log")
    else:
        yield ok("history", f"{counted(max(0, behind), 'event')} behind the journal; {_integrity(history)}")


def _lacking(gaps: Mapping[Stream, Sequence[SeqRange]]) -> Finding:
    """Say which agents' events are missing between others that came."""
    agents = {f"{stream.site}/{stream.agent}": 0 for stream in gaps}
    events = sum(last - first + 1 for ranges in gaps.values() for first, last in ranges)
    what = f"{counted(events, 'event')} of {_named(agents)} are missing between others that came"
    remedy = (
        "look again in a minute, for they may be on their way; if they stay away, another collector has acknowledged"
        " them: stop that one, and the agents send them again within minutes"
    )
    return warn("journal", what, remedy)


def _integrity(path: Path) -> str:
    """Examine a file until time is up; raises StorageError where it is damaged."""
    end_s = time.monotonic() + EXAMINED_S
    with closing(open_reader(path)) as database:
        database.set_progress_handler(lambda: time.monotonic() > end_s, _STEPS)
        try:
            with reported(path):
                complaint = _complaint(database)
        except StorageError as error:
            raise StorageError(error.what, f"{error.remedy}; docs/operators.md says what each file is worth") from error
    if complaint is None:
        return "no damage in the part that was examined"
    if complaint != "ok":
        raise StorageError(f"{path} is damaged: {complaint}", "restore it from a backup")
    return "whole"


def _complaint(database: sqlite3.Connection) -> str | None:
    try:
        return str(database.execute("PRAGMA quick_check(1)").fetchone()[0])
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
            return None
        raise
