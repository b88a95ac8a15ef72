"""The hold rule, and the watch over all spaces of an agent."""

from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perch.errors import IllegalEventError
from perch.model import (
    Occupancy,
    Preference,
    Reading,
    Reason,
    SensedSpace,
    Sensor,
    SensorHealth,
    SensorKind,
    SpaceKind,
    State,
)
from perch.sensing import offline
from perch.sensing.hold import HOLD_MS
from perch.sensing.judge import deaf
from perch.sensing.watch import Change, Watch

T0 = 1_760_000_000_000
DESK = SensedSpace("d01", SpaceKind.DESK, 1, hold_ms=HOLD_MS[SpaceKind.DESK])
ROOM = SensedSpace("r1", SpaceKind.ROOM, 4, hold_ms=HOLD_MS[SpaceKind.ROOM])
HOLD = HOLD_MS[SpaceKind.DESK]
PIR = Sensor("pir1", SensorKind.MOTION, "d01", None, pin=17)
SAMPLED = Sensor("pir1", SensorKind.MOTION, "d01", 30_000, pin=17)
RADAR = Sensor("radar", SensorKind.PRESENCE, "d01", None, pin=18)
DOOR = Sensor("door", SensorKind.CONTACT, "r1", None, pin=19)
IN = Sensor("in", SensorKind.BEAM_IN, "r1", None, pin=20)
OUT = Sensor("out", SensorKind.BEAM_OUT, "r1", None, pin=21)
ROOM_PIR = Sensor("pir2", SensorKind.MOTION, "r1", None, pin=22)


def readings(rows: Iterable[tuple[float, str, float]]) -> list[Reading]:
    return [Reading(T0 + int(second * 1000), sensor, value) for second, sensor, value in rows]


def said(
    spaces: Iterable[SensedSpace], sensors: Iterable[Sensor], rows: Iterable[tuple[float, str, float]]
) -> list[tuple[float, State, Reason]]:
    changes = offline.changes(tuple(spaces), tuple(sensors), readings(rows))
    return [((c.time_ms - T0) / 1000, c.occupancy.state, c.occupancy.reason) for c in changes]


def test_a_space_starts_unknown_and_is_free_once_its_sensors_were_quiet_for_the_hold_time() -> None:
    rows = [(second, "pir1", 0.0) for second in range(0, 1000, 30)]
    assert said([DESK], [SAMPLED], rows) == [
        (0, State.UNKNOWN, Reason.STARTING),
        (HOLD / 1000, State.FREE, Reason.QUIET),
    ]


def test_motion_occupies_a_space_at_once_and_the_hold_time_runs_from_the_end_of_the_motion() -> None:
    rows = [(0, "pir1", 0), (60, "pir1", 1), (90, "pir1", 0), (2000, "pir1", 1)]
    assert said([DESK], [PIR], rows) == [
        (0, State.UNKNOWN, Reason.STARTING),
        (60, State.OCCUPIED, Reason.MOTION),
        (90 + HOLD / 1000, State.FREE, Reason.QUIET),
        (2000, State.OCCUPIED, Reason.MOTION),
    ]


def test_a_level_that_stays_on_keeps_a_space_occupied_longer_than_any_hold() -> None:
    rows = [(0, "radar", 1), (7200, "radar", 0), (9000, "radar", 1)]
    assert said([DESK], [RADAR], rows)[1:] == [
        (0, State.OCCUPIED, Reason.PRESENCE),
        (7200 + HOLD / 1000, State.FREE, Reason.QUIET),
        (9000, State.OCCUPIED, Reason.PRESENCE),
    ]


def test_a_sampled_sensor_that_misses_three_samples_is_silent_and_its_space_unknown() -> None:
    rows = [(0, "pir1", 1), (30, "pir1", 1), (300, "pir1", 0), (330, "pir1", 0)]
    assert said([DESK], [SAMPLED], rows) == [
        (0, State.UNKNOWN, Reason.STARTING),
        (0, State.OCCUPIED, Reason.MOTION),
        (30 + 105, State.UNKNOWN, Reason.SENSOR_SILENT),
        (300, State.UNKNOWN, Reason.STARTING),
    ]


def test_two_missed_samples_change_nothing() -> None:
    rows = [(0, "pir1", 1), (90, "pir1", 1), (180, "pir1", 1)]
    assert len(said([DESK], [SAMPLED], rows)) == 2


