"""Recordings, states and truth as CSV: exact times, constant memory, every broken row by its line."""

import gzip
import tracemalloc
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perch.adapters.tables.csv_files import (
    CountedRow,
    StatedRow,
    Survey,
    read_readings,
    read_states,
    read_truth,
    state_line,
    survey_readings,
)
from perch.adapters.tables.csv_times import FIRST_MS, LAST_MS, format_time, parse_time
from perch.errors import InputError
from perch.model import Occupancy, Reading, Reason, State
from perch.settings.reading import RefusedError

HEADER = "time,sensor,value\n"
NINE_MS = 1_777_885_200_000  # 2026-05-04T09:00:00Z
times = st.integers(FIRST_MS, LAST_MS)


def recording(folder: Path, rows: str, name: str = "readings.csv", header: str = HEADER) -> Path:
    """Write a recording."""
    path = folder / name
    path.write_text(header + rows, encoding="utf-8")
    return path


def complaints(path: Path) -> dict[str, str]:
    """Survey a broken recording: line → what."""
    with pytest.raises(InputError) as caught:
        survey_readings(path)
    assert all(complaint.remedy for complaint in caught.value.complaints), "every complaint says what to do"
    return {c.where.removeprefix(str(path)): c.what for c in caught.value.complaints}


# Times.


@pytest.mark.parametrize(
    "text",
    [
        "2026-05-04T09:00:00Z",
        "2026-05-04t09:00:00z",
        "2026-05-04 09:00:00Z",
        "2026-05-04T09:00:00.000Z",
        "2026-05-04T09:00:00.0000000001Z",
        "2026-05-04T11:00:00+02:00",
        "2026-05-04T14:45:00+05:45",
        "2026-05-03T23:00:00-10:00",
        "2026-05-04T08:59:60Z",
        "2026-05-04T08:59:59.9999Z",
        "1777885200",
        "1777885200.0",
        "+1777885200.0004",
        "1777885199.9999999999",
    ],
)
def test_one_moment_can_be_written_in_many_ways(text: str) -> None:
    assert parse_time(text) == NINE_MS


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("2026-05-04T09:00:00", "add Z"),
        ("2026-05-04 09:00", "add Z"),
        ("1777885200000", "milliseconds"),
        ("2026-02-30T09:00:00Z", "write it as"),
        ("2026-05-04T24:00:00Z", "write it as"),
        ("2026-05-04T09:60:00Z", "write it as"),
        ("2026-05-04", "write it as"),
        ("0000-01-01T00:00:00Z", "write it as"),
        ("0001-01-01T00:00:00+10:00", "seconds"),
        ("٢٠٢٦-05-04T09:00:00Z", "write it as"),
        ("1e9", "write it as"),
        ("nan", "write it as"),
        ("1_777", "write it as"),
        ("", "write it as"),
        ("9" * 5000, "write it as"),
        ("0." + "9" * 5000, "write it as"),
    ],
)
def test_what_is_no_moment_is_refused(text: str, remedy: str) -> None:
    with pytest.raises(RefusedError) as caught:
        parse_time(text)
    assert remedy in caught.value.remedy


@given(time_ms=times)
def test_a_time_that_was_written_is_read_back(time_ms: int) -> None:
    assert parse_time(format_time(time_ms)) == time_ms


@given(time_ms=times)
def test_epoch_seconds_are_read_without_any_error_of_floating_point(time_ms: int) -> None:
    assert parse_time(f"{Decimal(time_ms) / 1000:f}") == time_ms
    assert parse_time(f"{Decimal(time_ms) / 1000:.9f}") == time_ms


