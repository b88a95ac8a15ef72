"""Looks after the outbox's file while the agent runs: its room on the disk, its place, and what it need not keep.

Of what the outbox raises only DamagedError comes through; `trouble` tells of the rest.
"""

from collections.abc import Callable

from perch.adapters.outbox.aside import put_back
from perch.adapters.outbox.store import Outbox
from perch.errors import DamagedError, StorageError

PURGE_EVERY_MS = 60_000
LOOK_EVERY_MS = 5_000
ROOM_AGAIN_MS = 600_000
"""So long after a disk was too full the room that the outbox needs is asked for once more."""

MOVED_TOLD_MS = 600_000
"""So long is told of a file that was put back in its place, and nothing lost."""

NEVER_MS = 2**62


class Upkeep:
    """Owns when each of this is due (machine's monotonic ms); `purge` lets go of what was acknowledged long ago."""

    def __init__(self, outbox: Outbox, most: int, purge: Callable[[int], None], now_ms: int) -> None:
        self._outbox = outbox
        self._most = most
        self._purge = purge
        self._purge_ms = self._room_ms = now_ms
        self._look_ms = now_ms + LOOK_EVERY_MS
        self._refused = False
        self._no_room: str | None = None
        self._moved: str | None = None
        self._moved_ms = now_ms
        self._astray: str | None = None

    def __repr__(self) -> str:
        return f"<Upkeep of {self._outbox!r}>"

    @property
    def deadline(self) -> int:
        """When there is something to do."""
        return min(self._purge_ms, self._room_ms, self._look_ms)

    @property
    def troubles(self) -> tuple[str, ...]:
        """What is wrong with the file or its disk, in sentences."""
        return tuple(filter(None, (self._no_room, self._astray)))

    @property
    def notice(self) -> str | None:
        """What has happened to the file lately and is mended, in a sentence."""
        return self._moved

    def work(self, now_ms: int) -> None:
        """Do what is due."""
        if now_ms >= self._look_ms:
            self._look_ms = now_ms + LOOK_EVERY_MS
            self._look(now_ms)
        if now_ms >= self._purge_ms:
            self._purge_ms = now_ms + PURGE_EVERY_MS
            self._purge(now_ms)
        if now_ms >= self._room_ms:
            self._reserve(now_ms)

    def _look(self, now_ms: int) -> None:
        """See that the file is where it belongs: what is written into a removed one is gone at the next start."""
        try:
            moved = put_back(self._outbox)
        except DamagedError:
            raise
        except StorageError as error:
            self._astray = f"the outbox is not where it belongs, and cannot be written anew: {error.sentence}"
        else:
            self._astray = None
            if moved is not None:
                self._moved, self._moved_ms = moved, now_ms
            elif now_ms - self._moved_ms >= MOVED_TOLD_MS:
                self._moved = None

    def _reserve(self, now_ms: int) -> None:
        """Take some of the room that the outbox will need; where there is none, what is there has to do for a while."""
        try:
            missing = self._outbox.reserve()
        except DamagedError:
            raise
        except StorageError as error:
            self._refused, self._room_ms = True, now_ms + PURGE_EVERY_MS
            self._no_room = f"there is no room for the {self._most} events to keep: {error.sentence}"
            return
        if missing:
            self._room_ms = now_ms
        elif self._refused:  # what was taken so far is given to the events
            self._refused, self._room_ms = False, now_ms + ROOM_AGAIN_MS
        else:
            self._no_room, self._room_ms = None, NEVER_MS
