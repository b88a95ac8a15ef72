"""A reader of line protocol by InfluxDB's published grammar, character by character; it knows nothing of the writer."""

from collections.abc import Callable
from dataclasses import dataclass

Value = str | int | float


@dataclass(frozen=True)
class Parsed:
    """A line taken apart."""

    measurement: str
    tags: dict[str, str]
    fields: dict[str, Value]
    ns: int


def parse(line: str) -> Parsed:
    """Read one line."""
    assert len(line.splitlines()) == 1
    key, rest = cut(line, " ")
    fields, ns = cut(rest, " ", quotes=True)
    measurement, *tags = split(key, ",")
    return Parsed(
        measurement,
        dict(pair(tag, unescape_tag) for tag in tags),  # type: ignore[arg-type]
        dict(pair(field, read_field) for field in split(fields, ",", quotes=True)),
        int(ns),
    )


def split(text: str, separator: str, *, quotes: bool = False) -> list[str]:
    parts, rest = [], text
    while separator in rest:
        first, after = cut(rest, separator, quotes=quotes, must=False)
        if first is None:
            break
        parts.append(first)
        rest = after
    return [*parts, rest]


def cut(text: str, separator: str, *, quotes: bool = False, must: bool = True) -> tuple[str, str]:
    """Cut at the first separator that is neither escaped nor inside a quoted string."""
    place, quoted = 0, False
    while place < len(text):
        if text[place] == "\\":
            place += 1
        elif quotes and text[place] == '"':
            quoted = not quoted
        elif text[place] == separator and not quoted:
            return text[:place], text[place + 1 :]
        place += 1
    assert not must, f"no {separator!r} in {text!r}"
    return None, text  # type: ignore[return-value]


def pair(text: str, read: Callable[[str], Value]) -> tuple[str, Value]:
    name, value = cut(text, "=")
    return name, read(value)


def unescape_tag(text: str) -> str:
    return text.replace("\\,", ",").replace("\\=", "=").replace("\\ ", " ")


def read_field(text: str) -> Value:
    if text.startswith('"'):
        assert text.endswith('"')
        return text[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    return int(text[:-1]) if text.endswith("i") else float(text)
