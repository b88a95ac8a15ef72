"""When the status is worth telling before its time: a sensor speaks that was quiet, as when an installer passes it."""

from collections.abc import Sequence

from perch.model import Sensor

QUIET_MS = 30_000
EVERY_MS = 5_000
"""At a busy place somebody always speaks who was quiet: so often at most the status is told early."""

NEVER_MS = 2**62


class Tidings:
    """Owns when that is due (machine's monotonic ms); what is sampled speaks by itself and is no news."""

    def __init__(self, sensors: Sequence[Sensor]) -> None:
        self._heard_ms = {sensor.id: -QUIET_MS for sensor in sensors if sensor.edge_driven}
        self._told_ms = -EVERY_MS
        self.deadline = NEVER_MS

    def __repr__(self) -> str:
        return f"<Tidings of {len(self._heard_ms)} sensors>"

    def heard(self, sensor: str, now_ms: int) -> None:
        """Note that a sensor spoke."""
        before_ms = self._heard_ms.get(sensor)
        if before_ms is None:
            return
        self._heard_ms[sensor] = now_ms
        if now_ms - before_ms >= QUIET_MS:
            self.deadline = min(self.deadline, max(now_ms, self._told_ms + EVERY_MS))

    def told(self, now_ms: int) -> None:
        """Note that the status was told, early or not."""
        self._told_ms, self.deadline = now_ms, NEVER_MS
