"""`audit.db`: what people saw when they looked, and nothing of those people.

A row is site, space, second and number of people, under a hash of the look's id, so that a repeat is stored once and
nothing that a phone sent stands in the file as it was sent. Rows are kept by that hash: not even the order in which
they came is written down. What is taken back or too old is overwritten, not just marked as gone.

Looks are rare, and two programs bring them (the API and `perch audit import`), so the file is opened for each call, and
kept as SQLite does by default: with a rollback journal, which any number of programs may use, and which leaves no log.
"""

import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from perch.adapters.sqlite import (
    BUSY_SECONDS,
    adopt_schema,
    open_reader,
    refuse_other_schema,
    reported,
    transaction,
)
from perch.adapters.upgrade import Step, upgrade
from perch.errors import DamagedError, StorageError
from perch.history.looks import Look
from perch.model import DAY_MS

NAME = "audit.db"
SCHEMA_VERSION = 1
SCHEMA = """
CREATE TABLE look (
    key BLOB PRIMARY KEY, site TEXT NOT NULL, space TEXT NOT NULL, seen_s INTEGER NOT NULL, people INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX look_at ON look (site, space, seen_s);
CREATE INDEX look_age ON look (seen_s)
"""
STEPS: tuple[Step, ...] = ()
"""What makes a file of a former version one of the next: there has been one version so far."""
MOVE_AWAY = "restore it from a backup, or move it away to begin a new one"
KEPT_DAYS = 400
MOST_LOOKS = 1_000_000
"""The oldest make room."""


class Tapped(NamedTuple):
    """A look at a space of a site, under an id that its author made up at random."""

    id: str
    site: str
    look: Look


class Outcome(Enum):
    """What became of a look: it is new, it was there already, or its id is that of another one, which stays."""

    NEW = "new"
    KNOWN = "known"
    OTHER = "other"


class AuditFile:
    """The looks in a data folder, kept for some days (0: for ever); any thread may call, raises StorageError."""

    def __init__(self, data: Path, kept_days: int = KEPT_DAYS, most: int = MOST_LOOKS) -> None:
        self._path = data / NAME
        self._kept_days = kept_days
        self._most = most

    def __repr__(self) -> str:
        return f"<AuditFile {str(self._path)!r}>"

    def add(self, looks: Sequence[Tapped], now_ms: int) -> list[Outcome]:
        """Keep looks, all or none of them, and let go what has become too old; says what became of each."""
        with self._changing() as db:
            outcomes = [_add(db, one) for one in looks]
            self._let_go(db, now_ms)
        return outcomes

    def remove(self, id_: str) -> bool:
        """Take a look back; tells whether it was there."""
        if not self._exists():
            return False
        with self._changing() as db:
            return db.execute("DELETE FROM look WHERE key = ?", [_key(id_)]).rowcount > 0

    def erase(self, site: str, space: str, from_ms: int, to_ms: int) -> int:
        """Let the looks at a space from one moment until before another go; gives how many there were."""
        if not self._exists():
            return 0
        with self._changing() as db:
            asked = "DELETE FROM look WHERE site = ? AND space = ? AND seen_s >= ? AND seen_s < ?"
            return db.execute(asked, [site, space, from_ms // 1000, -(-to_ms // 1000)]).rowcount

    def holds(self, id_: str) -> bool:
        """Tell whether a look of this id is there."""
        return bool(self._read("SELECT 1 FROM look WHERE key = ?", [_key(id_)]))

    def purge(self, now_ms: int) -> None:
        """Let go what has become too old."""
        if self._exists():
            with self._changing() as db:
                self._let_go(db, now_ms)

    def looks(self, site: str, space: str | None = None) -> list[Look]:
        """Give the looks at a site, or at one of its spaces, by space and time; times are full seconds."""
        where, values = ("", []) if space is None else (" AND space = ?", [space])
        statement = f"SELECT space, seen_s, people FROM look WHERE site = ?{where} ORDER BY space, seen_s"  # noqa: S608
        return [Look(name, seen_s * 1000, people) for name, seen_s, people in self._read(statement, [site, *values])]

    def examine(self) -> int | None:
        """Look whether the whole file can be read; give how many looks are in it, None where there is no file.

        Raises StorageError where it is damaged, of another version, or cannot be read.
        """
        if not self._exists():
            return None
        with closing(open_reader(self._path)) as db, reported(self._path):
            refuse_other_schema(db, self._path, SCHEMA_VERSION)
            (found,) = db.execute("PRAGMA quick_check(1)").fetchone()
            if found != "ok":
                raise DamagedError(f"{self._path} is damaged: {found}", MOVE_AWAY)
            (number,) = db.execute("SELECT count(*) FROM look").fetchone()
        return int(number)

    def _let_go(self, db: sqlite3.Connection, now_ms: int) -> None:
        if self._kept_days:
            db.execute("DELETE FROM look WHERE seen_s < ?", [(now_ms - self._kept_days * DAY_MS) // 1000])
        (number,) = db.execute("SELECT count(*) FROM look").fetchone()
        if number > self._most:
            oldest = "SELECT key FROM look ORDER BY seen_s LIMIT ?"
            db.execute(f"DELETE FROM look WHERE key IN ({oldest})", [number - self._most])  # noqa: S608 - own words

    def _read(self, statement: str, values: Sequence[object]) -> list[tuple[str, int, int]]:
        if not self._exists():
            return []
        with closing(open_reader(self._path)) as db, reported(self._path):
            refuse_other_schema(db, self._path, SCHEMA_VERSION)
            return db.execute(statement, values).fetchall()

    def _exists(self) -> bool:
        """Tell whether there is a file with something in it: a new one is empty for a moment."""
        return self._path.exists() and self._path.stat().st_size > 0

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        with self._opened() as db, transaction(db, self._path):
            yield db

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"the folder {self._path.parent} cannot be made: {error.strerror}") from error
        with reported(self._path):
            db = sqlite3.connect(self._path, timeout=BUSY_SECONDS, isolation_level=None)
        try:
            with reported(self._path):
                db.execute("PRAGMA journal_mode = DELETE")
                db.execute("PRAGMA synchronous = EXTRA")
                db.execute("PRAGMA secure_delete = ON")
            upgrade(db, self._path, STEPS)
            adopt_schema(db, self._path, SCHEMA_VERSION, SCHEMA)
            yield db
        finally:
            db.close()


def _add(db: sqlite3.Connection, one: Tapped) -> Outcome:
    key, row = _key(one.id), (one.site, one.look.space, one.look.time_ms // 1000, one.look.people)
    if db.execute("INSERT OR IGNORE INTO look VALUES (?, ?, ?, ?, ?)", (key, *row)).rowcount:
        return Outcome.NEW
    there = db.execute("SELECT site, space, seen_s, people FROM look WHERE key = ?", [key]).fetchone()
    return Outcome.KNOWN if there == row else Outcome.OTHER


def _key(id_: str) -> bytes:
    return hashlib.blake2b(id_.encode(), digest_size=16).digest()
