"""How right Perch was, as far as people looked: figures with intervals, or why there are none yet.

Looks at unknown time are counted apart: whoever says nothing is neither right nor wrong. For the width of an interval
the looks of one space within one quarter hour count as one, since they tell the same thing again; truth by the minute
would seem surer than it is otherwise.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from perch.history.intervals import Interval, by_days, wilson
from perch.history.looks import Compared
from perch.model import DAY_MS, QUARTER_MS, State

ENOUGH = 20
"""So many looks, in different quarter hours or spaces, are the least for a figure."""

ENOUGH_DAYS = 5
"""On so many days, the least for an interval over days."""


NOT_ENOUGH = "not enough yet"


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure from so many looks, with its interval of 95 %; all null and `why` where these are not enough."""

    looks: int
    value: float | None
    low: float | None
    high: float | None
    why: str | None

    def times(self, factor: float) -> "Estimate":
        """Give the same in another unit."""
        if self.value is None or self.low is None or self.high is None:
            return self
        value, low, high = (round(number * factor, 3) for number in (self.value, self.low, self.high))
        return Estimate(self.looks, value, low, high, None)


@dataclass(frozen=True, slots=True)
class Figures:
    """What looks tell. Of those at known time `seen` and `missed` were occupied, `imagined` and `rightly_free` vacant.

    `precision`: of what was said to be occupied, the share that was. `recall`: of what was occupied, the share said to
    be. `false_vacant` and `false_occupied`: the share of occupied (vacant) looks at which Perch said the contrary;
    `false_vacant_minutes` the same as minutes of an occupied hour. `brier`: mean squared error of the probability.
    """

    looks: int
    unknown: int
    seen: int
    missed: int
    imagined: int
    rightly_free: int
    precision: Estimate
    recall: Estimate
    false_vacant: Estimate
    false_vacant_minutes: Estimate
    false_occupied: Estimate
    brier: Estimate
    unknown_share: Estimate


class _Sorted(NamedTuple):
    seen: list[Compared]
    missed: list[Compared]
    imagined: list[Compared]
    rightly_free: list[Compared]


def figures(looks: Sequence[Compared]) -> Figures:
    """Judge what was said at these looks."""
    known = [one for one in looks if one.said.state is not State.UNKNOWN]
    of = _sorted(known)
    false_vacant = _share(of.missed, [*of.seen, *of.missed])
    return Figures(
        len(looks),
        len(looks) - len(known),
        len(of.seen),
        len(of.missed),
        len(of.imagined),
        len(of.rightly_free),
        precision=_share(of.seen, [*of.seen, *of.imagined]),
        recall=_share(of.seen, [*of.seen, *of.missed]),
        false_vacant=false_vacant,
        false_vacant_minutes=false_vacant.times(60),
        false_occupied=_share(of.imagined, [*of.imagined, *of.rightly_free]),
        brier=_brier(known),
        unknown_share=_share([one for one in looks if one.said.state is State.UNKNOWN], looks),
    )


def _sorted(known: Sequence[Compared]) -> _Sorted:
    def those(occupied: bool, state: State) -> list[Compared]:
        return [one for one in known if (one.occupied, one.said.state) == (occupied, state)]

    taken, free = State.OCCUPIED, State.FREE
    return _Sorted(those(True, taken), those(True, free), those(False, taken), those(False, free))


def apart(looks: Sequence[Compared]) -> int:
    """Count looks, those of one space within one quarter hour as one."""
    return len({(one.site, one.look.space, one.look.time_ms // QUARTER_MS) for one in looks})


def _share(part: Sequence[Compared], whole: Sequence[Compared]) -> Estimate:
    number = apart(whole)
    if number < ENOUGH:
        return _not_enough(whole, f"{number} of {ENOUGH} looks")
    share = len(part) / len(whole)
    return _estimate(whole, share, wilson(share, number))


def _brier(known: Sequence[Compared]) -> Estimate:
    number = apart(known)
    days: dict[int, tuple[float, int]] = {}
    for one in known:
        total, values = days.get(day := one.look.time_ms // DAY_MS, (0.0, 0))
        days[day] = total + (one.said.probability - one.occupied) ** 2, values + 1
    if number < ENOUGH:
        return _not_enough(known, f"{number} of {ENOUGH} looks")
    if len(days) < ENOUGH_DAYS:
        return _not_enough(known, f"looks on {len(days)} of {ENOUGH_DAYS} days")
    mean = sum(total for total, _ in days.values()) / len(known)
    low, high = by_days(list(days.values()))
    return _estimate(known, mean, Interval(max(0.0, low), min(1.0, high)))


def _estimate(looks: Sequence[Compared], value: float, interval: Interval) -> Estimate:
    return Estimate(len(looks), round(value, 4), round(interval.low, 4), round(interval.high, 4), None)


def _not_enough(looks: Sequence[Compared], have: str) -> Estimate:
    return Estimate(len(looks), None, None, None, f"{NOT_ENOUGH}: {have}")


@dataclass(frozen=True, slots=True)
class Standard:
    """What a figure should reach, and which way is worse."""

    name: str
    of: Callable[[Figures], Estimate]
    bound: float
    least: bool

    def missed_by(self, judged: Figures) -> str | None:
        """Say how it is missed; None where it is not, or where the interval does not show it."""
        found = self.of(judged)
        if found.value is None or found.low is None or found.high is None:
            return None
        if found.high >= self.bound if self.least else found.low <= self.bound:
            return None
        word = "at least" if self.least else "at most"
        return f"{self.name} is {found.value} ({found.low} to {found.high}) and should be {word} {self.bound}"


STANDARDS = (
    Standard("recall", lambda judged: judged.recall, 0.95, True),
    Standard("precision", lambda judged: judged.precision, 0.9, True),
    Standard("the Brier score", lambda judged: judged.brier, 0.1, False),
)
"""Below these a fit is suggested, once the whole interval lies on the wrong side."""


def shortfalls(judged: Figures) -> tuple[str, ...]:
    """Say which standards are missed for sure."""
    return tuple(said for standard in STANDARDS if (said := standard.missed_by(judged)) is not None)
