"""Messages that the collector could not take in, kept for people to look at and to try again.

Bounded by number, size and age; the oldest make room. So that one sender cannot push out what others left behind, those
who have more than their share make room first. Age is counted in time that the collector was at work: a wall clock that
jumps a year ahead lets nothing go.
"""

import sqlite3
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Self

from perch.adapters.closing import Closing
from perch.adapters.in_place import InPlace
from perch.adapters.quarantine.reader import (
    SCHEMA,
    SCHEMA_VERSION,
    Quarantined,
    QuarantineReader,
    found,
    sender_of,
)
from perch.adapters.sqlite import adopt_schema, empty_log, open_writer, reported, transaction
from perch.adapters.upgrade import Step, statements, upgrade

__all__ = ["Quarantine", "QuarantineReader", "Quarantined", "Suspect", "sender_of"]

MAX_MESSAGES = 10_000
MAX_BYTES = 64 * 2**20
SHARES = 5
"""A sender's share is a fifth of either; it may have more while there is room."""

MAX_AGE_DAYS = 90
LOOK_FOR_OLD_MS = 600_000
_DAY_MS = 86_400_000
_AGES = """
CREATE TABLE IF NOT EXISTS day (day INTEGER PRIMARY KEY, worked_ms INTEGER NOT NULL, last INTEGER NOT NULL)
"""
# For each day of work, how much work there was up to its end, and the id of the last message that came by then.

MAX_PAYLOAD_BYTES = 64 * 2**10
MAX_TOPIC_CHARACTERS = 1_000


class Suspect(NamedTuple):
    """A message to be quarantined: a stable code for counting, and why in words; `retained` ones may come again."""

    received_ms: int
    code: str
    why: str
    topic: str
    payload: bytes
    retained: bool = False


class _Size(NamedTuple):
    messages: int
    payload_bytes: int

    def exceeds(self, most: "_Size") -> bool:
        return self.messages > most.messages or self.payload_bytes > most.payload_bytes

    def without(self, messages: int, payload_bytes: int) -> "_Size":
        return _Size(self.messages - messages, self.payload_bytes - payload_bytes)


_NOTHING = _Size(0, 0)


