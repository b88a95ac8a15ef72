"""Deadlines of a space, over any mix of sensors: never missed, and never in the past."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from perch.model import Preference, Reading, Reason, SensedSpace, Sensor, SensorKind, SpaceKind, State
from perch.sensing.belief import due_ms
from perch.sensing.estimator import Estimator
from perch.sensing.evidence import BEAMS
from perch.sensing.watch import Watch
from tests.examples import usually

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
EDGES = frozenset(
    {SensorKind.MOTION, SensorKind.PRESENCE, SensorKind.CONTACT, SensorKind.PRESSURE, *BEAMS},
)
MEASURED = {SensorKind.CO2: (400.0, 1200.0), SensorKind.DISTANCE: (0.3, 2.0)}


@dataclass(frozen=True)
class Mix:
    """A space with a few sensors, and what they said."""

    space: SensedSpace
    sensors: tuple[Sensor, ...]
    readings: tuple[Reading, ...]


def said_by(sensor: Sensor, chance: Random, until_ms: int) -> Iterator[Reading]:
    """Samples, or edges whose pulses last from one second to some minutes."""
    low, high = MEASURED.get(sensor.kind, (0.0, 1.0))
    now_ms, level = 0, 0.0
    while now_ms < until_ms:
        if sensor.every_ms is None:
            now_ms += 1 + int(chance.expovariate(1 / chance.choice([1000, 40_000, 400_000])))
            level = 1.0 - level
        else:
            now_ms += sensor.every_ms if chance.random() < 0.97 else 5 * sensor.every_ms
            level = low + (high - low) * (chance.random() if sensor.kind not in EDGES else float(chance.random() < 0.2))
        yield Reading(now_ms, sensor.id, level)


@st.composite
def mixes(draw: st.DrawFn, kinds: tuple[SensorKind, ...] = tuple(SensorKind)) -> Mix:
    chance = Random(draw(st.integers(0, 2**32)))  # noqa: S311  no secret
    space = SensedSpace("s", draw(st.sampled_from(SpaceKind)), 8, prefer=draw(st.sampled_from(Preference)))
    sensors = []
    for place, kind in enumerate(draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=4))):
        every_ms = chance.choice([10_000, 60_000, 300_000])
        sensors.append(Sensor(f"s{place}", kind, "s", None if kind in EDGES and chance.random() < 0.6 else every_ms))
    hours = draw(st.integers(1, 4))
    rows = [row for sensor in sensors for row in said_by(sensor, chance, hours * HOUR_MS)]
    rows.sort(key=lambda row: row.time_ms)
    return Mix(space, tuple(sensors), tuple(rows[:600]))


@usually(80)
@given(mixes())
def test_no_deadline_is_later_than_the_first_moment_at_which_a_sensors_silence_speaks(mix: Mix) -> None:
    judge = Estimator(mix.space, mix.sensors)
    belief = judge.begin(0)
    for row in mix.readings:
        while belief.deadline < row.time_ms:
            before_ms = belief.deadline
            belief = judge.expire(belief)
            assert belief.at_ms <= before_ms < belief.deadline or belief.deadline == belief.at_ms
        belief = judge.observe(belief, row)
        assert belief.at_ms <= belief.deadline <= max(belief.at_ms, due_ms(belief.voices))


def test_a_motion_sensor_that_stays_on_beside_slow_samples_is_a_sign_in_time() -> None:
    pir, air = Sensor("pir", SensorKind.MOTION, "s", None), Sensor("air", SensorKind.CO2, "s", MINUTE_MS)
    watch = Watch([SensedSpace("s", SpaceKind.ROOM, 6)], [pir, air])
    changes = watch.start(0)
    for minute in range(121):
        changes += watch.observe(Reading(minute * MINUTE_MS, "air", 600.0 + minute % 5))
    watch.observe(Reading(2 * HOUR_MS + 5000, "pir", 1.0))
    changes = watch.advance(2 * HOUR_MS + 30_000)
    assert [(change.occupancy.state, change.occupancy.reason) for change in changes] == [
        (State.OCCUPIED, Reason.MOTION)
    ]
