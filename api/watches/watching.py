"""What watches see: for each thing that a watch looks at, whether it holds, as far as its reader may know."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from api.directory import Key
from api.entrance.access import Matter, Reader
from api.live.live import Live, Shown
from api.live.selection import Selection, rank
from api.live.shapes import SpaceItem
from api.moments import day_at
from perch.model import Purpose, SpaceKind, State
from perch.watching.conditions import About, Counts, Truth, is_full, is_over, one_is_free
from perch.watching.sitting import Sitting, seen
from perch.watching.wishes import Wish

MATTERS: Mapping[About, Matter] = {
    About.SPACE_FREE: Matter.LIVE,
    About.FULL: Matter.LIVE,
    About.OVER_CAPACITY: Matter.FLEET,
    About.AGENT_OFFLINE: Matter.FLEET,
    About.CAMPING: Matter.HISTORY_OF_SPACES,
}
"""What a reader must be allowed to read to be told of something."""

GROUP = ""
"""Names the one thing that a watch of a group looks at; others are named by agent or space."""

FEWEST = 5
"""Whoever may not read the history of spaces is told once of fewer: told again and again, it would be their history."""

MOST_NAMED = 5
QUIET_MS = 180_000
"""For so long after the start nothing is said of agents that were not heard yet."""


class Sight(NamedTuple):
    """Whether something holds, and what is known of it: counts, the free spaces, or for how long a desk was left."""

    holds: Truth
    counts: Counts | None = None
    spaces: tuple[SpaceItem, ...] = ()
    gap_ms: int | None = None


class Sights:
    """Looks at what is live now for all watches; one owner calls it, on the event loop's thread."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._begun_ms = live.now().mono_ms
        self._desks: dict[Key, Sitting] = {}
        self._camping: dict[Key, int] = {}
        self._of_site: dict[str | None, list[Shown]] = {}
        self._found: dict[tuple[object, ...], list[Shown]] = {}

    def __repr__(self) -> str:
        return f"<Sights of {self._live!r}>"

    def look(self) -> None:
        """Take in what is live now; follow the desks, of which camping is told once at each visit."""
        now_ms, directory = self._live.now().wall_ms, self._live.directory
        days = {site: day_at(now_ms, directory.zone(site)).toordinal() for site in directory.sites}
        self._camping, self._found = {}, {}
        self._of_site = {None: [], **{site: [] for site in directory.sites}}
        for key, shown in self._live.all():
            self._of_site[None].append(shown)
            self._of_site[key[0]].append(shown)
            if shown.place.space.kind is not SpaceKind.DESK:
                continue
            day = days[key[0]]
            self._desks[key], gap_ms = seen(self._desks.get(key, Sitting(day)), shown.occupancy.state, now_ms, day)
            if gap_ms is not None:
                self._camping[key] = gap_ms

    def forget(self) -> None:
        """Follow nothing, as long as nothing is watched."""
        self._desks.clear()

    def of(self, wish: Wish, reader: Reader, before: Mapping[str, bool]) -> dict[str, Sight]:
        """Give what a watch looks at, by name; `before` is what held."""
        if not reader.may_read(MATTERS[wish.about]):
            return {}
        if wish.about is About.AGENT_OFFLINE:
            return dict(self._agents(wish, reader))
        if wish.about is About.CAMPING:
            return dict(self._campers(wish, reader))
        return {GROUP: self._group(wish, reader, before.get(GROUP))}

    def _group(self, wish: Wish, reader: Reader, before: Truth) -> Sight:
        found = self._meant(wish, reader)
        counts = counted(found)
        if wish.about is About.FULL:
            return Sight(is_full(counts, wish.share or 1.0, before), counts)
        if wish.about is About.OVER_CAPACITY:
            return Sight(is_over(counts, wish.people or 1, before), counts)
        return Sight(one_is_free(counts), counts, tuple(self._free(found, reader)))

    def _meant(self, wish: Wish, reader: Reader) -> list[Shown]:
        """Find the spaces that a watch means; many watches mean the same."""
        question = (wish.about is About.OVER_CAPACITY, selection_of(wish), reader)
        if question not in self._found:
            spaces = self._of_site.get(wish.site, [])
            self._found[question] = [shown for shown in spaces if _is_meant(shown, wish, reader)]
        return self._found[question]

    def _free(self, found: list[Shown], reader: Reader) -> Iterator[SpaceItem]:
        free = sorted((one for one in found if one.occupancy.state is State.FREE), key=lambda one: rank(one.occupancy))
        now = self._live.now()
        for shown in free[:MOST_NAMED]:
            yield self._live.item_to(reader, shown, now)

    def _agents(self, wish: Wish, reader: Reader) -> Iterator[tuple[str, Sight]]:
        now = self._live.now()
        is_young = now.mono_ms - self._begun_ms < QUIET_MS
        for site, agent in self._live.agents:
            if site == wish.site and wish.agent in (None, agent) and reader.may_see_site(site):
                online = self._live.fleet.online((site, agent), now)
                yield agent, Sight(None if is_young and not online else not online)

    def _campers(self, wish: Wish, reader: Reader) -> Iterator[tuple[str, Sight]]:
        for key, gap_ms in self._camping.items():
            shown = self._live.get(*key)
            if shown is not None and _is_meant(shown, wish, reader):
                yield key[1], Sight(True, gap_ms=gap_ms)


def is_log(reader: Reader, sight: Sight) -> bool:
    """Tell whether a watch that went on would be a record of a few people's comings and goings."""
    if reader.may_read(Matter.HISTORY_OF_GROUPS) or sight.counts is None:
        return False
    return sight.counts.known + sight.counts.unknown < FEWEST


def counted(found: list[Shown]) -> Counts:
    """Count what spaces are."""
    states = [shown.occupancy.state for shown in found]
    people = sum(
        1 if one.occupancy.count is None else one.occupancy.count
        for one in found
        if one.occupancy.state is State.OCCUPIED
    )
    return Counts(states.count(State.FREE), states.count(State.OCCUPIED), states.count(State.UNKNOWN), people)


def _is_meant(shown: Shown, wish: Wish, reader: Reader) -> bool:
    """Tell whether a space is watched: of free desks, those that anybody may take."""
    space, site = shown.place.space, shown.place.site
    if wish.about in (About.SPACE_FREE, About.FULL) and space.purpose is not Purpose.SHARED:
        return False
    return reader.may_see(site, space) and selection_of(wish).takes(site, space, shown.occupancy)


def selection_of(wish: Wish) -> Selection:
    """Give the spaces that a wish means."""
    return Selection(wish.site, wish.floor, wish.zone, wish.kind, None, wish.feature, wish.min_capacity)
