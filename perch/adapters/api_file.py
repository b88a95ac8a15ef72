"""`api.db`: what belongs to the API alone: keys, sessions, who read what, watches; of keys and sessions only a hash.

The API writes it, and so does `perch key`: two programs. So it is opened for each call and kept with a rollback
journal, which any number of programs may use; with a log (WAL), two that checkpoint at once can lose what was committed
(SQLite 3.40). Its owner alone may read it.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from perch.adapters.sqlite import BUSY_SECONDS, adopt_schema, reported, rights, transaction
from perch.adapters.upgrade import Step, upgrade
from perch.errors import StorageError

NAME = "api.db"
SCHEMA_VERSION = 1
SCHEMA = """
CREATE TABLE key (
    id TEXT PRIMARY KEY, hash BLOB NOT NULL, name TEXT NOT NULL, role TEXT NOT NULL, sites TEXT,
    created_s INTEGER NOT NULL, expires_s INTEGER, revoked_s INTEGER, used_day INTEGER
) WITHOUT ROWID;
CREATE TABLE session (hash BLOB PRIMARY KEY, key TEXT NOT NULL, until_s INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX session_of ON session (key, until_s);
CREATE TABLE reading (number INTEGER PRIMARY KEY, at_s INTEGER NOT NULL, key TEXT NOT NULL, what TEXT NOT NULL);
CREATE TABLE watch (
    id TEXT PRIMARY KEY, key TEXT, name TEXT NOT NULL, wish TEXT NOT NULL, url TEXT NOT NULL, secret TEXT NOT NULL,
    created_ms INTEGER NOT NULL, holds TEXT NOT NULL, disabled TEXT, well_ms INTEGER
) WITHOUT ROWID;
CREATE TABLE post (
    cursor INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, watch TEXT NOT NULL, at_ms INTEGER NOT NULL,
    type TEXT NOT NULL, body TEXT NOT NULL, standing TEXT NOT NULL, attempts INTEGER NOT NULL, due_ms INTEGER NOT NULL,
    said TEXT
);
CREATE INDEX post_of ON post (watch, cursor);
CREATE INDEX post_due ON post (due_ms) WHERE standing = 'waiting'
"""
STEPS: tuple[Step, ...] = ()
"""What makes a file of a former version one of the next: there has been one version so far."""
_OWNER_ONLY = 0o600
_ROOT = 0


def exists(path: Path) -> bool:
    """Tell whether there is a file with something in it: a new one is empty for a moment."""
    return path.exists() and path.stat().st_size > 0


@contextmanager
def changing(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the file, made where it is missing, for one transaction; raises StorageError."""
    with opened(path) as db, transaction(db, path):
        yield db


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the file, made where it is missing, for as long as the block lasts; raises StorageError."""
    _make(path)
    with reported(path):
        db = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        with reported(path):
            db.execute("PRAGMA journal_mode = DELETE")
            db.execute("PRAGMA synchronous = EXTRA")
            db.execute("PRAGMA secure_delete = ON")
        upgrade(db, path, STEPS)
        adopt_schema(db, path, SCHEMA_VERSION, SCHEMA)
        with reported(path):
            yield db
    finally:
        db.close()


def _make(path: Path) -> None:
    """Make the file for its owner alone: the owner of the folder, where it is root who makes it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        made = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, _OWNER_ONLY)
        try:
            there, folder = os.fstat(made), path.parent.stat()
            if os.geteuid() == _ROOT and not there.st_size and there.st_uid != folder.st_uid:
                os.fchown(made, folder.st_uid, folder.st_gid)
            if there.st_mode & 0o077 and os.geteuid() in (there.st_uid, _ROOT):
                os.fchmod(made, _OWNER_ONLY)
        finally:
            os.close(made)
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror}", rights(error)) from error
