"""What a single reading says, by kind of sensor."""

from perch.model import Reason, Sensor, SensorKind

NEAR_M = 0.8
"""A distance sensor over a seat sees a person where it measures less than this many metres."""

ON = 0.5
"""Digital values and normalised analogue ones mean *on* above this."""

BEAMS = frozenset({SensorKind.BEAM_IN, SensorKind.BEAM_OUT})

PULSES = frozenset({SensorKind.MOTION, *BEAMS})
"""Kinds that speak of moments: reported twice as on, they saw somebody twice. Of all others that is no change."""

VOICES = frozenset(
    {
        SensorKind.MOTION,
        SensorKind.PRESENCE,
        SensorKind.CONTACT,
        SensorKind.PRESSURE,
        SensorKind.DISTANCE,
        *BEAMS,
    }
)
"""Kinds that the hold rule listens to; a space that has none of them stays `unknown`."""

REASONS = {
    SensorKind.MOTION: Reason.MOTION,
    SensorKind.PRESENCE: Reason.PRESENCE,
    SensorKind.CONTACT: Reason.PRESENCE,
    SensorKind.PRESSURE: Reason.PRESENCE,
    SensorKind.DISTANCE: Reason.PRESENCE,
    SensorKind.BEAM_IN: Reason.COUNT,
    SensorKind.BEAM_OUT: Reason.COUNT,
}


def is_on(kind: SensorKind, value: float) -> bool:
    """Tell whether a value means that somebody is seen (distance: metres; all others: 0…1)."""
    return value < NEAR_M if kind is SensorKind.DISTANCE else value > ON


def is_repeated(sensor: Sensor, before: float, value: float) -> bool:
    """Tell whether a reading is no news: an edge-driven sensor is still as it was."""
    return sensor.every_ms is None and (value > ON) == (before > ON) and not (value > ON and sensor.kind in PULSES)
