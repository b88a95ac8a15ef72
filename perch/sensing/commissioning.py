"""Commissioning: somebody walks past each sensor, and what it says tells whether it is wired as it should be.

First nobody moves for a while: that is how each sensor is at rest. Then each is passed, covered or sat on, and doors
are walked through inwards and outwards in turns, inwards first. A walk is a value: `observed`, `spoke` and `failed`
give another one, `findings` says what is known of each sensor at a moment.

- A pin that flutters, or speaks again and again while nobody moves, floats: nothing holds its level.
- One that is on all through the rest, and stays on for most of the time, is inverted (or looks at something).
- A pair of beams of which more crossings go the wrong way than the right one is swapped.
- What has not spoken by the end has never fired.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from math import log
from typing import NamedTuple

from perch.errors import IllegalEventError
from perch.model import Sensor, SensorKind
from perch.sensing.evidence import BEAMS, is_on

FLUTTER_EDGES, FLUTTER_MS = 12, 3_000
"""Nothing in a room turns on and off six times in three seconds; a door's bouncing contact is filtered out."""

FLUTTERED_MS = 20_000
"""A pin that has been still for so long after its fluttering was mended."""

RESTLESS_EDGES = 8
REST_SHARE, WALK_SHARE = 0.9, 0.5
"""Shares of the time that an inverted sensor is on, at rest and over the whole walk."""

SHORTEST_REST_MS = 2_000
CROSSING_MS = 2_000
"""Whoever passes two beams passes both within this time."""

AIR_PPM = (300.0, 10_000.0)
LIGHT_JUMP = 0.25
_DARK = 0.02
LOUD_TIMES, LOUD_MORE = 3.0, 0.005


class Verdict(StrEnum):
    """What is known of a sensor (stable codes)."""

    WAITING = "waiting"
    OK = "ok"
    FLOATING = "floating"
    INVERTED = "inverted"
    SWAPPED = "swapped"
    NEVER_FIRED = "never-fired"
    UNREADABLE = "unreadable"
    IMPLAUSIBLE = "implausible"


class Trace(NamedTuple):
    """What was heard of one sensor: its newest value and since when, and how long it was on in all and at rest."""

    value: float | None = None
    since_ms: int = 0
    on_ms: int = 0
    rest_on_ms: int = 0
    rest_edges: int = 0
    edges: tuple[int, ...] = ()
    fluttered_ms: int | None = None
    fired_ms: int | None = None
    rest_value: float | None = None
    why: str = ""


class Door(NamedTuple):
    """The crossings of a pair of beams: how many went as asked for, how many did not, when the last one was."""

    right: int = 0
    wrong: int = 0
    last_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Walk:
    """A walk past the sensors of an agent; nobody moves before `rest_until_ms`."""

    sensors: Mapping[str, Sensor]
    began_ms: int
    rest_until_ms: int
    now_ms: int
    traces: Mapping[str, Trace]
    doors: Mapping[str, Door] = field(default_factory=dict)


def begin(sensors: Sequence[Sensor], levels: Mapping[str, float], time_ms: int, rest_ms: int) -> Walk:
    """Begin a walk with the levels that the pins have now."""
    traces = {sensor.id: Trace(levels.get(sensor.id), time_ms) for sensor in sensors}
    doors = {space: Door() for space in _paired(sensors)}
    return Walk({sensor.id: sensor for sensor in sensors}, time_ms, time_ms + rest_ms, time_ms, traces, doors)


def observed(walk: Walk, sensor: str, value: float, time_ms: int) -> Walk:
    """Take in an edge or a sample; raises IllegalEventError for times that go back and sensors that are not there."""
    one = _known(walk, sensor, time_ms)
    walk = advanced(walk, time_ms)
    before = walk.traces[sensor]
    after = before._replace(value=value, since_ms=time_ms, why="")
    if one.edge_driven and before.value is not None:
        after = _with_edge(after, time_ms, resting=time_ms < walk.rest_until_ms)
    if time_ms < walk.rest_until_ms:
        usual = value if before.rest_value is None else (before.rest_value + value) / 2
        return _with(walk, sensor, after._replace(rest_value=usual))
    fired = _fires(one, before, value)
    if fired and before.fired_ms is None:
        after = after._replace(fired_ms=time_ms)
    walk = _with(walk, sensor, after)
    return _crossed(walk, one, time_ms) if fired and one.kind in BEAMS and one.space in walk.doors else walk


def spoke(walk: Walk, sensor: str, time_ms: int) -> Walk:
    """Take in that a sensor said something, where nobody tells what."""
    one = _known(walk, sensor, time_ms)
    walk = advanced(walk, time_ms)
    before = walk.traces[sensor]
    fired_ms = time_ms if before.fired_ms is None else before.fired_ms
    walk = _with(walk, sensor, before._replace(fired_ms=fired_ms, since_ms=time_ms, why=""))
    return _crossed(walk, one, time_ms) if one.kind in BEAMS and one.space in walk.doors else walk


def failed(walk: Walk, sensor: str, why: str, time_ms: int) -> Walk:
    """Take in that a sensor could not be read."""
    _known(walk, sensor, time_ms)
    walk = advanced(walk, time_ms)
    return _with(walk, sensor, walk.traces[sensor]._replace(why=why))


