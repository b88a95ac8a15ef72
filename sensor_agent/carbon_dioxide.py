"""Carbon dioxide, in ppm: Sensirion's SCD4x on the I2C bus, and Winsen's MH-Z19 by the length of its pulses."""

import time
from collections import deque
from collections.abc import Callable
from statistics import median
from typing import Any

from gpiozero import DigitalInputDevice

from perch.errors import PerchError
from perch.model import Sensor

SCD4X = "scd4x"
I2C_BUS = "/dev/i2c-1"
SCD4X_ADDRESS = 0x62

WARM_UP_S = 180.0
"""What an MH-Z19 says in the first three minutes is not the air (manual of the MH-Z19B, version 1.6: preheat time)."""

CYCLE_S = (0.954, 1.055)
"""A cycle takes 1004 ms, 5 % more or less; whatever else is seen on the pin is no cycle."""

FRESH_S = 5.0


class NotYetError(OSError):
    """There is no value yet, and nothing is wrong: a missing sample that nobody need be told of."""


class Scd4xInput:
    """An SCD40, SCD41 or SCD43; it measures by itself each 5 s, a poll takes its newest value.

    The bus is opened when it is first needed and again after anything went wrong, so that a sensor that was plugged
    in late, or again, is found. No command of it takes longer than some milliseconds.
    """

    def __init__(self, open_bus: Callable[[], Any]) -> None:
        self._open_bus = open_bus
        self._bus: Any = None
        self._device: Any = None
        _driver()

    def read(self) -> float:
        """Give ppm; raises OSError where the sensor does not answer, or answers with what does not add up."""
        try:
            if self._device is None:
                self._start()
            if not self._device.get_data_ready_status():
                raise NotYetError("the SCD4x has not measured yet")
            ppm = self._device.read_measurement()[0].value
        except NotYetError:
            raise
        except Exception as error:  # the driver has errors of its own; after any of them the bus is opened anew
            self.close()
            raise OSError(f"no SCD4x answers on {I2C_BUS}: see that I2C is switched on, and its wiring") from error
        if ppm <= 0:
            raise OSError("the SCD4x says 0 ppm, which no air has")
        return float(ppm)

    def close(self) -> None:
        """Let go of the bus; the sensor goes on measuring."""
        bus, self._bus, self._device = self._bus, None, None
        if bus is not None:
            bus.close()

    def _start(self) -> None:
        device, channel, connection, checksum, refused = _driver()
        self._bus = self._open_bus()
        crc = checksum(8, 0x31, 0xFF, 0x00)
        found = device(channel(connection(self._bus), slave_address=SCD4X_ADDRESS, crc=crc))
        try:
            found.start_periodic_measurement()
        except refused:
            found.get_data_ready_status()  # one that measures since before refuses to begin, and answers this
        self._device = found


def open_i2c() -> Any:
    """Open the Pi's I2C bus; raises OSError where it is not switched on."""
    from sensirion_i2c_driver import LinuxI2cTransceiver

    return LinuxI2cTransceiver(I2C_BUS)


def _driver() -> tuple[Any, Any, Any, Any, type[OSError]]:
    try:
        from sensirion_driver_adapters.i2c_adapter.i2c_channel import I2cChannel
        from sensirion_i2c_driver import CrcCalculator, I2cConnection
        from sensirion_i2c_driver.errors import I2cTransceiveError
        from sensirion_i2c_scd4x.device import Scd4xDevice
    except ModuleNotFoundError as error:
        remedy = "install it with: pip install 'perch-occupancy[agent,co2]'"
        raise PerchError(f"an SCD4x needs the package {error.name}, which is not installed", remedy) from None
    return Scd4xDevice, I2cChannel, I2cConnection, CrcCalculator, I2cTransceiveError


class PulseWidthInput:
    """An MH-Z19, B or C, by its PWM pin: ppm = full scale × (high - 2 ms) / (high + low - 4 ms).

    The formula is of the manual of the MH-Z19B, version 1.6, and of the MH-Z19C; the full scale is on the label. At
    5000 ppm each millisecond of lateness on a busy machine is 5 ppm.
    """

    def __init__(self, sensor: Sensor, now_s: Callable[[], float] = time.monotonic) -> None:
        self._full_scale_ppm = sensor.range_ppm
        self._now_s = now_s
        self._warm_s = now_s() + WARM_UP_S
        self._rose_s: float | None = None
        self._fell_s: float | None = None
        self._cycles: deque[tuple[float, float]] = deque(maxlen=5)
        self._device = DigitalInputDevice(sensor.pin, pull_up=False)
        self._device.when_activated = self._rise
        self._device.when_deactivated = self._fall

    def read(self) -> float:
        """Give ppm, the median of the last cycles; raises OSError where there was none for 5 s."""
        now_s = self._now_s()
        fresh = [ppm for at_s, ppm in list(self._cycles) if now_s - at_s <= FRESH_S]
        if not fresh:
            raise OSError(f"no pulses of an MH-Z19 on pin {self._device.pin}: see to its wiring and its 5 V")
        if now_s < self._warm_s:
            raise NotYetError(f"the MH-Z19 warms up for {self._warm_s - now_s:.0f} s more")
        return float(round(median(fresh)))

    def close(self) -> None:
        """Let go of the pin."""
        self._device.close()

    def _rise(self) -> None:
        now_s = self._now_s()
        if self._rose_s is not None and self._fell_s is not None:
            high_s, cycle_s = self._fell_s - self._rose_s, now_s - self._rose_s
            if CYCLE_S[0] <= cycle_s <= CYCLE_S[1] and 0 < (share := (high_s - 0.002) / (cycle_s - 0.004)) <= 1:
                self._cycles.append((now_s, self._full_scale_ppm * share))
        self._rose_s, self._fell_s = now_s, None

    def _fall(self) -> None:
        self._fell_s = self._now_s()
