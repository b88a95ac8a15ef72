"""Days whose words were let go of: what rests on time alone is answered as before, all else is said not to be kept."""

import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import date, time, timedelta
from itertools import zip_longest
from pathlib import Path
from signal import SIGKILL
from subprocess import run
from threading import Event

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.history.files import HistoryFiles
from api.history.way import History
from collector.followers import followers_of
from perch.adapters.cursor import Cursor
from perch.adapters.history.kept import KeptReader
from perch.adapters.history.store import HistoryReader, HistoryStore
from perch.adapters.journal.store import Entry, Journal, Run, Stream
from perch.contract import AliveEvent, StateEvent
from perch.delivery.watermark import Watermark
from perch.errors import QuestionError
from perch.history.answers import answer, transitions
from perch.history.calendar import HOUR_MS
from perch.history.memory import MemoryHistory
from perch.history.metrics import METRICS
from perch.history.planning.sizing import sizing
from perch.history.question import Answer, Hours, Question, Resolution, Row, Scope
from perch.history.sheets import Spoken
from perch.history.source import Columns, HistorySource, Stretch, Tiers
from perch.history.summed import QuarterSums
from perch.history.tables import session_table, transition_table
from perch.history.told import Stated, Told
from perch.history.uses import spent
from perch.model import DAY_MS, QUARTER_MS, Clock, OpenSpan, Reason, Space, SpaceKind, State
from perch.settings import Retention
from tests.history_cases import AGENTS, EPOCHS, SPACES, Case, cases, marked, site, space, stated
from tests.parts import free_port, until
from tests.placing_cases import BOOTS, journals
from tests.placing_history import project_into
from tests.serving import server_settings
from tests.test_projection_history import everything
from tests.test_sheets import JOURNAL, NOON_MS, ready

FIRST_MS = NOON_MS - DAY_MS // 2
FIRST = FIRST_MS // DAY_MS


