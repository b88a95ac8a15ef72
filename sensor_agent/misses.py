"""Which sensors cannot be read, said once in the log when it begins and when it is over."""

import logging

from sensor_agent.carbon_dioxide import NotYetError

log = logging.getLogger("perch.agent")


class Misses:
    """Keeps why each sensor that failed last did so."""

    def __init__(self) -> None:
        self._why: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"<Misses of {', '.join(self._why) or 'no sensor'}>"

    def failed(self, sensor: str, error: OSError) -> None:
        """Note a poll that gave nothing; the first of a row is logged."""
        if sensor not in self._why and not isinstance(error, NotYetError):
            self._why[sensor] = str(error)
            log.warning("sensor %s cannot be read: %s; its samples are missing until it can", sensor, error)

    def worked(self, sensor: str) -> None:
        """Note a poll that gave a value."""
        if self._why.pop(sensor, None) is not None:
            log.info("sensor %s can be read again", sensor)
