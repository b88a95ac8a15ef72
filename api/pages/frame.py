"""What stands around every page: head, ways to other pages, words in the reader's language; and how it is sent."""

from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import Request, Response
from jinja2 import Environment, FunctionLoader, StrictUndefined, Template
from starlette.types import Message, Receive, Scope, Send

from api.entrance.access import Reader
from api.live.kept import Answer, AnswerResponse, Question, question_of, tag_of
from api.pages.assets import assets, text_of
from api.pages.languages import NAMES, PARAMETER, Language, Words, language_of, remembering, words_in
from api.pages.navigation import ways
from api.wanted import prefers_page

HTML = b"text/html; charset=utf-8"
MOST_LANGUAGE_HREF = 1_000
_HANGS_ON = "Accept-Language, Cookie"


@dataclass(frozen=True, slots=True)
class Frame:
    """The outside of a page; `home` is where its name leads, `languages` are the others that it speaks."""

    language: Language
    words: Words
    assets: str
    demo: bool
    home: str
    ways: list[dict[str, Any]]
    languages: list[dict[str, str]]
    logged_in: bool


def frame_of(
    request: Request, reader: Reader, current: str, asked: dict[str, str], only: Language | None = None
) -> Frame:
    """Put the outside of a page together; `only` names the one language that a page is written in."""
    language = only or language_of(request)
    words = words_in(language)
    home = f"/?{urlencode({'site': asked['site']})}" if asked.get("site") else "/"
    others = [] if only else [_address_in(other, request) for other in Language if other is not language]
    demo: bool = request.app.state.demo
    return Frame(
        language,
        words,
        assets().path,
        demo,
        home,
        ways(reader, current, asked, words["pages"]),
        others,
        reader.session is not None,
    )


def _address_in(language: Language, request: Request) -> dict[str, str]:
    kept = [(name, text) for name, text in request.query_params.multi_items() if name != PARAMETER]
    query = urlencode([*kept, (PARAMETER, language.value)])
    path = "/" + quote(request.url.path.lstrip("/"))  # two slashes would lead to another server
    href = f"{path}?{query}" if len(query) < MOST_LANGUAGE_HREF else f"{path}?{PARAMETER}={language}"
    return {"language": language.value, "name": NAMES[language], "href": href}


def render(name: str, frame: Frame, **context: Any) -> bytes:
    """Write a page down."""
    return template(name).render(frame=frame, words=frame.words, **context).encode()


@cache
def template(name: str) -> Template:
    """Read a template."""
    return _environment().get_template(name)


@cache
def _environment() -> Environment:
    reading = FunctionLoader(text_of)
    return Environment(loader=reading, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


class PageResponse(AnswerResponse):
    """Sends a page, or 304 where the reader has it already; keeps the language that the address chose."""

    def __init__(self, answer: Answer, request: Request) -> None:
        super().__init__(answer)
        self._more = [(b"vary", _HANGS_ON.encode())]
        if (chosen := _chosen(request)) is not None:
            self._more.append((b"set-cookie", chosen.encode()))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Write the page."""

        async def with_more(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *self._more]
            await send(message)

        await super().__call__(scope, receive, with_more)


def question_in(request: Request) -> Question:
    """Give what a page may be kept under: it hangs on the language, and on whether one can log out."""
    reader, path, query = question_of(request.scope)
    return reader, f"{path} {language_of(request)} {reader.session is not None}", query


def page_answer(body: bytes) -> Answer:
    """Take a page for an answer, tagged by what is in it."""
    return Answer(body, tag_of(body), HTML)


def is_page_wanted(request: Request) -> bool:
    """Tell whether whoever asks reads pages, rather than problem documents."""
    return prefers_page(request.headers.get("accept", ""))


def sent(request: Request, body: bytes, status: int = 200) -> Response:
    """Send a page that nobody keeps; the language that the address chose is kept."""
    headers = {"Cache-Control": "no-store", "Vary": _HANGS_ON}
    if (chosen := _chosen(request)) is not None:
        headers["Set-Cookie"] = chosen
    return Response(body, status, headers, HTML.decode())


def _chosen(request: Request) -> str | None:
    """Give the cookie that keeps a language, if the address chose one."""
    return remembering(language_of(request)) if request.query_params.get(PARAMETER) in set(Language) else None
