"""What an agent learned of its sensors outlives it."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perch.model import Reading, SensedSpace, Sensor, SensorHealth, SensorKind, SpaceKind, State
from perch.sensing.health import STUCK_ON_MS
from perch.sensing.ward import Learned
from perch.sensing.watch import Watch
from sensor_agent import keepsakes
from tests.examples import usually

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
ROOM = SensedSpace("r1", SpaceKind.ROOM, 6)
SOUND = Sensor("sound", SensorKind.SOUND, "r1", 30_000)
CO2 = Sensor("co2", SensorKind.CO2, "r1", MINUTE_MS)
LIGHT = Sensor("light", SensorKind.LIGHT, "r1", MINUTE_MS)
PIR = Sensor("pir1", SensorKind.MOTION, "r1", None, pin=17)
RADAR = Sensor("radar", SensorKind.PRESENCE, "r1", None, pin=18)
SENSORS = (SOUND, CO2, LIGHT, PIR, RADAR)


def lived(minutes: int) -> Watch:
    watch = Watch([ROOM], SENSORS)
    watch.start(0)
    for minute in range(minutes):
        at_ms = minute * MINUTE_MS
        for sensor, value in (("sound", 0.1 + 0.002 * (minute % 7)), ("co2", 430.0 + minute % 3), ("light", 200.0)):
            watch.observe(Reading(at_ms, sensor, value))
        watch.observe(Reading(at_ms + 30_000, "sound", 0.1 + 0.002 * (minute % 5)))
    return watch


def test_after_a_restart_in_a_loud_room_loudness_is_known_for_what_it_is(tmp_path: Path) -> None:
    before = lived(120)
    keepsakes.save(tmp_path, before.learned())
    after, ignorant = (Watch([ROOM], [SOUND]) for _ in range(2))
    after.start(0, learned=keepsakes.load(tmp_path))
    ignorant.start(0)
    for watch in (after, ignorant):
        for step in range(30):
            watch.observe(Reading(step * 30_000, "sound", 0.6))
    assert after.occupancies(after.now_ms)["r1"].state is State.OCCUPIED
    assert ignorant.occupancies(after.now_ms)["r1"].state is not State.OCCUPIED


def test_saving_and_loading_changes_nothing(tmp_path: Path) -> None:
    watch = lived(60)
    keepsakes.save(tmp_path, watch.learned())
    assert keepsakes.load(tmp_path) == watch.learned()


def test_a_loop_that_stood_still_forgets_nothing_that_it_learned() -> None:
    watch = lived(120)
    known = watch.learned()
    watch.start(3 * HOUR_MS)
    assert {sensor: one.memory for sensor, one in watch.learned().items()} == {
        sensor: one.memory for sensor, one in known.items()
    }


def test_a_sensor_that_was_stuck_is_not_believed_for_another_day_because_of_a_restart() -> None:
    watch = Watch([ROOM], [RADAR])
    watch.start(0)
    watch.observe(Reading(1000, "radar", 1.0))
    watch.advance(STUCK_ON_MS[SpaceKind.ROOM] + HOUR_MS)
    assert watch.healths(watch.now_ms)["radar"].health is SensorHealth.STUCK
    again = Watch([ROOM], [RADAR])
    again.start(5000, {"radar": 1.0}, watch.learned())
    again.advance(5001)
    assert again.occupancies(5001)["r1"].state is State.UNKNOWN
    assert again.healths(5001)["radar"].health is SensorHealth.STUCK


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"[]",
        b'{"v":1}',
        b'{"v":1,"sensors":{"sound":[]}}',
        b'{"v":1,"sensors":{"sound":{"memory":["x"],"busy":0,"steady_ms":0}}}',
        b'{"v":1,"sensors":{"sound":{"memory":[1],"busy":-1,"steady_ms":0}}}',
        b"[" * 100_000,
        b'{"v":1,"sensors":{"sound":{"memory":[%s],"busy":0,"steady_ms":0}}}' % (b"1" * 400),
        b'{"v":1,"sensors":{"sound":{"memory":[%s],"busy":0,"steady_ms":0}}}' % (b"1" * 5_000),
        b'{"v":1,"sensors":{"sound":{"memory":[],"busy":%s,"steady_ms":0}}}' % (b"1" * 400),
        b'{"v":1,"sensors":{"sound":{"memory":[],"busy":NaN,"steady_ms":0}}}',
        b'{"v":1,"sensors":{"sound":{"memory":[],"busy":0,"steady_ms":1e3}}}',
        b'{"v":1,"sensors":{"%s' % (b"x" * 2_000_000),
    ],
    ids=range(14),
)
def test_a_file_that_nobody_understands_is_as_good_as_none(content: bytes, tmp_path: Path) -> None:
    (tmp_path / keepsakes.FILE).write_bytes(content)
    assert keepsakes.load(tmp_path) == {}


odd_numbers = st.floats() | st.integers() | st.integers(10**300, 10**320) | st.integers(-(10**320), -(10**300))
odd = st.recursive(
    st.none() | st.booleans() | odd_numbers | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
one_sensor = st.fixed_dictionaries({}, optional={"memory": st.lists(odd_numbers) | odd, "busy": odd, "steady_ms": odd})


@given(odd | st.fixed_dictionaries({"sensors": st.dictionaries(st.sampled_from(["sound", "co2"]), one_sensor) | odd}))
def test_no_file_stops_an_agent_from_starting(content: object) -> None:
    with TemporaryDirectory() as folder:
        (Path(folder) / keepsakes.FILE).write_text(json.dumps(content))
        known = keepsakes.load(Path(folder))
    watch = Watch([ROOM], SENSORS)
    watch.start(0, learned=known)
    watch.observe(Reading(MINUTE_MS, "sound", 0.2))
    assert 0 < watch.occupancies(watch.now_ms)["r1"].probability < 1
    assert all(0 <= one.busy <= 1000 for one in known.values())


numbers = st.lists(st.floats() | st.integers(-(10**12), 10**12).map(float), max_size=8).map(tuple)


@given(st.dictionaries(st.sampled_from([one.id for one in SENSORS]), numbers))
def test_whatever_was_learned_the_watch_goes_on(memories: dict[str, tuple[float, ...]]) -> None:
    watch = Watch([ROOM], SENSORS)
    watch.start(0, learned={sensor: Learned(memory) for sensor, memory in memories.items()})
    for minute in range(15):
        for sensor in ("sound", "co2", "light"):
            watch.observe(Reading(minute * MINUTE_MS, sensor, 400.0 + minute))
        assert 0 < watch.occupancies(watch.now_ms)["r1"].probability < 1


told = st.lists(
    st.tuples(st.integers(0, 40 * MINUTE_MS), st.sampled_from([one.id for one in SENSORS]), st.floats(0, 1)),
    min_size=1,
    max_size=30,
)


@usually(50)
@given(told, told)
def test_what_a_restart_reads_back_makes_no_difference(
    before: list[tuple[int, str, float]], after: list[tuple[int, str, float]]
) -> None:
    """A watch that begins again by itself, and a new one with what the old one had kept in a file, say the same."""
    begun, now_ms = Watch([ROOM], SENSORS), 0
    begun.start(0)
    rows = []
    for gap_ms, sensor, level in (*before, *after):
        now_ms += gap_ms
        rows.append(Reading(now_ms, sensor, 400 + 600 * level if sensor == "co2" else level))
    for row in rows[: len(before)]:
        begun.observe(row)
    restarted = Watch([ROOM], SENSORS)
    with TemporaryDirectory() as folder:
        keepsakes.save(Path(folder), begun.learned())
        kept = keepsakes.load(Path(folder))
    restart_ms = begun.now_ms
    begun.start(restart_ms)
    restarted.start(restart_ms, learned=kept)
    for row in rows[len(before) :]:
        told_by = [
            [(c.time_ms, c.occupancy.state, c.occupancy.reason) for c in w.observe(row)] for w in (begun, restarted)
        ]
        assert told_by[0] == told_by[1]
    assert begun.learned() == restarted.learned()


def test_what_is_kept_is_small(tmp_path: Path) -> None:
    keepsakes.save(tmp_path, lived(30).learned())
    assert len(json.loads((tmp_path / keepsakes.FILE).read_text())["sensors"]) == len(SENSORS)
    assert (tmp_path / keepsakes.FILE).stat().st_size < 300 * len(SENSORS)
