"""How history lies on disk: tables, and chunks of rows packed side by side.

A chunk holds the rows of one series (what one agent says of one space, or its marks) over one week, in order of (time,
seq). Its key puts the chunks of a series next to each other in order of time, so that a window is one range of the
table, and a late event rewrites one chunk. A state row takes 23 bytes; once the next chunk of its series has begun, it
is packed to about a third. The first byte of a chunk says which.

A sheet holds a day of a site in order of time, see `perch.history.sheets`; its stamp is drawn by lot, never to be met
again, whatever becomes of the file. Days before `words_day` (UTC, since 1970) are summed up by quarter hour, those
before `sums_day` are gone; `late` counts statements that came when their day was summed up already. The number of a
series is never given twice, since sums may still name it. Where history is being made again, `recount` says up to where
it had been made. `erased` are periods of which nothing may be known of a space, whenever it is told.
"""

import struct
import zlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from perch.adapters.upgrade import statements
from perch.history.source import Integers

SCHEMA_VERSION = 6
SCHEMA = """
CREATE TABLE cursor (journal TEXT NOT NULL, position INTEGER NOT NULL);
CREATE TABLE site (id TEXT PRIMARY KEY, first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE series (
    series INTEGER PRIMARY KEY, site TEXT NOT NULL, agent TEXT NOT NULL, space TEXT NOT NULL,
    UNIQUE (site, agent, space)
);
CREATE TABLE last_series (one INTEGER PRIMARY KEY, series INTEGER NOT NULL);
CREATE TABLE epoch (
    epoch INTEGER PRIMARY KEY, site TEXT NOT NULL, agent TEXT NOT NULL, id TEXT NOT NULL,
    first_ms INTEGER NOT NULL, until_ms INTEGER NOT NULL, heard_first_ms INTEGER, heard_last_ms INTEGER,
    UNIQUE (site, agent, id)
);
CREATE TABLE lost (
    site TEXT NOT NULL, agent TEXT NOT NULL, epoch TEXT NOT NULL, first_seq INTEGER NOT NULL,
    last_seq INTEGER NOT NULL, from_ms INTEGER NOT NULL, to_ms INTEGER NOT NULL, clock INTEGER NOT NULL,
    PRIMARY KEY (site, agent, from_ms, epoch, first_seq, last_seq, to_ms, clock)
) WITHOUT ROWID;
CREATE TABLE unplaced (
    site TEXT NOT NULL, agent TEXT NOT NULL, epoch TEXT NOT NULL, events INTEGER NOT NULL,
    PRIMARY KEY (site, agent, epoch)
) WITHOUT ROWID;
CREATE TABLE moved (position INTEGER NOT NULL, site TEXT NOT NULL, agent TEXT, from_ms INTEGER, to_ms INTEGER);
CREATE INDEX moved_at ON moved (position);
CREATE TABLE moves_forgotten (upto INTEGER NOT NULL);
CREATE TABLE boot (
    boot INTEGER PRIMARY KEY, site TEXT NOT NULL, agent TEXT NOT NULL, id TEXT NOT NULL,
    own_ms INTEGER, estimate_ms INTEGER, floating INTEGER NOT NULL, before INTEGER NOT NULL, UNIQUE (site, agent, id)
);
CREATE TABLE life (
    site TEXT NOT NULL, agent TEXT NOT NULL, boot TEXT NOT NULL, epoch TEXT NOT NULL,
    top_mono_ms INTEGER NOT NULL, clock_seq INTEGER NOT NULL, clock_ms INTEGER, PRIMARY KEY (site, agent, boot, epoch)
) WITHOUT ROWID;
CREATE TABLE telling (
    site TEXT NOT NULL, agent TEXT NOT NULL, teller TEXT NOT NULL, named TEXT NOT NULL,
    PRIMARY KEY (site, agent, teller, named)
) WITHOUT ROWID;
CREATE TABLE chunk (key INTEGER PRIMARY KEY, rows BLOB NOT NULL);
CREATE TABLE sheet (
    stamp INTEGER PRIMARY KEY, site TEXT NOT NULL, day INTEGER NOT NULL,
    series BLOB NOT NULL, changes BLOB NOT NULL, UNIQUE (site, day)
);
CREATE TABLE summed (
    stamp INTEGER PRIMARY KEY, site TEXT NOT NULL, day INTEGER NOT NULL, sums BLOB NOT NULL, UNIQUE (site, day)
);
CREATE TABLE kept (words_day INTEGER NOT NULL, sums_day INTEGER NOT NULL, late INTEGER NOT NULL);
CREATE TABLE recount (upto INTEGER NOT NULL);
CREATE TABLE erased (
    site TEXT NOT NULL, space TEXT NOT NULL, from_ms INTEGER NOT NULL, to_ms INTEGER NOT NULL,
    PRIMARY KEY (site, space, from_ms, to_ms)
) WITHOUT ROWID
"""
STEPS = (statements(5, ";".join(SCHEMA.split(";")[-2:])),)
"""What makes a file of a former version one of the next: since a journal lets go of events, nothing else would."""

TABLES = (
    *("cursor", "site", "series", "epoch", "lost", "unplaced", "chunk"),
    *("moved", "moves_forgotten", "boot", "life", "telling", "sheet", "summed", "kept", "last_series", "recount"),
)
"""All that a journal tells; periods that were erased are erased for ever."""