@contextmanager
def aged(told: Sequence[Told], words_day: int, sums_day: int = 0) -> Iterator[tuple[KeptReader, HistoryStore]]:
    """Give a file in which words before one day are summed up, and sums before another gone."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "history.db"
        with HistoryStore.open(path) as store, KeptReader(path) as reader:
            store.reset(JOURNAL)
            store.add(told, Cursor(JOURNAL, 1))
            while store.fold():
                pass
            store.let_go(words_day, sums_day)
            yield reader, store


@st.composite
def lively(draw: st.DrawFn) -> Case:
    """A case most of whose agents live through it."""
    case = draw(cases())
    lives = [(agent, epoch) for agent in AGENTS for epoch in EPOCHS if draw(st.integers(0, 3))]
    marks = [marked(case.to_ms + HOUR_MS, agent=agent, epoch=epoch, seq=999) for agent, epoch in lives]
    return replace(case, told=(*case.told, *marks))


def even(case: Case) -> Case:
    """Let a site open at quarter hours, and the same agent serve each space without a gap."""
    rows: dict[str, list[Space]] = {}
    for row in case.site.spaces:
        before = rows.setdefault(row.id, [])
        before.append(replace(row, agent=before[0].agent, valid_from=before[0].valid_until) if before else row)
    hours = tuple(tuple(span for span in map(_even, day) if span is not None) for day in case.site.hours)
    return replace(
        case, site=replace(case.site, spaces=tuple(row for some in rows.values() for row in some), hours=hours)
    )


def _even(span: OpenSpan) -> OpenSpan | None:
    opens, closes = _quarter(span.start), None if span.until is None else _quarter(span.until)
    return None if opens == closes else OpenSpan(opens, closes)


def _quarter(of: time) -> time:
    return of.replace(minute=of.minute // 15 * 15)


WORDS = (
    st.sampled_from([of for of in Resolution if of is not Resolution.HOUR_OF_WEEK]),
    st.sampled_from(Scope),
    st.sampled_from((Hours.OPEN, Hours.ALL, Hours.ALL)),
    st.sampled_from((None, None, None, "z1")),
    st.sampled_from((None, None, None, "room")),
    st.sampled_from((0, 4 * QUARTER_MS)),
)


def question_of(case: Case, words: tuple[object, ...]) -> Question:
    resolution, scope, hours, zone, kind, before_ms = words
    window = case.from_ms - before_ms, case.to_ms  # type: ignore[operator]
    return Question("coverage", *window, resolution, scope, hours, kind, zone)  # type: ignore[arg-type]


def assert_equally_told(case: Case, words: tuple[object, ...], days: int) -> None:
    case = even(case)
    about = ready(case, question_of(case, words))
    with aged(case.told, case.to_ms // DAY_MS + days) as (reader, _):
        for _ in range(2):  # the second time from what was kept
            for column, expected in zip(spent(about, reader), spent(about, MemoryHistory(case.told)), strict=True):
                assert np.array_equal(column, expected)


@settings(max_examples=15, deadline=None)
@given(lively(), st.tuples(*WORDS), st.integers(-1, 2))
def test_quarter_hours_tell_of_time_what_words_told(case: Case, words: tuple[object, ...], days: int) -> None:
    assert_equally_told(case, words, days)


@pytest.mark.long
@settings(max_examples=1_000, deadline=None)
@given(lively(), st.tuples(*WORDS), st.integers(-1, 2))
def test_quarter_hours_tell_of_time_what_words_told_at_length(case: Case, words: tuple[object, ...], days: int) -> None:
    assert_equally_told(case, words, days)


def assert_honest(case: Case, words: tuple[object, ...], days: int, odd_ms: int) -> None:
    question = question_of(case, words)
    about = ready(case, replace(question, from_ms=question.from_ms + odd_ms))
    with aged(case.told, case.to_ms // DAY_MS + days) as (reader, _):
        found, true = spent(about, reader), spent(about, MemoryHistory(case.told))
    assert (found.occupied_ms <= true.occupied_ms).all()
    assert (found.known_ms - found.occupied_ms <= true.known_ms - true.occupied_ms).all()
    assert (found.inventory_ms >= true.inventory_ms).all()
    assert (found.people_ms <= true.people_ms).all()
    assert (found.solo_ms <= true.solo_ms).all()
    assert (found.sparse_ms <= true.sparse_ms).all()


@settings(max_examples=10, deadline=None)
@given(lively(), st.tuples(*WORDS), st.integers(-1, 2), st.sampled_from((0, 1, 1_234_567)))
def test_what_quarter_hours_cannot_tell_counts_as_unobserved(
    case: Case, words: tuple[object, ...], days: int, odd_ms: int
) -> None:
    """Windows and opening hours at odd minutes, agents that come and go: never more than was, so bounds hold."""
    assert_honest(case, words, days, odd_ms)


@pytest.mark.long
@settings(max_examples=1_000, deadline=None)
@given(lively(), st.tuples(*WORDS), st.integers(-1, 2), st.sampled_from((0, 1, 1_234_567)))
def test_what_quarter_hours_cannot_tell_counts_as_unobserved_at_length(
    case: Case, words: tuple[object, ...], days: int, odd_ms: int
) -> None:
    assert_honest(case, words, days, odd_ms)


def a_fortnight() -> Case:
    """Two desks and a room that are used each day at noon, from a Monday on, for two weeks."""
    told: list[Told] = []
    seq = 0
    for day in range(14):
        for name, people in (("s1", None), ("s2", None), ("r1", 2)):
            for nth, state in enumerate((State.OCCUPIED, State.FREE)):
                seq += 1
                ms = NOON_MS + day * DAY_MS + nth * HOUR_MS + 77_777
                told.append(stated(ms, state, space=name, seq=seq, people=people if nth == 0 else None))
    told += [marked(FIRST_MS + quarter * QUARTER_MS, seq=1_000 + quarter) for quarter in range(14 * 96 + 1)]
    place = site(space("s1"), space("s2"), space("r1", kind=SpaceKind.ROOM))
    return Case(place, frozenset(), tuple(told), FIRST_MS, FIRST_MS + 14 * DAY_MS)


@pytest.fixture(scope="module")
def fortnight() -> Iterator[KeptReader]:
    """Two weeks of which a week is summed up, and the first two days are gone."""
    with aged(a_fortnight().told, FIRST + 7, FIRST + 2) as (reader, _):
        yield reader


def asked_of(source: HistorySource, metric: str, resolution: Resolution = Resolution.DAY, days: int = 0) -> Answer:
    case = a_fortnight()
    question = Question(metric, case.from_ms + days * DAY_MS, case.to_ms, resolution, Scope.KIND, Hours.ALL)
    return answer(question, case.site, source, case.calendar, case.to_ms + DAY_MS)


def test_where_words_are_kept_longer_than_quarter_hours_nothing_is_said_of_these() -> None:
    with aged(a_fortnight().told, FIRST + 2, FIRST + 7) as (reader, _):
        said = asked_of(reader, "coverage", Resolution.TOTAL).warnings[0]
        assert said.startswith(f"Quarter hours are kept from {date(1970, 1, 1) + timedelta(days=FIRST + 2)} (UTC)")
        assert asked_of(reader, "coverage", Resolution.TOTAL, days=2).warnings == ()


@pytest.mark.parametrize("metric", [name for name, metric in METRICS.items() if metric.back_ms is not None])
def test_a_number_that_needs_words_is_given_for_days_that_have_them_and_no_other(
    fortnight: KeptReader, metric: str
) -> None:
    found, whole = asked_of(fortnight, metric), asked_of(MemoryHistory(a_fortnight().told), metric)
    kept_ms = FIRST_MS + 7 * DAY_MS + (METRICS[metric].back_ms or 0)
    for row, expected in zip(found.rows, whole.rows, strict=True):
        assert isinstance(row, Row)
        assert isinstance(expected, Row)
        gone = Row(expected.start_ms, expected.end_ms, expected.scope, None, None, None, None)
        assert row == (expected if expected.start_ms >= kept_ms else gone)
    assert "transitions_days" in found.warnings[0]
    assert "2026-09-28" in found.warnings[0]


@pytest.mark.parametrize("metric", [name for name, metric in METRICS.items() if metric.back_ms is None])
def test_a_number_of_times_is_the_same_from_quarter_hours_and_what_is_gone_counts_as_unobserved(
    fortnight: KeptReader, metric: str
) -> None:
    found, whole = asked_of(fortnight, metric), asked_of(MemoryHistory(a_fortnight().told), metric)
    for row, expected in zip(found.rows, whole.rows, strict=True):
        assert isinstance(row, Row)
        if row.start_ms >= FIRST_MS + 2 * DAY_MS:
            assert row == expected
        else:
            assert row.value == (0 if metric == "coverage" else None)
            assert row.coverage == 0
    assert "quarter_hours_days" in found.warnings[0]
    assert (
        asked_of(fortnight, metric, days=2).warnings
        == asked_of(MemoryHistory(a_fortnight().told), metric, days=2).warnings
    )


def test_a_window_of_which_a_part_is_gone_has_no_peak_and_hours_of_the_week_those_of_the_weeks_kept(
    fortnight: KeptReader,
) -> None:
    total = asked_of(fortnight, "peak_concurrent", Resolution.TOTAL)
    assert {row.value for row in total.rows} == {None}
    by_hour = asked_of(fortnight, "peak_concurrent", Resolution.HOUR_OF_WEEK)
    kept = asked_of(MemoryHistory(a_fortnight().told), "peak_concurrent", Resolution.HOUR_OF_WEEK, days=7)
    assert by_hour.rows == kept.rows
    assert "transitions_days" in by_hour.warnings[0]


def test_single_changes_that_are_gone_are_refused_and_not_left_out(fortnight: KeptReader) -> None:
    place, from_ms, now_ms = a_fortnight().site, FIRST_MS + 7 * DAY_MS, FIRST_MS + 9 * DAY_MS
    assert len(transitions(place, "s1", from_ms, from_ms + DAY_MS, fortnight)) == 2
    for asked in (
        lambda: transitions(place, "s1", from_ms - 1, from_ms + DAY_MS, fortnight),
        lambda: transition_table(Question("sessions", from_ms - 1, from_ms), place, fortnight, now_ms),
        lambda: session_table(
            Question("sessions", from_ms, from_ms + QUARTER_MS), place, fortnight, a_fortnight().calendar, now_ms
        ),
        lambda: sizing(place, SpaceKind.DESK, from_ms - 1, from_ms, 0.9, fortnight, a_fortnight().calendar, now_ms),
    ):
        with pytest.raises(QuestionError, match="kept from 2026-09-28"):
            asked()


class Aging(KeptReader):
    """A reader whose first words are asked for just as a week of them is let go of."""

    def __init__(self, store: HistoryStore, path: Path) -> None:
        super().__init__(path)
        self._store = store
        self.refused = 0

    def read(self, site: str, stretches: Sequence[Stretch]) -> list[Columns]:
        self._store.let_go(FIRST + 7, FIRST)
        try:
            return super().read(site, stretches)
        except QuestionError:
            self.refused += 1
            raise


class InAging(HistoryFiles):
    """A store that reads so."""

    def __init__(self, reader: Aging) -> None:
        self._aging = reader

    def source(self) -> HistorySource:
        return self._aging

    def caveats(self, _from_ms: int) -> tuple[str, ...]:
        return ()


def test_days_that_go_while_an_answer_is_worked_out_refuse_nobody(tmp_path: Path) -> None:
    case, path = a_fortnight(), tmp_path / "history.db"
    question = Question("sessions", FIRST_MS + DAY_MS, case.to_ms, Resolution.DAY, hours=Hours.ALL)
    with HistoryStore.open(path) as store:
        store.reset(JOURNAL)
        store.add(case.told, Cursor(JOURNAL, 1))
        with Aging(store, path) as reader:
            history = History.of({"hq": case.site}, InAging(reader))
            found = [history.answer(question, case.site, case.to_ms + DAY_MS) for _ in range(2)]
            assert reader.refused == 1
    assert found[0] == found[1]
    assert "transitions_days" in found[0].warnings[0]


def test_where_all_that_was_ever_told_is_kept_nothing_is_said_of_it() -> None:
    with aged(a_fortnight().told, FIRST - 1) as (reader, _):
        assert reader.tiers("hq") == Tiers()
        assert asked_of(reader, "sessions") == asked_of(MemoryHistory(a_fortnight().told), "sessions")


def test_whether_a_space_was_quiet_is_left_open_where_its_silence_began_before_all_that_is_kept() -> None:
    silent = stated(FIRST_MS + HOUR_MS, State.UNKNOWN, reason=Reason.SENSOR_SILENT)
    marks = [marked(FIRST_MS + quarter * QUARTER_MS, seq=10 + quarter) for quarter in range(20 * 96)]
    place, end_ms = site(space("s1"), space("s2")), FIRST_MS + 20 * DAY_MS
    with aged([silent, *marks], FIRST + 5) as (reader, _):
        question = Question("never_used", end_ms - DAY_MS, end_ms, scope=Scope.SPACE, hours=Hours.ALL)
        found = answer(question, place, reader, Case(place, frozenset(), (), 0, 0).calendar, end_ms)
    assert [(row.value, row.low, row.high) for row in found.rows if isinstance(row, Row)] == [(None, 0, 1), (0, 0, 1)]
    assert any("cannot be told" in warning for warning in found.warnings)


CANARY = "canary-0815"


def test_what_is_let_go_of_leaves_no_trace_in_the_file_nor_in_its_log(tmp_path: Path) -> None:
    """Neither rows nor names of what nobody has spoken of since; pages that became free are overwritten."""
    case, people = a_fortnight(), 0x5AFEC0DE % 2**31
    epoch, seq = "c" * 32, 0x0815_4711
    seen = stated(NOON_MS, State.OCCUPIED, space=CANARY, seq=seq, people=people, epoch=epoch)
    trace = people.to_bytes(4, "little")
    with HistoryStore.open(tmp_path / "history.db") as store:
        store.reset(JOURNAL)
        store.add([seen, *case.told], Cursor(JOURNAL, 1))
        assert any(trace in path.read_bytes() for path in tmp_path.iterdir())
        store.let_go(FIRST + 7, FIRST + 2)
        left = b"".join(path.read_bytes() for path in tmp_path.iterdir())
        assert trace not in left
        assert CANARY.encode() not in left
        assert not (tmp_path / "history.db-wal").stat().st_size


def test_a_space_that_was_forgotten_is_never_taken_for_another(tmp_path: Path) -> None:
    """What stands in sums for a space stands for it alone, also when its own words are long gone."""
    with HistoryStore.open(tmp_path / "history.db") as store, KeptReader(tmp_path / "history.db") as reader:

        def spoken() -> dict[str, int]:
            sheets = reader.sheets("hq")
            assert sheets is not None
            return {space: number for number, (_, space) in sheets.spoken().items()}

        store.reset(JOURNAL)
        store.add(a_fortnight().told, Cursor(JOURNAL, 1))
        store.add([stated(NOON_MS, State.OCCUPIED, space=CANARY, epoch="c" * 32)], Cursor(JOURNAL, 2))
        first = spoken()
        store.let_go(FIRST + 7, FIRST + 2)
        store.add([stated(NOON_MS + 9 * DAY_MS, State.FREE, space="new", epoch="d" * 32)], Cursor(JOURNAL, 3))
        then = spoken()
    assert CANARY not in then
    assert then["new"] not in first.values()


def test_a_reader_puts_off_only_the_emptying_of_the_log(tmp_path: Path) -> None:
    with HistoryStore.open(tmp_path / "history.db") as store, KeptReader(tmp_path / "history.db") as reader:
        store.reset(JOURNAL)
        store.add(a_fortnight().told, Cursor(JOURNAL, 1))
        with reader.moment():
            store.let_go(FIRST + 7, FIRST)
            size = (tmp_path / "history.db-wal").stat().st_size
            assert reader.tiers("hq") == Tiers()
        assert reader.tiers("hq") == Tiers(FIRST_MS + 7 * DAY_MS, FIRST_MS)
        store.fold()
        assert (tmp_path / "history.db-wal").stat().st_size < size / 4


def test_who_is_killed_while_days_are_summed_up_goes_on_with_the_next(tmp_path: Path) -> None:
    case = a_fortnight()
    with HistoryStore.open(tmp_path / "history.db") as store:
        store.reset(JOURNAL)
        store.add(case.told, Cursor(JOURNAL, 1))
    for reached in (3, 1):
        done = run([sys.executable, "-c", KILLED, str(tmp_path), str(FIRST + 7), str(reached)], check=False)
        assert done.returncode == -SIGKILL
    with HistoryStore.open(tmp_path / "history.db") as store, KeptReader(tmp_path / "history.db") as reader:
        assert store.kept_from() == FIRST + 2
        store.let_go(FIRST + 7, FIRST)
        assert asked_of(reader, "time_used_ratio") == asked_of(MemoryHistory(case.told), "time_used_ratio")


KILLED = """
import os, signal, sys
from pathlib import Path
from perch.adapters.history import ageing as history_ageing
from perch.adapters.history.store import HistoryStore
folder, day, reached = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
sum_day, left = history_ageing.sum_day, [reached]
def killed(*args):
    sum_day(*args)
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
history_ageing.sum_day = killed
HistoryStore.open(folder / "history.db").let_go(day, 0)
"""


@st.composite
def long_journals(draw: st.DrawFn) -> tuple[Entry, ...]:
    """Five days of an agent that is well, some of whose words come late, and others whose clocks are not."""
    odd = list(draw(journals(FIRST_MS, FIRST_MS + 80 * HOUR_MS, agents=("pi-2",), most=8)))
    words = []
    for hours in range(0, 120, 5):
        ms, state = FIRST_MS + hours * HOUR_MS + 123_456, (State.OCCUPIED, State.FREE)[hours % 2]
        late_ms = draw(st.sampled_from((0, 0, 0, 30 * HOUR_MS, 60 * HOUR_MS)))
        events = (
            StateEvent(2 * hours + 1, draw(st.sampled_from(SPACES)), state, 0.5, None, Reason.MOTION, ms, ms, Clock.OK),
            AliveEvent(2 * hours + 2, ms + draw(st.sampled_from((0, 4 * HOUR_MS))), ms, Clock.OK),
        )
        words += [(ms + late_ms, event) for event in events]
    words.sort(key=lambda word: word[0])
    steady = [Entry(0, "hq", "pi-1", "9" * 32, received, event, "d" * 16, event.mono_ms) for received, event in words]
    mixed = [entry for pair in zip_longest(steady, odd) for entry in pair if entry is not None]
    return tuple(entry._replace(position=place) for place, entry in enumerate(mixed, 1))


@settings(max_examples=6, deadline=None)
@given(
    entries=long_journals(),
    cuts=st.lists(st.integers(1, 60), max_size=5),
    days=st.sampled_from(((1, 0), (1, 2), (2, 1), (2, 3))),
)
def test_a_rebuild_gives_the_same_however_the_journal_is_cut(
    entries: tuple[Entry, ...], cuts: list[int], days: tuple[int, int]
) -> None:
    """Words that come late, clocks that were wrong: what counts is who came when, by the journal's own order."""
    whole, again = (kept_of(entries, some, days) for some in ([], cuts))
    assert whole == again