@given(
    time=st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)),  # noqa: DTZ001  # the offset is added below
    minutes=st.integers(-23 * 60, 23 * 60),
)
def test_any_offset_is_understood(time: datetime, minutes: int) -> None:
    local = time.replace(microsecond=0, tzinfo=timezone(timedelta(minutes=minutes)))
    assert parse_time(local.isoformat()) == (local - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def test_milliseconds_are_written_only_where_there_are_some() -> None:
    assert format_time(NINE_MS) == "2026-05-04T09:00:00Z"
    assert format_time(NINE_MS + 7) == "2026-05-04T09:00:00.007Z"


# Recordings.


def test_a_recording_is_read_in_order(tmp_path: Path) -> None:
    path = recording(tmp_path, "1777885200,pir1,1\n1777885200,co2,4.5e2\n\n2026-05-04T09:00:30Z,pir1,-0.5\n")
    assert survey_readings(path) == Survey(3, NINE_MS, NINE_MS + 30_000, frozenset({"pir1", "co2"}))
    assert list(read_readings(path, {"pir1", "co2"})) == [
        Reading(NINE_MS, "pir1", 1.0),
        Reading(NINE_MS, "co2", 450.0),
        Reading(NINE_MS + 30_000, "pir1", -0.5),
    ]


def test_sensors_that_nobody_asks_for_are_left_out(tmp_path: Path) -> None:
    path = recording(tmp_path, "1,pir1,1\n2,Büro 7,1\n3,pir1,0\n")
    assert [reading.time_ms for reading in read_readings(path, {"pir1"})] == [1000, 3000]
    assert survey_readings(path).sensors == {"pir1", "Büro 7"}


def test_a_row_without_a_value_is_a_sample_that_was_missed_not_a_zero(tmp_path: Path) -> None:
    path = recording(tmp_path, "1,pir1,\n2,pir1,0\n")
    assert list(read_readings(path, {"pir1"})) == [Reading(2000, "pir1", 0.0)]


def test_columns_may_stand_in_any_order_among_others(tmp_path: Path) -> None:
    path = recording(tmp_path, '0.5,%,"1",pir1\n', header="value,unit,time,sensor\n")
    assert list(read_readings(path, {"pir1"})) == [Reading(1000, "pir1", 0.5)]


@pytest.mark.parametrize("name", ["readings.csv.gz", "readings.csv"])
def test_a_gzipped_recording_is_read_whatever_its_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(f"{HEADER}1,pir1,1\n".encode()))
    assert list(read_readings(path, {"pir1"})) == [Reading(1000, "pir1", 1.0)]


def test_a_byte_order_mark_quotes_and_windows_lines_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "readings.csv"
    path.write_bytes(b'\xef\xbb\xbf"time","sensor","value"\r\n"1","pir1","1"\r\n')
    assert list(read_readings(path, {"pir1"})) == [Reading(1000, "pir1", 1.0)]


def test_an_empty_recording_holds_nothing(tmp_path: Path) -> None:
    assert survey_readings(recording(tmp_path, "")) == Survey(0, None, None, frozenset())


BROKEN = {
    "yesterday,pir1,1": "no time",
    "2026-05-04T09:00:00,pir1,1": "no time",
    "1777885200000,pir1,1": "years",
    "5,pir1,on": "no number",
    "5,pir1,nan": "no number",
    "5,pir1,-inf": "no number",
    "5,pir1,1e999": "no number",
    "5,pir1,1_0": "no number",
    "5,pir1,0x1": "no number",
    "5,,1": "names nothing",
    "5,pir1": "2 cells under 3",
    "5,pir1,1,5": "4 cells under 3",
    '5,"pir1,1': "not CSV",
    '5,"pir1"x,1': "not CSV",
    "1,pir1,1": "lies before",
    "5,pir1,\0": "no number",
}


@pytest.mark.parametrize("row", BROKEN)
def test_a_broken_row_is_named_by_its_line(tmp_path: Path, row: str) -> None:
    found = complaints(recording(tmp_path, f"2,pir1,1\n{row}\n6,pir1,1\n"))
    assert found.keys() == {":3"}
    assert BROKEN[row] in found[":3"]


def test_bytes_that_are_no_text_spoil_their_own_row_only(tmp_path: Path) -> None:
    path = tmp_path / "readings.csv"
    path.write_bytes(HEADER.encode() + b"1,pir1,\xff\n2,pir1,1\n")
    assert complaints(path).keys() == {":2"}


def test_broken_rows_are_named_up_to_twenty_and_then_counted(tmp_path: Path) -> None:
    found = complaints(recording(tmp_path, "x,pir1,1\n" * 50))
    assert [*found] == [*(f":{line}" for line in range(2, 22)), ""]
    assert found[""] == "30 more rows are broken"


