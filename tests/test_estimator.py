"""The estimator: what it makes of readings, and what it never does."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import pairwise, permutations
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perch.model import Occupancy, Preference, Reading, Reason, SensedSpace, Sensor, SensorKind, SpaceKind, State
from perch.sensing import offline
from perch.sensing.chain import Flow, Pace, Rates, Weights
from perch.sensing.estimator import Estimator
from perch.sensing.pulses import MOTION_RATES
from perch.sensing.settled import DESK as DESK_PACE
from perch.sensing.settled import PACES, THRESHOLDS
from perch.sensing.space_model import SpaceModel
from perch.sensing.watch import Change, Watch
from tests import sensing_oracle
from tests.examples import usually

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DESK = SensedSpace("d01", SpaceKind.DESK, 1)
ROOM = SensedSpace("r1", SpaceKind.ROOM, 6)
PIR = Sensor("pir1", SensorKind.MOTION, "d01", None, pin=17)
RADAR = Sensor("radar", SensorKind.PRESENCE, "d01", None, pin=18)
SEAT = Sensor("seat", SensorKind.PRESSURE, "d01", 30_000, channel=0)
SAMPLED = Sensor("pir1", SensorKind.MOTION, "d01", 30_000, pin=17)
ROOM_PIR = Sensor("pir", SensorKind.MOTION, "r1", None, pin=19)
ROOM_SAMPLED = Sensor("pir", SensorKind.MOTION, "r1", 30_000, pin=19)
CO2 = Sensor("co2", SensorKind.CO2, "r1", 60_000)
SOUND = Sensor("sound", SensorKind.SOUND, "r1", 30_000)
LIGHT = Sensor("light", SensorKind.LIGHT, "r1", 60_000)
DOOR = Sensor("door", SensorKind.CONTACT, "r1", None, pin=20)
IN = Sensor("in", SensorKind.BEAM_IN, "r1", None, pin=21)
OUT = Sensor("out", SensorKind.BEAM_OUT, "r1", None, pin=22)
SPACES = (DESK, ROOM)
SENSORS = (PIR, RADAR, SEAT, ROOM_PIR, CO2, SOUND, LIGHT, DOOR, IN, OUT)


def started(spaces: Iterable[SensedSpace], sensors: Iterable[Sensor], at_ms: int = 0) -> Watch:
    watch = Watch(tuple(spaces), tuple(sensors))
    watch.start(at_ms)
    return watch


def pulse(watch: Watch, sensor: str, at_ms: int, lasting_ms: int = 2500) -> None:
    watch.observe(Reading(at_ms, sensor, 1.0))
    watch.observe(Reading(at_ms + lasting_ms, sensor, 0.0))


def probability(watch: Watch, space: str = "d01") -> float:
    return watch.occupancies(watch.now_ms)[space].probability


def state(watch: Watch, space: str = "d01") -> State:
    return watch.occupancies(watch.now_ms)[space].state


def busy(watch: Watch, sensor: str, from_ms: int, until_ms: int, every_ms: int = 20_000) -> None:
    for moment in range(from_ms, until_ms, every_ms):
        pulse(watch, sensor, moment)


def test_a_space_is_starting_until_its_sensors_have_told_something() -> None:
    watch = started([DESK], [PIR])
    assert watch.occupancies(0)["d01"].reason is Reason.STARTING
    assert probability(watch) == 0.5
    watch.advance(HOUR_MS)
    assert state(watch) is State.FREE


def test_somebody_who_moves_is_there_at_once() -> None:
    watch = started([DESK], [PIR])
    pulse(watch, "pir1", 1000)
    pulse(watch, "pir1", 12_000)
    assert state(watch) is State.OCCUPIED


def test_somebody_who_sits_still_for_a_quarter_of_an_hour_is_still_there() -> None:
    watch = started([DESK], [PIR])
    busy(watch, "pir1", 1000, HOUR_MS)
    watch.advance(HOUR_MS + 15 * MINUTE_MS)
    assert state(watch) is State.OCCUPIED
    assert watch.occupancies(watch.now_ms)["d01"].reason is Reason.HELD
    watch.advance(3 * HOUR_MS)
    assert state(watch) is State.FREE


def test_a_passer_by_is_let_go_sooner_than_somebody_who_stayed() -> None:
    def held_ms(visit_ms: int) -> int:
        watch = started([DESK], [PIR])
        watch.advance(HOUR_MS)
        busy(watch, "pir1", HOUR_MS, HOUR_MS + visit_ms)
        begun = watch.now_ms
        changes = watch.advance(begun + 4 * HOUR_MS)
        return changes[-1].time_ms - begun if changes else 0

    assert held_ms(15_000) < held_ms(20 * MINUTE_MS)


def test_what_is_preferred_decides_how_soon_a_space_is_released() -> None:
    def released_ms(prefer: Preference) -> int:
        watch = started([SensedSpace("d01", SpaceKind.DESK, 1, prefer)], [PIR])
        busy(watch, "pir1", 1000, HOUR_MS)
        return next(change.time_ms for change in watch.advance(5 * HOUR_MS) if change.row)

    careful, balanced, quick = map(released_ms, Preference)
    assert quick < balanced < careful


def test_a_seat_that_is_pressed_is_occupied_however_still_it_is() -> None:
    watch = started([DESK], [RADAR])
    watch.observe(Reading(1000, "radar", 1.0))
    watch.advance(3 * HOUR_MS)
    assert state(watch) is State.OCCUPIED
    watch.observe(Reading(3 * HOUR_MS, "radar", 0.0))
    watch.advance(4 * HOUR_MS)
    assert state(watch) is State.FREE


def test_stale_air_that_no_longer_rises_does_not_hold_a_room() -> None:
    watch = started([ROOM], [CO2])
    level = 450.0
    for minute in range(600):
        level += (450 - level) * 0.7 / 60 + (8.0 if 60 <= minute < 180 else 0.0)
        watch.observe(Reading(minute * MINUTE_MS, "co2", level))
        if minute == 175:
            assert state(watch, "r1") is State.OCCUPIED
        if minute == 240:
            assert level > 700
            assert state(watch, "r1") is State.FREE


def sounds_and_lights(scale: float, *, lit: bool) -> Iterator[tuple[int, Watch]]:
    """A room that hears a bang at step 20, people from 200 to 320, and where the light goes on with them, or not."""
    watch = started([ROOM], [SOUND, replace(LIGHT, every_ms=30_000)])
    for step in range(400):
        loud = step == 20 or (200 <= step < 320 and step % 3)
        level = 0.1 + 0.004 * (step % 5) + (0.5 if loud else 0.0)
        watch.observe(Reading(step * 30_000, "sound", scale * level))
        watch.observe(
            Reading(step * 30_000, "light", scale * (9.0 if lit and step >= 200 else 1.0 + 0.001 * (step % 3)))
        )
        yield step, watch


def test_sound_and_light_alone_wake_a_room_and_their_sensors_need_no_unit() -> None:
    for scale in (1.0, 1000.0):
        for (step, lit), (_, unlit) in zip(
            sounds_and_lights(scale, lit=True), sounds_and_lights(scale, lit=False), strict=True
        ):
            if step == 190:
                assert state(lit, "r1") is State.FREE
            if step == 200:
                assert probability(lit, "r1") > probability(unlit, "r1")
            if step == 260:
                assert state(lit, "r1") is State.OCCUPIED


@pytest.mark.parametrize("prefer", Preference)
def test_what_says_nothing_of_emptiness_never_frees_a_space(prefer: Preference) -> None:
    watch = started([replace(ROOM, prefer=prefer)], [SOUND, LIGHT, DOOR])
    for minute in range(24 * 60):
        watch.observe(Reading(minute * MINUTE_MS, "light", 0.5 + 0.0001 * (minute % 7)))
        watch.observe(Reading(minute * MINUTE_MS, "sound", 0.1 + 0.0001 * (minute % 3)))
        assert watch.occupancies(watch.now_ms)["r1"] == Occupancy(State.UNKNOWN, 0.5, None, Reason.STARTING, 0)
    watch.observe(Reading(watch.now_ms, "door", 1.0))
    assert state(watch, "r1") is State.UNKNOWN


def test_a_reading_that_says_nothing_changes_nothing_of_what_is_believed() -> None:
    judge = Estimator(ROOM, [LIGHT])
    begun = judge.begin(0)
    belief = judge.observe(begun, Reading(0, "light", 0.5))
    for minute in range(1, 600):
        belief = judge.observe(belief, Reading(minute * MINUTE_MS, "light", 0.5))
    assert belief.occupancy == begun.occupancy
    assert belief.now == pytest.approx(begun.now, abs=1e-6)


def test_what_the_quickest_sensor_covers_is_covered_no_longer_once_it_is_dead() -> None:
    """Air read each five minutes frees a room as soon beside a dead quick sensor as beside a dead slow one."""

    def freed_ms(every_ms: int) -> int:
        watch = started([ROOM], [replace(ROOM_SAMPLED, every_ms=every_ms), replace(CO2, every_ms=5 * MINUTE_MS)])
        rows = [Reading(moment, "pir", 1.0) for moment in range(every_ms, HOUR_MS + 1, every_ms)]
        rows += [Reading(step * 300_000, "co2", 600.0 + step % 3) for step in range(1, 288)]
        changes = [change for row in sorted(rows, key=lambda row: row.time_ms) for change in watch.observe(row)]
        return next(change.time_ms for change in changes if change.occupancy.state is State.FREE)

    assert freed_ms(10_000) == pytest.approx(freed_ms(300_000), abs=20 * MINUTE_MS)


def test_people_are_counted_through_a_door_and_the_count_is_a_row() -> None:
    watch = started([ROOM], [IN, OUT, ROOM_PIR])
    watch.advance(2 * HOUR_MS)
    counts = []
    for n, beam in enumerate(["in", "in", "in", "out"]):
        watch.observe(Reading(2 * HOUR_MS + n * 10_000, beam, 1.0))
        watch.observe(Reading(2 * HOUR_MS + n * 10_000 + 400, beam, 0.0))
        pulse(watch, "pir", 2 * HOUR_MS + n * 10_000 + 1000)
        counts.append(watch.occupancies(watch.now_ms)["r1"].count)
    assert counts == [1, 2, 3, 2]


def test_a_count_that_drifted_is_pulled_to_nobody_by_an_empty_room_and_to_somebody_by_motion() -> None:
    watch = started([ROOM], [IN, OUT, ROOM_PIR])
    watch.advance(2 * HOUR_MS)
    watch.observe(Reading(watch.now_ms, "in", 1.0))
    watch.observe(Reading(watch.now_ms + 400, "in", 0.0))
    busy(watch, "pir", watch.now_ms + 1000, watch.now_ms + 600_000)
    watch.advance(watch.now_ms + 3 * HOUR_MS)
    assert (state(watch, "r1"), watch.occupancies(watch.now_ms)["r1"].count) == (State.FREE, 0)
    busy(watch, "pir", watch.now_ms, watch.now_ms + 600_000)
    assert (state(watch, "r1"), watch.occupancies(watch.now_ms)["r1"].count) == (State.OCCUPIED, 1)


def test_a_count_never_exceeds_what_fits() -> None:
    watch = started([ROOM], [IN, OUT, ROOM_PIR])
    for n in range(30):
        watch.observe(Reading(n * 5000 + 1, "in", 1.0))
    assert watch.occupancies(watch.now_ms + 1)["r1"].count in {5, 6}


def test_a_sensor_that_dies_frees_nothing_and_in_the_end_nobody_knows() -> None:
    watch = started([DESK], [SAMPLED])
    for step in range(40):
        watch.observe(Reading(step * 30_000, "pir1", 1.0))
    changes = watch.advance(10 * HOUR_MS)
    assert [(c.occupancy.state, c.occupancy.reason) for c in changes] == [(State.UNKNOWN, Reason.SENSOR_SILENT)]
    assert changes[0].time_ms == 39 * 30_000 + 105_000


@pytest.mark.parametrize("sensors", [(IN, DOOR), (IN, DOOR, ROOM_PIR), (DOOR, ROOM_PIR)])
def test_of_signs_of_one_moment_the_same_one_is_the_reason_in_whatever_order_they_come(
    sensors: tuple[Sensor, ...],
) -> None:
    reasons = set()
    for order in permutations(sensors):
        rows = [Reading(moment, one.id, 1.0) for moment in (0, HOUR_MS) for one in order]
        reasons.add(tuple(change.occupancy.reason for change in offline.changes([ROOM], SENSORS, rows)))
    assert len(reasons) == 1


# What holds whatever is recorded.

KINDS = {sensor.id: sensor.kind for sensor in SENSORS}


def value_of(sensor: str, level: float) -> float:
    kind = KINDS[sensor]
    if kind is SensorKind.CO2:
        return 400 + 1600 * level
    return level if kind in {SensorKind.SOUND, SensorKind.LIGHT, SensorKind.PRESSURE} else float(level > 0.5)


steps = st.lists(
    st.tuples(
        st.integers(0, 3000) | st.integers(0, 40 * MINUTE_MS),
        st.sampled_from(sorted(KINDS)),
        st.floats(0, 1, allow_nan=False),
    ),
    min_size=1,
    max_size=50,
)


def recording(recorded: list[tuple[int, str, float]]) -> list[Reading]:
    rows, now_ms = [], 0
    for gap_ms, sensor, level in recorded:
        now_ms += gap_ms
        rows.append(Reading(now_ms, sensor, value_of(sensor, level)))
    return rows


def changes_of(rows: list[Reading]) -> list[Change]:
    return list(offline.changes(SPACES, SENSORS, rows))


@given(steps, st.integers(1, 20), st.integers(0, MINUTE_MS))
def test_it_does_not_matter_how_often_time_is_let_pass(
    recorded: list[tuple[int, str, float]], looks: int, shift_ms: int
) -> None:
    rows = recording(recorded)
    watch = Watch(SPACES, SENSORS)
    changes = watch.start(rows[0].time_ms)
    for row in rows:
        gap_ms = row.time_ms - watch.now_ms
        for moment in range(watch.now_ms + min(shift_ms, gap_ms), row.time_ms, gap_ms // looks + 1):
            changes += watch.advance(moment)
        changes += watch.observe(row)
    changes += watch.advance(rows[-1].time_ms + 1)
    assert changes == changes_of(rows)


@given(steps, st.randoms(use_true_random=False))
def test_the_order_of_sensors_that_speak_in_the_same_moment_does_not_matter(
    recorded: list[tuple[int, str, float]], chance: Random
) -> None:
    rows = recording([(gap_ms // 1000 * 1000 if gap_ms > 2000 else 0, s, level) for gap_ms, s, level in recorded])
    moments: dict[int, dict[str, Reading]] = {}
    for row in rows:
        moments.setdefault(row.time_ms, {}).setdefault(row.sensor, row)
    one = [row for said in moments.values() for row in said.values()]
    other = [row for said in moments.values() for row in chance.sample(list(said.values()), len(said))]
    key = lambda change: (change.time_ms, change.space)  # noqa: E731
    assert sorted(changes_of(one), key=key) == sorted(changes_of(other), key=key)


@given(steps)
def test_more_motion_never_lowers_the_belief_of_that_moment(recorded: list[tuple[int, str, float]]) -> None:
    rows = recording(recorded)
    quiet, moved = Watch(SPACES, SENSORS), Watch(SPACES, SENSORS)
    for watch in (quiet, moved):
        watch.start(rows[0].time_ms)
        for row in rows:
            watch.observe(row)
    at_ms = rows[-1].time_ms + 1000
    for watch in (quiet, moved):
        watch.advance(at_ms)
        watch.observe(Reading(at_ms, "pir1", 0.0))
    at_ms += 1000
    quiet.advance(at_ms)
    moved.observe(Reading(at_ms, "pir1", 1.0))
    assert moved.occupancies(at_ms)["d01"].probability >= quiet.occupancies(at_ms)["d01"].probability


@given(steps)
def test_readings_of_other_spaces_and_unknown_sensors_move_nothing(recorded: list[tuple[int, str, float]]) -> None:
    rows = recording(recorded)
    strangers = [Reading(row.time_ms, "nobody-knows", 1.0) for row in rows]
    mixed = [row for pair in zip(rows, strangers, strict=True) for row in pair]
    assert changes_of(mixed) == changes_of(rows)
    own = [row for row in rows if row.sensor in {"pir1", "radar", "seat"}]
    if own and own[0].time_ms == rows[0].time_ms and own[-1].time_ms == rows[-1].time_ms:
        alone = list(offline.changes([DESK], SENSORS, own))
        assert alone == [change for change in changes_of(rows) if change.space == "d01"]


@given(steps)
def test_what_is_said_follows_from_the_probability(recorded: list[tuple[int, str, float]]) -> None:
    limits = THRESHOLDS[Preference.BALANCED]
    for change in changes_of(recording(recorded)):
        said = change.occupancy
        if said.state is State.OCCUPIED and said.count in {None, 1}:
            assert said.probability >= limits.free
        if said.state is State.FREE:
            assert said.probability <= limits.free + 0.001
        assert (said.count or 0) <= 6
        assert said.state is not State.UNKNOWN or said.count is None


@given(steps)
def test_changes_come_in_order_of_time_and_no_row_repeats_what_was_said(
    recorded: list[tuple[int, str, float]],
) -> None:
    changes = changes_of(recording(recorded))
    assert all(one.time_ms <= other.time_ms for one, other in pairwise(changes))
    for space in SPACES:
        rows = [c.occupancy for c in changes if c.space == space.id and c.row]
        assert all((a.state, a.count) != (b.state, b.count) for a, b in pairwise(rows[1:]))


@usually(25)
@given(steps)
def test_when_all_sensors_fall_silent_the_space_is_unknown_in_the_end(recorded: list[tuple[int, str, float]]) -> None:
    watch = Watch([replace(space, quiet_limit_ms=30 * HOUR_MS) for space in SPACES], SENSORS)
    rows = recording(recorded)
    watch.start(rows[0].time_ms)
    for row in rows:
        watch.observe(row)
    watch.advance(rows[-1].time_ms + 32 * HOUR_MS)
    assert {said.state for said in watch.occupancies(watch.now_ms).values()} == {State.UNKNOWN}


@given(steps, st.integers(1000, HOUR_MS))
def test_steps_show_the_same_as_the_changes(recorded: list[tuple[int, str, float]], step_ms: int) -> None:
    rows = recording(recorded)
    changes = changes_of(rows)
    for time_ms, space, said in offline.steps(SPACES, SENSORS, rows, step_ms):
        last = [c.occupancy for c in changes if c.space == space and c.time_ms <= time_ms][-1]
        assert (said.state, said.count, said.since_ms) == (last.state, last.count, last.since_ms)


@pytest.mark.parametrize("every_ms", [1000, 5000, 30_000, 60_000, 300_000])
def test_how_often_a_sensor_is_read_changes_little(every_ms: int) -> None:
    watch = started([DESK], [Sensor("pir1", SensorKind.MOTION, "d01", every_ms, pin=17)])
    for moment in range(0, 2 * HOUR_MS, every_ms):
        watch.observe(Reading(moment, "pir1", float(moment % 30_000 == 0 and moment >= HOUR_MS)))
        if moment == HOUR_MS - every_ms:
            assert state(watch) is State.FREE
    assert state(watch) is State.OCCUPIED
    for moment in range(2 * HOUR_MS, 4 * HOUR_MS, every_ms):
        watch.observe(Reading(moment, "pir1", 0.0))
    assert state(watch) is State.FREE


def test_a_pulse_that_is_read_each_second_says_what_its_edges_say() -> None:
    by_edges, by_samples = started([DESK], [PIR]), started([DESK], [replace(SAMPLED, every_ms=1000)])
    for second in range(3606):
        by_samples.observe(Reading(second * 1000, "pir1", float(3600 <= second < 3603)))
    pulse(by_edges, "pir1", HOUR_MS, 3000)
    by_edges.advance(by_samples.now_ms)
    assert 0.1 < probability(by_edges) < 0.9
    assert probability(by_samples) == pytest.approx(probability(by_edges), abs=0.02)


# Held against the same mathematics by brute force.

weights4 = st.tuples(*[st.floats(1e-3, 1.0)] * 4)
rates4 = st.tuples(*[st.floats(1e-5, 0.5)] * 4)
paces = st.sampled_from([*PACES.values(), DESK_PACE.through_doors()])


@usually(40)
@given(paces, rates4, weights4, st.floats(0.01, 20_000))
def test_silence_weighs_as_the_exponential_of_its_generator_says(
    pace: Pace, rates: Rates, weights: Weights, seconds: float
) -> None:
    expected = sensing_oracle.after_silence(pace, rates, weights, seconds)
    assert Flow(pace, rates).after(weights, seconds) == pytest.approx(expected, abs=1e-6)


@usually(40)
@given(st.lists(st.tuples(st.floats(1.0, 3000), st.floats(1.0, 1.9)), min_size=1, max_size=15))
def test_a_motion_sensor_is_followed_as_by_a_filter_written_a_second_time(pulses: list[tuple[float, float]]) -> None:
    watch, edges, at_ms = started([DESK], [PIR]), [], 0
    for gap, lasting in pulses:
        for wait, level in ((gap, 1.0), (lasting, 0.0)):
            at_ms += int(wait * 1000)
            edges.append((at_ms / 1000, level))
    expected = sensing_oracle.motion_filter(DESK_PACE, MOTION_RATES, SpaceModel(DESK, [PIR]).even, edges)
    for (moment, level), likely in zip(edges, expected, strict=True):
        watch.observe(Reading(int(moment * 1000), "pir1", level))
        shown = watch.occupancies(watch.now_ms)["d01"]
        if shown.state is not State.UNKNOWN:
            assert shown.probability == pytest.approx(likely, abs=0.002)