def test_old_evidence_is_never_free_after_a_silence() -> None:
    rows = [(s, "pir1", 0) for s in range(0, 960, 30)] + [(s, "pir1", 0) for s in range(5000, 5600, 30)]
    states = said([DESK], [SAMPLED], rows)
    assert states[-1] == (5000, State.UNKNOWN, Reason.STARTING)
    assert states[-2][1:] == (State.UNKNOWN, Reason.SENSOR_SILENT)


def test_an_edge_driven_sensor_that_does_not_fire_within_the_quiet_limit_is_ill() -> None:
    limited = replace(DESK, quiet_limit_ms=3_600_000)
    rows = [(0, "pir1", 0), (7200, "pir1", 1)]
    assert said([limited], [PIR], rows)[1:] == [
        (HOLD / 1000, State.FREE, Reason.QUIET),
        (3600, State.UNKNOWN, Reason.SENSOR_SILENT),
        (7200, State.OCCUPIED, Reason.MOTION),
    ]


def test_free_is_not_said_while_no_sensor_has_said_that_it_is_quiet() -> None:
    never_spoke = [(0, "other", 0), (60, "other", 0), (120, "other", 0)]
    other = Sensor("other", SensorKind.MOTION, "r1", 60_000)
    held = SensedSpace("d01", SpaceKind.DESK, hold_ms=60_000)
    silent = [row for row in said([held, ROOM], [SAMPLED, other], never_spoke) if row[2] is Reason.SENSOR_SILENT]
    assert silent == [(105, State.UNKNOWN, Reason.SENSOR_SILENT)]
    assert State.FREE not in {state for _, state, _ in said([held], [SAMPLED], [(0, "pir1", 1), (500, "pir1", 0)])}
    late = [(0, "pir1", 1), (90, "pir1", 0), (100, "pir1", 0)]
    assert said([held], [SAMPLED], late)[-1] == (90, State.FREE, Reason.QUIET)


def test_one_good_sensor_of_two_goes_on() -> None:
    second = Sensor("pir9", SensorKind.MOTION, "d01", 30_000, pin=5)
    rows = [(0, "pir1", 0), *((s, "pir9", 0) for s in range(0, 1000, 30))]
    assert said([DESK], [SAMPLED, second], rows)[1:] == [(HOLD / 1000, State.FREE, Reason.QUIET)]


def test_a_door_speaks_only_when_it_moves() -> None:
    watch = Watch([ROOM], [DOOR])
    watch.start(0, {"door": 1.0})
    assert watch.occupancies(0)["r1"].state is State.UNKNOWN
    watch.observe(Reading(10_000, "door", 0.0))
    assert watch.occupancies(10_000)["r1"].state is State.OCCUPIED


def test_a_pin_that_is_on_at_the_start_means_somebody_is_there() -> None:
    watch = Watch([DESK], [RADAR])
    changes = watch.start(0, {"radar": 1.0})
    assert [change.occupancy.state for change in changes] == [State.UNKNOWN, State.OCCUPIED]


def counts(sensors: Iterable[Sensor], rows: Iterable[tuple[float, str, float]]) -> list[tuple[State, int | None]]:
    changes = offline.changes([ROOM], tuple(sensors), readings(rows))
    return [(change.occupancy.state, change.occupancy.count) for change in changes if change.row]


def test_beams_count_people_in_and_out_within_the_capacity() -> None:
    crossings = [(s, sensor, v) for s, sensor in enumerate(["in"] * 6 + ["out"] * 5, 1) for v in (1, 0)]
    assert counts([IN, OUT], crossings) == [
        (State.UNKNOWN, None),
        *((State.OCCUPIED, people) for people in (1, 2, 3, 4, 3, 2, 1)),
        (State.FREE, 0),
    ]


def test_where_another_sensor_hears_nobody_the_count_does_not_hold_a_room() -> None:
    rows = [(0, "in", 1), (0, "in", 0), (1, "pir2", 1), (5, "pir2", 0), (4000, "pir2", 1)]
    assert counts([IN, OUT, ROOM_PIR], rows) == [
        (State.UNKNOWN, None),
        (State.OCCUPIED, 1),
        (State.FREE, 0),
        (State.OCCUPIED, 1),
    ]


