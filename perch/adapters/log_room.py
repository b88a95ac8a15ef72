"""Keeps the room that SQLite's write-ahead log takes on the disk, which SQLite itself gives back at every close.

An outbox has to be writable after a restart on a full disk. So its log gets a second name before it is closed, and is
put back afterwards with its header blanked: SQLite takes such a log for an empty one and writes over it.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_HEADER_BYTES = 32


@contextmanager
def kept(path: Path) -> Iterator[None]:
    """Keep the log's room while what is inside closes the only connection to a database."""
    with suppress(OSError):  # a file system without second names: then the room is given back, as ever
        os.link(log_of(path), _spare(path))
    yield
    put_back(path)


def put_back(path: Path) -> None:
    """Give a database that nobody has open the log that was kept of it; a log that is in use stays as it is."""
    log, spare = log_of(path), _spare(path)
    with suppress(OSError):
        if log.exists():
            spare.unlink(missing_ok=True)
            return
        with spare.open("r+b") as file:
            file.write(bytes(_HEADER_BYTES))
            file.flush()
            os.fsync(file.fileno())
        spare.rename(log)


def log_of(path: Path) -> Path:
    """Give where a database has its log."""
    return path.with_name(path.name + "-wal")


def _spare(path: Path) -> Path:
    return path.with_name(path.name + "-spare")
