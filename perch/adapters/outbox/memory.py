"""The little that an agent must remember beside its events: what it was, when it lived last, whom it told.

Everything stands in one table of words, or is seen from the newest event.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from perch import contract
from perch.adapters.sqlite import reported
from perch.contract import AliveEvent, Event, StateEvent
from perch.errors import ContractError, DamagedError
from perch.model import Clock

_NEWEST_FIRST = """
SELECT epoch.boot, body FROM event JOIN epoch ON epoch.id = event.epoch ORDER BY event.epoch DESC, seq DESC
"""


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment at which the agent was alive, on both clocks of a boot."""

    wall_ms: int
    mono_ms: int
    boot: str
    clock: Clock


class OutboxMemory:
    """What is remembered in an outbox; raises StorageError wherever its file cannot be read or written."""

    _db: sqlite3.Connection
    _path: Path
    _epochs: dict[str, tuple[int, str]]

    @property
    def lived_ms(self) -> int:
        """For how long agents have lived over this outbox, as far as was noted: a time that no clock can set."""
        return self._number("lived_ms")

    @property
    def journal(self) -> str | None:
        """The id of the journal that counts, None before any acknowledged anything."""
        return self.journals[-1] if self.journals else None

    @property
    def journals(self) -> tuple[str, ...]:
        """The ids of journals that counted once, oldest first; that of the present one is the last."""
        return tuple((self._meta("journal") or "").split())

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
        try:
            wall_ms, mono_ms, boot, clock = text.split()
            return Mark(int(wall_ms), int(mono_ms), boot, Clock(clock))
        except ValueError as error:
            raise self._damaged(text) from error

    @mark.setter
    def mark(self, mark: Mark) -> None:
        self._set_meta("mark", f"{mark.wall_ms} {mark.mono_ms} {mark.boot} {mark.clock}")

    @property
    def last_event(self) -> Mark | None:
        """The moment of the newest event kept that has one, as a mark."""
        with reported(self._path):
            for boot, body in self._db.execute(_NEWEST_FIRST):
                event = self._decode(body)
                if isinstance(event, StateEvent | AliveEvent):
                    return Mark(event.wall_ms, event.mono_ms, boot, event.clock)
        return None

    @property
    def last_sign(self) -> Mark | None:
        """The later of the last mark and the last event: until then the agent is known to have lived."""
        mark, event = self.mark, self.last_event
        if mark is None or event is None:
            return mark or event
        if mark.boot == event.boot:
            return max(mark, event, key=lambda sign: sign.mono_ms)
        began = {boot: number for number, boot in self._epochs.values()}
        return max(event, mark, key=lambda sign: began.get(sign.boot, 0))

    def _decode(self, body: bytes) -> Event:
        try:
            return contract.decode_event(body)
        except ContractError as error:
            raise self._damaged(error.what) from error

    def _damaged(self, what: str) -> DamagedError:
        return DamagedError(f"{self._path} holds what no agent wrote: {what[:80]}", "move it away to begin a new one")

    def _number(self, key: str) -> int:
        text = self._meta(key) or "0"
        if not text.isdecimal():
            raise self._damaged(text)
        return int(text)

    def _meta(self, key: str) -> str | None:
        row = self._all("SELECT value FROM meta WHERE key = ?", (key,))
        return row[0][0] if row else None

    def _set_meta(self, key: str, value: str) -> None:
        self._execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def _all(self, sql: str, parameters: Sequence[object] = ()) -> list[Any]:
        with reported(self._path):
            return self._db.execute(sql, parameters).fetchall()

    def _execute(self, sql: str, parameters: Sequence[object] = ()) -> sqlite3.Cursor:
        with reported(self._path):
            return self._db.execute(sql, parameters)
