"""Spaces and sites in the words of the page, as the template wants them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from api.directory import Place
from api.moments import rfc3339
from api.shapes import Tally
from perch.model import Occupancy, OpenSpan, Reason, Site, Space, State


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment for machines and for people."""

    iso: str
    text: str


@dataclass(frozen=True, slots=True)
class Row:
    """One space in the list."""

    id: str
    name: str
    kind: str
    traits: str
    state: str
    word: str
    since: Moment | None
    why: str
    heard: str
    belief: str
    people: int | None
    hidden: bool


@dataclass(frozen=True, slots=True)
class ZoneRows:
    """The spaces of one zone."""

    name: str
    rows: tuple[Row, ...]

    @property
    def hidden(self) -> bool:
        """Whether no space of it is asked for."""
        return all(row.hidden for row in self.rows)


@dataclass(frozen=True, slots=True)
class FloorRows:
    """The spaces of one floor, with its plan as safe markup, or why there is none."""

    id: str
    name: str
    plan: str | None
    complaint: str
    tally: Tally
    zones: tuple[ZoneRows, ...]
    hidden: bool

    @property
    def empty(self) -> bool:
        """Whether no space of it is asked for."""
        return all(zone.hidden for zone in self.zones)


def moment_of(wall_ms: int, now_ms: int, zone: ZoneInfo) -> Moment:
    """Write a moment as the hour of today, or with its day."""
    moment, today = datetime.fromtimestamp(wall_ms // 1000, zone), datetime.fromtimestamp(now_ms // 1000, zone)
    days = (today.date() - moment.date()).days
    form = "%H:%M" if days == 0 else "%a %H:%M" if 0 < days < 7 else f"{moment.day} %b %H:%M"
    return Moment(rfc3339(wall_ms, zone), moment.strftime(form))


def ago(age_seconds: int | None, words: dict[str, Any]) -> str:
    """Tell an age."""
    if age_seconds is None:
        return str(words["never"])
    steps = ((5, "ago_now", 1), (60, "ago_seconds", 1), (3600, "ago_minutes", 60), (86_400, "ago_hours", 3600))
    name, unit = next(((name, unit) for below, name, unit in steps if age_seconds < below), ("ago_days", 86_400))
    return str(words[name]).replace("{n}", str(age_seconds // unit))


def traits(space: Space, words: dict[str, Any]) -> str:
    """Tell how many people a space is for and what it has."""
    seats = []
    if space.capacity is not None and space.capacity > 1:
        seats.append(str(words["people"]).replace("{n}", str(space.capacity)))
    return " · ".join([*seats, *sorted(space.features)])


def hours_of(site: Site, day: date, is_closed: bool) -> str:
    """Tell the opening hours of a day."""
    if not any(site.hours):
        return ""
    spans = () if is_closed else site.hours[day.weekday()]
    return "open " + ", ".join(map(_span, spans)) if spans else "closed today"


def _span(span: OpenSpan) -> str:
    return f"{span.start:%H:%M}–" + (f"{span.until:%H:%M}" if span.until else "24:00")


def tally_of(states: Iterable[State]) -> Tally:
    """Count states."""
    counted = list(states)
    free, occupied = counted.count(State.FREE), counted.count(State.OCCUPIED)
    return Tally(len(counted), free, occupied, len(counted) - free - occupied)


def row_of(
    place: Place, said: Occupancy, age_seconds: int | None, now_ms: int, hidden: bool, words: dict[str, Any]
) -> Row:
    """Put one space into words."""
    space = place.space
    never = said.reason is Reason.NEVER_REPORTED
    return Row(
        space.id,
        space.name,
        space.kind,
        traits(space, words),
        said.state,
        words["states"][said.state],
        None if never else moment_of(said.since_ms, now_ms, place.time_zone),
        words["reasons"][said.reason],
        ago(age_seconds, words),
        f"{said.probability:.0%}",
        said.count,
        hidden,
    )
