"""Planning: how many desks would do, what if, before and after; with how sure it is, or why there is no number."""

import random
from collections.abc import Iterator
from datetime import date, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perch.errors import QuestionError
from perch.history.asked import Booking
from perch.history.calendar import Calendar
from perch.history.memory import MemoryHistory
from perch.history.planning.changes import Add, Change, Convert, Open, Remove
from perch.history.planning.comparison import Compared, Comparison, compare
from perch.history.planning.demand import Stay
from perch.history.planning.quantiles import enough, unseen
from perch.history.planning.replay import replay
from perch.history.planning.scenario import Scenario, scenario
from perch.history.planning.sizing import LEAST_DAYS, sizing
from perch.history.planning.weekdays import Day, compared_days
from perch.history.told import Marked, Stated, Told
from perch.model import OpenSpan, Reason, Site, SpaceKind, State
from tests.examples import usually
from tests.history_cases import HOUR_MS, day_ms, marked, site, space, stated

DAY_MS = 24 * HOUR_MS
FAR_MS = 2**45
MONDAY = date(2026, 1, 5)
FROM_MS = day_ms("UTC", MONDAY)
OFFICE = (OpenSpan(time(8), time(20)),)
HOURS = (OFFICE,) * 5 + ((),) * 2
CALENDAR = Calendar("UTC", HOURS)


def office(desks: int, rooms: int = 0) -> Site:
    """Desks d0… in zone z1 and rooms r0… of four in zone z2, open on weekdays from eight to eight."""
    places = [space(f"d{number}") for number in range(desks)]
    places += [space(f"r{number}", kind=SpaceKind.ROOM, zone="z2") for number in range(rooms)]
    return site(*places, hours=HOURS)


def told_of(demand: dict[date, int], desks: int, hour: int = 10, lasts_hours: float = 2) -> Iterator[Told]:
    """Each day so many people come at one hour, and take the first desks; all else is known to be free."""
    seq = 0
    for number in range(desks):
        seq += 1
        yield stated(FROM_MS - DAY_MS, State.FREE, space=f"d{number}", seq=seq, reason=Reason.QUIET)
    for day, people in demand.items():
        for number in range(min(people, desks)):
            at_ms = day_ms("UTC", day, hour)
            for state, ms in ((State.OCCUPIED, at_ms), (State.FREE, at_ms + round(lasts_hours * HOUR_MS))):
                seq += 1
                yield stated(ms, state, space=f"d{number}", seq=seq)
    yield marked(FROM_MS + 800 * DAY_MS, seq=seq + 1)


def weekdays(number: int) -> list[date]:
    days = (MONDAY + timedelta(days=passed) for passed in range(number * 2))
    return [day for day in days if day.weekday() < 5][:number]


def window(days: list[date]) -> tuple[int, int]:
    return FROM_MS, day_ms("UTC", days[-1] + timedelta(days=1))


def test_desks_are_sized_by_the_peaks_of_days_and_by_time() -> None:
    days = weekdays(100)
    demand = {day: 4 + place % 10 for place, day in enumerate(days)}  # 4…13, each on a tenth of the days
    found = sizing(office(20), SpaceKind.DESK, *window(days), 0.9, MemoryHistory(told_of(demand, 20)), CALENDAR, FAR_MS)
    assert (found.current, found.days, found.full_days, found.coverage) == (20, 100, 0, 1.0)
    assert found.desks_for_days == 13  # twelve would do on just 90 of these days, and on fewer of others
    assert found.interval is not None
    assert found.interval[0] in (11, 12)
    assert found.interval[1] == 13
    assert (
        found.desks_for_time == 7
    )  # 10 hours of 12 nobody comes; in 4 tenths of the others 4, 5, 6 or 7 people are there
    by_desks = {point.desks: point for point in found.curve}
    assert (by_desks[0].short_days_ratio, by_desks[0].people_without) == (1.0, 8.5)
    assert (by_desks[11].short_days_ratio, by_desks[11].people_without) == (0.2, 1.5)
    assert by_desks[13].short_days_ratio == 0
    assert max(by_desks) == 20


def test_too_few_days_give_no_number_and_say_so() -> None:
    days = weekdays(LEAST_DAYS - 1)
    found = sizing(
        office(3),
        SpaceKind.DESK,
        *window(days),
        0.95,
        MemoryHistory(told_of(dict.fromkeys(days, 1), 3)),
        CALENDAR,
        FAR_MS,
    )
    assert (found.desks_for_days, found.interval, found.desks_for_time, found.curve) == (None, None, None, ())
    assert f"{LEAST_DAYS} are the least" in found.warnings[0]


