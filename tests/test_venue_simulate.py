"""`perch simulate` makes a venue of any size, with all that is needed to sense it again and to score the result."""

from collections import Counter, defaultdict
from datetime import date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perch.adapters.tables.csv_files import read_readings, read_states, read_truth, survey_readings
from perch.commands import run
from perch.model import Reading, Site
from perch.settings import load_sensing, load_site
from perch.settings.holidays import closed_days
from perch.venue.changes import lived_in
from perch.venue.instruments import silenced, stuck
from perch.venue.made import made_site
from perch.venue.rig import PINS, sensing
from perch.venue.simulation import Simulation
from perch.venue.written import sensing_toml, site_toml, spaces_csv
from tests.examples import usually
from tests.history_cases import day_ms

FILES = (
    "faults.csv",
    "perch.toml",
    "readings.csv.gz",
    "sensing.toml",
    "site.toml",
    "spaces.csv",
    "transitions.csv.gz",
    "truth.csv.gz",
)


def simulated(folder: Path, *, spaces: int = 25, days: int = 3, seed: int = 5) -> Path:
    words = ["--spaces", str(spaces), "--days", str(days), "--seed", str(seed), "--out", str(folder)]
    assert run(["simulate", *words]) == 0
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulated(tmp_path_factory.mktemp("simulated") / "venue")


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(folder: Path, tmp_path: Path) -> None:
    again, other = simulated(tmp_path / "again"), simulated(tmp_path / "other", seed=6)
    assert sorted(path.name for path in folder.iterdir()) == sorted([*FILES, "agents"])
    assert all((again / name).read_bytes() == (folder / name).read_bytes() for name in FILES)
    assert (other / "readings.csv.gz").read_bytes() != (folder / "readings.csv.gz").read_bytes()


def test_its_configuration_loads_and_its_rows_are_in_order(folder: Path) -> None:
    site, sensing_settings = load_site(folder / "site.toml"), load_sensing(folder / "sensing.toml")
    assert len(site.spaces) == len(sensing_settings.spaces) == 25
    survey = survey_readings(folder / "readings.csv.gz")
    assert survey.rows > 1000
    assert survey.sensors <= {sensor.id for sensor in sensing_settings.sensors}
    truth = list(read_truth(folder / "truth.csv.gz"))
    assert {row.space for row in truth} == {space.id for space in site.spaces}
    assert all(a.time_ms <= b.time_ms for a, b in pairwise(truth))


