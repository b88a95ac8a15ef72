"""Which transitions InfluxDB must hold, worked out anew from what agents said: a plain loop over each space's words.

It shares no rule with `perch.history`. Words stand in order of their times; of two epochs in one millisecond the one
that ends it in not knowing comes last, else the one with the greater id. Words within a lost span do not count, and
where it begins the space is unknown. A transition is a word that differs from the one before in state or count.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple, cast

from perch.history.told import LostSpan

PLACES = 999_999
"""An event stands at the nanosecond `seq mod 999,999` of its millisecond."""


class Word(NamedTuple):
    """What was said of a space at a time; `people` is None where nothing counted."""

    time_ms: int
    epoch: str
    seq: int
    state: str
    people: int | None


class Point(NamedTuple):
    """A transition as a row of InfluxDB."""

    space: str
    time_ns: int
    state: str
    people: int | None


def due(space: str, words: Iterable[Word], lost: Sequence[LostSpan]) -> Iterator[Point]:
    """Give the transitions of a space; `lost` are the spans of its agent."""
    heard = [word for word in words if not any(_is_within(word, span) for span in lost)]
    heard += [Word(span.from_ms, span.epoch, span.first_seq, "unknown", None) for span in lost]
    points: dict[int, Point] = {}
    before: Word | None = None
    for word in _in_order(heard):
        if before is None or (word.state, word.people) != (before.state, before.people):
            time_ns = word.time_ms * 1_000_000 + word.seq % PLACES
            points[time_ns] = Point(space, time_ns, word.state, word.people)
        before = word
    yield from points.values()


def stored(rows: Counter[Hashable]) -> Counter[Hashable]:
    """Give the transitions among InfluxDB's rows, each a measurement and pairs of a column and its value as text."""
    points: Counter[Hashable] = Counter()
    for (measurement, *columns), times in cast("Counter[tuple[Any, ...]]", rows).items():
        row: dict[str, str] = dict(columns)
        if measurement == "occupancy" and row["carried"] == "0":
            people = int(row["people"]) if row["counted"] == "1" else None
            points[Point(row["space"], int(row["time"]), row["state"], people)] += times
    return points


def _in_order(words: Sequence[Word]) -> Iterator[Word]:
    for _, same in groupby(sorted(words), key=lambda word: word.time_ms):
        epochs = [list(spoken) for _, spoken in groupby(same, key=lambda word: word.epoch)]
        for spoken in sorted(epochs, key=lambda spoken: spoken[-1].state == "unknown"):
            yield from spoken


def _is_within(word: Word, span: LostSpan) -> bool:
    own = word.epoch == span.epoch
    after_start = word.time_ms > span.from_ms or (
        word.time_ms == span.from_ms and not (own and word.seq < span.first_seq)
    )
    before_end = word.time_ms < span.to_ms or (word.time_ms == span.to_ms and own and word.seq <= span.last_seq)
    return after_start and before_end
