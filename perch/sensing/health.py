"""Whether a sensor can be believed, told from what it says alone.

Every five minutes each sensor is looked at. What is needed for that is a handful of numbers, whatever it says and for
however long. Nothing here is for ever: a sensor is well again as soon as it no longer does what made it ill.
"""

from collections.abc import Iterable, Sequence
from math import inf

from perch.model import SensedSpace, Sensor, SensorHealth, SensorKind, SpaceKind
from perch.sensing.evidence import is_on

LOOK_EVERY_MS = 300_000
LOOK_SELDOM_MS = 6 * 3_600_000

STUCK_ON_MS = {
    SpaceKind.DESK: 8 * 3_600_000,
    SpaceKind.BOOTH: 8 * 3_600_000,
    SpaceKind.ROOM: 12 * 3_600_000,
    SpaceKind.LOUNGE: 16 * 3_600_000,
}
"""How long a sensor may see somebody without the shortest break: people sit long, and many people take turns."""

FROZEN_MS = 12 * 3_600_000
"""How long something measured may stay the same to the last digit."""

CHATTERS = 150
"""So many signs in five minutes come from a loose wire: no motion sensor rests for less than two seconds."""

CALM = 75

IMPLAUSIBLE_IN_A_ROW = 3

PLAUSIBLE = {
    SensorKind.PRESSURE: (0.0, 1.0),
    SensorKind.CO2: (200.0, 40_000.0),
    SensorKind.DISTANCE: (0.0, 20.0),
    SensorKind.SOUND: (-200.0, 1e6),
    SensorKind.LIGHT: (0.0, 1e6),
}
"""What can be measured at all (0…1, ppm, m, any level, any brightness)."""

DIGITAL = (0.0, 1e6)
"""Something happened, or did not; who counts how often says more than is needed."""

FADES = 1 - 1 / 288
"""What was seen counts for about a day."""

BUSY = 24.0
DEAF_SHARE = 0.04
"""Where one sensor of a space saw somebody in two hours of a day, another that should see the same saw it at least
in five minutes of them."""

SEEING = frozenset({SensorKind.MOTION, SensorKind.PRESENCE})
"""What sees a whole space, so that two of them should see the same."""

MEASURING = frozenset({SensorKind.CO2, SensorKind.SOUND, SensorKind.LIGHT, SensorKind.DISTANCE})


class Vitals:
    """What is known of one sensor's health: a few numbers that change with each reading."""

    __slots__ = ("busy", "implausible", "last_ms", "on", "range", "seen", "sensor", "signs", "steady_ms", "value")

    def __init__(self, sensor: Sensor, time_ms: int, level: float) -> None:
        self.sensor = sensor
        self.range = PLAUSIBLE.get(sensor.kind, DIGITAL)
        self.value = level
        self.on = sensor.kind not in MEASURING and is_on(sensor.kind, level)
        self.steady_ms = time_ms
        self.last_ms: int | None = None
        self.signs = 0
        self.seen = self.on
        self.busy = 0.0
        self.implausible = 0

    def __repr__(self) -> str:
        return f"<Vitals of {self.sensor.id}>"

    def hear(self, time_ms: int, value: float) -> bool:
        """Take in a reading; tells whether it can be true."""
        low, high = self.range
        if not low <= value <= high:
            self.implausible += 1
            return False
        self.last_ms = time_ms
        self.implausible = 0
        if value != self.value:
            self._change(time_ms, value)
        return True

    def look(self, time_ms: int, space: SensedSpace, before: SensorHealth) -> SensorHealth:
        """Judge what was heard since the last look, and forget it."""
        chatters = self.signs > (CALM if before is SensorHealth.CHATTERING else CHATTERS)
        self.busy = self.busy * FADES + (self.seen or self.on)
        self.signs, self.seen = 0, self.on
        if chatters:
            return SensorHealth.CHATTERING
        if self.implausible >= IMPLAUSIBLE_IN_A_ROW:
            return SensorHealth.IMPLAUSIBLE
        return SensorHealth.STUCK if time_ms - self.steady_ms >= self._steady_limit_ms(space) else SensorHealth.OK

    def _change(self, time_ms: int, value: float) -> None:
        kind = self.sensor.kind
        if kind in MEASURING:
            self.steady_ms = time_ms
            self.seen = self.seen or (kind is SensorKind.DISTANCE and is_on(kind, value))
        elif is_on(kind, value) is not self.on:
            self.on = not self.on
            self.signs += self.on
            self.seen = self.seen or self.on
            self.steady_ms = time_ms
        self.value = value

    def _steady_limit_ms(self, space: SensedSpace) -> float:
        kind = self.sensor.kind
        if kind in MEASURING:
            dark = kind is SensorKind.LIGHT and self.value == 0
            return inf if dark or kind is SensorKind.DISTANCE else FROZEN_MS
        return STUCK_ON_MS[space.kind] if self.on and kind is not SensorKind.CONTACT else inf


def disagreeing(own: Sequence[Vitals]) -> set[str]:
    """Give which of a space's sensors see too little of what their neighbours see; of two that differ, both."""
    seeing = [vitals for vitals in own if vitals.sensor.kind in SEEING]
    busiest = max((vitals.busy for vitals in seeing), default=0.0)
    if busiest < BUSY:
        return set()
    deaf = {vitals.sensor.id for vitals in seeing if vitals.busy < DEAF_SHARE * busiest}
    others = {vitals.sensor.id for vitals in seeing} - deaf
    return deaf | others if deaf and len(others) == 1 and len(seeing) == 2 else deaf


def by_space(vitals: Iterable[Vitals]) -> dict[str, list[Vitals]]:
    """Group sensors by what they look at."""
    groups: dict[str, list[Vitals]] = {}
    for one in vitals:
        groups.setdefault(one.sensor.space, []).append(one)
    return groups