def test_days_that_were_hardly_observed_do_not_count() -> None:
    days = weekdays(60)
    told = [one for one in told_of(dict.fromkeys(days, 2), 3) if not isinstance(one, Marked)]
    dark = day_ms("UTC", days[40])
    told += [
        stated(dark, State.UNKNOWN, space=f"d{number}", seq=9000 + number, reason=Reason.SENSOR_SILENT)
        for number in range(3)
    ]
    told = [one for one in told if isinstance(one, Stated) and one.time_ms <= dark]
    history = MemoryHistory([*told, marked(FROM_MS + 800 * DAY_MS, seq=9999)])
    found = sizing(office(3), SpaceKind.DESK, *window(days), 0.9, history, CALENDAR, FAR_MS)
    assert found.days == 40
    assert found.warnings[0] == "Open days left out, because less than 90% of them was observed: 20."


def test_a_full_house_is_said_to_hide_demand_which_is_estimated_with_its_assumption() -> None:
    chance = random.Random(5)  # noqa: S311  no secret
    days = weekdays(200)
    wanted = {day: max(round(chance.gauss(8, 2)), 0) for day in days}
    found = sizing(office(9), SpaceKind.DESK, *window(days), 0.95, MemoryHistory(told_of(wanted, 9)), CALENDAR, FAR_MS)
    assert found.desks_for_days == 9
    assert found.full_days == sum(people >= 9 for people in wanted.values())
    assert any("every one was taken" in warning for warning in found.warnings)
    assert found.unseen is not None
    assert "normally distributed" in found.unseen.assumption
    assert 11 <= found.unseen.desks_for_days <= 13  # 8 + 1.645 · 2


@usually(60)
@given(
    st.lists(st.integers(0, 50), min_size=1, max_size=400),
    st.lists(st.integers(0, 5), min_size=400, max_size=400),
    st.sampled_from((0.5, 0.8, 0.9, 0.95, 0.99)),
)
def test_what_is_enough_lies_in_its_interval_and_grows_with_the_share(
    peaks: list[int], more: list[int], share: float
) -> None:
    highest = [peak + extra for peak, extra in zip(peaks, more, strict=False)]
    found = enough(peaks, highest, share)
    assert found.low <= found.value <= (found.value if found.high is None else found.high)
    assert sum(peak <= found.value for peak in peaks) >= min(share * len(peaks), len(peaks))
    assert enough(peaks, highest, 0.5).value <= found.value


def test_ninety_five_days_in_a_hundred_hold_on_later_days() -> None:
    """Busy and quiet weekdays, good and bad weeks; half of the days size, the other half tell how often it held."""
    held = []
    for seed in range(40):
        peaks = list(daily_peaks(seed, 500))
        size = enough(peaks[:250], peaks[:250], 0.95).value
        held.append(sum(peak <= size for peak in peaks[250:]) / 250)
    assert sum(held) / len(held) >= 0.94
    assert sum(share >= 0.93 for share in held) >= 0.75 * len(held)


def daily_peaks(seed: int, days: int) -> Iterator[int]:
    chance = random.Random(seed)  # noqa: S311  no secret
    for day in range(days):
        if day % 5 == 0:
            week = chance.gauss(1, 0.05)
        busy = (0.8, 1.0, 0.98, 0.95, 0.62)[day % 5] * week * chance.gauss(1, 0.1)
        yield sum(chance.random() < 0.7 * busy for _ in range(48))


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    truth = sorted(daily_peaks(10**6, 20_000))[19_000]
    covers = 0
    for seed in range(120):
        peaks = list(daily_peaks(seed, 250))
        found = enough(peaks, peaks, 0.95)
        covers += found.low <= truth <= (found.high if found.high is not None else truth)
    assert covers >= 108


