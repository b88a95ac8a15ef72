"""What is erased of a space is gone wherever it lay, comes back from nowhere, and is admitted not to be known."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perch.adapters.journal.codec import ErasedEvent, ErasureEvent
from perch.adapters.journal.store import Run, Stream
from perch.contract import AliveEvent, ClockEvent, StateEvent
from perch.delivery.watermark import Watermark
from perch.history.answers import answer
from perch.history.calendar import Calendar
from perch.history.folding import for_ever
from perch.history.memory import MemoryHistory
from perch.history.question import Hours, Question, Resolution, Scope
from perch.history.source import HistorySource, Stretch
from perch.history.statements import counted
from perch.history.timeline import Interval, hold, timeline
from perch.history.told import Marked, Stated
from perch.model import DAY_MS, QUARTER_MS, Clock, State
from perch.settings import Retention
from tests.forgetful import FIRST_MS, Files, days, files, state
from tests.history_cases import AGENTS, EPOCHS, SPACES, Case, cases, marked, site, space
from tests.influx_following import event

STREAM = Stream("hq", "pi-1", EPOCHS[0])
HOUR_MS = 4 * QUARTER_MS
FROM_MS, TO_MS = FIRST_MS + DAY_MS + 10 * HOUR_MS, FIRST_MS + 2 * DAY_MS + 10 * HOUR_MS
COUNT = 99_991
"""How many people the canary tells of: a number that is nowhere else."""

CANARIES = (b"\xce\x00\x01\x86\x97", b"\x97\x86\x01\x00")
"""As the journal writes it, and as history does."""

KEEPS = Retention(0, 0, journal_days=0)


def held(source: HistorySource, agent: str, space: str) -> list[Interval]:
    [columns] = source.read("hq", [Stretch(space, agent, -(2**59), 2**59)])
    of = for_ever(agent, space)
    return timeline([hold(counted(columns, of), of)]).intervals()


def at(intervals: Sequence[Interval], ms: int) -> tuple[State, int | None]:
    return next((one.state, one.count) for one in intervals if one.from_ms <= ms < one.to_ms)


def with_a_canary(folder: Files) -> None:
    """Four days of two desks; on the third morning the first is taken by very many."""
    days(folder.journal, 0, 2)
    seq = folder.journal.watermark(STREAM).highest + 1
    canary = replace_count(state(seq, "s1", State.OCCUPIED, FIRST_MS + 2 * DAY_MS + HOUR_MS))
    folder.tell(STREAM, [canary], canary.wall_ms, canary.mono_ms)
    days(folder.journal, 2, 4)
    folder.follow()


def replace_count(of: StateEvent) -> StateEvent:
    return StateEvent(of.seq, of.space, of.state, of.probability, COUNT, of.reason, of.wall_ms, of.mono_ms, of.clock)


def test_it_is_in_no_byte_and_unknown_until_something_else_is_said(tmp_path: Path) -> None:
    with files(tmp_path, KEEPS) as folder:
        with_a_canary(folder)
        whole = folder.log.read(0, 10**6)
        before = held(folder.history, "pi-1", "s1"), held(folder.history, "pi-1", "s2")
        assert any(canary in folder.bytes() for canary in CANARIES)
        folder.erase("s1", FROM_MS, TO_MS)
        folder.follow()
        folder.forget()
        assert [canary in folder.bytes() for canary in CANARIES] == [False, False]

        after = held(folder.history, "pi-1", "s1")
        assert held(folder.history, "pi-1", "s2") == before[1]
        assert at(after, FROM_MS - 1) == at(before[0], FROM_MS - 1) == (State.OCCUPIED, None)
        next_ms = FIRST_MS + 2 * DAY_MS + 17 * HOUR_MS + 777
        gone = [one for one in after if one.from_ms < next_ms and one.to_ms > FROM_MS]
        assert gone == [Interval(FROM_MS, next_ms, State.UNKNOWN, None)]
        assert [one for one in after if one.from_ms >= next_ms] == [one for one in before[0] if one.from_ms >= next_ms]

        *left, erasure = folder.log.read(0, 10**6)
        assert [entry.position for entry in left] == [entry.position for entry in whole]
        for entry, was in zip(left, whole, strict=True):
            falls = isinstance(was.event, StateEvent) and was.event.space == "s1"
            falls = falls and FROM_MS <= was.event.wall_ms < TO_MS
            assert entry == (was._replace(event=ErasedEvent(was.event.seq)) if falls else was)
        assert isinstance(erasure.event, ErasureEvent)
        [(position, written)] = folder.log.erasures()
        assert (position, written.period) == (erasure.position, ("hq", "s1", FROM_MS, TO_MS))
        folder.rebuild()
        assert held(folder.history, "pi-1", "s1") == after
        assert held(folder.history, "pi-1", "s2") == before[1]


def test_what_an_agent_kept_back_is_stored_without_its_content_and_once(tmp_path: Path) -> None:
    with files(tmp_path, KEEPS) as folder:
        days(folder.journal, 0, 4)
        folder.erase("s1", FROM_MS, TO_MS)
        folder.erase("s1", FROM_MS, TO_MS)
        folder.follow()
        folder.forget()
        before, end = held(folder.history, "pi-1", "s1"), folder.log.end()
        late = Stream("hq", "pi-1", EPOCHS[1])
        told = [replace_count(state(seq, "s1", State.OCCUPIED, FROM_MS + seq)) for seq in (1, 2)]
        folder.tell(late, told, FIRST_MS + 5 * DAY_MS)
        folder.tell(late, told, FIRST_MS + 5 * DAY_MS)
        assert folder.log.end() == end + 2
        assert folder.journal.stored(late, 1) == ErasedEvent(1)
        unset = replace_clock(replace_count(state(3, "s1", State.OCCUPIED, 5_000, 0)))
        folder.tell(late, [unset], FROM_MS + 2_000, 1_000)
        assert folder.journal.stored(late, 3) == ErasedEvent(3), "its time is known by when it was sent"
        folder.follow()
        folder.journal.scrub()
        assert held(folder.history, "pi-1", "s1") == before
        assert [canary in folder.bytes() for canary in CANARIES] == [False, False]
        others = [state(4, "s2", State.OCCUPIED, FROM_MS), state(5, "s1", State.FREE, TO_MS)]
        folder.tell(late, others, FIRST_MS + 5 * DAY_MS)
        assert [folder.journal.stored(late, seq) for seq in (4, 5)] == others


def test_what_turns_out_later_to_be_of_the_period_is_not_shown(tmp_path: Path) -> None:
    """An event of a boot whose clock was set long after, which nobody could date when it came."""
    with files(tmp_path, KEEPS) as folder:
        days(folder.journal, 0, 4)
        folder.erase("s1", FROM_MS, TO_MS)
        folder.follow()
        before = held(folder.history, "pi-1", "s1")
        late, received_ms = Stream("hq", "pi-1", EPOCHS[1]), TO_MS + 30 * DAY_MS
        unset = [replace_clock(state(seq, space, State.FREE, 5_000, 5_000)) for seq, space in ((1, "s1"), (2, "s2"))]
        clock, mark = ClockEvent(3, "e" * 16, FROM_MS), AliveEvent(4, 0, 10_000, Clock.UNSYNCED)
        for one in (*unset, clock, mark):
            run = Run(late, "e" * 16, None, received_ms, (one,))
            folder.journal.append([run], {late: Watermark(one.seq)})
            folder.follow()
        assert held(folder.history, "pi-1", "s1") == before
        [rows] = folder.history.read("hq", [Stretch("s1", "pi-1", FROM_MS, TO_MS)])
        assert not any(FROM_MS <= ms < TO_MS for ms in rows.time_ms.tolist()), "nor is it in the file"
        assert at(held(folder.history, "pi-1", "s2"), FROM_MS + 5_000) == (State.FREE, None), "that of another is"


def replace_clock(of: StateEvent) -> StateEvent:
    return StateEvent(
        of.seq, of.space, of.state, of.probability, of.count, of.reason, of.wall_ms, of.mono_ms, Clock.UNSYNCED
    )


def test_an_answer_about_the_period_says_that_it_was_not_observed(tmp_path: Path) -> None:
    """Each desk by itself: what is erased of one is no answer's loss of the other."""
    place = site(space("s1"), space("s2"))
    with files(tmp_path, KEEPS) as folder:
        days(folder.journal, 0, 4)
        folder.erase("s1", FROM_MS, TO_MS)
        folder.follow()
        calendar = Calendar(place.time_zone, place.hours, frozenset())
        window = FROM_MS - 10 * HOUR_MS, FROM_MS + 14 * HOUR_MS
        asked = Question("coverage", *window, Resolution.TOTAL, Scope.SPACE, Hours.ALL)
        found = answer(asked, place, folder.history, calendar, TO_MS + DAY_MS)
    shares = {row.scope: row.value for row in found.rows}
    assert shares == {"s1": pytest.approx(10 / 24, abs=0.01), "s2": pytest.approx(1, abs=0.01)}


