"""Keys: what they look like, and how they are kept.

A key is `perch_<id>_<secret>`: twelve hex digits that name it, and 256 random bits. Only SHA-256 of the whole is kept.
A slow hash would protect a secret that can be guessed; this one cannot be.
"""

import hashlib
import hmac
import json
import re
import secrets
import sqlite3
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from perch.adapters.api_file import NAME, changing, exists, opened

PATTERN = re.compile(r"perch_([0-9a-f]{12})_([0-9a-f]{64})")
BEGINNING = "perch_"
ANYWHERE = re.compile(r"perch_[0-9a-f]{12}_[0-9a-f]{8}")
"""What no address may hold: a key, or enough of one, in small letters."""

LONGEST_NAME = 80
DAY_S = 86_400
SESSION_DAYS = 30
MOST_SESSIONS = 2_000
"""Of one key; the oldest make room."""

_Row = tuple[str, bytes, str, str, str | None, int, int | None, int | None, int | None]
_COLUMNS = "id, hash, name, role, sites, created_s, expires_s, revoked_s, used_day"


class Role(StrEnum):
    """What a reader is there for."""

    MEMBER = "member"
    MANAGER = "manager"
    FACILITIES = "facilities"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Key:
    """A key as it is kept; `sites` None means all, `used_day` counts days since 1970 (UTC)."""

    id: str
    hash: bytes
    name: str
    role: Role
    sites: frozenset[str] | None
    created_s: int
    expires_s: int | None = None
    revoked_s: int | None = None
    used_day: int | None = None

    def __repr__(self) -> str:
        return f"<Key {self.id}, {self.role}>"

    def holds(self, now_s: float) -> bool:
        """Tell whether it opens anything now."""
        return self.revoked_s is None and (self.expires_s is None or now_s < self.expires_s)


class Session(NamedTuple):
    """A login with a key; it ends by itself, or with its key if that comes first.

    All last equally long, so that those which end first are those which were opened first.
    """

    key: str
    until_s: int


@dataclass(frozen=True, slots=True)
class Kept:
    """Everything that decides who may come in: keys by id, sessions by hash."""

    keys: Mapping[str, Key]
    sessions: Mapping[bytes, Session]


def hash_of(secret: str) -> bytes:
    """Give what is kept of a key or of a session's secret."""
    return hashlib.sha256(secret.encode()).digest()


def id_of(text: str) -> str | None:
    """Give the id in a key, None where this is no key."""
    match = PATTERN.fullmatch(text)
    return match[1] if match else None


_NOBODY = hash_of("nobody")


def key_of(text: str, keys: Mapping[str, Key]) -> Key | None:
    """Find a key by its id and compare it in a time that tells nothing."""
    found = keys.get(id_of(text) or "")
    is_same = hmac.compare_digest(hash_of(text), _NOBODY if found is None else found.hash)
    return found if is_same else None


class KeysFile:
    """Keys and sessions in a data folder; any thread may call, raises StorageError."""

    def __init__(self, data: Path) -> None:
        self.path = data / NAME

    def __repr__(self) -> str:
        return f"<KeysFile {str(self.path)!r}>"

    def create(
        self, name: str, role: Role, sites: Collection[str] | None, now_s: int, expires_s: int | None = None
    ) -> tuple[str, Key]:
        """Make a key; gives its text, which is not kept, and what is."""
        id_ = secrets.token_hex(6)
        text = f"perch_{id_}_{secrets.token_hex(32)}"
        limits = None if sites is None else frozenset(sites)
        key = Key(id_, hash_of(text), name, role, limits, now_s, expires_s)
        listed = None if limits is None else json.dumps(sorted(limits))
        row = (id_, key.hash, name, role.value, listed, now_s, expires_s, None, None)
        with changing(self.path) as db:
            db.execute(f"INSERT INTO key ({_COLUMNS}) VALUES ({', '.join('?' * len(row))})", row)  # noqa: S608 - own words
        return text, key

    def revoke(self, id_: str, now_s: int) -> bool:
        """End a key and its sessions for good; tells whether there was one that was not revoked yet."""
        with changing(self.path) as db:
            db.execute("DELETE FROM session WHERE key = ?", [id_])
            return (
                db.execute("UPDATE key SET revoked_s = ? WHERE id = ? AND revoked_s IS NULL", [now_s, id_]).rowcount > 0
            )

    def read(self) -> Kept:
        """Give all keys, revoked ones too, and all sessions."""
        if not exists(self.path):
            return Kept({}, {})
        with opened(self.path) as db:
            db.execute("BEGIN")
            rows = db.execute(f"SELECT {_COLUMNS} FROM key ORDER BY created_s, id").fetchall()  # noqa: S608 - own words
            sessions = db.execute("SELECT hash, key, until_s FROM session").fetchall()
        return Kept({row[0]: _key(row) for row in rows}, {hash_: Session(*rest) for hash_, *rest in sessions})

    def note_use(self, days: Mapping[str, int]) -> None:
        """Write down on which day keys were last used."""
        with changing(self.path) as db:
            db.executemany("UPDATE key SET used_day = ? WHERE id = ?", [(day, id_) for id_, day in days.items()])

    def open_session(self, hash_: bytes, session: Session, now_s: int) -> None:
        """Keep a session, and let go those that are over."""
        with changing(self.path) as db:
            db.execute("DELETE FROM session WHERE until_s <= ?", [now_s])
            _make_room(db, session.key)
            db.execute("INSERT INTO session VALUES (?, ?, ?)", [hash_, *session])

    def close_session(self, hash_: bytes) -> None:
        """End a session."""
        with changing(self.path) as db:
            db.execute("DELETE FROM session WHERE hash = ?", [hash_])


def _make_room(db: sqlite3.Connection, key: str) -> None:
    newest = "SELECT hash FROM session WHERE key = ? ORDER BY until_s DESC LIMIT ?"
    db.execute(f"DELETE FROM session WHERE key = ? AND hash NOT IN ({newest})", [key, key, MOST_SESSIONS - 1])  # noqa: S608 - own words


def _key(row: _Row) -> Key:
    id_, hash_, name, role, sites, created_s, *rest = row
    limits = None if sites is None else frozenset(json.loads(sites))
    return Key(id_, hash_, name, Role(role), limits, created_s, *rest)
