"""The way from the journal to a real InfluxDB: what is asked there by InfluxQL is what the agents told."""

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import time
from pathlib import Path

import pytest

from collector.follower import Follower
from collector.history.projection import HistoryProjection
from collector.influx.projection import InfluxProjection
from collector.influx.rows import MEASUREMENTS, Ground, all_lines
from collector.projection import Trailing, advance, resume
from perch.adapters.history.store import HistoryReader, HistoryStore
from perch.adapters.influx.query import Bucket
from perch.adapters.influx.writing import InfluxWriter
from perch.adapters.journal.store import Journal, JournalReader, Run, Stream
from perch.contract import AliveEvent, Event, StateEvent
from perch.delivery.watermark import Watermark
from perch.history.eras import eras
from perch.model import QUARTER_MS, Clock, OpenSpan, Reason, Site, SpaceKind, State
from tests.history_cases import site, space
from tests.line_parser import Value, parse
from tests.parts import Influx, until

MIDNIGHT_MS = 1_790_035_200_000
HOUR_MS = 3_600_000
BOOT = "0123456789abcdef"
Row = tuple[str, frozenset[tuple[str, Value]], int]

DESKS = (
    space("s1", zone="z1"),
    space("s2", zone="z1"),
    space("s3", zone="z2", kind=SpaceKind.ROOM),
    space("s4", zone="z3", agent="pi-2"),
)


class Collected:
    """A journal, the history that follows it, and the projection of both into an InfluxDB."""

    def __init__(self, files: ExitStack, folder: Path, influxdb: Influx, place: Site) -> None:
        self.influxdb = influxdb
        self.place = place
        self.journal = files.enter_context(Journal.open(folder / "journal.db"))
        self._log = files.enter_context(JournalReader(folder / "journal.db"))
        self._store = files.enter_context(HistoryStore.open(folder / "history.db"))
        self.history = files.enter_context(HistoryReader(folder / "history.db"))
        self.reader = files.enter_context(JournalReader(folder / "journal.db"))
        self._data = folder
        self._seqs: dict[tuple[str, str], int] = {}

    def tell(self, agent: str, epoch: str, *events: Callable[[int], Event], received_ms: int = 0) -> None:
        """Store events of an agent under the next sequence numbers of an epoch."""
        first = self._seqs.get((agent, epoch), 0) + 1
        self._seqs[agent, epoch] = first + len(events) - 1
        numbered = tuple(event(first + place) for place, event in enumerate(events))
        stream = Stream("hq", agent, epoch)
        run = Run(stream, BOOT, None, received_ms or last_ms(numbered), numbered)
        self.journal.append([run], {stream: Watermark(run.last, ())})

    def projection(self) -> InfluxProjection:
        """Make a projection, as a collector does at its start."""
        return InfluxProjection(
            [self.place], self.reader, self.history, lambda: InfluxWriter(self.influxdb.settings), self._data
        )

    def follow(self, limit: int = 50) -> None:
        """Bring history and then InfluxDB up to the journal's end, with a new projection."""
        self.follow_history()
        log, into_influx = Trailing(self.reader, self.history.cursor), self.projection()
        position, before = resume(log, into_influx), -1
        while position != before:
            before, position = position, advance(log, into_influx, position, limit)

    def follow_history(self) -> None:
        into_history = HistoryProjection(self._store, self._log)
        position, before = resume(self._log, into_history), -1
        while position != before:
            before, position = position, advance(self._log, into_history, position)

    def forget_history(self) -> None:
        """Begin history anew, as `perch projection rebuild history` does."""
        self._store.reset(self.reader.id)

    def expected(self) -> set[Row]:
        """Work out all rows from the history of now."""
        lines = all_lines(Ground.of(self.place), eras(self.place.id, self.history), self.history)
        parsed = [parse(line) for _, line in lines]
        return {row(one.measurement, one.tags, one.fields, one.ns) for one in parsed}

    def stored(self) -> set[Row]:
        """Read all rows that come from the journal by InfluxQL."""
        rows: set[Row] = set()
        for name, bucket in MEASUREMENTS:
            database = self.influxdb.bucket if bucket is Bucket.SPACES else self.influxdb.zones_bucket
            for found in self.influxdb.query(f"SELECT * FROM {name}", database):  # noqa: S608 (names of our own)
                values = {key: value for key, value in found.items() if key not in ("measurement", "time")}
                rows.add(row(name, values, {}, found["time"]))
        return rows


