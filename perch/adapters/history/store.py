"""Writing `history.db`: the collector's own projection of the journal, made for the API's questions.

It can always be made again from the journal, so a power cut may cost the last commits, never their consistency: the
cursor is committed with the rows it stands for.
"""

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, Self

from perch.adapters.closing import Closing
from perch.adapters.cursor import Cursor
from perch.adapters.history import again as history_again
from perch.adapters.history import ageing as history_ageing
from perch.adapters.history import boots as history_boots
from perch.adapters.history import erasing as history_erasing
from perch.adapters.history import file
from perch.adapters.history.batch import Batch, Lived
from perch.adapters.history.boots import Learned
from perch.adapters.history.erasing import ErasedSpans
from perch.adapters.history.folding import Folding
from perch.adapters.history.moves import Retelling, forget_moves
from perch.adapters.history.reader import HistoryReader
from perch.adapters.history.series import SeriesNumbers
from perch.adapters.sqlite import adopt_schema, claim, empty_log, open_writer, reported, schema_version, transaction
from perch.adapters.upgrade import upgrade
from perch.delivery.boots import Boots
from perch.delivery.erasing import Erasure
from perch.history.source import BEGINNING_MS
from perch.history.told import Forgotten, Marked, Told

__all__ = ["HistoryReader", "HistoryStore"]

WORDS_AT_ONCE = 20_000

NOTHING_LEARNED: Learned = {}


