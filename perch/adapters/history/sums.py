"""Quarter hours of a day as they lie in `history.db`: columns side by side, packed."""

import struct
import zlib
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt

from perch.history.summed import QUARTERS, Flags, Integers, QuarterSums

_HEAD = struct.Struct("<II")
_FLAG_BYTES = QUARTERS // 8
_BY_QUARTER = ("<u4", "<u4", "<u4", "<i8")
_BY_COUNT = ("<u4", "u1", "<i4", "<u4")


def packed(sums: QuarterSums) -> bytes:
    """Write the quarter hours of a day."""
    tables = (sums.occupied_ms, sums.known_ms, sums.out_ms, sums.counted_ms)
    counts = (sums.count_of, sums.count_quarter, sums.count, sums.count_ms)
    columns: list[npt.NDArray[Any]] = [sums.series.astype("<u4")]
    columns += [table.astype(kind) for table, kind in zip(tables, _BY_QUARTER, strict=True)]
    columns += [np.packbits(flags, axis=1) for flags in (sums.stated, sums.lent)]
    columns += [sums.before.astype("<i8"), sums.after.astype("<i8")]
    columns += [column.astype(kind) for column, kind in zip(counts, _BY_COUNT, strict=True)]
    body = zlib.compress(b"".join(column.tobytes() for column in columns), 6)
    return _HEAD.pack(len(sums.series), len(sums.count)) + body


def unpacked(day: int, body: bytes) -> QuarterSums:
    """Read the quarter hours of a day."""
    series, counts = _HEAD.unpack_from(body)
    kinds = [
        *[("<u4", series), *((kind, series * QUARTERS) for kind in _BY_QUARTER)],
        *[("u1", series * _FLAG_BYTES)] * 2,
        *[("<i8", series)] * 2,
        *((kind, counts) for kind in _BY_COUNT),
    ]
    columns = list(_columns(zlib.decompress(body[_HEAD.size :]), kinds))
    occupied_ms, known_ms, out_ms, counted_ms = (_integers(of).reshape(series, QUARTERS) for of in columns[1:5])
    stated, lent = (_flags(of, series) for of in columns[5:7])
    before, after, count_of, count_quarter, count, count_ms = (_integers(of) for of in columns[7:])
    return QuarterSums(
        day,
        _integers(columns[0]),
        occupied_ms,
        known_ms,
        out_ms,
        counted_ms,
        stated,
        lent,
        before,
        after,
        count_of,
        count_quarter,
        count,
        count_ms,
    )


def _columns(body: bytes, kinds: Sequence[tuple[str, int]]) -> Iterator[npt.NDArray[Any]]:
    sizes = [np.dtype(kind).itemsize * number for kind, number in kinds]
    for begin, (kind, number) in zip(accumulate([0, *sizes]), kinds, strict=False):
        yield np.frombuffer(body, dtype=kind, count=number, offset=begin)


def _integers(column: npt.NDArray[Any]) -> Integers:
    return column.astype(np.int64)


def _flags(column: npt.NDArray[Any], series: int) -> Flags:
    return np.unpackbits(column.reshape(series, _FLAG_BYTES), axis=1).astype(np.bool_)
