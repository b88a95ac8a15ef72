"""Copies of a journal, and putting one back in its place.

A journal that was put back lacks what came after its copy was made, so it takes a new id: agents that see another id
send again all that they still keep, and projections are made anew.
"""

import secrets
import sqlite3
from contextlib import closing
from pathlib import Path

from perch.adapters.backup.database_copy import copy_database
from perch.adapters.sqlite import claim, reported
from perch.errors import StorageError


def back_up(journal: Path, copy: Path) -> None:
    """Copy a journal as it is at one moment, while its collector may go on writing; raises StorageError."""
    copy_database(journal, copy)


def renew_id(journal: Path) -> str:
    """Give a journal that nobody has open an id of its own; raises StorageError."""
    fresh = secrets.token_hex(8)
    with reported(journal), closing(sqlite3.connect(journal)) as db:
        db.execute("PRAGMA journal_mode = DELETE")
        with db:
            db.execute("UPDATE journal SET id = ?", (fresh,))
    return fresh


def put_back(copy: Path, journal: Path) -> None:
    """Replace a journal, which nobody may have open, by a copy with an id of its own; raises StorageError."""
    with claim(journal):
        beside = journal.with_name(journal.name + ".new")
        beside.unlink(missing_ok=True)
        copy_database(copy, beside)
        renew_id(beside)
        try:
            for left in ("-wal", "-shm"):  # they belong to what is replaced, and would be taken for its newest words
                journal.with_name(journal.name + left).unlink(missing_ok=True)
            beside.replace(journal)
        except OSError as error:
            raise StorageError(f"{journal} cannot be replaced: {error.strerror}", "check the rights") from error
