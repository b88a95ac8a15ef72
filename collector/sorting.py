"""What is to become of messages on `up`, decided without touching anything."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from perch import contract
from perch.adapters.journal import Run, Stream
from perch.adapters.quarantine import Suspect
from perch.contract import AliveEvent, ClockEvent, Event, LostEvent, ParsedBatch, StateEvent, Unreadable
from perch.delivery.receiver import Verdict, judge
from perch.delivery.watermark import Watermark
from perch.errors import ContractError

_PLAIN: frozenset[type] = frozenset({StateEvent, AliveEvent, ClockEvent})


class Arrival(NamedTuple):
    """A message as it came in, with both clocks of that moment."""

    topic: str
    payload: bytes
    retained: bool
    wall_ms: int
    mono_ms: int


class Stored(Protocol):
    """What the sorting asks of the journal."""

    def watermark(self, stream: Stream) -> Watermark:
        """Give which numbers of a stream are settled."""

    def stored(self, stream: Stream, seq: int) -> Event | None:
        """Give the event stored under an identity."""


@dataclass(slots=True)
class Sorted:
    """What messages come to, before anything is written: `touched` streams have something to be acknowledged."""

    runs: list[Run] = field(default_factory=list)
    settled: dict[Stream, Watermark] = field(default_factory=dict)
    touched: dict[Stream, None] = field(default_factory=dict)
    suspects: list[Suspect] = field(default_factory=list)
    events: int = 0
    repeats: int = 0


class Sorting:
    """Decides on the messages of one transaction, one after the other; it reads the journal and writes nothing.

    A batch beyond everything known of its stream, as nearly all are, is accepted as a whole; the others are judged
    event by event.
    """

    def __init__(self, journal: Stored) -> None:
        self._journal = journal
        self._pending: dict[Stream, list[Run]] = {}
        self.result = Sorted()

    def add(self, arrival: Arrival, site: str, agent: str) -> None:
        """Decide on a message of an agent."""
        if arrival.retained:
            self.refuse(arrival, "retained", "the broker had kept it: events are never published as retained")
            return
        try:
            batch = contract.parse_up(arrival.payload)
        except ContractError as error:
            self.refuse(arrival, error.code, error.what)
            return
        self._sort(arrival, Stream(site, agent, batch.epoch), batch)

    def refuse(self, arrival: Arrival, code: str, why: str) -> None:
        """Put a message into quarantine."""
        self.result.suspects.append(Suspect(arrival.wall_ms, code, why, arrival.topic, arrival.payload))

    def _sort(self, arrival: Arrival, stream: Stream, batch: ParsedBatch) -> None:
        result, events = self.result, batch.events
        result.events += len(events)
        result.touched[stream] = None
        mark = self._mark(stream)
        if set(map(type, events)) <= _PLAIN and (first := events[0].seq or 0) > mark.highest:
            self._keep(arrival, stream, batch, events)  # type: ignore[arg-type]  # the types were just looked at
            result.settled[stream] = mark.add(first, first + len(events) - 1)
        else:
            self._judge(arrival, stream, batch, mark)

    def _judge(self, arrival: Arrival, stream: Stream, batch: ParsedBatch, mark: Watermark) -> None:
        fresh: list[Event] = []
        refused: dict[str, list[str]] = {}
        for event, verdict in judge(mark, batch.events, lambda event: self._is_stored(stream, event)):
            seq = event.seq or 0
            if verdict is Verdict.REPEAT:
                self.result.repeats += 1
            elif verdict is Verdict.CONFLICT:
                refused.setdefault("conflict", []).append(f"event {seq} is stored with other content")
            else:
                self._settle(stream, seq, seq)
                if isinstance(event, Unreadable):
                    refused.setdefault("undecodable", []).append(f"event {seq}: {event.why}")
                else:
                    fresh.append(event)
        nameless = [f"an event: {event.why}" for event in batch.events if event.seq is None]
        if nameless:
            refused.setdefault("undecodable", []).extend(nameless)
        for run in consecutive(fresh):
            self._keep(arrival, stream, batch, run)
        self._settle_lost(stream, fresh)
        for code, whys in refused.items():
            self.refuse(arrival, code, "; ".join(whys))

    def _settle_lost(self, stream: Stream, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event, LostEvent):
                epoch = stream._replace(epoch=event.epoch)
                self.result.touched[epoch] = None
                self._settle(epoch, *event.lost)

    def _keep(self, arrival: Arrival, stream: Stream, batch: ParsedBatch, events: tuple[Event, ...]) -> None:
        run = Run(stream, batch.boot, batch.sent_mono_ms, arrival.wall_ms, events)
        self.result.runs.append(run)
        self._pending.setdefault(stream, []).append(run)

    def _mark(self, stream: Stream) -> Watermark:
        return self.result.settled.get(stream) or self._journal.watermark(stream)

    def _settle(self, stream: Stream, first: int, last: int) -> None:
        self.result.settled[stream] = self._mark(stream).add(first, last)

    def _is_stored(self, stream: Stream, event: Event | Unreadable) -> bool:
        """Whether an event that came before is the same; what was settled without being stored is."""
        seq = event.seq or 0
        stored = self._journal.stored(stream, seq) or self._kept(stream, seq)
        return stored is None or stored == event

    def _kept(self, stream: Stream, seq: int) -> Event | None:
        """Give an event that this very transaction is going to store."""
        for run in reversed(self._pending.get(stream, ())):
            if run.first <= seq <= run.last:
                return run.events[seq - run.first]
        return None


def consecutive(events: Sequence[Event]) -> Iterator[tuple[Event, ...]]:
    """Cut events of rising numbers where numbers are left out."""
    start = 0
    for place in range(1, len(events) + 1):
        if place == len(events) or events[place].seq != events[place - 1].seq + 1:
            yield tuple(events[start:place])
            start = place
