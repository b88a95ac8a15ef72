"""What an agent sends when: numbers of epochs, what is in flight, what is settled, when to try again.

A PUBACK is no receipt, so it is not even looked at: an event is settled by an `ack` of the collector, or sent again
when its flight is overdue. Flights hold ranges of sequence numbers of one epoch; oldest epochs go first. When the
collector names another journal than before, or acknowledges less than before, it has lost what it had: everything kept
is sent again.

    append      a new event has its number            (refused: a number out of order)
    heard       an acknowledgement came               (refused: nothing; what is unknown is ignored)
    due         what must be sent now                 (nothing while disconnected or the window is full)
    linked      the connection came or went: whatever was in flight may be gone

Every function gives a new Sender; time is the machine's monotonic clock, chance is handed in.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from perch.delivery.watermark import SeqRange, Watermark
from perch.errors import IllegalEventError

WINDOW = 8
"""Flights under way at once; far below the 50 messages that paho keeps in order across a reconnect."""

BATCH = 50
"""Events a flight; the largest event has 250 bytes, so that a message stays below 16 KiB."""

_NOTHING = Watermark()

FIRST_RETRY_MS = 5_000
LAST_RETRY_MS = 60_000


@dataclass(frozen=True, slots=True)
class Lane:
    """The numbers of one epoch: 1…last were given out, those below `kept_from` are no longer kept.

    `settled` says which need no sending; `heard_upto` is what the collector last said it has without a gap.
    """

    epoch: str
    last: int = 0
    kept_from: int = 1
    settled: Watermark = _NOTHING
    heard_upto: int = 0


@dataclass(frozen=True, slots=True)
class Flight:
    """A range of one epoch under way, to be sent again when `due_ms` comes."""

    epoch: str
    first: int
    last: int
    tries: int
    due_ms: int


@dataclass(frozen=True, slots=True)
class Sender:
    """The whole state; lanes are in the order in which their epochs began."""

    lanes: tuple[Lane, ...] = ()
    flights: tuple[Flight, ...] = ()
    journal: str | None = None
    connected: bool = False

    @property
    def deadline(self) -> int | None:
        """When the next flight is overdue (monotonic ms), None while nothing flies or nothing could be sent."""
        return min((flight.due_ms for flight in self.flights), default=None) if self.connected else None

    @property
    def unsettled(self) -> int:
        """How many events wait for their acknowledgement."""
        return sum(last - first + 1 for lane in self.lanes for first, last in lane.settled.missing(1, lane.last))


@dataclass(frozen=True, slots=True)
class Settled:
    """What an acknowledgement changed: ranges now settled, and epochs whose kept events count as unsent again."""

    epoch: str
    ranges: tuple[SeqRange, ...] = ()
    forgotten: tuple[str, ...] = ()


def append(sender: Sender, epoch: str, seq: int) -> Sender:
    """Take in the next event of an epoch; raises IllegalEventError where its number does not follow."""
    lane = _lane(sender, epoch) or Lane(epoch)
    if seq != lane.last + 1:
        raise IllegalEventError(f"sequence {seq} does not follow {lane.last} in epoch {epoch}")
    return _with_lane(sender, replace(lane, last=seq))


def linked(sender: Sender, connected: bool) -> Sender:
    """Note that the connection came or went; what was in flight counts as never sent."""
    return replace(sender, connected=connected, flights=())


def heard(sender: Sender, journal: str, epoch: str, have: Watermark) -> tuple[Sender, Settled]:
    """Take in an acknowledgement; numbers that were never given out are ignored."""
    lane = _lane(sender, epoch)
    forgotten: tuple[str, ...] = ()
    if sender.journal not in (None, journal) or (lane is not None and have.upto < lane.heard_upto):
        forgotten = tuple(lane.epoch for lane in sender.lanes)
        sender = replace(sender, lanes=tuple(map(_unsettled, sender.lanes)), flights=())
        lane = _lane(sender, epoch)
    sender = replace(sender, journal=journal)
    if lane is None:
        return sender, Settled(epoch, (), forgotten)
    ranges = _newly(lane, have)
    settled = lane.settled
    for first, last in ranges:
        settled = settled.add(first, last)
    lane = replace(lane, settled=settled, heard_upto=have.upto)
    return _landed(_with_lane(sender, lane), lane), Settled(epoch, ranges, forgotten)


def due(sender: Sender, now_ms: int, chance: float) -> tuple[Sender, tuple[Flight, ...]]:
    """Give the ranges to send now; `chance` in [0, 1) spreads the retries of many agents apart."""
    if not sender.connected:
        return sender, ()
    flights: list[Flight] = []
    send: list[Flight] = []
    for flight in sender.flights:
        again = flight.due_ms <= now_ms
        flights.append(_again(flight, now_ms, chance) if again else flight)
        if again:
            send.append(flights[-1])
    for epoch, first, last in _waiting(sender):
        if len(flights) >= WINDOW:
            break
        flights.append(_again(Flight(epoch, first, last, 0, 0), now_ms, chance))
        send.append(flights[-1])
    return replace(sender, flights=tuple(flights)), tuple(send)


def purged(sender: Sender, kept_from: Mapping[str, int]) -> Sender:
    """Note from which number on each epoch is still kept; what is kept no longer need not be sent, nor can it be."""
    sender = replace(sender, lanes=tuple(_kept(lane, kept_from.get(lane.epoch, 1)) for lane in sender.lanes))
    for lane in sender.lanes:
        sender = _landed(sender, lane)
    return sender


def _with_lane(sender: Sender, lane: Lane) -> Sender:
    if any(other.epoch == lane.epoch for other in sender.lanes):
        lanes = tuple(lane if other.epoch == lane.epoch else other for other in sender.lanes)
    else:
        lanes = (*sender.lanes, lane)
    return replace(sender, lanes=lanes)


def _lane(sender: Sender, epoch: str) -> Lane | None:
    return next((lane for lane in sender.lanes if lane.epoch == epoch), None)


def _kept(lane: Lane, first: int) -> Lane:
    if first <= lane.kept_from:
        return lane
    return replace(lane, kept_from=first, settled=lane.settled.add(1, first - 1))


def _unsettled(lane: Lane) -> Lane:
    """Count as unsent whatever is still kept."""
    return replace(lane, settled=Watermark(lane.kept_from - 1), heard_upto=0)


def _newly(lane: Lane, have: Watermark) -> tuple[SeqRange, ...]:
    """Give the ranges that an acknowledgement settles and that were not settled before."""
    claimed = ((1, min(have.upto, lane.last)), *((first, min(last, lane.last)) for first, last in have.have))
    return tuple(gap for first, last in claimed if first <= last for gap in lane.settled.missing(first, last))


def _landed(sender: Sender, lane: Lane) -> Sender:
    """Take the flights out of the air of which every number is settled."""
    flights = tuple(
        flight
        for flight in sender.flights
        if flight.epoch != lane.epoch or lane.settled.missing(flight.first, flight.last)
    )
    return replace(sender, flights=flights)


def _again(flight: Flight, now_ms: int, chance: float) -> Flight:
    wait_ms = min(FIRST_RETRY_MS * 2**flight.tries, LAST_RETRY_MS)
    return replace(flight, tries=flight.tries + 1, due_ms=now_ms + int(wait_ms * (0.75 + chance / 2)))


def _waiting(sender: Sender) -> Iterator[tuple[str, int, int]]:
    """Give the ranges that are neither settled nor in flight, oldest first, in pieces of at most BATCH numbers."""
    for lane in sender.lanes:
        busy = lane.settled
        for flight in sender.flights:
            if flight.epoch == lane.epoch:
                busy = busy.add(flight.first, flight.last)
        for first, last in busy.missing(1, lane.last):
            for start in range(first, last + 1, BATCH):
                yield lane.epoch, start, min(start + BATCH - 1, last)
