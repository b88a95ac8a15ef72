"""Changes of a layout and of its hours, as a scenario has them, and what they make of today's spaces."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from perch.errors import QuestionError
from perch.history.calendar import Calendar
from perch.model import OpenSpan, Space, SpaceKind


@dataclass(frozen=True, slots=True)
class Remove:
    """Take spaces away."""

    spaces: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Add:
    """Put spaces of a kind there; each has `capacity` seats, None for as many as are needed."""

    kind: SpaceKind
    count: int
    capacity: int | None = None


@dataclass(frozen=True, slots=True)
class Convert:
    """Make other spaces out of one."""

    space: str
    into: Add


@dataclass(frozen=True, slots=True)
class Open:
    """Open at other hours on some weekdays, 0 for Monday."""

    hours: Mapping[int, tuple[OpenSpan, ...]]


Change = Remove | Add | Convert | Open


class Seats(NamedTuple):
    """A space as far as it matters here."""

    kind: SpaceKind
    capacity: int | None


def changed(today: Sequence[Space], changes: Sequence[Change], unobserved: Collection[str] = ()) -> list[Seats]:
    """Make the changes one after the other; raises QuestionError. Unobserved spaces may be changed, but never count."""
    spaces: dict[str, Seats] = {space.id: Seats(space.kind, space.capacity) for space in today}
    made: list[Seats] = []
    for number, change in enumerate(changes):
        if isinstance(change, Remove):
            for space in change.spaces:
                _taken_out(spaces, space, f"changes[{number}].remove")
        elif isinstance(change, Add):
            made += _put_up(change)
        elif isinstance(change, Convert):
            _taken_out(spaces, change.space, f"changes[{number}].convert")
            made += _put_up(change.into)
    return [*(seats for space, seats in spaces.items() if space not in unobserved), *made]


def _put_up(of: Add) -> list[Seats]:
    return [Seats(of.kind, of.capacity)] * of.count


def _taken_out(spaces: dict[str, Seats], space: str, where: str) -> None:
    if spaces.pop(space, None) is None:
        raise QuestionError(
            where, f"there is no space {space!r} at the window's end, or not any more", "name another one"
        )


def touched(today: Sequence[Space], changes: Sequence[Change]) -> frozenset[SpaceKind]:
    """Name the kinds that changes are about: all that there are where only the hours change."""
    kind_of = {space.id: space.kind for space in today}
    kinds: set[SpaceKind] = set()
    for change in changes:
        if isinstance(change, Remove):
            kinds.update(kind_of[space] for space in change.spaces if space in kind_of)
        elif isinstance(change, Add):
            kinds.add(change.kind)
        elif isinstance(change, Convert):
            kinds.update((change.into.kind, kind_of.get(change.space, change.into.kind)))
    return frozenset(kinds or kind_of.values())


def opened(calendar: Calendar, changes: Sequence[Change]) -> Calendar:
    """Give the calendar with its changed hours."""
    hours = list(calendar.hours)
    for change in changes:
        if isinstance(change, Open):
            for weekday, spans in change.hours.items():
                hours[weekday] = spans
    return replace(calendar, hours=tuple(hours))


def longer(now: Calendar, then: Calendar) -> Iterator[int]:
    """Name the weekdays (0 for Monday) on which some hours are open then that are closed now."""
    for weekday, (old, new) in enumerate(zip(now.hours, then.hours, strict=True)):
        if not all(any(_holds(one, span) for one in old) for span in new):
            yield weekday


def _holds(old: OpenSpan, new: OpenSpan) -> bool:
    return old.start <= new.start and (old.until is None or (new.until is not None and new.until <= old.until))
