"""Find a desk, one space now, a site today, a wall: as far as the reader's role goes, by keyboard, without barriers."""

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from api.entrance.access import Role
from perch.adapters.cursor import Cursor
from perch.adapters.history.store import HistoryStore
from perch.adapters.keys import KeysFile
from perch.contract import SensorStatus
from perch.contract.home_assistant import STATE
from perch.history.told import Marked, Stated, Told
from perch.model import Dating, Floor, Purpose, Reason, SensorHealth, SensorKind, SpaceKind, State, Zone
from tests.parts import Broker, find_mosquitto, until
from tests.serving import EPOCH, PLAN, Served, Speaker, a_site, a_space, server_settings, serving, wall_ms
from tests.test_page import DESKTOP, HOSTILE_NAME, PHONE, Opened, opened

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

HOUR_MS = 3_600_000
SINCE_MS = wall_ms() - 100 * 60_000
SPACES = (
    a_space("d01", features=frozenset({"monitor", "window"})),
    a_space("d02", name=HOSTILE_NAME),
    a_space("d03", purpose=Purpose.ASSIGNED),
    a_space("r1", SpaceKind.ROOM, capacity=6, zone="rooms", name="Alfama"),
    a_space("r2", SpaceKind.ROOM, capacity=2, zone="rooms", agent=None, name="Belém"),
)
FAR = replace(
    a_site("far", name="Far House", time_zone="Asia/Kathmandu"),
    floors=(Floor("f1", "First floor", PLAN), Floor("f2", "Attic", None)),
    zones=(Zone("open", "f1", "Open space"), Zone("attic", "f2", "Attic")),
    spaces=(a_space("d01", name="Far desk"), a_space("d02", floor="f2", zone="attic")),
)


@dataclass
class House:
    """A network that is served, a key for each role, and the voices of two agents."""

    served: Served
    keys: dict[Role, str]
    near: Speaker
    far: Speaker

    def as_(self, role: Role) -> dict[str, str]:
        """Give the headers of a reader."""
        return {"Authorization": f"Bearer {self.keys[role]}"}

    def page(self, role: Role, address: str, **headers: str) -> str:
        """Give a page as it is sent."""
        answer = self.served.client.get(address, headers={"Accept": "text/html", **self.as_(role), **headers})
        assert answer.status_code == 200, answer.text
        return answer.text

    @contextmanager
    def opened(self, browser: "Browser", role: Role, address: str, **more: Any) -> Iterator[Opened]:
        """Open a page in a browser as somebody."""
        with opened(browser, self.served.url + address, extra_http_headers=self.as_(role), **more) as one:
            yield one


