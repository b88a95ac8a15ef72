"""Copies of SQLite databases as they are at one moment, whoever writes them meanwhile."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from perch.adapters.sqlite import BUSY_SECONDS, open_reader, reported
from perch.errors import DamagedError

Show = Callable[[int, int], None]
"""Told now and then how many bytes are done, of how many."""

PAGES_AT_ONCE = 4_000
_RESTORE_ANOTHER = "the disk may be failing: restore an older backup, and have a look at the disk"


def show_nothing(_done: int, _total: int) -> None:
    """Take what nobody looks at."""


def copy_database(source: Path, copy: Path, show: Show = show_nothing, pages: int = PAGES_AT_ONCE) -> None:
    """Copy a database that a process may be writing, without holding it up; raises StorageError.

    The copy is one file without a log, made so many pages at a time. What lies under its name is overwritten.
    """
    copy.unlink(missing_ok=True)
    with closing(_reading(source)) as reading, reported(copy), closing(sqlite3.connect(copy)) as target:
        with reported(source):
            reading.execute("BEGIN")  # pins one moment: a copy that is made in pieces would begin anew otherwise
            reading.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            (page_bytes,) = reading.execute("PRAGMA page_size").fetchone()
        target.execute("PRAGMA synchronous = OFF")  # who asked for the copy syncs it once, when it is whole

        def told(_status: int, remaining: int, total: int) -> None:
            show((total - remaining) * page_bytes, total * page_bytes)

        reading.backup(target, pages=pages, progress=told, sleep=0)
        target.execute("PRAGMA journal_mode = DELETE")


def verify_copy(copy: Path) -> int:
    """Read a whole copy of a database; gives its schema version. Raises DamagedError where it is not whole.

    Every page and row is looked at. Whether an index agrees with its table is not: that takes four times as long, and
    an index can be made again.
    """
    with closing(_immutable(copy)) as db, reported(copy):
        (found,) = db.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise DamagedError(f"{copy} is damaged: {found}", _RESTORE_ANOTHER)
        return int(db.execute("PRAGMA user_version").fetchone()[0])


def asked(copy: Path, question: str) -> tuple[object, ...]:
    """Ask a copy that nobody writes for one row; raises StorageError."""
    with closing(_immutable(copy)) as db, reported(copy):
        row: tuple[object, ...] = db.execute(question).fetchone()
        return row


def _immutable(copy: Path) -> sqlite3.Connection:
    with reported(copy):
        return sqlite3.connect(f"file:{quote(str(copy))}?mode=ro&immutable=1", uri=True)


def _reading(path: Path) -> sqlite3.Connection:
    """Open a database to copy it: one with a log read-only, so that nobody but its writer works the log in.

    One with a rollback journal may have to be rolled back first, after a crash, which takes the right to write.
    """
    reading = open_reader(path)
    try:
        with reported(path):
            (mode,) = reading.execute("PRAGMA journal_mode").fetchone()
        if mode == "wal":
            return reading
    except BaseException:
        reading.close()
        raise
    reading.close()
    with reported(path):
        return sqlite3.connect(f"file:{quote(str(path))}?mode=rw", uri=True, timeout=BUSY_SECONDS, isolation_level=None)
