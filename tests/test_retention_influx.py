"""What history let go of stays in InfluxDB as it was: rows of zones that could not be made again are never lost."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from collector.history.projection import HistoryProjection
from collector.influx.projection import InfluxProjection
from perch.adapters.history.store import HistoryReader, HistoryStore
from perch.adapters.influx.query import Bucket
from perch.adapters.journal.store import Entry
from perch.history.calendar import HOUR_MS
from perch.history.told import Marked, Stated, Told
from perch.model import DAY_MS, QUARTER_MS, Reason, Site, State
from perch.settings import Retention
from tests.history_cases import EPOCHS, marked, site, space, stated
from tests.influx_following import event
from tests.influx_memory import MemoryInflux
from tests.placing_cases import BOOTS, Entries
from tests.test_retention import FIRST_MS

PLACE = site(space("s1"), space("s2"), space("s3", zone="z2"))
KEPT_DAYS = 3


def days(first: int, last: int) -> list[Told]:
    """Desks that are taken and left each day, and marks."""
    told: list[Told] = []
    for day in range(first, last):
        start_ms = FIRST_MS + day * DAY_MS
        told += [marked(start_ms + nth * QUARTER_MS, seq=1 + 1_000 * day + 10 * nth) for nth in range(96)]
        for number, name in enumerate(("s1", "s2", "s3"), 1):
            for nth, state in enumerate((State.OCCUPIED, State.FREE)):
                ms = start_ms + (8 + number + 3 * nth) * HOUR_MS + 1_234
                told.append(stated(ms, state, space=name, seq=1_000 * day + 10 * number + nth + 2))
    return sorted(told, key=lambda one: one.time_ms if isinstance(one, Stated | Marked) else 0)


class Collected:
    """A journal, history in a file that lets go of days, and an InfluxDB that follows it."""

    def __init__(self, folder: Path, store: HistoryStore, history: HistoryReader) -> None:
        self.log, self.store, self.history = Entries([]), store, history
        self.influxdb = MemoryInflux()
        self._folder = folder
        self._into_history = HistoryProjection(store, self.log, self.log.end, Retention(KEPT_DAYS, 0))

    def tell(self, told: Sequence[Told], received_ms: int | None = None) -> None:
        for number, word in enumerate(told, len(self.log.entries) + 1):
            assert isinstance(word, Stated | Marked)
            at_ms = received_ms or word.received_ms
            self.log.entries.append(Entry(number, "hq", "pi-1", word.epoch, at_ms, event(word, 0), BOOTS[0]))

    def follow(self, place: Site = PLACE) -> dict[tuple[Any, ...], object]:
        """Come to the journal's end, as after a start; gives the rows of zones."""
        position = (self.store.cursor() or (self.log.id, 0))[1]
        self._into_history.apply(self.log.read(position, 10**6), self.log.id)
        into = InfluxProjection([place], self.log, self.history, lambda: self.influxdb, self._folder)
        cursor = into.cursor()
        if cursor is None:
            into.reset(self.log.id)
        else:
            into.apply(self.log.read(cursor.position, 10**6), self.log.id)
        return self.zones()

    def zones(self, before_ms: int = 2**60) -> dict[tuple[Any, ...], object]:
        """Give the rows of zones before a moment."""
        found = self.influxdb.rows.items()
        return {key: row for key, row in found if key[0] is Bucket.ZONES and key[2] < before_ms * 10**6}


def test_rows_of_zones_outlive_words(tmp_path: Path) -> None:
    with HistoryStore.open(tmp_path / "history.db") as store, HistoryReader(tmp_path / "history.db") as history:
        store.reset(Entries([]).id)
        collected = Collected(tmp_path, store, history)
        collected.tell(days(0, 3))
        collected.follow()
        collected.tell(days(3, 7))
        whole = collected.follow()
        kept_ms = history.tiers("hq").words_ms
        assert kept_ms == FIRST_MS + (6 - KEPT_DAYS) * DAY_MS
        assert min(key[2] for key in whole) < (kept_ms - 2 * DAY_MS) * 10**6

        late = stated(FIRST_MS + DAY_MS + HOUR_MS, State.OCCUPIED, epoch=EPOCHS[1], seq=1)
        collected.tell([late], FIRST_MS + 6 * DAY_MS + 23 * HOUR_MS)
        assert collected.follow() == whole, "a word that comes too late changes nothing that cannot be made again"

        moved = replace(PLACE, spaces=(*PLACE.spaces[:2], replace(PLACE.spaces[2], zone="z1")))
        collected.follow(moved)
        assert collected.zones(kept_ms) == {key: row for key, row in whole.items() if key[2] < kept_ms * 10**6}
        anew = collected.zones()
        assert anew != whole
        assert {dict(key[1][1])["zone"] for key in anew if key[2] >= (kept_ms + DAY_MS) * 10**6} == {"z1"}

        (tmp_path / "influx.cursor").unlink()
        assert collected.follow(moved) == anew, "nor does making all rows anew"


def test_a_row_that_is_made_again_at_the_boundary_knows_what_was_said_long_before(tmp_path: Path) -> None:
    """A desk that was taken in the first hour, and of which nobody has spoken since, is still taken."""
    with HistoryStore.open(tmp_path / "history.db") as store, HistoryReader(tmp_path / "history.db") as history:
        store.reset(Entries([]).id)
        collected = Collected(tmp_path, store, history)
        once = stated(FIRST_MS + HOUR_MS, State.OCCUPIED, seq=1, reason=Reason.MOTION, epoch=EPOCHS[1])
        marks = [
            marked(FIRST_MS + quarter * QUARTER_MS, seq=quarter + 2, epoch=EPOCHS[1]) for quarter in range(5, 7 * 96)
        ]
        collected.tell([once, *marks])
        whole = collected.follow()
        collected.influxdb.rows.clear()
        (tmp_path / "influx.cursor").unlink()
        kept_ms = history.tiers("hq").words_ms
        assert kept_ms > FIRST_MS
        assert collected.follow() == {key: row for key, row in whole.items() if key[2] >= kept_ms * 10**6}
