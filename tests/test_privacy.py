"""What is said of privacy is what runs: page, JSON, sheet and docs are of one configuration, and change with it."""

import json
import re
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zxingcpp
from axe_playwright_python.sync_playwright import Axe
from click.testing import CliRunner

from api.application import serving, with_routes
from api.entrance.access import MAY_READ
from api.pages.languages import Language
from api.privacy.notice import code_of, sheet
from api.privacy.privacy import MATTERS, privacy_of
from api.privacy.words import kept_rows, privacy_words, sections, table
from perch.adapters.keys import Role
from perch.commands.privacy import privacy as command
from perch.model import BookingFeed, Purpose, SensorKind, SpaceKind
from perch.settings import Api, Broker, Face, HistoryFrom, Influx, Retention, ServerSettings
from tests.keyed import HIDDEN, SPACES, Keyed
from tests.parts import free_port
from tests.serving import a_site, a_space, server_settings
from tests.serving import serving as serving_process

if TYPE_CHECKING:
    from playwright.sync_api import Browser

TODAY = date(2026, 9, 14)
SITE = a_site(spaces=SPACES)
PLAIN = ServerSettings(Path(), (SITE,), (), Broker())
DOCS = Path(__file__).parent.parent / "docs" / "privacy.md"


def told(settings: ServerSettings = PLAIN, *sensors: SensorKind) -> str:
    """Give all sentences that a configuration makes."""
    of = privacy_of(settings, SITE, frozenset(sensors), TODAY)
    return json.dumps([list(section) for section in sections(of, Language.ENGLISH)])


FACE = Face("hq", "https://hq.example", "https://hq.example/l.svg", "team@hq.example")


@pytest.mark.parametrize(
    "other",
    [
        replace(PLAIN, retention=Retention(transitions_days=31)),
        replace(PLAIN, retention=Retention(quarter_hours_days=0)),
        replace(PLAIN, retention=Retention(audit_days=7)),
        replace(PLAIN, retention=Retention(journal_days=40)),
        replace(PLAIN, influx=Influx("http://influx")),
        replace(PLAIN, influx=Influx("http://influx"), api=Api(replica=True, history=HistoryFrom.INFLUX)),
        replace(PLAIN, api=Api(public_summary=True)),
        replace(PLAIN, api=Api(webhook_origins=("https://door.example",))),
        replace(PLAIN, api=Api(webhook_inside=("http://10.0.0.9",))),
        replace(PLAIN, api=Api(cors_origins=("https://intranet.example",))),
        replace(PLAIN, faces=(FACE,)),
    ],
)
def test_whatever_is_set_up_otherwise_is_said_otherwise(other: ServerSettings) -> None:
    assert told(other) != told()


def test_what_is_sensed_is_what_the_layout_and_the_sensors_say() -> None:
    def of(*spaces: Any) -> str:
        site = a_site(spaces=spaces)
        described = privacy_of(replace(PLAIN, sites=(site,)), site, frozenset(), TODAY)
        return " ".join(line for section in sections(described, Language.ENGLISH) for line in section.lines)

    assert "Shared spaces with sensors: 6 desks, 1 room." in told()
    assert "2 desks." in of(a_space("d1"), a_space("d2"), a_space("d3", agent=None))
    assert "1 desk." in of(a_space("d1"), a_space("d2", valid_from=date(2026, 9, 15)))
    assert "No shared space is sensed." in of(a_space("d1", agent=None))
    assigned = privacy_words(Language.ENGLISH)["assigned"]
    assert assigned in told()
    assert assigned not in of(a_space("d1"), a_space("d9", purpose=Purpose.ASSIGNED, agent=None))
    assert "carbon dioxide" in told(PLAIN, SensorKind.CO2)
    assert "carbon dioxide" not in told(PLAIN, SensorKind.MOTION)
    booked = replace(SITE, bookings=(BookingFeed("r1", "a.ics"),))
    assert "bookings begin and end" in json.dumps(
        kept_rows(privacy_of(replace(PLAIN, sites=(booked,)), booked, (), TODAY), Language.ENGLISH)
    )


def test_who_may_read_what_is_what_the_door_lets_through() -> None:
    rights = {right.id: set(right.roles) for right in privacy_of(PLAIN, None, None, TODAY).readers}
    assert rights == {name: {role.value for role in MAY_READ[matter] if role} for name, matter in MATTERS.items()}
    public = privacy_of(replace(PLAIN, api=Api(public_summary=True)), None, None, TODAY)
    assert {right.id for right in public.readers if "nobody" in right.roles} == {"summary"}


def test_both_languages_say_all_of_it() -> None:
    def shape(words: Any) -> Any:
        if isinstance(words, dict):
            return {name: shape(inner) for name, inner in words.items()}
        return len(words) if isinstance(words, list) else re.findall(r"{\w+}", words)

    english, german = (privacy_words(language) for language in (Language.ENGLISH, Language.GERMAN))
    assert shape(english) == shape(german)
    assert set(english["kinds"]) == set(SensorKind)
    assert set(english["spaces"]) == set(SpaceKind)


