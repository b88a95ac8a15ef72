"""Which spans of history a batch of events may have changed, so that a projection rewrites those and nothing else.

The spans are never too narrow and seldom much too wide, whatever the order in which events arrive, and also when the
source is ahead of the batch: each event answers for the time between its nearest neighbours as they are known now, and
a neighbour that is not yet part of the projection answers for its own when its batch comes.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from perch.history.calendar import DAY_MS, ceil_quarter, floor_quarter
from perch.history.source import EpochSpan, Horizon, WordSource
from perch.history.told import Evidence, Lost, Stated, Told, evidence
from perch.model import QUARTER_MS, Site

TOGETHER_MS = DAY_MS
"""Statements of one space in one batch that are no further apart are one span, whatever lies between them."""


class Span(NamedTuple):
    """Milliseconds UTC from `from_ms` until before `to_ms`."""

    from_ms: int
    to_ms: int


@dataclass(frozen=True, slots=True)
class Touched:
    """What may have changed at one site: spans in order, apart from each other.

    `agents`: all spaces of an agent, and its marks. `spaces`: single spaces, by (agent, space), besides. `quarters`:
    quarter hours that any zone may have gained because the site's first or last evidence moved.
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


def touched(told: Iterable[Told], source: WordSource) -> dict[str, Touched]:
    """Find what a batch of events, already part of the source, may have changed, by site."""
    by_site: dict[str, list[Told]] = {}
    for one in told:
        by_site.setdefault(one.site, []).append(one)
    return {site: _touched_at(site, events, source) for site, events in by_site.items()}


def _touched_at(site: str, told: Sequence[Told], source: WordSource) -> Touched:
    epochs, horizon = source.epochs(site), source.horizon(site)
    words = [word for word in map(evidence, told) if word is not None]
    if horizon is None or not words:
        return Touched({}, {}, ())
    agents: dict[str, list[Span]] = {}
    for agent, spans in (*_vouched(site, words, source), *_lost(told, epochs)):
        agents.setdefault(agent, []).extend(spans)
    return Touched(
        {agent: joined(spans) for agent, spans in agents.items()},
        {key: joined(spans) for key, spans in _restated(site, told, epochs, source)},
        joined(_heard(site, words, epochs, horizon, source)),
    )


def _runs(times_ms: Iterable[int], gap_ms: int) -> list[Span]:
    """Join moments that are close to each other; the end of a run is its last moment, which is part of it."""
    return joined(Span(ms, ms + gap_ms) for ms in times_ms)


def _vouched(site: str, words: Sequence[Evidence], source: WordSource) -> Iterator[tuple[str, list[Span]]]:
    """Each word vouches for all since the last one of its epoch; marks come often enough to stand for the others."""
    times: dict[tuple[str, str], list[int]] = {}
    for word in words:
        times.setdefault((word.agent, word.epoch), []).append(word.time_ms)
    for (agent, epoch), of_epoch in times.items():
        spans = []
        for run in _runs(of_epoch, QUARTER_MS):
            before_ms = source.mark_before(site, agent, epoch, run.from_ms)
            spans.append(Span(run.from_ms if before_ms is None else before_ms, run.to_ms - QUARTER_MS + 1))
        yield agent, spans


def _restated(
    site: str, told: Sequence[Told], epochs: Sequence[EpochSpan], source: WordSource
) -> Iterator[tuple[tuple[str, str], list[Span]]]:
    """Each statement changes all until the next one of its space, which may itself become a transition or cease to."""
    times: dict[tuple[str, str], list[int]] = {}
    for one in told:
        if isinstance(one, Stated):
            times.setdefault((one.agent, one.space), []).append(one.time_ms)
    for (agent, space), of_space in times.items():
        spans = []
        for run in _runs(of_space, TOGETHER_MS):
            last_ms = run.to_ms - TOGETHER_MS
            next_ms = source.next_row_ms(site, agent, space, last_ms)
            spans.append(Span(run.from_ms, (_until(agent, epochs, last_ms) if next_ms is None else next_ms) + 1))
        yield (agent, space), spans


def _lost(told: Sequence[Told], epochs: Sequence[EpochSpan]) -> Iterator[tuple[str, list[Span]]]:
    """A lost span changes all spaces of its agent, each until its next statement; that is rare enough to take all."""
    for one in told:
        if isinstance(one, Lost):
            yield one.agent, [Span(one.span.from_ms, _until(one.agent, epochs, one.span.from_ms) + 1)]


def _until(agent: str, epochs: Sequence[EpochSpan], least_ms: int) -> int:
    return max((span.until_ms for span in epochs if span.agent == agent), default=least_ms)


def _heard(
    site: str, words: Sequence[Evidence], epochs: Sequence[EpochSpan], horizon: Horizon, source: WordSource
) -> Iterator[Span]:
    """Each word may have been the site's first or last, and so have brought quarter hours into being."""
    times_ms = (min(word.time_ms, word.received_ms) for word in words)
    for run in _runs(times_ms, QUARTER_MS):
        first_ms, last_ms = run.from_ms, run.to_ms - QUARTER_MS
        if floor_quarter(first_ms) == floor_quarter(horizon.first_ms):
            last_ms = min((span.first_ms for span in epochs if span.first_ms > last_ms), default=last_ms)
        yield Span(_before(site, epochs, first_ms, source), last_ms + 1)


def _before(site: str, epochs: Sequence[EpochSpan], ms: int, source: WordSource) -> int:
    """Give a late moment, but none after the site's last evidence before a moment; without any, the moment itself."""
    latest_ms = max((span.until_ms for span in epochs if span.until_ms < ms), default=None)
    for span in epochs:
        if span.first_ms < ms <= span.until_ms:
            marked_ms = source.mark_before(site, span.agent, span.epoch, ms)
            latest_ms = max(ms for ms in (latest_ms, marked_ms) if ms is not None)
    return ms if latest_ms is None else latest_ms
