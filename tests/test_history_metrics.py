"""Every metric equals one worked out moment by moment, for any history, layout, time zone, step, scope and hours."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta
from itertools import groupby
from math import isclose
from statistics import fmean, median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perch.history.answers import answer
from perch.history.calendar import Calendar
from perch.history.memory import MemoryHistory
from perch.history.metrics import METRICS as PRODUCT
from perch.history.question import HourRow, Hours, Peak, Question, Resolution, Row, Scope, SessionRules
from perch.history.told import Told
from perch.model import Reason, SpaceKind, State
from tests.history_cases import HOUR_MS, Case, cases, day_ms, marked, seated, site, space, stated
from tests.metrics_oracle import METRICS, Step, steps_of, stood

FAR_MS = 2**45
STEPS = [resolution for resolution in Resolution if resolution is not Resolution.HOUR_OF_WEEK]


def with_capacities(case: Case, capacities: list[int | None]) -> Case:
    rows = tuple(replace(row, capacity=capacities[place]) for place, row in enumerate(case.site.spaces))
    return replace(case, site=replace(case.site, spaces=rows))


def same(number: float | None, other: float | None) -> bool:
    return number is other or (number is not None and other is not None and isclose(number, other, rel_tol=1e-12))


def assert_as_worked_out(case: Case, question: Question) -> None:
    given_answer = answer(question, case.site, MemoryHistory(case.told), case.calendar, FAR_MS)
    steps = steps_of(case, question)
    given_rows = [row for row in given_answer.rows if isinstance(row, Row)]
    rows = {group: list(of) for group, of in groupby(given_rows, key=lambda row: row.scope)}
    assert set(rows) == set(steps)
    for group, of_group in steps.items():
        for row, step in zip(rows[group], of_group, strict=True):
            expected = METRICS[question.metric](step)
            assert all(map(same, (row.value, row.low, row.high), expected)), (row, expected)
            assert row.low is None or row.value is None or row.low <= row.value <= (row.high or 0)


QUESTIONS = (
    st.sampled_from(STEPS),
    st.sampled_from(Scope),
    st.sampled_from(Hours),
    st.sampled_from((None, None, "z1")),
    st.sampled_from((None, None, "desk", "room")),
    st.sampled_from((0, 0, 900_000, 4_321_123)),
    st.sampled_from((0, 0, 900_000, 4_321_123)),
    st.lists(st.sampled_from((1, 2, 4, 4, 4, None)), min_size=6, max_size=6),
)


def asked(metric: str, case: Case, *words: object) -> tuple[Case, Question]:
    resolution, scope, hours, zone, kind, before, after, capacities = words
    case = with_capacities(case, capacities)  # type: ignore[arg-type]
    from_ms, to_ms = case.from_ms - before, case.to_ms - after  # type: ignore[operator]
    return case, Question(metric, from_ms, to_ms, resolution, scope, hours, kind, zone)  # type: ignore[arg-type]


@pytest.mark.parametrize("metric", METRICS)
@settings(max_examples=6)
@given(cases() | seated(), st.tuples(*QUESTIONS))
def test_every_metric_equals_the_one_worked_out_moment_by_moment(
    metric: str, case: Case, words: tuple[object, ...]
) -> None:
    assert_as_worked_out(*asked(metric, case, *words))


@settings(max_examples=8)
@given(seated(), st.sampled_from((0, 60_000, 1_800_000)), st.sampled_from((0, 1, 60_000, 7_200_000)))
def test_what_a_session_is_can_be_said(case: Case, merge_ms: int, min_ms: int) -> None:
    question = Question("sessions", case.from_ms, case.to_ms, hours=Hours.ALL, rules=SessionRules(merge_ms, min_ms))
    assert_as_worked_out(case, question)


AVERAGED = {name for name, metric in PRODUCT.items() if metric.averaged}


@pytest.mark.parametrize("metric", METRICS)
@settings(max_examples=3)
@given(cases() | seated(), st.tuples(*QUESTIONS))
def test_hours_of_the_week_gather_the_hours_of_all_weeks(metric: str, case: Case, words: tuple[object, ...]) -> None:
    case, question = asked(metric, case, Resolution.HOUR, *words[1:])
    of_hours = steps_of(case, question)
    cells = case.oracle.cells(question.from_ms, question.to_ms)
    hours = dict.fromkeys(hour_of(case, start) for start, _ in cells)
    named = [(day.isoweekday(), hour) for day, hour, _ in hours]
    of_week = answer(
        replace(question, resolution=Resolution.HOUR_OF_WEEK),
        case.site,
        MemoryHistory(case.told),
        case.calendar,
        FAR_MS,
    )
    rows = {(row.scope, row.weekday, row.hour): row for row in of_week.rows if isinstance(row, HourRow)}
    assert len(rows) == len(of_week.rows)
    gathered: dict[tuple[str, int, int], list[Step]] = {}
    for group, steps in of_hours.items():
        for name, step in zip(named, steps, strict=True):
            if stood(step):
                gathered.setdefault((group, *name), []).append(step)
    assert set(rows) == set(gathered)
    for key, steps in gathered.items():
        numbers = [METRICS[metric](step) for step in steps]
        values = sorted(value for value, _, _ in numbers if value is not None)
        row = rows[key]
        assert (row.weeks, row.max) == (len(values), max(values, default=None))
        assert same(row.p50, median(values) if values else None)
        if metric in AVERAGED:
            means = [fmean(column) if column else None for column in map(there, zip(*numbers, strict=True))]
        else:
            means = [*METRICS[metric](together(steps))]
        assert all(map(same, (row.value, row.low, row.high), means)), (row, means)


def hour_of(case: Case, ms: int) -> tuple[date, int, timedelta | None]:
    """The local hour in which a moment lies; one that happens twice is two."""
    local = case.oracle.local(ms)
    return local.date(), local.hour, local.utcoffset()


def there(numbers: Iterable[float | None]) -> list[float]:
    return [number for number in numbers if number is not None]


def together(steps: list[Step]) -> Step:
    whole = Step()
    for step in steps:
        whole.cells += step.cells
        whole.stays += step.stays
        whole.stays_if_occupied += step.stays_if_occupied
    return whole


def test_an_hour_that_happens_twice_counts_twice_and_one_that_is_skipped_not_at_all() -> None:
    """Lisbon turns its clocks on Sundays: in October one o'clock happens twice, in March not at all."""
    for day, hours in ((date(2026, 10, 25), 2), (date(2026, 3, 29), 0)):
        from_ms = day_ms("Europe/Lisbon", day)
        to_ms = day_ms("Europe/Lisbon", day + timedelta(days=1))
        place = site(space(), zone="Europe/Lisbon")
        told = stated(from_ms, State.OCCUPIED), marked(to_ms, seq=2)
        question = Question("time_used_ratio", from_ms, to_ms, Resolution.HOUR_OF_WEEK, hours=Hours.ALL)
        rows = answer(question, place, MemoryHistory(told), Calendar("Europe/Lisbon", ((),) * 7), FAR_MS).rows
        weeks = {row.hour: row.weeks for row in rows if isinstance(row, HourRow)}
        assert weeks.get(1, 0) == hours
        assert weeks[12] == 1


