"""Numbers, times and sentences as planners read them; the texts themselves stand in `planners.json`."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from api.assets import text_of
from api.pages.languages import filled
from perch.history.definitions import DEFINITIONS
from perch.model import SpaceKind

_WHOLE_FROM = 10
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86_400
NO_NUMBER = "–"


@cache
def words() -> dict[str, Any]:
    """Give the texts of the planners' pages."""
    texts: dict[str, Any] = json.loads(text_of("planners.json"))
    return texts


def say(name: str, /, **values: object) -> str:
    """Fill the gaps of a text."""
    return filled(words()[name], **values)


def spaces(kind: SpaceKind, number: float = 2) -> str:
    """Name so many spaces of a kind: desk, desks."""
    return str(words()["kinds_one" if number == 1 else "kinds"][kind])


def number(value: float | None) -> str:
    """Write an amount: whole from ten on, below with one digit where it is not whole."""
    if value is None:
        return NO_NUMBER
    whole = value >= _WHOLE_FROM or abs(value - round(value)) < 0.05
    return f"{value:,.0f}" if whole else f"{value:.1f}"


def visits(amount: str) -> str:
    """Name so many visits: sessions at a space, of one person or of a group."""
    return say("visits_one" if amount == "1" else "visits", n=amount)


def mean(value: float | None) -> str:
    """Write a mean that stands among others: below ten always with one digit."""
    return NO_NUMBER if value is None else f"{value:.1f}" if value < _WHOLE_FROM else f"{value:,.0f}"


def percent(value: float | None) -> str:
    """Write a share: with one digit where it is small, and never all where it is not."""
    if value is None:
        return NO_NUMBER
    hundredths = value * 100
    if hundredths < _WHOLE_FROM and abs(hundredths - round(hundredths)) >= 0.05:
        return f"{hundredths:.1f}\N{NO-BREAK SPACE}%"
    return f"{99.9 if 99.5 <= hundredths < 100 else round(hundredths)}\N{NO-BREAK SPACE}%"


def seconds(value: float | None) -> str:
    """Write how long something lasts, in its two largest units."""
    if value is None:
        return NO_NUMBER
    whole = round(value)
    if whole < _MINUTE_S:
        return f"{whole} s"
    units = ((whole // _DAY_S, "d"), (whole % _DAY_S // _HOUR_S, "h"), (whole % _HOUR_S // _MINUTE_S, "min"))
    return " ".join([f"{amount} {unit}" for amount, unit in units if amount][:2])


_WRITTEN = {"ratio": percent, "seconds": seconds}


def measured(metric: str, value: float | None) -> str:
    """Write a number of a metric in its unit."""
    return _WRITTEN.get(DEFINITIONS[metric].unit, number)(value)


def bounds(metric: str, low: float | None, high: float | None) -> str:
    """Write low and high; nothing where there are none, or both read alike."""
    lowest, highest = measured(metric, low), measured(metric, high)
    return "" if NO_NUMBER in (lowest, highest) or lowest == highest else say("bounds", low=lowest, high=highest)


def moment(ms: int, zone: ZoneInfo) -> str:
    """Write a moment with its day."""
    local = datetime.fromtimestamp(ms // 1000, zone)
    return f"{day(local)} {local:%H:%M}"


def day(local: datetime) -> str:
    """Write a day."""
    return f"{local:%a} {local.day} {local:%b %Y}"


def window(from_ms: int, to_ms: int, zone: ZoneInfo) -> str:
    """Write a half-open window as people speak of it: whole days with the last one that belongs to it."""
    first, last = (datetime.fromtimestamp(ms // 1000, zone) for ms in (from_ms, to_ms))
    begins = day(first) if _is_midnight(first) else moment(from_ms, zone)
    if not _is_midnight(last):
        return say("window", first=begins, last=moment(to_ms, zone))
    last_day = day(datetime.fromtimestamp(to_ms // 1000 - 1, zone))
    return begins if begins == last_day else say("window", first=begins, last=last_day)


def _is_midnight(local: datetime) -> bool:
    return (local.hour, local.minute, local.second) == (0, 0, 0)


def hour(weekday: int, at: int) -> str:
    """Name an hour of the week; weekday 1 is Monday."""
    return f"{words()['weekdays'][weekday - 1]} {at:02}:00"


def hours(weekday: int, first: int, last: int) -> str:
    """Name the hours of a weekday from one to another; one alone by its beginning."""
    return hour(weekday, first) if first == last else f"{hour(weekday, first)}–{last + 1:02}:00"


def listed(texts: Sequence[str]) -> str:
    """Name several in a sentence."""
    *others, last = texts
    return say("and", others=", ".join(others), last=last) if others else last


def once(texts: Iterable[str]) -> list[str]:
    """Give each text once, in order."""
    return list(dict.fromkeys(texts))
