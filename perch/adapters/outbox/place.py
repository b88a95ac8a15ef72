"""Whether an outbox's files are still where they belong, and how one gets there again that is not.

What has a file open goes on reading and writing it after it was removed or replaced, and all of that is gone with the
process. While it is open, though, everything in it can be copied.
"""

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import IO, NamedTuple

from perch.adapters.sqlite import claim, lock_of, reported
from perch.adapters.whole_file import sync_folder
from perch.errors import StorageError


class Seat(NamedTuple):
    """Which file stands at a path: its device and number there."""

    device: int
    number: int


def seat(path: Path) -> Seat | None:
    """Tell which file stands at a path, None where none does; raises StorageError where nobody can tell."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StorageError(f"{path} cannot be examined: {error.strerror}", "check the disk and the rights") from error
    return Seat(found.st_dev, found.st_ino)


def holds(path: Path, file: IO[bytes]) -> bool:
    """Tell whether an open file is the one at a path; raises StorageError where nobody can tell."""
    here = os.fstat(file.fileno())
    return seat(path) == Seat(here.st_dev, here.st_ino)


def write_anew(db: sqlite3.Connection, path: Path) -> None:
    """Copy an open database to its path, where nothing may be, whole or not at all; raises StorageError."""
    beside = path.with_name(path.name + ".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.unlink(missing_ok=True)
        with reported(beside), closing(sqlite3.connect(beside)) as target:
            db.backup(target)
            target.execute("PRAGMA journal_mode = DELETE")
        beside.rename(path)
        sync_folder(path.parent)
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror}", "check the disk and the rights") from error


def claimed(path: Path, held: IO[bytes]) -> IO[bytes]:
    """Give the claim to a file: the one that is held, or a new one where its lock was removed; raises StorageError."""
    return held if holds(lock_of(path), held) else claim(path)
