"""History as rows for another store: quarter hours of zones, transitions, and states carried on."""

from collections import defaultdict
from dataclasses import astuple
from datetime import date, time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perch.history.answers import transitions
from perch.history.calendar import Calendar
from perch.history.memory import MemoryHistory
from perch.history.quarters import ZoneQuarter, zone_rows
from perch.history.rows import OccupancyRow, occupancy_rows
from perch.history.told import Lost, LostSpan, evidence
from perch.model import QUARTER_MS, OpenSpan, Reason, SpaceKind, State
from tests.examples import one_in
from tests.history_cases import EPOCHS, SPACES, Case, cases, day_ms, marked, site, space, stated
from tests.history_oracle import Totals

DAY = date(2026, 9, 22)
NOON_MS = day_ms("UTC", DAY, 12)


def horizon(case: Case) -> tuple[int, int]:
    """The start of the first quarter hour with evidence, and the end of the last that was over at the last."""
    words = [word for word in map(evidence, case.told) if word is not None]
    heard = [min(word.time_ms, word.received_ms) for word in words]
    return (min(heard) // QUARTER_MS * QUARTER_MS, max(heard) // QUARTER_MS * QUARTER_MS) if heard else (0, 0)


@settings(max_examples=40)
@given(cases())
def test_quarter_hours_of_zones_equal_the_sum_over_moments(case: Case) -> None:
    """Each full quarter hour between first and last evidence, by what stood where then; open hours besides."""
    assert_sums_over_moments(case)


@pytest.mark.long
@settings(max_examples=600, deadline=None)
@given(cases())
def test_so_do_those_of_many_zones(case: Case) -> None:
    assert_sums_over_moments(case)


def assert_sums_over_moments(case: Case) -> None:
    first_ms, end_ms = horizon(case)
    oracle = case.oracle
    cells = oracle.cells(first_ms, end_ms) if first_ms < end_ms else []
    whole: dict[tuple[int, str, str, str], Totals] = defaultdict(Totals)
    in_hours: dict[tuple[int, str, str, str], Totals] = defaultdict(Totals)
    stood: dict[tuple[int, str, str, str], set[str]] = defaultdict(set)
    opened = {start: oracle.is_open(start) for start, _ in cells}
    open_quarters = {start // QUARTER_MS for start, is_open in opened.items() if is_open}
    for name in SPACES:
        for start, row, spent in oracle.spent(name, cells):
            key = (start // QUARTER_MS * QUARTER_MS, row.floor, row.zone, str(row.kind))
            stood[key].add(name)
            whole[key].add(spent)
            if opened[start]:
                in_hours[key].add(spent)
    expected = {
        ZoneQuarter(
            *key,
            len(names),
            *astuple(whole[key]),
            len(names) if key[0] // QUARTER_MS in open_quarters else 0,
            *astuple(in_hours[key]),
        )
        for key, names in stood.items()
    }
    found = zone_rows(case.site, case.calendar, first_ms - 10**9, end_ms + 10**9, MemoryHistory(case.told))
    assert set(found) == expected
    assert len(found) == len(expected)
    assert found == sorted(found)


@one_in(2)
@given(cases())
def test_a_state_is_carried_to_each_quarter_hour_that_its_agent_lived_to_see(case: Case) -> None:
    """What is in force, last words of that moment included, where its epoch or its agent's next word vouches for it."""
    oracle, source = case.oracle, MemoryHistory(case.told)
    words = [word for word in map(evidence, case.told) if word is not None]
    heard = [min(word.time_ms, word.received_ms) for word in words]
    for name in SPACES:
        said = oracle.said(name)
        expected = []
        for quarter_ms in range(-(-case.from_ms // QUARTER_MS) * QUARTER_MS, case.to_ms, QUARTER_MS):
            last, row = oracle.in_force(said, name, quarter_ms), oracle.standing(name, quarter_ms)
            if last is None or row is None or not min(heard) <= quarter_ms <= max(heard):
                continue
            if oracle.vouched[last.agent, last.epoch] >= quarter_ms or oracle.remembered(said, name, last, quarter_ms):
                expected.append((quarter_ms, row, last.state, last.count, last.seq))
        found = occupancy_rows(case.site, name, case.from_ms, case.to_ms, source)
        assert [
            (row.time_ms, row.space, row.state.state, row.state.count, row.state.seq) for row in found if row.carried
        ] == expected
        assert [row.state for row in found if not row.carried] == transitions(
            case.site, name, case.from_ms, case.to_ms, source
        )
        assert all(row.space == oracle.standing(name, row.time_ms) for row in found)


@one_in(2)
@given(cases(), st.lists(st.integers(0, 32 * 3_600_000), min_size=1, max_size=3))
def test_spans_written_one_by_one_are_the_whole(case: Case, cuts: list[int]) -> None:
    """Rows of a span depend on nothing but the span, wherever a window is cut."""
    source = MemoryHistory(case.told)
    bounds = [case.from_ms, *sorted(case.from_ms + cut for cut in cuts), case.to_ms]
    windows = [(start, end) for start, end in pairwise(bounds) if start < end]
    whole: list[OccupancyRow | ZoneQuarter] = [*zone_rows(case.site, case.calendar, bounds[0], bounds[-1], source)]
    parts: list[OccupancyRow | ZoneQuarter] = [
        row for window in windows for row in zone_rows(case.site, case.calendar, *window, source)
    ]
    for name in SPACES:
        whole += occupancy_rows(case.site, name, bounds[0], bounds[-1], source)
        parts += [row for window in windows for row in occupancy_rows(case.site, name, *window, source)]
    assert parts == whole


def test_a_desk_and_a_booth_hold_one_person_a_room_as_many_as_were_counted() -> None:
    layout = (
        space("s1", kind=SpaceKind.DESK),
        space("s2", kind=SpaceKind.ROOM),
        space("s3", kind=SpaceKind.ROOM, zone="z2"),
    )
    told = [
        stated(NOON_MS, State.OCCUPIED, space="s1", seq=1, people=3),
        stated(NOON_MS, State.OCCUPIED, space="s2", seq=2, people=3),
        stated(NOON_MS, State.OCCUPIED, space="s3", seq=3),
        marked(NOON_MS + QUARTER_MS, seq=4),
    ]
    rows = zone_rows(site(*layout), Calendar("UTC", ((),) * 7), 0, 2**45, MemoryHistory(told))
    assert [(row.zone, row.kind, row.occupied_ms, row.people_ms) for row in rows] == [
        ("z1", "desk", QUARTER_MS, QUARTER_MS),
        ("z1", "room", QUARTER_MS, 3 * QUARTER_MS),
        ("z2", "room", QUARTER_MS, 0),
    ]


def test_a_space_out_of_service_is_no_inventory() -> None:
    told = [
        stated(NOON_MS, State.UNKNOWN, seq=1, reason=Reason.OUT_OF_SERVICE),
        stated(NOON_MS + 60_000, State.FREE, seq=2),
        marked(NOON_MS + QUARTER_MS, seq=3),
    ]
    (row,) = zone_rows(site(space()), Calendar("UTC", ((),) * 7), 0, 2**45, MemoryHistory(told))
    assert (row.spaces, row.inventory_ms, row.known_ms) == (1, QUARTER_MS - 60_000, QUARTER_MS - 60_000)


def test_a_quarter_hour_that_is_open_in_part_counts_that_part() -> None:
    hours = ((OpenSpan(time(12, 10), None),),) * 7
    told = [stated(NOON_MS, State.OCCUPIED, seq=1), marked(NOON_MS + QUARTER_MS, seq=2)]
    (row,) = zone_rows(site(space(), hours=hours), Calendar("UTC", hours), 0, 2**45, MemoryHistory(told))
    assert (row.occupied_ms, row.open_occupied_ms, row.open_inventory_ms, row.open_spaces) == (
        QUARTER_MS,
        300_000,
        300_000,
        1,
    )


def test_the_probability_of_a_lost_span_is_that_before_it_wherever_a_window_begins() -> None:
    """Also where the window's nearest earlier statement lies in the span and does not count."""
    gap = Lost("hq", "pi-1", NOON_MS, LostSpan(EPOCHS[0], 2, 4, NOON_MS + 1000, NOON_MS + 10 * QUARTER_MS))
    hidden = stated(NOON_MS + 2000, State.OCCUPIED, seq=3, probability=0.9)
    told = [stated(NOON_MS, State.FREE, seq=1, probability=0.031), gap, hidden, marked(NOON_MS + 2 * QUARTER_MS, seq=9)]
    rows = occupancy_rows(site(space()), "s1", NOON_MS + QUARTER_MS, NOON_MS + 2 * QUARTER_MS, MemoryHistory(told))
    assert [(row.state.reason, row.state.probability) for row in rows] == [(Reason.EVENTS_LOST, 0.031)]


def test_an_agent_with_its_clock_in_the_future_stretches_nothing() -> None:
    """Quarter hours and carried states end where the collector last heard anything."""
    told = [
        stated(NOON_MS, State.FREE, seq=1),
        stated(NOON_MS + 10**9, State.FREE, seq=2, received_ms=NOON_MS + QUARTER_MS),
    ]
    source = MemoryHistory(told)
    assert [row.start_ms for row in zone_rows(site(space()), Calendar("UTC", ((),) * 7), 0, 2**45, source)] == [NOON_MS]
    carried = [row.time_ms for row in occupancy_rows(site(space()), "s1", 0, 2**45, source) if row.carried]
    assert carried == [NOON_MS, NOON_MS + QUARTER_MS]


def test_a_clock_that_reads_the_last_century_opens_no_quarter_hours() -> None:
    told = [stated(1000, State.FREE, seq=1), stated(NOON_MS, State.FREE, seq=2), marked(NOON_MS + QUARTER_MS, seq=3)]
    source = MemoryHistory(told)
    assert [row.start_ms for row in zone_rows(site(space()), Calendar("UTC", ((),) * 7), 0, 2**45, source)] == [NOON_MS]


def test_there_are_no_rows_where_nothing_was_ever_said() -> None:
    assert zone_rows(site(space()), Calendar("UTC", ((),) * 7), 0, 2**45, MemoryHistory()) == []
    assert occupancy_rows(site(space()), "s1", 0, 2**45, MemoryHistory()) == []
    assert occupancy_rows(site(space()), "s9", 0, 2**45, MemoryHistory([stated(NOON_MS, State.FREE)])) == []


def test_spaces_that_no_agent_watches_stand_there_and_are_unknown() -> None:
    unwatched, from_ms = site(space("s1", agent=None)), 1_971_912 * QUARTER_MS
    source = MemoryHistory([marked(from_ms), marked(from_ms + QUARTER_MS, seq=2)])
    (row,) = zone_rows(unwatched, Calendar("UTC", unwatched.hours), from_ms, from_ms + QUARTER_MS, source)
    assert (row.spaces, row.known_ms, row.inventory_ms) == (1, 0, QUARTER_MS)
