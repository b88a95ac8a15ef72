"""The way to history, wherever it lies: questions with their calendars, bookings and what is not kept any more."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Protocol, Self

from api.operations import Check
from perch.adapters.bookings.feeds import Booked, BookingFeeds
from perch.errors import QuestionError
from perch.history import answers, audit, looks
from perch.history.audit import Asked
from perch.history.calendar import Calendar
from perch.history.looks import Look, Said
from perch.history.question import Answer, Question
from perch.history.source import HistorySource, StateRow
from perch.model import Site
from perch.settings.holidays import closed_days


class Store(Protocol):
    """Where history lies. Any thread may call, several at once; raises StorageError or UnavailableError alone."""

    def source(self) -> HistorySource:
        """Give what is known of the past."""
        ...

    def caveats(self, from_ms: int) -> tuple[str, ...]:
        """Say what an answer that begins at a moment cannot know because it is not kept any more."""
        ...

    def checks(self) -> Sequence[tuple[str, Check]]:
        """Name the parts of which answers are made."""
        ...

    def close(self) -> None:
        """Close what is open."""
        ...


@dataclass(frozen=True, slots=True)
class History:
    """Answers questions about what was; any thread may ask, several at once. Raises what its store raises."""

    store: Store
    calendar: Callable[[str], Calendar]
    feeds: BookingFeeds

    @classmethod
    def of(cls, sites: Mapping[str, Site], store: Store) -> Self:
        """Give the history of some sites that lies in a store."""

        @cache
        def calendar(site: str) -> Calendar:
            return Calendar(sites[site].time_zone, sites[site].hours, closed_days(sites[site]))

        return cls(store, calendar, BookingFeeds())

    def source(self) -> HistorySource:
        """Give what is known of the past."""
        return self.store.source()

    def caveats(self, from_ms: int) -> tuple[str, ...]:
        """Say what an answer that begins at a moment cannot know because it is not kept any more."""
        return self.store.caveats(from_ms)

    def answer(self, question: Question, site: Site, now_ms: int) -> Answer:
        """Answer a question about a site; raises QuestionError as well."""
        booked = self.booked(question, site)
        source, calendar = self.source(), self.calendar(site.id)

        def ask() -> Answer:
            return answers.answer(question, site, source, calendar, now_ms, booked.bookings)

        answer = _once_more_if_aged(ask, site, source)
        if not any(row.coverage for row in answer.rows):
            self.require_begun(site, answer.to_ms)
        return replace(answer, warnings=(*answer.warnings, *booked.troubles, *self.caveats(question.from_ms)))

    def require_begun(self, site: Site, to_ms: int, parameter: str = "to") -> None:
        """Refuse a window that ends before all that was ever told of a site; raises QuestionError."""
        horizon = self.source().horizon(site.id)
        if horizon is not None and to_ms <= horizon.first_ms:
            first = self.calendar(site.id).day_of(horizon.first_ms)
            raise QuestionError(parameter, f"the history of {site.id} begins on {first}", "ask for a later window")

    def groups(self, _question: Question, site: Site, _now_ms: int) -> Site:
        """Give of a site what a question may be answered of."""
        return site

    def booked(self, question: Question, site: Site) -> Booked:
        """Give the bookings that a question needs, from the site's calendars."""
        return self.feeds.booked_for(question, site)

    def transitions(self, site: Site, space: str, from_ms: int, to_ms: int) -> Sequence[StateRow]:
        """Give the transitions of a space within [from_ms, to_ms)."""
        return answers.transitions(site, space, from_ms, to_ms, self.source())

    def audit(self, site: Site, seen: Sequence[Look], now_ms: int) -> Asked:
        """Put what people saw at a site beside what was observed."""
        return audit.ask(site, seen, self.source(), now_ms)

    def said_at(self, site: Site, space: str, time_ms: int) -> Said | None:
        """Say what was observed of a space at a moment; None where it did not stand then."""
        return looks.said_at(site, space, time_ms, self.source())


def _once_more_if_aged(ask: Callable[[], Answer], site: Site, source: HistorySource) -> Answer:
    """Ask, and again where it was refused while days were let go of: what is left is known by then."""
    kept = source.tiers(site.id)
    try:
        return ask()
    except QuestionError:
        if source.tiers(site.id) == kept:
            raise
        return ask()
