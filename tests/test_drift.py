"""Whoever comes in goes out again: what the doors of a space count beyond that is said, by the agent itself."""

from itertools import accumulate
from math import exp
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perch.model import DAY_MS, Reading, SensedSpace, Sensor, SensorKind, SpaceKind
from perch.sensing.drift import FADE_DAYS, LEAST_DAYS, NOBODY_CROSSED, Crossings, Tally
from perch.sensing.watch import Watch
from sensor_agent import keepsakes

HOUR_MS = 3_600_000
ROOM = SensedSpace("r1", SpaceKind.ROOM, 8)
IN, OUT = Sensor("in", SensorKind.BEAM_IN, "r1", None), Sensor("out", SensorKind.BEAM_OUT, "r1", None)
PIR = Sensor("pir", SensorKind.MOTION, "r1", None)


def begun() -> Watch:
    watch = Watch([ROOM], [IN, OUT, PIR])
    watch.start(0)
    return watch


def cross(watch: Watch, beam: str, times: int, from_ms: int) -> None:
    for n in range(times):
        watch.observe(Reading(from_ms + n * 5000, beam, 1.0))
        watch.observe(Reading(from_ms + n * 5000 + 400, beam, 0.0))


def spend_days(watch: Watch, days: int, came: int, went: int) -> None:
    first = -(-watch.now_ms // DAY_MS)
    for day in range(first, first + days):
        cross(watch, "in", came, day * DAY_MS + 9 * HOUR_MS)
        cross(watch, "out", went, day * DAY_MS + 17 * HOUR_MS)
    watch.advance((first + days) * DAY_MS)


def drift(watch: Watch) -> float | None:
    healths = watch.healths(watch.now_ms)
    assert healths["pir"].drift_a_day is None
    assert healths["in"].drift_a_day == healths["out"].drift_a_day
    return healths["in"].drift_a_day


@pytest.mark.parametrize(("came", "went"), [(12, 10), (10, 12), (10, 10), (0, 0)])
def test_an_agent_knows_by_how_many_a_day_its_doors_count_more_in_than_out(came: int, went: int) -> None:
    watch = begun()
    spend_days(watch, 10, came, went)
    assert drift(watch) == pytest.approx(came - went, abs=0.3)


def test_nothing_is_said_of_drift_before_two_days() -> None:
    watch = begun()
    spend_days(watch, 1, 12, 10)
    assert drift(watch) is None


def test_who_is_inside_at_the_moment_is_no_drift() -> None:
    watch = begun()
    spend_days(watch, 4, 10, 10)
    cross(watch, "in", 6, watch.now_ms + HOUR_MS)
    assert watch.occupancies(watch.now_ms)["r1"].count in {5, 6}
    assert drift(watch) == pytest.approx(0, abs=0.4)


def test_doors_that_were_put_straight_are_believed_again() -> None:
    watch = begun()
    spend_days(watch, 20, 12, 8)
    spend_days(watch, 40, 10, 10)
    assert abs(drift(watch) or 9) < 0.5


def test_what_an_agent_knows_of_drift_outlives_it(tmp_path: Path) -> None:
    before = begun()
    spend_days(before, 5, 12, 10)
    keepsakes.save(tmp_path, before.learned())
    after = Watch([ROOM], [IN, OUT, PIR])
    after.start(0, learned=keepsakes.load(tmp_path))
    assert drift(after) == pytest.approx(drift(before))


def test_what_an_earlier_version_learned_is_still_understood(tmp_path: Path) -> None:
    (tmp_path / keepsakes.FILE).write_text('{"v": 1, "sensors": {"in": {"memory": [], "busy": 2.0, "steady_ms": 5}}}')
    assert keepsakes.load(tmp_path)["in"].crossings == NOBODY_CROSSED


@pytest.mark.parametrize("crossings", ["[1]", "[1, 2, 3]", '["a", 1]', "[-1, 1]", "[NaN, 1]", "[1e300, 1]", "7"])
def test_a_damaged_memory_of_crossings_is_as_good_as_none(tmp_path: Path, crossings: str) -> None:
    learned = f'{{"memory": [], "busy": 2.0, "steady_ms": 5, "crossings": {crossings}}}'
    (tmp_path / keepsakes.FILE).write_text(f'{{"v": 1, "sensors": {{"in": {learned}}}}}')
    assert keepsakes.load(tmp_path) == {}


@given(st.lists(st.integers(0, 5 * DAY_MS), max_size=30), st.integers(0, 30 * DAY_MS))
def test_each_crossing_and_each_moment_of_watching_fades_by_its_age(pauses_ms: list[int], last_ms: int) -> None:
    moments = list(accumulate(pauses_ms))
    end_ms = (moments[-1] if moments else 0) + last_ms
    tally = Tally(NOBODY_CROSSED, 0)
    for at_ms in moments:
        tally.count(at_ms)
    fade_ms = FADE_DAYS * DAY_MS
    times = sum(exp(-(end_ms - at_ms) / fade_ms) for at_ms in moments)
    assert tally.crossings(end_ms) == pytest.approx((times, FADE_DAYS * (1 - exp(-end_ms / fade_ms))), abs=1e-9)


def test_two_days_of_watching_are_reached() -> None:
    assert Tally(Crossings(0, 0), 0).crossings(round(2.2 * DAY_MS)).days > LEAST_DAYS
