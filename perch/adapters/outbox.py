"""The agent's outbox: every event it accepted, on disk until the collector acknowledged it, and 48 hours longer.

One connection per file (Debian 12's SQLite has a WAL bug that needs two), WAL with synchronous=FULL: what `append` has
returned from survives a power cut.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from perch import contract
from perch.adapters.sqlite import adopt_schema, claim, explain, open_writer, transaction
from perch.contract import AliveEvent, Event, StateEvent
from perch.delivery.sender import Lane
from perch.delivery.watermark import SeqRange, Watermark
from perch.model import Clock

KEEP_SETTLED_MS = 48 * 3_600_000

SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE epoch (
    id INTEGER PRIMARY KEY, epoch TEXT NOT NULL UNIQUE, boot TEXT NOT NULL, heard_upto INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE event (
    epoch INTEGER NOT NULL, seq INTEGER NOT NULL, body BLOB NOT NULL, settled_ms INTEGER, PRIMARY KEY (epoch, seq)
) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment at which the agent was alive, on both clocks of a boot."""

    wall_ms: int
    mono_ms: int
    boot: str
    clock: Clock


class Outbox:
    """Events by (epoch, sequence number), and the little else that an agent must remember; close it after use.

    Raises StorageError wherever the file cannot be read or written; what a failed call was to write is not written.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path, held: IO[bytes]) -> None:
        self._db = connection
        self._path = path
        self._held = held
        self._ids = dict(self._execute("SELECT epoch, id FROM epoch"))

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the outbox at a path, or make it; raises StorageError, also where another process has it open."""
        held = claim(path)
        try:
            connection = open_writer(path)
        except BaseException:
            held.close()
            raise
        try:
            adopt_schema(connection, path, SCHEMA_VERSION, _SCHEMA)
            return cls(connection, path, held)
        except BaseException:
            connection.close()
            held.close()
            raise

    def __repr__(self) -> str:
        return f"<Outbox {str(self._path)!r}>"

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

    def begin(self, epoch: str, boot: str) -> int:
        """Note the start of an epoch and give its run number, counted from 1."""
        with transaction(self._db, self._path):
            run = int(self._meta("run") or 0) + 1
            self._set_meta("run", str(run))
            self._ids[epoch] = self._execute("INSERT INTO epoch (epoch, boot) VALUES (?, ?)", (epoch, boot)).lastrowid
        return run

    def append(self, epoch: str, events: Sequence[Event]) -> None:
        """Accept events in one transaction: once this returns they are stored, or it raises and none is."""
        if not events:
            return
        rows = [(self._ids[epoch], event.seq, contract.encode_event(event)) for event in events]
        with transaction(self._db, self._path):
            self._db.executemany("INSERT INTO event (epoch, seq, body) VALUES (?, ?, ?)", rows)

    def read(self, epoch: str, first: int, last: int) -> tuple[Event, ...]:
        """Give the events kept of a range, in order."""
        rows = self._execute(
            "SELECT body FROM event WHERE epoch = ? AND seq BETWEEN ? AND ? ORDER BY seq",
            (self._ids[epoch], first, last),
        )
        return tuple(contract.decode_event(body) for (body,) in rows)

    def acknowledge(
        self, journal: str, epoch: str, upto: int, ranges: Sequence[SeqRange], now_ms: int, *, forgotten: bool
    ) -> None:
        """Note all that an acknowledgement says, at once: ranges of an epoch are settled as of `now_ms` (wall time).

        With `forgotten` the collector has lost what it had, and everything else that is kept counts as unsent again.
        """
        with transaction(self._db, self._path):
            if forgotten:
                self._execute("UPDATE event SET settled_ms = NULL")
                self._execute("UPDATE epoch SET heard_upto = 0")
            self._set_meta("journal", journal)
            number = self._ids.get(epoch)
            self._execute("UPDATE epoch SET heard_upto = ? WHERE id = ?", (upto, number))
            self._db.executemany(
                "UPDATE event SET settled_ms = ? WHERE epoch = ? AND seq BETWEEN ? AND ? AND settled_ms IS NULL",
                [(now_ms, number, first, last) for first, last in ranges],
            )

    def purge(self, now_ms: int) -> dict[str, int]:
        """Delete, from the start of each epoch, what was acknowledged more than 48 hours ago.

        Gives from which number on each epoch is kept. Epochs of which nothing is left are forgotten, save the newest.
        """
        kept: dict[str, int] = {}
        with transaction(self._db, self._path):
            for epoch, number, last in self._execute(
                "SELECT epoch.epoch, epoch.id, max(seq) FROM epoch JOIN event ON event.epoch = epoch.id"
                " GROUP BY epoch.id"
            ).fetchall():
                first = self._execute(
                    "SELECT min(seq) FROM event WHERE epoch = ? AND (settled_ms IS NULL OR settled_ms > ?)",
                    (number, now_ms - KEEP_SETTLED_MS),
                ).fetchone()[0]
                kept[epoch] = last + 1 if first is None else first
                self._execute("DELETE FROM event WHERE epoch = ? AND seq < ?", (number, kept[epoch]))
            self._execute(
                "DELETE FROM epoch WHERE id < (SELECT max(id) FROM epoch) AND id NOT IN (SELECT epoch FROM event)"
            )
        self._ids = dict(self._execute("SELECT epoch, id FROM epoch"))
        return kept

    def lanes(self) -> tuple[Lane, ...]:
        """Give what is kept of each epoch, oldest first, as the sender starts from it."""
        return tuple(
            self._lane(epoch, number, first, last, heard_upto)
            for epoch, number, first, last, heard_upto in self._execute(
                "SELECT epoch.epoch, epoch.id, min(seq), max(seq), heard_upto"
                " FROM epoch JOIN event ON event.epoch = epoch.id"
                " GROUP BY epoch.id ORDER BY epoch.id"
            )
        )

    def boot_of(self, epoch: str) -> str:
        """Give the boot id during which an epoch was written."""
        boot: str = self._execute("SELECT boot FROM epoch WHERE epoch = ?", (epoch,)).fetchone()[0]
        return boot

    @property
    def journal(self) -> str | None:
        """The id of the journal that last acknowledged anything."""
        return self._meta("journal")

    @property
    def spaces(self) -> frozenset[str]:
        """The spaces that this agent stated something about and has not yet declared offline for good."""
        return frozenset((self._meta("spaces") or "").split())

    @spaces.setter
    def spaces(self, spaces: frozenset[str]) -> None:
        self._set_meta("spaces", " ".join(sorted(spaces)))

    @property
    def mark(self) -> Mark | None:
        """The last local mark, None before the first one."""
        text = self._meta("mark")
        if text is None:
            return None
        wall_ms, mono_ms, boot, clock = text.split()
        return Mark(int(wall_ms), int(mono_ms), boot, Clock(clock))

    @mark.setter
    def mark(self, mark: Mark) -> None:
        self._set_meta("mark", f"{mark.wall_ms} {mark.mono_ms} {mark.boot} {mark.clock}")

    @property
    def last_event(self) -> Mark | None:
        """The moment of the newest event kept that has one, as a mark."""
        rows = self._execute(
            "SELECT epoch.boot, body FROM event JOIN epoch ON epoch.id = event.epoch"
            " ORDER BY event.epoch DESC, seq DESC LIMIT 10"
        )
        for boot, body in rows:
            event = contract.decode_event(body)
            if isinstance(event, StateEvent | AliveEvent):
                return Mark(event.wall_ms, event.mono_ms, boot, event.clock)
        return None

    def _lane(self, epoch: str, number: int, first: int, last: int, heard_upto: int) -> Lane:
        settled = Watermark(first - 1)
        for (seq,) in self._execute(
            "SELECT seq FROM event WHERE epoch = ? AND settled_ms IS NOT NULL ORDER BY seq", (number,)
        ):
            settled = settled.add(seq, seq)
        return Lane(epoch, last, first, settled, heard_upto)

    def _meta(self, key: str) -> str | None:
        row = self._execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else row[0]

    def _set_meta(self, key: str, value: str) -> None:
        self._execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def _execute(self, sql: str, parameters: Sequence[object] = ()) -> sqlite3.Cursor:
        try:
            return self._db.execute(sql, parameters)
        except sqlite3.Error as error:
            raise explain(self._path, error) from error
