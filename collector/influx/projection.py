"""The projection into InfluxDB: the rows of the spans that new entries touched, worked out from history.

What history has let go of is left as it is: quarter hours of zones that could not be made again.

It follows history's own projection, so whatever it reads holds at least the entries it is given. Rows are repeatable:
writing one again changes nothing, so a failure is answered by doing the whole batch again. The cursor is kept in a file
of its own and saved after the rows. InfluxDB being away is an UnavailableError, which stops nothing but this.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from collector.followed_history import FollowedHistory
from collector.influx.changes import NOTHING, Deleted, Eras, Filled, all_deleted, changed, filled
from collector.influx.eras import KnownEras
from collector.influx.erasing import Period, erased_rows
from collector.influx.reach import Reach
from collector.influx.rows import Ground, lines_of_all
from collector.influx.writing import write_lines
from collector.projection import Log
from collector.telling import tell_each
from perch.adapters.cursor import Cursor
from perch.adapters.influx.cursor import DeadLetters, Progress, ProgressFile
from perch.adapters.influx.line_protocol import NS_PER_MS
from perch.adapters.influx.query import Bucket, of_sites
from perch.adapters.influx.writing import RowStore
from perch.adapters.journal.codec import ErasureEvent
from perch.adapters.journal.store import Entry
from perch.errors import UnavailableError
from perch.history.eras import quarters_of
from perch.history.source import BEGINNING_MS, Moved
from perch.history.spans import Epoch, latest, touched, vouchers
from perch.history.told import Lost, Marked, Stated, Told
from perch.model import Site

EPOCHS_REMEMBERED = 100_000

Placed = tuple[int, Told]
"""A position in the journal, and what was told there."""

Lived = Mapping[str, Eras]
"""The eras of sites."""


class InfluxProjection:
    """Keeps an InfluxDB in step with the journal; a `Projection`. One thread at a time.

    `journal` is the whole log, `history` made from it and at least as far as the entries given to `apply`. `connect` is
    called on the thread that uses it. Rows that InfluxDB will not have are in the file `influx.refused`, and stop
    nothing. Rows of the sites `elsewhere` are others' to write and to delete.
    """

    def __init__(
        self,
        sites: Iterable[Site],
        journal: Log,
        history: FollowedHistory,
        connect: Callable[[], RowStore],
        data: Path,
        elsewhere: Collection[str] = frozenset(),
    ) -> None:
        self._elsewhere = elsewhere
        self._grounds = {site.id: Ground.of(site) for site in sites}
        self._homes = {site: ground.served.by_agent for site, ground in self._grounds.items()}
        self._journal = journal
        self._history = history
        self._connect = connect
        self._store: RowStore | None = None
        self._file = ProgressFile(data / "influx.cursor")
        self._refused = DeadLetters(data / "influx.refused")
        self._progress: Progress | None = None
        self._reach: dict[str, Reach] = {}
        self._eras = KnownEras(history)
        self._heard: dict[Epoch, int] = {}

    def __repr__(self) -> str:
        return f"<InfluxProjection of {', '.join(self._grounds)}: {self._progress}>"

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
            self._heard.clear()
            self._eras.forget()
            self._reach = {site: Reach(empty=False) for site in self._grounds}
        self._progress = progress
        self._adopt_layouts(progress)
        return Cursor(progress.journal, progress.position)

    def resting(self) -> Cursor | None:
        """Tell how far it has come without asking InfluxDB; raises UnavailableError while history is not that far."""
        progress = self._file.load()
        return None if progress is None or self._is_void(progress) else Cursor(progress.journal, progress.position)

    def quarters_question(self) -> str | None:
        """Give an InfluxQL question after a quarter hour of zones, None where it has written none."""
        progress = self._progress or self._file.load()
        there = {} if progress is None else filled(progress.lived, progress.tried)
        sites = [site for site, of in there.items() if site in self._grounds and quarters_of(of.surely)]
        return f"SELECT spaces FROM zone_15min {of_sites(sites)} LIMIT 1" if sites else None  # noqa: S608 - ids

    def reset(self, journal: str) -> None:
        """Delete all rows that come from a journal, and write all that history holds already."""
        self._file.forget()
        self._progress = None
        self._heard.clear()
        self._eras.forget()
        store, come, lived = self._connected(), self._come(), self._lived()
        for site in self._grounds:
            self._delete(all_deleted({"site": site}, self._kept_ms(site)))
        if not self._elsewhere:  # there may be rows of sites that are none any more
            self._delete(all_deleted({}, max(map(self._kept_ms, self._grounds), default=BEGINNING_MS)))
        for ground in self._grounds.values():
            self._write_anew(ground, lived)
        for site in self._grounds:
            self._delete_erased(site, self._history.erased(site))
        self._require(come)
        self._save(Progress(journal, come, store.target, self._digests(), lived, lived))

    def apply(self, entries: Sequence[Entry], journal: str) -> None:
        """Write what new entries changed, then move the cursor; raises UnavailableError and StorageError."""
        progress = self._progress or Progress(journal, 0, self._connected().target, self._digests())
        new = [entry for entry in entries if entry.position > progress.position]
        if not new:
            return
        with self._history.moment():
            self._require(new[-1].position)
            if progress.position < self._history.moves_forgotten():
                raise UnavailableError("it is too far behind to learn what moved in history", "wait: it begins anew")
            lived = self._lived()
            moves = self._moves(progress, new[-1].position)
            words = self._words(new)
            before = self._note_try(replace(progress, journal=journal), lived, moves)
            self._erase(new)
            self._project(words, moves, before, lived)
        self._save(replace(progress, journal=journal, position=new[-1].position, lived=lived, tried=lived, moved=()))
        self._remember(word for _, word in words)
        for reach in self._reach.values():
            reach.settle(new[-1].position)

    def _moves(self, progress: Progress, upto: int) -> Sequence[Moved]:
        """Say what moved, also by the word of a history that was lost since: rows may be deleted that it named."""
        moves = (move for move in self._history.moves(progress.position, upto) if move.agent is not None)
        return tuple(dict.fromkeys((*(Moved(*move) for move in progress.moved), *moves)))

    def _note_try(self, progress: Progress, lived: Lived, moves: Sequence[Moved]) -> Mapping[str, Filled]:
        """Note what may be there, and what may not, once a batch was tried; gives what is there before."""
        before = filled(progress.lived, progress.tried)
        trying = {site: before.get(site, Filled()).trying(lived.get(site, ())) for site in {*before, *lived}}
        if trying != before or moves:
            surely = {site: of.surely for site, of in trying.items()}
            perhaps = {site: of.perhaps for site, of in trying.items()}
            moved = [(move.site, move.agent, move.from_ms, move.to_ms) for move in moves if move.agent is not None]
            self._save(replace(progress, lived=surely, tried=perhaps, moved=moved))
        return before

    def _words(self, entries: Sequence[Entry]) -> list[Placed]:
        """Say what entries tell as history places them now; what moves later is heard of then."""
        agents = {(entry.site, entry.agent) for entry in entries}
        known = {agent: self._history.boots(*agent) for agent in agents}
        return list(tell_each(entries, known))

    def _project(
        self, words: Sequence[Placed], moves: Sequence[Moved], before: Mapping[str, Filled], after: Lived
    ) -> None:
        come = self._come()
        self._forget_moved(moves)
        by_site = touched((word for _, word in words), self._history, moves, self._heard, self._homes)
        for site, ground in self._grounds.items():
            had, has = before.get(site, Filled()), after.get(site, ())
            if site not in by_site and had == (has, has):
                continue
            late = self._late(site, words, moves)
            change = changed(ground.served, by_site.get(site, NOTHING), late, had, has, self._history)
            change = change.since(self._kept_ms(site))
            try:
                self._delete(change.deleted)
                write_lines(change.lines(ground, has, self._history), self._store_lines)
            finally:  # A part of the rows may stand there after a failure, too.
                self._extend_reach(site, come, change.agents_of(ground))

    def _erase(self, new: Iterable[Entry]) -> None:
        """Delete what is erased and history cannot write anew; the rest has moved in history."""
        for entry in new:
            of = entry.event
            if isinstance(of, ErasureEvent):
                self._refused.erase(of.space)
                if entry.site in self._grounds:
                    self._delete_erased(entry.site, [(of.space, of.from_ms, of.to_ms)])

    def _delete_erased(self, site: str, periods: Sequence[Period]) -> None:
        rows, kept_ms = self._grounds[site].served.rows, self._kept_ms(site)
        old = [period for period in periods if period[1] < kept_ms]
        self._delete(erased_rows(site, rows, old, kept_ms, self._next_row))

    def _next_row(self, site: str, space: str, from_ms: int) -> int | None:
        asked = (
            f"SELECT carried FROM occupancy WHERE site = '{site}' AND space = '{space}'"  # noqa: S608 - ids
            f" AND time >= {from_ms}ms AND carried = 0 LIMIT 1"
        )
        rows = self._connected().query(asked, Bucket.SPACES)
        return int(rows[0]["time"]) // NS_PER_MS if rows else None

    def _remember(self, words: Iterable[Told]) -> None:
        """Note the newest moment at which each epoch is known to have lived: rows hold what it vouched for by then."""
        if len(self._heard) > EPOCHS_REMEMBERED:
            self._heard.clear()
        for epoch, times_ms in vouchers(words).items():
            self._heard[epoch] = max(*times_ms, self._heard.get(epoch, times_ms[0]))

    def _forget_moved(self, moves: Iterable[Moved]) -> None:
        agents = {(move.site, move.agent) for move in moves}
        for epoch in [epoch for epoch in self._heard if epoch[:2] in agents] if agents else ():
            del self._heard[epoch]

    def _late(self, site: str, words: Sequence[Placed], moves: Sequence[Moved]) -> set[str]:
        """Name the agents whose words may contradict rows that stand there."""
        reach, late = self._reach[site], {move.agent for move in moves if move.site == site and move.agent is not None}
        for position, word in words:
            if word.site == site and word.agent not in late:
                if isinstance(word, Stated | Marked):
                    from_ms = word.time_ms
                elif isinstance(word, Lost):
                    from_ms = word.span.from_ms
                else:
                    continue
                if reach.is_late(word.agent, position, from_ms):
                    late.add(word.agent)
        return late

    def _delete(self, deleted: Iterable[Deleted]) -> None:
        for bucket, measurement, span, tags in deleted:
            self._connected().delete(bucket, measurement, *span, tags)

    def _store_lines(self, bucket: Bucket, lines: Sequence[str]) -> None:
        written = self._connected().write(bucket, lines)
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
        return progress.position < self._history.moves_forgotten()

    def _require(self, position: int) -> None:
        """Raise UnavailableError while history has not come to a position: what it holds now is not all there was."""
        if self._come() < position:
            raise UnavailableError("history is still being made anew", "wait: InfluxDB follows it")

    def _is_emptied(self) -> bool:
        """Tell whether rows should be in InfluxDB and none are."""
        told = [site for site in self._grounds if self._history.horizon(site) is not None]
        question = f"SELECT mark FROM alive {of_sites(told)} LIMIT 1"  # noqa: S608 - ids
        return bool(told) and not self._connected().query(question, Bucket.SPACES)

    def _adopt_layouts(self, progress: Progress) -> None:
        """Write the sites anew whose layout is another one than their rows were made of."""
        digests = self._digests()
        known = {*digests, *progress.layouts} - set(self._elsewhere)
        edited = {site for site in known if digests.get(site) != progress.layouts.get(site)}
        handed_over = set(self._elsewhere) & progress.layouts.keys()
        if not edited and not handed_over:
            return
        lived = {site: eras for site, eras in self._lived().items() if site in edited}
        # Until this is through, nobody knows which of their rows are there, though the edit be taken back.
        self._save(replace(progress, layouts={**progress.layouts, **dict.fromkeys(edited, "")}))
        for site in sorted(edited):
            self._delete(all_deleted({"site": site}, self._kept_ms(site)))
            if site in self._grounds:
                self._write_anew(self._grounds[site], lived)
        kept, tried = (
            {site: eras for site, eras in those.items() if site not in edited | handed_over}
            for those in (progress.lived, progress.tried)
        )
        self._save(replace(progress, layouts=digests, lived={**kept, **lived}, tried={**tried, **lived}))

    def _lived(self) -> Lived:
        return self._eras.at(self._come(), self._grounds)

    def _digests(self) -> dict[str, str]:
        return {site: ground.digest for site, ground in self._grounds.items()}

    def _save(self, progress: Progress) -> None:
        self._file.save(progress)
        self._progress = progress

    def _write_anew(self, ground: Ground, lived: Lived) -> None:
        """Write all rows of a site that can be made still, of which none is there."""
        site, come = ground.served.site, self._come()
        lines = lines_of_all(ground, lived.get(site, ()), self._history, self._kept_ms(site))
        write_lines(lines, self._store_lines)
        self._reach[site] = Reach(empty=True)
        self._extend_reach(site, come, ())

    def _kept_ms(self, site: str) -> int:
        """Say from when on rows of a site can be made: history has let go of the words before."""
        return self._history.tiers(site).words_ms

    def _extend_reach(self, site: str, position: int, agents: Collection[str]) -> None:
        """Note how far the rows of some agents reach now; the first time, of all."""
        reach = self._reach[site]
        known = latest(self._history.epochs(site)) if reach.is_unknown else self._history.last_evidence(site, agents)
        reach.extend(position, known)
