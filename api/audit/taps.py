"""Taking taps in: kept in a file at once, and taken back for a minute, which only this process remembers."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from perch.adapters.audit_file import AuditFile, Outcome, Tapped
from perch.history.looks import Look

UNDO_MS = 60_000
PURGE_S = 3_600.0


class Taps:
    """The taps of the audit; called on the event loop's thread, its file is worked on in others.

    When a tap came is never written down: what can still be taken back is forgotten with the process.
    """

    def __init__(self, data: Path, kept_days: int, mono_ms: Callable[[], int]) -> None:
        self._file = AuditFile(data, kept_days)
        self._mono_ms = mono_ms
        self._came_ms: dict[str, int] = {}

    def __repr__(self) -> str:
        return f"<Taps in {self._file!r}, {len(self._came_ms)} can be taken back>"

    async def add(self, tap: Tapped, wall_ms: int) -> Outcome:
        """Keep a tap; raises StorageError."""
        (outcome,) = await asyncio.to_thread(self._file.add, [tap], wall_ms)
        self._forget()
        if outcome is Outcome.NEW:
            self._came_ms[tap.id] = self._mono_ms()
        return outcome

    async def remove(self, id_: str) -> bool:
        """Take a tap back that came within the last minute; tells whether that was so. Raises StorageError."""
        self._forget()
        if id_ not in self._came_ms:
            return False
        removed = await asyncio.to_thread(self._file.remove, id_)
        self._came_ms.pop(id_, None)  # only now: where the file fails it can be tried again
        return removed

    async def holds(self, id_: str) -> bool:
        """Tell whether there is such a tap, however old; raises StorageError."""
        return await asyncio.to_thread(self._file.holds, id_)

    def undo_ms(self, id_: str) -> int | None:
        """Tell for how long a tap can still be taken back."""
        self._forget()
        came_ms = self._came_ms.get(id_)
        return None if came_ms is None else came_ms + UNDO_MS - self._mono_ms()

    def looks(self, site: str, space: str | None) -> list[Look]:
        """Give what is kept; any thread may call. Raises StorageError."""
        return self._file.looks(site, space)

    def purge(self, wall_ms: int) -> None:
        """Let go what is too old; any thread may call. Raises StorageError."""
        self._file.purge(wall_ms)

    def _forget(self) -> None:
        now_ms = self._mono_ms()
        self._came_ms = {id_: came_ms for id_, came_ms in self._came_ms.items() if now_ms - came_ms <= UNDO_MS}
