"""Carrying an erasure out in a journal: its events lose their content, some rows at a time; they keep their numbers.

What comes later and falls under an erasure is stored without its content at once. All calls are within a transaction
of the writer.
"""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from perch.adapters.journal import codec as journal_codec
from perch.adapters.journal.codec import ErasedEvent, ErasureEvent, Kept
from perch.adapters.journal.reader import JournalReader, Stream, erasures_of
from perch.adapters.journal.words import Words
from perch.contract import StateEvent
from perch.delivery.erasing import Erasure, falls, told_ms
from perch.model import DAY_MS, SENSIBLE_MS

POSITIONS_AT_ONCE = 5_000


class Arrived(NamedTuple):
    """What is known of an event beside itself (see `Entry`)."""

    stream: Stream
    boot: str
    sent_mono_ms: int | None
    received_ms: int


When = Callable[[Arrived, StateEvent], int | None]
"""Says when an event was (ms UTC), None where nobody knows."""


class Walked(NamedTuple):
    """How far an erasure was carried out: up to a position of the one at which it is written, and what it met there."""

    erasure: Erasure
    upto: int
    position: int
    erased: int


def when_told(arrived: Arrived, event: StateEvent) -> int | None:
    """Say when an event was by all that came with it."""
    return told_ms(event.clock, event.wall_ms, event.mono_ms, arrived.received_ms, arrived.sent_mono_ms)


class Erasures:
    """What was ever erased, for whoever stores more."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._of: dict[tuple[str, str], list[Erasure]] = {}
        for _, erasure in erasures_of(db):
            self.add(erasure)

    def add(self, erasure: Erasure) -> None:
        """Take in one more."""
        self._of.setdefault((erasure.site, erasure.space), []).append(erasure)

    def struck(self, arrived: Arrived, events: Sequence[Kept], when: When = when_told) -> tuple[Kept, ...]:
        """Give events as they are to be kept: those that fall under an erasure without their content."""
        if not self._of:
            return tuple(events)
        return tuple(ErasedEvent(event.seq) if self._falls(arrived, event, when) else event for event in events)

    def _falls(self, arrived: Arrived, event: Kept, when: When) -> bool:
        if type(event) is not StateEvent:
            return False
        erasures = self._of.get((arrived.stream.site, event.space), ())
        return bool(erasures) and falls(erasures, when(arrived, event), arrived.received_ms)


def note(db: sqlite3.Connection, position: int, site: str, events: Iterable[Kept]) -> list[Erasure]:
    """Write down erasures that stand among events from a position on; gives them."""
    noted: list[Erasure] = []
    for place, event in enumerate(events, position):
        if isinstance(event, ErasureEvent):
            erasure = Erasure(site, event.space, event.from_ms, event.to_ms, event.erased_ms)
            db.execute("INSERT INTO erasure VALUES (?, ?, ?, ?, ?, ?, 0)", (place, *erasure))
            noted.append(erasure)
    return noted


def walk(db: sqlite3.Connection, words: Words, when: When) -> Walked | None:
    """Carry the first erasure that is not through yet out in some more rows; None where all are through."""
    row = db.execute(
        "SELECT position, walked, site, space, from_ms, to_ms, erased_ms FROM erasure"
        " WHERE walked < position ORDER BY position LIMIT 1"
    ).fetchone()
    if row is None:
        return None
    position, walked, erasure = row[0], row[1], Erasure(*row[2:])
    upto = min(walked + POSITIONS_AT_ONCE, position)
    erased = sum(_strike(db, words, erasure, run, when) for run in _runs(db, words, erasure, walked, upto))
    db.execute("UPDATE erasure SET walked = ? WHERE position = ?", (upto, position))
    return Walked(erasure, upto, position, erased)


def count(journal: JournalReader, erasure: Erasure) -> int:
    """Count the events that an erasure would strike, by all that came with them."""
    position = events = 0
    while entries := journal.read(position, POSITIONS_AT_ONCE):
        position = entries[-1].position
        for entry in entries:
            event = entry.event
            if type(event) is StateEvent and (entry.site, event.space) == (erasure.site, erasure.space):
                arrived = Arrived(Stream(*entry[1:4]), entry.boot, entry.sent_mono_ms, entry.received_ms)
                events += falls((erasure,), when_told(arrived, event), entry.received_ms)
    return events


def _runs(
    db: sqlite3.Connection, words: Words, erasure: Erasure, after: int, upto: int
) -> list[tuple[int, int, int, int, int | None, int, bytes]]:
    """Give the runs at some positions that may speak of the space in the period."""
    if erasure.space not in words:
        return []
    return db.execute(
        "SELECT position, stream, seq, boot, sent_mono_ms, received_ms, body FROM run"
        " WHERE position > ?1 AND position <= ?2"
        " AND (position <= (SELECT unmentioned FROM journal)"
        " OR EXISTS (SELECT * FROM mention WHERE mention.stream = run.stream AND word = ?3))"
        " AND (received_ms >= ?4 OR received_ms < ?5) ORDER BY position",
        (after, upto, words[erasure.space], erasure.from_ms - DAY_MS, SENSIBLE_MS),
    ).fetchall()


def _strike(
    db: sqlite3.Connection,
    words: Words,
    erasure: Erasure,
    run: tuple[int, int, int, int, int | None, int, bytes],
    when: When,
) -> int:
    """Take the content out of the events of a run that fall under an erasure; gives how many."""
    position, number, seq, boot, sent_mono_ms, received_ms, body = run
    stream = Stream(*db.execute("SELECT site, agent, epoch FROM stream WHERE stream = ?", (number,)).fetchone())
    if stream.site != erasure.site:
        return 0
    events = journal_codec.decode(body, seq, received_ms, words.texts)
    arrived = Arrived(stream, words.texts[boot], sent_mono_ms, received_ms)
    struck = [
        ErasedEvent(event.seq)
        if type(event) is StateEvent
        and event.space == erasure.space
        and falls((erasure,), when(arrived, event), received_ms)
        else event
        for event in events
    ]
    erased = sum(1 for one, other in zip(events, struck, strict=True) if one is not other)
    if erased:
        body = journal_codec.encode(struck, received_ms, words)
        db.execute("UPDATE run SET body = ? WHERE position = ?", (body, position))
    return erased
