"""Two configurations over one recording, and recordings in several files."""

from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from perch.commands import perch, run
from perch.model import Reading, SensedSpace, Sensor, SensorKind, SpaceKind, State
from perch.sensing import offline
from perch.sensing.beside import Comparison, beside

SPACE = (
    '[[space]]\nid = "d01"\nkind = "desk"\n{more}\n[[sensor]]\nid = "pir1"\nkind = "motion"\nspace = "d01"\npin = 17\n'
)
ROWS = [f"2026-03-02T{9 + n // 60:02d}:{n % 60:02d}:0{edge},pir1,{1 - edge}" for n in range(40) for edge in (0, 1)]
ROWS += ["2026-03-02T12:00:00,pir1,1", "2026-03-02T12:00:02,pir1,0"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "a.toml").write_text(SPACE.format(more=""))
    (tmp_path / "b.toml").write_text(SPACE.format(more="hold_seconds = 300"))
    write(tmp_path / "r.csv", ROWS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path: Path, rows: list[str]) -> None:
    path.write_text("time,sensor,value\n" + "".join(row.replace(",", "Z,", 1) + "\n" for row in rows))


@pytest.mark.usefixtures("folder")
def test_two_configurations_are_shown_side_by_side_and_summed_up() -> None:
    done = CliRunner().invoke(perch, ["sense", "r.csv", "--config", "a.toml", "--beside", "b.toml"])
    assert done.exit_code == 0
    header, *rows = done.stdout.splitlines()
    assert header == "time,space,state,probability,count,state_beside,probability_beside,count_beside"
    cells = [row.split(",") for row in rows]
    assert (cells[-1][2], cells[-1][5]) == ("free", "occupied")
    released = {column: next(row[0] for row in cells if row[column] == "free") for column in (2, 5)}
    assert released[5] == "2026-03-02T09:44:01Z"
    assert released[2] > released[5]
    assert "min differ" in done.stderr


def test_files_that_follow_one_another_are_one_recording_in_whatever_order_they_are_given(folder: Path) -> None:
    write(folder / "1.csv", ROWS[:30])
    write(folder / "2.csv", ROWS[30:])
    whole = CliRunner().invoke(perch, ["sense", "r.csv", "--config", "a.toml"])
    parts = CliRunner().invoke(perch, ["sense", "2.csv", "1.csv", "--config", "a.toml"])
    assert parts.stdout == whole.stdout


def test_files_that_overlap_are_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(folder / "1.csv", ROWS[:31])
    write(folder / "2.csv", ROWS[20:])
    assert run(["sense", "1.csv", "2.csv", "--config", "a.toml"]) == 2
    assert "begins before 1.csv ends" in capsys.readouterr().err


DESKS = [SensedSpace("d01", SpaceKind.DESK, 1)], [SensedSpace("d01", SpaceKind.DESK, 1, hold_ms=300_000)]
PIR = Sensor("pir1", SensorKind.MOTION, "d01", None, pin=17)


@given(st.lists(st.tuples(st.integers(0, 3_000_000), st.sampled_from([0.0, 1.0])), min_size=1, max_size=30))
def test_side_by_side_each_says_what_it_says_alone(steps: list[tuple[int, float]]) -> None:
    rows, now_ms = [], 0
    for gap_ms, value in steps:
        now_ms += gap_ms
        rows.append(Reading(now_ms, "pir1", value))
    alone = [list(offline.changes(spaces, [PIR], rows)) for spaces in DESKS]
    together = list(beside(*(offline.changes(spaces, [PIR], rows) for spaces in DESKS)))
    assert all(a.time_ms < b.time_ms for a, b in pairwise(together))
    comparison = Comparison()
    for both in together:
        comparison.add(both)
        for said, changes in zip((both.one, both.other), alone, strict=True):
            last = [change.occupancy for change in changes if change.time_ms <= both.time_ms][-1]
            assert said is not None
            assert said.state is last.state
    comparison.let_pass(now_ms)
    for sums in (comparison.one, comparison.other):
        assert sum(sums.in_state_ms.values()) == now_ms - rows[0].time_ms
        assert set(sums.in_state_ms) <= set(State)
    assert comparison.differ_ms <= now_ms
