"""Spaces and sites in the words of the page, as the template wants them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from api.live.shapes import SpaceItem, Tally
from api.moments import rfc3339
from api.pages.languages import Words, count, say
from perch.model import OpenSpan, Reason, Site, State


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment for machines and for people."""

    iso: str
    text: str


@dataclass(frozen=True, slots=True)
class Row:
    """One space in the list; `heard` is None where the reader is not told of it."""

    id: str
    site: str
    name: str
    kind: str
    zone: str
    seats: int
    features: str
    traits: str
    state: str
    word: str
    since: Moment | None
    why: str
    heard: str | None
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


def moment_of(wall_ms: int, now_ms: int, zone: ZoneInfo, words: Words) -> Moment:
    """Write a moment as the hour of today, or with its day."""
    moment, today = datetime.fromtimestamp(wall_ms // 1000, zone), datetime.fromtimestamp(now_ms // 1000, zone)
    days = (today.date() - moment.date()).days
    text = f"{moment:%H:%M}"
    if 0 < days < 7:
        text = say(words, "on_weekday", weekday=words["weekdays_short"][moment.weekday()], time=text)
    elif days:
        text = say(words, "on_date", day=moment.day, month=words["months_short"][moment.month - 1], time=text)
    return Moment(rfc3339(wall_ms, zone), text)


def ago(age_seconds: int | None, words: Words) -> str:
    """Tell an age."""
    if age_seconds is None:
        return str(words["never"])
    steps = ((5, "ago_now", 1), (60, "ago_seconds", 1), (3600, "ago_minutes", 60), (86_400, "ago_hours", 3600))
    name, unit = next(((name, unit) for below, name, unit in steps if age_seconds < below), ("ago_days", 86_400))
    return say(words, name, n=age_seconds // unit)


def percent(share: float, words: Words) -> str:
    """Write a share of three decimals as the script does: halves are rounded up."""
    return say(words, "percent", n=(round(share * 1000) + 5) // 10)


def traits(capacity: int | None, features: Iterable[str], words: Words) -> str:
    """Tell how many people a space is for and what it has."""
    seats = [count(words, "people", capacity)] if capacity is not None and capacity > 1 else []
    return " · ".join([*seats, *sorted(features)])


def hours_of(site: Site, day: date, is_closed: bool, words: Words) -> str:
    """Tell the opening hours of a day."""
    if not any(site.hours):
        return ""
    spans = () if is_closed else site.hours[day.weekday()]
    return say(words, "open", spans=", ".join(map(_span, spans))) if spans else str(words["closed_today"])


def _span(span: OpenSpan) -> str:
    return f"{span.start:%H:%M}–" + (f"{span.until:%H:%M}" if span.until else "24:00")


def tally_of(states: Iterable[State]) -> Tally:
    """Count states."""
    counted = list(states)
    free, occupied = counted.count(State.FREE), counted.count(State.OCCUPIED)
    return Tally(len(counted), free, occupied, len(counted) - free - occupied)


def row_of(item: SpaceItem, now_ms: int, zone: ZoneInfo, words: Words, *, hidden: bool = False) -> Row:
    """Put one space into words, as far as its item tells of it."""
    never = item.reason == Reason.NEVER_REPORTED
    since_ms = None if item.since is None else round(datetime.fromisoformat(item.since).timestamp() * 1000)
    return Row(
        item.id,
        item.site,
        item.name,
        item.kind,
        item.zone,
        item.capacity or 0,
        ";".join(item.features),
        traits(item.capacity, item.features, words),
        item.state,
        words["states"][item.state],
        None if since_ms is None else moment_of(since_ms, now_ms, zone, words),
        words["reasons"][item.reason],
        ago(item.age_seconds, words) if never or item.age_seconds is not None else None,
        percent(item.probability, words),
        item.count,
        hidden,
    )
