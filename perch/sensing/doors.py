"""How many people there are, from beams in a door that miss some of them and take some for leaving that come.

The count is a distribution over 1, 2, … people, given that somebody is there; that nobody is there is the estimator's
own question, to which every other sensor has a word. So the count is never reset by a timer: what says that a room is
empty takes all its people away at once, and what says that somebody is there leaves at least one.

Each crossing is counted the wrong way with a small chance; before each, one or two may have been missed. Crossings of
one moment are taken together, those who come first, so that their order changes nothing.
"""

from collections.abc import Sequence
from typing import NamedTuple

from perch.model import Reason, Sensor
from perch.sensing.chain import Rates, Weights, normalised
from perch.sensing.voices import NEVER_MS, NOTHING, Evidence, Heard, heard_as, scaled, silence_limit_ms

Crowd = tuple[float, ...]
"""How likely 1, 2, … people are, given that there is somebody; sums to 1."""

MISSED = 0.05
WRONG = 0.01
MOST_PEOPLE = 60
CROSSING_RATES: Rates = (1 / 5000, 1 / 900, 1 / 900, 1 / 900)
"""How often somebody crosses a door, per second: where nobody has for hours a room is empty, whatever was counted."""

ALONE: Crowd = (1.0,)


class Beam:
    """A beam in a door, as far as its silence goes; what its crossings mean is counted apart."""

    __slots__ = ("_limit_ms", "_rates", "reason", "sensor")

    can_vouch = True
    remembers = 0

    def __init__(self, sensor: Sensor, share: float, quiet_limit_ms: int) -> None:
        self.sensor = sensor
        self.reason = Reason.COUNT
        self._rates = scaled(CROSSING_RATES, share)
        self._limit_ms = silence_limit_ms(sensor, quiet_limit_ms)

    def __repr__(self) -> str:
        return f"<Beam of {self.sensor.id}>"

    def begin(self, time_ms: int) -> Heard:
        """Begin with nothing heard."""
        return Heard(None, 0.0, time_ms + self._limit_ms)

    def found(self, heard: Heard, level: float) -> tuple[Heard, Evidence]:
        """Take in the level of the pin: nobody crossed."""
        return heard._replace(value=level), NOTHING

    def hear(self, _heard: Heard, time_ms: int, value: float) -> tuple[Heard, Evidence]:
        """Take in a crossing, or its end."""
        return heard_as((time_ms, value, time_ms + self._limit_ms, None, ())), NOTHING

    def lapse(self, heard: Heard, _time_ms: int) -> tuple[Heard, Evidence]:
        """Fall silent."""
        return heard._replace(silent=Reason.SENSOR_SILENT, due_ms=NEVER_MS), NOTHING

    def speaks(self, heard: Heard) -> Rates | None:
        """While nobody crosses, it becomes likelier that nobody is there to do so."""
        return None if heard.silent else self._rates

    def vouches(self, heard: Heard) -> bool:
        """Tell whether a door that nobody goes through says that nobody is there."""
        return not heard.silent

    def is_on(self, _heard: Heard) -> bool:
        """Who crosses a door is not seen once they are through."""
        return False


class Crossings(NamedTuple):
    """The crossings of one moment, and how many people there were before it."""

    before: Crowd
    came: int = 0
    went: int = 0

    def and_one(self, *, into: bool) -> "Crossings":
        """Give these and one more."""
        return self._replace(came=self.came + into, went=self.went + (not into))


def crossed(weights: Weights, crossings: Crossings, capacity: int | None) -> tuple[Weights, Crowd]:
    """Let people come and go: gives what the space is doing, and how many there are, after it."""
    people = joint(weights, crossings.before)
    room = min(capacity or MOST_PEOPLE, MOST_PEOPLE)
    for step in (*[1] * crossings.came, *[-1] * crossings.went):
        people = _stepped(_mixed(people, MISSED, room), step, room)
    return _parted(weights, people)


def joint(weights: Weights, crowd: Crowd) -> list[float]:
    """Give how likely 0, 1, 2, … people are."""
    present = 1 - weights[0]
    return [weights[0], *(present * share for share in crowd)]


def settled(crowd: Crowd, before: float, arriving: float) -> Crowd:
    """Mix in those who came unseen, and are taken to be alone: `before` and `arriving` are probabilities."""
    whole = before + arriving
    if arriving <= 0 or len(crowd) == 1:
        return crowd
    mixed = [share * before / whole for share in crowd]
    mixed[0] += arriving / whole
    return tuple(mixed)


def most_likely(crowd: Crowd) -> int:
    """Give the median number of people."""
    total = 0.0
    for people, share in enumerate(crowd, 1):
        total += share
        if total >= 0.5:
            return people
    return max(len(crowd), 1)


def _mixed(people: Sequence[float], missed: float, room: int) -> list[float]:
    """Let somebody have come or gone unseen."""
    came, went = _shifted(people, 1, room), _shifted(people, -1, room)
    return [
        (1 - missed) * one + missed / 2 * (a + b)
        for one, a, b in zip(_padded(people, len(came)), came, _padded(went, len(came)), strict=True)
    ]


def _stepped(people: Sequence[float], step: int, room: int) -> list[float]:
    right, wrong = _shifted(people, step, room), _shifted(people, -step, room)
    size = max(len(right), len(wrong))
    return [(1 - WRONG) * a + WRONG * b for a, b in zip(_padded(right, size), _padded(wrong, size), strict=True)]


def _shifted(people: Sequence[float], step: int, room: int) -> list[float]:
    """Move everything by one person; nobody goes who is not there, and no more come than have room."""
    if step > 0:
        moved = [0.0, *people]
        if len(moved) > room + 1:
            last = moved.pop()
            moved[-1] += last
        return moved
    if len(people) == 1:
        return list(people)
    return [people[0] + people[1], *people[2:]]


def _padded(people: Sequence[float], size: int) -> list[float]:
    return [*people, *[0.0] * (size - len(people))]


def _parted(weights: Weights, people: Sequence[float]) -> tuple[Weights, Crowd]:
    """Part what is known of people from what the space is doing; who crossed a door is moving."""
    present = sum(people[1:])
    _, moving, still, deep = weights
    before = moving + still + deep
    share = min(before, present) / before
    moving += max(present - before, 0.0)
    parted = normalised((people[0], moving * share if present < before else moving, still * share, deep * share))
    if present <= 0:
        return parted, ALONE
    crowd = [one / present for one in people[1:]]
    while len(crowd) > 1 and crowd[-1] < 1e-6:
        crowd.pop()
    return parted, tuple(crowd)
