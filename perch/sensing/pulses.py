"""Sensors that speak of moments: a motion sensor (PIR) and a door contact.

What counts is how often they speak. A motion sensor holds its output for a while after each movement; only when that
lasts much longer than its shortest pulse has somebody moved again. Rates per second by state: (empty, moving, still,
deep in work).
"""

from collections.abc import Sequence
from math import log2

from perch.model import Reason, Sensor
from perch.sensing.chain import Flow, Pace, Rates
from perch.sensing.evidence import ON
from perch.sensing.voices import (
    NEVER_MS,
    NOTHING,
    Evidence,
    Heard,
    Sampled,
    evidence,
    scaled,
    share_of,
    silence_limit_ms,
)

MOTION_RATES: Rates = (1 / 2700, 1 / 12, 1 / 1000, 1 / 3000)
"""A passer-by each 45 min, a movement each 12 s; who sits still is seen now and then."""

CONTACT_RATES: Rates = (1 / 7200, 1 / 600, 1 / 7200, 1 / 7200)

FIRST_PULSE_S = 10.0
AGAIN_MS = 60_000
"""While a motion sensor stays on, it counts as having seen another movement so often."""

_SHORTEST_PULSE_S, _LONGEST_PULSE_S = 0.5, 300.0
_SHORTEST_GAP_S, _LONGEST_GAP_S = 1.0, 600.0
_GAPS_KNOWN = 64


class EdgePulses:
    """A motion sensor or a contact that reports each edge."""

    remembers = 2

    def __init__(self, sensor: Sensor, rates: Rates, reason: Reason, share: float, quiet_limit_ms: int) -> None:
        self.sensor = sensor
        self.reason = reason
        self._moves = reason is Reason.MOTION
        self._spoken = scaled(rates, share)
        self._speech = evidence(rates, share)
        self._limit_ms = silence_limit_ms(sensor, quiet_limit_ms)

    def __repr__(self) -> str:
        return f"<EdgePulses of {self.sensor.id}>"

    def begin(self, time_ms: int) -> Heard:
        """Begin with nothing heard."""
        return Heard(None, 0.0, time_ms + self._limit_ms, memory=(FIRST_PULSE_S, 0.0))

    def found(self, heard: Heard, level: float) -> tuple[Heard, Evidence]:
        """Take in the level of the pin: a motion sensor that is on sees somebody; a door that is open says nothing."""
        if not self._moves or level <= ON:
            return heard._replace(value=level), NOTHING
        return self.hear(heard, heard.due_ms - self._limit_ms, level)

    def hear(self, heard: Heard, time_ms: int, value: float) -> tuple[Heard, Evidence]:
        """Take in an edge; a contact speaks at both of them, a motion sensor when it rises."""
        pulse_s, rose_ms = heard.memory
        was_on, on = heard.value > ON, value > ON
        if on and was_on:  # it went off in the same moment
            heard, _ = self.hear(heard, time_ms, 0.0)
            pulse_s, rose_ms = heard.memory
        if not self._moves:
            return Heard(time_ms, value, time_ms + self._limit_ms, memory=heard.memory), self._speech
        if on:
            due_ms = time_ms + int(2000 * pulse_s)
            return Heard(time_ms, value, due_ms, memory=(pulse_s, float(time_ms))), self._speech
        lasted_s = min(max((time_ms - rose_ms) / 1000, _SHORTEST_PULSE_S), _LONGEST_PULSE_S)
        shortest_s = lasted_s if pulse_s == FIRST_PULSE_S else min(pulse_s, lasted_s)
        return Heard(time_ms, value, time_ms + self._limit_ms, memory=(shortest_s, rose_ms)), NOTHING

    def lapse(self, heard: Heard, time_ms: int) -> tuple[Heard, Evidence]:
        """Count a sensor that stays on as speaking again, and one that says nothing for days as silent."""
        if heard.value > ON and self._moves:
            return heard._replace(due_ms=time_ms + AGAIN_MS), self._speech
        return heard._replace(silent=Reason.SENSOR_SILENT, due_ms=NEVER_MS), NOTHING

    def speaks(self, heard: Heard) -> Rates | None:
        """Silence speaks, except while a motion sensor is on."""
        if heard.silent or (self._moves and heard.value > ON):
            return None
        return self._spoken

    def is_on(self, heard: Heard) -> bool:
        """Tell whether it sees movement now."""
        return self._moves and heard.value > ON and not heard.silent


