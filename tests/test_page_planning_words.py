"""What the planners' pages say of themselves: what was left out, what cannot be told, and how sure they are."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from api.pages.assets import text_of as text_in
from api.pages.languages import Language
from api.planners.wording import put_over, speak, words_in
from perch.adapters.cursor import Cursor
from perch.adapters.history.store import HistoryStore
from perch.history.definitions import DEFINITIONS
from perch.history.planning.definitions import PLANS
from perch.history.told import Marked, Stated, Told
from perch.model import Dating, Reason, SpaceKind, State
from tests.parts import free_port
from tests.serving import EPOCH, Served, a_site, a_space, server_settings, serving
from tests.test_page_words import texts

PAGE = {"Accept": "text/html"}
LISBON = ZoneInfo("Europe/Lisbon")
TODAY = datetime.now(LISBON).date()
MONDAY = TODAY - timedelta(days=TODAY.weekday())
WEEKS = 8
BEGAN = MONDAY - timedelta(weeks=WEEKS)
PERIODS = (
    f"before_from={BEGAN}&before_to={BEGAN + timedelta(weeks=4)}"
    f"&after_from={BEGAN + timedelta(weeks=4)}&after_to={MONDAY}"
)
SPACES = (
    *(a_space(f"d0{number}") for number in range(1, 5)),
    *(a_space(f"r{number}", SpaceKind.ROOM, capacity=6, zone="rooms") for number in (1, 2)),
    a_space("nursery", SpaceKind.ROOM, capacity=4, zone="rooms", name="Nursery", agent=None),
)


def ms(day: date, hour: int) -> int:
    return int(datetime(day.year, day.month, day.day, hour, tzinfo=LISBON).astimezone(UTC).timestamp()) * 1000


def told() -> Iterator[Told]:
    """Desks by the weekday: two at nine and eleven; on Tuesdays three at nine. In the last four weeks one more.

    Two people meet in r1 each day at nine, and r2 is in use without a count.
    """
    seq = 0

    def stated(space: str, day: date, hour: int, state: State, people: int | None = None) -> Stated:
        nonlocal seq
        seq += 1
        reason, at_ms = (Reason.MOTION if state is State.OCCUPIED else Reason.QUIET), ms(day, hour)
        return Stated("hq", "pi-1", EPOCH, seq, at_ms, space, at_ms, state, 0.5, people, reason, Dating.OK)

    for space in ("d01", "d02", "d03", "d04", "r1", "r2"):
        yield stated(space, BEGAN, 0, State.FREE, 0 if space == "r1" else None)
    for passed in range(WEEKS * 7):
        day = BEGAN + timedelta(days=passed)
        if day.weekday() > 4:
            continue
        more = passed >= 28
        for hour in (9, 11):
            number = 2 + more + (day.weekday() == 1 and hour == 9)
            for space in ("d01", "d02", "d03", "d04")[:number]:
                yield stated(space, day, hour, State.OCCUPIED)
                yield stated(space, day, hour + 1, State.FREE)
        yield stated("r1", day, 9, State.OCCUPIED, 2)
        yield stated("r1", day, 10, State.FREE, 0)
        yield stated("r2", day, 9, State.OCCUPIED)
        yield stated("r2", day, 10, State.FREE)
    last_ms = ms(MONDAY, 0)
    yield Marked("hq", "pi-1", EPOCH, seq + 1, last_ms, last_ms)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """An API with eight whole weeks up to this one's Monday, and a room that was never observed."""
    folder = tmp_path_factory.mktemp("data")
    with HistoryStore.open(folder / "history.db") as store:
        store.add(told(), Cursor("0" * 16, 1))
    with serving(server_settings(free_port(), folder, a_site(spaces=SPACES))) as served:
        yield served


def text_of(served: Served, address: str) -> str:
    """Give what a page says, without its markup."""
    answer = served.client.get(address, headers=PAGE)
    assert answer.status_code == 200, answer.text
    main = answer.text.partition("<main>")[2].partition("</main>")[0].replace("\N{NO-BREAK SPACE}", " ")
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", main))


LEFT_OUT = "Left out, because nothing at all was observed of them in this time: Nursery."


@pytest.mark.parametrize("page", ["/week?kind=room", "/planning?kind=room", "/report", f"/comparison?{PERIODS}"])
def test_a_room_that_was_never_observed_is_named_and_spoils_nothing(served: Served, page: str) -> None:
    said = text_of(served, page)
    assert said.count(LEFT_OUT) == 1
    assert "Only" not in said
    assert "would have done" in said or page.startswith(("/week", "/comparison"))


