"""When events happened, worked out from whatever an agent's boots are known to have told of the time.

A Raspberry Pi has no clock of its own, so an event carries two times: what the wall clock showed (believable or not),
and the milliseconds since the machine's boot, which are always right. Whoever knows the wall time at which a boot
began, its *offset*, knows the time of all its events. The best of these wins:

    a `clock` event of the boot: the latest epoch's, then the highest number     mono + its offset           placed
    an event of the boot with a believable wall time: the first that came        mono + (wall - mono)        placed
    a message sent while the boot lasted                                         mono + (received - sent)    estimated
    a later boot of the agent that has any of these                              in the gap before it        estimated
    nothing: it waits

An event with a believable wall time keeps it, unless a `clock` event contradicts it by more than five seconds. One
from before its boot (its monotonic time is negative: "I was last alive then") keeps a believable time as well; without
one it stands where the agent's earlier boot ended, else where its own began. A wall time before 2000, or more than a
day after its receipt, is not believable, and a `clock` event that leads to one is no better.

Boots are ordered by their first appearance, epochs of a boot by the largest monotonic time they are known to have
reached. All is a function of the order of the journal alone: folding it in pieces of any size gives the same. What
comes later may move what was told before: `retold` names the epochs that must then be told anew.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from perch.model import SENSIBLE_MS, Dating

STEP_MS = 5_000
"""Deviations up to this are no step of a clock: an agent follows them in silence."""

LATER_MS = 300_000
"""By how much a later receipt must exceed an estimate to replace it: messages may be delayed for minutes."""

DAY_MS = 24 * 3_600_000
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


def is_believable(wall_ms: int, received_ms: int) -> bool:
    """Tell whether a clock may have shown this; a collector that does not know the time itself judges nothing."""
    return wall_ms >= SENSIBLE_MS and (wall_ms <= received_ms + DAY_MS or received_ms < SENSIBLE_MS)


def place(at: Placement, wall_ms: int, mono_ms: int, *, believable: bool) -> tuple[int, Dating] | None:
    """Give the time of an event and how it was come by; None where there is none yet."""
    if mono_ms < 0:
        if believable:
            return wall_ms, Dating.OK
        return None if at.before_ms is None else (at.before_ms, Dating.ESTIMATED)
    if believable and (at.clock_ms is None or abs(mono_ms + at.clock_ms - wall_ms) <= STEP_MS):
        return wall_ms, Dating.OK
    return None if at.offset_ms is None else (_within_wire(mono_ms + at.offset_ms), at.how)


def take(known: Boots, heard: Heard) -> Boots:
    """Take in what a message tells; messages come in the order of the journal."""
    boot, key = known.boots.get(heard.boot), (heard.boot, heard.epoch)
    taught, life = _taught(boot or Boot(), heard), known.lives.get(key)
    stirred = taught is not boot or life is None or bool(heard.clocks)
    life = life or Life()
    lives, tellings = known.lives, known.tellings
    if heard.top_mono_ms > life.top_mono_ms:
        life = Life(heard.top_mono_ms, life.clock_seq, life.clock_ms)
        stirred |= _hangs_on_top(known, heard.boot)
    elif not (stirred or heard.named):
        return known
    lives = {**lives, key: life}
    if heard.named:
        tellings = tellings.union((heard.epoch, named) for named in heard.named)
    if not stirred:
        return Boots(known.boots, lives, tellings, known.placements, known.contested)
    boots = {**known.boots, heard.boot: taught}
    for clocked in heard.clocks:
        _set(clocked, heard, boots, lives)
    return Boots.of(boots, lives, tellings)


def retold(old: Boots, new: Boots) -> frozenset[str]:
    """Name the epochs of which something may have been told otherwise under `old` than it is to be told under `new`.

    Whoever told of a lost span is named together with the epoch that lost it.
    """
    if old.placements is new.placements and old.tellings == new.tellings:
        return frozenset()
    named = {named for _, named in old.tellings}
    moved = {boot for boot in old.boots if _is_moved(old.boots[boot], old.placement(boot), new.placement(boot))}
    shifted = {boot for boot in old.boots if old.placement(boot) != new.placement(boot)}
    epochs = {epoch for boot, epoch in old.lives if boot in moved or (boot in shifted and epoch in named)}
    epochs |= {epoch for epoch in named if old.home(epoch) != new.home(epoch)}
    return with_tellers(epochs, new)


def with_tellers(epochs: Iterable[str], known: Boots) -> frozenset[str]:
    """Add whoever told of a lost span of an epoch, or lost one that it told of, until nobody is left out."""
    found, size = set(epochs), -1
    while found and len(found) != size:
        size = len(found)
        found.update(epoch for pair in known.tellings if found.intersection(pair) for epoch in pair)
    return frozenset(found)


def spans_of(known: Boots, epochs: Collection[str]) -> Iterator[tuple[int, int]]:
    """Give from when to when the events of epochs lie that have no time of their own (ms, both inclusive)."""
    for (boot, epoch), life in known.lives.items():
        at = known.placement(boot)
        if epoch in epochs and at.offset_ms is not None:
            yield _within_wire(at.offset_ms), _within_wire(at.offset_ms + max(life.top_mono_ms, 0))
        if epoch in epochs and at.before_ms is not None:
            yield at.before_ms, at.before_ms


def _is_moved(boot: Boot, old: Placement, new: Placement) -> bool:
    """Tell whether any event of a boot that was told may be placed otherwise now."""
    return (
        old.clock_ms != new.clock_ms
        or (boot.floating and (old.offset_ms, old.how) != (new.offset_ms, new.how))
        or (boot.before and old.before_ms != new.before_ms)
    )


def _taught(boot: Boot, heard: Heard) -> Boot:
    """Give what is known of a boot after a message; the very same value where that is nothing new."""
    teaches = (
        (boot.own_ms is None and heard.own_ms is not None)
        or (heard.floating and not boot.floating)
        or (heard.before and not boot.before)
        or _estimate(boot.estimate_ms, heard) != boot.estimate_ms
    )
    if not teaches:
        return boot
    return Boot(
        heard.own_ms if boot.own_ms is None else boot.own_ms,
        _estimate(boot.estimate_ms, heard),
        boot.floating or heard.floating,
        boot.before or heard.before,
    )


def _estimate(known_ms: int | None, heard: Heard) -> int | None:
    """A message cannot come before it was sent, so the earliest receipt is best; a collector's clock may be set."""
    if heard.sent_mono_ms is None or heard.sent_mono_ms < 0 or heard.received_ms < SENSIBLE_MS:
        return known_ms
    told_ms = heard.received_ms - heard.sent_mono_ms
    keeps = known_ms is not None and known_ms - STEP_MS <= told_ms <= known_ms + LATER_MS
    return known_ms if keeps else told_ms


