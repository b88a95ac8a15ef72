"""Sensors that cannot be believed, and what that does to their spaces."""

from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perch.model import Reading, Reason, SensedSpace, Sensor, SensorHealth, SensorKind, SpaceKind, State
from perch.sensing import offline
from perch.sensing.health import CHATTERS, FROZEN_MS, LOOK_EVERY_MS, STUCK_ON_MS, Hearing
from perch.sensing.ward import Learned, Ward
from perch.sensing.watch import Watch

HOUR_MS = 3_600_000
DESK = SensedSpace("d01", SpaceKind.DESK, 1)
HELD = SensedSpace("d01", SpaceKind.DESK, 1, hold_ms=900_000)
ROOM = SensedSpace("d01", SpaceKind.ROOM, 6)
PIR = Sensor("pir1", SensorKind.MOTION, "d01", None, pin=17)
PIR2 = Sensor("pir2", SensorKind.MOTION, "d01", None, pin=18)
RADAR = Sensor("radar", SensorKind.PRESENCE, "d01", None, pin=19)
SEAT = Sensor("seat", SensorKind.PRESSURE, "d01", 60_000)
CO2 = Sensor("co2", SensorKind.CO2, "d01", 60_000)
STUCK_MS = STUCK_ON_MS[SpaceKind.DESK]


def watched(spaces: Iterable[SensedSpace], sensors: Iterable[Sensor]) -> Watch:
    watch = Watch(tuple(spaces), tuple(sensors))
    watch.start(0)
    return watch


def health(watch: Watch, sensor: str) -> SensorHealth:
    return watch.healths(watch.now_ms)[sensor].health


@pytest.mark.parametrize("space", [DESK, HELD])
def test_a_sensor_that_is_on_without_a_break_for_a_working_day_is_stuck_and_its_space_unknown(
    space: SensedSpace,
) -> None:
    watch = watched([space], [RADAR])
    watch.observe(Reading(1000, "radar", 1.0))
    watch.advance(STUCK_MS)
    assert watch.occupancies(STUCK_MS)["d01"].state is State.OCCUPIED
    assert health(watch, "radar") is SensorHealth.OK
    changes = watch.advance(STUCK_MS + 2 * LOOK_EVERY_MS)
    assert [(c.occupancy.state, c.occupancy.reason) for c in changes] == [(State.UNKNOWN, Reason.SENSOR_STUCK)]
    assert health(watch, "radar") is SensorHealth.STUCK


@pytest.mark.parametrize("space", [DESK, HELD])
def test_a_stuck_sensor_is_well_again_as_soon_as_it_changes(space: SensedSpace) -> None:
    watch = watched([space], [RADAR])
    watch.observe(Reading(1000, "radar", 1.0))
    watch.advance(STUCK_MS + HOUR_MS)
    watch.observe(Reading(STUCK_MS + HOUR_MS, "radar", 0.0))
    assert health(watch, "radar") is SensorHealth.OK
    assert watch.occupancies(watch.now_ms)["d01"].state is not State.FREE
    watch.advance(STUCK_MS + 2 * HOUR_MS)
    assert watch.occupancies(watch.now_ms)["d01"].state is State.FREE


def test_somebody_who_sits_long_is_no_stuck_sensor() -> None:
    watch = watched([DESK], [RADAR])
    for hour in range(12):
        watch.observe(Reading(hour * HOUR_MS + 1, "radar", 1.0))
        watch.observe(Reading(hour * HOUR_MS + HOUR_MS - 5_000, "radar", 0.0))
    assert health(watch, "radar") is SensorHealth.OK
    assert watch.occupancies(watch.now_ms)["d01"].state is State.OCCUPIED


def test_a_loose_wire_is_told_from_people_who_move_and_its_space_is_unknown() -> None:
    watch = watched([DESK], [PIR])
    for step in range(2 * CHATTERS * 2):
        watch.observe(Reading(step * 500, "pir1", float(step % 2)))
    watch.advance(2 * LOOK_EVERY_MS)
    assert health(watch, "pir1") is SensorHealth.CHATTERING
    assert watch.occupancies(watch.now_ms)["d01"].reason is Reason.SENSOR_STUCK
    watch.advance(4 * LOOK_EVERY_MS)
    assert health(watch, "pir1") is SensorHealth.OK


