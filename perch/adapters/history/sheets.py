"""Sheets in `history.db`: how one is written, and the way to them for whoever answers questions."""

import struct
import zlib
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import accumulate, groupby
from sqlite3 import Connection
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from perch.adapters.history import file
from perch.adapters.history import sums as history_sums
from perch.history.folding import fold, for_ever
from perch.history.layout import Tenure
from perch.history.sheets import Day, Sheet, Spoken, nothing
from perch.history.source import HistorySource, Integers
from perch.history.summed import QuarterSums
from perch.model import DAY_MS

SPACE_DAYS_AT_ONCE = 7_000
MOST_BYTES = 192 * 2**20
"""How much is kept of what was worked out, in all."""
MOST_BYTES_EACH = 2**20

_HEAD = struct.Struct("<IIBB")
_NARROW, _WIDE = np.dtype("<u2"), np.dtype("<u4")

Snapshot = Callable[[], AbstractContextManager[Connection]]


def packed(sheet: Sheet) -> tuple[bytes, bytes]:
    """Write a sheet: what is by series, and what is by change."""
    wide = len(sheet.series) > 2**16
    counted = sheet.count_before is not None
    head = _HEAD.pack(len(sheet.series), len(sheet.time), wide, counted)
    series = (
        sheet.series.astype("<u4"),
        sheet.code,
        sheet.count.astype("<i4"),
        sheet.since_ms.astype("<i8"),
        sheet.lent.astype("u1"),
    )
    changes: list[npt.NDArray[Any]] = [
        sheet.time.astype("<u4"),
        sheet.of.astype(_WIDE if wide else _NARROW),
        sheet.turn,
    ]
    changes += [column.astype("<i4") for column in (sheet.count_before, sheet.count_after) if column is not None]
    by_series = head + zlib.compress(b"".join(column.tobytes() for column in series), 1)
    return by_series, b"".join(column.tobytes() for column in changes)


def unpacked(day: int, by_series: bytes, by_change: bytes) -> Sheet:
    """Read a sheet."""
    number, changes, wide, counted = _HEAD.unpack_from(by_series)
    series, code, count, since_ms, lent = _columns(
        zlib.decompress(by_series[_HEAD.size :]), number, ("<u4", "u1", "<i4", "<i8", "u1")
    )
    time, of, turn, *counts = _columns(
        by_change, changes, ("<u4", "<u4" if wide else "<u2", "u1", *(("<i4", "<i4") if counted else ()))
    )
    before, after = (_integers(column) for column in counts) if counted else (None, None)
    return Sheet(
        day,
        _integers(series),
        code,
        _integers(count),
        _integers(since_ms),
        lent.astype(np.bool_),
        _integers(time),
        _integers(of),
        turn,
        before,
        after,
    )


def _columns(body: bytes, number: int, kinds: Sequence[str]) -> Iterator[npt.NDArray[Any]]:
    sizes = [np.dtype(kind).itemsize * number for kind in kinds]
    for begin, kind in zip(accumulate([0, *sizes]), kinds, strict=False):
        yield np.frombuffer(body, dtype=kind, count=number, offset=begin)


def _integers(column: npt.NDArray[Any]) -> Integers:
    return column.astype(np.int64)


