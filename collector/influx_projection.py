"""The projection into InfluxDB: the rows of the spans that new entries touched, worked out from history.

It follows history's own projection, so whatever it reads holds at least the entries it is given. Rows are repeatable:
writing one again changes nothing, so a failure is answered by doing the whole batch again. The cursor is kept in a file
of its own and saved after the rows. InfluxDB being away is an UnavailableError, which stops nothing but this.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from collector.influx_reach import Reach
from collector.influx_rows import (
    EVER,
    Ground,
    Line,
    agent_lines,
    all_lines,
    gained,
    given_up,
    quarter_lines,
    shining_through,
    space_lines,
)
from collector.projection import Log
from collector.telling import tell
from perch.adapters.cursor import Cursor
from perch.adapters.influx import MAX_LINES, RowStore
from perch.adapters.influx_cursor import DeadLetters, Progress, ProgressFile
from perch.adapters.influx_query import Bucket
from perch.adapters.journal import Entry
from perch.delivery.boots import Boots
from perch.errors import UnavailableError
from perch.history.source import END_MS, Moved, Stretch, WordSource
from perch.history.spans import Span, Touched, joined, touched
from perch.history.told import Lost, Told, evidence
from perch.model import QUARTER_MS, Site

MEASUREMENTS = (("occupancy", Bucket.SPACES), ("alive", Bucket.SPACES), ("zone_15min", Bucket.ZONES))

Placed = tuple[int, Told]
"""A position in the journal, and what was told there."""

Horizons = Mapping[str, tuple[int, int]]
"""First and last evidence (ms), by site."""


class FollowedHistory(WordSource, Protocol):
    """A history that says how far it has followed the journal, and where it places what agents told."""

    def cursor(self) -> Cursor | None:
        """Tell how far the journal is projected."""
        ...

    def boots(self, site: str, agent: str) -> Boots:
        """Give what is known of an agent's boots."""
        ...


def _given_up(site: str, moves: Sequence[Moved], before: Horizons, after: Horizons) -> list[Span]:
    """Give where the site's horizon gave way, by itself or behind our back."""
    spans = [Span(move.from_ms, move.to_ms + 1) for move in moves if move.site == site and move.agent is None]
    return joined((*spans, *given_up(before.get(site), after.get(site))))


