"""History as dated rows that another store can hold: transitions, and states carried on at full quarter hours.

What is given are exactly the rows of the spans asked for, so that a span elsewhere can be deleted and written anew.
Many spaces are worked out at once, which costs least where the spans of all lie close to each other.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple, TypeVar

import numpy as np

from perch.history.calendar import Calendar
from perch.history.eras import eras
from perch.history.layout import Standing, Tenure
from perch.history.served import Served
from perch.history.source import Columns, HistorySource, Integers, StateRow, WordSource
from perch.history.spans import Span, common
from perch.history.together import Flags, HeldTogether, Spans, Window, hold_together
from perch.model import DAY_MS, QUARTER_MS, Site, Space

PLACES_AT_ONCE = 2_000

T = TypeVar("T")


class OccupancyRow(NamedTuple):
    """A state of a space as it stood at `time_ms`: a transition, or the state carried on at a full quarter hour."""

    space: Space
    time_ms: int
    state: StateRow
    carried: bool


class Statements(NamedTuple):
    """All that counts of what was stated, transition or not: by whom of which space (a place in `about`), and when.

    `rank` numbers those of one millisecond in the order in which they count. What holds at the beginning of a UTC day
    is `carried` there. `rows` have their own times, at which a carried statement was made.
    """

    about: Sequence[Tenure]
    place: Integers
    time_ms: Integers
    rank: Integers
    rows: Columns
    carried: Flags


class Occupancies(NamedTuple):
    """Rows of several spaces: as what each stood (a place in `standings`), when, what was said, and if it is carried.

    What counts of `rows` is all but its own times, at which a carried state was said. `statements` is what they are
    made of.
    """

    standings: Sequence[Standing]
    standing: Integers
    time_ms: Integers
    rows: Columns
    carried: Flags
    statements: Statements


def occupancies(
    served: Served, wanted: Mapping[str, Sequence[Span]], lived: Sequence[Span], source: HistorySource
) -> Iterator[Occupancies]:
    """Give the transitions and carried states of spaces, each in spans of its own (in order, apart), some at a time.

    A state is carried at each full quarter hour of the site's eras that its epoch vouches for; `lived` are those.
    """
    spans = [span for of_space in wanted.values() for span in of_space]
    if not spans or not lived:
        return
    window = Window.of(min(span.from_ms for span in spans), max(span.to_ms for span in spans))
    met = (
        _Asked(tenure, of_space)
        for space, of_space in wanted.items()
        for tenure in served.tenures.get(space, ())
        if of_space and tenure.from_ms < of_space[-1].to_ms and of_space[0].from_ms < tenure.to_ms
    )
    while some := list(islice(met, min(PLACES_AT_ONCE, window.most_places))):
        yield _occupancies(served, window, some, lived, source)


class _Asked(NamedTuple):
    """What is asked of a tenure."""

    tenure: Tenure
    spans: Sequence[Span]


def _occupancies(
    served: Served, window: Window, asked: Sequence[_Asked], lived: Sequence[Span], source: HistorySource
) -> Occupancies:
    stretches = [(of, spans[0].from_ms, spans[-1].to_ms) for of, spans in asked]
    held = hold_together(served.site, stretches, source)
    stood = [(place, row) for place, (of, _) in enumerate(asked) for row in served.rows[of.space]]
    standing = Spans.of(window, ((place, row.from_ms, row.to_ms) for place, row in stood))
    inside = Spans.of(window, ((place, *span) for place, (_, spans) in enumerate(asked) for span in spans))
    changed = np.flatnonzero(held.changes())
    changed = changed[inside.find(held.place[changed], held.rows.time_ms[changed]) >= 0]
    quarters_ms, in_force = _carried(held, window, asked, lived)
    places = np.concatenate((changed, in_force))
    times_ms = np.concatenate((held.rows.time_ms[changed], quarters_ms))
    as_what = standing.find(held.place[places], times_ms)
    named = as_what >= 0
    carried = np.arange(len(places)) >= len(changed)
    rows = held.rows.take(places[named])
    stated = _statements([of for of, _ in asked], held, inside, quarters_ms, in_force)
    return Occupancies([row for _, row in stood], as_what[named], times_ms[named], rows, carried[named], stated)


def _statements(
    about: Sequence[Tenure], held: HeldTogether, inside: Spans, quarters_ms: Integers, in_force: Integers
) -> Statements:
    """Give what was stated in spans; of what is in force at quarter hours there, that at the beginning of a day."""
    said = np.flatnonzero(inside.find(held.place, held.rows.time_ms) >= 0)
    begins = quarters_ms % DAY_MS == 0
    places = np.concatenate((said, in_force[begins]))
    return Statements(
        about,
        held.place[places],
        np.concatenate((held.rows.time_ms[said], quarters_ms[begins])),
        _ranks(held)[places],
        held.rows.take(places),
        np.arange(len(places)) >= len(said),
    )


def _ranks(held: HeldTogether) -> Integers:
    """Number the statements of each millisecond of a place."""
    time_ms, place = held.rows.time_ms, held.place
    first = np.append(True, (time_ms[1:] != time_ms[:-1]) | (place[1:] != place[:-1]))[: len(place)]
    numbers = np.arange(len(place))
    return numbers - np.maximum.accumulate(np.where(first, numbers, 0))


def _carried(
    held: HeldTogether, window: Window, asked: Sequence[_Asked], lived: Sequence[Span]
) -> tuple[Integers, Integers]:
    """Give quarter hours, and what is in force at each, even if it holds no longer than up to that moment."""
    place, quarters_ms = _quarters(asked, lived)
    if not len(held.place):
        return quarters_ms[:0], place[:0]
    ends_ms = np.array([of.tenure.to_ms for of in asked], dtype=np.int64)
    keys = window.key(held.place, held.rows.time_ms)
    found = np.searchsorted(keys, window.key(place, quarters_ms), side="right") - 1
    at = np.maximum(found, 0)
    holds = (found >= 0) & (held.place[at] == place) & (quarters_ms <= held.until_ms[at])
    holds &= quarters_ms < ends_ms[place]
    return quarters_ms[holds], at[holds]


def _quarters(asked: Sequence[_Asked], lived: Sequence[Span]) -> tuple[Integers, Integers]:
    """Give all quarter hours that are asked for and within eras: of which place, and when."""
    spans = [(place, *span) for place, of in enumerate(asked) for span in common(of.spans, lived)]
    place, from_ms, to_ms = np.array(spans, dtype=np.int64).reshape(-1, 3).T
    first_ms = -(-from_ms // QUARTER_MS) * QUARTER_MS
    counts = np.maximum(-(-(to_ms - first_ms) // QUARTER_MS), 0)
    nth = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.repeat(place, counts), np.repeat(first_ms, counts) + nth * QUARTER_MS


def occupancy_rows(site: Site, space: str, from_ms: int, to_ms: int, source: WordSource) -> list[OccupancyRow]:
    """Give the transitions and carried states of a space in order of time, a carried one after all of its moment."""
    served = Served.of(site, Calendar(site.time_zone, site.hours))
    rows = (
        OccupancyRow(found.standings[standing].space, time_ms, found.rows.row(place), carried)
        for found in occupancies(served, {space: [Span(from_ms, to_ms)]}, eras(site.id, source), source)
        for place, (standing, time_ms, carried) in enumerate(
            zip(found.standing.tolist(), found.time_ms.tolist(), found.carried.tolist(), strict=True)
        )
    )
    return sorted(rows, key=lambda row: (row.time_ms, row.carried))
