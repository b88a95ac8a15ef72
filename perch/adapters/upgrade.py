"""Bringing a database of an older Perch up to date, so that a kill, a power cut or a full disk costs nothing.

Each step is one transaction that ends by writing down the new version: the file is always of one version or the next,
and whoever opens it next goes on from there. Before the first step a copy is laid beside the file, if the disk has
room; it is what one goes back to with the older Perch, and is removed after a month.
"""

import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

from perch.adapters import crash_points
from perch.adapters.backup.database_copy import verify_copy
from perch.adapters.health.disk_probe import ground_of
from perch.adapters.sqlite import reported, schema_version, transaction
from perch.errors import StorageError

KEPT_S = 30 * 86_400
_SPARE_BYTES = 32 * 2**20
_OWNER_ONLY = 0o600

log = logging.getLogger("perch.upgrade")


class Step(NamedTuple):
    """What makes a file of version `since` one of the next; `apply` works within a transaction."""

    since: int
    apply: Callable[[sqlite3.Connection], None]


def statements(since: int, text: str) -> Step:
    """Make a step of SQL statements, divided by semicolons."""

    def apply(connection: sqlite3.Connection) -> None:
        for statement in filter(str.strip, text.split(";")):
            connection.execute(statement)

    return Step(since, apply)


def free_bytes(path: Path) -> int:
    """Give how much room the disk of a file has; raises OSError."""
    return ground_of(path.parent).free_bytes


def upgrade(
    connection: sqlite3.Connection, path: Path, steps: Sequence[Step], room: Callable[[Path], int] = free_bytes
) -> None:
    """Take the steps that a file needs, each in a transaction; raises StorageError, and what was done stays done.

    A file that is up to date, new, or of a version from which no step leads is left as it is.
    """
    if not steps:
        return
    with reported(path):
        found = schema_version(connection)
    wanted = [step for step in steps if found and step.since >= found]
    if not wanted or wanted[0].since != found:
        _let_copies_go(path)
        return
    _keep_copy(connection, path, found, room)
    for step in wanted:
        with transaction(connection, path):
            if schema_version(connection) == step.since:  # else another program was quicker
                step.apply(connection)
                connection.execute(f"PRAGMA user_version = {step.since + 1}")
    log.info("%s was brought up to date: schema %d → %d", path, found, wanted[-1].since + 1)


def copy_of(path: Path, version: int) -> Path:
    """Give where the copy of a file lies that was of a version before it was brought up to date."""
    return path.with_name(f"{path.name}.schema-{version}")


def let_all_copies_go(data: Path) -> None:
    """Remove all copies that upgrades left in a folder; raises StorageError."""
    try:
        for copy in data.glob("*.db.schema-*"):
            copy.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"copies in {data} cannot be removed: {error.strerror}", "remove them by hand") from error


def _keep_copy(connection: sqlite3.Connection, path: Path, version: int, room: Callable[[Path], int]) -> None:
    copy = copy_of(path, version)
    part = copy.with_name(f"{copy.name}.part")
    try:
        with reported(path):
            (size,) = connection.execute(
                "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
            ).fetchone()
        if room(path) < 2 * size + _SPARE_BYTES:  # the steps need room as well
            log.warning("%s is brought up to date without a copy beside it: the disk has no room for one", path)
            return
        part.unlink(missing_ok=True)
        part.touch(_OWNER_ONLY)
        with reported(part), closing(sqlite3.connect(part)) as target:  # by the one connection that the file may have
            connection.backup(target)
            target.execute("PRAGMA journal_mode = DELETE")
        verify_copy(part)
        part.rename(copy)
    except OSError as error:
        raise StorageError(f"{copy} cannot be written: {error.strerror}", "check the disk and the rights") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    crash_points.reach(path.name, "copied")


def _let_copies_go(path: Path) -> None:
    """Remove copies that are of no use any more: what they hold is not to be kept for ever."""
    with suppress(OSError):
        for copy in path.parent.glob(f"{path.name}.schema-*"):
            if time.time() - copy.stat().st_mtime > KEPT_S:
                copy.unlink()
