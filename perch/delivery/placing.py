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

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace

from perch.delivery.boots import Boot, Boots, Clocked, Clue, Key, Life, Placement, within_wire
from perch.model import SENSIBLE_MS, Dating

STEP_MS = 5_000
"""Deviations up to this are no step of a clock: an agent follows them in silence."""

LATER_MS = 300_000
"""By how much a later receipt must exceed an estimate to replace it: messages may be delayed for minutes."""

DAY_MS = 24 * 3_600_000


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
    return None if at.offset_ms is None else (within_wire(mono_ms + at.offset_ms), at.how)


def is_plain(known: Boots, heard: Clue) -> bool:
    """Tell whether a message makes nothing known but how far its epoch has come, which nothing hangs on."""
    boot = known.boots.get(heard.boot)
    return (
        boot is not None
        and not (heard.clocks or heard.named)
        and (heard.boot, heard.epoch) in known.lives
        and _taught(boot, heard) is boot
        and not _hangs_on_top(known, heard.boot)
    )


def reached(known: Boots, tops_mono_ms: Mapping[Key, int]) -> Boots:
    """Take in how far epochs have come that told of nothing else; raises KeyError where one is unknown."""
    lives = {
        key: Life(top_ms, life.clock_seq, life.clock_ms)
        for key, top_ms in tops_mono_ms.items()
        if top_ms > (life := known.lives[key]).top_mono_ms
    }
    if not lives:
        return known
    return known.with_tops(lives)


def take(known: Boots, heard: Clue) -> Boots:
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
        return replace(known.with_tops({key: life}), tellings=tellings)
    boots = {**known.boots, heard.boot: taught}
    changed = {key, *(told for clocked in heard.clocks if (told := _set(clocked, heard, boots, lives)) is not None)}
    return known.with_all(boots, lives, tellings, changed)


def retold(old: Boots, new: Boots) -> frozenset[str]:
    """Name the epochs of which something may have been told otherwise under `old` than it is to be told under `new`.

    Whoever told of a lost span is named together with the epoch that lost it.
    """
    if old.placements is new.placements and old.tellings == new.tellings:
        return frozenset()
    named = {named for _, named in old.tellings}
    shifted = {boot for boot, at in old.placements.items() if new.placements[boot] is not at}
    moved = {boot for boot in shifted if _is_moved(old.boots[boot], old.placement(boot), new.placement(boot))}
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
            yield within_wire(at.offset_ms), within_wire(at.offset_ms + max(life.top_mono_ms, 0))
        if epoch in epochs and at.before_ms is not None:
            yield at.before_ms, at.before_ms


def _is_moved(boot: Boot, old: Placement, new: Placement) -> bool:
    """Tell whether any event of a boot that was told may be placed otherwise now."""
    return (
        old.clock_ms != new.clock_ms
        or (boot.floating and (old.offset_ms, old.how) != (new.offset_ms, new.how))
        or (boot.before and old.before_ms != new.before_ms)
    )


def _taught(boot: Boot, heard: Clue) -> Boot:
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


def _estimate(known_ms: int | None, heard: Clue) -> int | None:
    """A message cannot come before it was sent, so the earliest receipt is best; a collector's clock may be set."""
    if heard.sent_mono_ms is None or heard.sent_mono_ms < 0 or heard.received_ms < SENSIBLE_MS:
        return known_ms
    told_ms = heard.received_ms - heard.sent_mono_ms
    keeps = known_ms is not None and known_ms - STEP_MS <= told_ms <= known_ms + LATER_MS
    return known_ms if keeps else told_ms


def _hangs_on_top(known: Boots, boot: str) -> bool:
    """Tell whether anything follows from how far a boot came: an end, a gap, which epoch's word on the clock counts."""
    return boot != known.last or boot in known.contested


def _set(clocked: Clocked, heard: Clue, boots: dict[str, Boot], lives: dict[Key, Life]) -> Key | None:
    """Note a `clock` event unless it is out of date or cannot be true; gives whose life it tells of."""
    sent_mono_ms = heard.sent_mono_ms or 0 if clocked.boot == heard.boot else 0
    claims_ms = clocked.offset_ms + max(sent_mono_ms, 0)
    key = (clocked.boot, heard.epoch)
    life = lives.get(key, Life())
    is_true = clocked.offset_ms >= SENSIBLE_MS and is_believable(claims_ms, heard.received_ms)
    if is_true and (life.clock_ms is None or clocked.seq > life.clock_seq):
        boots.setdefault(clocked.boot, Boot())
        lives[key] = replace(life, clock_seq=clocked.seq, clock_ms=clocked.offset_ms)
        return key
    return None
