"""Raw readings that an agent keeps on its own disk when it is asked to."""

import threading
from dataclasses import replace
from pathlib import Path

from perch.adapters.csv_files import read_readings
from perch.contract import StateEvent
from perch.model import DAY_MS, Reading, SensedSpace, Sensor, SensorKind, SpaceKind
from perch.sensing import offline
from perch.settings import AgentSettings, Broker, SensingSettings
from sensor_agent import replay
from sensor_agent.diary import FOLDER, Diary
from tests import parts
from tests.acknowledging import Acknowledging

T0 = 1_760_001_200_000
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
    settings = replace(settings_for(mosquitto, tmp_path), keep_readings_mib=1)
    with Acknowledging(settings.broker) as heard:
        replay.run(settings, WALK, threading.Event())
        said = [(e.wall_ms, e.state) for e in heard.of() if isinstance(e, StateEvent)]
    rows = kept(tmp_path / FOLDER)
    assert rows == [row for row in WALK if row is not WALK[0]]
    again = [(c.time_ms, c.occupancy.state) for c in offline.changes([DESK], [PIR], rows)]
    assert again[1:] == said[1:]
    assert (tmp_path / FOLDER).stat().st_mode & 0o077 == 0


def test_what_is_kept_is_bounded_and_the_oldest_goes_first(tmp_path: Path) -> None:
    diary = Diary(tmp_path / FOLDER, 20_000)
    for row in (Reading(T0 + 600_000 * step, "pir1", 1.0) for step in range(5_000)):
        diary.note(row.time_ms, row.sensor, row.value)
    diary.write()
    assert sum(path.stat().st_size for path in (tmp_path / FOLDER).iterdir()) < 20_000 + DAY_MS / 600_000 * 40
    assert kept(tmp_path / FOLDER)[-1].time_ms == T0 + 600_000 * 4_999


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
