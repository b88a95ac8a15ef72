"""Forgetting what epochs told, so that it can be told anew, and noting from where to where words may have moved."""

import sqlite3
from collections.abc import Iterable, Sequence

import numpy as np

from perch.adapters.history import file
from perch.history.source import BEGINNING_MS, Horizon, Moved
from perch.history.told import Forgotten

MOST_MOVES = 50_000
"""Somebody who is further behind than this reaches is told nothing of what moved, and has to begin anew."""


class Retelling:
    """What is forgotten within one transaction; `settle` comes after all was told anew.

    What is dated before `from_ms` stays: the journal has let go of some of that, and could not tell it anew.
    """

    def __init__(self, db: sqlite3.Connection, forgotten: Sequence[Forgotten], from_ms: int = BEGINNING_MS) -> None:
        self._db = db
        self._from_ms = from_ms
        self._forgotten = forgotten
        self._horizons = {one.site: _horizon(db, one.site) for one in forgotten}
        self._gone = [self._spans(one) for one in forgotten]
        for one in forgotten:
            self._forget(one)
        for site in self._horizons:
            measure(db, site)

    def settle(self, position: int) -> list[Moved]:
        """Note what moved, up to a position of the journal, and leave nothing behind of what is no more; gives it."""
        noted: list[Moved] = []
        for one, gone in zip(self._forgotten, self._gone, strict=True):
            moved = dict.fromkeys((*gone, *self._spans(one), *_between(one)))
            self._note(position if one.position is None else one.position, moved)
            self._drop_empty(one)
            noted += moved
        for site, before in self._horizons.items():
            self._note(position, _gave_way(site, before, _horizon(self._db, site)))
        return noted

    def _note(self, position: int, moved: Iterable[Moved]) -> None:
        self._db.executemany("INSERT INTO moved VALUES (?, ?, ?, ?, ?)", [(position, *one) for one in moved])

    def _spans(self, one: Forgotten) -> list[Moved]:
        """Give where the words of epochs lie now."""
        lived = [(first_ms, until_ms) for _, first_ms, until_ms in self._epochs(one)]
        found = self._db.execute(
            "SELECT epoch, from_ms, to_ms FROM lost WHERE site = ? AND agent = ?", (one.site, one.agent)
        )
        lost = [(from_ms, to_ms) for epoch, from_ms, to_ms in found if epoch in one.epochs]
        return [Moved(one.site, one.agent, *span) for span in (*lived, *lost)]

    def _epochs(self, one: Forgotten) -> list[tuple[int, int, int]]:
        """Give the number of each epoch that told anything, and how long it lived."""
        found = (
            self._db.execute(
                "SELECT epoch, first_ms, until_ms FROM epoch WHERE site = ? AND agent = ? AND id = ?", key
            ).fetchone()
            for key in _keys(one)
        )
        return [row for row in found if row is not None]

    def _forget(self, one: Forgotten) -> None:
        rows = self._epochs(one)
        if rows:
            numbers, firsts, lasts = zip(*rows, strict=True)
            for series, space in self._series(one):
                row = file.MARK_ROW if space == file.MARKS else file.STATE_ROW
                self._take_out(series, row, numbers, min(firsts), max(lasts))
        shorten(self._db, self._from_ms, [number for number, _, _ in rows])
        for table in (
            "DELETE FROM lost WHERE site = ?2 AND agent = ?3 AND epoch = ?4 AND from_ms >= ?1",
            "DELETE FROM unplaced WHERE ?1 = ?1 AND site = ?2 AND agent = ?3 AND epoch = ?4",
        ):
            self._db.executemany(table, [(self._from_ms, *key) for key in _keys(one)])

    def _take_out(
        self, series: int, row: np.dtype[np.void], epochs: Iterable[int], first_ms: int, last_ms: int
    ) -> None:
        """Take the rows of epochs out of the chunks of a series."""
        keys = file.chunk_key(series, first_ms), file.chunk_key(series, last_ms)
        chunks = self._db.execute("SELECT key, rows FROM chunk WHERE key BETWEEN ? AND ?", keys).fetchall()
        for key, body in chunks:
            rows = np.frombuffer(file.opened(body), dtype=row)
            kept = rows[
                ~np.isin(rows["epoch"], list(epochs)) | (rows["time"] < self._from_ms - file.week_start_ms(key))
            ]
            if not len(kept):
                self._db.execute("DELETE FROM chunk WHERE key = ?", (key,))
            elif len(kept) < len(rows):
                self._db.execute("UPDATE chunk SET rows = ? WHERE key = ?", (file.RAW + kept.tobytes(), key))

    def _drop_empty(self, one: Forgotten) -> None:
        for series, _ in self._series(one):
            self._db.execute(
                "DELETE FROM series WHERE series = ? AND NOT EXISTS (SELECT * FROM chunk WHERE key BETWEEN ? AND ?)",
                (series, *file.chunk_range(series)),
            )

    def _series(self, one: Forgotten) -> list[tuple[int, str]]:
        return self._db.execute(
            "SELECT series, space FROM series WHERE site = ? AND agent = ?", (one.site, one.agent)
        ).fetchall()


