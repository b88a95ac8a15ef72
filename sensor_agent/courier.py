"""Carries events to the collector: reads what the sender says is due, lets go of what is acknowledged."""

from collections.abc import Callable, Sequence

from perch import contract
from perch.adapters.outbox import Outbox
from perch.contract import VERSION, Ack, Batch, Event, Publication
from perch.delivery import sender as sending
from perch.delivery.sender import Flight, Sender
from perch.delivery.watermark import Watermark
from sensor_agent.clock import Clock


class Courier:
    """Owns the sender's state; `now_ms` is always the machine's monotonic time, also while a recording is replayed."""

    def __init__(
        self,
        site: str,
        agent: str,
        outbox: Outbox,
        clock: Clock,
        publish: Callable[[Publication], bool],
        chance: Callable[[], float],
    ) -> None:
        self._site, self._agent = site, agent
        self._outbox = outbox
        self._clock = clock
        self._publish = publish
        self._chance = chance
        self._sender = Sender(outbox.lanes(), journal=outbox.journal)

    def __repr__(self) -> str:
        return f"<Courier with {self.unsettled} events to deliver>"

    @property
    def deadline(self) -> int | None:
        """When something must be sent again (monotonic ms)."""
        return self._sender.deadline

    @property
    def unsettled(self) -> int:
        """How many events the collector has not acknowledged yet."""
        return self._sender.unsettled

    def accepted(self, epoch: str, events: Sequence[Event], now_ms: int) -> None:
        """Take charge of events that are in the outbox."""
        for event in events:
            self._sender = sending.append(self._sender, epoch, event.seq)
        self.send(now_ms)

    def linked(self, connected: bool, now_ms: int) -> None:
        """Note that the connection came or went."""
        self._sender = sending.linked(self._sender, connected)
        self.send(now_ms)

    def heard(self, ack: Ack, now_ms: int) -> None:
        """Let go of what is durably stored; where the collector has lost something, send all that is kept again."""
        have = Watermark(0)
        for first, last in ((1, ack.upto), *ack.have):
            have = have.add(first, last) if last >= first else have
        self._sender, settled = sending.heard(self._sender, ack.journal, ack.epoch, have)
        self._outbox.acknowledge(
            ack.journal,
            ack.epoch,
            ack.upto,
            settled.ranges,
            self._clock.wall_ms(),
            forgotten=bool(settled.forgotten),
        )
        self.send(now_ms)

    def purge(self) -> None:
        """Drop from the disk what was acknowledged more than 48 hours ago."""
        self._sender = sending.purged(self._sender, self._outbox.purge(self._clock.wall_ms()))

    def send(self, now_ms: int) -> None:
        """Send whatever is due."""
        self._sender, flights = sending.due(self._sender, now_ms, self._chance())
        for flight in flights:
            self._send(flight)

    def _send(self, flight: Flight) -> None:
        events = self._outbox.read(flight.epoch, flight.first, flight.last)
        boot = self._outbox.boot_of(flight.epoch)
        sent_mono_ms = self._clock.mono_ms() if boot == self._clock.boot else None
        if events:
            batch = Batch(v=VERSION, epoch=flight.epoch, boot=boot, sent_mono_ms=sent_mono_ms, events=events)
            self._publish(contract.build_up(self._site, self._agent, batch))