class HistoryStore(Closing):
    """The one writer of a history. One thread at a time; every call raises StorageError where the file fails."""

    def __init__(self, connection: sqlite3.Connection, path: Path, held: IO[bytes]) -> None:
        self._db = connection
        self._path = path
        self._held = held
        self._words = HistoryReader.beside(connection, path)
        self._folding = Folding(connection, self._words)
        self._erased = ErasedSpans(connection)
        self._is_scrubbed = False

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a history or make it; one from before journals let go of events is emptied, to be projected anew."""
        held = claim(path)
        try:
            connection = open_writer(path)
            try:
                with reported(path):
                    connection.execute("PRAGMA synchronous = NORMAL")
                    connection.execute("PRAGMA secure_delete = ON")  # what is let go of is to leave no trace
                    if 0 < schema_version(connection) < file.STEPS[0].since:
                        _drop_all(connection, path)
                upgrade(connection, path, file.STEPS)
                adopt_schema(connection, path, file.SCHEMA_VERSION, file.SCHEMA)
                return cls(connection, path, held)
            except BaseException:
                connection.close()
                raise
        except BaseException:
            held.close()
            raise

    def __repr__(self) -> str:
        return f"<HistoryStore {str(self._path)!r}>"

    def close(self) -> None:
        """Close the file; no other call may follow."""
        self._db.close()
        self._held.close()

    def cursor(self) -> Cursor | None:
        """Tell how far the journal is projected; None before the first time."""
        with reported(self._path):
            row = self._db.execute("SELECT journal, position FROM cursor").fetchone()
            return None if row is None else Cursor(*row)

    def reset(self, journal: str) -> None:
        """Forget everything and begin at the start of a journal."""
        with transaction(self._db, self._path):
            for table in file.TABLES:
                self._db.execute(f"DELETE FROM {table}")  # noqa: S608 - names of our own tables
            self._folding.begin_anew()
            self._move(Cursor(journal, 0))
        self._is_scrubbed = False

    def begin_again(self, journal: str) -> bool:
        """Begin at what a journal still has, keeping what rests on that which it let go of; False if nothing is kept.

        Then everything is forgotten.
        """
        with transaction(self._db, self._path):
            from_ms = history_again.words_ms(self._db)
            if from_ms is not None:
                history_again.begin_again(self._db, journal, from_ms)
                self._folding.begin_anew()
                self._move(Cursor(journal, 0))
                self._is_scrubbed = False
                return True
        self.reset(journal)
        return False

    def erase(self, erasure: Erasure, position: int) -> None:
        """Erase what was said of a space over a period, now and whenever more of it is told."""
        with transaction(self._db, self._path):
            self._folding.void((), history_erasing.erase(self._db, erasure, position))
            self._erased = ErasedSpans(self._db)
        self._is_scrubbed = False
        self._scrub()

    def boots(self, site: str, agent: str) -> Boots:
        """Give what is known of an agent's boots."""
        with reported(self._path):
            return history_boots.load(self._db, site, agent)

    def add(
        self,
        told: Iterable[Told],
        cursor: Cursor,
        learned: Learned = NOTHING_LEARNED,
        forgotten: Sequence[Forgotten] = (),
        followed: int = 0,
        floor: int = 0,
    ) -> None:
        """Take in events and move the cursor, in one transaction; a repeated event changes no answer.

        What `forgotten` epochs told before is void; what they told at all is among the events, save what a journal with
        a `floor` has let go of. Nobody will ask any more what moved up to the position `followed`.
        """
        words = self._erased.left(told)
        with transaction(self._db, self._path):
            from_ms = history_again.words_ms(self._db) if floor else None
            retelling = Retelling(self._db, forgotten, BEGINNING_MS if from_ms is None else from_ms)
            said: list[Told] = []
            known = history_again.is_counted(self._db, cursor.position)
            while some := list(islice(words, WORDS_AT_ONCE)):
                said += self._take(Batch(some), some, all_said=bool(forgotten), counted=known)
            moves = retelling.settle(cursor.position)
            self._folding.void(said, moves)
            forget_moves(self._db, followed)
            history_boots.save(self._db, learned)
            self._move(cursor)
            history_again.settle(self._db, cursor.position)

    def fold(self) -> bool:
        """Put some days that are over on sheets, in one transaction; tells whether any waited for it."""
        self._scrub()
        with transaction(self._db, self._path):
            return self._folding.fold_some()

    def kept_from(self) -> int | None:
        """Give the day (UTC, since 1970) from which on words are kept; None where none was ever let go of."""
        with reported(self._path):
            row = self._db.execute("SELECT words_day FROM kept").fetchone()
            return None if row is None else int(row[0])

    def let_go(self, words_day: int, sums_day: int) -> None:
        """Let go of words before a day, of which sums by quarter hour are left, and of sums before another.

        Each day is one transaction; whoever is interrupted goes on where it was.
        """
        for day in history_ageing.days_to_sum(self._db, self._words, words_day):
            with transaction(self._db, self._path):
                history_ageing.sum_day(self._db, self._words, day, sums_day)
        with transaction(self._db, self._path):
            history_ageing.let_go(self._db, words_day, sums_day)
        self._is_scrubbed = False
        self._scrub()

    def _scrub(self) -> None:
        """Empty the log, which still holds what is no more in the file; where somebody reads it, next time."""
        self._is_scrubbed = self._is_scrubbed or empty_log(self._db, self._path)

    def _take(self, batch: Batch, words: list[Told], *, all_said: bool, counted: bool) -> list[Told]:
        """Take a batch in; gives its words if they may say something of days that have sheets."""
        ends_ms = self._folding.ends_ms(batch)
        late = bool(ends_ms) and (all_said or self._folding.may_touch(batch, ends_ms))
        numbers = {epoch: self._widen(epoch, lived) for epoch, lived in batch.epochs.items()}
        series = SeriesNumbers(self._db)
        begun: list[tuple[int, int]] = []
        merged = [
            *(
                self._merged(series.of(*key), week_ms, new, file.merged_states, begun)
                for key, week_ms, new in batch.stated.packed(numbers)
            ),
            *(
                self._merged(series.of(site, agent, file.MARKS), week_ms, new, file.merged_marks, [])
                for (site, agent), marks in batch.marked.items()
                for week_ms, new in _packed_marks(marks, numbers).items()
            ),
        ]
        self._db.executemany("INSERT OR REPLACE INTO chunk VALUES (?, ?)", merged)
        for number, key in begun:
            self._pack_before(number, key)
        self._note(batch)
        if not (all_said or counted):
            history_ageing.count_late(self._db, batch)
        return words if late else []

    def _widen(self, epoch: tuple[str, str, str], lived: Lived) -> int:
        """Extend when an epoch (site, agent, id) is known to have lived and was heard; gives its number."""
        number: int = self._db.execute(
            "INSERT INTO epoch (site, agent, id, first_ms, until_ms, heard_first_ms, heard_last_ms)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET first_ms = min(first_ms, excluded.first_ms),"
            " until_ms = max(until_ms, excluded.until_ms),"
            " heard_first_ms = coalesce(min(heard_first_ms, excluded.heard_first_ms),"
            " heard_first_ms, excluded.heard_first_ms),"
            " heard_last_ms = coalesce(max(heard_last_ms, excluded.heard_last_ms),"
            " heard_last_ms, excluded.heard_last_ms) RETURNING epoch",
            (*epoch, lived.first_ms, lived.until_ms, *(lived.heard or (None, None))),
        ).fetchone()[0]
        return number

    def _merged(
        self,
        series: int,
        week_ms: int,
        new: bytes,
        merged: Callable[[bytes, bytes], bytes],
        begun: list[tuple[int, int]],
    ) -> tuple[int, bytes]:
        """Add packed rows of a week to the chunk of a series; gives it with its key, and adds that to those begun."""
        key = file.chunk_key(series, week_ms)
        row = self._db.execute("SELECT rows FROM chunk WHERE key = ?", (key,)).fetchone()
        if row is None:
            begun.append((series, key))
        rows = merged(b"" if row is None else file.opened(row[0]), new)
        is_packed = row is not None and row[0][:1] == file.PACKED
        return key, file.PACKED + file.packed_rows(rows) if is_packed else file.RAW + rows

    def _pack_before(self, series: int, key: int) -> None:
        """Pack the chunk before one that begins."""
        first, _ = file.chunk_range(series)
        row = self._db.execute(
            "SELECT key, rows FROM chunk WHERE key >= ? AND key < ? ORDER BY key DESC LIMIT 1", (first, key)
        ).fetchone()
        if row is not None and row[1][:1] == file.RAW:
            packed = file.PACKED + file.packed_rows(row[1][1:])
            self._db.execute("UPDATE chunk SET rows = ? WHERE key = ?", (packed, row[0]))

    def _note(self, batch: Batch) -> None:
        self._db.executemany("INSERT OR IGNORE INTO lost VALUES (?, ?, ?, ?, ?, ?, ?, ?)", batch.lost)
        self._db.executemany(
            "INSERT INTO unplaced VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET events = events + excluded.events",
            [(*epoch, events) for epoch, events in batch.unplaced.items()],
        )
        self._db.executemany(
            "INSERT INTO site VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET first_ms = min(first_ms, excluded.first_ms),"
            " last_ms = max(last_ms, excluded.last_ms)",
            [(site, *horizon) for site, horizon in batch.horizons.items()],
        )

    def _move(self, cursor: Cursor) -> None:
        self._db.execute("DELETE FROM cursor")
        self._db.execute("INSERT INTO cursor VALUES (?, ?)", cursor)


def _packed_marks(marks: Iterable[Marked], numbers: Mapping[tuple[str, str, str], int]) -> dict[int, bytes]:
    """Pack marks of one agent, by the start of their week."""
    weeks: dict[int, list[bytes]] = {}
    for mark in marks:
        offset_ms = mark.time_ms % file.WEEK_MS
        number = numbers[mark.site, mark.agent, mark.epoch]
        weeks.setdefault(mark.time_ms - offset_ms, []).append(file.pack_mark(offset_ms, number))
    return {week_ms: b"".join(rows) for week_ms, rows in weeks.items()}


def _drop_all(connection: sqlite3.Connection, path: Path) -> None:
    with transaction(connection, path):
        tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
        for (table,) in tables:
            connection.execute(f'DROP TABLE "{table}"')
        connection.execute("PRAGMA user_version = 0")
