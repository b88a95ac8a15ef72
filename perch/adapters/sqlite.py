"""Opening SQLite files so that what was committed survives a power cut, and saying in words what went wrong.

One process writes a file, over one connection. Others open it with `open_reader`, which never checkpoints: on Debian
12 (SQLite 3.40) two connections that checkpoint at once can lose what was committed.
"""

import errno
import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO
from urllib.parse import quote

from perch.adapters import crash_points
from perch.errors import DamagedError, StorageError

BUSY_SECONDS = 5.0
INDEX_BYTES = 2**15
"""What SQLite wants for the index of a log when it opens a file."""

_LOOKS, _LOOK_S = 5, 0.02
_FULL = 2
_LOG_WAITS_MS = 100

_RIGHTS = "check that its folder exists and that this user may write there"
_READ_ONLY = ("cannot be written", "check the rights of the file and of its folder")
_REMEDIES = {
    sqlite3.SQLITE_BUSY: ("is locked by another program", "end the other program that writes it"),
    sqlite3.SQLITE_LOCKED: ("is locked by another program", "end the other program that writes it"),
    sqlite3.SQLITE_FULL: ("cannot grow, the disk is full", "free some space on the disk, then start again"),
    sqlite3.SQLITE_CANTOPEN: ("cannot be opened", _RIGHTS),
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_PERM: _READ_ONLY,
    sqlite3.SQLITE_CORRUPT: ("is damaged", "restore it from a backup, or move it away to begin a new one"),
    sqlite3.SQLITE_NOTADB: ("is no database", "restore it from a backup, or move it away to begin a new one"),
    sqlite3.SQLITE_IOERR: ("cannot be read or written", "check the disk; the system's log may say more"),
}

READ_ONLY_DISK = "its disk is mounted read-only: see why with dmesg, then remount it"
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def open_writer(path: Path) -> sqlite3.Connection:
    """Open a file for its only writer, made where it is missing: WAL, every commit synced; raises StorageError."""
    return _open(path, "NORMAL")


def open_alone(path: Path) -> sqlite3.Connection:
    """Open a file as `open_writer` does, for a program besides which nobody may even read it.

    SQLite then needs no index of its log on the disk, which may be full.
    """
    return _open(path, "EXCLUSIVE")


def rights(error: OSError) -> str:
    """Say what to do where a file or folder cannot be made."""
    return READ_ONLY_DISK if error.errno == errno.EROFS else _RIGHTS


def _open(path: Path, locking: str) -> sqlite3.Connection:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"the folder {path.parent} cannot be made: {error.strerror}", rights(error)) from error
    if path.exists() and not os.access(path, os.R_OK | os.W_OK, effective_ids=True):
        remedy = READ_ONLY_DISK if os.statvfs(path).f_flag & os.ST_RDONLY else _READ_ONLY[1]
        raise StorageError(f"{path} {_READ_ONLY[0]}", remedy)  # SQLite would call it a broken disk
    with reported(path):
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            connection.execute(f"PRAGMA locking_mode = {locking}")
            _make_durable(connection, path)
        except BaseException:
            connection.close()
            raise
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """Open an existing file that another connection writes, for short reads only; raises StorageError."""
    with reported(path):
        connection = sqlite3.connect(
            f"file:{quote(str(path))}?mode=ro",
            uri=True,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            connection.execute("SELECT count(*) FROM sqlite_schema")
        except BaseException:
            connection.close()
            raise
    return connection


def claim(path: Path) -> IO[bytes]:
    """Make this process the only writer of a file until the claim is closed; raises StorageError if another one is."""
    lock = lock_of(path)
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        held = lock.open("ab")
    except OSError as error:
        raise StorageError(f"{lock} cannot be written: {error.strerror}", rights(error)) from error
    try:
        _lock(held)
    except OSError as error:
        held.close()
        raise StorageError(
            f"{path} is in use by another process", "end that one, or give this one another data folder"
        ) from error
    return held


def _lock(held: IO[bytes]) -> None:
    """Lock a file; whoever only looks whether it is locked has it for a moment, so one try would not do."""
    for _ in range(_LOOKS):
        with suppress(BlockingIOError):
            return fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        time.sleep(_LOOK_S)
    return fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)


