"""Which rows of a site a batch of entries changed: the spans of each space, agent and zone, and what must be deleted.

A row that is written again replaces itself, so that only rows which are no more have to be deleted: where words came
late or moved, and where the site's eras gave way.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from collector.influx.rows import (
    EVER,
    MEASUREMENTS,
    OF_SPACES,
    Ground,
    Lines,
    agent_lines,
    quarter_lines,
    space_lines,
)
from perch.adapters.influx.cursor import Spans
from perch.adapters.influx.query import Bucket
from perch.history.calendar import ceil_quarter, floor_quarter
from perch.history.eras import quarters_of
from perch.history.served import Group, Served
from perch.history.source import BEGINNING_MS, END_MS, WordSource
from perch.history.spans import Span, Touched, common, joined, latest, without
from perch.model import DAY_MS, QUARTER_MS

Eras = Sequence[Span]
NOTHING = Touched({}, {})
Key = TypeVar("Key")


class Filled(NamedTuple):
    """Eras of a site by which all its rows are there, and those by which some may be: a try that failed wrote them.

    What a try is about to do is noted before: history may be another one when the next one comes, since it was lost
    and made anew, and tells nothing of eras that were and are no more.
    """

    surely: Eras = ()
    perhaps: Eras = ()

    def trying(self, lived: Eras) -> "Filled":
        """Say what is there while the rows of a site become those of other eras; the same if those are none."""
        if _differ(lived, self.perhaps) or _differ(self.surely, lived):
            return Filled(common(self.surely, lived), joined((*self.perhaps, *lived)))
        return self


def filled(lived: Mapping[str, Spans], tried: Mapping[str, Spans]) -> dict[str, Filled]:
    """Put together by which eras rows of sites are there, and by which some may be."""
    surely, perhaps = (
        {site: [Span(*span) for span in spans] for site, spans in those.items()} for those in (lived, tried)
    )
    return {site: Filled(surely.get(site, ()), perhaps.get(site, ())) for site in {*surely, *perhaps}}


def _differ(lived: Eras, others: Eras) -> bool:
    """Tell whether there may be rows by some eras and not by others."""
    missing = any(_has_quarter(span) for span in _rows_between(lived, others))
    return missing or bool(without(quarters_of(lived), quarters_of(others)))


class Deleted(NamedTuple):
    """Rows of a measurement that may be no more."""

    bucket: Bucket
    measurement: str
    span: Span
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Changed:
    """What is to be written anew of a site, and what is to be deleted before."""

    spaces: Mapping[str, Sequence[Span]]
    agents: Mapping[str, Sequence[Span]]
    groups: Mapping[Group, Sequence[Span]]
    deleted: Sequence[Deleted]

    def since(self, from_ms: int) -> "Changed":
        """Leave out what was before a moment."""
        if from_ms == BEGINNING_MS:
            return self
        later = [Span(from_ms, END_MS)]
        spaces, agents = _among(self.spaces, later), _among(self.agents, later)
        deleted = [
            of._replace(span=Span(max(of.span.from_ms, from_ms), of.span.to_ms))
            for of in self.deleted
            if of.span.to_ms > from_ms
        ]
        return Changed(spaces, agents, _among(self.groups, later), deleted)

    def agents_of(self, ground: Ground) -> set[str]:
        """Name the agents of which rows are written."""
        tenures = ground.served.tenures
        return {*self.agents, *(tenure.agent for space in self.spaces for tenure in tenures.get(space, ()))}

    def lines(self, ground: Ground, lived: Eras, history: WordSource) -> Iterator[Lines]:
        """Give the rows."""
        yield from space_lines(ground, self.spaces, lived, history)
        for agent, spans in self.agents.items():
            for span in spans:
                yield agent_lines(ground.served.site, agent, span, history)
        yield from quarter_lines(ground, self.groups, lived, history)


def changed(
    served: Served,
    touched: Touched,
    late: Collection[str],
    before: Filled,
    after: Eras,
    history: WordSource,
) -> Changed:
    """Work out what changed; `late` names agents whose words may contradict rows that stand, as those that moved do.

    `before` and `after` are the site's eras as they are in the rows, and as they are now. What a failed try may have
    deleted it had deleted of all spaces.
    """
    gone = [span for span in _rows_between(before.perhaps, after) if _has_quarter(span)]
    grown = [span for span in _rows_between(after, before.surely) if _has_quarter(span)]
    gone_quarters = without(quarters_of(before.perhaps), quarters_of(after))
    grown_quarters = without(quarters_of(after), quarters_of(before.surely))
    spaces = _by_space(served, touched, late)
    concerned: Iterable[str] = ()
    if gone or grown:
        concerned = served.rows if gone or common(grown, before.perhaps) else _alive(served, grown, history)
        spaces = {**spaces, **{space: joined((*spaces.get(space, ()), *gone, *grown)) for space in concerned}}
    return Changed(
        spaces,
        touched.agents,
        _by_group(served, touched, concerned, (*gone, *grown), joined((*gone_quarters, *grown_quarters))),
        (
            *_stale_of_spaces(served, spaces, late),
            *_stale_of_agents(served, touched.agents),
            *(Deleted(Bucket.SPACES, of, span, {"site": served.site}) for span in gone for of in OF_SPACES),
            *(Deleted(Bucket.ZONES, "zone_15min", span, {"site": served.site}) for span in gone_quarters),
        ),
    )


def _rows_between(lived: Eras, others: Eras) -> Sequence[Span]:
    """Say where there may be rows by some eras and not by others: without any era there are none at all."""
    return [EVER] if lived and not others else without(lived, others)


def _has_quarter(span: Span) -> bool:
    return ceil_quarter(span.from_ms) < span.to_ms


def _whole(span: Span) -> Span:
    """Widen a span to whole quarter hours."""
    return Span(floor_quarter(span.from_ms), floor_quarter(span.to_ms - 1) + QUARTER_MS)


def _by_space(served: Served, touched: Touched, late: Collection[str]) -> dict[str, list[Span]]:
    """Give what changed of each space, whichever agents ever served it.

    An agent that says something of one space vouches for all of its others: that shows in rows at full quarter hours
    alone, and most such spans have none.
    """
    spans: dict[str, list[Span]] = {}
    for agent, of_agent in touched.agents.items():
        shown = of_agent if agent in late else [span for span in of_agent if _has_quarter(span)]
        for space in served.by_agent.get(agent, ()) if shown else ():
            spans.setdefault(space, []).extend(shown)
    for (agent, space), of_space in touched.spaces.items():
        if _is_served(served, agent, space):
            spans.setdefault(space, []).extend(of_space)
    return {space: joined(of_space) for space, of_space in spans.items()}


def _is_served(served: Served, agent: str, space: str) -> bool:
    return any(tenure.agent == agent for tenure in served.tenures.get(space, ()))


def _alive(served: Served, spans: Sequence[Span], history: WordSource) -> Iterable[str]:
    """Name the spaces of which a state may be carried on in spans: those of agents that lived then or later.

    A state may hold until a later epoch says that its agent was away, and events are lost before there is evidence.
    """
    until_ms = latest(history.epochs(served.site))
    agents = [agent for agent, last_ms in sorted(until_ms.items()) if spans[0].from_ms <= last_ms]
    return dict.fromkeys(space for agent in agents for space in served.by_agent.get(agent, ()))


def _by_group(
    served: Served, touched: Touched, spaces: Iterable[str], of_spaces: Sequence[Span], quarters: Sequence[Span]
) -> dict[Group, list[Span]]:
    """Give what changed of the quarter hours of each group: some spans of some spaces, and some quarters of all."""
    spans: dict[Group, set[Span]] = {group: set(quarters) for group in served.groups} if quarters else {}
    for agent, of_agent in touched.agents.items():
        for group in served.groups_by_agent.get(agent, ()):
            spans.setdefault(group, set()).update(of_agent)
    for (agent, space), of_space in touched.spaces.items():
        for group in served.groups_of[space] if _is_served(served, agent, space) else ():
            spans.setdefault(group, set()).update(of_space)
    for group in {group for space in spaces for group in served.groups_of[space]}:
        spans.setdefault(group, set()).update(of_spaces)
    return {group: joined(map(_whole, of_group)) for group, of_group in spans.items()}


def _stale_of_spaces(served: Served, spaces: Mapping[str, Sequence[Span]], late: Collection[str]) -> Iterator[Deleted]:
    for space in dict.fromkeys(space for agent in sorted(late) for space in served.by_agent.get(agent, ())):
        for span in spaces.get(space, ()):
            for measurement in OF_SPACES:
                yield Deleted(Bucket.SPACES, measurement, span, {"site": served.site, "space": space})


def _stale_of_agents(served: Served, agents: Mapping[str, Sequence[Span]]) -> Iterator[Deleted]:
    """The last evidence of an epoch is a row only until a later one comes."""
    for agent, spans in agents.items():
        for span in spans:
            yield Deleted(Bucket.SPACES, "alive", span, {"site": served.site, "agent": agent})


def _among(wanted: Mapping[Key, Sequence[Span]], spans: Sequence[Span]) -> dict[Key, list[Span]]:
    found = {key: common(of_key, spans) for key, of_key in wanted.items()}
    return {key: of_key for key, of_key in found.items() if of_key}


def all_deleted(tags: Mapping[str, str], kept_ms: int) -> list[Deleted]:
    """Name all rows that come from a journal and have some tags; of zones those that can be made again.

    Words are kept from `kept_ms` on; a day more may be let go of before all is written.
    """
    zones_ms = kept_ms if kept_ms == BEGINNING_MS else kept_ms + DAY_MS
    since = {Bucket.SPACES: EVER, Bucket.ZONES: Span(zones_ms, END_MS)}
    return [Deleted(bucket, measurement, since[bucket], tags) for measurement, bucket in MEASUREMENTS]
