"""Messages that the collector could not take in, kept for people to look at; bounded, the oldest make room."""

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from perch.adapters.sqlite import adopt_schema, open_reader, open_writer, refuse_other_schema, reported, transaction

SCHEMA_VERSION = 1
MAX_MESSAGES = 10_000
MAX_BYTES = 64 * 2**20
MAX_PAYLOAD_BYTES = 64 * 2**10
MAX_TOPIC_CHARACTERS = 1_000

_SCHEMA = """
CREATE TABLE message (
    id INTEGER PRIMARY KEY AUTOINCREMENT, received_ms INTEGER NOT NULL, code TEXT NOT NULL, why TEXT NOT NULL,
    topic TEXT NOT NULL, payload BLOB NOT NULL, cut INTEGER NOT NULL
);
CREATE TABLE tally (code TEXT PRIMARY KEY, seen INTEGER NOT NULL, dropped INTEGER NOT NULL) WITHOUT ROWID
"""


class Suspect(NamedTuple):
    """A message to be quarantined: a stable code for counting, and why in words."""

    received_ms: int
    code: str
    why: str
    topic: str
    payload: bytes


class Quarantined(NamedTuple):
    """A message in quarantine; `cut` is how many bytes of its payload were too many to keep."""

    id: int
    received_ms: int
    code: str
    why: str
    topic: str
    payload: bytes
    cut: int


class Quarantine:
    """The one writer of a quarantine; one thread at a time, raises StorageError."""

    def __init__(
        self, connection: sqlite3.Connection, path: Path, max_messages: int = MAX_MESSAGES, max_bytes: int = MAX_BYTES
    ) -> None:
        self._db = connection
        self._path = path
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        with reported(path):
            self._messages, self._bytes = connection.execute(
                "SELECT count(*), coalesce(sum(length(payload)), 0) FROM message"
            ).fetchone()
            self._seen: dict[str, int] = dict(connection.execute("SELECT code, seen FROM tally"))

    @classmethod
    def open(cls, path: Path, max_messages: int = MAX_MESSAGES, max_bytes: int = MAX_BYTES) -> Self:
        """Open a quarantine, or make it."""
        connection = open_writer(path)
        try:
            adopt_schema(connection, path, SCHEMA_VERSION, _SCHEMA)
            return cls(connection, path, max_messages, max_bytes)
        except BaseException:
            connection.close()
            raise

    def __repr__(self) -> str:
        return f"<Quarantine in {str(self._path)!r}, {self._messages} messages>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; no other call may follow."""
        self._db.close()

    @property
    def seen(self) -> Mapping[str, int]:
        """How many messages were ever quarantined, by code; those that made room are counted too."""
        return dict(self._seen)

    @property
    def kept(self) -> int:
        """How many messages are in quarantine now."""
        return int(self._messages)

    def add(self, suspects: Sequence[Suspect]) -> None:
        """Keep messages, in one transaction; what is too long is cut."""
        with transaction(self._db, self._path):
            self._db.executemany(
                "INSERT INTO message (received_ms, code, why, topic, payload, cut) VALUES (?, ?, ?, ?, ?, ?)",
                map(_row, suspects),
            )
            self._db.executemany(
                "INSERT INTO tally VALUES (?, 1, 0) ON CONFLICT DO UPDATE SET seen = seen + 1",
                [(suspect.code,) for suspect in suspects],
            )
            kept = self._make_room(
                self._messages + len(suspects),
                self._bytes + sum(min(len(suspect.payload), MAX_PAYLOAD_BYTES) for suspect in suspects),
            )
        self._messages, self._bytes = kept
        for suspect in suspects:
            self._seen[suspect.code] = self._seen.get(suspect.code, 0) + 1

    def _make_room(self, messages: int, size: int) -> tuple[int, int]:
        if messages <= self._max_messages and size <= self._max_bytes:
            return messages, size
        last = 0
        oldest = self._db.execute("SELECT id, length(payload) FROM message ORDER BY id")
        while messages > self._max_messages or size > self._max_bytes:
            last, length = oldest.fetchone()
            messages, size = messages - 1, size - length
        oldest.close()
        self._db.execute(
            "UPDATE tally SET dropped = dropped + (SELECT count(*) FROM message WHERE code = tally.code AND id <= ?)",
            (last,),
        )
        self._db.execute("DELETE FROM message WHERE id <= ?", (last,))
        return messages, size


class QuarantineReader:
    """Reads a quarantine that a collector writes; one thread at a time, raises StorageError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db = open_reader(path)
        refuse_other_schema(self._db, path, SCHEMA_VERSION)

    def __repr__(self) -> str:
        return f"<QuarantineReader of {str(self._path)!r}>"

    def close(self) -> None:
        """Close the file; no other call may follow."""
        self._db.close()

    def read(self, after: int = 0, limit: int = 100) -> list[Quarantined]:
        """Give messages in order of arrival."""
        with reported(self._path):
            rows = self._db.execute("SELECT * FROM message WHERE id > ? ORDER BY id LIMIT ?", (after, limit)).fetchall()
        return [Quarantined(*row) for row in rows]

    def dropped(self) -> Mapping[str, int]:
        """Give how many messages made room for newer ones, by code."""
        with reported(self._path):
            return dict(self._db.execute("SELECT code, dropped FROM tally"))


def _row(suspect: Suspect) -> tuple[int, str, str, str, bytes, int]:
    return (
        suspect.received_ms,
        suspect.code,
        _storable(suspect.why),
        _storable(suspect.topic),
        suspect.payload[:MAX_PAYLOAD_BYTES],
        max(0, len(suspect.payload) - MAX_PAYLOAD_BYTES),
    )


def _storable(text: str) -> str:
    """Cut a text and replace what SQLite cannot store (lone surrogates)."""
    return text[:MAX_TOPIC_CHARACTERS].encode("utf-8", "replace").decode("utf-8")
