"""A projection that keeps up lets events gather, and one that is behind does not wait."""

import threading
from collections.abc import Sequence

from collector.projection import BATCH_ENTRIES, Trailing, advance, resume, run
from perch.adapters.cursor import Cursor
from perch.adapters.journal.store import Entry
from perch.contract import AliveEvent
from perch.model import Clock

JOURNAL = "0123456789abcdef"


class Log:
    """A journal of so many entries."""

    id = JOURNAL

    def __init__(self, entries: int) -> None:
        self.entries = entries
        self.of: dict[int, str] = {}

    def end(self) -> int:
        return self.entries

    def read(self, after: int, limit: int) -> list[Entry]:
        event = AliveEvent(1, 0, 0, Clock.OK)
        places = range(after + 1, min(after + limit, self.entries) + 1)
        return [Entry(place, "hq", "pi-1", self.of.get(place, "a") * 32, 0, event, "b" * 16, None) for place in places]


class Batches:
    """A projection that remembers how large the batches were."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def cursor(self) -> Cursor:
        return Cursor(JOURNAL, sum(self.sizes))

    def reset(self, journal: str) -> None:
        raise AssertionError(journal)

    def apply(self, entries: Sequence[Entry], journal: str) -> None:
        assert journal == JOURNAL
        self.sizes.append(len(entries))


class Stop(threading.Event):
    """Notes for how long somebody waits on it, lets so much more happen meanwhile, and is set at the last."""

    def __init__(self, log: Log, *more: int) -> None:
        super().__init__()
        self.waits: list[float | None] = []
        self._log = log
        self._more = list(more)

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout)
        if not self._more:
            self.set()
        else:
            self._log.entries += self._more.pop(0)
        return self.is_set()


def test_events_gather_between_the_batches_of_a_projection_that_keeps_up() -> None:
    log, batches = Log(3), Batches()
    stop = Stop(log, 500, 7)
    run(log, batches, threading.Event(), stop, gather_seconds=2.5)
    assert batches.sizes == [3, 500, 7]
    assert stop.waits == [2.5, 2.5, 2.5]


def test_a_projection_that_is_behind_takes_full_batches_and_does_not_wait() -> None:
    log, batches = Log(2 * BATCH_ENTRIES + 1), Batches()
    stop = Stop(log)
    run(log, batches, threading.Event(), stop, gather_seconds=2.5)
    assert batches.sizes == [BATCH_ENTRIES, BATCH_ENTRIES, 1]
    assert stop.waits == [2.5]


class Ahead(Batches):
    """A projection that is emptied, and made from what another one holds already."""

    def __init__(self, holds: int) -> None:
        super().__init__()
        self.holds: int | None = None
        self._ahead = holds

    def cursor(self) -> Cursor | None:  # type: ignore[override]  # of none, at first
        return None if self.holds is None else Cursor(JOURNAL, self.holds)

    def reset(self, journal: str) -> None:
        assert journal == JOURNAL
        self.holds = self._ahead


def test_a_projection_that_was_made_anew_goes_on_from_where_that_brought_it() -> None:
    assert resume(Log(9), Ahead(5)) == 5


def test_a_leader_that_begins_anew_makes_nothing_void_and_gives_nothing_to_read() -> None:
    log = Trailing(Log(9), lambda: Cursor(JOURNAL, 0))
    assert not Cursor(JOURNAL, 7).is_void(log.id, log.end())
    assert not log.read(7, 100)
    assert [entry.position for entry in Trailing(Log(9), lambda: Cursor(JOURNAL, 8)).read(5, 100)] == [6, 7, 8]


def test_a_batch_ends_with_a_message_unless_there_is_but_one() -> None:
    log, batches = Log(9), Batches()
    log.of = {place: "a" if place <= 4 else "b" for place in range(1, 10)}
    assert [advance(log, batches, 0, 6), advance(log, batches, 4, 3), advance(log, batches, 7, 6)] == [4, 7, 9]
    assert batches.sizes == [4, 3, 2]
