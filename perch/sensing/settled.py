"""Factory settings: what is settled for rooms that nobody has measured yet.

The paces are those of people who sit (pauses between movements of minutes, some of many), rounded; rooms hold several
people, of whom somebody stirs sooner. Thresholds follow from the cost of each error: a space that is said to be free
although somebody is there costs more than one that is said to be occupied for some minutes too long.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from math import sqrt
from typing import NamedTuple

from perch.model import Preference, Reason, SensedSpace, Sensor, SensorKind, SpaceKind
from perch.sensing import learned
from perch.sensing.air import Air
from perch.sensing.ambience import Light, Sound
from perch.sensing.chain import Pace
from perch.sensing.doors import Beam
from perch.sensing.evidence import BEAMS
from perch.sensing.levels import SWITCHES, EdgeLevel, SampledLevel
from perch.sensing.pulses import CONTACT_RATES, MOTION_RATES, EdgePulses, SampledPulses
from perch.sensing.voices import Voice

DESK = Pace(vacant=7200, moving_in_all=810, moving=60, still=130, deep_still=600, deep=0.3)
ROOM = Pace(vacant=7200, moving_in_all=400, moving=60, still=80, deep_still=300, deep=0.2)
PACES = {SpaceKind.DESK: DESK, SpaceKind.ROOM: ROOM, SpaceKind.BOOTH: ROOM, SpaceKind.LOUNGE: ROOM}


QUICK = frozenset({SensorKind.MOTION, SensorKind.PRESENCE, SensorKind.PRESSURE, SensorKind.DISTANCE})
SLOW_BESIDE_QUICK = 0.35
"""Air tells of minutes that a quick sensor has told of already."""


class Thresholds(NamedTuple):
    """Said to be occupied from one probability on, free from another down."""

    occupied: float
    free: float


THRESHOLDS = {
    Preference.NEVER_FALSE_FREE: Thresholds(0.4, 0.05),
    Preference.BALANCED: Thresholds(0.6, 0.2),
    Preference.RELEASE_FAST: Thresholds(0.7, 0.4),
}


def thresholds(space: SensedSpace) -> Thresholds:
    """Give when a space is said to be what."""
    return THRESHOLDS[space.prefer]


def pace_of(space: SensedSpace) -> Pace:
    """Give the pace of a space: that of its kind, or what labels taught of it."""
    return learned.pace(PACES[space.kind], space)


def voices_of(space: SensedSpace, sensors: Sequence[Sensor], pace: Pace) -> tuple[Voice, ...]:
    """Give the voices of a space: of several sensors of one kind each counts for less, since they see the same."""
    own = [sensor for sensor in sensors if sensor.space == space.id]
    counts = Counter(sensor.kind for sensor in own)
    counts[SensorKind.MOTION] -= max(sum(is_sampled_motion(sensor) for sensor in own) - 1, 0)
    quick = any(sensor.kind in QUICK for sensor in own)
    voices = (
        voice_of(space, sensor, pace, share(sensor.kind, counts, quick) * learned.weight(space, sensor.kind))
        for sensor in own
    )
    return tuple(voice for voice in voices if voice is not None)


def is_sampled_motion(sensor: Sensor) -> bool:
    """Tell whether a sensor is one of those that speak as one voice."""
    return sensor.kind is SensorKind.MOTION and not sensor.edge_driven


def share(kind: SensorKind, counts: Mapping[SensorKind, int], quick: bool) -> float:
    """Give how much of the evidence of a sensor counts: of its kind others see the same, and air is slower than any."""
    if kind in BEAMS:
        return 1 / sum(counts[beam] for beam in BEAMS)
    slow = SLOW_BESIDE_QUICK if quick and kind is SensorKind.CO2 else 1.0
    return slow / sqrt(counts[kind])


def voice_of(space: SensedSpace, sensor: Sensor, pace: Pace, weight: float) -> Voice | None:
    """Give the voice of a sensor, of whose evidence `weight` counts."""
    kind, quiet_ms = sensor.kind, space.quiet_limit_ms
    if kind in BEAMS:
        return Beam(sensor, weight, quiet_ms)
    if kind in (SensorKind.MOTION, SensorKind.CONTACT):
        motion = kind is SensorKind.MOTION
        factory, reason = (MOTION_RATES, Reason.MOTION) if motion else (CONTACT_RATES, Reason.PRESENCE)
        rates = learned.rates(factory, sensor.learned)
        if sensor.edge_driven:
            return EdgePulses(sensor, rates, reason, weight, quiet_ms)
        return SampledPulses(sensor, rates, reason, weight, pace)
    if kind in SWITCHES:
        return EdgeLevel(sensor, weight, quiet_ms) if sensor.edge_driven else SampledLevel(sensor, weight)
    if kind is SensorKind.CO2:
        return Air(sensor, weight)
    if kind is SensorKind.SOUND:
        return Sound(sensor, weight)
    return Light(sensor, weight) if kind is SensorKind.LIGHT else None
