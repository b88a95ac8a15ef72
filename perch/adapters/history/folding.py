"""Keeping sheets in `history.db`: folding days that are over, and voiding those of which something was told since."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from secrets import randbits

from perch.adapters.history.batch import Batch
from perch.adapters.history.sheets import days_at_once, packed, spoken
from perch.history.calendar import HOUR_MS
from perch.history.eras import eras
from perch.history.folding import fold
from perch.history.source import Moved, WordSource
from perch.history.spans import touched
from perch.history.told import Told
from perch.model import DAY_MS

SETTLED_MS = HOUR_MS
"""A day is folded once its agents have told of so much more: much of it would be told anew otherwise."""

STAMP_BITS = 62


class Folding:
    """Looks after the sheets of a file; all calls are within a transaction of its writer."""

    def __init__(self, db: sqlite3.Connection, words: WordSource) -> None:
        self._db = db
        self._words = words
        self._done: dict[str, int] = {}

    def __repr__(self) -> str:
        return f"<Folding, {len(self._done)} sites are done>"

    def begin_anew(self) -> None:
        """Look at all sites again."""
        self._done.clear()

    def ends_ms(self, batch: Batch) -> dict[str, int]:
        """Give for each site up to where it has sheets."""
        sites = {site for site, *_ in (*batch.epochs, *batch.stated.series)}
        asked = (
            (site, self._db.execute("SELECT max(day) FROM sheet WHERE site = ?", (site,)).fetchone()[0])
            for site in sites
        )
        return {site: (day + 1) * DAY_MS for site, day in asked if day is not None}

    def may_touch(self, batch: Batch, ends_ms: dict[str, int]) -> bool:
        """Tell whether a batch may say something of a day that has a sheet; to be asked before it is taken in."""
        for (site, agent, epoch), lived in batch.epochs.items():
            if (end_ms := ends_ms.get(site)) is None:
                continue
            if lived.first_ms < end_ms:
                return True
            row = self._db.execute(
                "SELECT until_ms FROM epoch WHERE site = ? AND agent = ? AND id = ?", (site, agent, epoch)
            ).fetchone()
            if row is not None and row[0] < end_ms:
                return True
        if any(site in ends_ms and from_ms < ends_ms[site] for site, _, _, _, _, from_ms, _, _ in batch.lost):
            return True
        return any(site in ends_ms for site in batch.stated.sites_of_offline())

    def void(self, told: Iterable[Told], moves: Iterable[Moved]) -> None:
        """Void the sheets of days of which words, already taken in, or moves tell anything."""
        for site, of in touched(told, self._words, moves).items():
            spans = [span for several in (*of.agents.values(), *of.spaces.values()) for span in several]
            gone = self._db.executemany(
                "DELETE FROM sheet WHERE site = ? AND day BETWEEN ? AND ?",
                {(site, span.from_ms // DAY_MS, (span.to_ms - 1) // DAY_MS) for span in spans},
            ).rowcount
            if gone:
                self._done.pop(site, None)

    def fold_some(self) -> bool:
        """Fold the latest days that wait for it; tells whether there were any."""
        for (site,) in self._db.execute("SELECT id FROM site ORDER BY id").fetchall():
            end = self._settled_day(site)
            if end is None or self._done.get(site) == end:
                continue
            series = spoken(self._db, site)
            days = self._waiting(site, end, len(series)) if series else ()
            if not days:
                continue
            for sheet in fold(site, series, days[0], days[-1] + 1, self._words):
                row = (randbits(STAMP_BITS), site, sheet.day, *packed(sheet))
                self._db.execute("INSERT INTO sheet VALUES (?, ?, ?, ?, ?)", row)
            return True
        return False

    def _settled_day(self, site: str) -> int | None:
        """Give the first day that is not to be folded yet; None where nothing was heard of a site."""
        horizon = self._words.horizon(site)
        return None if horizon is None else (horizon.last_ms - SETTLED_MS) // DAY_MS

    def _waiting(self, site: str, end: int, series: int) -> Sequence[int]:
        """Give days before one that have no sheet yet, the latest, one after the other."""
        have = {day for (day,) in self._db.execute("SELECT day FROM sheet WHERE site = ?", (site,))}
        kept = self._db.execute("SELECT words_day FROM kept").fetchone()
        lacking = (day for day in self._lived(site, end) if day not in have and (kept is None or day >= kept[0]))
        with suppress(StopIteration):
            last = next(lacking)
            first = last
            while last - first + 1 < days_at_once(series) and next(lacking, None) == first - 1:
                first -= 1
            return range(first, last + 1)
        self._done[site] = end
        return ()

    def _lived(self, site: str, end: int) -> Iterator[int]:
        """Give the days of a site's eras before one, the latest first."""
        seen = end
        for era in reversed(eras(site, self._words)):
            last = min((era.to_ms - 1) // DAY_MS, seen - 1)
            seen = min(era.from_ms // DAY_MS, seen)
            yield from range(last, seen - 1, -1)
