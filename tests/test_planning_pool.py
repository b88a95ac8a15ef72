"""Planning with spaces that nobody ever observed, time that nobody knows, and hours in which nobody could come."""

from datetime import time
from pathlib import Path

import pytest

from perch.adapters.keys import Role
from perch.history.alone import ALONE
from perch.history.memory import MemoryHistory
from perch.history.planning.changes import Add, Change, Convert, Open, Remove
from perch.history.planning.comparison import Compared, compare
from perch.history.planning.definitions import PLANS
from perch.history.planning.pool import observed_pool
from perch.history.planning.quantiles import days_for_upper_end, enough
from perch.history.planning.scenario import scenario
from perch.history.planning.sizing import sizing
from perch.history.told import Told
from perch.model import OpenSpan, Reason, Site, SpaceKind, State
from tests.history_cases import HOUR_MS, day_ms, site, space, stated
from tests.test_history_bands import DAY
from tests.test_history_of_groups import COMPARED, a_house
from tests.test_history_of_groups import scenario as what_if
from tests.test_planning import CALENDAR, FAR_MS, FROM_MS, HOURS, OFFICE, told_of, weekdays, window

DAYS = weekdays(40)
WINDOW = window(DAYS)


def rooms_and_desks(*unheard: str) -> Site:
    """Two rooms and two desks that are heard of, and rooms that never are."""
    desks = [space(f"d{number}") for number in range(2)]
    rooms = [space(name, kind=SpaceKind.ROOM, zone="z2") for name in ("d2", "d3", *unheard)]
    return site(*desks, *rooms, hours=HOURS)


def history() -> list[Told]:
    """All of d0…d3 are taken for two hours each weekday."""
    return list(told_of(dict.fromkeys(DAYS, 4), 4))


def test_a_room_that_was_never_observed_blocks_no_number_and_is_named() -> None:
    of = rooms_and_desks("r8", "r9")
    found = sizing(of, SpaceKind.ROOM, *WINDOW, 0.8, MemoryHistory(history()), CALENDAR, FAR_MS)
    assert (found.desks_for_days, found.current, found.days, found.coverage) == (2, 2, 40, 1)
    assert found.left_out == ("r8", "r9")
    assert found.warnings[0] == ("Left out, because nothing at all was observed of them in this time: R8, R9.")
    desks = sizing(of, SpaceKind.DESK, *WINDOW, 0.8, MemoryHistory(history()), CALENDAR, FAR_MS)
    assert (desks.left_out, desks.desks_for_days) == ((), 2)


def test_where_nothing_was_observed_at_all_nothing_is_left_out() -> None:
    of, later = rooms_and_desks("r9"), (FROM_MS - 30 * 24 * HOUR_MS, FROM_MS - 10 * 24 * HOUR_MS)
    source = MemoryHistory(history())
    assert observed_pool(of, [later], source, CALENDAR) == (of, (), ())
    assert observed_pool(of, [later], MemoryHistory([]), CALENDAR) == (of, (), ())
    assert observed_pool(of, [later, WINDOW], source, CALENDAR).left_out == ("r9",)


def test_a_space_that_was_observed_for_a_moment_is_kept_with_all_its_unknown_time() -> None:
    once = stated(FROM_MS + HOUR_MS, State.FREE, space="r9", seq=7000)
    silent = stated(FROM_MS + 2 * HOUR_MS, State.UNKNOWN, space="r9", seq=7001, reason=Reason.SENSOR_SILENT)
    source = MemoryHistory([*history(), once, silent])
    found = sizing(rooms_and_desks("r9"), SpaceKind.ROOM, *WINDOW, 0.8, source, CALENDAR, FAR_MS)
    assert (found.left_out, found.desks_for_days, found.current) == ((), None, 3)


