"""Which spaces a reader asks for, and in which order."""

from dataclasses import dataclass
from enum import StrEnum

from perch.model import Occupancy, Space, SpaceKind, State


class Order(StrEnum):
    """How a list of spaces is ordered."""

    FREE_FIRST = "free-first"
    ID = "id"


Rank = tuple[int, float]
_PLACES = {State.FREE: 0, State.UNKNOWN: 1, State.OCCUPIED: 2}


def rank(occupancy: Occupancy) -> Rank:
    """Give where a space stands for who looks for one: free, unknown, occupied; the likeliest free first in each."""
    return _PLACES[occupancy.state], occupancy.probability


@dataclass(frozen=True, slots=True)
class Selection:
    """Conditions that all must hold; None asks nothing."""

    site: str | None = None
    floor: str | None = None
    zone: str | None = None
    kind: SpaceKind | None = None
    state: State | None = None
    feature: str | None = None
    min_capacity: int | None = None

    def takes(self, site: str, space: Space, occupancy: Occupancy) -> bool:
        """Tell whether a space in its present state is asked for."""
        return self.state in (None, occupancy.state) and self.may_take(site, space)

    def may_take(self, site: str, space: Space) -> bool:
        """Tell whether a space is asked for in some state; an unstated capacity is not enough for any wish."""
        return (
            self.site in (None, site)
            and self.floor in (None, space.floor)
            and self.zone in (None, space.zone)
            and self.kind in (None, space.kind)
            and (self.feature is None or self.feature in space.features)
            and (self.min_capacity is None or (space.capacity is not None and space.capacity >= self.min_capacity))
        )