def row(name: str, tags: dict[str, str], fields: dict[str, Value], ns: int) -> Row:
    return name, frozenset({**tags, **fields}.items()), ns


def last_ms(events: Sequence[Event]) -> int:
    return max(event.wall_ms for event in events if isinstance(event, StateEvent | AliveEvent))


def said(wall_ms: int, name: str, state: State, count: int | None = None) -> Callable[[int], Event]:
    reason = {State.FREE: Reason.QUIET, State.OCCUPIED: Reason.MOTION, State.UNKNOWN: Reason.STARTING}[state]
    return lambda seq: StateEvent(seq, name, state, 0.125, count, reason, wall_ms, 0, Clock.OK)


def mark(wall_ms: int) -> Callable[[int], Event]:
    return lambda seq: AliveEvent(seq, wall_ms, 0, Clock.OK)


def a_day(collected: Collected, dice: random.Random, *, hours: int = 24) -> None:
    """Two agents tell of a day, each in two epochs with half an hour of silence between them."""
    for agent, names in (("pi-1", ("s1", "s2", "s3")), ("pi-2", ("s4",))):
        for epoch, start_ms, end_ms in (
            ("a" * 32, MIDNIGHT_MS, MIDNIGHT_MS + hours * HOUR_MS // 2),
            ("b" * 32, MIDNIGHT_MS + hours * HOUR_MS // 2 + HOUR_MS // 2, MIDNIGHT_MS + hours * HOUR_MS),
        ):
            told = [(start_ms, said(start_ms, name, State.UNKNOWN)) for name in names]
            for _ in range(10 * hours):
                ms, name = dice.randrange(start_ms + 1, end_ms), dice.choice(names)
                state = dice.choice((State.FREE, State.OCCUPIED))
                told.append((ms, said(ms, name, state, dice.randint(0, 4) if name == "s3" else None)))
            told += [(ms, mark(ms)) for ms in range(-(-start_ms // QUARTER_MS) * QUARTER_MS, end_ms + 1, QUARTER_MS)]
            in_order = [event for _, event in sorted(told, key=lambda one: one[0])]
            for place in range(0, len(in_order), 20):
                collected.tell(agent, epoch, *in_order[place : place + 20])


@pytest.fixture
def collected(influxdb: Influx, tmp_path: Path) -> Iterator[Collected]:
    with ExitStack() as files:
        yield Collected(
            files, tmp_path, influxdb, site(*DESKS, zone="Europe/Lisbon", hours=[[OpenSpan(time(8), time(20))]] * 7)
        )


@pytest.fixture
def dice() -> random.Random:
    return random.Random(7)  # noqa: S311 (nothing secret is drawn)


def test_a_followed_day_is_in_influxdb_value_for_value(collected: Collected, dice: random.Random) -> None:
    a_day(collected, dice)
    collected.follow()
    stored = collected.stored()
    assert stored == collected.expected()
    assert {name for name, _, _ in stored} == {"occupancy", "statement", "alive", "zone_15min"}
    assert len(stored) > 1_000


def test_following_in_pieces_and_a_rebuild_over_what_is_there_give_the_same(
    collected: Collected, dice: random.Random, tmp_path: Path
) -> None:
    a_day(collected, dice, hours=6)
    collected.follow(limit=7)
    followed = collected.stored()
    collected.tell("pi-2", "b" * 32, mark(MIDNIGHT_MS + 7 * HOUR_MS))
    collected.follow()
    assert followed != collected.stored() == collected.expected()
    (tmp_path / "influx.cursor").unlink()
    collected.follow()
    assert collected.stored() == collected.expected()


def test_quarter_hours_of_zones_are_the_sums_of_what_was_told(collected: Collected) -> None:
    """Counted by hand: ten minutes taken in one quarter hour, five in the next, out of fifteen known."""
    quarter, minute = MIDNIGHT_MS + 40 * QUARTER_MS, 60_000
    collected.tell("pi-2", "a" * 32, said(quarter, "s4", State.FREE), mark(quarter),
                   said(quarter + 5 * minute, "s4", State.OCCUPIED), mark(quarter + 15 * minute),
                   said(quarter + 20 * minute, "s4", State.FREE), mark(quarter + 30 * minute))  # fmt: skip
    collected.follow()
    told = collected.influxdb.query(
        "SELECT occupied_ms, known_ms, inventory_ms, people_ms, spaces FROM zone_15min WHERE zone = 'z3'",
        collected.influxdb.zones_bucket,
        epoch="ms",
    )
    assert [(quarter["occupied_ms"], quarter["known_ms"], quarter["inventory_ms"]) for quarter in told] == [
        (10 * minute, 15 * minute, 15 * minute),
        (5 * minute, 15 * minute, 15 * minute),
    ]
    assert [row["time"] for row in told] == [quarter, quarter + QUARTER_MS]
    idle = collected.influxdb.query(
        "SELECT sum(known_ms), sum(inventory_ms) FROM zone_15min WHERE zone = 'z1'", collected.influxdb.zones_bucket
    )
    assert (idle[0]["sum"], idle[0]["sum_1"]) == (0, 4 * QUARTER_MS)


def test_a_late_event_corrects_its_span_and_nothing_else(collected: Collected, dice: random.Random) -> None:
    a_day(collected, dice, hours=8)
    collected.follow()
    before = collected.stored()
    late_ms = MIDNIGHT_MS + HOUR_MS + 1
    collected.tell("pi-1", "a" * 32, said(late_ms, "s1", State.UNKNOWN), received_ms=MIDNIGHT_MS + 9 * HOUR_MS)
    collected.follow()
    after = collected.stored()
    assert after == collected.expected()
    assert before - after, "a row that is no longer true is gone"
    changed = {(ns // 10**6 - MIDNIGHT_MS) / HOUR_MS for _, _, ns in before ^ after}
    assert 1 <= min(changed) <= max(changed) < 3


def test_events_of_one_millisecond_keep_rows_of_their_own(collected: Collected) -> None:
    ms = MIDNIGHT_MS + 5
    collected.tell("pi-2", "a" * 32, said(ms, "s4", State.FREE), said(ms, "s4", State.OCCUPIED), mark(ms))
    collected.follow()
    told = collected.influxdb.query("SELECT state FROM occupancy WHERE carried = 0", collected.influxdb.bucket)
    assert [(row["time"] - ms * 10**6, row["state"]) for row in told] == [(1, "free"), (2, "occupied")]


def test_while_influxdb_is_down_the_journal_grows_and_is_caught_up_with(
    start_influxdb: Callable[[], Influx], dice: random.Random, tmp_path: Path
) -> None:
    """The followers of a collector at work: InfluxDB is killed among the events, and comes back later."""
    influxdb = start_influxdb()
    with ExitStack() as files:
        collected = Collected(files, tmp_path, influxdb, site(*DESKS))
        stop = threading.Event()
        into_influx = Follower(
            "influx", Trailing(collected.reader, collected.history.cursor), collected.projection(), stop
        )
        into_influx.start()
        files.callback(into_influx.join, 10)
        files.callback(into_influx.wake)
        files.callback(stop.set)
        a_day(collected, dice, hours=2)
        collected.follow_history()
        into_influx.wake()
        until(lambda: into_influx.position == collected.journal.end)
        influxdb.server.kill()
        a_day_later = MIDNIGHT_MS + 3 * HOUR_MS
        collected.tell("pi-1", "b" * 32, said(a_day_later, "s1", State.OCCUPIED), mark(a_day_later + QUARTER_MS))
        collected.follow_history()
        into_influx.wake()
        until(lambda: into_influx.trouble is not None)
        assert into_influx.position < collected.journal.end
        influxdb.server.start()
        until(lambda: into_influx.position == collected.journal.end and into_influx.trouble is None, timeout_s=30)
        into_influx.check()
        assert collected.stored() == collected.expected()


def test_influxdb_finds_the_state_at_any_moment_by_its_last_row(collected: Collected, dice: random.Random) -> None:
    """What a reader relies on: at each full quarter hour that is known, the last row says what history says."""
    a_day(collected, dice, hours=4)
    collected.follow()
    told = collected.influxdb.query(
        "SELECT state, carried FROM occupancy WHERE space = 's4'", collected.influxdb.bucket
    )
    carried = [row for row in told if row["carried"]]
    assert [row["time"] for row in carried[:8]] == [
        (MIDNIGHT_MS + quarter * QUARTER_MS) * 10**6 + 999_999 for quarter in range(8)
    ]
    for row in carried:
        last = max(
            (one for one in told if one["time"] <= row["time"] and not one["carried"]), key=lambda one: one["time"]
        )
        assert last["state"] == row["state"]
