"""How many desks would do: from the peaks of days that were well observed, with the whole shortfall curve.

A day counts if the site was open and at least `COVERAGE_WANTED` of its time observed. Its peak is the largest number
occupied at one moment. Fewer than `LEAST_DAYS` such days give no number.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from perch.errors import QuestionError
from perch.history.asked import Asked, asked
from perch.history.asking import check
from perch.history.calendar import Calendar
from perch.history.crowd import Levels, levels
from perch.history.planning.demand import KINDS_BY_SIZE, visits_seen
from perch.history.planning.groups import GroupSize, rooms_by_group
from perch.history.planning.pool import observed_pool
from perch.history.planning.quantiles import days_for_upper_end, enough, unseen
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


class Bounds(NamedTuple):
    """What the numbers are with unknown spaces as free, and as occupied; None where there is no number."""

    desks_for_days: tuple[int, int] | None = None
    desks_for_time: tuple[int, int] | None = None


class _Enough(NamedTuple):
    """What would do, with how sure that is; nothing where history is too short."""

    desks_for_days: int | None = None
    interval: tuple[int, int | None] | None = None
    desks_for_time: int | None = None
    bounds: Bounds = Bounds()
    curve: tuple[Shortfall, ...] = ()
    full_days: int = 0
    unseen: Unseen | None = None


@dataclass(frozen=True, slots=True)
class Sizing:
    """An answer; numbers are None where history is too short. `interval` may have no upper end.

    `days` are those that count, `days_wanted` those that an upper end needs. `by_group_size` is of rooms, where
    everybody was counted. `left_out` are spaces that were never observed; `current`, what stands there, is without.
    """

    to_ms: int
    current: int
    desks_for_days: int | None
    interval: tuple[int, int | None] | None
    desks_for_time: int | None
    bounds: Bounds
    curve: tuple[Shortfall, ...]
    full_days: int
    unseen: Unseen | None
    days: int
    days_wanted: int
    coverage: float | None
    by_group_size: tuple[GroupSize, ...] | None
    left_out: tuple[str, ...]
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
    question = _question(kind, from_ms, to_ms)
    end_ms = check(question, site, now_ms)
    pool = observed_pool(site, [(from_ms, end_ms)], source, calendar, [kind])
    about = asked(question, pool.site, calendar, end_ms)
    current = sum(row.from_ms < end_ms <= row.to_ms for row in about.chosen)
    measured = levels(about, source)
    days = _days(measured.crowd, about.steps_ms)
    left_out_days = int((measured.crowd.days > 0).sum()) - len(days)
    found = _enough(days, measured, share, current)
    sized = _groups(about, days, share, source) if found.interval and kind in KINDS_BY_SIZE else _Groups(None)
    return Sizing(
        to_ms=end_ms,
        current=current,
        **found._asdict(),
        days=len(days),
        days_wanted=days_for_upper_end(share),
        coverage=_coverage(measured.crowd),
        by_group_size=sized.sizes,
        left_out=pool.left_out,
        warnings=(*pool.warnings, *_warnings(days, left_out_days, found, share), *sized.warnings),
    )


def _question(kind: SpaceKind, from_ms: int, to_ms: int) -> Question:
    return Question("peak_concurrent", from_ms, to_ms, Resolution.DAY, hours=Hours.OPEN, kind=kind.value)


def _coverage(measured: Crowd) -> float | None:
    known_ms, inventory_ms = int(measured.known_ms.sum()), int(measured.inventory_ms.sum())
    return known_ms / inventory_ms if inventory_ms else None


def _enough(days: Sequence[_Day], measured: Levels, share: float, current: int) -> _Enough:
    """Say what would do; nothing where the days are too few."""
    if len(days) < LEAST_DAYS:
        return _Enough()
    peaks = [day.peak for day in days]
    of_days = enough(peaks, [day.peak_if_occupied for day in days], share)
    of_time, of_time_at_most = (_for_time(of, share) for of in (measured.spent_ms, measured.spent_if_occupied_ms))
    return _Enough(
        of_days.value,
        (of_days.low, of_days.high),
        of_time,
        Bounds((of_days.value, of_days.at_most), (of_time, of_time_at_most)),
        _curve(peaks, current),
        sum(day.full for day in days),
        _unseen(days, share),
    )


class _Groups(NamedTuple):
    """Rooms by the size of groups; None where there is nothing to say, and why."""

    sizes: tuple[GroupSize, ...] | None
    warnings: tuple[str, ...] = ()


def _groups(about: Asked, days: Sequence[_Day], share: float, source: HistorySource) -> _Groups:
    """Size rooms by groups, where everybody was counted."""
    stays = visits_seen(about, source)
    if any(stay.seats == 0 for stay in stays):
        said = "Some groups were not counted, so there is nothing to say of rooms by the size of groups."
        return _Groups(None, (said,))
    return _Groups(rooms_by_group(stays, [(day.from_ms, day.to_ms) for day in days], share))


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


def _warnings(days: Sequence[_Day], left_out: int, found: _Enough, share: float) -> Iterator[str]:
    if found.interval is None:
        others = f" ({left_out} more were observed too little)" if left_out else ""
        yield (
            f"There are {len(days)} open days that were observed well enough{others}; {LEAST_DAYS} are the least to "
            "size by."
        )
        return
    if left_out:
        yield f"Open days left out, because less than {COVERAGE_WANTED:.0%} of them was observed: {left_out}."
    if found.interval[1] is None:
        wanted = days_for_upper_end(share)
        yield f"Not bounded above yet: {wanted} open days are needed to say how many at most, {len(days)} were seen."
    if found.full_days:
        more = "" if found.unseen else " How many more would have come cannot be told from so few other days."
        yield (
            f"On {found.full_days} of {len(days)} days every one was taken at some moment: more may have been "
            f"wanted.{more}"
        )
