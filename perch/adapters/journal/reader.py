"""Reading the journal from where one left off; any number of readers beside the one writer."""

import sqlite3
from collections.abc import Collection, Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import msgspec

from perch.adapters.closing import Closing
from perch.adapters.journal import codec as journal_codec
from perch.adapters.journal.codec import Kept
from perch.adapters.sqlite import open_reader, refuse_other_schema, reported
from perch.delivery.erasing import Erasure
from perch.delivery.watermark import SeqRange, Watermark

SCHEMA_VERSION = 2

_RUNS_AT_ONCE = 500
_COLUMNS = "position, stream, seq, boot, sent_mono_ms, received_ms, body"

_ranges: msgspec.msgpack.Decoder[tuple[SeqRange, ...]] = msgspec.msgpack.Decoder(tuple[SeqRange, ...])
_Row = tuple[int, int, int, int, int | None, int, bytes]


class Stream(NamedTuple):
    """Whose sequence numbers: one epoch of one agent."""

    site: str
    agent: str
    epoch: str


class Entry(NamedTuple):
    """An event with its place in the journal and what is known of its arrival.

    `position` counts events from 1 in the order of their commit and never changes, also where those before it are no
    more; `received_ms` is the collector's
    wall clock; `boot` and `sent_mono_ms` are the agent's machine and its monotonic clock when the message was sent
    (None once that boot was over).
    """

    position: int
    site: str
    agent: str
    epoch: str
    received_ms: int
    event: Kept
    boot: str = ""
    sent_mono_ms: int | None = None


