"""In which language a page speaks, and its words.

What the address says counts first, then what was chosen before, then what the browser prefers; English otherwise.
"""

import json
from collections.abc import Iterator
from enum import StrEnum
from functools import cache
from typing import Any

from fastapi import Request

from api.pages.assets import text_of

Words = dict[str, Any]
COOKIE = "perch_language"
PARAMETER = "lang"
_YEAR_S = 31_536_000


class Language(StrEnum):
    """A language whose message file is complete."""

    ENGLISH = "en"
    GERMAN = "de"


NAMES = {Language.ENGLISH: "English", Language.GERMAN: "Deutsch"}


def language_of(request: Request) -> Language:
    """Decide on a language; what nobody knows asks for nothing."""
    for told in (request.query_params.get(PARAMETER), request.cookies.get(COOKIE)):
        if told in set(Language):
            return Language(told)
    return preferred(request.headers.get("accept-language", ""))


def remembering(language: Language) -> str:
    """Give the cookie that keeps a choice; it says a language and nothing of who chose it."""
    return f"{COOKIE}={language}; Path=/; Max-Age={_YEAR_S}; SameSite=Lax; HttpOnly"


def preferred(header: str) -> Language:
    """Read `Accept-Language`: the known language that weighs most, the first of several."""
    weighed = sorted(_weighed(header[:500]), key=lambda pair: -pair[0])
    known = (tag.partition("-")[0] for weight, tag in weighed if weight > 0)
    return next((Language(tag) for tag in known if tag in set(Language)), Language.ENGLISH)


def _weighed(header: str) -> Iterator[tuple[float, str]]:
    for part in header.split(","):
        tag, _, weight = part.partition(";")
        try:
            yield float(weight.strip().removeprefix("q=") or 1), tag.strip().lower()
        except ValueError:
            continue


@cache
def words_in(language: Language) -> Words:
    """Give the words of a language."""
    words: Words = json.loads(text_of(f"words/{language}.json"))
    return words


def say(words: Words, name: str, /, **values: object) -> str:
    """Fill the gaps of a text."""
    return filled(words[name], **values)


def filled(text: str, /, **values: object) -> str:
    """Fill the gaps of a text that is at hand; a value is never looked through for further gaps."""
    parts = text.split("{")
    written = [parts[0]]
    for part in parts[1:]:
        gap, closed, rest = part.partition("}")
        written.append(f"{values[gap]}{rest}" if closed and gap in values else "{" + part)
    return "".join(written)


def count(words: Words, name: str, number: int) -> str:
    """Say a number of things: one, or any other number, which is all that these languages tell apart."""
    return filled(words[name]["one" if number == 1 else "other"], n=number)
