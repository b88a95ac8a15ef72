"""Sessions replayed against other spaces: who comes takes the smallest that is free and large enough, else goes away.

Nobody waits, nobody comes again, and nobody takes a space of another kind.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from math import inf
from typing import NamedTuple

from perch.history.planning.demand import Stay
from perch.model import SpaceKind

Pools = Mapping[SpaceKind, Sequence[int | None]]
"""The capacities of the spaces of each kind; None fits everybody."""


class Filling(NamedTuple):
    """So many spaces are taken over [from_ms, to_ms), and the kinds of which all are."""

    from_ms: int
    to_ms: int
    taken: int
    full: tuple[SpaceKind, ...]


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of everybody: when somebody was turned away, and how full it was when."""

    turned_away_ms: tuple[int, ...]
    fillings: tuple[Filling, ...]


@dataclass(slots=True)
class _Pool:
    """Spaces of one kind: those that are free, by size, and how many are taken."""

    free: list[float]
    taken: int = 0

    def take(self, seats: int) -> float | None:
        """Take the smallest that is large enough; None where there is none."""
        place = bisect_left(self.free, seats)
        if place == len(self.free):
            return None
        self.taken += 1
        return self.free.pop(place)

    def give_back(self, size: float) -> None:
        """Let somebody leave."""
        self.taken -= 1
        insort(self.free, size)


@dataclass
class _House:
    """All pools, and what happened in them."""

    pools: Mapping[SpaceKind, _Pool]
    leaving: list[tuple[int, SpaceKind, float]] = field(default_factory=list)
    fillings: list[Filling] = field(default_factory=list)
    now_ms: int = 0

    def pass_to(self, ms: int) -> None:
        """Let time pass, and everybody leave who does until then."""
        while self.leaving and self.leaving[0][0] <= ms:
            left_ms, kind, size = heappop(self.leaving)
            self._note(left_ms)
            self.pools[kind].give_back(size)
        self._note(ms)

    def _note(self, ms: int) -> None:
        if ms > self.now_ms:
            taken = sum(pool.taken for pool in self.pools.values())
            full = tuple(kind for kind, pool in self.pools.items() if not pool.free)
            self.fillings.append(Filling(self.now_ms, ms, taken, full))
            self.now_ms = ms


def replay(stays: Iterable[Stay], pools: Pools, from_ms: int, to_ms: int) -> Replayed:
    """Let sessions happen in order of time among other spaces, over [from_ms, to_ms)."""
    sizes = {kind: sorted(inf if size is None else float(size) for size in of) for kind, of in pools.items()}
    house = _House({kind: _Pool(of) for kind, of in sizes.items()}, now_ms=from_ms)
    away = []
    for stay in stays:
        house.pass_to(stay.from_ms)
        size = house.pools[stay.kind].take(stay.seats)
        if size is None:
            away.append(stay.from_ms)
        else:
            heappush(house.leaving, (stay.to_ms, stay.kind, size))
    house.pass_to(to_ms)
    return Replayed(tuple(away), tuple(house.fillings))
