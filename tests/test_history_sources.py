"""One suite for every source of history: in memory, and in the collector's file, read while it is written."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perch.adapters.cursor import Cursor
from perch.adapters.history.file import WEEK_MS
from perch.adapters.history.store import HistoryReader, HistoryStore
from perch.history.layout import Tenure, by_space, standings, tenures
from perch.history.memory import MemoryHistory
from perch.history.source import Columns, EpochSpan, Horizon, Mark, StateRow, Stretch, Together, Vouch, WordSource
from perch.history.statements import changes, counted
from perch.history.timeline import hold
from perch.history.told import Lost, LostSpan, Told, Unplaced
from perch.model import Dating, Reason, State
from tests.examples import one_in
from tests.history_cases import AGENTS, EPOCHS, SPACES, Case, cases, marked, stated

T = 1_790_000_000_000
JOURNAL = "0123456789abcdef"

Opened = Callable[[Sequence[Sequence[Told]]], "contextmanager[WordSource]"]


@contextmanager
def in_memory(batches: Sequence[Sequence[Told]]) -> Iterator[WordSource]:
    """Give a source in memory."""
    source = MemoryHistory()
    for batch in batches:
        source.add(batch)
    yield source


@contextmanager
def on_disk(batches: Sequence[Sequence[Told]]) -> Iterator[WordSource]:
    """Give a reader that was open before the first batch was written."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "history.db"
        with HistoryStore.open(path) as store, HistoryReader(path) as reader:
            store.reset(JOURNAL)
            for number, batch in enumerate(batches, 1):
                store.add(batch, Cursor(JOURNAL, number))
                assert reader.cursor() == Cursor(JOURNAL, number)
            yield reader


SOURCES = pytest.mark.parametrize("opened", [in_memory, on_disk])


def said(source: WordSource, stretch: Stretch) -> list[StateRow]:
    """Give the rows of one stretch as values."""
    (columns,) = source.read("hq", [stretch])
    return [columns.row(place) for place in range(len(columns))]


@SOURCES
def test_what_was_never_told_is_absent(opened: Opened) -> None:
    with opened([]) as source:
        assert said(source, Stretch("s1", "pi-1", 0, T)) == []
        assert source.horizon("hq") is None
        assert source.marks("hq", "pi-1", 0, T) == []
        assert source.mark_before("hq", "pi-1", EPOCHS[0], T) is None
        assert source.epochs("hq") == []
        assert source.spaces("hq", "pi-1") == []
    with opened([[stated(T, State.FREE)]]) as source:
        assert said(source, Stretch("s1", "pi-2", 0, 2 * T)) == []
        assert said(source, Stretch("s2", "pi-1", 0, 2 * T)) == []
        assert source.read("elsewhere", [Stretch("s1", "pi-1", 0, 2 * T)])[0].vouches == ()


@SOURCES
def test_a_row_comes_back_as_it_was_told(opened: Opened) -> None:
    told = stated(T, State.OCCUPIED, epoch=EPOCHS[1], seq=2**53, people=100_000, probability=0.123, reason=Reason.COUNT)
    with opened([[told, stated(-(2**53), State.FREE), stated(2**53, State.FREE, seq=3)]]) as source:
        assert said(source, Stretch("s1", "pi-1", T, T + 1))[1] == StateRow(
            T, 2**53, EPOCHS[1], State.OCCUPIED, 0.123, 100_000, Reason.COUNT, Dating.OK
        )
        assert [row.time_ms for row in said(source, Stretch("s1", "pi-1", T, T + 1))] == [-(2**53), T, 2**53]


@SOURCES
def test_a_stretch_comes_with_the_rows_around_it(opened: Opened) -> None:
    """All rows of the last millisecond before it and of the first after it, however far away."""
    far = 30 * WEEK_MS
    told = [
        stated(T - far, State.FREE, seq=1),
        stated(T - far, State.OCCUPIED, seq=2),
        stated(T - far - 1, State.FREE, seq=3),
    ]
    told += [stated(T, State.FREE, seq=4), stated(T + far, State.FREE, seq=5), stated(T + far, State.OCCUPIED, seq=6)]
    told += [stated(T + far + 1, State.FREE, seq=7)]
    with opened([told]) as source:
        assert [row.seq for row in said(source, Stretch("s1", "pi-1", T - 9, T + 9))] == [1, 2, 4, 5, 6]
        assert [row.seq for row in said(source, Stretch("s1", "pi-1", T, T))] == [1, 2, 4]
        assert [row.seq for row in said(source, Stretch("s1", "pi-1", T + 1, T + far))] == [4, 5, 6]
        assert [row.seq for row in said(source, Stretch("s1", "pi-1", -(2**60), 2**60))] == [3, 1, 2, 4, 5, 6, 7]


