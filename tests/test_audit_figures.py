"""The audit's figures: what counts as right, how wide an interval is, and when there is none yet."""

from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perch.history.accuracy import ENOUGH, ENOUGH_DAYS, Figures, figures, shortfalls
from perch.history.audit import MOMENTS, NO_SENSORS, AuditSensor, Wanted, ask, report
from perch.history.intervals import Z, by_days, student, wilson
from perch.history.looks import SETTLED_MS, Compared, Look, Said, compare, said_at
from perch.history.memory import MemoryHistory
from perch.history.told import Marked, Stated
from perch.model import DAY_MS, QUARTER_MS, Dating, Reason, SpaceKind, State
from tests.examples import usually
from tests.history_cases import Case, cases
from tests.serving import EPOCH, a_site, a_space

NOON_MS = 1_793_620_800_000
SITE = a_site()
NOW_MS = NOON_MS + 100 * DAY_MS


def compared(number: int, people: int, state: State, probability: float = 0.5, space: str = "d01") -> Compared:
    """Make a look in a quarter hour and day of its own."""
    look = Look(space, NOON_MS + number * DAY_MS + number % 7 * QUARTER_MS, people)
    return Compared("hq", look, a_space(space), Said(state, probability, None))


def some(count: int, people: int, state: State, probability: float = 0.5) -> list[Compared]:
    """Make looks of a kind."""
    return [compared(number, people, state, probability) for number in range(count)]


@given(hits=st.integers(0, 60), misses=st.integers(0, 60))
def test_wilsons_interval_holds_the_shares_that_a_test_would_not_reject(hits: int, misses: int) -> None:
    tries = hits + misses
    if not tries:
        return
    interval = wilson(hits / tries, tries)
    assert 0 <= interval.low <= hits / tries <= interval.high <= 1
    for thousandth in range(0, 1001, 5):
        share = thousandth / 1000
        borne = abs(hits / tries - share) <= Z * sqrt(share * (1 - share) / tries)
        if min(abs(share - interval.low), abs(share - interval.high)) > 1e-9:
            assert borne == (interval.low < share < interval.high)


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(1, 9)), min_size=2, max_size=12))
def test_days_with_equally_many_looks_give_the_textbooks_t_interval(days: list[tuple[float, int]]) -> None:
    means = [mean for mean, _ in days]
    alike = [(mean * 5, 5) for mean in means]
    middle = sum(means) / len(means)
    deviation = sqrt(sum((mean - middle) ** 2 for mean in means) / (len(means) - 1))
    half = student(len(means) - 1) * deviation / sqrt(len(means))
    assert by_days(alike) == pytest.approx((middle - half, middle + half), abs=1e-9)
    uneven = [(mean * values, values) for mean, values in days]
    low, high = by_days(uneven)
    assert (low + high) / 2 == pytest.approx(sum(total for total, _ in uneven) / sum(values for _, values in days))


@pytest.mark.parametrize(("degrees", "quantile"), [(4, 2.7764), (11, 2.2010), (20, 2.0860), (60, 2.0003)])
def test_students_quantiles_are_those_of_the_tables(degrees: int, quantile: float) -> None:
    assert student(degrees) == pytest.approx(quantile, abs=1e-3)


STATES = st.sampled_from(list(State))


