"""Sound and light: weak voices, that are only ever compared with what is usual in their own place.

No unit is asked of them. A sound sensor learns how loud silence is and by how much that trembles; what stands out is a
sign of somebody; one that never heard anything stand out may be deaf, and its quiet vouches for nothing. Light tells
only when it jumps: somebody switched it, or passed; the sun moves slowly. That it stays as it is says nothing.
"""

from functools import lru_cache
from math import exp, log

from perch.model import Reason, Sensor
from perch.sensing.chain import Rates
from perch.sensing.learned import shares
from perch.sensing.voices import NOTHING, Evidence, Heard, Sampled, evidence, heard_as, recurring

LOUD: Rates = (0.03, 0.6, 0.35, 0.25)
"""How often a sample stands out, by state: empty, moving, still, deep in work."""

STANDS_OUT = 5.0
"""In units of how much silence trembles."""

WORTH_PER_MINUTE = 0.8
_TREMBLES_AT_LEAST = 0.05
_LONGEST_GAP_S = 75.0
_LONGEST_MEMORY_S = 300.0
_PACES_S = 300.0, 6 * 3600.0, 24 * 3600.0, 3600.0
"""How soon what is taken for silence falls, rises, rises while it is loud, and how soon its trembling is known."""

JUMPS: Rates = (0.004, 0.05, 0.012, 0.006)
"""How often light jumps from one sample to the next, by state."""

JUMP = 0.25
"""A change of light by a quarter, whatever its unit; near darkness only what is bright enough to count."""

_JUMP_WORTH = 0.5
_BRIGHTEST_SHARE = 0.05


@lru_cache(maxsize=256)
def passed(gap_s: float) -> tuple[float, ...]:
    """Give how much of the way silence goes in a time when it falls, rises, rises loudly, and its trembling."""
    return tuple(1 - exp(-gap_s / seconds) for seconds in _PACES_S)


class Sound(Sampled):
    """A sound level, in any unit that grows with loudness."""

    __slots__ = ("_known", "_loud", "_share")

    remembers = 3

    def __init__(self, sensor: Sensor, share: float) -> None:
        super().__init__(sensor, Reason.PRESENCE)
        self._share = share
        self._loud = shares(LOUD, sensor.learned)
        self._known: dict[int, tuple[Evidence, Evidence]] = recurring("sound", self._loud, share)

    def hear(self, heard: Heard, time_ms: int, value: float) -> tuple[Heard, Evidence]:
        """Take in a sample; the first one is taken for silence."""
        due_ms = time_ms + self._limit_ms
        said_ms, _, _, _, memory = heard
        if not memory:
            return heard_as((time_ms, value, due_ms, None, (value, abs(value) * 0.1, 0.0))), NOTHING
        silence, trembles, stood_out = memory
        gap_s = 0.0 if said_ms is None else min((time_ms - said_ms) / 1000, _LONGEST_MEMORY_S)
        falls, rises, rises_loudly, settles = passed(gap_s)
        excess = value - silence
        loud = excess > STANDS_OUT * max(trembles, _TREMBLES_AT_LEAST * abs(silence), 1e-9)
        if excess < 0:
            silence += excess * falls
        else:
            silence += min(excess, 3 * trembles) * (rises_loudly if loud else rises)
        if loud:
            stood_out = 1.0
        else:
            trembles += (1.5 * abs(excess) - trembles) * settles
        seconds = max(1, min(round(gap_s), int(_LONGEST_GAP_S)))
        worth = self._known.get(seconds) or self._worth(seconds)
        return heard_as((time_ms, value, due_ms, None, (silence, trembles, stood_out))), worth[loud]

    def vouches(self, heard: Heard) -> bool:
        """Tell whether its quiet says that nobody is there: once anything stood out, so that it is not deaf."""
        return not heard.silent and len(heard.memory) == self.remembers and heard.memory[-1] > 0

    def _worth(self, seconds: int) -> tuple[Evidence, Evidence]:
        """Give what (quiet, loud) means; samples that follow each other closely are nearly the same one."""
        share = self._share * WORTH_PER_MINUTE * seconds / 60
        self._known[seconds] = evidence([1 - likely for likely in self._loud], share), evidence(self._loud, share)
        return self._known[seconds]


class Light(Sampled):
    """A light level, in any unit that grows with brightness."""

    __slots__ = ("_worth",)

    can_vouch = False
    remembers = 1

    def __init__(self, sensor: Sensor, share: float) -> None:
        super().__init__(sensor, Reason.PRESENCE)
        self._worth = evidence(shares(JUMPS, sensor.learned), _JUMP_WORTH * share)

    def hear(self, heard: Heard, time_ms: int, value: float) -> tuple[Heard, Evidence]:
        """Take in a sample."""
        said_ms, before, _, _, memory = heard
        brightest = max(value, memory[0]) if memory else max(value, 0.0)
        after = heard_as((time_ms, value, time_ms + self._limit_ms, None, (brightest,)))
        least = _BRIGHTEST_SHARE * brightest
        if value == before or said_ms is None or least <= 0:
            return after, NOTHING
        jumped = abs(log((max(value, 0.0) + least) / (max(before, 0.0) + least))) > JUMP
        return after, self._worth if jumped else NOTHING
