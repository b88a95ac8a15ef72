"""What a sensor is to the estimator: a voice that says something about what a space is doing.

A voice is a rule and keeps nothing: what was heard of it is a value beside it. Evidence is how much likelier a reading
is in each state of the chain, as a logarithm in millionths, so that readings of one moment add up exactly, in whatever
order they came.
"""

from collections.abc import Callable, Hashable, Sequence
from functools import lru_cache, partial
from math import log
from typing import Any, NamedTuple, Protocol

from perch.model import Reason, Sensor
from perch.sensing.chain import Rates

Evidence = tuple[int, int, int, int]
"""Logarithms of likelihoods in millionths, by state; what all four have in common means nothing."""

NOTHING: Evidence = (0, 0, 0, 0)
NATS = 1_000_000

MISSED_SAMPLES = 3.5
"""A sampled sensor is silent once its third sample in a row is half an interval overdue."""

NEVER_MS = 2**62

PRIOR = 0.5
"""How likely somebody is there where nothing is known."""


class Heard(NamedTuple):
    """What a sensor last said and when (None: nothing yet); at `due_ms` it has something to say by its silence.

    `silent` is why it is no longer listened to. `memory` is what its voice keeps of the past: numbers, at most a dozen.
    """

    said_ms: int | None
    value: float
    due_ms: int
    silent: Reason | None = None
    memory: tuple[float, ...] = ()


heard_as: Callable[[tuple[int | None, float, int, Reason | None, tuple[float, ...]]], Heard]
heard_as = partial(tuple.__new__, Heard)
"""Its constructor in a third of the time, for what happens with each reading."""


class Voice(Protocol):
    """How one kind of sensor is understood. Laws:

    - Everything is a function of its arguments; times are ms and never go back.
    - `hear` takes finite values only; a reading that says nothing gives NOTHING.
    - `reason` is why a space is occupied when this voice says so.
    """

    sensor: Sensor
    reason: Reason
    can_vouch: bool
    """Whether its quiet can ever say that a space is empty."""

    remembers: int
    """How many numbers of its memory outlive a restart: those that say what is usual, not what just happened."""

    def begin(self, time_ms: int) -> Heard:
        """Give what is known at the start."""
        ...

    def found(self, heard: Heard, level: float) -> tuple[Heard, Evidence]:
        """Take in the level of an edge-driven sensor as it was found on its pin at the start."""
        ...

    def hear(self, heard: Heard, time_ms: int, value: float) -> tuple[Heard, Evidence]:
        """Take in a reading."""
        ...

    def lapse(self, heard: Heard, time_ms: int) -> tuple[Heard, Evidence]:
        """Let `due_ms` come."""
        ...

    def speaks(self, heard: Heard) -> Rates | None:
        """Give how soon it would speak (per second) in each state; None where its silence says nothing."""
        ...

    def vouches(self, heard: Heard) -> bool:
        """Tell whether its quiet says by now that the space is empty."""
        ...

    def is_on(self, heard: Heard) -> bool:
        """Tell whether it sees somebody at this very moment."""
        ...


class Sampled:
    """What all voices have in common that are read at intervals: only samples count, and their absence says nothing."""

    __slots__ = ("_limit_ms", "reason", "sensor")

    can_vouch = True
    remembers = 0

    def __init__(self, sensor: Sensor, reason: Reason) -> None:
        self.sensor = sensor
        self.reason = reason
        self._limit_ms = silence_limit_ms(sensor, NEVER_MS)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.sensor.id}>"

    def begin(self, time_ms: int) -> Heard:
        """Begin with nothing heard."""
        return Heard(None, 0.0, time_ms + self._limit_ms)

    def found(self, heard: Heard, _level: float) -> tuple[Heard, Evidence]:
        """What is read at intervals is not read between them."""
        return heard, NOTHING

    def lapse(self, heard: Heard, _time_ms: int) -> tuple[Heard, Evidence]:
        """Fall silent: samples are missing."""
        return heard._replace(silent=Reason.SENSOR_SILENT, due_ms=NEVER_MS), NOTHING

    def speaks(self, _heard: Heard) -> Rates | None:
        """A missing sample says nothing."""
        return None

    def vouches(self, heard: Heard) -> bool:
        """Tell whether its quiet says that nobody is there: as soon as it was read."""
        return self.can_vouch and heard.said_ms is not None and not heard.silent

    def is_on(self, _heard: Heard) -> bool:
        """A sample speaks of the time before it, not of this moment."""
        return False


@lru_cache(maxsize=256)
def recurring(*_of: Hashable) -> dict[Any, Any]:
    """Give the table of results that recur for some numbers: one for all voices with the same ones, of any space."""
    return {}


def evidence(likelihoods: Sequence[float], share: float = 1.0) -> Evidence:
    """Turn likelihoods by state into evidence, of which only a share counts."""
    a, b, c, d = (round(share * NATS * log(max(likelihood, 1e-12))) for likelihood in likelihoods)
    return a, b, c, d


def added(one: Evidence, other: Evidence) -> Evidence:
    """Add up two pieces of evidence, exactly."""
    a, b, c, d = one
    e, f, g, h = other
    return a + e, b + f, c + g, d + h


def more(one: Evidence, other: Evidence) -> Evidence:
    """Give what one piece of evidence says more than another."""
    a, b, c, d = one
    e, f, g, h = other
    return a - e, b - f, c - g, d - h


def share_of(said: Evidence, share: float) -> Evidence:
    """Give a share of some evidence."""
    a, b, c, d = said
    return round(a * share), round(b * share), round(c * share), round(d * share)


def scaled(rates: Rates, share: float) -> Rates:
    """Give a share of some rates."""
    a, b, c, d = rates
    return a * share, b * share, c * share, d * share


def silence_limit_ms(sensor: Sensor, quiet_limit_ms: int) -> int:
    """Give after what time without a word a sensor is ill."""
    return quiet_limit_ms if sensor.every_ms is None else int(sensor.every_ms * MISSED_SAMPLES)
