"""What cannot be answered is told to people on a page, in their language, with a way on; to programs as a problem."""

import asyncio
import contextlib
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import ASGIApp, Receive, Scope, Send

from api.application import serving, with_routes
from api.entrance.access import Matter
from api.pages.navigation import _PAGES
from api.wanted import prefers_page
from perch.adapters.keys import Role
from perch.settings import Api
from tests.keyed import Answer, Keyed, asked

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
FORM = {"content-type": "application/x-www-form-urlencoded"}
HTML, PROBLEM = "text/html; charset=utf-8", "application/problem+json"


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Keyed:
    return Keyed(tmp_path_factory.mktemp("data"), routes=with_routes())


def logged_in(keyed: Keyed, role: Role) -> str:
    """Log in as a role; gives the cookie."""
    answer = keyed.ask("POST", "/login", f"key={keyed.keys[role]}".encode(), FORM)
    return answer.headers["set-cookie"].partition(";")[0]


def page_of(keyed: Keyed, address: str, role: Role | None = Role.MEMBER, **headers: str) -> Answer:
    """Ask for an address as a browser does."""
    return keyed.get(address, role, accept=BROWSER, **headers)


@pytest.mark.parametrize("path", [path for path, matter in _PAGES.values() if matter is Matter.HISTORY_OF_GROUPS])
def test_a_page_closed_to_a_role_says_so_and_leads_back(keyed: Keyed, path: str) -> None:
    cookie = logged_in(keyed, Role.MEMBER)
    page = page_of(keyed, f"{path}?site=hq", None, cookie=cookie)
    assert (page.status, page.headers["content-type"]) == (403, HTML)
    text = page.body.decode()
    assert "<h1>This page is not for your role</h1>" in text
    assert '<a href="/">Back to the spaces</a>' in text
    assert '<a href="/login">Log in with another key</a>' in text
    assert "your role does not include" not in text
    assert int(page.headers["content-length"]) == len(page.body)


def test_an_admin_is_led_to_the_page_that_is_open_to_them(keyed: Keyed) -> None:
    text = page_of(keyed, "/find", Role.ADMIN).body.decode()
    assert '<a href="/manage">Today</a>' in text
    assert 'href="/"' not in text.partition("<main>")[2]


@pytest.mark.parametrize(
    ("method", "address", "status", "title"),
    [
        ("GET", "/nowhere", 404, "Hier ist nichts"),
        ("GET", "/assets/none/app.js", 404, "Hier ist nichts"),
        ("POST", "/find", 405, "Diese Adresse wird anders gefragt"),
        ("GET", "/manage", 403, "Diese Seite ist nicht für deine Rolle"),
        ("POST", "/login", 415, "So lässt sich das nicht beantworten"),
    ],
)
def test_the_page_speaks_the_readers_language(keyed: Keyed, method: str, address: str, status: int, title: str) -> None:
    headers = {**keyed.by(Role.MEMBER), "accept": BROWSER, "accept-language": "de-AT,de;q=0.9"}
    page = keyed.ask(method, address, b"", headers)
    assert (page.status, page.headers["content-type"]) == (status, HTML)
    assert f"<h1>{title}</h1>" in page.body.decode()
    assert '<html lang="de">' in page.body.decode()
    assert keyed.ask(method, address, b"", {**headers, "accept": "*/*"}).headers["content-type"] == PROBLEM


def test_methods_that_are_known_are_named_beside_the_page(keyed: Keyed) -> None:
    assert keyed.ask("POST", "/find", b"", {**keyed.by(Role.MEMBER), "accept": BROWSER}).headers["allow"] == "GET"


@pytest.mark.parametrize("accept", [BROWSER, "*/*", "application/json"])
def test_programs_get_problems_under_api_whatever_they_accept(keyed: Keyed, accept: str) -> None:
    for address in ("/api/v1/nowhere", "/api/v1/agents", "/api/v1/spaces?bad=1"):
        assert keyed.get(address, Role.MEMBER, accept=accept).headers["content-type"] == PROBLEM


