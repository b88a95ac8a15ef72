"""Following the journal: one mechanism for whatever is made from it.

A projection keeps a cursor into the journal and commits it with the rows it stands for. So nothing is projected twice
and nothing is left out, whatever dies in between; and a projection that is lost, or belongs to another journal, is made
again from the start.
"""

from collections.abc import Callable, Sequence
from threading import Event
from typing import NamedTuple, Protocol

from perch.adapters.cursor import Cursor
from perch.adapters.journal.store import Entry
from perch.errors import UnavailableError

BATCH_ENTRIES = 20_000
"""What a projection that is behind takes in at once: a space costs it about as much for a hundred events as for one."""

MANY_ENTRIES = 2_000
"""Where so many wait, they need not gather."""

IDLE_SECONDS = 1.0
RETRY_SECONDS = (1.0, 2.0, 5.0, 10.0)


class Log(Protocol):
    """A journal as its readers see it: entries in order of position.

    None ever changes, but that old ones go, and that some lose their content to an erasure that comes later.
    """

    @property
    def id(self) -> str:
        """The journal's id; another one means another journal."""
        ...

    def end(self) -> int:
        """Give the position of the newest entry."""
        ...

    def read(self, after: int, limit: int) -> Sequence[Entry]:
        """Give up to `limit` entries after a position, those that are there."""
        ...


class Projection(Protocol):
    """Something made from the journal. Laws:

    - `apply` commits the rows and the cursor together, or neither; entries at or before the cursor change nothing.
    - Equal journals give equal projections, however they were cut into batches and however often one was retried.
    - One thread at a time. May raise UnavailableError, which is retried for ever, and StorageError, which is not.
    """

    def cursor(self) -> Cursor | None:
        """Tell how far it has come; None before the first time."""
        ...

    def reset(self, journal: str) -> None:
        """Forget everything and begin at the start of a journal."""
        ...

    def apply(self, entries: Sequence[Entry], journal: str) -> None:
        """Take in entries in order of position."""
        ...


class Tally(NamedTuple):
    """What became of the rows of a projection since the start: written, older than their store keeps, not taken."""

    rows: int = 0
    expired: int = 0
    refused: int = 0


class View:
    """A log that is read in another way; it is the same log, and ends at the same place."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def __repr__(self) -> str:
        return f"<{type(self).__name__}, {self._log!r}>"

    @property
    def id(self) -> str:
        """The journal's id."""
        return self._log.id

    def end(self) -> int:
        """Give the position of the newest entry, whether it can be read in this way yet or not."""
        return self._log.end()


class Trailing(View):
    """A log that is read as far as another projection of it has come: for one made from its rows."""

    def __init__(self, log: Log, leader: Callable[[], Cursor | None]) -> None:
        super().__init__(log)
        self._leader = leader

    def read(self, after: int, limit: int) -> Sequence[Entry]:
        """Give up to `limit` entries after a position, as far as the leader has come."""
        cursor = self._leader()
        come = cursor.position if cursor is not None and cursor.journal == self._log.id else 0
        if come <= after:
            return ()
        entries = self._log.read(after, min(limit, come - after))
        if entries and entries[-1].position > come:  # where some were let go of, the next ones come instead
            return [entry for entry in entries if entry.position <= come]
        return entries


def resume(log: Log, projection: Projection) -> int:
    """Find where to go on; a projection whose cursor is void is emptied and begins anew."""
    cursor = projection.cursor()
    if cursor is None or cursor.is_void(log.id, log.end()):
        projection.reset(log.id)
        cursor = projection.cursor()
    return 0 if cursor is None else cursor.position


def advance(log: Log, projection: Projection, position: int, limit: int = BATCH_ENTRIES) -> int:
    """Project the next batch; gives the new position, the same one if there was nothing."""
    entries = _whole(log.read(position, limit), limit)
    if not entries:
        return position
    projection.apply(entries, log.id)
    return entries[-1].position


def _whole(entries: Sequence[Entry], limit: int) -> Sequence[Entry]:
    """Leave the last message for the next batch if it may have been cut: what it tells of time, it tells as a whole."""
    if len(entries) < limit:
        return entries
    last = _message(entries[-1])
    kept = next((place for place in range(len(entries) - 1, 0, -1) if _message(entries[place - 1]) != last), 0)
    return entries[:kept] or entries


def _message(entry: Entry) -> tuple[object, ...]:
    return entry.site, entry.agent, entry.epoch, entry.boot, entry.received_ms, entry.sent_mono_ms


def run(
    log: Log,
    projection: Projection,
    wake: Event,
    stop: Event,
    trouble: Callable[[UnavailableError | None], None] = lambda _: None,
    retry_seconds: Sequence[float] = RETRY_SECONDS,
    doubted: Callable[[], bool] = lambda: False,
    gather_seconds: float = 0.0,
    rest: Callable[[], bool] = lambda: False,
) -> None:
    """Follow the log until `stop`; whoever sets that, or adds to the log, sets `wake` too.

    `trouble` hears of each failure that is retried, and None once it is over. `doubted` tells whether it is time to
    look again where the projection stands. While it keeps up, entries gather for `gather_seconds` between batches.
    `rest` does a little of what can wait until there is nothing to project, and tells whether there may be more of it.
    Raises what is not worth a retry.
    """
    position: int | None = None
    failures = 0
    while not stop.is_set():
        wake.clear()
        if doubted():
            position = None
        try:
            before = resume(log, projection) if position is None else position
            position = advance(log, projection, before)
        except UnavailableError as error:
            position = None
            trouble(error)
            stop.wait(retry_seconds[min(failures, len(retry_seconds) - 1)])
            failures += 1
            continue
        if failures:
            failures = 0
            trouble(None)
        if position == before and not stop.is_set():
            if not rest():
                wake.wait(IDLE_SECONDS)
        elif position - before < BATCH_ENTRIES and log.end() - position < MANY_ENTRIES:
            stop.wait(gather_seconds)
