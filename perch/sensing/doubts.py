"""What of a recording cannot be believed or looks wrong, counted as it passes: nothing is left out in silence."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from math import inf

from perch.model import DAY_MS, Reading, SensedSpace, Sensor
from perch.sensing.drift import Crossings, Drift, drift
from perch.sensing.evidence import BEAMS, ON
from perch.sensing.health import DIGITAL, PLAUSIBLE
from perch.sensing.voices import silence_limit_ms


@dataclass(slots=True)
class Heard:
    """What passed of one sensor: how many readings, how many of them cannot be true, how many contradict another."""

    sensor: Sensor
    low: float
    high: float
    readings: int = 0
    signs: int = 0
    implausible: int = 0
    lowest: float = inf
    highest: float = -inf
    contradicted: int = 0
    values: list[float] = field(default_factory=list)
    time_ms: int | None = None

    def hear(self, time_ms: int, value: float) -> bool:
        """Count a reading; tells whether it can be true."""
        self.readings += 1
        if time_ms != self.time_ms:
            self.time_ms = time_ms
            self.values = [value]
        elif value not in self.values:
            self.values.append(value)
            self.contradicted += not self.sensor.edge_driven
        if self.low <= value <= self.high:
            self.signs += value > ON
            return True
        self.implausible += 1
        self.lowest, self.highest = min(self.lowest, value), max(self.highest, value)
        return False


@dataclass(frozen=True, slots=True)
class Hole:
    """A time (ms, both ends are readings) in which no sensor said anything."""

    from_ms: int
    until_ms: int

    @property
    def lasts_ms(self) -> int:
        """How long it is."""
        return self.until_ms - self.from_ms


class Doubts:
    """Listens to readings in order of time as they pass; holds a few numbers for each sensor, however many they are."""

    def __init__(self, spaces: Sequence[SensedSpace], sensors: Sequence[Sensor]) -> None:
        quiet_ms = {space.id: space.quiet_limit_ms for space in spaces}
        limits = [silence_limit_ms(one, quiet_ms[one.space]) for one in sensors if one.space in quiet_ms]
        self.heard = {one.id: Heard(one, *PLAUSIBLE.get(one.kind, DIGITAL)) for one in sensors}
        self.holes = 0
        self.longest: Hole | None = None
        self._first_ms: int | None = None
        self._last_ms: int | None = None
        self._hole_ms = max(DAY_MS, min(limits, default=DAY_MS))

    def __repr__(self) -> str:
        return f"<Doubts about {len(self.heard)} sensors>"

    def hear(self, reading: Reading) -> bool:
        """Count a reading of one of the sensors; tells whether it can be true."""
        if self._last_ms is not None and reading.time_ms - self._last_ms > self._hole_ms:
            self.holes += 1
            if self.longest is None or self.longest.lasts_ms < reading.time_ms - self._last_ms:
                self.longest = Hole(self._last_ms, reading.time_ms)
        elif self._first_ms is None:
            self._first_ms = reading.time_ms
        self._last_ms = reading.time_ms
        return self.heard[reading.sensor].hear(reading.time_ms, reading.value)

    def drifts(self) -> list[Drift]:
        """Give how far the doors of each space drift, where that can be told."""
        days = 0.0 if self._first_ms is None or self._last_ms is None else (self._last_ms - self._first_ms) / DAY_MS
        doors: dict[str, list[tuple[Sensor, Crossings]]] = {}
        for one in self.heard.values():
            if one.sensor.kind in BEAMS and one.readings:
                doors.setdefault(one.sensor.space, []).append((one.sensor, Crossings(one.signs, days)))
        return [found for space, own in doors.items() if (found := drift(space, own)) is not None]

    def passing(self, readings: Iterable[Reading]) -> Iterator[Reading]:
        """Pass every reading on."""
        for reading in readings:
            self.hear(reading)
            yield reading
