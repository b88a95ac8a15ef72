"""Pins in: one small class per way of sensing, opened from the configuration; the only place that knows gpiozero.

A gpiozero callback runs on a thread of gpiozero's own: it puts one value into a queue, or sets one flag, and returns.
"""

import statistics
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Protocol

from gpiozero import Device, DigitalInputDevice, DistanceSensor
from gpiozero.exc import PinFactoryFallback, PWMSoftwareFallback
from gpiozero.pins.mock import MockFactory

from perch.adapters.closing import Closing
from perch.errors import PerchError
from perch.model import Sensor, SensorKind
from sensor_agent.analogue import CHANNEL_KINDS, AnalogueInput, SoundInput
from sensor_agent.beams import Door, PairedInput
from sensor_agent.carbon_dioxide import SCD4X, PulseWidthInput, Scd4xInput, open_i2c
from sensor_agent.misses import Misses

PULLED_UP = frozenset({SensorKind.CONTACT, SensorKind.PRESSURE, SensorKind.BEAM_IN, SensorKind.BEAM_OUT})
"""Switches and open-collector outputs: they pull the pin to ground when they are on, so the pin idles high."""

BOUNCE_S = {SensorKind.CONTACT: 0.05, SensorKind.PRESSURE: 0.05}
LONGEST_M = 4.0
ECHOES = 6
"""So often an ultrasonic sensor measures for each time that it is asked."""


class Input(Protocol):
    """A sensor that can be read."""

    def read(self) -> float:
        """Give its value now; raises OSError where that fails, and whatever its driver likes."""
        ...

    def close(self) -> None:
        """Let go of its pins or its bus."""
        ...


class EdgeInput:
    """A digital pin that reports every change of its level to `changed` as it happens."""

    def __init__(self, sensor: Sensor, changed: Callable[[str, float], None]) -> None:
        self._inverted = sensor.inverted
        self._device = _open(sensor, lambda: changed(sensor.id, 1.0), lambda: changed(sensor.id, 0.0))

    def read(self) -> float:
        """Give the level now: 1.0 is on."""
        return float(self._device.value != self._inverted)

    def close(self) -> None:
        """Let go of the pin."""
        self._device.close()


class LatchedInput:
    """A digital pin that is polled: an edge since the last poll counts as on, however short it was."""

    def __init__(self, sensor: Sensor) -> None:
        self._latched = False
        self._inverted = sensor.inverted
        self._device = _open(sensor, self._latch, lambda: None)

    def read(self) -> float:
        """Give 1.0 if the pin is on or was on since the last call."""
        latched, self._latched = self._latched, False
        return float(latched or self._device.value != self._inverted)

    def close(self) -> None:
        """Let go of the pin."""
        self._device.close()

    def _latch(self) -> None:
        self._latched = True


class DistanceInput:
    """An ultrasonic sensor (HC-SR04): gpiozero measures by itself, a poll takes the median of the newest echoes.

    Echoes that were read once are not read again, so that a sensor that came off is missed and not believed.
    """

    def __init__(self, sensor: Sensor) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PWMSoftwareFallback)  # it means: a few cm worse than with pigpio
            self._device = DistanceSensor(
                echo=sensor.pin, trigger=sensor.trigger, max_distance=LONGEST_M, queue_len=3, partial=True
            )
        # gpiozero measures 16 times a second, which would be most of what an agent at rest does
        self._device._queue.sample_wait = min(max((sensor.every_ms or 1000) / 1000 / ECHOES, 0.06), 5.0)

    def read(self) -> float:
        """Give metres, LONGEST_M at most; raises OSError where no echo came since the last call."""
        echoes = self._device._queue.queue  # the public value repeats old echoes for ever
        heard = [echoes.popleft() for _ in range(len(echoes))]
        if not heard:
            raise OSError("no echo")
        return float(statistics.median(heard)) * LONGEST_M

    def close(self) -> None:
        """Let go of both pins."""
        self._device.close()


class RecordedInput:
    """A value that a recording sets, for kinds of sensors that have no pin."""

    def __init__(self) -> None:
        self.value = 0.0

    def read(self) -> float:
        """Give the value last set."""
        return self.value

    def close(self) -> None:
        """Nothing to let go of."""


