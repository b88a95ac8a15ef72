"""History for members: bands of groups that are large enough, late and coarse, and nothing of assigned spaces."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.application import with_routes
from perch.adapters.keys import Role
from perch.history.bands import BANDS, FEW, band, edges_of, in_bands, large_enough
from perch.history.definitions import DEFINITIONS, OF_BOOKINGS
from perch.history.layout import Standing
from perch.history.question import Answer, HourRow, Peak, Question, Resolution, Row, Scope
from perch.history.told import Marked, Stated, Told
from perch.model import DAY_MS, Dating, Reason, State
from tests.keyed import SPACES, Keyed
from tests.serving import EPOCH, a_site, a_space

HOUR_MS = 3_600_000
MONDAY_MS = round(datetime(2026, 9, 14, tzinfo=UTC).timestamp() * 1000)
NOW_MS = MONDAY_MS + 2 * DAY_MS + 10 * HOUR_MS + 25 * 60_000
DAY = "from=2026-09-14&to=2026-09-15"
METRIC = "/api/v1/history/time_used_ratio"
SITE = a_site(spaces=SPACES)


def told() -> Iterator[Told]:
    """On Monday one shared desk is taken from nine, and the assigned one as well, and so they stay.

    Of the hours after that 1/6 or 2/7 is used, in bands of their own, by whether the assigned desk counts.
    """
    seq = 0
    for at_ms, busy in ((MONDAY_MS, ()), (MONDAY_MS + 8 * HOUR_MS, ("d01", "d90"))):
        for space in (space.id for space in SPACES):
            seq += 1
            state, reason = (State.OCCUPIED if space in busy else State.FREE), Reason.MOTION
            yield Stated("hq", "pi-1", EPOCH, seq, at_ms, space, at_ms, state, 0.5, None, reason, Dating.OK)
    yield Marked("hq", "pi-1", EPOCH, seq + 1, NOW_MS, NOW_MS)


TOLD = tuple(told())


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Keyed:
    keyed = Keyed(tmp_path_factory.mktemp("data"), told=TOLD)
    keyed.hands.wall_ms = NOW_MS
    return keyed


def rows(keyed: Keyed, query: str, role: Role = Role.MEMBER, metric: str = METRIC) -> list[dict[str, Any]]:
    """Ask for rows, which must be given."""
    answer = keyed.get(f"{metric}?site=hq&hours=all&{query}", role)
    assert answer.status == 200, answer.body
    found: list[dict[str, Any]] = answer.json["rows"]
    return found


def refused(keyed: Keyed, query: str, metric: str = METRIC) -> tuple[int, list[str]]:
    """Ask for what members may not have: the status, and what is complained of."""
    answer = keyed.get(f"{metric}?site=hq&{query}", Role.MEMBER)
    return answer.status, [error["where"] for error in answer.json["errors"]]


def test_members_read_bands_where_managers_read_numbers(keyed: Keyed) -> None:
    (every,) = rows(keyed, f"{DAY}&kind=desk", Role.FACILITIES)
    (exact,) = rows(keyed, f"{DAY}&kind=desk", Role.MANAGER)
    (band,) = rows(keyed, f"{DAY}&kind=desk")
    shared_share = 1 / 6 * (24 - 9) / 23  # the first hour is not known
    assert every["value"] == pytest.approx(2 / 7 * (24 - 9) / 23, abs=0.001)  # it counts the assigned desk as well
    assert exact["value"] == pytest.approx(shared_share, abs=0.001)
    assert band["low"] <= shared_share <= band["high"]
    assert (band["low"], band["value"], band["high"]) == (0.0, 0.1, 0.2)
    assert band["coverage"] == int(exact["coverage"] * 10) / 10


def test_assigned_spaces_count_for_nothing(keyed: Keyed, tmp_path: Path) -> None:
    """A network in which nothing was ever heard of hidden spaces has the same history for members."""
    shown = tuple(one for one in TOLD if not (isinstance(one, Stated) and one.space in ("d90", "p1")))
    other = Keyed(tmp_path, told=shown, routes=with_routes())
    other.hands.wall_ms = NOW_MS
    for query in (DAY, f"{DAY}&resolution=hour", f"{DAY}&scope=zone&resolution=day"):
        for metric in ("time_used_ratio", "peak_concurrent", "sessions", "coverage"):
            assert rows(keyed, query, metric=f"/api/v1/history/{metric}") == rows(
                other, query, metric=f"/api/v1/history/{metric}"
            )


def test_groups_of_few_shared_spaces_are_left_out(keyed: Keyed) -> None:
    assert {row["scope"] for row in rows(keyed, f"{DAY}&scope=zone", Role.FACILITIES)} == {"open", "rooms"}
    answer = keyed.get(f"{METRIC}?site=hq&{DAY}&scope=zone", Role.MEMBER).json
    assert [row["scope"] for row in answer["rows"]] == ["open"]
    assert answer["warnings"] == [BANDS, FEW]
    assert rows(keyed, f"{DAY}&kind=room") == []


def test_history_is_a_day_late_for_members(keyed: Keyed) -> None:
    answer = keyed.get(f"{METRIC}?site=hq&from=2026-09-14&to=2026-09-17&hours=all&resolution=hour", Role.MEMBER).json
    assert answer["to"] == "2026-09-15T11:00:00.000+01:00"  # now is 11:25 there, on the 16th
    assert len(answer["rows"]) == 35
    assert refused(keyed, "from=2026-09-15T12:00&to=2026-09-16") == (422, ["from"])


@pytest.mark.parametrize(
    ("query", "where"),
    [
        ("from=2026-09-14T08:00&to=2026-09-15&resolution=hour", ["from"]),
        ("from=2026-09-14&to=2026-09-14T09:00&resolution=day", ["to"]),
        ("from=2026-09-14&to=2026-09-14T09:00", ["to"]),
        ("from=2026-09-12&to=2026-09-14T01:00", ["to"]),
        ("from=2026-09-08&to=2026-09-15&resolution=week", ["from", "to"]),
        ("from=2026-08-01&to=2026-08-31&resolution=month", ["to"]),
        ("from=2026-08-03&to=2026-08-10&resolution=hour-of-week", ["to"]),
        (f"{DAY}&resolution=15min", ["resolution"]),
        (f"{DAY}&merge_seconds=299", ["merge_seconds"]),
        (f"{DAY}&min_seconds=0&resolution=15min", ["resolution", "min_seconds"]),
    ],
)
def test_what_could_be_put_together_to_a_moment_is_refused(keyed: Keyed, query: str, where: list[str]) -> None:
    assert refused(keyed, query) == (422, where)


def test_single_spaces_and_behaviour_are_not_for_members(keyed: Keyed) -> None:
    assert refused(keyed, f"{DAY}&scope=space")[0] == 403
    for metric in ("camping", "no_show_rate", "solo_share", "size_mismatch", "never_used", "overruns"):
        assert refused(keyed, DAY, f"/api/v1/history/{metric}")[0] == 403
    assert refused(keyed, DAY, "/api/v1/history/nonsense")[0] == 404


def test_peaks_have_no_moment_for_members(keyed: Keyed) -> None:
    exact, band = (rows(keyed, DAY, role, "/api/v1/history/peak_concurrent")[0] for role in (Role.MANAGER, Role.MEMBER))
    assert "at" in exact
    assert set(band) == {"start", "end", "scope", "value", "coverage", "low", "high"}
    assert (band["low"], band["high"]) == (0, 10)  # of six


def test_a_file_for_members_holds_the_same_bands(keyed: Keyed) -> None:
    text = keyed.get(f"{METRIC}?site=hq&{DAY}&hours=all&kind=desk&format=csv", Role.MEMBER).body.decode()
    assert "0.1," in text
    assert "0.104" not in text


NUMBERS = st.none() | st.floats(0, 1_000_000)


@given(NUMBERS, st.floats(0, 1), st.sampled_from(sorted(DEFINITIONS)))
def test_a_band_holds_its_value_and_tells_no_more(value: float | None, coverage: float, metric: str) -> None:
    question = Question(metric, 0, HOUR_MS, scope=Scope.KIND)
    peak = Peak(1_234, 5)
    row = Row(0, HOUR_MS, "desk", value, coverage, value, value, peak)
    (band,) = in_bands(Answer(DEFINITIONS[metric], question, HOUR_MS, (row,), ("Desk d01!",), {}), SITE).rows
    assert isinstance(band, Row)
    assert band.peak is None
    is_of_desks = metric not in {"solo_share", "size_mismatch", *OF_BOOKINGS}
    if value is None or not is_of_desks or coverage * 7 <= 4:
        assert (band.value, band.low, band.high) == (None, None, None)
        return
    assert band.low is not None
    assert band.high is not None
    assert band.low < band.high
    assert band.value == pytest.approx((band.low + band.high) / 2, abs=0.001)
    assert band.low <= value
    assert value <= band.high or value > 1


def test_hours_of_the_week_are_told_in_bands_too() -> None:
    question = Question("peak_concurrent", 0, HOUR_MS, Resolution.HOUR_OF_WEEK)
    row = HourRow(1, 9, "hq", 3.5, 0.97, 3.0, 4.0, 3.0, 4.0, 6.0, 8)
    answer = Answer(DEFINITIONS["peak_concurrent"], question, HOUR_MS, (row,), (), {})
    assert in_bands(answer, SITE).rows == (HourRow(1, 9, "hq", 5.0, 0.9, 0.0, 10.0, 5.0, 5.0, 5.0, 8),)
    few = replace(SITE, spaces=SPACES[:4])
    assert in_bands(answer, few).rows == ()


@given(st.integers(5, 300))
def test_no_band_of_a_number_of_spaces_says_that_it_was_none_or_all(spaces: int) -> None:
    """Where all are taken, or all are free, that is known of each: four others at least share their band."""
    edges = edges_of("spaces", spaces)
    assert band(0, edges) == band(4, edges)
    assert band(spaces, edges) == band(spaces - 5, edges)
    assert edges[-1] >= spaces


def test_a_group_must_be_large_enough_at_every_moment() -> None:
    desks = [Standing(a_space(f"d{number}"), 0, 100) for number in range(5)]
    assert large_enough(desks, 0, 100)
    assert not large_enough(desks, 0, 101)
    assert not large_enough(desks[1:], 0, 100)
    relieved = [*desks[1:], Standing(a_space("d0"), 0, 50), Standing(a_space("d9"), 50, 100)]
    assert large_enough(relieved, 0, 100)
    late = [*desks[1:], Standing(a_space("d0"), 0, 50), Standing(a_space("d9"), 51, 100)]
    assert not large_enough(late, 0, 100)
    assert large_enough(late, 51, 100)
