"""Who is where: stays of single people, and visits of a space by one or several of them. Times are ms UTC."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from random import Random

from perch.venue.chance import exponential_ms, lognormal_ms

SHORT_GAPS = 0.8
"""Of the gaps between two movements of a seated person, so many are short."""

SHORT_GAP_S = 12.5
STILL_GAP_S, STILL_SIGMA = 150.0, 1.1
LEAST_GAP_MS = 90_000
"""Between two visits of one space lies at least this much, so that their sensors' pulses never mix."""


@dataclass(frozen=True, slots=True)
class Stay:
    """One person in one space; `stillness` stretches the gaps between movements (1.0 is ordinary)."""

    from_ms: int
    until_ms: int
    stillness: float = 1.0


@dataclass(frozen=True, slots=True)
class Visit:
    """One or several people who use a space together; visits of one space never overlap."""

    space: str
    stays: tuple[Stay, ...]

    @property
    def from_ms(self) -> int:
        """When the first of them comes."""
        return min(stay.from_ms for stay in self.stays)

    @property
    def until_ms(self) -> int:
        """When the last of them leaves."""
        return max(stay.until_ms for stay in self.stays)


@dataclass(frozen=True, slots=True)
class Presence:
    """Ground truth: from this moment on so many people are in a space."""

    time_ms: int
    space: str
    count: int


def a_stay(from_ms: int, until_ms: int, rng: Random) -> Stay:
    """Let somebody come whose restlessness is their own."""
    return Stay(from_ms, max(until_ms, from_ms + 20_000), min(max(rng.lognormvariate(0, 0.4), 0.4), 2.5))


def gathering(space: str, from_ms: int, until_ms: int, people: int, rng: Random) -> Visit:
    """Let several people meet: the first opens the room, the others drift in and out around the agreed times."""
    stays = [a_stay(from_ms, until_ms, rng)]
    slack_ms = min((until_ms - from_ms) // 5, 150_000)
    for _ in range(people - 1):
        late_ms, early_ms = int(slack_ms * rng.random()), int(slack_ms * rng.random())
        stays.append(a_stay(from_ms + late_ms, until_ms - early_ms, rng))
    return Visit(space, tuple(stays))


def movements(stay: Stay, rng: Random) -> Iterator[int]:
    """Give the moments at which a person moves enough for a motion sensor: first on coming, last on leaving."""
    at_ms = stay.from_ms
    while at_ms < stay.until_ms:
        yield at_ms
        short = rng.random() < SHORT_GAPS
        gap_ms = exponential_ms(rng, SHORT_GAP_S) if short else lognormal_ms(rng, STILL_GAP_S, STILL_SIGMA)
        at_ms += max(int(gap_ms * stay.stillness), 500)
    yield stay.until_ms


def presences(visit: Visit) -> list[Presence]:
    """Give how the number of people changes over a visit, from its first arrival to zero."""
    steps: dict[int, int] = {}
    for stay in visit.stays:
        steps[stay.from_ms] = steps.get(stay.from_ms, 0) + 1
        steps[stay.until_ms] = steps.get(stay.until_ms, 0) - 1
    count, told = 0, []
    for time_ms in sorted(steps):
        if steps[time_ms]:
            count += steps[time_ms]
            told.append(Presence(time_ms, visit.space, count))
    return told


def truth(visits: Iterable[Visit]) -> Iterator[Presence]:
    """Give ground truth of visits in the order in which they come."""
    for visit in visits:
        yield from presences(visit)
