"""What is known of an agent's boots, and where their events belong by that: values, and the working out.

The theory stands in `placing`, which takes in what messages tell.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from perch.model import Dating

_WIRE_MS = 2**53

Key = tuple[str, str]
"""A boot and an epoch that told events of it."""


class Clocked(NamedTuple):
    """A `clock` event: for every event of that boot, wall time = monotonic time + offset."""

    boot: str
    seq: int
    offset_ms: int


class Heard(NamedTuple):
    """What one message, or a piece of it, tells of time; its pieces in order tell the same as the whole.

    `top_mono_ms` is the largest monotonic time of its events (-1 for none), `own_ms` wall minus monotonic time of the
    first of them that is believable. `floating`: some have no believable time; `before`: such ones are from before the
    boot. `named` are other epochs of which it tells what was lost.
    """

    epoch: str
    boot: str
    received_ms: int
    sent_mono_ms: int | None
    top_mono_ms: int = -1
    own_ms: int | None = None
    floating: bool = False
    before: bool = False
    clocks: tuple[Clocked, ...] = ()
    named: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Boot:
    """What is known of a boot: two ways to its offset, and whether events of it (or from before it) need one."""

    own_ms: int | None = None
    estimate_ms: int | None = None
    floating: bool = False
    before: bool = False


@dataclass(frozen=True, slots=True)
class Life:
    """What an epoch told of a boot: how far it came in its time, and the last `clock` event (None where none)."""

    top_mono_ms: int = -1
    clock_seq: int = 0
    clock_ms: int | None = None


class Placement(NamedTuple):
    """Where events of a boot belong: `clock_ms` is the offset of a `clock` event, `offset_ms` the best there is."""

    clock_ms: int | None = None
    offset_ms: int | None = None
    how: Dating = Dating.ESTIMATED
    before_ms: int | None = None


NOWHERE = Placement()


@dataclass(frozen=True, slots=True)
class Boots:
    """All that is known of one agent's time; boots are in the order of their first appearance.

    `tellings` are pairs of epochs: the first told that events of the second are lost. `placements` and `contested`
    (boots in which several epochs told of the clock) follow from the rest.
    """

    boots: dict[str, Boot] = field(default_factory=dict)
    lives: Mapping[Key, Life] = field(default_factory=dict)
    tellings: frozenset[tuple[str, str]] = frozenset()
    placements: Mapping[str, Placement] = field(default_factory=dict, compare=False)
    contested: frozenset[str] = field(default=frozenset(), compare=False)

    @classmethod
    def of(cls, boots: dict[str, Boot], lives: Mapping[Key, Life], tellings: Iterable[tuple[str, str]]) -> "Boots":
        """Work out the placements of what is known."""
        clocked = Counter(boot for (boot, _), life in lives.items() if life.clock_ms is not None)
        contested = frozenset(boot for boot, epochs in clocked.items() if epochs > 1)
        return cls(boots, lives, frozenset(tellings), dict(_placements(boots, lives)), contested)

    @property
    def last(self) -> str | None:
        """The boot that appeared last."""
        return next(reversed(self.boots), None)

    def placement(self, boot: str) -> Placement:
        """Say where events of a boot belong."""
        return self.placements.get(boot, NOWHERE)

    def home(self, epoch: str) -> str | None:
        """Name the first boot of which an epoch told, None where it is unknown."""
        return next((boot for boot in self.boots if (boot, epoch) in self.lives), None)


NO_BOOTS = Boots()


def _placements(boots: Mapping[str, Boot], lives: Mapping[Key, Life]) -> Iterator[tuple[str, Placement]]:
    clocks, tops = _by_boot(lives)
    offsets = dict(_offsets(boots, clocks, tops))
    ended_ms: int | None = None
    for boot in boots:
        offset_ms, how = offsets.get(boot, (None, Dating.ESTIMATED))
        moments = [ms for ms in (ended_ms, offset_ms) if ms is not None]
        yield boot, Placement(clocks.get(boot), offset_ms, how, min(moments, default=None))
        if offset_ms is not None:
            ended_ms = within_wire(offset_ms + max(tops.get(boot, 0), 0))


def _by_boot(lives: Mapping[Key, Life]) -> tuple[dict[str, int], dict[str, int]]:
    """Give by boot the offset of its latest `clock` event, and how far it came in its time."""
    latest: dict[str, tuple[int, int, str, int]] = {}
    tops: dict[str, int] = {}
    for (boot, epoch), life in lives.items():
        tops[boot] = max(life.top_mono_ms, tops.get(boot, -1))
        if life.clock_ms is not None:
            told = (life.top_mono_ms, life.clock_seq, epoch, life.clock_ms)
            latest[boot] = max(told, latest.get(boot, told))
    return {boot: offset_ms for boot, (*_, offset_ms) in latest.items()}, tops


def _offsets(
    boots: Mapping[str, Boot], clocks: Mapping[str, int], tops: Mapping[str, int]
) -> Iterator[tuple[str, tuple[int, Dating]]]:
    """Give the best offset of each boot that has one, the last boot first: a gap ends where the next one began."""
    began_ms: int | None = None
    for name, boot in reversed(list(boots.items())):
        told_ms = clocks.get(name, boot.own_ms)
        offset_ms = boot.estimate_ms if told_ms is None else told_ms
        if offset_ms is None and began_ms is not None:
            offset_ms = within_wire(began_ms - max(tops.get(name, 0), 0) - 1)
        if offset_ms is not None:
            began_ms = offset_ms
            yield name, (offset_ms, Dating.ESTIMATED if told_ms is None else Dating.PLACED)


def within_wire(ms: int) -> int:
    """Keep a time within those that the wire can name."""
    return max(-_WIRE_MS, min(_WIRE_MS, ms))