class Quarantine(Closing):
    """The one writer of a quarantine; one thread at a time, raises StorageError."""

    def __init__(
        self, connection: sqlite3.Connection, path: Path, max_messages: int = MAX_MESSAGES, max_bytes: int = MAX_BYTES
    ) -> None:
        self._db = connection
        self._path = path
        self._place = InPlace(path)
        self._most = _Size(max_messages, max_bytes)
        self._share = _Size(-(-max_messages // SHARES), -(-max_bytes // SHARES))
        self._looked_ms: int | None = None
        with reported(path):
            rows = connection.execute("SELECT agent, count(*), sum(length(payload)) FROM message GROUP BY agent")
            self._sizes = {agent: _Size(messages, size) for agent, messages, size in rows}
            self._all = _Size(*map(sum, zip(*self._sizes.values(), strict=True))) if self._sizes else _NOTHING
            self._seen: dict[str, int] = dict(connection.execute("SELECT code, seen FROM tally"))

    @classmethod
    def open(cls, path: Path, max_messages: int = MAX_MESSAGES, max_bytes: int = MAX_BYTES) -> Self:
        """Open a quarantine, or make it."""
        connection = open_writer(path)
        try:
            with reported(path):
                connection.execute("PRAGMA secure_delete = ON")
            upgrade(connection, path, STEPS)
            adopt_schema(connection, path, SCHEMA_VERSION, SCHEMA)
            with transaction(connection, path):
                connection.execute(_AGES)
            return cls(connection, path, max_messages, max_bytes)
        except BaseException:
            connection.close()
            raise

    def __repr__(self) -> str:
        return f"<Quarantine in {str(self._path)!r}, {self.kept} messages>"

    def close(self) -> None:
        """Close the file; no other call may follow."""
        self._db.close()

    def check(self) -> None:
        """Look whether its files still lie where they were opened; raises StorageError."""
        self._place.check()

    @property
    def seen(self) -> Mapping[str, int]:
        """How many messages were ever quarantined, by code; those that made room are counted too."""
        return dict(self._seen)

    @property
    def kept(self) -> int:
        """How many messages are in quarantine now."""
        return self._all.messages

    def add(self, suspects: Sequence[Suspect]) -> None:
        """Keep messages, in one transaction; what is too long is cut.

        What the broker has retained comes at each connection: it is kept and counted once, and how often it came noted.
        """
        with self._changing():
            new = [suspect for suspect in suspects if not self._came_again(suspect)]
            self._insert(new)
            self._make_room()
        for suspect in new:
            self._seen[suspect.code] = self._seen.get(suspect.code, 0) + 1

    def pass_time(self, mono_ms: int) -> None:
        """Let go what has become too old; to be called now and then while the collector is at work."""
        if self._looked_ms is None:
            self._looked_ms = mono_ms
        worked_ms = mono_ms - self._looked_ms
        if worked_ms < LOOK_FOR_OLD_MS:
            return
        self._looked_ms = mono_ms
        with self._changing():
            self._grow_old(worked_ms)

    def find(self, ids: Collection[int]) -> list[Quarantined]:
        """Give the messages of these ids that are still there, in order of arrival."""
        with reported(self._path):
            return found(self._db, [_among(ids)], "id", len(ids))

    def remove(self, ids: Collection[int]) -> None:
        """Let messages go that were taken in after all, or that nobody wants."""
        with self._changing():
            self._delete(*_among(ids))

    def erase(self, site: str, space: str, from_ms: int, to_ms: int) -> None:
        """Let messages of a site go that came between two moments and name a space, and leave no trace of them."""
        quoted = f'"{space}"'.encode()
        with self._changing():
            self._delete(
                "received_ms >= ? AND received_ms < ? AND topic LIKE ? AND instr(payload, ?) > 0",
                [from_ms, to_ms, f"%/{site}/%", quoted],
            )
        empty_log(self._db, self._path)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        before = dict(self._sizes), self._all
        try:
            with transaction(self._db, self._path):
                yield
        except BaseException:
            self._sizes, self._all = before
            raise

    def _grow_old(self, worked_ms: int) -> None:
        (worked_ms,) = self._db.execute("SELECT coalesce(max(worked_ms), 0) + ? FROM day", [worked_ms]).fetchone()
        today = worked_ms // _DAY_MS
        self._db.execute(
            "INSERT OR REPLACE INTO day SELECT ?, ?, coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'message'",
            [today, worked_ms],
        )
        (last,) = self._db.execute("SELECT max(last) FROM day WHERE day < ?", [today - MAX_AGE_DAYS]).fetchone()
        if last is not None:
            self._drop("id <= ?", [last])
            self._db.execute("DELETE FROM day WHERE day < ?", [today - MAX_AGE_DAYS])

    def _grow(self, agent: str, messages: int, size: int) -> None:
        self._all = self._all.without(-messages, -size)
        self._sizes[agent] = self._sizes.get(agent, _NOTHING).without(-messages, -size)
        if self._sizes[agent].messages <= 0:
            del self._sizes[agent]

    def _came_again(self, suspect: Suspect) -> bool:
        """Note that a retained message came once more; False where it is not there."""
        _, code, _, topic, payload, cut, _ = _row(suspect)
        noted = suspect.retained and self._db.execute(
            "UPDATE message SET times = times + 1 WHERE topic = ? AND payload = ? AND code = ? AND cut = ?",
            [topic, payload, code, cut],
        )
        return bool(noted and noted.rowcount)

    def _insert(self, suspects: Sequence[Suspect]) -> None:
        rows = [_row(suspect) for suspect in suspects]
        self._db.executemany(
            "INSERT INTO message (received_ms, code, why, topic, payload, cut, agent) VALUES (?, ?, ?, ?, ?, ?, ?)",
            rows,
        )
        self._db.executemany(
            "INSERT INTO tally VALUES (?, 1, 0) ON CONFLICT DO UPDATE SET seen = seen + 1",
            [(suspect.code,) for suspect in suspects],
        )
        for _, _, _, _, payload, _, agent in rows:
            self._grow(agent, 1, len(payload))

    def _make_room(self) -> None:
        if not self._all.exceeds(self._most):
            return
        large = [agent for agent, size in self._sizes.items() if size.exceeds(self._share)]  # ten at the very most
        for agent in sorted(large, key=lambda agent: self._sizes[agent].payload_bytes, reverse=True):
            if not self._all.exceeds(self._most):
                return
            bounds = (self._all, self._most), (self._sizes[agent], self._share)
            self._drop("agent = ? AND id <= ?", [agent, self._last_to_go("WHERE agent = ?", [agent], *bounds)])
        if self._all.exceeds(self._most):
            self._drop("id <= ?", [self._last_to_go("", [], (self._all, self._most))])

    def _last_to_go(self, where: str, values: list[str], *bounds: tuple[_Size, _Size]) -> int:
        """Give the id up to which messages make room, so that one of several sizes is within its bound."""
        last = messages = payload_bytes = 0
        oldest = self._db.execute(f"SELECT id, length(payload) FROM message {where} ORDER BY id", values)  # noqa: S608
        while all(size.without(messages, payload_bytes).exceeds(most) for size, most in bounds):
            last, length = oldest.fetchone()
            messages, payload_bytes = messages + 1, payload_bytes + length
        oldest.close()
        return last

    def _drop(self, where: str, values: Sequence[str | int]) -> None:
        """Delete messages to make room, and count them as dropped."""
        self._db.executemany(
            "UPDATE tally SET dropped = dropped + ? WHERE code = ?",
            [(times, code) for code, times in self._delete(where, values).items()],
        )

    def _delete(self, where: str, values: Sequence[str | int | bytes]) -> Counter[str]:
        """Delete messages; tells how many of each code."""
        statement = f"DELETE FROM message WHERE {where} RETURNING agent, code, length(payload)"  # noqa: S608 - own words
        codes: Counter[str] = Counter()
        for agent, code, length in self._db.execute(statement, values).fetchall():
            self._grow(agent, -1, -length)
            codes[code] += 1
        return codes


def _row(suspect: Suspect) -> tuple[int, str, str, str, bytes, int, str]:
    return (
        suspect.received_ms,
        suspect.code,
        _storable(suspect.why),
        _storable(suspect.topic),
        suspect.payload[:MAX_PAYLOAD_BYTES],
        max(0, len(suspect.payload) - MAX_PAYLOAD_BYTES),
        sender_of(suspect.topic),
    )


def _among(ids: Collection[int]) -> tuple[str, list[int]]:
    return f"id IN ({', '.join('?' * len(ids))})", list(ids)


def _storable(text: str) -> str:
    """Cut a text and replace what SQLite cannot store (lone surrogates)."""
    return text[:MAX_TOPIC_CHARACTERS].encode("utf-8", "replace").decode("utf-8")


def _name_senders(connection: sqlite3.Connection) -> None:
    """Add whose each message is."""
    connection.execute("ALTER TABLE message ADD COLUMN agent TEXT NOT NULL DEFAULT ''")
    connection.execute("CREATE INDEX message_of_agent ON message (agent, id)")
    topics = connection.execute("SELECT id, topic FROM message").fetchall()
    connection.executemany(
        "UPDATE message SET agent = ? WHERE id = ?", [(sender_of(topic), number) for number, topic in topics]
    )


_COUNT_ARRIVALS = """
ALTER TABLE message ADD COLUMN times INTEGER NOT NULL DEFAULT 1;
CREATE INDEX message_of_topic ON message (topic, id)
"""
STEPS = (Step(1, _name_senders), statements(2, _COUNT_ARRIVALS))
