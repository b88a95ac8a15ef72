"""Whether a sensor can be believed, told from what it says alone.

Sensors are judged at full five minutes since the start. What is needed for that is a handful of numbers, whatever a
sensor says and for however long. Most of these looks could find nothing new and are skipped: `due_ms` is the next one
that could, and those that were skipped are made up for at once. Nothing here is for ever: a sensor is well again as
soon as it no longer does what made it ill.
"""

from collections.abc import Iterable, Sequence
from enum import Enum, auto

from perch.model import SensedSpace, Sensor, SensorHealth, SensorKind, SpaceKind
from perch.sensing.evidence import NEAR_M, ON
from perch.sensing.voices import NEVER_MS

LOOK_EVERY_MS = 300_000

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

SWITCHING = frozenset({SensorKind.MOTION, SensorKind.PRESENCE, SensorKind.PRESSURE})
"""What is off while nobody is seen: read at intervals, it is as silent while it stays off as one that tells edges."""

MEASURING = frozenset({SensorKind.CO2, SensorKind.SOUND, SensorKind.LIGHT, SensorKind.DISTANCE})


class Hearing(Enum):
    """What came of a reading: it can be true, it cannot, or its sensor should be looked at after it."""

    TRUE = auto()
    IMPLAUSIBLE = auto()
    ALARMING = auto()


_TRUE = Hearing.TRUE


class Vitals:
    """What is known of one sensor's health: a few numbers that change with each reading.

    `health` is what was found when it was last looked at, and `health_ms` when that began; `look_ms` is the first look
    that was not made, or made up for.
    """

    __slots__ = (
        "busy",
        "health",
        "health_ms",
        "implausible",
        "last_ms",
        "limit_ms",
        "look_ms",
        "measures",
        "on",
        "quiet_ms",
        "range",
        "seen",
        "sensor",
        "signs",
        "steady_ms",
        "value",
    )

    def __init__(self, sensor: Sensor, space: SensedSpace, time_ms: int, level: float, look_ms: int) -> None:
        self.sensor = sensor
        self.limit_ms = _steady_limit_ms(sensor.kind, space.kind)
        self.quiet_ms = NEVER_MS if sensor.edge_driven or sensor.kind not in SWITCHING else space.quiet_limit_ms
        self.range = PLAUSIBLE.get(sensor.kind, DIGITAL)
        self.value = level
        self.measures = sensor.kind in MEASURING
        self.on = not self.measures and level > ON
        self.steady_ms = time_ms
        self.last_ms: int | None = None
        self.signs = 0
        self.seen = self.on
        self.busy = 0.0
        self.implausible = 0
        self.health = SensorHealth.OK
        self.health_ms = time_ms
        self.look_ms = look_ms

    def __repr__(self) -> str:
        return f"<Vitals of {self.sensor.id}>"

    def hear(self, time_ms: int, value: float) -> Hearing:
        """Take in a reading."""
        low, high = self.range
        if not low <= value <= high:
            self.implausible += 1
            return Hearing.IMPLAUSIBLE
        self.last_ms = time_ms
        self.implausible = 0
        return _TRUE if value == self.value else self._change(time_ms, value)

    def note(self, health: SensorHealth, time_ms: int) -> None:
        """Keep what was found."""
        if health is not self.health:
            self.health, self.health_ms = health, time_ms

    def catch_up(self, time_ms: int) -> None:
        """Make up for the looks before a moment at which there was nothing new."""
        skipped = -((self.look_ms - time_ms) // LOOK_EVERY_MS)
        if skipped > 0:
            fades = FADES ** (skipped - 1)
            self.busy = (self.busy * FADES + self.seen) * fades + self.on * (1 - fades) / (1 - FADES)
            self.signs, self.seen = 0, self.on
            self.look_ms += skipped * LOOK_EVERY_MS

    def due_ms(self, time_ms: int) -> int:
        """Give the next look after this one that could find another health."""
        if self.health is not SensorHealth.OK or self.implausible >= IMPLAUSIBLE_IN_A_ROW or self.signs > CHATTERS:
            return self.look_ms
        since_ms = self.steady_ms if self.on or self._is_frozen else time_ms
        soonest_ms = since_ms + self.limit_ms
        if not self.on:
            soonest_ms = min(soonest_ms, self.steady_ms + self.quiet_ms)
        later_ms = max(soonest_ms - self.look_ms, 0)
        return min(self.look_ms + -(-later_ms // LOOK_EVERY_MS) * LOOK_EVERY_MS, NEVER_MS)

    def look(self, time_ms: int) -> SensorHealth:
        """Judge what was heard since the last look, and forget it."""
        self.catch_up(time_ms)
        signs = self.signs
        self.catch_up(time_ms + 1)
        if signs > CALM and (signs > CHATTERS or self.health is SensorHealth.CHATTERING):
            return SensorHealth.CHATTERING
        if self.implausible >= IMPLAUSIBLE_IN_A_ROW:
            return SensorHealth.IMPLAUSIBLE
        if not self.on and time_ms - self.steady_ms >= self.quiet_ms:
            return SensorHealth.NEVER_FIRED
        stuck = time_ms - self.steady_ms >= self.limit_ms and (self.on or self._is_frozen)
        return SensorHealth.STUCK if stuck else SensorHealth.OK

    @property
    def _is_frozen(self) -> bool:
        """Whether its value should have changed by now; the dark does not."""
        return self.measures and not (self.sensor.kind is SensorKind.LIGHT and self.value == 0)

    def _change(self, time_ms: int, value: float) -> Hearing:
        if time_ms > self.look_ms:
            self.catch_up(time_ms)
        if self.measures:
            self.steady_ms = time_ms
            if self.sensor.kind is SensorKind.DISTANCE and value < NEAR_M:
                self.seen = True
        elif (value > ON) is not self.on:
            self.on = not self.on
            self.signs += self.on
            self.seen = self.seen or self.on
            self.steady_ms = time_ms
        self.value = value
        return Hearing.ALARMING if self.signs > CHATTERS else _TRUE


def _steady_limit_ms(kind: SensorKind, space: SpaceKind) -> int:
    if kind in {SensorKind.DISTANCE, SensorKind.CONTACT}:
        return NEVER_MS
    return FROZEN_MS if kind in MEASURING else STUCK_ON_MS[space]


def disagreeing(own: Sequence[Vitals]) -> Sequence[Vitals]:
    """Give which of some neighbours see too little of what the others see; of two that differ, both."""
    busiest = max([vitals.busy for vitals in own])
    if busiest < BUSY:
        return ()
    deaf = [vitals for vitals in own if vitals.busy < DEAF_SHARE * busiest]
    return own if deaf and len(own) == 2 else deaf


def neighbours(vitals: Iterable[Vitals]) -> list[list[Vitals]]:
    """Give the sensors of each space of which several should see the same."""
    groups: dict[str, list[Vitals]] = {}
    for one in vitals:
        if one.sensor.kind in SEEING:
            groups.setdefault(one.sensor.space, []).append(one)
    return [own for own in groups.values() if len(own) > 1]
