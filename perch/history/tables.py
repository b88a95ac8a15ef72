"""The past as tables, for others to reckon with: transitions, sessions, answers and layouts, piece by piece.

A table is made while it is read: each piece is a list for every column, and none is kept once the next one is asked
for. Moments are milliseconds UTC; what nobody knows is None.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from typing import Any, NamedTuple

import numpy as np

from perch.codes import DATINGS, REASONS, STATES
from perch.errors import QuestionError
from perch.history.asked import Asked, asked, rows_asked
from perch.history.asking import check
from perch.history.calendar import DAY_MS, Calendar
from perch.history.definitions import DEFINITIONS
from perch.history.kept import require_words
from perch.history.layout import Standing, by_space
from perch.history.past import Past, pasts
from perch.history.question import Answer, HourRow, Peak, Question, Resolution, Row
from perch.history.sessions import States, sessions
from perch.history.source import NO_COUNT, HistorySource, Integers
from perch.history.statements import changes
from perch.history.table_notes import meaning_of, rules_of, window_of
from perch.history.visits import MARGIN_MS, pasts_around, places_counted
from perch.model import Site, Space

SPACE_DAYS = 3_500
"""How much of transitions is read at once: about a million of them at most, 100,000 of busy spaces."""

SPACES_AT_ONCE = 32
"""Of how many spaces sessions are looked for at once."""


class Kind(StrEnum):
    """What a column holds; a `wall` time is a moment as the site's clocks show it, an `id` one of few words."""

    MOMENT = "moment"
    WALL = "wall"
    ID = "id"
    TEXT = "text"
    WHOLE = "whole"
    NUMBER = "number"
    FLAG = "flag"
    DAY = "day"


class Column(NamedTuple):
    """A column: its name, and what it holds."""

    name: str
    kind: Kind


Piece = Sequence[Sequence[Any]]


@dataclass(frozen=True)
class Table:
    """Columns, and what is in them: `pieces` can be read once, and there are `number` of them.

    `about` says what the numbers are, for formats that have room for it.
    """

    site: Site
    what: str
    columns: tuple[Column, ...]
    number: int
    pieces: Iterator[Piece]
    about: Mapping[str, str] = field(default_factory=dict)


_PLACE = (*(Column(name, Kind.ID) for name in ("site", "space", "floor", "zone", "kind")),)
TRANSITIONS = (
    Column("time", Kind.MOMENT),
    Column("local_time", Kind.WALL),
    *_PLACE,
    Column("state", Kind.ID),
    Column("probability", Kind.NUMBER),
    Column("count", Kind.WHOLE),
    Column("reason", Kind.ID),
    Column("clock", Kind.ID),
)
_SPAN = (
    Column("start", Kind.MOMENT),
    Column("local_start", Kind.WALL),
    Column("end", Kind.MOMENT),
    Column("local_end", Kind.WALL),
)
SESSIONS = (
    *_PLACE,
    *_SPAN,
    Column("seconds", Kind.NUMBER),
    Column("most_people", Kind.WHOLE),
    Column("cut", Kind.FLAG),
)
LAYOUT = (
    Column("id", Kind.ID),
    Column("name", Kind.TEXT),
    Column("floor", Kind.ID),
    Column("zone", Kind.ID),
    Column("kind", Kind.ID),
    Column("capacity", Kind.WHOLE),
    Column("purpose", Kind.ID),
    Column("features", Kind.TEXT),
    Column("agent", Kind.ID),
    Column("valid_from", Kind.DAY),
    Column("valid_until", Kind.DAY),
)
_NUMBERS = tuple(Column(name, Kind.NUMBER) for name in ("value", "coverage", "low", "high"))
ANSWER = (
    Column("metric", Kind.ID),
    Column("scope", Kind.ID),
    *_SPAN,
    *_NUMBERS,
    Column("peak_at", Kind.MOMENT),
    Column("peak_seconds", Kind.NUMBER),
)
HOURS_OF_WEEK = (
    Column("metric", Kind.ID),
    Column("scope", Kind.ID),
    Column("weekday", Kind.WHOLE),
    Column("hour", Kind.WHOLE),
    *_NUMBERS,
    *(Column(name, Kind.NUMBER) for name in ("p50", "p90", "max")),
    Column("weeks", Kind.WHOLE),
)


