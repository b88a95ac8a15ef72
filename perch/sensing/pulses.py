"""Sensors that speak of moments: a motion sensor (PIR) and a door contact.

What counts is how often they speak. A motion sensor holds its output for a while after each movement; only when that
lasts much longer than its shortest pulse has somebody moved again. Rates per second by state: (empty, moving, still,
deep in work).
"""

from collections.abc import Sequence
from math import log2

from perch.model import Reason, Sensor
from perch.sensing.chain import Pace, Rates, flow_of
from perch.sensing.evidence import ON
from perch.sensing.voices import (
    NEVER_MS,
    NOTHING,
    Evidence,
    Heard,
    Sampled,
    evidence,
    heard_as,
    recurring,
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

    __slots__ = ("_limit_ms", "_moves", "_speech", "_spoken", "can_vouch", "reason", "sensor")

    remembers = 2

    def __init__(self, sensor: Sensor, rates: Rates, reason: Reason, share: float, quiet_limit_ms: int) -> None:
        self.sensor = sensor
        self.reason = reason
        self._moves = self.can_vouch = reason is Reason.MOTION
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
        if not self._moves:
            return heard_as((time_ms, value, time_ms + self._limit_ms, None, heard.memory)), self._speech
        pulse_s, rose_ms = heard.memory
        if value > ON:
            if heard.value > ON:  # it went off in the same moment
                pulse_s = _shortest(pulse_s, time_ms - rose_ms)
            due_ms = time_ms + int(2000 * pulse_s)
            return heard_as((time_ms, value, due_ms, None, (pulse_s, float(time_ms)))), self._speech
        memory = (_shortest(pulse_s, time_ms - rose_ms), rose_ms)
        return heard_as((time_ms, value, time_ms + self._limit_ms, None, memory)), NOTHING

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

    def vouches(self, heard: Heard) -> bool:
        """Tell whether its quiet says that nobody is there: that of a door says nothing."""
        return self._moves and not heard.silent

    def is_on(self, heard: Heard) -> bool:
        """Tell whether it sees movement now."""
        return self._moves and heard.value > ON and not heard.silent


def _shortest(known_s: float, lasted_ms: float) -> float:
    """Give the shortest pulse, of those known and one more."""
    lasted_s = lasted_ms / 1000
    if known_s != FIRST_PULSE_S and known_s <= lasted_s:
        return known_s
    return min(max(lasted_s, _SHORTEST_PULSE_S), _LONGEST_PULSE_S)


def share_again(seconds: float) -> float:
    """Give how much of a sign it is that a motion sensor is on and was so before: within a pulse it saw nothing new.

    The more often it is read, the less each sample says, so that all samples of a pulse come to little; one that stays
    on counts as having seen another movement as often as one that tells edges.
    """
    return min(max((seconds / FIRST_PULSE_S) ** 2, seconds * 1000 / AGAIN_MS), 1.0)


class SampledPulses(Sampled):
    """A motion sensor or a contact that is read at intervals: a sample says whether there was anything since the last.

    What a sample is worth depends on the time that it stands for, and not on how often it is taken. Several motion
    sensors of a space are one voice (`together`): what any of them saw was seen, and that another did not see it means
    little, since each looks at another part.
    """

    __slots__ = ("_every_ms", "_flow", "_known", "_rest", "_share", "can_vouch", "moves")

    def __init__(self, sensor: Sensor, rates: Rates, reason: Reason, share: float, pace: Pace) -> None:
        super().__init__(sensor, reason)
        self.moves = self.can_vouch = reason is Reason.MOTION
        self._flow = flow_of(pace, rates)
        self._rest = pace.at_rest()
        self._share = share
        self._every_ms = sensor.every_ms or 0
        self._known: dict[int, tuple[Evidence, Evidence, Evidence]] = recurring("pulses", pace, rates, share)

    def hear(self, heard: Heard, time_ms: int, value: float) -> tuple[Heard, Evidence]:
        """Take in a sample; of two in one moment that which saw something."""
        said_ms, before, _, _, memory = heard
        if self.moves and said_ms == time_ms and memory:
            return heard._replace(value=max(value, before)), NOTHING
        on, was_on = value > ON, said_ms is not None and before > ON
        before_ms = time_ms - self._every_ms if said_ms is None else said_ms
        gap_ms = time_ms - before_ms
        after = heard_as((time_ms, value, time_ms + self._limit_ms, None, (before_ms, was_on)))
        quiet, speech, same_pulse = self._known.get(gap_ms) or self._worth(gap_ms)
        if self.moves:
            return after, (same_pulse if was_on else speech) if on else quiet
        return after, speech if said_ms is not None and on != was_on else quiet

    def together(self, members: Sequence[Heard], time_ms: int) -> Evidence:
        """Give what the motion sensors of a space that were read at a moment say as one, whatever their order."""
        told_ms: float = -NEVER_MS
        seen_ms: float = time_ms
        read = again = False
        for said_ms, value, _, _, memory in members:
            if said_ms is None:
                continue
            before_ms: float = said_ms
            if said_ms == time_ms:
                read, (before_ms, was_on) = True, memory
                if value > ON:
                    seen_ms, again = min(seen_ms, before_ms), again or was_on > 0
            told_ms = max(told_ms, before_ms)
        if not read:
            return NOTHING
        new_ms, own_ms = time_ms - int(told_ms), time_ms - int(seen_ms)
        quiet, speech, same_pulse = self._known.get(own_ms or new_ms) or self._worth(own_ms or new_ms)
        if not own_ms:
            return quiet
        found = same_pulse if again else speech
        return found if new_ms >= own_ms else share_of(found, new_ms / own_ms)

    def _worth(self, gap_ms: int) -> tuple[Evidence, Evidence, Evidence]:
        """Give what (nothing, something, something again) means after a gap, which is as good as known to a tenth."""
        tenths = round(10 * log2(max(gap_ms / 1000, _SHORTEST_GAP_S)))
        seconds = min(2 ** (tenths / 10), _LONGEST_GAP_S)
        quiet = self._flow.likelihood(self._rest, seconds)
        loud = [1 - likelihood for likelihood in quiet]
        again = evidence(loud, self._share * share_again(seconds))
        worth = evidence(quiet, self._share), evidence(loud, self._share), again
        if len(self._known) >= _GAPS_KNOWN:
            self._known.clear()
        self._known[gap_ms] = worth
        return worth
