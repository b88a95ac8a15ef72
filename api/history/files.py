"""History in the collector's files, which are opened when they are first asked for."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock

from api.history.gaps import Gaps
from api.history.way import History
from api.operations import Check
from perch.adapters.history.kept import KeptReader
from perch.adapters.journal.reader import JournalReader
from perch.errors import StorageError
from perch.history.gaps import GappedSource
from perch.history.source import HistorySource
from perch.model import Site

MOST_BEHIND = 10_000
"""Journal entries that history may lag behind and still be called well."""


def history_in_files(sites: Mapping[str, Site], data: Path) -> History:
    """Give the history of some sites that lies in the files of a folder."""
    return History.of(sites, HistoryFiles(sites, data))


class HistoryFiles:
    """A store in `history.db`; raises StorageError."""

    def __init__(self, sites: Mapping[str, Site], data: Path) -> None:
        self._sites = sites
        self._history = data / "history.db"
        self._journal = data / "journal.db"
        self._turn = Lock()
        self._opened: tuple[int, KeptReader] | None = None
        self._gaps = Gaps(self._journal, self._reader)

    def __repr__(self) -> str:
        return f"<HistoryFiles in {self._history}>"

    def source(self) -> HistorySource:
        """Give the words of the past, in which nothing vouches over a gap."""
        return GappedSource(self._reader(), self._gaps.at)

    def caveats(self, from_ms: int) -> tuple[str, ...]:
        """Say of which sites events are missing between others that came, if their epoch reaches into an answer."""
        lacking = self._gaps.lacking(from_ms, self._sites)
        return tuple(_lacking(site, events) for site, events in sorted(lacking.items()))

    def checks(self) -> Sequence[tuple[str, Check]]:
        """Name the parts of which answers are made."""
        return ("journal", self.check_journal), ("history", self.check_history)

    def check_journal(self) -> str:
        """Give a word on the journal, if it can be read."""
        with JournalReader(_existing(self._journal)) as journal:
            return f"{journal.end()} events"

    def check_history(self) -> str:
        """Give a word on how far history follows the journal, if it does."""
        cursor = self._reader().cursor()
        with JournalReader(_existing(self._journal)) as journal:
            behind = journal.end() - (cursor.position if cursor and cursor.journal == journal.id else 0)
        if behind > MOST_BEHIND:
            raise StorageError(f"history is {behind} events behind the journal", "wait, or see the collector's log")
        waiting = sum(sum(self._reader().unplaced(site).values()) for site in self._sites)
        waits = f"; {waiting} wait, for nobody knows yet when they were" if waiting else ""
        late = self._reader().late()
        too_late = f"; {late} statements came when their day was summed up already" if late else ""
        return f"{behind} events behind the journal{waits}{too_late}"

    def close(self) -> None:
        """Close the files."""
        with self._turn:
            if self._opened is not None:
                self._opened[1].close()
            self._opened = None

    def _reader(self) -> KeptReader:
        """Open history when it is there, and again when another file has taken its place."""
        with self._turn:
            file = _existing(self._history).stat().st_ino
            if self._opened is None or self._opened[0] != file:
                self._opened = (file, KeptReader(self._history))
            return self._opened[1]


def _lacking(site: str, events: int) -> str:
    return (
        f"At {site} {events} events are missing between others that came: they may be on their way, or another "
        "collector has them. Until they come, what is not known without them counts as unknown; perch doctor on the "
        "server names the agents."
    )


def _existing(path: Path) -> Path:
    if not path.exists():
        raise StorageError(f"there is no {path}", "start the collector, which makes it")
    return path
