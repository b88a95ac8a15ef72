"""The audit's page in a real browser: it leads nobody, takes a tap back, and keeps taps while nobody is connected."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from perch.adapters.audit_file import AuditFile
from perch.model import SpaceKind, State
from tests.parts import Broker, until
from tests.serving import Served, Speaker, a_site, a_space, server_settings, serving_connected, wall_ms
from tests.test_page import HOSTILE_NAME, PHONE, Opened, opened

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SPACES = (
    a_space("d01"),
    a_space("d02", name=HOSTILE_NAME),
    a_space("r1", SpaceKind.ROOM, zone="rooms", name="Alfama"),
)


@pytest.fixture
def served(mosquitto: Broker, tmp_path: Path) -> Iterator[Served]:
    """An API that heard that a desk is free and a room occupied."""
    settings = server_settings(mosquitto.port, tmp_path, a_site(spaces=SPACES), a_site("far", name="Far House"))
    with serving_connected(settings) as served, Speaker(mosquitto) as speaker:
        speaker.say("d01", State.FREE, since_ms=wall_ms() - 60_000)
        speaker.say("r1", State.OCCUPIED, since_ms=wall_ms() - 60_000)
        served.wait_for("r1", State.OCCUPIED)
        served.wait_for("d01", State.FREE)
        yield served


def on_phone(browser: "Browser", served: Served, address: str = "/audit?site=hq", **more: Any) -> Any:
    """Open the audit's page on a phone."""
    size = {"viewport": PHONE, "has_touch": True, "is_mobile": True, "reduced_motion": "reduce"}
    return opened(browser, served.url + address, **{**size, **more})


def outcome(page: "Page") -> str:
    """Give what is said after a tap."""
    page.locator(".outcome").wait_for()
    return page.locator(".outcome").inner_text()


def look_at(page: "Page", name: str) -> None:
    """Tap a space, and wait until its question is asked."""
    page.get_by_role("link", name=name).tap()
    page.get_by_role("heading", name=name).wait_for()


def stored(tmp_path: Path) -> list[tuple[str, int]]:
    """Give what the file holds."""
    return [(look.space, look.people) for look in AuditFile(tmp_path).looks("hq")]


def test_only_after_the_tap_it_is_said_what_perch_said(served: Served, chromium: "Browser", tmp_path: Path) -> None:
    html = re.sub(r"/assets/[0-9a-f]+/", "", served.get("/audit?site=hq").text)  # a digest may well hold a 97
    with on_phone(chromium, served) as phone:
        page = phone.page
        look_at(page, "Alfama")
        before = page.locator("body").inner_text()
        assert page.locator(".answers button").all_inner_texts() == ["Nobody", "1", "2", "3", "4 or more"]
        assert page.locator("[data-state]").count() == 0
        for leading in ("occupied", "97", "unknown", "free"):
            assert leading not in before.lower()
            assert leading not in html.partition('id="perch"')[0].lower()
        page.get_by_role("button", name="4 or more").tap()
        told = outcome(page)
        assert "Perch said: Occupied" in told
        assert "You agree." in told
        assert "97%" in told
        page.get_by_role("link", name="Next space").tap()
        look_at(page, "D01")
        assert page.locator(".answers button").all_inner_texts() == ["Nobody", "Somebody"]
        page.get_by_role("button", name="Somebody").tap()
        assert "You saw otherwise." in outcome(page)
    assert stored(tmp_path) == [("d01", 1), ("r1", 4)]


def test_a_tap_is_taken_back_within_a_minute(served: Served, chromium: "Browser", tmp_path: Path) -> None:
    with on_phone(chromium, served, "/audit?site=hq#d01") as phone:
        page = phone.page
        page.clock.install()
        page.get_by_role("button", name="Nobody").tap()
        assert "You agree." in outcome(page)
        assert stored(tmp_path) == [("d01", 0)]
        page.get_by_role("button", name="Undo").tap()
        until(lambda: "Taken back" in outcome(page))
        assert stored(tmp_path) == []
        page.get_by_role("link", name="Next space").tap()
        look_at(page, "Alfama")
        page.get_by_role("button", name="Nobody").tap()
        page.get_by_role("button", name="Undo").wait_for()
        page.clock.run_for(61_000)
        page.get_by_role("button", name="Undo").wait_for(state="hidden")


