"""The page in a real browser: it moves, says the same in list and plan, and never shows what cannot be vouched for."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe

from perch.model import State
from perch.settings import load_site
from tests.parts import Broker, free_port, until
from tests.serving import Served, Speaker, a_site, a_space, server_settings, serving, serving_connected

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}
LONG_MS = 600_000
"""What is said is good for longer than any of these tests takes."""

HOSTILE_NAME = "<img src=x onerror=alert(1)></script><script>alert(2)</script>{{7*7}}"


@dataclass
class Opened:
    """A page with whatever its browser complained of."""

    page: "Page"
    complaints: list[str]

    def shown(self, space: str) -> tuple[str, str]:
        """Give the state of a space in the list and on the plan."""
        row = self.page.locator(f'.row[data-space="{space}"]').get_attribute("data-state")
        mark = self.page.locator(f"#space-{space}").get_attribute("data-state")
        return row or "", (mark or "").removesuffix(" off")

    def wait_for(self, space: str, state: State) -> None:
        """Wait until list and plan both show a state."""
        until(lambda: self.shown(space) == (state, state))

    def wait_until_live(self) -> None:
        """Wait until the script has written what the server told it."""
        self.page.locator("body[data-link=live]").wait_for()
        self.page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def totals(self) -> list[int]:
        """Give the numbers of free, occupied and unknown spaces at the head of the page."""
        return [int(text) for text in self.page.locator(".totals dd").all_inner_texts()]


@contextmanager
def opened(browser: "Browser", address: str, **context: Any) -> Iterator[Opened]:
    """Open an address in a context of its own; the browser must have nothing to complain of."""
    made = browser.new_context(**{"viewport": DESKTOP, **context})
    page = made.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type != "log" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss()))
    try:
        page.goto(address)
        yield Opened(page, complaints)
    finally:
        made.close()
    assert complaints == []


@pytest.fixture
def served(mosquitto: Broker, tmp_path: Path) -> Iterator[Served]:
    """An API with a site of this zone and one far away, which hears a fresh broker."""
    far = a_site("far", name="Far House", time_zone="Asia/Kathmandu", spaces=(a_space("d01"), a_space("d02")))
    with serving_connected(server_settings(mosquitto.port, tmp_path, a_site(), far)) as served:
        yield served


@pytest.fixture
def speaker(mosquitto: Broker) -> Iterator[Speaker]:
    """The agent of most spaces."""
    with Speaker(mosquitto) as speaker:
        yield speaker


def test_the_page_moves_when_an_agent_speaks(served: Served, speaker: Speaker, chromium: "Browser") -> None:
    speaker.say("d01", State.FREE)
    served.wait_for("d01", State.FREE)
    with opened(chromium, f"{served.url}/?site=hq") as opened_page:
        opened_page.wait_for("d01", State.FREE)
        until(lambda: opened_page.totals() == [1, 0, 3])
        until(lambda: opened_page.page.locator(".spoken").get_attribute("data-last"))  # what it showed at first
        speaker.say("d01", State.OCCUPIED)
        speaker.say("r1", State.OCCUPIED, count=4)
        opened_page.wait_for("d01", State.OCCUPIED)
        opened_page.wait_for("r1", State.OCCUPIED)
        until(lambda: opened_page.totals() == [0, 2, 2])
        assert "Occupied" in opened_page.page.locator('.row[data-space="r1"] summary').inner_text()
        opened_page.page.locator('.row[data-space="r1"] summary').click()
        facts = opened_page.page.locator('.row[data-space="r1"] .facts').inner_text()
        assert "Motion was sensed here." in facts
        assert "97%" in facts
        assert "4" in facts
        until(
            lambda: opened_page.page.locator(".spoken").inner_text().startswith("Harbour House: 0 free, 2 occupied"), 20
        )


def test_a_silent_agent_is_seen_on_the_page(served: Served, speaker: Speaker, chromium: "Browser") -> None:
    with opened(chromium, f"{served.url}/?site=hq") as opened_page:
        until(
            lambda: speaker.say("d01", State.FREE, valid_for_ms=2_000) or opened_page.shown("d01") == ("free", "free")
        )
        opened_page.wait_for("d01", State.UNKNOWN)
        row = opened_page.page.locator('.row[data-space="d01"] summary')
        assert "Unknown" in row.inner_text()
        assert "The device that watches this space is not heard." in row.inner_text()


def test_other_sites_are_counted_as_well(mosquitto: Broker, served: Served, chromium: "Browser") -> None:
    with opened(chromium, f"{served.url}/?site=hq") as opened_page, Speaker(mosquitto, site="far") as far:
        opened_page.wait_for("d01", State.UNKNOWN)
        far.say("d01", State.FREE)
        served.wait_for("d01", State.FREE, site="far")
        card = opened_page.page.locator('[data-site="far"]')
        opened_page.page.evaluate("dispatchEvent(new Event('online'))")  # what else happens each quarter minute
        until(lambda: "1 free of 2" in card.inner_text())
        card.click()
        opened_page.page.wait_for_url("**/?site=far")
        assert opened_page.page.locator("h1").inner_text() == "Far House"


def test_without_a_script_the_page_says_the_same(served: Served, speaker: Speaker, chromium: "Browser") -> None:
    """What the server writes and what the script writes must not differ: here they are compared word for word."""
    speaker.say("d01", State.FREE, since_ms=1_790_000_000_000, valid_for_ms=LONG_MS)
    speaker.say("d02", State.OCCUPIED, valid_for_ms=LONG_MS)
    speaker.say("r1", State.OCCUPIED, count=4, valid_for_ms=LONG_MS)
    served.wait_for("r1", State.OCCUPIED)
    for query in ("?site=hq", "?site=hq&kind=desk&state=unknown", "?site=far", "?site=hq&state=free&kind=lounge"):
        with opened(chromium, f"{served.url}/{query}", java_script_enabled=False) as plain:
            texts = _texts(plain.page)
            choices = plain.page.locator("[data-value]").evaluate_all("all => all.map((a) => a.getAttribute('href'))")
        with opened(chromium, f"{served.url}/{query}") as moved:
            moved.wait_until_live()
            assert _texts(moved.page) == texts
            again = moved.page.locator("[data-value]").evaluate_all("all => all.map((a) => a.getAttribute('href'))")
        assert [set(href[2:].split("&")) for href in again] == [set(href[2:].split("&")) for href in choices]


def _texts(page: "Page") -> list[str]:
    page.locator("details").evaluate_all("all => all.forEach((one) => one.open = true)")
    shown = page.locator("summary:visible, .why:visible, .belief:visible, .totals, h2, h3:visible, .nothing:visible")
    states = page.locator(".plan .space").evaluate_all("all => all.map((one) => one.id + one.dataset.state)")
    return [*shown.all_inner_texts(), *states]


def test_hostile_names_stay_names(mosquitto: Broker, tmp_path: Path, chromium: "Browser") -> None:
    site = a_site(name=HOSTILE_NAME, spaces=(a_space("d01", name=HOSTILE_NAME, features=frozenset({HOSTILE_NAME})),))
    with (
        serving_connected(server_settings(mosquitto.port, tmp_path, site)) as served,
        Speaker(mosquitto) as speaker,
        opened(chromium, served.url) as opened_page,
    ):
        speaker.say("d01", State.FREE)
        opened_page.wait_for("d01", State.FREE)
        assert opened_page.page.locator("h1").inner_text() == HOSTILE_NAME
        assert opened_page.page.locator(".row .name").inner_text() == HOSTILE_NAME
        assert HOSTILE_NAME in opened_page.page.locator(".row .traits").inner_text()
        assert opened_page.page.locator("img").count() == 0


def test_filters_are_in_the_address(served: Served, speaker: Speaker, chromium: "Browser") -> None:
    speaker.say("d01", State.FREE)
    speaker.say("r1", State.FREE)
    served.wait_for("r1", State.FREE)
    with opened(chromium, f"{served.url}/?site=hq") as opened_page:
        opened_page.wait_for("r1", State.FREE)
        page = opened_page.page
        page.get_by_role("link", name="Desks").click()
        page.get_by_role("navigation", name="Filters").get_by_role("link", name="Free").click()
        page.wait_for_url(re.compile("kind=desk.*state=free|state=free.*kind=desk"))
        until(lambda: _visible_rows(page) == ["d01"])
        until(lambda: (page.locator("#space-r1").get_attribute("data-state") or "").endswith(" off"))
        speaker.say("d02", State.FREE)
        until(lambda: _visible_rows(page) == ["d01", "d02"])
        page.reload()
        until(lambda: _visible_rows(page) == ["d01", "d02"])
        assert sorted(page.url.partition("?")[2].split("&")) == ["kind=desk", "site=hq", "state=free"]
        page.go_back()
        page.go_back()
        until(lambda: len(_visible_rows(page)) == 4)
        assert page.url == f"{served.url}/?site=hq"


def _visible_rows(page: "Page") -> list[str]:
    return page.locator(".row:visible").evaluate_all("all => all.map((row) => row.dataset.space)")


def test_a_lost_connection_is_said_and_after_a_while_nothing_is_vouched_for(
    served: Served, speaker: Speaker, chromium: "Browser"
) -> None:
    speaker.say("d01", State.FREE)
    served.wait_for("d01", State.FREE)
    made = chromium.new_context(viewport=DESKTOP)
    page = made.new_page()
    page.clock.install()
    page.goto(f"{served.url}/?site=hq")
    opened_page = Opened(page, [])
    page.locator("body[data-link=live]").wait_for()
    opened_page.wait_for("d01", State.FREE)
    served.end()
    let(page, lambda: page.locator("body[data-link=lost]").count())
    assert "No connection to Perch since" in page.locator(".banner").inner_text()
    assert opened_page.shown("d01") == ("free", "free")
    let(page, lambda: page.locator("body[data-link=expired]").count(), seconds=120)
    let(page, lambda: opened_page.shown("d01") == ("unknown", "unknown"))
    until(lambda: opened_page.totals() == [0, 0, 4])
    assert "0 free of 2" in page.locator('[data-site="far"]').inner_text()
    made.close()


def let(page: "Page", condition: Callable[[], Any], seconds: int = 60) -> int:
    """Let the page's own clock run until something is so; gives how many seconds that took.

    It runs ahead of the network, which gets its time in the end.
    """
    for second in range(seconds):
        if condition():
            return second
        page.clock.run_for(1_000)
    until(condition)
    return seconds


def test_the_page_comes_back_by_itself(mosquitto: Broker, tmp_path: Path, chromium: "Browser") -> None:
    settings = server_settings(mosquitto.port, tmp_path)
    made = chromium.new_context(viewport=DESKTOP)
    page = made.new_page()
    page.clock.install()
    with serving_connected(settings) as served:
        page.goto(f"{served.url}/?site=hq")
        page.locator("body[data-link=live]").wait_for()
    let(page, lambda: page.locator("body[data-link=lost]").count())
    with serving_connected(settings), Speaker(mosquitto) as speaker:
        speaker.say("d01", State.OCCUPIED)
        page.locator("body[data-link=live]").wait_for()
        Opened(page, []).wait_for("d01", State.OCCUPIED)
        page.locator(".banner").wait_for(state="hidden")
        assert Opened(page, []).shown("d01") == ("occupied", "occupied")
    made.close()


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_has_no_barriers(
    served: Served, speaker: Speaker, chromium: "Browser", viewport: dict[str, int], scheme: str
) -> None:
    speaker.say("d01", State.FREE)
    speaker.say("r1", State.OCCUPIED)
    served.wait_for("r1", State.OCCUPIED)
    with opened(
        chromium, f"{served.url}/?site=hq", viewport=viewport, color_scheme=scheme, reduced_motion="reduce"
    ) as opened_page:
        opened_page.wait_until_live()
        opened_page.page.locator("details").first.evaluate("one => one.open = true")
        found = Axe().run(opened_page.page)
        assert found.violations_count == 0, found.generate_report()
        width = opened_page.page.evaluate("document.documentElement.scrollWidth")
        assert width <= viewport["width"]
        ends = opened_page.page.eval_on_selector_all(".ways a", "all => all.map(a => a.getBoundingClientRect().right)")
        assert len(ends) > 5
        assert max(ends) <= viewport["width"]  # where a menu would scroll, its end would be out of sight


def test_the_page_can_be_used_by_keyboard_alone(served: Served, chromium: "Browser") -> None:
    with opened(chromium, f"{served.url}/?site=hq") as opened_page:
        page = opened_page.page
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the spaces"
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.closest('.row').dataset.space") == "d01"
        page.locator("#space-d01.pointed").wait_for()
        page.keyboard.press("Enter")
        page.locator('.row[data-space="d01"] details[open]').wait_for()


def test_a_space_on_the_plan_leads_to_its_row(served: Served, chromium: "Browser") -> None:
    with opened(chromium, f"{served.url}/?site=hq") as opened_page:
        opened_page.page.locator("#space-r1").click()
        opened_page.page.locator('.row[data-space="r1"] details[open]').wait_for()
        assert opened_page.page.locator(".row details[open]").count() == 1


def test_a_plan_that_cannot_be_shown_leaves_the_list_and_a_word(tmp_path: Path) -> None:
    site = a_site(plan="<!DOCTYPE svg><svg/>")
    with serving(server_settings(free_port(), tmp_path, site)) as served:
        text = served.get("/").text
        assert "plan of floor f1 of site hq" in text
        assert 'data-space="d01"' in text
        assert "<figure" not in text


def test_the_first_view_weighs_less_than_60_kilobytes(tmp_path: Path) -> None:
    """With two floors drawn in detail; all that the page loads, as it goes over the wire."""
    site = load_site(Path(__file__).parent.parent / "perch" / "venue" / "network" / "tejo" / "site.toml")
    with serving(server_settings(free_port(), tmp_path, site)) as served:
        page = served.get("/?site=tejo").text
        addresses = {"/?site=tejo", *_loaded(page)}
        addresses |= {
            address.rsplit("/", 1)[0] + f"/{name}" for address in _loaded(page) for name in ("link.js", "wording.js")
        }
        weight = sum(_weight(served, address) for address in addresses)
    assert len(addresses) == 6
    assert 5_000 < weight < 60_000


def _loaded(page: str) -> list[str]:
    return re.findall(r'(?:src|href)="(/assets/[^"]+)"', page)


def _weight(served: Served, address: str) -> int:
    with httpx.stream("GET", served.url + address, headers={"Accept-Encoding": "gzip"}) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-encoding"] == "gzip"
        return len(b"".join(answer.iter_raw()))


def test_a_place_that_does_not_exist_leads_to_those_that_do(served: Served) -> None:
    """People get a page; whoever asks for no page, a problem document."""
    answer = served.get(f"/?site={quote(HOSTILE_NAME)}", Accept="text/html,*/*;q=0.8")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert '<a href="/?site=far">Far House</a>' in answer.text
    assert "<img" not in answer.text
    assert served.get("/?site=nowhere").headers["content-type"] == "application/problem+json"


def test_files_of_the_page_are_kept_for_ever_under_an_address_of_their_content(tmp_path: Path) -> None:
    with serving(server_settings(free_port(), tmp_path)) as served:
        for address in _loaded(served.get("/").text):
            answer = served.get(address)
            assert "immutable" in answer.headers["cache-control"]
            assert served.get(address.replace("/assets/", "/assets/0")).status_code == 404
        assert served.get("/assets/x/../index.html").status_code == 404