def test_a_scenario_counts_no_unobserved_space_but_lets_it_be_changed() -> None:
    of, source = rooms_and_desks("r9"), MemoryHistory(history())
    plain = scenario(of, *WINDOW, [Remove(("d3",))], source, CALENDAR, FAR_MS)
    assert (plain.left_out, plain.coverage, plain.kinds) == (("r9",), 1, (SpaceKind.ROOM,))
    assert plain.baseline.peak_concurrent == 2
    assert plain.scenario.turn_aways_per_week == pytest.approx(5, rel=0.05)
    into_desk: list[Change] = [Remove(("d0",)), Convert("r9", Add(SpaceKind.DESK, 1))]
    changed = scenario(of, *WINDOW, into_desk, source, CALENDAR, FAR_MS)
    assert changed.scenario.turn_aways_per_week == 0


def test_a_comparison_leaves_out_what_was_observed_in_neither_period() -> None:
    middle = day_ms("UTC", DAYS[20])
    of = Compared("coverage", (WINDOW[0], middle), (middle, WINDOW[1]))
    found = compare(of, rooms_and_desks("r9"), MemoryHistory(history()), CALENDAR, FAR_MS)
    assert (found.left_out, found.before.value, found.after.coverage) == (("r9",), 1, 1)


def dark_mornings(of: list[Told]) -> list[Told]:
    """On each Monday d0 is unknown from eight to nine."""
    seq, dark = 8000, []
    for day in DAYS:
        if day.weekday() == 0:
            at_ms = day_ms("UTC", day, 8)
            dark.append(stated(at_ms, State.UNKNOWN, space="d0", seq=seq, reason=Reason.SENSOR_SILENT))
            dark.append(stated(day_ms("UTC", day, 9), State.FREE, space="d0", seq=seq + 1))
            seq += 2
    return [*of, *dark]


def test_every_number_of_a_plan_says_what_unknown_time_may_make_of_it() -> None:
    source = MemoryHistory(dark_mornings(list(told_of(dict.fromkeys(DAYS, 1), 2, hour=12))))
    of = site(space("d0"), space("d1"), hours=HOURS)
    sized = sizing(of, SpaceKind.DESK, *WINDOW, 0.9, source, CALENDAR, FAR_MS)
    assert sized.bounds == ((1, 1), (1, 1))
    without_one = scenario(of, *WINDOW, [Remove(("d0",))], source, CALENDAR, FAR_MS)
    assert without_one.scenario.bounds.turn_aways_per_week == (0, 0)
    none_left = scenario(of, *WINDOW, [Remove(("d0", "d1"))], source, CALENDAR, FAR_MS)
    low, high = none_left.scenario.bounds.turn_aways_per_week
    assert low == none_left.scenario.turn_aways_per_week
    assert high == pytest.approx(low * 6 / 5)
    middle = day_ms("UTC", DAYS[20])
    asked = Compared("time_used_ratio", (WINDOW[0], middle), (middle, WINDOW[1]))
    compared = compare(asked, of, source, CALENDAR, FAR_MS)
    before, after = compared.before, compared.after
    numbers = [of or 0 for of in (before.low, before.value, before.high, after.low, after.high)]
    assert numbers[0] < numbers[1] < numbers[2]
    assert compared.bounds == pytest.approx((numbers[3] - numbers[2], numbers[4] - numbers[0]))
    assert before.days == 20
    assert before.coverage == pytest.approx(1 - 4 / 480)


def test_desks_that_may_have_been_taken_are_the_upper_bound_of_what_is_enough() -> None:
    """Beside the one that is taken, another is unknown for an hour in ten."""
    dark = [
        one
        for number, day in enumerate(DAYS)
        for one in (
            stated(day_ms("UTC", day, 12), State.UNKNOWN, space="d1", seq=8000 + number, reason=Reason.SENSOR_SILENT),
            stated(day_ms("UTC", day, 13), State.FREE, space="d1", seq=9000 + number),
        )
    ]
    source = MemoryHistory([*told_of(dict.fromkeys(DAYS, 1), 2, hour=11, lasts_hours=3), *dark])
    found = sizing(site(space("d0"), space("d1"), hours=HOURS), SpaceKind.DESK, *WINDOW, 0.95, source, CALENDAR, FAR_MS)
    assert found.bounds == ((1, 2), (1, 2))
    assert found.interval == (1, None)


