"""Sensors that speak of durations: mmWave presence, seat pressure, distance over a seat.

Each is a switch that turns on and off at rates that depend on what the space is doing; a person who sits deep in work
is dropped by a radar now and then, and an empty seat trembles. Rates per second by state: (empty, moving, still, deep).
"""

from math import exp, log2
from typing import NamedTuple

from perch.model import Reason, Sensor, SensorKind
from perch.sensing.chain import Rates
from perch.sensing.evidence import is_on
from perch.sensing.learned import turning_off, turning_on
from perch.sensing.voices import (
    NEVER_MS,
    NOTHING,
    Evidence,
    Heard,
    Sampled,
    evidence,
    heard_as,
    recurring,
    scaled,
    silence_limit_ms,
)


class Switch(NamedTuple):
    """How soon a sensor turns on, and how soon it turns off."""

    on: Rates
    off: Rates


SWITCHES = {
    SensorKind.PRESENCE: Switch((1 / 7200, 1 / 3, 1 / 20, 1 / 60), (1 / 20, 1 / 1200, 1 / 900, 1 / 400)),
    SensorKind.PRESSURE: Switch((1 / 20_000, 1 / 10, 1 / 30, 1 / 30), (1 / 8, 1 / 200, 1 / 3600, 1 / 7200)),
    SensorKind.DISTANCE: Switch((1 / 7200, 1 / 10, 1 / 30, 1 / 30), (1 / 10, 1 / 60, 1 / 600, 1 / 900)),
}

_GAPS_KNOWN = 64


def switch_of(sensor: Sensor) -> Switch:
    """Give how a sensor turns on and off: as its kind does, or as labels taught."""
    factory = SWITCHES[sensor.kind]
    return Switch(turning_on(factory.on, sensor.learned), turning_off(factory.off, sensor.learned))


class EdgeLevel:
    """A level whose every change is reported."""

    __slots__ = ("_limit_ms", "_rates", "_share", "_speech", "_switch", "reason", "sensor")

    can_vouch = True
    remembers = 0

    def __init__(self, sensor: Sensor, share: float, quiet_limit_ms: int) -> None:
        self.sensor = sensor
        self.reason = Reason.PRESENCE
        self._switch = switch = switch_of(sensor)
        self._share = share
        self._rates = scaled(switch.on, share), scaled(switch.off, share)
        self._speech = evidence(switch.on, share), evidence(switch.off, share)
        self._limit_ms = silence_limit_ms(sensor, quiet_limit_ms)

    def __repr__(self) -> str:
        return f"<EdgeLevel of {self.sensor.id}>"

    def begin(self, time_ms: int) -> Heard:
        """Begin with nothing heard."""
        return Heard(None, 0.0, time_ms + self._limit_ms)

    def found(self, heard: Heard, level: float) -> tuple[Heard, Evidence]:
        """Take in the level of the pin: one that is on is as likely in each state as it is at any moment."""
        if not is_on(self.sensor.kind, level):
            return heard, NOTHING
        on = [up / (up + down) for up, down in zip(*self._switch, strict=True)]
        return heard._replace(value=level), evidence(on, self._share)

    def hear(self, heard: Heard, time_ms: int, value: float) -> tuple[Heard, Evidence]:
        """Take in an edge."""
        was_on, on = is_on(self.sensor.kind, heard.value), is_on(self.sensor.kind, value)
        said = NOTHING if on == was_on else self._speech[was_on]
        return heard_as((time_ms, value, time_ms + self._limit_ms, None, ())), said

    def lapse(self, heard: Heard, _time_ms: int) -> tuple[Heard, Evidence]:
        """Fall silent after days without an edge."""
        return heard._replace(silent=Reason.SENSOR_SILENT, due_ms=NEVER_MS), NOTHING

    def speaks(self, heard: Heard) -> Rates | None:
        """Silence means that the level stays as it is."""
        return None if heard.silent else self._rates[is_on(self.sensor.kind, heard.value)]

    def vouches(self, heard: Heard) -> bool:
        """Tell whether its being off says that nobody is there."""
        return not heard.silent

    def is_on(self, heard: Heard) -> bool:
        """Tell whether somebody is seen now."""
        return not heard.silent and is_on(self.sensor.kind, heard.value)


class SampledLevel(Sampled):
    """A level that is read at intervals; a sample is worth as much as it could have changed since the one before."""

    __slots__ = ("_known", "_share", "_switch")

    def __init__(self, sensor: Sensor, share: float) -> None:
        super().__init__(sensor, Reason.PRESENCE)
        self._switch = switch_of(sensor)
        self._share = share
        self._known: dict[tuple[int, bool | None], tuple[Evidence, Evidence]] = recurring("level", self._switch, share)

    def hear(self, heard: Heard, time_ms: int, value: float) -> tuple[Heard, Evidence]:
        """Take in a sample."""
        kind = self.sensor.kind
        key = (0, None) if heard.said_ms is None else (time_ms - heard.said_ms, is_on(kind, heard.value))
        worth = self._known.get(key) or self._worth(*key)
        return heard_as((time_ms, value, time_ms + self._limit_ms, None, ())), worth[is_on(kind, value)]

    def is_on(self, heard: Heard) -> bool:
        """Tell whether somebody was seen by the last sample."""
        return not heard.silent and heard.said_ms is not None and is_on(self.sensor.kind, heard.value)

    def _worth(self, gap_ms: int, was_on: bool | None) -> tuple[Evidence, Evidence]:
        """Give what (off, on) means a time after a level (None: nothing is known of one)."""
        on = []
        for up, down in zip(*self._switch, strict=True):
            share = up / (up + down)
            seconds = 2 ** (round(10 * log2(max(gap_ms, 1) / 1000)) / 10)
            fading = 0.0 if was_on is None else exp(-(up + down) * seconds)
            on.append(share + ((1.0 if was_on else 0.0) - share) * fading)
        worth = evidence([1 - one for one in on], self._share), evidence(on, self._share)
        if len(self._known) >= _GAPS_KNOWN:
            self._known.clear()
        self._known[gap_ms, was_on] = worth
        return worth