def lock_of(path: Path) -> Path:
    """Give the file by which a process claims another one."""
    return path.with_name(path.name + ".lock")


def is_in_use(path: Path) -> bool:
    """Tell whether a process has claimed a file; raises OSError."""
    try:
        with lock_of(path).open("rb") as held:  # it is not made here: it would belong to whoever runs this
            fcntl.flock(held, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def adopt_schema(connection: sqlite3.Connection, path: Path, version: int, schema: str) -> None:
    """Make the tables in an empty file, and refuse one that this version of Perch cannot use; raises StorageError."""
    with transaction(connection, path):
        found = schema_version(connection)
        if found == 0 and not connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
            for statement in filter(str.strip, schema.split(";")):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {version}")
            return
    refuse_other_schema(connection, path, version)


def refuse_other_schema(connection: sqlite3.Connection, path: Path, version: int) -> None:
    """Raise StorageError where a file's schema is not of this version."""
    with reported(path):
        found = schema_version(connection)
    if found == version:
        return
    if found > version:
        raise StorageError(
            f"{path} was written by a newer version of Perch (schema {found}; this one knows {version})",
            "upgrade Perch, or restore the backup that was made before the upgrade",
        )
    if found:
        raise StorageError(
            f"{path} was written by an older version of Perch (schema {found}; this one knows {version})",
            "the collector, or the agent, whose file it is brings it up to date when it starts: start that one first",
        )
    raise StorageError(f"{path} is no file of this kind", "move it away to begin a new one")


def schema_version(connection: sqlite3.Connection) -> int:
    """Give the schema version written in a file, 0 where there is none."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


@contextmanager
def transaction(connection: sqlite3.Connection, path: Path) -> Iterator[None]:
    """Commit what is done inside, or nothing of it; raises StorageError."""
    with reported(path):
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            crash_points.reach(path.name, "written")
            connection.execute("COMMIT")
            crash_points.reach(path.name, "committed")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def empty_log(connection: sqlite3.Connection, path: Path) -> bool:
    """Work the log into the file, by its only writer, and empty it: it may still hold what is no more in the file.

    Gives False where somebody reads it just now: then it is to be tried again.
    """
    with reported(path):
        connection.execute(f"PRAGMA busy_timeout = {_LOG_WAITS_MS}")
        is_busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        connection.execute(f"PRAGMA busy_timeout = {round(BUSY_SECONDS * 1000)}")
    return not is_busy


@contextmanager
def reported(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into a StorageError that says what to do."""
    try:
        yield
    except sqlite3.Error as error:
        raise explain(path, error) from error


def explain(path: Path, error: sqlite3.Error) -> StorageError:
    """Say of a file what SQLite found wrong with it, and what to do."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code == sqlite3.SQLITE_IOERR and _is_disk_full(path):  # a log's index that finds no room is called a broken disk
        code = sqlite3.SQLITE_FULL
    what, remedy = _REMEDIES.get(code, (f"cannot be used: {error}", "check the file and its disk"))
    kind = DamagedError if code in _DAMAGE else StorageError
    return kind(f"{path} {what}", remedy)


def _is_disk_full(path: Path) -> bool:
    with suppress(OSError):
        disk = os.statvfs(path.parent)
        return disk.f_bavail * disk.f_frsize < INDEX_BYTES
    return False


def _make_durable(connection: sqlite3.Connection, path: Path) -> None:
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    connection.execute("PRAGMA synchronous = FULL")
    synchronous = connection.execute("PRAGMA synchronous").fetchone()[0]
    if mode != "wal" or synchronous != _FULL:
        raise StorageError(
            f"{path} cannot be made safe against power cuts (journal mode {mode}, synchronous {synchronous})",
            "put the data folder on a local disk: network file systems do not offer what SQLite needs",
        )
