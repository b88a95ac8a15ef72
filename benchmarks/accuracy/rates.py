"""The recordings thinned: does the estimator hold at rates that nobody tuned it for?

A motion sensor that is read less often still tells whether anything moved since the last sample; or, where a logger
keeps only each so many-th row, it does not, and movements are lost. Both are tried. Truth is looked at as before.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from benchmarks.accuracy.recordings import CANDANEDO, SINGH, Block, candanedo, setting, singh
from benchmarks.accuracy.saying import estimator, held
from benchmarks.accuracy.scores import Score, scored
from benchmarks.accuracy.tables import FIGURES, Section, Table, figures
from perch.model import Reading, Sensor, SensorKind

ROOM_EVERY_S, OFFICE_EVERY_S = (60, 120, 300), (120, 300)
HOLD_MIN = 5


def section(room: Sequence[Block] = (), office: Sequence[Block] = ()) -> Section:
    """Score both recordings at lower rates; without blocks, all of them."""
    room, office = room or [singh(name) for name in SINGH], office or [candanedo(name) for name in CANDANEDO]
    space, sensors = setting("singh")
    motion = [sensor for sensor in sensors if sensor.kind is SensorKind.MOTION]
    rows: dict[str, Score] = {}
    for every_s in ROOM_EVERY_S:
        for lossy, how in ((False, ""), (True, ", rows dropped")):
            for name, some in (("all sensors", sensors), ("PIR only", motion)):
                slow = slower(some, every_s)
                blocks = [thinned(block, slow, lossy=lossy) for block in room]
                rows[f"room each {every_s} s{how}, {name}"] = scored(estimator(space, slow), blocks)
            rows[f"room each {every_s} s{how}, PIR held {HOLD_MIN} min"] = scored(held(slow, HOLD_MIN * 60_000), blocks)
    space, sensors = setting("candanedo")
    for every_s in OFFICE_EVERY_S:
        slow = slower([sensor for sensor in sensors if sensor.kind is SensorKind.CO2], every_s)
        blocks = [thinned(block, slow, lossy=True) for block in office]
        rows[f"office each {every_s} s, CO2 only"] = scored(estimator(space, slow), blocks)
    table = Table(
        "Factory settings, recordings thinned", ("told", *FIGURES), [(n, *figures(score)) for n, score in rows.items()]
    )
    return Section("rates", [table])


def slower(sensors: Sequence[Sensor], every_s: int) -> list[Sensor]:
    """Give sensors that are read less often."""
    return [replace(sensor, every_ms=1000 * every_s) for sensor in sensors]


def thinned(block: Block, sensors: Sequence[Sensor], *, lossy: bool) -> Block:
    """Keep the last reading of each interval; unless it is lossy, motion is kept if there was any in it."""
    kinds = {sensor.id: sensor for sensor in sensors}
    kept: list[Reading] = []
    moved: dict[str, float] = defaultdict(float)
    next_ms: dict[str, int] = {}
    for reading in block.readings:
        sensor = kinds.get(reading.sensor)
        if sensor is None or sensor.every_ms is None:
            continue
        if sensor.kind is SensorKind.MOTION and not lossy:
            moved[sensor.id] = max(moved[sensor.id], reading.value)
        due_ms = next_ms.setdefault(sensor.id, reading.time_ms)
        if reading.time_ms >= due_ms - _JITTER_MS:
            kept.append(replace(reading, value=moved.pop(sensor.id, reading.value)))
            next_ms[sensor.id] = max(due_ms, reading.time_ms - _JITTER_MS) + sensor.every_ms
    return replace(block, readings=tuple(kept))


_JITTER_MS = 10_000
"""The recordings are not read quite regularly."""
