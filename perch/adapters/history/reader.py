"""Reading `history.db` while the collector writes it."""

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Self
from weakref import finalize

import numpy as np
import numpy.typing as npt

from perch.adapters.closing import Closing
from perch.adapters.cursor import Cursor
from perch.adapters.history import boots as history_boots
from perch.adapters.history import file
from perch.adapters.history import together as history_together
from perch.adapters.history.chunks import chunks_of, cut
from perch.adapters.history.lost import OF_ERASED, Losers, around, losers
from perch.adapters.history.sheets import FileSheets, KeptParts
from perch.adapters.sqlite import open_reader, refuse_other_schema, reported
from perch.delivery.boots import Boots
from perch.history.source import (
    END_MS,
    EVERYTHING,
    Columns,
    EpochSpan,
    Horizon,
    Integers,
    Mark,
    Moved,
    Stretch,
    Tiers,
    Together,
    Vouch,
)
from perch.history.told import LostSpan
from perch.model import DAY_MS


class HistoryReader(Closing):
    """A `WordSource` over a file that another connection writes; raises StorageError.

    It never writes and never checkpoints. Any thread may call: calls take turns on one connection, each in one short
    transaction, and arithmetic is left to the caller. Calls inside a `moment` share one.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._turn = RLock()
        self._kept = KeptParts()
        self._db = open_reader(path)
        try:
            refuse_other_schema(self._db, path, file.SCHEMA_VERSION)
        except BaseException:
            self._db.close()
            raise
        # One whose file was displaced is left to those who still ask it, and closes when the last of them has gone.
        finalize(self, self._db.close)

    @classmethod
    def beside(cls, writer: sqlite3.Connection, path: Path) -> Self:
        """Read over the connection of the writer, who sees what it has not committed yet; closing is left to it."""
        reader = cls.__new__(cls)
        reader._path, reader._turn, reader._db, reader._kept = path, RLock(), writer, KeptParts()
        return reader

    def __repr__(self) -> str:
        return f"<HistoryReader of {str(self._path)!r}>"

    def close(self) -> None:
        """Close the file; no other call may follow."""
        with self._turn:
            self._db.close()

    def cursor(self) -> Cursor | None:
        """Tell how far the journal is projected; None before the first time."""
        with self._snapshot() as db:
            row = db.execute("SELECT journal, position FROM cursor").fetchone()
            return None if row is None else Cursor(*row)

    def read(self, site: str, stretches: Sequence[Stretch]) -> list[Columns]:
        """Give what was stated in each stretch."""
        with self._snapshot() as db:
            vouches: dict[int, Vouch] = {}
            lossy = losers(db, site)
            return [_columns(db, site, stretch, vouches, lossy) for stretch in stretches]

    def read_together(self, site: str, stretches: Sequence[Stretch]) -> Together:
        """Give the same in one piece, for whoever reads many at once."""
        with self._snapshot() as db:
            return history_together.read_together(db, site, stretches)

    def horizon(self, site: str) -> Horizon | None:
        """Give the first and the last evidence of a site; None where there is none."""
        with self._snapshot() as db:
            row = db.execute("SELECT first_ms, last_ms FROM site WHERE id = ?", (site,)).fetchone()
            return None if row is None else Horizon(*row)

    def tiers(self, site: str) -> Tiers:
        """Say from when on words and sums are kept; everything is, where nothing was told of what is older."""
        with self._snapshot() as db:
            row = db.execute("SELECT words_day * ?1, sums_day * ?1 FROM kept", (DAY_MS,)).fetchone()
            (first_ms,) = db.execute("SELECT min(first_ms) FROM epoch WHERE site = ?", (site,)).fetchone()
            return EVERYTHING if row is None or first_ms is None or first_ms >= row[0] else Tiers(*row)

    def late(self) -> int:
        """Give how many statements came when their day was summed up already."""
        with self._snapshot() as db:
            row = db.execute("SELECT late FROM kept").fetchone()
            return 0 if row is None else int(row[0])

    def sheets(self, site: str) -> FileSheets:
        """Give the sheets of a site."""
        return FileSheets(site, self._snapshot, self, self._kept)

    def spaces(self, site: str, agent: str) -> list[str]:
        """Name the spaces of which an agent ever stated anything, in order."""
        with self._snapshot() as db:
            rows = db.execute(
                "SELECT space FROM series WHERE site = ? AND agent = ? AND space <> ? ORDER BY space",
                (site, agent, file.MARKS),
            )
            return [space for (space,) in rows]

    def marks(self, site: str, agent: str, from_ms: int, to_ms: int) -> list[Mark]:
        """Give the agent's marks and the last evidence of its epochs in [from_ms, to_ms), in order."""
        with self._snapshot() as db:
            ends = db.execute(
                "SELECT until_ms, id FROM epoch WHERE site = ? AND agent = ? AND until_ms >= ? AND until_ms < ?",
                (site, agent, from_ms, to_ms),
            )
            return sorted({*_marks(db, site, agent, from_ms, to_ms), *(Mark(*end) for end in ends)})

    def mark_before(self, site: str, agent: str, epoch: str, before_ms: int) -> int | None:
        """Give the epoch's last mark before a moment, else its first evidence if that is before it, else None."""
        with self._snapshot() as db:
            row = db.execute(
                "SELECT first_ms, until_ms FROM epoch WHERE site = ? AND agent = ? AND id = ?", (site, agent, epoch)
            ).fetchone()
            if row is None or row[0] >= before_ms:
                return None
            first_ms, until_ms = row
            return until_ms if until_ms < before_ms else _mark_back(db, site, agent, epoch, first_ms, before_ms)

    def epochs(self, site: str) -> list[EpochSpan]:
        """Give every epoch of every agent of the site, by agent and first evidence."""
        with self._snapshot() as db:
            rows = db.execute(
                "SELECT agent, id, first_ms, until_ms FROM epoch WHERE site = ? ORDER BY agent, first_ms, id", (site,)
            )
            return [EpochSpan(*row) for row in rows]

    def last_evidence(self, site: str, agents: Collection[str]) -> dict[str, int]:
        """Give the last evidence of some agents."""
        asked = "SELECT max(until_ms) FROM epoch WHERE site = ? AND agent = ?"
        with self._snapshot() as db:
            found = {agent: db.execute(asked, (site, agent)).fetchone()[0] for agent in agents}
            return {agent: until_ms for agent, until_ms in found.items() if until_ms is not None}

    def unplaced(self, site: str) -> dict[str, int]:
        """Give for each agent how many of its events wait to be placed in history, for nobody knows when they were."""
        with self._snapshot() as db:
            return dict(db.execute("SELECT agent, sum(events) FROM unplaced WHERE site = ? GROUP BY agent", (site,)))

    def moves(self, after: int, upto: int) -> list[Moved]:
        """Give what was forgotten and told anew after a position of the journal and up to another."""
        with self._snapshot() as db:
            rows = db.execute(
                "SELECT site, agent, from_ms, to_ms FROM moved WHERE position > ? AND position <= ?", (after, upto)
            )
            return [Moved(*row) for row in rows]

    def moves_forgotten(self) -> int:
        """Give the position up to which it is not known any more what moved."""
        with self._snapshot() as db:
            row = db.execute("SELECT upto FROM moves_forgotten").fetchone()
            return 0 if row is None else int(row[0])

    def kept_from(self) -> int | None:
        """Give the day (UTC, since 1970) from which on words are kept; None where none was ever let go of."""
        with self._snapshot() as db:
            row = db.execute("SELECT words_day FROM kept").fetchone()
            return None if row is None else int(row[0])

    def erased(self, site: str) -> list[tuple[str, int, int]]:
        """Give what was erased at a site: spaces, each from one moment until before another."""
        with self._snapshot() as db:
            return db.execute("SELECT space, from_ms, to_ms FROM erased WHERE site = ?", (site,)).fetchall()

    def boots(self, site: str, agent: str) -> Boots:
        """Give what is known of an agent's boots, and so where its events belong."""
        with self._snapshot() as db:
            return history_boots.load(db, site, agent)

    @contextmanager
    def moment(self) -> Iterator[None]:
        """Let all calls inside see one moment of the file; other threads wait meanwhile."""
        with self._snapshot() as db:
            db.execute("SELECT count(*) FROM cursor").fetchone()  # a transaction begins with its first look
            yield

    @contextmanager
    def _snapshot(self) -> Iterator[sqlite3.Connection]:
        """Let one caller at a time see one moment of the file."""
        with self._turn, reported(self._path):
            if self._db.in_transaction:
                yield self._db
                return
            self._db.execute("BEGIN")
            try:
                yield self._db
            finally:
                self._db.execute("COMMIT")