def shorten(db: sqlite3.Connection, before_ms: int, epochs: Sequence[int] | None = None) -> None:
    """Leave of lives of epochs, of all unless some are named by number, what was before a moment."""
    numbers = [number for (number,) in db.execute("SELECT epoch FROM epoch")] if epochs is None else epochs
    db.executemany("DELETE FROM epoch WHERE epoch = ? AND first_ms >= ?", [(number, before_ms) for number in numbers])
    db.executemany(
        "UPDATE epoch SET until_ms = min(until_ms, ?2), heard_last_ms = min(heard_last_ms, ?2) WHERE epoch = ?1",
        [(number, before_ms) for number in numbers],
    )
    db.executemany(
        "UPDATE epoch SET heard_first_ms = NULL, heard_last_ms = NULL WHERE epoch = ?1 AND heard_first_ms >= ?2",
        [(number, before_ms) for number in numbers],
    )


def forget_moves(db: sqlite3.Connection, upto: int) -> None:
    """Forget what moved up to a position, and what there is beyond MOST_MOVES; note up to where anything was."""
    surplus = db.execute("SELECT position FROM moved ORDER BY position DESC LIMIT 1 OFFSET ?", (MOST_MOVES,)).fetchone()
    upto = max(upto, surplus[0] if surplus else 0)
    (gone,) = db.execute("SELECT max(position) FROM moved WHERE position <= ?", (upto,)).fetchone()
    if gone is not None:
        db.execute("DELETE FROM moved WHERE position <= ?", (upto,))
        db.execute("DELETE FROM moves_forgotten")
        db.execute("INSERT INTO moves_forgotten VALUES (?)", (gone,))


def _between(one: Forgotten) -> list[Moved]:
    return [Moved(one.site, one.agent, *span) for span in one.between]


def _keys(one: Forgotten) -> list[tuple[str, str, str]]:
    return [(one.site, one.agent, epoch) for epoch in sorted(one.epochs)]


def _horizon(db: sqlite3.Connection, site: str) -> Horizon | None:
    row = db.execute("SELECT first_ms, last_ms FROM site WHERE id = ?", (site,)).fetchone()
    return None if row is None else Horizon(*row)


def measure(db: sqlite3.Connection, site: str) -> None:
    """Work out a site's horizon from what its epochs told."""
    db.execute("DELETE FROM site WHERE id = ?", (site,))
    db.execute(
        "INSERT INTO site SELECT site, min(heard_first_ms), max(heard_last_ms) FROM epoch"
        " WHERE site = ? AND heard_first_ms IS NOT NULL GROUP BY site",
        (site,),
    )


def _gave_way(site: str, before: Horizon | None, after: Horizon | None) -> Iterable[Moved]:
    """Give what was within a site's horizon and is no more."""
    if before is None:
        return
    if after is None:
        yield Moved(site, None, before.first_ms, before.last_ms)
        return
    if before.first_ms < after.first_ms:
        yield Moved(site, None, before.first_ms, min(after.first_ms, before.last_ms))
    if after.last_ms < before.last_ms:
        yield Moved(site, None, max(after.last_ms, before.first_ms), before.last_ms)