def test_a_motion_sensor_that_dies_does_not_free_a_room_before_its_hold_is_over() -> None:
    sampled = Sensor("pir2", SensorKind.MOTION, "r1", 30_000, pin=22)
    rows = [(0, "pir2", 1), (30, "pir2", 1), (60, "pir2", 1), (900, "in", 1)]
    states = said([ROOM], [IN, OUT, sampled], rows)
    assert states[1:] == [
        (0, State.OCCUPIED, Reason.MOTION),
        (60 + 300, State.FREE, Reason.QUIET),
        (900, State.OCCUPIED, Reason.COUNT),
    ]


def test_a_space_without_a_sensor_that_speaks_of_presence_stays_unknown_and_is_named() -> None:
    sensor = Sensor("co2", SensorKind.CO2, "r1", 60_000)
    watch = Watch([ROOM], [sensor])
    watch.start(0)
    watch.observe(Reading(0, "co2", 400.0))
    watch.advance(10**9)
    assert watch.occupancies(10**9)["r1"].state is State.UNKNOWN
    assert deaf([ROOM], [sensor]) == ("r1",)


@pytest.mark.parametrize("kind", [SensorKind.LIGHT, SensorKind.CONTACT])
def test_a_space_of_which_nothing_can_ever_say_that_it_is_empty_is_named(kind: SensorKind) -> None:
    room = SensedSpace("r1", SpaceKind.ROOM, 4)
    weak, pir = Sensor("weak", kind, "r1", None, pin=4), Sensor("pir", SensorKind.MOTION, "r1", None, pin=5)
    assert deaf([room], [weak]) == ("r1",)
    assert deaf([room], [weak, pir]) == ()
    assert deaf([room], []) == ("r1",)


def test_a_hold_time_is_exactly_what_somebody_has_set() -> None:
    rows = [(0, "pir1", 1), (1, "pir1", 0), (9000, "pir1", 1)]
    twenty = SensedSpace("d01", SpaceKind.DESK, hold_ms=20_000, prefer=Preference.NEVER_FALSE_FREE)
    assert said([twenty], [PIR], rows)[2] == (1 + 20, State.FREE, Reason.QUIET)


