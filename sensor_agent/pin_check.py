"""Pins: can gpiozero reach them, and has every sensor one. No pin is opened, as an agent that runs may hold it."""

import os
import warnings
from collections.abc import Iterator, Sequence
from importlib.metadata import version

from gpiozero import Device
from gpiozero.exc import GPIOZeroError, NativePinFactoryFallback
from gpiozero.pins.mock import MockFactory

from perch.doctor.findings import Finding, fault, ok, warn
from perch.model import Sensor
from sensor_agent.carbon_dioxide import I2C_BUS, SCD4X
from sensor_agent.inputs import misplaced

SPI_BUS = "/dev/spidev0.0"
_INSTALL = "on a Raspberry Pi install python3-lgpio, and make the environment with --system-site-packages"

_ELSEWHERE = "to try an agent on another machine, set GPIOZERO_PIN_FACTORY=mock: pins that only pretend"


def look_at_pins(sensors: Sequence[Sensor]) -> Iterator[Finding]:
    """Say how the pins are reached, which sensors cannot hang where they do, and whether SPI and I2C are there."""
    yield _factory()
    for sensor in sensors:
        if complaint := misplaced(sensor):
            yield fault("pins", complaint.what, f"{complaint.remedy}; the agent does not start with it")
    if any(sensor.channel is not None for sensor in sensors) and not os.path.exists(SPI_BUS):
        yield warn("pins", f"SPI is not switched on ({SPI_BUS}): channels are read, slowly", _switch_on("SPI"))
    if any(sensor.driver == SCD4X for sensor in sensors) and not os.path.exists(I2C_BUS):
        yield fault("pins", f"I2C is not switched on ({I2C_BUS})", _switch_on("I2C"))


def _switch_on(bus: str) -> str:
    return f"sudo raspi-config nonint do_{bus.lower()} 0"


def _factory() -> Finding:
    gpiozero = f"gpiozero {version('gpiozero')}"
    try:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            Device.ensure_pin_factory()
    except (GPIOZeroError, OSError) as error:
        return fault("pins", f"{gpiozero} finds no way to the pins: {error}", f"{_INSTALL}; {_ELSEWHERE}")
    factory, Device.pin_factory = Device.pin_factory, None
    try:
        if isinstance(factory, MockFactory):
            return warn(
                "pins", f"{gpiozero} only pretends (mock pins): nothing is sensed", "unset GPIOZERO_PIN_FACTORY"
            )
        board = factory.board_info.description if factory.board_info else "an unknown board"
    except GPIOZeroError as error:
        return fault("pins", f"{gpiozero} does not know this board: {error}", _INSTALL)
    finally:
        factory.close()
    what = f"{gpiozero} by {type(factory).__name__} on {board}"
    if any(issubclass(one.category, NativePinFactoryFallback) for one in told):
        return warn("pins", f"{what}, which misses edges", _INSTALL)
    return ok("pins", what)