def _hangs_on_top(known: Boots, boot: str) -> bool:
    """Tell whether anything follows from how far a boot came: an end, a gap, which epoch's word on the clock counts."""
    return boot != known.last or boot in known.contested


def _set(clocked: Clocked, heard: Heard, boots: dict[str, Boot], lives: dict[Key, Life]) -> None:
    """Note a `clock` event unless it is out of date or cannot be true."""
    sent_mono_ms = heard.sent_mono_ms or 0 if clocked.boot == heard.boot else 0
    claims_ms = clocked.offset_ms + max(sent_mono_ms, 0)
    key = (clocked.boot, heard.epoch)
    life = lives.get(key, Life())
    is_true = clocked.offset_ms >= SENSIBLE_MS and is_believable(claims_ms, heard.received_ms)
    if is_true and (life.clock_ms is None or clocked.seq > life.clock_seq):
        boots.setdefault(clocked.boot, Boot())
        lives[key] = replace(life, clock_seq=clocked.seq, clock_ms=clocked.offset_ms)


def _placements(boots: Mapping[str, Boot], lives: Mapping[Key, Life]) -> Iterator[tuple[str, Placement]]:
    clocks, tops = _by_boot(lives)
    offsets = dict(_offsets(boots, clocks, tops))
    ended_ms: int | None = None
    for boot in boots:
        offset_ms, how = offsets.get(boot, (None, Dating.ESTIMATED))
        moments = [ms for ms in (ended_ms, offset_ms) if ms is not None]
        yield boot, Placement(clocks.get(boot), offset_ms, how, min(moments, default=None))
        if offset_ms is not None:
            ended_ms = _within_wire(offset_ms + max(tops.get(boot, 0), 0))


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
            offset_ms = _within_wire(began_ms - max(tops.get(name, 0), 0) - 1)
        if offset_ms is not None:
            began_ms = offset_ms
            yield name, (offset_ms, Dating.ESTIMATED if told_ms is None else Dating.PLACED)


def _within_wire(ms: int) -> int:
    """Keep a time within those that the wire can name."""
    return max(-_WIRE_MS, min(_WIRE_MS, ms))
