"""Planning for members: whole weeks that are over, groups of five or more, bands, and nothing of a single space."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.application import with_routes
from api.planning.in_bands import comparison_in_bands
from api.planning.shapes import ComparisonAnswer, ComparisonBounds, PeriodItem
from perch.adapters.keys import Role
from perch.history.bands import BANDS, FEW, NUMBERS, RATIOS
from perch.history.definitions import DEFINITIONS
from perch.history.told import Marked, Stated, Told
from perch.model import DAY_MS, Dating, Reason, State
from tests.keyed import HIDDEN, SPACES, Answer, Keyed
from tests.serving import EPOCH

MINUTE_MS, HOUR_MS = 60_000, 3_600_000
MONDAY_MS = round(datetime(2026, 6, 29, tzinfo=UTC).timestamp() * 1000)
WEEKS = 8
NOW_MS = MONDAY_MS + (7 * WEEKS + 2) * DAY_MS
DESKS = tuple(space.id for space in SPACES if space.id not in (*HIDDEN, "r1"))
SIZING, SCENARIOS, COMPARISON = (f"/api/v1/planning/{name}" for name in ("sizing", "scenarios", "comparison"))
ALL = "from=2026-06-29&to=2026-08-24"
HALVES = "before_from=2026-06-29&before_to=2026-07-27&after_from=2026-07-27&after_to=2026-08-24"
HEADS = {"content-type": "application/json"}


def told(seats: tuple[str, ...], seed: int, hidden: bool, busy: float) -> Iterator[Told]:
    """Let people come on weekdays to the first, second … seat; who sits at which desk is the order of `seats`."""
    random, seq = Random(seed), 0  # noqa: S311 - the same house each time
    for day in range(7 * WEEKS):
        for place, space in enumerate((*seats, "r1", *HIDDEN)):
            at_ms = MONDAY_MS + day * DAY_MS
            comes, stays = random.randrange(8 * 60, 13 * 60), random.randrange(60, 400)
            is_here = day % 7 < 5 and random.random() < busy - 0.12 * place and (hidden or space not in HIDDEN)
            spans = ((0, State.FREE), (comes, State.OCCUPIED), (comes + stays, State.FREE)) if is_here else ()
            for minute, state in spans or ((0, State.FREE),):
                seq += 1
                then_ms = at_ms + minute * MINUTE_MS
                yield Stated(
                    "hq", "pi-1", EPOCH, seq, then_ms, space, then_ms, state, 0.5, None, Reason.MOTION, Dating.OK
                )
    yield Marked("hq", "pi-1", EPOCH, seq + 1, NOW_MS, NOW_MS)


def house(
    folder: Path, seats: tuple[str, ...] = DESKS, seed: int = 1, *, hidden: bool = True, busy: float = 0.9
) -> Keyed:
    """Give a house with eight weeks of history."""
    folder.mkdir(exist_ok=True)
    keyed = Keyed(folder, told=tuple(told(seats, seed, hidden, busy)), routes=with_routes())
    keyed.hands.wall_ms = NOW_MS
    return keyed


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Keyed:
    return house(tmp_path_factory.mktemp("data"))


def scenario(keyed: Keyed, *changes: dict[str, Any], role: Role = Role.MEMBER, **more: str) -> Answer:
    """Ask what would be."""
    body = {"site": "hq", "from": "2026-06-29", "to": "2026-08-24", "changes": changes, **more}
    return keyed.ask("POST", SCENARIOS, json.dumps(body).encode(), {**keyed.by(role), **HEADS})


ADDED: dict[str, Any] = {"add": {"kind": "desk", "count": 2}}


def test_members_read_bands_of_how_many_would_do(keyed: Keyed) -> None:
    exact, band = (keyed.get(f"{SIZING}?site=hq&{ALL}", role).json for role in (Role.MANAGER, Role.MEMBER))
    assert exact["desks_for_days"] is not None
    for name in ("desks_for_days", "desks_for_time"):
        low, high = band["bounds"][name]
        assert low <= exact[name] < high
        assert band[name] == round((low + high) / 2)
    assert [point["desks"] for point in band["curve"]] == [n for n in range(len(exact["curve"])) if n in NUMBERS]
    assert band["current"] == exact["current"] == len(DESKS)
    assert (band["warnings"], band["left_out"], band["by_group_size"]) == ([BANDS, FEW], [], None)


def test_members_read_bands_of_what_would_be(keyed: Keyed) -> None:
    exact, band = (scenario(keyed, ADDED, role=role).json for role in (Role.MANAGER, Role.MEMBER))
    for name in ("baseline", "scenario"):
        for number in ("turn_aways_per_week", "full_hours_per_week", "peak_concurrent"):
            low, high = band[name]["bounds"][number]
            assert low <= exact[name][number] < high
    assert band["sessions"] != exact["sessions"]
    assert scenario(keyed, {"hours": {"sat": "10:00-16:00"}}).json["scenario"]["turn_aways_per_week"] is None


def test_members_read_bands_of_before_and_after(keyed: Keyed) -> None:
    address = f"{COMPARISON}?site=hq&metric=time_used_ratio&{HALVES}&zone=open"
    exact, band = (keyed.get(address, role).json for role in (Role.MANAGER, Role.MEMBER))
    assert exact["difference"] is not None
    low, high = band["bounds"]["difference"]
    assert low <= exact["difference"] <= high
    assert abs(high - low) == pytest.approx(0.2)
    assert band["interval"][0] <= exact["interval"][0] < exact["interval"][1] <= band["interval"][1]
    assert {abs(edge) for edge in band["interval"]} <= set(RATIOS)


@pytest.mark.parametrize(
    ("query", "where"),
    [
        ("from=2026-06-29T01:00&to=2026-08-24", ["from"]),
        ("from=2026-06-30&to=2026-08-25", ["from", "to"]),
        ("from=2026-08-10&to=2026-08-24", ["from"]),
        ("from=2026-07-20&to=2026-08-31", ["to"]),
        (f"{ALL}&share=0.9", ["share"]),
        (f"{ALL}&kind=room", ["kind"]),
    ],
)
def test_sizing_of_what_could_be_taken_apart_is_refused(keyed: Keyed, query: str, where: list[str]) -> None:
    answer = keyed.get(f"{SIZING}?site=hq&{query}", Role.MEMBER)
    assert (answer.status, [error["where"] for error in answer.json["errors"]]) == (422, where)


@pytest.mark.parametrize(
    "change",
    [
        {"remove": ["d01"]},
        {"convert": {"space": "d01", "kind": "desk", "count": 1}},
        {"hours": {"mon": "09:15-10:00"}},
        {"add": {"kind": "room", "count": 1}},
    ],
)
def test_a_change_of_a_single_space_or_of_minutes_is_not_for_members(keyed: Keyed, change: dict[str, Any]) -> None:
    answer = scenario(keyed, change)
    assert answer.status == 422
    assert [error["where"].partition(".")[0] for error in answer.json["errors"]] == ["changes[0]"]
    assert scenario(keyed, change, role=Role.FACILITIES).status == 200


def test_comparisons_of_behaviour_or_small_zones_or_parts_of_weeks_are_not_for_members(keyed: Keyed) -> None:
    def status(more: str, metric: str = "time_used_ratio", windows: str = HALVES) -> int:
        return keyed.get(f"{COMPARISON}?site=hq&metric={metric}&{windows}{more}", Role.MEMBER).status

    assert status("&zone=open") == 200
    assert status("", metric="camping") == 403
    assert status("&zone=rooms") == status("&zone=open&control_zone=rooms") == 422
    assert status("", windows=HALVES.replace("2026-08-24", "2026-08-23")) == 422
    assert status("", windows=HALVES.replace("2026-08-24", "2026-08-31")) == 422


def questions(random: Random) -> Iterator[tuple[str, str]]:
    """Give what an attacker may ask as a member: any weeks, any metric, any number of spaces more."""
    for _ in range(3):
        first = random.randrange(WEEKS - 3)
        last = random.randrange(first + 4, WEEKS + 1)
        begin, middle, end = (
            datetime.fromtimestamp((MONDAY_MS + week * 7 * DAY_MS) // 1000, UTC).date()
            for week in (first, random.randrange(first + 1, last), last)
        )
        window = {"site": "hq", "from": str(begin), "to": str(end)}
        metric = random.choice(["time_used_ratio", "peak_concurrent", "sessions", "min_surplus", "coverage"])
        yield f"{SIZING}?site=hq&from={begin}&to={end}", ""
        yield (
            f"{COMPARISON}?site=hq&metric={metric}&before_from={begin}&before_to={middle}"
            f"&after_from={middle}&after_to={end}",
            "",
        )
        hours = {"hours": {"mon": f"{random.randrange(8, 12):02}:00-{random.randrange(13, 20)}:00"}}
        change = random.choice([{"add": {"kind": "desk", "count": random.randrange(1, 30)}}, hours])
        yield SCENARIOS, json.dumps({**window, "changes": [change]})
        window |= {"resolution": random.choice(["hour", "day", "week"])}
        yield f"/api/v1/history/{metric}?{'&'.join(f'{k}={v}' for k, v in window.items())}&hours=all&scope=zone", ""


def answers(keyed: Keyed, seed: int) -> list[bytes]:
    """Ask as a member; every question must be answered."""
    found = []
    for address, body in questions(Random(seed)):  # noqa: S311 - the same questions each time
        heads = {**keyed.by(Role.MEMBER), **HEADS}
        answer = keyed.ask("POST" if body else "GET", address, body.encode(), heads)
        assert answer.status == 200, (address, answer.body)
        found.append(answer.body)
    return found


@pytest.fixture(scope="module")
def other_houses(tmp_path_factory: pytest.TempPathFactory) -> list[Keyed]:
    """Houses to which the same people come; only who takes which desk differs, and whether hidden spaces are used."""
    folder = tmp_path_factory.mktemp("others")
    return [house(folder / "turned", (*DESKS[2:], *DESKS[:2])), house(folder / "quiet", hidden=False)]


def test_no_question_of_an_attacker_tells_who_sat_where_or_what_hidden_spaces_did(
    keyed: Keyed, other_houses: list[Keyed], tmp_path: Path
) -> None:
    first = answers(keyed, 0)
    assert all(answers(other, 0) == first for other in other_houses)
    assert answers(house(tmp_path / "busy", busy=0.3), 0) != first  # of the house itself they do tell


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1, 40))
def test_nor_do_many(keyed: Keyed, other_houses: list[Keyed], seed: int) -> None:
    first = answers(keyed, seed)
    assert all(answers(other, seed) == first for other in other_houses)


COUNTED = {"days", "weeks", "days_wanted", "version", "current", "share", "merge_seconds", "min_seconds"}
"""What is told as it is: how much was looked at, how it was counted, and what everybody knows."""


def numbers(of: Any, name: str = "") -> Iterator[tuple[str, float]]:
    """Give every number of an answer with its name."""
    if isinstance(of, dict):
        for key, inner in of.items():
            yield from numbers(inner, key if not isinstance(inner, list | dict) or key in COUNTED else f"{name}.{key}")
    elif isinstance(of, list):
        for inner in of:
            yield from numbers(inner, name)
    elif isinstance(of, int | float) and not isinstance(of, bool):
        yield name, of


def told_at_most() -> set[float]:
    """Give every number that a band may be told by: edges and middles, rounded ones too, tenths, and below nothing."""
    seconds = (0.0, 900.0, 1_800.0, 3_600.0, 7_200.0, 14_400.0, 28_800.0, 86_400.0)
    found = {n / 10 for n in range(11)}
    for edges in (RATIOS, NUMBERS, seconds):
        middles = {round((low + high) / 2, 3) for low, high in pairwise(edges)}
        found |= {*edges, *middles, *map(round, middles)}
    return found | {-number for number in found}


def test_no_number_is_finer_than_its_band(keyed: Keyed) -> None:
    allowed = told_at_most()
    for body in (one for seed in (1, 2) for one in answers(keyed, seed)):
        fine = [(name, n) for name, n in numbers(json.loads(body)) if name not in COUNTED and n not in allowed]
        assert fine == []


@given(st.floats(-1, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
@settings(max_examples=40)
def test_differences_are_told_in_bands_on_both_sides_of_nothing(
    gap: float, ratio: float, low: float, high: float
) -> None:
    period = PeriodItem("", "", ratio, low, high, 0.97, 5, 1)
    metric = DEFINITIONS["time_used_ratio"]
    definition: Any = (metric,)
    answer = comparison_in_bands(
        ComparisonAnswer(
            "hq",
            metric.id,
            ratio,
            ratio,
            gap,
            (gap - 0.3, gap + 0.3),
            (1, 1),
            ("d01 was ill",),
            "",
            None,
            None,
            (period, period),
            ComparisonBounds(None, None, None),
            ("d01",),
            definition,
        ),
        40,
    )
    assert answer.bounds.difference is not None
    assert answer.bounds.difference[0] <= gap <= answer.bounds.difference[1]
    assert answer.interval is not None
    assert answer.interval[0] <= max(gap - 0.3, -1)
    assert answer.interval[1] >= min(gap + 0.3, 1)
    assert (answer.left_out, answer.warnings) == ((), (BANDS, FEW))
