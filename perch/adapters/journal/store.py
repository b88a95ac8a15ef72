"""The journal: an append-only log of events, and the only thing of a collector that must survive.

What `append` has returned from is on disk: events and watermarks in one transaction, WAL, every commit synced. A row
holds a run: consecutive events of one message, so that a batch costs one row, and the facts of its arrival are stored
once. Words (ids of spaces, boots) and streams are interned. Sequence numbers order a stream, positions the whole log.
Nothing in it ever changes, but that events are let go of when they are too old, and that some lose their content to an
erasure: of both nothing is left in the file.
"""

import secrets
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

import msgspec

from perch.adapters.closing import Closing
from perch.adapters.in_place import InPlace
from perch.adapters.journal import ageing as journal_ageing
from perch.adapters.journal import codec as journal_codec
from perch.adapters.journal import erasing as journal_erasing
from perch.adapters.journal.ageing import Bound, Gone
from perch.adapters.journal.codec import ErasureEvent, Kept
from perch.adapters.journal.erasing import Arrived, Erasures, Walked, When
from perch.adapters.journal.file import SCHEMA, STEPS
from perch.adapters.journal.reader import SCHEMA_VERSION, Entry, JournalReader, Stream, end_of, erasures_of
from perch.adapters.journal.words import Mentions, Words
from perch.adapters.sqlite import adopt_schema, claim, empty_log, open_writer, reported, transaction
from perch.adapters.upgrade import upgrade
from perch.delivery.erasing import Erasure
from perch.delivery.watermark import SeqRange, Watermark

__all__ = ["Entry", "Journal", "JournalReader", "Run", "Stream"]

_STREAMS_REMEMBERED = 20_000
_ranges: msgspec.msgpack.Decoder[tuple[SeqRange, ...]] = msgspec.msgpack.Decoder(tuple[SeqRange, ...])


@dataclass(frozen=True, slots=True)
class Run:
    """Consecutive events of one stream that arrived in one message, with the facts of its arrival (see `Entry`)."""

    stream: Stream
    boot: str
    sent_mono_ms: int | None
    received_ms: int
    events: tuple[Kept, ...]

    @property
    def first(self) -> int:
        """The sequence number of the first event."""
        return self.events[0].seq

    @property
    def last(self) -> int:
        """The sequence number of the last event."""
        return self.events[-1].seq


