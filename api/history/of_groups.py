"""History for whoever may read groups, not single spaces: of shared spaces, and of groups that are more than one.

Numbers of groups are exact. So what is left out of one group and in another can be reckoned from both; that this is
not done is for whoever hands the key out.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Self

from api.entrance.access import Matter, Reader
from api.history.way import History
from perch.adapters.bookings.feeds import Booked
from perch.errors import QuestionError
from perch.history.alone import ALONE, shared_of, without_few, without_single
from perch.history.asked import group_of_space
from perch.history.planning.changes import Add, Change, Convert, Remove
from perch.history.planning.pool import observed_pool
from perch.history.question import Answer, Question, Scope
from perch.history.source import StateRow
from perch.model import Site, SpaceKind


class HistoryOfGroups(History):
    """A history as it is told to who may not read that of single spaces."""

    __slots__ = ()

    @classmethod
    def within(cls, whole: History) -> Self:
        """Give of a history what is told of groups."""
        return cls(whole.store, whole.calendar, whole.feeds)

    def answer(self, question: Question, site: Site, now_ms: int) -> Answer:
        """Answer of shared spaces, without groups of which a single one is there or observed; raises QuestionError."""
        shared = shared_of(site)
        there = self.groups(question, shared, now_ms)
        observed = observed_site(self, there, [(question.from_ms, question.to_ms)])
        seen = without_single_observed(self, question, there, observed, now_ms)
        answer = without_few(super().answer(question, seen, now_ms), seen, fewest=1)
        return answer if seen is shared else replace(answer, warnings=(*answer.warnings, ALONE))

    def groups(self, question: Question, site: Site, now_ms: int) -> Site:
        """Give of a site the shared spaces, without groups that are a single one."""
        return without_single(shared_of(site), question, max(min(question.to_ms, now_ms), question.from_ms + 1))

    def booked(self, question: Question, site: Site) -> Booked:
        """Give the bookings of shared spaces that a question needs."""
        return super().booked(question, shared_of(site))

    def transitions(self, _site: Site, _space: str, _from_ms: int, _to_ms: int) -> Sequence[StateRow]:
        """Give nothing: this is the history of a single space."""
        return ()


def site_to(reader: Reader, site: Site) -> Site:
    """Give of a site the spaces of which a reader may know history, if only in groups."""
    return site if reader.may_read(Matter.HISTORY_OF_SPACES) else shared_of(site)


def observed_site(history: History, site: Site, windows: Sequence[tuple[int, int]]) -> Site:
    """Give a site without spaces that were never observed: beside such ones a single space is no group."""
    return observed_pool(site, windows, history.source(), history.calendar(site.id)).site


def without_single_observed(history: History, question: Question, site: Site, observed: Site, now_ms: int) -> Site:
    """Give a site without the groups of a question of which this reader would see a single space observed."""
    seen = history.groups(question, observed, now_ms)
    if seen is observed:
        return site
    hidden = {group_of_space(question, site, space) for space in set(observed.spaces) - set(seen.spaces)}
    spaces = tuple(space for space in site.spaces if group_of_space(question, site, space) not in hidden)
    return replace(site, spaces=spaces)


def require_group(history: History, question: Question, site: Site, now_ms: int, parameter: str) -> None:
    """Refuse what is a single space for this reader; raises QuestionError."""
    if history.groups(question, site, now_ms) is not site:
        raise QuestionError(
            parameter,
            "this is a single space at some moment of the window, and its history is not for your role",
            "ask for more spaces, or for a window in which more of them stood there",
        )


def require_groups(
    history: History, site: Site, window: tuple[int, int], now_ms: int, kinds: Iterable[SpaceKind], where: str = "kind"
) -> None:
    """Refuse kinds of which a site has a single space; raises QuestionError."""
    for kind in kinds:
        require_group(history, _of_kind(window, kind), site, now_ms, where)


def is_left_out(history: History, site: Site, window: tuple[int, int], now_ms: int, kind: SpaceKind) -> bool:
    """Tell whether a kind is a single space, which this reader is told nothing of."""
    return history.groups(_of_kind(window, kind), site, now_ms) is not site


def groups_to_replay(
    history: History, site: Site, observed: Site, window: tuple[int, int], now_ms: int, changes: Sequence[Change]
) -> tuple[Site, Sequence[str]]:
    """Give what may be replayed, and what to say of it; raises QuestionError where a change is of a single space."""
    for number, change in enumerate(changes):
        require_groups(history, observed, window, now_ms, _kinds_of(change, observed), f"changes[{number}]")
    seen = without_single_observed(history, Question("sessions", *window, scope=Scope.KIND), site, observed, now_ms)
    return seen, () if seen is site else (ALONE,)


def _of_kind(window: tuple[int, int], kind: SpaceKind) -> Question:
    return Question("sessions", *window, scope=Scope.KIND, kind=kind.value)


def _kinds_of(change: Change, site: Site) -> set[SpaceKind]:
    named: set[str] = set()
    kinds: set[SpaceKind] = set()
    if isinstance(change, Remove):
        named = set(change.spaces)
    elif isinstance(change, Convert):
        named, kinds = {change.space}, {change.into.kind}
    elif isinstance(change, Add):
        kinds = {change.kind}
    return kinds | {space.kind for space in site.spaces if space.id in named}
