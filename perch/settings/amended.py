"""A configuration with something else learned in it, and everything else as somebody wrote it."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import NamedTuple

from perch.settings.written import toml

LEARNED = "learned"
_HEAD = re.compile(r"[ \t]*\[(?P<list>\[)?[ \t]*(?P<name>[\w.-]+)[ \t]*\]\]?[ \t]*(#.*)?")
_ASIDE = re.compile(r"[ \t]*(#.*)?")


class Block(NamedTuple):
    """A table of a file: comments and empty lines above it, its lines, and what its head says ("" above all heads)."""

    above: tuple[str, ...]
    lines: tuple[str, ...]
    name: str
    is_listed: bool


def amended(text: str, values: Mapping[str, object]) -> str:
    """Give a text that reads as these values, which differ from those of `text` in what was learned alone.

    Where tables cannot be told line by line (inline ones, heads within a text of many lines) all of it is written anew,
    without comments.
    """
    written = "".join(f"{line}\n" for line in _lines(text, values))
    return written if _reads_as(written, values) else toml(values)


def _lines(text: str, values: Mapping[str, object]) -> Iterator[str]:
    before = tomllib.loads(text)
    passed: dict[str, int] = {}
    is_changed = False
    for block in blocks(text.removesuffix("\n").split("\n")):
        if is_changed and block.name.endswith(f".{LEARNED}"):
            yield from (line for line in block.above if line.strip())
            continue
        yield from (*block.above, *block.lines)
        if block.is_listed:
            number = passed[block.name] = passed.get(block.name, -1) + 1
            was, learned = (_learned(rows, block.name, number) for rows in (before, values))
            is_changed = was != learned
            yield from ["", f"[{block.name}.{LEARNED}]", *toml(learned).splitlines()] if learned and is_changed else []


def _learned(values: Mapping[str, object], name: str, number: int) -> Mapping[str, object]:
    """Give what was learned in a row of a list of tables; nothing where there is no such row."""
    rows = values.get(name)
    learned = rows[number].get(LEARNED) if isinstance(rows, list) and number < len(rows) else None
    return learned or {}


def blocks(lines: list[str]) -> Iterator[Block]:
    """Part a file at its heads; comments and empty lines above a head belong to it."""
    heads = [(place, found) for place, line in enumerate(lines) if (found := _HEAD.fullmatch(line))]
    starts = [*(_above(lines, head) for head, _ in heads), _above(lines, len(lines))]
    yield Block((), tuple(lines[: starts[0]]), "", is_listed=False)
    for (head, found), (start, until) in zip(heads, pairwise(starts), strict=True):
        yield Block(tuple(lines[start:head]), tuple(lines[head:until]), found["name"], bool(found["list"]))
    yield Block(tuple(lines[starts[-1] :]), (), "", is_listed=False)


def _above(lines: list[str], place: int) -> int:
    """Give where the comments and empty lines right above a line begin."""
    while place and _ASIDE.fullmatch(lines[place - 1]):
        place -= 1
    return place


def _reads_as(text: str, values: Mapping[str, object]) -> bool:
    try:
        return tomllib.loads(text) == values
    except tomllib.TOMLDecodeError:
        return False