def test_readings_end_in_the_complaint_where_a_row_is_broken(tmp_path: Path) -> None:
    readings = read_readings(recording(tmp_path, "1,pir1,1\nx,pir1,1\n3,pir1,1\n"), {"pir1"})
    assert [next(readings).time_ms, next(readings).time_ms] == [1000, 3000]
    with pytest.raises(InputError):
        next(readings)


@pytest.mark.parametrize(
    "header", ["", "time,sensor\n", "time;sensor;value\n", "time,sensor,value,value\n", "1,pir1,1\n"]
)
def test_a_recording_without_its_columns_is_refused(tmp_path: Path, header: str) -> None:
    assert complaints(recording(tmp_path, "1,pir1,1\n" if header else "", header=header)).keys() == {":1"}


def test_a_file_that_cannot_be_read_is_one_complaint(tmp_path: Path) -> None:
    whole = gzip.compress((HEADER + "1,pir1,1\n" * 1000).encode())
    (tmp_path / "torn.csv.gz").write_bytes(whole[:-20])
    (tmp_path / "damaged.csv.gz").write_bytes(whole[:20] + b"\0\0\0\0" + whole[24:])
    for name, what in {
        "none.csv": "no such file",
        "": "no regular",
        "torn.csv.gz": "damaged",
        "damaged.csv.gz": "damaged",
    }.items():
        assert what in complaints(tmp_path / name)[""]


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    path = recording(tmp_path, "".join(f"{second},pir{second % 8},1\n" for second in range(24_000)))
    tracemalloc.start()
    try:
        assert survey_readings(path).rows == 24_000
        assert sum(1 for _ in read_readings(path, {"pir1"})) == 3_000
        assert tracemalloc.get_traced_memory()[1] < 200_000
    finally:
        tracemalloc.stop()


# States and truth.


def test_states_come_out_as_they_went_in(tmp_path: Path) -> None:
    said = Occupancy(State.OCCUPIED, 0.9704, 2, Reason.COUNT, 0)
    dark = Occupancy(State.UNKNOWN, 0.5, None, Reason.STARTING, 0)
    lines = state_line(NINE_MS, "r1", dark) + state_line(NINE_MS + 1, "r1", said)
    assert lines == "2026-05-04T09:00:00Z,r1,unknown,0.500,\n2026-05-04T09:00:00.001Z,r1,occupied,0.970,2\n"
    path = recording(tmp_path, lines, header="time,space,state,probability,count\n")
    assert list(read_states(path)) == [
        StatedRow(NINE_MS, "r1", State.UNKNOWN, 0.5, None),
        StatedRow(NINE_MS + 1, "r1", State.OCCUPIED, 0.97, 2),
    ]


def test_truth_counts_people(tmp_path: Path) -> None:
    path = recording(tmp_path, "5,r1,2\n1,r2,0.0\n", header="time,space,count\n")
    assert list(read_truth(path)) == [CountedRow(5000, "r1", 2), CountedRow(1000, "r2", 0)]


@pytest.mark.parametrize(
    "row", ["1,r1,maybe,0.5,", "1,r1,free,1.5,", "1,r1,free,x,", "1,r1,free,0.5,-1", "1,r1,free,0.5,1.5"]
)
def test_a_state_that_says_nonsense_is_refused(tmp_path: Path, row: str) -> None:
    path = recording(tmp_path, row, header="time,space,state,probability,count\n")
    with pytest.raises(InputError, match=":2"):
        list(read_states(path))


@given(
    content=st.binary(max_size=200)
    | st.lists(st.sampled_from([*BROKEN, "2,pir1,1", '"', "\r", "\0"])).map(
        lambda rows: "\n".join(["time,sensor,value", *rows]).encode()
    )
)
def test_any_bytes_are_a_recording_or_an_input_error(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(content)
    try:
        survey = survey_readings(path)
    except InputError:
        return
    readings = list(read_readings(path, survey.sensors))
    assert len(readings) <= survey.rows
    assert all(survey.first_ms <= one.time_ms <= survey.last_ms for one in readings)
