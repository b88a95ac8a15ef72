"""What `perch fit` learned, in `[space.learned]` and `[sensor.learned]`: read with the care of everything else."""

from collections.abc import Mapping
from itertools import pairwise

from perch.model import Curve, LearnedSensor, LearnedSpace, SensorKind
from perch.settings.reading import number, several
from perch.settings.table import Table

BEAMS = (SensorKind.BEAM_IN, SensorKind.BEAM_OUT)
WEIGHED = tuple(kind for kind in SensorKind if kind not in BEAMS)
MOST_POINTS = 40

_per_hour, _on_seconds, _factor, _share = number(0.001, 600), number(0.1, 36_000), number(0.05, 20), number(1e-6, 0.9)
_minutes, _weight, _ventilation = number(1, 100_000), number(0.05, 20), number(0.05, 20)
_ppm_per_hour, _nats = several(number(-100_000, 100_000)), several(number(-10, 10))

SPOKEN = ("empty_per_hour", "present_factor")
LEVEL = ("empty_per_hour", "empty_on_seconds", "present_factor")
SAMPLES = ("empty_share", "present_factor")
CURVES = {
    "slopes": ("slope_ppm_per_hour", "slope_nats"),
    "unrest": ("unrest_ppm_per_hour", "unrest_nats"),
    "sources": ("source_ppm_per_hour", "source_nats"),
}
NUMBERS = {
    SensorKind.MOTION: SPOKEN,
    SensorKind.CONTACT: SPOKEN,
    SensorKind.PRESENCE: LEVEL,
    SensorKind.PRESSURE: LEVEL,
    SensorKind.DISTANCE: LEVEL,
    SensorKind.SOUND: SAMPLES,
    SensorKind.LIGHT: SAMPLES,
    SensorKind.CO2: ("ventilation_per_hour",),
}
"""Which numbers a kind of sensor can have learned; CO2 has curves as well, and beams nothing."""

READERS = {
    "empty_per_hour": _per_hour,
    "empty_on_seconds": _on_seconds,
    "empty_share": _share,
    "present_factor": _factor,
    "ventilation_per_hour": _ventilation,
}


def read_learned_space(table: Table) -> LearnedSpace:
    """Read `[space.learned]`."""
    weights = ((kind, table.take(f"weight_{kind}", _weight, None)) for kind in WEIGHED)
    learned = LearnedSpace(
        vacant_minutes=table.take("vacant_minutes", _minutes, None),
        visit_minutes=table.take("visit_minutes", _minutes, None),
        weights=tuple((kind, weight) for kind, weight in weights if weight is not None),
    )
    table.finish()
    return learned


def read_learned_sensor(table: Table, kind: SensorKind) -> LearnedSensor:
    """Read `[sensor.learned]` of a sensor of a kind."""
    numbers = {key: table.take(key, READERS[key], None) for key in NUMBERS.get(kind, ())}
    slopes, unrest, sources = (_curve(table, *keys) if kind is SensorKind.CO2 else () for keys in CURVES.values())
    table.finish()
    return LearnedSensor(
        empty_per_hour=numbers.get("empty_per_hour"),
        empty_on_seconds=numbers.get("empty_on_seconds"),
        empty_share=numbers.get("empty_share"),
        present_factor=numbers.get("present_factor"),
        slopes=slopes,
        unrest=unrest,
        sources=sources,
        ventilation_per_hour=numbers.get("ventilation_per_hour"),
    )


def learned_space_values(learned: LearnedSpace) -> dict[str, object]:
    """Give the keys of `[space.learned]`."""
    keys: dict[str, object] = {
        "vacant_minutes": learned.vacant_minutes,
        "visit_minutes": learned.visit_minutes,
        **{f"weight_{kind}": weight for kind, weight in learned.weights},
    }
    return _told(keys)


def learned_sensor_values(learned: LearnedSensor) -> dict[str, object]:
    """Give the keys of `[sensor.learned]`."""
    keys: dict[str, object] = {key: getattr(learned, key) for key in READERS}
    for name, (at, nats) in CURVES.items():
        curve: Curve = getattr(learned, name)
        if curve:
            keys[at], keys[nats] = [x for x, _ in curve], [y for _, y in curve]
    return _told(keys)


def _curve(table: Table, at_key: str, nats_key: str) -> Curve:
    at, nats = table.take(at_key, _ppm_per_hour, ()), table.take(nats_key, _nats, ())
    if not at and not nats:
        return ()
    if len(at) != len(nats) or not 2 <= len(at) <= MOST_POINTS:
        what = f"{len(at)} points and {len(nats)} values of {nats_key} make no curve"
        table.complain(at_key, what, f"give as many of each, 2 to {MOST_POINTS}")
    elif any(one >= other for one, other in pairwise(at)):
        table.complain(at_key, "the points do not go up", "write them from the lowest to the highest")
    else:
        return tuple(zip(at, nats, strict=True))
    return ()


def _told(keys: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in keys.items() if value is not None}
