"""How a journal lets go of what is too old: a few runs at a time, the oldest first, and of words that nothing names.

What is deleted is overwritten in the file. That an event was there stays known: its number stays settled, and up to
`gone` a number that is settled and has no event had one. All calls are within a transaction of the writer.
"""

import sqlite3
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from perch.adapters.journal import codec as journal_codec
from perch.contract import AliveEvent, StateEvent
from perch.model import DAY_MS, SENSIBLE_MS, Clock

RUNS_AT_ONCE = 500

_Row = tuple[int, int, int, int, int, bytes]


class Bound(NamedTuple):
    """What may go: what came before a moment (ms), and lies at a position that everybody has read.

    Whoever claims a moment after `sure_ms` had a clock that was wrong.
    """

    before_ms: int
    sure_ms: int
    upto: int


class Gone(NamedTuple):
    """How many events went, the position up to which runs were looked at, and whether more may go at once.

    `silent` tells whether a stream has none left, so that words may be without a mention.
    """

    events: int
    after: int
    more: bool
    silent: bool = False


def bound(before_day: int, today: int, upto: int) -> Bound:
    """Put a bound together from days since 1970 (UTC)."""
    return Bound(before_day * DAY_MS, (today + 2) * DAY_MS, upto)


def let_go(db: sqlite3.Connection, of: Bound, after: int, texts: Mapping[int, str], most: int = RUNS_AT_ONCE) -> Gone:
    """Let go of what is too old among the next runs after a position."""
    rows: list[_Row] = db.execute(
        "SELECT position, stream, seq, count, received_ms, body FROM run WHERE position > ? ORDER BY position LIMIT ?",
        (after, most),
    ).fetchall()
    (disordered,) = db.execute("SELECT disordered FROM journal").fetchone()
    old: list[_Row] = []
    more = len(rows) == most
    for row in rows:
        if row[0] + row[3] - 1 > of.upto:
            more = False
            break
        if _is_old(row, of, texts):
            old.append(row)
        elif row[0] > disordered:
            more = False
            break
        after = row[0]
    silent = bool(old) and _delete(db, old)
    return Gone(sum(row[3] for row in old), after, more, silent)


def forget_words(db: sqlite3.Connection) -> list[int]:
    """Let go of words that no stream with events mentions; gives their numbers, which are never given again."""
    asked = "SELECT EXISTS (SELECT * FROM run WHERE position <= unmentioned) FROM journal"
    if not db.execute(asked).fetchone()[0]:
        db.execute("DELETE FROM mention WHERE stream = 0")
        db.execute("UPDATE journal SET unmentioned = 0")
    db.execute("UPDATE journal SET last_word = max(last_word, (SELECT coalesce(max(word), 0) FROM word))")
    gone = db.execute(
        "DELETE FROM word WHERE NOT EXISTS (SELECT * FROM mention WHERE mention.word = word.word) RETURNING word"
    )
    return [word for (word,) in gone.fetchall()]


def _is_old(row: _Row, of: Bound, texts: Mapping[int, str]) -> bool:
    """Tell whether a run came too long ago; where the collector's clock was wrong, by what its agent's showed."""
    _, _, seq, _, received_ms, body = row
    if SENSIBLE_MS <= received_ms <= of.sure_ms:
        return received_ms < of.before_ms
    try:
        events = journal_codec.decode(body, seq, received_ms, texts)
    except (LookupError, msgspec.DecodeError):
        return False
    walls_ms = [
        event.wall_ms for event in events if isinstance(event, StateEvent | AliveEvent) and event.clock is Clock.OK
    ]
    return any(SENSIBLE_MS <= ms <= of.sure_ms for ms in walls_ms) and max(walls_ms) < of.before_ms


def _delete(db: sqlite3.Connection, old: Iterable[_Row]) -> bool:
    """Delete runs; tells whether they were the last ones of a stream."""
    rows = list(old)
    db.executemany("DELETE FROM run WHERE position = ?", [(row[0],) for row in rows])
    db.executemany(
        "UPDATE stream SET gone = max(gone, ?) WHERE stream = ?", [(row[2] + row[3] - 1, row[1]) for row in rows]
    )
    floor = max(row[0] + row[3] - 1 for row in rows)
    db.execute("UPDATE journal SET floor = max(floor, ?), let_go = let_go + ?", (floor, sum(row[3] for row in rows)))
    of_before = db.execute("SELECT floor >= unmentioned AND unmentioned > 0 FROM journal").fetchone()[0]
    silent = db.executemany(
        "DELETE FROM mention WHERE stream = ?1 AND NOT EXISTS (SELECT * FROM run WHERE stream = ?1)",
        {(row[1],) for row in rows},
    ).rowcount
    return bool(silent or of_before)
