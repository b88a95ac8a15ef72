"""Watches and the messages that they made, in the API's own file: a message is kept before it is sent."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import msgspec

from perch.adapters.api_file import NAME, changing, exists, opened
from perch.watching.posting import Posting, Standing, begun
from perch.watching.wishes import Wish

KEPT_DAYS = 30
MOST_KEPT = 1_000
"""Messages of one watch; the oldest make room."""

DAY_MS = 86_400_000
TOLD = "told"
"""Stands among what held once a watch has told all that it may."""


@dataclass(frozen=True, slots=True)
class Watch:
    """What somebody asked to be told of, and where; `key` is theirs, None where nobody needed one.

    `holds` says of each thing that is watched whether it held when it was last known; `disabled` is why nothing is sent
    any more, None while it is; `well_ms` is when a message last got through.
    """

    id: str
    key: str | None
    name: str
    wish: Wish
    url: str = field(repr=False)
    secret: str = field(repr=False)
    created_ms: int
    holds: Mapping[str, bool] = field(default_factory=dict)
    disabled: str | None = None
    well_ms: int | None = None

    @property
    def is_over(self) -> bool:
        """Whether it has told all that it may, and tells no more."""
        return TOLD in self.holds


class Made(NamedTuple):
    """A message that a watch has made; `id` is what its receiver knows it by."""

    id: str
    watch: str
    at_ms: int
    type: str
    body: str


class Post(NamedTuple):
    """A message as it is kept: in order of `cursor`, how far it has come, and what was said of it last."""

    cursor: int
    made: Made
    posting: Posting
    said: str | None


_WATCH = "id, key, name, wish, url, secret, created_ms, holds, disabled, well_ms"
_POST = "cursor, id, watch, at_ms, type, body, standing, attempts, due_ms, said"


class WatchesFile:
    """Watches and their messages in a data folder; any thread may call, raises StorageError."""

    def __init__(self, data: Path) -> None:
        self.path = data / NAME

    def __repr__(self) -> str:
        return f"<WatchesFile {str(self.path)!r}>"

    def read(self) -> list[Watch]:
        """Give every watch, the oldest first."""
        if not exists(self.path):
            return []
        with opened(self.path) as db:
            return [_watch(row) for row in db.execute(f"SELECT {_WATCH} FROM watch ORDER BY created_ms, id")]  # noqa: S608 - own words

    def add(self, watch: Watch) -> None:
        """Keep a watch."""
        wish, holds = msgspec.json.encode(watch.wish).decode(), json.dumps(dict(watch.holds))
        row = (watch.id, watch.key, watch.name, wish, watch.url, watch.secret, watch.created_ms, holds, None, None)
        with changing(self.path) as db:
            db.execute(f"INSERT INTO watch ({_WATCH}) VALUES ({', '.join('?' * len(row))})", row)  # noqa: S608 - own words

    def remove(self, ids: Sequence[str]) -> None:
        """Let watches go, and their messages with them."""
        with changing(self.path) as db:
            for id_ in ids:
                db.execute("DELETE FROM post WHERE watch = ?", [id_])
                db.execute("DELETE FROM watch WHERE id = ?", [id_])

    def turn(self, holds: Mapping[str, Mapping[str, bool]], made: Sequence[Made]) -> None:
        """Keep what holds now of some watches, and what there is to say of it: both or neither."""
        with changing(self.path) as db:
            rows = [(json.dumps(dict(known)), id_) for id_, known in holds.items()]
            db.executemany("UPDATE watch SET holds = ? WHERE id = ?", rows)
            for one in made:
                _insert(db, one)

    def due(self, now_ms: int) -> list[Post]:
        """Give the first message of each watch that is to be tried by now; none of a watch that is disabled."""
        waiting = "standing = 'waiting' AND due_ms <= ? AND watch IN (SELECT id FROM watch WHERE disabled IS NULL)"
        first = f"SELECT min(cursor) FROM post WHERE {waiting} GROUP BY watch"  # noqa: S608 - own words
        return self._posts(f"cursor IN ({first}) ORDER BY due_ms, cursor", now_ms)

    def next_due_ms(self) -> int | None:
        """Give when the next message is to be tried, None where none waits."""
        if not exists(self.path):
            return None
        with opened(self.path) as db:
            enabled = "watch IN (SELECT id FROM watch WHERE disabled IS NULL)"
            found = db.execute(f"SELECT min(due_ms) FROM post WHERE standing = 'waiting' AND {enabled}").fetchone()  # noqa: S608 - own words
        return None if found is None else found[0]

    def note(self, cursor: int, posting: Posting, said: str | None, *, disabled: str | None, now_ms: int) -> None:
        """Keep what came of a try, and why nothing more is sent there, where that is so."""
        with changing(self.path) as db:
            row = (posting.standing.value, posting.attempts, posting.due_ms, said, cursor)
            db.execute("UPDATE post SET standing = ?, attempts = ?, due_ms = ?, said = ? WHERE cursor = ?", row)
            mine = "id = (SELECT watch FROM post WHERE cursor = ?)"
            if posting.standing is Standing.DELIVERED:
                db.execute(f"UPDATE watch SET well_ms = ? WHERE {mine}", [now_ms, cursor])  # noqa: S608 - own words
            if disabled is not None:
                db.execute(f"UPDATE watch SET disabled = ? WHERE {mine}", [disabled, cursor])  # noqa: S608 - own words

    def posts(self, watch: str, after: int, most: int) -> list[Post]:
        """Give the messages of a watch after a cursor, in order."""
        return self._posts("watch = ? AND cursor > ? ORDER BY cursor LIMIT ?", watch, after, most)

    def replay(self, watch: str, after: int, now_ms: int) -> int:
        """Send the messages of a watch after a cursor anew, whatever became of them; gives how many."""
        with changing(self.path) as db:
            db.execute("UPDATE watch SET disabled = NULL WHERE id = ?", [watch])
            again = "UPDATE post SET standing = 'waiting', attempts = 0, due_ms = ? WHERE watch = ? AND cursor > ?"
            return db.execute(again, [now_ms, watch, after]).rowcount

    def purge(self, now_ms: int) -> None:
        """Let go messages that are too old, and of each watch all but the newest."""
        if not exists(self.path):
            return
        with changing(self.path) as db:
            db.execute("DELETE FROM post WHERE at_ms < ?", [now_ms - KEPT_DAYS * DAY_MS])
            for (watch,) in db.execute(
                "SELECT watch FROM post GROUP BY watch HAVING count(*) > ?", [MOST_KEPT]
            ).fetchall():
                newest = "SELECT cursor FROM post WHERE watch = ? ORDER BY cursor DESC LIMIT ?"
                db.execute(f"DELETE FROM post WHERE watch = ? AND cursor NOT IN ({newest})", [watch, watch, MOST_KEPT])  # noqa: S608 - own words

    def _posts(self, condition: str, *values: object) -> list[Post]:
        if not exists(self.path):
            return []
        with opened(self.path) as db:
            return [_post(row) for row in db.execute(f"SELECT {_POST} FROM post WHERE {condition}", values)]  # noqa: S608 - own words


def _insert(db: sqlite3.Connection, made: Made) -> None:
    posting = begun(made.at_ms)
    db.execute(
        f"INSERT INTO post ({_POST}) VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, NULL)",  # noqa: S608 - own words
        [*made, posting.standing.value, posting.attempts, posting.due_ms],
    )


def _watch(row: tuple[str, str | None, str, str, str, str, int, str, str | None, int | None]) -> Watch:
    id_, key, name, wish, url, secret, created_ms, holds, disabled, well_ms = row
    decoded = msgspec.json.decode(wish, type=Wish)
    return Watch(id_, key, name, decoded, url, secret, created_ms, json.loads(holds), disabled, well_ms)


def _post(row: tuple[int, str, str, int, str, str, str, int, int, str | None]) -> Post:
    cursor, id_, watch, at_ms, type_, body, standing, attempts, due_ms, said = row
    return Post(cursor, Made(id_, watch, at_ms, type_, body), Posting(Standing(standing), attempts, due_ms), said)