def test_while_a_space_is_held_its_probability_falls_towards_even() -> None:
    watch = Watch([DESK], [PIR])
    watch.start(0)
    watch.observe(Reading(0, "pir1", 1.0))
    watch.observe(Reading(1000, "pir1", 0.0))
    shown = [watch.occupancies(1000 + share * HOLD // 4)["d01"] for share in range(4)]
    assert [one.probability for one in shown] == [0.95, 0.837, 0.725, 0.613]
    assert [one.reason for one in shown] == [Reason.MOTION, Reason.HELD, Reason.HELD, Reason.HELD]


def test_time_that_goes_back_is_refused_and_changes_nothing() -> None:
    watch = Watch([DESK], [PIR])
    watch.start(1000)
    with pytest.raises(IllegalEventError, match="lies before"):
        watch.observe(Reading(999, "pir1", 1.0))
    assert watch.occupancies(1000)["d01"].state is State.UNKNOWN


def test_the_health_of_a_sensor_tells_silent_from_starting_from_ok() -> None:
    watch = Watch([DESK], [SAMPLED])
    watch.start(0)
    assert watch.healths(1)["pir1"].health is SensorHealth.STARTING
    watch.observe(Reading(30_000, "pir1", 0.0))
    assert watch.healths(60_000)["pir1"].health is SensorHealth.OK
    ill = watch.healths(200_000)["pir1"]
    assert (ill.health, ill.since_ms, ill.last_ms) == (SensorHealth.SILENT, 135_000, 30_000)


ALL = (PIR, RADAR, DOOR, IN, OUT, ROOM_PIR, Sensor("s", SensorKind.MOTION, "r1", 60_000, pin=9))
rows = st.lists(
    st.tuples(st.integers(0, 400_000), st.sampled_from([sensor.id for sensor in ALL]), st.sampled_from([0.0, 1.0])),
    min_size=1,
    max_size=40,
)


def recording(steps: list[tuple[int, str, float]]) -> list[Reading]:
    time_ms, out = T0, []
    for step, sensor, value in steps:
        time_ms += step
        out.append(Reading(time_ms, sensor, value))
    return out


def rows_of(changes: Iterable[Change]) -> list[tuple[str, int, State, int | None]]:
    return [(c.space, c.time_ms, c.occupancy.state, c.occupancy.count) for c in changes if c.row]


@given(rows, st.integers(1, 20), st.integers(1, 100_000))
def test_it_does_not_matter_how_often_time_is_let_pass(
    steps: list[tuple[int, str, float]], looks: int, shift_ms: int
) -> None:
    recorded = recording(steps)
    watch = Watch([DESK, ROOM], ALL)
    changes = watch.start(T0 + steps[0][0])
    for reading in recorded:
        gap_ms = reading.time_ms - watch.now_ms
        for moment in range(watch.now_ms + min(shift_ms, gap_ms), reading.time_ms, gap_ms // looks + 1):
            changes += watch.advance(moment)
        changes += watch.observe(reading)
    assert changes == list(offline.changes([DESK, ROOM], ALL, recorded))


@given(rows)
def test_the_order_of_sensors_that_speak_in_the_same_moment_does_not_matter(
    steps: list[tuple[int, str, float]],
) -> None:
    recorded = [Reading(r.time_ms // 300_000 * 300_000, r.sensor, r.value) for r in recording(steps)]
    recorded = list({(r.time_ms, r.sensor): r for r in recorded}.values())
    recorded.sort(key=lambda r: (r.time_ms, r.sensor))
    backwards = sorted(recorded, key=lambda r: (r.time_ms, [-ord(c) for c in r.sensor]))

    def states(order: list[Reading]) -> list[tuple[str, int, State]]:
        return [(space, at, state) for space, at, state, _ in rows_of(offline.changes([DESK], ALL, order))]

    assert states(recorded) == states(backwards)


def test_a_sign_in_the_very_moment_in_which_the_hold_ends_keeps_the_space_occupied() -> None:
    second = Sensor("pir9", SensorKind.MOTION, "d01", 30_000, pin=5)
    quiet = [(s, sensor, 0) for s in range(30, 900, 30) for sensor in ("pir1", "pir9")]
    rows = [(0, "pir1", 1), *quiet, (900, "pir9", 0), (900, "pir1", 1), (930, "pir1", 0)]
    assert said([DESK], [SAMPLED, second], rows)[1:] == [(0, State.OCCUPIED, Reason.MOTION)]


def test_the_first_sample_of_a_door_is_no_movement() -> None:
    sampled = Sensor("door", SensorKind.CONTACT, "r1", 60_000, pin=19)
    rows = [(0, "door", 1), (60, "door", 1), (120, "door", 0)]
    assert said([ROOM], [sampled], rows)[1:] == [(120, State.OCCUPIED, Reason.PRESENCE)]


@given(rows)
def test_free_is_said_only_after_a_hold_time_without_any_sign_of_presence(steps: list[tuple[int, str, float]]) -> None:
    recorded = recording(steps)
    for change in offline.changes([DESK], [PIR, RADAR], [r for r in recorded if r.sensor in ("pir1", "radar")]):
        if change.occupancy.state is State.FREE:
            signs = [r.time_ms for r in recorded if r.sensor in ("pir1", "radar") and r.value == 1]
            assert not any(change.time_ms - HOLD < sign <= change.time_ms for sign in signs)


@given(rows)
def test_a_belief_says_the_same_of_a_count_and_its_state(steps: list[tuple[int, str, float]]) -> None:
    for change in offline.changes([ROOM], ALL, recording(steps)):
        match change.occupancy:
            case Occupancy(state=State.UNKNOWN, count=count):
                assert count is None
            case Occupancy(state=State.FREE, count=count):
                assert count == 0
            case Occupancy(count=count):
                assert count is not None
                assert 1 <= count <= 4


@given(rows, st.integers(1_000, 200_000))
def test_steps_show_the_same_as_the_changes(steps: list[tuple[int, str, float]], step_ms: int) -> None:
    recorded = recording(steps)
    changes = list(offline.changes([DESK, ROOM], ALL, recorded))
    for at, space, shown in offline.steps([DESK, ROOM], ALL, recorded, step_ms):
        last = [c.occupancy for c in changes if c.space == space and c.time_ms <= at]
        if at < recorded[-1].time_ms:
            assert (shown.state, shown.count) == (last[-1].state, last[-1].count)


def test_a_state_is_since_the_moment_in_which_it_began_however_often_it_is_confirmed() -> None:
    watch = Watch([DESK], [PIR])
    watch.start(0)
    for at_ms, level in ((1000, 1.0), (2000, 0.0), (60_000, 1.0)):
        watch.observe(Reading(at_ms, "pir1", level))
    assert watch.occupancies(60_000)["d01"].since_ms == 1000