def test_the_peak_says_when_it_was_first_reached_and_how_long_it_lasted() -> None:
    start = day_ms("UTC", date(2026, 9, 22))
    told = (
        stated(start + HOUR_MS, State.OCCUPIED, seq=1),
        stated(start + 2 * HOUR_MS, State.OCCUPIED, space="s2", seq=2),
        stated(start + 3 * HOUR_MS, State.FREE, seq=3),
        stated(start + 5 * HOUR_MS, State.OCCUPIED, seq=4),
        stated(start + 5 * HOUR_MS + 1000, State.FREE, seq=5),
        marked(start + 24 * HOUR_MS, seq=6),
    )
    place = site(space("s1"), space("s2"))
    question = Question("peak_concurrent", start, start + 24 * HOUR_MS, hours=Hours.ALL)
    (row,) = answer(question, place, MemoryHistory(told), Calendar("UTC", ((),) * 7), FAR_MS).rows
    assert isinstance(row, Row)
    assert (row.value, row.low) == (2, 2)
    assert row.peak == Peak(start + 2 * HOUR_MS, HOUR_MS + 1000)


@pytest.mark.parametrize(("quiet_hours", "never"), [(167, 0), (168, 1)])
def test_a_space_that_fell_silent_by_the_quiet_limit_alone_is_never_used(quiet_hours: int, never: int) -> None:
    start = day_ms("UTC", date(2026, 9, 1))
    silent = start + quiet_hours * HOUR_MS
    told = (
        stated(start, State.FREE, reason=Reason.QUIET, seq=1),
        stated(silent, State.UNKNOWN, reason=Reason.SENSOR_SILENT, seq=2),
        marked(start + 1000 * HOUR_MS, seq=3),
    )
    for from_ms in (start, silent + 500 * HOUR_MS):
        question = Question("never_used", from_ms, start + 1000 * HOUR_MS, hours=Hours.ALL)
        given_answer = answer(question, site(space()), MemoryHistory(told), Calendar("UTC", ((),) * 7), FAR_MS)
        (row,) = given_answer.rows
        assert (row.value, row.high) == (never, 1)
        assert any("quiet limit" in warning for warning in given_answer.warnings) == bool(never)


