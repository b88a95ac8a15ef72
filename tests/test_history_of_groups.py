"""History for managers: exact numbers of groups, and no way to the history of one space, or of a hidden one."""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from api.application import with_routes
from perch.adapters.keys import Role
from perch.history.alone import ALONE, is_single, shared_of, without_few, without_single
from perch.history.bands import FEW, in_bands
from perch.history.definitions import DEFINITIONS
from perch.history.layout import Standing
from perch.history.question import Answer as Told
from perch.history.question import Question, Resolution, Row, Scope
from perch.history.told import Stated
from perch.model import BookingFeed, Dating, Reason, SpaceKind, State
from tests.keyed import SPACES, Answer, Keyed
from tests.serving import a_site, a_space
from tests.test_history_bands import DAY, EPOCH, HOUR_MS, MONDAY_MS, NOW_MS, TOLD

HISTORY = "/api/v1/history"
METRICS = ("time_used_ratio", "peak_concurrent", "sessions", "dwell_median_seconds", "never_used", "camping")
COMPARED = "before_from=2026-09-14&before_to=2026-09-15&after_from=2026-09-15&after_to=2026-09-16"
SITE = a_site(spaces=SPACES)
UNKNOWN = (State.UNKNOWN, 0.5, None, Reason.SENSOR_SILENT, Dating.OK)


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Keyed:
    return a_house(tmp_path_factory.mktemp("data"))


def a_house(folder: Path, *hidden: str) -> Keyed:
    """Give a house of which some spaces never said anything; `rooms` holds one shared and one private room."""
    told = tuple(one for one in TOLD if not (isinstance(one, Stated) and one.space in hidden))
    keyed = Keyed(folder, told=told, routes=with_routes())
    keyed.hands.wall_ms = NOW_MS
    return keyed


def scenario(keyed: Keyed, *changes: dict[str, Any], role: Role = Role.MANAGER) -> Answer:
    """Ask what would be."""
    body = {"site": "hq", "from": "2026-09-14", "to": "2026-09-15", "changes": changes}
    headers = {**keyed.by(role), "content-type": "application/json"}
    return keyed.ask("POST", "/api/v1/planning/scenarios", json.dumps(body).encode(), headers)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("asked", ["zone=rooms", "kind=room", "zone=rooms&resolution=15min", "zone=rooms&format=csv"])
def test_a_single_space_has_no_numbers_for_managers(keyed: Keyed, metric: str, asked: str) -> None:
    answer = keyed.get(f"{HISTORY}/{metric}?site=hq&hours=all&{DAY}&{asked}", Role.MANAGER)
    assert answer.status == 200, answer.body
    if "csv" in asked:
        assert b"2026-09-14T" not in answer.body  # the beginning of each row
    else:
        assert (answer.json["rows"], ALONE in answer.json["warnings"]) == ([], True)
    assert keyed.get(f"{HISTORY}/{metric}?site=hq&hours=all&{DAY}&zone=rooms", Role.FACILITIES).json["rows"]


def test_groups_of_several_have_their_numbers_beside_it(keyed: Keyed) -> None:
    answer = keyed.get(f"{HISTORY}/peak_concurrent?site=hq&hours=all&{DAY}&scope=kind", Role.MANAGER).json
    assert [(row["scope"], row["value"]) for row in answer["rows"]] == [("desk", 1)]
    assert answer["warnings"][-1] == ALONE


def test_a_single_space_that_was_observed_among_others_is_no_group(tmp_path: Path) -> None:
    """Nothing was ever heard of the other desks, so the zone's numbers would be those of one."""
    house = a_house(tmp_path, *(f"d0{number}" for number in range(2, 7)))
    for role, warning in ((Role.MANAGER, ALONE), (Role.MEMBER, FEW)):
        for asked in ("zone=open", "zone=open&resolution=hour", "scope=zone", "kind=desk", "scope=kind"):
            answer = house.get(f"{HISTORY}/time_used_ratio?site=hq&hours=all&{DAY}&{asked}", role).json
            assert (answer["rows"], warning in answer["warnings"]) == ([], True)
    whole = house.get(f"{HISTORY}/time_used_ratio?site=hq&hours=all&{DAY}&zone=open", Role.FACILITIES).json
    assert whole["rows"][0]["value"] is not None


@pytest.mark.parametrize(("role", "few"), [(Role.MANAGER, 1), (Role.MEMBER, 4)])
def test_no_number_rests_on_few_spaces_beside_many_that_fell_silent(role: Role, few: int) -> None:
    """Of six desks some are heard: the row of an hour is there if more are than the role needs to be a group."""
    question = Question("time_used_ratio", 0, HOUR_MS, Resolution.HOUR, scope=Scope.KIND)
    for heard in range(7):
        row = Row(0, HOUR_MS, "desk", 0.7, heard / 6, 0.6, 0.8)
        answer = Told(DEFINITIONS["time_used_ratio"], question, HOUR_MS, (row,), (), {})
        told = in_bands(answer, shared_of(SITE)) if role is Role.MEMBER else without_few(answer, shared_of(SITE), few)
        assert (told.rows[0].value is None) == (heard <= few)


