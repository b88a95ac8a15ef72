"""Times go out in a site's own offset, and come in as people write them."""

from contextlib import suppress
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.moments import day_at, next_midnight_ms, parse_moment, rfc3339

LISBON = ZoneInfo("Europe/Lisbon")
ZONES = st.sampled_from(["UTC", "Europe/Lisbon", "America/Havana", "Asia/Kathmandu", "Australia/Lord_Howe"])
MOMENTS = st.integers(0, 4_000_000_000_000)


@given(MOMENTS, ZONES)
def test_a_moment_comes_back_to_the_millisecond(wall_ms: int, zone: str) -> None:
    text = rfc3339(wall_ms, ZoneInfo(zone))
    assert parse_moment(text, UTC) == wall_ms
    assert parse_moment(text.replace("+", " "), UTC) == wall_ms  # what an unquoted + means in a query


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2026-07-01", "2026-07-01T00:00:00+01:00"),
        ("2026-07-01T08:30", "2026-07-01T08:30:00+01:00"),
        ("2026-12-01T08:30:15", "2026-12-01T08:30:15+00:00"),
        ("2026-07-01t08:30:15z", "2026-07-01T08:30:15+00:00"),
        ("2026-07-01T08:30:15.250-03:30", "2026-07-01T08:30:15.250-03:30"),
        ("2026-10-25T01:30", "2026-10-25T01:30:00+01:00"),
    ],
)
def test_a_time_without_offset_is_the_sites_own(text: str, meant: str) -> None:
    assert parse_moment(text, LISBON) == round(datetime.fromisoformat(meant).timestamp() * 1000)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2026",
        "2026-02-30",
        "2026-07-01T25:00",
        "2026-07-01T08:30+99:00",
        "1751355000",
        "٢٠٢٦-07-01",
        "2026-7-1",
        "0001-01-03",
        "9999-12-31T23:59:59-14:00",
    ],
)
def test_what_is_no_time_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="is no time"):
        parse_moment(text, LISBON)


@given(st.text(max_size=40))
def test_any_text_is_a_time_or_refused(text: str) -> None:
    with suppress(ValueError):
        assert isinstance(parse_moment(text, LISBON), int)


@given(MOMENTS, ZONES)
def test_the_next_local_day_begins_when_the_date_changes(wall_ms: int, name: str) -> None:
    zone = ZoneInfo(name)
    midnight_ms = next_midnight_ms(wall_ms, zone)
    assert midnight_ms > wall_ms
    assert day_at(midnight_ms - 1000, zone) == day_at(wall_ms, zone)
    assert day_at(midnight_ms, zone) > day_at(wall_ms, zone)