def _series(db: sqlite3.Connection, site: str, agent: str, space: str) -> int | None:
    row = db.execute(
        "SELECT series FROM series WHERE site = ? AND agent = ? AND space = ?", (site, agent, space)
    ).fetchone()
    return None if row is None else int(row[0])


def _columns(db: sqlite3.Connection, site: str, stretch: Stretch, vouches: dict[int, Vouch], lossy: Losers) -> Columns:
    """Read a stretch; `vouches` remembers epochs, by their number in the file, within one snapshot."""
    series = _series(db, site, stretch.agent, stretch.space)
    lost: tuple[LostSpan, ...] = ()
    if lossy.may_lack(stretch):
        first_ms, last_ms, lost = around(db, site, series, stretch)
    if lost:
        rows, times_ms = _rows(db, series, first_ms, last_ms + 1)
        within = (first_ms <= times_ms) & (times_ms <= last_ms)
        rows, times_ms = rows[within], times_ms[within]
    else:
        rows, times_ms = _rows(db, series, stretch.from_ms, stretch.to_ms)
    numbers, epoch = _ranked(rows["epoch"].astype(np.int64))
    state, reason, clock = file.codes_in(rows["code"].astype(np.int64))
    known = [_vouch(db, number, vouches) for number in numbers.tolist()]
    return Columns(
        times_ms,
        rows["seq"].astype(np.int64),
        epoch,
        state,
        reason,
        clock,
        rows["thousandths"].astype(np.int64),
        rows["count"].astype(np.int64),
        (*known, *_vouches_of(db, site, stretch.agent, {span.epoch for span in lost} - {of.epoch for of in known})),
        lost,
    )