WEEK_MS = 7 * 24 * 3_600_000
MARKS = ""
"""Stands for the space in the series of an agent's marks."""

_WEEKS = 2**25
"""Weeks in a key: more than the wire's times (± 2^53 ms) can name."""
_MOST_MS = 2**53

STATE_ROW = np.dtype(
    [
        ("time", "<u4"),
        ("seq", "<i8"),
        ("epoch", "<u4"),
        ("thousandths", "<u2"),
        ("count", "<i4"),
        ("code", "u1"),
    ]
)
"""A state row: `time` counts from the start of the week, `code` is the reason, the state and the dating."""
_NAMES = ("time", "seq", "epoch", "thousandths", "count", "code")
_RISING = ("time", "seq")
MARK_ROW = np.dtype([("time", "<u4"), ("epoch", "<u4")])
_FEW = 16
"""So many rows are looked at one by one faster than as an array."""
_moment = struct.Struct("<Iq").unpack_from
pack_mark = struct.Struct("<II").pack


def codes_of(state: Integers, reason: Integers, clock: Integers) -> Integers:
    """Put three codes into one byte: two bits, four and two."""
    packed: Integers = reason << 4 | state << 2 | clock
    return packed


def codes_in(packed: Integers) -> tuple[Integers, Integers, Integers]:
    """Give state, reason and clock back."""
    return packed >> 2 & 3, packed >> 4, packed & 3


def chunk_key(series: int, ms: int) -> int:
    """Give the key of the chunk of a series in which a moment lies; moments beyond the wire's are the wire's last."""
    week: int = max(-_MOST_MS, min(_MOST_MS, ms)) // WEEK_MS
    return series * _WEEKS + week + _WEEKS // 2


def chunk_range(series: int) -> tuple[int, int]:
    """Give the least and the largest key that chunks of a series can have."""
    return series * _WEEKS, (series + 1) * _WEEKS - 1


def week_start_ms(key: int) -> int:
    """Give the moment at which the week of a chunk begins."""
    return (key % _WEEKS - _WEEKS // 2) * WEEK_MS


RAW, PACKED = b"\0", b"\1"


def opened(rows: bytes) -> bytes:
    """Give the rows of a chunk, packed or not."""
    return unpacked_rows(rows[1:]) if rows[:1] == PACKED else rows[1:]


def packed_rows(body: bytes) -> bytes:
    """Pack state rows: column by column, times and numbers as differences, bytes of equal weight side by side."""
    rows = np.frombuffer(body, dtype=STATE_ROW)
    parts = []
    for name in _NAMES:
        column = rows[name].copy()
        if name in _RISING:
            column[1:] -= rows[name][:-1]
        parts.append(column.view(np.uint8).reshape(len(rows), -1).T.tobytes())
    return zlib.compress(b"".join(parts), 6)


def unpacked_rows(packed: bytes) -> bytes:
    """Give packed state rows back."""
    body = np.frombuffer(zlib.decompress(packed), dtype=np.uint8)
    number = len(body) // STATE_ROW.itemsize
    rows = np.empty(number, dtype=STATE_ROW)
    begin = 0
    for name in _NAMES:
        kind = STATE_ROW[name]
        end = begin + number * kind.itemsize
        column = body[begin:end].reshape(kind.itemsize, number).T.copy().view(kind).ravel()
        rows[name] = np.cumsum(column, dtype=kind) if name in _RISING else column
        begin = end
    return rows.tobytes()


def merged_states(old: bytes, new: bytes) -> bytes:
    """Join packed state rows of a chunk by time and sequence, each once; cheap where the new ones follow the old."""
    if len(new) <= _FEW * STATE_ROW.itemsize and _follow(old, new):
        return old + new
    rows = np.frombuffer(old + new, dtype=STATE_ROW)
    tail = rows[max(len(old) // STATE_ROW.itemsize - 1, 0) :]
    time, seq = tail["time"], tail["seq"]
    if ((time[:-1] < time[1:]) | ((time[:-1] == time[1:]) & (seq[:-1] < seq[1:]))).all():
        return old + new
    return np.unique(rows).tobytes()


def _follow(old: bytes, new: bytes) -> bool:
    """Tell whether new state rows are in order, behind old ones."""
    last = _moment(old, len(old) - STATE_ROW.itemsize) if old else (-1, -1)
    for place in range(0, len(new), STATE_ROW.itemsize):
        moment = _moment(new, place)
        if moment <= last:
            return False
        last = moment
    return True


def merged_marks(old: bytes, new: bytes) -> bytes:
    """Join packed marks of a chunk in order of time, each once."""
    return np.unique(np.frombuffer(old + new, dtype=MARK_ROW)).tobytes()


def unpacked(
    chunks: Sequence[tuple[int, bytes]], row: np.dtype[np.void]
) -> tuple[npt.NDArray[np.void], npt.NDArray[np.int64]]:
    """Unpack neighbouring chunks (key, rows): all rows, and the moment of each."""
    rows = np.frombuffer(b"".join(body for _, body in chunks), dtype=row)
    starts_ms = np.array([week_start_ms(key) for key, _ in chunks], dtype=np.int64)
    lengths = [len(body) // row.itemsize for _, body in chunks]
    return rows, np.repeat(starts_ms, lengths) + rows["time"]
