"""What is to become of messages on `up`: decided here, carried out by the intake."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from perch import contract
from perch.adapters.journal.codec import ErasedEvent, Kept
from perch.adapters.journal.store import Run, Stream
from perch.adapters.quarantine.store import Suspect
from perch.contract import AliveEvent, ClockEvent, Event, LostEvent, ParsedBatch, StateEvent, Unreadable
from perch.delivery.receiver import Verdict, judge
from perch.delivery.watermark import Watermark
from perch.errors import ContractError

MAX_RANGES = 1_000
"""So many ranges may lie beyond a gap in one epoch; a sender that keeps to its window leaves eight."""

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

    def stored(self, stream: Stream, seq: int) -> Kept | None:
        """Give the event stored under an identity."""

    def is_gone(self, stream: Stream, seq: int) -> bool:
        """Tell whether the event of a settled number may have been stored, and let go of since."""

    def knows(self, word: str) -> bool:
        """Tell whether a space or boot was ever stored."""


class Admission(Protocol):
    """What the sorting asks before it lets new names in."""

    def spaces_of(self, site: str, agent: str) -> Collection[str]:
        """Give the spaces that a layout gives to an agent."""

    def admits_stream(self, stream: Stream, boot: str, now_ms: int) -> bool:
        """Tell whether a message of an epoch and a boot may be stored."""

    def admits_epoch(self, stream: Stream, now_ms: int) -> bool:
        """Tell whether numbers of another epoch may be settled."""

    def admits_space(self, stream: Stream, space: str, now_ms: int) -> bool:
        """Tell whether an event of a space may be stored."""


@dataclass(slots=True)
class Sorted:
    """What messages come to, before anything is written: `touched` streams have something to be acknowledged.

    `strange` are stored events of spaces that no layout gives to their agent, by (site, agent, space). By agent,
    `conflicts` are events with other content than the stored ones, `deferred` messages that are neither stored nor
    acknowledged, for their agent has brought too many new names or left too many gaps.
    """

    runs: list[Run] = field(default_factory=list)
    settled: dict[Stream, Watermark] = field(default_factory=dict)
    touched: dict[Stream, None] = field(default_factory=dict)
    suspects: list[Suspect] = field(default_factory=list)
    strange: list[tuple[str, str, str]] = field(default_factory=list)
    conflicts: Counter[str] = field(default_factory=Counter)
    deferred: Counter[str] = field(default_factory=Counter)
    events: int = 0
    repeats: int = 0


class Sorting:
    """Decides on the messages of one transaction, one after the other; it reads the journal and stores nothing.

    Whom it lets bring new names, it lets pay for them at once: `admission` remembers that.
    A batch beyond everything known of its stream, as nearly all are, is accepted as a whole; the others are judged
    event by event.
    """

    def __init__(self, journal: Stored, admission: Admission) -> None:
        self._journal = journal
        self._admission = admission
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
        self.result.suspects.append(Suspect(arrival.wall_ms, code, why, *arrival[:3]))

    def _sort(self, arrival: Arrival, stream: Stream, batch: ParsedBatch) -> None:
        result, events, mark = self.result, batch.events, self._mark(stream)
        if not (self._may_grow(arrival, stream, batch, mark) and self._may_settle(arrival, stream, batch, mark)):
            result.deferred[f"{stream.site}/{stream.agent}"] += 1
            return
        result.events += len(events)
        result.touched[stream] = None
        if set(map(type, events)) <= _PLAIN and (first := events[0].seq or 0) > mark.highest:
            strange = self._strange(stream, events)
            if not strange or all(self._admits(arrival, stream, space) for space in strange):
                self._keep(arrival, stream, batch, events, strange)  # type: ignore[arg-type]  # they were just looked at
                result.settled[stream] = mark.add(first, first + len(events) - 1)
                return
        self._judge(arrival, stream, batch, mark)

    def _may_grow(self, arrival: Arrival, stream: Stream, batch: ParsedBatch, mark: Watermark) -> bool:
        """Tell whether the agent may leave one more gap, where it does, and bring a new epoch or boot."""
        if len(mark.have) >= MAX_RANGES and _is_scattered(mark, batch):
            return False
        if mark.highest and self._journal.knows(batch.boot):
            return True
        return self._admission.admits_stream(stream, batch.boot, arrival.mono_ms)

    def _may_settle(self, arrival: Arrival, stream: Stream, batch: ParsedBatch, mark: Watermark) -> bool:
        """Tell whether what new `lost` events name may count as received: whoever acknowledges them says so."""
        for event in batch.events:
            if type(event) is LostEvent and event.seq not in mark:
                named = stream._replace(epoch=event.epoch)
                if not self._admission.admits_epoch(named, arrival.mono_ms):
                    return False
                if len(self._mark(named).add(*event.lost).have) > MAX_RANGES:
                    return False
        return True

    def _admits(self, arrival: Arrival, stream: Stream, space: str) -> bool:
        return self._admission.admits_space(stream, space, arrival.mono_ms)

    def _strange(self, stream: Stream, events: Sequence[Event | Unreadable]) -> list[str]:
        known = self._admission.spaces_of(stream.site, stream.agent)
        return [event.space for event in events if type(event) is StateEvent and event.space not in known]

    def _judge(self, arrival: Arrival, stream: Stream, batch: ParsedBatch, mark: Watermark) -> None:
        fresh: list[Event] = []
        refused: dict[str, list[str]] = {}
        for event, verdict in judge(mark, batch.events, lambda event: self._same(arrival, stream, event)):
            if verdict is Verdict.REPEAT:
                self.result.repeats += 1
            elif verdict is Verdict.CONFLICT:
                self.result.conflicts[f"{stream.site}/{stream.agent}"] += 1
                refused.setdefault("conflict", []).append(f"event {event.seq} is stored with other content")
            else:
                self._settle(stream, event.seq or 0, event.seq or 0)
                if why := self._why_not(arrival, stream, event):
                    refused.setdefault(why[0], []).append(why[1])
                else:
                    fresh.append(event)  # type: ignore[arg-type]  # there is a reason against what is unreadable
        nameless = [f"an event: {event.why}" for event in batch.events if event.seq is None]
        if nameless:
            refused.setdefault("undecodable", []).extend(nameless)
        for run in consecutive(fresh):
            self._keep(arrival, stream, batch, run, self._strange(stream, run))
        self._settle_lost(stream, fresh)
        for code, whys in refused.items():
            self.refuse(arrival, code, "; ".join(whys))

    def _why_not(self, arrival: Arrival, stream: Stream, event: Event | Unreadable) -> tuple[str, str] | None:
        """Give code and words for why an event cannot be stored; None where it can."""
        if isinstance(event, Unreadable):
            return "undecodable", f"event {event.seq}: {event.why}"
        if isinstance(event, StateEvent) and not self._admits(arrival, stream, event.space):
            return "too-many-names", f"event {event.seq}: no layout names {event.space}, and there were too many such"
        return None

    def _settle_lost(self, stream: Stream, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event, LostEvent):
                epoch = stream._replace(epoch=event.epoch)
                self.result.touched[epoch] = None
                self._settle(epoch, *event.lost)

    def _keep(
        self, arrival: Arrival, stream: Stream, batch: ParsedBatch, events: tuple[Event, ...], strange: Sequence[str]
    ) -> None:
        run = Run(stream, batch.boot, batch.sent_mono_ms, arrival.wall_ms, events)
        self.result.runs.append(run)
        self._pending.setdefault(stream, []).append(run)
        if strange:
            self.result.strange += [(stream.site, stream.agent, space) for space in strange]

    def _mark(self, stream: Stream) -> Watermark:
        return self.result.settled.get(stream) or self._journal.watermark(stream)

    def _settle(self, stream: Stream, first: int, last: int) -> None:
        self.result.settled[stream] = self._mark(stream).add(first, last)

    def _same(self, arrival: Arrival, stream: Stream, event: Event | Unreadable) -> bool | None:
        """Whether an event whose number is settled is the stored one; None where it was not stored, and can be now."""
        seq = event.seq or 0
        stored = self._journal.stored(stream, seq) or self._kept(stream, seq)
        if stored is not None:
            return isinstance(stored, ErasedEvent) or stored == event
        if self._journal.is_gone(stream, seq):
            return True
        return self._unstored(self._why_not(arrival, stream, event))

    def _unstored(self, why_not: tuple[str, str] | None) -> bool | None:
        """Say of an event that came before and was not stored whether that is to stay so."""
        return None if why_not is None else True

    def _kept(self, stream: Stream, seq: int) -> Kept | None:
        """Give an event that this very transaction is going to store."""
        for run in reversed(self._pending.get(stream, ())):
            if run.first <= seq <= run.last:
                return run.events[seq - run.first]
        return None


def _is_scattered(mark: Watermark, batch: ParsedBatch) -> bool:
    """Tell whether a message adds a range to those beyond a gap, rather than to widen one or fill a gap."""
    numbers = [event.seq for event in batch.events if event.seq is not None]
    return bool(numbers) and not any(seq in mark for seq in (numbers[0] - 1, numbers[0], numbers[-1], numbers[-1] + 1))


class Resorting(Sorting):
    """Decides on messages out of the quarantine: what still cannot be stored is refused again, and so stays there."""

    def _unstored(self, why_not: tuple[str, str] | None) -> None:
        del why_not


def consecutive(events: Sequence[Event]) -> Iterator[tuple[Event, ...]]:
    """Cut events of rising numbers where numbers are left out."""
    start = 0
    for place in range(1, len(events) + 1):
        if place == len(events) or events[place].seq != events[place - 1].seq + 1:
            yield tuple(events[start:place])
            start = place
