"""Hardware that is not there: chips and sensors which move the real classes that read them. For tests and for trying.

They sit where the wires would be: at gpiozero's mock pins, and in the place of the I2C bus.
"""

from collections.abc import Callable
from typing import Any

from gpiozero import Device
from gpiozero.pins.mock import MockSPIDevice, MockTriggerPin

from sensor_agent.carbon_dioxide import SCD4X_ADDRESS

CLOCK_PIN, MISO_PIN, MOSI_PIN, SELECT_PIN = 11, 9, 10, 8


class MockMcp3008(MockSPIDevice):  # type: ignore[misc]  # gpiozero ships no types
    """An MCP3008 on the mock pins of the SPI bus; `levels` are the voltages on its channels as shares of the supply.

    A level that is a function is asked anew at each conversion, as a microphone is. `answers` False takes the chip
    off a bus whose line is pulled up.
    """

    def __init__(self) -> None:
        super().__init__(CLOCK_PIN, MOSI_PIN, MISO_PIN, SELECT_PIN)
        self.levels: list[float | Callable[[], float]] = [0.0] * 8
        self.answers = True

    def on_bit(self) -> None:
        """Take in a bit: after the start bit, one for the mode and three for the channel, then answer."""
        if not self.answers:
            self.tx_buf = [1] * 24
        elif 1 in self.rx_buf and len(self.rx_buf) - self.rx_buf.index(1) == 5 and not self.tx_buf:
            begin = self.rx_buf.index(1)
            channel = int("".join(str(int(bit)) for bit in self.rx_buf[begin + 2 : begin + 5]), 2)
            level = self.levels[channel]
            share = level() if callable(level) else level
            self.tx_word(round(min(max(share, 0.0), 1.0) * 1023), 12)  # the sampling bit, the null bit, ten bits


class MockHcSr04:
    """An ultrasonic sensor at two mock pins; `stand` moves what it sees, in metres, `unplug` takes its echo away."""

    def __init__(self, echo: int, trigger: int) -> None:
        self._echo = Device.pin_factory.pin(echo)
        self._trigger = Device.pin_factory.pin(trigger, pin_class=MockTriggerPin, echo_pin=self._echo)
        self.stand(2.0)

    def stand(self, metres: float) -> None:
        """Put something at a distance: sound takes twice the way, at 343 m/s."""
        self._trigger.echo_time = 2 * metres / 343.0

    def unplug(self) -> None:
        """Let triggers be answered by nothing, at a pin that nobody reads."""
        self._trigger.echo_pin = Device.pin_factory.pin(1)


class MockScd4x:
    """An SCD4x in the place of the I2C bus, with its commands and checksums; hand it over as an opened bus.

    `measure` makes its next value ready, as the real one does each 5 s. `garbles` spoils its checksums.
    """

    API_VERSION = 1
    channel_count = None
    description = "a pretended I2C bus"

    def __init__(self) -> None:
        self._plugged = True
        self.garbles = False
        self.measures = False
        self._ready: list[int] = []

    def measure(self, ppm: int) -> None:
        """Let it have measured."""
        if self.measures:
            self._ready = [ppm, 0x6667, 0x5EB9]

    def unplug(self) -> None:
        """Take it off the bus, and its supply with it."""
        self._plugged = self.measures = False
        self._ready = []

    def plug(self) -> None:
        """Put it back; it does nothing until it is told to measure."""
        self._plugged = True

    def transceive(
        self, slave_address: int, tx_data: bytes | None, rx_length: int | None, read_delay: float, timeout: float
    ) -> tuple[int, OSError | None, bytes]:
        """Answer as the kernel's I2C bus would (Sensirion's transceiver API, version 1)."""
        del read_delay, timeout
        if not self._plugged or slave_address != SCD4X_ADDRESS or tx_data is None:
            return 4, OSError(121, "Remote I/O error"), b""
        words = self._obey(int.from_bytes(tx_data[:2], "big"))
        if words is None:
            return 4, OSError(121, "Remote I/O error"), b""
        return 0, None, self._framed(words)[: rx_length or 0]

    def close(self) -> None:
        """Nothing to let go of."""

    def _obey(self, command: int) -> list[int] | None:
        """Carry out start, data-ready or read; None where it would not acknowledge."""
        if command == 0x21B1 and not self.measures:
            self.measures = True
            return []
        if command == 0xE4B8:
            return [0x8006 if self._ready else 0x8000]
        if command == 0xEC05 and self._ready:
            words, self._ready = self._ready, []
            return words
        return None

    def _framed(self, words: list[int]) -> bytes:
        return b"".join(self._with_checksum(word.to_bytes(2, "big")) for word in words)

    def _with_checksum(self, pair: bytes) -> bytes:
        return pair + bytes([_crc8(pair) ^ self.garbles])


class MockMhz19:
    """An MH-Z19 at a mock pin: `cycle` lets a second pass on a clock that the test sets, and moves the pin in it."""

    def __init__(self, pin: int, pass_s: Callable[[float], None], full_scale_ppm: int = 5000) -> None:
        self._pin: Any = Device.pin_factory.pin(pin)
        self._pass_s = pass_s
        self._full_scale_ppm = full_scale_ppm

    def cycle(self, ppm: float, cycle_s: float = 1.004) -> None:
        """Send one cycle: high for 2 ms and as much of the second as ppm is of the full scale, then low."""
        high_s = 0.002 + ppm / self._full_scale_ppm * (cycle_s - 0.004)
        self._pin.drive_high()
        self._pass_s(high_s)
        self._pin.drive_low()
        self._pass_s(cycle_s - high_s)


def _crc8(data: bytes) -> int:
    """Give Sensirion's checksum: polynomial 0x31, beginning with 0xFF."""
    crc = 0xFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x31 if crc & 0x80 else crc << 1) & 0xFF
    return crc
