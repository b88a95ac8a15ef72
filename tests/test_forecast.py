"""Forecasts: chances that are chances, that fall where more people come, and that know nothing of what came later."""

from dataclasses import replace
from datetime import date, time, timedelta
from itertools import pairwise, product
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perch.errors import QuestionError
from perch.history.calendar import Calendar, ceil_quarter
from perch.history.forecast.asking import (
    Forecast,
    Lesson,
    Present,
    check_at,
    crowd_so_far,
    forecast,
    learn,
    lesson,
    silence,
)
from perch.history.forecast.learning import models
from perch.history.forecast.levels import LEAST_KNOWN, QUARTERS, Levels, levels
from perch.history.forecast.model import Chances, Model, Moments
from perch.history.forecast.normal import below, mean_above, mean_within
from perch.history.forecast.record import JUDGED, Forecasts, judge, record_of
from perch.history.forecast.silence import Silence, Why
from perch.history.forecast.ties import LEADS, Lead, mix
from perch.history.memory import MemoryHistory
from perch.model import QUARTER_MS, OpenSpan, Purpose, Site, SpaceKind, State
from tests.examples import usually
from tests.forecast_cases import MONDAY, OPEN, weeks
from tests.history_cases import Case, cases, day_ms, marked, site, space, stated

DESKS = 6
HOURS = ((OpenSpan(time(8), time(20)),),) * 5 + ((), ())
OFFICE = site(*(space(f"s{number}") for number in range(DESKS)), zone="Europe/Lisbon", hours=HOURS)
CALENDAR = Calendar("Europe/Lisbon", HOURS, frozenset({date(2026, 5, 1)}))
TODAY = MONDAY + timedelta(weeks=8)
UNKNOWN_DAY = np.full(QUARTERS, np.nan)


@pytest.fixture(scope="module")
def taught() -> Lesson:
    return lesson(weeks(8))


def ms(day: date, hour: int) -> int:
    return day_ms("Europe/Lisbon", day, hour)


def ask(
    taught: Lesson, day: date, hour: int, occupied: int = 3, *, now: int = 10, today: np.ndarray = UNKNOWN_DAY
) -> Forecast:
    present = Present(occupied, DESKS - occupied, DESKS)
    return forecast(OFFICE, SpaceKind.DESK, ms(day, hour), ms(TODAY, now), taught, today, present, CALENDAR)


def number(of: float | None) -> float:
    assert of is not None
    return of


@given(day=st.integers(0, 14), hour=st.integers(8, 19), occupied=st.integers(0, DESKS), now=st.integers(0, 23))
@usually(40)
def test_a_chance_is_a_chance_and_no_more_are_expected_than_there_are(
    taught: Lesson, day: int, hour: int, occupied: int, now: int
) -> None:
    at = TODAY + timedelta(days=day)
    if ms(at, hour) < ms(TODAY, now) or silence(OFFICE, SpaceKind.DESK, ms(at, hour), CALENDAR):
        return
    said = ask(taught, at, hour, occupied, now=now)
    assert said.why is None
    assert 0 <= number(said.probability_free) <= number(said.expected_free) <= said.total == DESKS
    assert 0 <= number(said.usually_free) <= DESKS
    assert said.record is not None
    assert said.record.n >= 48


@pytest.mark.parametrize("busy", [0.6, 0.9])
def test_the_more_people_there_are_now_the_less_room_is_expected(busy: float) -> None:
    taught = lesson(weeks(8, busy=busy, seed=2))
    for day, hour in product((0, 1, 3, 7, 14), (11, 13, 17)):
        said = [ask(taught, TODAY + timedelta(days=day), hour, occupied) for occupied in range(DESKS + 1)]
        for less, more in pairwise(said):
            assert number(more.probability_free) <= number(less.probability_free)
            assert number(more.expected_free) <= number(less.expected_free)


def test_a_full_pool_now_says_more_of_the_next_hour_than_of_the_next_week(taught: Lesson) -> None:
    def fall(at: date, hour: int) -> float:
        return number(ask(taught, at, hour, 0).probability_free) - number(ask(taught, at, hour, DESKS).probability_free)

    assert fall(TODAY, 11) > 0.2 > 0.1 > fall(TODAY + timedelta(days=7), 11)


def test_hours_that_are_always_full_and_always_empty_are_known_as_such() -> None:
    crowd = weeks(8).crowd.copy()
    crowd[:, 40:48] = np.where(np.isnan(crowd[:, 40:48]), np.nan, DESKS)
    crowd[:, 60:] = np.where(np.isnan(crowd[:, 60:]), np.nan, 0)
    taught = lesson(replace(weeks(8), crowd=crowd))
    full, empty = ask(taught, TODAY + timedelta(days=1), 11), ask(taught, TODAY + timedelta(days=1), 17)
    assert number(full.probability_free) < 0.3
    assert number(full.expected_free) < 0.5
    assert number(empty.probability_free) > 0.97
    assert number(empty.expected_free) > 0.9 * DESKS