class KeptParts:
    """What was worked out of days, the latest used up to so many bytes; any thread may call."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._turn = Lock()
        self._most_bytes = most_bytes
        self._bytes = 0
        self._numbers: dict[Hashable, int] = {}
        self._given = 0
        self._parts: OrderedDict[tuple[int, Day, bytes], tuple[object, int]] = OrderedDict()

    def __repr__(self) -> str:
        return f"<KeptParts: {len(self._parts)}, {self._bytes} bytes>"

    def number_of(self, about: Hashable) -> int:
        """Give a number that stands for what is asked, never the same for two."""
        with self._turn:
            if about not in self._numbers:
                if len(self._numbers) >= _MOST_QUESTIONS:
                    self._numbers.clear()  # what is kept of them grows old and goes
                self._given += 1
                self._numbers[about] = self._given
            return self._numbers[about]

    def get(self, key: tuple[int, Day, bytes]) -> Any:
        """Give what is kept under a key; None where nothing is."""
        with self._turn:
            found = self._parts.get(key)
            if found is None:
                return None
            self._parts.move_to_end(key)
            return found[0]

    def put(self, key: tuple[int, Day, bytes], value: object, size: int) -> None:
        """Keep something of so many bytes, unless it is much."""
        size += _EACH_BYTES + len(key[2])
        if size > MOST_BYTES_EACH:
            return
        with self._turn:
            self._bytes += size - self._parts.pop(key, (None, 0))[1]
            self._parts[key] = (value, size)
            while self._bytes > self._most_bytes:
                self._bytes -= self._parts.popitem(last=False)[1][1]


_MOST_QUESTIONS = 1_000
_EACH_BYTES = 3_000
"""What a part takes beside its numbers: a dozen arrays, and its key."""


class FileSheets:
    """The `Sheets` of a site in a file that another connection writes.

    Days that wait to be folded are put on sheets here, as the words are at one position of the journal.
    """

    def __init__(self, site: str, snapshot: Snapshot, words: HistorySource, kept: KeptParts) -> None:
        self._site = site
        self._snapshot = snapshot
        self._words = words
        self.kept = kept

    def __repr__(self) -> str:
        return f"<FileSheets of {self._site}>"

    def days(self, first: int, last: int) -> list[Day]:
        """Name the days from the first to the last (exclusive), in order."""
        with self._snapshot() as db:
            asked = "SELECT day, stamp FROM sheet WHERE site = ? AND day >= ? AND day < ?"
            stamps: dict[int, Hashable] = dict(db.execute(asked, (self._site, first, last)))
            kept = db.execute("SELECT words_day FROM kept").fetchone()
            asked = "SELECT day, stamp FROM summed WHERE site = ? AND day >= ? AND day < ?"
            stamps.update(db.execute(asked, (self._site, first, last)))
            lived = "SELECT min(first_ms), max(until_ms) FROM epoch WHERE site = ?"
            first_ms, until_ms = db.execute(lived, (self._site,)).fetchone()
            now = _position(db)
        known = range(0) if first_ms is None else range(first_ms // DAY_MS, until_ms // DAY_MS + 1)
        known = known if kept is None else range(max(known.start, kept[0]), known.stop)
        return [Day(day, stamps.get(day, now if day in known else None)) for day in range(first, last)]

    def spoken(self) -> Spoken:
        """Name the series."""
        with self._snapshot() as db:
            return {number: (of.agent, of.space) for number, of in spoken(db, self._site)}

    def read(self, days: Sequence[Day]) -> Iterator[Sheet | None]:
        """Give the sheets of some days; None for one that is gone."""
        for stored, some in groupby(days, key=lambda day: isinstance(day.stamp, int)):
            for day in some if stored else ():
                with self._snapshot() as db:
                    row = db.execute("SELECT series, changes FROM sheet WHERE stamp = ?", (day.stamp,)).fetchone()
                yield None if row is None else unpacked(day.day, *row)
            yield from () if stored else self._folded(list(some))

    def summed(self, days: Sequence[Day]) -> Iterator[QuarterSums | None]:
        """Give the quarter hours of some days of which no words are kept; None where nothing is known."""
        for day in days:
            with self._snapshot() as db:
                stamp = day.stamp if isinstance(day.stamp, int) else None
                row = db.execute("SELECT sums FROM summed WHERE stamp = ?", (stamp,)).fetchone()
            yield None if row is None else history_sums.unpacked(day.day, row[0])

    def _folded(self, days: Sequence[Day]) -> Iterator[Sheet | None]:
        """Fold days that wait for it, or of which nothing is known, some at a time."""
        with self._snapshot() as db:
            series = spoken(db, self._site)
        most = days_at_once(len(series))
        for place in range(0, len(days), most):
            some = days[place : place + most]
            if all(day.stamp is None for day in some):
                yield from (nothing(day.day) for day in some)
                continue
            with self._snapshot() as db:
                now = _position(db)
                whole = fold(self._site, series, some[0].day, some[-1].day + 1, self._words)
            by_day = {sheet.day: sheet for sheet in whole}
            yield from (by_day[day.day] if day.stamp in (None, now) else None for day in some)


def days_at_once(series: int) -> int:
    """Say how many days of so many series are folded together."""
    return max(SPACE_DAYS_AT_ONCE // max(series, 1), 1)


def spoken(db: Connection, site: str) -> list[tuple[int, Tenure]]:
    """Name the series of a site by number, each as if its agent served its space for ever."""
    asked = "SELECT series, agent, space FROM series WHERE site = ? AND space <> ? ORDER BY series"
    return [(number, for_ever(agent, space)) for number, agent, space in db.execute(asked, (site, file.MARKS))]


def _position(db: Connection) -> Hashable:
    row = db.execute("SELECT journal, position FROM cursor").fetchone()
    return None if row is None else tuple(row)