def test_sums_of_days_without_words_lose_the_period_and_what_follows_from_it(tmp_path: Path) -> None:
    with files(tmp_path, Retention(2, 0, journal_days=5)) as folder:
        days(folder.journal, 0, 9)
        folder.follow()
        before = sums(folder, "s1"), sums(folder, "s2")
        folder.erase("s1", FROM_MS, TO_MS)
        folder.follow()
        folder.forget()
        after = sums(folder, "s1")
        assert sums(folder, "s2") == before[1]
        first, end = (FROM_MS - FIRST_MS) // QUARTER_MS, 2 * 96 + 17 * 4
        assert after[:first] == before[0][:first]
        assert after[first : end + 1] == [0] * (end + 1 - first)
        assert after[end + 1 :] == before[0][end + 1 :]
        folder.rebuild()
        assert (sums(folder, "s1"), sums(folder, "s2")) == (after, before[1])


def sums(folder: Files, space: str) -> list[int]:
    """Give how long a space was known in each quarter hour of the days that are summed up."""
    sheets = folder.history.sheets("hq")
    spoken = sheets.spoken()
    found: list[int] = []
    for of in sheets.summed(sheets.days(FIRST_MS // DAY_MS, FIRST_MS // DAY_MS + 5)):
        if of is not None:
            [place] = [place for place, number in enumerate(of.series.tolist()) if spoken[number] == ("pi-1", space)]
            found += of.known_ms[place].tolist()
    return found


PERIODS = st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted)


def check(case: Case, share: list[float], space: str, cut: float) -> None:
    """Erase in the midst of what is told: it is as if a model had never heard of it, now and made anew."""
    told = [word for word in case.told if isinstance(word, Stated)]
    lives = [marked(case.to_ms + DAY_MS, agent=agent, epoch=epoch, seq=999) for agent in AGENTS for epoch in EPOCHS]
    from_ms, to_ms = (round(case.from_ms + of * (case.to_ms - case.from_ms)) for of in share)
    if from_ms == to_ms:
        return
    with tempfile.TemporaryDirectory() as name, files(Path(name), KEEPS) as folder:
        for number, word in enumerate((*told, *lives)):
            if number == int(cut * len(told)):
                folder.erase(space, from_ms, to_ms)
            stream = Stream(word.site, word.agent, word.epoch)
            folder.tell(stream, [event(word, word.seq)], word.received_ms)
            if number % 7 == 3:
                folder.follow()
        folder.erase(space, from_ms, to_ms)
        folder.follow()
        expected = [
            _model((*told, *lives), agent, one, from_ms, to_ms, one == space) for agent in AGENTS for one in SPACES
        ]
        for _ in range(2):
            assert [held(folder.history, agent, one) for agent in AGENTS for one in SPACES] == expected
            folder.forget()
            folder.rebuild()


def _model(
    told: Sequence[Stated | Marked], agent: str, space: str, from_ms: int, to_ms: int, erased: bool
) -> list[Interval]:
    intervals = held(MemoryHistory(told), agent, space)
    if not erased:
        return intervals
    own = [word for word in told if isinstance(word, Stated) and (word.agent, word.space) == (agent, space)]
    times = [word.time_ms for word in own if word.time_ms >= to_ms]
    until_ms = min(times, default=2**60)
    left = [replace(one, to_ms=min(one.to_ms, from_ms)) for one in intervals if one.from_ms < from_ms]
    right = [replace(one, from_ms=max(one.from_ms, until_ms)) for one in intervals if one.to_ms > until_ms]
    joined: list[Interval] = []
    for one in (*left, Interval(from_ms, until_ms, State.UNKNOWN, None), *right):
        if joined and (joined[-1].state, joined[-1].count) == (one.state, one.count):
            joined[-1] = replace(joined[-1], to_ms=one.to_ms)
        else:
            joined.append(one)
    return joined


@settings(max_examples=6, deadline=None)
@given(cases(), PERIODS, st.sampled_from(SPACES), st.floats(0, 1))
def test_whatever_is_told_before_and_after_an_erasure_the_rest_is_as_it_was(
    case: Case, share: list[float], space: str, cut: float
) -> None:
    check(case, share, space, cut)


@pytest.mark.long
@settings(max_examples=60, deadline=None)
@given(cases(), PERIODS, st.sampled_from(SPACES), st.floats(0, 1))
def test_whatever_is_told_before_and_after_an_erasure_the_rest_is_as_it_was_at_length(
    case: Case, share: list[float], space: str, cut: float
) -> None:
    check(case, share, space, cut)
