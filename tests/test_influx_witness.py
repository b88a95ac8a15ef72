"""InfluxDB's word is checked: rows it took are read back, and rows that it had are looked for."""

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from collector.influx.checked import CheckedInflux
from collector.influx.projection import InfluxProjection
from collector.influx.witness import LOOK_BACK_S, MISSES, WitnessedStore, witness_of
from collector.projection import Tally, Trailing, advance, resume
from perch.adapters.influx.line_protocol import alive_line, integers_line, occupancy_line, space_key, zone_key
from perch.adapters.influx.query import Bucket, JsonRow
from perch.adapters.influx.writing import LATEST_MS, InfluxWriter, RefusedLine, Written
from perch.errors import UnavailableError
from perch.model import Clock, Reason, State
from tests.history_cases import site
from tests.parts import Influx
from tests.test_influx_followed import DESKS, HOUR_MS, MIDNIGHT_MS, Collected, a_day, said

NS = 1_790_000_000_000_000_000


def occupancy(ns: int = NS, probability: float = 0.5) -> str:
    key = space_key("hq", "f1", "open", "desk", "d01")
    return occupancy_line(key, ns, State.FREE, Reason.QUIET, Clock.OK, probability, None, carried=False)


def quarter(spaces: int = 4, ns: int = NS) -> str:
    return integers_line(zone_key("zone_15min", "hq", "f1", "open", "desk"), ns, (("spaces", spaces), ("known_ms", 9)))


class Store:
    """An InfluxDB whose word may be worth nothing: it answers as if all were well."""

    target = "a store"

    def __init__(self) -> None:
        self.kept: dict[str, JsonRow] = {}
        self.keeps = True
        self.answer = Written()
        self.questions = 0
        self.oldest: int | None = None

    def prepare(self) -> None:
        pass

    def write(self, bucket: Bucket, lines: Sequence[str]) -> Written:
        del bucket
        for line in lines:
            witness = witness_of(line)
            if self.keeps and witness is not None:
                self.kept[witness.influxql] = {**witness.fields, "time": witness.ns, "site": "hq"}
        return self.answer

    def delete(self, bucket: Bucket, measurement: str, from_ms: int, to_ms: int, tags: Mapping[str, str]) -> None:
        pass

    def oldest_ms(self, bucket: Bucket) -> int | None:
        del bucket
        return self.oldest

    def query(self, influxql: str, bucket: Bucket) -> list[JsonRow]:
        del bucket
        self.questions += 1
        return [self.kept[influxql]] if influxql in self.kept else []


class Watch:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.s = 0.0

    def __call__(self) -> float:
        return self.s


def test_a_row_that_was_taken_and_is_not_there_is_an_outage() -> None:
    """A full disk may answer 204 and keep nothing: then the batch is not done, and is tried again."""
    store = Store()
    store.keeps = False
    checked = WitnessedStore(store)
    for _ in range(2):
        with pytest.raises(UnavailableError, match="does not have it"):
            checked.write(Bucket.SPACES, [occupancy()])
    store.keeps = True
    assert checked.write(Bucket.SPACES, [occupancy()]) == Written()


def test_a_row_with_another_value_is_not_the_one_that_was_written() -> None:
    store = Store()
    checked = WitnessedStore(store)
    store.write(Bucket.SPACES, [occupancy(probability=0.25)])
    store.keeps = False
    with pytest.raises(UnavailableError):
        checked.write(Bucket.SPACES, [occupancy()])


def test_looking_costs_a_question_each_half_minute() -> None:
    store, watch = Store(), Watch()
    checked = WitnessedStore(store, watch)
    for number in range(100):
        checked.write(Bucket.SPACES, [occupancy(NS + number), alive_line("hq", "pi-1", "a" * 32, NS)])
        watch.s += LOOK_BACK_S / 20
    assert store.questions == 5
    assert checked.rows == 200


def test_a_row_that_is_gone_is_red_at_first_and_lost_at_last() -> None:
    store = Store()
    checked = WitnessedStore(store)
    checked.write(Bucket.ZONES, [quarter()])
    checked.prepare()
    kept = dict(store.kept)
    store.kept.clear()
    with pytest.raises(UnavailableError, match="has lost a row of zone_15min"):
        checked.prepare()
    store.kept.update(kept)
    checked.prepare()
    store.kept.clear()
    for _ in range(MISSES - 1):
        with pytest.raises(UnavailableError):
            checked.prepare()
        assert not checked.has_lost
    checked.prepare()
    assert checked.has_lost


def test_a_row_that_grew_older_than_its_bucket_keeps_is_not_missed() -> None:
    store = Store()
    checked = WitnessedStore(store)
    checked.write(Bucket.SPACES, [occupancy()])
    store.kept.clear()
    store.oldest = NS // 10**6 - 1
    with pytest.raises(UnavailableError, match="has lost a row"):
        checked.prepare()
    store.oldest = NS // 10**6 + 1
    for _ in range(MISSES):
        checked.prepare()
    assert not checked.has_lost