def test_a_motion_sensor_at_its_quickest_does_not_chatter() -> None:
    watch = watched([DESK], [PIR])
    for step in range(2000):
        watch.observe(Reading(step * 1100, "pir1", float(step % 2)))
    assert health(watch, "pir1") is SensorHealth.OK


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0, 60_000.0])
def test_what_cannot_be_measured_is_no_evidence_and_the_sensor_is_said_to_be_implausible(value: float) -> None:
    watch = watched([ROOM], [PIR, CO2])
    believed = watch.occupancies(0)["d01"].probability
    for minute in range(6):
        watch.observe(Reading(minute * 60_000, "co2", value))
        assert watch.occupancies(minute * 60_000)["d01"].probability <= believed
    watch.advance(LOOK_EVERY_MS + 1)
    assert health(watch, "co2") is SensorHealth.IMPLAUSIBLE
    watch.observe(Reading(LOOK_EVERY_MS + 1, "co2", 600.0))
    assert health(watch, "co2") is SensorHealth.OK


def test_a_measurement_that_never_changes_by_a_digit_is_stuck() -> None:
    watch = watched([ROOM], [CO2])
    for minute in range(FROZEN_MS // 60_000 + 6):
        watch.observe(Reading(minute * 60_000, "co2", 812.0))
    assert health(watch, "co2") is SensorHealth.STUCK
    assert watch.occupancies(watch.now_ms)["d01"].reason is Reason.SENSOR_STUCK


def test_a_dark_room_is_no_broken_light_sensor() -> None:
    light = Sensor("light", SensorKind.LIGHT, "d01", 60_000)
    watch = watched([ROOM], [light])
    for minute in range(20 * 60):
        watch.observe(Reading(minute * 60_000, "light", 0.0))
    assert health(watch, "light") is SensorHealth.OK


def test_a_sensor_that_never_fired_is_told_from_one_that_fell_silent() -> None:
    watch = watched([SensedSpace("d01", SpaceKind.DESK, quiet_limit_ms=HOUR_MS)], [PIR, PIR2])
    watch.observe(Reading(1000, "pir2", 1.0))
    watch.observe(Reading(4000, "pir2", 0.0))
    watch.advance(2 * HOUR_MS)
    assert health(watch, "pir1") is SensorHealth.NEVER_FIRED
    assert health(watch, "pir2") is SensorHealth.SILENT


@pytest.mark.parametrize("space", [DESK, HELD])
@pytest.mark.parametrize("kind", [SensorKind.MOTION, SensorKind.PRESENCE, SensorKind.PRESSURE])
def test_a_sensor_that_is_read_at_intervals_and_stays_off_for_days_is_as_ill_as_one_that_tells_edges(
    space: SensedSpace, kind: SensorKind
) -> None:
    dead, limit_ms = Sensor("dead", kind, "d01", 60_000), 30 * HOUR_MS
    watch = watched([replace(space, quiet_limit_ms=limit_ms)], [dead])
    changes = []
    for now_ms in range(0, 40 * HOUR_MS, 60_000):
        changes += watch.observe(Reading(now_ms, "dead", 0.0))
        expected = SensorHealth.NEVER_FIRED if now_ms > limit_ms else SensorHealth.OK
        assert health(watch, "dead") is expected
    assert [(c.time_ms, c.occupancy.state, c.occupancy.reason) for c in changes[-1:]] == [
        (limit_ms, State.UNKNOWN, Reason.SENSOR_SILENT)
    ]
    watch.observe(Reading(40 * HOUR_MS, "dead", 1.0))
    watch.advance(40 * HOUR_MS + 1)
    assert health(watch, "dead") is SensorHealth.OK
    assert watch.occupancies(watch.now_ms)["d01"].state is State.OCCUPIED


@pytest.mark.parametrize(("value", "ill"), [(0.0, True), (1.0, False)])
def test_days_of_being_off_are_remembered_over_a_restart_and_being_on_is_not_taken_for_it(
    value: float, ill: bool
) -> None:
    seat, limit_ms = Sensor("seat", SensorKind.PRESSURE, "d01", 60_000), 6 * HOUR_MS
    spaces = [replace(DESK, quiet_limit_ms=limit_ms)]
    watch = watched(spaces, [seat])
    for now_ms in range(0, 5 * HOUR_MS, 60_000):
        watch.observe(Reading(now_ms, "seat", value))
    later = Watch(spaces, [seat])
    later.start(5 * HOUR_MS, learned=watch.learned())
    for now_ms in range(5 * HOUR_MS, 7 * HOUR_MS, 60_000):
        later.observe(Reading(now_ms, "seat", 0.0))
    assert (health(later, "seat") is SensorHealth.NEVER_FIRED) is ill


def test_of_three_sensors_that_should_see_the_same_the_one_that_does_not_is_named_and_still_heard() -> None:
    third = Sensor("pir3", SensorKind.MOTION, "d01", None, pin=20)
    watch = watched([ROOM], [PIR, PIR2, third])
    for minute in range(0, 10 * 60, 2):
        for sensor in ("pir1", "pir3"):
            watch.observe(Reading(minute * 60_000, sensor, 1.0))
        for sensor in ("pir1", "pir3"):
            watch.observe(Reading(minute * 60_000 + 3000, sensor, 0.0))
    assert health(watch, "pir2") is SensorHealth.DISAGREEING
    assert {health(watch, "pir1"), health(watch, "pir3")} == {SensorHealth.OK}
    assert watch.occupancies(watch.now_ms)["d01"].state is State.OCCUPIED


def test_one_good_sensor_of_two_goes_on_less_sure() -> None:
    def after(radar_drops_ms: int) -> float:
        watch = watched([ROOM], [PIR, RADAR])
        watch.observe(Reading(500, "radar", 1.0))
        for minute in range(13 * 60):
            watch.observe(Reading(minute * 60_000 + 1000, "pir1", 1.0))
            watch.observe(Reading(minute * 60_000 + 4000, "pir1", 0.0))
            if radar_drops_ms and minute % 60 == 0:
                watch.observe(Reading(minute * 60_000 + 5000, "radar", 0.0))
                watch.observe(Reading(minute * 60_000 + 5000 + radar_drops_ms, "radar", 1.0))
        watch.advance(13 * HOUR_MS)
        assert health(watch, "radar") is (SensorHealth.OK if radar_drops_ms else SensorHealth.STUCK)
        assert watch.occupancies(watch.now_ms)["d01"].state is State.OCCUPIED
        watch.advance(13 * HOUR_MS + 90_000)
        return watch.occupancies(watch.now_ms)["d01"].probability

    one, both = after(radar_drops_ms=0), after(radar_drops_ms=2000)
    assert 0.5 < one < both


OTHERS = (
    Sensor("light", SensorKind.LIGHT, "d01", 60_000),
    Sensor("sound", SensorKind.SOUND, "d01", 60_000),
    Sensor("door", SensorKind.CONTACT, "d01", None, pin=20),
)


@pytest.mark.parametrize("other", OTHERS)
def test_a_stuck_sensor_beside_one_that_says_nothing_of_emptiness_leaves_a_space_unknown(other: Sensor) -> None:
    watch = watched([DESK], [PIR, other])
    watch.observe(Reading(HOUR_MS, "pir1", 1.0))
    for minute in range(60, 30 * 60):
        value = 0.5 + 0.0001 * (minute % 3) if other.every_ms else float(minute % 600 == 0)
        watch.observe(Reading(minute * 60_000 + 1, other.id, value))
        if watch.now_ms > HOUR_MS + STUCK_MS + 2 * LOOK_EVERY_MS:
            said = watch.occupancies(watch.now_ms)["d01"]
            assert (said.state, said.reason) == (State.UNKNOWN, Reason.SENSOR_STUCK)
    watch.observe(Reading(30 * HOUR_MS, "pir1", 0.0))
    assert watch.occupancies(watch.now_ms)["d01"].state is not State.FREE
    watch.advance(32 * HOUR_MS)
    assert watch.occupancies(watch.now_ms)["d01"].state is State.FREE


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_a_space_whose_only_telling_sensor_falls_silent_is_unknown_by_its_deadline(level: float) -> None:
    watch = watched([DESK], [Sensor("pir1", SensorKind.MOTION, "d01", 60_000), OTHERS[0]])
    changes = []
    for minute in range(1, 300):
        if minute <= 120:
            watch.observe(Reading(minute * 60_000, "pir1", level))
        changes += watch.observe(Reading(minute * 60_000, "light", 0.5))
    assert [(c.time_ms, c.occupancy.state, c.occupancy.reason) for c in changes if c.time_ms > 120 * 60_000] == [
        (120 * 60_000 + 210_000, State.UNKNOWN, Reason.SENSOR_SILENT)
    ]


steps = st.lists(
    st.tuples(
        st.integers(0, 4 * HOUR_MS),
        st.sampled_from(["pir1", "pir2", "radar", "co2"]),
        st.sampled_from([0.0, 1.0, 500.0, -3.0, float("nan")]),
    ),
    max_size=40,
)

MIXED = (PIR, RADAR, CO2, *OTHERS)
TELLING = {"pir1", "radar", "co2"}
long_steps = st.lists(
    st.tuples(
        st.integers(0, HOUR_MS) | st.integers(8 * HOUR_MS, 30 * HOUR_MS),
        st.sampled_from([sensor.id for sensor in MIXED]),
        st.sampled_from([0.0, 1.0, 500.0, -3.0]),
    ),
    min_size=2,
    max_size=25,
)


@given(long_steps)
def test_whatever_sensors_say_without_a_well_one_that_can_tell_a_space_is_never_free(
    recorded: list[tuple[int, str, float]],
) -> None:
    watch = watched([SensedSpace("d01", SpaceKind.DESK, 1, quiet_limit_ms=20 * HOUR_MS)], MIXED)
    now_ms = 0
    for gap_ms, sensor, value in recorded:
        for _ in range(4):  # what they say between the readings, and after them
            now_ms += gap_ms // 4
            watch.advance(now_ms)
            healths = watch.healths(now_ms)
            if all(healths[one].health.is_ill for one in TELLING):
                watch.advance(now_ms + 1)
                now_ms += 1
                assert watch.occupancies(now_ms)["d01"].state is State.UNKNOWN
        watch.observe(Reading(now_ms, sensor, 0.1 if sensor == "sound" else value))


@given(steps, st.integers(1, 40), st.integers(0, LOOK_EVERY_MS))
def test_it_does_not_matter_how_often_the_sensors_are_looked_at(
    recorded: list[tuple[int, str, float]], looks: int, shift_ms: int
) -> None:
    rows, now_ms = [], 0
    for gap_ms, sensor, value in recorded:
        now_ms += gap_ms
        rows.append(Reading(now_ms, sensor, value))
    if not rows:
        return
    watch = Watch([DESK], [PIR, PIR2, RADAR, CO2])
    changes = watch.start(rows[0].time_ms)
    for row in rows:
        gap_ms = row.time_ms - watch.now_ms
        for moment in range(watch.now_ms + min(shift_ms, gap_ms), row.time_ms, gap_ms // looks + 1):
            changes += watch.advance(moment)
        changes += watch.observe(row)
    changes += watch.advance(rows[-1].time_ms + 1)
    assert changes == list(offline.changes([DESK], [PIR, PIR2, RADAR, CO2], rows))


def falls_and_recoveries(
    rows: Iterable[Reading], until_ms: int, *, each_look: bool
) -> tuple[list[tuple[int, list[str], list[str]]], dict[str, Learned]]:
    """Look whenever a ward asks for it, or at each look that there is."""
    ward, found = Ward([replace(DESK, quiet_limit_ms=13 * HOUR_MS)], [RADAR, CO2, SEAT]), []
    ward.start(0, {}, {})
    grid_ms = LOOK_EVERY_MS

    def look_before(time_ms: int) -> None:
        nonlocal grid_ms
        while (grid_ms if each_look else ward.look_ms) < time_ms:
            ward.look_ms = at_ms = grid_ms if each_look else ward.look_ms
            grid_ms += LOOK_EVERY_MS
            fallen, recovered = ward.look()
            if fallen or recovered:
                found.append((at_ms, fallen, recovered))

    for row in rows:
        look_before(row.time_ms)
        vitals = ward.vitals[row.sensor]
        if vitals.hear(row.time_ms, row.value) is not Hearing.TRUE:
            ward.hasten(vitals, row.time_ms)
    look_before(until_ms)
    return found, ward.learned(until_ms)


bursts = st.lists(
    st.tuples(
        st.integers(0, 9 * HOUR_MS) | st.integers(0, 400),
        st.sampled_from(["radar", "co2", "seat"]),
        st.sampled_from([0.0, 1.0, 500.0, 500.5, float("nan")]),
        st.sampled_from([1, 2, 320]),
    ),
    max_size=12,
)


@given(bursts)
def test_looks_that_are_skipped_would_have_found_nothing(
    recorded: list[tuple[int, str, float, int]],
) -> None:
    rows, now_ms = [], 0
    for gap_ms, sensor, value, times in recorded:
        now_ms += gap_ms
        for step in range(times):
            now_ms += 400 * (times > 1)
            rows.append(Reading(now_ms, sensor, value if step % 2 == 0 else 0.0 if value == 1.0 else value))
    some, busy = falls_and_recoveries(rows, now_ms + 30 * HOUR_MS, each_look=False)
    each, busy_each = falls_and_recoveries(rows, now_ms + 30 * HOUR_MS, each_look=True)
    assert some == each
    for sensor, one in busy.items():
        assert one.busy == pytest.approx(busy_each[sensor].busy)
        assert one.steady_ms == busy_each[sensor].steady_ms