@SOURCES
def test_epochs_are_vouched_for_by_whatever_they_told(opened: Opened) -> None:
    gap = Lost("hq", "pi-1", T + 9, LostSpan(EPOCHS[1], 1, 5, T + 3, T + 8))
    told = [stated(T, State.FREE, space="s1"), stated(T + 5, State.FREE, space="s2", seq=2), gap]
    told += [marked(T + 4, seq=3), marked(T + 1, epoch=EPOCHS[2], agent="pi-2")]
    with opened([told]) as source:
        assert set(source.read("hq", [Stretch("s1", "pi-1", T, T + 1)])[0].vouches) == {
            Vouch(EPOCHS[0], T + 5),
            Vouch(EPOCHS[1], T + 8),
        }
        assert set(source.read("hq", [Stretch("s9", "pi-1", T, T + 1)])[0].vouches) == {Vouch(EPOCHS[1], T + 8)}
        assert source.epochs("hq") == [
            EpochSpan("pi-1", EPOCHS[0], T, T + 5),
            EpochSpan("pi-1", EPOCHS[1], T + 8, T + 8),
            EpochSpan("pi-2", EPOCHS[2], T + 1, T + 1),
        ]
        assert source.marks("hq", "pi-1", T, T + 9) == [
            Mark(T + 4, EPOCHS[0]), Mark(T + 5, EPOCHS[0]), Mark(T + 8, EPOCHS[1])
        ]  # fmt: skip
        assert source.mark_before("hq", "pi-1", EPOCHS[0], T + 9) == T + 5
        assert source.mark_before("hq", "pi-1", EPOCHS[0], T + 5) == T + 4
        assert source.mark_before("hq", "pi-1", EPOCHS[0], T + 4) == T
        assert source.mark_before("hq", "pi-1", EPOCHS[0], T) is None
        assert source.read("hq", [Stretch("s2", "pi-1", 0, 1)])[0].lost == (gap.span,)
        assert source.read("hq", [Stretch("s2", "pi-2", 0, 1)])[0].lost == ()
        assert source.spaces("hq", "pi-1") == ["s1", "s2"]


@SOURCES
def test_a_mark_is_found_however_many_weeks_ago_it_was(opened: Opened) -> None:
    told = [
        stated(T - 50 * WEEK_MS, State.FREE),
        marked(T - 20 * WEEK_MS, seq=2),
        marked(T, epoch=EPOCHS[1]),
        marked(T, seq=3),
    ]
    with opened([told]) as source:
        assert source.mark_before("hq", "pi-1", EPOCHS[0], T) == T - 20 * WEEK_MS
        assert source.mark_before("hq", "pi-1", EPOCHS[0], T - 20 * WEEK_MS) == T - 50 * WEEK_MS


@SOURCES
def test_the_horizon_spans_what_was_heard(opened: Opened) -> None:
    told = [stated(T + 7, State.FREE, received_ms=T + 5), marked(T + 3, agent="pi-2"), stated(1000, State.FREE, seq=2)]
    with opened([told]) as source:
        assert source.horizon("hq") == Horizon(T + 3, T + 5)


def everything(source: WordSource, case: Case) -> list[object]:
    """Ask all there is to ask, in plain values."""
    middle = (case.from_ms + case.to_ms) // 2
    edges = sorted({-(2**60), case.from_ms, middle, middle + 1, case.to_ms, 2**60})
    stretches = [
        Stretch(space, agent, start, end)
        for space in SPACES
        for agent in AGENTS
        for start in edges
        for end in edges
        if start <= end
    ]
    apart = source.read("hq", stretches)
    assert _each(source.read_together("hq", stretches)) == [_rows(columns) for columns in apart]
    asked: list[object] = [
        [_plain(columns) for columns in apart],
        source.horizon("hq"),
        source.epochs("hq"),
    ]
    for agent in AGENTS:
        asked += [source.spaces("hq", agent), source.marks("hq", agent, edges[1], middle)]
        asked += [source.mark_before("hq", agent, epoch, ms) for epoch in EPOCHS for ms in edges]
    return asked


