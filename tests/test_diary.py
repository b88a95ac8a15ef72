"""Raw readings that an agent keeps on its own disk when it is asked to."""

import threading
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perch.adapters.tables.csv_files import read_readings
from perch.adapters.tables.csv_times import parse_time
from perch.contract import StateEvent
from perch.model import DAY_MS, Reading, SensedSpace, Sensor, SensorKind, SpaceKind
from perch.sensing import offline
from perch.settings import AgentSettings, Broker, SensingSettings
from sensor_agent import replay
from sensor_agent.diary import FOLDER, MOST_FILES, Diary
from tests import parts
from tests.acknowledging import Acknowledging
from tests.examples import usually

T0 = 1_760_001_200_000
DAY_START = T0 // DAY_MS * DAY_MS
DESK = SensedSpace("d01", SpaceKind.DESK, 1)
PIR = Sensor("pir1", SensorKind.MOTION, "d01", None, pin=17)
WALK = [Reading(T0 + 7_000 * step, "pir1", float(step % 2)) for step in range(400)]


def settings_for(mosquitto: parts.Broker, folder: Path) -> AgentSettings:
    return AgentSettings("hq", "pi-1", folder, Broker("127.0.0.1", mosquitto.port), SensingSettings((DESK,), (PIR,)))


def kept(folder: Path) -> list[Reading]:
    return [row for path in sorted(folder.glob("*.csv")) for row in read_readings(path, {"pir1"})]


def test_readings_are_kept_only_where_somebody_asked_for_it(mosquitto: parts.Broker, tmp_path: Path) -> None:
    with Acknowledging(settings_for(mosquitto, tmp_path).broker):
        replay.run(settings_for(mosquitto, tmp_path), WALK, threading.Event())
    assert not (tmp_path / FOLDER).exists()


def test_another_rule_can_be_tried_on_what_was_kept(mosquitto: parts.Broker, tmp_path: Path) -> None:
    keeping = replace(settings_for(mosquitto, tmp_path), keep_readings_mib=1)
    with Acknowledging(keeping.broker) as heard:
        replay.run(keeping, WALK, threading.Event())
        said = [(e.wall_ms, e.state) for e in heard.of() if isinstance(e, StateEvent)]
    rows = kept(tmp_path / FOLDER)
    assert rows == [row for row in WALK if row is not WALK[0]]
    again = [(c.time_ms, c.occupancy.state) for c in offline.changes([DESK], [PIR], rows)]
    assert again[1:] == said[1:]
    assert (tmp_path / FOLDER).stat().st_mode & 0o077 == 0


def sizes(folder: Path) -> list[int]:
    return [path.stat().st_size for path in folder.glob("*.csv")]


def test_what_is_kept_is_bounded_and_the_oldest_goes_first(tmp_path: Path) -> None:
    diary, most = Diary(tmp_path / FOLDER, 5_000), 0
    for step in range(1_000):
        diary.note(T0 + 600_000 * step, "pir1", 1.0)
        most = max(most, sum(sizes(tmp_path / FOLDER)))
    diary.write()
    assert 4_000 < most <= 5_000
    rows = kept(tmp_path / FOLDER)
    assert [row.time_ms for row in rows] == list(range(rows[0].time_ms, T0 + 600_000 * 1_000, 600_000))


def test_the_bound_holds_within_a_day_however_fast_readings_come(tmp_path: Path) -> None:
    diary, most = Diary(tmp_path / FOLDER, 40_000), 0
    for step in range(8_000):
        diary.note(DAY_START + 60 * step, f"sensor-{step % 16}", 0.1234 * step)
        if step % 50 == 0:
            most = max(most, sum(sizes(tmp_path / FOLDER)))
    diary.write()
    assert 30_000 < most <= 40_000
    assert max(sizes(tmp_path / FOLDER)) <= 40_000 // 8
    names = {f"sensor-{number}" for number in range(16)}
    last = [row for path in sorted((tmp_path / FOLDER).glob("*.csv")) for row in read_readings(path, names)]
    assert len(last) > 600
    assert last[-1].time_ms == DAY_START + 60 * 7_999
    assert last[-1].value == pytest.approx(0.1234 * 7_999)


def test_after_a_clock_that_went_back_the_bound_holds_and_what_is_newest_stays(tmp_path: Path) -> None:
    diary = Diary(tmp_path / FOLDER, 40_000)
    for begin in (DAY_START + 36_000_000, DAY_START):  # ten hours back
        for step in range(2_000):
            diary.note(begin + 1000 * step, "pir1", 1.0)
            assert step % 50 or sum(sizes(tmp_path / FOLDER)) <= 40_000
    diary.write()
    times = [row.time_ms for row in kept(tmp_path / FOLDER)]
    assert DAY_START + 1000 * 1_999 in times
    assert DAY_START + 36_000_000 + 1000 * 1_999 in times


@given(
    most=st.integers(2_000, 6_000),
    steps=st.lists(st.tuples(st.integers(-90_000, 90_000), st.integers(1, 40)), max_size=20),
    starts=st.sets(st.integers(0, 20)),
)
@usually(40)
def test_whatever_the_clock_does_the_bound_holds_and_no_file_goes_back(
    most: int, steps: list[tuple[int, int]], starts: set[int]
) -> None:
    with TemporaryDirectory() as made:
        folder, now_ms = Path(made) / FOLDER, T0
        diary, value = Diary(folder, most), 0.0
        for number, (move_ms, rows) in enumerate(steps):
            if number in starts:
                diary.write()
                diary = Diary(folder, most)
            now_ms += move_ms
            for _ in range(rows):
                now_ms, value = now_ms + 700, value + 1
                diary.note(now_ms, "pir1", value)
            assert sum(sizes(folder)) <= most
        diary.write()
        assert sum(sizes(folder)) <= most
        for path in folder.glob("*.csv"):
            times = [parse_time(line.split(",")[0]) for line in path.read_text().splitlines()[1:]]
            assert times == sorted(times)
        assert not value or value in {row.value for row in kept(folder)}


def test_a_folder_full_of_small_files_is_bounded_too(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    for number in range(MOST_FILES + 50):
        (tmp_path / FOLDER / f"2020-01-01T000000Z_{number:04}.csv").write_text("time,sensor,value\n")
    diary = Diary(tmp_path / FOLDER, 1_048_576)
    diary.note(T0, "pir1", 1.0)
    diary.write()
    assert len(sizes(tmp_path / FOLDER)) == MOST_FILES


def test_within_a_file_time_never_goes_back(tmp_path: Path) -> None:
    diary = Diary(tmp_path / FOLDER, 1_000_000)
    for moment in (T0, T0 + 1000, T0 - 3_600_000, T0 - 3_599_000, T0 + DAY_MS):
        diary.note(moment, "pir1", 1.0)
    diary.write()
    assert len(list((tmp_path / FOLDER).glob("*.csv"))) == 3
    assert len(kept(tmp_path / FOLDER)) == 5


def test_a_disk_that_cannot_be_written_stops_the_diary_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / FOLDER).write_text("somebody's file")
    diary = Diary(tmp_path / FOLDER, 1_000_000)
    for step in range(1_000):
        diary.note(T0 + step * 1000, "pir1", 1.0)
    diary.write()
    assert (tmp_path / FOLDER).read_text() == "somebody's file"