def meetings(people: list[int | None]) -> Iterator[Told]:
    """On forty weekdays two groups meet at ten, in r0 and r1; those in r0 come one after the other until twelve."""
    seq = 0
    for name in ("r0", "r1"):
        seq += 1
        yield stated(FROM_MS - DAY_MS, State.FREE, space=name, seq=seq, people=0)
    for place, day in enumerate(weekdays(40)):
        for name, hour, count in (
            ("r0", 10, 2),
            ("r0", 11, people[place % len(people)]),
            ("r0", 12, 0),
            ("r1", 10, 2),
            ("r1", 11, 0),
        ):
            seq += 1
            state = State.FREE if count == 0 else State.OCCUPIED
            yield stated(day_ms("UTC", day, hour), state, space=name, seq=seq, people=count)
    yield marked(FROM_MS + 800 * DAY_MS, seq=seq + 1)


def test_rooms_are_sized_by_how_many_came_together() -> None:
    window_ms = FROM_MS, FROM_MS + 8 * 7 * DAY_MS
    for people, sizes in (([5], [1, 0, 1, 0]), ([2], [2, 0, 0, 0]), ([12, 3], [1, 1, 0, 1])):
        history = MemoryHistory(meetings([*people]))
        found = sizing(office(0, rooms=2), SpaceKind.ROOM, *window_ms, 0.9, history, CALENDAR, FAR_MS)
        assert found.by_group_size is not None
        assert [of.rooms_for_days for of in found.by_group_size] == sizes
        assert sum(of.sessions for of in found.by_group_size) == 80
    nobody_counted = MemoryHistory(
        one._replace(people=None) if isinstance(one, Stated) else one for one in meetings([2])
    )
    found = sizing(office(0, rooms=2), SpaceKind.ROOM, *window_ms, 0.9, nobody_counted, CALENDAR, FAR_MS)
    assert found.by_group_size is None
    assert "not counted" in found.warnings[-1]


def test_nothing_is_estimated_of_what_was_always_full() -> None:
    assert unseen([9] * 50, [True] * 50, 0.95) is None


SEATS = st.integers(0, 5)


@st.composite
def stays(draw: st.DrawFn) -> list[Stay]:
    made = draw(
        st.lists(
            st.tuples(st.integers(0, 99), st.integers(1, 60), st.sampled_from(("desk", "room")), SEATS), max_size=30
        )
    )
    return sorted(Stay(start, start + lasts, SpaceKind(kind), seats) for start, lasts, kind, seats in made)


@usually(80)
@given(stays(), st.lists(st.none() | st.integers(1, 5), max_size=4), st.integers(0, 3))
def test_a_replay_equals_one_done_minute_by_minute(made: list[Stay], rooms: list[int | None], desks: int) -> None:
    """Who comes takes the smallest free space that is large enough; those who leave have left before."""
    pools: dict[SpaceKind, list[int | None]] = {SpaceKind.DESK: [None] * desks, SpaceKind.ROOM: rooms}
    found = replay(made, pools, 0, 200)
    here: list[tuple[Stay, SpaceKind, int]] = []
    away, taken_at, full_at = [], {}, {}
    for now in range(200):
        here = [one for one in here if one[0].to_ms > now]
        for stay in (stay for stay in made if stay.from_ms == now):
            held = {place for _, kind, place in here if kind is stay.kind}
            sizes = [(size if size is not None else 99, place) for place, size in enumerate(pools[stay.kind])]
            fits = sorted((size, place) for size, place in sizes if place not in held and size >= stay.seats)
            if fits:
                here.append((stay, stay.kind, fits[0][1]))
            else:
                away.append(now)
        taken_at[now] = len(here)
        full_at[now] = any(sum(of is kind for _, of, _ in here) == len(places) for kind, places in pools.items())
    assert sorted(found.turned_away_ms) == away
    for filling in found.fillings:
        for now in range(filling.from_ms, filling.to_ms):
            assert (filling.taken, bool(filling.full)) == (taken_at[now], full_at[now])
    assert [one.to_ms for one in found.fillings][:-1] == [one.from_ms for one in found.fillings][1:]


def test_who_leaves_in_the_very_millisecond_makes_room_for_who_comes() -> None:
    stays = [Stay(0, 10, SpaceKind.DESK, 1), Stay(10, 20, SpaceKind.DESK, 1), Stay(19, 30, SpaceKind.DESK, 1)]
    found = replay(stays, {SpaceKind.DESK: [None]}, 0, 40)
    assert found.turned_away_ms == (19,)


def asked_if(*changes: Change, people: int = 3, desks: int = 4, days: int = 40) -> Scenario:
    """Eight weeks in which people come at ten each weekday, to desks beside a room that nobody uses."""
    on = weekdays(days)
    history = MemoryHistory(told_of(dict.fromkeys(on, people), desks))
    to_ms = FROM_MS + 8 * 7 * DAY_MS
    return scenario(office(desks, rooms=1), FROM_MS, to_ms, changes, history, CALENDAR, FAR_MS)


