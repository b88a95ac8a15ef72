"""Erasing a space over a period in `history.db`: its words, its sums, and what comes of it later.

What is erased reads as lost: unknown from the beginning of the period until something else is stated after its end. All
calls are within a transaction of the writer.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from secrets import randbits
from typing import NamedTuple

import numpy as np

from perch.adapters.history import file
from perch.adapters.history import sums as history_sums
from perch.adapters.history.ageing import STAMP_BITS
from perch.delivery.erasing import Erasure
from perch.history.source import Moved
from perch.history.struck import Struck, struck
from perch.history.told import Stated, Told
from perch.model import DAY_MS, QUARTER_MS

Span = tuple[int, int]


class _Series(NamedTuple):
    number: int
    agent: str


class ErasedSpans:
    """The periods that were erased, for whoever adds words."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._of: dict[tuple[str, str], list[Span]] = {}
        for site, space, from_ms, to_ms in db.execute("SELECT site, space, from_ms, to_ms FROM erased"):
            self._of.setdefault((site, space), []).append((from_ms, to_ms))

    def left(self, told: Iterable[Told]) -> Iterator[Told]:
        """Give words without those that are erased."""
        return (one for one in told if not self._has(one)) if self._of else iter(told)

    def _has(self, one: Told) -> bool:
        if not isinstance(one, Stated):
            return False
        spans = self._of.get((one.site, one.space), ())
        return any(from_ms <= one.time_ms < to_ms for from_ms, to_ms in spans)


def erase(db: sqlite3.Connection, of: Erasure, position: int) -> list[Moved]:
    """Erase what is there; gives, and notes at a position of the journal, where words changed."""
    db.execute("INSERT OR IGNORE INTO erased VALUES (?, ?, ?, ?)", of.period)
    found = db.execute("SELECT series, agent FROM series WHERE site = ? AND space = ?", (of.site, of.space))
    series = [_Series(*row) for row in found.fetchall()]
    moves = [Moved(of.site, one.agent, of.from_ms, of.to_ms) for one in series]
    for one in series:
        _take_out(db, one.number, of)
    db.executemany("INSERT INTO moved VALUES (?, ?, ?, ?, ?)", [(position, *moved) for moved in moves])
    _strike_sums(db, of, {one.number for one in series})
    return moves


def _take_out(db: sqlite3.Connection, series: int, of: Erasure) -> None:
    """Take the rows of a period out of the chunks of a series."""
    keys = file.chunk_key(series, of.from_ms), file.chunk_key(series, of.to_ms - 1)
    for key, body in db.execute("SELECT key, rows FROM chunk WHERE key BETWEEN ? AND ?", keys).fetchall():
        rows = np.frombuffer(file.opened(body), dtype=file.STATE_ROW)
        time_ms = file.week_start_ms(key) + rows["time"].astype(np.int64)
        kept = rows[(time_ms < of.from_ms) | (time_ms >= of.to_ms)]
        if not len(kept):
            db.execute("DELETE FROM chunk WHERE key = ?", (key,))
        elif len(kept) < len(rows):
            whole = kept.tobytes()
            is_packed = body[:1] == file.PACKED
            whole = file.PACKED + file.packed_rows(whole) if is_packed else file.RAW + whole
            db.execute("UPDATE chunk SET rows = ? WHERE key = ?", (whole, key))


def _strike_sums(db: sqlite3.Connection, of: Erasure, series: set[int]) -> None:
    """Make the quarter hours of the period unknown, and those after it that rest on what was stated in it."""
    at = Struck(frozenset(series), of.from_ms // QUARTER_MS, -(-of.to_ms // QUARTER_MS))
    days = db.execute(
        "SELECT stamp, day, sums FROM summed WHERE site = ? AND day >= ? ORDER BY day", (of.site, of.from_ms // DAY_MS)
    )
    for stamp, day, body in days.fetchall():
        if day * DAY_MS >= of.to_ms and not at.series:
            return
        sums, at = struck(history_sums.unpacked(day, body), at)
        row = (randbits(STAMP_BITS), history_sums.packed(sums), stamp)
        db.execute("UPDATE summed SET stamp = ?, sums = ? WHERE stamp = ?", row)
