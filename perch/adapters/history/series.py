"""The numbers of series in `history.db`: who says what of which space."""

import sqlite3


class SeriesNumbers:
    """The numbers of series, within one transaction: read once for each agent, who has few."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._known: dict[tuple[str, str], dict[str, int]] = {}

    def of(self, site: str, agent: str, space: str) -> int:
        """Give the number of a series, a new one where there is none."""
        spaces = self._known.get((site, agent))
        if spaces is None:
            rows = self._db.execute("SELECT space, series FROM series WHERE site = ? AND agent = ?", (site, agent))
            spaces = self._known[site, agent] = dict(rows)
        number = spaces.get(space)
        if number is None:
            number = spaces[space] = self._next()
            self._db.execute("INSERT INTO series VALUES (?, ?, ?, ?)", (number, site, agent, space))
        return number

    def _next(self) -> int:
        """Give a number that no series ever had."""
        number: int = self._db.execute(
            "INSERT INTO last_series VALUES (1, 1) ON CONFLICT DO UPDATE SET series = series + 1 RETURNING series"
        ).fetchone()[0]
        return number