def test_taps_without_a_connection_are_sent_later_with_their_time(
    served: Served, chromium: "Browser", tmp_path: Path
) -> None:
    made = chromium.new_context(viewport=PHONE, has_touch=True)
    page = made.new_page()
    page.goto(f"{served.url}/audit?site=hq#r1")
    made.set_offline(True)
    page.get_by_role("button", name="2", exact=True).tap()
    assert "kept on this phone" in outcome(page)
    assert until(lambda: page.locator(".waiting").inner_text() == "1 waiting to be sent")
    seen = page.evaluate("JSON.parse(localStorage.getItem(Object.keys(localStorage)[0]))")
    assert sorted(seen) == ["count", "id", "seen_at", "site", "space"]
    page.get_by_role("link", name="Next space").tap()
    look_at(page, "D01")
    page.get_by_role("button", name="Somebody").tap()
    assert until(lambda: page.locator(".waiting").inner_text() == "2 waiting to be sent")
    page.get_by_role("button", name="Undo").tap()
    until(lambda: "Taken back" in outcome(page))
    assert until(lambda: page.locator(".waiting").inner_text() == "1 waiting to be sent")
    made.set_offline(False)
    until(lambda: page.locator(".waiting").is_hidden())
    assert stored(tmp_path) == [("r1", 2)]
    until(lambda: page.evaluate("localStorage.length") == 0)
    made.close()


def test_a_tap_whose_answer_was_lost_is_stored_once(served: Served, chromium: "Browser", tmp_path: Path) -> None:
    made = chromium.new_context(viewport=PHONE)
    page = made.new_page()
    lost = []

    def lose(route: Any) -> None:
        lost.append(route.fetch().status)
        route.abort()

    page.goto(f"{served.url}/audit?site=hq#r1")
    page.route("**/api/v1/audit", lose)
    page.get_by_role("button", name="2", exact=True).click()
    assert "kept on this phone" in outcome(page)
    assert (lost, stored(tmp_path)) == ([201], [("r1", 2)])
    page.unroute("**/api/v1/audit")
    page.reload()
    until(lambda: page.evaluate("localStorage.length") == 0)
    assert stored(tmp_path) == [("r1", 2)]
    made.close()


def test_a_look_that_is_refused_is_said_and_let_go(served: Served, chromium: "Browser") -> None:
    made = chromium.new_context(viewport=PHONE)
    page = made.new_page()
    page.goto(f"{served.url}/audit?site=hq")
    page.evaluate(
        """const id = "0".repeat(32);
        localStorage.setItem("perch-audit-" + id, JSON.stringify(
            {id, site: "hq", space: "gone", count: 1, seen_at: new Date().toISOString()}));
        localStorage.setItem("perch-audit-y", "{");
        dispatchEvent(new Event("online"))"""
    )
    page.locator("[role=alert]").wait_for()
    assert "no space hq/gone" in page.locator("[role=alert]").inner_text()
    until(lambda: page.evaluate("localStorage.length") == 0)
    made.close()


def test_a_space_is_found_by_name_and_by_keyboard_alone(served: Served, chromium: "Browser", tmp_path: Path) -> None:
    with opened(chromium, f"{served.url}/audit?site=hq", reduced_motion="reduce") as desk:
        page = desk.page
        page.get_by_label("Find a space").fill("nowhere")
        assert page.locator(".row:visible").count() == 0
        assert page.locator(".nothing").is_visible()
        page.get_by_label("Find a space").fill("ALFA")
        assert page.locator(".row:visible").count() == 1
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.locator(".look h1:focus").wait_for()
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.locator(".outcome:focus").wait_for()
        assert "Perch said: Occupied" in outcome(page)
        page.keyboard.press("Tab")
        assert (page.evaluate("document.activeElement.className"), stored(tmp_path)) == ("undo", [("r1", 1)])
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.locator('.row[data-space="r1"] a:focus').wait_for()
        page.go_back()
        page.get_by_role("heading", name="Alfama").wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_has_no_barriers_asks_nobody_else_and_bears_hostile_names(
    served: Served, chromium: "Browser", scheme: str
) -> None:
    with on_phone(chromium, served, color_scheme=scheme) as phone:
        asked: list[str] = []
        phone.page.on("request", lambda request: asked.append(request.url))
        phone.page.reload()
        _no_barriers(phone)
        phone.page.locator('[data-space="d02"] a').tap()
        until(lambda: phone.page.locator(".look h1").inner_text() == HOSTILE_NAME)
        phone.page.get_by_role("button", name="Somebody").tap()
        outcome(phone.page)
        _no_barriers(phone)
        assert phone.page.locator("img").count() == 0
        assert len(asked) > 5
        assert [address for address in asked if not address.startswith(served.url)] == []


def _no_barriers(phone: Opened) -> None:
    found = Axe().run(phone.page)
    assert found.violations_count == 0, found.generate_report()
    assert phone.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_a_place_that_does_not_exist_leads_to_those_that_do(served: Served) -> None:
    answer = served.get("/audit?site=nowhere", Accept="text/html")
    assert (answer.status_code, "Far House" in answer.text) == (404, True)
    assert served.get("/audit").headers["cache-control"] == "no-store"
