"""All sensors of an agent, and which of them are ill."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from perch.model import Reason, SensedSpace, Sensor, SensorHealth
from perch.sensing.drift import NOBODY_CROSSED, BeamVitals, Crossings, Drift, Tally, drift
from perch.sensing.evidence import BEAMS
from perch.sensing.health import LOOK_EVERY_MS, MEASURING, Vitals, disagreeing, neighbours
from perch.sensing.voices import NEVER_MS, silence_limit_ms


@dataclass(frozen=True, slots=True)
class Health:
    """How a sensor does since when, when it last said something, and when it saw somebody (ms of the watch's clock).

    `drift_a_day` is a beam's: by how many a day the doors of its space count more in than out, None while unknown.
    """

    health: SensorHealth
    since_ms: int
    last_ms: int | None
    sign_ms: int | None = None
    drift_a_day: float | None = None


class Learned(NamedTuple):
    """What is worth keeping of a sensor over a restart.

    `memory` is its voice's; how busy it was in a day, for how long (ms) it had not changed, and how often a beam was
    crossed.
    """

    memory: tuple[float, ...] = ()
    busy: float = 0.0
    steady_ms: int = 0
    crossings: Crossings = NOBODY_CROSSED


NOTHING_LEARNED = Learned()
COMPARE_EVERY_MS = 12 * LOOK_EVERY_MS
"""How often neighbours are compared: what they see in a day changes slowly."""

_HARDLY_BUSY = 1.0
"""What has not changed and was less busy than this was off, not on."""

_OK = SensorHealth.OK
_STAYING = frozenset({SensorHealth.STUCK, SensorHealth.NEVER_FIRED})


class Ward:
    """Hears every reading, and looks at every sensor at `look_ms`; owns no clock and no timer."""

    def __init__(self, spaces: Sequence[SensedSpace], sensors: Sequence[Sensor]) -> None:
        self._spaces = {space.id: space for space in spaces}
        self._sensors = tuple(sensors)
        quiet_ms = {space.id: space.quiet_limit_ms for space in spaces}
        self._limits_ms = {sensor.id: silence_limit_ms(sensor, quiet_ms[sensor.space]) for sensor in sensors}
        self.vitals: dict[str, Vitals] = {}
        self._groups: list[list[Vitals]] = []
        self._started_ms = 0
        self.look_ms = NEVER_MS

    def __repr__(self) -> str:
        ailing = sum(one.health is not _OK for one in self.vitals.values())
        return f"<Ward of {len(self._sensors)} sensors, {ailing} ailing>"

    def learned(self, time_ms: int) -> dict[str, Learned]:
        """Give what was learned of each sensor, but for its voice's memory."""
        for one in self.vitals.values():
            one.catch_up(time_ms)
        return {
            sensor: Learned(
                busy=one.busy,
                steady_ms=time_ms - one.steady_ms,
                crossings=one.tally.crossings(time_ms) if isinstance(one, BeamVitals) else NOBODY_CROSSED,
            )
            for sensor, one in self.vitals.items()
        }

    def start(self, time_ms: int, levels: Mapping[str, float], learned: Mapping[str, Learned]) -> None:
        """Begin: every sensor is well until it is looked at; one that was on or off all along may be stuck or dead."""
        self._started_ms = time_ms
        self.look_ms = look_ms = time_ms if learned else time_ms + LOOK_EVERY_MS
        self.vitals = {
            one.id: (BeamVitals if one.kind in BEAMS else Vitals)(
                one, self._spaces[one.space], time_ms, levels.get(one.id, 0.0), look_ms
            )
            for one in self._sensors
        }
        self._groups = neighbours(self.vitals.values())
        for sensor, vitals in self.vitals.items():
            known = learned.get(sensor, NOTHING_LEARNED)
            vitals.busy = known.busy
            vitals.steady_ms -= known.steady_ms if vitals.on or known.busy < _HARDLY_BUSY else 0
            if isinstance(vitals, BeamVitals):
                vitals.tally = Tally(known.crossings, time_ms)

    def hasten(self, vitals: Vitals, time_ms: int) -> None:
        """Look at a sensor soon that may have fallen ill."""
        vitals.catch_up(time_ms)
        self.look_ms = min(self.look_ms, vitals.due_ms(time_ms))

    def look(self) -> tuple[list[str], list[str]]:
        """Look at every sensor; gives those that are to be left out from now on, and those to be taken back."""
        now_ms, fallen, recovered = self.look_ms, [], []
        found: dict[Vitals, SensorHealth] = {}
        for one in self.vitals.values():
            health = one.look(now_ms)
            if health is not _OK or one.health is not _OK:
                found[one] = health
        for own in self._groups:
            for one in disagreeing(own):
                if found.get(one, _OK) is _OK:
                    found[one] = SensorHealth.DISAGREEING
        for one, health in found.items():
            if one.health.is_ill and not health.is_ill:
                recovered.append(one.sensor.id)
            elif health.is_ill and not one.health.is_ill:
                fallen.append(one.sensor.id)
            one.note(health, now_ms)
        self.look_ms = min([one.due_ms(now_ms) for one in self.vitals.values()], default=NEVER_MS)
        if self._groups:
            self.look_ms = min(self.look_ms, now_ms + COMPARE_EVERY_MS)
        return fallen, recovered

    def recovers(self, vitals: Vitals, time_ms: int) -> bool:
        """Tell whether a reading shows that a sensor is well: it has changed, or can be true again."""
        chatters = vitals.health is SensorHealth.CHATTERING
        if chatters or (vitals.health in _STAYING and vitals.steady_ms < time_ms):
            return False
        vitals.note(_OK, time_ms)
        return True

    def reason(self, sensor: str) -> Reason:
        """Say why a sensor that fell ill is no longer listened to."""
        quiet = self.vitals[sensor].health is SensorHealth.NEVER_FIRED
        return Reason.SENSOR_SILENT if quiet else Reason.SENSOR_STUCK

    def level(self, sensor: str) -> float:
        """Give the last value of a sensor that could be true."""
        return self.vitals[sensor].value

    def healths(self, time_ms: int, inside: Mapping[str, int]) -> dict[str, Health]:
        """Give how every sensor does at a moment at which so many people are taken to be in each space."""
        found = {sensor.id: self._health(sensor, time_ms) for sensor in self._sensors}
        for own in self._drifts(time_ms, inside):
            for beam in own.beams:
                found[beam] = replace(found[beam], drift_a_day=own.a_day)
        return found

    def _drifts(self, time_ms: int, inside: Mapping[str, int]) -> Iterator[Drift]:
        doors: dict[str, list[tuple[Sensor, Crossings]]] = {}
        for one in self.vitals.values():
            if isinstance(one, BeamVitals):
                doors.setdefault(one.sensor.space, []).append((one.sensor, one.tally.crossings(time_ms)))
        for space, beams in doors.items():
            if (found := drift(space, beams, inside.get(space, 0))) is not None:
                yield found

    def _health(self, sensor: Sensor, time_ms: int) -> Health:
        vitals = self.vitals.get(sensor.id)
        last_ms = None if vitals is None else vitals.last_ms
        sign_ms = None if vitals is None else self._sign_ms(vitals)
        if vitals is not None and vitals.health is not _OK:
            return Health(vitals.health, vitals.health_ms, last_ms, sign_ms)
        from_ms = self._started_ms if last_ms is None else last_ms
        limit_ms = self._limits_ms[sensor.id]
        if time_ms >= from_ms + limit_ms:
            health = SensorHealth.NEVER_FIRED if last_ms is None and sensor.edge_driven else SensorHealth.SILENT
            return Health(health, from_ms + limit_ms, last_ms, sign_ms)
        if last_ms is None and not sensor.edge_driven:
            return Health(SensorHealth.STARTING, self._started_ms, None)
        return Health(SensorHealth.OK, self._started_ms, last_ms, sign_ms)

    def _sign_ms(self, vitals: Vitals) -> int | None:
        """Give when a sensor last saw somebody, or stopped seeing somebody; None for one that measures."""
        if vitals.sensor.kind in MEASURING:
            return None
        if vitals.on:
            return vitals.last_ms
        return vitals.steady_ms if vitals.steady_ms > self._started_ms else None
