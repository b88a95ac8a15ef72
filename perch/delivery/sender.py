"""What an agent sends when: numbers of epochs, what is in flight, what is settled, when to try again.

A PUBACK is no receipt, so it is not even looked at: an event is settled by an `ack` of the collector, or sent again
when its flight is overdue. How every number stands and may move is said in `standing`; what its table does not say is
refused (IllegalEventError), and nothing changes.

    appended    an event was accepted under the next number of its epoch
    skipped     the next numbers are used up by events that could not be written
    due         what must be sent now (nothing while disconnected or the window is full)
    linked      the connection came or went: whatever was in flight may be gone
    dropped     events are kept no longer

What an acknowledgement does is in `hearing`. Flights hold ranges of numbers of one epoch; oldest epochs go first. Every
function gives a new Sender; time is the machine's monotonic clock, chance is handed in.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from perch.delivery.journals import Journals
from perch.delivery.standing import TABLE, Move, Standing
from perch.delivery.watermark import Watermark
from perch.errors import IllegalEventError

WINDOW = 8
"""Flights under way at once; far below the 50 messages that paho keeps in order across a reconnect."""

BATCH = 50
"""Events a flight; the largest event has 285 bytes, so that a message stays below 16 KiB."""

_NOTHING = Watermark()
_NOBODY = Journals()

FIRST_RETRY_MS = 5_000
LAST_RETRY_MS = 60_000


@dataclass(frozen=True, slots=True)
class Lane:
    """The numbers 1…last of one epoch: `settled` need no sending, among them those that are `gone`.

    `heard_upto` is what the collector last said it has without a gap.
    """

    epoch: str
    last: int = 0
    settled: Watermark = _NOTHING
    gone: Watermark = _NOTHING
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
    """The whole state; lanes are in the order in which their epochs began.

    All that is kept was last made to be sent again at `forgot_ms`; where it `owes` that once more it came too soon.
    """

    lanes: tuple[Lane, ...] = ()
    flights: tuple[Flight, ...] = ()
    journals: Journals = _NOBODY
    connected: bool = False
    forgot_ms: int | None = None
    owes: bool = False

    def lane(self, epoch: str) -> Lane | None:
        """Give the lane of an epoch, None before its first number."""
        return next((lane for lane in self.lanes if lane.epoch == epoch), None)

    def with_lane(self, lane: Lane) -> "Sender":
        """Give the sender with a lane as it is now; flights of which every number is settled leave the air."""
        lanes = tuple(lane if other.epoch == lane.epoch else other for other in self.lanes)
        flights = tuple(
            flight
            for flight in self.flights
            if flight.epoch != lane.epoch or lane.settled.missing(flight.first, flight.last)
        )
        return replace(self, lanes=lanes if lane in lanes else (*lanes, lane), flights=flights)

    @property
    def deadline(self) -> int | None:
        """When the next flight is overdue (monotonic ms), None while nothing flies or nothing could be sent."""
        return min((flight.due_ms for flight in self.flights), default=None) if self.connected else None

    @property
    def unsettled(self) -> int:
        """How many events wait for their acknowledgement."""
        return sum(last - first + 1 for lane in self.lanes for first, last in lane.settled.missing(1, lane.last))


def standing(sender: Sender, epoch: str, seq: int) -> Standing:
    """Tell how a number stands."""
    lane = sender.lane(epoch)
    if lane is None or seq > lane.last:
        return Standing.UNBORN
    if seq in lane.settled:
        return Standing.GONE if seq in lane.gone else Standing.SETTLED
    flying = any(flight.epoch == epoch and flight.first <= seq <= flight.last for flight in sender.flights)
    return Standing.FLYING if flying else Standing.WAITING


def next_number(sender: Sender, epoch: str) -> int:
    """Give the first number of an epoch that was not given out yet."""
    lane = sender.lane(epoch)
    return 1 if lane is None else lane.last + 1


def appended(sender: Sender, epoch: str, first: int, last: int) -> Sender:
    """Take in the next events of an epoch; raises IllegalEventError where their numbers do not follow."""
    lane = _next(sender, epoch, first, last, Move.APPEND)
    return sender.with_lane(replace(lane, last=last))


def skipped(sender: Sender, epoch: str, first: int, last: int) -> Sender:
    """Note that the next numbers of an epoch are used up by nothing; raises IllegalEventError where they are not."""
    lane = _next(sender, epoch, first, last, Move.SKIP)
    return sender.with_lane(replace(_without(lane, first, last), last=last))


def dropped(sender: Sender, epoch: str, first: int, last: int) -> Sender:
    """Note that events are kept no longer; raises IllegalEventError where such numbers were never given out."""
    _refuse_unless(sender, epoch, first, last, Move.DROP)
    lane = _without(sender.lane(epoch) or Lane(epoch), first, last)
    return sender.with_lane(lane)


def linked(sender: Sender, connected: bool) -> Sender:
    """Note that the connection came or went; what was in flight counts as never sent."""
    return replace(sender, connected=connected, flights=())


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


def _refuse_unless(sender: Sender, epoch: str, first: int, last: int, move: Move) -> None:
    """Raise IllegalEventError where TABLE does not let the ends of a range move so, or it is none."""
    for seq in (first, last):
        if not 1 <= first <= last or (standing(sender, epoch, seq), move) not in TABLE:
            raise IllegalEventError(
                f"{move} of {first}…{last} in epoch {epoch}: {seq} is {standing(sender, epoch, seq)}"
            )


def _next(sender: Sender, epoch: str, first: int, last: int, move: Move) -> Lane:
    """Give the lane of which first…last are the next numbers."""
    _refuse_unless(sender, epoch, first, last, move)
    lane = sender.lane(epoch) or Lane(epoch)
    if first != lane.last + 1:
        raise IllegalEventError(f"{move} of {first}…{last} in epoch {epoch}: it does not follow {lane.last}")
    return lane


def _without(lane: Lane, first: int, last: int) -> Lane:
    return replace(lane, gone=lane.gone.add(first, last), settled=lane.settled.add(first, last))


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
