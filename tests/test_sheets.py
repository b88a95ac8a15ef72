"""Days on sheets tell what statements tell: every sum, peak and level, whatever is told late, and however it is cut."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perch.adapters.cursor import Cursor
from perch.adapters.history_store import HistoryReader, HistoryStore
from perch.history.asked import Asked, asked, groups_of, rows_asked
from perch.history.crowd import levels
from perch.history.memory import MemoryHistory
from perch.history.question import Hours, Question, Resolution, Scope
from perch.history.source import HistorySource
from perch.history.told import Told
from perch.history.uses import spent
from perch.model import DAY_MS
from tests.history_cases import Case, cases, marked

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
    place, end_ms = case.site, question.to_ms
    chosen = rows_asked(question, place, end_ms)
    finer = Resolution.HOUR if question.resolution is Resolution.HOUR_OF_WEEK else question.resolution
    steps_ms = case.calendar.steps_ms(finer, question.from_ms, end_ms)
    return asked(question, place, case.calendar, chosen, groups_of(question, place, chosen), steps_ms)


def assert_alike(about: Asked, source: HistorySource, plain: HistorySource) -> None:
    for one, other in zip(spent(about, source), spent(about, plain), strict=True):
        assert np.array_equal(one, other)
    found, expected = levels(about, source), levels(about, plain)
    assert found.spent_ms.tolist() == expected.spent_ms.tolist()
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


def check(case: Case, words: tuple[object, ...], cuts: Sequence[int]) -> None:
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


@settings(max_examples=25, deadline=None)
@given(cases(), st.tuples(*QUESTIONS), st.lists(st.integers(0, 99), max_size=4))
def test_sheets_tell_what_statements_tell(case: Case, words: tuple[object, ...], cuts: list[int]) -> None:
    check(case, words, cuts)


@pytest.mark.long
@settings(max_examples=500, deadline=None)
@given(cases(), st.tuples(*QUESTIONS), st.lists(st.integers(0, 99), max_size=4))
def test_sheets_tell_what_statements_tell_at_length(case: Case, words: tuple[object, ...], cuts: list[int]) -> None:
    check(case, words, cuts)