# The page.


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Keyed:
    return Keyed(tmp_path_factory.mktemp("data"), routes=with_routes())


def test_everybody_may_read_it_and_nobody_learns_of_a_single_space(keyed: Keyed) -> None:
    """Without a key there is no name of a site but the one that was asked for, and no space that is not shared."""
    for address in ("/privacy", "/privacy?site=hq", "/api/v1/privacy?site=hq", "/privacy/notice?site=hq"):
        answer = keyed.get(address, accept="text/html, */*")
        assert answer.status == 200, answer.body
        assert b"Laboratory" not in answer.body
        for space in SPACES:
            assert not re.search(rf"\b{space.id}\b", answer.body.decode(), re.IGNORECASE)
    assert b"Laboratory" not in keyed.get("/privacy", Role.MEMBER).body  # of a key for hq alone
    assert keyed.get("/api/v1/privacy?site=nowhere").status == 404
    assert keyed.get("/api/v1/privacy?days=3").status == 422


def test_it_does_not_change_with_how_many_spaces_are_hidden() -> None:
    more = a_site(spaces=(*SPACES, a_space("d91", purpose=Purpose.ASSIGNED)))
    one, other = (privacy_of(replace(PLAIN, sites=(site,)), site, (), TODAY) for site in (SITE, more))
    assert one == other
    assert {space.id for space in SPACES} >= set(HIDDEN)


def test_the_page_tells_of_the_sensors_that_report(keyed: Keyed) -> None:
    assert keyed.get("/api/v1/privacy?site=lab").json["sensors"] == []
    keyed.beat("lab", fired={"d01": keyed.hands.wall_ms})
    assert keyed.get("/api/v1/privacy?site=lab").json["sensors"] == ["motion"]
    assert b"Bewegung" in keyed.get("/privacy?site=lab", accept_language="de").body
    assert b"400 days" in keyed.get("/privacy?site=lab").body


def test_the_page_is_of_the_configuration_that_serves_it(tmp_path: Path) -> None:
    """And JSON says the same sentences as the page."""
    keyed = Keyed(tmp_path, routes=with_routes())
    served = replace(PLAIN, retention=Retention(transitions_days=33), influx=Influx("http://influx"))
    keyed.app = serving(keyed.routes, keyed.live, keyed.routes.state.history, Api(), keyed.entrance, served)
    page, twin = keyed.get("/privacy").body.decode(), keyed.get("/api/v1/privacy").json
    assert "33 days" in page
    assert "InfluxDB" in page
    assert "1,825 days" in page
    assert {"id": "transitions", "where": "server", "keeps": "days", "number": 33} in twin["kept"]
    for line in twin["text"]:
        for part in line.split(": "):
            assert part.replace("'", "&#39;") in page


def test_every_page_leads_to_it(keyed: Keyed) -> None:
    assert b'href="/privacy?site=hq"' in keyed.get("/?site=hq", Role.MEMBER, accept="text/html").body
    assert b'href="/privacy"' in keyed.get("/login", accept="text/html").body


# The sheet.


def modules(svg: str) -> "np.ndarray[Any, np.dtype[np.uint8]]":
    """Draw the path of a code as a picture, four pixels a module, as a printer would."""
    (size,) = re.findall(r'viewBox="0 0 (\d+) ', svg)
    (scale,) = re.findall(r"scale\((\d+)\)", svg)
    (path,) = re.findall(r'class="qrline"[^>]* d="([^"]+)"', svg)
    side = int(size) // int(scale)
    picture = np.full((side, side), 255, dtype=np.uint8)
    x, y = 0.0, 0.0
    for verb, numbers in re.findall(r"([Mmh])([^Mmh]*)", path):
        given = [float(number) for number in re.findall(r"-?\d*\.?\d+", numbers)]
        if verb == "h":
            picture[int(y), int(x) : int(x + given[0])] = 0
            x += given[0]
        else:
            x, y = (given[0], given[1]) if verb == "M" else (x + given[0], y + given[1])
    return np.kron(picture, np.ones((4, 4), dtype=np.uint8))


@pytest.mark.parametrize("address", ["https://perch.hq.example/privacy?site=hq", "http://10.0.0.7:8080/privacy"])
def test_the_code_leads_to_the_page(address: str) -> None:
    """Read by another library than the one that drew it, a corner torn off as well."""
    picture = modules(code_of(address))
    (read,) = zxingcpp.read_barcodes(picture)
    assert read.text == address
    picture[-28:, -28:] = 255
    (torn,) = zxingcpp.read_barcodes(picture)
    assert torn.text == address


