"""Reading many stretches of `history.db` at once: what a stretch costs is two small questions, and no arrays."""

import sqlite3
import struct
from collections.abc import Iterator, Sequence

import numpy as np

from perch.adapters import history_file as file
from perch.history.source import NO_ROWS, Columns, Integers, Stretch, Together, Vouch

_time_at = struct.Struct("<I").unpack_from
_ROW_BYTES = file.STATE_ROW.itemsize
_MANY = 300

_CHUNKS = (
    "SELECT key, rows FROM chunk"
    " WHERE key >= coalesce((SELECT max(key) FROM chunk WHERE key >= ?1 AND key < ?2), ?2)"
    " AND key <= coalesce((SELECT min(key) FROM chunk WHERE key > ?3 AND key <= ?4), ?3) ORDER BY key"
)
"""The chunks that a window meets, the one before them, and the one after."""


def chunks_of(db: sqlite3.Connection, series: int, from_ms: int, to_ms: int) -> list[tuple[int, bytes]]:
    """Read the chunks that a window of a series meets, the one before them, and the one after."""
    first, last = file.chunk_range(series)
    keys = first, file.chunk_key(series, from_ms), file.chunk_key(series, to_ms), last
    return db.execute(_CHUNKS, keys).fetchall()


def read_together(db: sqlite3.Connection, site: str, stretches: Sequence[Stretch]) -> Together:
    """Give what was stated in stretches of a site, side by side."""
    bodies: list[bytes] = []
    weeks_ms: list[int] = []
    lengths: list[int] = []
    counts = [0] * len(stretches)
    for place, (series, of) in enumerate(zip(_series(db, site, stretches), stretches, strict=True)):
        for key, body in () if series is None else chunks_of(db, series, of.from_ms, of.to_ms):
            week_ms = file.week_start_ms(key)
            part = _cut(body, of.from_ms - week_ms, of.to_ms - week_ms)
            bodies.append(part)
            weeks_ms.append(week_ms)
            lengths.append(len(part) // _ROW_BYTES)
            counts[place] += lengths[-1]
    pieces = np.array(counts, dtype=np.int64)
    found = db.execute("SELECT DISTINCT agent FROM lost WHERE site = ?", (site,))
    losers = {agent for (agent,) in found}
    lost = frozenset(place for place, of in enumerate(stretches) if of.agent in losers) if losers else frozenset()
    if not bodies:
        return Together(NO_ROWS, pieces, lost)
    rows = np.frombuffer(b"".join(bodies), dtype=file.STATE_ROW)
    times_ms = np.repeat(np.array(weeks_ms, dtype=np.int64), lengths) + rows["time"]
    kept = _within(times_ms, pieces, stretches)
    of_row = np.repeat(np.arange(len(stretches)), pieces)[kept]
    return Together(
        _columns(db, rows[kept], times_ms[kept]), np.bincount(of_row, minlength=len(stretches)).astype(np.int64), lost
    )


def _series(db: sqlite3.Connection, site: str, stretches: Sequence[Stretch]) -> Iterator[int | None]:
    if len(stretches) > _MANY:
        found = db.execute("SELECT agent, space, series FROM series WHERE site = ?", (site,))
        numbers = {(agent, space): series for agent, space, series in found}
        yield from (numbers.get((of.agent, of.space)) for of in stretches)
        return
    for of in stretches:
        row = db.execute(
            "SELECT series FROM series WHERE site = ? AND agent = ? AND space = ?", (site, of.agent, of.space)
        ).fetchone()
        yield None if row is None else row[0]


def _cut(body: bytes, from_ms: int, to_ms: int) -> bytes:
    """Leave away what is far from a window (ms since the start of the week) and no neighbour of it."""
    if len(body) <= 8 * _ROW_BYTES:
        return body
    first, last = _rank(body, from_ms), _rank(body, to_ms)
    first = _rank(body, _time_at(body, (first - 1) * _ROW_BYTES)[0]) if first else 0
    last = last if last * _ROW_BYTES == len(body) else _rank(body, _time_at(body, last * _ROW_BYTES)[0] + 1)
    return body[first * _ROW_BYTES : last * _ROW_BYTES]


def _rank(body: bytes, time_ms: int) -> int:
    """Count the rows before a moment."""
    low, high = 0, len(body) // _ROW_BYTES
    while low < high:
        middle = (low + high) // 2
        if _time_at(body, middle * _ROW_BYTES)[0] < time_ms:
            low = middle + 1
        else:
            high = middle
    return low


def _within(times_ms: Integers, counts: Integers, stretches: Sequence[Stretch]) -> Integers:
    """Choose the rows of each stretch, those of the last millisecond before it, and of the first one after it."""
    bounds = np.array([(of.from_ms, of.to_ms) for of in stretches], dtype=np.int64)
    filled = np.flatnonzero(counts)
    starts = np.cumsum(counts[filled]) - counts[filled]
    of = np.repeat(filled, counts[filled])
    before, until = times_ms < bounds[of, 0], times_ms < bounds[of, 1]
    earlier = np.add.reduceat(before.astype(np.int64), starts)
    later = np.add.reduceat(until.astype(np.int64), starts)
    ends = starts + counts[filled]
    first = np.where(earlier > 0, times_ms[np.maximum(starts + earlier - 1, 0)], bounds[filled, 0])
    last_at = starts + later
    last = np.where(last_at < ends, times_ms[np.minimum(last_at, len(times_ms) - 1)], bounds[filled, 1])
    repeats = counts[filled]
    chosen: Integers = np.flatnonzero((times_ms >= np.repeat(first, repeats)) & (times_ms <= np.repeat(last, repeats)))
    return chosen


def _columns(db: sqlite3.Connection, rows: np.ndarray, times_ms: Integers) -> Columns:
    numbers, epoch = np.unique(rows["epoch"], return_inverse=True)
    vouches = [
        Vouch(*db.execute("SELECT id, until_ms FROM epoch WHERE epoch = ?", (number,)).fetchone())
        for number in numbers.tolist()
    ]
    state, reason, clock = file.codes_in(rows["code"].astype(np.int64))
    seq, thousandths, count = (rows[name].astype(np.int64) for name in ("seq", "thousandths", "count"))
    return Columns(times_ms, seq, epoch.astype(np.int64), state, reason, clock, thousandths, count, tuple(vouches))
