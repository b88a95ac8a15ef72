"""All sensors of an agent, and which of them are ill."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from perch.model import DAY_MS, SensedSpace, Sensor, SensorHealth
from perch.sensing.health import LOOK_EVERY_MS, LOOK_SELDOM_MS, Vitals, disagreeing, neighbours
from perch.sensing.voices import NEVER_MS, silence_limit_ms


@dataclass(frozen=True, slots=True)
class Health:
    """How a sensor does since when, and when it last said something (ms of the watch's clock)."""

    health: SensorHealth
    since_ms: int
    last_ms: int | None


class Learned(NamedTuple):
    """What is worth keeping of a sensor over a restart.

    `memory` is its voice's; how busy it was in a day, and for how long (ms) it had not changed.
    """

    memory: tuple[float, ...] = ()
    busy: float = 0.0
    steady_ms: int = 0


NOTHING_LEARNED = Learned()


class Ward:
    """Hears every reading, and looks at every sensor at `look_ms`; owns no clock and no timer."""

    def __init__(self, spaces: Sequence[SensedSpace], sensors: Sequence[Sensor]) -> None:
        self._spaces = {space.id: space for space in spaces}
        self._sensors = tuple(sensors)
        quiet_ms = {space.id: space.quiet_limit_ms for space in spaces}
        self._limits_ms = {sensor.id: silence_limit_ms(sensor, quiet_ms[sensor.space]) for sensor in sensors}
        self._vitals: dict[str, Vitals] = {}
        self._groups: list[list[Vitals]] = []
        self._ailing: dict[str, tuple[SensorHealth, int]] = {}
        self._started_ms = 0
        self.look_ms = NEVER_MS

    def __repr__(self) -> str:
        return f"<Ward of {len(self._sensors)} sensors, {len(self._ailing)} ailing>"

    def learned(self, time_ms: int) -> dict[str, tuple[float, int]]:
        """Give of each sensor how busy it was, and for how long it has not changed."""
        return {sensor: (one.busy, time_ms - one.steady_ms) for sensor, one in self._vitals.items()}

    def start(self, time_ms: int, levels: Mapping[str, float], learned: Mapping[str, Learned]) -> None:
        """Begin: every sensor is well until it is looked at; one that was on all along, and still is, may be stuck."""
        self._started_ms = time_ms
        self._vitals = {
            one.id: Vitals(one, self._spaces[one.space], time_ms, levels.get(one.id, 0.0)) for one in self._sensors
        }
        self._groups = neighbours(self._vitals.values())
        for sensor, vitals in self._vitals.items():
            known = learned.get(sensor, NOTHING_LEARNED)
            vitals.busy = known.busy
            vitals.steady_ms -= known.steady_ms if vitals.on else 0
        self._ailing.clear()
        self.look_ms = time_ms if learned else time_ms + LOOK_EVERY_MS

    def hear(self, sensor: str, time_ms: int, value: float) -> bool:
        """Take in a reading; tells whether it is of a known sensor and can be true."""
        vitals = self._vitals.get(sensor)
        return vitals is not None and vitals.hear(time_ms, value)

    def look(self) -> tuple[list[str], list[str]]:
        """Look at every sensor; gives those that are to be left out from now on, and those to be taken back."""
        now_ms, fallen, recovered = self.look_ms, [], []
        found = {sensor: one.look(now_ms, self._of(sensor)) for sensor, one in self._vitals.items()}
        for own in self._groups:
            for sensor in disagreeing(own):
                found[sensor] = SensorHealth.DISAGREEING if found[sensor] is SensorHealth.OK else found[sensor]
        for sensor, health in found.items():
            if health is SensorHealth.OK and sensor not in self._ailing:
                continue
            before = self._of(sensor)
            if before.is_ill and not health.is_ill:
                recovered.append(sensor)
            elif health.is_ill and not before.is_ill:
                fallen.append(sensor)
            self._note(sensor, health, now_ms)
        self.look_ms = now_ms + self._pause_ms(now_ms)
        return fallen, recovered

    def has_left_out(self, sensor: str) -> bool:
        """Tell whether a sensor is not listened to."""
        return sensor in self._ailing and self._ailing[sensor][0].is_ill

    def recovers(self, sensor: str, time_ms: int) -> bool:
        """Tell whether a reading shows that a sensor is well: it has changed, or can be true again."""
        chatters = self._of(sensor) is SensorHealth.CHATTERING
        if chatters or (self._of(sensor) is SensorHealth.STUCK and self._vitals[sensor].steady_ms < time_ms):
            return False
        self._note(sensor, SensorHealth.OK, time_ms)
        return True

    def level(self, sensor: str) -> float:
        """Give the last value of a sensor that could be true."""
        return self._vitals[sensor].value

    def healths(self, time_ms: int) -> dict[str, Health]:
        """Give how every sensor does at a moment."""
        return {sensor.id: self._health(sensor, time_ms) for sensor in self._sensors}

    def _pause_ms(self, now_ms: int) -> int:
        """Give when to look again: seldom where nothing has been heard for a day, as in a recording with a hole."""
        heard_ms = max(
            (one.last_ms for one in self._vitals.values() if one.last_ms is not None), default=self._started_ms
        )
        return LOOK_EVERY_MS if now_ms - heard_ms < DAY_MS else LOOK_SELDOM_MS

    def _of(self, sensor: str) -> SensorHealth:
        return self._ailing[sensor][0] if sensor in self._ailing else SensorHealth.OK

    def _note(self, sensor: str, health: SensorHealth, time_ms: int) -> None:
        if health is SensorHealth.OK:
            self._ailing.pop(sensor, None)
        elif health is not self._of(sensor):
            self._ailing[sensor] = health, time_ms

    def _health(self, sensor: Sensor, time_ms: int) -> Health:
        vitals = self._vitals.get(sensor.id)
        last_ms = None if vitals is None else vitals.last_ms
        if sensor.id in self._ailing:
            health, since_ms = self._ailing[sensor.id]
            return Health(health, since_ms, last_ms)
        from_ms = self._started_ms if last_ms is None else last_ms
        limit_ms = self._limits_ms[sensor.id]
        if time_ms >= from_ms + limit_ms:
            never = last_ms is None and sensor.edge_driven
            return Health(SensorHealth.NEVER_FIRED if never else SensorHealth.SILENT, from_ms + limit_ms, last_ms)
        if last_ms is None and not sensor.edge_driven:
            return Health(SensorHealth.STARTING, self._started_ms, None)
        return Health(SensorHealth.OK, self._started_ms, last_ms)
