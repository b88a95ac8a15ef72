"""Analogue sensors on an MCP3008, which the Pi asks over SPI: light, pressure, and how loud it is.

All give a share of the supply voltage, 0 to 1; the estimator asks for no other unit. Of sound only its strength is
kept, one number for each reading: what was said cannot be told from it.
"""

import time
import warnings
from collections.abc import Callable
from statistics import fmean, pstdev
from typing import Any

from gpiozero import MCP3008
from gpiozero.exc import SPISoftwareFallback

from perch.model import Sensor, SensorKind

CHANNEL_KINDS = frozenset({SensorKind.LIGHT, SensorKind.PRESSURE, SensorKind.SOUND})

SAMPLES = 8
SOUND_S = 0.05
FEWEST = 16
"""Of sound so many samples at least are taken, however slow the bus is."""

RAIL = 0.02
"""A microphone's output rests in the middle; one that stays this close to either supply is not connected."""


class Mcp3008(MCP3008):  # type: ignore[misc]  # gpiozero ships no types
    """A channel of an MCP3008 that tells an answer from none.

    Before each result the chip sends a bit that is always 0 (data sheet DS21295, figure 5-1); where nobody answers
    on a line that is pulled up, it is 1. Where the line is pulled down, as the Pi does by itself, silence reads as 0.
    """

    def _read(self) -> int:
        high, low = self._spi.transfer(self._send())[-2:]
        if high & 0b100:
            raise OSError("no MCP3008 answers on the SPI bus: see to its wiring and supply")
        return int(self._words_to_int([high, low], self.bits))


class AnalogueInput:
    """The level on a channel now, as a mean of some samples."""

    def __init__(self, sensor: Sensor) -> None:
        self._device = _open(sensor)

    def read(self) -> float:
        """Give the level, 0 to 1; raises OSError where no chip answers."""
        return round(fmean(self._device.value for _ in range(SAMPLES)), 4)

    def close(self) -> None:
        """Let go of the channel."""
        self._device.close()


class SoundInput:
    """How much the output of a microphone's amplifier swings around its middle within a twentieth of a second."""

    def __init__(self, sensor: Sensor, now_s: Callable[[], float] = time.monotonic) -> None:
        self._device = _open(sensor)
        self._now_s = now_s

    def read(self) -> float:
        """Give the strength of the sound, 0 to 0.5; raises OSError where no microphone is connected."""
        until_s = self._now_s() + SOUND_S
        heard: list[float] = []
        while len(heard) < FEWEST or self._now_s() < until_s:
            heard.append(self._device.value)
        middle = fmean(heard)
        if not RAIL < middle < 1 - RAIL:
            raise OSError(f"channel {self._device.channel} rests at {middle:.0%} of the supply: no microphone is there")
        return round(float(pstdev(heard, middle)), 4)

    def close(self) -> None:
        """Let go of the channel."""
        self._device.close()


def _open(sensor: Sensor) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SPISoftwareFallback)  # it means: slower than with SPI switched on
        return Mcp3008(channel=sensor.channel)
