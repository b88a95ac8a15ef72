"""One suite for all that answers can be made from: memory, the collector's file, and an InfluxDB alone.

Each must give what history in memory gives, value for value: what is known of each moment, transitions, every metric.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.influx.rows import Ground, all_lines
from perch.adapters.cursor import Cursor
from perch.adapters.history.store import HistoryReader, HistoryStore
from perch.adapters.influx.history import InfluxHistory
from perch.adapters.influx.query import Bucket
from perch.adapters.influx.writing import InfluxWriter
from perch.history.answers import answer, transitions
from perch.history.eras import eras
from perch.history.layout import Tenure, by_space, standings, tenures
from perch.history.memory import MemoryHistory
from perch.history.metrics import METRICS
from perch.history.past import pasts
from perch.history.question import Hours, Question, Resolution, Scope
from perch.history.source import BEGINNING_MS, END_MS, HistorySource, Stretch
from perch.history.statements import changes, counted
from perch.history.timeline import hold
from perch.history.told import Lost, LostSpan, Told
from perch.model import DAY_MS, Reason, State
from tests.history_cases import EPOCHS, HOUR_MS, Case, cases, marked, site, space, stated
from tests.parts import Influx

FAR_MS = 2**45
NOON_MS = 1_790_000_000_000 // DAY_MS * DAY_MS + DAY_MS // 2
JOURNAL = "0123456789abcdef"

Opened = Callable[[Case], AbstractContextManager[HistorySource]]


@contextmanager
def in_memory(case: Case) -> Iterator[HistorySource]:
    yield MemoryHistory(case.told)


@contextmanager
def on_disk(case: Case) -> Iterator[HistorySource]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "history.db"
        with HistoryStore.open(path) as store, HistoryReader(path) as reader:
            store.reset(JOURNAL)
            store.add(case.told, Cursor(JOURNAL, 1))
            yield reader


def in_influxdb(influxdb: Influx) -> Opened:
    """Write the rows that the collector's projection makes of a case, and read nothing else."""

    @contextmanager
    def opened(case: Case) -> Iterator[HistorySource]:
        history = MemoryHistory(case.told)
        rows = all_lines(Ground.of(case.site), eras(case.site.id, history), history)
        with InfluxWriter(influxdb.settings) as writer:
            written = writer.write(Bucket.SPACES, [line for bucket, line in rows if bucket is Bucket.SPACES])
        assert not written.refused
        yield InfluxHistory(influxdb.settings)

    return opened


_numbers = count()


def of_its_own(case: Case) -> Case:
    """Let a case be told of a site of its own, so that many may lie in one database."""
    name = f"hq-{next(_numbers)}"
    told: list[Told] = [word._replace(site=name) for word in case.told]
    return replace(case, site=replace(case.site, id=name), told=tuple(told))


Held = list[tuple[object, int, bool]]


def held(source: HistorySource, site_id: str, tenure: Tenure, start: int, end: int) -> Held:
    """Give what is stated in a window and what is in force as it begins: until when it holds, and if it is new."""
    [columns] = source.read(site_id, [Stretch(tenure.space, tenure.agent, start, end)])
    found = hold(counted(columns, tenure), tenure)
    changed = set(changes(found.columns))
    rows = [(found.columns.row(place), until, place in changed) for place, until in enumerate(found.until_ms.tolist())]
    before = [(row, min(until, end), False) for row, until, _ in rows if row.time_ms < start and until > start][-1:]
    return [*before, *((row, min(until, end), new) for row, until, new in rows if start <= row.time_ms < end)]


def assert_equal_windows(case: Case, source: HistorySource) -> None:
    plain = MemoryHistory(case.told)
    middle = (case.from_ms + case.to_ms) // 2
    midnight = middle // DAY_MS * DAY_MS
    served = [tenure for rows in by_space(standings(case.site)).values() for tenure in tenures(rows)]
    for start, end in (
        (BEGINNING_MS, END_MS),
        (case.from_ms, middle),
        (middle, case.to_ms),
        (midnight, midnight + 1),
        (case.to_ms, case.to_ms + 3 * DAY_MS),
    ):
        for tenure in served:
            inner = max(start, tenure.from_ms), min(end, tenure.to_ms)
            if inner[0] < inner[1]:
                expected = held(plain, case.site.id, tenure, *inner)
                assert held(source, case.site.id, tenure, *inner) == expected, (tenure, inner)