def transition_table(question: Question, site: Site, source: HistorySource, now_ms: int) -> Table:
    """Give the transitions that a question's window and filters leave, in order of time; raises QuestionError."""
    to_ms = check(question, site, now_ms)
    return transitions_of(rows_asked(question, site, to_ms), site, question.from_ms, to_ms, source)


def transitions_of(chosen: Sequence[Standing], site: Site, from_ms: int, to_ms: int, source: HistorySource) -> Table:
    """Give the transitions of some rows of the layout within [from_ms, to_ms), in order of time, then of the layout."""
    require_words(source.tiers(site.id), site.id, from_ms)
    spaces = len({row.space.id for row in chosen})
    step_ms = max(1, SPACE_DAYS // max(spaces, 1)) * DAY_MS
    starts = range(from_ms, to_ms, step_ms) if chosen else range(0)

    def pieces() -> Iterator[Piece]:
        for start_ms in starts:
            yield _transitions(chosen, site, start_ms, min(start_ms + step_ms, to_ms), source)

    return Table(site, "transitions", TRANSITIONS, len(starts), pieces(), window_of(site, from_ms, to_ms))


def session_table(question: Question, site: Site, source: HistorySource, calendar: Calendar, now_ms: int) -> Table:
    """Give the sessions that the metric of that name counts, space by space; raises QuestionError."""
    to_ms = check(question, site, now_ms)
    require_words(source.tiers(site.id), site.id, question.from_ms - MARGIN_MS)
    within = asked(replace(question, resolution=Resolution.TOTAL), site, calendar, to_ms)
    spaces = list(by_space(within.chosen).values())
    batches = [spaces[place : place + SPACES_AT_ONCE] for place in range(0, len(spaces), SPACES_AT_ONCE)]

    def pieces() -> Iterator[Piece]:
        for batch in batches:
            some = replace(within, chosen=[row for rows in batch for row in rows])
            yield _transposed((row for past in pasts_around(some, source) for row in _stays(some, past)), SESSIONS)

    window = window_of(site, question.from_ms, to_ms)
    about = {**window, **meaning_of(DEFINITIONS["sessions"]), "hours": question.hours, **rules_of(question.rules)}
    return Table(site, "sessions", SESSIONS, len(batches), pieces(), about)


def answer_table(answer: Answer, site: Site) -> Table:
    """Give the rows of an answer."""
    definition, question = answer.definition, answer.question
    about = {
        **window_of(site, question.from_ms, answer.to_ms),
        **meaning_of(definition),
        "resolution": question.resolution,
        "scope": question.scope,
        "hours": question.hours,
        **{name: f"{value / 1000:g}" for name, value in answer.parameters.items()},
        "warnings": " ".join(answer.warnings),
    }
    by_week = question.resolution is Resolution.HOUR_OF_WEEK
    columns = HOURS_OF_WEEK if by_week else ANSWER
    rows = _transposed((_cells(definition.id, row) for row in answer.rows), columns)
    return Table(site, definition.id, columns, 1, iter((rows,)), about)


def layout_table(question: Question, site: Site) -> Table:
    """Give the rows of the layout that meet a question's window, as spaces.csv has them; raises QuestionError.

    A layout can be asked of the future as well.
    """
    if question.to_ms <= question.from_ms:
        raise QuestionError("to", "the window ends before it begins, or is empty", "let `to` be later than `from`")
    chosen = rows_asked(question, site, question.to_ms)
    rows = _transposed((_layout_row(row.space) for row in chosen), LAYOUT)
    return Table(site, "layout", LAYOUT, 1, iter((rows,)), window_of(site, question.from_ms, question.to_ms))


def _transitions(chosen: Sequence[Standing], site: Site, from_ms: int, to_ms: int, source: HistorySource) -> Piece:
    """Read a piece: who changed, and the row of the layout that was in force then."""
    met = [row for row in chosen if row.from_ms < to_ms and from_ms < row.to_ms]
    numbers = {row: number for number, row in enumerate(met)}
    found: list[tuple[Integers, ...]] = []
    for past in pasts(site, list(by_space(met)), from_ms, to_ms, source):
        for row in past.standings:
            if row in numbers:
                window = max(from_ms, row.from_ms), min(to_ms, row.to_ms)
                found += _of_row(past, numbers[row], *window)
    if not found:
        return [[] for _ in TRANSITIONS]
    number, *told = (np.concatenate(columns) for columns in zip(*found, strict=True))
    order = np.lexsort((number, told[0]))
    return _words(site, [row.space for row in met], number[order], *(column[order] for column in told))


def _of_row(past: Past, number: int, from_ms: int, to_ms: int) -> Iterator[tuple[Integers, ...]]:
    for held in past.held:
        told = held.columns.take(np.array(changes(held.columns), dtype=np.intp))
        told = told.take(slice(*np.searchsorted(told.time_ms, (from_ms, to_ms))))
        if len(told):
            of = np.full(len(told), number)
            yield of, told.time_ms, told.state, told.thousandths, told.count, told.reason, told.clock


def _words(
    site: Site,
    spaces: Sequence[Space],
    number: Integers,
    time_ms: Integers,
    state: Integers,
    thousandths: Integers,
    count: Integers,
    reason: Integers,
    clock: Integers,
) -> Piece:
    """Say in words what is held as numbers."""
    times = time_ms.tolist()
    places = ([space.id for space in spaces], [space.floor for space in spaces], [space.zone for space in spaces])
    return [
        times,
        times,
        [site.id] * len(times),
        *(_looked_up(words, number) for words in places),
        _looked_up([space.kind.value for space in spaces], number),
        _looked_up([of.value for of in STATES], state),
        (thousandths / 1000).tolist(),
        [None if people == NO_COUNT else people for people in count.tolist()],
        _looked_up([of.value for of in REASONS], reason),
        _looked_up([of.value for of in DATINGS], clock),
    ]


def _looked_up(words: Sequence[str], places: Integers) -> list[str]:
    found: list[str] = np.array(words, dtype=object)[places].tolist()
    return found


def _stays(about: Asked, past: Past) -> Iterator[tuple[Any, ...]]:
    """Give a space's sessions in order of time, each as of the row of the layout for which it counts."""
    of = past.timeline()
    found = sessions(States.of(of, past.standings), about.question.rules)
    for row in past.standings:
        if row in about.chosen:
            for place in places_counted(about, row, found).tolist():
                start_ms, end_ms = int(found.from_ms[place]), int(found.to_ms[place])
                first = int(np.searchsorted(of.start_ms, start_ms, side="right")) - 1
                people = int(of.count[first : np.searchsorted(of.start_ms, end_ms)].max())
                times = start_ms, start_ms, end_ms, end_ms, (end_ms - start_ms) / 1000
                yield *_place(about.site, row.space), *times, None if people < 0 else people, bool(found.cut[place])


def _place(site: Site, space: Space) -> tuple[str, ...]:
    return site.id, space.id, space.floor, space.zone, space.kind.value


def _cells(metric: str, row: Row | HourRow) -> tuple[Any, ...]:
    if isinstance(row, HourRow):
        return metric, row.scope, row.weekday, row.hour, *row[3:-1]
    start, end = row.start_ms, row.end_ms
    return metric, row.scope, start, start, end, end, *row[3:7], *_peak(row.peak)


def _peak(peak: Peak | None) -> tuple[int | None, float | None]:
    return (None, None) if peak is None else (peak.at_ms, peak.lasted_ms / 1000)


def _layout_row(space: Space) -> tuple[str | int | date | None, ...]:
    features = ";".join(sorted(space.features))
    what = space.kind.value, space.capacity, space.purpose.value, features, space.agent
    return space.id, space.name, space.floor, space.zone, *what, space.valid_from, space.valid_until


def _transposed(rows: Iterator[tuple[Any, ...]], columns: Sequence[Column]) -> Piece:
    return list(zip(*rows, strict=True)) or [[] for _ in columns]
