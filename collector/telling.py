"""What entries of the journal tell: of their agents' clocks, and, placed in time by those, of spaces."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import IntEnum, auto
from operator import itemgetter
from typing import Any

from perch.adapters.journal.codec import ErasedEvent, ErasureEvent, Kept
from perch.adapters.journal.store import Entry
from perch.contract import AliveEvent, ClockEvent, Event, LostEvent, StateEvent
from perch.delivery.boots import NO_BOOTS, NOWHERE, Boots, Clocked, Clue, Placement
from perch.delivery.placing import DAY_MS, is_believable, place
from perch.history.source import END_MS
from perch.history.told import Lost, LostSpan, Marked, Stated, Told, Unplaced
from perch.model import SENSIBLE_MS, Clock, Dating

AgentKey = tuple[str, str]
"""A site and an agent of it."""

_SILENT = (ErasedEvent, ErasureEvent)
"""What tells nothing of an agent."""

_header = itemgetter(*map(Entry._fields.index, ("site", "agent", "epoch", "boot", "received_ms", "sent_mono_ms")))


def heard(entries: Iterable[Entry]) -> Iterator[tuple[AgentKey, int, Clue]]:
    """Say what entries tell of time: piece by piece, each with the position of its last entry.

    A piece is as much of a message as is of one kind, so that where batches are cut does not matter: whoever has seen
    any of it knows as much of time as whoever has seen all.
    """
    header: tuple[Any, ...] | None = None
    kind, position = _Kind.PLAIN, 0
    piece: list[Event] = []
    for entry in entries:
        if isinstance(entry.event, _SILENT):
            continue
        of, sort = _header(entry), _kind(entry.event, entry.received_ms)
        if of != header or sort != kind:
            if header is not None:
                yield _clue(header, position, piece)
            header, kind, piece = of, sort, []
        piece.append(entry.event)
        position = entry.position
    if header is not None:
        yield _clue(header, position, piece)


def _clue(header: tuple[Any, ...], position: int, piece: Sequence[Event]) -> tuple[AgentKey, int, Clue]:
    site, agent, epoch, boot, received_ms, sent_mono_ms = header
    return (site, agent), position, _heard(epoch, boot, received_ms, sent_mono_ms, piece)


class _Kind(IntEnum):
    """What an event may teach of its boot."""

    PLAIN = auto()
    PLAIN_BEFORE = auto()
    FLOATING = auto()
    FLOATING_BEFORE = auto()
    CLOCK = auto()
    LOST = auto()


def _kind(event: Event, received_ms: int) -> _Kind:
    if type(event) is StateEvent or type(event) is AliveEvent:
        if event.clock is Clock.OK and is_believable(event.wall_ms, received_ms):
            return _Kind.PLAIN if event.mono_ms >= 0 else _Kind.PLAIN_BEFORE
        return _Kind.FLOATING if event.mono_ms >= 0 else _Kind.FLOATING_BEFORE
    return _Kind.CLOCK if isinstance(event, ClockEvent) else _Kind.LOST


def hull(entries: Iterable[Entry]) -> tuple[int, int] | None:
    """Give from when to when the wall times of entries reach (ms), as far as anybody may have believed them."""
    walls_ms = [
        wall_ms for entry in entries for wall_ms in _walls(entry.event) if is_believable(wall_ms, entry.received_ms)
    ]
    return (min(walls_ms), max(walls_ms)) if walls_ms else None


def _walls(event: Kept) -> tuple[int, ...]:
    if isinstance(event, ClockEvent | ErasedEvent | ErasureEvent) or event.clock is not Clock.OK:
        return ()
    return (event.from_ms, event.to_ms) if isinstance(event, LostEvent) else (event.wall_ms,)


def _heard(epoch: str, boot: str, received_ms: int, sent_mono_ms: int | None, events: Sequence[Event]) -> Clue:
    top_mono_ms, own_ms, floating, before = -1, None, False, False
    latest_ms = received_ms + DAY_MS if received_ms >= SENSIBLE_MS else END_MS
    rare: list[Event] = []
    for event in events:
        if type(event) is StateEvent or type(event) is AliveEvent:
            mono_ms = event.mono_ms
            if mono_ms > top_mono_ms:
                top_mono_ms = mono_ms
            if event.clock is Clock.OK and SENSIBLE_MS <= event.wall_ms <= latest_ms:
                if own_ms is None and mono_ms >= 0:
                    own_ms = event.wall_ms - mono_ms
            elif mono_ms >= 0:
                floating = True
            else:
                before = True
        else:
            rare.append(event)
    told = Clue(epoch, boot, received_ms, sent_mono_ms, top_mono_ms, own_ms, floating, before)
    return _with_rare(told, rare) if rare else told


def _with_rare(told: Clue, events: Sequence[Event]) -> Clue:
    clocks = tuple(Clocked(event.boot, event.seq, event.offset_ms) for event in events if isinstance(event, ClockEvent))
    lost = [event for event in events if isinstance(event, LostEvent)]
    own = [event for event in lost if event.epoch == told.epoch]
    return told._replace(
        clocks=clocks,
        named=tuple(event.epoch for event in lost if event.epoch != told.epoch),
        top_mono_ms=max(told.top_mono_ms, *(event.to_mono_ms for event in own), -1),
        floating=told.floating or bool(own),
        before=told.before or bool(lost),
    )


def tell(entries: Iterable[Entry], known: Mapping[AgentKey, Boots]) -> Iterator[Told]:
    """Say what entries tell of spaces; an event is in history, waits to be placed, or says nothing."""
    return (told for _, told in tell_each(entries, known))


def tell_each(entries: Iterable[Entry], known: Mapping[AgentKey, Boots]) -> Iterator[tuple[int, Told]]:
    """Say the same with the position at which it was told."""
    site = agent = boot = ""
    boots, at = NO_BOOTS, NOWHERE
    for entry in entries:
        if isinstance(entry.event, _SILENT):
            continue
        if entry.boot != boot or entry.agent != agent or entry.site != site:
            site, agent, boot = entry.site, entry.agent, entry.boot
            boots = known[site, agent]
            at = boots.placement(boot)
        told = _told(entry, at, boots)
        if told is not None:
            yield entry.position, told


def _told(entry: Entry, at: Placement, known: Boots) -> Told | None:
    event = entry.event
    if isinstance(event, LostEvent):
        return _lost(entry, event, at, known)
    if isinstance(event, ClockEvent | ErasedEvent | ErasureEvent):
        return None
    _, site, agent, epoch, received_ms, _, _, _ = entry
    believable = event.clock is Clock.OK and is_believable(event.wall_ms, received_ms)
    if believable and at.clock_ms is None:  # as nearly all are
        time_ms, how = event.wall_ms, Dating.OK
    elif placed := place(at, event.wall_ms, event.mono_ms, believable=believable):
        time_ms, how = placed
    else:
        return Unplaced(site, agent, epoch)
    if isinstance(event, AliveEvent):
        return Marked(site, agent, epoch, event.seq, received_ms, time_ms)
    return Stated(
        site,
        agent,
        epoch,
        event.seq,
        received_ms,
        event.space,
        time_ms,
        event.state,
        event.probability,
        event.count,
        event.reason,
        how,
    )


def lost_between(entries: Iterable[Entry], known: Mapping[AgentKey, Boots]) -> Iterator[tuple[int, int]]:
    """Say from when to when events were lost (ms, both inclusive), as some knowledge of time places that."""
    return ((told.span.from_ms, told.span.to_ms) for told in tell(entries, known) if isinstance(told, Lost))


def _lost(entry: Entry, event: LostEvent, at: Placement, known: Boots) -> Told:
    """Place both ends of a lost span: in the boot of the epoch that lost it, or before the one in which it was told."""
    home = None if event.epoch == entry.epoch else known.home(event.epoch)
    there = at if home is None else known.placement(home)
    ends = ((event.from_ms, event.from_mono_ms), (event.to_ms, event.to_mono_ms))
    placed = [
        place(
            at if mono_ms < 0 else there,
            wall_ms,
            mono_ms,
            believable=event.clock is Clock.OK and is_believable(wall_ms, entry.received_ms),
        )
        for wall_ms, mono_ms in ends
    ]
    begun, ended = placed
    if begun is None or ended is None:
        return Unplaced(entry.site, entry.agent, entry.epoch)
    (from_ms, how), (to_ms, too) = begun, ended
    span = LostSpan(event.epoch, *event.lost, from_ms, to_ms, how if how is too else Dating.ESTIMATED)
    return Lost(entry.site, entry.agent, entry.received_ms, span)
