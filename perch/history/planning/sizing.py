"""How many desks would do: from the peaks of days that were well observed, with the whole shortfall curve.

A day counts if the site was open and at least `COVERAGE_WANTED` of its time observed. Its peak is the largest number
occupied at one moment. Fewer than `LEAST_DAYS` such days give no number.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from perch.errors import QuestionError
from perch.history.asked import Asked, asked, groups_of, rows_asked
from perch.history.asking import check
from perch.history.calendar import Calendar
from perch.history.crowd import levels
from perch.history.planning.demand import KINDS_BY_SIZE, demand
from perch.history.planning.groups import GroupSize, rooms_by_group
from perch.history.planning.quantiles import enough, unseen
from perch.history.profiles import Crowd
from perch.history.question import Hours, Question, Resolution
from perch.history.source import HistorySource, Integers
from perch.history.unobserved import COVERAGE_WANTED
from perch.model import Site, SpaceKind

LEAST_DAYS = 20


class Shortfall(NamedTuple):
    """With so many desks, on which share of days somebody would find none, and how many then at the worst moment."""

    desks: int
    short_days_ratio: float
    people_without: float


@dataclass(frozen=True, slots=True)
class Unseen:
    """What would be enough with the demand that a full house turned away, if the assumption holds."""

    desks_for_days: int
    assumption: str


@dataclass(frozen=True, slots=True)
class Sizing:
    """An answer; numbers are None where history is too short. `interval` may have no upper end.

    `by_group_size` is of rooms, where everybody was counted.
    """

    to_ms: int
    current: int
    desks_for_days: int | None
    interval: tuple[int, int | None] | None
    desks_for_time: int | None
    curve: tuple[Shortfall, ...]
    days: int
    full_days: int
    coverage: float | None
    unseen: Unseen | None
    by_group_size: tuple[GroupSize, ...] | None
    warnings: tuple[str, ...]


class _Day(NamedTuple):
    """What a day that counts was like."""

    from_ms: int
    to_ms: int
    peak: int
    peak_if_occupied: int
    full: bool


def sizing(
    site: Site,
    kind: SpaceKind,
    from_ms: int,
    to_ms: int,
    share: float,
    source: HistorySource,
    calendar: Calendar,
    now_ms: int,
) -> Sizing:
    """Size the spaces of a kind for a share of days and of open time; raises QuestionError."""
    if not 0.5 <= share < 1:
        raise QuestionError("share", f"{share:g} is no share of days that can be planned for", "ask for 0.5 up to 0.99")
    about = _asked(site, kind, from_ms, to_ms, calendar, now_ms)
    end_ms = about.to_ms
    current = sum(row.from_ms < end_ms <= row.to_ms for row in about.chosen)
    measured, spent_ms = levels(about, source)
    days = _days(measured, about.steps_ms)
    known_ms, inventory_ms = int(measured.known_ms.sum()), int(measured.inventory_ms.sum())
    coverage = known_ms / inventory_ms if inventory_ms else None
    left_out = int((measured.days > 0).sum()) - len(days)
    if len(days) < LEAST_DAYS:
        too_few = _too_few(len(days), left_out)
        return Sizing(end_ms, current, None, None, None, (), len(days), 0, coverage, None, None, (too_few,))
    peaks = [day.peak for day in days]
    of_days = enough(peaks, [day.peak_if_occupied for day in days], share)
    hidden = _unseen(days, share)
    groups = _groups(about, days, share, source) if kind in KINDS_BY_SIZE else None
    uncounted = kind in KINDS_BY_SIZE and groups is None
    return Sizing(
        end_ms,
        current,
        of_days.value,
        (of_days.low, of_days.high),
        _for_time(spent_ms, share),
        _curve(peaks, current),
        len(days),
        sum(day.full for day in days),
        coverage,
        hidden,
        groups,
        tuple(_warnings(days, left_out, of_days.high, hidden, uncounted=uncounted)),
    )


def _asked(site: Site, kind: SpaceKind, from_ms: int, to_ms: int, calendar: Calendar, now_ms: int) -> Asked:
    question = Question("peak_concurrent", from_ms, to_ms, Resolution.DAY, hours=Hours.OPEN, kind=kind.value)
    end_ms = check(question, site, now_ms)
    chosen = rows_asked(question, site, end_ms)
    steps_ms = calendar.steps_ms(Resolution.DAY, from_ms, end_ms)
    return asked(question, site, calendar, chosen, groups_of(question, site, chosen), steps_ms)


def _groups(about: Asked, days: Sequence[_Day], share: float, source: HistorySource) -> tuple[GroupSize, ...] | None:
    """Size rooms by groups; None where somebody was not counted."""
    stays = demand(about, source)
    if any(stay.seats == 0 for stay in stays):
        return None
    return rooms_by_group(stays, [(day.from_ms, day.to_ms) for day in days], share)


def _days(measured: Crowd, steps_ms: Integers) -> list[_Day]:
    columns = (measured.known_ms, measured.inventory_ms, measured.peak, measured.peak_if_occupied, measured.full_ms)
    table = np.stack([column[0] for column in columns], axis=1).tolist() if len(measured.days) else []
    return [
        _Day(from_ms, to_ms, peak, most, full_ms > 0)
        for (from_ms, to_ms), (known_ms, inventory_ms, peak, most, full_ms) in zip(
            pairwise(steps_ms.tolist()), table, strict=bool(table)
        )
        if inventory_ms and known_ms >= COVERAGE_WANTED * inventory_ms
    ]


def _for_time(spent_ms: Integers, share: float) -> int:
    """Give what is enough in a share of the time, of which so much was spent with 0, 1, 2, … of them occupied."""
    summed_ms = np.cumsum(spent_ms)
    return int(np.searchsorted(summed_ms, share * int(summed_ms[-1])))


def _curve(peaks: Sequence[int], current: int) -> tuple[Shortfall, ...]:
    """Say of each number of desks, from none to where nobody goes without, how often and how many go without."""
    found = []
    for desks in range(max(*peaks, current) + 1):
        short = [peak - desks for peak in peaks if peak > desks]
        found.append(Shortfall(desks, len(short) / len(peaks), sum(short) / len(short) if short else 0.0))
    return tuple(found)


def _unseen(days: Sequence[_Day], share: float) -> Unseen | None:
    """Estimate the demand that full days cut off."""
    full = [day.full for day in days]
    estimate = unseen([day.peak for day in days], full, share) if any(full) else None
    if estimate is None:
        return None
    return Unseen(estimate, "the days' demand is normally distributed, and on full days it was at least what there was")


def _warnings(
    days: Sequence[_Day], left_out: int, high: int | None, hidden: Unseen | None, *, uncounted: bool
) -> Sequence[str]:
    said = []
    if left_out:
        said.append(f"Open days left out, because less than {COVERAGE_WANTED:.0%} of them was observed: {left_out}.")
    if high is None:
        said.append(f"{len(days)} days are too few to say how many at most; the interval has no upper end.")
    full = sum(day.full for day in days)
    if full:
        more = "" if hidden else " How many more would have come cannot be told from so few other days."
        said.append(
            f"On {full} of {len(days)} days every one was taken at some moment: more may have been wanted.{more}"
        )
    if uncounted:
        said.append("Some groups were not counted, so there is nothing to say of rooms by the size of groups.")
    return said


def _too_few(days: int, left_out: int) -> str:
    others = f" ({left_out} more were observed too little)" if left_out else ""
    return f"There are {days} open days that were observed well enough{others}; {LEAST_DAYS} are the least to size by."
