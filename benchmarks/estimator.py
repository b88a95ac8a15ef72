"""How fast the estimator is offline, beside a plain two-state filter (`two_state`), and what a space costs in memory.

One space each time, readings made before the clock starts, processor time: as in `perch sense` without its files. The
two-state filter knows only samples; it is told the same motion sensor and looks at each of its samples.
"""

import gc
import time
import tracemalloc
from collections.abc import Sequence
from random import Random

from benchmarks import two_state
from benchmarks.accuracy.people_at_desks import desk, told_by_edges, told_by_samples
from benchmarks.figures import Figure
from perch.model import Reading, SensedSpace, Sensor, SensorKind, SpaceKind
from perch.sensing import offline
from perch.sensing.watch import Watch

RUNS = 5
DAYS = 10
SAMPLES = 60_000
EVERY_MS = 30_000
DESK = SensedSpace("s", SpaceKind.DESK, 1)
ROOM = SensedSpace("s", SpaceKind.ROOM, 8)
MIXED = ("motion", "motion", "co2", "sound", "sound", "light")
SPACES = 200

Recording = tuple[SensedSpace, Sequence[Sensor], Sequence[Reading]]


def figures() -> list[Figure]:
    """Give readings a second for four kinds of recording, the ratio to the peer, and KiB a space."""
    sampled = _sampled()
    ours = [_rate(sampled) for _ in range(RUNS)]
    peer = [_peer_rate(sampled) for _ in range(RUNS)]
    return [
        Figure("for scale: a million rounds of a bare loop", [_bare_s() for _ in range(RUNS)], "s"),
        Figure("a motion sensor read each 30 s", ours, "readings/s", "≥ 200,000"),
        Figure("the same, two-state filter", peer, "readings/s"),
        Figure("a motion sensor read each second", [_rate(_each_second()) for _ in range(RUNS)], "readings/s"),
        Figure("a motion sensor that tells edges", [_rate(_edges()) for _ in range(RUNS)], "readings/s"),
        Figure("six sensors of four kinds, each 30 s", [_rate(_mixed()) for _ in range(RUNS)], "readings/s"),
        Figure("memory of a desk with a motion sensor", [_memory_kib(("motion",))], "KiB", "≤ 4"),
        Figure("memory of a room with six sensors", [_memory_kib(MIXED)], "KiB"),
    ]


def _bare_s() -> float:
    """Give what tells how quick this core is at the moment."""
    began_s, total = time.process_time(), 0
    for number in range(1_000_000):
        total += number * number % 7
    return time.process_time() - began_s


def _rate(recording: Recording) -> float:
    space, sensors, readings = recording
    began_s = time.process_time()
    for _ in offline.changes([space], sensors, readings):
        pass
    return len(readings) / (time.process_time() - began_s)


def _peer_rate(recording: Recording) -> float:
    _, sensors, readings = recording
    moments = [reading.time_ms for reading in readings]
    filtering = two_state.fitted(sensors, [(readings, [(at_ms, at_ms // 3_600_000 % 2 == 0) for at_ms in moments])])
    began_s = time.process_time()
    for _ in filtering.probabilities(readings, moments):
        pass
    return len(readings) / (time.process_time() - began_s)


def _sampled() -> Recording:
    block = told_by_samples(desk(1, SAMPLES * EVERY_MS // 86_400_000), EVERY_MS // 1000)
    return DESK, [Sensor("pir", SensorKind.MOTION, "s", EVERY_MS)], block.readings


def _each_second() -> Recording:
    return DESK, [Sensor("pir", SensorKind.MOTION, "s", 1000)], told_by_samples(desk(1, 1), 1).readings


def _edges() -> Recording:
    return DESK, [Sensor("pir", SensorKind.MOTION, "s", None)], told_by_edges(desk(1, DAYS)).readings


def _mixed(space: SensedSpace = ROOM, samples: int = SAMPLES // len(MIXED)) -> Recording:
    sensors = _sensors(space, MIXED)
    return space, sensors, _noise(sensors, samples)


def _sensors(space: SensedSpace, kinds: Sequence[str]) -> list[Sensor]:
    return [Sensor(f"{space.id}-{place}", SensorKind(kind), space.id, EVERY_MS) for place, kind in enumerate(kinds)]


def _noise(sensors: Sequence[Sensor], samples: int) -> list[Reading]:
    chance = Random(1)  # noqa: S311 - the same numbers each time
    return [Reading(step * EVERY_MS, one.id, _value(chance, one.kind)) for step in range(samples) for one in sensors]


def _value(chance: Random, kind: SensorKind) -> float:
    return float(chance.random() < 0.3) if kind is SensorKind.MOTION else 500 + 5 * chance.random()


def _memory_kib(kinds: Sequence[str]) -> float:
    """Give what each further space adds to a watch, all that it ever needs included; tables are shared by all."""
    few, many = (_watched_bytes(kinds, number) for number in (SPACES, 2 * SPACES))
    return (many - few) / SPACES / 1024


def _watched_bytes(kinds: Sequence[str], number: int) -> int:
    spaces = [SensedSpace(f"r{place}", SpaceKind.ROOM, 8) for place in range(number)]
    sensors = [one for space in spaces for one in _sensors(space, kinds)]
    readings = _noise(sensors, 30)
    gc.collect()
    tracemalloc.start()
    watch = Watch(spaces, sensors)
    watch.start(0)
    for reading in readings:
        watch.observe(reading)
    gc.collect()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return held