def test_the_usual_window_is_eight_whole_weeks_the_last_of_which_is_over(served: Served) -> None:
    last = MONDAY - timedelta(days=1)
    window = f"{BEGAN:%a} {BEGAN.day} {BEGAN:%b %Y} – {last:%a} {last.day} {last:%b %Y}"
    for page in ("/week", "/planning", "/report"):
        assert window in text_of(served, page), page
    asked = re.search(r'href="/api/v1/history/([^"]+)"', served.client.get("/week", headers=PAGE).text)
    assert asked
    assert f"from={BEGAN}&amp;to={MONDAY}" in asked[1]
    middle = BEGAN + timedelta(weeks=4)
    assert f'name="after_from" value="{middle}"' in served.client.get("/comparison", headers=PAGE).text


def test_the_peak_says_which_hours_are_as_full_and_how_sure_it_is(served: Served) -> None:
    assert "Tuesday 09:00 is your peak: 3.5 of 4 desks" in text_of(served, "/week")
    sure = text_of(served, "/week")
    assert "19 times in 20, between 3.1 and 3.9" in sure
    two = text_of(served, f"/week?from={BEGAN}&to={MONDAY}&kind=room")
    assert "No single hour stands out: 2 of 2 rooms on Monday 09:00, and 4 other hours are as full" in two
    assert "As full, as far as can be told: Tuesday 09:00, Wednesday 09:00, Thursday 09:00 and Friday 09:00." in two
    few = text_of(served, f"/week?from={BEGAN}&to={BEGAN + timedelta(weeks=3)}")
    assert "From fewer than four weeks nobody can say whether other hours are as full." in few


def test_the_report_gives_bounds_and_says_how_many_days_are_wanted(served: Served) -> None:
    part_of_day = f"/report?from={BEGAN}&to={TODAY + timedelta(days=1)}"
    said = text_of(served, part_of_day)
    assert "Not bounded above yet: 72 open days are needed to say how many at most, 40 were seen." in said
    assert "Rooms with one person" in said
    assert "Rooms too large" in said
    assert "Some rooms were occupied without anybody being counted" in said


def test_a_change_is_a_sentence_with_how_sure_it_is(served: Served) -> None:
    rose = text_of(served, f"/comparison?zone=open&metric=avg_daily_peak&{PERIODS}")
    assert "Average daily peak rose by 1 space (1 to 1)" in rose
    points = text_of(served, f"/comparison?zone=open&{PERIODS}")
    assert "Time used rose by 4.2 points (4.2 to 4.2)" in points
    beside = text_of(served, f"/comparison?zone=open&control_zone=rooms&{PERIODS}")
    assert "rose by 4.2 points (4.2 to 4.2) beside Rooms" in beside
    none = text_of(served, f"/comparison?zone=rooms&metric=time_used_ratio&{PERIODS}")
    assert "Time used: no change can be told from these weeks" in none
    short = PERIODS.replace(f"before_from={BEGAN}", f"before_from={BEGAN + timedelta(weeks=2)}")
    few = text_of(served, f"/comparison?{short}")
    assert "There are not enough weeks yet: 2 before and 4 after, and 4 of each are the least to compare" in few


def test_hours_that_are_closed_today_give_no_number(served: Served) -> None:
    said = text_of(served, "/planning?on=sat&opens=10:00&closes=16:00&remove=2")
    assert "It cannot be known how many would come in hours that are closed today (Saturday)." in said
    assert "not known, at least 6" in said
    shorter = text_of(served, "/planning?on=mon&opens=10:00&closes=16:00")
    assert (
        "With these hours 2.5 visits a week would have found none, or come when it is closed; as it is, 0." in shorter
    )
    closed = text_of(served, "/planning?on=mon&on=tue")
    assert "With these hours 11 visits a week" in closed


def test_a_space_on_closed_days_is_said_to_be_closed(served: Served) -> None:
    saturday = BEGAN + timedelta(days=5)
    said = text_of(served, f"/spaces/hq/d01?from={saturday}&to={saturday + timedelta(days=1)}")
    assert "Closed all this time; D01 was in use 0 % of all hours" in said
    week = text_of(served, f"/spaces/hq/d01?from={BEGAN}&to={BEGAN + timedelta(days=7)}")
    assert week.count(" closed ") == 2


