"""Replays a recording through the real agent: its mock pins are moved, and time is the recording's own.

Edge-driven sensors have their pins driven; sampled ones are polled at their rows' times, so that a missing row is a
failed poll. It ends at the last reading, once the collector has acknowledged everything. It logs, and tells in its
file, how it is doing, as an agent does that senses.
"""

import logging
import threading
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import replace

from perch.adapters.instants import boot_ms
from perch.errors import PerchError, UnavailableError
from perch.model import Reading, Sensor, SensorKind
from perch.sensing.evidence import ON, PULSES
from perch.settings import AgentSettings
from sensor_agent.agent import Agent
from sensor_agent.clock import RecordedClock, SystemClock
from sensor_agent.inputs import RECORDED, RecordedInput, move_pin, use_mock_pins
from sensor_agent.process import say_once, trouble_once
from sensor_agent.reporter import Reporter

log = logging.getLogger("perch.agent")

BACKLOG = 2_000
"""Events that may wait for their acknowledgement before the replay waits for the collector."""

PATIENCE_S = 30.0
"""How long the replay waits without any acknowledgement before it gives up."""

_DIGITAL = frozenset(
    {
        SensorKind.MOTION,
        SensorKind.PRESENCE,
        SensorKind.CONTACT,
        SensorKind.PRESSURE,
        SensorKind.BEAM_IN,
        SensorKind.BEAM_OUT,
    }
)
_PINS = range(4, 28)  # GPIO 2 and 3 have pull-up resistors of their own
_SLICE_S = 0.25


def run(
    settings: AgentSettings,
    readings: Iterable[Reading],
    stop: threading.Event,
    *,
    speed: float | None = None,
    shift: bool = False,
    start_ms: int | None = None,
    head_start_ms: int = 0,
    patience_s: float = PATIENCE_S,
) -> None:
    """Replay readings in order of time, `speed` times as fast as recorded (None: as fast as it goes).

    The first `head_start_ms` of the recording are played as fast as it goes, whatever the speed.
    With `shift` the first reading happens now. `start_ms` is the recorded time at which the agent starts, by default
    that of the first reading. Raises UnavailableError where the collector acknowledges nothing for `patience_s`.
    """
    use_mock_pins()
    rows = iter(readings)
    first = next(rows, None)
    if first is None:
        return
    shift_ms = SystemClock().wall_ms() - first.time_ms if shift else 0
    clock = RecordedClock((start_ms if start_ms is not None else first.time_ms) + shift_ms)
    sensors = with_mock_pins(settings.sensing.sensors)
    with Agent(settings, clock, sensors) as agent, closing(Reporter(settings.data, agent, clock)) as reporter:
        log.info("agent %s/%s replays a recording", settings.site, settings.agent)
        replay = _Replay(agent, clock, sensors, speed, stop, patience_s, head_start_ms, reporter)
        replay.play(_shifted(first, shift_ms))
        for row in rows:
            if stop.is_set():
                break
            replay.play(_shifted(row, shift_ms))
        replay.finish()
        if stop.is_set() and agent.unsettled:
            log.warning("stopped: %d events wait in the outbox and are sent at the next start", agent.unsettled)


def with_mock_pins(sensors: Sequence[Sensor]) -> tuple[Sensor, ...]:
    """Give every digital sensor a pin that has none; the values of all others are set by the recording."""
    free = [pin for pin in _PINS if pin not in {sensor.pin for sensor in sensors}]
    without = [sensor.id for sensor in sensors if sensor.kind in _DIGITAL and sensor.pin is None]
    if len(without) > len(free):
        raise PerchError(
            f"{len(without)} sensors have no pin and only {len(free)} pins are left", "replay fewer spaces at once"
        )
    given = dict(zip(without, free, strict=False))
    return tuple(_on_mock_pin(sensor, given.get(sensor.id, sensor.pin)) for sensor in sensors)


def _on_mock_pin(sensor: Sensor, pin: int | None) -> Sensor:
    if sensor.kind in _DIGITAL:
        return replace(sensor, pin=pin, driver=None, channel=None, paired=False)
    return replace(sensor, pin=None, driver=RECORDED, channel=None)