CONFIG = """
data = "data"
sites = ["site.toml"]
[broker]
host = "127.0.0.1"
[retention]
transitions_days = 35
[api]
{api}
"""
SITE_TOML = """
[site]
id = "hq"
name = "Harbour <House>"
time_zone = "Europe/Lisbon"
[hours]
mon = "08:00-20:00"
[[floor]]
id = "f1"
[[zone]]
id = "open"
floor = "f1"
"""


def invoked(folder: Path, *words: str, api: str = 'url = "https://perch.hq.example"') -> Any:
    (folder / "site.toml").write_text(SITE_TOML)
    (folder / "perch.toml").write_text(CONFIG.format(api=api))
    return CliRunner().invoke(command, [words[0], "--config", str(folder / "perch.toml"), *words[1:]])


def test_the_sheet_of_the_command_is_one_page_that_loads_nothing(tmp_path: Path, chromium: "Browser") -> None:
    for language in Language:
        path = tmp_path / f"{language}.html"
        done = invoked(tmp_path, "notice", "--site", "hq", "--lang", language.value, "-o", str(path))
        assert done.exit_code == 0, done.output
        text = path.read_text()
        assert "Harbour &lt;House&gt;" in text
        assert not re.search(r"<link|<script|src=|url\(", text)
        assert zxingcpp.read_barcodes(modules(text))[0].text == "https://perch.hq.example/privacy?site=hq"
        assert "35 " in text
        page = chromium.new_page()
        page.goto(path.as_uri())
        printed = page.pdf(prefer_css_page_size=True)
        page.close()
        assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 1


def test_the_commands_of_the_docs_do_what_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (block,) = re.findall(r"```sh\n(.*?)```", DOCS.read_text(), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    invoked(tmp_path, "show")
    for line in block.splitlines():
        assert line.startswith("perch privacy ")
        done = CliRunner().invoke(command, line.split()[2:])
        assert done.exit_code == 0, done.output
    assert (tmp_path / "notice.html").exists()


@pytest.mark.parametrize("language", [Language.GERMAN, pytest.param(Language.ENGLISH, marks=pytest.mark.long)])
def test_the_page_is_for_every_eye_on_a_phone_in_the_dark(
    language: Language, tmp_path: Path, chromium: "Browser"
) -> None:
    with serving_process(server_settings(free_port(), tmp_path, SITE)) as served:
        context = chromium.new_context(
            viewport={"width": 360, "height": 740}, color_scheme="dark", locale=language.value
        )
        page = context.new_page()
        page.goto(f"{served.url}/privacy?site=hq")
        assert page.locator("h1").inner_text() == privacy_words(language)["title"]
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        assert Axe().run(page).response["violations"] == []
        page.goto(f"{served.url}/privacy/notice?site=hq")
        assert page.evaluate("getComputedStyle(document.querySelector('h1')).fontSize") == "40px"  # its style came
        context.close()


def test_a_sheet_without_an_address_is_not_written(tmp_path: Path) -> None:
    refused = invoked(tmp_path, "notice", "-o", str(tmp_path / "x.html"), api="")
    assert "[api] url" in str(refused.exception)
    assert not (tmp_path / "x.html").exists()


def test_the_command_prints_what_this_configuration_makes(tmp_path: Path) -> None:
    assert "| 35 days |" in invoked(tmp_path, "show").output
    assert json.loads(invoked(tmp_path, "show", "--json").output)["sensors"] is None
    assert "there is no site lab" in str(invoked(tmp_path, "show", "--site", "lab").exception)


def test_a_name_of_a_site_cannot_write_into_the_sheet() -> None:
    evil = a_site(name="<img src=x onerror=alert(1)>")
    text = sheet(privacy_of(PLAIN, evil, (), TODAY), evil, "https://perch.example", Language.ENGLISH)
    assert "<img" not in text


# The docs.


def test_the_table_of_the_docs_is_that_of_a_configuration_as_it_comes() -> None:
    """With InfluxDB and calendars, so that every line is there; `perch privacy show` prints one's own."""
    booked = replace(SITE, bookings=(BookingFeed("r1", "a.ics"),))
    whole = ServerSettings(Path(), (booked,), (), Broker(), influx=Influx("http://influx"))
    words = privacy_words(Language.ENGLISH)
    rows = kept_rows(privacy_of(whole, None, None, TODAY), Language.ENGLISH)
    made = "\n".join(table((words["what"], words["where"], words["how_long"]), rows))
    assert made in DOCS.read_text(), f"docs/privacy.md is to hold:\n{made}"


def test_every_promise_of_the_docs_names_a_test_that_is_there() -> None:
    names = set(re.findall(r"`(test_\w+)\.py`", DOCS.read_text()))
    assert len(names) >= 8
    assert [name for name in sorted(names) if not (Path(__file__).parent / f"{name}.py").exists()] == []
    functions = re.findall(r"`(test_\w+)`(?!\.py)", DOCS.read_text())
    sources = "\n".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    assert [name for name in functions if f"def {name}(" not in sources] == []