@pytest.mark.long
@settings(max_examples=150, deadline=None)
@given(
    entries=long_journals(),
    cuts=st.lists(st.integers(1, 60), max_size=5),
    days=st.sampled_from(((1, 0), (1, 2), (2, 1), (2, 3))),
)
def test_a_rebuild_gives_the_same_however_the_journal_is_cut_at_length(
    entries: tuple[Entry, ...], cuts: list[int], days: tuple[int, int]
) -> None:
    whole, again = (kept_of(entries, some, days) for some in ([], cuts))
    assert whole == again


def kept_of(entries: Sequence[Entry], cuts: Sequence[int], days: tuple[int, int]) -> list[object]:
    """Project a journal in batches, and tell all that is in the file then."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "history.db"
        with HistoryStore.open(path) as store, HistoryReader(path) as reader:
            store.reset(JOURNAL)
            project_into(store, entries, cuts, Retention(*days))
            sheets = reader.sheets("hq")
            known = range(FIRST - 5, FIRST + 9)
            summed = sheets.summed(sheets.days(known.start, known.stop))
            return [reader.tiers("hq"), *everything(reader), *(by_name(of, sheets.spoken()) for of in summed)]


def by_name(of: QuarterSums | None, spoken: Spoken) -> object:
    """Give what is summed up of each series, whatever its number in a file."""
    if of is None:
        return None
    tables = (of.occupied_ms, of.known_ms, of.out_ms, of.counted_ms, of.stated, of.lent, of.before, of.after)
    return {
        spoken[number]: [table[place].tolist() for table in tables] for place, number in enumerate(of.series.tolist())
    }


def test_a_collector_lets_go_as_its_configuration_says(tmp_path: Path) -> None:
    """From a journal of five days to a file, by the followers that a collector runs."""
    case, stream, stop = a_fortnight(), Stream("hq", "pi-1", EPOCHS[0]), Event()
    words = sorted((word for word in case.told if isinstance(word, Stated)), key=lambda word: word.time_ms)
    settings = replace(server_settings(free_port(), tmp_path, case.site), retention=Retention(2, 3))
    with Journal.open(tmp_path / "journal.db") as journal, ExitStack() as files:
        runs = []
        for number, word in enumerate(words, 1):
            said = (word.state, word.probability, word.people, word.reason, word.time_ms, 0, Clock.OK)
            runs.append(Run(stream, BOOTS[0], None, word.received_ms, (StateEvent(number, word.space, *said),)))
        journal.append(runs, {stream: Watermark(len(runs), ())})
        (follower,) = followers_of(settings, files, stop)
        follower.start()
        until(lambda: follower.position == len(words))
        stop.set()
        assert follower.join(10)
        with KeptReader(tmp_path / "history.db") as reader:
            assert reader.tiers("hq") == Tiers(FIRST_MS + 11 * DAY_MS, FIRST_MS + 10 * DAY_MS)
            with pytest.raises(QuestionError):
                reader.read("hq", [Stretch("s1", "pi-1", FIRST_MS + 11 * DAY_MS - 1, FIRST_MS + 11 * DAY_MS)])