def assert_known_alike(case: Case, source: HistorySource) -> None:
    """What is known of each moment of the window is the same; what was before may not be."""
    window = case.from_ms, case.to_ms
    plain = pasts(case.site, None, *window, MemoryHistory(case.told))
    for expected, past in zip(plain, pasts(case.site, None, *window, source), strict=True):
        bounds = np.arange(*window, 60_000)
        for one, other in zip(expected.timeline().spent(bounds), past.timeline().spent(bounds), strict=True):
            assert one.tolist() == other.tolist()


def assert_days_kept_are_known(influxdb: Influx, case: Case) -> None:
    """Take away what is older than the window, as a bucket does."""
    case = of_its_own(case)
    with in_influxdb(influxdb)(case) as source, InfluxWriter(influxdb.settings) as writer:
        for measurement in ("statement", "alive"):
            writer.delete(Bucket.SPACES, measurement, BEGINNING_MS, case.from_ms, {"site": case.site.id})
        assert_known_alike(case, source)


def assert_equal_answers(case: Case, source: HistorySource, metric: str, resolution: Resolution, hours: Hours) -> None:
    plain, scope = MemoryHistory(case.told), Scope.SPACE
    question = Question(metric, case.from_ms, case.to_ms, resolution, scope, hours)
    expected = answer(question, case.site, plain, case.calendar, FAR_MS)
    assert answer(question, case.site, source, case.calendar, FAR_MS) == expected
    for name in {row.id for row in case.site.spaces}:
        window = case.from_ms, case.to_ms
        said = transitions(case.site, name, *window, source)
        assert said == transitions(case.site, name, *window, plain)


class Suite:
    """What every source must do."""

    examples = 12

    def test_each_moment_is_known_as_it_is_in_memory(self, opened: Opened) -> None:
        @settings(max_examples=self.examples)
        @given(case=cases())
        def check(case: Case) -> None:
            case = of_its_own(case)
            with opened(case) as source:
                assert_equal_windows(case, source)

        check()

    def test_every_metric_is_what_it_is_in_memory(self, opened: Opened) -> None:
        metrics = iter([*METRICS] * 1000)

        @settings(max_examples=self.examples)
        @given(cases(), st.sampled_from(Resolution), st.sampled_from(Hours))
        def check(case: Case, resolution: Resolution, hours: Hours) -> None:
            case = of_its_own(case)
            with opened(case) as source:
                assert_equal_answers(case, source, next(metrics), resolution, hours)

        check()

    @pytest.mark.long
    def test_so_they_are_in_many_cases(self, opened: Opened) -> None:
        @settings(max_examples=20 * self.examples, deadline=None)
        @given(cases(), st.sampled_from(sorted(METRICS)), st.sampled_from(Resolution), st.sampled_from(Hours))
        def check(case: Case, metric: str, resolution: Resolution, hours: Hours) -> None:
            case = of_its_own(case)
            with opened(case) as source:
                assert_equal_windows(case, source)
                assert_equal_answers(case, source, metric, resolution, hours)

        check()

    def test_a_site_of_which_nobody_told_is_unknown(self, opened: Opened) -> None:
        case = of_its_own(Case(site(space()), frozenset(), (), NOON_MS, NOON_MS + HOUR_MS))
        with opened(case) as source:
            assert source.horizon(case.site.id) is None
            assert_equal_windows(case, source)

    def test_a_state_of_long_ago_holds_as_long_as_its_agent_lives(self, opened: Opened) -> None:
        """A desk that nobody used for weeks, and one that was out of service all the time, are read by a day's rows."""
        marks = [marked(NOON_MS + quarter * 900_000, seq=10 + quarter) for quarter in range(40 * 96)]
        told: tuple[Told, ...] = (
            stated(NOON_MS, State.FREE, seq=1),
            stated(NOON_MS, State.UNKNOWN, seq=2, space="s2", reason=Reason.STARTING),
            stated(NOON_MS + 60_000, State.UNKNOWN, seq=3, space="s2", reason=Reason.OUT_OF_SERVICE),
            *marks,
        )
        case = of_its_own(Case(site(space(), space("s2")), frozenset(), told, NOON_MS, NOON_MS + 40 * DAY_MS))
        late = replace(case, from_ms=NOON_MS + 30 * DAY_MS, to_ms=NOON_MS + 31 * DAY_MS)
        with opened(case) as source:
            assert_equal_windows(late, source)
            first, second = pasts(case.site, None, late.from_ms, late.to_ms, source)
            [free] = [of for of in first.timeline().intervals() if of.state is State.FREE]
            assert free.from_ms == NOON_MS
            assert second.timeline().out.any()

    def test_what_an_agent_said_after_the_window_vouches_for_time_in_it(self, opened: Opened) -> None:
        """It was silent for a day, and its next start knows from its own marks how long it had lived."""
        told = (
            stated(NOON_MS, State.OCCUPIED, seq=1),
            stated(NOON_MS + 30 * HOUR_MS, State.UNKNOWN, epoch=EPOCHS[1], seq=1, reason=Reason.AGENT_OFFLINE),
            stated(NOON_MS + 40 * HOUR_MS, State.FREE, epoch=EPOCHS[1], seq=2),
        )
        case = of_its_own(Case(site(space()), frozenset(), told, NOON_MS + HOUR_MS, NOON_MS + 3 * HOUR_MS))
        with opened(case) as source:
            assert_equal_windows(case, source)
            [past] = pasts(case.site, None, case.from_ms, case.to_ms, source)
            [known] = [of for of in past.timeline().intervals() if of.state is State.OCCUPIED]
            assert known.to_ms >= case.to_ms

    def test_an_epoch_whose_marks_are_days_apart_has_lived_between(self, opened: Opened) -> None:
        told = (stated(NOON_MS, State.OCCUPIED, seq=1), marked(NOON_MS + 9 * DAY_MS, seq=2))
        case = of_its_own(Case(site(space()), frozenset(), told, NOON_MS + DAY_MS, NOON_MS + 2 * DAY_MS))
        with opened(case) as source:
            assert_equal_windows(case, source)

    def test_a_state_said_again_after_long_silence_is_no_transition(self, opened: Opened) -> None:
        told = (
            stated(NOON_MS, State.FREE, seq=1),
            marked(NOON_MS + HOUR_MS, seq=2),
            stated(NOON_MS + 10 * DAY_MS, State.FREE, epoch=EPOCHS[1], seq=1),
            marked(NOON_MS + 10 * DAY_MS + HOUR_MS, epoch=EPOCHS[1], seq=2),
        )
        case = of_its_own(Case(site(space()), frozenset(), told, NOON_MS + 9 * DAY_MS, NOON_MS + 11 * DAY_MS))
        with opened(case) as source:
            assert_equal_windows(case, source)
            assert not transitions(case.site, "s1", case.from_ms, case.to_ms, source)

    def test_lost_events_are_unknown_time_once(self, opened: Opened) -> None:
        span = LostSpan(EPOCHS[0], 2, 9, NOON_MS + 600_000, NOON_MS + HOUR_MS)
        told = (
            stated(NOON_MS, State.OCCUPIED, seq=1),
            stated(NOON_MS + 700_000, State.FREE, seq=3),
            Lost("hq", "pi-1", NOON_MS + 2 * HOUR_MS, span),
            stated(NOON_MS + 2 * HOUR_MS, State.FREE, seq=10),
            marked(NOON_MS + 5 * HOUR_MS, seq=11),
        )
        case = of_its_own(Case(site(space()), frozenset(), told, NOON_MS, NOON_MS + 5 * HOUR_MS))
        with opened(case) as source:
            assert_equal_windows(case, source)
            assert len(transitions(case.site, "s1", case.from_ms, case.to_ms, source)) == 3


