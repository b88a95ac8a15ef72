"""Reading many stretches of `history.db` at once: what a stretch costs is two small questions, and no arrays."""

import sqlite3
from collections.abc import Iterator, Sequence

import numpy as np

from perch.adapters.history import file
from perch.adapters.history.chunks import ROW_BYTES, chunks_of, cut
from perch.adapters.history.lost import around, losers
from perch.history.source import NO_ROWS, Columns, Integers, Stretch, Together, Vouch


def read_together(db: sqlite3.Connection, site: str, stretches: Sequence[Stretch]) -> Together:
    """Give what was stated in stretches of a site, side by side."""
    numbers = list(_series(db, site, stretches))
    lost = _odd(db, site, numbers, stretches)
    bodies: list[bytes] = []
    weeks_ms: list[int] = []
    lengths: list[int] = []
    counts = [0] * len(stretches)
    for place, (series, of) in enumerate(zip(numbers, stretches, strict=True)):
        for key, body in () if series is None or place in lost else chunks_of(db, series, of.from_ms, of.to_ms):
            part = cut(body, key, of.from_ms, of.to_ms)
            bodies.append(part)
            weeks_ms.append(file.week_start_ms(key))
            lengths.append(len(part) // ROW_BYTES)
            counts[place] += lengths[-1]
    pieces = np.array(counts, dtype=np.int64)
    if not bodies:
        return Together(NO_ROWS, pieces, lost)
    rows = np.frombuffer(b"".join(bodies), dtype=file.STATE_ROW)
    times_ms = np.repeat(np.array(weeks_ms, dtype=np.int64), lengths) + rows["time"]
    kept = _within(times_ms, pieces, stretches)
    of_row = np.repeat(np.arange(len(stretches)), pieces)[kept]
    return Together(
        _columns(db, rows[kept], times_ms[kept]), np.bincount(of_row, minlength=len(stretches)).astype(np.int64), lost
    )


def _odd(
    db: sqlite3.Connection, site: str, series: Sequence[int | None], stretches: Sequence[Stretch]
) -> frozenset[int]:
    """Name the places of stretches around which spans were lost."""
    lossy = losers(db, site)
    return frozenset(
        place
        for place, of in (enumerate(stretches) if any(lossy) else ())
        if lossy.may_lack(of) and around(db, site, series[place], of).lost
    )


def _series(db: sqlite3.Connection, site: str, stretches: Sequence[Stretch]) -> Iterator[int | None]:
    """Give the number of the series of each stretch, asking once for each agent, who has few spaces."""
    numbers: dict[str, dict[str, int]] = {}
    for of in stretches:
        if of.agent not in numbers:
            numbers[of.agent] = dict(
                db.execute("SELECT space, series FROM series WHERE site = ? AND agent = ?", (site, of.agent))
            )
        yield numbers[of.agent].get(of.space)


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
