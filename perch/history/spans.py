"""Which spans of history a batch of events may have changed, so that a projection rewrites those and nothing else.

The spans are never too narrow and seldom much too wide, whatever the order in which events arrive, and also when the
source is ahead of the batch: each event answers for the time between its nearest neighbours as they are known now, and
a neighbour that is not yet part of the projection answers for its own when its batch comes. What was forgotten and told
anew answers for where it was and where it is now, up to the neighbours that it has or had there.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from perch.history.calendar import DAY_MS, ceil_quarter, floor_quarter
from perch.history.source import Columns, EpochSpan, Moved, Stretch, WordSource
from perch.history.timeline import AGENT_OFFLINE
from perch.history.told import Evidence, Lost, Stated, Told, evidence
from perch.model import QUARTER_MS, Site

TOGETHER_MS = DAY_MS
"""Statements of one space in one batch that are no further apart are one span, whatever lies between them."""


Key = TypeVar("Key")


class Span(NamedTuple):
    """Milliseconds UTC from `from_ms` until before `to_ms`."""

    from_ms: int
    to_ms: int


@dataclass(frozen=True, slots=True)
class Touched:
    """What may have changed at one site: spans in order, apart from each other.

    `agents`: all spaces of an agent, and its marks. `spaces`: single spaces, by (agent, space), besides. `quarters`:
    quarter hours that any zone may have gained, or lost, because the site's first or last evidence moved.
    """

    agents: Mapping[str, Sequence[Span]]
    spaces: Mapping[tuple[str, str], Sequence[Span]]
    quarters: Sequence[Span]

    def of_space(self, site: Site, space: str) -> list[Span]:
        """Give what changed of a space, whichever agents ever served it, and where a state may newly be carried on."""
        agents = {row.agent for row in site.spaces if row.id == space and row.agent is not None}
        spans = [span for agent in agents for span in self.agents.get(agent, ())]
        spans += [span for agent in agents for span in self.spaces.get((agent, space), ())]
        spans += [span for span in self.quarters if ceil_quarter(span.from_ms) < span.to_ms]
        return joined(spans)

    def of_quarters(self) -> list[Span]:
        """Give what changed of zones' quarter hours, widened to whole ones."""
        spans = [span for group in (*self.agents.values(), *self.spaces.values(), self.quarters) for span in group]
        return joined(Span(floor_quarter(span.from_ms), floor_quarter(span.to_ms - 1) + QUARTER_MS) for span in spans)


def joined(spans: Iterable[Span]) -> list[Span]:
    """Sort spans and join those that overlap or meet; empty ones vanish."""
    result: list[Span] = []
    for span in sorted(span for span in spans if span.from_ms < span.to_ms):
        if result and span.from_ms <= result[-1].to_ms:
            result[-1] = Span(result[-1].from_ms, max(result[-1].to_ms, span.to_ms))
        else:
            result.append(span)
    return result


def touched(told: Iterable[Told], source: WordSource, moves: Iterable[Moved] = ()) -> dict[str, Touched]:
    """Find what a batch of events and moves, already part of the source, may have changed, by site."""
    by_site: dict[str, tuple[list[Told], list[Moved]]] = {}
    for one in told:
        by_site.setdefault(one.site, ([], []))[0].append(one)
    for moved in moves:
        by_site.setdefault(moved.site, ([], []))[1].append(moved)
    return {site: _touched_at(site, *changes, source) for site, changes in by_site.items()}


def _touched_at(site: str, told: Sequence[Told], moves: Sequence[Moved], source: WordSource) -> Touched:
    epochs = source.epochs(site)
    words = [word for word in map(evidence, told) if word is not None]
    agents = _collected((*_vouched(site, words, source), *_lost(told, epochs), *_moved(moves)))
    spaces = _collected(
        (
            *_restated(site, told, epochs, source),
            *_before_lost(site, told, source),
            *_around_moved(site, moves, epochs, source),
        )
    )
    gone = (Span(moved.from_ms, moved.to_ms + 1) for moved in moves if moved.agent is None)
    return Touched(agents, spaces, joined((*_heard(site, words, epochs, source), *gone)))


def _collected(spans: Iterable[tuple[Key, Span]]) -> dict[Key, list[Span]]:
    collected: dict[Key, list[Span]] = {}
    for key, span in spans:
        collected.setdefault(key, []).append(span)
    return {key: joined(spans) for key, spans in collected.items()}


def _runs(times_ms: Iterable[int], gap_ms: int) -> list[Span]:
    """Join moments that are close to each other; the end of a run is its last moment, which is part of it."""
    return joined(Span(ms, ms + gap_ms) for ms in times_ms)


def _vouched(site: str, words: Sequence[Evidence], source: WordSource) -> Iterator[tuple[str, Span]]:
    """Each word vouches for all since the last one of its epoch; marks come often enough to stand for the others."""
    times: dict[tuple[str, str], list[int]] = {}
    for word in words:
        times.setdefault((word.agent, word.epoch), []).append(word.time_ms)
    for (agent, epoch), of_epoch in times.items():
        for run in _runs(of_epoch, QUARTER_MS):
            before_ms = source.mark_before(site, agent, epoch, run.from_ms)
            yield agent, Span(run.from_ms if before_ms is None else before_ms, run.to_ms - QUARTER_MS + 1)


