"""The projection into InfluxDB, over a store whose word is checked: what turns out to be lost is written anew."""

from collections.abc import Callable, Sequence
from typing import Protocol

from collector.influx.witness import WitnessedStore
from collector.projection import Projection, Tally
from perch.adapters.cursor import Cursor
from perch.adapters.influx.query import Bucket
from perch.adapters.influx.writing import RowStore
from perch.adapters.journal.store import Entry


class Resting(Projection, Protocol):
    """A projection that can tell of itself without asking the store in which its rows are."""

    def resting(self) -> Cursor | None:
        """Tell how far it has come; None where nothing that is there counts, raises as `cursor` does."""
        ...

    def quarters_question(self) -> str | None:
        """Give an InfluxQL question after a quarter hour of zones, None where it has written none."""
        ...


class CheckedInflux:
    """A `Projection` around the one into InfluxDB; `project` makes that one with a way to connect.

    At the first look it is seen whether the zones are there too, and at every look whether a row that was there is.
    """

    def __init__(
        self,
        project: Callable[[Callable[[], RowStore]], Resting],
        connect: Callable[[], RowStore],
    ) -> None:
        self._connect = connect
        self._store: WitnessedStore | None = None
        self._zones_seen = False
        self._is_sound = False
        self._inner = project(self._connected)

    def __repr__(self) -> str:
        return f"<CheckedInflux of {self._inner!r}>"

    def tally(self) -> Tally:
        """Count rows; any thread may ask."""
        store = self._store
        return Tally() if store is None else Tally(store.rows, store.expired, store.refused)

    def cursor(self) -> Cursor | None:
        """Tell how far it has come; None where rows are lost.

        Once everything was seen to be in order, only witnesses are asked, until InfluxDB was away: rows that are older
        than their bucket keeps are in no InfluxDB, and are no sign that it was emptied.
        """
        is_sound, self._is_sound = self._is_sound, False
        cursor = self._witnessed_cursor() if is_sound else self._inner.cursor()
        store = self._store
        if cursor is None or (store is not None and store.has_lost) or not self._has_zones():
            return None
        self._is_sound = True
        return cursor

    def reset(self, journal: str) -> None:
        """Write everything anew."""
        self._is_sound = False
        self._inner.reset(journal)
        self._is_sound = self._zones_seen = True
        if self._store is not None:
            self._store.has_lost = False

    def apply(self, entries: Sequence[Entry], journal: str) -> None:
        """Write what new entries changed."""
        is_sound, self._is_sound = self._is_sound, False
        self._inner.apply(entries, journal)
        self._is_sound = is_sound

    def _witnessed_cursor(self) -> Cursor | None:
        self._connected_before().prepare()
        return self._inner.resting()

    def _connected(self) -> RowStore:
        self._store = WitnessedStore(self._connect())
        return self._store

    def _has_zones(self) -> bool:
        """Tell whether quarter hours are there, where some must be."""
        if not self._zones_seen:
            question = self._inner.quarters_question()
            self._zones_seen = question is None or bool(self._connected_before().query(question, Bucket.ZONES))
        return self._zones_seen

    def _connected_before(self) -> RowStore:
        return self._store or self._connected()
