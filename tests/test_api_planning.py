"""Planning and metrics over HTTP: the documented answers, and refusals that say what to write instead."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from perch.adapters.cursor import Cursor
from perch.adapters.history.store import HistoryStore
from perch.history.told import Marked, Stated, Told
from perch.model import Dating, Reason, State
from tests.parts import free_port
from tests.serving import EPOCH, Served, a_site, server_settings, serving

LISBON = ZoneInfo("Europe/Lisbon")
MONDAY = date(2026, 3, 2)
WEEKS = 8
WINDOW = "site=hq&from=2026-03-02&to=2026-04-27"
"""Eight weeks; on the last Sunday of March clocks are turned."""


def ms(day: date, hour: int) -> int:
    return int(datetime.combine(day, time(hour), tzinfo=LISBON).timestamp()) * 1000


def history() -> Iterator[Told]:
    """Two desks: one is taken from nine to five each weekday, the other from ten to noon on Thursdays."""
    seq = 0

    def stated(space: str, day: date, hour: int, state: State) -> Stated:
        nonlocal seq
        seq += 1
        reason, at_ms = (Reason.MOTION if state is State.OCCUPIED else Reason.QUIET), ms(day, hour)
        return Stated("hq", "pi-1", EPOCH, seq, at_ms, space, at_ms, state, 0.5, None, reason, Dating.OK)

    for space in ("d01", "d02", "r1"):
        yield stated(space, MONDAY, 0, State.FREE)
    for passed in range(WEEKS * 7):
        day = MONDAY + timedelta(days=passed)
        if day.weekday() < 5:
            yield stated("d01", day, 9, State.OCCUPIED)
            yield stated("d01", day, 17, State.FREE)
        if day.weekday() == 3:
            yield stated("d02", day, 10, State.OCCUPIED)
            yield stated("d02", day, 12, State.FREE)
    last_ms = ms(MONDAY + timedelta(weeks=WEEKS), 12)
    yield Marked("hq", "pi-1", EPOCH, seq + 1, last_ms, last_ms)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("data")
    with HistoryStore.open(folder / "history.db") as store:
        store.add(history(), Cursor("0" * 16, 1))
    spaces = tuple(space for space in a_site().spaces if space.id != "d03")
    with serving(server_settings(free_port(), folder, a_site(spaces=spaces))) as served:
        yield served


def is_as_documented(served: Served, shape: str, body: Any) -> bool:
    from jsonschema import Draft202012Validator  # takes seconds

    document = served.json("/api/v1/openapi.json")
    schema = {"$ref": f"#/components/schemas/{shape}", "components": document["components"]}
    Draft202012Validator(schema).validate(body)
    return True


def test_a_peak_says_when_and_how_long(served: Served) -> None:
    answer = served.json(f"/api/v1/history/peak_concurrent?{WINDOW}&kind=desk")
    (row,) = answer["rows"]
    assert (row["value"], row["low"], row["high"], row["coverage"]) == (2, 2, 2, 1)
    assert (row["at"], row["lasted_seconds"]) == ("2026-03-05T10:00:00.000+00:00", WEEKS * 2 * 3600)
    assert is_as_documented(served, "HistoryAnswer", answer)


def test_hours_of_the_week_are_local_hours_over_all_weeks(served: Served) -> None:
    answer = served.json(f"/api/v1/history/time_used_ratio?{WINDOW}&kind=desk&resolution=hour-of-week")
    assert is_as_documented(served, "HourOfWeekAnswer", answer)
    rows = {(row["weekday"], row["hour"]): row for row in answer["rows"]}
    assert set(rows) == {(weekday, hour) for weekday in range(1, 6) for hour in range(8, 20)}
    assert rows[4, 10]["value"] == rows[4, 10]["p50"] == rows[4, 10]["max"] == 1
    assert (rows[4, 13]["value"], rows[1, 8]["value"], rows[1, 9]["weeks"]) == (0.5, 0, WEEKS)


def test_what_a_session_is_is_printed_and_can_be_asked_otherwise(served: Served) -> None:
    usual = served.json(f"/api/v1/history/sessions?{WINDOW}")
    assert usual["parameters"] == {"merge_seconds": 300, "min_seconds": 60}
    assert usual["rows"][0]["value"] == WEEKS * 6
    long = served.json(f"/api/v1/history/sessions?{WINDOW}&min_seconds=10000&merge_seconds=0")
    assert (long["rows"][0]["value"], long["parameters"]["min_seconds"]) == (WEEKS * 5, 10_000)
    stay = served.json(f"/api/v1/history/dwell_median_seconds?{WINDOW}&scope=space")
    assert {row["scope"]: row["value"] for row in stay["rows"]} == {"d01": 8 * 3600, "d02": 2 * 3600, "r1": None}


def test_every_metric_answers_for_every_scope(served: Served) -> None:
    for metric in (item["id"] for item in served.json("/api/v1/definitions")["items"]):
        for scope in ("space", "zone", "floor", "kind", "site"):
            assert served.json(f"/api/v1/history/{metric}?{WINDOW}&scope={scope}&resolution=week")["rows"]


def test_desks_are_sized(served: Served) -> None:
    answer = served.json(f"/api/v1/planning/sizing?{WINDOW}&share=0.8")
    assert is_as_documented(served, "SizingAnswer", answer)
    assert (answer["current"], answer["desks_for_days"], answer["desks_for_time"], answer["days"]) == (2, 2, 1, 40)
    assert answer["curve"][1] == {"desks": 1, "short_days_ratio": 0.2, "people_without": 1.0}
    assert answer["full_days"] == 8
    short = served.json("/api/v1/planning/sizing?site=hq&from=2026-03-02&to=2026-03-09")
    assert short["desks_for_days"] is None
    assert "least to size by" in short["warnings"][0]


def test_a_scenario_is_replayed_beside_today(served: Served) -> None:
    body = {"site": "hq", "from": "2026-03-02", "to": "2026-04-27", "changes": [{"remove": ["d02"]}]}
    answer = served.client.post("/api/v1/planning/scenarios", json=body).json()
    assert is_as_documented(served, "ScenarioAnswer", answer)
    assert answer["baseline"]["turn_aways_per_week"] == 0
    assert answer["scenario"]["turn_aways_per_week"] == pytest.approx(1, rel=0.001)  # 8 weeks less one hour
    assert answer["scenario"]["interval"] == [1, 1]
    assert answer["sessions"] == WEEKS * 6


def test_two_periods_are_compared(served: Served) -> None:
    dates = "before_from=2026-03-02&before_to=2026-03-30&after_from=2026-03-30&after_to=2026-04-27"
    answer = served.json(f"/api/v1/planning/comparison?site=hq&metric=time_used_ratio&zone=open&{dates}")
    assert is_as_documented(served, "ComparisonAnswer", answer)
    assert (answer["weeks"], answer["difference"], answer["interval"]) == ([4, 4], 0, [0, 0])
    few = served.json(f"/api/v1/planning/comparison?site=hq&metric=coverage&{dates.replace('03-02', '03-16')}")
    assert few["difference"] is None
    assert "least to compare" in few["warnings"][0]


GOOD = {"site": "hq", "from": "2026-03-02", "to": "2026-04-27", "changes": [{"remove": ["d02"]}]}


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"changes": [{"add": {"kind": "desk", "zone": "open", "count": -3}}]}, "changes[0].add.count"),
        ({"changes": [{"add": {"kind": "sofa", "count": 3}}]}, "changes[0].add.kind"),
        ({"changes": [{"remove": ["d02"], "hours": {}}]}, "changes[0]"),
        ({"changes": [{}]}, "changes[0]"),
        ({"changes": []}, "changes"),
        ({"changes": [{"remove": ["d99"]}]}, "changes[0].remove"),
        ({"changes": [{"hours": {"sat": "10:00-09:00"}}]}, "changes[0].hours.sat"),
        ({"changes": [{"hours": {"someday": "10:00-11:00"}}]}, "changes[0].hours"),
        ({"changes": [{"move": ["d02"]}]}, "changes[0]"),
        ({"from": "soon"}, "from"),
        ({"from": "2026-05-01"}, "to"),
        ({"site": "nowhere"}, "site"),
        ({"wish": 1}, "body"),
    ],
)
def test_a_scenario_that_cannot_be_is_refused_by_its_place(served: Served, change: dict[str, Any], where: str) -> None:
    answer = served.client.post("/api/v1/planning/scenarios", json={**GOOD, **change})
    assert answer.status_code == 422, answer.text
    assert [error["where"] for error in answer.json()["errors"]] == [where], answer.text
    assert answer.json()["errors"][0]["what"]


def test_bodies_that_are_too_large_or_no_json_are_refused(served: Served) -> None:
    large = {**GOOD, "changes": [{"remove": ["d" * 70_000]}]}
    assert served.client.post("/api/v1/planning/scenarios", json=large).status_code == 413
    assert served.client.post("/api/v1/planning/scenarios", content=b"{}").status_code == 415
    headers = {"content-type": "application/json"}
    deep = served.client.post("/api/v1/planning/scenarios", content=b"[" * 50_000, headers=headers)
    assert deep.status_code == 422


BEFORE, AFTER = "before_from=2026-03-02&before_to=2026-03-30", "after_from=2026-03-30&after_to=2026-04-27"


@pytest.mark.parametrize(
    ("query", "where"),
    [
        ("sizing?site=hq&from=2026-03-02&to=2026-03-02", "to"),
        ("sizing?site=hq&from=2026-03-02&to=2026-04-02&share=2", "share"),
        ("sizing?site=hq&from=2026-03-02&to=2026-04-02&kind=sofa", "kind"),
        (f"comparison?site=hq&metric=joy&{BEFORE}&{AFTER}", "metric"),
        (f"comparison?site=hq&metric=coverage&{BEFORE}&{AFTER.replace('03-30', '03-20')}", "after_from"),
        (f"comparison?site=hq&metric=coverage&{BEFORE.replace('03-30', '03-01')}&{AFTER}", "before_to"),
    ],
)
def test_a_plan_that_cannot_be_is_refused_by_name(served: Served, query: str, where: str) -> None:
    answer = served.get(f"/api/v1/planning/{query}")
    assert answer.status_code == 422, answer.text
    assert [error["where"] for error in answer.json()["errors"]] == [where]
