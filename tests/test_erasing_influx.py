"""What is erased leaves InfluxDB too: rows that history still has words for are made anew, the others deleted."""

from pathlib import Path
from typing import Any

from collector.history.projection import HistoryProjection
from perch.adapters.history.store import HistoryReader, HistoryStore
from perch.adapters.influx.query import Bucket
from perch.adapters.journal.codec import ErasureEvent
from perch.adapters.journal.store import Entry
from perch.history.calendar import HOUR_MS
from perch.model import DAY_MS, QUARTER_MS
from perch.settings import Retention
from tests.placing_cases import Entries
from tests.test_retention import FIRST_MS
from tests.test_retention_influx import KEPT_DAYS, Collected, days

FROM_MS, TO_MS = FIRST_MS + DAY_MS + 10 * HOUR_MS, FIRST_MS + 5 * DAY_MS + 12 * HOUR_MS
NEXT_MS = FIRST_MS + 5 * DAY_MS + 12 * HOUR_MS + 1_234
"""When the desk is left on the sixth day."""


class Following(Collected):
    """One whose history knows that InfluxDB has yet to learn what moved."""

    def __init__(self, folder: Path, store: HistoryStore, history: HistoryReader) -> None:
        super().__init__(folder, store, history)
        self._into_history = HistoryProjection(store, self.log, lambda: 0, Retention(KEPT_DAYS, 0))


def of_space(collected: Collected, space: str) -> dict[tuple[Any, ...], Any]:
    rows = collected.influxdb.rows.items()
    return {key: row for key, row in rows if key[0] is Bucket.SPACES and ("space", space) in key[1][1]}


def erase(collected: Collected, space: str, from_ms: int, to_ms: int) -> None:
    entries = collected.log.entries
    event = ErasureEvent(1, space, from_ms, to_ms, to_ms)
    entries.append(Entry(len(entries) + 1, "hq", "", "0" * 16, to_ms, event, ""))


def zones(collected: Collected, zone: str, from_ms: int, to_ms: int) -> dict[tuple[Any, ...], object]:
    return {
        key: row
        for key, row in collected.zones().items()
        if ("zone", zone) in key[1][1] and from_ms <= key[2] // 10**6 < to_ms
    }


def test_rows_of_the_space_and_sums_of_its_zone_go(tmp_path: Path) -> None:
    with HistoryStore.open(tmp_path / "history.db") as store, HistoryReader(tmp_path / "history.db") as history:
        store.reset(Entries([]).id)
        collected = Following(tmp_path, store, history)
        for part in ((0, 3), (3, 7)):
            collected.tell(days(*part))
            collected.follow()
        kept_ms = history.tiers("hq").words_ms
        assert FROM_MS < kept_ms < TO_MS
        other, elsewhere = of_space(collected, "s2"), zones(collected, "z2", 0, 2**50)
        before = zones(collected, "z1", 0, 2**50)
        ended = {key: row for key, row in of_space(collected, "s1").items() if key[2] // 10**6 >= NEXT_MS}
        erase(collected, "s1", FROM_MS, TO_MS)
        collected.follow()

        within = {key: row for key, row in of_space(collected, "s1").items() if FROM_MS <= key[2] // 10**6 < NEXT_MS}
        assert {row["state"] for row in within.values()} <= {"unknown"}
        assert {key[2] // 10**6 >= kept_ms for key in within} <= {True}
        after = {key: row for key, row in of_space(collected, "s1").items() if key[2] // 10**6 >= NEXT_MS}
        assert after.keys() == ended.keys()
        assert of_space(collected, "s2") == other
        assert zones(collected, "z2", 0, 2**50) == elsewhere
        assert zones(collected, "z1", FROM_MS, kept_ms) == {}
        early, late = (0, FROM_MS - QUARTER_MS), (NEXT_MS, 2**50)
        for span in (early, late):
            assert zones(collected, "z1", *span) == {
                key: row for key, row in before.items() if span[0] <= key[2] // 10**6 < span[1]
            }
        made = zones(collected, "z1", kept_ms + DAY_MS, 2**50)
        collected.influxdb.rows.clear()
        (tmp_path / "influx.cursor").unlink()
        collected.follow()
        assert zones(collected, "z1", kept_ms + DAY_MS, 2**50) == made


def test_rows_that_were_kept_for_longer_than_words_go_up_to_the_next_word(tmp_path: Path) -> None:
    """Also where InfluxDB was lost from sight meanwhile, and all is written anew."""
    with HistoryStore.open(tmp_path / "history.db") as store, HistoryReader(tmp_path / "history.db") as history:
        store.reset(Entries([]).id)
        collected = Collected(tmp_path, store, history)
        for part in ((0, 3), (3, 8)):
            collected.tell(days(*part))
            collected.follow()
        (tmp_path / "influx.cursor").unlink()
        to_ms = FIRST_MS + DAY_MS + 11 * HOUR_MS
        erase(collected, "s1", FROM_MS, to_ms)
        rows = of_space(collected, "s2")
        assert any(key[2] // 10**6 < to_ms for key in rows)
        collected.follow()
        assert zones(collected, "z1", FROM_MS, to_ms) == {}
        assert zones(collected, "z1", 0, FROM_MS) != {}
        assert zones(collected, "z1", to_ms + QUARTER_MS, FIRST_MS + 2 * DAY_MS) != {}