def test_what_was_deleted_or_written_anew_by_ourselves_is_not_missed() -> None:
    store, watch = Store(), Watch()
    checked = WitnessedStore(store, watch)
    checked.write(Bucket.SPACES, [occupancy()])
    checked.write(Bucket.ZONES, [quarter()])
    watch.s = 1
    checked.write(Bucket.ZONES, [quarter(5)])
    checked.delete(Bucket.SPACES, "occupancy", NS // 10**6, NS // 10**6 + 1, {})
    store.kept.clear()
    checked.prepare()
    assert not checked.has_lost


def test_rows_that_were_refused_or_expired_are_counted_and_speak_of_no_outage() -> None:
    store = Store()
    store.keeps = False
    checked = WitnessedStore(store)
    store.answer = Written(expired=2)
    checked.write(Bucket.SPACES, [occupancy(), occupancy(NS + 1)])
    store.answer = Written(refused=(RefusedLine("x", "bad"),))
    checked.write(Bucket.SPACES, [occupancy(), "x"])
    assert (checked.rows, checked.expired, checked.refused) == (1, 2, 1)


@pytest.fixture
def collected(influxdb: Influx, tmp_path: Path) -> Iterator[Collected]:
    with ExitStack() as files:
        made = Collected(files, tmp_path, influxdb, site(*DESKS))
        a_day(made, random.Random(3), hours=3)  # noqa: S311 - nothing secret
        made.follow_history()
        yield made


def follow(collected: Collected, checked: CheckedInflux) -> None:
    log = Trailing(collected.reader, collected.history.cursor)
    position, before = resume(log, checked), -1
    while position != before:
        before, position = position, advance(log, checked, position)


def checked_projection(collected: Collected, folder: Path) -> CheckedInflux:
    def project(connect: object) -> InfluxProjection:
        return InfluxProjection([collected.place], collected.reader, collected.history, connect, folder)  # type: ignore[arg-type]

    return CheckedInflux(project, lambda: InfluxWriter(collected.influxdb.settings))


def take_away(collected: Collected, measurement: str) -> None:
    """Delete all rows of a measurement behind the projection's back."""
    bucket = Bucket.SPACES if measurement == "occupancy" else Bucket.ZONES
    with InfluxWriter(collected.influxdb.settings) as writer:
        writer.delete(bucket, measurement, 0, LATEST_MS, {})


def test_an_influxdb_that_keeps_its_word_is_believed(collected: Collected, tmp_path: Path) -> None:
    checked = checked_projection(collected, tmp_path)
    follow(collected, checked)
    for _ in range(3):
        follow(collected, checked)
    assert collected.stored() == collected.expected()
    assert checked.tally() == Tally(rows=len(collected.expected()))


@pytest.mark.parametrize("measurement", ["zone_15min", "occupancy"])
def test_rows_that_vanish_while_it_runs_turn_it_red_and_are_written_anew(
    collected: Collected, tmp_path: Path, measurement: str
) -> None:
    checked = checked_projection(collected, tmp_path)
    follow(collected, checked)
    take_away(collected, measurement)
    with pytest.raises(UnavailableError, match=f"has lost a row of {measurement}"):
        follow(collected, checked)
    with pytest.raises(UnavailableError):
        follow(collected, checked)
    follow(collected, checked)
    assert collected.stored() == collected.expected()


def test_zones_that_vanished_while_it_stood_still_are_written_anew(collected: Collected, tmp_path: Path) -> None:
    follow(collected, checked_projection(collected, tmp_path))
    take_away(collected, "zone_15min")
    follow(collected, checked_projection(collected, tmp_path))
    assert collected.stored() == collected.expected()


def test_rows_older_than_a_bucket_keeps_are_left_out_counted_and_not_tried_for_ever(
    collected: Collected, tmp_path: Path
) -> None:
    """A real retention policy of a week, on rows of two months ago: the journal and history keep them."""
    for database in (collected.influxdb.bucket, collected.influxdb.zones_bucket):
        collected.influxdb.keep_days(database, 7)
    checked = checked_projection(collected, tmp_path)
    follow(collected, checked)
    for _ in range(3):
        follow(collected, checked)
        cursor = checked.cursor()
        assert cursor is not None
        assert cursor.position == collected.journal.end
        assert checked.tally() == Tally(expired=len(collected.expected()))
    assert collected.stored() == set()


def test_rebuilding_history_beside_a_projection_at_work_leaves_the_rows_of_influxdb_alone(
    collected: Collected, tmp_path: Path
) -> None:
    checked = checked_projection(collected, tmp_path)
    follow(collected, checked)
    before, tally = collected.stored(), checked.tally()
    collected.forget_history()
    for _ in range(2):
        with pytest.raises(UnavailableError, match="history is still being made anew"):
            follow(collected, checked)
        assert collected.stored() == before
    collected.follow_history()
    follow(collected, checked)
    assert collected.stored() == before == collected.expected()
    assert checked.tally() == tally


def test_history_that_is_forgotten_between_a_look_and_a_batch_empties_nothing(
    collected: Collected, tmp_path: Path
) -> None:
    checked = checked_projection(collected, tmp_path)
    follow(collected, checked)
    collected.tell("pi-1", "b" * 32, said(MIDNIGHT_MS + 4 * HOUR_MS, "s1", State.FREE))
    collected.follow_history()
    before, end = collected.stored(), collected.journal.end
    batch = collected.reader.read(end - 1, 1)
    collected.forget_history()
    with pytest.raises(UnavailableError, match="history is still being made anew"):
        checked.apply(batch, collected.reader.id)
    assert collected.stored() == before