def history() -> Iterator[Told]:
    """Three weeks of d01, d02 and r1, on Lisbon's days: taken each day from three to four, free else, up to now."""
    now_ms = wall_ms()
    midnight = datetime.fromtimestamp(now_ms / 1000, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    seq = 0
    for back in range(21, -1, -1):
        day_ms = int((midnight - timedelta(days=back)).timestamp() * 1000)
        for space in ("d01", "d02", "r1"):
            for hour, state in ((0, State.FREE), (3, State.OCCUPIED), (4, State.FREE)):
                at_ms = day_ms + hour * HOUR_MS
                if at_ms < now_ms:
                    seq += 1
                    reason = Reason.QUIET if state is State.FREE else Reason.MOTION
                    yield Stated("hq", "pi-1", EPOCH, seq, at_ms, space, at_ms, state, 0.5, None, reason, Dating.OK)
    yield Marked("hq", "pi-1", EPOCH, seq + 1, now_ms, now_ms)


@pytest.fixture(scope="module")
def own_mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """One broker for all of these tests, which change nothing that they do not put back."""
    program = find_mosquitto()
    if program is None:
        pytest.skip("mosquitto is not installed: run scripts/get-parts")
    broker = Broker(program, tmp_path_factory.mktemp("mosquitto"))
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture(scope="module")
def house(own_mosquitto: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Two sites, keys, three weeks of history; d01 is free, r1 taken, one of two agents has an ill sensor."""
    data = tmp_path_factory.mktemp("data")
    with HistoryStore.open(data / "history.db") as store:
        store.add(history(), Cursor("0" * 16, 1))
    keys = {role: KeysFile(data).create(role.value, role, None, int(time.time()))[0] for role in Role}
    settings = server_settings(own_mosquitto.port, data, a_site(spaces=SPACES), FAR)
    with (
        serving(settings) as served,
        Speaker(own_mosquitto) as near,
        Speaker(own_mosquitto, site="far") as far,
    ):
        made = House(served, keys, near, far)
        made.near.say("d01", State.FREE, since_ms=SINCE_MS, valid_for_ms=600_000)
        made.near.say("r1", State.OCCUPIED, count=4, since_ms=SINCE_MS, valid_for_ms=600_000)
        made.far.say("d01", State.FREE, probability=0.2, valid_for_ms=600_000)
        ill = SensorStatus(SensorHealth.STUCK, wall_ms() - HOUR_MS, wall_ms(), SensorKind.MOTION, "d01")
        well = SensorStatus(SensorHealth.OK, wall_ms(), wall_ms(), SensorKind.MOTION, "r1")
        made.near.beat(sensors={"pir1": ill, "pir2": well}, trouble="its outbox cannot be written")
        served.client.headers.update(made.as_(Role.FACILITIES))
        served.wait_for("r1", State.OCCUPIED)
        served.wait_for("d01", State.FREE, site="far")
        until(lambda: served.json("/api/v1/sensors?site=hq")["items"])
        yield made


def names(page: "Page") -> list[str]:
    """Give the names in a list of results, in order."""
    return page.locator("#found .name").all_inner_texts()


def test_a_desk_is_found_by_a_plain_form(house: House, chromium: "Browser") -> None:
    """Without a script, over the whole network, surely free ones first; what is asked stands in the address."""
    with house.opened(chromium, Role.MEMBER, "/find", java_script_enabled=False) as plain:
        page = plain.page
        assert names(page) == ["Far desk", "D01"]
        assert "2 spaces match" in page.locator("#found").inner_text()
        page.get_by_label("With").select_option("monitor")
        page.get_by_label("What").select_option("desk")
        with page.expect_navigation():
            page.get_by_role("button", name="Show").click()
        assert names(page) == ["D01"]
        assert "feature=monitor" in page.url
        page.get_by_label("What").select_option("room")
        with page.expect_navigation():
            page.get_by_role("button", name="Show").click()
        assert "Nothing matches just now." in page.locator("#found").inner_text()
        with page.expect_navigation():
            page.get_by_role("link", name="Show them in any state").click()
        assert page.locator("#found").count() == 1
        page.goto(f"{house.served.url}/find?kind=room&state=any&min_capacity=4")
        assert names(page) == ["Alfama"]
        page.goto(f"{house.served.url}/find?site=hq&state=any")
        assert names(page) == ["D01", HOSTILE_NAME, "Belém", "Alfama"]


def test_a_desk_for_later_is_a_chance_at_each_place_or_says_why_there_is_none(house: House) -> None:
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).date()
    text = house.page(Role.MEMBER, f"/find?kind=desk&at={tomorrow}T10:00")
    places = re.findall(r'<li><a href="/\?site=(\w+)">.*?</li>', text, re.DOTALL)
    assert places == ["far", "hq"]
    assert "The chance of a free one: Desks" in text
    told = {
        site: house.served.json(f"/api/v1/forecast?site={site}&kind=desk&at={tomorrow}T10:00") for site in ("far", "hq")
    }
    for answer in told.values():
        chance = answer["probability_free"]
        shown = (
            ["Nobody can tell yet"] if chance is None else [f"<strong>{share}%</strong>" for share in _shares(chance)]
        )
        assert any(one in text.replace("&#39;", "'") for one in shown)
    assert "is no time" in house.page(Role.MEMBER, "/find?at=soon")
    assert names_in(house.page(Role.MEMBER, "/find?at=")) > 0


def _shares(chance: float) -> tuple[int, ...]:
    """Give what may be written of a chance: never all, where it is not, which the API's decimals may hide."""
    return (99, 100) if chance > 0.985 else (round(chance * 100),)


def names_in(text: str) -> int:
    return text.count('class="way-to"')


def test_a_list_that_is_asked_moves_by_itself_and_goes_back(house: House, chromium: "Browser") -> None:
    with house.opened(chromium, Role.MEMBER, "/find") as moved:
        page = moved.page
        page.locator("body[data-link=live]").wait_for()
        page.get_by_label("What").select_option("desk")
        page.get_by_label("With").select_option("window")
        page.wait_for_url("**feature=window**")
        until(lambda: names(page) == ["D01"])
        house.near.say("d01", State.OCCUPIED, since_ms=SINCE_MS, valid_for_ms=600_000)
        until(lambda: "Nothing matches just now." in page.locator("#found").inner_text())
        house.near.say("d01", State.FREE, since_ms=SINCE_MS, valid_for_ms=600_000)
        until(lambda: names(page) == ["D01"])
        page.go_back()
        until(lambda: sorted(names(page)) == ["D01", "Far desk"])
        assert page.get_by_label("With").input_value() == ""


def test_behind_a_dead_link_nothing_that_was_found_stays_free(house: House, chromium: "Browser") -> None:
    made = chromium.new_context(viewport=DESKTOP, extra_http_headers=house.as_(Role.MEMBER))
    page = made.new_page()
    page.clock.install()
    page.goto(f"{house.served.url}/find")
    page.locator("body[data-link=live]").wait_for()
    assert page.locator('#found .row[data-state="free"]').count() == 2
    made.set_offline(True)
    for _ in range(40):
        page.clock.run_for(1_000)
        if page.locator("body[data-link=lost]").count():
            break
    assert page.locator('#found .row[data-state="unknown"]').count() == 2
    assert page.locator("#found .word").all_inner_texts() == ["Unknown", "Unknown"]
    assert "Nothing here can be vouched for" in page.locator(".banner").inner_text()
    made.close()


def test_a_home_page_is_filtered_by_what_is_asked_less_often(house: House, chromium: "Browser") -> None:
    def rows(page: "Page") -> list[str]:
        return page.locator(".row:visible").evaluate_all("all => all.map((row) => row.dataset.space)")

    address = "/?site=hq&feature=window&min_capacity=1"
    with house.opened(chromium, Role.MEMBER, address, java_script_enabled=False) as plain:
        assert rows(plain.page) == ["d01"]
    with house.opened(chromium, Role.MEMBER, "/?site=hq&zone=rooms") as moved:
        page = moved.page
        moved.wait_until_live()
        assert rows(page) == ["r1", "r2"]
        page.get_by_label("Seats").select_option("4")
        page.wait_for_url(re.compile("zone=rooms.*min_capacity=4"))
        assert rows(page) == ["r1"]
        page.get_by_role("link", name="Clear all filters").click()
        until(lambda: rows(page) == ["d01", "d02", "r1", "r2"])
        page.go_back()
        until(lambda: rows(page) == ["r1"])


def test_a_space_says_why_and_how_old_the_evidence_is_as_far_as_the_role_goes(house: House) -> None:
    member, manager, facilities = (
        house.page(role, "/spaces/hq/r1") for role in (Role.MEMBER, Role.MANAGER, Role.FACILITIES)
    )
    for text in (member, manager, facilities):
        assert "Occupied" in text
        assert "Motion was sensed here." in text
        assert "4 of 6" in text
    exact, rounded = (re.search(r'<time datetime="[^"]+T(\d\d:\d\d)', text) for text in (manager, member))
    assert exact
    assert rounded
    assert datetime.fromtimestamp(SINCE_MS / 1000, UTC).strftime(":%M") == exact[1][2:]
    assert rounded[1][3:] in {"00", "15", "30", "45"}
    assert "Last heard" not in member
    assert "pi-1" not in member
    assert "Last heard" in manager
    assert "pir2: It is well." in manager
    assert '<svg viewBox="0 0 360' not in manager
    assert '<svg viewBox="0 0 360' in facilities
    assert "/spaces/hq/r1?from=" in facilities
    assert house.served.client.get("/spaces/hq/r1?from=2026-01-01", headers=house.as_(Role.MANAGER)).status_code == 403
    assert house.served.client.get("/spaces/hq/d03", headers=house.as_(Role.MEMBER)).status_code == 404
    gone = house.served.client.get("/spaces/hq/d03", headers={**house.as_(Role.MEMBER), "Accept": "text/html"})
    assert (gone.status_code, "There is no such space" in gone.text) == (404, True)
    assert "No device watches this space." in house.page(Role.MANAGER, "/spaces/hq/r2")


def test_a_member_is_told_of_no_exact_time_on_the_home_page(house: House, chromium: "Browser") -> None:
    with house.opened(chromium, Role.MEMBER, "/?site=hq") as moved:
        moved.wait_until_live()
        moved.page.locator("details").evaluate_all("all => all.forEach((one) => one.open = true)")
        told = moved.page.locator(".evidence:visible")
        assert told.evaluate_all("all => all.map((one) => one.closest('.row').dataset.space)") == ["d02", "r2"]  # never
        minutes = moved.page.locator('.row[data-space="r1"] .since').inner_text()[-2:]
        assert minutes in {"00", "15", "30", "45"}


def test_a_site_today_says_what_needs_attention(house: House) -> None:
    text = house.page(Role.MANAGER, "/manage?site=hq").replace("&#39;", "'")
    assert "Harbour House: 1 of 4 in use" in text
    for alert in (
        "pi-2",
        "pi-1 says: its outbox cannot be written",
        "pir1 of pi-1: It says the same all the time.",
        "1 space without a device",
        "the collector does not run",
    ):
        assert alert in text, alert
    assert "1 of 2 online" in text
    assert '<a href="/spaces/hq/d01">D01</a>' in text
    assert '<svg viewBox="0 0 360' in text
    assert house.served.client.get("/manage", headers=house.as_(Role.MEMBER)).status_code == 403
    admin = house.page(Role.ADMIN, "/manage?site=hq")
    assert "in use" not in admin.partition("</h1>")[0]
    assert "Devices" in admin


def test_what_needs_attention_leads_to_what_it_is_about(house: House) -> None:
    text = house.page(Role.MANAGER, "/manage?site=hq")
    attention = text.partition('id="attention"')[2].partition("</section>")[0]
    ways = re.findall(r'<li><a href="([^"]+)">', attention)
    assert [way for way in ways if way.startswith("#")] == ["#device-pi-1", "#sensor-pi-1.pir1"]
    for way in ways:
        if way.startswith("#"):
            assert text.count(f'id="{way[1:]}"') == 1
        else:
            assert "</html>" in house.page(Role.MANAGER, unescape(way))
    served = re.search(r'id="of-device-pi-1">(.*?)</details>', text)
    assert served is not None
    assert re.findall(r'href="/spaces/hq/(\w+)"', served[1]) == ["d01", "d02", "r1"]  # d03 is assigned to somebody
    admin = house.page(Role.ADMIN, "/manage?site=hq")
    assert "/spaces/" not in admin  # nothing is linked that an admin may not see


def test_today_stands_beside_the_same_weekday_of_the_weeks_before(house: House) -> None:
    """On a UTC day; Lisbon's winter is UTC, and the hour of use is the same on each day."""
    text = house.page(Role.MANAGER, "/manage?site=hq")
    rows = dict(re.findall(r'<th scope="row">(\d\d:00)</th><td>[^<]*</td><td>([^<]*)</td>', text))
    assert {hour for hour, usual in rows.items() if usual == "100%"} <= {"03:00", "04:00", "02:00"}
    assert "100%" in rows.values()


def test_home_assistant_can_take_over_what_the_page_offers(house: House) -> None:
    text = house.page(Role.MANAGER, "/manage?site=hq")
    found = re.search(r'<pre id="bridges_yaml"[^>]*>(.*?)</pre>', text, re.DOTALL)
    assert found
    written = unescape(found[1])
    assert written.startswith("mqtt:\n  binary_sensor:\n    - name: ")
    sensors = [_values(part) for part in written.split("    - ")[1:]]
    assert [one["name"] for one in sensors] == ["D01", HOSTILE_NAME, "Alfama"]
    assert sensors[0]["state_topic"] == "perch/v1/hq/pi-1/state/d01"
    assert sensors[0]["device_class"] == "occupancy"
    assert sensors[0]["value_template"] == STATE


def _values(part: str) -> dict[str, str]:
    """Read the lines of one sensor; a text in quotation marks is written as JSON writes it."""
    pairs = (line.strip().split(": ", 1) for line in part.splitlines())
    return {name: json.loads(text) if text.startswith('"') else text for name, text in pairs}


def test_a_wall_shows_one_floor_after_the_other_and_stays_awake(house: House, chromium: "Browser") -> None:
    made = chromium.new_context(viewport=DESKTOP, extra_http_headers=house.as_(Role.MEMBER))
    page = made.new_page()
    page.add_init_script("navigator.wakeLock.request = async (kind) => { window.awake = kind; };")
    page.clock.install()
    page.goto(f"{house.served.url}/?site=far&wall")
    page.locator("body[data-link=live]").wait_for()
    until(lambda: page.evaluate("window.awake") == "screen")
    page.clock.pause_at(page.evaluate("Date.now() / 1000 + 1"))
    for gone in (".top", ".sites", ".asking", ".languages"):
        assert page.locator(gone).is_hidden(), gone
    floors, wandered = [], set()
    for _ in range(4):
        floors += page.locator("h2:visible").all_inner_texts()
        wandered.add(page.evaluate("document.documentElement.style.getPropertyValue('--wander')"))
        page.clock.fast_forward(15_000)
    page.clock.fast_forward(60_000)
    wandered.add(page.evaluate("document.documentElement.style.getPropertyValue('--wander')"))
    assert [floor.split()[0] for floor in floors] == ["First", "Attic", "First", "Attic"]
    assert len(wandered) > 1
    made.close()


PAGES = {
    "find": (Role.MEMBER, "/find"),
    "later": (Role.MEMBER, "/find?lang=de&at=2200-01-01T10:00"),
    "home": (Role.MEMBER, "/?site=hq&zone=rooms"),
    "wall": (Role.MEMBER, "/?site=hq&wall"),
    "space": (Role.FACILITIES, "/spaces/hq/r1"),
    "today": (Role.MANAGER, "/manage?site=hq&lang=de"),
    "missing": (Role.MEMBER, "/spaces/hq/d99"),
    "closed": (Role.MEMBER, "/week?lang=de"),
}


ANSWERED = [PAGES[name] for name in PAGES if name not in ("missing", "closed")]


@pytest.mark.parametrize("name", PAGES)
def test_no_page_has_barriers(house: House, chromium: "Browser", name: str) -> None:
    role, address = PAGES[name]
    made = chromium.new_context(viewport=PHONE, reduced_motion="reduce", extra_http_headers=house.as_(role))
    page = made.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(house.served.url + address)
    page.locator("details").evaluate_all("all => all.forEach((one) => one.open = true)")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size(DESKTOP)
    found = Axe().run(page, options={"runOnly": ["color-contrast"], "resultTypes": ["violations"]})
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") <= DESKTOP["width"]
    assert [text for text in complaints if "404" not in text and "403" not in text] == []
    made.close()


def test_a_desk_is_found_by_keyboard_alone(house: House, chromium: "Browser") -> None:
    """From the home page to a free desk and why it is free, and back, with no pointer."""

    def focused(page: "Page") -> str:
        return str(page.evaluate("document.activeElement.innerText ?? ''")).strip()

    def walk_to(page: "Page", text: str) -> None:
        for _ in range(40):
            if focused(page).startswith(text):
                return
            page.keyboard.press("Tab")
        raise AssertionError(f"{text!r} cannot be reached")

    with house.opened(chromium, Role.MEMBER, "/?site=hq") as moved:
        page = moved.page
        moved.wait_until_live()
        walk_to(page, "Find a desk")
        page.keyboard.press("Enter")
        page.wait_for_url("**/find**")
        page.locator("body[data-link=live]").wait_for()
        for _ in range(20):
            if page.evaluate("document.activeElement.name") == "kind":
                break
            page.keyboard.press("Tab")
        page.keyboard.press("d")
        page.wait_for_url("**kind=desk**")
        until(lambda: names(page) == ["D01"])
        walk_to(page, "D01")
        page.keyboard.press("Enter")
        page.wait_for_url("**/spaces/hq/d01")
        assert page.locator(".verdict").inner_text().startswith("Free")
        page.go_back()
        page.wait_for_url("**/find**")


def test_a_hostile_name_stays_a_name_on_every_page(house: House) -> None:
    for role, address in (
        (Role.MEMBER, "/find?state=any"),
        (Role.MEMBER, "/spaces/hq/d02"),
        (Role.MANAGER, "/manage?site=hq"),
        (Role.MEMBER, "/find?feature=<script>alert(1)</script>&lang=de"),
    ):
        text = house.page(role, address)
        assert "<img" not in text
        assert "<script>alert" not in text


def test_the_new_pages_are_light(house: House) -> None:
    for role, address in ANSWERED:
        text = house.page(role, address)
        assert len(text) < 60_000
        assert "style=" not in text
        assert not re.search(r"<script(?![^>]*\bsrc=)(?![^>]*application/json)", text)


def test_a_copy_of_the_pages_is_no_copy_of_a_key(house: House) -> None:
    for role, address in ANSWERED:
        assert house.keys[role] not in house.page(role, address)


DOCS = Path(__file__).parent.parent / "docs"


def addresses() -> list[str]:
    """Give the addresses of pages that members and managers are told of."""
    found = (re.findall(r"`(/[^`]*)`", (DOCS / page).read_text()) for page in ("members.md", "managers.md"))
    return sorted({address for of_page in found for address in of_page if not address.startswith("/api/")})


@pytest.mark.parametrize("address", addresses())
def test_an_address_of_the_docs_leads_to_a_page(house: House, address: str) -> None:
    assert "</html>" in house.page(Role.MANAGER, address)