def test_what_if_says_who_is_turned_away_and_how_often_it_is_full() -> None:
    found = asked_if(Remove(("d0", "d3")))
    assert found.sessions == 3 * 40
    assert found.baseline[:4] == (0, (0, 0), 0, 3)
    assert found.scenario[:4] == (5, (5, 5), 5 * 2, 2)


@pytest.mark.parametrize(
    ("changes", "turned_away", "peak"),
    [
        ((Remove(("d0", "d1", "d2", "d3")),), 15, 0),
        ((Remove(("d0", "d1")), Add(SpaceKind.DESK, 1)), 0, 3),
        ((Convert("d0", Add(SpaceKind.ROOM, 1)), Convert("d1", Add(SpaceKind.BOOTH, 2))), 5, 2),
        ((Convert("r0", Add(SpaceKind.DESK, 3)),), 0, 3),
        ((Open({0: (OpenSpan(time(12), time(20)),)}),), 3, 3),
    ],
)
def test_spaces_are_removed_added_converted_and_hours_changed(
    changes: tuple[Change, ...], turned_away: float, peak: int
) -> None:
    found = asked_if(*changes)
    assert (found.scenario.turn_aways_per_week, found.scenario.peak_concurrent) == (turned_away, peak)
    assert found.baseline.turn_aways_per_week == 0


def test_four_whole_weeks_are_enough_for_an_interval_though_one_of_them_is_an_hour_shorter() -> None:
    lisbon, first, last = Calendar("Europe/Lisbon", HOURS), date(2026, 3, 9), date(2026, 4, 6)
    from_ms, to_ms = lisbon.day_start_ms(first), lisbon.day_start_ms(last)
    on = [first + timedelta(days=7 * week + day) for week in range(4) for day in range(5)]
    history = MemoryHistory(told_of(dict.fromkeys(on, 3), 4))
    found = scenario(office(4), from_ms, to_ms, [Remove(("d0", "d3"))], history, lisbon, FAR_MS)
    assert (found.scenario.turn_aways_per_week, found.scenario.interval) == (5, (5, 5))
    assert not any("whole weeks" in warning for warning in found.warnings)


def test_a_change_of_a_space_that_is_not_there_is_refused_by_its_place() -> None:
    for changes in (
        (Add(SpaceKind.DESK, 1), Remove(("d9",))),
        (Remove(("d0",)), Convert("d0", Add(SpaceKind.ROOM, 1))),
    ):
        with pytest.raises(QuestionError, match="there is no space") as told:
            asked_if(*changes)
        assert told.value.parameter.startswith("changes[1].")


def test_too_few_weeks_give_no_interval_and_unknown_demand_is_said_to_be_unknown() -> None:
    on = weekdays(10)
    history = MemoryHistory(told_of(dict.fromkeys(on, 1), 2))
    longer = Open({5: OFFICE})
    found = scenario(office(2), *window(on), [longer], history, CALENDAR, FAR_MS)
    assert found.scenario.interval is None
    assert any("fewer than 4 whole weeks" in warning for warning in found.warnings)
    assert any("closed today (on Saturdays) cannot be known" in warning for warning in found.warnings)


def compared(before: dict[date, int], after: dict[date, int], *, control: dict[date, int] | None = None) -> Comparison:
    """Desks d0…d9 in z1 and, as a control, in z2."""
    desks = [space(f"d{number}") for number in range(10)]
    others = [space(f"c{number}", zone="z2") for number in range(10)]
    told = list(told_of({**before, **after}, 10))
    if control is not None:
        told += [
            one._replace(space="c" + one.space[1:], seq=one.seq + 10**6)
            for one in told_of(control, 10)
            if isinstance(one, Stated)
        ]
    spans = [(day_ms("UTC", min(days)), day_ms("UTC", max(days) + timedelta(days=1))) for days in (before, after)]
    of = Compared("peak_concurrent", spans[0], spans[1], "z1", "z2" if control else None)
    return compare(of, site(*desks, *others, hours=HOURS), MemoryHistory(told), CALENDAR, FAR_MS)


