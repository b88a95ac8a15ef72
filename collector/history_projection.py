"""The projection that answers the API's questions: the journal's words, placed in time, in `history.db`."""

from collections.abc import Sequence

from perch.adapters.cursor import Cursor
from perch.adapters.history_store import HistoryStore
from perch.adapters.journal import Entry
from perch.contract import AliveEvent, LostEvent, StateEvent
from perch.history.told import Lost, LostSpan, Marked, Stated, Told, Unplaced
from perch.model import Clock


def told(entry: Entry) -> Told | None:
    """Say in history's words what an entry of the journal tells; None where it tells nothing of spaces or time."""
    site, agent, epoch, received_ms, event = entry.site, entry.agent, entry.epoch, entry.received_ms, entry.event
    if isinstance(event, StateEvent):
        if event.clock is not Clock.OK:
            return Unplaced(site, agent)
        return Stated(
            site,
            agent,
            epoch,
            event.seq,
            received_ms,
            event.space,
            event.wall_ms,
            event.state,
            event.probability,
            event.count,
            event.reason,
            event.clock,
        )
    if isinstance(event, AliveEvent):
        placed = event.clock is Clock.OK
        return Marked(site, agent, epoch, event.seq, received_ms, event.wall_ms) if placed else Unplaced(site, agent)
    if isinstance(event, LostEvent):
        if event.clock is not Clock.OK:
            return Unplaced(site, agent)
        return Lost(site, agent, received_ms, LostSpan(event.epoch, *event.lost, event.from_ms, event.to_ms))
    return None


class HistoryProjection:
    """Keeps `history.db` in step with the journal; a `Projection`."""

    def __init__(self, store: HistoryStore) -> None:
        self._store = store

    def __repr__(self) -> str:
        return f"<HistoryProjection into {self._store!r}>"

    def cursor(self) -> Cursor | None:
        """Tell how far it has come; None before the first time."""
        return self._store.cursor()

    def reset(self, journal: str) -> None:
        """Forget everything and begin at the start of a journal."""
        self._store.reset(journal)

    def apply(self, entries: Sequence[Entry], journal: str) -> None:
        """Take in entries in order of position; those before the cursor are known."""
        cursor = self._store.cursor() or Cursor(journal, 0)
        new = [entry for entry in entries if entry.position > cursor.position]
        if new:
            words = (told(entry) for entry in new)
            self._store.add([word for word in words if word is not None], Cursor(journal, new[-1].position))
