"""Room in an outbox: on its disk, taken beforehand, and in its tables, made by giving up what matters least.

Every function runs within a transaction of its caller. Pieces are small, so that no transaction makes the log long.
"""

import sqlite3
from collections.abc import Iterable, Sequence

from perch import contract
from perch.adapters.lost_spans import given_up
from perch.contract import ClockEvent, LostEvent
from perch.delivery.lost import LossReason, Moment, Span, joined
from perch.model import Clock

AT_ONCE = 1_000
"""Rows deleted in one transaction, beside those that must go."""

BYTES_PER_EVENT = 256
_PIECE_BYTES = 2**20
_FOR_EVER = 2**62

Dropped = tuple[str, int, int]
"""An epoch, and the first and the last of numbers that are kept no longer."""

_Row = tuple[int, str, str, int, bytes]

_OLDEST = """
SELECT event.epoch, epoch.epoch, boot, seq, body FROM event JOIN epoch ON epoch.id = event.epoch
ORDER BY event.epoch, seq
"""


def is_long_enough(db: sqlite3.Connection, events: int) -> bool:
    """Tell whether the file is as long as so many events need."""
    pages, page_bytes = (db.execute(f"PRAGMA {what}").fetchone()[0] for what in ("page_count", "page_size"))
    return bool(pages * page_bytes >= events * BYTES_PER_EVENT)


def grow(db: sqlite3.Connection) -> None:
    """Let the file grow by a piece that holds nothing yet."""
    db.execute("INSERT INTO filler (zeros) VALUES (zeroblob(?))", (_PIECE_BYTES,))


def drop_filler(db: sqlite3.Connection) -> bool:
    """Delete a piece of what let the file grow; SQLite keeps its pages for events. Tells whether there was one."""
    return db.execute("DELETE FROM filler WHERE piece = (SELECT min(piece) FROM filler)").rowcount > 0


def make_room(db: sqlite3.Connection, count: int, most: int, before: Moment) -> list[Dropped]:
    """Delete rows until `count`, some of them still to come, are at most `most`, and a little more.

    Acknowledged events go first, oldest first. Then the oldest others become lost spans, save `clock` events: of these
    the newest of each boot is kept whatever happens, as it speaks for all events of its boot.
    """
    spare = min(most // 100, AT_ONCE)
    needed = count - most
    dropped = drop_settled(db, needed + spare, _FOR_EVER)
    needed -= _size(dropped)
    if needed > 0:
        dropped += _give_up(db, _oldest(db, needed + spare), before)
    return dropped


def drop_settled(db: sqlite3.Connection, most: int, until_ms: int) -> list[Dropped]:
    """Delete at most so many events that were acknowledged by a moment, oldest first, with their receipts."""
    dropped: list[Dropped] = []
    receipts = db.execute(
        "SELECT receipt.epoch, epoch.epoch, first, last FROM receipt JOIN epoch ON epoch.id = receipt.epoch"
        " WHERE settled_ms <= ? ORDER BY receipt.epoch, first",
        (until_ms,),
    ).fetchall()
    for number, epoch, first, last in receipts:
        if most <= 0:
            break
        end = min(last, first + most - 1)
        most -= end - first + 1
        _delete(db, number, first, end)
        if end == last:
            db.execute("DELETE FROM receipt WHERE epoch = ? AND first = ?", (number, first))
        else:
            db.execute("UPDATE receipt SET first = ? WHERE epoch = ? AND first = ?", (end + 1, number, first))
        dropped.append((epoch, first, end))
    return dropped


def take_back(db: sqlite3.Connection, number: int, first: int, last: int) -> None:
    """Cut a range of an epoch out of its receipts: it was acknowledged, and is not any more."""
    cut = db.execute(
        "SELECT first, last, settled_ms FROM receipt WHERE epoch = ? AND first <= ? AND last >= ?",
        (number, last, first),
    ).fetchall()
    for low, high, settled_ms in cut:
        db.execute("DELETE FROM receipt WHERE epoch = ? AND first = ?", (number, low))
        left = [(low, first - 1), (last + 1, high)]
        db.executemany(
            "INSERT INTO receipt VALUES (?, ?, ?, ?)", [(number, *one, settled_ms) for one in left if one[0] <= one[1]]
        )


def lost_spans(db: sqlite3.Connection) -> tuple[Span, ...]:
    """Give the spans that were given up and of which no event tells yet."""
    return tuple(_span(*row) for row in db.execute("SELECT * FROM lost ORDER BY rowid"))


def confess(db: sqlite3.Connection, events: Sequence[LostEvent]) -> None:
    """Forget the spans that events tell of which are now in the outbox themselves."""
    db.executemany(
        "DELETE FROM lost WHERE epoch = ? AND first >= ? AND last <= ?",
        [(event.epoch, *event.lost) for event in events],
    )


def _oldest(db: sqlite3.Connection, most: int) -> list[_Row]:
    """Give the oldest events to give up; called when nothing acknowledged is left."""
    rows: list[_Row] = []
    clocks: dict[str, list[_Row]] = {}
    for row in db.execute(_OLDEST):
        if len(rows) == most:
            break
        if isinstance(contract.decode_event(row[4]), ClockEvent):
            clocks.setdefault(row[2], []).append(row)
        else:
            rows.append(row)
    superseded = [row for several in clocks.values() for row in several[:-1]]
    return sorted([*rows, *superseded[: most - len(rows)]])


def _give_up(db: sqlite3.Connection, rows: Sequence[_Row], before: Moment) -> list[Dropped]:
    spans = [*lost_spans(db)]
    for number, epoch, boot, seq, body in rows:
        several = list(given_up(epoch, boot, [contract.decode_event(body)], before, LossReason.OUTBOX_FULL))
        before = several[-1].end
        spans += several
        _delete(db, number, seq, seq)
    _write_lost(db, joined(spans))
    return _ranges([(epoch, seq) for _, epoch, _, seq, _ in rows])


def _ranges(numbers: Iterable[tuple[str, int]]) -> list[Dropped]:
    ranges: list[Dropped] = []
    for epoch, seq in numbers:
        if ranges and ranges[-1][0] == epoch and ranges[-1][2] == seq - 1:
            ranges[-1] = (epoch, ranges[-1][1], seq)
        else:
            ranges.append((epoch, seq, seq))
    return ranges


def _write_lost(db: sqlite3.Connection, spans: Sequence[Span]) -> None:
    db.execute("DELETE FROM lost")
    db.executemany("INSERT INTO lost VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", map(_lost_row, spans))


def _span(
    epoch: str,
    boot: str,
    first: int,
    last: int,
    from_ms: int,
    from_mono_ms: int,
    from_clock: str,
    to_ms: int,
    to_mono_ms: int,
    to_clock: str,
    reason: str,
) -> Span:
    begin = Moment(from_ms, from_mono_ms, Clock(from_clock))
    return Span(epoch, boot, first, last, begin, Moment(to_ms, to_mono_ms, Clock(to_clock)), LossReason(reason))


def _lost_row(span: Span) -> tuple[object, ...]:
    begin, end = span.begin, span.end
    return (
        *(span.epoch, span.boot, span.first, span.last),
        *(begin.wall_ms, begin.mono_ms, begin.clock),
        *(end.wall_ms, end.mono_ms, end.clock),
        span.reason,
    )


def _delete(db: sqlite3.Connection, number: int, first: int, last: int) -> None:
    db.execute("DELETE FROM event WHERE epoch = ? AND seq BETWEEN ? AND ?", (number, first, last))


def _size(dropped: Sequence[Dropped]) -> int:
    return sum(last - first + 1 for _, first, last in dropped)