@usually(60)
@given(st.lists(st.tuples(st.integers(0, 3), STATES, st.integers(0, 1000), st.integers(0, 500)), max_size=120))
def test_figures_are_what_counting_one_by_one_gives(looks: list[tuple[int, State, int, int]]) -> None:
    made = [
        Compared(
            "hq", Look("d01", NOON_MS + at * QUARTER_MS // 2, people), a_space("d01"), Said(state, said / 1000, None)
        )
        for people, state, said, at in looks
    ]
    found = figures(made)
    counted = dict.fromkeys(("unknown", "seen", "missed", "imagined", "rightly_free"), 0)
    squares, known_quarters, known_days = 0.0, set(), set()
    for people, state, said, at in looks:
        if state == "unknown":
            counted["unknown"] += 1
            continue
        name = {(True, "occupied"): "seen", (True, "free"): "missed", (False, "occupied"): "imagined"}
        counted[name.get((people > 0, str(state)), "rightly_free")] += 1
        squares += (said / 1000 - (people > 0)) ** 2
        known_quarters.add((NOON_MS + at * QUARTER_MS // 2) // QUARTER_MS)
        known_days.add((NOON_MS + at * QUARTER_MS // 2) // DAY_MS)
    assert {name: getattr(found, name) for name in counted} == counted
    known = len(looks) - counted["unknown"]
    assert (found.brier.value is None) == (len(known_quarters) < ENOUGH or len(known_days) < ENOUGH_DAYS)
    if found.brier.value is not None:
        assert found.brier.value == pytest.approx(squares / known, abs=1e-4)
    if found.recall.value is not None:
        assert found.recall.value == pytest.approx(counted["seen"] / (counted["seen"] + counted["missed"]), abs=1e-4)
        assert found.recall.value == pytest.approx(1 - (found.false_vacant.value or 0), abs=2e-4)
    if found.precision.value is not None:
        of = counted["seen"] + counted["imagined"]
        assert found.precision.value == pytest.approx(counted["seen"] / of, abs=1e-4)


def test_below_a_stated_number_of_looks_there_is_no_figure_but_a_word() -> None:
    few = figures(some(ENOUGH - 1, 1, State.OCCUPIED))
    assert few.recall.value is None
    assert few.recall.why == f"not enough yet: {ENOUGH - 1} of {ENOUGH} looks"
    enough = figures(some(ENOUGH, 1, State.OCCUPIED))
    assert (enough.recall.value, enough.recall.why) == (1, None)
    assert enough.false_occupied.why == f"not enough yet: 0 of {ENOUGH} looks"


def test_looks_of_one_space_within_a_quarter_hour_do_not_make_a_figure_surer() -> None:
    looks = some(30, 1, State.OCCUPIED) + some(10, 1, State.FREE)
    again = [one._replace(look=one.look._replace(time_ms=one.look.time_ms + 60_000)) for one in looks]
    once, twice = figures(looks).recall, figures(looks + again).recall
    assert twice.looks == 2 * once.looks
    assert (twice.value, twice.low, twice.high) == (once.value, once.low, once.high)
    elsewhere = [one._replace(look=one.look._replace(space="d02")) for one in looks]
    surer = figures(looks + elsewhere).recall
    assert (surer.low or 0) > (once.low or 0)


def test_unknown_time_is_neither_right_nor_wrong() -> None:
    judged = figures(some(30, 1, State.OCCUPIED) + some(10, 1, State.UNKNOWN))
    assert (judged.recall.value, judged.unknown, judged.unknown_share.value) == (1, 10, 0.25)
    assert judged.false_vacant_minutes.value == 0


def test_false_vacant_minutes_are_the_share_of_occupied_looks_in_an_hour() -> None:
    judged = figures(some(36, 1, State.OCCUPIED) + [compared(50 + n, 2, State.FREE) for n in range(12)])
    assert (judged.false_vacant.value, judged.false_vacant_minutes.value) == (0.25, 15)
    assert judged.false_vacant_minutes.high == pytest.approx((judged.false_vacant.high or 0) * 60, abs=1e-3)


def test_only_what_the_whole_interval_shows_is_called_too_bad() -> None:
    assert shortfalls(figures(some(60, 1, State.OCCUPIED, 0.95))) == ()
    doubtful = some(18, 1, State.OCCUPIED, 0.9) + [compared(30 + n, 1, State.FREE, 0.1) for n in range(2)]
    assert figures(doubtful).recall.value == 0.9
    assert shortfalls(figures(doubtful)) == ()
    bad: Figures = figures(some(60, 1, State.OCCUPIED, 0.9) + [compared(60 + n, 1, State.FREE, 0.1) for n in range(40)])
    assert [said.split(" is ")[0] for said in shortfalls(bad)] == ["recall", "the Brier score"]
    assert "0.6 (" in shortfalls(bad)[0]


@usually(25)
@given(st.data())
def test_what_history_says_of_a_moment_is_what_its_timeline_says(data: st.DataObject) -> None:
    case: Case = data.draw(cases())
    moments = data.draw(st.lists(st.integers(case.from_ms, case.to_ms - 1), min_size=1, max_size=6))
    source = MemoryHistory(case.told)
    for space in ("s1", "s2"):
        found = list(compare(case.site, [Look(space, ms, 1) for ms in moments], source))
        cells = [(ms, ms + 1) for ms in sorted(moments)]
        expected = list(case.oracle.spent(space, cells))
        assert [one.look.time_ms for one in found] == [start for start, *_ in expected]
        for one, (_, row, totals) in zip(found, expected, strict=True):
            state = (State.UNKNOWN, State.FREE, State.OCCUPIED)[totals.known + totals.occupied]
            assert (one.space, one.said.state) == (row, state)


def told(*steps: tuple[int, State, float]) -> MemoryHistory:
    """Make a history of `d01`: minutes after noon, states and probabilities; it is vouched for until one o'clock."""
    words = [
        Stated(
            "hq",
            "pi-1",
            EPOCH,
            seq,
            NOON_MS,
            "d01",
            NOON_MS + minute * 60_000,
            state,
            said,
            None,
            Reason.QUIET,
            Dating.OK,
        )
        for seq, (minute, state, said) in enumerate(steps, 1)
    ]
    return MemoryHistory([*words, Marked("hq", "pi-1", EPOCH, 99, NOON_MS, NOON_MS + 3_600_000)])


def test_a_moment_is_known_from_its_statement_until_nobody_vouches_for_it() -> None:
    source = told((0, State.FREE, 0.125), (10, State.OCCUPIED, 0.9))
    said = [said_at(SITE, "d01", NOON_MS + seconds * 1000, source) for seconds in (-1, 0, 599, 600, 3599, 3600)]
    assert [(one.state, one.probability) for one in said if one] == [
        (State.UNKNOWN, 0.5),
        (State.FREE, 0.125),
        (State.FREE, 0.125),
        (State.OCCUPIED, 0.9),
        (State.OCCUPIED, 0.9),
        (State.UNKNOWN, 0.5),
    ]
    assert said_at(SITE, "d09", NOON_MS, source) is None


def test_a_report_tells_what_it_left_out_and_names_sensors_alone_or_together() -> None:
    source = told((0, State.FREE, 0.1))
    looks = [Look("d01", NOON_MS + number * 60_000, 1) for number in range(60)]
    looks += [Look("gone", NOON_MS, 0), Look("d01", NOW_MS - SETTLED_MS + 1, 0)]
    asked = ask(SITE, looks, source, NOW_MS)
    sensors = {("hq", "d01"): [AuditSensor("pi-1", "pir1", "motion")]}
    made = report([asked], Wanted(), sensors, "perch.toml")
    assert (made.overall.looks, made.waiting, made.left_out) == (60, 1, 1)
    assert (made.first_ms, made.last_ms) == (NOON_MS, NOON_MS + 59 * 60_000)
    assert made.warnings[0] == MOMENTS
    assert len(made.warnings) == 3
    (space,) = made.spaces
    assert space.figures.recall.why == "not enough yet: 4 of 20 looks"
    assert [(sensor.id, sensor.alone) for sensor in made.sensors] == [("pir1", True)]
    sensors[("hq", "d01")].append(AuditSensor("pi-1", "co2", "co2"))
    both = report([asked], Wanted(), sensors).sensors
    assert [(sensor.id, sensor.alone, sensor.beside) for sensor in both] == [
        ("pir1", False, ("co2",)),
        ("co2", False, ("pir1",)),
    ]
    assert report([asked], Wanted(), {}).warnings[-1] == NO_SENSORS
    assert report([asked], Wanted(kind=SpaceKind.ROOM), {}).spaces == ()


def test_a_space_that_is_worse_than_it_should_be_gets_a_fit_suggested() -> None:
    days = [
        Stated(
            "hq",
            "pi-1",
            EPOCH,
            day + 1,
            NOON_MS,
            "d01",
            NOON_MS + day * DAY_MS,
            State.FREE,
            0.1,
            None,
            Reason.QUIET,
            Dating.OK,
        )
        for day in range(30)
    ]
    looks = [Look("d01", NOON_MS + day * DAY_MS + 60_000, 1) for day in range(29)]
    made = report([ask(SITE, looks, MemoryHistory(days), NOW_MS)], Wanted(), {}, "my/perch.toml")
    (space,) = made.spaces
    assert space.figures.recall.value == 0
    assert space.advice[0].startswith("recall is 0.0 (0.0 to ")
    assert space.fit[1] == "perch audit export --config my/perch.toml --site hq --space d01 > truth.csv"
    assert "keep_readings_mib" in space.fit[0]
    assert space.fit[2].startswith("perch fit ")
