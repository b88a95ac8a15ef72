"""One recording under two configurations: what each says of every space at each moment, and how much they differ."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from heapq import merge
from typing import NamedTuple

from perch.model import Occupancy, State
from perch.sensing.watch import Change


class Both(NamedTuple):
    """What both say of a space from a moment on; None where a configuration does not know the space."""

    time_ms: int
    space: str
    one: Occupancy | None
    other: Occupancy | None


def beside(one: Iterable[Change], other: Iterable[Change]) -> Iterator[Both]:
    """Give what both say whenever the state or the count of either changes, in order of time."""
    said: dict[str, list[Occupancy | None]] = {}
    marked = merge(((c, 0) for c in one), ((c, 1) for c in other), key=lambda pair: pair[0].time_ms)
    pending: dict[str, Both] = {}
    for change, side in marked:
        if pending and next(iter(pending.values())).time_ms < change.time_ms:
            yield from pending.values()
            pending.clear()
        both = said.setdefault(change.space, [None, None])
        both[side] = change.occupancy
        if change.row:
            pending[change.space] = Both(change.time_ms, change.space, *both)
    yield from pending.values()


@dataclass(slots=True)
class Sums:
    """How one side judged a space: ms in each state, and how often it changed its mind."""

    in_state_ms: dict[State, int] = field(default_factory=dict)
    changes: int = 0


@dataclass(slots=True)
class Comparison:
    """Adds up what `beside` gives of one space."""

    one: Sums = field(default_factory=Sums)
    other: Sums = field(default_factory=Sums)
    differ_ms: int = 0
    _last: Both | None = None

    def add(self, both: Both) -> None:
        """Take in the next moment of the space."""
        before = self._last
        self.let_pass(both.time_ms)
        for sums, said, was in (
            (self.one, both.one, before.one if before else None),
            (self.other, both.other, before.other if before else None),
        ):
            if said is not None and was is not None and said.state is not was.state:
                sums.changes += 1
        self._last = both

    def let_pass(self, until_ms: int) -> None:
        """Let time pass to a moment, as at the end of the recording."""
        last = self._last
        if last is None:
            return
        passed_ms = until_ms - last.time_ms
        for sums, said in ((self.one, last.one), (self.other, last.other)):
            if said is not None:
                sums.in_state_ms[said.state] = sums.in_state_ms.get(said.state, 0) + passed_ms
        if last.one is not None and last.other is not None and last.one.state is not last.other.state:
            self.differ_ms += passed_ms
        self._last = last._replace(time_ms=until_ms)