@pytest.mark.parametrize("accept", [BROWSER, "*/*"])
def test_what_hangs_on_accept_says_so(keyed: Keyed, accept: str) -> None:
    raw: list[tuple[bytes, bytes]] = []

    async def noting(scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: dict[str, object]) -> None:
            raw.extend(message.get("headers", ()))  # type: ignore[call-overload]
            await send(message)

        await keyed.app(scope, receive, sending)  # type: ignore[arg-type]

    asyncio.run(asked(noting, "GET", "/nowhere", b"", {**keyed.by(Role.MEMBER), "accept": accept}))
    assert b"Accept" in [value for name, value in raw if name == b"vary"]


def test_whoever_asks_too_much_is_told_how_long_to_wait(tmp_path: Path) -> None:
    keyed = Keyed(tmp_path, roles=(Role.MEMBER,), routes=with_routes())
    keyed.app = serving(
        keyed.routes, keyed.live, keyed.routes.state.history, Api(requests_per_minute=2), keyed.entrance
    )
    pages = [page_of(keyed, "/find") for _ in range(3)]
    assert [page.status for page in pages] == [200, 200, 429]
    assert f"Wait {pages[-1].headers['retry-after']} seconds, then try again." in pages[-1].body.decode()


def test_a_mistake_of_perch_is_a_page_that_blames_nobody(tmp_path: Path) -> None:
    keyed = Keyed(tmp_path, roles=(Role.MEMBER,), routes=with_routes())
    keyed.routes.state.drawings = None

    def surviving(app: ASGIApp) -> ASGIApp:
        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            with contextlib.suppress(AttributeError):  # told in the log by whoever runs the application
                await app(scope, receive, send)

        return answer

    heads = {**keyed.by(Role.MEMBER), "accept": BROWSER}
    page = asyncio.run(asked(surviving(keyed.app), "GET", "/?site=hq&kind=desk", b"", heads))
    assert (page.status, page.headers["content-type"]) == (500, HTML)
    assert "Nothing that you did is wrong." in page.body.decode()
    assert '<a href="/?site=hq&amp;kind=desk">Try again</a>' in page.body.decode()


def test_who_is_not_let_in_at_all_reads_why(tmp_path: Path) -> None:
    unlocked = Keyed(tmp_path, roles=(), url=None)
    page = unlocked.get("/", None, host="127.0.0.1", accept=BROWSER, x_forwarded_for="10.0.0.7")
    assert (page.status, page.headers["content-type"]) == (403, HTML)
    assert "there is no key yet to tell readers apart" in page.body.decode()


@pytest.mark.parametrize("address", ["/<img src=x onerror=alert(1)>", "/nowhere?<script>alert(1)</script>"])
def test_a_hostile_address_is_shown_inert(keyed: Keyed, address: str) -> None:
    text = page_of(keyed, address).body.decode()
    assert "<img" not in text
    assert "<script>alert" not in text


@pytest.mark.parametrize("address", ["//evil.example/x", "///evil.example/x", "/\\evil.example/x"])
def test_no_address_leads_to_another_server(keyed: Keyed, address: str) -> None:
    text = page_of(keyed, address).body.decode()
    assert "lang=de" in text
    assert not re.search(r"""href="/[/\\]""", text)


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("", False),
        ("*/*", False),
        (BROWSER, True),
        ("text/html", True),
        ("text/html;q=0, */*", False),
        ("application/json, text/html;q=0.9", False),
        ("application/problem+json;q=0.5, TEXT/HTML ; q=0.5", True),
        ("text/html;q=much", False),
    ],
)
def test_pages_are_for_those_who_prefer_them(accept: str, wanted: bool) -> None:
    assert prefers_page(accept) is wanted


@given(st.text(max_size=200))
def test_any_header_is_read(accept: str) -> None:
    assert prefers_page(accept) in (True, False)
