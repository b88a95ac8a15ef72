"""Finding chunks of a series in `history.db`, and moments in their rows, without unpacking them."""

import sqlite3
import struct

from perch.adapters.history import file

_time_at = struct.Struct("<I").unpack_from
ROW_BYTES = file.STATE_ROW.itemsize

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
    return [(key, file.opened(rows)) for key, rows in db.execute(_CHUNKS, keys)]


def time_in(body: bytes, place: int) -> int:
    """Give the time of a packed state row (ms since the start of the week)."""
    time_ms: int = _time_at(body, place * ROW_BYTES)[0]
    return time_ms


def rank(body: bytes, time_ms: int) -> int:
    """Count the packed state rows before a moment (ms since the start of the week)."""
    low, high = 0, len(body) // ROW_BYTES
    while low < high:
        middle = (low + high) // 2
        if time_in(body, middle) < time_ms:
            low = middle + 1
        else:
            high = middle
    return low


def cut(body: bytes, key: int, from_ms: int, to_ms: int) -> bytes:
    """Leave away the packed state rows of a chunk that are far from a window and no neighbour of it."""
    if len(body) <= 8 * ROW_BYTES:
        return body
    week_ms = file.week_start_ms(key)
    first, last = rank(body, from_ms - week_ms), rank(body, to_ms - week_ms)
    first = rank(body, time_in(body, first - 1)) if first else 0
    last = last if last * ROW_BYTES == len(body) else rank(body, time_in(body, last) + 1)
    return body[first * ROW_BYTES : last * ROW_BYTES]