class JournalReader(Closing):
    """Reads committed entries in order of position over a read-only connection of its own.

    Reads are short, so that the writer's log does not grow behind them. One thread at a time; raises StorageError.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._words: dict[int, str] = {}
        self._streams: dict[int, Stream] = {}
        self._db = open_reader(path)
        try:
            refuse_other_schema(self._db, path, SCHEMA_VERSION)
            with reported(path):
                self.id: str = self._db.execute("SELECT id FROM journal").fetchone()[0]
        except BaseException:
            self._db.close()
            raise

    def __repr__(self) -> str:
        return f"<JournalReader of {str(self._path)!r}>"

    def close(self) -> None:
        """Close the file; no other call may follow."""
        self._db.close()

    def end(self) -> int:
        """Give the position of the newest entry, 0 while there is none."""
        with reported(self._path):
            return end_of(self._db)

    def floor(self) -> int:
        """Give the position up to which entries may have been let go of, 0 where all are there."""
        with reported(self._path):
            return int(self._db.execute("SELECT floor FROM journal").fetchone()[0])

    def erasures(self) -> list[tuple[int, Erasure]]:
        """Give what was ever erased, with the position at which that is written, in order."""
        with reported(self._path):
            return erasures_of(self._db)

    def is_erased(self, position: int) -> bool:
        """Tell whether the erasure that is written at a position is carried out in all rows."""
        with reported(self._path):
            row = self._db.execute("SELECT walked >= position FROM erasure WHERE position = ?", (position,)).fetchone()
            return bool(row and row[0])

    def knows(self, word: str) -> bool:
        """Tell whether a space or boot is mentioned."""
        with reported(self._path):
            return self._db.execute("SELECT 1 FROM word WHERE text = ?", (word,)).fetchone() is not None

    def read(self, after: int, limit: int) -> list[Entry]:
        """Give up to `limit` entries whose positions are larger than `after`, those that are there."""
        entries: list[Entry] = []
        with reported(self._path), closing(self._runs(after)) as runs:
            for run in runs:
                entries.extend(self._entries(run, after))
                if len(entries) >= limit:
                    break
        return entries[:limit]

    def streams(self, site: str) -> Iterator[tuple[Stream, Watermark]]:
        """Give the streams of a site, each with what of it is settled."""
        with reported(self._path):
            rows = self._db.execute(
                "SELECT site, agent, epoch, upto, have FROM stream WHERE site = ? ORDER BY stream", (site,)
            ).fetchall()
        for *stream, upto, have in rows:
            yield Stream(*stream), Watermark(upto, _ranges.decode(have))

    def gaps(self) -> dict[Stream, tuple[SeqRange, ...]]:
        """Give the streams of which later events are here while earlier ones are not, and which those are."""
        with reported(self._path):
            rows = self._db.execute("SELECT site, agent, epoch, upto, have FROM stream WHERE have <> x'90'").fetchall()
        return {Stream(*stream): Watermark(upto, _ranges.decode(have)).gaps for *stream, upto, have in rows}

    def around(self, stream: Stream, first: int, last: int) -> tuple[list[Entry], list[Entry]]:
        """Give some events of a stream before a number and some after another, the nearest, in order."""
        asked = (
            f"SELECT {_COLUMNS} FROM run"  # noqa: S608 - names of our own
            " WHERE stream = (SELECT stream FROM stream WHERE site = ? AND agent = ? AND epoch = ?) AND seq"
        )
        with reported(self._path):
            early = self._db.execute(f"{asked} < ? ORDER BY seq DESC LIMIT 2", (*stream, first)).fetchall()
            late = self._db.execute(f"{asked} > ? ORDER BY seq LIMIT 2", (*stream, last)).fetchall()
        before = (entry for run in reversed(early) for entry in self._entries(run, 0))
        after = (entry for run in (*early[:1], *late) for entry in self._entries(run, 0))
        return [one for one in before if _seq(one) < first], [one for one in after if _seq(one) > last]

    def gone(self, site: str) -> dict[Stream, int]:
        """Give the largest number that was let go of, for each stream of a site of which any was."""
        with reported(self._path):
            rows = self._db.execute("SELECT site, agent, epoch, gone FROM stream WHERE site = ? AND gone > 0", (site,))
            return {Stream(*stream): gone for *stream, gone in rows}

    def epochs(self, site: str, agent: str, epochs: Collection[str], upto: int) -> Iterator[Entry]:
        """Give what some epochs of an agent told up to a position: epoch by epoch, in order of sequence numbers."""
        for epoch in sorted(epochs):
            for run in self._runs_of(Stream(site, agent, epoch)):
                yield from (entry for entry in self._entries(run, 0) if entry.position <= upto)

    def _runs_of(self, stream: Stream) -> Iterator[_Row]:
        """Give the runs of a stream in reads that are short each."""
        seq = 0
        while True:
            with reported(self._path):
                runs: list[_Row] = self._db.execute(
                    f"SELECT {_COLUMNS} FROM run"  # noqa: S608 - names of our own
                    " WHERE stream = (SELECT stream FROM stream WHERE site = ? AND agent = ? AND epoch = ?)"
                    " AND seq > ? ORDER BY seq LIMIT ?",
                    (*stream, seq, _RUNS_AT_ONCE),
                ).fetchall()
            yield from runs
            if len(runs) < _RUNS_AT_ONCE:
                return
            seq = runs[-1][2]

    def _runs(self, after: int) -> Generator[_Row, None, None]:
        cursor = self._db.execute(
            f"SELECT {_COLUMNS} FROM run"  # noqa: S608 - names of our own
            " WHERE position >= coalesce((SELECT max(position) FROM run WHERE position <= ?), 0) ORDER BY position",
            (after + 1,),
        )
        try:
            yield from cursor
        finally:
            cursor.close()

    def _entries(self, run: _Row, after: int) -> Iterator[Entry]:
        position, number, seq, boot, sent_mono_ms, received_ms, body = run
        site, agent, epoch = self._stream(number)
        words = self._words_with(boot)
        try:
            events = journal_codec.decode(body, seq, received_ms, words)
        except KeyError:
            self._load_words()
            events = journal_codec.decode(body, seq, received_ms, words)
        for place, event in enumerate(events, position):
            if place > after:
                yield Entry(place, site, agent, epoch, received_ms, event, words[boot], sent_mono_ms)

    def _stream(self, number: int) -> Stream:
        if number not in self._streams:
            row = self._db.execute("SELECT site, agent, epoch FROM stream WHERE stream = ?", (number,)).fetchone()
            self._streams[number] = Stream(*row)
        return self._streams[number]

    def _words_with(self, word: int) -> dict[int, str]:
        if word not in self._words:
            self._load_words()
        return self._words

    def _load_words(self) -> None:
        self._words.update(
            self._db.execute("SELECT word, text FROM word WHERE word > ?", (max(self._words, default=0),))
        )


def _seq(entry: Entry) -> int:
    return entry.event.seq or 0


def end_of(connection: sqlite3.Connection) -> int:
    """Give the position of the newest event in a journal, be it there still or not."""
    row = connection.execute("SELECT position + count - 1 FROM run ORDER BY position DESC LIMIT 1").fetchone()
    (floor,) = connection.execute("SELECT floor FROM journal").fetchone() or (0,)
    return int(floor) if row is None else max(int(row[0]), int(floor))


def erasures_of(connection: sqlite3.Connection) -> list[tuple[int, Erasure]]:
    """Give what was ever erased, with the position at which that is written, in order."""
    rows = connection.execute("SELECT position, site, space, from_ms, to_ms, erased_ms FROM erasure ORDER BY position")
    return [(position, Erasure(*erasure)) for position, *erasure in rows]
