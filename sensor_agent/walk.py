"""A walk past the sensors of this machine: opens its real inputs and hands what they say to the judgement.

No agent may run meanwhile, as two programs cannot hold one pin. Nothing is published or kept.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from perch.adapters.mailbox import Mailbox
from perch.model import EDGE_KINDS, Sensor
from perch.sensing import commissioning
from perch.sensing.commissioning import Verdict, Walk
from sensor_agent.carbon_dioxide import NotYetError
from sensor_agent.clock import Clock, SystemClock
from sensor_agent.inputs import Inputs
from sensor_agent.process import Polls

ASK_EVERY_MS = 1_000
LOOK_EVERY_S = 0.2

Told = Callable[[Walk, Mapping[str, Verdict]], None]


def run(
    sensors: Sequence[Sensor],
    stop: threading.Event,
    told: Told,
    *,
    rest_ms: int,
    most_ms: int,
    clock: Clock | None = None,
) -> Walk:
    """Walk until every sensor is ticked off, the time is over or `stop` is set; `told` hears of it meanwhile.

    Raises PerchError where a pin cannot be opened.
    """
    clock = clock or SystemClock()
    asked = [_attentive(sensor) for sensor in sensors]
    said: Mailbox[tuple[str, float, int]] = Mailbox()
    with Inputs(asked, lambda sensor, value: said.put((sensor, value, clock.mono_ms()))) as inputs:
        began_ms = clock.mono_ms()
        walk = commissioning.begin(asked, inputs.levels(), began_ms, rest_ms)
        polls = Polls(asked, began_ms)
        while not stop.is_set() and walk.now_ms < began_ms + most_ms:
            walk = _listened(walk, said)
            for sensor in polls.due(clock.mono_ms()):
                walk = _asked(walk, inputs, sensor, clock)
            walk = commissioning.advanced(walk, max(walk.now_ms, clock.mono_ms()))
            verdicts = commissioning.findings(walk)
            told(walk, verdicts)
            if all(verdict is Verdict.OK for verdict in verdicts.values()):
                break
    return walk


def _attentive(sensor: Sensor) -> Sensor:
    """Listen to every edge of each digital pin, and ask whatever else there is each second, whatever is configured."""
    digital = sensor.kind in EDGE_KINDS and sensor.pin is not None
    return replace(sensor, every_ms=None if digital else ASK_EVERY_MS, paired=False)


def _listened(walk: Walk, said: Mailbox[tuple[str, float, int]]) -> Walk:
    """Take in all edges that have come, waiting a moment for the first."""
    item = said.take(LOOK_EVERY_S)
    while item is not None:
        sensor, value, mono_ms = item
        walk = commissioning.observed(walk, sensor, value, max(mono_ms, walk.now_ms))
        item = said.take(0)
    return walk


def _asked(walk: Walk, inputs: Inputs, sensor: str, clock: Clock) -> Walk:
    now_ms = max(clock.mono_ms(), walk.now_ms)
    try:
        return commissioning.observed(walk, sensor, inputs[sensor].read(), now_ms)
    except NotYetError:
        return walk
    except Exception as error:  # drivers raise what they like, and the walk goes on past the next sensor
        return commissioning.failed(walk, sensor, str(error) or type(error).__name__, now_ms)
