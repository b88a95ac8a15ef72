"""What was stored last, for those who follow the journal: from memory, not each for itself from the file.

Nothing is handed on before it is stored, and whoever is further behind reads the file.
"""

import threading
from collections.abc import Sequence
from itertools import count

from collector.projection import BATCH_ENTRIES, Log, View
from perch.adapters.journal.store import Entry, Run


class Recent:
    """Remembers the newest entries, a few batches of a projection at most; one thread adds, any may look."""

    def __init__(self, most: int = BATCH_ENTRIES) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._entries: list[Entry] = []

    def __repr__(self) -> str:
        return f"<Recent, {len(self._entries)} entries>"

    def add(self, runs: Sequence[Run], end: int) -> None:
        """Remember runs that were stored together, the last of whose events is now at position `end`."""
        positions = count(end + 1 - sum(len(run.events) for run in runs))
        entries = [
            Entry(position, *run.stream, run.received_ms, event, run.boot, run.sent_mono_ms)
            for run in runs
            for event, position in zip(run.events, positions, strict=False)
        ]
        with self._lock:
            if self._entries and entries and entries[0].position != self._entries[-1].position + 1:
                self._entries.clear()
            self._entries += entries
            if len(self._entries) > 2 * self._most:
                del self._entries[: -self._most]

    def read(self, after: int, limit: int) -> Sequence[Entry]:
        """Give up to `limit` entries after a position; none where the first of them is not remembered."""
        with self._lock:
            if not self._entries or not (place := after + 1 - self._entries[0].position) >= 0:
                return ()
            return self._entries[place : place + limit]


class Remembered(View):
    """A log of which the newest entries are remembered."""

    def __init__(self, log: Log, recent: Recent) -> None:
        super().__init__(log)
        self._recent = recent

    def read(self, after: int, limit: int) -> Sequence[Entry]:
        """Give up to `limit` entries after a position, without gaps."""
        return self._recent.read(after, limit) or self._log.read(after, limit)
