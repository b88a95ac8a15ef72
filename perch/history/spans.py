"""Which spans of history a batch of events may have changed, so that a projection rewrites those and nothing else.

The spans are never too narrow and seldom much too wide, whatever the order in which events arrive, and also when the
source is ahead of the batch: each event answers for the time between its nearest neighbours as they are known now, and
a neighbour that is not yet part of the projection answers for its own when its batch comes. What was forgotten and told
anew answers for where it was and where it is now, up to the neighbours that it has or had there.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np

from perch.history.calendar import DAY_MS
from perch.history.source import BEGINNING_MS, END_MS, Columns, EpochSpan, Moved, Stretch, WordSource
from perch.history.timeline import AGENT_OFFLINE
from perch.history.told import Lost, Marked, Stated, Told
from perch.model import QUARTER_MS

TOGETHER_MS = DAY_MS
"""Statements of one space in one batch that are no further apart are one span, whatever lies between them."""


Key = TypeVar("Key")

Epoch = tuple[str, str, str]
"""A site, an agent of it, and an epoch of that."""

Heard = Mapping[Epoch, int]
NOTHING_HEARD: Heard = {}

Homes = Mapping[str, Mapping[str, Sequence[str]]]
"""By site and agent, the spaces that a layout ever gave to the agent."""
NO_HOMES: Homes = {}


class Span(NamedTuple):
    """Milliseconds UTC from `from_ms` until before `to_ms`."""

    from_ms: int
    to_ms: int


@dataclass(frozen=True, slots=True)
class Touched:
    """What may have changed at one site: spans in order, apart from each other.

    `agents`: all spaces of an agent, and its marks. `spaces`: single spaces, by (agent, space), besides.
    """

    agents: Mapping[str, Sequence[Span]]
    spaces: Mapping[tuple[str, str], Sequence[Span]]


def joined(spans: Iterable[Span]) -> list[Span]:
    """Sort spans and join those that overlap or meet; empty ones vanish."""
    result: list[Span] = []
    for span in sorted(span for span in spans if span.from_ms < span.to_ms):
        if result and span.from_ms <= result[-1].to_ms:
            result[-1] = Span(result[-1].from_ms, max(result[-1].to_ms, span.to_ms))
        else:
            result.append(span)
    return result


def common(spans: Sequence[Span], others: Sequence[Span]) -> list[Span]:
    """Give what lies in both; each in order and apart."""
    result: list[Span] = []
    place = 0
    for span in spans:
        while place and others[place - 1].to_ms > span.from_ms:
            place -= 1
        while place < len(others) and others[place].from_ms < span.to_ms:
            both = Span(max(span.from_ms, others[place].from_ms), min(span.to_ms, others[place].to_ms))
            if both.from_ms < both.to_ms:
                result.append(both)
            place += 1
    return result


def without(spans: Sequence[Span], others: Sequence[Span]) -> list[Span]:
    """Give what lies in the one and not in the other; each in order and apart."""
    edges = [BEGINNING_MS, *(ms for span in others for ms in span), END_MS]
    return common(spans, [Span(*pair) for pair in zip(edges[::2], edges[1::2], strict=True)])


def touched(
    told: Iterable[Told],
    source: WordSource,
    moves: Iterable[Moved] = (),
    heard: Heard = NOTHING_HEARD,
    homes: Homes = NO_HOMES,
) -> dict[str, Touched]:
    """Find what a batch of events and moves, already part of the source, may have changed, by site.

    `heard` may name for an epoch a moment at which it is known to have lived, which spares a question. A lost span
    says something of all spaces of its agent: of those in `homes`, and of those that it ever spoke of.
    """
    by_site: dict[str, tuple[list[Told], list[Moved]]] = {}
    for one in told:
        by_site.setdefault(one.site, ([], []))[0].append(one)
    for moved in moves:
        by_site.setdefault(moved.site, ([], []))[1].append(moved)
    return {site: _touched_at(site, *changes, source, heard, homes.get(site, {})) for site, changes in by_site.items()}


def _touched_at(
    site: str,
    told: Sequence[Told],
    moves: Sequence[Moved],
    source: WordSource,
    heard: Heard,
    homes: Mapping[str, Sequence[str]],
) -> Touched:
    of_all = [
        *((one.agent, one.span.from_ms, one.span.to_ms) for one in told if isinstance(one, Lost)),
        *((moved.agent, moved.from_ms, moved.to_ms) for moved in moves if moved.agent is not None),
    ]
    runs = [*_stated(told), *_of_all_spaces(site, of_all, source, homes)]
    return Touched(
        _collected((*_vouched(site, told, source, heard), *_moved(moves))),
        _collected(_all_around(site, runs, source.last_evidence(site, {run.agent for run in runs}), source)),
    )


def latest(epochs: Iterable[EpochSpan]) -> dict[str, int]:
    """Give the last evidence of each agent."""
    latest_ms: dict[str, int] = {}
    for span in epochs:
        latest_ms[span.agent] = max(span.until_ms, latest_ms.get(span.agent, span.until_ms))
    return latest_ms


def _collected(spans: Iterable[tuple[Key, Span]]) -> dict[Key, list[Span]]:
    collected: dict[Key, list[Span]] = {}
    for key, span in spans:
        collected.setdefault(key, []).append(span)
    return {key: joined(spans) for key, spans in collected.items()}


def _runs(times_ms: Iterable[int], gap_ms: int) -> Iterator[tuple[int, int]]:
    """Join moments that are no further apart than a gap; gives the first and the last moment of each run."""
    ordered = sorted(times_ms)
    first_ms = last_ms = ordered[0]
    for ms in ordered:
        if ms - last_ms > gap_ms:
            yield first_ms, last_ms
            first_ms = ms
        last_ms = ms
    yield first_ms, last_ms


def vouchers(told: Iterable[Told]) -> dict[Epoch, list[int]]:
    """Give by (site, agent, epoch) the moments at which words vouch for it."""
    times: dict[Epoch, list[int]] = {}
    for one in told:
        if isinstance(one, Stated | Marked):
            times.setdefault((one.site, one.agent, one.epoch), []).append(one.time_ms)
        elif isinstance(one, Lost):
            times.setdefault((one.site, one.agent, one.span.epoch), []).append(one.span.to_ms)
    return times


def _vouched(site: str, told: Iterable[Told], source: WordSource, heard: Heard) -> Iterator[tuple[str, Span]]:
    """Each word vouches for all since the last one of its epoch; marks come often enough to stand for the others."""
    for (_, agent, epoch), of_epoch in vouchers(told).items():
        heard_ms = heard.get((site, agent, epoch))
        for first_ms, last_ms in _runs(of_epoch, QUARTER_MS):
            if heard_ms is not None and 0 <= first_ms - heard_ms <= QUARTER_MS:
                yield agent, Span(heard_ms, last_ms + 1)
                continue
            before_ms = source.mark_before(site, agent, epoch, first_ms)
            yield agent, Span(first_ms if before_ms is None else before_ms, last_ms + 1)


def _stated(told: Iterable[Told]) -> Iterator[Stretch]:
    """Statements of one space that follow each other closely are one run."""
    times: dict[tuple[str, str], list[int]] = {}
    for one in told:
        if isinstance(one, Stated):
            times.setdefault((one.agent, one.space), []).append(one.time_ms)
    for (agent, space), of_space in times.items():
        for first_ms, last_ms in _runs(of_space, TOGETHER_MS):
            yield Stretch(space, agent, first_ms, last_ms + 1)


def _moved(moves: Iterable[Moved]) -> Iterator[tuple[str, Span]]:
    """All that an agent told may have come into a span, or gone from it."""
    return ((moved.agent, Span(moved.from_ms, moved.to_ms + 1)) for moved in moves if moved.agent is not None)


def _of_all_spaces(
    site: str, spans: Iterable[tuple[str, int, int]], source: WordSource, homes: Mapping[str, Sequence[str]]
) -> Iterator[Stretch]:
    """What was lost, came or went may say something of every space of an agent."""
    spaces: dict[str, Sequence[str]] = {}
    for agent, from_ms, to_ms in dict.fromkeys(spans):
        if agent not in spaces:
            spaces[agent] = tuple(dict.fromkeys((*source.spaces(site, agent), *homes.get(agent, ()))))
        for space in spaces[agent]:
            yield Stretch(space, agent, from_ms, to_ms + 1)


def _all_around(
    site: str, runs: Sequence[Stretch], until_ms: Mapping[str, int], source: WordSource
) -> Iterator[tuple[tuple[str, str], Span]]:
    """Widen runs by the statements around them, or to the last evidence of the agent where none comes after.

    Each statement changes all until the next one of its space, which may itself become a transition or cease to. Where
    one vouches for the time before it, what the statement or lost span before the run is worth changes as well. What
    was stated before a lost span shows in it, and so on to the next statement outside of any: there an answer ends.
    """
    around = source.read_together(site, runs)
    apart = sorted(around.lost)
    odd = dict(zip(apart, source.read(site, [runs[number] for number in apart]), strict=True)) if apart else {}
    ends = np.cumsum(around.counts).tolist()
    place, times_ms = around.place, around.rows.time_ms
    offline = around.rows.reason == AGENT_OFFLINE
    starts_ms = np.array([run.from_ms for run in runs], dtype=np.int64)
    from_before = {*place[offline & (times_ms >= starts_ms[place])].tolist(), *odd}
    begun = 0
    for number, (run, ended) in enumerate(zip(runs, ends, strict=True)):
        known_ms = odd[number].time_ms if number in odd else times_ms[begun:ended]
        from_ms, next_ms = run.from_ms, until_ms.get(run.agent, run.to_ms)
        if number in odd:
            from_ms = min(from_ms, odd[number].lost[0].from_ms)
        if number in from_before:
            from_ms = min((from_ms, *known_ms[:1].tolist()))
        if len(known_ms) and known_ms[-1] >= run.to_ms and not (number in odd and _is_among_lost(odd[number])):
            next_ms = int(known_ms[-1])
        yield (run.agent, run.space), Span(from_ms, next_ms + 1)
        begun = ended


def _is_among_lost(rows: Columns) -> bool:
    """Tell whether the last row may be swallowed by a lost span, so that what was stated before shows behind it."""
    last_ms = int(rows.time_ms[-1])
    return any(span.from_ms <= last_ms <= span.to_ms for span in rows.lost)
