"""History of invented journals, projected into memory by the product's own projection."""

from collections.abc import Iterable, Sequence

from collector.history_projection import HistoryProjection, Store
from perch.adapters.cursor import Cursor
from perch.adapters.journal import Entry
from perch.delivery.boots import NO_BOOTS, Boots
from perch.history.memory import MemoryHistory
from perch.history.told import Forgotten, Told
from tests.placing_cases import Entries


class StoredInMemory(MemoryHistory):
    """A history in memory that the projection can write; `told` is all that it holds now."""

    def __init__(self) -> None:
        super().__init__()
        self.told: set[Told] = set()
        self._cursor: Cursor | None = None
        self._boots: dict[tuple[str, str], Boots] = {}

    def cursor(self) -> Cursor | None:
        return self._cursor

    def reset(self, journal: str) -> None:
        self.__init__()  # type: ignore[misc]  # as new
        self._cursor = Cursor(journal, 0)

    def boots(self, site: str, agent: str) -> Boots:
        return self._boots.get((site, agent), NO_BOOTS)

    def add(  # type: ignore[override]  # what a projection hands over, not only words
        self,
        told: Iterable[Told],
        cursor: Cursor | None = None,
        learned: object = None,
        forgotten: Sequence[Forgotten] = (),
    ) -> None:
        words = list(told)
        self.retell(forgotten, words, 0 if cursor is None else cursor.position)
        if cursor is not None:
            assert isinstance(learned, dict)
            assert all(self.boots(*agent) == before for agent, (before, _) in learned.items())
            self._boots.update({agent: after for agent, (_, after) in learned.items()})
            self._cursor = cursor
            self.told = set(self._told)


def project(entries: Sequence[Entry], cuts: Iterable[int]) -> StoredInMemory:
    """Project a journal into memory, in batches that end at some positions."""
    store = StoredInMemory()
    project_into(store, entries, cuts)
    return store


def project_into(store: Store, entries: Sequence[Entry], cuts: Iterable[int]) -> None:
    """Project a journal in batches that end at some positions."""
    log = Entries(entries)
    projection = HistoryProjection(store, log)
    position = 0
    for cut in sorted({*cuts, len(entries)}):
        if cut > position:
            projection.apply(log.read(position, cut - position), log.id)
            position = cut
