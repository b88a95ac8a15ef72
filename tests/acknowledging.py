"""A collector in memory: takes what agents send over a real broker, and acknowledges it while it is told to."""

from perch import contract
from perch.adapters.mqtt.connection import Connection, Received
from perch.contract import VERSION, Ack, AliveEvent, Event, StateEvent, Unreadable
from perch.delivery.watermark import Watermark
from perch.settings import Broker


class Acknowledging:
    """Keeps every event by (epoch, seq) and every retained word; use as a context manager."""

    def __init__(self, broker: Broker) -> None:
        self.events: dict[tuple[str, int], Event] = {}
        self.statuses: list[contract.Status] = []
        self.states: list[tuple[str, contract.LiveState]] = []
        self.acknowledges = True
        self._marks: dict[str, Watermark] = {}
        everything = f"{contract.ROOT}/#"
        self._connection = Connection(broker, "in-memory", subscriptions=[everything], on_message=self._hear)

    def __enter__(self) -> "Acknowledging":
        self._connection.start()
        self._connection.ready(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.check()
        self._connection.stop(1)

    def of(self, epoch: str | None = None) -> list[Event]:
        """Give the events of an epoch, or of all, in order of sequence."""
        return [event for (one, _), event in sorted(self.events.items()) if epoch in (None, one)]

    def stated(self) -> list[StateEvent]:
        """Give the state events of all epochs in order of time."""
        return sorted((e for e in self.of() if isinstance(e, StateEvent)), key=lambda e: (e.wall_ms, e.seq))

    def marks(self) -> list[AliveEvent]:
        """Give the alive events."""
        return [event for event in self.of() if isinstance(event, AliveEvent)]

    def _hear(self, message: Received) -> None:
        address = contract.parse_topic(message.topic)
        if not message.payload:
            return  # says nothing; as a retained message it would clear what was said
        if address.channel == "status":
            self.statuses.append(contract.parse_status(message.payload))
        elif address.space is not None:
            self.states.append((address.space, contract.parse_state(message.payload)))
        elif address.channel == "up":
            self._store(address, contract.parse_up(message.payload))

    def _store(self, address: contract.Address, batch: contract.ParsedBatch) -> None:
        mark = self._marks.get(batch.epoch, Watermark())
        for event in batch.events:
            assert not isinstance(event, Unreadable), event
            assert self.events.setdefault((batch.epoch, event.seq), event) == event
            mark = mark.add(event.seq, event.seq)
        self._marks[batch.epoch] = mark
        if self.acknowledges:
            ack = Ack(v=VERSION, journal="0" * 16, epoch=batch.epoch, upto=mark.upto, have=mark.have)
            self._connection.publish(contract.build_ack(address.site, address.agent, ack))
