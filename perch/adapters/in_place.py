"""Whether a database that is open is still the one that lies in its folder.

What is taken away under an open file goes on being written and read, and is gone with the process: everything would
look well, and be lost. SQLite does not look.
"""

import os
from pathlib import Path
from typing import NamedTuple

from perch.errors import StorageError

_BESIDE = ("", "-wal")


class _Seat(NamedTuple):
    device: int
    inode: int


class InPlace:
    """Remembers which files a database is made of, its log among them, from when it was opened for writing."""

    def __init__(self, path: Path) -> None:
        self._seats = {beside: _seat(str(beside)) for ending in _BESIDE if (beside := _with(path, ending)).exists()}

    def __repr__(self) -> str:
        return f"<InPlace {', '.join(path.name for path in self._seats)}>"

    def check(self) -> None:
        """Look; raises StorageError where one of them was moved, removed or replaced."""
        for path, seat in self._seats.items():
            if _seat(str(path)) != seat:
                raise StorageError(
                    f"{path} was moved, removed or replaced while it was in use",
                    "what it holds since then is not kept, and senders send it again; stop the collector before you"
                    " restore or remove its files",
                )


def _with(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


def _seat(path: str) -> _Seat | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return _Seat(found.st_dev, found.st_ino)
