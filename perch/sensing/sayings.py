"""What a sensor said in labelled time, counted: while nobody was there, and while somebody was.

Each voice is asked for what it makes of its readings, so that what is counted is what the estimator hears. Passers-by
trigger a sensor several times and people stir in bursts: what lies within `APART_MS` counts as one observation when it
is asked how sure a result is.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from perch.model import LearnedSensor, Reading
from perch.sensing.chain import Rates, Weights
from perch.sensing.evidence import ON, is_repeated
from perch.sensing.labels import Truth
from perch.sensing.posterior import Known, rate
from perch.sensing.voices import NOTHING, Evidence, Heard, Voice

APART_MS = 300_000
WORTH_VACANT_S = 4 * 3600.0
"""What the factory's rate of a vacant space is worth: it speaks so seldom that an hour would be one event."""

WORTH_LOOKS = 12.0
"""What the factory's other numbers are worth: an hour of observations that are `APART_MS` apart."""

FACTORS = (0.2, 5.0)
PER_HOUR = (0.01, 60.0)


class Taught(NamedTuple):
    """One number that was learned: which, in what unit, what the factory says, and what it is now."""

    name: str
    unit: str
    factory: float
    known: Known

    def along_with(self, others: Sequence[str]) -> "Taught":
        """Give the same number where it is of several sensors that speak as one."""
        return self._replace(name=f"{self.name}, together with {' and '.join(others)}") if others else self


Lessons = tuple[LearnedSensor, list[Taught]]
"""What was learned of a sensor, and the same as a person reads it."""


class Said(NamedTuple):
    """What a voice made of a reading: from the one before on it had heard `before`, and now `after`."""

    from_ms: int
    time_ms: int
    before: Heard
    after: Heard
    evidence: Evidence

    @property
    def seconds(self) -> float:
        """How long nothing was read before it."""
        return (self.time_ms - self.from_ms) / 1000


Statements = Sequence[tuple[Truth, Sequence[Said]]]
"""What a sensor said in each lesson, beside the truth."""


class Count:
    """Events in a time of one kind: how many, and how many of them apart from each other."""

    __slots__ = ("apart", "events", "last_ms", "seconds")

    def __init__(self) -> None:
        self.seconds = 0.0
        self.events = self.apart = 0
        self.last_ms: int | None = None

    def __repr__(self) -> str:
        return f"<Count of {self.events} events, {self.apart} apart, in {self.seconds} s>"

    def add(self, time_ms: int) -> None:
        """Count an event; times go forward."""
        self.events += 1
        if self.last_ms is None or not 0 <= time_ms - self.last_ms < APART_MS:
            self.apart += 1
            self.last_ms = time_ms

    def per_hour(self, usual: float, bounds: tuple[float, float]) -> Known:
        """Give how often it happens, where `usual` (per second) is as good as known for hours."""
        discount = self.apart / self.events if self.events else 1.0
        known = rate(3600 * usual, WORTH_VACANT_S / 3600, self.apart, discount * self.seconds / 3600)
        return bounded(known, bounds)


def by_sensor(readings: Sequence[Reading]) -> dict[str, list[Reading]]:
    """Sort readings by sensor, in order of time still."""
    sorted_: dict[str, list[Reading]] = {}
    for reading in readings:
        sorted_.setdefault(reading.sensor, []).append(reading)
    return sorted_


def in_chorus(readings: Mapping[str, Sequence[Reading]], sensors: Sequence[str]) -> list[Reading]:
    """Give what motion sensors that speak as one said, at the moments of the one that is read most often.

    Each reading says whether any of them saw something since the one before.
    """
    lead = max(sensors, key=lambda sensor: len(readings.get(sensor, ())))
    others = sorted(
        (one for sensor in sensors if sensor != lead for one in readings.get(sensor, ()) if one.value > ON),
        key=lambda one: one.time_ms,
    )
    together, place = [], 0
    for reading in readings.get(lead, ()):
        seen = reading.value > ON
        while place < len(others) and others[place].time_ms <= reading.time_ms:
            seen, place = True, place + 1
        together.append(Reading(reading.time_ms, reading.sensor, float(seen)))
    return together


def said_by(voice: Voice, readings: Sequence[Reading], until_ms: int) -> tuple[Said, ...]:
    """Ask a voice what it makes of its readings, and of the silence after them if that says anything."""
    return tuple(_said(voice, readings, until_ms))


def _said(voice: Voice, readings: Sequence[Reading], until_ms: int) -> Iterator[Said]:
    if not readings:
        return
    heard = voice.begin(readings[0].time_ms)
    for reading in readings:
        if _is_no_news(voice, heard, reading):
            continue
        while heard.due_ms <= reading.time_ms:
            heard, _ = voice.lapse(heard, heard.due_ms)
        after, evidence = voice.hear(heard, reading.time_ms, reading.value)
        from_ms = reading.time_ms if heard.said_ms is None else heard.said_ms
        yield Said(from_ms, reading.time_ms, heard, after, evidence)
        heard = after
    if voice.sensor.edge_driven and heard.said_ms is not None and heard.said_ms < until_ms:
        yield Said(heard.said_ms, until_ms, heard, heard, NOTHING)


def _is_no_news(voice: Voice, heard: Heard, reading: Reading) -> bool:
    """Tell whether the estimator would not listen: the same once more."""
    if heard.said_ms == reading.time_ms and heard.value == reading.value:
        return True
    return heard.said_ms is not None and is_repeated(voice.sensor, heard.value, reading.value)


def hours(statements: Statements) -> tuple[float, float]:
    """Give how long it was vacant, and how long occupied, while the sensor was heard."""
    vacant = occupied = 0.0
    for truth, sayings in statements:
        for said in sayings:
            a, b = truth.seconds(said.from_ms, said.time_ms)
            vacant, occupied = vacant + a, occupied + b
    return vacant / 3600, occupied / 3600


def bounded(known: Known, bounds: tuple[float, float]) -> Known:
    """Keep a number within what can be."""
    low, high = bounds
    value, below, above = (min(max(one, low), high) for one in known)
    return Known(value, below, above)


def factor(ratio: float, looks: float) -> Known:
    """Give how many times as often as usual, where `ratio` was seen in so many independent looks."""
    return bounded(rate(1.0, WORTH_LOOKS, ratio * looks, looks), FACTORS)


def of_those_present(rest: Weights, rates: Rates) -> float:
    """Give the mean of what is known by state over all who are there."""
    return sum(weight * one for weight, one in zip(rest[1:], rates[1:], strict=True)) / sum(rest[1:])
