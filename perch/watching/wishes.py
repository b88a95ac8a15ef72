"""What somebody asks to be told of, and which words go with it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType

from perch.model import SpaceKind
from perch.watching.conditions import About

LONGEST_NAME = 80
MOST_PEOPLE = 100_000


@dataclass(frozen=True, slots=True)
class Wish:
    """What is watched, where, and from which share of occupied spaces or number of people on; None asks nothing."""

    about: About
    site: str | None = None
    floor: str | None = None
    zone: str | None = None
    kind: SpaceKind | None = None
    feature: str | None = None
    min_capacity: int | None = None
    share: float | None = None
    people: int | None = None
    agent: str | None = None


_PLACE = frozenset({"site", "floor", "zone", "kind"})
_TAKES: Mapping[About, frozenset[str]] = MappingProxyType(
    {
        About.SPACE_FREE: _PLACE | {"feature", "min_capacity"},
        About.FULL: _PLACE | {"share"},
        About.OVER_CAPACITY: _PLACE | {"people"},
        About.AGENT_OFFLINE: frozenset({"site", "agent"}),
        About.CAMPING: _PLACE,
    }
)
_NEEDS: Mapping[About, frozenset[str]] = MappingProxyType(
    {
        About.SPACE_FREE: frozenset(),
        About.FULL: frozenset({"site", "share"}),
        About.OVER_CAPACITY: frozenset({"site", "people"}),
        About.AGENT_OFFLINE: frozenset({"site"}),
        About.CAMPING: frozenset({"site"}),
    }
)


def complaints(wish: Wish) -> Iterator[tuple[str, str]]:
    """Give what is wrong with a wish: which word, and why."""
    given = {field.name for field in fields(wish) if getattr(wish, field.name) is not None} - {"about"}
    for name in sorted(_NEEDS[wish.about] - given):
        yield name, f"is missing: {wish.about} needs it"
    for name in sorted(given - _TAKES[wish.about]):
        yield name, f"does not go with {wish.about}, which takes {', '.join(sorted(_TAKES[wish.about]))}"
    if wish.share is not None and not 0 < wish.share <= 1:
        yield "share", "is not above 0 and at most 1, as 0.9 for nine in ten"
    if wish.people is not None and not 1 <= wish.people <= MOST_PEOPLE:
        yield "people", f"is not from 1 to {MOST_PEOPLE}"
    if wish.min_capacity is not None and not 1 <= wish.min_capacity <= MOST_PEOPLE:
        yield "min_capacity", f"is not from 1 to {MOST_PEOPLE}"
