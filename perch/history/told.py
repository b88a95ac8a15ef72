"""What agents told, as far as history cares: the words of the journal without the wire. All values are frozen.

Whatever has a time is told with it, and with how that was come by; all else is `Unplaced`, and stays out of history
until it has one. Placing is done before: what an agent says of its clock may move what it told before, see `Forgotten`.
Times are milliseconds UTC; (site, agent, epoch, seq) names one event for ever.
"""

from typing import NamedTuple

from perch.model import Dating, Reason, State


class Stated(NamedTuple):
    """An agent stated what it knows of a space; `people` is None where nothing counts."""

    site: str
    agent: str
    epoch: str
    seq: int
    received_ms: int
    space: str
    time_ms: int
    state: State
    probability: float
    people: int | None
    reason: Reason
    clock: Dating


class Marked(NamedTuple):
    """An agent vouched for what it had stated in this epoch, up to this moment."""

    site: str
    agent: str
    epoch: str
    seq: int
    received_ms: int
    time_ms: int


class LostSpan(NamedTuple):
    """Events `first_seq`…`last_seq` of an epoch, dated from `from_ms` to `to_ms`, are gone for good."""

    epoch: str
    first_seq: int
    last_seq: int
    from_ms: int
    to_ms: int
    clock: Dating = Dating.OK

    def swallows(self, time_ms: int, epoch: str, seq: int) -> bool:
        """Tell whether a statement lies in it; at its very ends numbers decide, other epochs come after it."""
        own = epoch == self.epoch
        before = time_ms < self.from_ms or (time_ms == self.from_ms and own and seq < self.first_seq)
        after = time_ms > self.to_ms or (time_ms == self.to_ms and not (own and seq <= self.last_seq))
        return not before and not after


class Lost(NamedTuple):
    """An agent confessed a lost span; it lived through it, so the span's end vouches for the span's epoch."""

    site: str
    agent: str
    received_ms: int
    span: LostSpan


class Unplaced(NamedTuple):
    """An event whose agent did not know the time: counted, and no part of history yet."""

    site: str
    agent: str
    epoch: str


Told = Stated | Marked | Lost | Unplaced


class Forgotten(NamedTuple):
    """Epochs of an agent of which all that was told is void: they are told anew.

    A lost span is void with the epoch that it names; whoever forgets the one epoch forgets the one that told it too.
    `position` is the last one in the journal at which anything of it became void (None: where the journal has come to),
    `between` where else (from and to, ms, both inclusive) the words were for whoever stopped before that.
    """

    site: str
    agent: str
    epochs: frozenset[str]
    position: int | None = None
    between: tuple[tuple[int, int], ...] = ()


class Evidence(NamedTuple):
    """That an epoch of an agent lived at a moment, and when the collector heard of it."""

    site: str
    agent: str
    epoch: str
    time_ms: int
    received_ms: int


def evidence(told: Told) -> Evidence | None:
    """Tell what an event vouches for, whatever else it says; None where it has no time."""
    if isinstance(told, Stated | Marked):
        return Evidence(told.site, told.agent, told.epoch, told.time_ms, told.received_ms)
    if isinstance(told, Lost):
        return Evidence(told.site, told.agent, told.span.epoch, told.span.to_ms, told.received_ms)
    return None