Told = tuple[list[Model], dict[Lead, Forecasts]]


def learned(of: Levels) -> Told:
    return list(models(of)), judge(of)[1]


def differs_before(day: int, one: Told, other: Told) -> bool:
    """Whether anything that was said or known on days before a day, or the morning of it, is not the same."""
    for mine, theirs in zip(one[0][: day + 1], other[0][: day + 1], strict=True):
        for name in ("mean", "spread", "seen", "days", "recent", "shares", "left", "weights"):
            if not np.array_equal(getattr(mine, name), getattr(theirs, name)):
                return True
    return any(
        not np.array_equal(one[1][lead].chance[:said], other[1][lead].chance[:said])
        for lead in JUDGED
        for said in [_said_before(day, one, lead)]
    )


def _said_before(day: int, one: Told, lead: Lead) -> int:
    """Count the forecasts that were made before a day: those of twelve hours on each open day once there is enough."""
    open_days = [number for number in range(day) if number % 7 < 5 and one[0][number].days >= 20]
    ahead = [number + lead.days for number in open_days if (number + lead.days) % 7 < 5]
    return len(ahead) * (12 - lead.quarters // 4)


def with_another_future(of: Levels, day: int) -> Levels:
    crowd = of.crowd.copy()
    crowd[day:] = np.where(np.isnan(crowd[day:]), np.nan, DESKS - crowd[day:])
    return replace(of, crowd=crowd)


@pytest.mark.parametrize("day", [37, 44])
def test_nothing_is_known_of_what_came_later(day: int) -> None:
    of = weeks(8)
    one, other = learned(of), learned(with_another_future(of, day))
    assert not differs_before(day, one, other)
    assert differs_before(day + 1, one, other)


def test_a_fit_that_sees_the_future_is_caught() -> None:
    def cheating(of: Levels) -> Told:
        """Learn from tomorrow under today's name."""
        return learned(replace(of, crowd=np.roll(of.crowd, -1, axis=0)))

    of = weeks(8)
    assert differs_before(37, cheating(of), cheating(with_another_future(of, 37)))


def test_of_today_nothing_after_now_is_read(taught: Lesson) -> None:
    today, otherwise = weeks(1).crowd[0], weeks(1).crowd[0].copy()
    otherwise[40:] = 0
    assert ask(taught, TODAY, 13, today=today) == ask(taught, TODAY, 13, today=otherwise)
    otherwise[36:] = 0
    assert ask(taught, TODAY, 13, today=today) != ask(taught, TODAY, 13, today=otherwise)


def test_the_record_is_that_of_what_was_said_and_of_what_came(taught: Lesson) -> None:
    _, said = judge(weeks(8))
    for lead, of in said.items():
        assert set(np.unique(of.came)) == {0, 1}
        record = record_of(of)
        assert record == taught.records[lead]
        assert record is not None
        assert record.brier == pytest.approx(sum((of.chance - of.came) ** 2) / len(of.came))
        assert record.hit_rate == pytest.approx(sum((of.chance >= 0.5) == of.came) / len(of.came))
        assert record.usual_brier == pytest.approx(sum((of.usual - of.came) ** 2) / len(of.came))
    assert said[Lead(0, 4)].came.sum() < said[Lead(0, 4)].came.size


def test_an_hour_ahead_today_is_worth_more_than_the_usual(taught: Lesson) -> None:
    record = taught.records[Lead(0, 4)]
    assert record is not None
    assert record.brier < 0.8 * record.usual_brier


@pytest.mark.parametrize(
    ("history", "at", "why"),
    [
        (weeks(3), MONDAY + timedelta(weeks=8, days=1), "15 open days were observed, 20 are needed"),
        (weeks(4), MONDAY + timedelta(weeks=8, days=1), "could be tried on 0 hours of the past, 48 are needed"),
    ],
)
def test_too_little_history_is_said_instead_of_a_guess(history: Levels, at: date, why: str) -> None:
    said = ask(lesson(history), at, 11)
    assert (said.probability_free, said.expected_free, said.usually_free, said.record) == (None,) * 4
    assert said.why is not None
    assert why in said.why.sentence
    assert f"{said.why.found} " in why
    assert str(said.why.needed) in why
    assert said.total == DESKS


def test_a_time_of_the_week_that_was_hardly_seen_is_not_forecast() -> None:
    crowd = weeks(8).crowd.copy()
    crowd[14::7, 44] = np.nan
    said = ask(lesson(replace(weeks(8), crowd=crowd)), TODAY + timedelta(days=7), 11)
    assert said.why == Silence(
        Why.FEW_WEEKS, "too little history: this time of the week was observed in 2 weeks, 3 are needed", 2, 3
    )
    assert ask(lesson(replace(weeks(8), crowd=crowd)), TODAY + timedelta(days=7), 12).why is None


def test_closed_times_and_empty_layouts_have_no_forecast() -> None:
    def why(day: date, hour: int, kind: SpaceKind = SpaceKind.DESK) -> str | None:
        said = silence(OFFICE, kind, ms(day, hour), CALENDAR)
        return None if said is None else said.sentence

    assert why(TODAY, 11) is None
    assert why(date(2026, 5, 1), 11) == "the site is closed at that time; it opens next at 2026-05-04 08:00"
    assert why(TODAY, 20) == "the site is closed at that time; it opens next at 2026-04-28 08:00"
    assert why(TODAY, 11, SpaceKind.BOOTH) == "no shared booth stands there at that time"


def test_a_site_without_opening_hours_is_always_open_save_on_closed_days() -> None:
    calendar = Calendar("Europe/Lisbon", ((),) * 7, frozenset({date(2026, 5, 1)}))
    whys = [silence(OFFICE, SpaceKind.DESK, ms(day, 3), calendar) for day in (TODAY, date(2026, 5, 1))]
    assert whys == [None, Silence(Why.CLOSED, "the site is closed at that time")]


@pytest.mark.parametrize(("days", "hour", "what"), [(0, 9, "this is past"), (15, 11, "more than 14 days ahead")])
def test_the_past_and_the_far_future_are_refused(days: int, hour: int, what: str) -> None:
    with pytest.raises(QuestionError, match=what):
        check_at(ms(TODAY + timedelta(days=days), hour), ms(TODAY, 10), CALENDAR)
    check_at(ms(TODAY, 10) - 60_000, ms(TODAY, 10), CALENDAR)
    check_at(ms(TODAY + timedelta(days=14), 19), ms(TODAY, 10), CALENDAR)


@given(cases())
@usually(20)
def test_levels_are_those_of_each_moment(case: Case) -> None:
    first, oracle = case.calendar.day_of(case.from_ms), case.oracle
    found = levels(case.site, SpaceKind.DESK, first, case.to_ms, MemoryHistory(case.told), case.calendar)
    expected: dict[tuple[int, int], tuple[float | None, int]] = {}
    for at_ms in range(ceil_quarter(case.calendar.day_start_ms(first)), case.to_ms, QUARTER_MS):
        local = oracle.local(at_ms)
        names = dict.fromkeys(row.id for row in case.site.spaces)
        told = [of for name in names for of in oracle.states(name, [(at_ms, at_ms + 1)])]
        inventory = [of.state for of in told if not of.out and of.row.kind is SpaceKind.DESK]
        taken, known = inventory.count(State.OCCUPIED), sum(state is not State.UNKNOWN for state in inventory)
        is_open = oracle.is_open(at_ms) if any(case.site.hours) else local.date() not in case.closed
        seen = is_open and known > 0 and known >= LEAST_KNOWN * len(inventory)
        crowd = taken * len(inventory) / known if seen else None
        expected[(local.date() - first).days, local.hour * 4 + local.minute // 15] = crowd, len(inventory)
    for (day, quarter), (crowd, stands) in expected.items():
        told_crowd = float(found.crowd[day, quarter])
        assert (None if np.isnan(told_crowd) else told_crowd) == crowd
        assert found.pool[day, quarter] == stands
    assert np.isnan(found.crowd).sum() >= found.crowd.size - len(expected)


def told_of_desks(names: tuple[str, ...]) -> MemoryHistory:
    """Tell of three desks over six weeks: each is taken from its own hour on each weekday, until five."""
    told = [stated(ms(MONDAY, 0), State.FREE, space=name, seq=place + 1) for place, name in enumerate(names)]
    for day in (MONDAY + timedelta(days=passed) for passed in range(42)):
        for name in names if day.weekday() < 5 else ():
            hour = 8 + int(name[1:])
            told.append(stated(ms(day, hour), State.OCCUPIED, space=name, seq=len(told) + 1))
            told.append(stated(ms(day, 17), State.FREE, space=name, seq=len(told) + 1))
    return MemoryHistory([*told, marked(ms(MONDAY + timedelta(days=42), 0), seq=len(told) + 1)])


def three_desks(*names: str, assigned: str = "") -> Site:
    spaces = tuple(space(name, valid_from=None) for name in names)
    spaces = tuple(replace(one, purpose=Purpose.ASSIGNED) if one.id == assigned else one for one in spaces)
    return replace(OFFICE, spaces=spaces)


def test_neither_the_order_of_spaces_nor_their_names_change_anything() -> None:
    source, day = told_of_desks(("s1", "s2", "s3")), MONDAY + timedelta(days=42)
    one, other = (
        learn(three_desks(*names), SpaceKind.DESK, day, source, CALENDAR)
        for names in (("s1", "s2", "s3"), ("s3", "s1", "s2"))
    )
    assert one.records == other.records
    for name in ("mean", "spread", "weights", "shares"):
        assert np.array_equal(getattr(one.model, name), getattr(other.model, name))


def test_only_shared_spaces_count_and_history_is_read_up_to_this_morning() -> None:
    source, day = told_of_desks(("s1", "s2", "s3")), MONDAY + timedelta(days=42)
    taught = learn(three_desks("s1", "s2", "s3", assigned="s1"), SpaceKind.DESK, day, source, CALENDAR)
    assert (taught.model.day, taught.model.days) == (day, 30)
    assert [round(float(taught.model.mean[0, quarter]), 1) for quarter in (32, 42, 72)] == [0, 1, 0]
    assert taught.model.mean[0, 52] >= 2
    today = crowd_so_far(three_desks("s1", "s2"), SpaceKind.DESK, ms(MONDAY, 11), source, CALENDAR)
    assert np.array_equal(today[OPEN][:12], [0] * 4 + [1] * 4 + [2] * 4)
    assert np.isnan(today[44:]).all()


def test_hours_are_those_of_the_clock_on_the_wall() -> None:
    """On 29 March clocks are turned: desks are taken from nine, whatever UTC says, and so they are expected to be."""
    source, day = told_of_desks(("s1",)), MONDAY + timedelta(days=42)
    of = levels(three_desks("s1"), SpaceKind.DESK, MONDAY, ms(day, 0), source, CALENDAR)
    assert {tuple(row) for row in of.crowd[np.arange(42) % 7 < 5][:, 34:38].tolist()} == {(0.0, 0.0, 1.0, 1.0)}


def test_without_any_history_nothing_is_known() -> None:
    taught = learn(OFFICE, SpaceKind.DESK, TODAY, MemoryHistory(()), CALENDAR)
    why = ask(taught, TODAY + timedelta(days=1), 11).why
    assert why is not None
    assert (why.code, why.found) == (Why.FEW_DAYS, 0)


@given(st.sampled_from(LEADS))
def test_leads_between_those_that_are_learned_are_mixed(lead: Lead) -> None:
    assert mix(lead)[LEADS.index(lead)] == pytest.approx(1)
    for other in (Lead(0, 2), Lead(0, 47), Lead(3, 0), Lead(14, 0)):
        assert mix(other).sum() == pytest.approx(1)
        assert (mix(other) >= 0).all()


@given(st.floats(-6, 6), st.floats(0.1, 5), st.integers(1, 20))
@usually(50)
def test_the_normal_distribution_is_the_normal_distribution(x: float, spread: float, most: int) -> None:
    exact = NormalDist()
    assert below(np.array([x]))[0] == pytest.approx(exact.cdf(x), abs=1e-6)
    if x < 4:
        assert mean_above(np.array([x]))[0] == pytest.approx(exact.pdf(x) / (1 - exact.cdf(x)), rel=1e-2)
    draws = np.clip([NormalDist(x, spread).inv_cdf((n + 0.5) / 2000) for n in range(2000)], 0, most)
    within = mean_within(np.array([x]), np.array([spread]), np.array([float(most)]))[0]
    assert within == pytest.approx(float(np.mean(draws)), abs=0.01)


def test_a_day_that_nobody_observed_teaches_nothing() -> None:
    of = weeks(6)
    crowd = of.crowd.copy()
    crowd[37] = np.nan
    before, after = (list(models(replace(of, crowd=crowd)))[number] for number in (37, 38))
    assert (before.days, before.recent) == (after.days, after.recent)
    assert np.array_equal(before.mean, after.mean)


def test_asked_of_several_moments_at_once_the_answers_are_the_same(taught: Lesson) -> None:
    model = taught.model
    at = Moments(np.array([0, 1]), np.array([44, 48]), np.array([DESKS, DESKS]))
    felt = model.felt_now(0, 40, UNKNOWN_DAY, 3.0, DESKS)
    both = model.chances(at, Lead(1, 0), felt)
    for place in (0, 1):
        alone = model.chances(Moments(*(column[place : place + 1] for column in at)), Lead(1, 0), felt)
        assert Chances(*(column[place : place + 1] for column in both)) == alone