def _restated(
    site: str, told: Sequence[Told], epochs: Sequence[EpochSpan], source: WordSource
) -> Iterator[tuple[tuple[str, str], Span]]:
    """Each statement changes all until the next one of its space, which may itself become a transition or cease to."""
    times: dict[tuple[str, str], list[int]] = {}
    for one in told:
        if isinstance(one, Stated):
            times.setdefault((one.agent, one.space), []).append(one.time_ms)
    runs = [
        Stretch(space, agent, run.from_ms, run.to_ms - TOGETHER_MS + 1)
        for (agent, space), of_space in times.items()
        for run in _runs(of_space, TOGETHER_MS)
    ]
    return _all_around(site, runs, epochs, source)


def _moved(moves: Iterable[Moved]) -> Iterator[tuple[str, Span]]:
    """All that an agent told may have come into a span, or gone from it."""
    return ((moved.agent, Span(moved.from_ms, moved.to_ms + 1)) for moved in moves if moved.agent is not None)


def _around_moved(
    site: str, moves: Iterable[Moved], epochs: Sequence[EpochSpan], source: WordSource
) -> Iterator[tuple[tuple[str, str], Span]]:
    """What came or went changes all until the next statement of its space."""
    runs = [
        Stretch(space, moved.agent, moved.from_ms, moved.to_ms + 1)
        for moved in moves
        if moved.agent is not None
        for space in source.spaces(site, moved.agent)
    ]
    return _all_around(site, runs, epochs, source)


def _all_around(
    site: str, runs: Sequence[Stretch], epochs: Sequence[EpochSpan], source: WordSource
) -> Iterator[tuple[tuple[str, str], Span]]:
    for run, rows in zip(runs, source.read(site, runs), strict=True):
        yield (run.agent, run.space), _around(run, rows, _until(run.agent, epochs, run.to_ms))


def _around(run: Stretch, rows: Columns, until_ms: int) -> Span:
    """Widen a run of statements by those around it: `until_ms` is the last evidence of the agent.

    Where one vouches for the time before it, what the statement before the run is worth changes as well; where spans
    were lost, what was stated before a span shows in it to its end.
    """
    vouching = bool((rows.reason[rows.time_ms >= run.from_ms] == AGENT_OFFLINE).any() or rows.lost)
    from_ms = min(int(rows.time_ms[0]), run.from_ms) if vouching and len(rows) else run.from_ms
    next_ms = until_ms if rows.lost or not len(rows) else int(rows.time_ms[-1])
    return Span(from_ms, (next_ms if next_ms >= run.to_ms else until_ms) + 1)


def _lost(told: Sequence[Told], epochs: Sequence[EpochSpan]) -> Iterator[tuple[str, Span]]:
    """A lost span changes all spaces of its agent; it is rare enough to take all that came after it."""
    for one in told:
        if isinstance(one, Lost):
            yield one.agent, Span(one.span.from_ms, _until(one.agent, epochs, one.span.from_ms) + 1)


def _before_lost(site: str, told: Sequence[Told], source: WordSource) -> Iterator[tuple[tuple[str, str], Span]]:
    """A lost span may hide what vouched for the statements before it."""
    for one in told:
        if isinstance(one, Lost):
            from_ms = one.span.from_ms
            asked = [Stretch(space, one.agent, from_ms, from_ms) for space in source.spaces(site, one.agent)]
            for stretch, rows in zip(asked, source.read(site, asked), strict=True):
                if len(rows):
                    yield (one.agent, stretch.space), Span(int(rows.time_ms[0]), from_ms)


def _until(agent: str, epochs: Sequence[EpochSpan], least_ms: int) -> int:
    return max((span.until_ms for span in epochs if span.agent == agent), default=least_ms)


def _heard(site: str, words: Sequence[Evidence], epochs: Sequence[EpochSpan], source: WordSource) -> Iterator[Span]:
    """Each word may have been the site's first or last, and so have brought quarter hours into being."""
    times_ms = (min(word.time_ms, word.received_ms) for word in words)
    for run in _runs(times_ms, QUARTER_MS):
        last_ms = run.to_ms - QUARTER_MS
        yield Span(_before(site, epochs, run.from_ms, source), _after(site, epochs, last_ms, source) + 1)


def _before(site: str, epochs: Sequence[EpochSpan], ms: int, source: WordSource) -> int:
    """Give a late moment, but none after the site's last evidence before a moment; without any, the moment itself."""
    latest_ms = max((span.until_ms for span in epochs if span.until_ms < ms), default=None)
    for span in epochs:
        if span.first_ms < ms <= span.until_ms:
            marked_ms = source.mark_before(site, span.agent, span.epoch, ms)
            latest_ms = max(ms for ms in (latest_ms, marked_ms) if ms is not None)
    return ms if latest_ms is None else latest_ms


def _after(site: str, epochs: Sequence[EpochSpan], ms: int, source: WordSource) -> int:
    """Give an early moment, but none before the site's first evidence after a moment; without any, that moment."""
    later_ms = [span.first_ms for span in epochs if span.first_ms > ms]
    for span in epochs:
        if span.first_ms <= ms < span.until_ms:
            marks = source.marks(site, span.agent, ms + 1, min(ms + DAY_MS, span.until_ms))
            later_ms.append(marks[0].time_ms if marks else span.until_ms)
    return min(later_ms, default=ms)
