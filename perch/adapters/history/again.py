"""Making history anew from a journal that has let go of its beginning: what rests on that is kept as it is.

That is all that is dated before the days of which words are kept: sums, what still holds of what was stated, when
epochs lived, what was lost, and what is known of boots. The journal has everything else. All calls are within a
transaction of the writer.
"""

import sqlite3

import numpy as np

from perch.adapters.cursor import Cursor
from perch.adapters.history import ageing as history_ageing
from perch.adapters.history import file
from perch.adapters.history import moves as history_moves
from perch.model import DAY_MS

_FORGOTTEN = ("moved", "moves_forgotten", "unplaced", "sheet", "recount")


def words_ms(db: sqlite3.Connection) -> int | None:
    """Say from when on words are kept (ms UTC); None where none was ever let go of."""
    row = db.execute("SELECT words_day FROM kept").fetchone()
    return None if row is None else int(row[0]) * DAY_MS


def begin_again(db: sqlite3.Connection, journal: str, from_ms: int) -> None:
    """Forget what is dated from a moment on, to be told anew, and begin at what a journal still has."""
    for table in _FORGOTTEN:
        db.execute(f"DELETE FROM {table}")  # noqa: S608 - names of our own tables
    for series, space in db.execute("SELECT series, space FROM series").fetchall():
        _cut_after(db, series, space, from_ms)
    history_moves.shorten(db, from_ms)
    db.execute("DELETE FROM lost WHERE from_ms >= ?", (from_ms,))
    for (site,) in db.execute("SELECT id FROM site").fetchall():
        history_moves.measure(db, site)
    row = db.execute("SELECT journal, position FROM cursor").fetchone()
    cursor = None if row is None else Cursor(*row)
    if cursor is not None and cursor.journal == journal:
        db.execute("INSERT INTO recount VALUES (?)", (cursor.position,))


def is_counted(db: sqlite3.Connection, position: int) -> bool:
    """Tell whether what came too late up to a position was counted before."""
    row = db.execute("SELECT upto FROM recount").fetchone()
    return row is not None and position <= row[0]


def settle(db: sqlite3.Connection, position: int) -> None:
    """Let go once more of words that are too old, when everything up to where history had been is told anew."""
    row = db.execute("SELECT upto FROM recount").fetchone()
    if row is None or position < row[0]:
        return
    db.execute("DELETE FROM recount")
    history_ageing.let_go(db, *db.execute("SELECT words_day, sums_day FROM kept").fetchone())


def _cut_after(db: sqlite3.Connection, series: int, space: str, from_ms: int) -> None:
    """Take away the rows of a series from a moment on, and all marks."""
    first, last = file.chunk_range(series)
    if space == file.MARKS:
        db.execute("DELETE FROM chunk WHERE key BETWEEN ? AND ?", (first, last))
        return
    key = file.chunk_key(series, from_ms)
    db.execute("DELETE FROM chunk WHERE key > ? AND key <= ?", (key, last))
    found = db.execute("SELECT rows FROM chunk WHERE key = ?", (key,)).fetchone()
    if found is None:
        return
    rows = np.frombuffer(file.opened(found[0]), dtype=file.STATE_ROW)
    kept = rows[rows["time"] < from_ms - file.week_start_ms(key)]
    if len(kept):
        db.execute("UPDATE chunk SET rows = ? WHERE key = ?", (file.RAW + kept.tobytes(), key))
    else:
        db.execute("DELETE FROM chunk WHERE key = ?", (key,))
