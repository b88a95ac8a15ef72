"""The simulated venue: the same seed gives the same people, and what sensors say agrees with who is there."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from perch.contract import AliveEvent, StateEvent, decode_event, encode_event
from perch.model import QUARTER_MS, Clock, Reading, Reason, SensorKind, Site, Space, SpaceKind, State
from perch.settings.site import load_site
from perch.venue import network, past
from perch.venue.chance import chance
from perch.venue.faults import DAY_MS, Outage
from perch.venue.habits import visits_on
from perch.venue.live import live_readings, live_truth
from perch.venue.past import Authored, history, history_faults, history_truth
from perch.venue.people import Presence, Stay, movements
from perch.venue.rig import PINS, sensing, spaces_of

NOON_MS = 1_795_348_800_000
"""Sunday 2026-11-22, noon in Lisbon."""

SITES = {name: load_site(network.FOLDER / name / "site.toml") for name in network.SITES}
AGENTS = [(name, agent) for name, site in SITES.items() for agent in site.agents]
seeds = st.integers(0, 2**32)
a_few = limits(max_examples=12)


def site_of(name: str) -> Site:
    return SITES[name]


def test_the_network_has_sixty_spaces_in_two_time_zones_and_no_id_twice() -> None:
    spaces = [space.id for site in SITES.values() for space in site.spaces]
    assert len(spaces) == len(set(spaces)) == 60
    assert {site.time_zone for site in SITES.values()} == {"Europe/Lisbon", "Europe/Berlin"}
    assert {space.purpose.value for site in SITES.values() for space in site.spaces} == {
        "shared",
        "assigned",
        "private",
    }


def test_no_sensor_hangs_in_a_private_space() -> None:
    private = [space for site in SITES.values() for space in site.spaces if space.purpose == "private"]
    assert private
    assert all(space.agent is None for space in private)


@pytest.mark.parametrize(("name", "agent"), AGENTS)
def test_an_agent_senses_all_its_spaces_with_the_pins_of_one_pi(name: str, agent: str) -> None:
    spaces, sensors = sensing(site_of(name), agent)
    assert [space.id for space in spaces] == [space.id for space in spaces_of(site_of(name), agent)]
    assert {sensor.space for sensor in sensors} == {space.id for space in spaces}
    pins = [sensor.pin for sensor in sensors]
    assert len(set(pins)) == len(pins) <= 26
    assert set(pins) <= set(PINS)


def test_a_seated_person_moves_mostly_often_and_sometimes_not_for_minutes() -> None:
    """80 % of the gaps are short (12.5 s in the mean), 20 % lognormal with a median of 150 s."""
    moments = list(movements(Stay(0, 2_000 * 3_600_000), chance(7, "movements")))
    gaps_s = sorted((b - a) / 1000 for a, b in pairwise(moments))
    expected = 0.8 * (1 - 2.718281828 ** (-60 / 12.5)) + 0.2 * 0.2025
    assert bisect_right(gaps_s, 60) / len(gaps_s) == pytest.approx(expected, abs=0.01)
    assert bisect_right(gaps_s, 900) / len(gaps_s) == pytest.approx(0.8 + 0.2 * 0.9482, abs=0.005)


@a_few
@given(seeds, st.sampled_from(AGENTS), st.integers(0, 7 * DAY_MS))
def test_live_readings_are_ordered_alternate_and_repeat_by_seed(seed: int, who: tuple[str, str], later_ms: int) -> None:
    site, agent, from_ms = site_of(who[0]), who[1], NOON_MS + later_ms
    readings = list(islice(live_readings(site, agent, seed, from_ms), 300))
    assert readings == list(islice(live_readings(site, agent, seed, from_ms), 300))
    assert readings != list(islice(live_readings(site, agent, seed + 1, from_ms), 300))
    assert readings[0].time_ms >= from_ms
    assert all(a.time_ms <= b.time_ms for a, b in pairwise(readings))
    assert {reading.sensor for reading in readings} <= {sensor.id for sensor in sensing(site, agent)[1]}
    assert_alternating(readings)


def assert_alternating(readings: Iterable[Reading]) -> None:
    """Every reading of a pin is a change of its level; it begins low."""
    levels: dict[str, float] = defaultdict(float)
    for reading in readings:
        assert reading.value in (0.0, 1.0)
        assert reading.value != levels[reading.sensor], f"{reading} is no edge"
        levels[reading.sensor] = reading.value


@a_few
@given(seeds, st.sampled_from(AGENTS))
def test_presence_sensors_see_who_is_really_there(seed: int, who: tuple[str, str]) -> None:
    """Give or take the few seconds that a sensor takes, and very still people whom it loses for a while."""
    site, agent = site_of(who[0]), who[1]
    spaces, sensors = sensing(site, agent)
    until_ms = NOON_MS + 3_600_000
    counts = steps_of(until(live_truth(site, agent, seed, NOON_MS), until_ms))
    levels: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for reading in until(live_readings(site, agent, seed, NOON_MS), until_ms):
        levels[reading.sensor].append((reading.time_ms, reading.value))
    assert set(counts) == {space.id for space in spaces}
    for sensor in sensors:
        if sensor.kind is SensorKind.PRESENCE:
            said, counted = levels[sensor.id], counts[sensor.space]
            on = [moment for moment, level in said if level and moment > NOON_MS + 13_000]
            assert all(at(counted, moment - 1) > 0 for moment in on)
            came = [b for (_, before), (b, now) in pairwise(counted) if now > before == 0]
            assert all(at(said, moment + 1_600) > 0 for moment in came if moment + 1_600 < until_ms)


def test_somebody_comes_to_most_agents_within_an_hour() -> None:
    seen = 0
    for site, agent in AGENTS:
        truth = until(live_truth(site_of(site), agent, 7, NOON_MS), NOON_MS + 3_600_000)
        seen += any(presence.count > 0 for presence in truth)
    assert seen > len(AGENTS) / 2


def until(stream: Iterable[Presence] | Iterable[Reading], end_ms: int) -> Iterator:  # type: ignore[type-arg]
    for one in stream:
        if one.time_ms >= end_ms:
            return
        yield one


def steps_of(presences: Iterable[Presence]) -> dict[str, list[tuple[int, int]]]:
    """Sort truth by space: rising (time, people)."""
    steps: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for presence in presences:
        assert presence.count >= 0
        steps[presence.space].append((presence.time_ms, presence.count))
    return steps


def at(steps: Sequence[tuple[int, float]], moment: int) -> float:
    place = bisect_right(steps, moment, key=lambda step: step[0])
    return steps[place - 1][1] if place else 0


@a_few
@given(seeds)
def test_something_happens_at_once_whenever_the_demo_is_started(seed: int) -> None:
    night_ms = NOON_MS + 15 * 3_600_000
    moved = sum(
        reading.time_ms < night_ms + 60_000
        for name, agent in AGENTS
        for reading in islice(live_readings(site_of(name), agent, seed, night_ms), 50)
    )
    assert moved >= 15


@a_few
@given(seeds, st.sampled_from(sorted(SITES)), st.integers(1, 5), st.integers(0, DAY_MS))
def test_history_follows_the_contract_to_the_letter(seed: int, name: str, days: int, later_ms: int) -> None:
    site, until_ms = site_of(name), NOON_MS + later_ms
    told = list(history(site, days, until_ms, seed))
    assert told == list(history(site, days, until_ms, seed))
    assert all(a.received_ms <= b.received_ms for a, b in pairwise(told))
    by_epoch: dict[tuple[str, str], list[Authored]] = defaultdict(list)
    for one in told:
        by_epoch[one.agent, one.epoch].append(one)
        assert decode_event(encode_event(one.event)) == one.event
        assert one.received_ms >= one.event.wall_ms
        assert until_ms - days * DAY_MS - past.MARK_MS <= one.event.wall_ms <= until_ms
    last: dict[str, Authored] = {}
    for (agent, _), life in by_epoch.items():
        assert_life(site, agent, life, last.get(agent))
        last[agent] = life[-1]
    assert set(last) == set(site.agents)
    assert all(isinstance(one.event, AliveEvent) and one.event.wall_ms == until_ms for one in last.values())


def assert_life(site: Site, agent: str, life: list[Authored], before: Authored | None) -> None:
    """One epoch: numbered from 1; offline where it lived before; starting; then marks at each full quarter hour."""
    events = [one.event for one in life]
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    spaces = sorted(space.id for space in spaces_of(site, agent))
    offline = events[: len(spaces)] if before else []
    lived = events[len(offline) :]
    start_ms = lived[0].wall_ms
    for event, space in zip(offline, spaces, strict=bool(before)):
        assert isinstance(event, StateEvent)
        assert before is not None
        assert (event.space, event.reason) == (space, Reason.AGENT_OFFLINE)
        assert before.event.wall_ms <= event.wall_ms <= start_ms
    first = {event.space: event for event in reversed(lived) if isinstance(event, StateEvent)}
    assert {(space, event.reason, event.wall_ms) for space, event in first.items()} == {
        (space, Reason.STARTING, start_ms) for space in spaces
    }
    assert all(a.wall_ms <= b.wall_ms and a.mono_ms <= b.mono_ms for a, b in pairwise(lived))
    assert {event.wall_ms - event.mono_ms for event in events} == {events[0].wall_ms - events[0].mono_ms}
    assert all(event.clock is Clock.OK for event in events)
    marks = [event.wall_ms for event in lived if isinstance(event, AliveEvent) and event.wall_ms % QUARTER_MS == 0]
    assert marks == list(range((start_ms // QUARTER_MS + 1) * QUARTER_MS, lived[-1].wall_ms + 1, QUARTER_MS))
    assert_changes(lived)


def assert_changes(lived: list[StateEvent | AliveEvent]) -> None:
    said: dict[str, tuple[State, int | None, Reason]] = {}
    for event in lived:
        if isinstance(event, StateEvent):
            now = (event.state, event.count, event.reason)
            assert said.get(event.space, (None, None))[:2] != now[:2], f"{event} changes nothing"
            said[event.space] = now


@a_few
@given(seeds, st.sampled_from(sorted(SITES)))
def test_history_says_occupied_while_somebody_sits_where_presence_is_sensed(seed: int, name: str) -> None:
    site, days = site_of(name), 4
    until_ms = NOON_MS
    off = [fault for fault in history_faults(site, days, until_ms, seed) if isinstance(fault, Outage)]
    states = stated(history(site, days, until_ms, seed))
    truth = steps_of(history_truth(site, days, until_ms, seed))
    sure = [
        space.id
        for space in site.spaces
        if space.agent and not (space.kind is SpaceKind.ROOM and (space.capacity or 0) >= 6)
        if {s.kind for s in sensing(site, space.agent)[1] if s.space == space.id} - {SensorKind.MOTION}
    ]
    agent_of = {space.id: space.agent for space in site.spaces}
    checked = 0
    for space in sure:
        for (start_ms, people), (end_ms, _) in pairwise(truth[space]):
            middle_ms = (start_ms + end_ms) // 2
            alive = all(one.agent != agent_of[space] or middle_ms < one.from_ms - 60_000 for one in off)
            if people and alive and middle_ms - start_ms > 2_000 and start_ms > until_ms - days * DAY_MS:
                assert state_at(states[space], middle_ms) is State.OCCUPIED, (space, middle_ms)
                checked += 1
    assert checked > 0


def stated(told: Iterable[Authored]) -> dict[str, list[tuple[int, State]]]:
    states: dict[str, list[tuple[int, State]]] = defaultdict(list)
    for one in told:
        if isinstance(one.event, StateEvent):
            states[one.event.space].append((one.event.wall_ms, one.event.state))
    return states


def state_at(states: list[tuple[int, State]], moment: int) -> State:
    return [state for time_ms, state in states if time_ms <= moment][-1]


def test_eight_weeks_have_working_days_weekends_outages_and_a_sensor_that_died() -> None:
    site, faults = site_of("tejo"), history_faults(site_of("tejo"), 56, NOON_MS, 2026)
    told = [one.event for one in history(site, 56, NOON_MS, 2026)]
    states = [event for event in told if isinstance(event, StateEvent)]
    assert {event.state for event in states} == set(State)
    assert {event.reason for event in states} >= {Reason.AGENT_OFFLINE, Reason.SENSOR_SILENT, Reason.COUNT}
    assert any(isinstance(fault, Outage) for fault in faults)
    assert max(event.count or 0 for event in states) >= 3
    by_weekday: dict[int, int] = defaultdict(int)
    for event in states:
        if event.state is State.OCCUPIED:
            by_weekday[(event.wall_ms // DAY_MS + 3) % 7] += 1
    assert by_weekday[1] > 2 * by_weekday[5] > 0  # Tuesday and Saturday


def test_nobody_comes_on_a_closed_day_nor_when_the_week_has_no_hours() -> None:
    site = site_of("tejo")
    space = site.spaces[6]
    tuesday, sunday = date(2026, 11, 17), date(2026, 11, 22)
    assert list(visits_on(site, space, tuesday, frozenset(), 1))
    assert not list(visits_on(site, space, tuesday, {tuesday}, 1))
    assert not list(visits_on(site, space, sunday, frozenset(), 1))
    assert not list(visits_on(site, space, date(2026, 12, 24), frozenset(), 1))


@a_few
@given(seeds, st.sampled_from([space for site in SITES.values() for space in site.spaces]), st.integers(0, 40))
def test_visits_of_a_space_never_overlap_and_never_overfill_it(seed: int, space: Space, ahead: int) -> None:
    site = next(site for site in SITES.values() if space in site.spaces)
    day = date.fromordinal(date(2026, 10, 1).toordinal() + ahead)
    visits = list(visits_on(site, space, day, frozenset(), seed))
    for visit in visits:
        assert visit.space == space.id
        assert visit.from_ms < visit.until_ms
        assert len(visit.stays) <= (space.capacity or len(visit.stays))
    assert all(a.until_ms < b.from_ms for a, b in pairwise(visits))
