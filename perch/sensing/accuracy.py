"""How right an estimate was, where somebody knows what was true.

A *look* is a moment of which the truth is known, beside what was said of it; looks are evenly spaced, or each counts
for one. A *run* is looks that follow each other without a hole. `unknown` is not offered to anybody, so it counts as
occupied in every yes or no, and its share is told beside it: a figure is worth nothing beside a large one.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from math import log
from typing import NamedTuple

from perch.model import State

SURE = 0.001
"""No probability counts as surer than this: a single look is never worth more than 7 nats."""


class Look(NamedTuple):
    """What was true at a moment, and what was said; a probability may be missing."""

    occupied: bool
    state: State
    probability: float | None = None


@dataclass(frozen=True, slots=True)
class Tally:
    """Looks, counted; tallies of different runs add up.

    `seen` and `missed` were occupied, `imagined` and `rightly_free` vacant; `changes` and `true_changes` are those of
    yes and no between neighbouring looks; `squares` and the nats are sums over looks that had a probability.
    """

    seen: int = 0
    missed: int = 0
    imagined: int = 0
    rightly_free: int = 0
    unknown: int = 0
    changes: int = 0
    true_changes: int = 0
    weighed: int = 0
    squares: float = 0.0
    nats_occupied: float = 0.0
    nats_vacant: float = 0.0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))

    @property
    def looks(self) -> int:
        """How many there were."""
        return self.seen + self.missed + self.imagined + self.rightly_free

    @property
    def precision(self) -> float | None:
        """The share of looks said to be occupied that were."""
        return _ratio(self.seen, self.seen + self.imagined)

    @property
    def recall(self) -> float | None:
        """The share of occupied looks that were said to be so."""
        return _ratio(self.seen, self.seen + self.missed)

    @property
    def specificity(self) -> float | None:
        """The share of vacant looks that were said to be so."""
        return _ratio(self.rightly_free, self.rightly_free + self.imagined)

    @property
    def f1(self) -> float | None:
        """The harmonic mean of precision and recall."""
        return _ratio(2 * self.seen, 2 * self.seen + self.missed + self.imagined)

    @property
    def balanced(self) -> float | None:
        """Balanced accuracy: the mean of recall and specificity."""
        return _mean(self.recall, self.specificity)

    @property
    def false_vacant(self) -> float | None:
        """Minutes said to be free in an occupied hour."""
        return None if self.recall is None else 60 * (1 - self.recall)

    @property
    def false_occupied(self) -> float | None:
        """Minutes not said to be free in a vacant hour."""
        return None if self.specificity is None else 60 * (1 - self.specificity)

    @property
    def flaps(self) -> float:
        """Changes of the estimate for each true one (at least one is taken to be there)."""
        return self.changes / max(self.true_changes, 1)

    @property
    def brier(self) -> float | None:
        """The mean squared error of the probability."""
        return _ratio(self.squares, self.weighed)

    @property
    def balanced_nats(self) -> float | None:
        """The mean surprise by the truth, in nats; occupied and vacant looks count for the same in all."""
        occupied = _ratio(self.nats_occupied, self.seen + self.missed)
        return _mean(occupied, _ratio(self.nats_vacant, self.imagined + self.rightly_free))

    @property
    def unknown_share(self) -> float | None:
        """The share of looks at which nothing could be said."""
        return _ratio(self.unknown, self.looks)


def tally(run: Iterable[Look]) -> Tally:
    """Count one run of looks in order of time."""
    counts = [0, 0, 0, 0]  # rightly free, imagined, missed, seen
    unknown = changes = true_changes = weighed = 0
    squares, nats = 0.0, [0.0, 0.0]
    before: tuple[bool, bool] | None = None
    for occupied, state, probability in run:
        said = state is not State.FREE
        counts[2 * occupied + said] += 1
        unknown += state is State.UNKNOWN
        if before is not None:
            true_changes += before[0] != occupied
            changes += before[1] != said
        before = occupied, said
        if probability is not None:
            weighed += 1
            squares += (probability - occupied) ** 2
            nats[occupied] -= log(max(probability if occupied else 1 - probability, SURE))
    rightly_free, imagined, missed, seen = counts
    counted = (seen, missed, imagined, rightly_free, unknown, changes, true_changes, weighed)
    return Tally(*counted, squares, nats[True], nats[False])


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _mean(one: float | None, other: float | None) -> float | None:
    """Give the mean of both, or the one that there is."""
    known = [value for value in (one, other) if value is not None]
    return sum(known) / len(known) if known else None
