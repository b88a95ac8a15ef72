"""Which sensors cannot be read, said once in the log when it begins and when it is over."""

import logging
from collections.abc import Callable

from sensor_agent.carbon_dioxide import NotYetError

log = logging.getLogger("perch.agent")


class Misses:
    """Keeps why each sensor that failed last did so."""

    def __init__(self) -> None:
        self._why: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"<Misses of {', '.join(self._why) or 'no sensor'}>"

    def read(self, sensor: str, read: Callable[[], float]) -> float | None:
        """Read a sensor; None where it gives nothing, whatever its driver raises: it stops no other one."""
        try:
            value = float(read())
        except Exception as error:  # gpiozero, lgpio and drivers of chips each have exceptions of their own
            self.failed(sensor, error)
            return None
        self.worked(sensor)
        return value

    def failed(self, sensor: str, error: Exception) -> None:
        """Note a read that gave nothing; the first of a row is logged."""
        if sensor not in self._why and not isinstance(error, NotYetError):
            why = str(error) if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
            self._why[sensor] = why
            log.warning("sensor %s cannot be read: %s; its samples are missing until it can", sensor, why)

    def worked(self, sensor: str) -> None:
        """Note a read that gave a value."""
        if self._why.pop(sensor, None) is not None:
            log.info("sensor %s can be read again", sensor)
