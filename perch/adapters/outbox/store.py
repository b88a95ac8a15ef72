"""The agent's outbox: every event it accepted, on disk until the collector acknowledged it, and 48 hours longer.

One connection per file (Debian 12's SQLite has a WAL bug that needs two), which nobody else may read meanwhile; WAL
with synchronous=FULL: what `append` has returned from survives a power cut. It holds so many events and no more:
acknowledged ones make room first, then the oldest others, which become spans for a `lost` event to confess.
"""

import os
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Self

from perch import contract
from perch.adapters import log_room
from perch.adapters.closing import Closing
from perch.adapters.outbox import file as outbox_file
from perch.adapters.outbox import place as outbox_place
from perch.adapters.outbox import room as outbox_room
from perch.adapters.outbox.memory import OutboxMemory
from perch.adapters.outbox.room import Dropped
from perch.adapters.sqlite import claim, lock_of, reported, transaction
from perch.contract import Event, LostEvent
from perch.delivery.hearing import Settled
from perch.delivery.lost import Moment, Span
from perch.delivery.sender import Lane
from perch.delivery.watermark import SeqRange, Watermark
from perch.errors import DamagedError, StorageError
from perch.model import Clock

KEEP_SETTLED_MS = 48 * 3_600_000
RECEIPT_MS = 3_600_000
"""Acknowledgements of so long a time share one receipt, so that all of them are kept for up to so much longer."""

LIVED_NOTED_MS = 600_000
"""How far an agent has lived is noted no more often than this: each time costs a page of an SD card."""

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
_SPARE_BYTES = 8 * 2**20


class Outbox(OutboxMemory, Closing):
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
        self._lived_noted_ms: int | None = None
        self._lost: tuple[Span, ...] = ()
        self._seats = self._present_seats()
        self._remember()

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the outbox at a path, or make it; raises StorageError, also where another process has it open."""
        held = claim(path)
        try:
            if path.exists() and path.stat().st_size == 0:
                raise DamagedError(f"{path} is empty", "move it away to begin a new one")
            connection = outbox_file.connected(path)
            try:
                return cls(connection, path, held)
            except BaseException:
                connection.close()
                raise
        except BaseException:
            held.close()
            raise

    def __repr__(self) -> str:
        return f"<Outbox {str(self._path)!r}, {self._count} events>"

    def close(self) -> None:
        """Close the file; no other call may follow."""
        with log_room.kept(self._path):
            self._db.close()
        self._held.close()

    @property
    def path(self) -> Path:
        """Where the file belongs."""
        return self._path

    def is_in_place(self) -> bool:
        """Tell whether the files that are open are still the ones at their path."""
        return self._seats == self._present_seats() and outbox_place.holds(lock_of(self._path), self._held)

    def take_place(self, clear: Callable[[], None]) -> None:
        """Write all that is held to its path and go on with that; raises StorageError.

        Once nobody else may use the path, `clear` is called to move away what is there.
        """
        held = outbox_place.claimed(self._path, self._held)
        try:
            clear()
            outbox_place.write_anew(self._db, self._path)
            connection = outbox_file.connected(self._path)
        except BaseException:
            if held is not self._held:
                held.close()
            raise
        self._db.close()
        if held is not self._held:
            self._held.close()
        self._db, self._held, self._seats = connection, held, self._present_seats()

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
            if growing:
                outbox_room.grow(self._db)
            missing = growing or outbox_room.drop_filler(self._db)
        self._growing = growing or not missing
        return missing

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

    def acknowledge(self, settled: Settled, upto: int, now_ms: int) -> None:
        """Note all that an acknowledgement changed, at once, as of `now_ms`, which counts like `lived_ms`.

        `upto` is up to where its collector has everything of the epoch.
        """
        epoch = settled.epoch
        number, _ = self._epochs.get(epoch, (None, ""))
        with transaction(self._db, self._path):
            if settled.forgotten:
                self._execute("DELETE FROM receipt")
                self._execute("UPDATE epoch SET heard_upto = 0")
            if settled.journals != self.journals:
                self._set_meta("journal", " ".join(settled.journals))
            self._note_lived(now_ms)
            self._execute("UPDATE epoch SET heard_upto = ? WHERE id = ?", (upto, number))
            if number is not None:
                for first, last in settled.missed:
                    outbox_room.take_back(self._db, number, first, last)
                for first, last in settled.ranges:
                    self._receive(number, first, last, now_ms)

    def purge(self, now_ms: int) -> None:
        """Delete some of what was acknowledged more than 48 hours ago, oldest first, in terms of `lived_ms`.

        Epochs of which nothing is left are forgotten, save the newest.
        """
        with transaction(self._db, self._path):
            self._note_lived(now_ms)
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

    def _present_seats(self) -> list[outbox_place.Seat | None]:
        return [outbox_place.seat(part) for part in (self._path, log_room.log_of(self._path))]

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

    def _note_lived(self, now_ms: int) -> None:
        """Note how far the agent has lived, if that was long ago: what was settled since is kept so much longer."""
        noted_ms = self._lived_noted_ms
        if noted_ms is None or now_ms - noted_ms >= LIVED_NOTED_MS:
            self._set_meta("lived_ms", str(now_ms))
            self._lived_noted_ms = now_ms

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
        here = Watermark().add_all(kept)
        gone = Watermark().add_all(here.missing(1, here.highest))
        receipts = self._all("SELECT first, last FROM receipt WHERE epoch = ?", (number,))
        settled = gone.add_all((first, min(last, here.highest)) for first, last in receipts)
        heard_upto = self._all("SELECT heard_upto FROM epoch WHERE id = ?", (number,))[0][0]
        return Lane(epoch, here.highest, settled, gone, heard_upto)


def _refuse_to_fill(path: Path) -> None:
    """Raise StorageError where a disk is nearly full: its last room is for others, and for what must be written."""
    try:
        disk = os.statvfs(path.parent)
    except OSError as error:
        raise StorageError(f"the disk of {path} cannot be examined: {error.strerror}", "check the disk") from error
    if disk.f_bavail * disk.f_frsize < _SPARE_BYTES:
        raise StorageError(f"the disk of {path} is nearly full", "free some space on the disk, then start again")