def _rows(
    db: sqlite3.Connection, series: int | None, from_ms: int, to_ms: int
) -> tuple[npt.NDArray[np.void], Integers]:
    """Read the rows of a window, those of the last millisecond before it, and of the first one after it."""
    chunks = [] if series is None else chunks_of(db, series, from_ms, to_ms)
    near = [(key, cut(body, key, from_ms, to_ms)) for key, body in chunks]
    rows, times_ms = file.unpacked(near, file.STATE_ROW)
    first, last = np.searchsorted(times_ms, (from_ms, to_ms)).tolist()
    first = np.searchsorted(times_ms, times_ms[first - 1]) if first else 0
    last = np.searchsorted(times_ms, times_ms[last], side="right") if last < len(rows) else last
    return rows[first:last], times_ms[first:last]


def _ranked(numbers: Integers) -> tuple[Integers, Integers]:
    """Give the distinct numbers in order, and for each number its place among them; they lie close to each other."""
    if not len(numbers):
        return numbers, numbers
    offsets = numbers - numbers.min()
    occurs = np.bincount(offsets) > 0
    return np.flatnonzero(occurs) + numbers.min(), (np.cumsum(occurs) - 1)[offsets]


def _vouch(db: sqlite3.Connection, number: int, vouches: dict[int, Vouch]) -> Vouch:
    if number not in vouches:
        vouches[number] = Vouch(*db.execute("SELECT id, until_ms FROM epoch WHERE epoch = ?", (number,)).fetchone())
    return vouches[number]


def _vouches_of(db: sqlite3.Connection, site: str, agent: str, epochs: Iterable[str]) -> Iterator[Vouch]:
    for epoch in epochs:
        if epoch == OF_ERASED:
            yield Vouch(OF_ERASED, END_MS)
            continue
        row = db.execute("SELECT until_ms FROM epoch WHERE site = ? AND agent = ? AND id = ?", (site, agent, epoch))
        yield Vouch(epoch, *row.fetchone())


def _marks(db: sqlite3.Connection, site: str, agent: str, from_ms: int, to_ms: int) -> Iterator[Mark]:
    series = _series(db, site, agent, file.MARKS)
    if series is None:
        return
    rows, times_ms = file.unpacked(chunks_of(db, series, from_ms, to_ms), file.MARK_ROW)
    vouches: dict[int, Vouch] = {}
    within = (times_ms >= from_ms) & (times_ms < to_ms)
    for ms, number in zip(times_ms[within].tolist(), rows["epoch"][within].tolist(), strict=True):
        yield Mark(ms, _vouch(db, number, vouches).epoch)


def _mark_back(db: sqlite3.Connection, site: str, agent: str, epoch: str, first_ms: int, before_ms: int) -> int:
    """Walk back, chunk by chunk, to the last mark of an epoch before a moment; without any, to its first evidence."""
    while before_ms > first_ms:
        week_ms = (before_ms - 1) // file.WEEK_MS * file.WEEK_MS
        marks = [mark.time_ms for mark in _marks(db, site, agent, week_ms, before_ms) if mark.epoch == epoch]
        if marks:
            return marks[-1]
        before_ms = week_ms
    return first_ms
