"""How what is in `history.db` grows old: words are summed up by quarter hour, and sums go in the end.

Of each series the words that hold at the boundary stay, whenever they were said: whoever reads from there on misses
nothing. All calls are within a transaction of the writer.
"""

import sqlite3
from collections.abc import Iterator
from secrets import randbits

import numpy as np

from perch.adapters.history import file
from perch.adapters.history import sums as history_sums
from perch.adapters.history.batch import Batch
from perch.adapters.history.lost import needed_from
from perch.adapters.history.sheets import spoken
from perch.history.eras import eras
from perch.history.source import WordSource
from perch.history.summing import sum_up
from perch.model import DAY_MS

STAMP_BITS = 62
NEVER = -(2**31)
"""A day before all that can be named."""


def days_to_sum(db: sqlite3.Connection, words: WordSource, before_day: int) -> list[int]:
    """Give the days before one of which there may be words, and no sums yet, in order."""
    row = db.execute("SELECT words_day FROM kept").fetchone()
    days = {day for site in _sites(db) for day in _lived(site, words, before_day)}
    return sorted(day for day in days if row is None or day >= row[0])


def sum_day(db: sqlite3.Connection, words: WordSource, day: int, sums_day: int) -> None:
    """Put sums in the place of the words of a day, unless it is before `sums_day`, and let go of all words up to it."""
    for site in _sites(db) if day >= sums_day else ():
        series = spoken(db, site)
        sums = sum_up(site, series, day, words) if series else None
        if sums is not None and len(sums.series):
            row = (randbits(STAMP_BITS), site, day, history_sums.packed(sums))
            db.execute("INSERT INTO summed VALUES (?, ?, ?, ?)", row)
    let_go(db, day + 1, sums_day)


def let_go(db: sqlite3.Connection, words_day: int, sums_day: int) -> None:
    """Let go of words before a day, and of sums before another, both as far as they are not gone already."""
    row = db.execute("SELECT words_day, sums_day, late FROM kept").fetchone() or (NEVER, NEVER, 0)
    words_day, sums_day = max(words_day, row[0]), max(sums_day, row[1])
    for series, site, agent, space in db.execute("SELECT series, site, agent, space FROM series").fetchall():
        _cut(db, series, site, agent, space, words_day * DAY_MS)
    db.execute("DELETE FROM sheet WHERE day < ?", (words_day,))
    db.execute("DELETE FROM summed WHERE day < ?", (sums_day,))
    if min(words_day, sums_day) > min(row[:2]):
        _forget_silent(db, min(words_day, sums_day) * DAY_MS)
    db.execute("DELETE FROM kept")
    db.execute("INSERT INTO kept VALUES (?, ?, ?)", (words_day, sums_day, row[2]))


def count_late(db: sqlite3.Connection, batch: Batch) -> None:
    """Count what was stated of days that are summed up already."""
    row = db.execute("SELECT words_day FROM kept").fetchone()
    if row is None or all(lived.first_ms >= row[0] * DAY_MS for lived in batch.epochs.values()):
        return
    late = int((batch.stated.time_ms < row[0] * DAY_MS).sum())
    db.execute("UPDATE kept SET late = late + ?", (late,))


def _sites(db: sqlite3.Connection) -> list[str]:
    return [site for (site,) in db.execute("SELECT DISTINCT site FROM series ORDER BY site")]


def _lived(site: str, words: WordSource, before_day: int) -> Iterator[int]:
    for era in eras(site, words):
        yield from range(era.from_ms // DAY_MS, min((era.to_ms - 1) // DAY_MS + 1, before_day))


def _cut(db: sqlite3.Connection, series: int, site: str, agent: str, space: str, before_ms: int) -> None:
    """Take away the rows of a series before a moment, save those that hold then."""
    is_marks = space == file.MARKS
    from_ms = before_ms if is_marks else needed_from(db, (site, agent, space), series, before_ms)
    first, _ = file.chunk_range(series)
    key = file.chunk_key(series, from_ms)
    db.execute("DELETE FROM chunk WHERE key >= ? AND key < ?", (first, key))
    found = db.execute("SELECT rows FROM chunk WHERE key = ?", (key,)).fetchone()
    if found is None:
        return
    rows = np.frombuffer(file.opened(found[0]), dtype=file.MARK_ROW if is_marks else file.STATE_ROW)
    kept = rows[rows["time"] >= from_ms - file.week_start_ms(key)]
    if not len(kept):
        db.execute("DELETE FROM chunk WHERE key = ?", (key,))
    elif len(kept) < len(rows):
        body = kept.tobytes()
        is_packed = found[0][:1] == file.PACKED
        body = file.PACKED + file.packed_rows(body) if is_packed else file.RAW + body
        db.execute("UPDATE chunk SET rows = ? WHERE key = ?", (body, key))


def _forget_silent(db: sqlite3.Connection, before_ms: int) -> None:
    """Forget series of which nothing has been known since before a moment, and so no sums tell either."""
    for series, space in db.execute("SELECT series, space FROM series").fetchall():
        keys = file.chunk_range(series)
        last = db.execute(
            "SELECT key, rows FROM chunk WHERE key BETWEEN ? AND ? ORDER BY key DESC LIMIT 1", keys
        ).fetchone()
        if last is not None and (space == file.MARKS or not _is_silent(db, last, before_ms)):
            continue
        db.execute("DELETE FROM chunk WHERE key BETWEEN ? AND ?", keys)
        db.execute("DELETE FROM series WHERE series = ?", (series,))


def _is_silent(db: sqlite3.Connection, last: tuple[int, bytes], before_ms: int) -> bool:
    """Tell whether the last chunk of a series was said before a moment, and nobody has vouched for it since."""
    key, body = last
    rows = np.frombuffer(file.opened(body), dtype=file.STATE_ROW)
    if file.week_start_ms(key) + int(rows["time"].max()) >= before_ms:
        return False
    of = "SELECT until_ms FROM epoch WHERE epoch = ?"
    return all(db.execute(of, (number,)).fetchone()[0] < before_ms for number in set(rows["epoch"].tolist()))