def test_a_desk_that_goes_on_speaking_where_all_others_fell_silent_has_no_history(tmp_path: Path) -> None:
    nine_ms = MONDAY_MS + 8 * HOUR_MS
    silent = tuple(
        Stated("hq", "pi-1", EPOCH, 50 + place, nine_ms, f"d0{place}", nine_ms, *UNKNOWN) for place in range(2, 7)
    )
    *said, mark = TOLD
    keyed = Keyed(tmp_path, told=(*said, *silent, mark._replace(seq=60)), routes=with_routes())
    keyed.hands.wall_ms = NOW_MS
    asked = f"{HISTORY}/time_used_ratio?site=hq&hours=all&{DAY}&zone=open&kind=desk&resolution=hour"
    facilities, manager = (keyed.get(asked, role).json["rows"] for role in (Role.FACILITIES, Role.MANAGER))
    assert {row["value"] for row in facilities[9:]} == {1.0}
    assert {row["value"] for row in manager[9:]} == {None}
    assert [row["value"] for row in manager[:9]] == [row["value"] for row in facilities[:9]]


def test_planning_is_not_of_a_single_space(keyed: Keyed) -> None:
    sizing = f"/api/v1/planning/sizing?site=hq&{DAY}&kind="
    assert [keyed.get(sizing + kind, Role.MANAGER).status for kind in ("room", "desk", "booth")] == [422, 200, 200]
    assert keyed.get(f"{sizing}room", Role.FACILITIES).status == 200
    for zones, where in (("zone=rooms", "zone"), ("control_zone=rooms&zone=open", "control_zone")):
        address = f"/api/v1/planning/comparison?site=hq&metric=time_used_ratio&{COMPARED}&{zones}"
        assert keyed.get(address, Role.FACILITIES).status == 200
        refused = keyed.get(address, Role.MANAGER)
        assert (refused.status, [error["where"] for error in refused.json["errors"]]) == (422, [where])
    for change in ({"remove": ["r1"]}, {"add": {"kind": "room", "count": 1}}):
        assert scenario(keyed, change, role=Role.FACILITIES).status == 200
        assert scenario(keyed, change).status == 422


def test_a_hidden_space_is_none_for_scenarios(keyed: Keyed) -> None:
    for space in ("p1", "d90"):
        refused, unknown = (scenario(keyed, {"remove": [name]}) for name in (space, "zz"))
        assert (refused.status, refused.body.replace(space.encode(), b"zz")) == (422, unknown.body)
    assert scenario(keyed, {"remove": ["d01"]}).status == 200
    assert ALONE in scenario(keyed, {"hours": {"mon": "08:00-20:00"}}).json["warnings"]


def test_managers_read_the_same_whatever_hidden_spaces_do(keyed: Keyed, tmp_path: Path) -> None:
    other = a_house(tmp_path, "d90", "p1")
    pages = [f"{path}?site=hq&{DAY}{more}" for path in ("/week", "/planning") for more in ("", "&kind=room")]
    for address in (
        *(f"{HISTORY}/{metric}?site=hq&hours=all&{DAY}&scope=zone" for metric in METRICS),
        *(f"/api/v1/planning/sizing?site=hq&{DAY}&kind={kind}" for kind in ("desk", "room")),
        *pages,
        f"/report?site=hq&{DAY}",
        "/manage?site=hq",
    ):
        one, two = (house.get(address, Role.MANAGER, accept="text/html, */*") for house in (keyed, other))
        assert one.status == two.status, address
        assert _without_keys(one) == _without_keys(two), address


def _without_keys(answer: Answer) -> bytes:
    """Leave out what two houses have of their own."""
    return b"\n".join(line for line in answer.body.splitlines() if b"key" not in line)


def test_the_report_leaves_a_single_room_out(keyed: Keyed) -> None:
    texts = {
        role: keyed.get(f"/report?site=hq&{DAY}", role, accept="text/html").body.decode()
        for role in (Role.MANAGER, Role.FACILITIES)
    }
    assert ALONE in texts[Role.MANAGER]
    assert ALONE not in texts[Role.FACILITIES]
    assert texts[Role.FACILITIES].count("<svg") > texts[Role.MANAGER].count("<svg")


def test_a_group_is_single_if_it_is_so_at_any_moment() -> None:
    first, second = Standing(a_space("d1"), 0, 100), Standing(a_space("d2"), 50, 100)
    assert is_single([first, second], 0, 100)
    assert not is_single([first, second], 50, 100)
    assert not is_single([], 0, 100)
    assert not is_single([second, replace(first, from_ms=50)], 0, 100)


def test_metrics_of_rooms_desks_and_bookings_count_those_alone() -> None:
    shared = shared_of(SITE)
    for metric, is_left in (("peak_concurrent", True), ("solo_share", False), ("camping", True), ("overruns", True)):
        seen = without_single(shared, Question(metric, 0, 1_000), 1_000)
        assert bool(seen.spaces) is is_left, metric
    booked = replace(shared, bookings=(BookingFeed("r1", "file:///r1.ics"),))
    assert not without_single(booked, Question("overruns", 0, 1_000), 1_000).spaces


def test_hidden_spaces_have_no_calendar_either() -> None:
    feeds = tuple(BookingFeed(space, "file:///a.ics") for space in ("p1", "r1"))
    seen = shared_of(replace(SITE, bookings=feeds))
    assert [feed.space for feed in seen.bookings] == ["r1"]
    assert shared_of(seen) is seen


def test_a_space_that_came_later_does_not_open_the_time_before() -> None:
    late = a_space("r2", SpaceKind.ROOM, zone="rooms", valid_from=date(2026, 9, 1))
    site = shared_of(a_site(spaces=(*SPACES, late)))
    september_ms = 1_788_217_200_000  # midnight there
    of_kinds = Question("sessions", september_ms - 1, september_ms + 10, scope=Scope.KIND)
    assert {space.id for space in site.spaces} - {
        space.id for space in without_single(site, of_kinds, september_ms + 10).spaces
    } == {"r1", "r2"}
    assert without_single(site, replace(of_kinds, from_ms=september_ms), september_ms + 10) is site
