"""The way to history: the collector's files, opened when they are first asked, and each site's calendar."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from threading import Lock

from api.operations import Check
from perch.adapters.booking_feeds import Booked, BookingFeeds
from perch.adapters.history_store import HistoryReader
from perch.adapters.journal_reader import JournalReader
from perch.errors import QuestionError, StorageError
from perch.history import answers, audit, looks
from perch.history.audit import Asked
from perch.history.calendar import Calendar
from perch.history.looks import Look, Said
from perch.history.question import Answer, Question
from perch.history.source import HistorySource, StateRow
from perch.model import Site
from perch.settings.holidays import closed_days

MOST_BEHIND = 10_000
"""Journal entries that history may lag behind and still be called well."""


class HistoryFiles:
    """Answers questions about what was; any thread may ask, several at once. Raises StorageError."""

    def __init__(self, sites: Mapping[str, Site], data: Path) -> None:
        self._sites = sites
        self._history = data / "history.db"
        self._journal = data / "journal.db"
        self._calendar = cache(self._make_calendar)
        self._feeds = BookingFeeds()
        self._turn = Lock()
        self._opened: tuple[int, HistoryReader] | None = None

    def __repr__(self) -> str:
        return f"<HistoryFiles in {self._history}>"

    def answer(self, question: Question, site: Site, now_ms: int) -> Answer:
        """Answer a question about a site; raises QuestionError as well."""
        booked = self.booked(question, site)
        answer = answers.answer(question, site, self.source(), self._calendar(site.id), now_ms, booked.bookings)
        if not any(row.coverage for row in answer.rows):
            self.require_begun(site, answer.to_ms)
        return replace(answer, warnings=(*answer.warnings, *booked.troubles, *self.caveats(question.from_ms)))

    def require_begun(self, site: Site, to_ms: int, parameter: str = "to") -> None:
        """Refuse a window that ends before all that was ever told of a site; raises QuestionError."""
        horizon = self.source().horizon(site.id)
        if horizon is not None and to_ms <= horizon.first_ms:
            first = self._calendar(site.id).day_of(horizon.first_ms)
            raise QuestionError(parameter, f"the history of {site.id} begins on {first}", "ask for a later window")

    def booked(self, question: Question, site: Site) -> Booked:
        """Give the bookings that a question needs, from the site's calendars."""
        return self._feeds.booked_for(question, site)

    def transitions(self, site: Site, space: str, from_ms: int, to_ms: int) -> Sequence[StateRow]:
        """Give the transitions of a space within [from_ms, to_ms)."""
        return answers.transitions(site, space, from_ms, to_ms, self.source())

    def source(self) -> HistorySource:
        """Give the words of the past."""
        return self._reader()

    def caveats(self, _from_ms: int) -> tuple[str, ...]:
        """Say what an answer that begins at a moment cannot know because it is not kept any more."""
        return ()

    def checks(self) -> Sequence[tuple[str, Check]]:
        """Name the parts of which answers are made."""
        return ("journal", self.check_journal), ("history", self.check_history)

    def calendar(self, site: str) -> Calendar:
        """Give a site's calendar."""
        return self._calendar(site)

    def audit(self, site: Site, seen: Sequence[Look], now_ms: int) -> Asked:
        """Put what people saw at a site beside what was observed."""
        return audit.ask(site, seen, self.source(), now_ms)

    def said_at(self, site: Site, space: str, time_ms: int) -> Said | None:
        """Say what was observed of a space at a moment; None where it did not stand then."""
        return looks.said_at(site, space, time_ms, self.source())

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
        return f"{behind} events behind the journal{waits}"

    def close(self) -> None:
        """Close the files."""
        with self._turn:
            if self._opened is not None:
                self._opened[1].close()
            self._opened = None

    def _reader(self) -> HistoryReader:
        """Open history when it is there, and again when another file has taken its place."""
        with self._turn:
            file = _existing(self._history).stat().st_ino
            if self._opened is None or self._opened[0] != file:
                self._opened = (file, HistoryReader(self._history))
            return self._opened[1]

    def _make_calendar(self, site: str) -> Calendar:
        of = self._sites[site]
        return Calendar(of.time_zone, of.hours, closed_days(of))


def _existing(path: Path) -> Path:
    if not path.exists():
        raise StorageError(f"there is no {path}", "start the collector, which makes it")
    return path