def advanced(walk: Walk, time_ms: int) -> Walk:
    """Let time pass: whatever is on stays on."""
    if time_ms < walk.now_ms:
        raise IllegalEventError(f"time {time_ms} lies before {walk.now_ms}, which was seen already")
    if time_ms == walk.now_ms:
        return walk
    rest_ms = max(0, min(time_ms, walk.rest_until_ms) - walk.now_ms)
    traces = {
        name: trace._replace(on_ms=trace.on_ms + time_ms - walk.now_ms, rest_on_ms=trace.rest_on_ms + rest_ms)
        if _is_on(walk.sensors[name], trace)
        else trace
        for name, trace in walk.traces.items()
    }
    return replace(walk, now_ms=time_ms, traces=traces)


def findings(walk: Walk, *, ended: bool = False) -> dict[str, Verdict]:
    """Give what is known of each sensor by now; at the end, what is still waited for has never fired."""
    known = {name: _verdict(walk, name) for name in walk.sensors}
    if ended:
        return {name: Verdict.NEVER_FIRED if one is Verdict.WAITING else one for name, one in known.items()}
    return known


def _known(walk: Walk, sensor: str, time_ms: int) -> Sensor:
    if sensor not in walk.sensors:
        raise IllegalEventError(f"there is no sensor {sensor!r} in this walk")
    if time_ms < walk.now_ms:
        raise IllegalEventError(f"time {time_ms} lies before {walk.now_ms}, which was seen already")
    return walk.sensors[sensor]


def _paired(sensors: Sequence[Sensor]) -> list[str]:
    """Give the spaces that have a beam for each way."""
    ways = {kind: {sensor.space for sensor in sensors if sensor.kind is kind} for kind in BEAMS}
    return sorted(set.intersection(*ways.values()))


def _with(walk: Walk, sensor: str, trace: Trace) -> Walk:
    return replace(walk, traces={**walk.traces, sensor: trace})


def _with_edge(trace: Trace, time_ms: int, *, resting: bool) -> Trace:
    edges = (*trace.edges, time_ms)[-FLUTTER_EDGES:]
    flutters = len(edges) == FLUTTER_EDGES and time_ms - edges[0] <= FLUTTER_MS
    return trace._replace(
        edges=edges,
        rest_edges=trace.rest_edges + resting,
        fluttered_ms=time_ms if flutters else trace.fluttered_ms,
    )


def _fires(sensor: Sensor, before: Trace, value: float) -> bool:
    """Tell whether a value is what passing, covering, or clapping at a sensor brings about."""
    usual = value if before.rest_value is None else before.rest_value
    if sensor.kind is SensorKind.CO2:
        return AIR_PPM[0] <= value <= AIR_PPM[1]
    if sensor.kind is SensorKind.LIGHT:
        return abs(log((max(value, 0.0) + _DARK) / (max(usual, 0.0) + _DARK))) > LIGHT_JUMP
    if sensor.kind is SensorKind.SOUND:
        return value > LOUD_TIMES * usual + LOUD_MORE
    if sensor.kind is SensorKind.CONTACT:
        return before.value is not None and (value > 0.5) != (before.value > 0.5)
    return is_on(sensor.kind, value)


def _crossed(walk: Walk, beam: Sensor, time_ms: int) -> Walk:
    """Count a crossing by the beam that was first; asked for are inwards and outwards in turns, inwards first."""
    door = walk.doors[beam.space]
    after = door._replace(last_ms=time_ms)
    if door.last_ms is None or time_ms - door.last_ms > CROSSING_MS:
        asked = SensorKind.BEAM_IN if (door.right + door.wrong) % 2 == 0 else SensorKind.BEAM_OUT
        right = beam.kind is asked
        after = after._replace(right=door.right + right, wrong=door.wrong + (not right))
    return replace(walk, doors={**walk.doors, beam.space: after})


def _is_on(sensor: Sensor, trace: Trace) -> bool:
    if trace.value is None or sensor.kind in (SensorKind.CO2, SensorKind.LIGHT, SensorKind.SOUND, SensorKind.CONTACT):
        return False
    return is_on(sensor.kind, trace.value)


def _verdict(walk: Walk, name: str) -> Verdict:
    sensor, trace = walk.sensors[name], walk.traces[name]
    if trace.why:
        return Verdict.UNREADABLE
    if _floats(walk, trace):
        return Verdict.FLOATING
    if _is_inverted(walk, trace):
        return Verdict.INVERTED
    door = walk.doors.get(sensor.space) if sensor.kind in BEAMS else None
    if door is not None and door.wrong > door.right:
        return Verdict.SWAPPED
    if door is not None and door.wrong == door.right:
        return Verdict.WAITING
    if trace.fired_ms is not None:
        return Verdict.OK
    strange = sensor.kind is SensorKind.CO2 and trace.value is not None and not _fires(sensor, trace, trace.value)
    return Verdict.IMPLAUSIBLE if strange else Verdict.WAITING


def _floats(walk: Walk, trace: Trace) -> bool:
    flutters = trace.fluttered_ms is not None and walk.now_ms - trace.fluttered_ms < FLUTTERED_MS
    return flutters or (trace.rest_edges >= RESTLESS_EDGES and trace.fired_ms is None)


def _is_inverted(walk: Walk, trace: Trace) -> bool:
    rest_ms = min(walk.now_ms, walk.rest_until_ms) - walk.began_ms
    if rest_ms < SHORTEST_REST_MS:
        return False
    return trace.rest_on_ms >= REST_SHARE * rest_ms and trace.on_ms >= WALK_SHARE * (walk.now_ms - walk.began_ms)
