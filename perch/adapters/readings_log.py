"""Who read what of single spaces: key, second, address; never what was answered."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from perch.adapters.api_file import NAME, changing, exists, opened
from perch.adapters.keys import DAY_S

KEPT_DAYS = 400
MOST_ROWS = 100_000
LONGEST = 400
"""Characters of an address that are kept."""


class Reading(NamedTuple):
    """One look at the past of a single space, or at the audit."""

    at_s: int
    key: str
    what: str


class ReadingsLog:
    """The log in a data folder; any thread may call, raises StorageError. The oldest rows make room."""

    def __init__(self, data: Path, most: int = MOST_ROWS) -> None:
        self._path = data / NAME
        self._most = most

    def __repr__(self) -> str:
        return f"<ReadingsLog {str(self._path)!r}>"

    def note(self, reading: Reading) -> None:
        """Write down one."""
        with changing(self._path) as db:
            row = (reading.at_s, reading.key, reading.what[:LONGEST])
            (number,) = db.execute(
                "INSERT INTO reading (at_s, key, what) VALUES (?, ?, ?) RETURNING number", row
            ).fetchone()
            db.execute("DELETE FROM reading WHERE number <= ?", [number - self._most])

    def purge(self, now_s: int) -> None:
        """Let go what has become too old."""
        if exists(self._path):
            with changing(self._path) as db:
                db.execute("DELETE FROM reading WHERE at_s < ?", [now_s - KEPT_DAYS * DAY_S])

    def newest(self, limit: int, key: str | None = None) -> Sequence[Reading]:
        """Give the last ones, the newest first."""
        if not exists(self._path):
            return []
        where, values = ("", []) if key is None else (" WHERE key = ?", [key])
        statement = f"SELECT at_s, key, what FROM reading{where} ORDER BY number DESC LIMIT ?"  # noqa: S608 - own words
        with opened(self._path) as db:
            return [Reading(*row) for row in db.execute(statement, [*values, limit])]