class InfluxProjection:
    """Keeps an InfluxDB in step with the journal; a `Projection`. One thread at a time.

    `journal` is the whole log, `history` made from it and at least as far as the entries given to `apply`. `connect` is
    called on the thread that uses it. `expired` counts rows that were older than a bucket keeps; those that InfluxDB
    will not have are in the file `influx.refused`, and stop nothing.
    """

    def __init__(
        self,
        sites: Iterable[Site],
        journal: Log,
        history: FollowedHistory,
        connect: Callable[[], RowStore],
        data: Path,
    ) -> None:
        self._grounds = {site.id: Ground.of(site) for site in sites}
        self._journal = journal
        self._history = history
        self._connect = connect
        self._store: RowStore | None = None
        self._file = ProgressFile(data / "influx.cursor")
        self._refused = DeadLetters(data / "influx.refused")
        self._progress: Progress | None = None
        self._reach: dict[str, Reach] = {}
        self.expired = 0

    def __repr__(self) -> str:
        return f"<InfluxProjection of {', '.join(self._grounds)}: {self._progress}>"

    @property
    def refused(self) -> int:
        """How many rows InfluxDB refused since the start."""
        return self._refused.count

    def cursor(self) -> Cursor | None:
        """Tell how far it has come; None where there is nothing to go on from.

        That is so too where InfluxDB is another one or was emptied, or the journal is another one or lost its end.
        Sites whose layout was edited are written anew before this returns. Raises UnavailableError and StorageError.
        """
        store, progress = self._connected(), self._file.load()
        store.prepare()
        if progress is None or progress.target != store.target or self._is_void(progress) or self._is_emptied():
            self._progress = None
            return None
        if self._progress is None:
            self._reach = {site: Reach(empty=False) for site in self._grounds}
        self._progress = progress
        self._adopt_layouts(progress)
        return Cursor(progress.journal, progress.position)

    def resting(self) -> Cursor | None:
        """Tell how far it has come without asking InfluxDB; raises UnavailableError while history is not that far."""
        progress = self._file.load()
        return None if progress is None or self._is_void(progress) else Cursor(progress.journal, progress.position)

    def has_quarters(self) -> bool:
        """Tell whether it has written quarter hours of zones."""
        progress = self._progress or self._file.load()
        spans = [] if progress is None else progress.horizons.values()
        return any(last_ms // QUARTER_MS - -(-first_ms // QUARTER_MS) >= 1 for first_ms, last_ms in spans)

    def reset(self, journal: str) -> None:
        """Delete all rows that come from a journal, and write all that history holds already."""
        self._file.forget()
        self._progress = None
        store, come = self._connected(), self._come()
        for measurement, bucket in MEASUREMENTS:
            store.delete(bucket, measurement, *EVER, {})
        horizons = self._horizons()
        for ground in self._grounds.values():
            self._write_anew(ground)
        self._save(Progress(journal, come, store.target, self._digests(), horizons))

    def apply(self, entries: Sequence[Entry], journal: str) -> None:
        """Write what new entries changed, then move the cursor; raises UnavailableError and StorageError."""
        progress = self._progress or Progress(journal, 0, self._connected().target, self._digests())
        new = [entry for entry in entries if entry.position > progress.position]
        if not new:
            return
        with self._history.moment():
            self._require(new[-1].position)
            horizons = self._horizons()
            moves = self._history.moves(progress.position, new[-1].position)
            self._project(self._words(new), moves, progress.horizons, horizons)
        self._save(replace(progress, journal=journal, position=new[-1].position, horizons=horizons))
        for reach in self._reach.values():
            reach.settle(new[-1].position)

    def _words(self, entries: Sequence[Entry]) -> list[Placed]:
        """Say what entries tell as history places them now; what moves later is heard of then."""
        agents = {(entry.site, entry.agent) for entry in entries}
        known = {agent: self._history.boots(*agent) for agent in agents}
        return [(entry.position, word) for entry in entries for word in tell([entry], known)]

    def _project(self, words: Sequence[Placed], moves: Sequence[Moved], before: Horizons, after: Horizons) -> None:
        come = self._come()
        for site, changed in touched((word for _, word in words), self._history, moves).items():
            if site in self._grounds:
                late = self._late(site, words, moves)
                grown, gone = gained(before.get(site), after.get(site)), _given_up(site, moves, before, after)
                changed = replace(changed, quarters=joined((*grown, *gone)))
                try:
                    self._write(self._changed_lines(self._grounds[site], changed, late, gone))
                finally:  # A part of the rows may stand there after a failure, too.
                    self._extend_reach(site, come)

    def _late(self, site: str, words: Sequence[Placed], moves: Sequence[Moved]) -> dict[str, list[int]]:
        """Name the agents whose words may contradict rows that stand there, and where each lost a span (ms)."""
        reach = self._reach[site]
        moved = {move.agent for move in moves if move.site == site and move.agent is not None}
        late = {agent: self._lost(site, agent) for agent in moved}
        for position, word in words:
            vouched = evidence(word)
            if word.site == site and word.agent not in late and vouched is not None:
                from_ms = word.span.from_ms if isinstance(word, Lost) else vouched.time_ms
                if reach.is_late(word.agent, position, from_ms):
                    late[word.agent] = self._lost(site, word.agent)
        return late

    def _lost(self, site: str, agent: str) -> list[int]:
        [columns] = self._history.read(site, [Stretch("-", agent, END_MS, END_MS)])
        return [span.from_ms for span in columns.lost]

    def _changed_lines(
        self, ground: Ground, changed: Touched, late: Mapping[str, list[int]], gone: Sequence[Span]
    ) -> Iterator[Line]:
        """Give what changed, after deleting what may be stale; where the horizon gave way, nothing may be left."""
        site = ground.site.id
        for space, alone in ground.alone.items():
            late_here = late.keys() & {row.agent for row in alone.spaces}
            lost_ms = [ms for agent in late_here for ms in late[agent]]
            for span in shining_through(changed.of_space(alone, space), lost_ms):
                if late_here or gone:
                    self._connected().delete(Bucket.SPACES, "occupancy", *span, {"site": site, "space": space})
                yield from space_lines(alone, space, span, self._history)
        for agent, spans in changed.agents.items():
            for span in spans:
                # The last evidence of an epoch is a row only until a later one comes.
                self._connected().delete(Bucket.SPACES, "alive", *span, {"site": site, "agent": agent})
                yield from agent_lines(site, agent, span, self._history)
        for span in changed.of_quarters():
            if gone:
                self._connected().delete(Bucket.ZONES, "zone_15min", *span, {"site": site})
            yield from quarter_lines(ground, span, self._history)

    def _write(self, lines: Iterable[Line]) -> None:
        waiting: dict[Bucket, list[str]] = {bucket: [] for bucket in Bucket}
        for bucket, line in lines:
            waiting[bucket].append(line)
            if len(waiting[bucket]) == MAX_LINES:
                self._store_lines(bucket, waiting[bucket])
                waiting[bucket] = []
        for bucket, rest in waiting.items():
            self._store_lines(bucket, rest)

    def _store_lines(self, bucket: Bucket, lines: Sequence[str]) -> None:
        written = self._connected().write(bucket, lines)
        self.expired += written.expired
        if written.refused:
            self._refused.add(written.refused)

    def _connected(self) -> RowStore:
        if self._store is None:
            self._store = self._connect()
        return self._store

    def _come(self) -> int:
        """Give how far history has come in this journal."""
        cursor = self._history.cursor()
        return cursor.position if cursor is not None and cursor.journal == self._journal.id else 0

    def _is_void(self, progress: Progress) -> bool:
        """Tell whether what is there is of no worth; raises UnavailableError while history is not that far itself."""
        if Cursor(progress.journal, progress.position).is_void(self._journal.id, self._journal.end()):
            return True
        self._require(progress.position)
        return False

    def _require(self, position: int) -> None:
        """Raise UnavailableError while history has not come to a position: what it holds now is not all there was."""
        if self._come() < position:
            raise UnavailableError("history is still being made anew", "wait: InfluxDB follows it")

    def _is_emptied(self) -> bool:
        """Tell whether rows should be in InfluxDB and none are."""
        if all(self._history.horizon(site) is None for site in self._grounds):
            return False
        return not self._connected().query("SELECT mark FROM alive LIMIT 1", Bucket.SPACES)

    def _adopt_layouts(self, progress: Progress) -> None:
        """Write the sites anew whose layout is another one than their rows were made of."""
        digests = self._digests()
        edited = {site for site in {*digests, *progress.layouts} if digests.get(site) != progress.layouts.get(site)}
        written = {site: horizon for site, horizon in self._horizons().items() if site in edited}
        for site in sorted(edited):
            for measurement, bucket in MEASUREMENTS:
                self._connected().delete(bucket, measurement, *EVER, {"site": site})
            if site in self._grounds:
                self._write_anew(self._grounds[site])
        if edited:
            horizons = {site: horizon for site, horizon in progress.horizons.items() if site not in edited}
            self._save(replace(progress, layouts=digests, horizons={**horizons, **written}))

    def _horizons(self) -> Horizons:
        found = ((site, self._history.horizon(site)) for site in self._grounds)
        return {site: (horizon.first_ms, horizon.last_ms) for site, horizon in found if horizon is not None}

    def _digests(self) -> dict[str, str]:
        return {site: ground.digest for site, ground in self._grounds.items()}

    def _save(self, progress: Progress) -> None:
        self._file.save(progress)
        self._progress = progress

    def _write_anew(self, ground: Ground) -> None:
        """Write all rows of a site, of which none is there."""
        site, come = ground.site.id, self._come()
        self._write(all_lines(ground, self._history))
        self._reach[site] = Reach(empty=True)
        self._extend_reach(site, come)

    def _extend_reach(self, site: str, position: int) -> None:
        until_ms: dict[str, int] = {}
        for span in self._history.epochs(site):
            until_ms[span.agent] = max(span.until_ms, until_ms.get(span.agent, span.until_ms))
        self._reach[site].extend(position, until_ms)
