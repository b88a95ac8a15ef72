"""The agent's outbox: every event it accepted, on disk until the collector acknowledged it, and 48 hours longer.

One connection per file (Debian 12's SQLite has a WAL bug that needs two), which nobody else may read meanwhile; WAL
with synchronous=FULL: what `append` has returned from survives a power cut. It holds so many events and no more:
acknowledged ones make room first, then the oldest others, which become spans for a `lost` event to confess.
"""

import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from perch import contract
from perch.adapters import log_room, outbox_room
from perch.adapters.outbox_memory import OutboxMemory
from perch.adapters.outbox_room import Dropped
from perch.adapters.sqlite import adopt_schema, claim, open_alone, reported, transaction
from perch.contract import Event, LostEvent
from perch.delivery.lost import Moment, Span
from perch.delivery.sender import Lane
from perch.delivery.watermark import SeqRange, Watermark
from perch.errors import DamagedError, StorageError
from perch.model import Clock

KEEP_SETTLED_MS = 48 * 3_600_000
RECEIPT_MS = 3_600_000
"""Acknowledgements of so long a time share one receipt, so that all of them are kept for up to so much longer."""

SCHEMA_VERSION = 2
_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE epoch (
    id INTEGER PRIMARY KEY, epoch TEXT NOT NULL UNIQUE, boot TEXT NOT NULL, heard_upto INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE event (epoch INTEGER NOT NULL, seq INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (epoch, seq))
    WITHOUT ROWID;
CREATE TABLE receipt (
    epoch INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, settled_ms INTEGER NOT NULL,
    PRIMARY KEY (epoch, first)
) WITHOUT ROWID;
CREATE TABLE lost (
    epoch TEXT NOT NULL, boot TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    from_ms INTEGER NOT NULL, from_mono_ms INTEGER NOT NULL, from_clock TEXT NOT NULL,
    to_ms INTEGER NOT NULL, to_mono_ms INTEGER NOT NULL, to_clock TEXT NOT NULL, reason TEXT NOT NULL
);
CREATE TABLE filler (piece INTEGER PRIMARY KEY, zeros BLOB NOT NULL)
"""
_KEPT = """
SELECT epoch, first, last FROM (
    SELECT number, min(seq) AS first, max(seq) AS last FROM (
        SELECT epoch AS number, seq, seq - row_number() OVER (PARTITION BY epoch ORDER BY seq) AS island FROM event
    ) GROUP BY number, island
) JOIN epoch ON epoch.id = number ORDER BY number, first
"""
_FORGET_EPOCHS = """
DELETE FROM epoch WHERE id < (SELECT max(id) FROM epoch) AND id NOT IN (SELECT epoch FROM event)
"""
_LOG_PAGES = 500
"""How long the log gets before it is worked into the file: with the largest transaction it stays below 4 MiB."""

_CACHE_KIB = 512
_SPARE_BYTES = 8 * 2**20


class Outbox(OutboxMemory):
    """Events by (epoch, sequence number), and the little else that an agent must remember; close it after use.

    Raises StorageError wherever the file cannot be read or written; what a failed call was to write is not written.
    DamagedError, one of these, says that the file is of no use any more.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path, held: IO[bytes]) -> None:
        self._db = connection
        self._path = path
        self._held = held
        self._most: int | None = None
        self._growing = True
        self._dropped: list[Dropped] = []
        self._lost: tuple[Span, ...] = ()
        self._remember()

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the outbox at a path, or make it; raises StorageError, also where another process has it open."""
        held = claim(path)
        try:
            if path.exists() and path.stat().st_size == 0:
                raise DamagedError(f"{path} is empty", "move it away to begin a new one")
            log_room.put_back(path)
            connection = open_alone(path)
        except BaseException:
            held.close()
            raise
        try:
            _prepare(connection, path)
            adopt_schema(connection, path, SCHEMA_VERSION, _SCHEMA)
            return cls(connection, path, held)
        except BaseException:
            connection.close()
            held.close()
            raise

    def __repr__(self) -> str:
        return f"<Outbox {str(self._path)!r}, {self._count} events>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; no other call may follow."""
        with log_room.kept(self._path):
            self._db.close()
        self._held.close()

    def hold(self, most: int) -> None:
        """Hold so many events and no more from now on."""
        self._most = most

    def reserve(self) -> bool:
        """Take a bit more of the room on the disk that the events to hold need; tells whether some is still missing.

        Each call takes a moment only, so that sensing can go on meanwhile. Raises StorageError where the disk is full.
        """
        with reported(self._path):
            growing = self._growing and self._most is not None and not outbox_room.is_long_enough(self._db, self._most)
        self._growing = False  # where there is no more room, what was got is kept
        if growing:
            _refuse_to_fill(self._path)
        with transaction(self._db, self._path):
            if not growing:
                return outbox_room.drop_filler(self._db)
            outbox_room.grow(self._db)
        self._growing = True
        return True

    def begin(self, epoch: str, boot: str) -> int:
        """Note the start of an epoch and give its run number, counted from 1."""
        with transaction(self._db, self._path):
            run = self._number("run") + 1
            self._set_meta("run", str(run))
            number = self._execute("INSERT INTO epoch (epoch, boot) VALUES (?, ?)", (epoch, boot)).lastrowid
        self._epochs[epoch] = (number or 0, boot)
        return run

    def append(self, epoch: str, events: Sequence[Event]) -> None:
        """Accept events in one transaction: once this returns they are stored, or it raises and none is."""
        if not events:
            return
        number, _ = self._epochs[epoch]
        rows = [(number, event.seq, contract.encode_event(event)) for event in events]
        confessions = [event for event in events if isinstance(event, LostEvent)]
        dropped: list[Dropped] = []
        with transaction(self._db, self._path):
            outbox_room.confess(self._db, confessions)
            if self._most is not None and self._count + len(rows) > self._most:
                dropped = outbox_room.make_room(self._db, self._count + len(rows), self._most, self._last_moment)
            self._db.executemany("INSERT INTO event VALUES (?, ?, ?)", rows)
            lost = outbox_room.lost_spans(self._db) if dropped or confessions else self._lost
        # Nothing may fail from here on: the events are stored.
        self._lost = lost
        self._count += len(rows)
        self._note_dropped(dropped)

    def read(self, epoch: str, first: int, last: int) -> tuple[Event, ...]:
        """Give the events kept of a range, in order."""
        number, _ = self._epochs[epoch]
        rows = self._all(
            "SELECT body FROM event WHERE epoch = ? AND seq BETWEEN ? AND ? ORDER BY seq", (number, first, last)
        )
        return tuple(self._decode(body) for (body,) in rows)

    def acknowledge(
        self, journal: str, epoch: str, upto: int, ranges: Sequence[SeqRange], now_ms: int, *, forgotten: bool
    ) -> None:
        """Note all that an acknowledgement says, at once: ranges of an epoch are settled as of `now_ms`.

        `now_ms` counts like `lived_ms`. With `forgotten` the collector has lost what it had, and everything else that
        is kept counts as unsent again.
        """
        number, _ = self._epochs.get(epoch, (None, ""))
        with transaction(self._db, self._path):
            if forgotten:
                self._execute("DELETE FROM receipt")
                self._execute("UPDATE epoch SET heard_upto = 0")
            self._set_meta("journal", journal)
            self._set_meta("lived_ms", str(now_ms))
            self._execute("UPDATE epoch SET heard_upto = ? WHERE id = ?", (upto, number))
            if number is not None:
                for first, last in ranges:
                    self._receive(number, first, last, now_ms)

    def purge(self, now_ms: int) -> None:
        """Delete some of what was acknowledged more than 48 hours ago, oldest first, in terms of `lived_ms`.

        Epochs of which nothing is left are forgotten, save the newest.
        """
        with transaction(self._db, self._path):
            self._set_meta("lived_ms", str(now_ms))
            dropped = outbox_room.drop_settled(self._db, outbox_room.AT_ONCE, now_ms - KEEP_SETTLED_MS - RECEIPT_MS)
            self._execute(_FORGET_EPOCHS)
        self._note_dropped(dropped)
        self._epochs = self._known_epochs()

    def take_dropped(self) -> list[Dropped]:
        """Give what was deleted since this was asked last: ranges of epochs that are kept no longer."""
        dropped, self._dropped = self._dropped, []
        return dropped

    def lanes(self) -> tuple[Lane, ...]:
        """Give what is kept of each epoch, oldest first, as the sender starts from it."""
        kept: dict[str, list[SeqRange]] = {}
        for epoch, first, last in self._all(_KEPT):
            kept.setdefault(epoch, []).append((first, last))
        return tuple(self._lane(epoch, ranges) for epoch, ranges in kept.items())

    def boot_of(self, epoch: str) -> str:
        """Give the boot id during which an epoch was written."""
        return self._epochs[epoch][1]

    @property
    def lost(self) -> tuple[Span, ...]:
        """The spans that were given up and of which no event tells yet; appending `lost` events makes them go."""
        return self._lost

    @property
    def _last_moment(self) -> Moment:
        mark = self.mark
        return Moment(0, 0, Clock.UNSYNCED) if mark is None else Moment(mark.wall_ms, mark.mono_ms, mark.clock)

    def _remember(self) -> None:
        """Take from the file what is kept in memory."""
        self._epochs = self._known_epochs()
        self._count: int = self._all("SELECT count(*) FROM event")[0][0]
        with reported(self._path):
            self._lost = outbox_room.lost_spans(self._db)

    def _known_epochs(self) -> dict[str, tuple[int, str]]:
        """Give the number and the boot of each epoch, oldest first."""
        return {epoch: (number, boot) for epoch, number, boot in self._all("SELECT epoch, id, boot FROM epoch")}

    def _note_dropped(self, dropped: Sequence[Dropped]) -> None:
        self._dropped += dropped
        self._count -= sum(last - first + 1 for _, first, last in dropped)

    def _receive(self, number: int, first: int, last: int, now_ms: int) -> None:
        """Write a receipt for a range, or lengthen the one that ends where it begins and is young."""
        grown = self._execute(
            "UPDATE receipt SET last = ? WHERE epoch = ? AND last = ? AND settled_ms > ?",
            (last, number, first - 1, now_ms - RECEIPT_MS),
        )
        if not grown.rowcount:
            self._execute("INSERT OR REPLACE INTO receipt VALUES (?, ?, ?, ?)", (number, first, last, now_ms))

    def _lane(self, epoch: str, kept: Sequence[SeqRange]) -> Lane:
        number, _ = self._epochs[epoch]
        gone, here = Watermark(), Watermark()
        for first, last in kept:
            here = here.add(first, last)
        for first, last in here.missing(1, here.highest):
            gone = gone.add(first, last)
        settled = gone
        for first, last in self._all("SELECT first, last FROM receipt WHERE epoch = ?", (number,)):
            settled = settled.add(first, min(last, here.highest))
        heard_upto = self._all("SELECT heard_upto FROM epoch WHERE id = ?", (number,))[0][0]
        return Lane(epoch, here.highest, settled, gone, heard_upto)


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Bound the log and what SQLite keeps in memory, and see that no page is torn."""
    with reported(path):
        connection.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        connection.execute("PRAGMA temp_store = MEMORY")
        complaint = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if complaint != "ok":
        raise DamagedError(f"{path} is damaged: {complaint}", "move it away to begin a new one")


def _refuse_to_fill(path: Path) -> None:
    """Raise StorageError where a disk is nearly full: its last room is for others, and for what must be written."""
    try:
        disk = os.statvfs(path.parent)
    except OSError as error:
        raise StorageError(f"the disk of {path} cannot be examined: {error.strerror}", "check the disk") from error
    if disk.f_bavail * disk.f_frsize < _SPARE_BYTES:
        raise StorageError(f"the disk of {path} is nearly full", "free some space on the disk, then start again")