def test_its_transitions_are_what_perch_senses_from_its_readings(
    folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(["sense", str(folder / "readings.csv.gz"), "--config", str(folder / "sensing.toml")]) == 0
    states = tmp_path / "states.csv"
    states.write_text(capsys.readouterr().out)
    assert list(read_states(states)) == list(read_states(folder / "transitions.csv.gz"))


def test_its_truth_is_what_its_presence_sensors_saw(folder: Path) -> None:
    people: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for row in read_truth(folder / "truth.csv.gz"):
        people[row.space].append((row.time_ms, row.count))
    readings = list(read_readings(folder / "readings.csv.gz", {f"{space}-presence" for space in people}))
    assert readings
    for reading in readings:
        if reading.value:
            told = [
                count
                for time_ms, count in people[reading.sensor.removesuffix("-presence")]
                if time_ms < reading.time_ms
            ]
            assert told[-1] > 0, reading


def test_a_folder_that_holds_a_venue_is_not_overwritten(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["simulate", "--out", str(folder)]) == 1
    assert "holds site.toml already" in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_is_one_clear_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert run(["simulate", "--out", str(tmp_path / "file" / "venue")]) == 1
    error = capsys.readouterr().err
    assert "file" in error
    assert "Traceback" not in error


@usually(20)
@given(st.integers(1, 200), st.integers())
def test_a_made_up_site_of_any_size_loads_without_complaint(spaces: int, seed: int) -> None:
    from tempfile import TemporaryDirectory

    site = made_site(spaces, seed)
    with TemporaryDirectory() as folder:
        (Path(folder) / "site.toml").write_text(site_toml(site))
        (Path(folder) / "spaces.csv").write_text(spaces_csv(site))
        assert load_site(Path(folder) / "site.toml") == site
        assert_agents(site, Path(folder))


def assert_agents(site: Site, folder: Path) -> None:
    assert {space.agent for space in site.spaces} == set(site.agents)
    for agent in site.agents:
        spaces, sensors = sensing(site, agent)
        assert len(sensors) <= len(PINS)
        assert len({space.floor for space in site.spaces if space.agent == agent}) == 1
        (folder / "sensing.toml").write_text(sensing_toml(spaces, sensors))
        loaded = load_sensing(folder / "sensing.toml")
        assert (loaded.spaces, loaded.sensors) == (spaces, sensors)


def test_a_sensor_that_dies_while_it_is_on_falls_back_and_returns_with_its_next_change() -> None:
    told = [
        Reading(1, "a", 1.0),
        Reading(2, "b", 1.0),
        Reading(5, "b", 0.0),
        Reading(8, "a", 0.0),
        Reading(12, "a", 1.0),
    ]
    assert list(silenced(told, "a", 4, 10)) == [
        Reading(1, "a", 1.0),
        Reading(2, "b", 1.0),
        Reading(4, "a", 0.0),
        Reading(5, "b", 0.0),
        Reading(12, "a", 1.0),
    ]


@pytest.fixture(scope="module")
def year_end() -> Site:
    """Eight weeks around New Year."""
    return lived_in(made_site(60, 3), date(2026, 12, 1), 56, 3)


def test_spaces_move_are_put_up_and_are_given_up_on_days_of_the_period(year_end: Site, tmp_path: Path) -> None:
    dated = [row for row in year_end.spaces if row.valid_from or row.valid_until]
    days = [day for row in dated for day in (row.valid_from, row.valid_until) if day]
    assert all(date(2026, 12, 15) <= day < date(2027, 1, 12) for day in days)
    ways = Counter((row.valid_from is None, row.valid_until is None) for row in dated if ids(year_end)[row.id] == 1)
    assert set(ways) == {(True, False), (False, True)}
    moved = [row for row in year_end.spaces if ids(year_end)[row.id] == 2]
    assert moved
    assert all(one.zone != other.zone for one, other in zip(moved[::2], moved[1::2], strict=True))
    (tmp_path / "site.toml").write_text(site_toml(year_end))
    (tmp_path / "spaces.csv").write_text(spaces_csv(year_end))
    assert load_site(tmp_path / "site.toml") == year_end


def ids(site: Site) -> Counter[str]:
    return Counter(row.id for row in site.spaces)


def test_nobody_comes_on_holidays_nor_where_no_space_stands(year_end: Site) -> None:
    from_ms, until_ms = day_ms("Europe/Lisbon", date(2026, 12, 1)), day_ms("Europe/Lisbon", date(2027, 1, 26))
    simulation = Simulation(year_end, from_ms, until_ms, 3, closed_days(year_end))
    rows = {space: [row for row in year_end.spaces if row.id == space] for space in ids(year_end)}
    zone, came = ZoneInfo("Europe/Lisbon"), set()
    for presence in simulation.truth():
        if presence.count:
            day = datetime.fromtimestamp(presence.time_ms / 1000, zone).date()
            came.add(day)
            assert any(row.stands_on(day) for row in rows[presence.space]), presence
    holidays = {date(2026, 12, 1), date(2026, 12, 8), date(2027, 1, 1), *(date(2026, 12, day) for day in range(24, 32))}
    weekdays = {date(2026, 12, 1) + timedelta(days=passed) for passed in range(56)}
    assert came == {day for day in weekdays - holidays if day.weekday() < 5}


def test_a_sensor_that_sticks_says_that_somebody_is_there_until_it_is_replaced() -> None:
    told = [
        Reading(1, "a", 1.0),
        Reading(2, "b", 1.0),
        Reading(3, "a", 0.0),
        Reading(6, "a", 1.0),
        Reading(7, "a", 0.0),
    ]
    assert list(stuck(told, "a", 5, 9)) == [*told[:3], Reading(5, "a", 1.0), Reading(9, "a", 0.0)]
    assert list(stuck(told, "a", 2, 7)) == [*told[:2], told[4]]
