"""Projects a campaign's journal anew and reads both, the old rows and the new ones, for the checker."""

from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from collector.history.projection import HistoryProjection
from collector.influx.rows import MEASUREMENTS, Ground, all_lines
from collector.projection import advance, resume
from perch.adapters.history.store import HistoryReader, HistoryStore
from perch.adapters.influx.query import Bucket
from perch.adapters.influx.writing import InfluxWriter
from perch.adapters.journal.reader import Stream
from perch.adapters.journal.store import JournalReader
from perch.chaos.checker import Projection
from perch.history.eras import eras
from perch.history.source import BEGINNING_MS, END_MS, Stretch
from perch.model import Site
from perch.settings.values import Influx, ServerSettings


class Rebuilt(NamedTuple):
    """What projections hold beside what they hold when made anew."""

    projections: dict[str, Projection]
    named: dict[str, Counter[tuple[Stream, int]]]


def rebuild(settings: ServerSettings, folder: Path, journal: Path) -> Rebuilt:
    """Project the journal into a history and databases of their own, and read both; raises PerchError."""
    site = settings.sites[0]
    with ExitStack() as files:
        log = files.enter_context(JournalReader(journal))
        store = files.enter_context(HistoryStore.open(folder / "rebuilt.db"))
        projection = HistoryProjection(store, log, retention=settings.retention)
        position, before = resume(log, projection), -1
        while position != before:
            before, position = position, advance(log, projection, position)
        old = files.enter_context(HistoryReader(settings.data / "history.db"))
        new = files.enter_context(HistoryReader(folder / "rebuilt.db"))
        rows = Projection(Counter(_rows(old, site)), Counter(_rows(new, site)))
        named = Counter((Stream(site.id, row[1], row[3]), row[4]) for row in rows.rows.elements() if row[0] == "state")  # type: ignore[index]
        projections = {"history": rows}
        if settings.influx is not None:
            projections["InfluxDB"] = _influx(settings.influx, site, new)
        return Rebuilt(projections, {"history": named})


def _rows(history: HistoryReader, site: Site) -> Iterator[Hashable]:
    """Give all that a history says of a site, as values that do not hang on how it numbers them."""
    yield ("horizon", *(history.horizon(site.id) or ()))
    for agent in sorted({*site.agents, *(span.agent for span in history.epochs(site.id))}):
        for space in history.spaces(site.id, agent):
            columns = history.read(site.id, [Stretch(space, agent, BEGINNING_MS, END_MS)])[0]
            for place in range(len(columns)):
                row = columns.row(place)
                said = (row.state, row.probability, row.count, row.reason, row.clock)
                yield ("state", agent, space, row.epoch, row.seq, row.time_ms, *said)
            yield from (("lost", agent, *span) for span in set(columns.lost))
        yield from (("mark", agent, *mark) for mark in history.marks(site.id, agent, BEGINNING_MS, END_MS))
    yield from (("epoch", *span) for span in history.epochs(site.id))


def _influx(influx: Influx, site: Site, history: HistoryReader) -> Projection:
    """Read the rows, and the rows of a rebuild, which take the same way through the same InfluxDB."""
    other = replace(influx, database=f"{influx.database}_again", zones_database=f"{influx.zones_database}_again")
    with InfluxWriter(influx) as old, InfluxWriter(other) as new:
        new.prepare()
        lines: dict[Bucket, list[str]] = {}
        kept_ms = history.tiers(site.id).words_ms
        for bucket, line in all_lines(Ground.of(site), eras(site.id, history), history, kept_ms):
            lines.setdefault(bucket, []).append(line)
        for bucket, ready in lines.items():
            new.write(bucket, ready)
        try:
            return Projection(Counter(_stored(old)), Counter(_stored(new)))
        finally:
            for one in (influx, other):
                for bucket, name in ((Bucket.SPACES, one.database), (Bucket.ZONES, one.zones_database)):
                    old.query(f'DROP DATABASE "{name}"', bucket)


def _stored(writer: InfluxWriter) -> Iterator[Hashable]:
    for measurement, bucket in MEASUREMENTS:
        for row in writer.query(f"SELECT * FROM {measurement}", bucket):  # noqa: S608  # names of our own
            yield (measurement, *sorted((key, str(value)) for key, value in row.items()))
