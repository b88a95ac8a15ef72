"""Following an invented journal into an InfluxDB in memory, as the collector does and as fate has it."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hypothesis import strategies as st

from collector.history.projection import HistoryProjection
from collector.influx.projection import InfluxProjection
from perch.adapters.journal.store import Entry
from perch.contract import AliveEvent, Event, LostEvent, StateEvent
from perch.errors import UnavailableError
from perch.history.told import Lost, Marked, Stated, Told, Unplaced
from perch.model import Clock, Site
from tests.history_cases import EPOCHS
from tests.influx_memory import MemoryInflux
from tests.placing_cases import BOOTS, Entries
from tests.placing_history import StoredInMemory

JOURNAL = "0123456789abcdef"


def event(told: Told, seq: int) -> Event:
    """Say on the wire what was told."""
    if isinstance(told, Stated):
        said = (told.state, told.probability, told.people, told.reason)
        return StateEvent(told.seq, told.space, *said, told.time_ms, 0, Clock.OK)
    if isinstance(told, Marked):
        return AliveEvent(told.seq, told.time_ms, 0, Clock.OK)
    if isinstance(told, Lost):
        span = told.span
        ends = (span.from_ms, span.to_ms, 0, 0)
        return LostEvent(seq, span.epoch, (span.first_seq, span.last_seq), *ends, Clock.OK, "outbox-full")
    return AliveEvent(seq, 0, 0, Clock.UNSYNCED)


class Log:
    """A journal of what was told, in that order, and the history that follows it."""

    def __init__(self, told: Sequence[Told] = (), entries: Sequence[Entry] = ()) -> None:
        self.id = JOURNAL
        self.entries = Entries(entries, JOURNAL)
        self.history = FollowingHistory(self.entries)
        self.tell(*told)

    def tell(self, *told: Told) -> None:
        """Add what agents tell that know the time."""
        for word in told:
            position = len(self.entries.entries) + 1
            epoch = EPOCHS[0] if isinstance(word, Lost) else word.epoch
            received_ms = 0 if isinstance(word, Unplaced) else word.received_ms
            said = event(word, 10**6 + position)
            self.entries.entries.append(Entry(position, word.site, word.agent, epoch, received_ms, said, BOOTS[0]))

    def end(self) -> int:
        return self.entries.end()

    def read(self, after: int, limit: int) -> list[Entry]:
        return self.entries.read(after, limit)

    def lead(self, position: int) -> None:
        """Let history come up to a position."""
        self.history.follow(position)


class FollowingHistory(StoredInMemory):
    """A history that follows a journal, in the batches in which it is told to."""

    def __init__(self, entries: Entries) -> None:
        super().__init__()
        self._entries = entries
        self._projection = HistoryProjection(self, entries)

    @property
    def position(self) -> int:
        """How far it has come."""
        cursor = self.cursor()
        return 0 if cursor is None else cursor.position

    def follow(self, position: int) -> None:
        """Come up to a position."""
        if position > self.position:
            self._projection.apply(self._entries.read(self.position, position - self.position), JOURNAL)


def projection(log: Log, store: MemoryInflux, data: Path, *sites: Site) -> InfluxProjection:
    return InfluxProjection(sites, log, log.history, lambda: store, data)


def follow(log: Log, projection: InfluxProjection, *, limit: int = 2_000) -> None:
    """Do what the collector does, once history has come to the journal's end."""
    log.lead(log.end())
    cursor = projection.cursor()
    if cursor is None:
        projection.reset(log.id)
    position = 0 if cursor is None else cursor.position
    while entries := log.read(position, limit):
        projection.apply(entries, log.id)
        position = entries[-1].position


def rebuilt(log: Log, *sites: Site) -> MemoryInflux:
    """Make everything anew from the journal."""
    store = MemoryInflux()
    with tempfile.TemporaryDirectory() as folder:
        follow(log, projection(log, store, Path(folder), *sites))
    return store


@dataclass(frozen=True)
class Step:
    """History comes up to a share of the journal, then a batch is tried, in a new process or with a failing store.

    Where history is `anew`, it was lost and made once more, in one batch.
    """

    lead: float
    batch: int
    new_process: bool
    fails_in: int | None
    anew: bool = False


steps = st.builds(
    Step, st.floats(0, 1), st.integers(1, 8), st.sampled_from((False, False, True)), st.none() | st.integers(0, 12)
)


def follow_in_steps(log: Log, store: MemoryInflux, place: Site, plan: Sequence[Step]) -> None:
    """Go through a plan, and then to the end."""
    with tempfile.TemporaryDirectory() as folder:
        at_work = go_through(log, store, place, plan, Path(folder))
        store.fail_in = None
        follow(log, at_work)


def go_through(log: Log, store: MemoryInflux, place: Site, plan: Sequence[Step], folder: Path) -> InfluxProjection:
    """Go through a plan; gives the projection that is at work then."""
    position: int | None = None
    at_work = projection(log, store, folder, place)
    for step in plan:
        if step.anew:
            log.history = FollowingHistory(log.entries)
        log.lead(round(step.lead * log.end()))
        if step.new_process or step.anew:
            at_work, position = projection(log, store, folder, place), None
        store.fail_in = step.fails_in
        position = tried(log, at_work, position, step.batch)
    return at_work


def tried(log: Log, at_work: InfluxProjection, position: int | None, batch: int) -> int | None:
    """Do what the collector does with one batch; None after a failure, as at a start."""
    try:
        if position is None:
            cursor = at_work.cursor()
            if cursor is None:
                at_work.reset(JOURNAL)
            position = 0 if cursor is None else cursor.position
        entries = log.read(position, max(min(batch, log.history.position - position), 0))
        if entries:
            at_work.apply(entries, JOURNAL)
            position = entries[-1].position
    except UnavailableError:
        return None
    return position
