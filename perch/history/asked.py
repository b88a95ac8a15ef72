"""A question made ready to be measured: which rows of the layout, in which groups, and how time is cut."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from perch.history.calendar import Calendar
from perch.history.layout import Standing, standings
from perch.history.measure import Flags, Grid, grid
from perch.history.question import Hours, Question, Resolution, Scope
from perch.history.source import Integers
from perch.model import DAY_MS, Site, Space


class Booking(NamedTuple):
    """From when until when a space is booked, ms; one without an end ends where it begins."""

    from_ms: int
    to_ms: int


Bookings = Mapping[str, Sequence[Booking]]
"""What is booked, in any order, for each space that has a calendar."""

_SCOPES: Mapping[Scope, Callable[[Site, Space], str]] = {
    Scope.SPACE: lambda _, space: space.id,
    Scope.ZONE: lambda _, space: space.zone,
    Scope.FLOOR: lambda _, space: space.floor,
    Scope.KIND: lambda _, space: space.kind.value,
    Scope.SITE: lambda site, _: site.id,
}


@dataclass(frozen=True)
class Asked:
    """What is asked of a site, cut into steps and into cells that cross no step, hours, date of the layout or day.

    Days are the site's own and UTC's; a *run* is all cells of one step that lie in one day of either.

    `opening_ms` are the opening hours, as pairs of start and end; `counts` says which cells are within the hours asked
    for, `step_of` and `day_of` in which step and day each lies.
    """

    site: Site
    question: Question
    calendar: Calendar
    chosen: Sequence[Standing]
    groups: Mapping[str, int]
    steps_ms: Integers
    cut: Grid
    opening_ms: Integers
    counts: Flags
    step_of: npt.NDArray[np.intp]
    day_of: npt.NDArray[np.intp]
    bookings: Bookings = field(default_factory=dict)

    @property
    def from_ms(self) -> int:
        """Where the window begins."""
        return int(self.steps_ms[0])

    @property
    def to_ms(self) -> int:
        """Where it ends."""
        return int(self.steps_ms[-1])

    @property
    def shape(self) -> tuple[int, int]:
        """How many groups and steps there are."""
        return len(self.groups), len(self.steps_ms) - 1

    @property
    def spaces(self) -> list[str]:
        """The spaces that are asked for, each once, in the layout's order."""
        return list(dict.fromkeys(row.space.id for row in self.chosen))

    @cached_property
    def first_of_run(self) -> npt.NDArray[np.intp]:
        """The first cell of each run."""
        utc_day = self.cut.bounds_ms[:-1] // DAY_MS
        changes = (np.diff(column, prepend=column[:1] - 1) != 0 for column in (self.step_of, self.day_of, utc_day))
        return np.flatnonzero(np.logical_or.reduce(list(changes)))

    @property
    def counted_ms(self) -> Integers:
        """How much of each step is within the hours asked for."""
        return self.by_step(np.diff(self.cut.bounds_ms))

    def part(self, first: int, last: int) -> "Asked":
        """Give some runs, from the first to the last (exclusive), as the steps of a smaller question."""
        edges = np.append(self.first_of_run, len(self.counts))[first : last + 1]
        begins, ends = int(edges[0]), int(edges[-1])
        bounds_ms, firsts = self.cut.bounds_ms[begins : ends + 1], edges[:-1] - begins
        return replace(
            self,
            steps_ms=self.cut.bounds_ms[edges],
            cut=Grid(bounds_ms, firsts, self.cut.is_open[begins:ends]),
            counts=self.counts[begins:ends],
            step_of=np.repeat(np.arange(len(firsts)), np.diff(edges)),
            day_of=self.day_of[begins:ends],
        )

    def group_of(self, row: Standing) -> int:
        """Say to which group a row belongs."""
        return self.groups[group_of_space(self.question, self.site, row.space)]

    def is_within(self, ms: int) -> bool:
        """Tell whether a moment of the window is within the hours asked for."""
        return bool(self.counts[np.searchsorted(self.cut.bounds_ms, ms, side="right") - 1])

    def by_step(self, cells: Integers) -> Integers:
        """Add the cells (the last axis) of each step up, those within the hours asked for."""
        return np.add.reduceat(cells * self.counts, self.cut.first_cell, axis=-1)


def rows_asked(question: Question, site: Site, to_ms: int) -> list[Standing]:
    """Give the rows of the layout that a question is about, in the layout's order."""
    return [
        row
        for row in standings(site)
        if row.from_ms < to_ms
        and row.to_ms > question.from_ms
        and question.kind in (None, row.space.kind)
        and question.zone in (None, row.space.zone)
    ]


def group_of_space(question: Question, site: Site, space: Space) -> str:
    """Name the group of a question that a space belongs to."""
    return _SCOPES[question.scope](site, space)


def groups_of(question: Question, site: Site, chosen: Sequence[Standing]) -> dict[str, int]:
    """Number the groups of rows, in the rows' order."""
    names = dict.fromkeys(group_of_space(question, site, row.space) for row in chosen)
    return {name: place for place, name in enumerate(names)}


def steps_asked(question: Question, calendar: Calendar, to_ms: int) -> Integers:
    """Give the edges of the steps of a question up to a moment: hours for those of the week."""
    by_week = question.resolution is Resolution.HOUR_OF_WEEK
    return calendar.steps_ms(Resolution.HOUR if by_week else question.resolution, question.from_ms, to_ms)


def asked(question: Question, site: Site, calendar: Calendar, to_ms: int) -> Asked:
    """Make a question ready to be measured up to a moment."""
    chosen = rows_asked(question, site, to_ms)
    groups = groups_of(question, site, chosen)
    return asked_in_steps(question, site, calendar, chosen, groups, steps_asked(question, calendar, to_ms))


def asked_in_steps(
    question: Question,
    site: Site,
    calendar: Calendar,
    chosen: Sequence[Standing],
    groups: Mapping[str, int],
    steps_ms: Integers,
) -> Asked:
    """Make a question ready of which rows, groups and steps are known already."""
    days_ms = calendar.day_starts_ms(int(steps_ms[0]), int(steps_ms[-1]))
    midnights_ms = np.arange(int(steps_ms[0]) // DAY_MS + 1, -(-int(steps_ms[-1]) // DAY_MS), dtype=np.int64) * DAY_MS
    cut = grid(steps_ms, chosen, calendar, np.concatenate((days_ms, midnights_ms)))
    starts_ms = cut.bounds_ms[:-1]
    step_of = np.searchsorted(steps_ms, starts_ms, side="right") - 1
    day_of = np.searchsorted(days_ms, starts_ms, side="right")
    counts = cut.is_open if question.hours is Hours.OPEN else np.ones_like(cut.is_open)
    opening_ms = calendar.opening_ms(int(steps_ms[0]), int(steps_ms[-1]))
    return Asked(site, question, calendar, chosen, groups, steps_ms, cut, opening_ms, counts, step_of, day_of)