def test_weekdays_are_matched_and_the_difference_has_an_interval_from_weeks() -> None:
    """After the change one more comes each day; the second period begins on a Thursday, and Fridays are quiet."""
    days = weekdays(80)
    usual = {day: (5 if day.weekday() < 4 else 2) + (day.isocalendar()[1] % 2) for day in days}
    before = {day: people for day, people in usual.items() if day < days[38]}
    after = {day: people + 1 for day, people in usual.items() if day >= days[38]}
    found = compared(before, after)
    assert found.difference == pytest.approx(1, abs=0.1)
    assert found.before.value == pytest.approx(4.9, abs=0.1)
    assert found.interval is not None
    assert found.interval[0] < 1 < found.interval[1]
    assert (found.before.weeks, found.after.weeks) == (8, 9)


def test_a_control_zone_takes_out_what_changed_everywhere() -> None:
    chance = random.Random(3)  # noqa: S311  no secret
    days = weekdays(80)
    everywhere = {day: chance.randint(2, 5) + (2 if day >= days[40] else 0) for day in days}
    before = {day: people for day, people in everywhere.items() if day < days[40]}
    after = {day: people + 1 for day, people in everywhere.items() if day >= days[40]}
    found = compared(before, after, control=everywhere)
    assert found.difference == pytest.approx(1)
    assert "z2" in found.warnings[-1]


def test_bookings_are_compared_as_far_as_calendars_remember_them() -> None:
    """A desk that is booked at ten each weekday; before, each fourth booking is missed, afterwards none."""
    days = weekdays(80)
    came = {day: 0 if place < 40 and place % 4 == 0 else 1 for place, day in enumerate(days)}
    history = MemoryHistory(told_of(came, 1))
    bookings = {"d0": [Booking(at, at + HOUR_MS) for at in (day_ms("UTC", day, 10) for day in days)]}
    middle, until = day_ms("UTC", days[40]), day_ms("UTC", days[-1] + timedelta(days=1))
    of = Compared("no_show_rate", (FROM_MS, middle), (middle, until))
    found = compare(of, office(1), history, CALENDAR, FAR_MS, bookings)
    assert [(of.value, of.weeks) for of in (found.before, found.after)] == [(0.25, 8), (0, 8)]
    assert found.warnings == (
        "Bookings are those that the calendars hold now: what was deleted since is in no number.",
    )
    forgotten = {"d0": bookings["d0"][30:]}
    few = compare(of, office(1), history, CALENDAR, FAR_MS, forgotten)
    assert (few.before.value, few.before.weeks, few.after.weeks) == (None, 2, 8)
    assert few.warnings[0] == "Days before left out, because nothing happened on them that has a number: 30."


def test_three_weeks_are_not_enough_to_compare() -> None:
    days = weekdays(30)
    found = compared(dict.fromkeys(days[:15], 3), dict.fromkeys(days[15:], 4))
    assert (found.before.value, found.difference, found.interval) == (None, None, None)
    assert (found.before.weeks, found.after.weeks) == (3, 3)
    assert "4 of each are the least" in found.warnings[0]


@pytest.mark.parametrize(("weeks", "least", "most"), [(26, 0.91, 0.985), (8, 0.90, 0.99)])
def test_the_interval_of_a_difference_covers_the_truth_as_often_as_it_says(
    weeks: int, least: float, most: float
) -> None:
    """Weekdays differ, weeks are good or bad as a whole, days differ beside; nothing changed but by 0.03."""
    covers = 0
    for seed in range(300):
        chance = random.Random(seed)  # noqa: S311  no secret
        periods = [[Day(one, one, one) for one in daily_values(chance, weeks, shift)] for shift in (0.0, 0.03)]
        first, second = (
            dict(zip(weekdays_from(at, weeks * 5), days, strict=True))
            for at, days in zip((0, weeks), periods, strict=True)
        )
        found = compared_days(first, second)
        assert found.interval is not None
        covers += found.interval[0] <= 0.03 <= found.interval[1]
    assert least <= covers / 300 <= most


def daily_values(chance: random.Random, weeks: int, shift: float) -> Iterator[float]:
    for _ in range(weeks):
        week = chance.gauss(0, 0.03)
        for weekday in range(5):
            yield 0.4 - 0.05 * (weekday == 4) + week + chance.gauss(0, 0.05) + shift


def weekdays_from(weeks: int, number: int) -> list[date]:
    return [MONDAY + timedelta(weeks=weeks + place // 5, days=place % 5) for place in range(number)]
