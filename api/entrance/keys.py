"""Keys and logins as this process knows them: read from `api.db`, looked at again every other second."""

import asyncio
import logging
import secrets
from collections.abc import Callable
from pathlib import Path

from perch.adapters.keys import DAY_S, SESSION_DAYS, Kept, Key, KeysFile, Session, hash_of, key_of
from perch.errors import StorageError

LOOK_S = 2.0
BELIEVED_S = 10.0
"""So long keys are believed while the file cannot be read; then nobody comes in."""

_SETTLED_NS = 2_000_000_000
"""A file that was changed so shortly before it was read may have changed again without a sign."""

Mark = tuple[int, int, int]
_log = logging.getLogger("perch.api")


class Keys:
    """The keys and sessions of a data folder; everything but `look` runs on the event loop's thread.

    Without `notes_use` the file is only read.
    """

    def __init__(
        self, data: Path, now_s: Callable[[], float], mono_s: Callable[[], float], *, notes_use: bool = True
    ) -> None:
        self._notes_use = notes_use
        self._file = KeysFile(data)
        self._now_s = now_s
        self._mono_s = mono_s
        self._kept = Kept({}, {})
        self._mark: Mark | None = None
        self._looked_s = mono_s()
        self._turn = asyncio.Lock()
        self._used: dict[str, int] = {}
        self.any = False
        """Whether there ever was a key; it never turns back while the process lives."""

    def __repr__(self) -> str:
        return f"<Keys: {len(self._kept.keys)}, {len(self._kept.sessions)} sessions>"

    @property
    def believable(self) -> bool:
        """Whether the file was read lately."""
        return self._mono_s() - self._looked_s <= BELIEVED_S

    def find(self, text: str) -> Key | None:
        """Give the key that a text is, if it opens anything."""
        key = key_of(text, self._kept.keys)
        return key if key is not None and self._opens(key) else None

    def find_session(self, token: str) -> tuple[Key, bytes] | None:
        """Give the key that somebody logged in with, and the session's hash, if both still hold."""
        hash_ = hash_of(token)
        session = self._kept.sessions.get(hash_)
        key = self._kept.keys.get(session.key) if session is not None else None
        if session is None or key is None or session.until_s <= self._now_s() or not self._opens(key):
            return None
        return key, hash_

    def holds(self, key: str, session: bytes | None) -> bool:
        """Tell whether a key, and the session with it, still open anything."""
        known = self._kept.keys.get(key)
        if known is None or not known.holds(self._now_s()):
            return False
        opened = self._kept.sessions.get(session) if session is not None else None
        return session is None or (opened is not None and self._now_s() < opened.until_s)

    def get(self, id_: str | None) -> Key | None:
        """Give what is kept of a key."""
        return self._kept.keys.get(id_ or "")

    def _opens(self, key: Key) -> bool:
        now_s = self._now_s()
        if not key.holds(now_s):
            return False
        today = int(now_s // DAY_S)
        if key.used_day != today:
            self._used[key.id] = today
        return True

    async def open_session(self, key: Key) -> str:
        """Log somebody in; gives what their browser keeps. Raises StorageError."""
        token, now_s = secrets.token_hex(32), int(self._now_s())
        session = Session(key.id, now_s + SESSION_DAYS * DAY_S)  # and no longer than the key, whatever that says
        async with self._turn:
            await asyncio.to_thread(self._file.open_session, hash_of(token), session, now_s)
            await asyncio.to_thread(self._look, again=True)
        return token

    async def close_session(self, hash_: bytes) -> None:
        """Log somebody out; raises StorageError."""
        async with self._turn:
            await asyncio.to_thread(self._file.close_session, hash_)
            await asyncio.to_thread(self._look, again=True)

    async def follow(self) -> None:
        """Look again and again; a file that fails is told of once, and shuts the door after a while."""
        failing = False
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                async with self._turn:
                    await asyncio.to_thread(self.note_use)
                    await asyncio.to_thread(self._look)
            except StorageError as error:
                if not failing:
                    _log.error("cannot read the keys: %s", error.what)
                failing = True
            else:
                failing = False

    def look(self) -> None:
        """Read the file before anybody comes; raises StorageError."""
        self._look(again=True)

    def _look(self, again: bool = False) -> None:
        """Read the file if it changed; one that is gone takes nobody's word back, but opens nothing either."""
        mark = self._signs()
        if again or mark != self._mark or self._is_fresh(mark):
            self._kept = self._file.read()
            self._mark = mark
            self.any = self.any or bool(self._kept.keys)
        self._looked_s = self._mono_s()

    def _signs(self) -> Mark | None:
        try:
            there = self._file.path.stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageError(f"{self._file.path} cannot be read: {error.strerror}") from error
        return there.st_ino, there.st_size, there.st_mtime_ns

    def _is_fresh(self, mark: Mark | None) -> bool:
        return mark is not None and self._now_s() * 1e9 - mark[2] < _SETTLED_NS + LOOK_S * 1e9

    def note_use(self) -> None:
        """Write down on which day keys were used; raises StorageError."""
        used, self._used = self._used, {}
        days = {id_: day for id_, day in used.items() if (key := self.get(id_)) is not None and key.used_day != day}
        if days and self._notes_use:
            self._file.note_use(days)
