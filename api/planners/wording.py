"""Numbers, times and sentences as planners read them, in the language of the request that is answered.

The texts themselves stand in `words/planners.*.json`. What the API says in English (warnings, refusals) is found there
by its English text, and put over.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextvars import ContextVar
from datetime import datetime
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from api.pages.assets import text_of
from api.pages.languages import Language, filled
from perch.history.definitions import DEFINITIONS
from perch.history.question import Definition
from perch.model import SpaceKind

_WHOLE_FROM = 10
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86_400
NO_NUMBER = "–"
_TRANSLATED = ("when", "names")
"""Gaps in which the API lists several things."""

_NUMBER = re.compile(r"\d{1,3}(,\d{3})*(\.\d+)?%?|\d+(\.\d+)?%?")

_language: ContextVar[Language] = ContextVar("in which language this request is answered", default=Language.ENGLISH)


def speak(language: Language) -> None:
    """Answer the request at hand in a language."""
    _language.set(language)


def language() -> Language:
    """Give the language of the request at hand."""
    return _language.get()


def words() -> dict[str, Any]:
    """Give the texts of the planners' pages."""
    return words_in(_language.get())


@cache
def words_in(language: Language) -> dict[str, Any]:
    """Give the texts of the planners' pages in a language."""
    texts: dict[str, Any] = json.loads(text_of(f"words/planners.{language}.json"))
    return texts


def put_over(text: str) -> str:
    """Say in the reader's language what the API says in English; what is not known stays as it is."""
    if _language.get() is Language.ENGLISH:
        return text
    for name, pattern in _patterns():
        found = pattern.fullmatch(text)
        if found is not None:
            values = {gap: _gap(gap, value) for gap, value in found.groupdict().items()}
            return filled(words()["api"][name], **values)
    return text


@cache
def _patterns() -> list[tuple[str, re.Pattern[str]]]:
    """Give what the API says, as patterns of its English texts."""
    english = words_in(Language.ENGLISH)["api"]
    return [(name, re.compile("".join(_pieces(text)))) for name, text in english.items()]


def _pieces(text: str) -> Iterator[str]:
    for place, piece in enumerate(re.split(r"\{(\w+)\}", text)):
        yield f"(?P<{piece}>.+)" if place % 2 else re.escape(piece)


def _gap(name: str, value: str) -> str:
    """Put over what stands in a gap: a list of things, or a number."""
    if name in _TRANSLATED:
        return _listed(value)
    if _NUMBER.fullmatch(value):
        return digits(value.replace("%", "\N{NO-BREAK SPACE}%"))
    return value


def _listed(text: str) -> str:
    for english, own in words()["api_words"].items():
        text = text.replace(english, own)
    return text


def say(name: str, /, **values: object) -> str:
    """Fill the gaps of a text."""
    return filled(words()[name], **values)


def spaces(kind: SpaceKind, number: float = 2) -> str:
    """Name so many spaces of a kind: desk, desks."""
    return str(words()["kinds_one" if number == 1 else "kinds"][kind])


def of_spaces(kind: SpaceKind, number: float = 2) -> str:
    """Name them as they stand after `of`."""
    return str(words()["kinds_of_one" if number == 1 else "kinds_of"][kind])


def metric_name(metric: str) -> str:
    """Name a metric."""
    return str(words()["metrics"][metric])


def meaning(of: Definition, part: str) -> dict[str, Any]:
    """Say what a number means; in English where its present definition was not put over. `part`: metrics or plans."""
    told = _meanings(_language.get())[part].get(of.id, {})
    own = told if told.get("version") == of.version else {"text": of.text, "is_not": of.is_not}
    return {**own, "id": of.id, "name": words()[part][of.id], "version": of.version, "is_english": own is not told}


@cache
def _meanings(language: Language) -> dict[str, Any]:
    """Give what the definitions say in another language than English."""
    if language is Language.ENGLISH:
        return {"metrics": {}, "plans": {}}
    texts: dict[str, Any] = json.loads(text_of(f"words/meanings.{language}.json"))
    return texts


def digits(text: str) -> str:
    """Put the marks of an English number over."""
    marks = words()["digits"]
    return text.translate({ord(","): marks["thousands"], ord("."): marks["decimal"]})


def number(value: float | None) -> str:
    """Write an amount: whole from ten on, below with one digit where it is not whole."""
    if value is None:
        return NO_NUMBER
    whole = value >= _WHOLE_FROM or abs(value - round(value)) < 0.05
    return digits(f"{value:,.0f}" if whole else f"{value:.1f}")


def visits(amount: str) -> str:
    """Name so many visits: sessions at a space, of one person or of a group."""
    return say("visits_one" if amount == "1" else "visits", n=amount)


def mean(value: float | None) -> str:
    """Write a mean that stands among others: below ten always with one digit."""
    return NO_NUMBER if value is None else digits(f"{value:.1f}" if value < _WHOLE_FROM else f"{value:,.0f}")


def percent(value: float | None) -> str:
    """Write a share: with one digit where it is small, and never all where it is not."""
    if value is None:
        return NO_NUMBER
    hundredths = value * 100
    if hundredths < _WHOLE_FROM and abs(hundredths - round(hundredths)) >= 0.05:
        return digits(f"{hundredths:.1f}\N{NO-BREAK SPACE}%")
    return digits(f"{99.9 if 99.5 <= hundredths < 100 else round(hundredths)}\N{NO-BREAK SPACE}%")


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
    weekday, month = words()["weekdays_short"][local.weekday()], words()["months_short"][local.month - 1]
    return say("day", weekday=weekday, day=local.day, month=month, year=local.year)


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
