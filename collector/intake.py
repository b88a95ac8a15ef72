"""Carries out what the sorting decides: quarantine and journal first, acknowledgements last."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from collector.live import Live
from collector.novelty import Novelty, Places
from collector.others import AGAIN_MS, Others
from collector.sorting import Arrival, Resorting, Sorted, Sorting
from perch import contract
from perch.adapters.errands import Refusal
from perch.adapters.journal.store import Journal, Run, Stream
from perch.adapters.quarantine.store import Quarantine, Quarantined
from perch.contract import Ack, Address, Publication
from perch.delivery.liveness import Instant
from perch.delivery.watermark import Watermark
from perch.errors import ContractError

EPOCHS_PER_AGENT = 50
"""So many epochs of one agent are acknowledged at a time; one that keeps to its window sends of eight."""

_TOPICS_REMEMBERED = 100_000
_NAMES_COUNTED = 100


@dataclass(frozen=True, slots=True)
class Counts:
    """What came in since the start; `strangers` are events of spaces that no layout names, counted by space as well.

    By agent: events in `conflicts` with what is stored, and messages `deferred`, neither stored nor acknowledged.
    """

    messages: int = 0
    events: int = 0
    stored: int = 0
    repeats: int = 0
    strangers: int = 0
    stranger_spaces: Mapping[str, int] = field(default_factory=dict)
    conflicts: Mapping[str, int] = field(default_factory=dict)
    deferred: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Retried:
    """What messages of the quarantine came to: events stored, events known already, and who stays for what reason."""

    stored: int
    known: int
    refused: list[Refusal]


class Intake:
    """Takes in messages by the group. It owns journal and quarantine; one thread calls it; raises StorageError.

    `stored` hears what was stored, and how far the journal reaches then.
    """

    def __init__(
        self,
        journal: Journal,
        quarantine: Quarantine,
        places: Places,
        live: Live,
        publish: Callable[[Publication], bool],
        stored: Callable[[Sequence[Run], int], None] = lambda _runs, _end: None,
        again_ms: int = AGAIN_MS,
    ) -> None:
        self._journal = journal
        self._quarantine = quarantine
        self._novelty = Novelty(journal, places)
        self._others = Others(journal.id, places, again_ms)
        self._live = live
        self._publish = publish
        self._tell_stored = stored
        self._addresses: dict[str, Address] = {}
        self._messages = self._events = self._stored = self._repeats = 0
        self._strangers: Counter[str] = Counter()
        self._conflicts: Counter[str] = Counter()
        self._deferred: Counter[str] = Counter()
        self._strange_events = 0

    def __repr__(self) -> str:
        return f"<Intake into {self._journal!r}>"

    @property
    def counts(self) -> Counts:
        """What has come in so far."""
        return Counts(
            self._messages,
            self._events,
            self._stored,
            self._repeats,
            self._strange_events,
            dict(self._strangers),
            dict(self._conflicts),
            dict(self._deferred),
        )

    def others(self, mono_ms: int) -> tuple[str, ...]:
        """Name the journals of other collectors that answer the same agents."""
        return self._others.at_work(mono_ms)

    def take(self, arrivals: Sequence[Arrival]) -> None:
        """Store what is to be stored in one transaction, then acknowledge it; where it raises, nothing was."""
        if not arrivals:
            return
        self._novelty.begin()
        sorting = Sorting(self._journal, self._novelty)
        for arrival in arrivals:
            self._sort(sorting, arrival)
        result = sorting.result
        if result.suspects:
            self._quarantine.add(result.suspects)
        if result.settled:
            self._tell_stored(result.runs, self._journal.append(result.runs, result.settled))
        self._acknowledge_all(result.touched)
        self._count(len(arrivals), result)

    def retry(self, messages: Sequence[Quarantined], mono_ms: int) -> "Retried":
        """Take messages of the quarantine in once more, as `take` does; what is refused again is only named.

        What they brought was counted when they came, save what is stored only now.
        """
        self._novelty.begin()
        sorting = Resorting(self._journal, self._novelty)
        refused = [refusal for message in messages if (refusal := _sort_again(sorting, message, mono_ms)) is not None]
        result = sorting.result
        if result.settled:
            self._tell_stored(result.runs, self._journal.append(result.runs, result.settled))
        self._acknowledge_all(result.touched)
        self._count_stored(result)
        return Retried(sum(len(run.events) for run in result.runs), result.repeats, refused)

    def _sort(self, sorting: Sorting, arrival: Arrival) -> None:
        try:
            address = self._addresses.get(arrival.topic) or self._address(arrival.topic)
            if address.channel == "up":
                sorting.add(arrival, address.site, address.agent)
            elif address.channel == "ack":
                if not arrival.retained:
                    self._others.hear(address, arrival.payload, arrival.mono_ms)
            else:
                now = Instant(arrival.wall_ms, arrival.mono_ms)
                self._live.hear(address, arrival.payload, now, retained=arrival.retained)
        except ContractError as error:
            sorting.refuse(arrival, error.code, error.what)

    def _address(self, topic: str) -> Address:
        if len(self._addresses) >= _TOPICS_REMEMBERED:
            self._addresses.clear()
        address = self._addresses[topic] = contract.parse_topic(topic)
        return address

    def _acknowledge_all(self, touched: Collection[Stream]) -> None:
        """Acknowledge what was touched, of one agent no more than it can wait for: all share the way out."""
        told: Counter[tuple[str, str]] = Counter()
        for stream in touched:
            agent = (stream.site, stream.agent)
            told[agent] += 1
            if told[agent] <= EPOCHS_PER_AGENT:
                self._acknowledge(stream, self._journal.watermark(stream))

    def _acknowledge(self, stream: Stream, mark: Watermark) -> None:
        """Tell the agent what is stored; where the broker is away, it sends again and is told then."""
        for start in range(0, max(1, len(mark.have)), contract.RANGES_PER_ACK):
            have = mark.have[start : start + contract.RANGES_PER_ACK]
            ack = Ack(v=contract.VERSION, journal=self._journal.id, epoch=stream.epoch, upto=mark.upto, have=have)
            self._publish(contract.build_ack(stream.site, stream.agent, ack))

    def _count(self, messages: int, result: Sorted) -> None:
        self._messages += messages
        self._events += result.events
        self._repeats += result.repeats
        _add(self._conflicts, result.conflicts)
        _add(self._deferred, result.deferred)
        self._count_stored(result)

    def _count_stored(self, result: Sorted) -> None:
        self._stored += sum(len(run.events) for run in result.runs)
        self._strange_events += len(result.strange)
        _add(self._strangers, Counter("/".join(space) for space in result.strange))


def _sort_again(sorting: Sorting, message: Quarantined, mono_ms: int) -> Refusal | None:
    """Decide on a message of the quarantine; gives why it is to stay there, None where it need not."""
    suspects, deferred = len(sorting.result.suspects), sorting.result.deferred.total()
    retained = message.code == "retained"
    arrival = Arrival(message.topic, message.payload, retained, message.received_ms, mono_ms)
    if message.cut:
        return Refusal(message.id, message.code, f"its last {message.cut} bytes were not kept")
    try:
        address = contract.parse_topic(message.topic)
        if address.channel == "up":
            sorting.add(arrival, address.site, address.agent)
        elif address.channel == "status":
            contract.parse_status(message.payload)  # what it said is long past: it is to be readable, no more
        elif address.channel != "ack":
            contract.parse_state(message.payload)
    except ContractError as error:
        return Refusal(message.id, error.code, error.what)
    if len(sorting.result.suspects) > suspects:
        again = sorting.result.suspects[suspects]
        return Refusal(message.id, again.code, again.why)
    if sorting.result.deferred.total() > deferred:
        return Refusal(message.id, message.code, "its agent has brought too many new epochs: try again in an hour")
    return None


def _add(counted: Counter[str], more: Mapping[str, int]) -> None:
    """Count under names, as long as there are few of them."""
    for name, times in more.items():
        if name in counted or len(counted) < _NAMES_COUNTED:
            counted[name] += times
