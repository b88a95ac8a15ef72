"""What differs between two layouts of a site, and from when: the rows of each space compared day by day.

What has no dates (hours, closed days, the time zone) holds for the past as well, and so does its change.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from itertools import pairwise

from perch.model import OpenSpan, Site, Space

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
ONE_DAY = timedelta(days=1)
Word = str | int | None


class Becomes(StrEnum):
    """What becomes of a space."""

    APPEARS = "appears"
    VANISHES = "vanishes"
    CHANGES = "changes"


@dataclass(frozen=True, slots=True)
class Changed:
    """One thing that was `old` and is `new`; None where there was, or is, nothing."""

    what: str
    old: Word
    new: Word


@dataclass(frozen=True, slots=True)
class SpaceChange:
    """What becomes of a space over local days [from_day, until_day); None where there is no such end."""

    space: str
    from_day: date | None
    until_day: date | None
    becomes: Becomes
    changed: tuple[Changed, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """All that differs between two layouts: of the site for good and ever, and of spaces from day to day."""

    site: tuple[Changed, ...]
    spaces: tuple[SpaceChange, ...]


_OF_SPACE: Mapping[str, Callable[[Space], Word]] = {
    "name": lambda space: space.name,
    "floor": lambda space: space.floor,
    "zone": lambda space: space.zone,
    "kind": lambda space: space.kind.value,
    "capacity": lambda space: space.capacity,
    "purpose": lambda space: space.purpose.value,
    "features": lambda space: ";".join(sorted(space.features)) or None,
    "agent": lambda space: space.agent,
}
_OF_SITE: Mapping[str, Callable[[Site], Word]] = {
    "id": lambda site: site.id,
    "name": lambda site: site.name,
    "time_zone": lambda site: site.time_zone,
    "country": lambda site: site.country,
}


def difference(old: Site, new: Site) -> Difference:
    """Compare two layouts; spaces come in order of the day from which they differ."""
    spaces = {space.id for site in (old, new) for space in site.spaces}
    changes = (change for space in sorted(spaces) for change in _of_space(_rows(old, space), _rows(new, space)))
    by_day = sorted(changes, key=lambda change: (change.from_day or date.min, change.until_day or date.max))
    return Difference(tuple(_of_site(old, new)), tuple(by_day))


def _rows(site: Site, space: str) -> list[Space]:
    return [row for row in site.spaces if row.id == space]


def _of_space(old: Sequence[Space], new: Sequence[Space]) -> Iterator[SpaceChange]:
    """Compare the rows of one space between each two days on which any of them begins or ends."""
    edges = sorted({day for row in (*old, *new) for day in (row.valid_from, row.valid_until) if day is not None})
    last: SpaceChange | None = None
    for from_day, until_day in pairwise((None, *edges, None)):
        day = from_day or (until_day - ONE_DAY if until_day else date.min)
        change = _on(_standing(old, day), _standing(new, day), from_day, until_day)
        if last and change and (last.becomes, last.changed) == (change.becomes, change.changed):
            change = SpaceChange(change.space, last.from_day, until_day, change.becomes, change.changed)
        elif last:
            yield last
        last = change
    if last:
        yield last


def _standing(rows: Iterable[Space], day: date) -> Space | None:
    return next((row for row in rows if row.stands_on(day)), None)


def _on(old: Space | None, new: Space | None, from_day: date | None, until_day: date | None) -> SpaceChange | None:
    row = new or old
    if row is None:
        return None
    words = [
        Changed(name, None if old is None else word(old), None if new is None else word(new))
        for name, word in _OF_SPACE.items()
    ]
    changed = tuple(word for word in words if word.old != word.new)
    if not changed:
        return None
    becomes = Becomes.APPEARS if old is None else Becomes.VANISHES if new is None else Becomes.CHANGES
    return SpaceChange(row.id, from_day, until_day, becomes, changed)


def _of_site(old: Site, new: Site) -> Iterator[Changed]:
    yield from _compared("", *({name: word(site) for name, word in _OF_SITE.items()} for site in (old, new)))
    yield from _compared("hours ", *(dict(zip(WEEKDAYS, map(_hours, site.hours), strict=True)) for site in (old, new)))
    yield from _closed(old, new)
    yield from _compared("floor ", *({floor.id: floor.name for floor in site.floors} for site in (old, new)))
    plans = ({floor.id: floor.plan for floor in site.floors if floor.plan} for site in (old, new))
    for change in _compared("plan of ", *plans):
        yield Changed(change.what, change.old and "a plan", change.new and ("another" if change.old else "a plan"))
    yield from _compared(
        "zone ", *({zone.id: f"{zone.name}, {zone.floor}" for zone in site.zones} for site in (old, new))
    )
    yield from _compared("agent ", *({agent: agent for agent in site.agents} for site in (old, new)))


def _compared(prefix: str, old: Mapping[str, Word], new: Mapping[str, Word]) -> Iterator[Changed]:
    for name in (*old, *(name for name in new if name not in old)):
        if old.get(name) != new.get(name):
            yield Changed(prefix + name, old.get(name), new.get(name))


def _hours(spans: Sequence[OpenSpan]) -> str | None:
    """Write opening hours as site.toml has them; None where it is closed."""
    ends = ((f"{span.start:%H:%M}", "24:00" if span.until is None else f"{span.until:%H:%M}") for span in spans)
    return ", ".join(map("-".join, ends)) or None


def _closed(old: Site, new: Site) -> Iterator[Changed]:
    """Compare closures day by day, however they are written."""
    before, after = _closed_days(old), _closed_days(new)
    for span in _spans(before - after):
        yield Changed("closed", span, None)
    for span in _spans(after - before):
        yield Changed("closed", None, span)


def _closed_days(site: Site) -> set[int]:
    return {day for first, last in site.closed for day in range(first.toordinal(), last.toordinal() + 1)}


def _spans(days: Iterable[int]) -> Iterator[str]:
    """Write days as site.toml has them, those that follow each other as one."""
    runs: list[list[int]] = []
    for day in sorted(days):
        if runs and runs[-1][-1] == day - 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    for run in runs:
        first, last = date.fromordinal(run[0]), date.fromordinal(run[-1])
        yield f"{first}" if first == last else f"{first}/{last}"
