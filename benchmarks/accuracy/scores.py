"""What a rule's sayings come to, beside the truth: the figures of the tables.

One look for each row of truth; `unknown` is not offered to anybody, so it counts as occupied.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from statistics import quantiles

from benchmarks.accuracy.recordings import Block
from benchmarks.accuracy.saying import Rule, Said
from perch.model import State
from perch.sensing.accuracy import Look, Tally, tally

LONG_MS = 300_000
"""Delays are told of vacancies and visits that last so long or longer."""

BINS = 10


@dataclass(slots=True)
class Score:
    """Figures over several blocks; delays in minutes, `bins` are (looks, sum of probabilities, occupied looks)."""

    counted: Tally = field(default_factory=Tally)
    releases: list[float] = field(default_factory=list)
    arrivals: list[float] = field(default_factory=list)
    count_errors: int = 0
    counts: int = 0
    bins: list[list[float]] = field(default_factory=lambda: [[0.0, 0.0, 0.0] for _ in range(BINS)])

    def add(self, moments: Sequence[int], people: Sequence[int], said: Sequence[Said]) -> None:
        """Count a run of looks in order of time."""
        looks = [Look(count > 0, one.state, one.probability) for count, one in zip(people, said, strict=True)]
        self.counted += tally(looks)
        for look in looks:
            if look.probability is not None:
                held = self.bins[min(int(look.probability * BINS), BINS - 1)]
                held[0] += 1
                held[1] += look.probability
                held[2] += look.occupied
        for count, one in zip(people, said, strict=True):
            if one.people is not None:
                self.counts += 1
                self.count_errors += abs(one.people - count)
        self._delays(moments, looks)

    @property
    def accuracy(self) -> float | None:
        """The share of looks at which the yes or no was right."""
        counted = self.counted
        return (counted.seen + counted.rightly_free) / counted.looks if counted.looks else None

    @property
    def count_error(self) -> float | None:
        """The mean error of the number of people."""
        return self.count_errors / self.counts if self.counts else None

    @property
    def release_minutes(self) -> float | None:
        """The median time until a vacancy was seen."""
        return _median(self.releases)

    @property
    def slow_release_minutes(self) -> float | None:
        """The time within which nine of ten vacancies were seen."""
        return quantiles(self.releases, n=10, method="inclusive")[-1] if len(self.releases) > 1 else None

    def _delays(self, moments: Sequence[int], looks: Sequence[Look]) -> None:
        before: Look | None = None
        for occupied, stretch in groupby(range(len(looks)), lambda place: looks[place].occupied):
            places = list(stretch)
            after = min(places[-1] + 1, len(looks) - 1)
            lasted_ms = moments[after] - moments[places[0]]
            if before is not None and lasted_ms >= LONG_MS and (before.state is not State.FREE) != occupied:
                seen = (moments[place] for place in places if (looks[place].state is not State.FREE) == occupied)
                delay_ms = next(seen, moments[places[0]] + lasted_ms) - moments[places[0]]
                (self.arrivals if occupied else self.releases).append(delay_ms / 60_000)
            before = looks[places[-1]]


def scored(rule: Rule, blocks: Iterable[Block]) -> Score:
    """Score one rule over blocks."""
    score = Score()
    for block in blocks:
        score.add(block.moments, block.people, rule(block.readings, block.moments))
    return score


def _median(values: Sequence[float]) -> float | None:
    ordered, half = sorted(values), len(values) // 2
    if not ordered:
        return None
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2
