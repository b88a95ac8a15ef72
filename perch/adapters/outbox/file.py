"""An outbox's file: its tables, and how it is opened."""

import sqlite3
from pathlib import Path

from perch.adapters import log_room
from perch.adapters.sqlite import adopt_schema, open_alone, reported
from perch.adapters.upgrade import statements, upgrade
from perch.errors import DamagedError

SCHEMA_VERSION = 2
_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE epoch (
    id INTEGER PRIMARY KEY, epoch TEXT NOT NULL UNIQUE, boot TEXT NOT NULL, heard_upto INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE event (epoch INTEGER NOT NULL, seq INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (epoch, seq))
    WITHOUT ROWID;
CREATE TABLE receipt (
    epoch INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, settled_ms INTEGER NOT NULL,
    PRIMARY KEY (epoch, first)
) WITHOUT ROWID;
CREATE TABLE lost (
    epoch TEXT NOT NULL, boot TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    from_ms INTEGER NOT NULL, from_mono_ms INTEGER NOT NULL, from_clock TEXT NOT NULL,
    to_ms INTEGER NOT NULL, to_mono_ms INTEGER NOT NULL, to_clock TEXT NOT NULL, reason TEXT NOT NULL
);
CREATE TABLE filler (piece INTEGER PRIMARY KEY, zeros BLOB NOT NULL)
"""
# What was settled gets receipts, as if it had been acknowledged just now: it is kept for its 48 hours once more.
_TO_2 = """
CREATE TABLE receipt (
    epoch INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, settled_ms INTEGER NOT NULL,
    PRIMARY KEY (epoch, first)
) WITHOUT ROWID;
CREATE TABLE lost (
    epoch TEXT NOT NULL, boot TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    from_ms INTEGER NOT NULL, from_mono_ms INTEGER NOT NULL, from_clock TEXT NOT NULL,
    to_ms INTEGER NOT NULL, to_mono_ms INTEGER NOT NULL, to_clock TEXT NOT NULL, reason TEXT NOT NULL
);
CREATE TABLE filler (piece INTEGER PRIMARY KEY, zeros BLOB NOT NULL);
INSERT INTO receipt SELECT epoch, min(seq), max(seq), 0 FROM (
    SELECT epoch, seq, seq - row_number() OVER (PARTITION BY epoch ORDER BY seq) AS island
    FROM event WHERE settled_ms IS NOT NULL
) GROUP BY epoch, island;
ALTER TABLE event DROP COLUMN settled_ms
"""
STEPS = (statements(1, _TO_2),)
_LOG_PAGES = 500
"""How long the log gets before it is worked into the file: with the largest transaction it stays below 4 MiB."""

_CACHE_KIB = 512


def connected(path: Path) -> sqlite3.Connection:
    """Open the file, or make it, as an outbox needs it; nobody else may have it open."""
    log_room.put_back(path)
    connection = open_alone(path)
    try:
        _prepare(connection, path)
        upgrade(connection, path, STEPS)
        adopt_schema(connection, path, SCHEMA_VERSION, _SCHEMA)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Bound the log and what SQLite keeps in memory, and see that no page is torn."""
    with reported(path):
        connection.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        connection.execute("PRAGMA temp_store = MEMORY")
        complaint = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if complaint != "ok":
        raise DamagedError(f"{path} is damaged: {complaint}", "move it away to begin a new one")