def test_the_same_is_said_in_json(served: Served) -> None:
    window = f"site=hq&from={BEGAN}&to={MONDAY}"
    sized = served.json(f"/api/v1/planning/sizing?{window}&kind=room")
    assert (sized["left_out"], sized["current"], sized["coverage"], sized["days_wanted"]) == (["nursery"], 2, 1, 72)
    assert sized["bounds"] == {"desks_for_days": [2, 2], "desks_for_time": [2, 2]}
    assert [of["id"] for of in sized["definitions"]] == list(PLANS)[:5]
    body = {"site": "hq", "from": str(BEGAN), "to": str(MONDAY), "changes": [{"hours": {"sat": "10:00-16:00"}}]}
    what_if = served.client.post("/api/v1/planning/scenarios", json=body).json()
    assert what_if["scenario"]["turn_aways_per_week"] is None
    assert what_if["scenario"]["bounds"]["turn_aways_per_week"] == [0, None]
    assert (what_if["time_zone"], what_if["coverage"], what_if["kinds"]) == ("Europe/Lisbon", 1, ["desk", "room"])
    assert what_if["left_out"] == ["nursery"]
    assert set(what_if["baseline"]["full_hours_by_kind"]) == {"desk", "room"}
    assert {of["id"]: of["unit"] for of in what_if["definitions"]} == {
        "turn_aways_per_week": "visits per week",
        "full_hours_per_week": "hours per week",
        "peak_concurrent": "spaces",
    }
    compared = served.json(f"/api/v1/planning/comparison?site=hq&metric=time_used_ratio&zone=open&{PERIODS}")
    first, second = compared["periods"]
    assert (first["to"], first["days"], first["coverage"]) == (second["from"], 20, 1)
    assert compared["bounds"]["before"] == [first["low"], first["high"]]
    assert [of["unit"] for of in compared["definitions"]] == ["ratio", "ratio"]


GERMAN = {**PAGE, "Accept-Language": "de"}
WARNINGS = re.compile(r"<li>([^<]+)</li>")
SPOKEN = (
    "/week",
    "/week?kind=room",
    "/planning?kind=room&without=r1",
    "/planning?on=sat&opens=10:00&closes=16:00&remove=2",
    f"/planning?from={MONDAY - timedelta(weeks=2)}",
    "/report",
    f"/comparison?zone=open&control_zone=rooms&{PERIODS}",
    f"/comparison?{PERIODS.replace(f'before_from={BEGAN}', f'before_from={BEGAN + timedelta(weeks=2)}')}",
    f"/spaces/hq/d01?from={BEGAN}&to={BEGAN + timedelta(days=7)}",
)


@pytest.mark.parametrize("page", SPOKEN)
def test_a_page_speaks_german_with_all_its_warnings(served: Served, page: str) -> None:
    told = [served.client.get(page, headers=headers).text for headers in (PAGE, GERMAN)]
    english, german = ([*WARNINGS.findall(text), re.findall(r"<h1>(.*?)</h1>", text)[0]] for text in told)
    assert '<html lang="de">' in told[1]
    assert len(english) == len(german)
    alike = [one for one, other in zip(english, german, strict=True) if one == other]
    assert alike == (["Harbour House"] if page == "/report" else [])


def test_the_first_sentences_in_german(served: Served) -> None:
    def heading(page: str) -> str:
        found = re.search(r"<h1>(.*?)</h1>", served.client.get(page, headers=GERMAN).text)
        return found[1].replace("\N{NO-BREAK SPACE}", " ") if found else ""

    assert heading("/week") == "Dienstag 09:00 ist die Spitze: 3,5 von 4 Tischen"
    assert heading("/planning") == "4 Tische hätten an 95 % der Tage gereicht"
    assert heading(f"/comparison?zone=open&{PERIODS}") == "Genutzte Zeit ist um 4,2 Punkte gestiegen (4,2 bis 4,2)"
    kept = served.client.get("/week?lang=de", headers=PAGE)
    assert "perch_language=de" in kept.headers["set-cookie"]
    assert 'lang="en" hreflang="en"' in kept.text