def _plain(columns: Columns) -> tuple[object, ...]:
    """Give columns as values; ties between epochs, which may come in any order, by epoch."""
    rows = [columns.row(place) for place in range(len(columns))]
    assert [(row.time_ms, row.seq) for row in rows] == sorted((row.time_ms, row.seq) for row in rows)
    return columns.lost, sorted(columns.vouches), sorted(rows, key=lambda row: (row.time_ms, row.seq, row.epoch))


def _rows(columns: Columns) -> tuple[bool, list[tuple[StateRow, int]]]:
    """Give rows and until when their epochs are known to have lived; those among lost spans are read one by one."""
    if columns.lost:
        return True, []
    rows = [(columns.row(place), columns.vouches[columns.epoch[place]].until_ms) for place in range(len(columns))]
    return False, sorted(rows, key=lambda one: (one[0].time_ms, one[0].seq, one[0].epoch))


def _each(together: Together) -> list[tuple[bool, list[tuple[StateRow, int]]]]:
    """Take apart what was read in one piece."""
    assert not together.rows.lost
    each = []
    for place in range(len(together.counts)):
        _, rows = _rows(together.rows.take(together.place == place))
        each.append((place in together.lost, rows))
    return each


@SOURCES
@one_in(3)
@given(case=cases())
def test_an_answer_decides_all_that_counts_in_its_stretch(opened: Opened, case: Case) -> None:
    """Whatever was lost around it: what holds in a window is the same as if all of history had been read."""
    middle = (case.from_ms + case.to_ms) // 2
    times = sorted({one.span.from_ms if isinstance(one, Lost) else one.time_ms for one in case.told if _has_time(one)})
    edges = sorted({case.from_ms, middle, case.to_ms, *times[:6], *(ms + 1 for ms in times[:6])})
    with opened([case.told]) as source:
        for space in SPACES:
            for tenure in tenures(by_space(standings(case.site)).get(space, ())):
                everywhere = Stretch(space, tenure.agent, tenure.from_ms, tenure.to_ms)
                windows = [
                    (start, end) for start, end in pairwise(edges) if tenure.from_ms <= start and end <= tenure.to_ms
                ]
                whole = _held(source, everywhere, tenure)
                for start, end in windows:
                    assert _within(
                        _held(source, Stretch(space, tenure.agent, start, end), tenure), start, end
                    ) == _within(whole, start, end)


def _has_time(one: Told) -> bool:
    return not isinstance(one, Unplaced)


def _held(source: WordSource, stretch: Stretch, tenure: Tenure) -> list[tuple[StateRow, int, bool]]:
    """Give what counts, until when it holds, and whether it is a transition."""
    (columns,) = source.read("hq", [stretch])
    held = hold(counted(columns, tenure), tenure)
    changed = set(changes(held.columns))
    return [(held.columns.row(place), until, place in changed) for place, until in enumerate(held.until_ms.tolist())]


def _within(held: list[tuple[StateRow, int, bool]], start: int, end: int) -> list[tuple[StateRow, int, bool]]:
    """Give what is stated in a window, and what is in force as it begins; what holds beyond it, to its end."""
    before = [(row, min(until, end), False) for row, until, _ in held if row.time_ms < start and until > start][-1:]
    return before + [(row, min(until, end), is_new) for row, until, is_new in held if start <= row.time_ms < end]


IN_ANY_ORDER = given(case=cases(), random=st.randoms(use_true_random=False), size=st.integers(1, 9))


@one_in(3)
@IN_ANY_ORDER
def test_equal_events_are_equal_history_in_any_order_and_in_any_batches(case: Case, random: Random, size: int) -> None:
    """The file agrees with memory on every question, whatever came first, and also where an event came twice."""
    assert_equal_history(case, random, size)


@pytest.mark.long
@settings(max_examples=500, deadline=None)
@IN_ANY_ORDER
def test_so_they_are_in_many_orders(case: Case, random: Random, size: int) -> None:
    assert_equal_history(case, random, size)


def assert_equal_history(case: Case, random: Random, size: int) -> None:
    shuffled = [*case.told, *case.told[:3]]
    random.shuffle(shuffled)
    batches = [shuffled[start : start + size] for start in range(0, len(shuffled), size)]
    with in_memory([case.told]) as plain, on_disk(batches) as kept:
        assert everything(kept, case) == everything(plain, case)