class SampledPulses(Sampled):
    """A motion sensor or a contact that is read at intervals: a sample says whether there was anything since the last.

    What a sample is worth depends on the time that it stands for, and not on how often it is taken. Several motion
    sensors of a space are one voice (`together`): what any of them saw was seen, and that another did not see it means
    little, since each looks at another part.
    """

    def __init__(self, sensor: Sensor, rates: Rates, reason: Reason, share: float, pace: Pace) -> None:
        super().__init__(sensor, reason)
        self.moves = reason is Reason.MOTION
        self._flow = Flow(pace, rates)
        self._rest = pace.at_rest()
        self._share = share
        self._every_ms = sensor.every_ms or 0
        self._known: dict[int, tuple[Evidence, Evidence, Evidence]] = {}

    def hear(self, heard: Heard, time_ms: int, value: float) -> tuple[Heard, Evidence]:
        """Take in a sample; of two in one moment that which saw something."""
        said_ms, before, on = heard.said_ms, heard.value, value > ON
        if self.moves and said_ms == time_ms and heard.memory:
            return heard._replace(value=max(value, before)), NOTHING
        before_ms = time_ms - self._every_ms if said_ms is None else said_ms
        was_on = said_ms is not None and before > ON
        after = Heard(time_ms, value, time_ms + self._limit_ms, memory=(float(before_ms), float(was_on)))
        happened = on if self.moves else said_ms is not None and on != was_on
        return after, self._of(time_ms - before_ms, happened=happened, again=was_on and self.moves)

    def together(self, members: Sequence[Heard], time_ms: int) -> Evidence:
        """Give what the motion sensors of a space that were read at a moment say as one, whatever their order."""
        now = [heard for heard in members if heard.said_ms == time_ms]
        if not now:
            return NOTHING
        others = [heard.said_ms for heard in members if heard.said_ms is not None and heard.said_ms < time_ms]
        new_ms = time_ms - int(max([*others, *(heard.memory[0] for heard in now)]))
        seen = [heard for heard in now if heard.value > ON]
        if not seen:
            return self._of(new_ms, happened=False, again=False)
        own_ms = max(time_ms - int(heard.memory[0]) for heard in seen)
        found = self._of(own_ms, happened=True, again=any(heard.memory[1] for heard in seen))
        return found if new_ms >= own_ms else share_of(found, new_ms / own_ms)

    def _of(self, gap_ms: int, *, happened: bool, again: bool) -> Evidence:
        quiet, speech, same_pulse = self._known.get(gap_ms) or self._worth(gap_ms)
        return (same_pulse if again else speech) if happened else quiet

    def _worth(self, gap_ms: int) -> tuple[Evidence, Evidence, Evidence]:
        """Give what (nothing, something, something again) means after a gap, which is as good as known to a tenth.

        A sensor that is still on after less than a pulse has most likely seen nothing new.
        """
        tenths = round(10 * log2(max(gap_ms / 1000, _SHORTEST_GAP_S)))
        seconds = min(2 ** (tenths / 10), _LONGEST_GAP_S)
        quiet = self._flow.likelihood(self._rest, seconds)
        loud = [1 - likelihood for likelihood in quiet]
        again = evidence(loud, self._share * min(seconds / FIRST_PULSE_S, 1.0))
        worth = evidence(quiet, self._share), evidence(loud, self._share), again
        if len(self._known) >= _GAPS_KNOWN:
            self._known.clear()
        self._known[gap_ms] = worth
        return worth
