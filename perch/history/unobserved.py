"""Which steps of an answer were observed too little, in words of time: how many of its hours or days, and when."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from perch.history.asked import Asked
from perch.history.calendar import DAY_MS
from perch.history.measure import Flags
from perch.history.question import Resolution, Scope
from perch.history.source import Integers

COVERAGE_WANTED = 0.9
"""Below this share of observed time an answer carries a warning."""

NAMED = 3
"""So many times, or groups, are named; of the others only how many they are."""

_STEPS: Mapping[Resolution, tuple[str, str]] = {
    Resolution.QUARTER_HOUR: ("quarter hour", "quarter hours"),
    Resolution.HOUR: ("hour", "hours"),
    Resolution.DAY: ("day", "days"),
    Resolution.WEEK: ("week", "weeks"),
    Resolution.MONTH: ("month", "months"),
    Resolution.HOUR_OF_WEEK: ("hour", "hours"),
}
_GROUPS: Mapping[Scope, tuple[str, str]] = {
    Scope.SPACE: ("space", "spaces"),
    Scope.ZONE: ("zone", "zones"),
    Scope.FLOOR: ("floor", "floors"),
    Scope.KIND: ("kind", "kinds"),
    Scope.SITE: ("site", "sites"),
}
_BY_DAY = frozenset({Resolution.DAY, Resolution.WEEK, Resolution.MONTH})


def unobserved(about: Asked, known_ms: Integers, inventory_ms: Integers) -> Iterator[str]:
    """Say in which steps and groups less than COVERAGE_WANTED was observed, of those in which anything stood there."""
    stood = inventory_ms > 0
    poor = stood & (known_ms < COVERAGE_WANTED * inventory_ms)
    if not poor.any() or inventory_ms.size == 1:
        return
    least = f"less than {COVERAGE_WANTED:.0%} of the time was observed"
    groups = [name for name, place in about.groups.items() if poor[place].any()]
    resolution = about.question.resolution
    if resolution is Resolution.TOTAL:
        number, every = len(groups), int(np.count_nonzero(stood.any(axis=1)))
        yield f"In {_of(number, every, _GROUPS[about.question.scope])} {least}: {some(groups)}."
        return
    steps, standing = np.atleast_1d(poor.any(axis=0)), np.atleast_1d(stood.any(axis=0))
    number, every = int(np.count_nonzero(steps)), int(np.count_nonzero(standing))
    where = f", of {some(_by_number(about, poor))}" if len(about.groups) > 1 else ""
    when = some(list(_runs(about, steps, standing)))
    yield f"In {_of(number, every, _STEPS[resolution])} {least}{where}: {when}."


def _by_number(about: Asked, poor: Flags) -> list[str]:
    """Name the groups that were observed too little, most often first, with how often that was."""
    number = {name: int(np.count_nonzero(poor[place])) for name, place in about.groups.items()}
    return [f"{name} ({times:,})" for name, times in sorted(number.items(), key=lambda one: -one[1]) if times]


def _of(number: int, every: int, names: tuple[str, str]) -> str:
    return f"{number:,} of {every:,} {names[every != 1]}"


def some(names: Sequence[str]) -> str:
    """Name a few."""
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more:,} more" if more > 0 else "")


def _runs(about: Asked, poor: Flags, stood: Flags) -> Iterator[str]:
    """Name the times that poor steps make, from the first to the last of them without a good one between."""
    places = np.flatnonzero(stood)
    edges = np.flatnonzero(np.diff(poor[places].astype(np.int8), prepend=0, append=0))
    for first, last in edges.reshape(-1, 2).tolist():
        yield _span(about, int(about.steps_ms[places[first]]), int(about.steps_ms[places[last - 1] + 1]))


def _span(about: Asked, from_ms: int, to_ms: int) -> str:
    local, by_day = about.calendar.local, about.question.resolution in _BY_DAY
    first, last = local(from_ms), local(to_ms)
    if by_day:
        last_day = about.calendar.day_of(max(to_ms - 1, from_ms))
        return f"{first:%Y-%m-%d}" if first.date() == last_day else f"{first:%Y-%m-%d} to {last_day}"
    same_day = first.date() == last.date() and to_ms - from_ms < DAY_MS
    return f"{first:%Y-%m-%d %H:%M} to {last:%H:%M}" if same_day else f"{first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M}"