class Journal(Closing):
    """The one writer of a journal. One thread at a time; every call raises StorageError where the file fails."""

    def __init__(self, connection: sqlite3.Connection, path: Path, held: IO[bytes]) -> None:
        self._db = connection
        self._path = path
        self._held = held
        self._place = InPlace(path)
        self._streams: dict[Stream, tuple[int, Watermark]] = {}
        self._looked_at: Stream | None = None
        self._looked_up: tuple[int, list[Kept]] = (0, [])
        self._mentions = Mentions(connection)
        self._is_scrubbed = False
        self._remember()
        self.id: str = connection.execute("SELECT id FROM journal").fetchone()[0]

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a journal, or make it; refuses one that another process writes or a newer Perch wrote."""
        held = claim(path)
        try:
            connection = open_writer(path)
        except BaseException:
            held.close()
            raise
        try:
            with reported(path):
                connection.execute("PRAGMA secure_delete = ON")  # what is let go of is to leave no trace
            upgrade(connection, path, STEPS)
            adopt_schema(connection, path, SCHEMA_VERSION, SCHEMA)
            with transaction(connection, path):
                connection.execute(
                    "INSERT INTO journal (id) SELECT ? WHERE NOT EXISTS (SELECT * FROM journal)",
                    (secrets.token_hex(8),),
                )
            with reported(path):
                return cls(connection, path, held)
        except BaseException:
            connection.close()
            held.close()
            raise

    def __repr__(self) -> str:
        return f"<Journal {self.id} in {str(self._path)!r}, {self.end} events>"

    def close(self) -> None:
        """Close the file; no other call may follow."""
        self._db.close()
        self._held.close()

    def check(self) -> None:
        """Look whether its files still lie where they were opened; raises StorageError."""
        self._place.check()

    @property
    def end(self) -> int:
        """The position of the newest event, 0 while there is none."""
        return self._end

    def watermark(self, stream: Stream) -> Watermark:
        """Give which sequence numbers of a stream are settled."""
        known = self._known(stream)
        return Watermark() if known is None else known[1]

    def knows(self, word: str) -> bool:
        """Tell whether a space or boot was ever stored."""
        return word in self._words

    def has(self, stream: Stream) -> bool:
        """Tell whether anything of a stream was ever settled."""
        return self._known(stream) is not None

    def is_gone(self, stream: Stream, seq: int) -> bool:
        """Tell whether the event of a settled number that is not stored may have been stored, and let go of since."""
        known = self._known(stream)
        with reported(self._path):
            asked = "SELECT gone FROM stream WHERE stream = ?"
            return known is not None and bool(seq <= self._db.execute(asked, (known[0],)).fetchone()[0])

    def stored(self, stream: Stream, seq: int) -> Kept | None:
        """Give the event that is stored under an identity, None where there is none."""
        first, events = self._looked_up
        if self._looked_at != stream or not first <= seq < first + len(events):
            first, events = self._looked_up = self._look_up(stream, seq)
            self._looked_at = stream
        return events[seq - first] if first <= seq < first + len(events) else None

    def _look_up(self, stream: Stream, seq: int) -> tuple[int, list[Kept]]:
        """Give the run that would hold a number: its first number and its events."""
        known = self._known(stream)
        with reported(self._path):
            row = (
                known
                and self._db.execute(
                    "SELECT seq, received_ms, body FROM run WHERE stream = ? AND seq <= ? ORDER BY seq DESC LIMIT 1",
                    (known[0], seq),
                ).fetchone()
            )
        if not row:
            return 0, []
        first, received_ms, body = row
        return first, journal_codec.decode(body, first, received_ms, self._words.texts)

    def append(self, runs: Sequence[Run], settled: Mapping[Stream, Watermark]) -> int:
        """Store runs and the new watermarks of the streams they settle in one transaction; gives the new end.

        `settled` has every stream whose watermark changes, also by what needs no storing: lost or unreadable events.
        Nobody may ever be told that an event is stored before this has returned.
        """
        try:
            with transaction(self._db, self._path):
                end = self._write(runs, settled)
        except BaseException:
            self._remember()
            raise
        self._words.fresh.clear()
        if len(self._streams) > _STREAMS_REMEMBERED:
            self._streams.clear()
        self._end = end
        return end

    def erase(self, erasure: Erasure) -> int:
        """Write down what is erased from now on, once; gives the position at which it stands."""
        with reported(self._path):
            known = erasures_of(self._db)
        for position, one in known:
            if one.period == erasure.period:
                return position
        stream = Stream(erasure.site, "", self.id)
        seq = self.watermark(stream).highest + 1
        event = ErasureEvent(seq, erasure.space, erasure.from_ms, erasure.to_ms, erasure.erased_ms)
        return self.append([Run(stream, "", None, erasure.erased_ms, (event,))], {stream: Watermark(seq)})

    @property
    def pending(self) -> int | None:
        """The position of the first erasure that is not carried out in all rows yet, None where all are."""
        with reported(self._path):
            asked = "SELECT min(position) FROM erasure WHERE walked < position"
            found: int | None = self._db.execute(asked).fetchone()[0]
        return found

    def strike(self, when: When) -> Walked | None:
        """Carry out a piece of what is to be erased, by when events were; None where nothing is left to be done."""
        with transaction(self._db, self._path):
            walked = journal_erasing.walk(self._db, self._words, when)
        if walked is not None:
            self._look_anew()
        return walked

    def let_go(self, of: Bound, after: int) -> Gone:
        """Let go of some of what is too old, after a position, and of words that nothing mentions any more."""
        with transaction(self._db, self._path):
            gone = journal_ageing.let_go(self._db, of, after, self._words.texts)
            words = journal_ageing.forget_words(self._db) if gone.silent else []
        for word in words:
            del self._words[self._words.texts.pop(word)]
        if gone.events:
            self._mentions.forget()
            self._look_anew()
        return gone

    def adopt(self, gone: Mapping[Stream, int]) -> None:
        """Note up to where another journal let go of streams, and that what is here now need not be in order."""
        with transaction(self._db, self._path):
            self._db.execute("UPDATE journal SET disordered = ?", (self._end,))
            of = "UPDATE stream SET gone = max(gone, ?) WHERE site = ? AND agent = ? AND epoch = ?"
            self._db.executemany(of, [(seq, *stream) for stream, seq in gone.items()])

    def scrub(self) -> bool:
        """Empty the log, which may still hold what is no more in the file; False where somebody reads it just now."""
        self._is_scrubbed = self._is_scrubbed or empty_log(self._db, self._path)
        return self._is_scrubbed

    def _look_anew(self) -> None:
        """Remember nothing of what may have changed in the file, which may still be in its log."""
        self._looked_at, self._looked_up = None, (0, [])
        self._is_scrubbed = False

    def _write(self, runs: Sequence[Run], settled: Mapping[Stream, Watermark]) -> int:
        for stream, watermark in settled.items():
            self._streams[stream] = (self._number(stream), watermark)
        position, rows = self._end + 1, []
        for run in runs:
            rows.append(self._row(position, run))
            for erasure in journal_erasing.note(self._db, position, run.stream.site, run.events):
                self._erasures.add(erasure)
            position += len(run.events)
        self._db.executemany("INSERT INTO word VALUES (?, ?)", self._words.fresh)
        self._db.executemany("INSERT INTO run VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
        self._db.executemany(
            "UPDATE stream SET upto = ?, have = ? WHERE stream = ?",
            [
                (mark.upto, msgspec.msgpack.encode(mark.have), number)
                for number, mark in map(self._streams.__getitem__, settled)
            ],
        )
        return position - 1

    def _row(self, position: int, run: Run) -> tuple[object, ...]:
        number = self._streams[run.stream][0]
        events = self._erasures.struck(Arrived(run.stream, run.boot, run.sent_mono_ms, run.received_ms), run.events)
        self._mentions.note(number, run.boot, events, self._words)
        return (
            position,
            number,
            run.events[0].seq,
            len(run.events),
            self._words[run.boot],
            run.sent_mono_ms,
            run.received_ms,
            journal_codec.encode(events, run.received_ms, self._words),
        )

    def _number(self, stream: Stream) -> int:
        known = self._known(stream)
        if known is not None:
            return known[0]
        made = self._db.execute(
            "INSERT INTO stream (site, agent, epoch, upto, have) VALUES (?, ?, ?, 0, x'90')", stream
        )
        return int(made.lastrowid or 0)

    def _known(self, stream: Stream) -> tuple[int, Watermark] | None:
        """Give the number and the watermark of a stream, None where it is new."""
        if stream not in self._streams:
            with reported(self._path):
                row = self._db.execute(
                    "SELECT stream, upto, have FROM stream WHERE site = ? AND agent = ? AND epoch = ?", stream
                ).fetchone()
            if row is None:
                return None
            self._streams[stream] = (row[0], Watermark(row[1], _ranges.decode(row[2])))
        return self._streams[stream]

    def _remember(self) -> None:
        """Take from the file what is kept in memory, at start and after a transaction that failed."""
        with reported(self._path):
            self._streams.clear()
            self._mentions.forget()
            self._words = Words(self._db)
            self._erasures = Erasures(self._db)
            self._end = end_of(self._db)