class Inputs(Closing):
    """All sensors of an agent; use it as a context manager. Edges go to `changed(sensor id, value)`.

    `open_bus` opens the I2C bus. Raises PerchError for a sensor that cannot be of its kind there, or has no place.
    """

    def __init__(
        self,
        sensors: Sequence[Sensor],
        changed: Callable[[str, float], None],
        open_bus: Callable[[], Any] = open_i2c,
    ) -> None:
        self._inputs: dict[str, Input] = {}
        self._misses = Misses()
        doors: dict[str, Door] = {}
        self._edge_driven = frozenset(sensor.id for sensor in sensors if sensor.edge_driven)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", PinFactoryFallback)  # if none works, the error says all that is needed
                for sensor in sensors:
                    self._inputs[sensor.id] = _input(sensor, changed, open_bus, doors)
        except PerchError:
            self.close()
            raise
        except Exception as error:  # lgpio raises what it likes, as where another program holds a pin
            self.close()
            raise _unusable(error) from error

    def __repr__(self) -> str:
        return f"<Inputs {', '.join(self._inputs)}>"

    def __getitem__(self, sensor: str) -> Input:
        return self._inputs[sensor]

    def read(self, sensor: str) -> float | None:
        """Read a sensor now; None where it gives nothing, which is logged once, whatever its driver raised."""
        return self._misses.read(sensor, self._inputs[sensor].read)

    def levels(self) -> Mapping[str, float]:
        """Give the level of every edge-driven sensor that can be read, as it is now."""
        found = {sensor: self.read(sensor) for sensor in sorted(self._edge_driven)}
        return {sensor: level for sensor, level in found.items() if level is not None}

    def close(self) -> None:
        """Let go of every pin, also of those that come after one that cannot be let go of."""
        with ExitStack() as each:
            for one in self._inputs.values():
                each.callback(one.close)
            self._inputs.clear()


def use_mock_pins() -> None:
    """Make this process sense with gpiozero's mock pins instead of hardware."""
    Device.pin_factory = MockFactory()


def move_pin(sensor: Sensor, value: float) -> None:
    """Drive the mock pin of a digital sensor to the level that means `value`; its callbacks run before this returns."""
    pin = Device.pin_factory.pin(sensor.pin)
    if (value > 0.5) ^ (sensor.kind in PULLED_UP) ^ sensor.inverted:
        pin.drive_high()
    else:
        pin.drive_low()


def _input(
    sensor: Sensor, changed: Callable[[str, float], None], open_bus: Callable[[], Any], doors: dict[str, Door]
) -> Input:
    if sensor.driver == RECORDED:
        return RecordedInput()
    if complaint := misplaced(sensor):
        raise complaint
    if sensor.driver == SCD4X:
        return Scd4xInput(open_bus)
    if sensor.channel is not None:
        return SoundInput(sensor) if sensor.kind is SensorKind.SOUND else AnalogueInput(sensor)
    if sensor.kind is SensorKind.CO2:
        return PulseWidthInput(sensor)
    if sensor.paired:
        beam = PairedInput(sensor, doors.setdefault(sensor.space, Door()), changed)
        beam.device = _open(sensor, beam.broken, beam.whole)
        return beam
    if sensor.kind is SensorKind.DISTANCE:
        return DistanceInput(sensor)
    return EdgeInput(sensor, changed) if sensor.edge_driven else LatchedInput(sensor)


def misplaced(sensor: Sensor) -> PerchError | None:
    """Say why a sensor cannot be read where the configuration puts it, None where it can."""
    name, kind = f"sensor {sensor.id!r} ({sensor.kind})", sensor.kind
    if sensor.driver is not None:
        fits = sensor.driver == SCD4X and kind is SensorKind.CO2
        what, remedy = f"{name} has the driver {sensor.driver!r}", f"the one driver there is, {SCD4X!r}, is for co2"
    elif sensor.channel is not None:
        fits = kind in CHANNEL_KINDS
        what, remedy = f"{name} hangs on an analogue channel", f"only {', '.join(sorted(CHANNEL_KINDS))} can"
    elif sensor.pin is not None:
        fits = kind not in (SensorKind.SOUND, SensorKind.LIGHT)
        what, remedy = f"{name} hangs on a digital pin", "give it `channel = …` of an MCP3008"
    else:
        fits = False
        what, remedy = f"{name} hangs on nothing", "give it `pin = …`, `channel = …` or `driver = …`"
    return None if fits else PerchError(what, f"{remedy}; docs/sensors.md says what goes where")


RECORDED = "recorded"
"""The driver of a sensor whose values come from a recording."""


def _open(sensor: Sensor, on: Callable[[], None], off: Callable[[], None]) -> DigitalInputDevice:
    """Open a pin, with what to do when it turns on and off; an inverted one is on where its kind would be off."""
    device = DigitalInputDevice(sensor.pin, pull_up=sensor.kind in PULLED_UP, bounce_time=BOUNCE_S.get(sensor.kind))
    device.when_activated, device.when_deactivated = (off, on) if sensor.inverted else (on, off)
    return device


def _unusable(error: Exception) -> PerchError:
    return PerchError(
        f"the pins cannot be used: {error}",
        "on a Raspberry Pi install python3-lgpio and see that no other program holds the pin;"
        " elsewhere set GPIOZERO_PIN_FACTORY=mock",
    )
