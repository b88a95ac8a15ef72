"""What a single value may be: each reader takes what TOML, the environment or a CSV cell holds, and gives it typed."""

import re
from collections.abc import Callable
from datetime import date, datetime
from enum import StrEnum
from typing import TypeVar

from perch.model import is_id

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)
Reader = Callable[[object], T]

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


class RefusedError(Exception):
    """A value is not what belongs there: what is wrong, and what to write instead."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy


def shown(value: object) -> str:
    """Give a value as it should stand in a message: short, and on one line."""
    try:
        text = repr(value)
    except ValueError:  # whole numbers of more than 4300 digits cannot be written out
        text = "a huge number"
    return text if len(text) <= 60 else text[:57] + "…"


def text(value: object) -> str:
    """Read a text that is not empty and holds no control characters."""
    if not isinstance(value, str):
        raise RefusedError(f"{shown(value)} is no text", 'put it in quotes, as in "hq"')
    if not value.strip() or not value.isprintable():
        raise RefusedError(f"{shown(value)} is empty or holds control characters", "write plain text on one line")
    return value


def identifier(value: object) -> str:
    """Read an id."""
    if not isinstance(value, str) or not is_id(value):
        remedy = "an id is 1 to 32 of a-z, 0-9 and -, and does not begin with -"
        raise RefusedError(f"{shown(value)} is no id", remedy)
    return value


def flag(value: object) -> bool:
    """Read true or false."""
    if not isinstance(value, bool):
        raise RefusedError(f"{shown(value)} is neither true nor false", "write true or false, without quotes")
    return value


def whole(lowest: int, highest: int) -> Reader[int]:
    """Make a reader of whole numbers within bounds, both included."""

    def read(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= highest:
            remedy = f"write a whole number from {lowest} to {highest}, without quotes"
            raise RefusedError(f"{shown(value)} is no whole number from {lowest} to {highest}", remedy)
        return value

    return read


def number(lowest: float, highest: float) -> Reader[float]:
    """Make a reader of numbers within bounds, both included."""

    def read(value: object) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool) or not lowest <= value <= highest:
            remedy = f"write a number from {lowest:g} to {highest:g}, without quotes"
            raise RefusedError(f"{shown(value)} is no number from {lowest:g} to {highest:g}", remedy)
        return float(value)

    return read


def milliseconds(unit_ms: int, highest: int) -> Reader[int]:
    """Make a reader of times above 0 and up to `highest`, both in units of `unit_ms`, that gives milliseconds."""

    def read(value: object) -> int:
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value <= highest:
            remedy = f"write a number above 0, at most {highest}, without quotes"
            raise RefusedError(f"{shown(value)} is no number above 0 and up to {highest}", remedy)
        return max(1, round(value * unit_ms))

    return read


def choice(kinds: type[E]) -> Reader[E]:
    """Make a reader of one of the words of an enumeration."""

    def read(value: object) -> E:
        try:
            return kinds(str(value))
        except ValueError:
            remedy = "write one of " + ", ".join(kinds)
            raise RefusedError(f"{shown(value)} is not known here", remedy) from None

    return read


def several(read_one: Reader[T]) -> Reader[tuple[T, ...]]:
    """Make a reader of lists of which each entry is read alike."""

    def read(value: object) -> tuple[T, ...]:
        if not isinstance(value, list):
            raise RefusedError(f"{shown(value)} is no list", 'write a list, as in ["a", "b"]')
        return tuple(read_one(entry) for entry in value)

    return read


def day(value: object) -> date:
    """Read a calendar day, as a TOML date or as text."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        if isinstance(value, str) and _DAY.fullmatch(value):
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise RefusedError(f"{shown(value)} is no day", "write it as 2026-12-24")


def days(value: object) -> tuple[date, date]:
    """Read a day, or the first and the last of several days with a slash between them."""
    first, slash, last = value.partition("/") if isinstance(value, str) else (value, "", "")
    start, end = day(first), day(last if slash else first)
    if end < start:
        raise RefusedError(f"{shown(value)} ends before it begins", "write the first day, a slash, the last day")
    return start, end