class _Replay:
    """Moves pins and time together."""

    def __init__(
        self,
        agent: Agent,
        clock: RecordedClock,
        sensors: Sequence[Sensor],
        speed: float | None,
        stop: threading.Event,
        patience_s: float,
        head_start_ms: int,
        reporter: Reporter,
    ) -> None:
        self._agent = agent
        self._reporter = reporter
        self._clock = clock
        self._sensors = {sensor.id: sensor for sensor in sensors}
        self._speed = speed
        self._stop = stop
        self._said = self._troubled = ""
        self._patience_s = patience_s
        self._began_s = _now_s() - head_start_ms / 1000 / (speed or 1)
        self._behind = head_start_ms > 0

    def play(self, row: Reading) -> None:
        """Let time pass until a reading is due, then make it happen at its sensor."""
        self._pace(row.time_ms)
        self._clock.now_ms = max(self._clock.now_ms, row.time_ms)
        self._agent.advance()
        sensor = self._sensors.get(row.sensor)
        if sensor is None:
            return
        at = self._agent.inputs[sensor.id]
        if isinstance(at, RecordedInput):
            at.value = row.value
        else:
            if row.value > ON and at.read() > ON and sensor.edge_driven and sensor.kind in PULSES:
                move_pin(sensor, 0.0)
            move_pin(sensor, row.value)
        if not sensor.edge_driven or isinstance(at, RecordedInput):
            self._agent.poll(sensor.id)
        self._drain()

    def finish(self) -> None:
        """Judge the last moment, and wait until all is acknowledged; raises UnavailableError if that takes too long."""
        self._clock.now_ms += 1
        self._agent.advance()
        self._await_acks(0)

    def _pace(self, until_ms: int) -> None:
        """Run the agent until a recorded moment comes; at full speed only see to what is due."""
        if self._speed is None:
            self._agent.deliver()
            if self._agent.unsettled > BACKLOG:
                self._await_acks(BACKLOG // 2)
            return
        while not self._stop.is_set():
            elapsed_ms = int((_now_s() - self._began_s) * 1000 * self._speed)
            self._clock.now_ms = min(max(self._clock.now_ms, self._clock.start_ms + elapsed_ms), until_ms)
            self._drain()
            self._agent.advance()
            self._agent.deliver()
            self._tell()
            if self._clock.now_ms >= until_ms:
                return
            if self._behind:  # until now states were said with times long past, which nobody believes
                self._behind = False
                self._agent.announce()
            left_s = (until_ms - self._clock.now_ms) / 1000 / self._speed
            self._agent.take(min(left_s, self._due_s(), _SLICE_S))

    def _tell(self) -> None:
        """Say once what turned, and keep its file."""
        self._said, self._troubled = say_once(self._agent, self._said), trouble_once(self._agent, self._troubled)
        self._reporter.settle()

    def _due_s(self) -> float:
        left_ms = self._agent.delivery_deadline - boot_ms()
        return max(left_ms / 1000, 0.001)

    def _drain(self) -> None:
        while self._agent.take(0):
            pass

    def _await_acks(self, most: int) -> None:
        left, gave_up_s = self._agent.unsettled, _now_s() + self._patience_s
        while left > most and not self._stop.is_set():
            self._agent.take(0.1)
            self._agent.deliver()
            self._tell()
            if self._agent.unsettled < left:
                left, gave_up_s = self._agent.unsettled, _now_s() + self._patience_s
            if _now_s() > gave_up_s:
                raise UnavailableError(
                    f"{left} events were not acknowledged within {self._patience_s:g} s"
                    + (f": {self._agent.problem}" if self._agent.problem else ""),
                    "see that the collector runs; the events stay in the outbox and are sent at the next start",
                )


def _now_s() -> float:
    """Seconds since boot, sleep included: a replay that is seen live must not lag after the machine was suspended."""
    return boot_ms() / 1000


def _shifted(row: Reading, shift_ms: int) -> Reading:
    return replace(row, time_ms=row.time_ms + shift_ms)
