"""A site's own time: days of any length, opening hours where clocks are turned, steps of the calendar."""

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perch.history.calendar import HOUR_MS, Calendar, ceil_quarter, floor_quarter
from perch.history.question import Resolution
from perch.model import QUARTER_MS, OpenSpan
from tests.history_cases import TURNING_DAYS

EVERY_DAY_8_TO_20 = ((OpenSpan(time(8), time(20)),),) * 7


def calendar(zone: str, *spans: tuple[str, str | None]) -> Calendar:
    """Make a calendar with the same hours each day."""
    opened = tuple(
        OpenSpan(time.fromisoformat(start), None if until is None else time.fromisoformat(until))
        for start, until in spans
    )
    return Calendar(zone, (opened,) * 7)


def utc(text: str) -> int:
    """Read a UTC time as milliseconds."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def shown(zone: str, ms: int) -> str:
    """Give what the site's clock shows."""
    return datetime.fromtimestamp(ms / 1000, ZoneInfo(zone)).strftime("%m-%d %H:%M")


def day_of(zone: str, day: str) -> tuple[int, int]:
    """Give start and end of a local day."""
    made, first = Calendar(zone, ()), date.fromisoformat(day)
    return made.day_start_ms(first), made.day_start_ms(date.fromordinal(first.toordinal() + 1))


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Lisbon", "2026-03-29", 23.0),
        ("Europe/Lisbon", "2026-10-25", 25.0),
        ("Europe/Lisbon", "2026-10-26", 24.0),
        ("America/Havana", "2026-03-08", 23.0),
        ("America/Havana", "2026-11-01", 25.0),
        ("Australia/Lord_Howe", "2026-04-05", 24.5),
        ("Australia/Lord_Howe", "2026-10-04", 23.5),
        ("Pacific/Apia", "2011-12-30", 0.0),
        ("Asia/Kathmandu", "2026-10-25", 24.0),
    ],
)
def test_days_are_as_long_as_the_clocks_make_them(zone: str, day: str, hours: float) -> None:
    start_ms, end_ms = day_of(zone, day)
    assert (end_ms - start_ms) / HOUR_MS == hours
    made = Calendar(zone, ())
    assert len(made.steps_ms(Resolution.HOUR, start_ms, max(end_ms, start_ms + 1))) - 1 == max(1, -(-hours // 1))


def test_a_day_without_midnight_begins_at_the_jump() -> None:
    start_ms, _ = day_of("America/Havana", "2026-03-08")
    assert shown("America/Havana", start_ms) == "03-08 01:00"
    assert shown("America/Havana", start_ms - 1) == "03-07 23:59"


def test_a_day_with_two_midnights_begins_at_the_first() -> None:
    start_ms, _ = day_of("America/Havana", "2026-11-01")
    assert start_ms == utc("2026-11-01 04:00")


def test_an_opening_time_that_does_not_exist_is_the_moment_of_the_jump() -> None:
    """On 29 March 2026 Lisbon's clocks go from 01:00 to 02:00, at 01:00 UTC."""
    start_ms, end_ms = day_of("Europe/Lisbon", "2026-03-29")
    opens = calendar("Europe/Lisbon", ("01:30", "05:00")).opening_ms(start_ms, end_ms)
    assert opens.tolist() == [utc("2026-03-29 01:00"), utc("2026-03-29 04:00")]
    closes = calendar("Europe/Lisbon", ("00:00", "01:30")).opening_ms(start_ms, end_ms)
    assert closes.tolist() == [utc("2026-03-29 00:00"), utc("2026-03-29 01:00")]
    skipped = calendar("Europe/Lisbon", ("01:10", "01:50")).opening_ms(start_ms, end_ms)
    assert skipped.tolist() == []


def test_times_that_happen_twice_open_at_the_first_and_close_at_the_second() -> None:
    """On 25 October 2026 Lisbon's clocks show 01:00 to 02:00 twice, from 00:00 UTC and from 01:00 UTC."""
    start_ms, end_ms = day_of("Europe/Lisbon", "2026-10-25")
    opens = calendar("Europe/Lisbon", ("01:30", "05:00")).opening_ms(start_ms, end_ms)
    assert opens.tolist() == [utc("2026-10-25 00:30"), utc("2026-10-25 05:00")]
    closes = calendar("Europe/Lisbon", ("00:00", "01:30")).opening_ms(start_ms, end_ms)
    assert closes.tolist() == [utc("2026-10-24 23:00"), utc("2026-10-25 01:30")]
    turned_to_it = calendar("Europe/Lisbon", ("00:00", "01:00")).opening_ms(start_ms, end_ms)
    assert turned_to_it.tolist() == [utc("2026-10-24 23:00"), utc("2026-10-25 00:00")]
    after_it = calendar("Europe/Lisbon", ("01:00", "02:00")).opening_ms(start_ms, end_ms)
    assert after_it.tolist() == [utc("2026-10-25 00:00"), utc("2026-10-25 02:00")]


def test_spans_that_meet_or_overlap_are_one() -> None:
    start_ms, end_ms = utc("2026-06-01 00:00"), utc("2026-06-03 00:00")
    made = calendar("UTC", ("08:00", "12:00"), ("12:00", "13:00"), ("12:30", None))
    assert made.opening_ms(start_ms, end_ms).tolist() == [
        utc("2026-06-01 08:00"),
        utc("2026-06-02 00:00"),
        utc("2026-06-02 08:00"),
        utc("2026-06-03 00:00"),
    ]
    through = calendar("UTC", ("00:00", None))
    assert through.opening_ms(start_ms, end_ms).tolist() == [start_ms, end_ms]


def test_closed_days_and_days_without_hours_are_closed() -> None:
    monday_only = ((OpenSpan(time(8), time(20)),), (), (), (), (), (), ())
    made = Calendar("UTC", monday_only, frozenset({date(2026, 6, 8)}))
    opened = made.opening_ms(utc("2026-06-01 00:00"), utc("2026-06-15 00:00"))
    assert opened.tolist() == [utc("2026-06-01 08:00"), utc("2026-06-01 20:00")]


def test_weeks_begin_on_monday_and_months_on_the_first_of_the_site() -> None:
    made = Calendar("Asia/Kathmandu", ())
    weeks = made.steps_ms(Resolution.WEEK, utc("2026-06-01 00:00"), utc("2026-06-16 00:00"))
    assert [shown("Asia/Kathmandu", ms) for ms in weeks[1:-1].tolist()] == ["06-08 00:00", "06-15 00:00"]
    months = made.steps_ms(Resolution.MONTH, utc("2026-01-15 00:00"), utc("2026-03-15 00:00"))
    assert [shown("Asia/Kathmandu", ms) for ms in months[1:-1].tolist()] == ["02-01 00:00", "03-01 00:00"]


def test_hours_are_those_of_the_site_and_quarter_hours_those_of_utc() -> None:
    made = Calendar("Asia/Kathmandu", ())
    hours = made.steps_ms(Resolution.HOUR, utc("2026-06-01 00:00"), utc("2026-06-01 02:00"))
    assert hours[1:-1].tolist() == [utc("2026-06-01 00:15"), utc("2026-06-01 01:15")]
    quarters = made.steps_ms(Resolution.QUARTER_HOUR, utc("2026-06-01 00:01"), utc("2026-06-01 00:46"))
    assert quarters.tolist() == [utc(f"2026-06-01 00:{minute}") for minute in ("01", "15", "30", "45", "46")]


@given(st.sampled_from(TURNING_DAYS), st.sampled_from(["hour", "day", "week", "month"]))
def test_every_step_begins_where_the_clock_says_so(odd: tuple[str, date], resolution: str) -> None:
    """Within a step the hour, day, week or month shown never changes; from one to the next it does."""
    zone, day = odd
    made = Calendar(zone, EVERY_DAY_8_TO_20)
    start_ms = made.day_start_ms(day) - 30 * HOUR_MS
    end_ms = start_ms + (72 if resolution in ("hour", "day") else 24 * 70) * HOUR_MS
    steps = made.steps_ms(Resolution(resolution), start_ms, end_ms).tolist()
    names = {
        "hour": lambda at: (at.date(), at.hour, at.utcoffset()),
        "day": lambda at: at.date(),
        "week": lambda at: at.isocalendar()[:2],
        "month": lambda at: (at.year, at.month),
    }
    starts = [
        ms
        for ms in range(start_ms, end_ms, QUARTER_MS)
        if ms == start_ms
        or names[resolution](datetime.fromtimestamp(ms / 1000, ZoneInfo(zone)))
        != names[resolution](datetime.fromtimestamp((ms - 1) / 1000, ZoneInfo(zone)))
    ]
    assert steps == [*starts, end_ms]


@given(st.integers(-(2**53), 2**53))
def test_quarter_hours_round_down_and_up(ms: int) -> None:
    assert floor_quarter(ms) <= ms <= ceil_quarter(ms)
    assert ceil_quarter(ms) - floor_quarter(ms) in (0, QUARTER_MS)
    assert floor_quarter(ms) % QUARTER_MS == 0