def test_a_refusal_speaks_german_too(served: Served) -> None:
    future = f"from={TODAY + timedelta(days=400)}&to={TODAY + timedelta(days=407)}"
    for page, says in (
        ("/planning?remove=-3", "-3 ist keine Zahl (Tische zum Wegnehmen); schreibe eine ganze Zahl von 0 bis 4"),
        (f"/week?{future}", "der Zeitraum liegt in der Zukunft"),
        ("/week?from=2001-01-01&to=2001-02-01", "die Vergangenheit von hq beginnt am"),
        ("/week?from=bald", "ist keine Zeit; schreibe 2026-03-29"),
        ("/week?joy=1&site=x", "diese Angabe gibt es hier nicht"),
        ("/week?joy=1&site=x", "es gibt keinen Standort"),
    ):
        answer = served.client.get(page, headers=GERMAN)
        assert answer.status_code == 422
        assert says in answer.text, answer.text


def test_planners_words_say_everything_in_each_language_with_the_same_gaps() -> None:
    english, german = (dict(texts(words_in(language))) for language in (Language.ENGLISH, Language.GERMAN))
    assert english.keys() == german.keys()
    for path, text in german.items():
        assert text.strip(), path
        gaps, own = (sorted(re.findall(r"\{\w+\}", one)) for one in (english[path], text))
        assert own == gaps or path == ".api.closed_today", path


def test_planners_words_name_every_metric_and_plan_as_the_api_does() -> None:
    words = words_in(Language.ENGLISH)
    assert words["metrics"] == {name: of.name for name, of in DEFINITIONS.items()}
    assert words["plans"] == {name: of.name for name, of in PLANS.items()}


def test_meanings_are_put_over_in_their_present_version(served: Served) -> None:
    """Whoever changes a definition changes its translation: it would be told in English until then."""
    told = json.loads(text_in("words/meanings.de.json"))
    for part, definitions in (("metrics", DEFINITIONS), ("plans", PLANS)):
        assert {name: of["version"] for name, of in told[part].items()} == {
            name: of.version for name, of in definitions.items()
        }
        assert all(of["text"].endswith(".") and of["is_not"].endswith(".") for of in told[part].values())
    report = served.client.get("/report", headers=GERMAN).text
    assert "Bekannte Zeit geteilt durch Bestandszeit." in report
    assert '<dd lang="en">' not in report


def test_what_has_no_translation_is_left_as_it_is() -> None:
    speak(Language.GERMAN)
    assert put_over("Something new.") == "Something new."
    speak(Language.ENGLISH)


def test_numbers_in_what_is_put_over_are_written_as_the_language_writes_them() -> None:
    speak(Language.GERMAN)
    share = put_over("Only 12.0% of the time was observed; low and high say how far off a value may be.")
    assert share.startswith("Nur 12,0\N{NO-BREAK SPACE}% der Zeit")
    assert "2026-09-28 (UTC)" in put_over(
        "InfluxDB keeps all rows only from 2026-09-28 (UTC) on; what was before may be missing here."
    )
    speak(Language.ENGLISH)


def test_a_peak_is_of_the_most_spaces_that_stood_there(tmp_path: Path) -> None:
    """Two of the desks are gone in the last week."""
    gone = MONDAY - timedelta(days=7)
    spaces = [replace(one, valid_until=gone) if one.id in ("d01", "d02") else one for one in SPACES]
    with HistoryStore.open(tmp_path / "history.db") as store:
        store.add(told(), Cursor("0" * 16, 1))
    with serving(server_settings(free_port(), tmp_path, a_site(spaces=tuple(spaces)))) as served:
        said = text_of(served, "/week")
    assert "of 4 desks" in said
    assert "their number changed from 4 to 2" in said


def test_the_usual_window_begins_where_single_changes_are_still_kept(tmp_path: Path) -> None:
    """Of the eight weeks three and a half are quarter hours by now: four whole weeks are left."""
    words_day = (BEGAN + timedelta(days=24) - date(1970, 1, 1)).days
    with HistoryStore.open(tmp_path / "history.db") as store:
        store.add(told(), Cursor("0" * 16, 1))
        while store.fold():
            pass
        store.let_go(words_day, 0)
    with serving(server_settings(free_port(), tmp_path, a_site(spaces=SPACES))) as served:
        said = text_of(served, "/planning?share=0.8")
        assert f"{BEGAN + timedelta(weeks=4):%a} {(BEGAN + timedelta(weeks=4)).day} " in said
        assert "would have done on 80 % of days" in said
        older = served.client.get(f"/planning?from={BEGAN}&to={MONDAY}", headers=GERMAN)
    assert older.status_code == 422
    assert "die einzelnen Änderungen von hq sind erst ab" in older.text
