"""Days on sheets tell what statements tell: every sum, peak and level, whatever is told late, and however it is cut."""

import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perch.adapters.cursor import Cursor
from perch.adapters.history.file import PACKED, RAW
from perch.adapters.history.store import HistoryReader, HistoryStore
from perch.history.asked import Asked, asked
from perch.history.crowd import levels
from perch.history.memory import MemoryHistory
from perch.history.question import Hours, Question, Resolution, Scope
from perch.history.sheets import Day, Sheet, Sheets
from perch.history.source import Columns, HistorySource, Stretch, Together
from perch.history.summed import QuarterSums
from perch.history.told import Forgotten, Lost, LostSpan, Marked, Stated, Told
from perch.history.uses import spent
from perch.model import DAY_MS, Reason, State
from tests.history_cases import EPOCHS, HOUR_MS, Case, cases, marked, site, space, stated

JOURNAL = "0123456789abcdef"
NOON_MS = 1_790_000_000_000 // DAY_MS * DAY_MS + DAY_MS // 2
ELSEWHERE = "pi-9"
"""An agent whose marks let days be over, and say nothing of any space."""


@contextmanager
def folded(batches: Sequence[Sequence[Told]]) -> Iterator[tuple[HistoryReader, HistoryStore]]:
    """Give a file whose days are folded after each batch."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "history.db"
        with HistoryStore.open(path) as store, HistoryReader(path) as reader:
            store.reset(JOURNAL)
            for number, batch in enumerate(batches, 1):
                store.add(batch, Cursor(JOURNAL, number))
                while store.fold():
                    pass
            yield reader, store


def ready(case: Case, question: Question) -> Asked:
    return asked(question, case.site, case.calendar, question.to_ms)


def assert_alike(about: Asked, source: HistorySource, plain: HistorySource) -> None:
    for one, other in zip(spent(about, source), spent(about, plain), strict=True):
        assert np.array_equal(one, other)
    found, expected = levels(about, source), levels(about, plain)
    assert found.spent_ms.tolist() == expected.spent_ms.tolist()
    assert found.spent_if_occupied_ms.tolist() == expected.spent_if_occupied_ms.tolist()
    for name in found.crowd._fields:
        assert np.array_equal(getattr(found.crowd, name), getattr(expected.crowd, name), equal_nan=True), name


QUESTIONS = (
    st.sampled_from(Resolution),
    st.sampled_from(Scope),
    st.sampled_from(Hours),
    st.sampled_from((None, None, "z1")),
    st.sampled_from((None, None, "room")),
    st.sampled_from((0, 900_000, 4_321_123)),
    st.sampled_from((0, 4_321_123, -DAY_MS)),
)


def assert_told_alike(case: Case, words: tuple[object, ...], cuts: Sequence[int]) -> None:
    resolution, scope, hours, zone, kind, before, after = words
    window = case.from_ms - before, case.to_ms - after  # type: ignore[operator]
    question = Question("coverage", *window, resolution, scope, hours, kind, zone)  # type: ignore[arg-type]
    told = (*(marked(case.to_ms + days * DAY_MS, agent=ELSEWHERE, seq=days) for days in (-3, 2)), *case.told)
    bounds = [0, 2, *sorted(2 + cut % (len(case.told) + 1) for cut in cuts), len(told)]
    batches = [told[start:end] for start, end in pairwise(bounds)]
    with folded(batches) as (reader, _):
        about = ready(case, question)
        for _ in range(2):  # the second time from what was kept
            assert_alike(about, reader, MemoryHistory(told))


@settings(max_examples=15, deadline=None)
@given(cases(), st.tuples(*QUESTIONS), st.lists(st.integers(0, 99), max_size=4))
def test_sheets_tell_what_statements_tell(case: Case, words: tuple[object, ...], cuts: list[int]) -> None:
    assert_told_alike(case, words, cuts)


@pytest.mark.long
@settings(max_examples=500, deadline=None)
@given(cases(), st.tuples(*QUESTIONS), st.lists(st.integers(0, 99), max_size=4))
def test_sheets_tell_what_statements_tell_at_length(case: Case, words: tuple[object, ...], cuts: list[int]) -> None:
    assert_told_alike(case, words, cuts)


def days_of(reader: HistoryReader, case: Case) -> dict[int, object]:
    """Give the stamp of each day of a case of which a sheet is stored."""
    sheets = reader.sheets(case.site.id)
    days = sheets.days(case.from_ms // DAY_MS, case.to_ms // DAY_MS)
    return {day.day: day.stamp for day in days if isinstance(day.stamp, int)}


def a_week() -> Case:
    """Two desks that are taken at noon and left an hour later, on each of seven days."""
    told: list[Told] = []
    for day in range(7):
        for number, name in enumerate(("s1", "s2")):
            for nth, state in enumerate((State.OCCUPIED, State.FREE)):
                ms, seq = NOON_MS + day * DAY_MS + nth * HOUR_MS, 10 * day + 2 * number + nth + 1
                told.append(stated(ms, state, space=name, seq=seq))
    told += [marked(NOON_MS + quarter * 900_000, seq=1_000 + quarter) for quarter in range(8 * 96)]
    from_ms = NOON_MS - DAY_MS // 2
    return Case(site(space("s1"), space("s2")), frozenset(), tuple(told), from_ms, from_ms + 7 * DAY_MS)


LATE: dict[str, tuple[Told, set[int]]] = {
    "a statement": (stated(NOON_MS + 2 * DAY_MS + 3 * HOUR_MS, State.OCCUPIED, seq=500), {2, 3}),
    "a mark of another epoch": (marked(NOON_MS + 4 * DAY_MS, epoch=EPOCHS[1]), set()),
    "lost events": (
        Lost(
            "hq",
            "pi-1",
            NOON_MS + 9 * DAY_MS,
            LostSpan(EPOCHS[0], 600, 601, NOON_MS + 3 * DAY_MS, NOON_MS + 3 * DAY_MS + HOUR_MS // 2),
        ),
        {3},
    ),
}


@pytest.mark.parametrize("what", LATE)
def test_what_is_told_late_voids_the_days_of_which_it_tells(what: str) -> None:
    case = a_week()
    late, concerned = LATE[what]
    first = case.from_ms // DAY_MS
    with folded([case.told]) as (reader, store):
        before = days_of(reader, case)
        assert before.keys() == set(range(first, first + 7))
        store.add([late], Cursor(JOURNAL, 9))
        after = days_of(reader, case)
        assert {first + day for day in concerned} <= before.keys() - after.keys()
        assert len(after) >= 4
        about = ready(case, Question("coverage", case.from_ms, case.to_ms, Resolution.HOUR, hours=Hours.ALL))
        assert_alike(about, reader, MemoryHistory((*case.told, late)))
        while store.fold():
            pass
        again = days_of(reader, case)
        assert again.keys() == before.keys()
        assert all(again[day] == before[day] for day in after)
        assert_alike(about, reader, MemoryHistory((*case.told, late)))


def test_what_comes_back_vouches_for_days_that_are_on_sheets() -> None:
    """An agent that was silent for three days says that it lived meanwhile: by a mark, or when it starts again."""
    silent = (stated(NOON_MS, State.OCCUPIED, seq=1), stated(NOON_MS, State.FREE, space="s2", seq=2))
    others = [marked(NOON_MS + quarter * 900_000, agent=ELSEWHERE, seq=quarter + 1) for quarter in range(5 * 96)]
    case = replace(a_week(), told=(*silent, *others))
    late_ms = NOON_MS + 5 * DAY_MS  # after all days that are on sheets
    for back in (
        marked(late_ms, seq=9),
        stated(late_ms, State.UNKNOWN, seq=1, epoch=EPOCHS[1], reason=Reason.AGENT_OFFLINE),
    ):
        with folded([case.told]) as (reader, store):
            about = ready(case, Question("coverage", case.from_ms, case.to_ms, Resolution.DAY, hours=Hours.ALL))
            assert_alike(about, reader, MemoryHistory(case.told))
            store.add([back], Cursor(JOURNAL, 9))
            assert_alike(about, reader, MemoryHistory((*case.told, back)))


def test_a_desk_that_goes_to_another_agent_is_what_its_own_agent_says() -> None:
    """What the new one said before, and the old one says later, is on the sheets, and tells nothing here."""
    from_ms = NOON_MS - DAY_MS // 2
    moves = datetime.fromtimestamp(from_ms / 1000, UTC).date() + timedelta(days=3)
    moves_ms = from_ms + 3 * DAY_MS
    rows = (
        space("s1", valid_until=moves),
        space("s1", agent="pi-2", valid_from=moves),
        space("s2"),
    )
    told: tuple[Told, ...] = (
        stated(NOON_MS, State.OCCUPIED, seq=1),
        marked(moves_ms - 30 * HOUR_MS, seq=2),
        stated(moves_ms + HOUR_MS, State.UNKNOWN, seq=1, epoch=EPOCHS[1], reason=Reason.AGENT_OFFLINE),
        stated(NOON_MS, State.OCCUPIED, agent="pi-2", seq=1),
        marked(moves_ms + 30 * HOUR_MS, agent="pi-2", seq=2),
        stated(moves_ms + 40 * HOUR_MS, State.FREE, agent="pi-2", seq=3),
        marked(NOON_MS + 9 * DAY_MS, agent=ELSEWHERE),
    )
    case = Case(site(*rows), frozenset(), told, from_ms, from_ms + 7 * DAY_MS)
    with folded([told]) as (reader, _):
        about = ready(case, Question("coverage", case.from_ms, case.to_ms, Resolution.HOUR, hours=Hours.ALL))
        assert_alike(about, reader, MemoryHistory(told))
        assert 0 < spent(about, reader).known_ms.sum() < 4 * DAY_MS


def test_what_is_placed_anew_leaves_no_sheet_behind() -> None:
    case = a_week()
    moved = tuple(
        word._replace(time_ms=word.time_ms + 5 * HOUR_MS) for word in case.told if isinstance(word, Stated | Marked)
    )
    with folded([case.told]) as (reader, store):
        about = ready(case, Question("coverage", case.from_ms, case.to_ms, Resolution.HOUR, hours=Hours.ALL))
        store.add(moved, Cursor(JOURNAL, 9), forgotten=[Forgotten("hq", "pi-1", frozenset({EPOCHS[0]}))])
        assert not days_of(reader, case)
        assert_alike(about, reader, MemoryHistory(moved))


def test_a_year_that_was_asked_for_is_not_read_again() -> None:
    case = a_week()
    with folded([case.told]) as (reader, _):
        about = ready(case, Question("coverage", case.from_ms, case.to_ms, Resolution.HOUR))
        first = levels(about, reader)
        sheets = reader.sheets("hq")
        assert "0 bytes" not in repr(sheets.kept)
        assert levels(about, Unreadable(reader)).spent_ms.tolist() == first.spent_ms.tolist()


class Unreadable:
    """A source whose sheets and words cannot be read, only what was worked out of them before."""

    def __init__(self, reader: HistoryReader) -> None:
        self._reader = reader
        self.horizon, self.tiers = reader.horizon, reader.tiers

    def read(self, _: str, __: Sequence[Stretch]) -> list[Columns]:
        raise AssertionError("words were read")

    def read_together(self, _: str, __: Sequence[Stretch]) -> Together:
        raise AssertionError("words were read")

    def sheets(self, site: str) -> Sheets:
        return UnreadableSheets(self._reader.sheets(site))


class UnreadableSheets:
    """Sheets that cannot be read."""

    def __init__(self, sheets: Sheets) -> None:
        self.kept, self.days, self.spoken = sheets.kept, sheets.days, sheets.spoken

    def read(self, _: Sequence[Day]) -> Iterator[Sheet | None]:
        raise AssertionError("a sheet was read")

    def summed(self, _: Sequence[Day]) -> Iterator[QuarterSums | None]:
        raise AssertionError("quarter hours were read")


def test_history_that_is_told_at_once_lies_as_packed_as_history_told_bit_by_bit(tmp_path: Path) -> None:
    """A rebuild brings several weeks of a space in one batch; each week is packed once the next one has begun."""
    words = [stated(NOON_MS + 8 * number * HOUR_MS, State.FREE, seq=number + 1) for number in range(60)]
    chunks = []
    for name, batches in (("at once", [words]), ("bit by bit", [[word] for word in words])):
        with HistoryStore.open(tmp_path / name) as store:
            store.reset(JOURNAL)
            for number, batch in enumerate(batches, 1):
                store.add(batch, Cursor(JOURNAL, number))
        with closing(sqlite3.connect(tmp_path / name)) as db:
            chunks.append(db.execute("SELECT key, rows FROM chunk ORDER BY key").fetchall())
    assert chunks[0] == chunks[1]
    assert [rows[:1] for _, rows in chunks[0]] == [PACKED] * (len(chunks[0]) - 1) + [RAW]
