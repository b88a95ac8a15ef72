"""A pair of plain light barriers in a door, read as two sensors: one speaks for who comes, one for who goes."""

import threading
import time
from collections.abc import Callable
from typing import Any

from perch.model import Sensor, SensorKind
from perch.sensing.barriers import Barriers, broken


class Door:
    """What the two beams of a door have in common; gpiozero may call from several threads."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._lock = threading.Lock()
        self._pair = Barriers()

    def crossed(self, *, into: bool) -> bool:
        """Take in that a beam was broken; tells whether somebody crossed that way."""
        with self._lock:
            self._pair, crossing = broken(self._pair, into=into, time_ms=round(self._now_s() * 1000))
        return crossing


class PairedInput:
    """One beam of the two: reports being broken, and whole again, only where it was broken first."""

    def __init__(self, sensor: Sensor, door: Door, changed: Callable[[str, float], None]) -> None:
        self.device: Any = None
        self._sensor = sensor
        self._door = door
        self._changed = changed
        self._spoke = False

    def read(self) -> float:
        """Give 0.0: a beam that is broken at a start is nobody's crossing."""
        return 0.0

    def broken(self) -> None:
        """Take in that somebody stands in the beam."""
        self._spoke = self._door.crossed(into=self._sensor.kind is SensorKind.BEAM_IN)
        if self._spoke:
            self._changed(self._sensor.id, 1.0)

    def whole(self) -> None:
        """Take in that the beam is free again."""
        if self._spoke:
            self._spoke = False
            self._changed(self._sensor.id, 0.0)

    def close(self) -> None:
        """Let go of the pin."""
        if self.device is not None:
            self.device.close()
