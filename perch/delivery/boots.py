"""What is known of an agent's boots, and where their events belong by that: values, and the working out.

The theory stands in `placing`, which takes in what messages tell.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from perch.model import Dating

_WIRE_MS = 2**53

Key = tuple[str, str]
"""A boot and an epoch that told events of it."""

Told = tuple[int, int, str, int]
"""A word on the clock: how far its epoch came, its number there, its epoch, the offset; the largest is the latest."""


class Clocked(NamedTuple):
    """A `clock` event: for every event of that boot, wall time = monotonic time + offset."""

    boot: str
    seq: int
    offset_ms: int


class Clue(NamedTuple):
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

    `tellings` are pairs of epochs: the first told that events of the second are lost. The rest follows from these:
    `placements`, `contested` (boots in which several epochs told of the clock), and by boot `clocks`, the latest word
    on it, and `tops`, how far it came in its time.
    """

    boots: dict[str, Boot] = field(default_factory=dict)
    lives: Mapping[Key, Life] = field(default_factory=dict)
    tellings: frozenset[tuple[str, str]] = frozenset()
    placements: Mapping[str, Placement] = field(default_factory=dict, compare=False)
    contested: frozenset[str] = field(default=frozenset(), compare=False)
    clocks: Mapping[str, Told] = field(default_factory=dict, compare=False)
    tops: Mapping[str, int] = field(default_factory=dict, compare=False)

    @classmethod
    def of(cls, boots: dict[str, Boot], lives: Mapping[Key, Life], tellings: Iterable[tuple[str, str]]) -> "Boots":
        """Work out the placements of what is known."""
        return NO_BOOTS.with_all(boots, lives, frozenset(tellings), lives.keys())

    def with_all(
        self,
        boots: dict[str, Boot],
        lives: Mapping[Key, Life],
        tellings: frozenset[tuple[str, str]],
        new: Iterable[Key],
    ) -> "Boots":
        """Take in more boots and lives, of which those of some keys are new; the others stay where they were placed."""
        clocks, tops, contested = dict(self.clocks), dict(self.tops), set(self.contested)
        stirred = set()
        for boot, epoch in new:
            life = lives[boot, epoch]
            stirred.add(boot)
            tops[boot] = max(life.top_mono_ms, tops.get(boot, -1))
            if life.clock_ms is not None:
                told = (life.top_mono_ms, life.clock_seq, epoch, life.clock_ms)
                latest = clocks.get(boot, told)
                if latest[2] != epoch:
                    contested.add(boot)
                clocks[boot] = max(told, latest)
        placements = _placements(boots, clocks, tops, self.placements, stirred)
        return Boots(boots, lives, tellings, placements, frozenset(contested), clocks, tops)

    def with_tops(self, lives: Mapping[Key, Life]) -> "Boots":
        """Take in lives that went on, where nothing hangs on how far they came."""
        clocks, tops = dict(self.clocks), dict(self.tops)
        for (boot, epoch), life in lives.items():
            tops[boot] = max(life.top_mono_ms, tops.get(boot, -1))
            if life.clock_ms is not None and clocks[boot][2] == epoch:
                clocks[boot] = (life.top_mono_ms, life.clock_seq, epoch, life.clock_ms)
        return replace(self, lives={**self.lives, **lives}, clocks=clocks, tops=tops)

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


def _placements(
    boots: Mapping[str, Boot],
    clocks: Mapping[str, Told],
    tops: Mapping[str, int],
    before: Mapping[str, Placement],
    stirred: Collection[str],
) -> Mapping[str, Placement]:
    """Place some boots anew, and of those around them as many as that concerns: others hang on their neighbours alone.

    Offsets are found with the last boot first, for a gap ends where the next one began; ends with the first boot first.
    """
    if not stirred:
        return before
    names = list(boots)
    first, last = _extent(names, stirred)
    placed = dict(before)
    offsets: dict[int, tuple[int | None, Dating]] = {}
    began_ms = _nearest(names[last + 1 :], before)
    place = last
    while place >= 0:
        name = names[place]
        offset_ms, how = offsets[place] = _offset(boots[name], clocks.get(name), tops.get(name, 0), began_ms)
        began_ms = offset_ms if offset_ms is not None else began_ms
        if place < first and offset_ms is not None and offset_ms == before[name].offset_ms:
            break
        place -= 1
    start = max(place, 0)
    ended_ms = next(
        (_end(before[name], tops.get(name, 0)) for name in reversed(names[:start]) if _is_there(before[name])), None
    )
    for place in range(start, len(names)):
        name = names[place]
        at = before.get(name, NOWHERE)
        offset_ms, how = offsets.get(place, (at.offset_ms, at.how))
        moments = [ms for ms in (ended_ms, offset_ms) if ms is not None]
        told = clocks.get(name)
        now = Placement(None if told is None else told[3], offset_ms, how, min(moments, default=None))
        if now != at or name not in placed:
            placed[name] = now
        if offset_ms is not None:
            ended_ms = _end(now, tops.get(name, 0))
            if place > last:
                break
    return placed


def _extent(names: Sequence[str], some: Collection[str]) -> tuple[int, int]:
    """Give the first and the last place of some names; they are looked for from the end."""
    left, first, last = len(some), len(names), -1
    for place in range(len(names) - 1, -1, -1):
        if names[place] in some:
            first, last, left = place, max(place, last), left - 1
            if not left:
                break
    return first, last


def _nearest(names: Iterable[str], placements: Mapping[str, Placement]) -> int | None:
    return next((at.offset_ms for name in names if _is_there(at := placements[name])), None)


def _is_there(at: Placement) -> bool:
    return at.offset_ms is not None


def _end(at: Placement, top_mono_ms: int) -> int | None:
    return None if at.offset_ms is None else within_wire(at.offset_ms + max(top_mono_ms, 0))


def _offset(boot: Boot, clock: Told | None, top_mono_ms: int, began_ms: int | None) -> tuple[int | None, Dating]:
    """Give the best offset of a boot; the next one of which anything is known began at `began_ms`."""
    told_ms = boot.own_ms if clock is None else clock[3]
    if told_ms is not None:
        return told_ms, Dating.PLACED
    if boot.estimate_ms is not None:
        return boot.estimate_ms, Dating.ESTIMATED
    return None if began_ms is None else within_wire(began_ms - max(top_mono_ms, 0) - 1), Dating.ESTIMATED


def within_wire(ms: int) -> int:
    """Keep a time within those that the wire can name."""
    return max(-_WIRE_MS, min(_WIRE_MS, ms))
