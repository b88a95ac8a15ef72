"""Pins: can gpiozero reach them, and has every sensor one. No pin is opened, as an agent that runs may hold it."""

import warnings
from collections.abc import Iterator, Sequence
from importlib.metadata import version

from gpiozero import Device
from gpiozero.exc import GPIOZeroError, NativePinFactoryFallback
from gpiozero.pins.mock import MockFactory

from perch.doctor.findings import Finding, fault, ok, warn
from perch.model import Sensor

_INSTALL = "on a Raspberry Pi install python3-lgpio, and make the environment with --system-site-packages"


def look_at_pins(sensors: Sequence[Sensor]) -> Iterator[Finding]:
    """Say how the pins are reached, and which sensors have none."""
    yield _factory()
    pinless = [sensor.id for sensor in sensors if sensor.pin is None]
    if pinless:
        what = f"no pin is given for {', '.join(pinless)}; channels and drivers are not supported by this version"
        yield fault("pins", what, "give each `pin = …`, or take it out: the agent does not start with it")


def _factory() -> Finding:
    gpiozero = f"gpiozero {version('gpiozero')}"
    try:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            Device.ensure_pin_factory()
    except (GPIOZeroError, OSError) as error:
        return fault("pins", f"{gpiozero} finds no way to the pins: {error}", _INSTALL)
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