def test_a_space_that_is_out_of_service_is_neither_inventory_nor_surplus() -> None:
    start = day_ms("UTC", date(2026, 9, 22))
    told = (
        stated(start, State.OCCUPIED, seq=1),
        stated(start, State.UNKNOWN, space="s2", reason=Reason.OUT_OF_SERVICE, seq=2),
        marked(start + 24 * HOUR_MS, seq=3),
    )
    for metric, expected in {"peak_ratio": 1, "min_surplus": 0, "time_full_ratio": 1, "peak_concurrent": 1}.items():
        question = Question(metric, start, start + 24 * HOUR_MS, hours=Hours.ALL)
        calendar = Calendar("UTC", ((),) * 7)
        (row,) = answer(question, site(space("s1"), space("s2")), MemoryHistory(told), calendar, FAR_MS).rows
        assert (row.value, row.low, row.high) == (expected,) * 3


@pytest.mark.parametrize(("known_hours", "never"), [(90, 1), (89, 0)])
def test_a_space_is_never_used_only_if_nine_tenths_of_its_time_were_observed(known_hours: int, never: int) -> None:
    start = day_ms("UTC", date(2026, 9, 1))
    told = stated(start, State.FREE, reason=Reason.QUIET), marked(start + known_hours * HOUR_MS, seq=2)
    question = Question("never_used", start, start + 100 * HOUR_MS, hours=Hours.ALL)
    (row,) = answer(question, site(space()), MemoryHistory(told), Calendar("UTC", ((),) * 7), FAR_MS).rows
    assert (row.value, row.low, row.high) == (never, 0, 1)


def test_a_room_is_too_large_for_half_as_many_people_as_it_has_seats() -> None:
    """A room of four: an hour each with one, two and three people, and an hour empty."""
    start = day_ms("UTC", date(2026, 9, 22))
    told = [stated(start + hour * HOUR_MS, State.OCCUPIED, people=hour + 1, seq=hour + 1) for hour in range(3)]
    told += [stated(start + 3 * HOUR_MS, State.FREE, people=0, seq=4)]
    shares = {"solo_share": 1 / 3, "size_mismatch": 2 / 3, "fill_when_used": 6 / 12, "capacity_used_ratio": 6 / 16}
    for metric, expected in shares.items():
        question = Question(metric, start, start + 4 * HOUR_MS, hours=Hours.ALL)
        words = MemoryHistory([*told, marked(start + 4 * HOUR_MS, seq=5)])
        room, calendar = site(space(kind=SpaceKind.ROOM)), Calendar("UTC", ((),) * 7)
        (row,) = answer(question, room, words, calendar, FAR_MS).rows
        assert (row.value, row.low, row.high) == (expected, expected, expected)


def test_gaps_count_as_camping_only_where_they_were_observed() -> None:
    start = day_ms("UTC", date(2026, 9, 22))

    def at(hour: float, state: State, seq: int) -> Told:
        reason = Reason.STARTING if state is State.UNKNOWN else Reason.MOTION
        return stated(start + round(hour * HOUR_MS), state, seq=seq, reason=reason)

    seen = [at(1, State.OCCUPIED, 1), at(2, State.FREE, 2), at(7, State.OCCUPIED, 4), at(8, State.FREE, 5)]
    blind = [*seen, at(3, State.UNKNOWN, 3)]
    for told, numbers in ((seen, (1, 1, 1)), (blind, (0, 0, 1))):
        question = Question("camping", start, start + 24 * HOUR_MS, hours=Hours.ALL)
        history = MemoryHistory([*told, marked(start + 24 * HOUR_MS, seq=9)])
        (row,) = answer(question, site(space()), history, Calendar("UTC", ((),) * 7), FAR_MS).rows
        assert (row.value, row.low, row.high) == numbers


@settings(max_examples=6)
@given(seated(), st.integers(1, 31), st.sampled_from(("sessions", "camping")))
def test_counts_of_the_parts_of_a_window_add_up_to_that_of_the_whole(case: Case, hours: int, metric: str) -> None:
    middle = case.from_ms + hours * HOUR_MS

    def count(from_ms: int, to_ms: int) -> float:
        question = Question(metric, from_ms, to_ms)
        rows = answer(question, case.site, MemoryHistory(case.told), case.calendar, FAR_MS).rows
        return sum(row.value or 0 for row in rows)

    assert count(case.from_ms, middle) + count(middle, case.to_ms) == count(case.from_ms, case.to_ms)


@settings(max_examples=6)
@given(cases() | seated(), st.sampled_from(sorted(METRICS)), st.permutations(range(3)))
def test_the_order_of_spaces_in_the_layout_changes_no_number(case: Case, metric: str, order: list[int]) -> None:
    names = ("s1", "s2", "s3")
    rows = sorted(case.site.spaces, key=lambda row: order[names.index(row.id)])
    question = Question(metric, case.from_ms, case.to_ms, Resolution.DAY, Scope.ZONE)
    answers = [
        answer(question, place, MemoryHistory(case.told), case.calendar, FAR_MS)
        for place in (case.site, replace(case.site, spaces=tuple(rows)))
    ]
    assert len({tuple(sorted(of.rows, key=str)) for of in answers}) == 1
