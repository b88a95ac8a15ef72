"""The planners' pages in a real browser: a sentence, a picture, a table; on a phone, in the dark, on paper."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from api.entrance.access import Matter, Reader
from api.pages.navigation import ways
from api.pages.site import page_words
from perch.adapters.cursor import Cursor
from perch.adapters.history.store import HistoryStore
from perch.adapters.keys import Role
from perch.model import SpaceKind
from tests.parts import free_port
from tests.serving import Served, a_site, a_space, server_settings, serving
from tests.test_api_planning import WINDOW, history
from tests.test_page import DESKTOP, HOSTILE_NAME, PHONE, opened

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PAGE = {"Accept": "text/html"}
SPACES = (
    a_space("d01"),
    a_space("d02", name=HOSTILE_NAME),
    a_space("r1", SpaceKind.ROOM, capacity=6, zone="rooms", name="Alfama"),
)
PERIODS = "before_from=2026-03-02&before_to=2026-03-30&after_from=2026-03-30&after_to=2026-04-27"
LAST_DAY = "from=2026-04-27&to=2026-04-28"
PAGES = {
    "week": f"/week?{WINDOW}",
    "planning": f"/planning?{WINDOW}&share=0.8&remove=1",
    "rooms": f"/planning?{WINDOW}&kind=room&without=r1",
    "space": "/spaces/hq/d01?from=2026-03-23&to=2026-03-30",
    "report": f"/report?{WINDOW}",
    "comparison": f"/comparison?site=hq&zone=open&control_zone=rooms&{PERIODS}",
    "german": f"/planning?{WINDOW}&lang=de&on=sat&opens=10:00&closes=16:00",
    "refused": "/week?from=soon&kind=sofa",
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """An API with eight weeks of two desks and a room, and a site that never told anything."""
    folder = tmp_path_factory.mktemp("data")
    with HistoryStore.open(folder / "history.db") as store:
        store.add(history(), Cursor("0" * 16, 1))
    quiet = replace(a_site("quiet", name="Quiet House", spaces=()), hours=((),) * 7)
    settings = server_settings(free_port(), folder, a_site(spaces=SPACES), quiet)
    with serving(settings) as served:
        yield served


def heading(served: Served, address: str) -> str:
    answer = served.client.get(address, headers=PAGE)
    assert answer.status_code == 200, answer.text
    found = re.search(r"<h1>(.*?)</h1>", answer.text)
    assert found
    return found[1].replace("\N{NO-BREAK SPACE}", " ")


def test_each_page_says_a_sentence_first(served: Served) -> None:
    assert heading(served, f"/week?{WINDOW}") == "Thursday 10:00–12:00 is your peak: 2 of 2 desks"
    assert heading(served, f"/week?{WINDOW}&kind=room") == "No room was seen in use in this window."
    assert heading(served, f"/planning?{WINDOW}") == "2 desks would have done on 95 % of days"
    assert heading(served, f"/planning?{WINDOW}&share=0.7") == "1 desk would have done on 70 % of days"
    assert heading(served, "/planning?site=hq&from=2026-03-02&to=2026-03-09") == "There is no number of desks yet"
    assert heading(served, "/spaces/hq/d01?from=2026-03-23&to=2026-03-30") == "D01 was in use 67 % of opening hours"


def test_what_was_not_observed_is_no_number(served: Served) -> None:
    """Neither in a window after all, nor where no window is asked for and nothing is new, nor at an empty site."""
    none = "There is no peak to name: nothing was observed of the desks in this window."
    assert heading(served, "/week?site=hq&from=2026-05-04&to=2026-05-11") == none
    early = served.client.get("/week?site=hq&from=2020-03-02&to=2020-03-09", headers=PAGE)
    assert early.status_code == 422
    assert "the history of hq begins on 2026-03-02; ask for a later window" in early.text
    assert heading(served, "/week?site=quiet") == "Quiet House has no desks in this window."
    assert heading(served, "/planning?site=quiet") == "There is no number of desks yet"
    assert heading(served, "/report?site=quiet") == "Quiet House"
    assert (
        heading(served, "/spaces/hq/d01?from=2026-05-01&to=2026-05-02") == "Nothing was observed of D01 in this time."
    )
    assert "<svg" not in served.client.get("/week?site=quiet").text.partition("<main>")[2]


def test_the_pages_say_what_the_api_says(served: Served) -> None:
    for name in ("week", "planning", "comparison"):
        address = re.search(r'href="(/api/v1/[^"]+)"', served.client.get(PAGES[name], headers=PAGE).text)
        assert address
        answer = served.json(address[1].replace("&amp;", "&"))
        if name == "comparison":
            answer = {"from": answer["periods"][0]["from"], "to": answer["periods"][1]["to"]}
        assert (answer["from"], answer["to"]) == ("2026-03-02T00:00:00.000+00:00", "2026-04-27T00:00:00.000+01:00")
    report = served.client.get(PAGES["report"], headers=PAGE).text.replace("\N{NO-BREAK SPACE}", " ")
    (row,) = served.json(f"/api/v1/history/avg_daily_peak?{WINDOW}&kind=desk")["rows"]
    assert f"<td>{row['value']:.1f}</td>" in report
    for text in (
        "2 desks would have done on 95 % of days; 2 stand there",
        "Open space",
        "Largest",
        "Known time divided",
    ):
        assert text.lower() in report.lower()


def test_a_scenario_is_asked_by_a_form_alone(served: Served, chromium: "Browser") -> None:
    with opened(chromium, f"{served.url}/planning?{WINDOW}", java_script_enabled=False) as plain:
        page = plain.page
        page.get_by_label("Take away").fill("1")
        with page.expect_navigation():
            page.get_by_role("button", name="Replay").click()
        assert page.locator(".outcome-sentence").inner_text().startswith("With 1 desk instead of 2, 1 visit a week")
        page.get_by_label("Spaces").select_option("room")
        with page.expect_navigation():
            page.get_by_role("button", name="Show").click()
        page.get_by_label("Alfama (6)").check()
        page.get_by_label("Add").fill("2")
        page.get_by_label("with seats each").fill("4")
        with page.expect_navigation():
            page.get_by_role("button", name="Replay").click()
        assert page.locator(".outcome-sentence").inner_text().startswith("With 2 rooms instead of 1, 0 visits")


def test_one_space_is_told_with_reasons_and_where_nothing_vouches(served: Served, chromium: "Browser") -> None:
    with opened(chromium, f"{served.url}/spaces/hq/d01?{LAST_DAY}", java_script_enabled=False) as plain:
        rows = plain.page.locator("tbody tr").all_inner_texts()
        assert [row.split("\t") for row in rows] == [
            ["from before", "12 h", "Free", "Nobody was sensed for long enough."],
            ["12:00:00", "12 h", "Unknown", "Nothing vouches for this time: the device was not heard, or did not run."],
        ]
        with plain.page.expect_navigation():
            plain.page.get_by_role("link", name="The week").click()
        assert plain.page.url.endswith("from=2026-04-27&to=2026-05-04")
        with plain.page.expect_navigation():
            plain.page.get_by_role("link", name="Earlier").click()
        assert "Mon 20 Apr 2026 – Sun 26 Apr 2026" in plain.page.locator(".where").inner_text()
        assert plain.page.locator(".timeline .occupied").count() == 5
        assert plain.page.locator("tbody tr").nth(1).inner_text().split("\t")[:2] == ["Mon 20 09:00:00", "8 h"]


def test_a_space_with_a_hostile_name_is_named(served: Served, chromium: "Browser") -> None:
    with opened(chromium, f"{served.url}/spaces/hq/d02?from=2026-03-02&to=2026-03-03") as told:
        assert HOSTILE_NAME in told.page.locator("h1").inner_text()
        assert told.page.locator("main img").count() == 0


@pytest.mark.parametrize("name", PAGES)
def test_the_pages_have_no_barriers_no_script_and_fit(served: Served, chromium: "Browser", name: str) -> None:
    made = chromium.new_context(viewport=PHONE, reduced_motion="reduce")
    page = made.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(served.url + PAGES[name])
    _no_barriers(page)
    page.emulate_media(color_scheme="dark")
    _no_barriers(page, runOnly=["color-contrast"])
    page.locator("details").evaluate_all("all => all.forEach((one) => one.open = true)")
    assert _width(page) <= PHONE["width"]
    page.set_viewport_size(DESKTOP)
    assert _width(page) <= DESKTOP["width"]
    assert page.locator("script[src]").count() == 0
    assert [text for text in complaints if "422" not in text] == []
    assert bool(complaints) == (name == "refused")
    made.close()


def _no_barriers(page: "Page", **options: Any) -> None:
    found = Axe().run(page, options={"resultTypes": ["violations"], **options})
    assert found.violations_count == 0, found.generate_report()


def _width(page: "Page") -> Any:
    return page.evaluate("document.documentElement.scrollWidth")


def test_the_report_is_printed_on_a_few_sheets_and_no_picture_is_cut(served: Served, chromium: "Browser") -> None:
    made = chromium.new_context(viewport=DESKTOP, color_scheme="dark")
    page = made.new_page()
    page.goto(served.url + PAGES["report"])
    page.emulate_media(media="print")
    for hidden in (".ask-form", ".ways"):
        assert page.locator(hidden).first.is_hidden()
    breaks = page.locator("figure").evaluate_all("all => all.map((one) => getComputedStyle(one).breakInside)")
    assert breaks == ["avoid"] * 5
    links = page.locator(".figures a, .json").count()
    assert links == 0
    sheets = page.pdf(prefer_css_page_size=True)
    boxes = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", sheets)
    assert 1 < len(re.findall(rb"/Type /Page\b(?!s)", sheets)) <= 4
    assert {(round(float(width)), round(float(height))) for width, height in boxes} == {(595, 842)}
    made.close()


@pytest.mark.parametrize(
    ("address", "where"),
    [
        ("/week?site=nowhere", ["site"]),
        ("/week?from=soon&kind=sofa&form=1", ["form", "kind", "from"]),
        ("/week?site=hq&site=hq", ["site"]),
        ("/week?from=2026-03-02&to=2026-03-02", ["to"]),
        ("/week?to=soon", ["to"]),
        ("/week?from=2200-01-01&to=2200-02-01", ["from"]),
        ("/planning?share=1", ["share"]),
        (f"/planning?{WINDOW}&remove=3", ["remove"]),
        (f"/planning?{WINDOW}&remove=-3", ["remove"]),
        (f"/planning?{WINDOW}&kind=room&without=r9&remove=1", ["remove", "without"]),
        (f"/planning?{WINDOW}&seats=4", ["seats"]),
        (f"/planning?{WINDOW}&opens=09:00&closes=17:00", ["on"]),
        (f"/planning?{WINDOW}&on=mon&on=someday&opens=17:00&closes=09:00", ["on", "opens"]),
        (f"/planning?{WINDOW}&on=mon&closes=17:00", ["opens"]),
        ("/comparison?metric=joy&zone=attic", ["metric", "zone"]),
        (f"/comparison?{PERIODS}&control_zone=open", ["control_zone"]),
        (f"/comparison?{PERIODS.replace('after_from=2026-03-30', 'after_from=2026-03-29')}", ["after_from"]),
        ("/comparison?before_from=soon", ["before_from"]),
        ("/spaces/hq/d01?from=2026-01-01&to=2026-03-01", ["from"]),
        ("/report?kind=desk", ["kind"]),
    ],
)
def test_what_cannot_be_answered_is_a_page_that_says_what_to_do(served: Served, address: str, where: list[str]) -> None:
    """All at once; whoever asks for no page gets the same as a problem document."""
    page = served.client.get(address, headers=PAGE)
    assert (page.status_code, page.headers["content-type"]) == (422, "text/html; charset=utf-8")
    assert '<form class="ask-form"' in page.text
    assert page.text.count("<strong>") == len(where)
    answer = served.get(address)
    assert answer.headers["content-type"] == "application/problem+json"
    assert [error["where"] for error in answer.json()["errors"]] == where


def test_a_space_that_never_was_and_a_history_that_is_not_there_are_said(
    served: Served, tmp_path_factory: pytest.TempPathFactory
) -> None:
    lost = served.client.get("/spaces/hq/d99", headers=PAGE)
    assert (lost.status_code, "never was a space hq/d99" in lost.text) == (404, True)
    assert served.client.get("/spaces/nowhere/d01", headers=PAGE).status_code == 404
    with serving(server_settings(free_port(), tmp_path_factory.mktemp("empty"))) as empty:
        answer = empty.client.get("/report", headers=PAGE)
        assert (answer.status_code, "start the collector" in answer.text) == (503, True)


def test_the_ways_between_pages_are_for_those_who_may_read_history(served: Served) -> None:
    words = page_words()["pages"]
    asked = {"site": "hq", "kind": "desk", "from": "2026-03-02", "share": "0.8"}
    assert [way["href"] for way in ways(Reader(Role.MEMBER), "now", asked, words)] == [
        "/?site=hq&kind=desk",
        "/find?site=hq&kind=desk",
    ]
    assert [way["href"] for way in ways(Reader(Role.MANAGER), "week", asked, words)] == [
        "/?site=hq&kind=desk",
        "/find?site=hq&kind=desk",
        "/manage?site=hq",
        "/week?site=hq&kind=desk&from=2026-03-02",
        "/planning?site=hq&kind=desk&from=2026-03-02",
        "/comparison?site=hq",
        "/report?site=hq&from=2026-03-02",
    ]
    assert not Reader(Role.MANAGER).may_read(Matter.HISTORY_OF_SPACES)
    home = served.get("/?site=hq").text
    assert 'href="/week?site=hq"' in home
    assert 'href="/spaces/hq/d01"' in home
