"""The journal: an append-only log of every event, and the only thing of a collector that must survive.

What `append` has returned from is on disk: events and watermarks in one transaction, WAL, every commit synced. A row
holds a run: consecutive events of one message, so that a batch costs one row, and the facts of its arrival are stored
once. Words (ids of spaces, boots) and streams are interned. Sequence numbers order a stream, positions the whole log.
"""

import secrets
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import msgspec

from perch.adapters import journal_codec
from perch.adapters.in_place import InPlace
from perch.adapters.journal_reader import SCHEMA_VERSION, Entry, JournalReader, Stream, end_of
from perch.adapters.sqlite import adopt_schema, claim, open_writer, reported, transaction
from perch.adapters.upgrade import Step, upgrade
from perch.contract import Event
from perch.delivery.watermark import SeqRange, Watermark

__all__ = ["Entry", "Journal", "JournalReader", "Run", "Stream"]

_SCHEMA = """
CREATE TABLE journal (id TEXT NOT NULL);
CREATE TABLE word (word INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE stream (
    stream INTEGER PRIMARY KEY, site TEXT NOT NULL, agent TEXT NOT NULL, epoch TEXT NOT NULL,
    upto INTEGER NOT NULL, have BLOB NOT NULL, UNIQUE (site, agent, epoch)
);
CREATE TABLE run (
    position INTEGER PRIMARY KEY, stream INTEGER NOT NULL, seq INTEGER NOT NULL, count INTEGER NOT NULL,
    boot INTEGER NOT NULL, sent_mono_ms INTEGER, received_ms INTEGER NOT NULL, body BLOB NOT NULL
);
CREATE UNIQUE INDEX run_identity ON run (stream, seq)
"""

STEPS: tuple[Step, ...] = ()
"""What makes a file of a former version one of the next: there has been one version so far."""
_STREAMS_REMEMBERED = 20_000
_ranges: msgspec.msgpack.Decoder[tuple[SeqRange, ...]] = msgspec.msgpack.Decoder(tuple[SeqRange, ...])


@dataclass(frozen=True, slots=True)
class Run:
    """Consecutive events of one stream that arrived in one message, with the facts of its arrival (see `Entry`)."""

    stream: Stream
    boot: str
    sent_mono_ms: int | None
    received_ms: int
    events: tuple[Event, ...]

    @property
    def first(self) -> int:
        """The sequence number of the first event."""
        return self.events[0].seq

    @property
    def last(self) -> int:
        """The sequence number of the last event."""
        return self.events[-1].seq


class _Words(dict[str, int]):
    """Numbers of words, and back; a new word gets the next number, and is `fresh` until it is committed."""

    def __init__(self, texts: Mapping[int, str]) -> None:
        super().__init__((text, number) for number, text in texts.items())
        self.texts = dict(texts)
        self.fresh: list[tuple[int, str]] = []

    def __missing__(self, text: str) -> int:
        number = self[text] = len(self) + 1
        self.texts[number] = text
        self.fresh.append((number, text))
        return number


class Journal:
    """The one writer of a journal. One thread at a time; every call raises StorageError where the file fails."""

    def __init__(self, connection: sqlite3.Connection, path: Path, held: IO[bytes]) -> None:
        self._db = connection
        self._path = path
        self._held = held
        self._place = InPlace(path)
        self._streams: dict[Stream, tuple[int, Watermark]] = {}
        self._looked_at: Stream | None = None
        self._looked_up: tuple[int, list[Event]] = (0, [])
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
            upgrade(connection, path, STEPS)
            adopt_schema(connection, path, SCHEMA_VERSION, _SCHEMA)
            with transaction(connection, path):
                connection.execute(
                    "INSERT INTO journal SELECT ? WHERE NOT EXISTS (SELECT * FROM journal)", (secrets.token_hex(8),)
                )
            with reported(path):
                return cls(connection, path, held)
        except BaseException:
            connection.close()
            held.close()
            raise

    def __repr__(self) -> str:
        return f"<Journal {self.id} in {str(self._path)!r}, {self.end} events>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

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

    def stored(self, stream: Stream, seq: int) -> Event | None:
        """Give the event that is stored under an identity, None where there is none."""
        first, events = self._looked_up
        if self._looked_at != stream or not first <= seq < first + len(events):
            first, events = self._looked_up = self._look_up(stream, seq)
            self._looked_at = stream
        return events[seq - first] if first <= seq < first + len(events) else None

    def _look_up(self, stream: Stream, seq: int) -> tuple[int, list[Event]]:
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

    def _write(self, runs: Sequence[Run], settled: Mapping[Stream, Watermark]) -> int:
        for stream, watermark in settled.items():
            self._streams[stream] = (self._number(stream), watermark)
        position, rows = self._end + 1, []
        for run in runs:
            rows.append(self._row(position, run))
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
        return (
            position,
            self._streams[run.stream][0],
            run.events[0].seq,
            len(run.events),
            self._words[run.boot],
            run.sent_mono_ms,
            run.received_ms,
            journal_codec.encode(run.events, run.received_ms, self._words),
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
            self._words = _Words(dict(self._db.execute("SELECT word, text FROM word")))
            self._end = end_of(self._db)