class TestMemory(Suite):
    """History in memory, which is what the others are held against."""

    examples = 3

    @pytest.fixture
    def opened(self) -> Opened:
        return in_memory


class TestFile(Suite):
    """The collector's own projection."""

    @pytest.fixture
    def opened(self) -> Opened:
        return on_disk


class TestInfluxDB(Suite):
    """An InfluxDB, and nothing else."""

    @pytest.fixture
    def opened(self, influxdb: Influx) -> Opened:
        return in_influxdb(influxdb)

    def test_what_a_bucket_let_go_is_not_needed_for_the_days_that_it_keeps(self, influxdb: Influx) -> None:
        """From the first full day on it is known what held as the day began, however long ago that was said."""
        midnight = NOON_MS - DAY_MS // 2 + 20 * DAY_MS
        told: tuple[Told, ...] = (
            stated(NOON_MS, State.FREE, seq=1),
            *(marked(NOON_MS + quarter * 900_000, seq=10 + quarter) for quarter in range(30 * 96)),
            stated(midnight + 30 * HOUR_MS, State.OCCUPIED, space="s2", seq=5_000),
        )
        place = site(space(), space("s2"))
        assert_days_kept_are_known(influxdb, Case(place, frozenset(), told, midnight, midnight + 2 * DAY_MS))

        @settings(max_examples=6)
        @given(case=cases())
        def check(case: Case) -> None:
            assert_days_kept_are_known(influxdb, replace(case, from_ms=case.from_ms // DAY_MS * DAY_MS + DAY_MS))

        check()
