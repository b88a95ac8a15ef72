"""Time spent by groups, and spaces that nobody used: everything that is worked out space by space."""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from perch.history.asked import Asked
from perch.history.by_day import Way, by_runs
from perch.history.calendar import HOUR_MS
from perch.history.layout import Standing
from perch.history.measure import ONE_PERSON_KINDS, Flags, People, Sums, Times, added_up, measure, people_in, times
from perch.history.past import Past, pasts, pasts_from
from perch.history.sheet_times import size_of, times_of
from perch.history.source import FREE, OCCUPIED, HistorySource, Integers
from perch.history.summed_times import SumRoster
from perch.history.timeline import Timeline
from perch.model import Space

OBSERVED = 0.9
"""So much of a space's time must be observed before it is called never used."""

QUIET_LIMIT_MS = 168 * HOUR_MS
"""A space without sensors' signs of life after so long a time of being free is taken for quiet, not for unobserved."""


class Uses(NamedTuple):
    """Known and inventory time by group and step, and the spaces never used, surely and perhaps.

    `of_quiet` are those of `never` that are so only because a long quiet time counts as observed; of `undecided` ones
    that cannot be told, since how their quiet time began is not kept.
    """

    known_ms: Integers
    inventory_ms: Integers
    never: Integers
    surely_never: Integers
    perhaps_never: Integers
    of_quiet: Integers
    undecided: Integers

    def together(self, bins: Integers, number: int) -> "Uses":
        """Take the steps of each bin for one: spaces count once for each step in which they were not used."""
        return Uses(*(added_up(column, bins, number) for column in self))


def spent(asked: Asked, source: HistorySource) -> Times:
    """Add the time of all spaces up, by group and step."""
    step_of = asked.step_of[asked.first_of_run]
    first = np.flatnonzero(np.diff(step_of, prepend=-1))
    parts = by_runs(asked, source, _WAY)
    return Times(
        *(np.add.reduceat(np.concatenate(column, axis=-1), first, axis=-1) for column in zip(*parts, strict=True))
    )


def _from_words(part: Asked, source: HistorySource) -> Times:
    total = Times(*np.zeros((len(Times._fields), *part.shape), dtype=np.int64))
    for past in pasts(part.site, part.spaces, part.from_ms, part.to_ms, source):
        of = past.timeline()
        for group, row, sums in rows_measured(part, past, of):
            measured = times(sums, row.space, _people(row.space, of, sums, part.cut.bounds_ms))
            for column, cells in zip(total, measured, strict=True):
                column[group] += part.by_step(cells)
    return total


_WAY = Way("times", times_of, _from_words, size_of, SumRoster.times)


def _people(space: Space, of: Timeline, sums: Sums, bounds_ms: Integers) -> People | None:
    """Measure with how many people a space was occupied in each cell in which it stood there."""
    if space.kind in ONE_PERSON_KINDS:
        return None
    stood = sums.inventory_ms > 0
    return People(*(of.integral(so, bounds_ms) * stood for so in people_in(space, of.state == OCCUPIED, of.count)))


def uses(asked: Asked, source: HistorySource) -> Uses:
    """Find the spaces that nobody used, by group and step."""
    found = Uses(*np.zeros((len(Uses._fields), *asked.shape), dtype=np.int64))
    kept_ms = source.tiers(asked.site.id).words_ms
    for past in _with_silence(asked, source):
        of = past.timeline()
        quiet_ms = of.integral(quiet(of), asked.cut.bounds_ms)
        doubtful_ms = _doubtful(of, kept_ms, asked.cut.bounds_ms)
        of_groups: dict[int, list[tuple[Integers, ...]]] = {}
        for group, _, sums in rows_measured(asked, past, of):
            stood = sums.inventory_ms > 0
            own = (sums.occupied_ms, sums.known_ms, sums.inventory_ms, quiet_ms * stood, doubtful_ms * stood)
            of_groups.setdefault(group, []).append(own)
        for group, parts in of_groups.items():
            used_ms, known_ms, inventory_ms, silent_ms, unsure_ms = (
                asked.by_step(sum(column)) for column in zip(*parts, strict=True)
            )
            idle = (inventory_ms > 0) & (used_ms == 0)
            never = idle & (known_ms + silent_ms >= OBSERVED * inventory_ms)
            columns = (
                *(known_ms, inventory_ms, never, idle & (known_ms + silent_ms == inventory_ms), idle),
                never & (known_ms < OBSERVED * inventory_ms),
                idle & ~never & (unsure_ms > 0),
            )
            for column, steps in zip(found, columns, strict=True):
                column[group] += steps
    return found


def _with_silence(asked: Asked, source: HistorySource) -> Iterator[Past]:
    """Read each space so far before the window that a quiet time which reaches into it is seen whole."""
    from_ms = asked.from_ms - QUIET_LIMIT_MS
    for past in pasts(asked.site, asked.spaces, from_ms, asked.to_ms, source):
        of = past.timeline()
        first = int(np.searchsorted(of.start_ms, from_ms, side="right")) - 1
        if of.silent[first] or (of.state[first] == FREE and of.silent.any()):
            kept_ms = source.tiers(asked.site.id).words_ms
            yield from pasts_from(asked.site, [past.space], kept_ms, asked.to_ms, source)
        else:
            yield past


def _doubtful(of: Timeline, kept_ms: int, bounds_ms: Integers) -> Integers:
    """Measure what would be quiet if a space had been free for long before the words that are kept, and is not else."""
    if len(of.start_ms) < 2 or of.start_ms[1] != kept_ms:
        return np.zeros(len(bounds_ms) - 1, dtype=np.int64)
    long_free = replace(of, state=np.append(FREE, of.state[1:]))
    return long_free.integral(quiet(long_free), bounds_ms) - of.integral(quiet(of), bounds_ms)


def rows_measured(asked: Asked, past: Past, of: Timeline | None = None) -> Iterator[tuple[int, Standing, Sums]]:
    """Give the rows of a space that are asked for, with their groups and their sums in each cell."""
    wish = asked.question
    return (
        (asked.group_of(row), row, sums)
        for row, sums in measure(past, asked.cut, of)
        if wish.kind in (None, row.space.kind) and wish.zone in (None, row.space.zone)
    )


def quiet(of: Timeline) -> Flags:
    """Say which unknown states are so by the quiet limit alone: nothing spoke, after a long time of being free."""
    found = np.zeros(len(of.state), dtype=np.bool_)
    for place in np.flatnonzero(of.silent).tolist():
        if of.silent[place - 1]:
            found[place] = found[place - 1]
            continue
        first = place
        while first and of.state[first - 1] == FREE:
            first -= 1
        found[place] = of.start_ms[place] - of.start_ms[first] >= QUIET_LIMIT_MS
    return found
