"""History of invented journals, projected into memory by the product's own projection."""

from collections.abc import Iterable, Sequence

from collector.ageing import FOR_EVER
from collector.history.projection import HistoryProjection, Store
from perch.adapters.cursor import Cursor
from perch.adapters.journal.store import Entry
from perch.delivery.boots import NO_BOOTS, Boots
from perch.delivery.erasing import Erasure
from perch.history.memory import MemoryHistory
from perch.history.source import WordSource
from perch.history.told import Forgotten, Marked, Stated, Told
from perch.settings import Retention
from tests.placing_cases import Entries


class StoredInMemory(MemoryHistory):
    """A history in memory that the projection can write; `told` is all that it holds now."""

    def __init__(self) -> None:
        super().__init__()
        self.told: set[Told] = set()
        self.forgotten = 0
        self._cursor: Cursor | None = None
        self._boots: dict[tuple[str, str], Boots] = {}

    def cursor(self) -> Cursor | None:
        return self._cursor

    def reset(self, journal: str) -> None:
        self.__init__()  # type: ignore[misc]  # as new
        self._cursor = Cursor(journal, 0)

    def begin_again(self, journal: str) -> bool:
        raise AssertionError(f"the journal {journal} is whole")

    def erase(self, erasure: Erasure, position: int) -> None:
        raise AssertionError(f"nothing is erased, and {erasure} is to be at {position}")

    def kept_from(self) -> None:
        """Keep everything."""

    def let_go(self, words_day: int, sums_day: int) -> None:
        raise AssertionError(f"words before {words_day} and sums before {sums_day} are to go")

    def erased(self, site: str) -> list[tuple[str, int, int]]:
        del site
        return []

    def moves_forgotten(self) -> int:
        return self.forgotten

    def boots(self, site: str, agent: str) -> Boots:
        return self._boots.get((site, agent), NO_BOOTS)

    def add(  # type: ignore[override]  # what a projection hands over, not only words
        self,
        told: Iterable[Told],
        cursor: Cursor | None = None,
        learned: object = None,
        forgotten: Sequence[Forgotten] = (),
        followed: int = 0,
        floor: int = 0,
    ) -> None:
        del followed, floor
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


def project_into(store: Store, entries: Sequence[Entry], cuts: Iterable[int], retention: Retention = FOR_EVER) -> None:
    """Project a journal in batches that end at some positions."""
    log = Entries(entries)
    projection = HistoryProjection(store, log, retention=retention)
    position = 0
    for cut in sorted({*cuts, len(entries)}):
        if cut > position:
            projection.apply(log.read(position, cut - position), log.id)
            position = cut


def assert_moves_cover(history: WordSource, entries: Sequence[Entry], left_off: int) -> None:
    """All that is elsewhere now than it was at a position, in whatever batches one came there, lies in the moves."""
    then, now = project(entries[:left_off], [left_off]).told, project(entries, []).told
    known = {(entry.agent, entry.epoch, entry.event.seq) for entry in entries[:left_off]}
    moves = history.moves(left_off, len(entries))
    for one in then.symmetric_difference(now):
        if isinstance(one, Stated | Marked) and (one.agent, one.epoch, one.seq) in known:
            assert any(move.agent == one.agent and move.from_ms <= one.time_ms <= move.to_ms for move in moves), one
    assert all(move.from_ms <= move.to_ms for move in moves)