def test_how_many_days_an_upper_end_needs_is_said() -> None:
    for share in (0.5, 0.8, 0.9, 0.95, 0.99):
        wanted = days_for_upper_end(share)
        assert enough([1] * wanted, [1] * wanted, share).high == 1
        assert enough([1] * (wanted - 1), [1] * (wanted - 1), share).high is None
    source = MemoryHistory(history())
    found = sizing(rooms_and_desks(), SpaceKind.DESK, *WINDOW, 0.95, source, CALENDAR, FAR_MS)
    assert found.days_wanted == 72
    assert "Not bounded above yet: 72 open days are needed to say how many at most, 40 were seen." in found.warnings


def test_who_would_come_on_a_day_that_was_closed_is_no_number() -> None:
    source, of = MemoryHistory(history()), rooms_and_desks()
    saturdays = Open({5: (OpenSpan(time(10), time(16)),)})
    found = scenario(of, *WINDOW, [saturdays, Remove(("d0",))], source, CALENDAR, FAR_MS)
    assert found.opens_longer == (5,)
    assert found.scenario[:4] == (None, None, None, None)
    low, high = found.scenario.bounds.turn_aways_per_week
    assert low == pytest.approx(5, rel=0.05)
    assert high is None
    assert found.baseline.turn_aways_per_week == 0
    assert "closed today (on Saturdays) cannot be known" in found.warnings[-1]


@pytest.mark.parametrize(
    ("hours", "longer"),
    [
        ({0: (OpenSpan(time(9), time(18)),)}, ()),
        ({0: ()}, ()),
        ({0: (OpenSpan(time(7), time(18)),)}, (0,)),
        ({0: (OpenSpan(time(9), None),), 4: OFFICE, 6: OFFICE}, (0, 6)),
    ],
)
def test_hours_within_todays_have_a_number(hours: dict[int, tuple[OpenSpan, ...]], longer: tuple[int, ...]) -> None:
    found = scenario(rooms_and_desks(), *WINDOW, [Open(hours)], MemoryHistory(history()), CALENDAR, FAR_MS)
    assert found.opens_longer == longer
    assert (found.scenario.turn_aways_per_week is None) == bool(longer)


def test_full_hours_are_told_by_kind() -> None:
    found = scenario(rooms_and_desks(), *WINDOW, [Remove(("d0", "d2"))], MemoryHistory(history()), CALENDAR, FAR_MS)
    weeks = (WINDOW[1] - WINDOW[0]) / (7 * 24 * HOUR_MS)
    each = pytest.approx(40 * 2 / weeks)
    assert found.scenario.full_hours_by_kind == {SpaceKind.DESK: each, SpaceKind.ROOM: each}
    assert found.scenario.full_hours_per_week == each


def test_every_definition_of_a_plan_is_whole() -> None:
    assert all(of.text.endswith(".") and of.is_not.startswith("Not ") and of.version for of in PLANS.values())


def test_a_space_beside_one_that_was_never_observed_is_no_group_for_planning(tmp_path: Path) -> None:
    """Of six shared desks five never said anything: what managers would be told were the last one's history."""
    (tmp_path / "whole").mkdir()
    never = tuple(f"d0{number}" for number in range(2, 7))
    silent, whole = a_house(tmp_path, *never), a_house(tmp_path / "whole")
    sizing_of_desks = f"/api/v1/planning/sizing?site=hq&{DAY}&kind=desk"
    assert [house.get(sizing_of_desks, Role.MANAGER).status for house in (silent, whole)] == [422, 200]
    assert silent.get(sizing_of_desks, Role.FACILITIES).json["left_out"] == list(never)
    comparison = f"/api/v1/planning/comparison?site=hq&metric=time_used_ratio&zone=open&{COMPARED}"
    assert [house.get(comparison, Role.MANAGER).status for house in (silent, whole)] == [422, 200]
    changed = what_if(silent, {"remove": ["d01"]})
    assert (changed.status, what_if(whole, {"remove": ["d01"]}).status) == (422, 200)
    for page in ("planning", "week"):
        said = silent.get(f"/{page}?site=hq&{DAY}&kind=desk", Role.MANAGER)
        assert said.status == 422 or ALONE.encode() in said.body
