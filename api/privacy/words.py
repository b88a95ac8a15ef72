"""What Perch knows of people, in words of a reader's language: for the page, the sheet, the terminal and the docs."""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from api.pages.assets import text_of
from api.pages.languages import Language, Words, count, filled
from api.privacy.shapes import PrivacyAnswer, PrivacyKept


class Section(NamedTuple):
    """A heading with its sentences, and pairs or rows of a table where there are some."""

    title: str
    lines: tuple[str, ...] = ()
    heads: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


@cache
def privacy_words(language: Language) -> Words:
    """Give the words of a language."""
    words: dict[str, Words] = json.loads(text_of("privacy.json"))
    return words[language]


def sections(
    of: PrivacyAnswer, language: Language, email: str | None = None, *, is_open: bool = False
) -> list[Section]:
    """Say all of it."""
    words = privacy_words(language)
    lead = (words["readers_lead"], words["open"]) if is_open else (words["readers_lead"],)
    ask = filled(words["ask"], email=email) if email else words["ask_somebody"]
    return [
        Section(words["sensed"], tuple(_sensed(of, words))),
        Section(words["never"], tuple(words["nevers"])),
        Section(words["for"], (*words["fors"], words["not_for"])),
        Section(words["kept"], (), (words["what"], words["where"], words["how_long"]), kept_rows(of, language)),
        Section(words["readers"], lead, (), tuple(_rights(of, words))),
        Section(words["onward"], tuple(words["onwards"][name] for name in of.onward)),
        Section(words["single_title"], tuple(words["single"])),
        Section(words["you"], (*words["yous"], ask)),
    ]


def kept_rows(of: PrivacyAnswer, language: Language) -> tuple[tuple[str, str, str], ...]:
    """Give the table of what is kept."""
    words = privacy_words(language)
    return tuple((words["kept_things"][row.id], words["wheres"][row.where], how_long(row, words)) for row in of.kept)


def how_long(row: PrivacyKept, words: Words) -> str:
    """Say how long something is kept."""
    number = "" if row.number is None else f"{row.number:,}".replace(",", words["thousands"])
    return filled(words["keeps"][row.keeps], n=number)


def plain(of: PrivacyAnswer, title: str, language: Language, email: str | None = None) -> Iterator[str]:
    """Give the lines of a text for the terminal, in Markdown."""
    words = privacy_words(language)
    yield f"# {words['title']}: {title}"
    yield ""
    yield words["lead"]
    for section in sections(of, language, email):
        yield ""
        yield f"## {section.title}"
        yield ""
        yield from (f"- {line}" for line in section.lines)
        if section.lines and section.rows:
            yield ""
        if section.rows:
            yield from table(section.heads or (words["what"], words["readers"]), section.rows)


def table(heads: tuple[str, ...], rows: tuple[tuple[str, ...], ...]) -> Iterator[str]:
    """Give the lines of a table in Markdown."""
    for cells in (heads, ("---",) * len(heads), *rows):
        yield f"| {' | '.join(cells)} |"


def _sensed(of: PrivacyAnswer, words: Words) -> Iterator[str]:
    named = ", ".join(count(words["spaces"], sensed.kind, sensed.spaces) for sensed in of.sensed)
    yield filled(words["shared"], spaces=named) if named else words["sensed_none"]
    yield words["assigned"] if of.assigned_sensed else words["assigned_none"]
    yield words["private"]
    if of.sensors is None:
        yield words["sensors_unknown"]
        return
    kinds = ", ".join(words["kinds"][kind] for kind in of.sensors)
    yield filled(words["sensors"], kinds=kinds) if kinds else words["sensors_none"]


def _rights(of: PrivacyAnswer, words: Words) -> Iterator[tuple[str, str]]:
    for right in of.readers:
        yield words["matters"][right.id], ", ".join(words["roles"][role] for role in right.roles)


def notice_lines(of: PrivacyAnswer, language: Language) -> dict[str, Any]:
    """Give what stands on the sheet beside its code."""
    words = privacy_words(language)
    long = {row.id: how_long(row, words) for row in of.kept}
    kept = filled(
        words["notice_kept"],
        transitions=long.get("transitions", words["keeps"]["never"]),
        quarters=long.get("quarter-hours", words["keeps"]["never"]),
    )
    return {
        "title": words["notice_title"],
        "not": words["notice_not"],
        "sensed": list(_sensed(of, words))[:2],
        "kept": kept,
        "off": words["notice_off"],
        "scan": words["notice_scan"],
    }
