"""What may already stand in InfluxDB, so that a span is deleted before it is written only where rows could be stale.

A row is computed from all that history held at that moment, its *reach*: a position in the journal, and for each agent
its last evidence up to there; no row of an agent lies later than that. So an entry can make rows stale only if they
were computed before history reached it, and only if its time is not later than the agent's last evidence then.
"""

from bisect import bisect_left
from collections.abc import Mapping


class Reach:
    """Remembers for one site how far the rows reached that were written; forgets what no coming entry can ask about."""

    def __init__(self, *, empty: bool) -> None:
        self._empty = empty
        self._positions: list[int] = []
        self._until_ms: list[dict[str, int]] = []

    def __repr__(self) -> str:
        return f"<Reach {'from nothing' if self._empty else 'from anything'}, {self._positions}>"

    @property
    def is_unknown(self) -> bool:
        """Whether it has heard of no agent yet: the first time, it is to be told of all."""
        return not self._positions

    def is_late(self, agent: str, position: int, time_ms: int) -> bool:
        """Tell whether an entry may contradict rows that stand there."""
        place = bisect_left(self._positions, position) - 1
        if place < 0:
            return not self._empty
        known = (until_ms[agent] for until_ms in self._until_ms[place::-1] if agent in until_ms)
        return time_ms <= next(known, time_ms - 1)

    def extend(self, position: int, until_ms: Mapping[str, int]) -> None:
        """Rows of some agents were written from all entries up to a position, none later than its last evidence."""
        if self._positions and self._positions[-1] == position:
            self._until_ms[-1].update(until_ms)
        else:
            self._positions.append(position)
            self._until_ms.append(dict(until_ms))

    def settle(self, position: int) -> None:
        """No entry at or before this position will be asked about again."""
        spent = max(bisect_left(self._positions, position + 1) - 1, 0)
        for until_ms in self._until_ms[1 : spent + 1]:
            self._until_ms[0].update(until_ms)
        del self._positions[:spent], self._until_ms[1 : spent + 1]
