"""The words of the pages: complete in each language, chosen as the reader asks, and the same in server and browser."""

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.pages.assets import text_of
from api.pages.languages import Language, filled, preferred, words_in
from perch.history.forecast.silence import Why
from perch.model import Reason, SensorHealth, SpaceKind, State
from tests.parts import free_port
from tests.serving import Served, server_settings, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser

GAP = re.compile(r"\{\w+\}")


def texts(words: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Give every text with where it stands."""
    if isinstance(words, str):
        yield path, words
        return
    for name, inner in words.items() if isinstance(words, dict) else enumerate(words):
        yield from texts(inner, f"{path}.{name}")


def test_each_language_says_everything_with_the_same_gaps() -> None:
    said = {language: dict(texts(words_in(language))) for language in Language}
    english = said[Language.ENGLISH]
    for language, translated in said.items():
        assert translated.keys() == english.keys(), language
        for path, text in translated.items():
            assert text.strip(), (language, path)
            assert sorted(GAP.findall(text)) == sorted(GAP.findall(english[path])), (language, path)


@pytest.mark.parametrize("language", Language)
def test_whatever_can_be_said_has_a_word(language: Language) -> None:
    words = words_in(language)
    assert list(words["states"]) == list(State)
    assert set(words["reasons"]) == {*Reason, "link-lost"}
    assert set(words["kinds"]) == set(words["kinds_one"]) == set(SpaceKind)
    assert set(words["manage"]["health"]) == set(SensorHealth)
    assert set(words["find"]["why"]) == set(Why)


def test_a_message_file_names_nothing_twice() -> None:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len(dict(pairs)) == len(pairs), pairs
        return dict(pairs)

    for language in Language:
        json.loads(text_of(f"words/{language}.json"), object_pairs_hook=once)


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("de", "de"),
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("pt-PT,pt;q=0.9,de;q=0.3,en;q=0.5", "en"),
        ("fr;q=1, de;q=0.1", "de"),
        ("de;q=0, en;q=0.1", "en"),
        ("*", "en"),
        ("de;q=much", "en"),
    ],
)
def test_the_browsers_first_known_language_is_taken(header: str, language: str) -> None:
    assert preferred(header) == language


@given(st.text(max_size=200))
def test_any_header_gives_a_language(header: str) -> None:
    assert preferred(header) in Language


def test_a_gap_in_a_value_is_not_filled() -> None:
    assert filled("{site}: {free}", site="{free}", free=3) == "{free}: 3"
    assert filled("{a} {unknown} {", a="}") == "} {unknown} {"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(server_settings(free_port(), tmp_path_factory.mktemp("data"))) as served:
        yield served


def test_a_language_is_chosen_by_the_address_then_the_cookie_then_the_browser(served: Served) -> None:
    german = {"Accept-Language": "de"}
    assert '<html lang="de">' in served.client.get("/", headers=german).text
    assert '<html lang="en">' in served.client.get("/?lang=en", headers=german).text
    chosen = served.client.get("/find?lang=de")
    assert '<html lang="de">' in chosen.text
    assert "perch_language=de" in chosen.headers["set-cookie"]
    assert "Accept-Language" in chosen.headers["vary"] + served.client.get("/").headers["vary"]
    served.client.cookies.clear()
    kept = {"Cookie": "perch_language=de"}
    assert '<html lang="de">' in served.client.get("/", headers=kept).text
    assert '<html lang="en">' in served.client.get("/?lang=xx", headers={"Accept-Language": "fr"}).text
    assert 'href="/?site=hq&amp;kind=desk&amp;lang=de"' in served.client.get("/?site=hq&kind=desk").text


@pytest.mark.parametrize("address", ["/", "/find", "/manage", "/spaces/hq/d01", "/login"])
def test_every_page_keeps_the_language_that_its_foot_chose(served: Served, address: str) -> None:
    served.client.cookies.clear()
    assert 'href="' + address + '?lang=de"' in served.client.get(address).text
    served.client.get(f"{address}?lang=de")
    kept = served.client.get(address).text
    served.client.cookies.clear()
    assert '<html lang="de">' in kept


def test_the_browser_names_days_and_shares_as_the_server_does(served: Served, chromium: "Browser") -> None:
    page = chromium.new_page()
    page.goto(served.url)
    asset = re.search(r'src="(/assets/[^"]+)/app\.js"', page.content())
    assert asset
    for language in Language:
        words = words_in(language)
        told = page.evaluate(
            """async ([from, words, language]) => {
              const { clock, percent } = await import(from + "/wording.js");
              const at = (moment) => clock({ words, language, zone: "Europe/Lisbon" }, moment, "2026-11-22T12:00:00Z");
              const months = Array.from({ length: 12 }, (_, month) => at(Date.UTC(2025, month, 5, 12)));
              const days = Array.from({ length: 6 }, (_, back) => at(Date.UTC(2026, 10, 21 - back, 12)));
              return { months, days, shares: [0.125, 0.004, 0.285, 1].map((share) => percent(language, share)) };
            }""",
            [asset[1], words, language.value],
        )
        summer = {month: "13:00" if 4 <= month <= 10 else "12:00" for month in range(1, 13)}
        assert told["months"] == [
            filled(words["on_date"], day=5, month=words["months_short"][month - 1], time=summer[month])
            for month in range(1, 13)
        ]
        assert told["days"] == [
            filled(words["on_weekday"], weekday=words["weekdays_short"][day], time="12:00")
            for day in (5, 4, 3, 2, 1, 0)
        ]
        assert told["shares"] == [filled(words["percent"], n=n) for n in (13, 0, 29, 100)]
    page.close()
