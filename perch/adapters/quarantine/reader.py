"""Reading the quarantine, beside the collector that writes it."""

import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from perch.adapters.closing import Closing
from perch.adapters.sqlite import open_reader, refuse_other_schema, reported
from perch.contract import ROOT
from perch.model import is_id

SCHEMA_VERSION = 3
SCHEMA = """
CREATE TABLE message (
    id INTEGER PRIMARY KEY AUTOINCREMENT, received_ms INTEGER NOT NULL, code TEXT NOT NULL, why TEXT NOT NULL,
    topic TEXT NOT NULL, payload BLOB NOT NULL, cut INTEGER NOT NULL, agent TEXT NOT NULL DEFAULT '',
    times INTEGER NOT NULL DEFAULT 1
);
CREATE INDEX message_of_agent ON message (agent, id);
CREATE INDEX message_of_topic ON message (topic, id);
CREATE TABLE tally (code TEXT PRIMARY KEY, seen INTEGER NOT NULL, dropped INTEGER NOT NULL) WITHOUT ROWID
"""
_COLUMNS = "id, received_ms, code, why, topic, payload, cut, agent, times"
CODES = ("undecodable", "unsupported-version", "too-large", "bad-topic", "retained", "too-many-names", "conflict")
"""Why a message may be in quarantine; docs/operators.md says what each means."""

Filter = tuple[str, list[str] | list[int]]
"""A condition with `?`, and what stands there."""


class Quarantined(NamedTuple):
    """A message in quarantine; `cut` is how many bytes of its payload were too many to keep.

    `agent` is `site/agent` by its topic, '' where it names none. One that the broker keeps comes anew at each
    connection: `times` says how often it did.
    """

    id: int
    received_ms: int
    code: str
    why: str
    topic: str
    payload: bytes
    cut: int
    agent: str
    times: int


class QuarantineReader(Closing):
    """Reads a quarantine that a collector writes; one thread at a time, raises StorageError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db = open_reader(path)
        try:
            refuse_other_schema(self._db, path, SCHEMA_VERSION)
        except BaseException:
            self._db.close()
            raise

    def __repr__(self) -> str:
        return f"<QuarantineReader of {str(self._path)!r}>"

    def close(self) -> None:
        """Close the file; no other call may follow."""
        self._db.close()

    def read(
        self, after: int = 0, limit: int = 100, *, code: str | None = None, agent: str | None = None
    ) -> list[Quarantined]:
        """Give messages in order of arrival, of one code and one agent (`site/agent`) where these are given."""
        return self._read([("id > ?", [after])], "id", limit, code, agent)

    def newest(self, limit: int, *, code: str | None = None, agent: str | None = None) -> list[Quarantined]:
        """Give the newest messages, the newest first."""
        return self._read([], "id DESC", limit, code, agent)

    def ids(self, *, code: str | None = None, agent: str | None = None) -> list[int]:
        """Give the ids of messages in order of arrival."""
        where, values = _condition(_filters(code, agent))
        with reported(self._path):
            rows = self._db.execute(f"SELECT id FROM message {where} ORDER BY id", values)  # noqa: S608 - own words
            return [number for (number,) in rows]

    def count(self, *, code: str | None = None, agent: str | None = None) -> int:
        """Tell how many messages there are."""
        where, values = _condition(_filters(code, agent))
        with reported(self._path):
            return int(self._db.execute(f"SELECT count(*) FROM message {where}", values).fetchone()[0])  # noqa: S608

    def dropped(self) -> Mapping[str, int]:
        """Give how many messages made room for newer ones, by code."""
        with reported(self._path):
            return dict(self._db.execute("SELECT code, dropped FROM tally"))

    def _read(
        self, conditions: list[Filter], order: str, limit: int, code: str | None, agent: str | None
    ) -> list[Quarantined]:
        with reported(self._path):
            return found(self._db, [*conditions, *_filters(code, agent)], order, limit)


def _filters(code: str | None, agent: str | None) -> list[Filter]:
    asked = (("code = ?", code), ("agent = ?", agent))
    return [(condition, [value]) for condition, value in asked if value is not None]


def _condition(filters: Iterable[Filter]) -> tuple[str, list[str | int]]:
    filters = list(filters)
    where = " AND ".join(condition for condition, _ in filters)
    return f"WHERE {where}" if where else "", [value for _, values in filters for value in values]


def found(connection: sqlite3.Connection, filters: Iterable[Filter], order: str, limit: int) -> list[Quarantined]:
    """Give the messages that meet all conditions."""
    where, values = _condition(filters)
    statement = f"SELECT {_COLUMNS} FROM message {where} ORDER BY {order} LIMIT ?"  # noqa: S608 - words of our own
    return [Quarantined(*row) for row in connection.execute(statement, (*values, limit))]


def sender_of(topic: str) -> str:
    """Name the agent whose credential a topic belongs to, `site/agent`; '' where it names none."""
    root, _, rest = topic.partition(f"{ROOT}/")
    site, _, rest = rest.partition("/")
    agent = rest.partition("/")[0]
    return f"{site}/{agent}" if not root and is_id(site) and is_id(agent) else ""
